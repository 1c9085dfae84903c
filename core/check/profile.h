/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of an experiment hold, column by column, before any transform.
 *
 * A column is one number or one text of a row: a scalar field, an element of a field of
 * one axis (the columns of a table), the length of a cell of variable size, or, for
 * images and other fields of many elements (TENSOR), all elements together. Rows are
 * counted through the splits: those of train first, then val, then test, each in the
 * order of its file.
 *
 * Columns are read in groups that fit the budget, and measured one by one with all of
 * their values in memory, so that every number is exact; which thread measures a column
 * does not change it. */
#ifndef CHECK_PROFILE_H
#define CHECK_PROFILE_H

#include "base/hash.h"
#include "check/roles.h"
#include "check/statistics.h"
#include "data/data.h"

#define PROFILE_ALL     DATA_SPLITS /* index of all splits together */
#define PROFILE_TOPS    8u
#define PROFILE_BARS    8u
#define PROFILE_CLASSES 64u /* that relations to a target are computed for */
#define PROFILE_VECTOR                                                                 \
    4096u /* elements of a field that become columns of their own                      \
           */

enum column_kind { COLUMN_NUMBER, COLUMN_TEXT, COLUMN_LENGTH, COLUMN_TENSOR };

/* Counts are of rows (of a TENSOR: of elements). Infinite numbers are no part of min,
 * max and moments. Of text: codes of categories; only rows and missing count. */
struct summary {
    uint64_t rows, missing, infinite, zeros, negative, whole;
    double min, max; /* NaN without a finite number */
    struct moments m;
};

struct top_value {
    double value;     /* or the code */
    const char *text; /* of text, else NULL */
    uint64_t count;
};

/* A category of a text column, by its code (order of first occurrence). */
struct category {
    const char *text; /* "" where there are more than PROFILE_TEXTS */
    uint64_t rows[DATA_SPLITS];
    uint64_t first; /* row, counted through the splits */
};
#define PROFILE_TEXTS 65536u

/* Between two splits, train first. */
struct shift {
    double ks, ks_p;   /* Kolmogorov-Smirnov; numbers */
    double psi, psi_p; /* deciles of train, or categories */
    double v, v_p;     /* Cramer's V of split and category; text */
    double missing_p;  /* of two shares */
    uint64_t unseen;   /* rows of a category that train does not have */
    double expected;   /* of them: rows times the share of singletons in train */
    uint64_t unseen_row;
    const char *unseen_text;
};

/* Alone, against the target: of a rule fitted on each half of the training rows, scored
 * on the other. */
struct relation {
    bool known;
    double score;                    /* mean one-vs-rest AUC, or R2 */
    double low;                      /* lower end of its 95 % interval */
    double missing_score, missing_p; /* of being empty or not */
};

struct profile_column {
    const char *name; /* "age", "x[3]": unique */
    const char *field;
    uint32_t raw;
    uint64_t element;
    rn_dtype dtype;
    enum column_kind kind;
    bool input, target;
    struct summary of[DATA_SPLITS + 1];
    double p01, p05, p25, p50, p75, p95, p99, mad; /* of all rows; NaN */
    uint64_t distinct;                             /* 0 of a TENSOR */
    uint64_t once;                      /* values that one training row has */
    struct top_value top[PROFILE_TOPS]; /* the most frequent, smaller value first */
    uint32_t top_count;
    uint64_t low_mass, high_mass; /* rows at min, at max */
    uint64_t far;                 /* robust z above 6 */
    double inner_low, inner_high; /* next to min and max: the second values */
    uint8_t bars[PROFILE_BARS];   /* 0..8, p1 to p99 in equal parts */
    double collision;             /* estimate of P(two rows are equal) */
    double rising; /* share of neighbours in the file's order that do not fall */
    double neighbours, neighbours_z; /* von Neumann's ratio, and its z */
    struct shift shift[DATA_SPLITS];
    struct relation relation;
    struct hash128 content;
    uint64_t example[DATA_SPLITS + 1]; /* a row with what is missing or infinite, + 1 */
    uint32_t category_count;
    struct category *categories; /* [category_count] of text */
};

enum target_kind { TARGET_NONE, TARGET_CLASSES, TARGET_NUMBER };

struct profile {
    struct arena *arena;
    const struct data *data;
    struct roles roles;
    uint64_t rows, of[DATA_SPLITS], begin[DATA_SPLITS];
    uint32_t count;
    struct profile_column *columns;
    int target; /* column, or -1 */
    enum target_kind target_kind;
    uint32_t classes; /* of TARGET_CLASSES */
    const char **class_names;
    uint64_t *class_rows;   /* [classes][DATA_SPLITS] */
    int32_t *class_of;      /* [rows]: -1 missing; NULL without classes */
    double *y;              /* [rows] the target's values or codes; NULL: none */
    struct hash128 *inputs; /* [rows] of the input fields; NULL: there are none */
    uint32_t *file_order;   /* [rows] rows in the order of the file */
    uint64_t memory;        /* most bytes that were held for columns at a time */
    double *correlation;    /* [numbers][numbers]; NULL: not computed */
    uint32_t *numbers;      /* columns that it is of */
    uint32_t number_count;
};

struct profile_options {
    uint64_t budget;  /* bytes for the values of columns; 0: 128 MiB */
    uint32_t threads; /* 0: one for each processor */
};

/* NULL with *e: an error of the data, of memory, or RN_E_CANCELLED. */
struct profile *profile_make(const struct data *data, const struct roles *roles,
                             const struct profile_options *o, struct rn_error *e);
void profile_destroy(struct profile *p); /* NULL is fine */

/* The split of a row, and the row of its file, from 1. */
enum data_split_kind profile_split(const struct profile *p, uint64_t row);
uint64_t profile_file_row(const struct profile *p, uint64_t row);
/* An element of a raw field as a number; NAN where it is missing. */
double profile_number(const char *at, rn_dtype dtype);
const struct profile_column *profile_find(const struct profile *p, const char *name);

/* ---- inside the room ---- */
/* measure.c: all that is known of a column's values x, [rows], NaN where missing. */
void column_measure(const struct profile *p, struct profile_column *c, const double *x);

#endif
