/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution, pooling, resizing over NCHW images, by their definitions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/numerics.h>

#include "kernels.h"

struct window {
    int64_t kh, kw, sh, sw, top, left, dh, dw, groups;
};

static struct window window_of(const struct kernel_call *c) {
    const int64_t *k = kernel_ints(c, "kernel"), *s = kernel_ints(c, "stride");
    const int64_t *p = kernel_ints(c, "pad"), *d = kernel_ints(c, "dilation");
    struct window w = {k ? k[0] : 1, k ? k[1] : 1, s[0],
                       s[1],         p[0],         p[1],
                       d ? d[0] : 1, d ? d[1] : 1, kernel_int(c, "groups")};
    return w;
}

#define AT(t, n, ch, y, x)                                                             \
    ((((n) * (t)->shape[1] + (ch)) * (t)->shape[2] + (y)) * (t)->shape[3] + (x))

/* For each product of the convolution: image pixel x, weight w, output pixel y. */
#define EACH_PRODUCT(X, W, Y, BODY)                                                    \
    for (int64_t n = 0; n < (Y)->shape[0]; n++)                                        \
        for (int64_t o = 0; o < (Y)->shape[1]; o++)                                    \
            for (int64_t i = 0; i < (Y)->shape[2]; i++)                                \
                for (int64_t j = 0; j < (Y)->shape[3]; j++)                            \
                    for (int64_t ch = 0; ch < (W)->shape[1]; ch++)                     \
                        for (int64_t u = 0; u < w.kh; u++)                             \
                            for (int64_t v = 0; v < w.kw; v++) {                       \
                                int64_t g = o / ((W)->shape[0] / w.groups);            \
                                int64_t y = i * w.sh - w.top + u * w.dh;               \
                                int64_t x = j * w.sw - w.left + v * w.dw;              \
                                if (y < 0 || x < 0 || y >= (X)->shape[2] ||            \
                                    x >= (X)->shape[3])                                \
                                    continue;                                          \
                                uint64_t xi =                                          \
                                    (uint64_t)AT(X, n, g * (W)->shape[1] + ch, y, x);  \
                                uint64_t wi = (uint64_t)AT(W, o, ch, u, v);            \
                                uint64_t yi = (uint64_t)AT(Y, n, o, i, j);             \
                                BODY;                                                  \
                            }

