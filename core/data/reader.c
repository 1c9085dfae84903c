/* SPDX-License-Identifier: Apache-2.0 */
/* Raw rows from a source, through the transforms, to the columns of a sample. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <runner/numerics.h>
#include <runner/sdk/field.h>

#include "base/text.h"
#include "data/internal.h"

const char *table_file(const struct table *t, const struct column *c) {
    return c->raw < t->field_count ? t->files[c->raw] : t->name;
}

bool field_variable(const struct rn_field *f) {
    return (f->flags & RN_FIELD_VARIABLE) != 0;
}

uint64_t field_bytes(const struct rn_field *f) {
    uint64_t n = RN_DTYPE_BYTES(f->dtype);
    uint32_t first = field_variable(f) ? 1 : 0;
    if (first && (!f->rank || f->shape[0] != -1))
        return 0;
    for (uint32_t i = first; i < f->rank; i++) {
        if (f->shape[i] <= 0 || n > (uint64_t)INT64_MAX / 4096 / (uint64_t)f->shape[i])
            return 0;
        n *= (uint64_t)f->shape[i];
    }
    return n;
}

/* ------------------------------------------------------------------ reader */

bool data_stopped(const struct data *data) {
    const struct instance_services *s = data->options.services;
    return s && s->cancelled && s->cancelled(s->context);
}

static int32_t reading_stopped(void *data) {
    return data_stopped(data);
}

struct rn_workspace data_workspace(const struct data *data) {
    return (struct rn_workspace){.cancelled = reading_stopped,
                                 .context = (void *)(uintptr_t)data};
}

uint32_t data_phase(const struct data *data, enum data_split_kind split) {
    if (data->options.mode == DATA_FOR_PREDICTION)
        return RN_PHASE_PREDICT;
    return split == DATA_TRAIN ? RN_PHASE_TRAIN
           : split == DATA_VAL ? RN_PHASE_VAL
                               : RN_PHASE_TEST;
}

static int open_buffers(const struct data *data, const struct table *t,
                        uint64_t capacity, const struct demand *demand,
                        struct reader *r, struct rn_error *e) {
    *r = (struct reader){.data = data,
                         .table = t,
                         .demand = demand,
                         .capacity = capacity,
                         .inspecting = data->options.inspect,
                         .phase = data->options.mode == DATA_FOR_PREDICTION
                                      ? RN_PHASE_PREDICT
                                      : RN_PHASE_SETUP,
                         .work = data_workspace(data)};
    uint32_t n = data->pipeline.column_count;
    r->columns = memory_get(memory_mul(n + 1, sizeof *r->columns));
    r->cells = memory_get(memory_mul(n + 1, sizeof *r->cells));
    r->in = memory_get(memory_mul(n + 1, sizeof *r->in));
    r->out = memory_get(memory_mul(n + 1, sizeof *r->out));
    r->shapes = memory_get(memory_mul(n + 1, sizeof *r->shapes));
    r->indices = memory_get(memory_mul(capacity, sizeof *r->indices));
    size_t total = 64;
    for (uint32_t i = 0; i < n; i++) {
        size_t bytes = memory_mul(capacity, data->pipeline.columns[i].bytes);
        if (bytes > SIZE_MAX / 2 - total - 64)
            return error_set(e, RN_E_MEMORY, "a batch of %llu samples is too large",
                             (unsigned long long)capacity);
        total += (bytes + 63) / 64 * 64;
    }
    r->block = memory_try(total); /* zeros: what nobody asks for reads as such */
    if (!r->block)
        return error_set(e, RN_E_MEMORY, "no memory for %llu samples (%zu bytes)",
                         (unsigned long long)capacity, total);
    uint8_t *p = (uint8_t *)(((uintptr_t)r->block + 63) / 64 * 64);
    for (uint32_t i = 0; i < n; i++) {
        r->columns[i] = p;
        p += (capacity * data->pipeline.columns[i].bytes + 63) / 64 * 64;
        const struct rn_field *f = &data->pipeline.columns[i].field;
        if (field_variable(f))
            r->cells[i] = cells_create(capacity, field_bytes(f));
        for (uint32_t k = 0; k < f->rank; k++)
            r->shapes[i][k + 1] = f->shape[k];
    }
    return RN_OK;
}

int reader_share(const struct reader *other, uint64_t capacity, struct reader *out,
                 struct rn_error *e) {
    int status =
        open_buffers(other->data, other->table, capacity, other->demand, out, e);
    out->worker = other->worker;
    return status;
}

