/* SPDX-License-Identifier: Apache-2.0 */
/* A growing string. Zero-initialised is empty; finish with text_finish. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

struct text {
    char *s; /* NUL-ended once anything was added; NULL before */
    size_t length, capacity;
};

/* Room for this many bytes, its pages there: adding up to them allocates nothing. */
void text_reserve(struct text *t, size_t bytes);
void text_add(struct text *t, const char *s);
void text_add_n(struct text *t, const char *s, size_t n);
__attribute__((format(printf, 2, 3))) void text_addf(struct text *t, const char *format,
                                                     ...);
/* A measured number to so many digits; "n/a" for NaN: it is not defined. */
void text_add_measure(struct text *t, double value, int digits);
/* Empty again; its memory stays. */
void text_clear(struct text *t);
/* Bytes of the UTF-8 character (RFC 3629) at s, of which n bytes may be read; 0: there
 * is none. Reads nothing behind a NUL. */
size_t text_character(const char *s, size_t n);
void text_finish(struct text *t);
/* The string, "" when empty. */
const char *text_get(const struct text *t);

#endif
