/* SPDX-License-Identifier: Apache-2.0 */
/* The transforms in order: fitted or as they were loaded, and what they leave as the
 * sample. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/pattern.h"
#include "base/suggest.h"
#include "base/text.h"
#include "data/internal.h"

#define MADE_MAX                                                                       \
    256u /* fields that a stage may give beyond two for each of its inputs */

/* --------------------------------------------------------------- transforms */

uint32_t column_add(struct data *data, const struct rn_field *f, uint32_t raw) {
    struct column c = {.field = *f,
                       .raw = raw,
                       .layout = "",
                       .bytes = field_variable(f) ? 0 : field_bytes(f)};
    c.field.name = arena_copy(data->arena, f->name);
    vec_push(data->pipeline.columns, data->pipeline.column_count,
             data->pipeline.column_capacity, c);
    return data->pipeline.column_count - 1;
}

/* Names of elements: the longest, and how many of a field are kept. */
#define LAYOUT_NAME_MAX  1024u
#define LAYOUT_COUNT_MAX 65536u

/* The fields of a sample between two stages, as columns in the arena. */
struct fields {
    uint32_t count;
    uint32_t *at;
};

static int find(const struct data *data, const struct fields *f, const char *name) {
    for (uint32_t i = 0; i < f->count; i++)
        if (strcmp(data->pipeline.columns[f->at[i]].field.name, name) == 0)
            return (int)i;
    return -1;
}

static int no_field(struct data *data, const struct fields *f, const char *name,
                    const char *path, struct rn_error *e) {
    struct suggest all = {0};
    for (uint32_t i = 0; i < f->count; i++)
        suggest_add(&all, data->pipeline.columns[f->at[i]].field.name);
    error_set(e, RN_E_CONFIG, "the sample has no field '%s' here", name);
    suggest_hint(&all, name, "there are", e);
    suggest_finish(&all);
    error_where(e, RN_WHERE_CONFIG, path, 0, 0);
    return RN_E_CONFIG;
}

static bool takes_variable(const struct component *c) {
    for (uint32_t i = 0; i < c->in_count; i++)
        if (c->in[i].variable)
            return true;
    return false;
}

static int too_variable(const struct transform_slot *g, const char *name,
                        const char *where, struct rn_error *e) {
    error_set(e, RN_E_CONFIG,
              "%s takes fields of one size, but '%s' has cells of "
              "variable size",
              g->component->bare, name);
    error_hint(e, "pad_sequence, or characters for text, makes them of one size");
    return error_where(e, RN_WHERE_CONFIG, where, 0, 0);
}

/* All fields that the stage can take and that no name before took, of those that
 * `pattern` matches; NULL: of all. How many. */
static uint32_t choose_all(struct data *data, struct transform_slot *g,
                           const struct fields *f, const char *pattern, bool *taken) {
    uint32_t before = g->in_count;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct rn_field *x = &data->pipeline.columns[f->at[i]].field;
        if (taken[f->at[i]] || (pattern && !pattern_match(pattern, x->name)) ||
            (field_variable(x) && !takes_variable(g->component)))
            continue;
        taken[f->at[i]] = true;
        g->in[g->in_count++] = f->at[i];
    }
    return g->in_count - before;
}

/* The field of that name, or those of that pattern. */
static int choose_named(struct data *data, struct transform_slot *g,
                        const struct fields *f, const struct node *item, bool *taken,
                        struct rn_error *e) {
    const char *name = node_kind(item) == NODE_SCALAR ? node_raw(item) : "";
    int k = find(data, f, name);
    if (k < 0 && pattern_is(name) && choose_all(data, g, f, name, taken))
        return RN_OK;
    if (k < 0)
        return no_field(data, f, name, node_path(item), e);
    if (field_variable(&data->pipeline.columns[f->at[k]].field) &&
        !takes_variable(g->component))
        return too_variable(g, name, node_path(item), e);
    if (taken[f->at[k]]) {
        error_set(e, RN_E_CONFIG, "%s: field '%s' is named twice", g->path, name);
        return error_where(e, RN_WHERE_CONFIG, g->path, 0, 0);
    }
    taken[f->at[k]] = true;
    g->in[g->in_count++] = f->at[k];
    return RN_OK;
}

