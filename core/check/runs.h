/* SPDX-License-Identifier: Apache-2.0 */
/* The distinct values of a column in rising order, and how often each split has them.
 * Decimals of a few digits, integers and codes are counted in a table; other numbers
 * are sorted. */
#ifndef CHECK_RUNS_H
#define CHECK_RUNS_H

#include "check/profile.h"

struct runs {
    uint64_t count; /* distinct finite values, -0 as 0 */
    double *value;  /* [count] */
    uint32_t
        *upto[DATA_SPLITS]; /* [count] rows of the split with this or a lower one */
    uint64_t n[DATA_SPLITS], total;
    uint32_t
        *code; /* [rows] index into `of_code`, UINT32_MAX where not finite; or NULL */
    uint32_t *of_code; /* [codes] run; only of codes that occur */
    uint32_t codes;
    void *memory[2]; /* owned */
};

#define RUNS_MEMORY 28u /* bytes a row, at most, while a column is measured */

void runs_make(struct runs *r, const struct profile *p, const double *x);
void runs_finish(struct runs *r);
/* Rows of run i: of a split, or of all. */
uint64_t runs_rows(const struct runs *r, int split, uint64_t i);
/* As sorted_quantile of the rows of a split, or PROFILE_ALL; there is a row. */
double runs_quantile(const struct runs *r, int split, double q);
/* Rows of the split that are at most `edge`. */
uint64_t runs_up_to(const struct runs *r, int split, double edge);
/* As kolmogorov_distance. */
double runs_distance(const struct runs *r, int a, int b);

#endif
