/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of f32 or of bf16 under one hand: what is bf16 is widened into a room of floats
 * to be worked on there, and rounded once when it is written. */
#ifndef CPU_NARROW_H
#define CPU_NARROW_H

#include "isa.h"

/* n elements from `at` on, f32 or, low, bf16, which are widened to room. */
static inline const float *floats(const void *p, bool low, int64_t at, int64_t n,
                                  float *room) {
    const uint16_t *x = (const uint16_t *)p + at;
    if (!low)
        return (const float *)p + at;
    EACH(j, n) room[j] = rn_f32_from_bf16(x[j]);
    return room;
}

/* Where they are written: there, or in the room that `rounded` takes from. */
static inline float *writes(void *p, bool low, int64_t at, float *room) {
    return low ? room : (float *)p + at;
}

static inline void rounded(void *p, bool low, int64_t at, int64_t n,
                           const float *room) {
    uint16_t *y = (uint16_t *)p + at;
    for (int64_t j = 0; low && j < n; j++)
        y[j] = rn_bf16_from_f32(room[j]);
}

static inline bool is_low(const struct kernel_tensor *t) {
    return t->dtype == RN_BF16;
}

#endif
