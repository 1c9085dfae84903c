/* SPDX-License-Identifier: Apache-2.0 */
/* Characters of UTF-8: code points, the classes that word splitting needs, and small
 * letters. */
#ifndef TRANSFORM_UNICODE_H
#define TRANSFORM_UNICODE_H

#include <stddef.h>

#include "unicode_table.h"

#define UNICODE_POINTS 0x110000u
#define UNICODE_BAD    0xFFFFFFFFu /* a byte that is not UTF-8 */

/* By the general category of Unicode. LETTER, DIGIT and JOINER together are \w of
 * Unicode's report 18; LETTER is \p{L}, NUMBER and DIGIT are \p{N}, SPACE is \s. */
enum unicode_class {
    UNICODE_OTHER,
    UNICODE_SPACE,  /* White_Space */
    UNICODE_LETTER, /* L* */
    UNICODE_NUMBER, /* No: superscripts, fractions */
    UNICODE_DIGIT,  /* Nd, Nl */
    UNICODE_JOINER  /* M*, Pc, letters in circles, zero width (non-)joiner */
};

/* The code point at p, n > 0 bytes left, and how many bytes it has (RFC 3629: no
 * surrogate, no longer form than needed, at most U+10FFFF); UNICODE_BAD has one. */
static inline uint32_t unicode_next(const uint8_t *p, uint64_t n, uint64_t *used) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t bytes = p[0] < 0x80       ? 1
                     : p[0] >> 5 == 6  ? 2
                     : p[0] >> 4 == 14 ? 3
                     : p[0] >> 3 == 30 ? 4
                                       : 0;
    *used = 1;
    if (bytes == 1)
        return p[0];
    if (!bytes || bytes > n)
        return UNICODE_BAD;
    uint32_t c = p[0] & (0x7Fu >> bytes);
    for (uint32_t i = 1; i < bytes; i++) {
        if (p[i] >> 6 != 2)
            return UNICODE_BAD;
        c = c << 6 | (p[i] & 0x3Fu);
    }
    if (c < least[bytes] || c >= UNICODE_POINTS || (c >= 0xD800 && c < 0xE000))
        return UNICODE_BAD;
    *used = bytes;
    return c;
}

/* Code point c as UTF-8 at `to`, up to 4 bytes; how many. */
static inline uint64_t unicode_put(uint32_t c, uint8_t *to) {
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    uint32_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (uint32_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (uint8_t)(0x80 | (c & 0x3F));
    to[0] = (uint8_t)((0xF00u >> n & 0xFFu) | c);
    return n;
}

/* UNICODE_BAD is OTHER. */
static inline enum unicode_class unicode_class(uint32_t c) {
    size_t low = 0, high = sizeof unicode_classes / sizeof *unicode_classes;
    if (c == UNICODE_BAD)
        return UNICODE_OTHER;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (unicode_classes[middle] >> 3 <= c)
            low = middle;
        else
            high = middle;
    }
    return (enum unicode_class)(unicode_classes[low] & 7);
}

/* The small letter of a capital, others as they are. Of U+0130, which has two, the
 * first. */
static inline uint32_t unicode_small(uint32_t c) {
    size_t low = 0, high = sizeof unicode_lowers / sizeof *unicode_lowers;
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    if (c == 0x130)
        return 'i';
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (unicode_lowers[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == sizeof unicode_lowers / sizeof *unicode_lowers)
        return c;
    const struct unicode_lower *r = &unicode_lowers[low];
    int inside = c >= r->first && (c - r->first) % r->step == 0;
    return inside ? (uint32_t)((int64_t)c + r->distance) : c;
}

/* The n bytes at `from` in small letters, as Unicode maps each character by itself;
 * what is not UTF-8 as it is. to: 2 n bytes. How many were written. */
static inline uint64_t unicode_lower(const uint8_t *from, uint64_t n, uint8_t *to) {
    uint64_t at = 0, used;
    for (uint64_t i = 0; i < n; i += used) {
        uint32_t c = unicode_next(from + i, n - i, &used);
        if (c == UNICODE_BAD)
            to[at++] = from[i];
        else
            at += unicode_put(unicode_small(c), to + at);
        if (c == 0x130) /* a small letter of its own and a dot above */
            at += unicode_put(0x307, to + at);
    }
    return at;
}

#endif
