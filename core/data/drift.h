/* SPDX-License-Identifier: Apache-2.0 */
/* How far two samples of one variable are apart, and how far chance alone puts them. */
#ifndef DATA_DRIFT_H
#define DATA_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

/* Population stability index, sum (p - q) ln (p / q) over bins, with p = (count + 1/2)
 * / (n + bins / 2). Without drift psi / (1/n + 1/m) follows chi-squared with bins - 1
 * degrees of freedom. */
struct drift {
    uint32_t bins; /* 0: one bin or none, and nothing to compare */
    double psi;
};

/* Of training values to other values; both are sorted here. Missing ones (NaN) are a
 * bin. Bins are the tenths of the training values, (e[k-1], e[k]] with e[k] the
 * smallest value that k tenths of them do not exceed; with `codes`, or where the
 * training values are at most 10, a bin a value, those of which fewer than 5 are
 * expected in the smaller sample together. */
struct drift drift_measure(double *train, uint64_t n, double *other, uint64_t m,
                           bool codes);
/* The index of two rows of counts over the same bins. */
double stability_index(const uint64_t *a, const uint64_t *b, uint32_t bins);
/* What psi does not exceed with probability p where there is no drift. */
double drift_noise(uint32_t bins, uint64_t n, uint64_t m, double p);

#endif
