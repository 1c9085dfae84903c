/* SPDX-License-Identifier: Apache-2.0 */
/* The checked tree as JSON, and JSON Schema (draft 7) of what a file may say, for
 * editors: host's sections, options of every known component. */
#include <math.h>
#include <string.h>

#include "base/json_writer.h"
#include "config/schema.h"

/* -------------------------------------------------------------------- a tree */

static void json_node(struct json_writer *w, const char *key, const struct node *n) {
    switch (n->kind) {
    case NODE_NULL:
        json_null(w, key);
        return;
    case NODE_SCALAR:
        if (n->type == VALUE_BOOL)
            json_bool(w, key, n->b);
        else if (n->type == VALUE_INT)
            json_int(w, key, n->i);
        else if (n->type == VALUE_FLOAT && isfinite(n->f))
            json_number(w, key, n->f);
        else
            json_string(w, key, n->type == VALUE_PATH ? n->s : n->raw);
        return;
    default:
        break;
    }
    bool map = n->kind == NODE_MAP;
    if (map)
        json_object(w, key);
    else
        json_array(w, key);
    for (uint32_t i = 0; i < n->count; i++)
        json_node(w, map ? n->items[i]->key : NULL, n->items[i]);
    json_close(w);
}

void config_json(const struct config *c, struct text *out) {
    struct json_writer w;
    json_begin(&w, out);
    json_node(&w, NULL, c->root);
    json_end(&w);
}

/* -------------------------------------------------------------------- a schema */

#define MOST_KINDS 32u

struct schema_writer {
    struct json_writer json;
    const char *prefix; /* of definitions: "" the host's, "loss.mse." a component's */
    const char *kinds[MOST_KINDS];
    uint32_t kind_count;
};

/* `${...}` may stand for any single value. */
static const char reference[] = "{\"type\": \"string\", \"pattern\": \"\\\\$\\\\{\"}";

static void add_bound(struct json_writer *j, const char *name, bool has, double value) {
    if (has)
        json_number(j, name, value);
}

static void add_ref(struct schema_writer *w, const char *key, const char *prefix,
                    const char *name) {
    struct text path = {0};
    text_addf(&path, "#/definitions/%s%s", prefix, name);
    json_object(&w->json, key);
    json_string(&w->json, "$ref", text_get(&path));
    json_close(&w->json);
    text_finish(&path);
}

static void add_component(struct schema_writer *w, const char *key, const char *kind) {
    uint32_t i = 0;
    while (i < w->kind_count && strcmp(w->kinds[i], kind) != 0)
        i++;
    if (i == w->kind_count && i < MOST_KINDS)
        w->kinds[w->kind_count++] = kind;
    add_ref(w, key, "component.", kind);
}

/* `{"anyOf": [`, to be closed by close_any_of. */
static void open_any_of(struct json_writer *j, const char *key) {
    json_object(j, key);
    json_array(j, "anyOf");
}

static void close_any_of(struct json_writer *j) {
    json_close(j);
    json_close(j);
}

static void add_number(struct json_writer *j, const char *key, const struct type *t,
                       const struct option *o) {
    open_any_of(j, key);
    json_object(j, NULL);
    json_string(j, "type", t->kind == TYPE_INT ? "integer" : "number");
    add_bound(j, "minimum", o->has_min, o->min);
    add_bound(j, "maximum", o->has_max, o->max);
    add_bound(j, "exclusiveMinimum", o->has_above, o->above);
    add_bound(j, "exclusiveMaximum", o->has_below, o->below);
    json_close(j);
    json_raw(j, NULL, reference);
    if (t->kind == TYPE_FLOAT) /* YAML 1.1 readers take 1e-3 for a string. */
        json_raw(j, NULL, "{\"type\": \"string\", \"pattern\": \"^[-+.0-9eE]+$\"}");
    close_any_of(j);
}

static void add_choice(struct json_writer *j, const char *key, const struct type *t) {
    open_any_of(j, key);
    json_object(j, NULL);
    json_array(j, "enum");
    for (uint32_t i = 0; i < t->choice_count; i++)
        json_string(j, NULL, t->choices[i]);
    json_close(j);
    json_close(j);
    json_raw(j, NULL, reference);
    close_any_of(j);
}

