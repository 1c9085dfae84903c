/* SPDX-License-Identifier: Apache-2.0 */
/* A text table, in one file or several: its columns by name, and walks over its rows.
 */
#ifndef SOURCE_CSV_TABLE_H
#define SOURCE_CSV_TABLE_H

#include "csv_rows.h"

struct csv_cell {
    char *text;            /* owned; NUL-ended, unquoted */
    uint32_t line, column; /* from 1 */
};

/* One of the files. */
struct csv_part {
    const char *file;  /* borrowed */
    uint64_t rows_end; /* rows of data of this file and those before it */
};

struct csv_table {
    struct csv_dialect dialect; /* separator and comment */
    enum csv_encoding encoding;
    int has_header;
    struct rn_budget *budget; /* borrowed */
    struct csv_part *parts;   /* [part_count], owned */
    uint32_t part_count;
    uint32_t width;
    struct csv_cell *header; /* [width] the first file's first row */
    uint32_t *to;            /* [width] the column of a cell of the file of a walk */
    uint64_t count;          /* rows of data */
    const char **names;   /* [width]; a column without a name is called c1, c2, ... */
    uint8_t *unnamed;     /* [width] 1: it has no name, or no header and no cell */
    char (*numbered)[16]; /* the names that are not text of the file */
    uint32_t *twin;       /* [width] 1 + another column of the same name, or 0 */
    uint32_t *slots;      /* names by hash: 1 + column, or 0 */
    uint32_t slot_mask;
};

/* A row of data that begins at r; it has to be read to its end. */
typedef int32_t csv_row_fn(void *context, struct csv_rows *r, uint64_t row,
                           struct rn_error *e);

/* *t, zeroed but for the members before `parts`, is the caller's to finish, also after
 * an error. files: borrowed. */
int32_t csv_table_open(struct csv_table *t, const char *const *files, uint32_t count,
                       struct rn_error *e);
void csv_table_finish(struct csv_table *t);
/* All rows of all files, in order; width and header are known to the first call of fn.
 * Files behind the first have its columns, with a header in any order. Errors name
 * file, line and column. */
int32_t csv_table_walk(struct csv_table *t, csv_row_fn *fn, void *context,
                       struct rn_error *e);
/* After the first walk: names and count. last_is_empty: no cell of the last column has
 * text. */
int32_t csv_table_name(struct csv_table *t, int last_is_empty, struct rn_error *e);
/* The file of a row of data. */
const char *csv_table_file(const struct csv_table *t, uint64_t row);
/* The column of that name, the first of several, or -1. */
int csv_table_find(const struct csv_table *t, const char *name);

/* Every cell, for a table that is short. */
struct csv_cells {
    struct csv_cell *at; /* [rows, width], owned */
    uint64_t count;
};

/* *t as of csv_table_open, and *all, zeroed, are the caller's to finish, also after an
 * error. */
int32_t csv_cells_collect(struct csv_cells *all, struct csv_table *t, const char *file,
                          int header, struct rn_error *e);
void csv_cells_finish(struct csv_cells *all);

#endif
