/* SPDX-License-Identifier: Apache-2.0 */
/* A PNG: chunks with CRC-32, one zlib stream of lines, each less the one above (filter
 * Up): enlarged pixels become zeros. */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/png.h"

/* ------------------------------------------------------------------ checksums */

static uint32_t crc32(const uint8_t *p, size_t n) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1u ? 0xedb88320u : 0u);
    }
    return ~crc;
}

static uint32_t adler32(const uint8_t *p, size_t n) {
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) {
        a = (a + p[i]) % 65521u;
        b = (b + a) % 65521u;
    }
    return b << 16 | a;
}

static void put_u32(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* -------------------------------------------------------------------- deflate */

struct bits {
    struct text *out;
    uint32_t held; /* bits that are not written yet, the first the lowest */
    int count;
};

static void put_bits(struct bits *b, uint32_t v, int n) {
    b->held |= v << b->count;
    b->count += n;
    while (b->count >= 8) {
        char byte = (char)(b->held & 255u);
        text_add_n(b->out, &byte, 1);
        b->held >>= 8;
        b->count -= 8;
    }
}

/* A Huffman code: its first bit is the highest. */
static void put_code(struct bits *b, uint32_t code, int n) {
    uint32_t turned = 0;
    for (int i = 0; i < n; i++)
        turned |= (code >> i & 1u) << (n - 1 - i);
    put_bits(b, turned, n);
}

/* The fixed code of RFC 1951, 3.2.6. */
static void put_symbol(struct bits *b, uint32_t s) {
    if (s < 144)
        put_code(b, 0x30 + s, 8);
    else if (s < 256)
        put_code(b, 0x190 + s - 144, 9);
    else if (s < 280)
        put_code(b, s - 256, 7);
    else
        put_code(b, 0xc0 + s - 280, 8);
}

/* A length of 3..258 as symbol and further bits (3.2.5). */
static void put_length(struct bits *b, uint32_t length) {
    uint32_t v = length - 3, more = 0;
    if (length == 258) {
        put_symbol(b, 285);
        return;
    }
    while (v >> more >= 8)
        more++;
    put_symbol(b, more ? 261 + 4 * more + (v >> more) - 4 : 257 + v);
    put_bits(b, v & ((1u << more) - 1), (int)more);
}

static void put_distance(struct bits *b, uint32_t distance) {
    uint32_t v = distance - 1, more = 0;
    while (v >> more >= 4)
        more++;
    put_code(b, more ? 2 * more + (v >> more) : v, 5);
    put_bits(b, v & ((1u << more) - 1), (int)more);
}

enum { WINDOW = 32768, LONGEST = 258, HASH_BITS = 15 };

static uint32_t hash(const uint8_t *p) {
    uint32_t v = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
    return v * 2654435761u >> (32 - HASH_BITS);
}

/* How many bytes from `at` on are those from `from` on. */
static size_t same(const uint8_t *p, size_t from, size_t at, size_t n) {
    size_t k = 0, most = n - at < LONGEST ? n - at : LONGEST;
    while (k < most && p[from + k] == p[at + k])
        k++;
    return k;
}

/* One block; matches with the last place of the same three bytes. */
static void deflate(struct bits *b, const uint8_t *p, size_t n) {
    size_t *last = memory_get(memory_mul((size_t)1 << HASH_BITS, sizeof *last));
    put_bits(b, 1, 1); /* the last block */
    put_bits(b, 1, 2); /* of fixed codes */
    for (size_t at = 0; at < n;) {
        size_t length = 0, from = 0;
        if (n - at >= 3) {
            size_t *slot = &last[hash(p + at)]; /* place + 1; 0: none */
            if (*slot && at + 1 - *slot <= WINDOW) {
                from = *slot - 1;
                length = same(p, from, at, n);
            }
            *slot = at + 1;
        }
        if (length < 3) {
            put_symbol(b, p[at++]);
            continue;
        }
        put_length(b, (uint32_t)length);
        put_distance(b, (uint32_t)(at - from));
        for (size_t k = 1; k < length && at + k + 3 <= n; k++)
            last[hash(p + at + k)] = at + k + 1;
        at += length;
    }
    put_symbol(b, 256);
    put_bits(b, 0, (8 - b->count) % 8);
    memory_release(last);
}

/* --------------------------------------------------------------------- chunks */

static void chunk(struct text *out, const char type[5], const void *data, size_t n) {
    uint8_t number[4];
    put_u32(number, (uint32_t)n);
    text_add_n(out, (const char *)number, 4);
    size_t from = out->length;
    text_add_n(out, type, 4);
    if (n)
        text_add_n(out, data, n);
    put_u32(number, crc32((const uint8_t *)out->s + from, n + 4));
    text_add_n(out, (const char *)number, 4);
}

void png_encode(const uint8_t *rgb, uint32_t width, uint32_t height, struct text *out) {
    assert(width && height && width <= 1u << 15 && height <= 1u << 15);
    uint8_t head[13] = {0};
    size_t line = (size_t)3 * width, n = (line + 1) * height;
    uint8_t *raw = memory_get(n), check[4];
    struct text stream = {0};
    struct bits b = {&stream, 0, 0};
    for (size_t y = 0; y < height; y++) {
        uint8_t *to = raw + y * (line + 1);
        *to++ = 2; /* Up; above the first line are zeros */
        for (size_t i = 0; i < line; i++)
            to[i] = (uint8_t)(rgb[y * line + i] - (y ? rgb[(y - 1) * line + i] : 0));
    }
    put_u32(head, width);
    put_u32(head + 4, height);
    head[8] = 8; /* bits */
    head[9] = 2; /* red, green, blue */
    text_add_n(out, "\x89PNG\r\n\x1a\n", 8);
    chunk(out, "IHDR", head, sizeof head);
    text_add_n(&stream, "\x78\x01", 2);
    deflate(&b, raw, n);
    put_u32(check, adler32(raw, n));
    text_add_n(&stream, (const char *)check, 4);
    chunk(out, "IDAT", stream.s, stream.length);
    chunk(out, "IEND", NULL, 0);
    text_finish(&stream);
    memory_release(raw);
}
