/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a tree against schemas: unknown keys, types, ranges; defaults are added. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "config/refer.h"

struct checker {
    struct config *c;
    const char *const *host_keys;
    const struct schema_resolver *r;
    struct diag *d;
    uint32_t depth; /* of records: defaults could open themselves for ever */
    struct referrer refer;
};

/* ----------------------------------------------------------------- scalars */

int duration_parse(const char *s, struct duration *out, struct rn_error *e) {
    static const struct {
        const char *suffix;
        enum duration_unit unit;
        double factor;
    } units[] = {{"st", DURATION_STEPS, 1.0},     {"ep", DURATION_EPOCHS, 1.0},
                 {"%", DURATION_SHARE, 0.01},     {"s", DURATION_SECONDS, 1.0},
                 {"min", DURATION_SECONDS, 60.0}, {"h", DURATION_SECONDS, 3600.0},
                 {"d", DURATION_SECONDS, 86400.0}};
    char *end;
    double n = strtod(s, &end);
    if (!*s || !strchr("0123456789.", *s) || (s[0] == '0' && (s[1] | 0x20) == 'x'))
        end = (char *)(uintptr_t)s;
    for (size_t i = 0; end != s && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].suffix) == 0 && n >= 0.0 && isfinite(n)) {
            out->unit = units[i].unit;
            out->amount = n * units[i].factor;
            return RN_OK;
        }
    error_set(e, RN_E_CONFIG, "'%s' is not a duration", s);
    error_hint(e, "500st (steps), 10ep (epochs), 20%% (of the run), 90s, 30min, 2h");
    return RN_E_CONFIG;
}

