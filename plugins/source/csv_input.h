/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a table as UTF-8, a window of it at a time. A plain file is read piece by
 * piece; what is packed, in an archive or in another encoding is unpacked as a whole.
 */
#ifndef SOURCE_CSV_INPUT_H
#define SOURCE_CSV_INPUT_H

#include "csv_encoding.h"

struct csv_input {
    const char *file;         /* borrowed */
    struct rn_budget *budget; /* borrowed */
    struct text_file whole;   /* text NULL: read by pieces */
    int fd;                   /* -1: none */
    uint64_t next, last;      /* bytes of fd that are not read yet */
    uint64_t first;           /* where the text begins in fd, behind a mark */
    char *memory;             /* [room], owned: of the window */
    uint64_t room;
    char *text, *end; /* the window; *end is NUL */
    char *checked;    /* UTF-8 up to here */
    int all;          /* 1: the window reaches the end of the text */
};

/* *in is the caller's to finish, also after an error. The window is empty but for text
 * that is whole. */
int32_t csv_input_open(struct csv_input *in, const char *file,
                       enum csv_encoding encoding, struct rn_budget *b,
                       struct rn_error *e);
void csv_input_finish(struct csv_input *in);
/* More text behind the window, which begins at `keep` from now on; bytes may move: the
 * window's first byte is in->text. What is not UTF-8 is an error with line and column.
 */
int32_t csv_input_more(struct csv_input *in, const char *keep, struct rn_error *e);

#endif
