/* SPDX-License-Identifier: Apache-2.0 */
/* Whole groups of rows to parts: a group is in one part. */
#ifndef DATA_GROUPS_H
#define DATA_GROUPS_H

#include "data/division.h"

struct groups {
    const uint32_t *group; /* [rows] of each row, below `count` */
    uint64_t count;
    const uint32_t *classes; /* [rows] of each row, below `class_count`; NULL: one */
    uint64_t class_count;
};

/* Without classes, the test gets the number of rows that is nearest to what it wants
 * and that a set of groups has, and validation the nearest of the groups that are left.
 * Which groups: the first in random order that make it. With classes, and for folds,
 * groups go from the largest to the smallest to where they reduce the squared deviation
 * of rows and of classes from their shares the most; then up to 200 moves and exchanges
 * reduce it further. A part without rows of a class of which it should have one or more
 * is a lack. d->key decides all ties. RN_E_MEMORY where tables do not fit. */
int divide_groups(struct division *d, const struct groups *g, struct division_lack *out,
                  struct rn_error *e);

#endif
