/* SPDX-License-Identifier: Apache-2.0 */
/* Opening an experiment: config, schemas of the named components, instances. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/path.h"
#include "base/pattern.h"
#include "experiment/experiment.h"
#include "experiment/sections.h"

void bound_component_error(struct diag *d, const struct bound_component *part,
                           const char *call, const struct rn_error *error) {
    struct rn_error copy = *error, *e = &copy;
    size_t n = strlen(part->path);
    const char *option = e->where;
    component_blame(part->component, call, e);
    if (strncmp(option, part->path, n) == 0 && option[n] == '.')
        option += n + 1;
    bool named = e->where_kind == RN_WHERE_OPTION || e->where_kind == RN_WHERE_CONFIG;
    const struct node *at = named ? node_at(part->node, option) : NULL;
    node_error(d, at ? at : part->node, false, e->status, "%s", e->message);
    if (e->hint[0])
        diag_hint(d, "%s", e->hint);
}

bool pattern_covers(const char *pattern, const char *path) {
    char above[512];
    snprintf(above, sizeof above, "%s", path);
    for (;;) {
        if (pattern_match(pattern, above))
            return true;
        char *dot = strrchr(above, '.');
        if (!dot)
            return false;
        *dot = '\0';
    }
}

/* What schemas cannot say. */
static void check_sections(const struct node *root, struct diag *d) {
    const struct node *name = node_find(root, "name"),
                      *train = node_find(root, "train");
    const struct node *steps = train ? node_find(train, "steps") : NULL;
    const struct node *epochs = train ? node_find(train, "epochs") : NULL;
    const struct node *max_time = train ? node_find(train, "max_time") : NULL;
    const struct node *initial = node_at(root, "train.loss_scale.initial");
    const struct node *min_scale = node_at(root, "train.loss_scale.least");
    struct rn_error e = {0};
    struct duration t;
    const struct node *output = node_find(root, "output");
    struct text expanded = {0};
    if (output && node_kind(output) == NODE_SCALAR &&
        path_expand(node_string(output), &expanded, &e) != RN_OK) {
        node_error(d, output, false, e.status, "output: %s", e.message);
        diag_hint(d, "%s", e.hint);
    }
    text_finish(&expanded);
    if (name && node_kind(name) == NODE_SCALAR &&
        path_check_run_name(node_string(name), &e) != RN_OK) {
        node_error(d, name, false, e.status, "%s", e.message);
        diag_hint(d, "%s", e.hint);
    }
    if (steps && epochs)
        node_error(d, steps, true, RN_E_CONFIG,
                   "train.steps and train.epochs are both given; leave one");
    if (!steps && !epochs && !diag_count(d)) { /* it may be a key with an error */
        node_error(d, train ? train : root, false, RN_E_CONFIG,
                   "how long to train is missing");
        diag_hint(d, "give train.epochs or train.steps");
    }
    if (!diag_count(d) && initial && min_scale &&
        node_float(initial) < node_float(min_scale))
        node_error(d, initial, false, RN_E_CONFIG,
                   "the first loss scale is %s, below the least, %s", node_raw(initial),
                   node_raw(min_scale));
    if (max_time && node_kind(max_time) == NODE_SCALAR &&
        duration_parse(node_string(max_time), &t, &e) == RN_OK &&
        t.unit != DURATION_SECONDS)
        node_error(d, max_time, false, RN_E_CONFIG,
                   "max_time: '%s' is not a time: 2h, 90s, 30min",
                   node_string(max_time));
}

static struct config *read_checked(const char *file, uint32_t n,
                                   const char *const *overrides, struct plugin_use *use,
                                   struct diag *d) {
    struct config *c = config_load(file, n, overrides, d);
    if (!c)
        return NULL;
    plugin_use_files(use, config_root(c), d); /* before types are looked up */
    struct arena *a = arena_create();
    struct rn_error e;
    struct schema *s = schema_parse(a, sections_schema(), &e);
    if (!s) {
        diag_add(d, &e);
    } else {
        struct schema_resolver r = {plugin_use_resolve, use, kind_is_live};
        schema_check(c, config_root(c), s, kind_host_keys(), &r, d);
        check_sections(config_root(c), d);
    }
    arena_destroy(a);
    return c;
}

