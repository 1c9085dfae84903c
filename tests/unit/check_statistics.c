/* SPDX-License-Identifier: Apache-2.0 */
/* core/check/statistics.c beside SciPy's tails (check_golden.py), and merged moments,
 * sorted numbers and corrected p-values beside the plain computation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "check/statistics.h"
#include "check_golden.h"
#include "data/drift.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static int close_to(double got, double want, double relative) {
    if (fabs(got - want) <= relative * fabs(want) + 1e-300)
        return 1;
    fprintf(stderr, "got %.17g, want %.17g\n", got, want);
    return 0;
}

static void tails(void) {
    for (size_t i = 0; i < COUNT(NORMAL); i++)
        CHECK(close_to(normal_tail(NORMAL[i][0]), NORMAL[i][1], 1e-13));
    for (size_t i = 0; i < COUNT(CHI2); i++)
        CHECK(close_to(chi2_tail(CHI2[i][0], CHI2[i][1]), CHI2[i][2], 1e-12));
    for (size_t i = 0; i < COUNT(POISSON); i++)
        CHECK(
            close_to(poisson_tail(POISSON[i][0], POISSON[i][1]), POISSON[i][2], 1e-12));
    for (size_t i = 0; i < COUNT(STUDENT); i++)
        CHECK(close_to(student_tails(STUDENT[i][0], STUDENT[i][1]), STUDENT[i][2],
                       1e-11));
    for (size_t i = 0; i < COUNT(FISHER); i++)
        CHECK(close_to(fisher_tail(FISHER[i][0], FISHER[i][1], FISHER[i][2]),
                       FISHER[i][3], 1e-11));
    for (size_t i = 0; i < COUNT(KOLMOGOROV); i++)
        CHECK(close_to(kolmogorov_tail(KOLMOGOROV[i][0]), KOLMOGOROV[i][1], 1e-12));
    CHECK(isnan(chi2_tail(1, 0)) && isnan(chi2_tail(-1, 2)) && chi2_tail(0, 3) == 1);
    CHECK(poisson_tail(0, 5) == 1 && poisson_tail(3, 0) == 0);
    /* Wilson's interval of 8 in 10: 0.490, 0.943 (his own example, 1927) */
    CHECK(fabs(wilson_low(0.8, 10, 1.96) - 0.490) < 5e-4);
    CHECK(fabs(wilson_high(0.8, 10, 1.96) - 0.943) < 5e-4);
}

static uint64_t state = 1;
static double number(void) { /* about normal, with an offset */
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sum += (double)(state >> 11) / 9007199254740992.0;
    }
    return sum;
}

/* Against long double over all numbers at once. */
static void merged(uint64_t n, double offset) {
    struct moments_sum *s = calloc(1, sizeof *s);
    double *x = malloc(n * sizeof *x);
    long double mean = 0, m[5] = {0};
    for (uint64_t i = 0; i < n; i++) {
        x[i] = number() * 3 + offset;
        mean += x[i];
        moments_add(s, x[i]);
    }
    mean /= n;
    for (uint64_t i = 0; i < n; i++)
        for (int k = 2; k <= 4; k++)
            m[k] += powl(x[i] - mean, k);
    struct moments t = moments_total(s);
    CHECK(t.n == n);
    CHECK(close_to(t.mean, (double)mean, 1e-14));
    CHECK(close_to(t.m2, (double)m[2], 1e-12));
    /* The mean itself is rounded to 2^-53 of it. */
    double slack = 1e-12 * sqrt((double)m[2] / n) + 3 * fabs(t.mean) * 0x1p-52;
    CHECK(fabs(t.m3 - (double)m[3]) <= (double)m[2] * slack);
    CHECK(close_to(t.m4, (double)m[4], 1e-12));
    free(x);
    free(s);
}

static void order(void) {
    double x[1000], scratch[1000];
    for (int i = 0; i < 1000; i++)
        x[i] = i % 7 ? number() * pow(10, i % 40 - 20) : i % 14 ? -0.0 : 5;
    sort_numbers(x, 1000, scratch);
    int good = 1;
    for (int i = 1; i < 1000; i++)
        good &= x[i - 1] <= x[i];
    CHECK(good);
    double rows[23];
    for (int i = 1; i < 24; i++)
        rows[i - 1] = (i * 7919 % 1013) / 9.7;
    sort_numbers(rows, 23, scratch);
    for (size_t i = 0; i < COUNT(QUANTILE); i++) /* equal to the bit */
        CHECK(sorted_quantile(rows, 23, QUANTILE[i][0]) == QUANTILE[i][1]);
    double y[4] = {1, 2, 3, 10}; /* numpy.quantile: 2.5, 1.3, 10 */
    CHECK(sorted_quantile(y, 4, 0.5) == 2.5);
    CHECK(sorted_quantile(y, 4, 0.1) == 1.3);
    CHECK(sorted_quantile(y, 4, 1) == 10 && sorted_quantile(y, 1, 0.3) == 1);
    double a[3] = {1, 2, 3}, b[3] = {3, 4, 5};
    CHECK(fabs(kolmogorov_distance(a, 3, b, 3) - 2.0 / 3) < 1e-15);
    CHECK(kolmogorov_distance(a, 3, a, 3) == 0);
}

static void tables(void) {
    uint64_t t[6] = {10, 20, 0, 20, 20, 0};
    double freedom, v;
    /* without the empty column: scipy chi2_contingency(correction=False) 1.944... */
    CHECK(close_to(table_chi2(t, 2, 3, &freedom, &v), 1.9444444444444444, 1e-14));
    CHECK(freedom == 1 && close_to(v, sqrt(1.9444444444444444 / 70), 1e-14));
    uint64_t one[2] = {5, 5};
    CHECK(table_chi2(one, 1, 2, &freedom, &v) == 0 && freedom == 0 && v == 0);
    uint64_t same[3] = {10, 20, 30};
    CHECK(stability_index(same, same, 3) == 0);
    struct scored s[3] = {{0.9, 3, 1}, {0.1, 1, 3}, {0.9, 1, 0}};
    /* pairs 5 x 4: 4 above 3, ties (4 x 1 + 1 x 3) / 2 */
    CHECK(close_to(auc_of(s, 3), (12 + 3.5) / 20, 1e-15));
    struct scored none[1] = {{0, 1, 0}};
    CHECK(isnan(auc_of(none, 1)));
    double p[4] = {0.04, 0.001, 0.03, 0.5}, q[4];
    false_discovery(p, q, 4);
    CHECK(close_to(q[0], 0.16 / 3, 1e-14) && close_to(q[1], 0.004, 1e-14) &&
          close_to(q[2], 0.16 / 3, 1e-14) && q[3] == 0.5);
}

int main(void) {
    tails();
    merged(1, 0);
    merged(4096, 1000);
    merged(100000, 1e6);
    merged(12345, -5);
    order();
    tables();
    return check_done();
}