int reader_open(const struct data *data, const struct table *t, uint64_t capacity,
                const struct demand *demand, struct reader *r, struct rn_error *e) {
    int status = open_buffers(data, t, capacity, demand, r, e);
    if (status == RN_OK && !t->stored && t->iface->worker_open) {
        instance_enter(t->instance);
        status = t->iface->worker_open(t->self, &r->worker, e);
        status = instance_leave(t->instance, "worker_open", status, e);
        r->opened = status == RN_OK;
    }
    return status;
}

void reader_close(struct reader *r) {
    if (r->opened) {
        instance_enter(r->table->instance);
        r->table->iface->worker_close(r->table->self, r->worker);
        instance_leave(r->table->instance, "worker_close", RN_OK, NULL);
    }
    rn_workspace_finish(&r->work);
    for (uint32_t i = 0; r->cells && i < r->data->pipeline.column_count; i++)
        cells_destroy(r->cells[i]);
    memory_release(r->cells);
    memory_release(r->block);
    memory_release(r->columns);
    memory_release(r->in);
    memory_release(r->out);
    memory_release(r->shapes);
    memory_release(r->indices);
    *r = (struct reader){0};
}

static struct rn_tensor view(struct reader *r, uint32_t column, uint64_t n) {
    const struct column *c = &r->data->pipeline.columns[column];
    struct cells *cells = r->cells[column];
    r->shapes[column][0] = (int64_t)n;
    return (struct rn_tensor){cells ? (void *)cells_handle(cells) : r->columns[column],
                              r->shapes[column], NULL, c->field.dtype,
                              c->field.rank + 1};
}

/* A float's class by its bits: an exponent of all ones is infinite, or NaN. */
static bool not_finite_bits(uint64_t bits, uint64_t exponent, bool nan_too) {
    uint64_t mantissa = (exponent & (~exponent + 1)) - 1;
    uint64_t magnitude = bits & (exponent | mantissa);
    return nan_too ? magnitude >= exponent : magnitude == exponent;
}

/* Element of the first number that is infinite (or NaN, if nan_too), or -1. */
static int64_t not_finite(const void *data, rn_dtype dtype, uint64_t n, bool nan_too) {
#define LOOK_(dtype_, type, exponent)                                                  \
    case dtype_: {                                                                     \
        const type *v = data;                                                          \
        unsigned bad = 0;                                                              \
        for (uint64_t i = 0; i < n; i++)                                               \
            bad |= (v[i] & (exponent)) == (exponent);                                  \
        for (uint64_t i = 0; bad && i < n; i++)                                        \
            if (not_finite_bits(v[i], exponent, nan_too))                              \
                return (int64_t)i;                                                     \
        return -1;                                                                     \
    }
    switch (dtype) {
        LOOK_(RN_F32, uint32_t, 0x7f800000u)
        LOOK_(RN_F64, uint64_t, 0x7ff0000000000000u)
        LOOK_(RN_F16, uint16_t, 0x7c00u)
        LOOK_(RN_BF16, uint16_t, 0x7f80u)
    default:
        return -1;
    }
#undef LOOK_
}

/* Text of width `from` per row to width `to` >= from, in place, last row first. */
static void widen(uint8_t *p, uint64_t n, uint64_t from, uint64_t to) {
    for (uint64_t i = n; i-- > 0;) {
        memmove(p + i * to, p + i * from, from);
        memset(p + i * to + from, 0, to - from);
    }
}

/* Rows of a source that was read once. */
static int from_stored(struct reader *r, uint64_t n, struct rn_error *e) {
    const struct table *t = r->table;
    int status = RN_OK;
    for (uint32_t f = 0; f < t->field_count; f++)
        for (uint64_t i = 0; r->out[f].data && i < n && status == RN_OK; i++)
            if (r->cells[f])
                status = cells_copy(r->cells[f], i, t->kept[f], r->indices[i], e);
            else
                memcpy(r->columns[f] + i * t->bytes[f],
                       t->stored[f] + r->indices[i] * t->bytes[f], t->bytes[f]);
    return status;
}