#define CONV(T, S)                                                                     \
    static int32_t conv_##S(const struct kernel_call *c, struct rn_error *e) {         \
        const struct kernel_tensor *X = &c->in[0], *W = &c->in[1], *Y = &c->out[0];    \
        struct window w = window_of(c);                                                \
        (void)e;                                                                       \
        w.kh = W->shape[2], w.kw = W->shape[3];                                        \
        const T *x_ = X->data, *w_ = W->data,                                          \
                *b_ = c->n_in > 2 ? (const T *)c->in[2].data : NULL;                   \
        T *y_ = Y->data;                                                               \
        int64_t area = Y->shape[2] * Y->shape[3];                                      \
        for (uint64_t k = 0; k < Y->count; k++)                                        \
            y_[k] = b_ ? b_[((int64_t)k / area) % Y->shape[1]] : 0;                    \
        EACH_PRODUCT(X, W, Y, y_[yi] += x_[xi] * w_[wi])                               \
        return RN_OK;                                                                  \
    }                                                                                  \
    static int32_t conv_grad_input_##S(const struct kernel_call *c,                    \
                                       struct rn_error *e) {                           \
        const struct kernel_tensor *X = &c->out[0], *W = &c->in[0], *Y = &c->in[1];    \
        struct window w = window_of(c);                                                \
        (void)e;                                                                       \
        w.kh = W->shape[2], w.kw = W->shape[3];                                        \
        T *x_ = X->data;                                                               \
        const T *w_ = W->data, *y_ = Y->data;                                          \
        memset(x_, 0, X->count * sizeof(T));                                           \
        EACH_PRODUCT(X, W, Y, x_[xi] += y_[yi] * w_[wi])                               \
        return RN_OK;                                                                  \
    }                                                                                  \
    static int32_t conv_grad_weight_##S(const struct kernel_call *c,                   \
                                        struct rn_error *e) {                          \
        const struct kernel_tensor *X = &c->in[0], *W = &c->out[0], *Y = &c->in[1];    \
        struct window w = window_of(c);                                                \
        (void)e;                                                                       \
        w.kh = W->shape[2], w.kw = W->shape[3];                                        \
        T *w_ = W->data;                                                               \
        const T *x_ = X->data, *y_ = Y->data;                                          \
        memset(w_, 0, W->count * sizeof(T));                                           \
        EACH_PRODUCT(X, W, Y, w_[wi] += x_[xi] * y_[yi])                               \
        return RN_OK;                                                                  \
    }                                                                                  \
    /* offset of the first maximum of window (i, j) in plane p, or -1 if empty */      \
    static int64_t first_max_##S(const T *p, const struct window *w, int64_t H,        \
                                 int64_t Wd, int64_t i, int64_t j) {                   \
        int64_t best = -1;                                                             \
        for (int64_t u = 0; u < w->kh; u++)                                            \
            for (int64_t v = 0; v < w->kw; v++) {                                      \
                int64_t y = i * w->sh - w->top + u, x = j * w->sw - w->left + v;       \
                if (y < 0 || x < 0 || y >= H || x >= Wd)                               \
                    continue;                                                          \
                T value = p[y * Wd + x];                                               \
                if (best < 0 ||                                                        \
                    (p[best] == p[best] && (value != value || value > p[best])))       \
                    best = y * Wd + x;                                                 \
            }                                                                          \
        return best;                                                                   \
    }                                                                                  \
    static int32_t max_pool_##S(const struct kernel_call *c, struct rn_error *e) {     \
        const char *op = c->node->op;                                                  \
        int grad = strcmp(op, "max_pool2d_grad") == 0;                                 \
        int gather = strcmp(op, "max_pool2d_gather") == 0;                             \
        const struct kernel_tensor *X = &c->in[0], *Y = grad ? &c->in[1] : &c->out[0]; \
        struct window w = window_of(c);                                                \
        int64_t area = X->shape[2] * X->shape[3], planes = X->shape[0] * X->shape[1];  \
        (void)e;                                                                       \
        if (grad)                                                                      \
            memset(c->out[0].data, 0, c->out[0].count * sizeof(T));                    \
        for (int64_t p = 0; p < planes; p++) {                                         \
            const T *x = (const T *)X->data + p * area;                                \
            for (int64_t i = 0; i < Y->shape[2]; i++)                                  \
                for (int64_t j = 0; j < Y->shape[3]; j++) {                            \
                    int64_t at = first_max_##S(x, &w, X->shape[2], X->shape[3], i, j); \
                    int64_t yi = (p * Y->shape[2] + i) * Y->shape[3] + j;              \
                    if (grad && at >= 0)                                               \
                        ((T *)c->out[0].data)[p * area + at] +=                        \
                            ((const T *)Y->data)[yi];                                  \
                    else if (gather)                                                   \
                        ((T *)Y->data)[yi] =                                           \
                            at < 0 ? 0 : ((const T *)c->in[1].data)[p * area + at];    \
                    else if (!grad)                                                    \
                        ((T *)Y->data)[yi] = at < 0 ? -(T)INFINITY : x[at];            \
                }                                                                      \
        }                                                                              \
        return RN_OK;                                                                  \
    }                                                                                  \
    static int32_t avg_pool_##S(const struct kernel_call *c, struct rn_error *e) {     \
        int grad = strcmp(c->node->op, "avg_pool2d_grad") == 0;                        \
        const struct kernel_tensor *X = grad ? &c->out[0] : &c->in[0];                 \
        const struct kernel_tensor *Y = grad ? &c->in[0] : &c->out[0];                 \
        struct window w = window_of(c);                                                \
        int64_t count_pad = kernel_int(c, "count_pad");                                \
        (void)e;                                                                       \
        if (grad)                                                                      \
            memset(X->data, 0, X->count * sizeof(T));                                  \
        for (int64_t p = 0; p < X->shape[0] * X->shape[1]; p++)                        \
            for (int64_t i = 0; i < Y->shape[2]; i++)                                  \
                for (int64_t j = 0; j < Y->shape[3]; j++) {                            \
                    T *x = (T *)X->data + p * X->shape[2] * X->shape[3], sum = 0;      \
                    T *y = (T *)Y->data + (p * Y->shape[2] + i) * Y->shape[3] + j;     \
                    int64_t top = i * w.sh - w.top, left = j * w.sw - w.left;          \
                    int64_t y0 = top < 0 ? 0 : top, x0 = left < 0 ? 0 : left;          \
                    int64_t y1 = top + w.kh < X->shape[2] ? top + w.kh : X->shape[2];  \
                    int64_t x1 =                                                       \
                        left + w.kw < X->shape[3] ? left + w.kw : X->shape[3];         \
                    int64_t n = count_pad ? w.kh * w.kw : (y1 - y0) * (x1 - x0);       \
                    T share = grad && n > 0 ? *y / (T)n : 0;                           \
                    for (int64_t a = y0; a < y1; a++)                                  \
                        for (int64_t b = x0; b < x1; b++) {                            \
                            if (grad)                                                  \
                                x[a * X->shape[3] + b] += share;                       \
                            else                                                       \
                                sum += x[a * X->shape[3] + b];                         \
                        }                                                              \
                    if (!grad)                                                         \
                        *y = n > 0 ? sum / (T)n : 0;                                   \
                }                                                                      \
        return RN_OK;                                                                  \
    }                                                                                  \
    static int32_t resize_##S(const struct kernel_call *c, struct rn_error *e) {       \
        int grad = strcmp(c->node->op, "resize2d_grad") == 0;                          \
        const struct kernel_tensor *X = grad ? &c->out[0] : &c->in[0];                 \
        const struct kernel_tensor *Y = grad ? &c->in[0] : &c->out[0];                 \
        int64_t bilinear = kernel_int(c, "mode"), in[2], out[2];                       \
        (void)e;                                                                       \
        in[0] = X->shape[2], in[1] = X->shape[3];                                      \
        out[0] = Y->shape[2], out[1] = Y->shape[3];                                    \
        if (grad)                                                                      \
            memset(X->data, 0, X->count * sizeof(T));                                  \
        for (int64_t p = 0; p < X->shape[0] * X->shape[1]; p++)                        \
            for (int64_t i = 0; i < out[0]; i++)                                       \
                for (int64_t j = 0; j < out[1]; j++) {                                 \
                    T *x = (T *)X->data + p * in[0] * in[1];                           \
                    T *y = (T *)Y->data + (p * out[0] + i) * out[1] + j;               \
                    int64_t to[2], at[2][2];                                           \
                    T part[2][2];                                                      \
                    to[0] = i, to[1] = j;                                              \
                    for (int k = 0; k < 2; k++) {                                      \
                        T f = ((T)to[k] + (T)0.5) * (T)in[k] / (T)out[k] - (T)0.5;     \
                        f = f < 0 ? 0 : f;                                             \
                        at[k][0] = bilinear ? (int64_t)f : to[k] * in[k] / out[k];     \
                        at[k][1] = at[k][0] + 1 < in[k] ? at[k][0] + 1 : at[k][0];     \
                        part[k][1] = bilinear ? f - (T)at[k][0] : 0;                   \
                        part[k][0] = 1 - part[k][1];                                   \
                    }                                                                  \
                    T sum = 0;                                                         \
                    for (int a = 0; a < 2; a++)                                        \
                        for (int b = 0; b < 2; b++) {                                  \
                            int64_t from = at[0][a] * in[1] + at[1][b];                \
                            T weight = part[0][a] * part[1][b];                        \
                            if (grad)                                                  \
                                x[from] += weight * *y;                                \
                            else                                                       \
                                sum += weight * x[from];                               \
                        }                                                              \
                    if (!grad)                                                         \
                        *y = sum;                                                      \
                }                                                                      \
        return RN_OK;                                                                  \
    }
CONV(float, f32)
CONV(double, f64)

kernel_fn kernel_window(const char *op, rn_dtype t) {
    static const struct {
        const char *op;
        kernel_fn f32, f64;
    } table[] = {{"conv2d", conv_f32, conv_f64},
                 {"conv2d_grad_input", conv_grad_input_f32, conv_grad_input_f64},
                 {"conv2d_grad_weight", conv_grad_weight_f32, conv_grad_weight_f64},
                 {"max_pool2d", max_pool_f32, max_pool_f64},
                 {"max_pool2d_grad", max_pool_f32, max_pool_f64},
                 {"max_pool2d_gather", max_pool_f32, max_pool_f64},
                 {"avg_pool2d", avg_pool_f32, avg_pool_f64},
                 {"avg_pool2d_grad", avg_pool_f32, avg_pool_f64},
                 {"resize2d", resize_f32, resize_f64},
                 {"resize2d_grad", resize_f32, resize_f64}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].op, op) == 0)
            return t == RN_F32 ? table[i].f32 : t == RN_F64 ? table[i].f64 : NULL;
    return NULL;
}
