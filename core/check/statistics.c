/* SPDX-License-Identifier: Apache-2.0 */
/* Tails, moments, ranks and intervals. */
#include "check/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define ROUNDS 1000

/* ------------------------------------------------------------------- tails */

double normal_tail(double z) {
    return erfc(z * M_SQRT1_2) / 2;
}

double poisson_tail(double k, double m) {
    if (!(k > 0))
        return 1;
    if (!(m > 0))
        return 0;
    return gamma_lower(k, m);
}

static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int i = 1; i < ROUNDS; i++) {
        double even = i * (b - i) * x / ((a + 2 * i - 1) * (a + 2 * i));
        double odd = -(a + i) * (a + b + i) * x / ((a + 2 * i) * (a + 2 * i + 1));
        double before = h;
        for (int k = 0; k < 2; k++) {
            double f = k ? odd : even;
            d = 1 + f * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + f / c;
            c = fabs(c) < tiny ? tiny : c;
            h *= c * d;
        }
        if (fabs(h - before) <= 1e-16 * fabs(h))
            break;
    }
    return h;
}

static double beta_lower(double a, double b, double x) {
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    double front =
        exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                     : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double student_tails(double t, double k) {
    return k > 0 ? beta_lower(k / 2, 0.5, k / (k + t * t)) : NAN;
}

double fisher_tail(double f, double a, double b) {
    if (!(a > 0) || !(b > 0))
        return NAN;
    return f > 0 ? beta_lower(b / 2, a / 2, b / (b + a * f)) : 1;
}

double kolmogorov_tail(double x) {
    if (!(x > 0))
        return 1;
    if (x < 0.8) { /* the other series, which converges here */
        double sum = 0;
        for (int i = 1; i < 20; i += 2)
            sum += exp(-i * i * M_PI * M_PI / (8 * x * x));
        return 1 - sqrt(2 * M_PI) / x * sum;
    }
    double sum = 0;
    for (int i = 20; i > 0; i--)
        sum += (i % 2 ? 1 : -1) * exp(-2.0 * i * i * x * x);
    return 2 * sum;
}

static double wilson(double p, double n, double z, double side) {
    if (!(n > 0))
        return side < 0 ? 0 : 1;
    double s = z * z / n;
    return (p + s / 2 + side * z * sqrt(p * (1 - p) / n + s / (4 * n))) / (1 + s);
}

double wilson_low(double p, double n, double z) {
    return wilson(p, n, z, -1);
}

double wilson_high(double p, double n, double z) {
    return wilson(p, n, z, 1);
}

/* ----------------------------------------------------------------- moments */

struct moments moments_of(const double *x, uint64_t n) {
    struct moments m = {.n = n};
    double sum = 0, rest = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += x[i];
    m.mean = n ? sum / (double)n : 0;
    for (uint64_t i = 0; i < n; i++)
        rest += x[i] - m.mean;
    m.mean += n ? rest / (double)n : 0;
    for (uint64_t i = 0; i < n; i++) {
        double d = x[i] - m.mean, s = d * d;
        m.m2 += s;
        m.m3 += s * d;
        m.m4 += s * s;
    }
    return m;
}

void moments_merge(struct moments *a, const struct moments *b) {
    if (!b->n)
        return;
    if (!a->n) {
        *a = *b;
        return;
    }
    double p = (double)a->n, q = (double)b->n, n = p + q;
    double d = b->mean - a->mean, d2 = d * d;
    double m2 = a->m2 + b->m2 + d2 * p * q / n;
    double m3 = a->m3 + b->m3 + d2 * d * p * q * (p - q) / (n * n) +
                3 * d * (p * b->m2 - q * a->m2) / n;
    double m4 = a->m4 + b->m4 +
                d2 * d2 * p * q * (p * p - p * q + q * q) / (n * n * n) +
                6 * d2 * (p * p * b->m2 + q * q * a->m2) / (n * n) +
                4 * d * (p * b->m3 - q * a->m3) / n;
    *a = (struct moments){a->n + b->n, a->mean + d * q / n, m2, m3, m4};
}

double moments_sd(const struct moments *m) {
    return m->n > 1 ? sqrt(m->m2 / (double)(m->n - 1)) : NAN;
}

double moments_skewness(const struct moments *m) {
    double n = (double)m->n, v = m->m2 / n;
    return m->n && v > 0 ? m->m3 / n / (v * sqrt(v)) : NAN;
}

double moments_kurtosis(const struct moments *m) {
    double n = (double)m->n, v = m->m2 / n;
    return m->n && v > 0 ? m->m4 / n / (v * v) - 3 : NAN;
}

static void close_block(struct moments_sum *s) {
    struct moments m = moments_of(s->block, s->held);
    uint32_t level = 0;
    for (uint64_t bits = s->blocks++; bits & 1; bits >>= 1, level++) {
        struct moments left = s->level[level];
        moments_merge(&left, &m);
        m = left;
        s->level[level] = (struct moments){0};
    }
    s->level[level] = m;
    s->held = 0;
}

void moments_add(struct moments_sum *s, double x) {
    s->block[s->held++] = x;
    if (s->held == MOMENTS_BLOCK)
        close_block(s);
}

struct moments moments_total(struct moments_sum *s) {
    struct moments all = {0}, m;
    if (s->held)
        close_block(s);
    for (int i = 47; i >= 0; i--) {
        m = s->level[i];
        moments_merge(&all, &m);
    }
    return all;
}

/* ------------------------------------------------------------------- order */

static uint64_t key_of(double x) {
    uint64_t k;
    memcpy(&k, &x, 8);
    return k >> 63 ? ~k : k | UINT64_C(1) << 63;
}

static double number_of(uint64_t k) {
    double x;
    k = k >> 63 ? k & ~(UINT64_C(1) << 63) : ~k;
    memcpy(&x, &k, 8);
    return x;
}

#define DIGIT  11u
#define DIGITS 6u

static void sort_few(double *x, uint64_t n) {
    for (uint64_t i = 1; i < n; i++) {
        double v = x[i];
        uint64_t k = key_of(v), j = i;
        for (; j && key_of(x[j - 1]) > k; j--)
            x[j] = x[j - 1];
        x[j] = v;
    }
}

void sort_numbers(double *x, uint64_t n, double *scratch) {
    if (n < 64) {
        sort_few(x, n);
        return;
    }
    uint32_t(*count)[1u << DIGIT] = memory_get(DIGITS * sizeof *count);
    uint64_t *from = (uint64_t *)(void *)x, *to = (uint64_t *)(void *)scratch;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t k = key_of(x[i]);
        from[i] = k;
        for (uint32_t d = 0; d < DIGITS; d++)
            count[d][k >> (d * DIGIT) & ((1u << DIGIT) - 1)]++;
    }
    for (uint32_t d = 0; d < DIGITS; d++) {
        uint32_t *c = count[d], at = 0, shift = d * DIGIT;
        if (c[from[0] >> shift & ((1u << DIGIT) - 1)] == n)
            continue; /* all have this digit */
        for (uint32_t i = 0; i < 1u << DIGIT; i++) {
            uint32_t k = c[i];
            c[i] = at;
            at += k;
        }
        for (uint64_t i = 0; i < n; i++)
            to[c[from[i] >> shift & ((1u << DIGIT) - 1)]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    for (uint64_t i = 0; i < n; i++)
        x[i] = number_of(from[i]);
    memory_release(count);
}

double sorted_quantile(const double *x, uint64_t n, double q) {
    double at = q * (double)(n - 1), low = floor(at), part = at - low;
    uint64_t i = (uint64_t)low;
    if (i + 1 >= n)
        return x[n - 1];
    double a = x[i], b = x[i + 1], d = b - a;
    double v = part >= 0.5 ? b - d * (1 - part) : a + d * part;
    return b == a ? a : v;
}

double kolmogorov_distance(const double *x, uint64_t n, const double *y, uint64_t m) {
    uint64_t i = 0, j = 0;
    double most = 0;
    while (i < n && j < m) {
        double v = x[i] < y[j] ? x[i] : y[j];
        while (i < n && x[i] == v)
            i++;
        while (j < m && y[j] == v)
            j++;
        double d = fabs((double)i / (double)n - (double)j / (double)m);
        most = d > most ? d : most;
    }
    return most;
}

/* ------------------------------------------------------------------ tables */

double table_chi2(const uint64_t *table, uint32_t rows, uint32_t columns,
                  double *freedom, double *v) {
    double *across = memory_get(((size_t)rows + columns + 1) * sizeof *across);
    double *down = across + rows, n = 0, chi2 = 0;
    uint32_t r = 0, c = 0;
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t k = 0; k < columns; k++) {
            double t = (double)table[(size_t)i * columns + k];
            across[i] += t;
            down[k] += t;
            n += t;
        }
    for (uint32_t i = 0; i < rows; i++)
        r += across[i] > 0;
    for (uint32_t k = 0; k < columns; k++)
        c += down[k] > 0;
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t k = 0; k < columns; k++) {
            double e = n > 0 ? across[i] * down[k] / n : 0;
            double d = (double)table[(size_t)i * columns + k] - e;
            chi2 += e > 0 ? d * d / e : 0;
        }
    memory_release(across);
    double few = (r < c ? r : c) - 1.0;
    *freedom = r && c ? ((double)r - 1) * ((double)c - 1) : 0;
    *v = *freedom > 0 ? sqrt(chi2 / (n * few)) : 0;
    return *freedom > 0 ? chi2 : 0;
}

