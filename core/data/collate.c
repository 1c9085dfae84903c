/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of training batches, and the targets that labels become for them. */
#include <string.h>

#include <runner/sdk/field.h>

#include "base/text.h"
#include "data/internal.h"

int collate_open(struct data *data, struct diag *d) {
    const struct node *list = data->options.collate;
    uint32_t n = list ? node_components(list) : 0;
    data->collate.at = arena_array(data->arena, struct data_collate, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        struct data_collate *c = &data->collate.at[i];
        const char *name;
        c->node = node_component(list, i, &name);
        c->path = arena_copy(data->arena, node_path(c->node));
        int status = data_instance(data, "collate", c->node, data->options.services,
                                   &c->component, &c->instance, d);
        if (status != RN_OK)
            return status;
        c->iface = c->component->iface;
        c->self = instance_self(c->instance);
        data->collate.count++;
    }
    return RN_OK;
}

void collate_close(struct data *data) {
    for (uint32_t i = 0; i < data->collate.count; i++)
        instance_destroy(data->collate.at[i].instance);
}

/* ---------------------------------------------------------------- targets */

static bool is_target(const struct data *data, uint32_t column) {
    for (uint32_t i = 0; i < data->pipeline.derived_count; i++)
        if (data->pipeline.derived[i].to == column)
            return data->pipeline.derived[i].one_hot;
    return false;
}

/* The target of a label, of this name and size, or UINT32_MAX. */
static uint32_t find_target(const struct data *data, uint32_t label, const char *name,
                            uint32_t classes) {
    for (uint32_t i = 0; i < data->field_count; i++) {
        uint32_t column = data->field_columns[i];
        for (uint32_t k = 0; k < data->pipeline.derived_count; k++)
            if (data->pipeline.derived[k].to == column &&
                data->pipeline.derived[k].one_hot &&
                data->pipeline.derived[k].from == data->field_columns[label] &&
                strcmp(data->fields[i].name, name) == 0 &&
                data->fields[i].shape[0] == (int64_t)classes)
                return i;
    }
    return UINT32_MAX;
}

/* Room for one more field of the sample, derived from another one. */
static void grow(struct data *data) {
    struct arena *a = data->arena;
    uint32_t n = data->field_count, m = data->pipeline.derived_count;
    struct data_field *fields = arena_array(a, struct data_field, n + 1);
    uint32_t *columns = arena_array(a, uint32_t, n + 1);
    struct derived *derived = arena_array(a, struct derived, m + 1);
    memcpy(fields, data->fields, n * sizeof *fields);
    memcpy(columns, data->field_columns, n * sizeof *columns);
    memcpy(derived, data->pipeline.derived, m * sizeof *derived);
    data->fields = fields;
    data->field_columns = columns;
    data->pipeline.derived = derived;
}

static int add_target(struct data *data, const struct data_collate *c, uint32_t label,
                      const struct rn_collate_target *t, uint32_t *out,
                      struct rn_error *e) {
    struct column from = data->pipeline.columns[data->field_columns[label]];
    struct rn_field f = {t->name, RN_F32, 1, {t->classes}, 0, 0};
    *out = find_target(data, label, t->name, t->classes);
    if (*out != UINT32_MAX)
        return RN_OK;
    if (data_field_find(data, t->name)) {
        error_set(e, RN_E_CONFIG, "%s: the sample already has another field '%s'",
                  c->path, t->name);
        return error_where(e, RN_WHERE_CONFIG, c->path, 0, 0);
    }
    grow(data);
    uint32_t column = column_add(data, &f, from.raw);
    data->pipeline.columns[column].wrong = from.wrong;
    data->pipeline.derived[data->pipeline.derived_count++] =
        (struct derived){data->field_columns[label], column, true};
    *out = data->field_count;
    data->field_columns[*out] = column;
    data->fields[*out] =
        (struct data_field){.name = data->pipeline.columns[column].field.name,
                            .dtype = RN_F32,
                            .target = true,
                            .rank = 1,
                            .shape = {t->classes},
                            .bytes = data->pipeline.columns[column].bytes};
    data->row_bytes += data->fields[*out].bytes;
    data->field_count++;
    return RN_OK;
}

/* ------------------------------------------------------------------- plan */

/* Without `of`: all but texts and the targets that others have made. */
static void all_fields(struct data *data, struct data_collate *c) {
    c->fields = arena_array(data->arena, uint32_t, data->field_count + 1);
    for (uint32_t i = 0; i < data->field_count; i++)
        if (!data->fields[i].text && !is_target(data, data->field_columns[i]))
            c->fields[c->field_count++] = i;
}

/* How many classes a field has: by a label map, by the state that is loaded, or by its
 * values. */
