/* SPDX-License-Identifier: Apache-2.0 */
/* Source text that a backend writes for a compiler. */
#ifndef SHARED_SOURCE_TEXT_H
#define SHARED_SOURCE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <runner/abi.h>

struct source_text {
    char *data; /* owned by who has the struct; NULL: nothing was added */
    size_t length, capacity;
    bool failed; /* no memory: what is added after is lost */
};

__attribute__((format(printf, 2, 3))) void source_text_add(struct source_text *t,
                                                           const char *format, ...);
/* "float", "int64_t", ...: what holds a value of type t. */
const char *source_type(rn_dtype t);

#endif
