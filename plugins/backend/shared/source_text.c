/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows, and the names of types in C and CUDA C. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "source_text.h"

void source_text_add(struct source_text *t, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (n < 0 || t->failed) {
        t->failed = true;
        return;
    }
    if (t->length + (size_t)n + 1 > t->capacity) {
        size_t capacity = 2 * t->capacity + (size_t)n + 4096;
        char *grown = realloc(t->data, capacity);
        if (!grown) {
            t->failed = true;
            return;
        }
        t->data = grown;
        t->capacity = capacity;
    }
    va_start(list, format);
    vsnprintf(t->data + t->length, (size_t)n + 1, format, list);
    va_end(list);
    t->length += (size_t)n;
}

const char *source_type(rn_dtype t) {
    switch (t) {
    case RN_F32:
        return "float";
    case RN_F64:
        return "double";
    case RN_I64:
        return "int64_t";
    case RN_I32:
        return "int32_t";
    case RN_U32:
        return "uint32_t";
    case RN_I8:
        return "int8_t";
    case RN_BF16:
    case RN_F16:
        return "uint16_t";
    default:
        return "uint8_t";
    }
}
