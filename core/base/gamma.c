/* SPDX-License-Identifier: Apache-2.0 */
/* The incomplete gamma function and chi-squared. */
#include "base/gamma.h"

#include <math.h>

#define ROUNDS 100000 /* about 5 sqrt(a) are needed */

/* x^a e^-x / Gamma(a) */
static double gamma_factor(double a, double x) {
    return exp(a * log(x) - x - lgamma(a));
}

/* P(a, x), for x < a + 1. */
static double gamma_series(double a, double x) {
    double term = 1 / a, sum = term;
    for (int i = 1; i < ROUNDS && fabs(term) > fabs(sum) * 1e-17; i++)
        sum += term *= x / (a + i);
    return sum * gamma_factor(a, x);
}

/* Q(a, x), for x >= a + 1. */
static double gamma_fraction(double a, double x) {
    const double tiny = 1e-300;
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
    for (int i = 1; i < ROUNDS; i++) {
        double an = -i * (i - a);
        b += 2;
        d = an * d + b;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = b + an / c;
        c = fabs(c) < tiny ? tiny : c;
        h *= c * d;
        if (fabs(c * d - 1) < 1e-16)
            break;
    }
    return h * gamma_factor(a, x);
}

double gamma_lower(double a, double x) {
    if (!(a > 0) || !(x >= 0))
        return NAN;
    if (x == 0)
        return 0;
    return x < a + 1 ? gamma_series(a, x) : 1 - gamma_fraction(a, x);
}

double gamma_upper(double a, double x) {
    if (!(a > 0) || !(x >= 0))
        return NAN;
    if (x == 0)
        return 1;
    return x < a + 1 ? 1 - gamma_series(a, x) : gamma_fraction(a, x);
}

double chi2_tail(double x, double k) {
    return gamma_upper(k / 2, x / 2);
}

double chi2_quantile(double p, double k) {
    double low = 0, high = k + 10;
    if (!(k > 0) || !(p > 0) || !(p < 1))
        return NAN;
    while (gamma_lower(k / 2, high / 2) < p)
        high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-13 * high; i++) {
        double x = (low + high) / 2;
        *(gamma_lower(k / 2, x / 2) < p ? &low : &high) = x;
    }
    return (low + high) / 2;
}
