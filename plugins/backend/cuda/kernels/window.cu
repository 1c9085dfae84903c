/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling and resizing over planes of h x w. A gradient is gathered: each pixel adds
 * what the windows that contain it give, in their order. */

/* Outputs i whose window [i*stride - pad, + size) contains at: low <= i <= high. */
static inline int64_t window_low(int64_t at, int64_t size, int64_t stride,
                                 int64_t pad) {
    int64_t n = at + pad - size + 1;
    return n <= 0 ? 0 : (n + stride - 1) / stride;
}
static inline int64_t window_high(int64_t at, int64_t stride, int64_t pad,
                                  int64_t count) {
    int64_t i = (at + pad) / stride;
    return i < count ? i : count - 1;
}

/* Element k is of row i and column j (of y and x in a gradient) of its plane; channels
 * that are contiguous are `block` planes, numbered by `inner`. */
#define PLACE(k, height, width)                                                        \
    const int64_t inner = (int64_t)(k) % a.block, q_ = (int64_t)(k) / a.block;         \
    const int64_t col = q_ % (width), row = q_ / (width) % (height);                   \
    const int64_t plane = q_ / (width) / (height)
#define PLANE(T, from, cells) ((const T *)(from) + plane * (cells)*a.block + inner)

/* T: what is summed in. */
#define WINDOW(T, S)                                                                   \
    /* offset of the first maximum of window (i, j) in plane p, -1: empty */           \
    static inline int64_t first_max_##S(const struct window_args *a,                   \
                                        const MEMORY_##S *p, int64_t i, int64_t j) {   \
        int64_t best = -1;                                                             \
        T top = 0;                                                                     \
        for (int64_t u = 0; u < a->kh; u++)                                            \
            for (int64_t v = 0; v < a->kw; v++) {                                      \
                int64_t y = i * a->sh - a->top + u, x = j * a->sw - a->left + v;       \
                if (y < 0 || x < 0 || y >= a->h || x >= a->w)                          \
                    continue;                                                          \
                T value = LOAD_##S(p, (y * a->w + x) * a->block);                      \
                if (best < 0 || (top == top && (value != value || value > top)))       \
                    best = y * a->w + x, top = value;                                  \
            }                                                                          \
        return best;                                                                   \
    }                                                                                  \
    KERNEL(max_pool2d_##S, window_args) {                                              \
        EACH_INDEX(k, a.count) {                                                       \
            PLACE(k, a.oh, a.ow);                                                      \
            const MEMORY_##S *p = PLANE(MEMORY_##S, a.x, a.h * a.w);                   \
            int64_t at = first_max_##S(&a, p, row, col);                               \
            STORE_##S(a.y, k, at < 0 ? -(T)INFINITY : LOAD_##S(p, at * a.block));      \
        }                                                                              \
    }                                                                                  \
    KERNEL(max_pool2d_gather_##S, window_args) {                                       \
        EACH_INDEX(k, a.count) {                                                       \
            PLACE(k, a.oh, a.ow);                                                      \
            const MEMORY_##S *g = PLANE(MEMORY_##S, a.g, a.h * a.w);                   \
            int64_t at =                                                               \
                first_max_##S(&a, PLANE(MEMORY_##S, a.x, a.h * a.w), row, col);        \
            STORE_##S(a.y, k, at < 0 ? (T)0 : LOAD_##S(g, at * a.block));              \
        }                                                                              \
    }                                                                                  \
    KERNEL(max_pool2d_grad_##S, window_args) {                                         \
        EACH_INDEX(k, a.count) {                                                       \
            PLACE(k, a.h, a.w);                                                        \
            const MEMORY_##S *p = PLANE(MEMORY_##S, a.x, a.h * a.w);                   \
            const MEMORY_##S *g = PLANE(MEMORY_##S, a.g, a.oh * a.ow);                 \
            T sum = 0;                                                                 \
            for (int64_t i = window_low(row, a.kh, a.sh, a.top);                       \
                 i <= window_high(row, a.sh, a.top, a.oh); i++)                        \
                for (int64_t j = window_low(col, a.kw, a.sw, a.left);                  \
                     j <= window_high(col, a.sw, a.left, a.ow); j++)                   \
                    if (first_max_##S(&a, p, i, j) == row * a.w + col)                 \
                        sum += LOAD_##S(g, (i * a.ow + j) * a.block);                  \
            STORE_##S(a.y, k, sum);                                                    \
        }                                                                              \
    }                                                                                  \
    /* cells that window (i, j) is divided by */                                       \
    static inline int64_t cells_##S(const struct window_args *a, int64_t i,            \
                                    int64_t j) {                                       \
        int64_t top = i * a->sh - a->top, left = j * a->sw - a->left;                  \
        int64_t y0 = top < 0 ? 0 : top, x0 = left < 0 ? 0 : left;                      \
        int64_t y1 = top + a->kh < a->h ? top + a->kh : a->h;                          \
        int64_t x1 = left + a->kw < a->w ? left + a->kw : a->w;                        \
        return a->count_pad ? a->kh * a->kw : (y1 - y0) * (x1 - x0);                   \
    }                                                                                  \
    KERNEL(avg_pool2d_##S, window_args) {                                              \
        EACH_INDEX(k, a.count) {                                                       \
            PLACE(k, a.oh, a.ow);                                                      \
            const MEMORY_##S *p = PLANE(MEMORY_##S, a.x, a.h * a.w);                   \
            int64_t n = cells_##S(&a, row, col);                                       \
            T sum = 0;                                                                 \
            for (int64_t u = 0; u < a.kh; u++)                                         \
                for (int64_t v = 0; v < a.kw; v++) {                                   \
                    int64_t y = row * a.sh - a.top + u, x = col * a.sw - a.left + v;   \
                    if (y >= 0 && x >= 0 && y < a.h && x < a.w)                        \
                        sum += LOAD_##S(p, (y * a.w + x) * a.block);                   \
                }                                                                      \
            STORE_##S(a.y, k, n > 0 ? sum / (T)n : (T)0);                              \
        }                                                                              \
    }                                                                                  \
    KERNEL(avg_pool2d_grad_##S, window_args) {                                         \
        EACH_INDEX(k, a.count) {                                                       \
            PLACE(k, a.h, a.w);                                                        \
            const MEMORY_##S *g = PLANE(MEMORY_##S, a.g, a.oh * a.ow);                 \
            T sum = 0;                                                                 \
            for (int64_t i = window_low(row, a.kh, a.sh, a.top);                       \
                 i <= window_high(row, a.sh, a.top, a.oh); i++)                        \
                for (int64_t j = window_low(col, a.kw, a.sw, a.left);                  \
                     j <= window_high(col, a.sw, a.left, a.ow); j++) {                 \
                    int64_t n = cells_##S(&a, i, j);                                   \
                    sum +=                                                             \
                        n > 0 ? LOAD_##S(g, (i * a.ow + j) * a.block) / (T)n : (T)0;   \
                }                                                                      \
            STORE_##S(a.y, k, sum);                                                    \
        }                                                                              \
    }

