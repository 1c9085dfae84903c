/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the keys that rows are divided by. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/field.h>

#include "base/dtype.h"
#include "base/hash.h"
#include "base/suggest.h"
#include "base/text.h"
#include "data/drop.h"
#include "data/keys.h"

static int wrong_option(const char *option, struct rn_error *e) {
    char where[64];
    snprintf(where, sizeof where, "split.%s", option);
    return error_where(e, RN_WHERE_CONFIG, where, 0, 0);
}

/* A column of a table that is an element of a field: it can be a field too. */
static bool hint_element(const struct data *data, const char *name,
                         struct rn_error *e) {
    const struct table *t = &data->sources.at[data->sources.main];
    size_t n = strlen(name);
    for (uint32_t i = 0; i < t->field_count; i++)
        for (const char *s = t->layouts[i]; s && *s; s += *s == ',') {
            size_t length = strcspn(s, ",");
            if (length == n && memcmp(s, name, n) == 0) {
                error_hint(e, "it is a column of '%s': name it in data.source.fields",
                           t->fields[i].name);
                return true;
            }
            s += length;
        }
    return false;
}

int keys_column(struct data *data, const char *option, const char *name, uint32_t *out,
                struct rn_error *e) {
    const char **names =
        arena_array(data->arena, const char *, data->pipeline.raw_count + 1);
    for (uint32_t i = 0; i < data->pipeline.raw_count; i++) {
        names[i] = data->pipeline.columns[i].field.name;
        if (strcmp(names[i], name) != 0)
            continue;
        *out = i;
        return RN_OK;
    }
    const struct suggest all = {names, data->pipeline.raw_count, 0};
    error_set(e, RN_E_CONFIG, "data.split.%s: the source has no field '%s'", option,
              name);
    if (!hint_element(data, name, e))
        suggest_hint(&all, name, "it has", e);
    return wrong_option(option, e);
}

int keys_missing(struct data *data, const char *option, uint32_t column, uint64_t row,
                 uint64_t count, struct rn_error *e) {
    const struct table *t = &data->sources.at[data->sources.main];
    const struct column *c = &data->pipeline.columns[column];
    error_set(e, RN_E_DATA,
              "%s: row %llu has no value of '%s', the field of "
              "data.split.%s",
              table_file(t, c), (unsigned long long)pool_row(data, row) + 1,
              c->field.name, option);
    if (count > 1)
        error_hint(e, "%llu rows have none", (unsigned long long)count);
    return wrong_option(option, e);
}

/* ---------------------------------------------------------------- reading rows */

int keys_rows(struct data *data, const uint32_t *columns, uint32_t count, keys_fn fn,
              void *context, struct rn_error *e) {
    const struct table *t = &data->sources.at[data->sources.main];
    struct reader r = {0};
    int64_t ids[DATA_CHUNK];
    struct demand *demand = demand_create(data);
    for (uint32_t i = 0; i < count; i++)
        demand_add(demand, data, columns[i]);
    int status = reader_open(data, t, DATA_CHUNK, demand, &r, e);
    uint64_t rows = pool_count(data);
    for (uint64_t at = 0; at < rows && status == RN_OK; at += DATA_CHUNK) {
        uint64_t n = rows - at < DATA_CHUNK ? rows - at : DATA_CHUNK;
        for (uint64_t i = 0; i < n; i++)
            ids[i] = (int64_t)(t->offset + pool_row(data, at + i));
        status = reader_read(&r, n, ids, e);
        if (status == RN_OK)
            status = fn(context, &r, at, n, e);
    }
    reader_close(&r);
    demand_destroy(demand);
    return status;
}

static bool is_text(const struct column *c) {
    return (c->field.flags & RN_FIELD_TEXT) != 0;
}

/* Element `at`; NaN: missing. */
double keys_number_at(const void *values, rn_dtype dtype, uint64_t at) {
    double v;
    if (!dtype_float(dtype)) {
        int64_t whole = rn_integer_get(values, dtype, at);
        return dtype == RN_I64 && whole == RN_MISSING_I64 ? NAN : (double)whole;
    }
    rn_numbers_get(values, dtype, at, 1, &v);
    return v;
}

/* -------------------------------------------------------------------- classes */

struct row_value {
    uint64_t row;
    const uint8_t *value;
    uint64_t bytes;
    double number; /* of intervals */
};

static int by_value(const void *a, const void *b) {
    const struct row_value *x = a, *y = b;
    int k = memcmp(x->value, y->value, x->bytes);
    return k ? k : (x->row > y->row) - (x->row < y->row);
}

/* Missing ones last. */
static int by_number(const void *a, const void *b) {
    const struct row_value *x = a, *y = b;
    if (isnan(x->number) || isnan(y->number))
        return isnan(x->number) - isnan(y->number);
    return (x->number > y->number) - (x->number < y->number);
}

struct raw_values {
    uint32_t column;
    uint64_t bytes;
    uint8_t *values;
};

static int copy_values(void *context, const struct reader *r, uint64_t first,
                       uint64_t n, struct rn_error *e) {
    struct raw_values *v = context;
    (void)e;
    memcpy(v->values + first * v->bytes, r->columns[v->column], n * v->bytes);
    return RN_OK;
}