struct config *experiment_read(struct session *session, const char *file, uint32_t n,
                               const char *const *overrides,
                               const struct recorded_plugins *recorded,
                               struct diag *d) {
    struct plugin_use use = {session, recorded, .arena = NULL};
    return read_checked(file, n, overrides, &use, d);
}

int experiment_schema_docs(struct text *out, struct rn_error *e) {
    struct arena *a = arena_create();
    struct schema *sections = schema_parse(a, sections_schema(), e);
    struct schema *keys = sections ? schema_parse(a, sections_host_keys(), e) : NULL;
    if (keys)
        schema_docs(sections, keys, kind_host_keys(), out);
    arena_destroy(a);
    return keys ? RN_OK : e->status;
}

int experiment_schema_json(struct session *session, struct text *out,
                           struct rn_error *e) {
    struct arena *a = arena_create();
    struct schema *s = schema_parse(a, sections_schema(), e);
    uint32_t n = session_count(session);
    struct schema_component *all = arena_array(a, struct schema_component, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const struct component *c = session_at(session, i);
        all[i] = (struct schema_component){c->kind, c->built_in ? c->bare : c->name,
                                           c->doc ? c->doc : "", c->schema};
    }
    if (s)
        schema_json(s, n, all, kind_host_keys(), out);
    arena_destroy(a);
    return s ? RN_OK : e->status;
}

/* One component, a list or a map of named ones: parts with names and paths. */
static void open_parts(struct experiment *x, const char *section, const char *kind,
                       struct bound_components *out, struct diag *d) {
    const struct node *n = node_find(x->root, section);
    uint32_t count = n ? node_components(n) : 0;
    out->at = arena_array(x->arena, struct bound_component, count ? count : 1);
    for (uint32_t i = 0; i < count; i++) {
        struct bound_component *p = &out->at[out->count];
        p->node = node_component(n, i, &p->name);
        const struct node *type = node_find(p->node, "type");
        struct rn_error e;
        if (!type)
            continue;
        p->name = arena_copy(x->arena, p->name);
        p->path = *p->name ? arena_format(x->arena, "%s.%s", section, p->name)
                           : arena_copy(x->arena, section);
        p->component = session_find(x->session, kind, node_string(type), &e);
        if (!p->component || session_load(x->session, p->component, &e) != RN_OK) {
            plugin_unusable(d, x->session, type, &e, p->component != NULL);
            continue;
        }
        if (instance_create(x->session, p->component, p->node, &x->services, d,
                            &p->instance) == RN_OK)
            out->count++;
    }
}

struct experiment *experiment_open(struct session *session, const char *file,
                                   uint32_t n, const char *const *overrides,
                                   const struct recorded_plugins *recorded,
                                   struct diag *d) {
    struct arena *a = arena_create();
    struct experiment *x = arena_new(a, struct experiment);
    x->arena = a;
    x->session = session;
    x->plugins = (struct plugin_use){session, recorded, a, .missing = NULL};
    struct config *c = read_checked(file, n, overrides, &x->plugins, d);
    if (!c || diag_count(d)) {
        config_destroy(c);
        arena_destroy(a);
        return NULL;
    }
    x->config = c;
    x->root = config_root(c);
    struct rn_error e;
    x->sections = schema_parse(a, sections_schema(), &e);
    assert(x->sections); /* experiment_read has parsed it */
    x->name = experiment_string(x, "name");
    x->seed = (uint64_t)experiment_int(x, "seed");
    const char *precision = experiment_string(x, "precision");
    x->precision = dtype_named(precision, strlen(precision))->dtype;
    return x;
}

void experiment_open_parts(struct experiment *x, struct diag *d) {
    open_parts(x, "device", "backend", &x->backends, d);
    if (x->backends.count)
        x->backend = x->backends.at[0];
    for (int i = 0; i < KIND_COUNT; i++)
        if (kind_at(i)->at_top)
            open_parts(x, kind_at(i)->section, kind_at(i)->name, &x->by_kind[i], d);
}

