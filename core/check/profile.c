/* SPDX-License-Identifier: Apache-2.0 */
/* Columns from fields, their values in groups that fit the budget, rows hashed. */
#include "check/profile.h"
#include "check/gram.h"
#include "check/runs.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <runner/sdk/field.h>

#include "base/memory.h"

#define BUDGET      (UINT64_C(128) << 20)
#define CLASSES_MAX 1000u /* of a target; above it is none */
#define TEXT_SHOWN  200u  /* bytes kept of a text */

/* ------------------------------------------------------------------ columns */

/* "a,b,c" for three elements: the i-th; else NULL. */
static char *layout_name(struct arena *a, const char *layout, uint64_t n, uint64_t i) {
    uint64_t commas = 0;
    for (const char *s = layout; *s; s++)
        commas += *s == ',';
    if (!*layout || commas + 1 != n)
        return NULL;
    for (; i; i--)
        layout = strchr(layout, ',') + 1;
    return arena_copy_n(a, layout, strcspn(layout, ","));
}

static bool name_taken(const struct profile *p, uint32_t count, const char *name) {
    for (uint32_t i = 0; i < count && count <= 1000; i++)
        if (strcmp(p->columns[i].name, name) == 0)
            return true;
    return false;
}

static uint64_t columns_of(const struct data_raw *f) {
    bool vector =
        !f->text && f->rank == 1 && f->elements && f->elements <= PROFILE_VECTOR;
    return vector ? f->elements : 1;
}

static enum column_kind kind_of(const struct data_raw *f) {
    if (!f->elements)
        return COLUMN_LENGTH;
    if (f->text)
        return COLUMN_TEXT;
    return f->elements > 1 && columns_of(f) == 1 ? COLUMN_TENSOR : COLUMN_NUMBER;
}

static void make_columns(struct profile *p) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < data_raw_count(p->data); i++) {
        struct data_raw f = data_raw_at(p->data, i);
        n += columns_of(&f);
    }
    p->columns = arena_array(p->arena, struct profile_column, n + 1);
    for (uint32_t i = 0; i < data_raw_count(p->data); i++) {
        struct data_raw f = data_raw_at(p->data, i);
        uint64_t parts = columns_of(&f);
        for (uint64_t k = 0; k < parts; k++) {
            struct profile_column *c = &p->columns[p->count];
            *c = (struct profile_column){
                .field = f.name, .raw = i, .element = k, .dtype = f.dtype};
            c->kind = kind_of(&f);
            c->input = p->roles.input[i];
            c->target = p->roles.target && strcmp(f.name, p->roles.target) == 0;
            c->name =
                parts > 1 || f.rank ? layout_name(p->arena, f.layout, parts, k) : NULL;
            if (!c->name || !*c->name || name_taken(p, p->count, c->name))
                c->name = parts > 1 ? arena_format(p->arena, "%s[%llu]", f.name,
                                                   (unsigned long long)k)
                                    : f.name;
            if (c->target)
                p->target = (int)p->count;
            p->count++;
        }
    }
}

/* ------------------------------------------------------------- dictionaries */

/* Texts to codes, in the order of their first occurrence. */
struct dictionary {
    struct hash128 *hashes; /* [capacity] a power of two */
    uint32_t *codes;        /* [capacity] code + 1 */
    uint32_t count, capacity, room;
    struct category *all; /* [room] */
};

static void dictionary_finish(struct dictionary *d) {
    memory_release(d->hashes);
    memory_release(d->codes);
    memory_release(d->all);
}

static void dictionary_grow(struct dictionary *d) {
    struct dictionary old = *d;
    d->capacity = old.capacity ? 2 * old.capacity : 256;
    d->hashes = memory_get(memory_mul(d->capacity, sizeof *d->hashes));
    d->codes = memory_get(memory_mul(d->capacity, sizeof *d->codes));
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (!old.codes[i])
            continue;
        uint32_t at = (uint32_t)old.hashes[i].a & (d->capacity - 1);
        while (d->codes[at])
            at = (at + 1) & (d->capacity - 1);
        d->hashes[at] = old.hashes[i];
        d->codes[at] = old.codes[i];
    }
    memory_release(old.hashes);
    memory_release(old.codes);
}

