/* SPDX-License-Identifier: Apache-2.0 */
/* Some things take one of a few forms each; prices depend on the forms of a few things
 * each; the forms whose prices have the least sum. Knows nothing of graphs. */
#ifndef PLAN_CHOOSE_H
#define PLAN_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"

#define CHOOSE_NEVER ((uint64_t)1 << 50) /* a price that is not to be paid */

struct choose_price {
    uint32_t count; /* of things that it depends on */
    const uint32_t *of;
    const uint64_t *table; /* by their forms, the last thing's run fastest */
};

struct choose {
    uint32_t count;       /* things */
    uint32_t own;         /* of them, from the first: later ones only follow these */
    const uint8_t *forms; /* by thing: how many, at least 1 */
    uint32_t price_count;
    const struct choose_price *prices; /* at most one follower in each */
    /* What the exact way may take: entries of a table, and of all tables, once for each
     * case of the things that had to be fixed to keep them small. 0: the usual. */
    uint64_t entries, work;
};

struct choose_answer {
    uint8_t *form;     /* by thing */
    uint64_t price;    /* the sum */
    uint64_t improved; /* what thing after thing, each to its best, arrives at */
    bool exact;        /* nothing is cheaper; else it is what improving gave */
};

/* The same question always has the same answer. It lives in a. */
struct choose_answer choose(const struct choose *c, struct arena *a);

#endif
