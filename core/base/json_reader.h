/* SPDX-License-Identifier: Apache-2.0 */
/* JSON from outside (RFC 8259, UTF-8), read whole into a tree, within bounds. Refused,
 * with the line and the column: anything outside the grammar (comments, trailing
 * commas, NaN), keys that occur twice in an object, invalid UTF-8, half surrogates, the
 * character U+0000, integers outside of 64 bits with a sign, numbers outside of a
 * double, and what is larger or deeper than the limits. */
#ifndef BASE_JSON_READER_H
#define BASE_JSON_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"

enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_INTEGER, /* no fraction, no exponent: exact */
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json {
    enum json_kind kind;
    unsigned line, column; /* of it, or of its key; from 1; columns are characters */
    const char *key;       /* in an object; else NULL */
    union {
        bool truth;
        int64_t integer;
        double number;
        const char *string; /* UTF-8, NUL-ended */
    } u;
    uint32_t count;           /* elements of an array or object */
    const struct json *items; /* in the order of the text */
};

struct json_limits { /* 0: as json_limits_default has it */
    size_t bytes;    /* of the text */
    size_t string;   /* bytes of a string or key */
    uint32_t values; /* all of them */
    uint32_t depth;  /* of arrays and objects in each other, at most 256 */
};
extern const struct json_limits json_limits_default;

/* text: n bytes, no NUL needed; may go away afterwards. name: what errors call it. The
 * tree lives in a. limits may be NULL. RN_E_DATA and e when it is refused. */
int json_read(const char *name, const char *text, size_t n,
              const struct json_limits *limits, struct arena *a,
              const struct json **out, struct rn_error *e);
/* The member of an object; NULL when it has none, or is not an object. */
const struct json *json_find(const struct json *object, const char *key);
/* An integer or a number as a double; false for anything else. */
bool json_as_double(const struct json *v, double *out);

#endif
