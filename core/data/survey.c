/* SPDX-License-Identifier: Apache-2.0 */
/* What the training rows have in each raw field: how many values are missing, which
 * different ones there are. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/field.h>

#include "data/internal.h"

/* One field while it is counted. */
struct tally {
    struct data_survey *of;
    uint32_t limit, capacity; /* of values: most, and those that there is room for */
    uint32_t slot_count;      /* a power of two, or 0 */
    uint32_t *slots;          /* 1 + index of a value, or 0 */
    double m2;                /* of the squared distances from the mean */
    double step;              /* row number: value - sample */
    bool begun;
};

/* YYYY-MM-DD, alone or before a blank or T and a time; which days there are and how a
 * time is written is for the source to check. */
static bool is_date(const char *s, size_t n) {
    static const char form[] = "dddd-dd-dd";
    if (n < 10 || (n > 10 && (n < 16 || (s[10] != ' ' && s[10] != 'T'))))
        return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'd' ? !isdigit((unsigned char)s[i]) : s[i] != form[i])
            return false;
    for (size_t i = 11; i < n; i++)
        if (!isdigit((unsigned char)s[i]) && !strchr(":.+-Z", s[i]))
            return false;
    int month = 10 * (s[5] - '0') + s[6] - '0', day = 10 * (s[8] - '0') + s[9] - '0';
    return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* ------------------------------------------------------------ different values */

static uint32_t *slot_of(const struct tally *t, const char *bytes, size_t n) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)bytes[i]) * 0x100000001b3u;
    uint32_t slot = (uint32_t)(h ^ h >> 32) & (t->slot_count - 1);
    for (; t->slots[slot]; slot = (slot + 1) & (t->slot_count - 1)) {
        const struct data_value *v = &t->of->values[t->slots[slot] - 1];
        if (v->length == n && memcmp(v->bytes, bytes, n) == 0)
            break;
    }
    return &t->slots[slot];
}

/* Room for twice as many values. */
static void grow(struct data *data, struct tally *t) {
    struct data_survey *f = t->of;
    uint32_t capacity = t->capacity ? 2 * t->capacity : 16;
    struct data_value *more = arena_array(data->arena, struct data_value, capacity);
    if (f->distinct)
        memcpy(more, f->values, f->distinct * sizeof *more);
    f->values = more;
    t->capacity = capacity;
    t->slot_count = 2 * capacity;
    t->slots = arena_array(data->arena, uint32_t, t->slot_count);
    for (uint32_t i = 0; i < f->distinct; i++)
        *slot_of(t, f->values[i].bytes, f->values[i].length) = i + 1;
}

static void count_value(struct data *data, struct tally *t, const char *bytes, size_t n,
                        double number) {
    struct data_survey *f = t->of;
    if (f->distinct == t->capacity && f->distinct < t->limit)
        grow(data, t);
    uint32_t *slot = slot_of(t, bytes, n);
    if (*slot) {
        f->values[*slot - 1].rows++;
    } else if (f->distinct == t->limit) {
        f->more = true;
    } else {
        f->values[f->distinct] =
            (struct data_value){arena_copy_n(data->arena, bytes, n), n, number, 1};
        *slot = ++f->distinct;
    }
}

/* --------------------------------------------------------------------- cells */

static void count_text(struct data *data, struct tally *t, const char *cell,
                       size_t width) {
    size_t n = strnlen(cell, width);
    if (!n && t->of->nullable) {
        t->of->missing++;
        return;
    }
    t->of->dates += is_date(cell, n);
    count_value(data, t, cell, n, 0.0);
}

