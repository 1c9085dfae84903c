/* SPDX-License-Identifier: Apache-2.0 */
#include "check/runs.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

#define DECIMALS 6
#define ROUNDER                                                                        \
    0x1.8p52 /* its last bit counts ones: adding it rounds to an integer               \
              */

/* ---------------------------------------------------------------- decimals */

struct scale {
    double power; /* every value is m / power */
    double low;   /* the least m */
    uint32_t codes;
};

static double rounded(double x) {
    return (x + ROUNDER) - ROUNDER;
}

/* A power of ten that makes integers of the first numbers, in a range that is worth a
 * table. */
static bool find_scale(const double *x, uint64_t rows, struct scale *s) {
    double low = INFINITY, high = -INFINITY, power = 1;
    for (uint64_t i = 0; i < rows; i++) {
        double v = isfinite(x[i]) ? x[i] : NAN;
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    uint32_t seen = 0;
    int k = 0;
    for (uint64_t i = 0; i < rows && seen < 256; i++) {
        if (!isfinite(x[i]))
            continue;
        seen++;
        while (k <= DECIMALS && !(rounded(x[i] * power) / power == x[i])) {
            power *= 10;
            k++;
        }
    }
    double range = (high - low) * power, most = 2.0 * (double)rows + 65536;
    if (!seen || k > DECIMALS || !(range < most) || !(range < 1u << 28) ||
        !(fmax(fabs(low), fabs(high)) * power < 0x1p50))
        return false;
    *s = (struct scale){power, rounded(low * power), (uint32_t)range + 2};
    return true;
}

/* Codes of all rows; false: one is no such decimal. */
static bool make_codes(const double *x, uint64_t rows, const struct scale *s,
                       uint32_t *code) {
    uint32_t wrong = 0;
    for (uint64_t i = 0; i < rows; i++) {
        double m = rounded(x[i] * s->power);
        bool finite = x[i] - x[i] == 0;
        wrong |= finite & !(m / s->power == x[i]);
        code[i] = (uint32_t)(int32_t)(finite ? m - s->low : -1.0);
    }
    return !wrong;
}

static void take_memory(struct runs *r, uint64_t room, double *value, uint32_t *upto) {
    r->memory[0] = r->value = value;
    r->memory[1] = upto;
    for (int k = 0; k < DATA_SPLITS; k++)
        r->upto[k] = upto + (uint64_t)k * room;
}

static bool by_table(struct runs *r, const struct profile *p, const double *x) {
    struct scale s;
    if (!find_scale(x, p->rows, &s))
        return false;
    r->codes = s.codes;
    r->code = memory_get(memory_mul(p->rows + 1, sizeof *r->code));
    if (!make_codes(x, p->rows, &s, r->code)) {
        memory_release(r->code);
        r->code = NULL;
        return false;
    }
    uint32_t *table = memory_get(memory_mul(s.codes, DATA_SPLITS * sizeof *table));
    for (int k = 0; k < DATA_SPLITS; k++) {
        const uint32_t *code = r->code + p->begin[k];
        uint32_t *t = table + (uint64_t)k * s.codes;
        for (uint64_t i = 0; i < p->of[k]; i++)
            if (code[i] != UINT32_MAX)
                t[code[i]]++;
    }
    r->of_code = memory_get(memory_mul(s.codes, sizeof *r->of_code));
    uint64_t distinct = 0;
    for (uint32_t c = 0; c < s.codes; c++) {
        uint32_t any = 0;
        for (int k = 0; k < DATA_SPLITS; k++)
            any |= table[(uint64_t)k * s.codes + c];
        r->of_code[c] = (uint32_t)distinct;
        distinct += any != 0;
    }
    take_memory(r, distinct + 1, memory_get(memory_mul(distinct + 1, 8)),
                memory_get(memory_mul(distinct + 1, DATA_SPLITS * 4)));
    for (uint32_t c = 0; c < s.codes; c++) {
        uint32_t any = 0;
        for (int k = 0; k < DATA_SPLITS; k++)
            any |= table[(uint64_t)k * s.codes + c];
        if (!any)
            continue;
        r->value[r->count] = (s.low + (double)c) / s.power + 0.0;
        for (int k = 0; k < DATA_SPLITS; k++)
            r->upto[k][r->count] =
                (uint32_t)(r->n[k] += table[(uint64_t)k * s.codes + c]);
        r->count++;
    }
    memory_release(table);
    return true;
}

/* ------------------------------------------------------------------ sorting */

/* The finite numbers of the splits, each sorted, one split after the other as in x. */
static double *sort_splits(const struct profile *p, const double *x, uint64_t *n,
                           double *scratch) {
    double *sorted = memory_get(memory_mul(p->rows + 1, sizeof *sorted));
    for (int k = 0; k < DATA_SPLITS; k++) {
        double *out = sorted + p->begin[k];
        for (uint64_t i = p->begin[k]; i < p->begin[k] + p->of[k]; i++)
            if (isfinite(x[i]))
                out[n[k]++] = x[i] + 0.0;
        sort_numbers(out, n[k], scratch);
    }
    return sorted;
}

static void by_sorting(struct runs *r, const struct profile *p, const double *x) {
    uint64_t at[DATA_SPLITS] = {0};
    double *value = memory_get(memory_mul(p->rows + 1, sizeof *value));
    double *sorted = sort_splits(p, x, r->n, value);
    take_memory(r, p->rows + 1, value,
                memory_get(memory_mul(p->rows + 1, DATA_SPLITS * 4)));
    for (;;) {
        double least = INFINITY;
        for (int k = 0; k < DATA_SPLITS; k++)
            if (at[k] < r->n[k] && sorted[p->begin[k] + at[k]] < least)
                least = sorted[p->begin[k] + at[k]];
        if (!(least < INFINITY))
            break;
        for (int k = 0; k < DATA_SPLITS; k++) {
            while (at[k] < r->n[k] && sorted[p->begin[k] + at[k]] == least)
                at[k]++;
            r->upto[k][r->count] = (uint32_t)at[k];
        }
        value[r->count++] = least;
    }
    memory_release(sorted);
}

void runs_make(struct runs *r, const struct profile *p, const double *x) {
    *r = (struct runs){0};
    if (!by_table(r, p, x))
        by_sorting(r, p, x);
    for (int k = 0; k < DATA_SPLITS; k++)
        r->total += r->n[k];
}

void runs_finish(struct runs *r) {
    memory_release(r->memory[0]);
    memory_release(r->memory[1]);
    memory_release(r->code);
    memory_release(r->of_code);
}

/* -------------------------------------------------------------------- ranks */

static uint64_t rows_upto(const struct runs *r, int split, uint64_t i) {
    if (split < DATA_SPLITS)
        return r->upto[split][i];
    uint64_t n = 0;
    for (int k = 0; k < DATA_SPLITS; k++)
        n += r->upto[k][i];
    return n;
}

uint64_t runs_rows(const struct runs *r, int split, uint64_t i) {
    return rows_upto(r, split, i) - (i ? rows_upto(r, split, i - 1) : 0);
}

/* The value of a rank, from 0. */
static double at_rank(const struct runs *r, int split, uint64_t rank) {
    uint64_t low = 0, high = r->count - 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (rows_upto(r, split, middle) > rank)
            high = middle;
        else
            low = middle + 1;
    }
    return r->value[low];
}

double runs_quantile(const struct runs *r, int split, double q) {
    uint64_t n = split < DATA_SPLITS ? r->n[split] : r->total;
    double at = q * (double)(n - 1), low = floor(at);
    uint64_t i = (uint64_t)low;
    if (i + 1 >= n)
        return at_rank(r, split, n - 1);
    double two[2] = {at_rank(r, split, i), at_rank(r, split, i + 1)};
    return sorted_quantile(two, 2, at - low);
}

uint64_t runs_up_to(const struct runs *r, int split, double edge) {
    uint64_t low = 0, high = r->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (r->value[middle] <= edge)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? rows_upto(r, split, low - 1) : 0;
}

double runs_distance(const struct runs *r, int a, int b) {
    double n = (double)r->n[a], m = (double)r->n[b], most = 0;
    for (uint64_t i = 0; i < r->count; i++) {
        double d = fabs(r->upto[a][i] / n - r->upto[b][i] / m);
        most = d > most ? d : most;
    }
    return most;
}
