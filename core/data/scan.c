/* SPDX-License-Identifier: Apache-2.0 */
/* Passes over a split for those who look at data: raw fields, or transformed samples.
 */
#include <assert.h>

#include <runner/sdk/field.h>

#include "data/internal.h"

uint32_t data_raw_count(const struct data *data) {
    return data->pipeline.raw_count;
}

struct data_raw data_raw_at(const struct data *data, uint32_t i) {
    const struct rn_field *f = &data->pipeline.columns[i].field;
    const struct table *t = &data->sources.at[0];
    bool variable = field_variable(f);
    struct data_raw out = {.name = f->name,
                           .dtype = f->dtype,
                           .rank = f->rank,
                           .elements = variable ? 0 : rn_field_elements(f),
                           .text = (f->flags & RN_FIELD_TEXT) != 0,
                           .layout = i < t->field_count ? t->layouts[i] : ""};
    for (uint32_t k = 0; k < f->rank; k++)
        out.shape[k] = f->shape[k];
    return out;
}

const void *data_chunk_cell(const struct data *data, const struct data_chunk *c,
                            uint32_t field, uint64_t row, uint64_t *bytes) {
    const void *cell = cells_get(c->cells[field], row, bytes);
    *bytes *= field_bytes(&data->pipeline.columns[field].field);
    return cell;
}

uint64_t data_file_row(const struct data *data, enum data_split_kind split,
                       int64_t id) {
    const struct table *t = &data->sources.at[data->splits[split].table];
    return (uint64_t)id - t->offset + 1;
}

const char *data_file(const struct data *data, enum data_split_kind split) {
    int table = data->splits[split].table;
    return table < 0 ? NULL : data->sources.at[table].name;
}

/* A pass whose chunks have `count` fields, the columns at[i]. */
struct pass {
    const struct data *data;
    enum data_split_kind split;
    struct demand *demand;
    bool samples; /* of raw fields else */
    uint32_t count;
    const uint32_t *at; /* NULL: column i */
    const void **fields;
    struct cells **cells;
};

static uint32_t column_of(const struct pass *p, uint32_t i) {
    return p->at ? p->at[i] : i;
}

static int chunk(const struct pass *p, struct reader *r, uint64_t first, uint64_t n,
                 data_chunk_fn fn, void *context, struct rn_error *e) {
    const int64_t *ids = p->data->splits[p->split].ids + first;
    int status = reader_read(r, n, ids, e);
    if (status == RN_OK && p->samples)
        status = reader_apply(r, n, p->data->pipeline.transform_count, e);
    if (status != RN_OK)
        return status;
    for (uint32_t i = 0; i < p->count; i++) {
        uint32_t k = column_of(p, i);
        bool wanted = p->demand->columns[k];
        p->cells[i] = wanted ? r->cells[k] : NULL;
        p->fields[i] = wanted && !r->cells[k] ? r->columns[k] : NULL;
    }
    struct data_chunk c = {p->split, first, n, ids, p->fields, p->cells};
    return fn(context, &c, e);
}

static int scan(struct pass *p, const bool *wanted, data_chunk_fn fn, void *context,
                struct rn_error *e) {
    const struct data *data = p->data;
    uint64_t rows = data->splits[p->split].rows;
    struct reader r = {0};
    if (!rows)
        return RN_OK;
    p->demand = demand_create(data);
    for (uint32_t i = 0; i < p->count; i++)
        if (!wanted || wanted[i])
            demand_add(p->demand, data, column_of(p, i));
    p->fields = memory_get(memory_mul(p->count + 1, sizeof *p->fields));
    p->cells = memory_get(memory_mul(p->count + 1, sizeof *p->cells));
    const struct table *t = &data->sources.at[data->splits[p->split].table];
    int status = reader_open(data, t, DATA_CHUNK, p->demand, &r, e);
    for (uint64_t at = 0; at < rows && status == RN_OK; at += DATA_CHUNK) {
        uint64_t n = rows - at < DATA_CHUNK ? rows - at : DATA_CHUNK;
        status = chunk(p, &r, at, n, fn, context, e);
    }
    reader_close(&r);
    demand_destroy(p->demand);
    memory_release(p->fields);
    memory_release(p->cells);
    return status;
}

int data_scan(const struct data *data, enum data_split_kind split, const bool *wanted,
              data_chunk_fn fn, void *context, struct rn_error *e) {
    struct pass p = {.data = data, .split = split, .count = data->pipeline.raw_count};
    return scan(&p, wanted, fn, context, e);
}

int data_scan_samples(const struct data *data, enum data_split_kind split,
                      const bool *wanted, data_chunk_fn fn, void *context,
                      struct rn_error *e) {
    assert(data->ready);
    struct pass p = {.data = data,
                     .split = split,
                     .count = data->field_count,
                     .at = data->field_columns,
                     .samples = true};
    return scan(&p, wanted, fn, context, e);
}