static void add_class(struct classes *c, const struct row_value *all, uint64_t n,
                      uint64_t bytes) {
    memcpy(c->values + c->count * bytes, all->value, bytes);
    c->rows[c->count] = n;
    for (uint64_t i = 0; i < n; i++)
        c->of[all[i].row] = (uint32_t)c->count;
    c->count++;
}

static uint64_t count_values(const struct row_value *all, uint64_t n) {
    uint64_t count = n > 0;
    for (uint64_t i = 1; i < n; i++)
        count += memcmp(all[i - 1].value, all[i].value, all[i].bytes) != 0;
    return count;
}

/* Runs of equal numbers go to the interval that the middle of the run is in. */
static void make_intervals(struct classes *c, struct row_value *all, uint64_t n,
                           uint64_t bins, uint64_t bytes) {
    uint64_t present = n, begin = 0, bin = 0;
    qsort(all, n, sizeof *all, by_number);
    while (present && isnan(all[present - 1].number))
        present--;
    c->range = memory_get(memory_mul(bins + 2, sizeof *c->range));
    for (uint64_t at = 0, end; at < present; at = end) {
        for (end = at + 1; end < present && all[end].number == all[at].number;)
            end++;
        uint64_t own =
            (uint64_t)((double)(at + end) / 2 * (double)bins / (double)present);
        if (own != bin && at > begin) {
            add_class(c, all + begin, at - begin, bytes);
            begin = at;
        }
        bin = own;
        c->range[c->count][0] = all[begin].number;
        c->range[c->count][1] = all[at].number;
    }
    if (begin < present)
        add_class(c, all + begin, present - begin, bytes);
    if (present < n) {
        c->range[c->count][0] = c->range[c->count][1] = NAN;
        add_class(c, all + present, n - present, bytes);
    }
}

int keys_classes(struct data *data, uint32_t column, uint64_t bins, struct classes *out,
                 struct rn_error *e) {
    const struct column *c = &data->pipeline.columns[column];
    uint64_t n = pool_count(data);
    *out = (struct classes){.column = column};
    if (field_variable(&c->field)) {
        error_set(e, RN_E_CONFIG,
                  "data.split.by: the cells of '%s' are of variable size",
                  c->field.name);
        return wrong_option("by", e);
    }
    if (bins && (is_text(c) || c->field.rank)) {
        error_set(e, RN_E_CONFIG, "data.split.bins: '%s' is not a number",
                  c->field.name);
        return wrong_option("bins", e);
    }
    if (!bins && dtype_float(c->field.dtype) && !c->field.rank)
        bins = KEYS_BINS;
    struct raw_values raw = {column, c->bytes, memory_try(memory_mul(n + 1, c->bytes))};
    struct row_value *all = memory_try(memory_mul(n + 1, sizeof *all));
    out->of = memory_try(memory_mul(n + 1, sizeof *out->of));
    int status =
        raw.values && all && out->of
            ? keys_rows(data, &column, 1, copy_values, &raw, e)
            : error_set(e, RN_E_MEMORY, "no memory for the classes of the split");
    if (status == RN_OK) {
        for (uint64_t i = 0; i < n; i++)
            all[i] = (struct row_value){
                i, raw.values + i * c->bytes, c->bytes,
                bins ? keys_number_at(raw.values, c->field.dtype, i) : 0.0};
        qsort(all, n, sizeof *all, by_value);
        uint64_t values = count_values(all, n);
        bool intervals = bins && values > bins;
        out->values = memory_get(memory_mul(values + 1, c->bytes));
        out->rows = memory_get(memory_mul(values + 1, sizeof *out->rows));
        if (intervals)
            make_intervals(out, all, n, bins, c->bytes);
        for (uint64_t at = 0, end; at < n && !intervals; at = end) {
            for (end = at + 1;
                 end < n && memcmp(all[at].value, all[end].value, c->bytes) == 0;)
                end++;
            add_class(out, all + at, end - at, c->bytes);
        }
    }
    memory_release(raw.values);
    memory_release(all);
    return status;
}

void classes_finish(struct classes *c) {
    memory_release(c->of);
    memory_release(c->rows);
    memory_release(c->values);
    memory_release(c->range);
    *c = (struct classes){0};
}

void classes_name(const struct data *data, const struct classes *c, uint64_t i,
                  struct text *out) {
    const struct column *column = &data->pipeline.columns[c->column];
    const uint8_t *value = c->values + i * column->bytes;
    const rn_dtype dtype = column->field.dtype;
    if (is_text(column)) {
        size_t n = strnlen((const char *)value, column->bytes);
        if (n)
            text_add_n(out, (const char *)value, n);
        else
            text_add(out, "(missing)");
    } else if (column->field.rank) {
        text_addf(out, "value %llu", (unsigned long long)i + 1);
    } else if (c->range && !isnan(c->range[i][0])) {
        text_addf(out, "%.6g to %.6g", c->range[i][0], c->range[i][1]);
    } else if (isnan(keys_number_at(value, dtype, 0))) {
        text_add(out, "(missing)");
    } else if (dtype_float(dtype)) {
        text_addf(out, "%.9g", keys_number_at(value, dtype, 0));
    } else {
        text_addf(out, "%lld", (long long)rn_integer_get(value, dtype, 0));
    }
}