/* Fill g->in by the option `of`: a name or a pattern, a list of them, or all fields. */
static int choose(struct data *data, struct transform_slot *g, const struct fields *f,
                  struct rn_error *e) {
    const struct node *of = node_find(g->node, "of");
    uint32_t n = !of ? 0 : node_kind(of) == NODE_SCALAR ? 1 : node_count(of);
    bool *taken = arena_array(data->arena, bool, data->pipeline.column_count + 1);
    int status = RN_OK;
    g->in = arena_array(data->arena, uint32_t, f->count + 1);
    if (!of)
        choose_all(data, g, f, NULL, taken);
    for (uint32_t i = 0; i < n && status == RN_OK; i++)
        status = choose_named(
            data, g, f, node_kind(of) == NODE_SCALAR ? of : node_item(of, i), taken, e);
    if (status == RN_OK && !g->in_count) {
        error_set(e, RN_E_CONFIG, "%s: no field is left to transform", g->path);
        return error_where(e, RN_WHERE_CONFIG, g->path, 0, 0);
    }
    return status;
}

/* A plan, and the names of elements that it is told. */
struct planning {
    struct rn_transform_plan p;
    uint32_t room;
    struct naming {
        struct text names; /* separated by commas */
        uint64_t count;
        bool bad;
    } * at; /* [room] */
};

static void take_name(struct rn_transform_plan *plan, uint32_t field, const char *name,
                      uint64_t n) {
    struct planning *p = (struct planning *)plan; /* its first member */
    if (field >= p->room)
        return;
    struct naming *x = &p->at[field];
    if (!name) {
        text_finish(&x->names);
        *x = (struct naming){.count = 0};
        return;
    }
    x->bad |= !n || n > LAYOUT_NAME_MAX || memchr(name, ',', n) || memchr(name, 0, n) ||
              x->count >= LAYOUT_COUNT_MAX;
    if (x->bad)
        return;
    text_add(&x->names, x->count++ ? "," : "");
    text_add_n(&x->names, name, n);
}

/* The layouts of the outputs, in the arena: names for every element, or "". */
static const char **take_layouts(struct data *data, struct planning *p, uint32_t count,
                                 const struct rn_field *out) {
    const char **layouts = arena_array(data->arena, const char *, p->room + 1);
    for (uint32_t i = 0; i < p->room; i++) {
        struct naming *x = &p->at[i];
        bool whole = i < count && x->count && !x->bad && !field_variable(&out[i]) &&
                     field_bytes(&out[i]) / RN_DTYPE_BYTES(out[i].dtype) == x->count;
        layouts[i] = whole ? arena_copy(data->arena, text_get(&x->names)) : "";
        text_finish(&x->names);
    }
    memory_release(p->at);
    return layouts;
}

/* What the stage gives, in the arena. */
static int plan(struct data *data, struct transform_slot *g, uint32_t *count,
                struct rn_field **out, const char ***layouts, struct rn_error *e) {
    struct rn_field *in = arena_array(data->arena, struct rn_field, g->in_count + 1);
    uint32_t capacity = 2 * g->in_count + MADE_MAX;
    *out = arena_array(data->arena, struct rn_field, capacity);
    const char **known = arena_array(data->arena, const char *, g->in_count + 1);
    for (uint32_t i = 0; i < g->in_count; i++) {
        in[i] = data->pipeline.columns[g->in[i]].field;
        known[i] = data->pipeline.columns[g->in[i]].layout;
    }
    struct planning x = {.p = {.struct_size = sizeof x.p,
                               .field_stride = sizeof *in,
                               .in_count = g->in_count,
                               .out_room = capacity,
                               .in = in,
                               .out = *out,
                               .in_layouts = known,
                               .element = take_name},
                         .room = capacity,
                         .at = memory_get(memory_mul(capacity, sizeof *x.at))};
    instance_enter(g->instance);
    int status =
        instance_leave(g->instance, "plan", g->iface->plan(g->self, &x.p, e), e);
    *count = x.p.out_count;
    *layouts = take_layouts(data, &x, status == RN_OK ? *count : 0, *out);
    if (status != RN_OK)
        return component_error(e, g->node, g->path, g->component);
    if (*count > capacity)
        return error_set(e, RN_E_PLUGIN,
                         "%s: %s gives %u fields, more than it was given room for",
                         g->path, g->component->name, *count);
    return RN_OK;
}

