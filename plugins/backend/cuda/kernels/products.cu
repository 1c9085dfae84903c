/* SPDX-License-Identifier: Apache-2.0 */
/* Built-in matrix products and convolutions: for f64, for what the libraries refuse,
 * and for `libraries: off`. Sums of products are held to a bound, not to the bit.
 * T: what is summed in, S: the kernels' suffix. BIAS_S reads a bias, which may be f32
 * beside operands of 16 bits. */

#define BIAS_f32(p, i)         LOAD_f32(p, i)
#define BIAS_f64(p, i)         LOAD_f64(p, i)
#define BIAS_bf16(p, i)        (a.wide_bias ? LOAD_f32(p, i) : LOAD_bf16(p, i))
#define BIAS_f16(p, i)         (a.wide_bias ? LOAD_f32(p, i) : LOAD_f16(p, i))

#define SIDE  64 /* of a tile of the result */
#define DEPTH 16
#define EACH4 4 /* a thread has 4 x 4 of the tile */

#define MATMUL(T, S)                                                                   \
    KERNEL(matmul_##S, matmul_args) {                                                  \
        SHARED(T, sa, DEPTH *(SIDE + 1));                                              \
        SHARED(T, sb, DEPTH *(SIDE + 1));                                              \
        LOCAL(T, acc, EACH4 *EACH4);                                                   \
        int64_t rows = (a.m + SIDE - 1) / SIDE, columns = (a.n + SIDE - 1) / SIDE;     \
        uint64_t tiles = (uint64_t)(rows * columns * a.batches);                       \
        for (uint64_t t = BX; t < tiles; t += GRID) {                                  \
            int64_t j0 = (int64_t)t % columns * SIDE;                                  \
            int64_t i0 = (int64_t)t / columns % rows * SIDE;                           \
            int64_t batch = (int64_t)t / columns / rows, left = batch;                 \
            int64_t x = 0, y = 0; /* the matrices' first elements */                   \
            for (int64_t d = a.rank - 1; d >= 0; d--) {                                \
                x += left % a.size[d] * a.a_stride[d];                                 \
                y += left % a.size[d] * a.b_stride[d];                                 \
                left /= a.size[d];                                                     \
            }                                                                          \
            EACH_THREAD {                                                              \
                for (int r = 0; r < EACH4 * EACH4; r++)                                \
                    MINE(acc)[r] = 0;                                                  \
            }                                                                          \
            SYNC();                                                                    \
            for (int64_t p0 = 0; p0 < a.k; p0 += DEPTH) {                              \
                EACH_THREAD {                                                          \
                    for (uint32_t e = TX; e < SIDE * DEPTH; e += THREADS) {            \
                        uint32_t i = a.trans_a ? e % SIDE : e / DEPTH;                 \
                        uint32_t p = a.trans_a ? e / SIDE : e % DEPTH;                 \
                        int64_t gi = i0 + i, gp = p0 + p;                              \
                        sa[p * (SIDE + 1) + i] =                                       \
                            gi < a.m && gp < a.k                                       \
                                ? LOAD_##S(a.a, x + (a.trans_a ? gp * a.m + gi         \
                                                               : gi * a.k + gp))       \
                                : (T)0;                                                \
                        uint32_t j = a.trans_b ? e / DEPTH : e % SIDE;                 \
                        uint32_t q = a.trans_b ? e % DEPTH : e / SIDE;                 \
                        int64_t gj = j0 + j, gq = p0 + q;                              \
                        sb[q * (SIDE + 1) + j] =                                       \
                            gj < a.n && gq < a.k                                       \
                                ? LOAD_##S(a.b, y + (a.trans_b ? gj * a.k + gq         \
                                                               : gq * a.n + gj))       \
                                : (T)0;                                                \
                    }                                                                  \
                }                                                                      \
                SYNC();                                                                \
                EACH_THREAD {                                                          \
                    uint32_t ti = TX / 16, tj = TX % 16;                               \
                    for (int p = 0; p < DEPTH; p++)                                    \
                        for (int r = 0; r < EACH4; r++)                                \
                            for (int c = 0; c < EACH4; c++)                            \
                                MINE(acc)                                              \
                    [r * EACH4 + c] = MULADD_##S(sa[p * (SIDE + 1) + ti + 16 * r],     \
                                                 sb[p * (SIDE + 1) + tj + 16 * c],     \
                                                 MINE(acc)[r * EACH4 + c]);            \
                }                                                                      \
                SYNC();                                                                \
            }                                                                          \
            EACH_THREAD {                                                              \
                for (int r = 0; r < EACH4; r++)                                        \
                    for (int c = 0; c < EACH4; c++) {                                  \
                        int64_t i = i0 + TX / 16 + 16 * r, j = j0 + TX % 16 + 16 * c;  \
                        if (i < a.m && j < a.n)                                        \
                            STORE_##S(a.y, (batch * a.m + i) * a.n + j,                \
                                      MINE(acc)[r * EACH4 + c] +                       \
                                          (a.bias ? BIAS_##S(a.bias, j) : (T)0));      \
                    }                                                                  \
            }                                                                          \
            SYNC();                                                                    \
        }                                                                              \
    }

