/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a file, one after the other, cut into cells (RFC 4180, and what
 * spreadsheets and pandas write: blanks around cells, a separator behind the last cell,
 * CR alone as a line end). */
#ifndef SOURCE_CSV_ROWS_H
#define SOURCE_CSV_ROWS_H

#include "csv_input.h"

struct csv_dialect {
    char separator, comment; /* comment: 0 = none */
    uint8_t stops[256];      /* 1: bytes that may end a cell without quotes */
};

struct csv_piece {
    size_t at, n;          /* of the row's texts, where a NUL follows */
    uint32_t line, column; /* from 1; column 0: behind a line end in quotes */
};

struct csv_rows {
    const struct csv_dialect *dialect; /* borrowed */
    struct csv_input in;
    char *p, *row; /* in the window: where the scan is, where the row begins */
    uint32_t line, row_line;
    uint32_t width; /* cells of the file's first row */
    int spare;      /* the first row is a header whose last cell is empty */
    char *texts;    /* [room], owned: the cells of the row, unquoted, NUL-ended */
    size_t used, room;
    struct csv_piece *cells; /* [capacity], owned */
    uint32_t count, capacity;
};

/* *r is the caller's to finish, also after an error. */
int32_t csv_rows_open(struct csv_rows *r, const char *file, enum csv_encoding encoding,
                      const struct csv_dialect *d, struct rn_budget *b,
                      struct rn_error *e);
void csv_rows_finish(struct csv_rows *r);

/* To the next row, over blank lines and comments. *there: there is one. */
int32_t csv_rows_begin(struct csv_rows *r, int *there, struct rn_error *e);
/* The row's next cell into *cell and behind the other texts; *more: one follows. */
int32_t csv_rows_cell(struct csv_rows *r, struct csv_piece *cell, int *more,
                      struct rn_error *e);
/* Behind a cell that has been read up to its end, p. */
int32_t csv_rows_behind(struct csv_rows *r, int *more, struct rn_error *e);
/* The row has had `cells` cells, the last one empty or not. *short_by: 1 where the last
 * one of the width is left out, which is then empty. */
int32_t csv_rows_settle(struct csv_rows *r, uint32_t cells, int empty, int *short_by,
                        struct rn_error *e);
/* The whole row into r->cells, count of them. */
int32_t csv_rows_row(struct csv_rows *r, struct rn_error *e);

static inline const char *csv_rows_text(const struct csv_rows *r,
                                        const struct csv_piece *cell) {
    return r->texts + cell->at;
}

#endif