static uint32_t dictionary_code(struct dictionary *d, struct arena *a, const char *s,
                                size_t n, uint64_t row) {
    struct hash128 h = {0, 0};
    hash128_add(&h, s, n);
    if (2 * (d->count + 1) > d->capacity)
        dictionary_grow(d);
    uint32_t at = (uint32_t)h.a & (d->capacity - 1);
    for (; d->codes[at]; at = (at + 1) & (d->capacity - 1))
        if (d->hashes[at].a == h.a && d->hashes[at].b == h.b)
            return d->codes[at] - 1;
    d->hashes[at] = h;
    d->codes[at] = d->count + 1;
    size_t kept_bytes = n < TEXT_SHOWN ? n : TEXT_SHOWN;
    while (kept_bytes && kept_bytes < n &&
           ((unsigned char)s[kept_bytes] & 0xc0) == 0x80)
        kept_bytes--; /* whole characters */
    const char *kept = d->count < PROFILE_TEXTS ? arena_copy_n(a, s, kept_bytes) : "";
    vec_push(d->all, d->count, d->room, (struct category){kept, {0}, row});
    return d->count - 1;
}

/* ------------------------------------------------------------------ reading */

/* Values of columns first .. first + n, each [rows]. */
struct gather {
    struct profile *p;
    uint32_t first, n;
    double *x;
    struct dictionary *dictionaries; /* [n] */
};

double profile_number(const char *at, rn_dtype dtype) {
    double x;
    int64_t v;
    if (dtype == RN_F64) {
        memcpy(&x, at, 8);
        return x;
    }
    if (dtype == RN_I64) {
        memcpy(&v, at, 8);
        return v == RN_MISSING_I64 ? NAN : (double)v;
    }
    rn_numbers_get(at, dtype, 0, 1, &x);
    return x;
}

static void take_numbers(const struct data_chunk *k, const struct profile_column *c,
                         uint64_t each, double *out) {
    size_t size = RN_DTYPE_BYTES(c->dtype);
    const char *at = (const char *)k->fields[c->raw] + c->element * size;
    for (uint64_t i = 0; i < k->rows; i++, at += each * size)
        out[i] = profile_number(at, c->dtype);
}

static void take_texts(struct gather *g, const struct data_chunk *k, uint32_t column,
                       uint64_t width, uint64_t row, double *out) {
    const struct profile_column *c = &g->p->columns[g->first + column];
    struct dictionary *d = &g->dictionaries[column];
    for (uint64_t i = 0; i < k->rows; i++) {
        const char *s = (const char *)k->fields[c->raw] + i * width;
        size_t n = strnlen(s, width);
        out[i] = NAN;
        if (!n)
            continue;
        uint32_t code = dictionary_code(d, g->p->arena, s, n, row + i);
        d->all[code].rows[k->split]++;
        out[i] = code;
    }
}

static int gather_chunk(void *context, const struct data_chunk *k, struct rn_error *e) {
    struct gather *g = context;
    struct profile *p = g->p;
    uint64_t row = p->begin[k->split] + k->first;
    (void)e;
    for (uint32_t i = 0; i < g->n; i++) {
        const struct profile_column *c = &p->columns[g->first + i];
        struct data_raw f = data_raw_at(p->data, c->raw);
        double *out = g->x + i * p->rows + row;
        if (c->kind == COLUMN_NUMBER)
            take_numbers(k, c, f.elements, out);
        else if (c->kind == COLUMN_TEXT)
            take_texts(g, k, i, f.elements, row, out);
        for (uint64_t r = 0; c->kind == COLUMN_LENGTH && r < k->rows; r++) {
            uint64_t bytes;
            data_chunk_cell(p->data, k, c->raw, r, &bytes);
            out[r] = (double)bytes;
        }
    }
    return RN_OK;
}

static int scan_all(const struct profile *p, const bool *wanted, data_chunk_fn fn,
                    void *context, struct rn_error *e) {
    int status = RN_OK;
    for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++)
        status = data_scan(p->data, (enum data_split_kind)s, wanted, fn, context, e);
    return status;
}

/* ------------------------------------------------- rows, and fields of many elements
 */

struct first_pass {
    struct profile *p;
    struct moments_sum *sums; /* [columns][DATA_SPLITS] of tensors; NULL */
    double *numbers;          /* scratch of one row */
};

