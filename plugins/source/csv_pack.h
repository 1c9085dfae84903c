/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of a table, read in one pass and kept small: a column of a segment of
 * rows is kept as whole numbers m of as few bytes as hold them, each cell being m /
 * 10^k. Both are exact as f64, so that the quotient is the decimal number, rounded
 * once. Rows are contiguous. What is not such a decimal is an f64. */
#ifndef SOURCE_CSV_PACK_H
#define SOURCE_CSV_PACK_H

#include <runner/sdk/missing.h>

#include "csv_number.h"
#include "csv_table.h"

/* What the cells of a column are. */
struct csv_content {
    uint8_t text;     /* 1: one is neither a number nor missing */
    uint8_t fraction; /* 1: a number is not an integer of 64 bits */
    uint8_t filled;   /* 1: one has text */
    uint8_t inexact;  /* 1: integers that f64 rounds were kept as f64 */
    uint64_t words;   /* cells that are missing, whatever the type */
    uint64_t missing; /* numbers that mean missing */
    uint64_t empty;   /* 1 + the first empty cell that is not missing, or 0 */
    uint64_t longest; /* bytes of a cell */
};

/* Where the columns of a segment's rows are. */
struct csv_place {
    uint32_t at;  /* byte of the row */
    uint8_t size; /* bytes; 0: every cell is missing */
    uint8_t k;    /* CSV_F64, or decimals */
};
#define CSV_F64 255u

struct csv_segment {
    uint8_t *bytes; /* [rows, stride + 8] */
    uint32_t stride;
    uint32_t layout; /* index */
};

struct csv_pack {
    struct csv_table *table; /* borrowed, as are the others */
    const struct csv_number *number;
    const struct rn_missing *missing;
    struct rn_budget *budget;
    struct csv_content *columns; /* [width] */
    int log2_rows;               /* of a segment */
    uint64_t rows;
    struct csv_segment *segments; /* [segment_count] */
    uint32_t segment_count, segment_capacity;
    struct csv_place *layouts; /* [layout_count, width] */
    uint32_t layout_count, layout_capacity;
    /* Of the segment that is being read. */
    int64_t *m;    /* [rows, width + 1] */
    uint8_t *code; /* [rows, width + 1] */
    uint32_t held; /* rows */
    int marked;    /* a word for a missing value begins like a number, or is one */
};

/* Read all rows. *p, zeroed but for what is borrowed, is the caller's to finish, also
 * after an error. */
int32_t csv_pack_read(struct csv_pack *p, struct rn_error *e);
void csv_pack_finish(struct csv_pack *p);
/* Cells of a column of numbers, from row `first` on; NaN where missing. */
void csv_pack_numbers(const struct csv_pack *p, uint32_t column, uint64_t first,
                      uint64_t n, double *out);
/* The same of integers; RN_MISSING_I64 where missing. */
void csv_pack_integers(const struct csv_pack *p, uint32_t column, uint64_t first,
                       uint64_t n, int64_t *out);

/* n zeroed items within the budget; NULL with an error. */
void *csv_pack_room(const struct csv_pack *p, uint64_t n, uint64_t item,
                    struct rn_error *e);

#endif
