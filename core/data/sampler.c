/* SPDX-License-Identifier: Apache-2.0 */
/* The sampler of training rows: the values that it samples by, and the order of an
 * epoch. */
#include <string.h>

#include "base/text.h"
#include "data/internal.h"

int sampler_open(struct data *data, struct diag *d) {
    struct data_sampler *s = &data->sampler;
    s->node = node_find(data->options.data, "sampler");
    if (!s->node || data->options.mode != DATA_FOR_TRAINING)
        return RN_OK;
    s->path = arena_copy(data->arena, node_path(s->node));
    int status = data_instance(data, "sampler", s->node, data->options.services,
                               &s->component, &s->instance, d);
    if (status != RN_OK)
        return status;
    s->iface = s->component->iface;
    s->self = instance_self(s->instance);
    return RN_OK;
}

void sampler_close(struct data *data) {
    struct data_sampler *s = &data->sampler;
    instance_destroy(s->instance);
    for (uint32_t k = 0; k < s->field_count; k++)
        memory_release(s->values[k].data);
}

/* ----------------------------------------------------------------- values */

/* Room for the values of a field of all training rows. */
static int reserve(struct data *data, uint32_t k, uint32_t field, struct rn_error *e) {
    struct data_sampler *s = &data->sampler;
    const struct data_field *f = &data->fields[field];
    uint64_t rows = data->splits[DATA_TRAIN].rows;
    int64_t *shape = arena_array(data->arena, int64_t, f->rank + 1);
    shape[0] = (int64_t)rows;
    memcpy(shape + 1, f->shape, f->rank * sizeof *shape);
    s->fields[k] = data->pipeline.columns[data->field_columns[field]].field;
    s->values[k] = (struct rn_tensor){memory_try(memory_mul(rows + 1, f->bytes)), shape,
                                      NULL, f->dtype, f->rank + 1};
    if (s->values[k].data)
        return RN_OK;
    return error_set(e, RN_E_MEMORY, "no memory for the values of '%s' in %llu samples",
                     f->name, (unsigned long long)rows);
}

/* One pass over the training rows. */
static int read_values(struct data *data, const uint32_t *fields, struct rn_error *e) {
    struct data_sampler *s = &data->sampler;
    uint64_t rows = data->splits[DATA_TRAIN].rows;
    const int64_t *ids = data->splits[DATA_TRAIN].ids;
    const struct table *t = &data->sources.at[data->splits[DATA_TRAIN].table];
    struct demand *demand = demand_create(data);
    struct reader r;
    for (uint32_t k = 0; k < s->field_count; k++)
        demand_add(demand, data, data->field_columns[fields[k]]);
    int status = reader_open(data, t, DATA_CHUNK, demand, &r, e);
    r.phase = RN_PHASE_TRAIN;
    for (uint64_t at = 0; at < rows && status == RN_OK; at += DATA_CHUNK) {
        uint64_t n = rows - at < DATA_CHUNK ? rows - at : DATA_CHUNK;
        status = reader_read(&r, n, ids + at, e);
        if (status == RN_OK)
            status = reader_apply(&r, n, data->pipeline.transform_count, e);
        for (uint32_t k = 0; k < s->field_count && status == RN_OK; k++) {
            uint64_t bytes = data->fields[fields[k]].bytes;
            memcpy((char *)s->values[k].data + at * bytes,
                   r.columns[data->field_columns[fields[k]]], n * bytes);
        }
    }
    reader_close(&r);
    demand_destroy(demand);
    return status;
}

int sampler_plan(struct data *data, struct rn_error *e) {
    struct data_sampler *s = &data->sampler;
    uint32_t count, *fields;
    if (!s->component || !data->splits[DATA_TRAIN].rows)
        return RN_OK;
    if (data_is_stream(data, DATA_TRAIN)) {
        error_set(e, RN_E_CONFIG,
                  "%s: a stream is read in its order, so no sampler can "
                  "choose among its samples",
                  s->path);
        return error_where(e, RN_WHERE_CONFIG, s->path, 0, 0);
    }
    int status = pipeline_fields(data, s->node, &count, &fields, e);
    if (status != RN_OK)
        return status;
    s->fields = arena_array(data->arena, struct rn_field, count + 1);
    s->values = arena_array(data->arena, struct rn_tensor, count + 1);
    for (; s->field_count < count && status == RN_OK; s->field_count++)
        status = reserve(data, s->field_count, fields[s->field_count], e);
    if (status == RN_OK && count)
        status = read_values(data, fields, e);
    if (status != RN_OK)
        return status;
    struct rn_sampler_plan p = {.struct_size = sizeof p,
                                .field_count = s->field_count,
                                .field_stride = sizeof *s->fields,
                                .fields = s->fields,
                                .values = s->values,
                                .sample_ids = data->splits[DATA_TRAIN].ids,
                                .rows = data->splits[DATA_TRAIN].rows,
                                .count = data->splits[DATA_TRAIN].rows};
    instance_enter(s->instance);
    status = instance_leave(s->instance, "plan", s->iface->plan(s->self, &p, e), e);
    if (status == RN_OK && (!p.count || p.count > INT64_MAX / sizeof(uint64_t)))
        status = error_set(e, RN_E_PLUGIN, "an epoch of %llu samples is not possible",
                           (unsigned long long)p.count);
    s->count = p.count;
    return status == RN_OK ? RN_OK : component_error(e, s->node, s->path, s->component);
}

/* ------------------------------------------------------------------ order */

int sampler_order(const struct data *data, const uint32_t key[2], uint64_t epoch,
                  struct rn_workspace *work, uint64_t *order, struct rn_error *e) {
    const struct data_sampler *s = &data->sampler;
    uint64_t rows = data->splits[DATA_TRAIN].rows;
    struct guard *g = guard_begin(s->instance, work);
    struct rn_sampler_call call = {.struct_size = sizeof call,
                                   .phase = RN_PHASE_TRAIN,
                                   .work = rn_workspace_begin(work),
                                   .epoch = epoch,
                                   .key = {key[0], key[1]},
                                   .rows = rows,
                                   .count = s->count,
                                   .order =
                                       guard_bytes(g, RN_GUARD_OUT, "call->order", NULL,
                                                   order, s->count * sizeof *order)};
    instance_enter(s->instance);
    int status =
        instance_leave(s->instance, "order", s->iface->order(s->self, &call, e), e);
    status = guard_end(g, "order", status, e);
    for (uint64_t i = 0; i < s->count && status == RN_OK; i++)
        if (order[i] >= rows)
            status = error_set(e, RN_E_PLUGIN,
                               "place %llu of epoch %llu is row %llu of %llu",
                               (unsigned long long)i, (unsigned long long)epoch,
                               (unsigned long long)order[i], (unsigned long long)rows);
    return status == RN_OK ? RN_OK : component_error(e, s->node, s->path, s->component);
}