const struct bound_component *
experiment_default(struct experiment *x, const char *kind, const char *name,
                   const char *wanted_by, const char *owner,
                   struct bound_components *known, struct diag *d) {
    struct rn_error e = {0};
    struct bound_component p = {.name = arena_copy(x->arena, name)};
    p.path = arena_format(x->arena, "%s.%s", kind, name);
    p.component = session_find(x->session, kind, name, &e);
    if (!p.component || plugin_use_add(&x->plugins, p.component, &e) != RN_OK ||
        session_load(x->session, p.component, &e) != RN_OK) {
        const struct node *n = node_at(x->root, owner);
        node_error(d, n ? n : x->root, false, e.status, "%s, the default %s of '%s'",
                   e.message, kind, wanted_by);
        diag_hint(d, "%s", e.hint);
        return NULL;
    }
    if (x->defaults.config_count ==
        sizeof x->defaults.configs / sizeof *x->defaults.configs) {
        error_set(&e, RN_E_PLUGIN, "more than 32 kinds of init are named by layers");
        diag_add(d, &e);
        return NULL;
    }
    struct config *c =
        config_from_default(arena_format(x->arena, "%s` of `%s", kind, wanted_by),
                            arena_format(x->arena, "type: %s\n", name), d);
    struct schema_resolver r = {plugin_use_resolve, &x->plugins, kind_is_live};
    if (!c || schema_check(c, config_root(c), p.component->schema, kind_host_keys(), &r,
                           d) != RN_OK)
        return NULL;
    x->defaults.configs[x->defaults.config_count++] = c;
    p.node = config_root(c);
    if (instance_create(x->session, p.component, p.node, &x->services, d,
                        &p.instance) != RN_OK)
        return NULL;
    vec_push(known->at, known->count, x->defaults.capacity, p);
    return &known->at[known->count - 1];
}

static void close_parts(struct bound_components *p) {
    for (uint32_t i = 0; i < p->count; i++)
        instance_destroy(p->at[i].instance);
    p->count = 0;
}

void experiment_close(struct experiment *x) {
    if (!x)
        return;
    for (int i = 0; i < KIND_COUNT; i++)
        close_parts(&x->by_kind[i]);
    close_parts(&x->defaults.inits);
    memory_release(x->defaults.inits.at);
    for (uint32_t i = 0; i < x->defaults.config_count; i++)
        config_destroy(x->defaults.configs[i]);
    config_destroy(x->config);
    arena_destroy(x->arena);
}

int experiment_output(const struct experiment *x, struct text *out,
                      struct rn_error *e) {
    return path_expand(experiment_string(x, "output"), out, e);
}

/* What is in the file, or the default's text in *text; both NULL: neither. */
static const struct node *value_at(const struct experiment *x, const char *path,
                                   const char **text) {
    const struct node *n = node_at(x->root, path);
    bool known = schema_default(x->sections, path, text);
    assert(known);
    (void)known;
    return n && node_kind(n) == NODE_SCALAR ? n : NULL;
}

int64_t experiment_int(const struct experiment *x, const char *path) {
    const char *text;
    const struct node *n = value_at(x, path, &text);
    return n ? node_int(n) : text ? strtoll(text, NULL, 10) : 0;
}

double experiment_float(const struct experiment *x, const char *path) {
    const char *text;
    const struct node *n = value_at(x, path, &text);
    return n ? node_float(n) : text ? strtod(text, NULL) : 0.0;
}

const char *experiment_string(const struct experiment *x, const char *path) {
    const char *text;
    const struct node *n = value_at(x, path, &text);
    return n ? node_string(n) : text;
}

bool experiment_bool(const struct experiment *x, const char *path) {
    const char *text;
    const struct node *n = value_at(x, path, &text);
    return n ? node_bool(n) : text && strcmp(text, "true") == 0;
}