static void add_type(struct schema_writer *w, const char *key, const struct type *t,
                     const struct option *o) {
    struct json_writer *j = &w->json;
    switch (t->kind) {
    case TYPE_ANY:
        json_raw(j, key, "{}");
        return;
    case TYPE_BOOL:
        open_any_of(j, key);
        json_raw(j, NULL, "{\"type\": \"boolean\"}");
        json_raw(j, NULL, reference);
        close_any_of(j);
        return;
    case TYPE_INT:
    case TYPE_FLOAT:
        add_number(j, key, t, o);
        return;
    case TYPE_DURATION:
        open_any_of(j, key);
        json_raw(j, NULL,
                 "{\"type\": \"string\", \"pattern\": "
                 "\"^[0-9.]+(st|ep|%|s|min|h|d)$\"}");
        json_raw(j, NULL, reference);
        close_any_of(j);
        return;
    case TYPE_CHOICE:
        add_choice(j, key, t);
        return;
    case TYPE_COMPONENT:
        add_component(w, key, t->name);
        return;
    case TYPE_COMPONENTS: /* a map of named ones is an object too */
        open_any_of(j, key);
        add_component(w, NULL, t->name);
        json_object(j, NULL);
        json_string(j, "type", "array");
        add_component(w, "items", t->name);
        json_close(j);
        close_any_of(j);
        return;
    case TYPE_LIST:
        open_any_of(j, key);
        json_raw(j, NULL, reference);
        if (type_single(t->of))
            add_type(w, NULL, t->of, o);
        json_object(j, NULL);
        json_string(j, "type", "array");
        add_type(w, "items", t->of, o);
        json_close(j);
        close_any_of(j);
        return;
    case TYPE_MAP:
        json_object(j, key);
        json_string(j, "type", "object");
        add_type(w, "additionalProperties", t->of, o);
        json_close(j);
        return;
    case TYPE_EITHER:
        open_any_of(j, key);
        add_type(w, NULL, t->of, o);
        add_type(w, NULL, t->map, o);
        close_any_of(j);
        return;
    case TYPE_RECORD:
        add_ref(w, key, w->prefix, t->name);
        return;
    default:
        json_raw(j, key, "{\"type\": [\"string\", \"number\", \"boolean\"]}");
    }
}

static void add_option(struct schema_writer *w, const struct option *o) {
    struct json_writer *j = &w->json;
    json_object(j, o->info.name);
    json_string(j, "description", o->info.doc);
    if (o->info.value)
        json_string(j, "default", o->info.value);
    json_array(j, "allOf");
    add_type(w, NULL, &o->type, o);
    json_close(j);
    json_close(j);
}

/* The members of an object that describe a record; its properties stay open, for more
 * of them. type: the word that `type` must be, or NULL. */
static void open_record(struct schema_writer *w, const struct record *r,
                        const char *type) {
    struct json_writer *j = &w->json;
    json_string(j, "type", "object");
    json_bool(j, "additionalProperties", false);
    json_raw(j, "patternProperties", "{\"^x-\": {}}");
    json_object_lines(j, "properties");
    if (type) {
        json_object(j, "type");
        json_string(j, "const", type);
        json_close(j);
    }
    for (uint32_t i = 0; i < r->count; i++)
        add_option(w, &r->options[i]);
}

static void add_required(struct json_writer *j, const struct record *r) {
    json_array(j, "required");
    if (r->joined)
        json_string(j, NULL, "type");
    for (uint32_t i = 0; i < r->count; i++)
        if (r->options[i].info.required)
            json_string(j, NULL, r->options[i].info.name);
    json_close(j);
}

/* The key of a definition: with the prefix; owned by the caller. */
static struct text prefixed(const struct schema_writer *w, const char *name) {
    struct text full = {0};
    text_addf(&full, "%s%s", w->prefix, name);
    return full;
}