static void note_element(struct summary *s, struct moments_sum *m, double v) {
    s->rows++;
    if (isnan(v)) {
        s->missing++;
        return;
    }
    if (isinf(v)) {
        s->infinite++;
        return;
    }
    s->zeros += v == 0;
    s->negative += v < 0;
    s->whole += v == rint(v);
    s->min = isnan(s->min) || v < s->min ? v : s->min;
    s->max = isnan(s->max) || v > s->max ? v : s->max;
    moments_add(m, v);
}

static void note_tensor(struct first_pass *f, const struct data_chunk *k,
                        uint32_t column) {
    struct profile_column *c = &f->p->columns[column];
    struct data_raw raw = data_raw_at(f->p->data, c->raw);
    struct summary *s = &c->of[k->split];
    struct moments_sum *m = &f->sums[(size_t)column * DATA_SPLITS + k->split];
    for (uint64_t i = 0; i < k->rows; i++) {
        uint64_t bad = s->missing + s->infinite;
        rn_numbers_get(k->fields[c->raw], c->dtype, i * raw.elements, raw.elements,
                       f->numbers);
        for (uint64_t j = 0; j < raw.elements; j++)
            note_element(s, m, f->numbers[j]);
        if (bad == 0 && s->missing + s->infinite)
            c->example[k->split] = f->p->begin[k->split] + k->first + i + 1;
    }
}

static int first_chunk(void *context, const struct data_chunk *k, struct rn_error *e) {
    struct first_pass *f = context;
    struct profile *p = f->p;
    uint64_t row = p->begin[k->split] + k->first;
    (void)e;
    for (uint32_t i = 0; p->inputs && i < data_raw_count(p->data); i++) {
        struct data_raw raw = data_raw_at(p->data, i);
        size_t size = raw.elements * RN_DTYPE_BYTES(raw.dtype);
        for (uint64_t r = 0; p->roles.input[i] && r < k->rows; r++) {
            uint64_t bytes = size;
            const void *cell = raw.elements ? (const char *)k->fields[i] + r * size
                                            : data_chunk_cell(p->data, k, i, r, &bytes);
            hash128_add(&p->inputs[row + r], cell, bytes);
        }
    }
    for (uint32_t i = 0; i < p->count; i++)
        if (p->columns[i].kind == COLUMN_TENSOR)
            note_tensor(f, k, i);
    return RN_OK;
}

static void merge_tensor(struct first_pass *f, uint32_t column) {
    struct profile_column *c = &f->p->columns[column];
    struct summary *all = &c->of[PROFILE_ALL];
    for (int s = 0; s < DATA_SPLITS; s++) {
        struct summary *x = &c->of[s];
        x->m = moments_total(&f->sums[(size_t)column * DATA_SPLITS + (size_t)s]);
        all->rows += x->rows;
        all->missing += x->missing;
        all->infinite += x->infinite;
        all->zeros += x->zeros;
        all->negative += x->negative;
        all->whole += x->whole;
        all->min = isnan(all->min) || x->min < all->min ? x->min : all->min;
        all->max = isnan(all->max) || x->max > all->max ? x->max : all->max;
        moments_merge(&all->m, &x->m);
    }
    c->p01 = c->p05 = c->p25 = c->p50 = c->p75 = c->p95 = c->p99 = c->mad = NAN;
}

static int read_rows(struct profile *p, struct rn_error *e) {
    struct first_pass f = {.p = p};
    uint64_t most = 1;
    uint32_t tensors = 0;
    bool *wanted = arena_array(p->arena, bool, data_raw_count(p->data) + 1);
    for (uint32_t i = 0; i < data_raw_count(p->data); i++)
        wanted[i] = p->roles.input[i];
    for (uint32_t i = 0; i < p->count; i++) {
        struct profile_column *c = &p->columns[i];
        struct data_raw raw = data_raw_at(p->data, c->raw);
        for (int s = 0; s <= DATA_SPLITS; s++)
            c->of[s].min = c->of[s].max = NAN;
        if (c->kind != COLUMN_TENSOR)
            continue;
        tensors++;
        wanted[c->raw] = true;
        most = raw.elements > most ? raw.elements : most;
    }
    f.sums =
        tensors
            ? memory_get(memory_mul(memory_mul(p->count, DATA_SPLITS), sizeof *f.sums))
            : NULL;
    f.numbers = memory_get(memory_mul(most, sizeof *f.numbers));
    int status = scan_all(p, wanted, first_chunk, &f, e);
    for (uint32_t i = 0; i < p->count && status == RN_OK; i++)
        if (p->columns[i].kind == COLUMN_TENSOR)
            merge_tensor(&f, i);
    memory_release(f.sums);
    memory_release(f.numbers);
    return status;
}

