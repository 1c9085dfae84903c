/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for labels outside a range and for missing numbers before anything is trained
 * on them. */
#include <math.h>

#include <runner/numerics.h>
#include <runner/sdk/field.h>

#include "base/dtype.h"
#include "data/internal.h"

/* Told each chunk of a column; RN_OK goes on, positive stops. */
typedef int (*chunk_fn)(void *context, enum data_split_kind split,
                        const struct table *t, const uint8_t *column,
                        const int64_t *ids, uint64_t rows);

/* A column over the rows of every split; what transforms make goes through those that
 * it needs. */
static int scan(const struct data *data, uint32_t column, chunk_fn fn, void *context,
                struct rn_error *e) {
    struct demand *demand = demand_create(data);
    int status = RN_OK;
    demand_add(demand, data, column);
    for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++) {
        struct reader r;
        uint64_t rows = data->splits[s].rows;
        if (!rows)
            continue;
        const struct table *t = &data->sources.at[data->splits[s].table];
        status = reader_open(data, t, DATA_CHUNK, demand, &r, e);
        for (uint64_t at = 0; at < rows && status == RN_OK; at += DATA_CHUNK) {
            const int64_t *ids = data->splits[s].ids + at;
            uint64_t n = rows - at < DATA_CHUNK ? rows - at : DATA_CHUNK;
            status = reader_read(&r, n, ids, e);
            if (status == RN_OK)
                status = reader_apply(&r, n, data->pipeline.transform_count, e);
            if (status == RN_OK)
                status =
                    fn(context, (enum data_split_kind)s, t, r.columns[column], ids, n);
        }
        reader_close(&r);
    }
    demand_destroy(demand);
    return status < 0 ? status : RN_OK;
}

struct search {
    const struct column *c;
    int64_t low, high;
    struct data_outside *out;
};

static int outside(void *context, enum data_split_kind split, const struct table *t,
                   const uint8_t *column, const int64_t *ids, uint64_t rows) {
    struct search *x = context;
    (void)split;
    uint64_t each = x->c->bytes / RN_DTYPE_BYTES(x->c->field.dtype);
    for (uint64_t i = 0; i < rows * each; i++) {
        int64_t v = rn_integer_get(column, x->c->field.dtype, i);
        if (v >= x->low && v <= x->high)
            continue;
        *x->out = (struct data_outside){table_file(t, x->c), t->path,
                                        table_row(t, ids[i / each]) + 1, v};
        return 1;
    }
    return RN_OK;
}

int data_find_outside(const struct data *data, uint32_t field, int64_t low,
                      int64_t high, struct data_outside *out, struct rn_error *e) {
    uint32_t column = data->field_columns[field];
    struct search x = {&data->pipeline.columns[column], low, high, out};
    *out = (struct data_outside){0};
    return !dtype_float(x.c->field.dtype) ? scan(data, column, outside, &x, e) : RN_OK;
}

struct largest {
    rn_dtype dtype;
    int64_t value;
    bool negative;
};

static int find_largest(void *context, enum data_split_kind split,
                        const struct table *t, const uint8_t *column,
                        const int64_t *ids, uint64_t rows) {
    struct largest *x = context;
    (void)split, (void)t, (void)ids;
    for (uint64_t i = 0; i < rows; i++) {
        int64_t v = rn_integer_get(column, x->dtype, i);
        x->negative |= v < 0;
        x->value = v > x->value ? v : x->value;
    }
    return RN_OK;
}

int range_classes(const struct data *data, uint32_t column, uint32_t *out,
                  struct rn_error *e) {
    struct largest x = {data->pipeline.columns[column].field.dtype, 0, false};
    int status = scan(data, column, find_largest, &x, e);
    *out = x.negative || x.value >= INT32_MAX ? 0 : (uint32_t)x.value + 1;
    return status;
}

struct census {
    rn_dtype dtype;
    uint64_t n, *rows;
};

static int count_rows(void *context, enum data_split_kind split, const struct table *t,
                      const uint8_t *column, const int64_t *ids, uint64_t rows) {
    struct census *x = context;
    (void)t, (void)ids;
    for (uint64_t i = 0; i < rows; i++) {
        int64_t v = rn_integer_get(column, x->dtype, i);
        if (v >= 0 && (uint64_t)v < x->n)
            x->rows[(uint64_t)v * DATA_SPLITS + split]++;
    }
    return RN_OK;
}

int data_count_values(const struct data *data, uint32_t field, uint64_t n,
                      uint64_t *rows, struct rn_error *e) {
    uint32_t column = data->field_columns[field];
    struct census x = {data->pipeline.columns[column].field.dtype, n, rows};
    bool single = !dtype_float(x.dtype) && !data->pipeline.columns[column].field.rank;
    return single ? scan(data, column, count_rows, &x, e) : RN_OK;
}

bool range_missing_in(const struct column *c, const struct table *t, const void *values,
                      const int64_t *ids, uint64_t rows, struct data_outside *out) {
    rn_dtype dtype = c->field.dtype;
    uint64_t each = c->bytes / RN_DTYPE_BYTES(dtype);
    for (uint64_t i = 0; i < rows * each; i++) {
        bool gone =
            dtype == RN_F32    ? isnan(((const float *)values)[i])
            : dtype == RN_F64  ? isnan(((const double *)values)[i])
            : dtype == RN_F16  ? isnan(rn_f32_from_f16(((const uint16_t *)values)[i]))
            : dtype == RN_BF16 ? isnan(rn_f32_from_bf16(((const uint16_t *)values)[i]))
            : dtype == RN_I64  ? ((const int64_t *)values)[i] == RN_MISSING_I64
                               : false;
        if (!gone)
            continue;
        *out = (struct data_outside){table_file(t, c), t->path,
                                     table_row(t, ids[i / each]) + 1,
                                     (int64_t)(i % each) + 1};
        return true;
    }
    return false;
}

static int missing(void *context, enum data_split_kind split, const struct table *t,
                   const uint8_t *column, const int64_t *ids, uint64_t rows) {
    struct search *x = context;
    (void)split;
    return range_missing_in(x->c, t, column, ids, rows, x->out);
}

int range_missing(const struct data *data, uint32_t column, struct data_outside *out,
                  struct rn_error *e) {
    struct search x = {&data->pipeline.columns[column], 0, 0, out};
    *out = (struct data_outside){0};
    return scan(data, column, missing, &x, e);
}
