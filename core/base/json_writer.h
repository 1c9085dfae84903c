/* SPDX-License-Identifier: Apache-2.0 */
/* JSON into a text, piece by piece: the writer sets commas, quotes and escapes, and
 * knows what is open. `{"a": [1, 2]}` on one line, or an element a line where asked
 * for. A wrong order of calls is a bug of the caller and is asserted.
 *
 * Every value has a key inside an object and NULL inside an array or at the top. The
 * text may be taken and emptied by its owner between two calls. */
#ifndef BASE_JSON_WRITER_H
#define BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum { JSON_MAX_OPEN = 256 };

struct json_writer {
    struct text *out;
    unsigned open; /* objects and arrays */
    bool any;      /* the innermost open one has an element */
    uint8_t kinds[JSON_MAX_OPEN];
};

void json_begin(struct json_writer *w, struct text *out);
/* All is closed. */
void json_end(const struct json_writer *w);

void json_object(struct json_writer *w, const char *key);
void json_array(struct json_writer *w, const char *key);
/* The same, with each element on a line. */
void json_object_lines(struct json_writer *w, const char *key);
void json_array_lines(struct json_writer *w, const char *key);
/* Ends the innermost open one. */
void json_close(struct json_writer *w);

/* What is not UTF-8 becomes U+FFFD. NULL: null. */
void json_string(struct json_writer *w, const char *key, const char *s);
void json_bool(struct json_writer *w, const char *key, bool value);
void json_int(struct json_writer *w, const char *key, int64_t value);
void json_uint(struct json_writer *w, const char *key, uint64_t value);
/* The shortest form of 15 to 17 digits that reads back as the same number; null for
 * what is not finite, as JSON has no form for it. */
void json_number(struct json_writer *w, const char *key, double value);
void json_null(struct json_writer *w, const char *key);
/* A value that is JSON already. */
void json_raw(struct json_writer *w, const char *key, const char *json);

#endif
