/* SPDX-License-Identifier: Apache-2.0 */
/* Code points of UTF-8. */
#ifndef SOURCE_UTF8_H
#define SOURCE_UTF8_H

#include <stdint.h>

#define UTF8_BAD   UINT32_MAX
#define UTF8_COUNT 0x110000u /* code points */

/* The code point at *p, which moves behind it; UTF8_BAD, and *p stays, when it is not
 * UTF-8 (RFC 3629: no overlong forms, no surrogates). */
static inline uint32_t utf8_next(const uint8_t **p, const uint8_t *end) {
    static const uint32_t min_code[4] = {0, 0x80, 0x800, 0x10000};
    const uint8_t *at = *p;
    uint32_t c = *at++;
    int more = c < 0x80       ? 0
               : c >> 5 == 6  ? 1
               : c >> 4 == 14 ? 2
               : c >> 3 == 30 ? 3
                              : -1;
    if (more < 0 || end - at < more)
        return UTF8_BAD;
    c &= more ? 0x3fu >> more : 0x7fu;
    for (int i = 0; i < more; i++, at++) {
        if (*at >> 6 != 2)
            return UTF8_BAD;
        c = c << 6 | (*at & 0x3fu);
    }
    if (c < min_code[more] || c >= UTF8_COUNT || (c >= 0xd800 && c < 0xe000))
        return UTF8_BAD;
    *p = at;
    return c;
}

/* 1: these bytes, up to 3, may be the beginning of a code point. */
static inline int utf8_cut(const uint8_t *p, const uint8_t *end) {
    int more = *p >> 5 == 6 ? 1 : *p >> 4 == 14 ? 2 : *p >> 3 == 30 ? 3 : 0;
    if (end - p > more)
        return 0;
    for (const uint8_t *at = p + 1; at < end; at++)
        if (*at >> 6 != 2)
            return 0;
    return 1;
}

/* Code point c at `to`; the bytes that it took, up to 4. */
static inline uint32_t utf8_put(uint32_t c, uint8_t *to) {
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    uint32_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (uint32_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (uint8_t)(0x80 | (c & 0x3f));
    to[0] = (uint8_t)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}

#endif
