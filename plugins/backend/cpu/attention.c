/* SPDX-License-Identifier: Apache-2.0 */
/* Attention in tiles, f32 (Dao et al. 2022, algorithms 1 and 4): scores of some queries
 * and some keys at a time, the running maximum and sum of each query, and for the
 * gradient the logarithm of the sum that forward kept. Memory does not grow with
 * queries times keys. Units (head and block of queries; head for the gradient) do not
 * share sums, so the result does not depend on the number of threads. */
#include <stdlib.h>

#include "attention.h"

/* A thread's scratch. */
struct tiles {
    float *p, *g;               /* [QUERIES][KEYS] */
    float *top, *sum, *correct; /* [QUERIES] */
    void *pack;
};

static uint64_t tiles_bytes(const struct attention *z) {
    return cpu_align(cpu_align(z->pack) +
                     sizeof(float) * (2 * QUERIES * KEYS + 3 * QUERIES));
}

static struct tiles tiles_of(const struct cpu_call *c, int thread) {
    const struct attention *z = c->state;
    char *at = c->workspace + (uint64_t)thread * tiles_bytes(z);
    float *f = (float *)(void *)(at + cpu_align(z->pack));
    return (struct tiles){.pack = at,
                          .p = f,
                          .g = f + QUERIES * KEYS,
                          .top = f + 2 * QUERIES * KEYS,
                          .sum = f + 2 * QUERIES * KEYS + QUERIES,
                          .correct = f + 2 * QUERIES * KEYS + 2 * QUERIES};
}

/* x [rows, n] = a b^T for rows of `columns`. */
static void scores(const struct attention *z, const struct tiles *t, const float *a,
                   const float *b, int64_t row, int64_t rows, int64_t n,
                   int64_t columns, float *x) {
    struct cpu_gemm g = {rows, n, columns, a, b, row, 1, 1, row, x, KEYS, false};
    z->gemm(&g, t->pack);
}

/* Units: batch, head, block of queries. */
static void forward_units(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct attention *z = c->state;
    struct tiles t = tiles_of(c, thread);
    for (int64_t u = begin; u < end; u++) {
        int64_t block = u % z->blocks, h = u / z->blocks % z->heads;
        int64_t b = u / z->blocks / z->heads, first = block * QUERIES;
        int64_t rows = least(QUERIES, z->rows - first), at = b * z->rows + first;
        int64_t keys = z->causal ? least(z->keys, first + rows) : z->keys;
        const float *q = (const float *)c->k.in[0].data + at * z->deep_row;
        const float *k = (const float *)c->k.in[1].data + b * z->keys * z->deep_row;
        const float *v = (const float *)c->k.in[2].data + b * z->keys * z->wide_row;
        float *y = c->k.out[0].data, *lse = c->k.out[1].data;
        q += h * z->depth, k += h * z->depth, v += h * z->wide;
        for (int64_t i = 0; i < rows; i++)
            t.top[i] = -INFINITY, t.sum[i] = 0.0f;
        if (y)
            y += at * z->wide_row + h * z->wide;
        for (int64_t j = 0; j < keys; j += KEYS) {
            int64_t n = least(KEYS, keys - j);
            scores(z, &t, q, k + j * z->deep_row, z->deep_row, rows, n, z->depth, t.p);
            tile_forward(z, t.p, t.top, t.sum, t.correct, first, rows, j, n);
            for (int64_t i = 0; i < rows && y && j; i++) {
                float *row = y + i * z->wide_row, by = t.correct[i];
                EACH(d, z->wide) row[d] *= by;
            }
            struct cpu_gemm g = {.m = rows,
                                 .n = z->wide,
                                 .k = n,
                                 .a = t.p,
                                 .a_row = KEYS,
                                 .a_col = 1,
                                 .b = v + j * z->wide_row,
                                 .b_row = z->wide_row,
                                 .b_col = 1,
                                 .c = y,
                                 .c_row = z->wide_row,
                                 .add = j > 0};
            if (y)
                z->gemm(&g, t.pack);
        }
        for (int64_t i = 0; i < rows && y; i++) {
            float *row = y + i * z->wide_row, by = t.sum[i];
            EACH(d, z->wide) row[d] /= by;
        }
        EACH(i, rows) t.top[i] += rn_log_f32(t.sum[i]);
        for (int64_t i = 0; i < rows && lse; i++)
            lse[(at + i) * z->heads + h] = t.top[i];
    }
}

/* c [keys, columns] (+)= x^T b, x [rows, keys] a tile. */
static void add_transposed(const struct attention *z, const struct tiles *t,
                           const float *x, const float *b, int64_t row, int64_t rows,
                           int64_t n, int64_t columns, float *c, bool add) {
    struct cpu_gemm g = {n, columns, rows, x, b, 1, KEYS, row, 1, c, row, add};
    z->gemm(&g, t->pack);
}