static int read_classes(struct data *data, uint32_t field, uint32_t *out,
                        struct rn_error *e) {
    struct data_field *f = &data->fields[field];
    int status = RN_OK;
    if (f->rank || !(rn_dtype_is_integer(f->dtype) || f->dtype == RN_BOOL))
        return RN_OK;
    for (uint32_t i = 0; i < data->stored.count && !f->classes; i++)
        if (strcmp(data->stored.at[i].name, f->name) == 0)
            f->classes = data->stored.at[i].classes;
    if (!f->classes && data->options.mode == DATA_FOR_TRAINING)
        status = range_classes(data, data->field_columns[field], &f->classes, e);
    *out = f->classes;
    return status;
}

static int take_targets(struct data *data, struct data_collate *c,
                        const struct rn_collate_target *targets, struct rn_error *e) {
    int status = RN_OK;
    for (uint32_t i = 0; i < c->field_count && status == RN_OK; i++) {
        const struct data_field *f = &data->fields[c->fields[i]];
        if (!targets[i].name)
            continue;
        if (!targets[i].classes || f->rank || f->text ||
            !(rn_dtype_is_integer(f->dtype) || f->dtype == RN_BOOL))
            status = error_set(e, RN_E_PLUGIN,
                               "field '%s' cannot become a target of %u classes",
                               f->name, targets[i].classes);
        else
            status = add_target(data, c, c->fields[i], &targets[i], &c->fields[i], e);
        for (uint32_t k = 0; k < c->field_count && status == RN_OK; k++)
            if (k != i && c->fields[k] == c->fields[i])
                status = error_set(e, RN_E_CONFIG, "field '%s' is named twice",
                                   data->fields[c->fields[i]].name);
    }
    return status;
}

static int plan(struct data *data, struct data_collate *c, struct rn_error *e) {
    int status = pipeline_fields(data, c->node, &c->field_count, &c->fields, e);
    if (status != RN_OK)
        return status;
    if (!c->field_count)
        all_fields(data, c);
    uint32_t n = c->field_count;
    struct rn_field *fields = arena_array(data->arena, struct rn_field, n + 1);
    uint32_t *classes = arena_array(data->arena, uint32_t, n + 1);
    struct rn_collate_target *targets =
        arena_array(data->arena, struct rn_collate_target, n + 1);
    for (uint32_t i = 0; i < n && status == RN_OK; i++) {
        fields[i] = data->pipeline.columns[data->field_columns[c->fields[i]]].field;
        status = read_classes(data, c->fields[i], &classes[i], e);
    }
    if (status != RN_OK)
        return status;
    struct rn_collate_plan p = {.struct_size = sizeof p,
                                .field_count = n,
                                .field_stride = sizeof *fields,
                                .target_stride = sizeof *targets,
                                .fields = fields,
                                .classes = classes,
                                .targets = targets};
    instance_enter(c->instance);
    status = instance_leave(c->instance, "plan", c->iface->plan(c->self, &p, e), e);
    if (status == RN_OK)
        status = take_targets(data, c, targets, e);
    return status == RN_OK ? RN_OK : component_error(e, c->node, c->path, c->component);
}

int collate_plan(struct data *data, struct rn_error *e) {
    int status = RN_OK;
    for (uint32_t i = 0; i < data->collate.count && status == RN_OK; i++)
        status = plan(data, &data->collate.at[i], e);
    return status;
}

/* ------------------------------------------------------------------ apply */

int collate_apply(const struct data *data, const struct collate_batch *b,
                  struct rn_workspace *work, struct rn_error *e) {
    int status = RN_OK;
    for (uint32_t i = 0; i < data->collate.count && status == RN_OK; i++) {
        const struct data_collate *c = &data->collate.at[i];
        for (uint32_t k = 0; k < c->field_count; k++) {
            const struct data_field *f = &data->fields[c->fields[k]];
            b->shapes[k][0] = (int64_t)b->rows;
            memcpy(b->shapes[k] + 1, f->shape, sizeof f->shape);
            b->views[k] = (struct rn_tensor){b->fields[c->fields[k]], b->shapes[k],
                                             NULL, f->dtype, f->rank + 1};
        }
        struct guard *g = guard_begin(c->instance, work);
        for (uint32_t k = 0; k < c->field_count; k++)
            guard_tensor(g, RN_GUARD_OUT, "field", data->fields[c->fields[k]].name,
                         &b->views[k]);
        struct rn_collate_call call = {
            .struct_size = sizeof call,
            .phase = RN_PHASE_TRAIN,
            .work = rn_workspace_begin(work),
            .rows = b->rows,
            .sample_ids = guard_bytes(g, RN_GUARD_IN, "call->sample_ids", NULL, b->ids,
                                      b->rows * sizeof *b->ids),
            .batch = b->index,
            .key = {b->keys[i][0], b->keys[i][1]},
            .epoch = (uint32_t)b->epoch,
            .field_count = c->field_count,
            .fields = b->views};
        instance_enter(c->instance);
        status =
            instance_leave(c->instance, "apply", c->iface->apply(c->self, &call, e), e);
        status = guard_end(g, "apply", status, e);
        if (status != RN_OK)
            component_error(e, c->node, c->path, c->component);
    }
    return status;
}
