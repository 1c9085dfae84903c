/* SPDX-License-Identifier: Apache-2.0 */
#include "check/gram.h"

#include <runner/sdk/isa.h>

typedef double lanes2 __attribute__((vector_size(16)));
typedef double lanes4 __attribute__((vector_size(32)));
typedef double lanes8 __attribute__((vector_size(64)));

#define BODY(width)                                                                    \
    for (uint32_t i = 0; i < columns; i++)                                             \
        for (uint32_t j = 0; j <= i; j += (width)) {                                   \
            lanes##width *to =                                                         \
                (lanes##width *)(void *)(sum + (uint64_t)i * columns + j);             \
            lanes##width s = *to;                                                      \
            for (uint32_t r = 0; r < n; r++) {                                         \
                const double *row = rows + (uint64_t)r * columns;                      \
                s += row[i] * *(const lanes##width *)(const void *)(row + j);          \
            }                                                                          \
            *to = s;                                                                   \
        }

static void gram_plain(double *sum, const double *rows, uint32_t n, uint32_t columns) {
    BODY(2)
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void gram_avx2(double *sum, const double *rows,
                                                      uint32_t n, uint32_t columns) {
    BODY(4)
}

__attribute__((target("avx512f"))) static void
gram_avx512(double *sum, const double *rows, uint32_t n, uint32_t columns){BODY(8)}
#endif

gram_fn gram_find(void) {
#if defined(__x86_64__)
    enum rn_isa isa = rn_isa_level();
    if (isa >= RN_ISA_AVX512)
        return gram_avx512;
    if (isa >= RN_ISA_AVX2)
        return gram_avx2;
#endif
    return gram_plain;
}
