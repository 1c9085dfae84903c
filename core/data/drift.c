/* SPDX-License-Identifier: Apache-2.0 */
/* Population stability index and its distribution without drift. */
#include <math.h>

#include "base/memory.h"
#include "base/sort.h"
#include "data/drift.h"

#define TENTHS   10u
#define EXPECTED 5.0 /* rows of a bin of a category */

/* ------------------------------------------------------------------ chi-squared */

/* Regularised lower incomplete gamma: the series DLMF 8.7.1 below the mean, else the
 * continued fraction DLMF 8.9.2 by modified Lentz. */
static double gamma_p(double a, double x) {
    double front = exp(a * log(x) - x - lgamma(a));
    if (x < a + 1) {
        double term = 1 / a, sum = term;
        for (double k = a + 1; term > sum * 1e-17; k++)
            sum += term *= x / k;
        return front * sum;
    }
    double b = x + 1 - a, c = 1e300, d = 1 / b, h = d, step = 0;
    for (double i = 1; i < 100000 && fabs(step - 1) > 1e-16; i++) {
        double an = i * (a - i);
        b += 2;
        d = 1 / (an * d + b);
        c = b + an / c;
        h *= step = c * d;
    }
    return 1 - front * h;
}

double chi2_quantile(double p, double df) {
    double low = 0, high = df + 10;
    while (gamma_p(df / 2, high / 2) < p)
        high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-13 * high; i++) {
        double x = (low + high) / 2;
        *(gamma_p(df / 2, x / 2) < p ? &low : &high) = x;
    }
    return (low + high) / 2;
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
    double *rows; /* [count][2] */
};

static void add(struct bins *b, double in_a, double in_b) {
    b->rows[2 * b->count] = in_a;
    b->rows[2 * b->count + 1] = in_b;
    b->count += in_a + in_b > 0;
}

/* How many of v, from *at, do not exceed `edge`. */
static double up_to(const double *v, uint64_t n, uint64_t *at, double edge) {
    uint64_t from = *at;
    while (*at < n && v[*at] <= edge)
        ++*at;
    return (double)(*at - from);
}

static void fill_tenths(const struct pair *p, struct bins *out) {
    uint64_t i = 0, k = 0;
    double before = NAN;
    for (uint64_t t = 1; t < TENTHS && p->n; t++) {
        double edge = p->a[(t * p->n + TENTHS - 1) / TENTHS - 1];
        if (edge == before || edge == p->a[p->n - 1])
            continue;
        double in_a = up_to(p->a, p->n, &i, edge);
        add(out, in_a, up_to(p->b, p->m, &k, edge));
        before = edge;
    }
    add(out, (double)(p->n - i), (double)(p->m - k));
}

/* A bin a value; rare ones together. */
static void fill_values(const struct pair *p, struct bins *out) {
    uint64_t i = 0, k = 0;
    double rare[2] = {0, 0}, all = (double)(p->all_n + p->all_m);
    double fewest = (double)(p->all_n < p->all_m ? p->all_n : p->all_m);
    while (i < p->n || k < p->m) {
        double v = k >= p->m || (i < p->n && p->a[i] < p->b[k]) ? p->a[i] : p->b[k];
        double in_a = up_to(p->a, p->n, &i, v), in_b = up_to(p->b, p->m, &k, v);
        if ((in_a + in_b) / all * fewest >= EXPECTED) {
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
    struct bins b = {0, memory_get(memory_mul(most, 2 * sizeof *b.rows))};
    if (values)
        fill_values(&p, &b);
    else
        fill_tenths(&p, &b);
    add(&b, (double)(n - p.n), (double)(m - p.m));
    struct drift out = {b.count > 1 ? b.count : 0, 0};
    for (uint32_t i = 0; i < out.bins; i++) {
        double x = (b.rows[2 * i] + 0.5) / ((double)n + 0.5 * b.count);
        double y = (b.rows[2 * i + 1] + 0.5) / ((double)m + 0.5 * b.count);
        out.psi += (x - y) * log(x / y);
    }
    memory_release(b.rows);
    return out;
}
