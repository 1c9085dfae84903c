/* SPDX-License-Identifier: Apache-2.0 */
/* The incomplete gamma function, and chi-squared by it, in f64. Pure functions; any
 * thread. NaN where an argument is outside its domain. */
#ifndef BASE_GAMMA_H
#define BASE_GAMMA_H

/* Regularised, P(a, x) and Q(a, x) = 1 - P(a, x), a > 0, x >= 0: the series of P below
 * a + 1, else the continued fraction of Q by modified Lentz (Abramowitz & Stegun 6.5.29
 * and 6.5.31; DLMF 8.7.1 and 8.9.2). */
double gamma_lower(double a, double x);
double gamma_upper(double a, double x);

/* P(X > x), X chi-squared with k degrees of freedom: Q(k/2, x/2). */
double chi2_tail(double x, double k);
/* The x that X does not exceed with probability p, 0 < p < 1; by bisection. */
double chi2_quantile(double p, double k);

#endif
