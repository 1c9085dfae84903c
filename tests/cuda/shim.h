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
#define SHARED(T, name, count)                                                         \
    T name[count];                                                                     \
    memset(name, 0xff, sizeof name)
#define LOCAL(T, name, count) T name[THREADS][count]
#define MINE(name)            (name[TX])
#define MULADD_f32(a, b, c)   ((a) * (b) + (c))
#define MULADD_f64(a, b, c)   ((a) * (b) + (c))

#endif
