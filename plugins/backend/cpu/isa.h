/* SPDX-License-Identifier: Apache-2.0 */
/* For the files that are compiled once for each instruction set: CPU_ISA is base, v3 or
 * v4 (the x86-64 levels). No contraction and no reordering anywhere, so all of them
 * give the same bits. */
#ifndef CPU_ISA_H
#define CPU_ISA_H

#include <runner/numerics.h>

#include "cpu.h"

#define CPU_JOIN_(a, b) a##_##b
#define CPU_JOIN(a, b)  CPU_JOIN_(a, b)
#define CPU_NAME(name)  CPU_JOIN(name, CPU_ISA)

#define EACH(i, n) _Pragma("GCC ivdep") for (int64_t i = 0; i < (int64_t)(n); i++)

/* 16 floats: the lanes of numerics.h's sum. */
typedef float lanes16 __attribute__((vector_size(64), aligned(4), may_alias));

/* The next n elements of a sum: the same lanes as rn_sum_f32 over the whole. */
static inline void sum_add(struct sum_lanes *s, const float *x, int64_t n) {
    int64_t i = 0;
    while (s->phase && i < n) {
        s->lane[s->phase] += x[i++];
        s->phase = (s->phase + 1) & 15;
    }
    if (i + 16 <= n) {
        lanes16 acc = *(const lanes16 *)(const void *)s->lane;
        for (; i + 16 <= n; i += 16)
            acc += *(const lanes16 *)(const void *)(x + i);
        *(lanes16 *)(void *)s->lane = acc;
    }
    for (; i < n; i++)
        s->lane[s->phase++] += x[i];
    s->phase &= 15;
}

static inline float sum_total(const struct sum_lanes *s) {
    float lane[16];
    memcpy(lane, s->lane, sizeof lane);
    for (int w = 8; w; w /= 2)
        for (int k = 0; k < w; k++)
            lane[k] += lane[k + w];
    return lane[0];
}

typedef int32_t ints16 __attribute__((vector_size(64), aligned(4), may_alias));

/* The larger (sign 1) or smaller (-1) of two, lane by lane; b where equal, NaN stays.
 */
static inline void lanes_extreme(lanes16 *b, const float *x, int sign) {
    lanes16 v = *(const lanes16 *)(const void *)x, c = *b;
    ints16 take = (c == c) & ((v != v) | (sign > 0 ? v > c : v < c));
    *b = (lanes16)((take & (ints16)v) | (~take & (ints16)c));
}

static inline float extreme_of(float b, float v, int sign) {
    return (b == b) & ((v != v) | (sign > 0 ? v > b : v < b)) ? v : b;
}

/* The same over n elements from the lanes' state on. */
static inline void extreme_add(float *lane, const float *x, int64_t n, int sign) {
    int64_t i = 0;
    lanes16 b = *(const lanes16 *)(const void *)lane;
    for (; i + 16 <= n; i += 16)
        lanes_extreme(&b, x + i, sign);
    *(lanes16 *)(void *)lane = b;
    for (; i < n; i++)
        lane[i & 15] = extreme_of(lane[i & 15], x[i], sign);
}

/* Scratch for the squares and products that are summed. */
#define CHUNK 512

int32_t CPU_NAME(cpu_reduce)(struct cpu_setup *s, struct rn_error *e);
int32_t CPU_NAME(cpu_softmax)(struct cpu_setup *s, struct rn_error *e);
int32_t CPU_NAME(cpu_normalise)(struct cpu_setup *s, struct rn_error *e);
int32_t CPU_NAME(cpu_layer_norm)(struct cpu_setup *s, struct rn_error *e);
int32_t CPU_NAME(cpu_attention)(struct cpu_setup *s, struct rn_error *e);
int32_t CPU_NAME(cpu_window)(struct cpu_setup *s, struct rn_error *e);
int32_t CPU_NAME(cpu_move)(struct cpu_setup *s, struct rn_error *e);
int32_t CPU_NAME(cpu_blocked)(struct cpu_setup *s, struct rn_error *e);
int32_t CPU_NAME(cpu_blocked_pool)(struct cpu_setup *s, struct rn_error *e);
void CPU_NAME(cpu_gemm)(const struct cpu_gemm *g, void *pack);
void CPU_NAME(cpu_fused_gemm)(const struct cpu_gemm *g, void *pack);
/* Twelve chains of one register each, two operations a lane. */
#if defined(__AVX512F__)
#define CPU_LANES 16
#elif defined(__AVX__)
#define CPU_LANES 8
#else
#define CPU_LANES 4
#endif
float CPU_NAME(cpu_multiply_add)(int64_t rounds);
extern const struct cpu_folds CPU_NAME(cpu_folds);

#endif
