/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for integers outside a range before anything is trained on them. */
#include "data/room.h"

static int64_t integer(const uint8_t *p, rn_dtype dtype, uint64_t i) {
    switch (dtype) {
    case RN_I64: return ((const int64_t *)(const void *)p)[i];
    case RN_I32: return ((const int32_t *)(const void *)p)[i];
    case RN_U32: return ((const uint32_t *)(const void *)p)[i];
    case RN_I8: return ((const int8_t *)(const void *)p)[i];
    default: return p[i];
    }
}

static bool is_integer(rn_dtype t) {
    return t == RN_I64 || t == RN_I32 || t == RN_U32 || t == RN_I8 || t == RN_U8;
}

static int scan(const struct data *data, enum data_split_kind split, uint32_t column,
                int64_t low, int64_t high, struct data_outside *out,
                struct rn_error *e) {
    const struct table *t = &data->tables[data->splits[split].table];
    const struct column *c = &data->columns[column];
    bool wanted[DATA_MAX_FIELDS] = {false};
    uint64_t rows = data->splits[split].rows;
    uint64_t each = c->bytes / RN_DTYPE_BYTES(c->field.dtype);
    struct reader r;
    wanted[column] = true;
    int status = reader_open(data, t, DATA_CHUNK, &r, e);
    for (uint64_t at = 0; at < rows && status == RN_OK && !out->file; at += DATA_CHUNK) {
        const int64_t *ids = data->splits[split].ids + at;
        uint64_t n = rows - at < DATA_CHUNK ? rows - at : DATA_CHUNK;
        status = reader_read(&r, n, ids, wanted, e);
        for (uint64_t i = 0; i < n * each && status == RN_OK && !out->file; i++) {
            int64_t v = integer(r.columns[column], c->field.dtype, i);
            if (v < low || v > high)
                *out = (struct data_outside){t->name, t->path,
                                             (uint64_t)ids[i / each] - t->offset + 1, v};
        }
    }
    reader_close(&r);
    return status;
}

int data_find_outside(const struct data *data, uint32_t field, int64_t low, int64_t high,
                      struct data_outside *out, struct rn_error *e) {
    uint32_t column = data->field_columns[field];
    const struct column *c = &data->columns[column];
    int status = RN_OK;
    *out = (struct data_outside){0};
    /* What a transform makes is not a number of the file. */
    if (column >= data->raw_count || !is_integer(c->field.dtype))
        return RN_OK;
    for (int s = 0; s < DATA_SPLITS && status == RN_OK && !out->file; s++)
        if (data->splits[s].rows)
            status = scan(data, (enum data_split_kind)s, column, low, high, out, e);
    return status;
}
