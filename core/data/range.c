/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for labels outside a range and for missing numbers before anything is trained
 * on them. */
#include "data/room.h"

static int64_t integer(const uint8_t *p, rn_dtype dtype, uint64_t i) {
    switch (dtype) {
    case RN_I64:
        return ((const int64_t *)(const void *)p)[i];
    case RN_I32:
        return ((const int32_t *)(const void *)p)[i];
    case RN_U32:
        return ((const uint32_t *)(const void *)p)[i];
    case RN_I8:
        return ((const int8_t *)(const void *)p)[i];
    default:
        return p[i];
    }
}

static bool is_integer(rn_dtype t) {
    return t == RN_I64 || t == RN_I32 || t == RN_U32 || t == RN_I8 || t == RN_U8;
}

/* Told each chunk of a column; RN_OK goes on, positive stops. */
typedef int (*chunk_fn)(void *context, const struct table *t, const uint8_t *column,
                        const int64_t *ids, uint64_t rows);

/* A column over the rows of every split; what transforms make goes through them. */
static int scan(const struct data *data, uint32_t column, chunk_fn fn, void *context,
                struct rn_error *e) {
    bool wanted[DATA_MAX_FIELDS] = {false}, raw = column < data->raw_count;
    int status = RN_OK;
    wanted[column < DATA_MAX_FIELDS ? column : 0] = true;
    for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++) {
        struct reader r;
        uint64_t rows = data->splits[s].rows;
        if (!rows)
            continue;
        const struct table *t = &data->tables[data->splits[s].table];
        status = reader_open(data, t, DATA_CHUNK, &r, e);
        for (uint64_t at = 0; at < rows && status == RN_OK; at += DATA_CHUNK) {
            const int64_t *ids = data->splits[s].ids + at;
            uint64_t n = rows - at < DATA_CHUNK ? rows - at : DATA_CHUNK;
            status = reader_read(&r, n, ids, raw ? wanted : NULL, e);
            if (status == RN_OK && !raw)
                status = reader_apply(&r, n, data->stage_count, e);
            if (status == RN_OK)
                status = fn(context, t, r.columns[column], ids, n);
        }
        reader_close(&r);
    }
    return status < 0 ? status : RN_OK;
}

struct search {
    const struct column *c;
    int64_t low, high;
    struct data_outside *out;
};

static int outside(void *context, const struct table *t, const uint8_t *column,
                   const int64_t *ids, uint64_t rows) {
    struct search *x = context;
    uint64_t each = x->c->bytes / RN_DTYPE_BYTES(x->c->field.dtype);
    for (uint64_t i = 0; i < rows * each; i++) {
        int64_t v = integer(column, x->c->field.dtype, i);
        if (v >= x->low && v <= x->high)
            continue;
        *x->out = (struct data_outside){t->name, t->path,
                                        (uint64_t)ids[i / each] - t->offset + 1, v};
        return 1;
    }
    return RN_OK;
}

int data_find_outside(const struct data *data, uint32_t field, int64_t low,
                      int64_t high, struct data_outside *out, struct rn_error *e) {
    uint32_t column = data->field_columns[field];
    struct search x = {&data->columns[column], low, high, out};
    *out = (struct data_outside){0};
    return is_integer(x.c->field.dtype) ? scan(data, column, outside, &x, e) : RN_OK;
}

static int missing(void *context, const struct table *t, const uint8_t *column,
                   const int64_t *ids, uint64_t rows) {
    struct search *x = context;
    rn_dtype dtype = x->c->field.dtype;
    uint64_t each = x->c->bytes / RN_DTYPE_BYTES(dtype);
    for (uint64_t i = 0; i < rows * each; i++) {
        double v = dtype == RN_F32   ? (double)((const float *)(const void *)column)[i]
                   : dtype == RN_F64 ? ((const double *)(const void *)column)[i]
                                     : 0.0;
        if (v == v)
            continue;
        *x->out = (struct data_outside){t->name, t->path,
                                        (uint64_t)ids[i / each] - t->offset + 1,
                                        (int64_t)(i % each) + 1};
        return 1;
    }
    return RN_OK;
}

int range_missing(const struct data *data, uint32_t column, struct data_outside *out,
                  struct rn_error *e) {
    struct search x = {&data->columns[column], 0, 0, out};
    *out = (struct data_outside){0};
    return scan(data, column, missing, &x, e);
}