static void count_number(struct data *data, struct tally *t, const struct column *c,
                         const uint8_t *values, uint64_t at, int64_t sample) {
    struct data_survey *f = t->of;
    bool whole = c->field.dtype == RN_I64;
    uint64_t size = RN_DTYPE_BYTES(c->field.dtype);
    double x;
    rn_numbers_get(values, c->field.dtype, at, 1, &x);
    if (isnan(x) ||
        (whole && ((const int64_t *)(const void *)values)[at] == RN_MISSING_I64)) {
        f->missing++;
        f->row_number = false;
        return;
    }
    f->row_number &= whole && (!t->begun || x - (double)sample == t->step);
    t->step = x - (double)sample;
    t->begun = true;
    double from = x - f->mean;
    f->mean += from / (double)(f->rows - f->missing); /* rows: those so far */
    t->m2 += from * (x - f->mean);
    count_value(data, t, (const char *)values + at * size, size, x);
}

static void count_rows(struct data *data, struct tally *t, uint32_t column,
                       const uint8_t *values, uint64_t rows, const int64_t *samples) {
    const struct column *c = &data->pipeline.columns[column];
    uint64_t each = t->of->text ? 1 : c->bytes / RN_DTYPE_BYTES(c->field.dtype);
    for (uint64_t i = 0; i < rows * each; i++) {
        t->of->rows++;
        if (t->of->text)
            count_text(data, t, (const char *)values + i * c->bytes, c->bytes);
        else
            count_number(data, t, c, values, i, samples[i / each]);
    }
}

/* ----------------------------------------------------------------- all of them */

/* Numbers by their size, texts by their bytes, as label_map orders them. */
static int by_value(const void *x, const void *y) {
    const struct data_value *a = x, *b = y;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    size_t n = a->length < b->length ? a->length : b->length;
    int c = memcmp(a->bytes, b->bytes, n);
    return c ? c : (a->length > b->length) - (a->length < b->length);
}

static void begin(const struct data *data, uint32_t column, struct data_survey *f,
                  struct tally *t) {
    const struct rn_field *field = &data->pipeline.columns[column].field;
    *f = (struct data_survey){.name = field->name,
                              .dtype = field->dtype,
                              .text = (field->flags & RN_FIELD_TEXT) != 0,
                              .nullable = (field->flags & RN_FIELD_NULLABLE) != 0,
                              .variable = field_variable(field),
                              .row_number = true};
    *t = (struct tally){.of = f,
                        .limit = f->text ? DATA_DISTINCT_TEXTS : DATA_DISTINCT_NUMBERS};
}

static void end(struct data_survey *f, const struct tally *t) {
    uint64_t there = f->rows - f->missing;
    f->sd = there ? sqrt(t->m2 / (double)there) : 0.0;
    f->row_number &= there > 1;
    if (f->distinct)
        qsort(f->values, f->distinct, sizeof *f->values, by_value);
}

int data_survey(struct data *data, uint32_t *count, struct data_survey **out,
                struct rn_error *e) {
    const struct table *t = &data->sources.at[data->splits[DATA_TRAIN].table];
    uint32_t n = data->pipeline.raw_count;
    uint64_t rows = data->splits[DATA_TRAIN].rows;
    struct demand *demand = demand_create(data);
    struct tally *tallies = memory_get(memory_mul(n + 1, sizeof *tallies));
    struct reader r;
    *out = arena_array(data->arena, struct data_survey, n + 1);
    *count = n;
    for (uint32_t i = 0; i < n; i++) {
        begin(data, i, &(*out)[i], &tallies[i]);
        if (!(*out)[i].variable)
            demand_add(demand, data, i);
    }
    int status = reader_open(data, t, DATA_CHUNK, demand, &r, e);
    for (uint64_t at = 0; status == RN_OK && at < rows; at += DATA_CHUNK) {
        const int64_t *samples = data->splits[DATA_TRAIN].ids + at;
        uint64_t some = rows - at < DATA_CHUNK ? rows - at : DATA_CHUNK;
        status = reader_read(&r, some, samples, e);
        for (uint32_t i = 0; status == RN_OK && i < n; i++)
            if (!(*out)[i].variable)
                count_rows(data, &tallies[i], i, r.columns[i], some, samples);
    }
    reader_close(&r);
    demand_destroy(demand);
    for (uint32_t i = 0; i < n; i++)
        end(&(*out)[i], &tallies[i]);
    memory_release(tallies);
    return status;
}