#define CONV(T, S)                                                                     \
    KERNEL(conv2d_##S, conv_args) {                                                    \
        EACH_INDEX(e, a.count) {                                                       \
            int64_t j = (int64_t)e % a.ow, i = (int64_t)e / a.ow % a.oh;               \
            int64_t o = (int64_t)e / a.ow / a.oh % a.o;                                \
            int64_t n = (int64_t)e / a.ow / a.oh / a.o;                                \
            int64_t first = o / (a.o / a.groups) * a.cg;                               \
            T sum = a.bias ? BIAS_##S(a.bias, o) : (T)0;                               \
            for (int64_t c = 0; c < a.cg; c++)                                         \
                for (int64_t u = 0; u < a.kh; u++)                                     \
                    for (int64_t v = 0; v < a.kw; v++) {                               \
                        int64_t y = i * a.sh - a.top + u * a.dh;                       \
                        int64_t x = j * a.sw - a.left + v * a.dw;                      \
                        if (y < 0 || x < 0 || y >= a.h || x >= a.wd)                   \
                            continue;                                                  \
                        sum = MULADD_##S(                                              \
                            LOAD_##S(a.x,                                              \
                                     ((n * a.c + first + c) * a.h + y) * a.wd + x),    \
                            LOAD_##S(a.w, ((o * a.cg + c) * a.kh + u) * a.kw + v),     \
                            sum);                                                      \
                    }                                                                  \
            STORE_##S(a.out, e, sum);                                                  \
        }                                                                              \
    }                                                                                  \
    KERNEL(conv2d_grad_input_##S, conv_args) {                                         \
        EACH_INDEX(e, a.count) {                                                       \
            int64_t x = (int64_t)e % a.wd, y = (int64_t)e / a.wd % a.h;                \
            int64_t c = (int64_t)e / a.wd / a.h % a.c;                                 \
            int64_t n = (int64_t)e / a.wd / a.h / a.c;                                 \
            int64_t each = a.o / a.groups, first = c / a.cg * each;                    \
            T sum = 0;                                                                 \
            for (int64_t o = first; o < first + each; o++)                             \
                for (int64_t u = 0; u < a.kh; u++)                                     \
                    for (int64_t v = 0; v < a.kw; v++) {                               \
                        int64_t i = y + a.top - u * a.dh, j = x + a.left - v * a.dw;   \
                        if (i < 0 || j < 0 || i % a.sh || j % a.sw ||                  \
                            i / a.sh >= a.oh || j / a.sw >= a.ow)                      \
                            continue;                                                  \
                        sum = MULADD_##S(                                              \
                            LOAD_##S(a.y, ((n * a.o + o) * a.oh + i / a.sh) * a.ow +   \
                                              j / a.sw),                               \
                            LOAD_##S(a.w,                                              \
                                     ((o * a.cg + c % a.cg) * a.kh + u) * a.kw + v),   \
                            sum);                                                      \
                    }                                                                  \
            STORE_##S(a.out, e, sum);                                                  \
        }                                                                              \
    }                                                                                  \
    /* A block has one weight: threads add pixels, then each other. */                 \
    KERNEL(conv2d_grad_weight_##S, conv_args) {                                        \
        SHARED(T, part, THREADS);                                                      \
        for (uint64_t e = BX; e < a.count; e += GRID) {                                \
            int64_t v = (int64_t)e % a.kw, u = (int64_t)e / a.kw % a.kh;               \
            int64_t c = (int64_t)e / a.kw / a.kh % a.cg;                               \
            int64_t o = (int64_t)e / a.kw / a.kh / a.cg;                               \
            int64_t channel = o / (a.o / a.groups) * a.cg + c;                         \
            EACH_THREAD {                                                              \
                T sum = 0;                                                             \
                for (int64_t q = TX; q < a.batch * a.oh * a.ow; q += THREADS) {        \
                    int64_t j = q % a.ow, i = q / a.ow % a.oh, n = q / a.ow / a.oh;    \
                    int64_t y = i * a.sh - a.top + u * a.dh;                           \
                    int64_t x = j * a.sw - a.left + v * a.dw;                          \
                    if (y < 0 || x < 0 || y >= a.h || x >= a.wd)                       \
                        continue;                                                      \
                    sum = MULADD_##S(                                                  \
                        LOAD_##S(a.x, ((n * a.c + channel) * a.h + y) * a.wd + x),     \
                        LOAD_##S(a.y, ((n * a.o + o) * a.oh + i) * a.ow + j), sum);    \
                }                                                                      \
                part[TX] = sum;                                                        \
            }                                                                          \
            SYNC();                                                                    \
            for (uint32_t w = THREADS / 2; w; w /= 2) {                                \
                EACH_THREAD {                                                          \
                    if (TX < w)                                                        \
                        part[TX] += part[TX + w];                                      \
                }                                                                      \
                SYNC();                                                                \
            }                                                                          \
            EACH_THREAD {                                                              \
                if (TX == 0)                                                           \
                    STORE_##S(a.out, e, part[0]);                                      \
            }                                                                          \
            SYNC();                                                                    \
        }                                                                              \
    }

/* What 16 bits stand for, for engines that read f32. */
#define WIDEN(S)                                                                       \
    KERNEL(widen_##S, widen_args) {                                                    \
        EACH_INDEX(i, a.count) {                                                       \
            STORE_f32(a.y, i, LOAD_##S(a.x, space_offset(&a.from, i)));                \
        }                                                                              \
    }

KERNEL(add_bias_f32, bias_args) {
    EACH_INDEX(i, a.count) {
        ((float *)a.y)[i] += ((const float *)a.bias)[(int64_t)i / a.area % a.channels];
    }
}

#if KERNEL_TYPES & KERNELS_F32
MATMUL(float, f32)
CONV(float, f32)
#endif
#if KERNEL_TYPES & KERNELS_F64
MATMUL(double, f64)
CONV(double, f64)
#endif
#if KERNEL_TYPES & KERNELS_BF16
MATMUL(float, bf16)
CONV(float, bf16)
WIDEN(bf16)
#endif
#if KERNEL_TYPES & KERNELS_F16
MATMUL(float, f16)
CONV(float, f16)
WIDEN(f16)
#endif
