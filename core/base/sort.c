/* SPDX-License-Identifier: Apache-2.0 */
/* Radix sort, least significant byte first. */
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/sort.h"

#define BYTES 8
#define FEW   64u

/* A key that rises with the number: all bits of a negative one are flipped, the sign of
 * the others. */
static uint64_t key_of(double x) {
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u >> 63 ? ~u : u | UINT64_C(1) << 63;
}

static double number_of(uint64_t key) {
    uint64_t u = key >> 63 ? key & ~(UINT64_C(1) << 63) : ~key;
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static void insert(uint64_t *k, uint64_t n) {
    for (uint64_t i = 1; i < n; i++) {
        uint64_t x = k[i], at = i;
        for (; at && k[at - 1] > x; at--)
            k[at] = k[at - 1];
        k[at] = x;
    }
}

/* One pass: from -> to by byte `b`; false: all have the same one, nothing is moved. */
static bool pass(const uint64_t *from, uint64_t *to, uint64_t n, int b,
                 uint64_t counts[256]) {
    uint64_t start = 0;
    if (counts[from[0] >> 8 * b & 255] == n)
        return false;
    for (int i = 0; i < 256; i++) {
        uint64_t c = counts[i];
        counts[i] = start;
        start += c;
    }
    for (uint64_t i = 0; i < n; i++)
        to[counts[from[i] >> 8 * b & 255]++] = from[i];
    return true;
}

static void radix(uint64_t *keys, uint64_t *scratch, uint64_t n) {
    uint64_t counts[BYTES][256] = {{0}}, *from = keys, *to = scratch;
    for (uint64_t i = 0; i < n; i++)
        for (int b = 0; b < BYTES; b++)
            counts[b][keys[i] >> 8 * b & 255]++;
    for (int b = 0; b < BYTES; b++)
        if (pass(from, to, n, b, counts[b])) {
            uint64_t *other = from;
            from = to;
            to = other;
        }
    if (from != keys)
        memcpy(keys, from, n * sizeof *keys);
}

uint64_t sort_f64(double *v, uint64_t n) {
    uint64_t m = 0, rising = 1;
    for (uint64_t i = 0; i < n; i++)
        if (v[i] == v[i]) {
            double x = v[i];
            v[i] = v[m];
            v[m++] = x;
        }
    while (rising < m && key_of(v[rising - 1]) <= key_of(v[rising]))
        rising++;
    if (rising >= m)
        return m;
    uint64_t *keys = memory_get(memory_mul(m, 2 * sizeof *keys));
    for (uint64_t i = 0; i < m; i++)
        keys[i] = key_of(v[i]);
    if (m <= FEW)
        insert(keys, m);
    else
        radix(keys, keys + m, m);
    for (uint64_t i = 0; i < m; i++)
        v[i] = number_of(keys[i]);
    memory_release(keys);
    return m;
}
