/* SPDX-License-Identifier: Apache-2.0 */
/* The words of plugins/backend/cuda/kernels/device.h for a CPU. A block is one call;
 * its threads are loops, one for each phase, walked forwards or backwards, so that a
 * phase in which one thread reads what another writes gives two results. Two phases
 * without a barrier between them trap. Shared memory begins as garbage. */
#ifndef CUDA_SHIM_H
#define CUDA_SHIM_H

#include <stdint.h>
#include <string.h>

#include <runner/numerics.h>

struct emulated_grid {
    uint64_t block, blocks;
    uint32_t thread, step, backwards;
    uint32_t open; /* a phase ended, and no barrier came yet */
};

#define SHIM_EXPORT __attribute__((visibility("default")))
/* name: the entry, given the struct's bytes; name_bytes: how many. */
#define KERNEL(name, type)                                                             \
    static void name##_block(const struct type a, struct emulated_grid *g_);           \
    SHIM_EXPORT extern const uint64_t name##_bytes;                                    \
    SHIM_EXPORT void name##_entry(const void *args, struct emulated_grid *g);          \
    const uint64_t name##_bytes = sizeof(struct type);                                 \
    void name##_entry(const void *args, struct emulated_grid *g) {                     \
        struct type a;                                                                 \
        memcpy(&a, args, sizeof a);                                                    \
        name##_block(a, g);                                                            \
    }                                                                                  \
    static void name##_block(const struct type a, struct emulated_grid *g_)

static inline int shim_next(struct emulated_grid *g) {
    if (g->step == 0 && g->open)
        __builtin_trap(); /* two phases without SYNC() between them */
    if (g->step == THREADS) {
        g->open = 1;
        return 0;
    }
    g->thread = g->backwards ? THREADS - 1 - g->step : g->step;
    g->step++;
    return 1;
}

#define BX          (g_->block)
#define GRID        (g_->blocks)
#define TX          (g_->thread)
#define EACH_THREAD for (g_->step = 0; shim_next(g_);)
#define EACH_INDEX(i, n)                                                               \
    EACH_THREAD for (uint64_t i = BX * THREADS + TX; i < (n); i += GRID * THREADS)
#define NOINLINE
#define UNROLL(n)
#define SYNC() ((void)(g_->open = 0))
#define WARP() SYNC()
#define SHARED(T, name, count)                                                         \
    T name[count];                                                                     \
    memset(name, 0xff, sizeof name)
#define LOCAL(T, name, count) T name[THREADS][count]
#define MINE(name)            (name[TX])
#define MULADD_f32(a, b, c)   ((a) * (b) + (c))
#define MULADD_f64(a, b, c)   ((a) * (b) + (c))

#define TENSOR_CORES 1
#define PAIR(p)      shim_pair(p)
static inline uint32_t shim_pair(const uint16_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 16;
}
static inline float shim_half(uint32_t pair, uint32_t high) {
    return rn_f32_from_bf16((uint16_t)(high ? pair >> 16 : pair));
}
/* What this thread has of the result: rows lane / 4 and 8 below, columns lane % 4 * 2
 * and the next. The other threads' fragments were loaded in the phase before. */
#define MMA_bf16(c, C, a, b, B)                                                        \
    for (uint32_t q_ = 0; q_ < 4; q_++) {                                              \
        uint32_t lane_ = TX % 32, warp_ = TX - lane_;                                  \
        uint32_t row_ = lane_ / 4 + q_ / 2 * 8, column_ = lane_ % 4 * 2 + q_ % 2;      \
        for (uint32_t k_ = 0; k_ < 16; k_++)                                           \
            MINE(c)                                                                    \
            [(C) + q_] +=                                                              \
                shim_half(                                                             \
                    (a)[warp_ + row_ % 8 * 4 + k_ % 8 / 2][row_ / 8 + k_ / 8 * 2],     \
                    k_ % 2) *                                                          \
                shim_half((b)[warp_ + column_ * 4 + k_ % 8 / 2][(B) + k_ / 8],         \
                          k_ % 2);                                                     \
    }

#endif