/* ------------------------------------------------------------------- target */

static int by_number(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct labelled {
    const char *text;
    double code;
};

static int by_text(const void *a, const void *b) {
    return strcmp(((const struct labelled *)a)->text,
                  ((const struct labelled *)b)->text);
}

/* The distinct values in order: [*n], at most CLASSES_MAX + 1. */
static double *distinct_values(const double *x, uint64_t rows, uint32_t *n,
                               bool *whole) {
    double *v = memory_get(memory_mul(rows + 1, sizeof *v));
    double *scratch = memory_get(memory_mul(rows + 1, sizeof *v));
    uint64_t k = 0;
    *n = 0;
    *whole = true;
    for (uint64_t i = 0; i < rows; i++) {
        if (isfinite(x[i]))
            v[k++] = x[i] + 0.0;
        *whole &= !isfinite(x[i]) || x[i] == rint(x[i]);
    }
    sort_numbers(v, k, scratch);
    for (uint64_t i = 0; i < k; i++)
        if (!*n || v[i] != v[*n - 1]) {
            v[(*n)++] = v[i];
            if (*n > CLASSES_MAX)
                break;
        }
    memory_release(scratch);
    return v;
}

/* Of text: the classes in the order of their names, as label_map has them. */
static void order_names(struct profile *p, const struct dictionary *d, double *values) {
    struct labelled *l = memory_get(memory_mul(p->classes + 1, sizeof *l));
    for (uint32_t i = 0; i < p->classes; i++)
        l[i] = (struct labelled){d->all[(uint32_t)values[i]].text, values[i]};
    qsort(l, p->classes, sizeof *l, by_text);
    for (uint32_t i = 0; i < p->classes; i++) {
        values[i] = l[i].code;
        p->class_names[i] = l[i].text;
    }
    memory_release(l);
}

static void set_classes(struct profile *p, const struct dictionary *d, double *values,
                        bool text) {
    p->class_names = arena_array(p->arena, const char *, p->classes + 1);
    p->class_rows = arena_array(p->arena, uint64_t, p->classes * DATA_SPLITS + 1);
    int32_t *of_code = NULL;
    if (text) {
        order_names(p, d, values);
        of_code = memory_get(memory_mul(d->count + 1, sizeof *of_code));
        for (uint32_t i = 0; i < p->classes; i++)
            of_code[(uint32_t)values[i]] = (int32_t)i;
    }
    for (uint32_t i = 0; i < p->classes && !text; i++)
        p->class_names[i] = arena_format(p->arena, "%.15g", values[i]);
    for (uint64_t r = 0; r < p->rows; r++) {
        double v = p->y[r] + 0.0;
        p->class_of[r] = -1;
        if (!isfinite(v))
            continue;
        double *at =
            of_code ? NULL : bsearch(&v, values, p->classes, sizeof v, by_number);
        p->class_of[r] = of_code ? of_code[(uint32_t)v] : (int32_t)(at - values);
        p->class_rows[(uint32_t)p->class_of[r] * DATA_SPLITS + profile_split(p, r)]++;
    }
    memory_release(of_code);
}

/* Numbers: above or below the median of all, for what compares two groups. */
static void set_halves(struct profile *p) {
    double *v = memory_get(memory_mul(p->rows + 1, sizeof *v));
    double *scratch = memory_get(memory_mul(p->rows + 1, sizeof *v));
    uint64_t k = 0;
    for (uint64_t i = 0; i < p->rows; i++)
        if (isfinite(p->y[i]))
            v[k++] = p->y[i];
    sort_numbers(v, k, scratch);
    double middle = k ? sorted_quantile(v, k, 0.5) : 0;
    for (uint64_t r = 0; r < p->rows; r++)
        p->class_of[r] = isfinite(p->y[r]) ? p->y[r] > middle : -1;
    memory_release(v);
    memory_release(scratch);
}

static int read_target(struct profile *p, struct rn_error *e) {
    struct dictionary d = {0};
    bool *wanted = arena_array(p->arena, bool, data_raw_count(p->data) + 1);
    if (p->target < 0)
        return RN_OK;
    const struct profile_column *c = &p->columns[p->target];
    p->y = memory_try(memory_mul(p->rows + 1, sizeof *p->y));
    p->class_of = memory_try(memory_mul(p->rows + 1, sizeof *p->class_of));
    if (!p->y || !p->class_of)
        return error_set(e, RN_E_MEMORY, "no memory for the targets of %llu rows",
                         (unsigned long long)p->rows);
    wanted[c->raw] = true;
    struct gather g = {p, (uint32_t)p->target, 1, p->y, &d};
    int status = scan_all(p, wanted, gather_chunk, &g, e);
    if (status == RN_OK) {
        bool whole, text = c->kind == COLUMN_TEXT;
        uint32_t n;
        double *values = distinct_values(p->y, p->rows, &n, &whole);
        if (n <= CLASSES_MAX && whole && (text || !p->roles.regression)) {
            p->target_kind = TARGET_CLASSES;
            p->classes = n;
            set_classes(p, &d, values, text);
        } else if (!text && c->kind == COLUMN_NUMBER) {
            p->target_kind = TARGET_NUMBER;
            p->classes = 2;
            set_halves(p);
        } else {
            p->roles.why = "the target has more than 1000 values";
        }
        memory_release(values);
    }
    dictionary_finish(&d);
    return status;
}

/* ----------------------------------------------------------------- measuring */

struct work {
    const struct gather *g;
    _Atomic uint32_t next;
};

static void *measure(void *context) {
    struct work *w = context;
    struct profile *p = w->g->p;
    for (uint32_t i; (i = atomic_fetch_add(&w->next, 1)) < w->g->n;) {
        struct profile_column *c = &p->columns[w->g->first + i];
        if (c->kind != COLUMN_TENSOR)
            column_measure(p, c, w->g->x + i * p->rows);
    }
    return NULL;
}

static void measure_group(const struct gather *g, uint32_t threads) {
    struct work w = {.g = g};
    pthread_t other[64];
    uint32_t made = 0;
    threads = threads > 64 ? 64 : threads;
    while (made + 1 < threads && made + 1 < g->n &&
           pthread_create(&other[made], NULL, measure, &w) == 0)
        made++;
    measure(&w);
    for (uint32_t i = 0; i < made; i++)
        pthread_join(other[i], NULL);
}

static int read_group(struct gather *g, uint32_t threads, struct rn_error *e) {
    struct profile *p = g->p;
    bool *wanted = memory_get(data_raw_count(p->data) + 1);
    for (uint32_t i = 0; i < g->n; i++)
        wanted[p->columns[g->first + i].raw] |=
            p->columns[g->first + i].kind != COLUMN_TENSOR;
    g->dictionaries = memory_get(memory_mul(g->n + 1, sizeof *g->dictionaries));
    int status = scan_all(p, wanted, gather_chunk, g, e);
    for (uint32_t i = 0; i < g->n && status == RN_OK; i++) {
        struct profile_column *c = &p->columns[g->first + i];
        struct dictionary *d = &g->dictionaries[i];
        if (c->kind != COLUMN_TEXT)
            continue;
        c->category_count = d->count;
        c->categories = arena_array(p->arena, struct category, d->count + 1);
        for (uint32_t k = 0; k < d->count; k++)
            c->categories[k] = d->all[k];
    }
    if (status == RN_OK)
        measure_group(g, threads);
    for (uint32_t i = 0; i < g->n; i++)
        dictionary_finish(&g->dictionaries[i]);
    memory_release(g->dictionaries);
    memory_release(wanted);
    return status;
}

static int read_columns(struct profile *p, const struct profile_options *o,
                        struct rn_error *e) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t threads = o->threads       ? o->threads
                       : processors > 0 ? (uint32_t)processors
                                        : 1;
    uint64_t budget = o->budget ? o->budget : BUDGET;
    uint64_t column = 8 * (p->rows + 1);
    uint64_t measuring = threads * (uint64_t)RUNS_MEMORY * (p->rows + 1);
    uint64_t fit = budget > measuring ? (budget - measuring) / column : 1;
    fit = fit ? fit : 1;
    fit = fit < p->count ? fit : p->count;
    int status = RN_OK;
    double *x = memory_try(memory_mul(fit ? fit : 1, column));
    if (!x)
        return error_set(e, RN_E_MEMORY, "no memory for a column of %llu rows",
                         (unsigned long long)p->rows);
    p->memory = fit * column + measuring;
    for (uint32_t at = 0; at < p->count && status == RN_OK; at += (uint32_t)fit) {
        uint64_t n = p->count - at < fit ? p->count - at : fit;
        struct gather g = {p, at, (uint32_t)n, x, NULL};
        status = read_group(&g, threads, e);
    }
    memory_release(x);
    return status;
}

