/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of tables that are nearly equal. */
#ifndef CHECK_NEAR_ROWS_H
#define CHECK_NEAR_ROWS_H

#include "check/check.h"
#include "data/near.h"

/* Rows are near if all their inputs are equal once numbers are rounded to a thousandth
 * of their standard deviation. Chance makes such rows too: of d independent numbers
 * their count grows with the d-th power of the width, and d is at least 1, so that by
 * chance there are at most a seventh of the pairs that eight times the width adds.
 * Twice that and more (Poisson, p of at most 0.0001), between train and another split
 * or within train, are near-duplicates; else there are none. */
struct near_rows {
    struct near_result result;
    struct near_pair *pairs;
    uint32_t *first, *cluster;
};
/* *why: not applicable; out is then empty. */
int near_rows_find(struct check *c, struct near_rows *out, const char **why,
                   struct rn_error *e);
void near_rows_finish(struct near_rows *r); /* of zeros is fine */

#endif
