/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of an experiment as a page for people: docs/experiment.md. */
#include <string.h>

#include "config/schema.h"

static const char intro[] =
    "# The experiment file\n"
    "\n"
    "Every key that an experiment may have outside its components, with an example of "
    "each. The options of components (sources, models, losses, optimizers ...) are in "
    "[components.md](components.md). This page is what `runner schema --docs` prints; "
    "a "
    "test keeps it so and checks every example.\n"
    "\n"
    "Examples show only the keys that matter. Put them into an experiment that has the "
    "rest, such as the one in the [README](../README.md). `{a: 1, b: 2}` is YAML's "
    "short "
    "form of lines `a: 1` and `b: 2` indented below.\n"
    "\n"
    "## How values are written\n"
    "\n"
    "- **Types** follow from the key, never from how the value looks: `1e-3` is a "
    "number "
    "for `lr` and text for `name`. Lists take a single value too: `freeze: "
    "model.conv1`.\n"
    "- **Durations** are a number and a unit: `500st` steps, `10ep` epochs, `20%` of "
    "the "
    "run, `90s` seconds, `30min` minutes, `2h` hours, `1d` days. Each key says which "
    "units "
    "it takes.\n"
    "- **Patterns** are names in which `*` stands for any characters and `?` for one: "
    "`model.conv*`. `runner plan FILE` shows the names of layers.\n"
    "- **Paths** start at the folder of the file that they are written in, or at the "
    "current folder on the command line. `~/` is the home folder.\n"
    "- **Components** (`loss`, `metrics`, `optimizer` ...) are a name (`loss: mse`), a "
    "map "
    "with `type:` and options (`loss: {type: mse, ...}`), and, where several are "
    "allowed, a list or a map of named ones (`loss: {hard: {type: ...}, soft: {type: "
    "...}}`). Names make overrides and curves stable: `loss.hard.weight=2`, "
    "`val/loss.hard`.\n"
    "- **References**: `${optimizer.lr}` is the value at that path, `${env:NAME}` an "
    "environment variable, `${env:NAME:-text}` one with a default. Inside `{ }` and `[ "
    "]` "
    "they need quotes. `$${` is a plain `${`.\n"
    "- `null`, `~` or nothing takes a key back: its default holds. Keys that begin "
    "with "
    "`x-` are ignored, a place for YAML anchors.\n"
    "- **On the command line** `key=value` replaces a value (`train.epochs=5`, "
    "`augment.0.p=0.3`), `key+=value` adds to a list, `~key` removes a key. Later ones "
    "win over earlier ones, and all of them over the file.\n"
    "- `runner config FILE` prints the whole experiment with all defaults, and "
    "`--blame` "
    "where each value came from.\n"
    "\n"
    "### `extends`\n"
    "\n"
    "*path, or list of paths*\n"
    "\n"
    "Files that this one builds on. Maps are merged, key by key; everything else, and "
    "a "
    "component of another type, replaces what is below it. Of several files, later "
    "ones "
    "win.\n"
    "\n"
    "```yaml\n"
    "extends: base.yaml\n"
    "```\n";

void option_facts(const struct option_info *o, struct text *out) {
    text_add(out, o->type);
    if (*o->range)
        text_addf(out, ", %s", o->range);
    if (*o->unit)
        text_addf(out, ", %s", o->unit);
    if (o->value)
        text_addf(out, ", default %s", *o->value ? o->value : "empty");
    if (o->required)
        text_add(out, ", required");
    if (o->live)
        text_add(out, ", live");
}

/* ------------------------------------------------------------------- one key */

static void type_words(const struct schema *s, const struct type *t, struct text *out) {
    static const char *const words[] = {[TYPE_ANY] = "text, list or map",
                                        [TYPE_BOOL] = "true or false",
                                        [TYPE_INT] = "integer",
                                        [TYPE_FLOAT] = "number",
                                        [TYPE_STRING] = "text",
                                        [TYPE_DURATION] = "duration",
                                        [TYPE_PATH] = "path",
                                        [TYPE_PATTERN] = "pattern",
                                        [TYPE_REFERENCE] = "reference",
                                        [TYPE_MAP] = "map"};
    switch (t->kind) {
    case TYPE_REFERENCE:
        text_addf(out, "%s",
                  strcmp(t->name, "series") == 0 ? "name of a series" : words[t->kind]);
        break;
    case TYPE_CHOICE:
        for (uint32_t i = 0; i < t->choice_count; i++)
            text_addf(out, "%s`%s`",
                      i == 0                     ? ""
                      : i + 1 == t->choice_count ? " or "
                                                 : ", ",
                      t->choices[i]);
        break;
    case TYPE_COMPONENT:
        text_addf(out, "[%s](components.md#%s)", t->name, t->name);
        break;
    case TYPE_COMPONENTS:
        text_addf(out, "[%s](components.md#%s), a list or a map of named ones", t->name,
                  t->name);
        break;
    case TYPE_LIST:
        text_add(out, "list: ");
        type_words(s, t->of, out);
        break;
    case TYPE_EITHER:
        type_words(s, t->of, out);
        text_add(out, "; or map");
        break;
    case TYPE_RECORD:
        text_add(out, schema_join(s, t->name) ? "map with `type:`" : "map");
        break;
    default:
        text_add(out, words[t->kind]);
        break;
    }
}

