/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of a table as fields: what their cells hold, and reading them. */
#ifndef SOURCE_CSV_COLUMNS_H
#define SOURCE_CSV_COLUMNS_H

#include <glob.h>

#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/sdk/missing.h>

#include "csv_plan.h"

/* A column that is a field: its cells as i64, f64 or text. */
struct csv_column {
    uint32_t at;         /* column of the file */
    char type;           /* 'i', 'f', 't', 'd', 'b', or 'v': text of variable size */
    int required, again; /* again: its cells are read in a second walk */
    void *rows;
    uint64_t *ends; /* [count + 1] of cells of variable size: where in rows, or NULL */
    uint64_t room;  /* bytes of rows, of variable size */
    uint64_t empty; /* of text: 1 + a row whose cell may not be empty, or 0 */
    uint64_t bad;   /* cells */
};

struct csv {
    struct rn_host *host;
    const char *file;                    /* host, until destroy; may be a pattern */
    glob_t found;                        /* the files */
    int predict;                         /* labels may be missing */
    const struct rn_known_fields *known; /* host, until create returns; or NULL */
    struct rn_budget budget;
    struct csv_table table;
    struct csv_pack pack; /* the numbers */
    struct csv_plan plan; /* of the features */
    struct csv_number number;
    struct rn_missing missing;
    uint8_t *types; /* [width] as `fields` declares it, or 0; gone after create */
    uint64_t count;
    uint32_t features; /* columns of x */
    uint32_t *order;   /* [features] columns of the file, as x has them */
    uint32_t *from; /* [width] the cell of a column in the present row; gone likewise */
    struct csv_column *columns;
    struct rn_field *fields; /* x first, when there are features */
    char *layout;            /* names of the features, with commas */
    const char **layouts;    /* [field_count], layout and NULLs */
    uint32_t field_count, column_count;
    uint32_t bad;
    struct rn_error *e; /* of create: gets the first bad cell */
};

/* What a column without a type of its own holds. */
struct csv_guess {
    char type;         /* 'i', 'f' or 't' */
    int nothing;       /* every cell is missing */
    uint64_t missing;  /* cells, as that type reads them */
    uint64_t words;    /* cells that are missing, whatever the type */
    uint64_t bad_text; /* text: 1 + the first empty cell that is not missing, or 0 */
};

/* A cell of a row of data, for an error. */
struct csv_at {
    uint64_t row;
    uint32_t column;
    struct csv_piece piece;
};

/* n zeroed items within the budget; NULL with an error. */
void *csv_reserve(struct csv *s, uint64_t n, uint64_t item, struct rn_error *e);
/* The status of the error after NULL. */
int32_t csv_no_room(const struct rn_error *e);
/* One bad cell: the first is the call's error; of several, the first ten are reported.
 */
__attribute__((format(printf, 3, 4))) void
csv_bad_cell(struct csv *s, const struct csv_at *at, const char *format, ...);
struct csv_guess csv_guess(const struct csv *s, uint32_t column);
/* A cell as f64; NaN and the flag where it is missing. 0: it is not a number. */
int csv_number_read(const struct csv *s, const char *text, struct rn_field *f,
                    double *to);
/* The next field, to be filled: text of any length. */
int32_t csv_cells_read(struct csv *s, struct rn_error *e, uint32_t column);
/* The next field, filled if its numbers are known. type: 'a' guess, 'i', 'f', 't', 'd'
 * days of a date, 'b' truth as 0 or
 * 1. required: a missing cell is bad. */
int32_t csv_column_read(struct csv *s, uint32_t column, char type, int required,
                        struct rn_error *e);
/* Fill the fields that need the text of their cells; bad cells are reported. */
int32_t csv_columns_fill(struct csv *s, struct rn_error *e);
/* Report the cells of x that are not numbers. */
int32_t csv_report_x(struct csv *s, struct rn_error *e);

#endif
