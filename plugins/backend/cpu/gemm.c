/* SPDX-License-Identifier: Apache-2.0 */
/* Built-in matrix products. Each element is one running sum over k, so tiles, blocks
 * and threads give the same bits; what is needed is in the caller's scratch. The
 * second operand is packed in panels, the first one is read where it is, or packed
 * where its rows are strided. There are two, alike but for the sum: one that rounds the
 * product and the sum, and so has the same bits with every instruction set, where there
 * is no oneDNN or where sums must not depend on it; and one that rounds once, where the
 * processor can, for tiles of attention. */
#include "isa.h"

#if defined(__AVX512F__)
#define WIDE 16
#define ROWS 8
#elif defined(__AVX__)
#define WIDE 8
#define ROWS 4
#else
#define WIDE 4
#define ROWS 4
#endif
#define COLS (2 * WIDE)
#define KC   256
#define NC   512 /* a multiple of COLS */
#define EVERY  _Pragma("GCC unroll 16") for
#define INLINE static inline __attribute__((always_inline))

typedef float wide __attribute__((vector_size(WIDE * 4)));
/* The same anywhere in memory; never an argument, which gcc 14 for arm64 does not take.
 */
typedef wide wide_at __attribute__((aligned(4), may_alias));
typedef int32_t places __attribute__((vector_size(WIDE * 4)));

INLINE wide load(const float *x) {
    return *(const wide_at *)(const void *)x;
}

INLINE void store(float *x, wide v) {
    *(wide_at *)(void *)x = v;
}

INLINE wide multiply_add(float a, wide b, wide c, bool fused) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    wide out;
    for (int i = 0; fused && i < WIDE; i++)
        out[i] = __builtin_fmaf(a, b[i], c[i]);
    if (fused)
        return out;
#endif
    (void)fused;
    return c + a * b;
}

/* c [ROWS][COLS] (+)= a b; a's elements are a_row and a_col apart, b is [k][COLS]. */
INLINE void tile(int64_t k, const float *a, int64_t a_row, int64_t a_col,
                 const float *b, float *c, int64_t c_row, bool add, bool fused) {
    wide acc[ROWS][2];
    EVERY(int i = 0; i < ROWS; i++) {
        acc[i][0] = add ? load(c + i * c_row) : (wide){0};
        acc[i][1] = add ? load(c + i * c_row + WIDE) : (wide){0};
    }
    for (int64_t p = 0; p < k; p++) {
        wide b0 = load(b + p * COLS);
        wide b1 = load(b + p * COLS + WIDE);
        EVERY(int i = 0; i < ROWS; i++) {
            float v = a[i * a_row + p * a_col];
            acc[i][0] = multiply_add(v, b0, acc[i][0], fused);
            acc[i][1] = multiply_add(v, b1, acc[i][1], fused);
        }
    }
    EVERY(int i = 0; i < ROWS; i++) {
        store(c + i * c_row, acc[i][0]);
        store(c + i * c_row + WIDE, acc[i][1]);
    }
}

/* WIDE rows of WIDE elements at x, `row` apart, as columns to `to`, COLS apart: rows
 * and columns change places a bit of their numbers at a time. */
INLINE void turn(const float *x, int64_t row, float *to) {
    wide r[WIDE];
    EVERY(int i = 0; i < WIDE; i++) {
        r[i] = load(x + i * row);
    }
    EVERY(int s = 1; s < WIDE; s *= 2) {
        places low, high;
        EVERY(int l = 0; l < WIDE; l++) {
            low[l] = l & s ? WIDE + l - s : l;
            high[l] = l & s ? WIDE + l : l + s;
        }
        EVERY(int i = 0; i < WIDE; i++) {
            if (i & s)
                continue;
            wide a = r[i], b = r[i + s];
            r[i] = __builtin_shuffle(a, b, low);
            r[i + s] = __builtin_shuffle(a, b, high);
        }
    }
    EVERY(int i = 0; i < WIDE; i++) {
        store(to + i * COLS, r[i]);
    }
}

