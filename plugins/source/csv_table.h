/* SPDX-License-Identifier: Apache-2.0 */
/* A text table, in one file or several, cut into cells (RFC 4180, and what spreadsheets
 * and pandas write: blanks around cells, a separator behind the last cell, CR alone as
 * a line end, columns without a name). */
#ifndef SOURCE_CSV_TABLE_H
#define SOURCE_CSV_TABLE_H

#include "csv_encoding.h"

struct csv_cell {
    char *text;            /* NUL-ended, unquoted, in the file's bytes */
    uint32_t line, column; /* from 1 */
};

/* One of the files. */
struct csv_part {
    const char *file; /* borrowed */
    struct text_file source;
    uint64_t rows_end; /* rows of data of this file and those before it */
};

struct csv_table {
    char separator, comment; /* comment: 0 = none */
    enum csv_encoding encoding;
    uint8_t stops[256];       /* 1: bytes that may end a cell without quotes */
    struct rn_budget *budget; /* borrowed */
    struct csv_part *parts;   /* [part_count], owned */
    uint32_t part_count;
    struct csv_cell *cells; /* [rows + header, width] */
    uint64_t cell_count, cell_capacity;
    uint32_t width;
    uint64_t first, count; /* first row of data among the rows; rows of data */
    const char **names;    /* [width]; a column without a name is called c1, c2, ... */
    uint8_t *unnamed;      /* [width] 1: it has no name, or no header and no cell */
    char (*numbered)[16];  /* the names that are not text of the file */
    uint32_t *twin;        /* [width] 1 + another column of the same name, or 0 */
    uint32_t *slots;       /* names by hash: 1 + column, or 0 */
    uint32_t slot_mask;
};

/* Read and cut the files. Those behind the first have its columns, with a header in any
 * order. *t, zeroed but for the members before `parts`, is the caller's to finish, also
 * after an error; errors name file, line and column. */
int32_t csv_table_read(struct csv_table *t, const char *const *files, uint32_t count,
                       int header, struct rn_error *e);
void csv_table_finish(struct csv_table *t);
/* Cell of a row of data. */
static inline const struct csv_cell *csv_table_cell(const struct csv_table *t,
                                                    uint64_t row, uint32_t column) {
    return &t->cells[(t->first + row) * t->width + column];
}
/* The file of a row of data. */
const char *csv_table_file(const struct csv_table *t, uint64_t row);
/* The column of that name, the first of several, or -1. */
int csv_table_find(const struct csv_table *t, const char *name);

#endif