/* A number of raw column f that is not finite: entry `at` of row `row` of the batch. */
static int bad_number(const struct reader *r, uint32_t f, uint64_t row, uint64_t at,
                      const void *numbers, struct rn_error *e) {
    const struct table *t = r->table;
    const struct column *c = &r->data->pipeline.columns[f];
    uint64_t size = RN_DTYPE_BYTES(c->field.dtype);
    bool nan = not_finite((const char *)numbers + at * size, c->field.dtype, 1, false);
    error_set(e, RN_E_DATA, "%s: row %llu, field '%s', element %llu is %s",
              table_file(t, c), (unsigned long long)r->indices[row] + 1, c->field.name,
              (unsigned long long)at + 1, nan ? "NaN" : "infinite");
    if (nan)
        error_hint(e, "fix the file; the source does not say that numbers may be "
                      "missing here (RN_FIELD_NULLABLE)");
    else
        error_hint(e, "fix the file: numbers are finite, and NaN where they are "
                      "missing");
    return error_where(e, RN_WHERE_CONFIG, t->path, 0, 0);
}

/* What has to be finite is; cells too. What may be missing may be NaN. */
static int check_numbers(const struct reader *r, uint32_t f, uint64_t n,
                         struct rn_error *e) {
    const struct column *c = &r->data->pipeline.columns[f];
    uint64_t size = RN_DTYPE_BYTES(c->field.dtype);
    bool nan_too = !(c->field.flags & RN_FIELD_NULLABLE) && !r->learning;
    int64_t bad = -1;
    if (r->inspecting)
        return RN_OK;
    if (!r->cells[f]) {
        uint64_t each = c->bytes / size;
        bad = not_finite(r->columns[f], c->field.dtype, n * each, nan_too);
        uint64_t row = bad < 0 ? 0 : (uint64_t)bad / each;
        return bad < 0 ? RN_OK
                       : bad_number(r, f, row, (uint64_t)bad % each,
                                    r->columns[f] + row * c->bytes, e);
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t count;
        const void *cell = cells_get(r->cells[f], i, &count);
        bad = not_finite(cell, c->field.dtype, count * (field_bytes(&c->field) / size),
                         true);
        if (bad >= 0)
            return bad_number(r, f, i, (uint64_t)bad, cell, e);
    }
    return RN_OK;
}

/* Whole numbers of a source where another source of the experiment has numbers: in
 * place, as both take eight bytes. */
static void integers_to_f64(void *column, uint64_t n) {
    uint8_t *p = column;
    for (uint64_t i = 0; i < n; i++, p += 8) {
        int64_t v;
        memcpy(&v, p, sizeof v);
        double x = v == RN_MISSING_I64 ? NAN : (double)v;
        memcpy(p, &x, sizeof x);
    }
}

/* The buffers of a call get guard zones: a field's rows, or its cells. */
static void guard_column(struct reader *r, struct guard *g, uint32_t access, uint32_t f,
                         struct rn_tensor *t) {
    if (g && r->cells[f] && access == RN_GUARD_OUT)
        cells_guard(r->cells[f], true);
    else if (!r->cells[f])
        guard_tensor(g, access, "field", r->data->pipeline.columns[f].field.name, t);
}

static void look_at_cells(struct reader *r, struct guard *g, uint32_t f) {
    struct rn_guard_damage d;
    if (!g || !r->cells[f])
        return;
    if (cells_look(r->cells[f], &d))
        guard_found(g, "a cell of the field", r->data->pipeline.columns[f].field.name,
                    &d);
    cells_guard(r->cells[f], false);
}

/* Did the source give what it was asked for? A stream may end. */
static int check_end(const struct reader *r, uint64_t n, struct rn_error *e) {
    const struct table *t = r->table;
    if (r->read == n || (r->read < n && t->stream && r->may_end))
        return RN_OK;
    if (r->read < n && t->stream)
        return error_set(
            e, RN_E_DATA,
            "%s: the stream ended after %llu samples, but it had more when "
            "it was read before",
            t->name, (unsigned long long)(r->indices[0] + r->read));
    return error_set(e, RN_E_PLUGIN, "%s: rows_read is %llu of %llu rows%s",
                     t->component->name, (unsigned long long)r->read,
                     (unsigned long long)n,
                     r->read < n ? ", but only a stream may end early" : "");
}

