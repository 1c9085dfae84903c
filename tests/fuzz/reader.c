/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <runner/sdk/size.h>
#include <runner/sdk/work.h>

#include "reader.h"
#include "small_host.h"

#define ROWS_MAX  2048u               /* of an input, read from its start and its end */
#define BATCH_MAX 64u                 /* rows of a call */
#define BYTES_MAX ((uint64_t)4 << 20) /* of a field in a call */

/* ------------------------------------------------------- cells of variable size */

struct cells {
    struct rn_cells cells; /* first */
    uint64_t item, count[BATCH_MAX];
    void *data[BATCH_MAX];
};

static int32_t reserve(struct rn_cells *all, uint64_t row, uint64_t count, void **data,
                       struct rn_error *e) {
    struct cells *c = (struct cells *)all;
    uint64_t bytes;
    *data = NULL;
    if (row >= BATCH_MAX || !rn_size_mul(count, c->item, &bytes) || bytes > BYTES_MAX)
        return rn_fail(e, RN_E_MEMORY, "no memory for the cells", NULL, "cells");
    free(c->data[row]);
    *data = c->data[row] = malloc(bytes ? bytes : 1);
    c->count[row] = count;
    return *data ? RN_OK : RN_E_MEMORY;
}

static const void *get(const struct rn_cells *all, uint64_t row, uint64_t *count) {
    const struct cells *c = (const struct cells *)all;
    *count = c->count[row];
    return c->data[row];
}

static const struct rn_cells_api cells_api = {sizeof(struct rn_cells_api), 0, reserve,
                                              get};

/* ------------------------------------------------------------------------- rows */

struct rows {
    const struct reader *r;
    void *self, *worker;
    const struct rn_source_info *info;
    struct rn_workspace *workspace;
    struct verdict *v;
};

/* Bytes of n rows of a field; 0: no sensible number. */
static uint64_t field_bytes(const struct rn_field *f, uint64_t n) {
    uint64_t bytes = 0;
    int variable = (f->flags & RN_FIELD_VARIABLE) != 0;
    if (f->rank > RN_MAX_RANK ||
        !rn_size_product(RN_DTYPE_BYTES(f->dtype) * n, f->shape + variable,
                         f->rank - (uint32_t)variable, &bytes))
        return 0;
    return bytes;
}

static uint64_t batch_of(const struct rn_source_info *info) {
    uint64_t n = BATCH_MAX;
    for (uint32_t i = 0; i < info->field_count; i++)
        while (n && field_bytes(&info->fields[i], n) > BYTES_MAX)
            n /= 2;
    return n;
}

/* In a block of exactly its size, so that a sanitizer sees each byte too many. */
static int buffer_open(const struct rn_field *f, uint64_t n, struct rn_tensor *t) {
    uint64_t bytes = field_bytes(f, n);
    if (f->flags & RN_FIELD_VARIABLE) {
        struct cells *c = calloc(1, sizeof *c);
        if (c)
            *c = (struct cells){.cells = {&cells_api}, .item = field_bytes(f, 1)};
        t->data = c;
    } else {
        t->data = malloc(bytes ? bytes : 1);
    }
    return t->data != NULL;
}

static void buffer_close(const struct rn_field *f, struct rn_tensor *t) {
    struct cells *c = t->data;
    for (uint32_t i = 0; c && f->flags & RN_FIELD_VARIABLE && i < BATCH_MAX; i++)
        free(c->data[i]);
    free(t->data);
}

/* *n: of rows from `first` on; becomes how many there were. */
static int32_t read_some(struct rows *s, uint64_t first, uint64_t *n) {
    const struct rn_source_info *info = s->info;
    struct rn_tensor *out = calloc(info->field_count + 1, sizeof *out);
    uint64_t indices[BATCH_MAX], rows = *n;
    int64_t ids[BATCH_MAX];
    int ok = out != NULL;
    for (uint64_t i = 0; i < *n; i++)
        ids[i] = (int64_t)(indices[i] = first + i);
    for (uint32_t i = 0; ok && i < info->field_count; i++)
        ok = buffer_open(&info->fields[i], *n, &out[i]);
    struct rn_source_call c = {.struct_size = sizeof c,
                               .phase = RN_PHASE_TRAIN,
                               .work = rn_workspace_begin(s->workspace),
                               .worker = s->worker,
                               .rows = *n,
                               .indices = indices,
                               .sample_ids = ids,
                               .field_count = info->field_count,
                               .out = out,
                               .rows_read = &rows};
    int32_t status = ok ? s->r->iface->read(s->self, &c, &s->v->error) : RN_E_MEMORY;
    for (uint32_t i = 0; out && i < info->field_count; i++)
        buffer_close(&info->fields[i], &out[i]);
    free(out);
    *n = rows;
    s->v->rows += status == RN_OK ? rows : 0;
    return status;
}

static int32_t read_range(struct rows *s, uint64_t from, uint64_t to, uint64_t batch) {
    int32_t status = RN_OK;
    while (from < to && status == RN_OK) {
        uint64_t n = to - from < batch ? to - from : batch, asked = n;
        status = read_some(s, from, &n);
        from += n;
        if (n < asked)
            break;
    }
    return status;
}

static int32_t read_all(struct rows *s) {
    uint64_t count = s->info->count, batch = batch_of(s->info);
    int32_t status = RN_OK;
    if (s->r->iface->worker_open)
        status = s->r->iface->worker_open(s->self, &s->worker, &s->v->error);
    if (status == RN_OK && batch) /* else a row is larger than what is read here */
        status = read_range(s, 0, count < ROWS_MAX ? count : ROWS_MAX, batch);
    if (status == RN_OK && batch && count != RN_COUNT_UNKNOWN && count > ROWS_MAX)
        status = read_range(s, count - ROWS_MAX / 2, count, batch);
    if (s->r->iface->worker_close && s->worker)
        s->r->iface->worker_close(s->self, s->worker);
    return status;
}

/* -------------------------------------------------------------------------- all */

static int known_dtype(rn_dtype d) {
    return RN_DTYPE_BYTES(d) >= 1 && RN_DTYPE_BYTES(d) <= 8;
}

/* Rows to predict may have none of the fields: the host refuses what it misses. */
static void check_info(const struct rn_source_info *info, int predict,
                       struct verdict *v) {
    if (!info->count || (!info->field_count && !predict))
        snprintf(v->text, sizeof v->text, "%llu rows of %u fields",
                 (unsigned long long)info->count, info->field_count);
    for (uint32_t i = 0; i < info->field_count; i++) {
        const struct rn_field *f = &info->fields[i];
        if (!f->name || !f->name[0] || !known_dtype(f->dtype) || !field_bytes(f, 1))
            snprintf(v->text, sizeof v->text, "field %u, '%s', is not described", i,
                     f->name ? f->name : "");
    }
}

void reader_run(const struct reader *r, const struct option *options, int predict,
                struct verdict *v) {
    static struct rn_workspace workspace; /* kept, as a worker's is */
    struct fake host = host_of(options);
    struct rn_source_info info = {.struct_size = sizeof info};
    struct rows s = {.r = r, .info = &info, .workspace = &workspace, .v = v};
    memset(v, 0, sizeof *v);
    host.text = r->text;
    host.predict = predict;
    v->status = r->iface->create(&host.host, &s.self, &v->error);
    if (v->status == RN_OK)
        v->status = r->iface->info(s.self, &info, &v->error);
    if (v->status == RN_OK)
        check_info(&info, predict, v);
    if (v->status == RN_OK && !v->text[0])
        v->status = read_all(&s);
    r->iface->destroy(s.self);
}