static void add_records(struct schema_writer *w, const struct schema *s) {
    struct json_writer *j = &w->json;
    for (uint32_t i = 0; i < s->record_count; i++) {
        const struct record *r = &s->records[i];
        struct text key = prefixed(w, r->name);
        json_object(j, text_get(&key));
        open_record(w, r, r->joined ? r->name : NULL);
        json_close(j);
        add_required(j, r);
        json_close(j);
        text_finish(&key);
    }
    for (uint32_t i = 0; i < s->join_count; i++) {
        struct text key = prefixed(w, s->joins[i].name);
        open_any_of(j, text_get(&key));
        for (uint32_t k = 0; k < s->joins[i].count; k++)
            add_ref(w, NULL, w->prefix, s->joins[i].records[k]);
        close_any_of(j);
        text_finish(&key);
    }
}

/* Keys that the host reads in components of a kind. */
static void add_host_keys(struct json_writer *j, const char *kind,
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
        json_raw(j, key, schema);
    }
}

/* What may stand where a component of a kind is expected: a name, an object of each
 * known type, of a plugin's (VENDOR/NAME), or without a type: named ones, or options of
 * a component in a file below this one. */
static void add_kind(struct schema_writer *w, const char *kind, uint32_t n,
                     const struct schema_component *all) {
    struct json_writer *j = &w->json;
    struct text key = prefixed(w, kind);
    open_any_of(j, text_get(&key));
    json_object(j, NULL);
    json_array(j, "enum");
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(all[i].kind, kind) == 0)
            json_string(j, NULL, all[i].name);
    json_close(j);
    json_close(j);
    json_raw(j, NULL, "{\"type\": \"string\", \"pattern\": \"/|\\\\$\\\\{\"}");
    json_raw(j, NULL,
             "{\"type\": \"object\", \"required\": [\"type\"], \"properties\": "
             "{\"type\": {\"type\": \"string\", \"pattern\": \"/|\\\\$\\\\{\"}}}");
    json_raw(j, NULL, "{\"type\": \"object\", \"not\": {\"required\": [\"type\"]}}");
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(all[i].kind, kind) == 0) {
            struct text name = {0};
            text_addf(&name, "%s.%s", kind, all[i].name);
            add_ref(w, NULL, "component.", text_get(&name));
            text_finish(&name);
        }
    close_any_of(j);
    text_finish(&key);
}

/* A component: an object with its options and the host's keys. */
static void add_options(struct schema_writer *w, const struct schema_component *c,
                        const char *const *host_keys) {
    struct json_writer *j = &w->json;
    struct text name = {0}, prefix = {0};
    text_addf(&name, "component.%s.%s", c->kind, c->name);
    text_addf(&prefix, "%s.", text_get(&name));
    json_object(j, text_get(&name));
    w->prefix = text_get(&prefix);
    json_string(j, "description", c->doc);
    open_record(w, &c->schema->top, c->name);
    add_host_keys(j, c->kind, host_keys);
    json_close(j);
    json_raw(j, "required", "[\"type\"]");
    json_close(j);
    add_records(w, c->schema);
    w->prefix = "component.";
    text_finish(&name);
    text_finish(&prefix);
}

void schema_json(const struct schema *s, uint32_t n, const struct schema_component *all,
                 const char *const *host_keys, struct text *out) {
    struct schema_writer w = {.prefix = ""};
    struct json_writer *j = &w.json;
    json_begin(j, out);
    json_object_lines(j, NULL);
    json_string(j, "$schema", "http://json-schema.org/draft-07/schema#");
    json_string(j, "title", "runner experiment");
    open_record(&w, &s->top, NULL);
    json_raw(j, "extends",
             "{\"description\": \"files below this one\", "
             "\"type\": [\"string\", \"array\"]}");
    json_close(j);
    json_object_lines(j, "definitions"); /* nothing is required: another file may */
    add_records(&w, s);                  /* extend this one */
    w.prefix = "component.";
    for (uint32_t i = 0; i < w.kind_count; i++) { /* grows by nested components */
        add_kind(&w, w.kinds[i], n, all);
        for (uint32_t k = 0; k < n; k++)
            if (strcmp(all[k].kind, w.kinds[i]) == 0)
                add_options(&w, &all[k], host_keys);
    }
    json_close(j);
    json_close(j);
    json_end(j);
}