/* ------------------------------------------------------------------ identities */

/* A value in the form in which it is hashed: the same in every type that holds it. */
static void canonical(const void *values, rn_dtype dtype, uint64_t at, uint8_t out[9]) {
    double v = keys_number_at(values, dtype, at);
    bool whole = !dtype_float(dtype) && !isnan(v);
    int64_t n = whole ? rn_integer_get(values, dtype, at) : 0;
    if (!whole && v >= -9223372036854775808.0 && v < 9223372036854775808.0 &&
        v == floor(v)) {
        whole = true;
        n = (int64_t)v;
    }
    out[0] = whole ? 'i' : isnan(v) ? 'm' : 'f';
    if (isnan(v))
        v = 0;
    if (whole)
        memcpy(out + 1, &n, 8);
    else
        memcpy(out + 1, &v, 8);
}

struct identity_pass {
    const struct data *data;
    const uint32_t *columns;
    uint32_t count;
    uint64_t seed;
    struct identity *out;
    uint64_t missing, first; /* rows with a missing value; the first of them */
    uint32_t column;         /* whose value that is */
    struct text row;         /* scratch: the row in canonical form */
};

/* true: it is a single value, and missing. */
static bool add_value(struct text *row, const struct reader *r, uint32_t column,
                      uint64_t i) {
    const struct column *c = &r->data->pipeline.columns[column];
    uint64_t count = 1, size = RN_DTYPE_BYTES(c->field.dtype);
    const uint8_t *at = r->columns[column] + i * c->bytes;
    if (r->cells[column])
        at = cells_get(r->cells[column], i, &count);
    uint64_t n =
        r->cells[column] ? count * (field_bytes(&c->field) / size) : c->bytes / size;
    if (is_text(c) && !r->cells[column])
        n = strnlen((const char *)at, c->bytes);
    text_add_n(row, (const char *)&n, sizeof n);
    if (c->field.dtype == RN_U8 && (c->field.rank || is_text(c))) {
        text_add_n(row, (const char *)at, n);
        return is_text(c) && !n;
    }
    uint8_t value[9] = {0};
    for (uint64_t k = 0; k < n; k++) {
        canonical(at, c->field.dtype, k, value);
        text_add_n(row, (const char *)value, sizeof value);
    }
    return !c->field.rank && value[0] == 'm';
}

static int hash_rows(void *context, const struct reader *r, uint64_t first, uint64_t n,
                     struct rn_error *e) {
    struct identity_pass *p = context;
    (void)e;
    for (uint64_t i = 0; i < n; i++) {
        bool missing = false;
        text_clear(&p->row);
        for (uint32_t k = 0; k < p->count; k++) {
            bool gone = add_value(&p->row, r, p->columns[k], i);
            if (gone && !p->missing && !missing)
                p->first = first + i, p->column = p->columns[k];
            missing |= gone;
        }
        p->missing += missing;
        for (uint64_t half = 0; half < 2; half++)
            p->out[first + i].h[half] =
                siphash((uint64_t[2]){p->seed, half}, text_get(&p->row), p->row.length);
    }
    return RN_OK;
}

int keys_identities(struct data *data, const char *option, const uint32_t *columns,
                    uint32_t count, uint64_t seed, struct identity *out,
                    struct rn_error *e) {
    struct identity_pass p = {
        .data = data, .columns = columns, .count = count, .seed = seed, .out = out};
    int status = keys_rows(data, columns, count, hash_rows, &p, e);
    if (status == RN_OK && option && p.missing)
        status = keys_missing(data, option, p.column, p.first, p.missing, e);
    text_finish(&p.row);
    return status;
}

struct numbered {
    struct identity id;
    uint64_t row;
};

static int by_identity(const void *a, const void *b) {
    const struct numbered *x = a, *y = b;
    for (int i = 0; i < 2; i++)
        if (x->id.h[i] != y->id.h[i])
            return x->id.h[i] < y->id.h[i] ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

uint64_t keys_number(const struct identity *ids, uint64_t n, uint32_t *of) {
    struct numbered *all = memory_get(memory_mul(n + 1, sizeof *all));
    uint64_t *first = memory_get(memory_mul(n + 1, sizeof *first)), count = 0;
    for (uint64_t i = 0; i < n; i++)
        all[i] = (struct numbered){ids[i], i};
    qsort(all, n, sizeof *all, by_identity);
    for (uint64_t i = 0; i < n; i++) {
        bool same = i && memcmp(&all[i].id, &all[i - 1].id, sizeof all[i].id) == 0;
        first[all[i].row] = same ? first[all[i - 1].row] : all[i].row;
    }
    for (uint64_t i = 0; i < n; i++)
        of[i] = first[i] == i ? (uint32_t)count++ : of[first[i]];
    memory_release(all);
    memory_release(first);
    return count;
}