static int by_score(const void *a, const void *b) {
    const struct scored *x = a, *y = b;
    return (x->score > y->score) - (x->score < y->score);
}

double auc_of(struct scored *bins, uint32_t n) {
    double below = 0, sum = 0, positive = 0;
    qsort(bins, n, sizeof *bins, by_score);
    for (uint32_t i = 0; i < n;) {
        double p = 0, q = 0;
        uint32_t k = i;
        for (; k < n && bins[k].score == bins[i].score; k++) {
            p += bins[k].positive;
            q += bins[k].negative;
        }
        sum += p * (below + q / 2);
        below += q;
        positive += p;
        i = k;
    }
    return positive > 0 && below > 0 ? sum / (positive * below) : NAN;
}

/* -------------------------------------------------------------- many tests */

struct ranked {
    double p;
    uint32_t at;
};

static int by_p(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    return (x->p > y->p) - (x->p < y->p);
}

void false_discovery(const double *p, double *q, uint32_t n) {
    struct ranked *r = memory_get(memory_mul(n + 1, sizeof *r));
    double least = 1;
    for (uint32_t i = 0; i < n; i++)
        r[i] = (struct ranked){p[i], i};
    qsort(r, n, sizeof *r, by_p);
    for (uint32_t i = n; i-- > 0;) {
        double v = r[i].p * n / (i + 1);
        least = v < least ? v : least;
        q[r[i].at] = least;
    }
    memory_release(r);
}
