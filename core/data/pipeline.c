/* SPDX-License-Identifier: Apache-2.0 */
/* Raw rows from a source, through the transforms, to the columns of a sample. */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "data/room.h"

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

int reader_open(const struct data *data, const struct table *t, uint64_t capacity,
                struct reader *r, struct rn_error *e) {
    *r = (struct reader){.data = data, .table = t, .capacity = capacity};
    uint32_t n = data->column_count;
    r->columns = memory_get(memory_mul(n + 1, sizeof *r->columns));
    r->cells = memory_get(memory_mul(n + 1, sizeof *r->cells));
    r->in = memory_get(memory_mul(n + 1, sizeof *r->in));
    r->out = memory_get(memory_mul(n + 1, sizeof *r->out));
    r->shapes = memory_get(memory_mul(n + 1, sizeof *r->shapes));
    r->indices = memory_get(memory_mul(capacity, sizeof *r->indices));
    size_t total = 64;
    for (uint32_t i = 0; i < n; i++) {
        size_t bytes = memory_mul(capacity, data->columns[i].bytes);
        if (bytes > SIZE_MAX / 2 - total - 64)
            return error_set(e, RN_E_MEMORY, "a batch of %llu samples is too large",
                             (unsigned long long)capacity);
        total += (bytes + 63) / 64 * 64;
    }
    r->block = memory_try(total);
    if (!r->block)
        return error_set(e, RN_E_MEMORY, "no memory for %llu samples (%zu bytes)",
                         (unsigned long long)capacity, total);
    uint8_t *p = (uint8_t *)(((uintptr_t)r->block + 63) / 64 * 64);
    for (uint32_t i = 0; i < n; i++) {
        r->columns[i] = p;
        p += (capacity * data->columns[i].bytes + 63) / 64 * 64;
        const struct rn_field *f = &data->columns[i].field;
        if (field_variable(f))
            r->cells[i] = cells_create(capacity, field_bytes(f));
        for (uint32_t k = 0; k < f->rank; k++)
            r->shapes[i][k + 1] = f->shape[k];
    }
    if (t->iface->worker_open && !t->stored) {
        instance_enter(t->instance);
        int status = t->iface->worker_open(t->self, &r->worker, e);
        instance_leave(t->instance);
        if (status != RN_OK)
            return status;
        r->opened = true;
    }
    return RN_OK;
}

void reader_close(struct reader *r) {
    if (r->opened) {
        instance_enter(r->table->instance);
        r->table->iface->worker_close(r->table->self, r->worker);
        instance_leave(r->table->instance);
    }
    for (uint32_t i = 0; r->cells && i < r->data->column_count; i++)
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
    const struct column *c = &r->data->columns[column];
    struct cells *cells = r->cells[column];
    r->shapes[column][0] = (int64_t)n;
    return (struct rn_tensor){cells ? (void *)cells_handle(cells) : r->columns[column],
                              r->shapes[column], NULL, c->field.dtype,
                              c->field.rank + 1};
}

/* Element of the first number that is not finite, or -1. */
static int64_t not_finite(const void *data, rn_dtype dtype, uint64_t n) {
    if (dtype == RN_F32) {
        const float *v = data;
        unsigned bad = 0;
        for (uint64_t i = 0; i < n; i++)
            bad |= !(v[i] >= -FLT_MAX && v[i] <= FLT_MAX);
        for (uint64_t i = 0; bad && i < n; i++)
            if (!(v[i] >= -FLT_MAX && v[i] <= FLT_MAX))
                return (int64_t)i;
    } else if (dtype == RN_F64) {
        const double *v = data;
        for (uint64_t i = 0; i < n; i++)
            if (!(v[i] >= -DBL_MAX && v[i] <= DBL_MAX))
                return (int64_t)i;
    }
    return -1;
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
    for (uint32_t f = 0; f < r->data->raw_count; f++)
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
    const struct rn_field *field = &r->data->columns[f].field;
    double v = field->dtype == RN_F32 ? (double)((const float *)numbers)[at]
                                      : ((const double *)numbers)[at];
    error_set(e, RN_E_DATA, "%s: row %llu, field '%s', element %llu is %s", t->name,
              (unsigned long long)r->indices[row] + 1, field->name,
              (unsigned long long)at + 1, v != v ? "NaN" : "infinite");
    error_hint(e, "mend the file, or declare the number missing");
    return error_where(e, t->path, 0, 0);
}

