/* SPDX-License-Identifier: Apache-2.0 */
/* Reading rows of numbers out of a pack. */
#ifndef SOURCE_CSV_PLAN_H
#define SOURCE_CSV_PLAN_H

#include "csv_pack.h"

/* Some columns of all layouts, made for reading rows: of 8 bytes at `at`, `mask` are
 * the cell's, with its sign bit turned so that they count from its least number up. */
struct csv_plan;
typedef void (*csv_row_of)(const struct csv_plan *plan, size_t k, const uint8_t *bytes,
                           double *out);

struct csv_plan {
    csv_row_of row;          /* for this processor */
    const uint32_t *columns; /* [n], borrowed */
    uint32_t n, lanes;       /* lanes: n, up to a multiple of 8 */
    uint32_t *at;            /* [layouts, lanes] byte of the row */
    uint64_t *mask, *turn;   /* [layouts, lanes] */
    double *least, *power;   /* [layouts, lanes] 2^52 + what was added; 10^k */
    uint8_t *kind;           /* [layouts, lanes] */
    uint8_t *plain;          /* [layouts] 1: all are decimals of few bytes */
};

int32_t csv_plan_make(struct csv_plan *plan, const struct csv_pack *p,
                      const uint32_t *columns, uint32_t n, struct rn_error *e);
void csv_plan_finish(struct csv_plan *plan);
/* One row of the plan's columns. */
void csv_plan_row(const struct csv_plan *plan, const struct csv_pack *p, uint64_t row,
                  double *out);

#endif