/* The outputs take the inputs' place; names stay unique. */
static int replace(struct data *data, struct transform_slot *g, struct fields *f,
                   uint32_t count, const struct rn_field *out,
                   const char *const *layouts, struct rn_error *e) {
    struct fields next = {0, arena_array(data->arena, uint32_t, f->count + count + 1)};
    bool *taken = arena_array(data->arena, bool, data->pipeline.column_count + 1);
    uint32_t first = UINT32_MAX;
    g->out_count = count;
    g->out = arena_array(data->arena, uint32_t, count + 1);
    for (uint32_t j = 0; j < g->in_count; j++)
        taken[g->in[j]] = true;
    for (uint32_t i = 0; i < f->count; i++) {
        if (!taken[f->at[i]]) {
            next.at[next.count++] = f->at[i];
        } else if (first == UINT32_MAX) {
            first = next.count;
        }
    }
    memmove(next.at + first + count, next.at + first,
            (next.count - first) * sizeof next.at[0]);
    next.count += count;
    for (uint32_t i = 0; i < count; i++)
        next.at[first + i] = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (!out[i].name || !out[i].name[0] || out[i].rank > RN_MAX_RANK - 1 ||
            !field_bytes(&out[i]))
            return error_set(e, RN_E_PLUGIN, "%s: %s gives an impossible field %u",
                             g->path, g->component->name, i);
        for (uint32_t k = 0; k < next.count; k++)
            if (next.at[k] != UINT32_MAX &&
                strcmp(data->pipeline.columns[next.at[k]].field.name, out[i].name) ==
                    0) {
                error_set(e, RN_E_CONFIG, "%s: the sample already has a field '%s'",
                          g->path, out[i].name);
                return error_where(e, RN_WHERE_CONFIG, g->path, 0, 0);
            }
        uint32_t from = g->in[g->in_count == count ? i : 0];
        uint32_t c = column_add(data, &out[i], data->pipeline.columns[from].raw);
        g->out[i] = next.at[first + i] = c;
        data->pipeline.columns[c].layout = layouts[i];
        if (RN_HAS(g->iface, struct rn_transform, names) && g->iface->names) {
            struct rn_transform_names n = {.struct_size = sizeof n, .field = i};
            instance_enter(g->instance);
            int status = instance_leave(g->instance, "names",
                                        g->iface->names(g->self, &n, e), e);
            if (status != RN_OK)
                return error_context(e, "%s", g->path);
            data->pipeline.columns[c].classes = n.count;
            data->pipeline.columns[c].class_names = n.names;
        }
    }
    *f = next;
    return RN_OK;
}

static bool gives(const struct rn_field *fields, uint32_t n, const char *name) {
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return true;
    return false;
}

/* To predict: the stage goes without the inputs that are not there. What it still gives
 * is known by its name; the rest of its outputs are not there either. */
static void go_without(struct data *data, struct transform_slot *g,
                       struct rn_error *e) {
    const struct rn_error *wrong = NULL;
    struct rn_field *left = NULL;
    const char **layouts;
    uint32_t inputs = 0, count = 0, kept = 0;
    for (uint32_t i = 0; i < g->in_count; i++) {
        const struct rn_error *why = data->pipeline.columns[g->in[i]].wrong;
        if (!why)
            g->in[inputs++] = g->in[i];
        else if (!wrong)
            wrong = why;
    }
    if (!wrong)
        return;
    g->in_count = inputs;
    if (inputs && plan(data, g, &count, &left, &layouts, e) != RN_OK) {
        error_clear(e);
        count = 0;
    }
    for (uint32_t i = 0; i < g->out_count; i++)
        if (gives(left, count, data->pipeline.columns[g->out[i]].field.name))
            g->out[kept++] = g->out[i];
        else
            data->pipeline.columns[g->out[i]].wrong = wrong;
    g->out_count = kept;
}

static int fit_call(const struct transform_slot *g, const char *name,
                    int32_t (*member)(void *self, struct rn_error *e),
                    struct rn_error *e) {
    instance_enter(g->instance);
    int status = instance_leave(g->instance, name, member(g->self, e), e);
    if (status != RN_OK)
        component_error(e, g->node, g->path, g->component);
    return status;
}