/* What has to be finite is; cells too. */
static int check_numbers(const struct reader *r, uint32_t f, uint64_t n,
                         struct rn_error *e) {
    const struct column *c = &r->data->columns[f];
    uint64_t size = RN_DTYPE_BYTES(c->field.dtype);
    int64_t bad = -1;
    if (!r->cells[f]) {
        uint64_t each = c->bytes / size;
        bad = not_finite(r->columns[f], c->field.dtype, n * each);
        uint64_t row = bad < 0 ? 0 : (uint64_t)bad / each;
        return bad < 0 ? RN_OK
                       : bad_number(r, f, row, (uint64_t)bad % each,
                                    r->columns[f] + row * c->bytes, e);
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t count;
        const void *cell = cells_get(r->cells[f], i, &count);
        bad = not_finite(cell, c->field.dtype, count * (field_bytes(&c->field) / size));
        if (bad >= 0)
            return bad_number(r, f, i, (uint64_t)bad, cell, e);
    }
    return RN_OK;
}

int reader_read(struct reader *r, uint64_t n, const int64_t *ids, const bool *wanted,
                struct rn_error *e) {
    const struct data *data = r->data;
    const struct table *t = r->table;
    for (uint64_t i = 0; i < n; i++)
        r->indices[i] = (uint64_t)ids[i] - t->offset;
    for (uint32_t f = 0; f < data->raw_count; f++) {
        r->out[f] = view(r, f, n);
        if (wanted && !wanted[f])
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
        instance_enter(t->instance);
        int status = t->iface->read(t->self, r->worker, n, r->indices, r->out, e);
        instance_leave(t->instance);
        if (status != RN_OK) {
            if (e && e->status == 0)
                error_set(e, status, "%s cannot be read", t->name);
            return error_context(e, "%s", t->path);
        }
    }
    for (uint32_t f = 0; f < data->raw_count; f++) {
        const struct column *c = &data->columns[f];
        if (c->field.flags & RN_FIELD_TEXT)
            r->shapes[f][1] = c->field.shape[0];
        if (!r->out[f].data)
            continue;
        if (t->bytes[f] < c->bytes)
            widen(r->columns[f], n, t->bytes[f], c->bytes);
        if (c->field.flags & RN_FIELD_NULLABLE)
            continue;
        int status = check_numbers(r, f, n, e);
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

/* A part's own error: at the option that it names, else at the part. */
static int of_part(struct rn_error *e, const struct node *node, const char *path,
                   const struct component *c) {
    char where[300];
    if (!e)
        return RN_OK;
    if (e->where[0] && !e->line && node_at(node, e->where)) {
        snprintf(where, sizeof where, "%s.%s", path, e->where);
        error_where(e, where, 0, 0);
    } else if (!e->where[0]) {
        error_where(e, path, 0, 0);
    }
    return error_context(e, "%s (%s)", path, c->bare);
}

int reader_apply(struct reader *r, uint64_t n, uint32_t count, struct rn_error *e) {
    for (uint32_t s = 0; s < count; s++) {
        const struct stage *g = &r->data->stages[s];
        if (g->skipped)
            continue;
        for (uint32_t i = 0; i < g->in_count; i++)
            r->in[i] = view(r, g->in[i], n);
        for (uint32_t i = 0; i < g->out_count; i++) {
            r->out[i] = view(r, g->out[i], n);
            if (r->cells[g->out[i]])
                cells_clear(r->cells[g->out[i]], n);
        }
        instance_enter(g->instance);
        int status = g->iface->apply(g->self, n, r->in, r->out, e);
        instance_leave(g->instance);
        if (status != RN_OK) {
            return of_part(e, g->node, g->path, g->component);
        }
    }
    return RN_OK;
}

/* --------------------------------------------------------------- transforms */

uint32_t column_add(struct data *data, const struct rn_field *f) {
    struct column c = {.field = *f, .bytes = field_variable(f) ? 0 : field_bytes(f)};
    c.field.name = arena_copy(data->arena, f->name);
    vec_push(data->columns, data->column_count, data->column_capacity, c);
    return data->column_count - 1;
}

/* The fields of a sample between two stages, as columns. */
struct fields {
    uint32_t count;
    uint32_t at[DATA_MAX_FIELDS];
};

static int find(const struct data *data, const struct fields *f, const char *name) {
    for (uint32_t i = 0; i < f->count; i++)
        if (strcmp(data->columns[f->at[i]].field.name, name) == 0)
            return (int)i;
    return -1;
}

static int no_field(const struct data *data, const struct fields *f, const char *name,
                    const char *path, struct rn_error *e) {
    const char *names[DATA_MAX_FIELDS];
    struct text list = {0};
    for (uint32_t i = 0; i < f->count; i++) {
        names[i] = data->columns[f->at[i]].field.name;
        text_addf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    error_set(e, RN_E_CONFIG, "the sample has no field '%s' here", name);
    const char *near = error_nearest(name, names, f->count);
    if (near)
        error_hint(e, "did you mean '%s'? there are: %s", near, text_get(&list));
    else
        error_hint(e, "there are: %s", text_get(&list));
    text_finish(&list);
    error_where(e, path, 0, 0);
    return RN_E_CONFIG;
}

static bool takes_variable(const struct component *c) {
    for (uint32_t i = 0; i < c->in_count; i++)
        if (c->in[i].variable)
            return true;
    return false;
}

static int too_variable(const struct stage *g, const char *name, const char *where,
                        struct rn_error *e) {
    error_set(e, RN_E_CONFIG,
              "%s takes fields of one size, but '%s' has cells of "
              "variable size",
              g->component->bare, name);
    error_hint(e, "pad_sequence, or characters for text, makes them of one size");
    return error_where(e, where, 0, 0);
}

/* Fill g->in by the option `of`: a name, a list of names, or all fields. */
static int choose(struct data *data, struct stage *g, const struct fields *f,
                  struct rn_error *e) {
    const struct node *of = node_find(g->node, "of");
    uint32_t n = !of ? f->count : node_kind(of) == NODE_SCALAR ? 1 : node_count(of);
    uint32_t missing = 0;
    const char *absent = NULL, *where = g->path;
    g->in = arena_array(data->arena, uint32_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        if (!of) { /* all that it can take */
            if (!field_variable(&data->columns[f->at[i]].field) ||
                takes_variable(g->component))
                g->in[g->in_count++] = f->at[i];
            continue;
        }
        const struct node *item = node_kind(of) == NODE_SCALAR ? of : node_item(of, i);
        const char *name = node_kind(item) == NODE_SCALAR ? node_raw(item) : "";
        int k = find(data, f, name);
        if (k < 0) {
            where = absent ? where : node_path(item);
            absent = absent ? absent : name;
            missing++;
            continue;
        }
        if (field_variable(&data->columns[f->at[k]].field) &&
            !takes_variable(g->component))
            return too_variable(g, name, node_path(item), e);
        for (uint32_t j = 0; j < g->in_count; j++)
            if (g->in[j] == f->at[k]) {
                error_set(e, RN_E_CONFIG, "%s: field '%s' is named twice", g->path,
                          name);
                return error_where(e, g->path, 0, 0);
            }
        g->in[g->in_count++] = f->at[k];
    }
    if (missing && missing == n && data->options.mode == DATA_FOR_PREDICTION) {
        g->skipped = true;
        return RN_OK;
    }
    if (missing)
        return no_field(data, f, absent, where, e);
    if (!g->in_count) {
        error_set(e, RN_E_CONFIG, "%s: no field is left to transform", g->path);
        return error_where(e, g->path, 0, 0);
    }
    return RN_OK;
}

static int plan(struct data *data, struct stage *g, uint32_t *count,
                struct rn_field *out, struct rn_error *e) {
    struct rn_field in[DATA_MAX_FIELDS];
    for (uint32_t i = 0; i < g->in_count; i++)
        in[i] = data->columns[g->in[i]].field;
    *count = DATA_MAX_FIELDS;
    int status = g->iface->plan(g->self, g->in_count, in, count, out, e);
    if (status != RN_OK) {
        return of_part(e, g->node, g->path, g->component);
    }
    if (*count > DATA_MAX_FIELDS)
        return error_set(e, RN_E_PLUGIN, "%s: %s gives more than %u fields", g->path,
                         g->component->name, DATA_MAX_FIELDS);
    return RN_OK;
}

/* The outputs take the inputs' place; names stay unique. */
static int replace(struct data *data, struct stage *g, struct fields *f, uint32_t count,
                   const struct rn_field *out, struct rn_error *e) {
    struct fields next = {0};
    uint32_t first = UINT32_MAX;
    g->out_count = count;
    g->out = arena_array(data->arena, uint32_t, count + 1);
    for (uint32_t i = 0; i < f->count; i++) {
        bool taken = false;
        for (uint32_t j = 0; j < g->in_count; j++)
            taken |= g->in[j] == f->at[i];
        if (!taken) {
            next.at[next.count++] = f->at[i];
        } else if (first == UINT32_MAX) {
            first = next.count;
        }
    }
    if (next.count + count > DATA_MAX_FIELDS)
        return error_set(e, RN_E_DATA, "%s: more than %u fields", g->path,
                         DATA_MAX_FIELDS);
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
                strcmp(data->columns[next.at[k]].field.name, out[i].name) == 0) {
                error_set(e, RN_E_CONFIG, "%s: the sample already has a field '%s'",
                          g->path, out[i].name);
                return error_where(e, g->path, 0, 0);
            }
        uint32_t c = column_add(data, &out[i]);
        g->out[i] = next.at[first + i] = c;
        if (RN_HAS(g->iface, struct rn_transform, names) && g->iface->names) {
            uint32_t classes = 0;
            const char *const *names = NULL;
            int status = g->iface->names(g->self, i, &classes, &names, e);
            if (status != RN_OK)
                return error_context(e, "%s", g->path);
            data->columns[c].classes = classes;
            data->columns[c].class_names = names;
        }
    }
    *f = next;
    return RN_OK;
}

/* One pass over the training rows, in rising order, up to stage `s`. */
static int fit_stage(struct data *data, uint32_t s, struct rn_error *e) {
    struct stage *g = &data->stages[s];
    if (!g->iface->fit_begin)
        return RN_OK;
    struct reader r;
    struct table *t = &data->tables[data->splits[DATA_TRAIN].table];
    int status = reader_open(data, t, DATA_CHUNK, &r, e);
    if (status == RN_OK)
        status = g->iface->fit_begin(g->self, e);
    uint64_t rows = data->splits[DATA_TRAIN].rows;
    const int64_t *ids = data->splits[DATA_TRAIN].ids;
    for (uint64_t at = 0; status == RN_OK && at < rows; at += DATA_CHUNK) {
        uint64_t n = rows - at < DATA_CHUNK ? rows - at : DATA_CHUNK;
        status = reader_read(&r, n, ids + at, NULL, e);
        if (status == RN_OK)
            status = reader_apply(&r, n, s, e);
        for (uint32_t i = 0; i < g->in_count; i++)
            r.in[i] = view(&r, g->in[i], n);
        if (status == RN_OK)
            status = g->iface->fit_rows(g->self, n, r.in, e);
    }
    if (status == RN_OK)
        status = g->iface->fit_end(g->self, e);
    if (status != RN_OK) {
        of_part(e, g->node, g->path, g->component);
    }
    reader_close(&r);
    return status;
}

/* A field that may have missing numbers is no sample's; say where the first one is. */
static int is_missing(const struct data *data, uint32_t column, struct rn_error *e) {
    const char *name = data->columns[column].field.name;
    const struct node *list = node_find(data->options.data, "transforms");
    struct data_outside at;
    int status = range_missing(data, column, &at, e);
    if (status != RN_OK)
        return status;
    if (at.file)
        error_set(e, RN_E_DATA, "%s: row %llu, field '%s', element %lld is missing",
                  at.file, (unsigned long long)at.row, name, (long long)at.value);
    else
        error_set(e, RN_E_DATA, "field '%s' may have missing numbers", name);
    error_hint(e, "add {type: impute, of: %s} to data.transforms", name);
    error_where(e, list ? "data.transforms" : data->tables[0].path, 0, 0);
    return RN_E_DATA;
}

static int run_stages(struct data *data, bool fit, struct rn_error *e) {
    struct fields f = {0};
    struct rn_field *out = memory_get(DATA_MAX_FIELDS * sizeof *out);
    int status = RN_OK;
    for (uint32_t i = 0; i < data->raw_count; i++)
        f.at[f.count++] = i;
    for (uint32_t s = 0; s < data->stage_count && status == RN_OK; s++) {
        struct stage *g = &data->stages[s];
        uint32_t count = 0;
        g->in_count = g->out_count = 0;
        g->skipped = false;
        status = choose(data, g, &f, e);
        if (status != RN_OK || g->skipped)
            continue;
        status = plan(data, g, &count, out, e);
        if (status == RN_OK && fit) {
            status = fit_stage(data, s, e);
            if (status == RN_OK)
                status = plan(data, g, &count, out, e);
        }
        if (status == RN_OK)
            status = replace(data, g, &f, count, out, e);
    }
    memory_release(out);
    if (status != RN_OK)
        return status;

    /* What is left is the sample. */
    data->field_count = 0;
    data->fields = arena_array(data->arena, struct data_field, f.count + 1);
    data->field_columns = arena_array(data->arena, uint32_t, f.count + 1);
    data->row_bytes = 0;
    for (uint32_t i = 0; i < f.count; i++) {
        const struct column *c = &data->columns[f.at[i]];
        if (field_variable(&c->field)) {
            log_say(RN_LOG_WARNING,
                    "field '%s' has cells of variable size and is left out of the "
                    "sample; pad_sequence, or characters for text, makes them of one "
                    "size",
                    c->field.name);
            continue;
        }
        if (c->field.flags & RN_FIELD_NULLABLE) {
            return is_missing(data, f.at[i], e);
        }
        struct data_field *d = &data->fields[data->field_count];
        data->field_columns[data->field_count++] = f.at[i];
        d->name = c->field.name;
        d->dtype = c->field.dtype;
        d->rank = c->field.rank;
        memcpy(d->shape, c->field.shape, sizeof d->shape);
        d->bytes = c->bytes;
        d->text = (c->field.flags & RN_FIELD_TEXT) != 0;
        d->classes = c->classes;
        d->class_names = c->class_names;
        data->row_bytes += c->bytes;
    }
    return RN_OK;
}

/* What an augmenter without `of` changes: the first field with rows and columns. */
static const char *image(const struct data *data) {
    for (uint32_t i = 0; i < data->field_count; i++)
        if (data->fields[i].rank >= 2 && !data->fields[i].text)
            return data->fields[i].name;
    return "x";
}

/* Augmenters look at the finished sample. */
static int plan_augmenters(struct data *data, struct rn_error *e) {
    for (uint32_t i = 0; i < data->augmenter_count; i++) {
        struct data_augmenter *a = &data->augmenters[i];
        const struct node *of = node_find(a->node, "of");
        const char *name =
            of && node_kind(of) == NODE_SCALAR ? node_raw(of) : image(data);
        struct fields f = {data->field_count, {0}};
        for (uint32_t k = 0; k < f.count; k++)
            f.at[k] = data->field_columns[k];
        int k = find(data, &f, name);
        if (k < 0)
            return no_field(data, &f, name, of ? node_path(of) : a->path, e);
        a->field = (uint32_t)k;
        struct rn_field field = data->columns[f.at[k]].field;
        int status = a->iface->plan(a->self, &field, e);
        if (status != RN_OK) {
            return of_part(e, a->node, a->path, a->component);
        }
        if (RN_HAS(a->iface, struct rn_augment, describe) && a->iface->numbers)
            a->numbers = a->iface->numbers(a->self);
    }
    return RN_OK;
}

int pipeline_prepare(struct data *data, bool fit, struct rn_error *e) {
    data->column_count = data->raw_count;
    int status = run_stages(data, fit, e);
    if (status == RN_OK)
        status = plan_augmenters(data, e);
    data->ready = status == RN_OK;
    return status;
}

int data_fit(struct data *data, struct rn_error *e) {
    error_clear(e);
    if (data->ready)
        return error_set(e, RN_E_INTERNAL, "data is fitted already");
    if (!data->splits[DATA_TRAIN].rows && data->stage_count)
        return error_set(e, RN_E_DATA, "there are no training samples to fit on");
    return pipeline_prepare(data, true, e);
}
