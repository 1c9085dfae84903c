/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of products, once for each instruction set. */
#include "base/dots.h"

#include <string.h>

#include <runner/sdk/isa.h>

#if defined(__clang__)
#define FUSED
#else
#define FUSED __attribute__((optimize("fp-contract=fast")))
#endif

typedef float lanes4 __attribute__((vector_size(16)));
typedef float lanes8 __attribute__((vector_size(32)));
typedef float lanes16 __attribute__((vector_size(64)));

/* Columns in groups of `width`, all rows at once: a register for each row. */
#define BODY(width)                                                                    \
    bool any = false;                                                                  \
    for (uint32_t c = 0; c < DOTS_COLUMNS; c += (width)) {                             \
        lanes##width sum[DOTS_ROWS];                                                   \
        _Pragma("GCC unroll 8") for (uint32_t i = 0; i < DOTS_ROWS; i++) sum[i] =      \
            (lanes##width){0};                                                         \
        for (uint32_t k = 0; k < depth; k++) {                                         \
            lanes##width b = *(const lanes##width *)(panel + k * DOTS_COLUMNS + c);    \
            _Pragma("GCC unroll 8") for (uint32_t i = 0; i < DOTS_ROWS; i++) sum[i] += \
                b * a[(size_t)i * depth + k];                                          \
        }                                                                              \
        uint64_t bits[(width) / 2], all = 0;                                           \
        __typeof__(sum[0] >= least) above = sum[0] >= least;                           \
        _Pragma("GCC unroll 8") for (uint32_t i = 0; i < DOTS_ROWS; i++) {             \
            *(lanes##width *)(out + i * DOTS_COLUMNS + c) = sum[i];                    \
            above |= sum[i] >= least;                                                  \
        }                                                                              \
        memcpy(bits, &above, sizeof bits);                                             \
        _Pragma("GCC unroll 8") for (uint32_t i = 0; i < (width) / 2; i++) all |=      \
            bits[i];                                                                   \
        any |= all != 0;                                                               \
    }                                                                                  \
    return any;

static bool dots_plain(const float *a, const float *panel, uint32_t depth, float least,
                       float *out){BODY(4)}

#if defined(__x86_64__)
FUSED __attribute__((target("avx2,fma"))) static bool dots_avx2(const float *a,
                                                                const float *panel,
                                                                uint32_t depth,
                                                                float least,
                                                                float *out){BODY(8)}

FUSED __attribute__((target("avx512f"))) static bool dots_avx512(const float *a,
                                                                 const float *panel,
                                                                 uint32_t depth,
                                                                 float least,
                                                                 float *out){BODY(16)}
#endif

dots_fn dots_find(void) {
#if defined(__x86_64__)
    enum rn_isa isa = rn_isa_level();
    if (isa >= RN_ISA_AVX512)
        return dots_avx512;
    if (isa >= RN_ISA_AVX2)
        return dots_avx2;
#endif
    return dots_plain;
}