/* One pass over the training rows, in rising order, up to stage `s`. */
static int fit_stage(struct data *data, uint32_t s, struct rn_error *e) {
    struct transform_slot *g = &data->pipeline.transforms[s];
    if (!g->iface->fit_begin)
        return RN_OK;
    struct reader r;
    struct table *t = &data->sources.at[data->splits[DATA_TRAIN].table];
    struct demand *demand = demand_create(data);
    for (uint32_t i = 0; i < g->in_count; i++)
        demand_add(demand, data, g->in[i]);
    int status = reader_open(data, t, DATA_CHUNK, demand, &r, e);
    r.phase = RN_PHASE_TRAIN;
    if (status == RN_OK)
        status = fit_call(g, "fit_begin", g->iface->fit_begin, e);
    uint64_t rows = data->splits[DATA_TRAIN].rows;
    const int64_t *ids = data->splits[DATA_TRAIN].ids;
    for (uint64_t at = 0; status == RN_OK && at < rows; at += DATA_CHUNK) {
        uint64_t n = rows - at < DATA_CHUNK ? rows - at : DATA_CHUNK;
        status = reader_read(&r, n, ids + at, e);
        if (status == RN_OK)
            status = reader_apply(&r, n, s, e);
        if (status == RN_OK)
            status = reader_fit(&r, n, g, e);
    }
    if (status == RN_OK)
        status = fit_call(g, "fit_end", g->iface->fit_end, e);
    reader_close(&r);
    demand_destroy(demand);
    return status;
}

int pipeline_missing(const struct data *data, uint32_t column,
                     const struct data_outside *at, struct rn_error *e) {
    const char *name = data->pipeline.columns[column].field.name;
    const struct node *list = node_find(data->options.data, "transforms");
    error_set(e, RN_E_DATA, "%s: row %llu, field '%s', element %lld is missing",
              at->file, (unsigned long long)at->row, name, (long long)at->value);
    error_hint(e, "add {type: impute, of: %s} to data.transforms", name);
    error_where(e, RN_WHERE_CONFIG, list ? "data.transforms" : data->sources.at[0].path,
                0, 0);
    return RN_E_DATA;
}

/* A sample has no missing numbers; data to predict are looked at once it is known what
 * is read (data_restrict). */
static int refuse_missing(const struct data *data, uint32_t column,
                          struct rn_error *e) {
    struct data_outside at;
    if (data->options.mode == DATA_FOR_PREDICTION)
        return RN_OK;
    int status = range_missing(data, column, &at, e);
    return status != RN_OK || !at.file ? status
                                       : pipeline_missing(data, column, &at, e);
}

/* The columns that are left are the sample, its floats as f32. */
static int finish_sample(struct data *data, const struct fields *f,
                         struct rn_error *e) {
    data->field_count = data->pipeline.derived_count = 0;
    data->fields = arena_array(data->arena, struct data_field, f->count + 1);
    data->field_columns = arena_array(data->arena, uint32_t, f->count + 1);
    data->pipeline.derived = arena_array(data->arena, struct derived, f->count + 1);
    data->row_bytes = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t column = f->at[i];
        struct column c = data->pipeline.columns[column];
        bool text = (c.field.flags & RN_FIELD_TEXT) != 0;
        if (field_variable(&c.field)) {
            log_say(session_log(data->options.session), RN_LOG_WARNING,
                    "field '%s' has cells of variable size and is left out of the "
                    "sample; pad_sequence, or characters for text, makes them of one "
                    "size",
                    c.field.name);
            continue;
        }
        if (c.field.flags & RN_FIELD_NULLABLE && !text) {
            int status = refuse_missing(data, column, e);
            if (status != RN_OK)
                return status;
        }
        if (c.field.dtype == RN_F64 || c.field.dtype == RN_F16 ||
            c.field.dtype == RN_BF16) {
            c.field.dtype = RN_F32;
            uint32_t to = column_add(data, &c.field, c.raw);
            data->pipeline.derived[data->pipeline.derived_count++] =
                (struct derived){column, to, false};
            c.bytes = data->pipeline.columns[to].bytes;
            column = to;
        }
        struct data_field *d = &data->fields[data->field_count];
        data->field_columns[data->field_count++] = column;
        d->name = c.field.name;
        d->dtype = c.field.dtype;
        d->rank = c.field.rank;
        memcpy(d->shape, c.field.shape, sizeof d->shape);
        d->bytes = c.bytes;
        d->text = text;
        d->classes = c.classes;
        d->class_names = c.class_names;
        d->layout = c.layout;
        data->row_bytes += c.bytes;
    }
    return RN_OK;
}

static int run_stages(struct data *data, bool fit, struct rn_error *e) {
    struct fields f = {data->pipeline.sample_count, data->pipeline.sample};
    int status = RN_OK;
    for (uint32_t s = 0; s < data->pipeline.transform_count && status == RN_OK; s++) {
        struct transform_slot *g = &data->pipeline.transforms[s];
        struct rn_field *out = NULL;
        const char **layouts = NULL;
        uint32_t count = 0;
        g->in_count = g->out_count = 0;
        status = choose(data, g, &f, e);
        if (status == RN_OK)
            status = plan(data, g, &count, &out, &layouts, e);
        if (status == RN_OK && fit) {
            status = fit_stage(data, s, e);
            if (status == RN_OK)
                status = plan(data, g, &count, &out, &layouts, e);
        }
        if (status == RN_OK)
            status = replace(data, g, &f, count, out, layouts, e);
        if (status == RN_OK)
            go_without(data, g, e);
    }
    return status == RN_OK ? finish_sample(data, &f, e) : status;
}