/* Units: batch and head. in: q k v y lse gy [glse]; out: gq gk gv */
static void backward_units(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct attention *z = c->state;
    const struct kernel_tensor *in = c->k.in;
    struct tiles t = tiles_of(c, thread);
    for (int64_t u = begin; u < end; u++) {
        int64_t b = u / z->heads, h = u % z->heads;
        int64_t of_q = b * z->rows * z->deep_row + h * z->depth;
        int64_t of_k = b * z->keys * z->deep_row + h * z->depth;
        int64_t of_v = b * z->keys * z->wide_row + h * z->wide;
        int64_t of_y = b * z->rows * z->wide_row + h * z->wide;
        float *gq = c->k.out[0].data, *gk = c->k.out[1].data, *gv = c->k.out[2].data;
        gq = gq ? gq + of_q : NULL, gk = gk ? gk + of_k : NULL;
        gv = gv ? gv + of_v : NULL;
        /* The last queries see every key that any sees, so they begin the sums. */
        int64_t last = (z->blocks - 1) * QUERIES;
        for (int64_t j = z->causal ? z->rows : z->keys; j < z->keys; j++) {
            if (gk)
                memset(gk + j * z->deep_row, 0, (size_t)z->depth * sizeof *gk);
            if (gv)
                memset(gv + j * z->wide_row, 0, (size_t)z->wide * sizeof *gv);
        }
        for (int64_t first = last; first >= 0; first -= QUERIES) {
            int64_t rows = least(QUERIES, z->rows - first);
            int64_t keys = z->causal ? least(z->keys, first + rows) : z->keys;
            const float *q = (const float *)in[0].data + of_q + first * z->deep_row;
            const float *y = (const float *)in[3].data + of_y + first * z->wide_row;
            const float *gy = (const float *)in[5].data + of_y + first * z->wide_row;
            int64_t sums = (b * z->rows + first) * z->heads + h;
            for (int64_t i = 0; i < rows; i++) {
                struct sum_lanes total = {{0}, 0};
                for (int64_t d = 0; d < z->wide; d += KEYS) {
                    int64_t n = least(KEYS, z->wide - d), at = i * z->wide_row + d;
                    EACH(m, n) t.p[m] = y[at + m] * gy[at + m];
                    sum_add(&total, t.p, n);
                }
                t.sum[i] = sum_total(&total);
                if (c->k.n_in > 6)
                    t.sum[i] -= ((const float *)in[6].data)[sums + i * z->heads];
                t.top[i] = ((const float *)in[4].data)[sums + i * z->heads];
            }
            for (int64_t j = 0; j < keys; j += KEYS) {
                int64_t n = least(KEYS, keys - j);
                const float *k = (const float *)in[1].data + of_k + j * z->deep_row;
                const float *v = (const float *)in[2].data + of_v + j * z->wide_row;
                scores(z, &t, q, k, z->deep_row, rows, n, z->depth, t.p);
                scores(z, &t, gy, v, z->wide_row, rows, n, z->wide, t.g);
                for (int64_t i = 0; i < rows; i++)
                    row_backward(z, t.p + i * KEYS, t.g + i * KEYS, n,
                                 seen(z, first + i, j, n), t.top[i], t.sum[i]);
                if (gv)
                    add_transposed(z, &t, t.p, gy, z->wide_row, rows, n, z->wide,
                                   gv + j * z->wide_row, first != last);
                if (gk)
                    add_transposed(z, &t, t.g, q, z->deep_row, rows, n, z->depth,
                                   gk + j * z->deep_row, first != last);
                struct cpu_gemm g = {.m = rows,
                                     .n = z->depth,
                                     .k = n,
                                     .a = t.g,
                                     .a_row = KEYS,
                                     .a_col = 1,
                                     .b = k,
                                     .b_row = z->deep_row,
                                     .b_col = 1,
                                     .c = gq + first * z->deep_row,
                                     .c_row = z->deep_row,
                                     .add = j > 0};
                if (gq)
                    z->gemm(&g, t.pack);
            }
        }
    }
}

/* -------------------------------------------------------------------- room */

static int32_t run(const struct cpu_call *c, struct rn_error *e) {
    const struct attention *z = c->state;
    struct cpu_call call = *c;
    bool backward = c->k.node->op[9] != '\0';
    int64_t units = z->batch * z->heads;
    (void)e;
    cpu_parallel(c->threads, backward ? units : units * z->blocks, 1,
                 backward ? backward_units : forward_units, &call);
    return RN_OK;
}

int32_t CPU_NAME(cpu_attention)(struct cpu_setup *s, struct rn_error *e) {
    if (!attention_is(s) || s->in[0].dtype != RN_F32)
        return 0;
    struct attention *z = malloc(sizeof *z);
    if (!z)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    *z = attention_of(s);
    const struct cpu_isa *isa = cpu_isa(s->engine);
    z->gemm = cpu_libraries(s->engine) ? isa->fused_gemm : isa->gemm;
    z->pack = isa->pack_bytes;
    s->state = z;
    s->workspace = (uint64_t)s->threads * tiles_bytes(z);
    s->run = run;
    s->kernel = "tiles";
    return 1;
}
