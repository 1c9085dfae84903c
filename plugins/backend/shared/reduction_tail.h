/* SPDX-License-Identifier: Apache-2.0 */
/* The reductions at the end of a region, read from its program (runner/backend.h). */
#ifndef SHARED_REDUCTION_TAIL_H
#define SHARED_REDUCTION_TAIL_H

#include <stdbool.h>

#include <runner/backend.h>

enum tail_kind { ENDING_SUM, ENDING_MEAN, ENDING_MAX, ENDING_MIN };

/* The space as a table: results times each elements. rows: element k of result i is
 * i * each + k; columns: k * results + i. */
struct tail_table {
    bool columns;
    int64_t results, each;
};

/* Is node n of p a reduction, and of which kind? */
bool tail_is(const struct rn_node *n, enum tail_kind *kind);
/* False: it is not as backend.h says, neither rows nor columns of the space, or no f32.
 */
bool tail_table_of(const struct rn_program *p, const struct rn_node *n,
                   struct tail_table *t);

#endif
