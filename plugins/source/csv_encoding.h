/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a table, in whatever encoding, as UTF-8. */
#ifndef SOURCE_CSV_ENCODING_H
#define SOURCE_CSV_ENCODING_H

#include "text_file.h"

/* The option `encoding`. auto: UTF-8, or UTF-16 with a byte order mark. */
enum csv_encoding {
    CSV_AUTO,
    CSV_UTF8,
    CSV_UTF16,
    CSV_UTF16_LE,
    CSV_UTF16_BE,
    CSV_LATIN1,
    CSV_CP1252
};
#define CSV_ENCODINGS "auto,utf-8,utf-16,utf-16-le,utf-16-be,latin-1,cp1252"

/* Of a word of CSV_ENCODINGS. */
enum csv_encoding csv_encoding_of(const char *word);
/* Read `file` as text_file_read does; what is not text in that encoding is an error
 * with line and column. *t is the caller's to finish, also after an error. */
int32_t csv_text_read(const char *file, enum csv_encoding encoding, struct text_file *t,
                      struct rn_budget *b, struct rn_error *e);
/* What is not text by its first bytes is refused. */
int32_t csv_text_form(const char *file, const struct text_file *t, struct rn_error *e);
/* Where UTF-8 ends: `end`, or the first byte that is none. */
const uint8_t *csv_utf8_end(const uint8_t *p, const uint8_t *end);
int32_t csv_not_utf8(const char *file, uint32_t line, uint32_t column, uint8_t byte,
                     struct rn_error *e);

#endif