/* COLS columns of b from `at` on, `n` of which exist, [k][COLS]. */
static void pack_columns(const float *at, int64_t row, int64_t col, int64_t n,
                         int64_t k, float *to) {
    int64_t p = 0;
    for (; row == 1 && n == COLS && p + WIDE <= k; p += WIDE) {
        turn(at + p, col, to + p * COLS);
        turn(at + p + WIDE * col, col, to + p * COLS + WIDE);
    }
    for (; p < k; p++)
        for (int64_t j = 0; j < COLS; j++)
            to[p * COLS + j] = j < n ? at[p * row + j * col] : 0.0f;
}

static void pack_b(const struct cpu_gemm *g, int64_t j0, int64_t n, int64_t p0,
                   int64_t k, float *to) {
    for (int64_t j = 0; j < n; j += COLS, to += k * COLS) {
        const float *at = g->b + p0 * g->b_row + (j0 + j) * g->b_col;
        if (g->b_col != 1 || j + COLS > n) {
            pack_columns(at, g->b_row, g->b_col, n - j < COLS ? n - j : COLS, k, to);
            continue;
        }
        for (int64_t p = 0; p < k; p++)
            memcpy(to + p * COLS, at + p * g->b_row, COLS * sizeof *to);
    }
}

/* ROWS rows of a, `m` of which exist, [k][ROWS]. */
static void pack_a(const struct cpu_gemm *g, int64_t i0, int64_t m, int64_t p0,
                   int64_t k, float *to) {
    for (int64_t p = 0; p < k; p++, to += ROWS) {
        const float *at = g->a + i0 * g->a_row + (p0 + p) * g->a_col;
        if (g->a_row == 1 && m == ROWS) {
            memcpy(to, at, ROWS * sizeof *to);
            continue;
        }
        for (int64_t r = 0; r < ROWS; r++)
            to[r] = r < m ? at[r * g->a_row] : 0.0f;
    }
}

/* ROWS rows, or the m that are left, of all n columns. */
INLINE void strip(const struct cpu_gemm *g, int64_t i0, int64_t m, int64_t j0,
                  int64_t n, int64_t p0, int64_t k, const float *b, float *a,
                  bool fused) {
    bool packed = g->a_col != 1 || m < ROWS, add = g->add || p0 > 0;
    const float *at = g->a + i0 * g->a_row + p0;
    float edge[ROWS * COLS];
    if (packed)
        pack_a(g, i0, m, p0, k, a);
    for (int64_t j = 0; j < n; j += COLS) {
        float *c = g->c + i0 * g->c_row + j0 + j, *to = c;
        int64_t cols = n - j < COLS ? n - j : COLS, to_row = g->c_row;
        bool whole = m == ROWS && cols == COLS;
        if (!whole) {
            to = edge, to_row = COLS;
            memset(edge, 0, sizeof edge);
            for (int64_t r = 0; add && r < m; r++)
                memcpy(edge + r * COLS, c + r * g->c_row, (size_t)cols * sizeof *c);
        }
        if (packed)
            tile(k, a, 1, ROWS, b + j * k, to, to_row, add, fused);
        else
            tile(k, at, g->a_row, 1, b + j * k, to, to_row, add, fused);
        for (int64_t r = 0; !whole && r < m; r++)
            memcpy(c + r * g->c_row, edge + r * COLS, (size_t)cols * sizeof *c);
    }
}

INLINE void product(const struct cpu_gemm *g, void *pack, bool fused) {
    float *a = pack, *b = a + ROWS * KC;
    if (g->k == 0 && !g->add)
        for (int64_t i = 0; i < g->m; i++)
            memset(g->c + i * g->c_row, 0, (size_t)g->n * sizeof *g->c);
    for (int64_t j0 = 0; j0 < g->n; j0 += NC) {
        int64_t n = g->n - j0 < NC ? g->n - j0 : NC;
        for (int64_t p0 = 0; p0 < g->k; p0 += KC) {
            int64_t k = g->k - p0 < KC ? g->k - p0 : KC;
            pack_b(g, j0, n, p0, k, b);
            for (int64_t i = 0; i < g->m; i += ROWS)
                strip(g, i, g->m - i < ROWS ? g->m - i : ROWS, j0, n, p0, k, b, a,
                      fused);
        }
    }
}

void CPU_NAME(cpu_gemm)(const struct cpu_gemm *g, void *pack) {
    product(g, pack, false);
}

void CPU_NAME(cpu_fused_gemm)(const struct cpu_gemm *g, void *pack) {
    product(g, pack, true);
}
