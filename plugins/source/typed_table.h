/* SPDX-License-Identifier: Apache-2.0 */
/* Tables whose values have types of their own (a database, a Parquet file), held in
 * memory: which columns are what, by the options target, target_type, features and
 * fields; the fields that follow; rows. Used in this order: columns and their names ->
 * typed_table_roles -> typed_see_* for each value -> typed_table_settle -> typed_put_*
 * for each value -> typed_table_info, typed_table_read. */
#ifndef SOURCE_TYPED_TABLE_H
#define SOURCE_TYPED_TABLE_H

#include <runner/sdk/source.h>

struct typed_column {
    const char *name; /* borrowed until typed_table_finish */
    char role;        /* 'x', 't' the target, 'o' a field of its own, 0 not read */
    uint8_t integers, reals, texts; /* 1: some row has one */
    const char *other;              /* what else it holds, which is not read; or NULL */
    uint64_t nulls, longest;
    uint64_t text_row; /* 1 + the first row with text */
    char type;         /* 'i', 'f', 't' */
    uint32_t at;       /* in x */
    void *rows;        /* of a field of its own: [count] */
    const struct rn_field *field;
};

struct typed_table {
    struct rn_host *host;
    const char *file;   /* host, until destroy */
    const char *option; /* that names what gives the columns ("query", "file") */
    int predict;
    struct rn_budget budget;
    uint32_t width;
    struct typed_column *columns; /* [width] */
    uint64_t count;
    uint32_t features, field_count;
    double *x; /* [count, features] */
    struct rn_field *fields;
    struct typed_column **own; /* of each field; NULL: x */
    char *layout;
    const char **layouts;
};

/* width columns, without names. */
int32_t typed_table_begin(struct typed_table *t, uint32_t width, struct rn_error *e);
void typed_table_finish(struct typed_table *t);
int32_t typed_table_roles(struct typed_table *t, struct rn_error *e);
void typed_see_null(struct typed_column *c);
void typed_see_number(struct typed_column *c, int whole);
void typed_see_text(struct typed_column *c, uint64_t bytes, uint64_t row);
/* With count known: types, fields and memory. */
int32_t typed_table_settle(struct typed_table *t, struct rn_error *e);
void typed_put_null(struct typed_table *t, struct typed_column *c, uint64_t row);
void typed_put_integer(struct typed_table *t, struct typed_column *c, uint64_t row,
                       int64_t v);
void typed_put_real(struct typed_table *t, struct typed_column *c, uint64_t row,
                    double v);
void typed_put_text(struct typed_column *c, uint64_t row, const void *text,
                    uint64_t bytes);
void typed_table_info(const struct typed_table *t, struct rn_source_info *out);
int32_t typed_table_read(const struct typed_table *t, const struct rn_source_call *call,
                         struct rn_error *e);

#define TYPED_TABLE_OUT                                                                \
    RN_OUT("x f64 [N,F] ; optional | the feature columns, in their order")             \
    RN_OUT("* any [N,...] | the target and each column of `fields`, by its name")

#define TYPED_TABLE_OPTIONS                                                            \
    RN_OPTION("target string | the column to learn, a field of its own")               \
    RN_OPTION("target_type choice(auto,float) = auto | float: a number even where "    \
              "every target is an integer")                                            \
    RN_OPTION("features list(string) | the columns of x; default: all that are not "   \
              "named elsewhere")                                                       \
    RN_OPTION("fields list(string) | further columns, each a field of its own: "       \
              "integers, numbers or text; a pattern (`*`, `?`) stands for all "        \
              "that are not named elsewhere")

#endif
