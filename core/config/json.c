/* SPDX-License-Identifier: Apache-2.0 */
/* The checked tree as JSON, and JSON Schema (draft 7) of what a file may say, for
 * editors: host's sections, options of every known component. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/schema.h"

/* -------------------------------------------------------------------- a tree */

/* The shortest of two forms that reads back the same. */
static void number(double v, struct text *out) {
    char s[40];
    snprintf(s, sizeof s, "%.15g", v);
    if (strtod(s, NULL) != v)
        snprintf(s, sizeof s, "%.17g", v);
    text_add(out, s);
}

static void node_json(const struct node *n, struct text *out) {
    switch (n->kind) {
    case NODE_NULL:
        text_add(out, "null");
        return;
    case NODE_SCALAR:
        if (n->type == VALUE_BOOL)
            text_add(out, n->b ? "true" : "false");
        else if (n->type == VALUE_INT)
            text_addf(out, "%lld", (long long)n->i);
        else if (n->type == VALUE_FLOAT && isfinite(n->f))
            number(n->f, out);
        else
            json_quote(out, n->type == VALUE_PATH ? n->s : n->raw);
        return;
    default:
        break;
    }
    text_add(out, n->kind == NODE_MAP ? "{" : "[");
    for (uint32_t i = 0; i < n->count; i++) {
        text_add(out, i ? ", " : "");
        if (n->kind == NODE_MAP) {
            json_quote(out, n->items[i]->key);
            text_add(out, ": ");
        }
        node_json(n->items[i], out);
    }
    text_add(out, n->kind == NODE_MAP ? "}" : "]");
}

void config_json(const struct config *c, struct text *out) {
    node_json(c->root, out);
}

/* -------------------------------------------------------------------- a schema */

#define MOST_KINDS 32u

struct writer {
    struct text *out;
    const char *prefix; /* of definitions: "" the host's, "loss.mse." a component's */
    const char *kinds[MOST_KINDS];
    uint32_t kind_count;
};

/* `${...}` may stand for any single value. */
static const char reference[] = "{\"type\": \"string\", \"pattern\": \"\\\\$\\\\{\"}";

/* A number as JSON has it; integers without a fraction. */
static void bound(const char *name, bool has, double value, struct text *out) {
    if (!has)
        return;
    text_addf(out, ", \"%s\": ", name);
    number(value, out);
}

static void ref(struct writer *w, const char *prefix, const char *name) {
    struct text path = {0};
    text_addf(&path, "#/definitions/%s%s", prefix, name);
    text_add(w->out, "{\"$ref\": ");
    json_quote(w->out, text_get(&path));
    text_add(w->out, "}");
    text_finish(&path);
}

static void component(struct writer *w, const char *kind) {
    uint32_t i = 0;
    while (i < w->kind_count && strcmp(w->kinds[i], kind) != 0)
        i++;
    if (i == w->kind_count && i < MOST_KINDS)
        w->kinds[w->kind_count++] = kind;
    ref(w, "component.", kind);
}