#define RESIZE(T, S)                                                                   \
    /* Along one side: output i reads `at[0]` and `at[1]` with these weights. */       \
    static inline void resize_##S(int64_t bilinear, int64_t i, int64_t in,             \
                                  int64_t out, int64_t *at, T *part) {                 \
        T f = ((T)i + (T)0.5) * (T)in / (T)out - (T)0.5;                               \
        f = f < 0 ? (T)0 : f;                                                          \
        at[0] = bilinear ? (int64_t)f : i * in / out;                                  \
        at[1] = at[0] + 1 < in ? at[0] + 1 : at[0];                                    \
        part[1] = bilinear ? f - (T)at[0] : (T)0;                                      \
        part[0] = 1 - part[1];                                                         \
    }                                                                                  \
    KERNEL(resize2d_##S, window_args) {                                                \
        EACH_INDEX(k, a.count) {                                                       \
            int64_t j = (int64_t)k % a.ow, i = (int64_t)k / a.ow % a.oh;               \
            const T *p = (const T *)a.x + (int64_t)k / a.ow / a.oh * a.h * a.w;        \
            int64_t y[2], x[2];                                                        \
            T py[2], px[2], sum = 0;                                                   \
            resize_##S(a.bilinear, i, a.h, a.oh, y, py);                               \
            resize_##S(a.bilinear, j, a.w, a.ow, x, px);                               \
            for (int u = 0; u < 2; u++)                                                \
                for (int v = 0; v < 2; v++)                                            \
                    sum += py[u] * px[v] * p[y[u] * a.w + x[v]];                       \
            ((T *)a.y)[k] = sum;                                                       \
        }                                                                              \
    }                                                                                  \
    KERNEL(resize2d_grad_##S, window_args) {                                           \
        EACH_INDEX(k, a.count) {                                                       \
            int64_t px = (int64_t)k % a.w, py = (int64_t)k / a.w % a.h;                \
            const T *g = (const T *)a.g + (int64_t)k / a.w / a.h * a.oh * a.ow;        \
            /* a little more than those that can read this pixel */                    \
            int64_t i0 = (py - 2) * a.oh / a.h - 2, i1 = (py + 2) * a.oh / a.h + 2;    \
            int64_t j0 = (px - 2) * a.ow / a.w - 2, j1 = (px + 2) * a.ow / a.w + 2;    \
            T sum = 0;                                                                 \
            for (int64_t i = i0 < 0 ? 0 : i0; i <= i1 && i < a.oh; i++)                \
                for (int64_t j = j0 < 0 ? 0 : j0; j <= j1 && j < a.ow; j++) {          \
                    int64_t y[2], x[2];                                                \
                    T wy[2], wx[2];                                                    \
                    resize_##S(a.bilinear, i, a.h, a.oh, y, wy);                       \
                    resize_##S(a.bilinear, j, a.w, a.ow, x, wx);                       \
                    for (int u = 0; u < 2; u++)                                        \
                        for (int v = 0; v < 2; v++)                                    \
                            if (y[u] == py && x[v] == px)                              \
                                sum += wy[u] * wx[v] * g[i * a.ow + j];                \
                }                                                                      \
            ((T *)a.y)[k] = sum;                                                       \
        }                                                                              \
    }

#if KERNEL_TYPES & KERNELS_F32
WINDOW(float, f32)
RESIZE(float, f32)
#endif
#if KERNEL_TYPES & KERNELS_F64
WINDOW(double, f64)
RESIZE(double, f64)
#endif
#if KERNEL_TYPES & KERNELS_BF16
WINDOW(float, bf16)
#endif
#if KERNEL_TYPES & KERNELS_F16
WINDOW(float, f16)
#endif