static bool read_bool(const char *s, bool *out) {
    static const char *const yes[] = {"true", "yes", "on", "True", "TRUE"};
    static const char *const no[] = {"false", "no", "off", "False", "FALSE"};
    for (size_t i = 0; i < 5; i++) {
        if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
            *out = strcmp(s, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool read_int(const char *s, int64_t *out) {
    char *end;
    const char *digits = s + (*s == '-' || *s == '+');
    if (!*digits || digits[strspn(digits, "0123456789")])
        return false;
    if (strlen(digits) > 18)
        return false;
    *out = strtoll(s, &end, 10);
    return !*end;
}

static bool read_float(const char *s, double *out) {
    char *end;
    if (strcmp(s, ".inf") == 0 || strcmp(s, "inf") == 0 || strcmp(s, "-.inf") == 0) {
        *out = *s == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (!*s || s[strspn(s, "0123456789+-.eE")])
        return false;
    *out = strtod(s, &end);
    return end != s && !*end && isfinite(*out);
}

bool scalar_read(struct arena *a, const struct type *t, struct node *n,
                 char message[300]) {
    const char *raw = n->raw ? n->raw : "";
    struct duration unused;
    struct rn_error e = {0};
    char path[CONFIG_PATH_MAX];
    switch (t->kind) {
    case TYPE_BOOL:
        if (!read_bool(raw, &n->b)) {
            snprintf(message, 300, "'%.100s' is not true or false", raw);
            return false;
        }
        n->type = VALUE_BOOL;
        return true;
    case TYPE_INT:
        if (!read_int(raw, &n->i)) {
            snprintf(message, 300, "'%.100s' is not an integer", raw);
            return false;
        }
        n->type = VALUE_INT;
        return true;
    case TYPE_FLOAT:
        if (!read_float(raw, &n->f)) {
            snprintf(message, 300, "'%.100s' is not a number", raw);
            return false;
        }
        n->type = VALUE_FLOAT;
        return true;
    case TYPE_DURATION:
        if (duration_parse(raw, &unused, &e) != RN_OK) {
            snprintf(message, 300,
                     "'%.60s' is not a duration: 500st, 10ep, 20%%, 90s, 2h", raw);
            return false;
        }
        break;
    case TYPE_CHOICE: {
        bool known = false;
        for (uint32_t i = 0; i < t->choice_count; i++)
            known |= strcmp(t->choices[i], raw) == 0;
        if (!known) {
            const char *near = suggest_nearest(raw, t->choices, t->choice_count);
            int k = snprintf(message, 300, "'%.60s' is not one of", raw);
            for (uint32_t i = 0; i < t->choice_count && k < 200; i++)
                k += snprintf(message + k, 300 - (size_t)k, "%s %s", i ? "," : "",
                              t->choices[i]);
            if (near && k < 240)
                snprintf(message + k, 300 - (size_t)k, "; did you mean '%s'?", near);
            return false;
        }
        break;
    }
    case TYPE_PATH:
        if (config_resolve_path(n, path, &e) != RN_OK) {
            snprintf(message, 300, "%.200s%s%.90s", e.message, e.hint[0] ? "; " : "",
                     e.hint);
            return false;
        }
        n->s = arena_copy(a, path);
        n->type = VALUE_PATH;
        return true;
    default:
        break;
    }
    n->s = raw;
    n->type = VALUE_STRING;
    return true;
}

bool range_check(const struct option *o, const struct node *n, char message[300]) {
    double v = n->type == VALUE_INT ? (double)n->i : n->f;
    if (n->type != VALUE_INT && n->type != VALUE_FLOAT)
        return true;
    const char *what = o->has_min && v < o->min        ? "at least"
                       : o->has_above && v <= o->above ? "above"
                       : o->has_max && v > o->max      ? "at most"
                       : o->has_below && v >= o->below ? "below"
                                                       : NULL;
    if (!what)
        return true;
    double bound = strcmp(what, "at least") == 0  ? o->min
                   : strcmp(what, "above") == 0   ? o->above
                   : strcmp(what, "at most") == 0 ? o->max
                                                  : o->below;
    snprintf(message, 300, "%s is %.40s: it must be %s %.15g", o->info.name, n->raw,
             what, bound);
    return false;
}

/* ------------------------------------------------------------------ values */

/* Which keys a record has beside its own: none, `type`, or those of a component, which
 * are the host's. */
enum keys { KEYS_OWN, KEYS_TYPE, KEYS_HOST };

/* kind: the component's, NULL for a nested one. */
static void check_record(struct checker *k, struct node *n, const struct schema *s,
                         const struct record *r, enum keys keys, const char *kind);
static bool is_host_key(const struct checker *k, const char *kind, const char *key);
static void check_value(struct checker *k, struct node *n, const struct schema *s,
                        const struct option *o, const struct type *t);

/* `loss: mse` is `loss: {type: mse}`. */
static void open_component(struct arena *a, struct node *n) {
    struct node *type = tree_new(a, NODE_SCALAR, n->origin);
    type->at.line = n->at.line, type->at.column = n->at.column;
    type->raw = n->raw;
    type->via = n->via;
    type->quoted = n->quoted;
    type->key = "type";
    type->path = *n->path ? arena_format(a, "%s.type", n->path) : "type";
    n->kind = NODE_MAP;
    n->raw = NULL;
    n->items = NULL;
    n->count = n->capacity = 0;
    tree_append(a, n, type);
}

/* `device: null` names the backend of that name; where no component is called so, a
 * plain null means none. */
static void read_name(struct checker *k, struct node *n, const char *kind) {
    if (!k->r || !n || n->kind != NODE_SCALAR || n->quoted ||
        strcmp(n->raw, "null") != 0)
        return;
    struct diag *unheard = diag_create();
    n->quoted = k->r->component(k->r->context, kind, n->raw, n, unheard) != NULL;
    diag_destroy(unheard);
}

/* Where a default comes from, shown as the line `key: value` that nobody wrote. The
 * schema may go before the tree does, so everything is copied. */
static struct origin *default_origin(struct arena *a, const struct node *owner,
                                     const char *path, const char *value) {
    struct origin *from = arena_new(a, struct origin);
    const char *dot = strrchr(path, '.'), *key = dot ? dot + 1 : path;
    *from = (struct origin){.name = arena_format(a, "default of `%s`", path),
                            .folder = owner->origin->folder,
                            .text = arena_format(a, "%s: %s", key, value),
                            .skip = strlen(key) + 2,
                            .is_default = true};
    from->length = strlen(from->text);
    return from;
}

static struct node *default_scalar(struct arena *a, const struct origin *from) {
    struct node *n = tree_new(a, NODE_SCALAR, from);
    n->raw = unquoted(a, from->text + from->skip);
    n->at.line = 1;
    n->at.column = (unsigned)from->skip + 1;
    return n;
}

static void add_type(struct arena *a, struct node *n, const char *name) {
    struct node *type = default_scalar(a, default_origin(a, n, n->path, name));
    type->key = "type";
    type->path = arena_format(a, "%s.type", n->path);
    tree_append(a, n, type);
}

static void check_component(struct checker *k, struct node *n, const char *kind,
                            bool nested) {
    if (n->mark == 3)
        return;
    if (n->kind == NODE_SCALAR && !tree_null(n))
        open_component(k->c->arena, n);
    if (n->kind != NODE_MAP) {
        node_error(k->d, n, false, RN_E_CONFIG,
                   "expected a component of kind %s: its name, or a map "
                   "with `type:`",
                   kind);
        return;
    }
    struct node *type = tree_find(n, "type");
    if (!nested)
        refer_component(&k->refer, kind, n);
    read_name(k, type, kind);
    if (!type || type->kind != NODE_SCALAR || tree_null(type)) {
        node_error(k->d, type ? type : n, false, RN_E_CONFIG,
                   "which %s? `type:` is missing", kind);
        return;
    }
    if (type->mark == 3)
        return;
    type->s = type->raw;
    type->type = VALUE_STRING;
    if (!k->r)
        return;
    const struct schema *s = k->r->component(k->r->context, kind, type->raw, n, k->d);
    if (s)
        check_record(k, n, s, &s->top, KEYS_HOST, nested ? NULL : kind);
    else
        k->refer.unknown = true;
}

/* Named components over one component: they take its place, unless they are options of
 * it, as `then: {type: cosine}` may be. */
static void choose_named(struct checker *k, struct node *n, const char *kind) {
    const struct node *type = tree_find(n, "type");
    if (!n->named || !type || !type->raw || !k->r)
        return;
    struct diag *silent = diag_create();
    const struct schema *s = k->r->component(k->r->context, kind, type->raw, n, silent);
    diag_destroy(silent);
    for (uint32_t i = 0; s && i < n->names->count; i++)
        if (schema_find(s, n->names->items[i]->key) ||
            is_host_key(k, kind, n->names->items[i]->key))
            return;
    n->items = n->named->items;
    n->count = n->named->count;
    n->capacity = n->named->capacity;
}

/* Names become parts of paths, of curves and of datasets. */
static bool good_name(const char *s) {
    return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789_-")];
}

static void check_components(struct checker *k, struct node *n, const char *kind,
                             bool nested) {
    choose_named(k, n, kind);
    if (n->kind == NODE_LIST || (n->kind == NODE_MAP && !tree_find(n, "type"))) {
        for (uint32_t i = 0; i < n->count; i++) {
            struct node *c = n->items[i];
            bool number = c->kind == NODE_SCALAR && c->raw && *c->raw &&
                          strchr("0123456789-+.", *c->raw);
            if (n->kind == NODE_MAP && !good_name(c->key)) {
                node_error(k->d, c, true, RN_E_CONFIG, "'%s' cannot name a %s", c->key,
                           kind);
                diag_hint(k->d, "a name is a word of letters, digits, _ and -");
            } else if (n->kind == NODE_MAP && number) {
                node_error(k->d, c, true, RN_E_CONFIG, "'%s' is not a valid %s", c->raw,
                           kind);
                diag_hint(k->d,
                          "a map without `type:` holds named ones; is `type:` missing "
                          "beside '%s'?",
                          c->key);
            } else {
                check_component(k, c, kind, nested);
            }
        }
        if (n->kind == NODE_MAP && n->count == 0)
            node_error(k->d, n, false, RN_E_CONFIG, "which %s? `type:` is missing",
                       kind);
        return;
    }
    check_component(k, n, kind, nested);
}

static void check_join(struct checker *k, struct node *n, const struct schema *s,
                       const struct join *j) {
    struct node *type = tree_find(n, "type");
    if (n->kind != NODE_MAP || !type || type->kind != NODE_SCALAR) {
        node_error(k->d, n, false, RN_E_CONFIG, "`type:` is missing: which %s?",
                   j->name);
        if (n->kind == NODE_SCALAR && !tree_null(n))
            diag_hint(k->d, "write {type: %s}", n->raw);
        return;
    }
    type->s = type->raw;
    type->type = VALUE_STRING;
    for (uint32_t i = 0; i < j->count; i++)
        if (strcmp(j->records[i], type->raw) == 0) {
            check_record(k, n, s, schema_record(s, j->records[i]), KEYS_TYPE, NULL);
            return;
        }
    struct suggest all = {0};
    for (uint32_t i = 0; i < j->count; i++)
        suggest_add(&all, j->records[i]);
    node_error(k->d, type, false, RN_E_CONFIG, "'%s' is not a valid %s", type->raw,
               j->name);
    diag_suggest(k->d, &all, type->raw, "there are");
    suggest_finish(&all);
}

static void wrap_in_list(struct arena *a, struct node *n) {
    struct node *one = arena_new(a, struct node);
    *one = *n;
    one->key = NULL;
    one->path = arena_format(a, "%s.0", n->path);
    n->kind = NODE_LIST;
    n->raw = NULL;
    n->items = NULL;
    n->count = n->capacity = 0;
    tree_append(a, n, one);
}

static void not_a_map(struct checker *k, const struct node *n, const struct option *o) {
    node_error(k->d, n, false, RN_E_CONFIG, "%s must be a map: {key: value}",
               o->info.name);
    if (n->kind == NODE_SCALAR && !n->quoted && strchr(n->raw, ':'))
        diag_hint(k->d, "a ':' needs a space behind it: `key: value`");
}

static void check_list(struct checker *k, struct node *n, const struct schema *s,
                       const struct option *o, const struct type *t) {
    if (n->kind == NODE_SCALAR && type_single(t->of))
        wrap_in_list(k->c->arena, n); /* one value stands for a list of it */
    if (n->kind != NODE_LIST) {
        node_error(k->d, n, false, RN_E_CONFIG, "%s must be a list: [ ... ]",
                   o->info.name);
        return;
    }
    for (uint32_t i = 0; i < n->count; i++)
        check_value(k, n->items[i], s, o, t->of);
}

static void check_value(struct checker *k, struct node *n, const struct schema *s,
                        const struct option *o, const struct type *t) {
    char message[300];
    switch (t->kind) {
    case TYPE_ANY:
        return;
    case TYPE_COMPONENT:
        /* Options of the component that stands here by default. */
        if (o->info.value && n->kind == NODE_MAP && !tree_find(n, "type"))
            add_type(k->c->arena, n, o->info.value);
        check_component(k, n, t->name, s->component);
        return;
    case TYPE_COMPONENTS:
        check_components(k, n, t->name, s->component);
        return;
    case TYPE_LIST:
        check_list(k, n, s, o, t);
        return;
    case TYPE_MAP:
        if (n->kind != NODE_MAP) {
            not_a_map(k, n, o);
            return;
        }
        for (uint32_t i = 0; i < n->count; i++)
            check_value(k, n->items[i], s, o, t->of);
        return;
    case TYPE_EITHER:
        check_value(k, n, s, o, n->kind == NODE_MAP ? t->map : t->of);
        return;
    case TYPE_RECORD:
        if (schema_join(s, t->name)) {
            check_join(k, n, s, schema_join(s, t->name));
            return;
        }
        if (n->kind != NODE_MAP) {
            not_a_map(k, n, o);
            return;
        }
        check_record(k, n, s, schema_record(s, t->name), KEYS_OWN, NULL);
        return;
    default:
        break;
    }
    if (n->kind != NODE_SCALAR) {
        node_error(k->d, n, false, RN_E_CONFIG,
                   "%s expects a single value (%s), not a %s", o->info.name, t->text,
                   n->kind == NODE_LIST ? "list" : "map");
        return;
    }
    if (n->mark == 3) /* its reference was complained of */
        return;
    if (!scalar_read(k->c->arena, t, n, message)) {
        node_error(k->d, n, false, RN_E_CONFIG, "%s: %s", o->info.name, message);
        return;
    }
    if (t->kind == TYPE_REFERENCE)
        refer_ask(&k->refer, n, t->name);
    if (!range_check(o, n, message))
        node_error(k->d, n, false, RN_E_CONFIG, "%s", message);
}

/* ------------------------------------------------------------------ records */

/* "loss.weight" is the key `weight` of losses; "type" is one of every component. */
static const char *host_key_of(const char *entry, const char *kind) {
    const char *dot = strchr(entry, '.');
    if (!dot)
        return entry;
    size_t n = (size_t)(dot - entry);
    return kind && strlen(kind) == n && strncmp(entry, kind, n) == 0 ? dot + 1 : NULL;
}

static bool is_host_key(const struct checker *k, const char *kind, const char *key) {
    for (uint32_t i = 0; k->host_keys && k->host_keys[i]; i++) {
        const char *mine = host_key_of(k->host_keys[i], kind);
        if (mine && strcmp(mine, key) == 0)
            return true;
    }
    return false;
}

/* A word, or (in the place of a list) words. */
static void check_words(struct checker *k, const struct node *n, bool list) {
    for (uint32_t i = 0; list && n->kind == NODE_LIST && i < n->count; i++)
        check_words(k, n->items[i], false);
    if ((list && n->kind == NODE_LIST && n->count) ||
        (n->kind == NODE_SCALAR && !tree_null(n)))
        return;
    node_error(k->d, n, false, RN_E_CONFIG, "expected a name%s",
               list ? ", or a list of names" : "");
}

/* `in: model.head`, or `in: {logits: model.head}`; a model is applied to each of a
 * list. */
static void check_ports(struct checker *k, const struct node *n, bool list) {
    if (n->kind != NODE_MAP) {
        check_words(k, n, false);
        return;
    }
    for (uint32_t i = 0; i < n->count; i++)
        check_words(k, n->items[i], list);
}

/* `match: model.head.*`, `match: rest`, or `match: {role: weight, rank: 2}`. */
static void check_match(struct checker *k, struct node *n) {
    static const char *const keys[] = {"role", "rank", "name"};
    static const struct type number = {.kind = TYPE_INT, .text = "int"};
    char message[300];
    if (n->kind != NODE_MAP) {
        check_words(k, n, false);
        return;
    }
    for (uint32_t i = 0; i < n->count; i++) {
        struct node *c = n->items[i];
        size_t at = 0;
        while (at < 3 && strcmp(keys[at], c->key) != 0)
            at++;
        if (at == 3) {
            node_error(k->d, c, true, RN_E_CONFIG, "a pattern has no '%s'", c->key);
            struct suggest all = {0};
            for (at = 0; at < 3; at++)
                suggest_add(&all, keys[at]);
            diag_suggest(k->d, &all, c->key, "a pattern has");
            suggest_finish(&all);
        } else if (at != 1) {
            check_words(k, c, false);
        } else if (c->kind != NODE_SCALAR) {
            check_words(k, c, false);
        } else if (!scalar_read(k->c->arena, &number, c, message)) {
            node_error(k->d, c, false, RN_E_CONFIG, "rank: %s", message);
        }
    }
    if (!n->count)
        node_error(k->d, n, false, RN_E_CONFIG,
                   "the pattern is empty: give role, rank or name");
}

/* Keys that the host reads. */
static void check_host_key(struct checker *k, struct node *n, const char *kind) {
    static const struct type number = {.kind = TYPE_FLOAT, .text = "float"};
    char message[300];
    if (n->mark == 3)
        return;
    if (strcmp(n->key, "match") == 0) {
        check_match(k, n);
    } else if (strcmp(n->key, "in") == 0) {
        check_ports(k, n, kind && strcmp(kind, "model") == 0);
    } else if (strcmp(n->key, "of") == 0 || strcmp(n->key, "at") == 0) {
        check_words(k, n, true);
    } else if (strcmp(n->key, "weight") == 0) {
        if (n->kind != NODE_SCALAR)
            node_error(k->d, n, false, RN_E_CONFIG, "weight must be a number");
        else if (!scalar_read(k->c->arena, &number, n, message))
            node_error(k->d, n, false, RN_E_CONFIG, "weight: %s", message);
    }
}

/* `epochs` at the top is `train.epochs`: the section that has such a key, or NULL. */
static const char *section_of(const struct schema *s, const struct record *r,
                              const char *key) {
    for (uint32_t i = 0; i < r->count; i++) {
        const struct type *t = &r->options[i].type;
        const struct record *inner =
            t->kind == TYPE_RECORD ? schema_record(s, t->name) : NULL;
        for (uint32_t m = 0; inner && m < inner->count; m++)
            if (strcmp(inner->options[m].info.name, key) == 0)
                return r->options[i].info.name;
    }
    return NULL;
}

static void unknown_key(struct checker *k, const struct node *n, const struct schema *s,
                        const struct record *r, enum keys keys, const char *kind) {
    const char *elsewhere = NULL;
    struct suggest all = {0};
    for (uint32_t i = 0; i < r->count; i++)
        suggest_add(&all, r->options[i].info.name);
    for (uint32_t i = 0; keys == KEYS_HOST && k->host_keys && k->host_keys[i]; i++) {
        const char *mine = host_key_of(k->host_keys[i], kind);
        const char *dot = strchr(k->host_keys[i], '.');
        if (mine && strcmp(mine, "type") != 0)
            suggest_add(&all, mine);
        else if (dot && strcmp(dot + 1, n->key) == 0)
            elsewhere = k->host_keys[i];
    }
    const char *section = section_of(s, r, n->key);
    struct text hint = {0};
    node_error(k->d, n, true, RN_E_CONFIG, "unknown key '%s'", n->key);
    if (section)
        text_addf(&hint, "did you mean '%s.%s'? allowed here: ", section, n->key);
    else if (elsewhere && !suggest_find(&all, n->key))
        text_addf(&hint,
                  "it is a key of a %.*s; allowed here: ", (int)strcspn(elsewhere, "."),
                  elsewhere);
    if (hint.length) {
        suggest_list(&all, 1000, &hint);
        diag_hint(k->d, "%s", text_get(&hint));
    } else if (all.count) {
        diag_suggest(k->d, &all, n->key, "allowed here");
    } else {
        diag_hint(k->d, "it has no options");
    }
    text_finish(&hint);
    suggest_finish(&all);
}

static void add_default(struct checker *k, struct node *n, const struct schema *s,
                        const struct option *o) {
    struct arena *a = k->c->arena;
    struct limits limits = {0};
    struct node *v;
    const char *name = arena_copy(a, o->info.name);
    const char *path = *n->path ? arena_format(a, "%s.%s", n->path, name) : name;
    struct origin *from = default_origin(a, n, path, o->info.value);
    if (o->type.kind <= TYPE_CHOICE && o->type.kind != TYPE_ANY) {
        v = default_scalar(a, from);
        v->quoted = o->type.kind == TYPE_STRING && tree_null(v);
    } else {
        v = tree_parse(a, from, &limits, k->d);
    }
    if (!v)
        return;
    v->key = name;
    tree_paths(a, v, path);
    tree_append(a, n, v);
    check_value(k, v, s, o, &o->type);
}

static void missing(struct checker *k, const struct node *n, const struct option *o) {
    node_error(k->d, n, false, RN_E_CONFIG, "'%s' is missing", o->info.name);
    if (o->type.kind == TYPE_COMPONENT || o->type.kind == TYPE_COMPONENTS)
        diag_hint(k->d, "%s: %s\n`runner plugin list %s` shows what there is",
                  o->info.name, o->info.doc, o->type.name);
    else if (o->type.kind == TYPE_RECORD)
        diag_hint(k->d, "%s: %s", o->info.name, o->info.doc);
    else if (*o->info.doc)
        diag_hint(k->d, "%s (%s): %s", o->info.name, o->info.type, o->info.doc);
}

static void check_record(struct checker *k, struct node *n, const struct schema *s,
                         const struct record *r, enum keys keys, const char *kind) {
    if (k->depth == 128) {
        node_error(k->d, n, true, RN_E_CONFIG, "records nest deeper than 128");
        return;
    }
    k->depth++;
    for (uint32_t i = 0; i < n->count; i++) {
        struct node *c = n->items[i];
        const struct option *o = NULL;
        for (uint32_t m = 0; m < r->count && !o; m++)
            if (strcmp(r->options[m].info.name, c->key) == 0)
                o = &r->options[m];
        if (o && o->type.kind == TYPE_COMPONENT)
            read_name(k, c, o->type.name);
        if (o && c->mark != 3 && tree_null(c) && o->type.kind != TYPE_ANY) {
            if (o->info.required) {
                node_error(k->d, c, true, RN_E_CONFIG, "'%s' has no value", c->key);
                continue;
            }
            tree_remove(n, c);
            i--;
        } else if (o) {
            check_value(k, c, s, o, &o->type);
        } else if (keys == KEYS_HOST && is_host_key(k, kind, c->key)) {
            check_host_key(k, c, kind);
        } else if (!(keys == KEYS_TYPE && strcmp(c->key, "type") == 0)) {
            unknown_key(k, c, s, r, keys, kind);
        }
    }
    for (uint32_t m = 0; m < r->count; m++) {
        const struct option *o = &r->options[m];
        if (tree_find(n, o->info.name))
            continue;
        if (o->info.value) {
            add_default(k, n, s, o);
        } else if (o->info.required) {
            missing(k, n, o);
        }
    }
    for (uint32_t m = 0; keys == KEYS_HOST && kind && m < r->count; m++) {
        const struct node *c = tree_find(n, r->options[m].info.name);
        if (c && r->options[m].info.live && c->kind == NODE_SCALAR && k->r->is_live &&
            k->r->is_live(kind))
            refer_live(&k->refer, c);
    }
    k->depth--;
}

int schema_check(struct config *c, const struct node *n, const struct schema *s,
                 const char *const *host_keys, const struct schema_resolver *r,
                 struct diag *d) {
    struct checker k = {.c = c, .host_keys = host_keys, .r = r, .d = d};
    uint32_t before = diag_count(d);
    struct node *own = (struct node *)(uintptr_t)n;
    if (!s->component)
        c->series_count = 0;
    if (own->kind == NODE_NULL)
        own->kind = NODE_MAP;
    if (own->kind != NODE_MAP)
        return node_error(d, n, false, RN_E_CONFIG, "expected a map: {key: value}");
    /* The top of an experiment has no host keys; a component checked alone has. */
    check_record(&k, own, s, &s->top, s->component ? KEYS_HOST : KEYS_OWN, NULL);
    if (!s->component) /* one alone has nothing to refer to */
        refer_resolve(&k.refer, c, d);
    refer_finish(&k.refer);
    return diag_count(d) > before ? diag_status(d) : RN_OK;
}