/* -------------------------------------------------------------- correlations */

#define CORRELATED_MAX  512u /* columns */
#define CORRELATED_WORK 4e9  /* products, above which rows are left out evenly */

/* Where a number is in a row of a chunk, and what standardises it. */
struct standardised {
    uint32_t raw;
    rn_dtype dtype;
    size_t begin, stride;
    double mean, sd;
};

struct gram {
    const struct profile *p;
    struct standardised *at; /* [numbers] */
    uint32_t columns;        /* numbers, and zeros up to GRAM_LANES */
    double *rows;            /* [GRAM_ROWS][columns] standardised, 0 where missing */
    double *sum;             /* [columns][columns], the lower triangle */
    uint32_t held;
    uint64_t step;
    gram_fn add;
};

static void gram_flush(struct gram *g) {
    g->add(g->sum, g->rows, g->held, g->columns);
    g->held = 0;
}

static int gram_chunk(void *context, const struct data_chunk *k, struct rn_error *e) {
    struct gram *g = context;
    const struct profile *p = g->p;
    (void)e;
    for (uint64_t r = 0; r < k->rows; r++) {
        if ((p->begin[k->split] + k->first + r) % g->step)
            continue;
        double *row = g->rows + (size_t)g->held * g->columns;
        for (uint32_t i = 0; i < p->number_count; i++) {
            const struct standardised *s = &g->at[i];
            row[i] = profile_number(
                (const char *)k->fields[s->raw] + r * s->stride + s->begin, s->dtype);
        }
        for (uint32_t i = 0; i < p->number_count; i++) {
            double v = (row[i] - g->at[i].mean) / g->at[i].sd;
            row[i] = isfinite(row[i]) ? v : 0;
        }
        if (++g->held == GRAM_ROWS)
            gram_flush(g);
    }
    return RN_OK;
}

