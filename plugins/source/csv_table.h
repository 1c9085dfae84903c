/* SPDX-License-Identifier: Apache-2.0 */
/* A text table cut into cells (RFC 4180, and what spreadsheets and pandas write: blanks
 * around cells, a separator behind the last cell, CR alone as a line end, columns
 * without a name). */
#ifndef SOURCE_CSV_TABLE_H
#define SOURCE_CSV_TABLE_H

#include "text_file.h"

struct csv_cell {
    char *text;            /* NUL-ended, unquoted, in the file's bytes */
    uint32_t line, column; /* from 1 */
};

struct csv_table {
    const char *file; /* borrowed */
    char separator;
    struct rn_budget *budget; /* borrowed */
    struct text_file source;
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

/* Read and cut `file`. *t, zeroed but for the first three members, is the caller's to
 * finish, also after an error; errors name line and column. */
int32_t csv_table_read(struct csv_table *t, int header, struct rn_error *e);
void csv_table_finish(struct csv_table *t);
/* Cell of a row of data. */
static inline const struct csv_cell *csv_table_cell(const struct csv_table *t,
                                                    uint64_t row, uint32_t column) {
    return &t->cells[(t->first + row) * t->width + column];
}
/* The column of that name, the first of several, or -1. */
int csv_table_find(const struct csv_table *t, const char *name);

#endif
