/* SPDX-License-Identifier: Apache-2.0 */
/* A matrix product of our own: packed panels, a register tile, K in blocks. Each
 * element is one running sum over k, so tiles, blocks, threads and instruction sets
 * give the same bits. Used where there is no oneDNN and where sums must not depend on
 * it. */
#include "isa.h"

#if defined(__AVX512F__)
#define WIDE 16
#define ROWS 6
#elif defined(__AVX__)
#define WIDE 8
#define ROWS 4
#else
#define WIDE 4
#define ROWS 4
#endif
#define COLS (2 * WIDE)
#define KC   256
#define MC   96  /* a multiple of ROWS */
#define NC   512 /* a multiple of COLS */

typedef float wide __attribute__((vector_size(WIDE * 4), aligned(4), may_alias));

/* a: [k][ROWS], b: [k][COLS]; c holds what was summed before. */
static void tile(int64_t k, const float *a, const float *b, float *c, int64_t c_row) {
    wide acc[ROWS][2];
    for (int i = 0; i < ROWS; i++) {
        acc[i][0] = *(const wide *)(const void *)(c + i * c_row);
        acc[i][1] = *(const wide *)(const void *)(c + i * c_row + WIDE);
    }
    for (int64_t p = 0; p < k; p++) {
        wide b0 = *(const wide *)(const void *)(b + p * COLS);
        wide b1 = *(const wide *)(const void *)(b + p * COLS + WIDE);
        for (int i = 0; i < ROWS; i++) {
            acc[i][0] += a[p * ROWS + i] * b0;
            acc[i][1] += a[p * ROWS + i] * b1;
        }
    }
    for (int i = 0; i < ROWS; i++) {
        *(wide *)(void *)(c + i * c_row) = acc[i][0];
        *(wide *)(void *)(c + i * c_row + WIDE) = acc[i][1];
    }
}

static void pack_a(const struct cpu_gemm *g, int64_t i0, int64_t m, int64_t p0,
                   int64_t k, float *to) {
    for (int64_t i = 0; i < m; i += ROWS)
        for (int64_t p = 0; p < k; p++)
            for (int64_t r = 0; r < ROWS; r++)
                *to++ = i + r < m ? g->a[(i0 + i + r) * g->a_row + (p0 + p) * g->a_col]
                                  : 0.0f;
}

static void pack_b(const struct cpu_gemm *g, int64_t j0, int64_t n, int64_t p0,
                   int64_t k, float *to) {
    for (int64_t j = 0; j < n; j += COLS)
        for (int64_t p = 0; p < k; p++, to += COLS) {
            const float *row = g->b + (p0 + p) * g->b_row + (j0 + j) * g->b_col;
            if (g->b_col == 1 && j + COLS <= n) {
                memcpy(to, row, COLS * sizeof *to);
                continue;
            }
            for (int64_t r = 0; r < COLS; r++)
                to[r] = j + r < n ? row[r * g->b_col] : 0.0f;
        }
}

void CPU_NAME(cpu_gemm)(const struct cpu_gemm *g, void *pack) {
    float *a = pack, *b = a + MC * KC, edge[ROWS * COLS];
    if (!g->add)
        for (int64_t i = 0; i < g->m; i++)
            memset(g->c + i * g->c_row, 0, (size_t)g->n * sizeof *g->c);
    for (int64_t j0 = 0; j0 < g->n; j0 += NC) {
        int64_t n = g->n - j0 < NC ? g->n - j0 : NC;
        for (int64_t p0 = 0; p0 < g->k; p0 += KC) {
            int64_t k = g->k - p0 < KC ? g->k - p0 : KC;
            pack_b(g, j0, n, p0, k, b);
            for (int64_t i0 = 0; i0 < g->m; i0 += MC) {
                int64_t m = g->m - i0 < MC ? g->m - i0 : MC;
                pack_a(g, i0, m, p0, k, a);
                for (int64_t j = 0; j < n; j += COLS)
                    for (int64_t i = 0; i < m; i += ROWS) {
                        float *c = g->c + (i0 + i) * g->c_row + j0 + j;
                        const float *pa = a + i * k, *pb = b + j * k;
                        int64_t rows = m - i < ROWS ? m - i : ROWS;
                        int64_t cols = n - j < COLS ? n - j : COLS;
                        if (rows == ROWS && cols == COLS) {
                            tile(k, pa, pb, c, g->c_row);
                            continue;
                        }
                        memset(edge, 0, sizeof edge);
                        for (int64_t r = 0; r < rows; r++)
                            memcpy(edge + r * COLS, c + r * g->c_row,
                                   (size_t)cols * sizeof *c);
                        tile(k, pa, pb, edge, COLS);
                        for (int64_t r = 0; r < rows; r++)
                            memcpy(c + r * g->c_row, edge + r * COLS,
                                   (size_t)cols * sizeof *c);
                    }
            }
        }
    }
}