static struct standardised standardise(const struct profile *p,
                                       const struct profile_column *c) {
    size_t size = RN_DTYPE_BYTES(c->dtype);
    const struct moments *m = &c->of[PROFILE_ALL].m;
    return (struct standardised){c->raw,
                                 c->dtype,
                                 c->element * size,
                                 data_raw_at(p->data, c->raw).elements * size,
                                 m->mean,
                                 moments_sd(m)};
}

static int correlate(struct profile *p, struct rn_error *e) {
    p->numbers = arena_array(p->arena, uint32_t, p->count + 1);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct profile_column *c = &p->columns[i];
        if (c->kind == COLUMN_NUMBER && c->input && c->of[PROFILE_ALL].m.m2 > 0)
            p->numbers[p->number_count++] = i;
    }
    uint32_t d = p->number_count;
    if (d < 2 || d > CORRELATED_MAX)
        return RN_OK;
    double work = (double)p->rows * d * d / 2;
    uint32_t wide = (d + GRAM_LANES - 1) / GRAM_LANES * GRAM_LANES;
    size_t cells = (size_t)(wide + GRAM_ROWS) * wide + 8;
    double *memory = memory_get(cells * sizeof *memory);
    double *aligned = memory + (64 - (uintptr_t)memory % 64) % 64 / sizeof *memory;
    struct gram g = {.p = p,
                     .at = memory_get(d * sizeof *g.at),
                     .columns = wide,
                     .rows = aligned,
                     .sum = aligned + (size_t)GRAM_ROWS * wide,
                     .step = 1,
                     .add = gram_find()};
    if (work > CORRELATED_WORK)
        g.step = (uint64_t)ceil(work / CORRELATED_WORK);
    bool *wanted = memory_get(data_raw_count(p->data) + 1);
    for (uint32_t i = 0; i < d; i++) {
        const struct profile_column *c = &p->columns[p->numbers[i]];
        wanted[c->raw] = true;
        g.at[i] = standardise(p, c);
    }
    int status = scan_all(p, wanted, gram_chunk, &g, e);
    gram_flush(&g);
    p->correlation = memory_get((size_t)d * d * sizeof *p->correlation);
    for (uint32_t i = 0; i < d; i++) {
        p->correlation[(size_t)i * d + i] = g.sum[(size_t)i * wide + i];
        for (uint32_t j = 0; j < i; j++) {
            double scale =
                sqrt(g.sum[(size_t)i * wide + i] * g.sum[(size_t)j * wide + j]);
            double r = scale > 0 ? g.sum[(size_t)i * wide + j] / scale : 0;
            p->correlation[(size_t)i * d + j] = p->correlation[(size_t)j * d + i] = r;
        }
    }
    memory_release(memory);
    memory_release(g.at);
    memory_release(wanted);
    return status;
}

