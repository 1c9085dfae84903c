/* SPDX-License-Identifier: Apache-2.0 */
/* The growing string. */
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

void text_reserve(struct text *t, size_t bytes) {
    if (bytes + 1 > t->capacity) {
        t->s = memory_grow(t->s, bytes + 1);
        t->capacity = bytes + 1;
    }
    memset(t->s + t->length, 0, t->capacity - t->length);
}

void text_add_n(struct text *t, const char *s, size_t n) {
    if (t->length + n + 1 > t->capacity) {
        size_t capacity = t->capacity ? t->capacity * 2 : 64;
        while (capacity < t->length + n + 1)
            capacity *= 2;
        t->s = memory_grow(t->s, capacity);
        t->capacity = capacity;
    }
    memcpy(t->s + t->length, s, n);
    t->length += n;
    t->s[t->length] = '\0';
}

void text_add(struct text *t, const char *s) {
    text_add_n(t, s, strlen(s));
}

void text_addf(struct text *t, const char *format, ...) {
    char small[256];
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, format, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof small) {
        text_add_n(t, small, (size_t)n);
    } else if (n >= 0) {
        char *big = memory_get((size_t)n + 1);
        vsnprintf(big, (size_t)n + 1, format, again);
        text_add_n(t, big, (size_t)n);
        memory_release(big);
    }
    va_end(again);
}

void text_add_measure(struct text *t, double value, int digits) {
    if (isnan(value))
        text_add(t, "n/a");
    else
        text_addf(t, "%.*g", digits, value);
}

size_t text_character(const char *s, size_t n) {
    const unsigned char *u = (const unsigned char *)s;
    if (!n || u[0] < 0x80)
        return n != 0;
    size_t length = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    if (u[0] < 0xc2 || u[0] > 0xf4 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((u[i] & 0xc0u) != 0x80u)
            return 0;
    bool overlong = (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90);
    bool surrogate = u[0] == 0xed && u[1] > 0x9f, above = u[0] == 0xf4 && u[1] > 0x8f;
    return overlong || surrogate || above ? 0 : length;
}

void text_clear(struct text *t) {
    t->length = 0;
    if (t->s)
        t->s[0] = '\0';
}

void text_finish(struct text *t) {
    memory_release(t->s);
    memset(t, 0, sizeof *t);
}

const char *text_get(const struct text *t) {
    return t->s ? t->s : "";
}
