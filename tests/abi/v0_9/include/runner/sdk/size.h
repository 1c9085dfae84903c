/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes that come from a file or an option: sums and products that cannot wrap. Every
 * byte count that a reader computes from a header goes through these. Header-only; C11
 * or C++ with GNU builtins. */
#ifndef RUNNER_SDK_SIZE_H
#define RUNNER_SDK_SIZE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* *out = a * b: 1; 0 when that does not fit (then *out is unspecified). */
static inline int rn_size_mul(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

/* *out = a + b: 1; 0 when that does not fit (then *out is unspecified). */
static inline int rn_size_add(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

/* *out = first * shape[0] * .. * shape[rank - 1]: 1; 0 when an axis is not positive or
 * the product exceeds INT64_MAX (offsets and tensor sizes are signed). */
static inline int rn_size_product(uint64_t first, const int64_t *shape, uint32_t rank,
                                  uint64_t *out) {
    uint64_t n = first;
    for (uint32_t i = 0; i < rank; i++)
        if (shape[i] <= 0 || !rn_size_mul(n, (uint64_t)shape[i], &n) || n > INT64_MAX)
            return 0;
    *out = n;
    return n <= INT64_MAX;
}

/* A product for an allocation: SIZE_MAX, which no allocation satisfies, instead of a
 * wrapped value. */
static inline size_t rn_size_or_max(uint64_t a, uint64_t b) {
    uint64_t n;
    return rn_size_mul(a, b, &n) && n <= SIZE_MAX ? (size_t)n : SIZE_MAX;
}

#ifdef __cplusplus
}
#endif
#endif