/* ------------------------------------------------------------------ lifetime */

/* The splits' ids rise: a merge gives the order of the file. */
static int order_rows(struct profile *p, struct rn_error *e) {
    uint64_t at[DATA_SPLITS] = {0};
    p->file_order = memory_try(memory_mul(p->rows + 1, sizeof *p->file_order));
    if (!p->file_order)
        return error_set(e, RN_E_MEMORY, "no memory for %llu rows",
                         (unsigned long long)p->rows);
    for (uint64_t i = 0; i < p->rows; i++) {
        int next = -1;
        for (int s = 0; s < DATA_SPLITS; s++)
            if (at[s] < p->of[s] &&
                (next < 0 ||
                 data_ids(p->data, (enum data_split_kind)s)[at[s]] <
                     data_ids(p->data, (enum data_split_kind)next)[at[next]]))
                next = s;
        p->file_order[i] = (uint32_t)(p->begin[next] + at[next]++);
    }
    return RN_OK;
}

static int count_rows(struct profile *p, struct rn_error *e) {
    for (int s = 0; s < DATA_SPLITS; s++) {
        p->begin[s] = p->rows;
        p->of[s] = data_rows(p->data, (enum data_split_kind)s);
        p->rows += p->of[s];
    }
    if (p->rows >= UINT32_MAX)
        return error_set(e, RN_E_UNSUPPORTED,
                         "%llu rows are more than check can look at (4294967294)",
                         (unsigned long long)p->rows);
    bool any = false;
    for (uint32_t i = 0; i < data_raw_count(p->data); i++)
        any |= p->roles.input[i];
    p->inputs = any ? memory_try(memory_mul(p->rows + 1, sizeof *p->inputs)) : NULL;
    if (any && !p->inputs)
        return error_set(e, RN_E_MEMORY, "no memory for the hashes of %llu rows",
                         (unsigned long long)p->rows);
    return RN_OK;
}

struct profile *profile_make(const struct data *data, const struct roles *roles,
                             const struct profile_options *o, struct rn_error *e) {
    struct arena *a = arena_create();
    struct profile *p = arena_new(a, struct profile);
    p->arena = a;
    p->data = data;
    p->roles = *roles;
    p->target = -1;
    make_columns(p);
    int status = count_rows(p, e);
    if (status == RN_OK)
        status = order_rows(p, e);
    if (status == RN_OK)
        status = read_rows(p, e);
    if (status == RN_OK)
        status = read_target(p, e);
    if (status == RN_OK)
        status = read_columns(p, o, e);
    if (status == RN_OK)
        status = correlate(p, e);
    if (status == RN_OK)
        return p;
    profile_destroy(p);
    return NULL;
}

void profile_destroy(struct profile *p) {
    if (!p)
        return;
    memory_release(p->y);
    memory_release(p->class_of);
    memory_release(p->inputs);
    memory_release(p->file_order);
    memory_release(p->correlation);
    arena_destroy(p->arena);
}

enum data_split_kind profile_split(const struct profile *p, uint64_t row) {
    return row < p->begin[DATA_VAL]    ? DATA_TRAIN
           : row < p->begin[DATA_TEST] ? DATA_VAL
                                       : DATA_TEST;
}

uint64_t profile_file_row(const struct profile *p, uint64_t row) {
    enum data_split_kind s = profile_split(p, row);
    return data_file_row(p->data, s, data_ids(p->data, s)[row - p->begin[s]]);
}

const struct profile_column *profile_find(const struct profile *p, const char *name) {
    for (uint32_t i = 0; i < p->count; i++)
        if (strcmp(p->columns[i].name, name) == 0)
            return &p->columns[i];
    return NULL;
}
