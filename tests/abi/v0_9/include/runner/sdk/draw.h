/* SPDX-License-Identifier: Apache-2.0 */
/* Random draws of samplers and collates: numbers of a counter under the host's key,
 * each a function of (key, counter) alone. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_DRAW_H
#define RUNNER_SDK_DRAW_H

#include <runner/numerics.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A stream of draws: word i of it is at the counter (a, b, c, i / 4). */
struct rn_draws {
    uint32_t key[2];
    uint32_t counter[4]; /* the last one is that of the next four words */
    uint32_t words[4];
    uint32_t left; /* of words */
};

static inline struct rn_draws rn_draws_begin(const uint32_t key[2], uint32_t a,
                                             uint32_t b, uint32_t c) {
    struct rn_draws d = {{key[0], key[1]}, {a, b, c, 0}, {0, 0, 0, 0}, 0};
    return d;
}

static inline uint32_t rn_draw_word(struct rn_draws *d) {
    if (!d->left) {
        rn_philox(d->counter, d->key, d->words);
        d->counter[3]++;
        d->left = 4;
    }
    return d->words[4 - d->left--];
}

/* In (0, 1): (k + 1/2) / 2^52 for 52 random bits k. */
static inline double rn_draw_uniform(struct rn_draws *d) {
    uint64_t low = rn_draw_word(d), high = rn_draw_word(d);
    return ((double)((high << 32 | low) >> 12) + 0.5) * (1.0 / 4503599627370496.0);
}

/* 0 .. n-1, n > 0: 64 random bits modulo n. */
static inline uint64_t rn_draw_below(struct rn_draws *d, uint64_t n) {
    uint64_t low = rn_draw_word(d), high = rn_draw_word(d);
    return (high << 32 | low) % n;
}

/* A random permutation of v (Fisher-Yates). */
static inline void rn_draw_shuffle(struct rn_draws *d, uint64_t *v, uint64_t n) {
    for (uint64_t i = n; i > 1; i--) {
        uint64_t k = rn_draw_below(d, i), t = v[i - 1];
        v[i - 1] = v[k];
        v[k] = t;
    }
}

#ifdef __cplusplus
}
#endif
#endif