/* What an augmenter without `of` changes: the first field with rows and columns. */
static const char *image(const struct data *data) {
    for (uint32_t i = 0; i < data->field_count; i++)
        if (data->fields[i].rank >= 2 && !data->fields[i].text)
            return data->fields[i].name;
    return "x";
}

int pipeline_fields(struct data *data, const struct node *node, uint32_t *count,
                    uint32_t **fields, struct rn_error *e) {
    const struct node *of = node_find(node, "of");
    bool list = of && node_kind(of) == NODE_LIST;
    struct fields f = {data->field_count, data->field_columns};
    *count = list ? node_count(of) : of ? 1 : 0;
    *fields = arena_array(data->arena, uint32_t, *count + 1);
    if (of && !*count) {
        error_set(e, RN_E_CONFIG, "`of` names no field");
        return error_where(e, RN_WHERE_CONFIG, node_path(of), 0, 0);
    }
    for (uint32_t i = 0; i < *count; i++) {
        const struct node *at = list ? node_item(of, i) : of;
        const char *name = node_kind(at) == NODE_SCALAR ? node_raw(at) : "";
        int k = find(data, &f, name);
        if (k < 0)
            return no_field(data, &f, name, node_path(at), e);
        for (uint32_t j = 0; j < i; j++)
            if ((*fields)[j] == (uint32_t)k) {
                error_set(e, RN_E_CONFIG, "field '%s' is named twice", name);
                return error_where(e, RN_WHERE_CONFIG, node_path(at), 0, 0);
            }
        (*fields)[i] = (uint32_t)k;
    }
    return RN_OK;
}

static int augment_fields(struct data *data, struct data_augmenter *a,
                          struct rn_error *e) {
    struct fields f = {data->field_count, data->field_columns};
    int status = pipeline_fields(data, a->node, &a->field_count, &a->fields, e);
    if (status != RN_OK || a->field_count)
        return status;
    int k = find(data, &f, image(data));
    if (k < 0)
        return no_field(data, &f, image(data), a->path, e);
    a->field_count = 1;
    a->fields[0] = (uint32_t)k;
    return RN_OK;
}

/* Augmenters look at the finished sample. */
static int plan_augmenters(struct data *data, struct rn_error *e) {
    for (uint32_t i = 0; i < data->augment.count; i++) {
        struct data_augmenter *a = &data->augment.at[i];
        int status = augment_fields(data, a, e);
        if (status != RN_OK)
            return status;
        struct rn_field *fields =
            arena_array(data->arena, struct rn_field, a->field_count + 1);
        for (uint32_t k = 0; k < a->field_count; k++)
            fields[k] = data->pipeline.columns[data->field_columns[a->fields[k]]].field;
        struct rn_augment_plan p = {.struct_size = sizeof p,
                                    .field_count = a->field_count,
                                    .field_stride = sizeof *fields,
                                    .fields = fields};
        instance_enter(a->instance);
        status = instance_leave(a->instance, "plan", a->iface->plan(a->self, &p, e), e);
        if (status != RN_OK)
            return component_error(e, a->node, a->path, a->component);
        if (RN_HAS(a->iface, struct rn_augment, describe) && a->iface->numbers)
            a->numbers = a->iface->numbers(a->self);
    }
    return RN_OK;
}

int pipeline_prepare(struct data *data, bool fit, struct rn_error *e) {
    data->pipeline.column_count = data->pipeline.raw_count;
    int status = run_stages(data, fit, e);
    if (status == RN_OK)
        status = collate_plan(data, e);
    if (status == RN_OK)
        status = plan_augmenters(data, e);
    if (status == RN_OK)
        status = sampler_plan(data, e);
    data->ready = status == RN_OK;
    return status;
}

int data_fit(struct data *data, struct rn_error *e) {
    error_clear(e);
    assert(!data->ready);
    if (!data->splits[DATA_TRAIN].rows && data->pipeline.transform_count)
        return error_set(e, RN_E_DATA, "there are no training samples to fit on");
    return pipeline_prepare(data, true, e);
}
