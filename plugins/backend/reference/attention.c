/* SPDX-License-Identifier: Apache-2.0 */
/* Attention and its gradient by their definition, a query at a time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/numerics.h>

#include "kernels.h"

struct sizes {
    int64_t batch, rows, keys, heads, depth, wide;
    int64_t deep_row, wide_row; /* from one row of q or k to the next, of v */
    int causal;
    double scale;
};

static struct sizes sizes_of(const struct kernel_call *c) {
    const struct kernel_tensor *q = &c->in[0], *v = &c->in[2];
    struct sizes z = {.rows = q->shape[q->rank - 2],
                      .keys = v->shape[v->rank - 2],
                      .heads = kernel_int(c, "heads"),
                      .deep_row = q->shape[q->rank - 1],
                      .wide_row = v->shape[v->rank - 1],
                      .causal = kernel_int(c, "causal") != 0,
                      .scale = kernel_float(c, "scale")};
    z.batch = (int64_t)q->count / (z.rows * z.deep_row);
    z.depth = z.deep_row / z.heads;
    z.wide = z.wide_row / z.heads;
    if (z.scale == 0.0)
        z.scale = 1.0 / sqrt((double)z.depth);
    return z;
}

#define ATTENTION(T, S)                                                                \
    /* sum of n products; `row` has room for them */                                   \
    static T dot_##S(const T *x, int64_t x_step, const T *y, int64_t y_step,           \
                     int64_t n, T *row) {                                              \
        for (int64_t i = 0; i < n; i++)                                                \
            row[i] = x[i * x_step] * y[i * y_step];                                    \
        return rn_sum_##S(row, (uint64_t)n, 1);                                        \
    }                                                                                  \
                                                                                       \
    static int32_t attention_##S(const struct kernel_call *c, struct rn_error *e) {    \
        struct sizes z = sizes_of(c);                                                  \
        int64_t longest = z.keys > z.depth ? z.keys : z.depth;                            \
        T *p = malloc(2 * sizeof *p * (size_t)(longest + 1)), *row = p + longest;            \
        if (!p)                                                                        \
            return rn_fail(e, RN_E_MEMORY, "no memory for attention", NULL, NULL);     \
        for (int64_t u = 0; u < z.batch * z.heads * z.rows; u++) {                     \
            int64_t h = u / z.rows % z.heads, b = u / z.rows / z.heads;                \
            int64_t i = u % z.rows, at = b * z.rows + i, n = z.keys;                   \
            const T *q = (const T *)c->in[0].data + at * z.deep_row + h * z.depth;     \
            const T *k =                                                               \
                (const T *)c->in[1].data + b * z.keys * z.deep_row + h * z.depth;      \
            const T *v =                                                               \
                (const T *)c->in[2].data + b * z.keys * z.wide_row + h * z.wide;       \
            if (z.causal && i + 1 < n)                                                 \
                n = i + 1;                                                             \
            for (int64_t j = 0; j < n; j++)                                            \
                p[j] =                                                                 \
                    dot_##S(q, 1, k + j * z.deep_row, 1, z.depth, row) * (T)z.scale;   \
            T top = p[0];                                                              \
            for (int64_t j = 1; j < n; j++)                                            \
                if (top == top && (p[j] != p[j] || p[j] > top))                        \
                    top = p[j];                                                        \
            for (int64_t j = 0; j < n; j++)                                            \
                p[j] = rn_exp_##S(p[j] - top);                                         \
            T sum = rn_sum_##S(p, (uint64_t)n, 1);                                     \
            T *y = (T *)c->out[0].data + at * z.wide_row + h * z.wide;                 \
            for (int64_t d = 0; c->out[0].data && d < z.wide; d++)                     \
                y[d] = dot_##S(p, 1, v + d, z.wide_row, n, row) / sum;                 \
            if (c->out[1].data)                                                        \
                ((T *)c->out[1].data)[at * z.heads + h] = top + rn_log_##S(sum);       \
        }                                                                              \
        free(p);                                                                       \
        return RN_OK;                                                                  \
    }                                                                                  \
                                                                                       \
    static int32_t attention_grad_##S(const struct kernel_call *c,                     \
                                      struct rn_error *e) {                            \
        struct sizes z = sizes_of(c);                                                  \
        int64_t longest = z.keys > z.depth ? z.keys : z.depth;                            \
        longest = longest > z.wide ? longest : z.wide;                                          \
        T *p = malloc(3 * sizeof *p * (size_t)(longest + 1)), *gs = p + longest,             \
          *row = gs + longest;                                                            \
        if (!p)                                                                        \
            return rn_fail(e, RN_E_MEMORY, "no memory for attention", NULL, NULL);     \
        for (int i = 0; i < 3; i++)                                                    \
            if (c->out[i].data)                                                        \
                memset(c->out[i].data, 0, (size_t)c->out[i].count * sizeof(T));        \
        for (int64_t u = 0; u < z.batch * z.heads * z.rows; u++) {                     \
            int64_t h = u / z.rows % z.heads, b = u / z.rows / z.heads;                \
            int64_t i = u % z.rows, at = b * z.rows + i, n = z.keys;                   \
            int64_t q_at = at * z.deep_row + h * z.depth;                              \
            int64_t k_at = b * z.keys * z.deep_row + h * z.depth;                      \
            int64_t v_at = b * z.keys * z.wide_row + h * z.wide;                       \
            int64_t y_at = at * z.wide_row + h * z.wide;                               \
            const T *q = (const T *)c->in[0].data + q_at;                              \
            const T *k = (const T *)c->in[1].data + k_at;                              \
            const T *v = (const T *)c->in[2].data + v_at;                              \
            const T *gy = (const T *)c->in[5].data + y_at;                             \
            T lse = ((const T *)c->in[4].data)[at * z.heads + h];                      \
            T less = dot_##S(gy, 1, (const T *)c->in[3].data + y_at, 1, z.wide, row);  \
            if (c->n_in == 7)                                                          \
                less -= ((const T *)c->in[6].data)[at * z.heads + h];                  \
            if (z.causal && i + 1 < n)                                                 \
                n = i + 1;                                                             \
            for (int64_t j = 0; j < n; j++) {                                          \
                T s = dot_##S(q, 1, k + j * z.deep_row, 1, z.depth, row);              \
                T gp = dot_##S(gy, 1, v + j * z.wide_row, 1, z.wide, row);             \
                p[j] = rn_exp_##S(s * (T)z.scale - lse);                               \
                gs[j] = p[j] * (gp - less) * (T)z.scale;                               \
            }                                                                          \
            T *gq = c->out[0].data, *gk = c->out[1].data, *gv = c->out[2].data;        \
            for (int64_t d = 0; gq && d < z.depth; d++)                                \
                gq[q_at + d] = dot_##S(gs, 1, k + d, z.deep_row, n, row);              \
            for (int64_t j = 0; gk && j < n; j++)                                      \
                for (int64_t d = 0; d < z.depth; d++)                                  \
                    gk[k_at + j * z.deep_row + d] += gs[j] * q[d];                     \
            for (int64_t j = 0; gv && j < n; j++)                                      \
                for (int64_t d = 0; d < z.wide; d++)                                   \
                    gv[v_at + j * z.wide_row + d] += p[j] * gy[d];                     \
        }                                                                              \
        free(p);                                                                       \
        return RN_OK;                                                                  \
    }
ATTENTION(float, f32)
ATTENTION(double, f64)

kernel_fn kernel_attention(const char *op, rn_dtype t) {
    if (strcmp(op, "attention") == 0)
        return t == RN_F32 ? attention_f32 : t == RN_F64 ? attention_f64 : NULL;
    if (strcmp(op, "attention_grad") == 0)
        return t == RN_F32   ? attention_grad_f32
               : t == RN_F64 ? attention_grad_f64
                             : NULL;
    return NULL;
}
