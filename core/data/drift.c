/* SPDX-License-Identifier: Apache-2.0 */
/* Population stability index and its distribution without drift. */
#include <math.h>

#include "base/gamma.h"
#include "base/memory.h"
#include "base/sort.h"
#include "data/drift.h"

#define TENTHS   10u
#define EXPECTED 5.0 /* rows of a bin of a category */

double stability_index(const uint64_t *a, const uint64_t *b, uint32_t bins) {
    double n = bins / 2.0, m = bins / 2.0, sum = 0;
    for (uint32_t i = 0; i < bins; i++) {
        n += (double)a[i];
        m += (double)b[i];
    }
    for (uint32_t i = 0; i < bins; i++) {
        double p = ((double)a[i] + 0.5) / n, q = ((double)b[i] + 0.5) / m;
        sum += (q - p) * log(q / p);
    }
    return sum;
}

double drift_noise(uint32_t bins, uint64_t n, uint64_t m, double p) {
    return chi2_quantile(p, bins - 1.0) * (1 / (double)n + 1 / (double)m);
}

/* -------------------------------------------------------------------------- bins */

/* Values of the two samples, in order. */
struct pair {
    const double *a, *b;
    uint64_t n, m; /* that are not missing */
    uint64_t all_n, all_m;
};

struct bins {
    uint32_t count;
    uint64_t *rows[2]; /* [2][count] */
};

/* An empty bin is none. */
static void add(struct bins *b, uint64_t in_a, uint64_t in_b) {
    b->rows[0][b->count] = in_a;
    b->rows[1][b->count] = in_b;
    b->count += in_a + in_b > 0;
}

/* How many of v, from *at, do not exceed `edge`. */
static uint64_t up_to(const double *v, uint64_t n, uint64_t *at, double edge) {
    uint64_t from = *at;
    while (*at < n && v[*at] <= edge)
        ++*at;
    return *at - from;
}

static void fill_tenths(const struct pair *p, struct bins *out) {
    uint64_t i = 0, k = 0;
    double before = NAN;
    for (uint64_t t = 1; t < TENTHS && p->n; t++) {
        double edge = p->a[(t * p->n + TENTHS - 1) / TENTHS - 1];
        if (edge == before || edge == p->a[p->n - 1])
            continue;
        uint64_t in_a = up_to(p->a, p->n, &i, edge);
        add(out, in_a, up_to(p->b, p->m, &k, edge));
        before = edge;
    }
    add(out, p->n - i, p->m - k);
}

/* A bin a value; rare ones together. */
static void fill_values(const struct pair *p, struct bins *out) {
    uint64_t i = 0, k = 0;
    uint64_t rare[2] = {0, 0};
    double all = (double)(p->all_n + p->all_m);
    double fewest = (double)(p->all_n < p->all_m ? p->all_n : p->all_m);
    while (i < p->n || k < p->m) {
        double v = k >= p->m || (i < p->n && p->a[i] < p->b[k]) ? p->a[i] : p->b[k];
        uint64_t in_a = up_to(p->a, p->n, &i, v), in_b = up_to(p->b, p->m, &k, v);
        if ((double)(in_a + in_b) / all * fewest >= EXPECTED) {
            add(out, in_a, in_b);
        } else {
            rare[0] += in_a;
            rare[1] += in_b;
        }
    }
    add(out, rare[0], rare[1]);
}

static bool few_values(const struct pair *p) {
    uint64_t values = p->n > 0;
    for (uint64_t i = 1; i < p->n && values <= TENTHS; i++)
        values += p->a[i] != p->a[i - 1];
    return values <= TENTHS;
}

struct drift drift_measure(double *train, uint64_t n, double *other, uint64_t m,
                           bool codes) {
    struct pair p = {train, other, sort_f64(train, n), sort_f64(other, m), n, m};
    bool values = codes || few_values(&p);
    uint64_t most = values ? n + m + 2 : TENTHS + 2;
    uint64_t *rows = memory_get(memory_mul(most, 2 * sizeof *rows));
    struct bins b = {0, {rows, rows + most}};
    if (values)
        fill_values(&p, &b);
    else
        fill_tenths(&p, &b);
    add(&b, n - p.n, m - p.m);
    struct drift out = {b.count > 1 ? b.count : 0, 0};
    out.psi = stability_index(b.rows[0], b.rows[1], out.bins);
    memory_release(rows);
    return out;
}
