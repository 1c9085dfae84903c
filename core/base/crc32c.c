/* SPDX-License-Identifier: Apache-2.0 */
/* CRC32C: eight bytes at a time by tables, or by the processor's own instruction, whose
 * latency of three cycles is hidden by three streams. */
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

#include <runner/sdk/isa.h>

#include "base/hash.h"

#define POLYNOMIAL 0x82f63b78u /* reflected: bit 31 is x^0 */

/* ------------------------------------------------------------------- portable */

/* Slicing by eight: t[k][b] is the remainder of byte b followed by k zero bytes. Built
 * for each call that is long enough to gain by it, in 2048 steps. */
struct slices {
    uint32_t t[8][256];
};

static uint32_t by_bit(uint32_t crc, uint8_t byte) {
    crc ^= byte;
    for (int i = 0; i < 8; i++)
        crc = crc >> 1 ^ (POLYNOMIAL & (0u - (crc & 1)));
    return crc;
}

static uint32_t by_nibble(uint32_t crc, const uint8_t *p, size_t n) {
    static const uint32_t t[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                   0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                   0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                   0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    while (n--) {
        crc ^= *p++;
        crc = crc >> 4 ^ t[crc & 15];
        crc = crc >> 4 ^ t[crc & 15];
    }
    return crc;
}

static void slices_init(struct slices *s) {
    for (int b = 0; b < 256; b++)
        s->t[0][b] = by_bit(0, (uint8_t)b);
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            s->t[k][b] = s->t[k - 1][b] >> 8 ^ s->t[0][s->t[k - 1][b] & 255];
}

static uint32_t by_slices(uint32_t crc, const uint8_t *p, size_t words) {
    struct slices s;
    slices_init(&s);
    for (; words; words--, p += 8) {
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 |
                              (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        crc = s.t[7][low & 255] ^ s.t[6][low >> 8 & 255] ^ s.t[5][low >> 16 & 255] ^
              s.t[4][low >> 24] ^ s.t[3][p[4]] ^ s.t[2][p[5]] ^ s.t[1][p[6]] ^
              s.t[0][p[7]];
    }
    return crc;
}

uint32_t crc32c_plain(uint32_t crc, const void *data, size_t n) {
    enum { worth_it = 8192 }; /* the tables cost as much as 3 KiB by nibbles */
    const uint8_t *p = data;
    crc = ~crc;
    if (n >= worth_it) {
        crc = by_slices(crc, p, n / 8);
        p += n / 8 * 8;
        n %= 8;
    }
    return ~by_nibble(crc, p, n);
}

/* --------------------------------------------------------- with instructions */

#if defined(__x86_64__)
enum { stream_bytes = 4096 }; /* of each of three streams, which follow each other */

/* x^(8 m - 33) modulo the polynomial, for m = one and two streams: the product with it,
 * reduced by the crc32 instruction together with the last word, moves a CRC over the m
 * bytes that follow. (The instruction multiplies by x^32, and the carry-less product of
 * reflected numbers by x.) */
#define OVER_ONE 0x82f89c77u
#define OVER_TWO 0x54a86326u

static inline uint64_t word_at(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

__attribute__((target("sse4.2,pclmul"))) static inline uint64_t times(uint32_t crc,
                                                                      uint32_t power) {
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(
        _mm_cvtsi32_si128((int)crc), _mm_cvtsi32_si128((int)power), 0));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t n) {
    uint64_t a = crc;
    for (; n >= 3 * stream_bytes; n -= 3 * stream_bytes, p += 3 * stream_bytes) {
        const uint8_t *q = p + stream_bytes, *r = q + stream_bytes;
        uint64_t b = 0, c = 0;
        for (int i = 0; i < stream_bytes; i += 8) {
            a = _mm_crc32_u64(a, word_at(p + i));
            b = _mm_crc32_u64(b, word_at(q + i));
            /* The last word of all takes the other streams with it. */
            if (i < stream_bytes - 8)
                c = _mm_crc32_u64(c, word_at(r + i));
        }
        uint64_t both = times((uint32_t)a, OVER_TWO) ^ times((uint32_t)b, OVER_ONE);
        a = _mm_crc32_u64(c, word_at(r + stream_bytes - 8) ^ both);
    }
    for (; n >= 8; n -= 8, p += 8)
        a = _mm_crc32_u64(a, word_at(p));
    crc = (uint32_t)a;
    while (n--)
        crc = _mm_crc32_u8(crc, *p++);
    return crc;
}

static bool has_instruction(void) {
    __builtin_cpu_init();
    return rn_isa_cap() != RN_ISA_BASE && __builtin_cpu_supports("sse4.2") &&
           __builtin_cpu_supports("pclmul");
}
#elif defined(__aarch64__)
__attribute__((target("+crc"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t n) {
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t x;
        memcpy(&x, p, sizeof x);
        crc = __crc32cd(crc, x);
    }
    while (n--)
        crc = __crc32cb(crc, *p++);
    return crc;
}

static bool has_instruction(void) {
    return rn_isa_cap() != RN_ISA_BASE && getauxval(AT_HWCAP) >> 7 & 1; /* CRC32 */
}
#else
static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t n) {
    return by_nibble(crc, p, n);
}

static bool has_instruction(void) {
    return false;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t n) {
    return has_instruction() ? ~by_instruction(~crc, data, n)
                             : crc32c_plain(crc, data, n);
}
