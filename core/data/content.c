/* SPDX-License-Identifier: Apache-2.0 */
/* What the sources hold: read once where they cannot be read in any order, and hashed,
 * so that a split that was stored is not used on other data. */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "data/internal.h"

/* A float field that has a NaN may have missing numbers: what its source has not
 * declared is learnt here, where every row is read. */
static void learn_missing(struct data *data, const struct reader *r, const int64_t *ids,
                          uint64_t n) {
    for (uint32_t f = 0; f < r->table->field_count; f++) {
        struct column *c = &data->pipeline.columns[f];
        struct data_outside at;
        if (!r->cells[f] && !(c->field.flags & (RN_FIELD_NULLABLE | RN_FIELD_TEXT)) &&
            (c->field.dtype & 0xffu) != 0u &&
            range_missing_in(c, r->table, r->columns[f], ids, n, &at))
            c->field.flags |= RN_FIELD_NULLABLE;
    }
}

/* A sequential source is read once and kept. */
static int store(struct data *data, struct table *t, struct rn_error *e) {
    struct reader r = {0};
    uint8_t **columns = memory_get(memory_mul(t->field_count + 1, sizeof *columns));
    int64_t ids[DATA_CHUNK];
    int status = RN_OK;
    t->kept = memory_get(memory_mul(t->field_count + 1, sizeof *t->kept));
    for (uint32_t f = 0; f < t->field_count && status == RN_OK; f++) {
        if (field_variable(&t->fields[f])) {
            t->kept[f] = cells_create(t->count, field_bytes(&t->fields[f]));
            continue;
        }
        columns[f] = memory_try(memory_mul(t->count + 1, t->bytes[f]));
        if (!columns[f])
            status = error_set(e, RN_E_MEMORY, "%s does not fit into memory", t->name);
    }
    if (status == RN_OK)
        status = reader_open(data, t, DATA_CHUNK, NULL, &r, e);
    r.learning = true;
    for (uint64_t at = 0; at < t->count && status == RN_OK; at += DATA_CHUNK) {
        uint64_t n = t->count - at < DATA_CHUNK ? t->count - at : DATA_CHUNK;
        for (uint64_t i = 0; i < n; i++)
            ids[i] = (int64_t)(t->offset + at + i);
        status = reader_read(&r, n, ids, e);
        if (status == RN_OK)
            learn_missing(data, &r, ids, n);
        for (uint32_t f = 0; f < t->field_count; f++)
            for (uint64_t i = 0; i < n && status == RN_OK; i++)
                if (t->kept[f])
                    status = cells_copy(t->kept[f], at + i, r.cells[f], i, e);
                else
                    memcpy(columns[f] + (at + i) * t->bytes[f],
                           r.columns[f] + i * data->pipeline.columns[f].bytes,
                           t->bytes[f]);
    }
    reader_close(&r);
    t->stored = columns;
    return status;
}

static bool no_hash(const uint8_t h[32]) {
    for (int i = 0; i < 32; i++)
        if (h[i])
            return false;
    return true;
}

static void hash_cells(struct sha256 *h, const struct cells *cells, uint64_t n,
                       uint64_t entry_bytes) {
    for (uint64_t i = 0; i < n; i++) {
        uint64_t count;
        const void *cell = cells_get(cells, i, &count);
        sha256_add(h, &count, sizeof count);
        sha256_add(h, cell, count * entry_bytes);
    }
}

/* Tables gave f32 where they now give f64, or i64 with missing numbers. */
static void hash_as_f32(struct sha256 *h, const struct rn_field *f, const void *values,
                        uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        int64_t whole;
        double x;
        memcpy(&whole, (const char *)values + 8 * i, 8);
        memcpy(&x, &whole, 8);
        if (f->dtype == RN_I64)
            x = whole == RN_MISSING_I64 ? NAN : (double)whole;
        float y = (float)x;
        sha256_add(h, &y, sizeof y);
    }
}