static void type_json(struct writer *w, const struct type *t, const struct option *o) {
    struct text *out = w->out;
    switch (t->kind) {
    case TYPE_ANY:
        text_add(out, "{}");
        break;
    case TYPE_BOOL:
        text_addf(out, "{\"anyOf\": [{\"type\": \"boolean\"}, %s]}", reference);
        break;
    case TYPE_INT:
    case TYPE_FLOAT:
        text_addf(out, "{\"anyOf\": [{\"type\": \"%s\"",
                  t->kind == TYPE_INT ? "integer" : "number");
        bound("minimum", o->has_min, o->min, out);
        bound("maximum", o->has_max, o->max, out);
        bound("exclusiveMinimum", o->has_above, o->above, out);
        bound("exclusiveMaximum", o->has_below, o->below, out);
        /* YAML 1.1 readers take 1e-3 for a string. */
        text_addf(out, "}, %s%s]}", reference,
                  t->kind == TYPE_FLOAT
                      ? ", {\"type\": \"string\", \"pattern\": \"^[-+.0-9eE]+$\"}"
                      : "");
        break;
    case TYPE_DURATION:
        text_addf(out,
                  "{\"anyOf\": [{\"type\": \"string\", \"pattern\": "
                  "\"^[0-9.]+(st|ep|%%|s|min|h|d)$\"}, %s]}",
                  reference);
        break;
    case TYPE_CHOICE:
        text_add(out, "{\"anyOf\": [{\"enum\": [");
        for (uint32_t i = 0; i < t->choice_count; i++) {
            text_add(out, i ? ", " : "");
            json_quote(out, t->choices[i]);
        }
        text_addf(out, "]}, %s]}", reference);
        break;
    case TYPE_COMPONENT:
        component(w, t->name);
        break;
    case TYPE_COMPONENTS: /* a map of named ones is an object too */
        text_add(out, "{\"anyOf\": [");
        component(w, t->name);
        text_add(out, ", {\"type\": \"array\", \"items\": ");
        component(w, t->name);
        text_add(out, "}]}");
        break;
    case TYPE_LIST:
        text_addf(out, "{\"anyOf\": [%s, ", reference);
        if (type_single(t->of)) {
            type_json(w, t->of, o);
            text_add(out, ", ");
        }
        text_add(out, "{\"type\": \"array\", \"items\": ");
        type_json(w, t->of, o);
        text_add(out, "}]}");
        break;
    case TYPE_MAP:
        text_add(out, "{\"type\": \"object\", \"additionalProperties\": ");
        type_json(w, t->of, o);
        text_add(out, "}");
        break;
    case TYPE_RECORD:
        ref(w, w->prefix, t->name);
        break;
    default:
        text_add(out, "{\"type\": [\"string\", \"number\", \"boolean\"]}");
        break;
    }
}

static void option_json(struct writer *w, const struct option *o) {
    json_quote(w->out, o->info.name);
    text_add(w->out, ": {\"description\": ");
    json_quote(w->out, o->info.doc);
    if (o->info.value) {
        text_add(w->out, ", \"default\": ");
        json_quote(w->out, o->info.value);
    }
    text_add(w->out, ", \"allOf\": [");
    type_json(w, &o->type, o);
    text_add(w->out, "]}");
}

/* Without the closing braces of the properties and of the object. `type`: the word that
 * it must be, or NULL. */
static void record_json(struct writer *w, const struct record *r, const char *type) {
    const char *comma = "\n  ";
    text_add(w->out, "\"type\": \"object\", \"additionalProperties\": false, "
                     "\"patternProperties\": {\"^x-\": {}}, \"properties\": {");
    if (type) {
        text_add(w->out, "\n  \"type\": {\"const\": ");
        json_quote(w->out, type);
        text_add(w->out, "}");
        comma = ",\n  ";
    }
    for (uint32_t i = 0; i < r->count; i++) {
        text_add(w->out, comma);
        comma = ",\n  ";
        option_json(w, &r->options[i]);
    }
}

static void required(struct writer *w, const struct record *r) {
    bool any = false;
    text_add(w->out, "\"required\": [");
    if (r->joined) {
        text_add(w->out, "\"type\"");
        any = true;
    }
    for (uint32_t i = 0; i < r->count; i++)
        if (r->options[i].info.required) {
            text_add(w->out, any ? ", " : "");
            json_quote(w->out, r->options[i].info.name);
            any = true;
        }
    text_add(w->out, "]");
}

static void definition(struct writer *w, const char **comma, const char *name) {
    struct text full = {0};
    text_addf(&full, "%s%s", w->prefix, name);
    text_add(w->out, *comma);
    *comma = ",\n";
    json_quote(w->out, text_get(&full));
    text_add(w->out, ": ");
    text_finish(&full);
}

static void records_json(struct writer *w, const struct schema *s, const char **comma) {
    for (uint32_t i = 0; i < s->record_count; i++) {
        const struct record *r = &s->records[i];
        definition(w, comma, r->name);
        text_add(w->out, "{");
        record_json(w, r, r->joined ? r->name : NULL);
        text_add(w->out, "}, ");
        required(w, r);
        text_add(w->out, "}");
    }
    for (uint32_t i = 0; i < s->join_count; i++) {
        definition(w, comma, s->joins[i].name);
        text_add(w->out, "{\"anyOf\": [");
        for (uint32_t k = 0; k < s->joins[i].count; k++) {
            text_add(w->out, k ? ", " : "");
            ref(w, w->prefix, s->joins[i].records[k]);
        }
        text_add(w->out, "]}");
    }
}

