/* SPDX-License-Identifier: Apache-2.0 */
/* What attention in tiles has in common for f32 and bf16: sizes, and what happens to
 * the rows of a tile of scores. For files that are compiled for one instruction set. */
#ifndef CPU_ATTENTION_H
#define CPU_ATTENTION_H

#include "isa.h"

#define QUERIES 64
#define KEYS    256 /* of a tile; a multiple of 16 */

struct attention {
    int64_t batch, rows, keys, heads, depth, wide;
    int64_t deep_row, wide_row; /* from one row of q or k to the next, of v */
    int64_t blocks;             /* of queries */
    bool causal;
    float scale;
    cpu_gemm_fn gemm; /* for f32 */
    uint64_t pack;    /* its scratch */
};

static inline struct attention attention_of(const struct cpu_setup *s) {
    const struct kernel_tensor *q = &s->in[0], *v = &s->in[2];
    double scale = cpu_float(s->node, "scale", 0.0);
    struct attention z = {.rows = q->shape[q->rank - 2],
                          .keys = v->shape[v->rank - 2],
                          .heads = cpu_int(s->node, "heads", 1),
                          .deep_row = q->shape[q->rank - 1],
                          .wide_row = v->shape[v->rank - 1],
                          .causal = cpu_int(s->node, "causal", 0) != 0};
    z.depth = z.deep_row / z.heads, z.wide = z.wide_row / z.heads;
    z.batch = (int64_t)q->count / (z.rows * z.deep_row);
    z.blocks = (z.rows + QUERIES - 1) / QUERIES;
    z.scale = (float)(scale != 0.0 ? scale : 1.0 / sqrt((double)z.depth));
    return z;
}

static inline bool attention_is(const struct cpu_setup *s) {
    return strcmp(s->node->op, "attention") == 0 ||
           strcmp(s->node->op, "attention_grad") == 0;
}

static inline int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Keys of the tile that row i sees, at first `first`, n in the tile. */
static inline int64_t seen(const struct attention *z, int64_t i, int64_t first,
                           int64_t n) {
    int64_t s = z->causal ? least(n, i + 1 - first) : n;
    return s > 0 ? s : 0;
}

/* The largest of n scores, none of which is NaN; else any number: then exp of the NaN
 * makes the row NaN. Scores become scaled ones. */
static inline float row_scale(float *s, int64_t n, float scale, float most) {
    float lane[16];
    int64_t i = 0;
    for (int k = 0; k < 16; k++)
        lane[k] = most;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) {
            float v = s[i + k] * scale;
            s[i + k] = v;
            lane[k] = v > lane[k] ? v : lane[k];
        }
    for (int k = 0; i < n; i++, k++) {
        s[i] *= scale;
        lane[k] = s[i] > lane[k] ? s[i] : lane[k];
    }
    for (int w = 8; w; w /= 2)
        for (int k = 0; k < w; k++)
            lane[k] = lane[k + w] > lane[k] ? lane[k + w] : lane[k];
    return lane[0];
}

/* exp(s - top) of the n first, zeros up to `all`; their sum. */
static inline float row_exp(float *s, int64_t n, int64_t all, float top) {
    struct sum_lanes total = {{0}, 0};
    int64_t whole = (n + 15) / 16 * 16;
    for (int64_t j = n; j < whole; j++)
        s[j] = top;
    EACH(j, whole) s[j] = rn_exp_f32(s[j] - top);
    for (int64_t j = n; j < all; j++)
        s[j] = 0.0f;
    sum_add(&total, s, n);
    return sum_total(&total);
}

/* Scores p [rows][KEYS] of a tile to what they weigh; the running top and sum of each
 * row, and by what the sum so far was corrected. */
static inline void tile_forward(const struct attention *z, float *p, float *top,
                                float *sum, float *correct, int64_t first, int64_t rows,
                                int64_t j, int64_t n) {
    float most[QUERIES];
    for (int64_t i = 0; i < rows; i++)
        most[i] = row_scale(p + i * KEYS, seen(z, first + i, j, n), z->scale, top[i]);
    EACH(i, rows) correct[i] = rn_exp_f32(top[i] - most[i]);
    for (int64_t i = 0; i < rows; i++) {
        int64_t sees = seen(z, first + i, j, n);
        float here = sees ? row_exp(p + i * KEYS, sees, n, most[i]) : 0.0f;
        if (!sees)
            memset(p + i * KEYS, 0, (size_t)n * sizeof *p);
        sum[i] = sum[i] * correct[i] + here;
        top[i] = most[i];
    }
}

/* One row: p holds scores, g the gradients of what p is to be; then g those of the
 * scores. less: what every element's is lowered by. */
static inline void row_backward(const struct attention *z, float *p, float *g,
                                int64_t n, int64_t sees, float lse, float less) {
    float scale = z->scale;
    int64_t whole = (sees + 15) / 16 * 16;
    for (int64_t j = sees; j < whole; j++)
        p[j] = g[j] = 0.0f;
    EACH(j, whole) {
        p[j] = rn_exp_f32(p[j] * scale - lse);
        g[j] = p[j] * (g[j] - less) * scale;
    }
    for (int64_t j = sees; j < n; j++)
        p[j] = g[j] = 0.0f;
}

#endif
