/* SPDX-License-Identifier: Apache-2.0 */
/* Rows with equal inputs. */
#ifndef CHECK_EQUAL_H
#define CHECK_EQUAL_H

#include "check/profile.h"

struct keyed_row {
    struct hash128 h;
    uint32_t row;
};

static inline bool equal_row(const struct keyed_row *a, const struct keyed_row *b) {
    return a->h.a == b->h.a && a->h.b == b->h.b;
}

/* All rows (labelled: those with a class) by the hash of their inputs, those of one
 * hash in rising order: [*n], freed with memory_release. NULL: no memory, or no inputs.
 */
struct keyed_row *equal_rows(const struct profile *p, bool labelled, uint64_t *n);

#endif