/* SHA-256 over fields and rows, for a source that gives none. as_f32: as the first
 * version of tables gave them. Of a stream over its first epoch; whether it ends before
 * is learnt here. */
static int hash_rows(struct data *data, struct table *t, bool as_f32, uint8_t out[32],
                     struct rn_error *e) {
    struct reader r;
    struct sha256 h;
    int64_t ids[DATA_CHUNK];
    sha256_init(&h);
    for (uint32_t f = 0; f < t->field_count; f++)
        sha256_add(&h, t->fields[f].name, strlen(t->fields[f].name) + 1);
    int status = reader_open(data, t, DATA_CHUNK, NULL, &r, e);
    r.learning = r.may_end = true;
    for (uint64_t at = 0; at < t->count && status == RN_OK; at += DATA_CHUNK) {
        uint64_t n = t->count - at < DATA_CHUNK ? t->count - at : DATA_CHUNK;
        for (uint64_t i = 0; i < n; i++)
            ids[i] = (int64_t)(t->offset + at + i);
        status = reader_read(&r, n, ids, e);
        if (status == RN_OK && r.read < n) {
            t->total = t->count = at + (n = r.read);
            status = stream_ended(data, t, 0, t->total, e);
        }
        if (status == RN_OK)
            learn_missing(data, &r, ids, n);
        for (uint32_t f = 0; f < t->field_count && status == RN_OK; f++) {
            const struct rn_field *field = &data->pipeline.columns[f].field;
            bool narrow = field->dtype == RN_F64 ||
                          (field->dtype == RN_I64 && field->flags & RN_FIELD_NULLABLE);
            if (r.cells[f])
                hash_cells(&h, r.cells[f], n, field_bytes(&t->fields[f]));
            else if (as_f32 && narrow)
                hash_as_f32(&h, field, r.columns[f],
                            n * (data->pipeline.columns[f].bytes / 8));
            else
                sha256_add(&h, r.columns[f], n * data->pipeline.columns[f].bytes);
        }
    }
    reader_close(&r);
    sha256_finish(&h, out);
    return status;
}

int content_read(struct data *data, struct rn_error *e) {
    struct sha256 h;
    uint8_t digest[32];
    sha256_init(&h);
    for (uint32_t i = 0; i < data->sources.count; i++) {
        struct table *t = &data->sources.at[i];
        int status = RN_OK;
        t->hashed = t->stream || no_hash(t->content);
        if (t->access == RN_ACCESS_SEQUENTIAL && !t->stream)
            status = store(data, t, e);
        if (status == RN_OK && t->hashed)
            status = hash_rows(data, t, false, t->content, e);
        if (status != RN_OK)
            return status;
        sha256_add(&h, t->content, sizeof t->content);
    }
    sha256_finish(&h, digest);
    sha256_hex(digest, data->content_hash);
    return RN_OK;
}

int content_compare(struct data *data, const char *content, bool first, bool *same,
                    struct rn_error *e) {
    uint8_t narrow[DATA_SPLITS][32];
    *same = strcmp(content, data->content_hash) == 0;
    if (*same || !first)
        return RN_OK;
    for (uint32_t i = 0; i < data->sources.count; i++) {
        struct table *t = &data->sources.at[i];
        int status = RN_OK;
        memcpy(narrow[i], t->content, sizeof narrow[i]);
        if (t->hashed)
            status = hash_rows(data, t, true, narrow[i], e);
        if (status != RN_OK)
            return status;
    }
    /* Which of the sources were tables is not known: any of them. */
    for (uint32_t mask = 1; mask < 1u << data->sources.count && !*same; mask++) {
        struct sha256 h;
        uint8_t digest[32];
        char hex[65];
        sha256_init(&h);
        for (uint32_t i = 0; i < data->sources.count; i++)
            sha256_add(&h, mask >> i & 1 ? narrow[i] : data->sources.at[i].content, 32);
        sha256_finish(&h, digest);
        sha256_hex(digest, hex);
        *same = strcmp(content, hex) == 0;
    }
    return RN_OK;
}