static int read_source(struct reader *r, uint64_t n, struct rn_error *e) {
    const struct table *t = r->table;
    struct guard *g = guard_begin(t->instance, &r->work);
    for (uint32_t f = 0; f < t->field_count; f++)
        guard_column(r, g, RN_GUARD_OUT, f, &r->out[f]);
    struct rn_source_call call = {
        .struct_size = sizeof call,
        .phase = r->phase,
        .work = rn_workspace_begin(&r->work),
        .worker = r->worker,
        .rows = n,
        .indices = guard_bytes(g, RN_GUARD_IN, "call->indices", NULL, r->indices,
                               n * sizeof *r->indices),
        .sample_ids = guard_bytes(g, RN_GUARD_IN, "call->sample_ids", NULL, r->ids,
                                  n * sizeof *r->ids),
        .epoch = r->epoch,
        .field_count = t->field_count,
        .out = r->out,
        .rows_read = &r->read};
    instance_enter(t->instance);
    int status = t->iface->read(t->self, &call, e);
    status = instance_leave(t->instance, "read", status, e);
    for (uint32_t f = 0; f < t->field_count; f++)
        look_at_cells(r, g, f);
    status = guard_end(g, "read", status, e);
    return status == RN_OK ? check_end(r, n, e) : status;
}