/* Keys that the host reads in components of a kind. */
static void host_keys_json(struct writer *w, const char *kind,
                           const char *const *host_keys) {
    static const struct {
        const char *key, *schema;
    } known[] = {{"in", "{\"type\": [\"string\", \"object\"]}"},
                 {"match",
                  "{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"object\", "
                  "\"additionalProperties\": false, \"properties\": {\"role\": "
                  "{\"type\": \"string\"}, \"rank\": {\"type\": \"integer\"}, "
                  "\"name\": {\"type\": \"string\"}}}]}"},
                 {"weight", "{\"type\": [\"number\", \"string\"]}"},
                 {"of", "{\"type\": [\"string\", \"array\"]}"},
                 {"at", "{\"type\": [\"string\", \"array\"]}"}};
    size_t n = strlen(kind);
    for (uint32_t i = 0; host_keys && host_keys[i]; i++) {
        if (strncmp(host_keys[i], kind, n) != 0 || host_keys[i][n] != '.')
            continue;
        const char *key = host_keys[i] + n + 1, *schema = "{}";
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (strcmp(known[k].key, key) == 0)
                schema = known[k].schema;
        text_add(w->out, ",\n  ");
        json_quote(w->out, key);
        text_addf(w->out, ": %s", schema);
    }
}

/* A name, an object of each known type, of a plugin's (VENDOR/NAME), or without a type:
 * named ones, or options of a component in a file below this one. */
static void kind_json(struct writer *w, const char *kind, uint32_t n,
                      const struct schema_component *all, const char *const *host_keys,
                      const char **comma) {
    w->prefix = "component.";
    definition(w, comma, kind);
    text_add(w->out, "{\"anyOf\": [{\"enum\": [");
    const char *between = "";
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(all[i].kind, kind) == 0) {
            text_add(w->out, between);
            between = ", ";
            json_quote(w->out, all[i].name);
        }
    text_add(w->out, "]}, {\"type\": \"string\", \"pattern\": \"/|\\\\$\\\\{\"}, "
                     "{\"type\": \"object\", \"required\": [\"type\"], \"properties\": "
                     "{\"type\": {\"type\": \"string\", \"pattern\": "
                     "\"/|\\\\$\\\\{\"}}}, {\"type\": \"object\", \"not\": "
                     "{\"required\": [\"type\"]}}");
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(all[i].kind, kind) == 0) {
            struct text name = {0};
            text_addf(&name, "%s.%s", kind, all[i].name);
            text_add(w->out, ", ");
            ref(w, "component.", text_get(&name));
            text_finish(&name);
        }
    text_add(w->out, "]}");
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(all[i].kind, kind) != 0)
            continue;
        struct text name = {0}, prefix = {0};
        text_addf(&name, "%s.%s", kind, all[i].name);
        text_addf(&prefix, "component.%s.", text_get(&name));
        w->prefix = "component.";
        definition(w, comma, text_get(&name));
        w->prefix = text_get(&prefix);
        text_add(w->out, "{\"description\": ");
        json_quote(w->out, all[i].doc);
        text_add(w->out, ", ");
        record_json(w, &all[i].schema->top, all[i].name);
        host_keys_json(w, kind, host_keys);
        text_add(w->out, "}, \"required\": [\"type\"]}");
        records_json(w, all[i].schema, comma);
        text_finish(&name);
        text_finish(&prefix);
    }
}

void schema_json(const struct schema *s, uint32_t n, const struct schema_component *all,
                 const char *const *host_keys, struct text *out) {
    struct writer w = {.out = out, .prefix = ""};
    const char *comma = "\n";
    text_add(out, "{\"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
                  "\"title\": \"runner experiment\",\n");
    record_json(&w, &s->top, NULL);
    text_add(out, ",\n  \"extends\": {\"description\": \"files below this one\", "
                  "\"type\": [\"string\", \"array\"]}},\n"
                  /* Nothing is required: another file may extend this one. */
                  "\"definitions\": {");
    records_json(&w, s, &comma);
    for (uint32_t i = 0; i < w.kind_count; i++) /* grows by nested components */
        kind_json(&w, w.kinds[i], n, all, host_keys, &comma);
    text_add(out, "}}");
}
