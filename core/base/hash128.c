/* SPDX-License-Identifier: Apache-2.0 */
/* A fast hash of 128 bits. */
#include <string.h>

#include "base/hash.h"

/* The two halves of a product, one over the other. */
static uint64_t fold(uint64_t x, uint64_t y) {
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)x * y;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
#else
    uint64_t xl = x & UINT32_MAX, xh = x >> 32, yl = y & UINT32_MAX, yh = y >> 32;
    uint64_t low = xl * yl, one = xh * yl, two = xl * yh;
    uint64_t middle = (low >> 32) + (one & UINT32_MAX) + (two & UINT32_MAX);
    uint64_t high = xh * yh + (one >> 32) + (two >> 32) + (middle >> 32);
    return high ^ (middle << 32 | (low & UINT32_MAX));
#endif
}

static void mix(struct hash128 *h, uint64_t v) {
    h->a = fold(h->a ^ v ^ UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xd6e8feb86659fd93));
    h->b = fold(h->b + v + UINT64_C(0xc2b2ae3d27d4eb4f), UINT64_C(0xa0761d6478bd642f)) +
           h->a;
}

void hash128_add(struct hash128 *h, const void *data, size_t n) {
    const unsigned char *p = data;
    mix(h, n);
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        mix(h, v);
    }
    if (n) {
        uint64_t v = 0;
        memcpy(&v, p, n);
        mix(h, v);
    }
}
