/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "mutate.h"

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators",
 * 2016. */
uint64_t mutator_draw(struct mutator *m, uint64_t below) {
    m->state ^= m->state >> 12;
    m->state ^= m->state << 25;
    m->state ^= m->state >> 27;
    uint64_t x = m->state * 0x2545f4914f6cdd1du;
    return below ? (x >> 11) % below : 0;
}

/* A place in the file; places near the start, where headers are, more often. */
static size_t place(struct mutator *m, size_t n) {
    return (size_t)mutator_draw(m, mutator_draw(m, 3) || n < 64 ? n : 64);
}

static void insert(uint8_t *b, size_t *n, size_t at, const uint8_t *p, size_t length) {
    if (length > INPUT_MAX - at)
        length = INPUT_MAX - at;
    size_t tail = *n - at;
    if (tail > INPUT_MAX - at - length)
        tail = INPUT_MAX - at - length;
    memmove(b + at + length, b + at, tail);
    memcpy(b + at, p, length);
    *n = at + length + tail;
}

static void cut(uint8_t *b, size_t *n, size_t at, size_t length) {
    if (length > *n - at)
        length = *n - at;
    memmove(b + at, b + at + length, *n - at - length);
    *n -= length;
}

static void change_byte(struct mutator *m, uint8_t *b, size_t *n) {
    size_t at = place(m, *n);
    if (*n)
        b[at] = mutator_draw(m, 2) ? (uint8_t)mutator_draw(m, 256)
                                   : (uint8_t)(b[at] ^ 1u << mutator_draw(m, 8));
}

/* An integer of 1, 2, 4 or 8 bytes in either order: a limit, or a little more or less
 * than it was. */
static void change_integer(struct mutator *m, uint8_t *b, size_t *n) {
    static const uint64_t limits[] = {0,          1,          2,
                                      0x7f,       0x80,       0xff,
                                      0x100,      0x7fff,     0x8000,
                                      0xffff,     0x10000,    0x7fffffff,
                                      1u << 31,   0xffffffff, 1ull << 32,
                                      INT64_MAX,  1ull << 63, UINT64_MAX,
                                      1ull << 61, 1ull << 62, 65535ull * 65535,
                                      1ull << 40};
    size_t width = (size_t)1 << mutator_draw(m, 4), at = place(m, *n);
    int big = (int)mutator_draw(m, 2);
    uint64_t x = 0;
    if (at + width > *n)
        return;
    for (size_t i = 0; i < width; i++)
        x = x << 8 | b[at + (big ? i : width - 1 - i)];
    if (mutator_draw(m, 2))
        x += mutator_draw(m, 33) - 16;
    else
        x = limits[mutator_draw(m, sizeof limits / sizeof limits[0])];
    for (size_t i = 0; i < width; i++, x >>= 8)
        b[at + (big ? width - 1 - i : i)] = (uint8_t)x;
}

static int is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

/* The first decimal number at a place or behind it becomes another. */
static void change_number(struct mutator *m, uint8_t *b, size_t *n) {
    static const char *const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "00",
                                          "2147483648",
                                          "4294967296",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "-9223372036854775808",
                                          "18446744073709551616",
                                          "1e308",
                                          "1e-400",
                                          "1e999999999",
                                          "0x10",
                                          "1.",
                                          ".5",
                                          "nan",
                                          "inf",
                                          "1000000",
                                          "16777217",
                                          "123456789012345678901234567890"};
    size_t at = place(m, *n), end;
    while (at < *n && !is_digit(b[at]))
        at++;
    for (end = at; end < *n && is_digit(b[end]); end++)
        ;
    if (at == end)
        return;
    const char *t = numbers[mutator_draw(m, sizeof numbers / sizeof numbers[0])];
    cut(b, n, at, end - at);
    insert(b, n, at, (const uint8_t *)t, strlen(t));
}

static void put_word(struct mutator *m, uint8_t *b, size_t *n) {
    if (!m->word_count)
        return;
    const struct input *w = &m->words[mutator_draw(m, m->word_count)];
    size_t at = place(m, *n);
    if (mutator_draw(m, 2))
        insert(b, n, at, w->bytes, w->n);
    else if (at + w->n <= *n)
        memcpy(b + at, w->bytes, w->n);
}

/* A part again, sometimes many times. */
static void repeat(struct mutator *m, uint8_t *b, size_t *n) {
    uint8_t part[1024];
    size_t at = place(m, *n);
    size_t most = *n - at < sizeof part ? *n - at : sizeof part;
    size_t length = (size_t)mutator_draw(m, most + 1);
    uint64_t times = mutator_draw(m, 16) ? 1 : 1 + mutator_draw(m, 2000);
    memcpy(part, b + at, length);
    for (; times && length && *n < INPUT_MAX; times--)
        insert(b, n, at, part, length);
}

static void copy_from(struct mutator *m, uint8_t *b, size_t *n,
                      const struct input *other) {
    size_t from = place(m, other->n), at = place(m, *n);
    size_t length = (size_t)mutator_draw(m, other->n - from + 1);
    if (mutator_draw(m, 2))
        insert(b, n, at, other->bytes + from, length);
    else
        memcpy(b + at, other->bytes + from, length < *n - at ? length : *n - at);
}

/* The beginning of one and the end of the other. */
static void splice(struct mutator *m, uint8_t *b, size_t *n,
                   const struct input *other) {
    size_t at = (size_t)mutator_draw(m, *n + 1);
    size_t from = (size_t)mutator_draw(m, other->n + 1);
    *n = at;
    insert(b, n, at, other->bytes + from, other->n - from);
}

void mutate(struct mutator *m, uint8_t *b, size_t *n, const struct input *other) {
    for (uint64_t k = 1 + mutator_draw(m, 5); k > 0; k--)
        switch (mutator_draw(m, 20)) {
        case 0:
            if (mutator_draw(m, 3) == 0)
                *n = (size_t)mutator_draw(m, *n + 1);
            break;
        case 1:
        case 2:
            cut(b, n, place(m, *n), (size_t)mutator_draw(m, 40));
            break;
        case 3:
        case 4:
            repeat(m, b, n);
            break;
        case 5:
            copy_from(m, b, n, other);
            break;
        case 6:
            splice(m, b, n, other);
            break;
        case 7:
        case 8:
        case 9:
            put_word(m, b, n);
            break;
        case 10:
        case 11:
        case 12:
            change_number(m, b, n);
            break;
        case 13:
        case 14:
        case 15:
            change_integer(m, b, n);
            break;
        default:
            change_byte(m, b, n);
        }
}