int reader_read(struct reader *r, uint64_t n, const int64_t *ids, struct rn_error *e) {
    const struct data *data = r->data;
    const struct table *t = r->table;
    if (data_stopped(data))
        return error_set(e, RN_E_CANCELLED, "%s: reading was stopped", t->name);
    r->ids = ids;
    r->read = n;
    for (uint64_t i = 0; i < n; i++)
        r->indices[i] = table_row(t, ids[i]);
    for (uint32_t f = 0; f < t->field_count; f++) {
        r->out[f] = view(r, f, n);
        r->out[f].dtype = t->fields[f].dtype;
        if (r->demand && !r->demand->columns[f])
            r->out[f].data = NULL;
        else if (r->cells[f])
            cells_clear(r->cells[f], n);
        /* A source with narrower text sees its own width. */
        if (t->fields[f].flags & RN_FIELD_TEXT)
            r->shapes[f][1] = t->fields[f].shape[0];
    }
    if (t->stored) {
        int status = from_stored(r, n, e);
        if (status != RN_OK)
            return error_context(e, "%s", t->path);
    } else {
        int status = read_source(r, n, e);
        if (status != RN_OK)
            return error_context(e, "%s", t->path) ? status : status;
    }
    n = r->read;
    for (uint32_t f = 0; f < t->field_count; f++) {
        const struct column *c = &data->pipeline.columns[f];
        if (c->field.flags & RN_FIELD_TEXT)
            r->shapes[f][1] = c->field.shape[0];
        if (!r->out[f].data)
            continue;
        if (t->bytes[f] < c->bytes)
            widen(r->columns[f], n, t->bytes[f], c->bytes);
        if (t->fields[f].dtype == RN_I64 && c->field.dtype == RN_F64 && !t->stored)
            integers_to_f64(r->columns[f], n * (c->bytes / 8));
        int status = check_numbers(r, f, n, e);
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

/* --------------------------------------------------------------- transforms */

/* A part's own error: at the option that it names, else at the part. */
int component_error(struct rn_error *e, const struct node *node, const char *path,
                    const struct component *c) {
    char where[300];
    if (!e)
        return RN_OK;
    if (e->where_kind == RN_WHERE_OPTION && node_at(node, e->where)) {
        snprintf(where, sizeof where, "%s.%s", path, e->where);
        error_where(e, RN_WHERE_CONFIG, where, 0, 0);
    } else if (e->where_kind != RN_WHERE_FILE && e->where_kind != RN_WHERE_CONFIG) {
        error_where(e, RN_WHERE_CONFIG, path, 0, 0);
    }
    return error_context(e, "%s (%s)", path, c->bare);
}

/* Of n rows, of which the first is row `first` of what was read. */
static int call(const struct transform_slot *g, bool fit, uint64_t first, uint64_t n,
                struct reader *r, struct rn_error *e) {
    const char *member = fit ? "fit_rows" : "apply";
    struct guard *guard = guard_begin(g->instance, &r->work);
    for (uint32_t i = 0; i < g->in_count; i++)
        guard_column(r, guard, RN_GUARD_IN, g->in[i], &r->in[i]);
    for (uint32_t i = 0; i < g->out_count && !fit; i++)
        guard_column(r, guard, RN_GUARD_OUT, g->out[i], &r->out[i]);
    struct rn_transform_call c = {
        .struct_size = sizeof c,
        .phase = r->phase,
        .work = rn_workspace_begin(&r->work),
        .rows = n,
        .sample_ids = guard_bytes(guard, RN_GUARD_IN, "call->sample_ids", NULL,
                                  r->ids + first, n * sizeof *r->ids),
        .epoch = r->epoch,
        .in_count = g->in_count,
        .in = r->in,
        .out = fit ? NULL : r->out,
        .out_count = fit ? 0 : g->out_count};
    instance_enter(g->instance);
    int status =
        fit ? g->iface->fit_rows(g->self, &c, e) : g->iface->apply(g->self, &c, e);
    status = instance_leave(g->instance, member, status, e);
    for (uint32_t i = 0; i < g->out_count && !fit; i++)
        look_at_cells(r, guard, g->out[i]);
    return guard_end(guard, member, status, e);
}

/* Row `row` of the inputs by itself. whole: of inputs of variable size, the cells of
 * all rows, which cells of one row stand in for. */
static bool view_row(struct reader *r, const struct transform_slot *g, uint64_t row,
                     struct cells *const *whole) {
    struct rn_error e = {0};
    for (uint32_t i = 0; i < g->in_count; i++) {
        uint32_t f = g->in[i];
        r->in[i] = view(r, f, 1);
        if (!whole[i]) {
            r->in[i].data = r->columns[f] + row * r->data->pipeline.columns[f].bytes;
            continue;
        }
        cells_clear(r->cells[f], 1);
        if (cells_copy(r->cells[f], 0, whole[i], row, &e) != RN_OK)
            return false;
    }
    return true;
}

static uint64_t try_each_row(struct reader *r, const struct transform_slot *g, bool fit,
                             uint64_t n, struct cells *const *whole) {
    for (uint64_t row = 0; row < n; row++) {
        struct rn_error e = {0};
        if (!view_row(r, g, row, whole))
            return n;
        for (uint32_t i = 0; i < g->out_count && !fit; i++) {
            r->out[i] = view(r, g->out[i], 1);
            if (r->cells[g->out[i]])
                cells_clear(r->cells[g->out[i]], 1);
        }
        if (call(g, fit, row, 1, r, &e) != RN_OK)
            return row;
    }
    return n;
}

/* The first of n rows that a transform refuses by itself, or n: not found. */
static uint64_t refused_row(struct reader *r, const struct transform_slot *g, bool fit,
                            uint64_t n) {
    struct cells **whole = memory_get(memory_mul(g->in_count + 1, sizeof *whole));
    for (uint32_t i = 0; i < g->in_count; i++) {
        whole[i] = r->cells[g->in[i]];
        if (whole[i])
            r->cells[g->in[i]] = cells_create(
                1, field_bytes(&r->data->pipeline.columns[g->in[i]].field));
    }
    uint64_t row = try_each_row(r, g, fit, n, whole);
    for (uint32_t i = g->in_count; i-- > 0;)
        if (whole[i]) {
            cells_destroy(r->cells[g->in[i]]);
            r->cells[g->in[i]] = whole[i];
        }
    memory_release(whole);
    return row;
}

static int run(struct reader *r, const struct transform_slot *g, bool fit, uint64_t n,
               struct rn_error *e) {
    for (uint32_t i = 0; i < g->in_count; i++)
        r->in[i] = view(r, g->in[i], n);
    for (uint32_t i = 0; i < g->out_count && !fit; i++) {
        r->out[i] = view(r, g->out[i], n);
        if (r->cells[g->out[i]])
            cells_clear(r->cells[g->out[i]], n);
    }
    int status = call(g, fit, 0, n, r, e);
    if (status == RN_OK || !e || e->line)
        return status == RN_OK ? RN_OK
                               : component_error(e, g->node, g->path, g->component);
    uint64_t row = refused_row(r, g, fit, n);
    if (row < n)
        error_context(e, "%s: row %llu",
                      table_file(r->table, &r->data->pipeline.columns[g->in[0]]),
                      (unsigned long long)r->indices[row] + 1);
    return component_error(e, g->node, g->path, g->component);
}

int reader_fit(struct reader *r, uint64_t n, const struct transform_slot *g,
               struct rn_error *e) {
    return run(r, g, true, n, e);
}

/* A float as f64, from its bits in 16. */
static double wide(const void *from, rn_dtype dtype, uint64_t i) {
    const uint16_t *half = from;
    return dtype == RN_F64   ? ((const double *)from)[i]
           : dtype == RN_F16 ? (double)rn_f32_from_f16(half[i])
                             : (double)rn_f32_from_bf16(half[i]);
}

/* f64, f16 or bf16 to f32, at the end of the transforms. */
static int to_f32(struct reader *r, const struct derived *w, uint64_t n,
                  struct rn_error *e) {
    const struct column *c = &r->data->pipeline.columns[w->to];
    rn_dtype dtype = r->data->pipeline.columns[w->from].field.dtype;
    const void *from = r->columns[w->from];
    float *to = (void *)r->columns[w->to];
    uint64_t each = c->bytes / sizeof *to;
    double worst = 0.0;
    for (uint64_t i = 0; i < n * each; i++) {
        double x = wide(from, dtype, i);
        to[i] = (float)x;
        worst = fabs(x) > worst ? fabs(x) : worst;
    }
    if (worst <= (double)FLT_MAX)
        return RN_OK;
    for (uint64_t i = 0; i < n * each; i++) {
        double x = wide(from, dtype, i);
        if (!(fabs(x) <= DBL_MAX) || isfinite(to[i]))
            continue;
        error_set(e, RN_E_DATA,
                  "%s: row %llu, field '%s', element %llu: %g does not fit into f32",
                  table_file(r->table, c), (unsigned long long)r->indices[i / each] + 1,
                  c->field.name, (unsigned long long)(i % each) + 1, x);
        error_hint(e, "bring the field into range: {type: standardise, of: %s}",
                   c->field.name);
        return error_where(e, RN_WHERE_CONFIG, r->table->path, 0, 0);
    }
    return RN_OK;
}

/* 1 at the class of each row, 0 elsewhere. */
static int to_one_hot(struct reader *r, const struct derived *w, uint64_t n,
                      struct rn_error *e) {
    const struct column *from = &r->data->pipeline.columns[w->from];
    float *to = (void *)r->columns[w->to];
    int64_t classes = r->data->pipeline.columns[w->to].field.shape[0];
    memset(to, 0, n * (uint64_t)classes * sizeof *to);
    for (uint64_t i = 0; i < n; i++) {
        int64_t v = rn_integer_get(r->columns[w->from], from->field.dtype, i);
        if (v >= 0 && v < classes) {
            to[i * (uint64_t)classes + (uint64_t)v] = 1.0f;
            continue;
        }
        error_set(e, RN_E_DATA,
                  "%s: row %llu, field '%s': %lld is not one of %lld classes",
                  table_file(r->table, from), (unsigned long long)r->indices[i] + 1,
                  from->field.name, (long long)v, (long long)classes);
        error_hint(e, "classes count from 0; {type: label_map, of: %s} makes them so",
                   from->field.name);
        return error_where(e, RN_WHERE_CONFIG, r->table->path, 0, 0);
    }
    return RN_OK;
}

static int derive(struct reader *r, const struct derived *w, uint64_t n,
                  struct rn_error *e) {
    return w->one_hot ? to_one_hot(r, w, n, e) : to_f32(r, w, n, e);
}

int reader_apply(struct reader *r, uint64_t n, uint32_t count, struct rn_error *e) {
    const struct data *data = r->data;
    const struct demand *d = r->demand;
    int status = RN_OK;
    for (uint32_t s = 0; s < count && status == RN_OK; s++)
        if (data->pipeline.transforms[s].out_count && (!d || d->transforms[s]))
            status = run(r, &data->pipeline.transforms[s], false, n, e);
    for (uint32_t i = 0;
         count == data->pipeline.transform_count && i < data->pipeline.derived_count;
         i++)
        if (status == RN_OK && (!d || d->columns[data->pipeline.derived[i].to]))
            status = derive(r, &data->pipeline.derived[i], n, e);
    return status;
}

/* ------------------------------------------------------------------- demand */

struct demand *demand_create(const struct data *data) {
    struct demand *d = memory_get(sizeof *d);
    d->columns = memory_get(data->pipeline.column_count + 1);
    d->transforms = memory_get(data->pipeline.transform_count + 1);
    return d;
}

void demand_destroy(struct demand *d) {
    if (!d)
        return;
    memory_release(d->columns);
    memory_release(d->transforms);
    memory_release(d);
}

void demand_add(struct demand *d, const struct data *data, uint32_t column) {
    d->columns[column] = true;
    for (uint32_t i = 0; i < data->pipeline.derived_count; i++)
        if (data->pipeline.derived[i].to == column)
            d->columns[data->pipeline.derived[i].from] = true;
    for (uint32_t s = data->pipeline.transform_count; s-- > 0;) {
        const struct transform_slot *g = &data->pipeline.transforms[s];
        for (uint32_t i = 0; i < g->out_count; i++)
            d->transforms[s] |= d->columns[g->out[i]];
        for (uint32_t i = 0; i < g->in_count && d->transforms[s]; i++)
            d->columns[g->in[i]] = true;
    }
}
