/* SPDX-License-Identifier: Apache-2.0 */
/* Tails of distributions, moments, ranks and intervals, in f64. Pure functions; any
 * thread. NaN where an argument is outside its domain. */
#ifndef CHECK_STATISTICS_H
#define CHECK_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/gamma.h"

/* P(Z > z) of the standard normal distribution: erfc(z / sqrt 2) / 2. */
double normal_tail(double z);
/* P(N >= k), N Poisson with mean m: P(k, m). */
double poisson_tail(double k, double m);
/* P(|T| > |t|), T of Student with k degrees of freedom: I_{k/(k+t^2)}(k/2, 1/2) (26.5.8
 * and 26.7.1). */
double student_tails(double t, double k);
/* P(X > f), X of Fisher's F with a and b degrees of freedom: I_{b/(b+af)}(b/2, a/2)
 * (26.6.2). */
double fisher_tail(double f, double a, double b);
/* Kolmogorov's limiting P(sqrt(n) D > x): 2 sum (-1)^(i-1) exp(-2 i^2 x^2). */
double kolmogorov_tail(double x);

/* Lower and upper end of Wilson's interval (1927) of a share p of n, at z. */
double wilson_low(double p, double n, double z);
double wilson_high(double p, double n, double z);

/* Counts and central moments sum (x - mean)^k of k = 2, 3, 4. */
struct moments {
    uint64_t n;
    double mean, m2, m3, m4;
};
#define MOMENTS_BLOCK 4096u
/* Of n <= MOMENTS_BLOCK finite numbers, in two passes. */
struct moments moments_of(const double *x, uint64_t n);
/* a becomes the moments of both (Pebay 2008, eq. 2.1 and 3.1). */
void moments_merge(struct moments *a, const struct moments *b);
double moments_sd(const struct moments *m);       /* m2 / (n - 1) */
double moments_skewness(const struct moments *m); /* g1: biased, as scipy's */
double moments_kurtosis(const struct moments *m); /* g2: excess */

/* A running total by blocks, merged in pairs as a binary counter is: the result is a
 * function of the sequence alone. Zero-initialised is empty. */
struct moments_sum {
    double block[MOMENTS_BLOCK];
    uint64_t held, blocks;
    struct moments level[48];
};
void moments_add(struct moments_sum *s, double x);
struct moments moments_total(struct moments_sum *s);

/* Sort n finite numbers, -0 before 0, by their order-preserving bits; scratch: [n]. */
void sort_numbers(double *x, uint64_t n, double *scratch);
/* The quantile q of n > 0 sorted numbers, by linear interpolation (numpy's default,
 * Hyndman & Fan's type 7), in numpy's order of operations. */
double sorted_quantile(const double *x, uint64_t n, double q);
/* Largest distance of two empirical distributions; sorted, n and m above 0. */
double kolmogorov_distance(const double *x, uint64_t n, const double *y, uint64_t m);

/* Pearson's statistic of a table [rows][columns] of counts, with empty rows and columns
 * left out; *freedom: (rows - 1)(columns - 1); *v: Cramer's V. 0 where there is no
 * freedom. */
double table_chi2(const uint64_t *table, uint32_t rows, uint32_t columns,
                  double *freedom, double *v);
/* A bin of scored rows for an AUC. */
struct scored {
    double score;
    double positive, negative;
};
/* AUC of `positive` over `negative`, ties as 1/2; sorts the bins. NaN: one is empty. */
double auc_of(struct scored *bins, uint32_t n);

/* Benjamini & Hochberg (1995): q[i] of p[i], which may be in any order. */
void false_discovery(const double *p, double *q, uint32_t n);

#endif