/* Sentences; a page that they name becomes a link. */
static void sentences(const char *doc, struct text *out) {
    for (const char *p = doc; *p;) {
        if (strncmp(p, "docs/", 5) == 0) {
            size_t n = strspn(p + 5, "abcdefghijklmnopqrstuvwxyz");
            text_addf(out, "[%.*s.md](%.*s.md)", (int)n, p + 5, (int)n, p + 5);
            p += 5 + n + 3;
        } else {
            text_add_n(out, p++, 1);
        }
    }
}

static const struct record *record_of(const struct schema *s, const struct option *o) {
    bool many = o->type.kind == TYPE_LIST || o->type.kind == TYPE_MAP;
    const struct type *t = many                          ? o->type.of
                           : o->type.kind == TYPE_EITHER ? o->type.map
                                                         : &o->type;
    return t->kind == TYPE_RECORD ? schema_record(s, t->name) : NULL;
}

static void heading(const char *marks, const char *path, struct text *out) {
    text_addf(out, "\n%s `%s`\n\n", marks, path);
}

/* beside: words behind the type, or "". */
static void key_docs(const struct schema *s, const struct option *o, const char *beside,
                     struct text *out) {
    const struct record *r = record_of(s, o);
    text_add(out, "*");
    type_words(s, &o->type, out);
    if (*o->info.range)
        text_addf(out, ", %s", o->info.range);
    if (*o->info.unit)
        text_addf(out, ", %s", o->info.unit);
    if (o->info.value)
        text_addf(out, ", default `%s`", o->info.value);
    if (o->info.required)
        text_add(out, ", required");
    text_addf(out, "%s*\n\n", beside);
    sentences(r && r->doc[0] ? r->doc : o->info.doc, out);
    text_addf(out, "\n\n```yaml\n%s\n```\n", o->info.example);
}

static void record_docs(const struct schema *s, const struct record *r,
                        const char *path, const char *beside, struct text *out);

static void option_docs(const struct schema *s, const struct option *o,
                        const char *path, const char *beside, struct text *out) {
    const struct record *r = record_of(s, o);
    const struct join *j =
        o->type.kind == TYPE_RECORD ? schema_join(s, o->type.name) : NULL;
    heading(strchr(path, '.') ? "###" : "##", path, out);
    key_docs(s, o, beside, out);
    struct text below = {0};
    text_addf(&below, "%s%s", path,
              o->type.kind == TYPE_LIST       ? ".N"
              : o->type.kind == TYPE_MAP && r ? ".NAME"
                                              : "");
    if (r)
        record_docs(s, r, text_get(&below), "", out);
    for (uint32_t i = 0; j && i < j->count; i++) {
        struct text with = {0};
        text_addf(&with, "; with `type: %s`", j->records[i]);
        record_docs(s, schema_record(s, j->records[i]), path, text_get(&with), out);
        text_finish(&with);
    }
    text_finish(&below);
}

static void record_docs(const struct schema *s, const struct record *r,
                        const char *path, const char *beside, struct text *out) {
    for (uint32_t i = 0; i < r->count; i++) {
        struct text full = {0};
        text_addf(&full, "%s.%s", path, r->options[i].info.name);
        option_docs(s, &r->options[i], text_get(&full), beside, out);
        text_finish(&full);
    }
}

/* "; of a model, a loss or a metric": the kinds that have this key. */
static void kinds_of(const char *key, const char *const *host_keys, struct text *out) {
    for (uint32_t i = 0; host_keys[i]; i++) {
        const char *dot = strchr(host_keys[i], '.');
        if (dot && strcmp(dot + 1, key) == 0)
            text_addf(out, "%s%.*s",
                      out->length ? ", " : "; in: ", (int)(dot - host_keys[i]),
                      host_keys[i]);
    }
}

void schema_docs(const struct schema *sections, const struct schema *keys,
                 const char *const *host_keys, struct text *out) {
    text_add(out, intro);
    for (uint32_t i = 0; i < sections->top.count; i++)
        option_docs(sections, &sections->top.options[i],
                    sections->top.options[i].info.name, "", out);
    text_add(out, "\n## Keys of components\n\n"
                  "What the runner itself reads in a component, beside the options "
                  "that the component has.\n");
    for (uint32_t i = 0; i < keys->top.count; i++) {
        const struct option *o = &keys->top.options[i];
        struct text kinds = {0};
        kinds_of(o->info.name, host_keys, &kinds);
        heading("###", o->info.name, out);
        key_docs(keys, o, text_get(&kinds), out);
        text_finish(&kinds);
    }
}
