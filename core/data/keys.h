/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that rows are divided by, read from raw columns of the main source: classes,
 * identities (which rows are equal), times. */
#ifndef DATA_KEYS_H
#define DATA_KEYS_H

#include "data/internal.h"

/* The raw column that option `option` of data.split names. */
int keys_column(struct data *data, const char *option, const char *name, uint32_t *out,
                struct rn_error *e);

/* Called for each chunk of rows: r has the columns of n rows from row `first`. */
typedef int (*keys_fn)(void *context, const struct reader *r, uint64_t first,
                       uint64_t n, struct rn_error *e);
/* Some raw columns of the rows of the main source that are divided; rows here and below
 * are counted among those (pool_row). */
int keys_rows(struct data *data, const uint32_t *columns, uint32_t count, keys_fn fn,
              void *context, struct rn_error *e);

/* Element `at`; NaN: missing. */
double keys_number_at(const void *values, rn_dtype dtype, uint64_t at);

/* ---- classes: values of one column, or intervals of them */

#define KEYS_BINS 10 /* of a float field, where the option `bins` is absent */

struct classes {
    uint32_t column;
    uint64_t count;
    uint32_t *of;       /* [rows of the main source] below `count` */
    uint64_t *rows;     /* [count] */
    uint8_t *values;    /* [count][bytes]: one of each class, in memcmp order */
    double (*range)[2]; /* [count] of intervals: smallest and largest value, NaN where
                         * values are missing; else NULL, and a class is a value */
};

/* bins: intervals with equally many rows, as far as equal values allow, which are in
 * one; 0: none, but KEYS_BINS of a float field. A column of no more values than
 * intervals has its values as classes. Missing values are a class. */
int keys_classes(struct data *data, uint32_t column, uint64_t bins, struct classes *out,
                 struct rn_error *e);
void classes_finish(struct classes *c);
/* "3", "Iris-setosa", "1.5 to 20", "(missing)". */
void classes_name(const struct data *data, const struct classes *c, uint64_t i,
                  struct text *out);

/* ---- identities */

struct identity {
    uint64_t h[2];
};

/* Of each row: a keyed hash of 128 bits over the values of some columns. Equal numbers
 * are equal in every type (3 and 3.0, 0 and -0.0); text counts without the zeros that
 * pad it; missing numbers are equal to each other. option: a column of single values
 * may miss none, else RN_E_DATA with row; NULL: it may. */
int keys_identities(struct data *data, const char *option, const uint32_t *columns,
                    uint32_t count, uint64_t seed, struct identity *out,
                    struct rn_error *e);
/* Numbers from 0 in the order of first rows; how many. of: [n] */
uint64_t keys_number(const struct identity *ids, uint64_t n, uint32_t *of);

/* ---- times: times.c */

/* Of each row: a number, or a date of ISO 8601 as nanoseconds from 1970. unit: what an
 * amount of 1 of the field is: 1, or a day of nanoseconds. RN_E_DATA with row and
 * text. */
int keys_times(struct data *data, uint32_t column, long double *out, long double *unit,
               struct rn_error *e);
/* YYYY-MM-DD, or with Thh:mm, :ss, .fraction and Z or an offset; n bytes. */
bool date_read(const char *s, uint64_t n, long double *out);

/* The error for a missing value of a row of the main source. */
int keys_missing(struct data *data, const char *option, uint32_t column, uint64_t row,
                 uint64_t count, struct rn_error *e);

#endif
