/* SPDX-License-Identifier: Apache-2.0 */
/* Small products of bf16 on one thread, summed in f32, by the instruction that adds two
 * products at once (AVX-512 BF16). So operands are taken in *pairs* along what is
 * summed: 32 bits with the earlier element below. It takes denormals as zeros. For one
 * file only, which is compiled for that instruction. */
#ifndef CPU_DOTS16_H
#define CPU_DOTS16_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PANEL 64 /* columns of b side by side */

/* Columns as they are laid out in a packed operand and in results. */
static inline int64_t dots_columns(int64_t n) {
    return (n + 15) / 16 * 16;
}

/* 32-bit places of n columns of k elements each, packed. */
static inline int64_t dots_packed(int64_t k, int64_t n) {
    return (k + 1) / 2 * dots_columns(n);
}

struct dots {
    int64_t m, n, pairs;
    int64_t b_pairs;   /* of b's panels, of which the first `pairs` count */
    const uint32_t *a; /* pair p of row i at p * a_pair + i * a_row */
    int64_t a_pair, a_row;
    const uint32_t *b; /* packed: panels of at most PANEL columns, pair by pair */
    float *c;          /* rows of c_row; all of dots_columns(n) are written */
    int64_t c_row;
    bool add;
};

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS void dots_tile(const struct dots *d, const uint32_t *a, const uint32_t *b,
                      float *c, int rows, int vectors) {
    __m512 sum[6][4];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            sum[i][v] = d->add ? _mm512_loadu_ps(c + i * d->c_row + 16 * v)
                               : _mm512_setzero_ps();
    for (int64_t p = 0; p < d->pairs; p++) {
        __m512bh x[4];
        for (int v = 0; v < vectors; v++)
            x[v] = (__m512bh)_mm512_loadu_si512(b + (p * vectors + v) * 16);
        for (int i = 0; i < rows; i++) {
            __m512bh y =
                (__m512bh)_mm512_set1_epi32((int)a[p * d->a_pair + i * d->a_row]);
            for (int v = 0; v < vectors; v++)
                sum[i][v] = _mm512_dpbf16_ps(sum[i][v], y, x[v]);
        }
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            _mm512_storeu_ps(c + i * d->c_row + 16 * v, sum[i][v]);
}

ALWAYS void dots_rows(const struct dots *d, const uint32_t *b, float *c, int vectors) {
    const uint32_t *a = d->a;
    int64_t i = 0;
    for (; i + 6 <= d->m; i += 6)
        dots_tile(d, a + i * d->a_row, b, c + i * d->c_row, 6, vectors);
    a += i * d->a_row, c += i * d->c_row;
    switch (d->m - i) {
    case 5:
        dots_tile(d, a, b, c, 5, vectors);
        break;
    case 4:
        dots_tile(d, a, b, c, 4, vectors);
        break;
    case 3:
        dots_tile(d, a, b, c, 3, vectors);
        break;
    case 2:
        dots_tile(d, a, b, c, 2, vectors);
        break;
    case 1:
        dots_tile(d, a, b, c, 1, vectors);
        break;
    }
}

/* c [m,n] (+)= a b */
static void dots_run(const struct dots *d) {
    int64_t n = dots_columns(d->n);
    for (int64_t j = 0; j < n; j += PANEL) {
        const uint32_t *b = d->b + j * d->b_pairs;
        switch ((n - j < PANEL ? n - j : PANEL) / 16) {
        case 4:
            dots_rows(d, b, d->c + j, 4);
            break;
        case 3:
            dots_rows(d, b, d->c + j, 3);
            break;
        case 2:
            dots_rows(d, b, d->c + j, 2);
            break;
        default:
            dots_rows(d, b, d->c + j, 1);
        }
    }
}

/* The place of 16 columns from j on in a packed operand, and how far its pairs are
 * apart.
 */
static inline uint32_t *dots_at(uint32_t *to, int64_t pairs, int64_t n, int64_t j,
                                int64_t *step) {
    int64_t panel = j / PANEL * PANEL, rest = dots_columns(n) - panel;
    *step = rest < PANEL ? rest : PANEL;
    return to + panel * pairs + (j - panel);
}

/* 16 rows of 16 become columns. */
ALWAYS void dots_turn(__m512i *r) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 2; k++) {
            r[i + 2 * k] = _mm512_unpacklo_epi64(t[i + k], t[i + k + 2]);
            r[i + 2 * k + 1] = _mm512_unpackhi_epi64(t[i + k], t[i + k + 2]);
        }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

/* b = x^T for x [n,k] of rows `row` apart, k even. */
static void dots_pack_turned(const uint16_t *x, int64_t row, int64_t n, int64_t k,
                             uint32_t *to) {
    int64_t pairs = k / 2, step;
    for (int64_t j = 0; j < n; j += 16) {
        uint32_t *at = dots_at(to, pairs, n, j, &step);
        for (int64_t p = 0; p < pairs; p += 16) {
            int64_t here = pairs - p < 16 ? pairs - p : 16;
            __mmask16 some = (__mmask16)((1u << here) - 1);
            __m512i r[16];
            for (int64_t i = 0; i < 16; i++)
                r[i] = j + i < n
                           ? _mm512_maskz_loadu_epi32(some, x + (j + i) * row + 2 * p)
                           : _mm512_setzero_si512();
            dots_turn(r);
            for (int64_t i = 0; i < here; i++)
                _mm512_storeu_si512(at + (p + i) * step, r[i]);
        }
    }
}

/* b = x for x [k,n] of rows `row` apart. */
static void dots_pack(const uint16_t *x, int64_t row, int64_t k, int64_t n,
                      uint32_t *to) {
    int64_t pairs = (k + 1) / 2, step;
    for (int64_t j = 0; j < n; j += 16) {
        uint32_t *at = dots_at(to, pairs, n, j, &step);
        int64_t here = n - j < 16 ? n - j : 16;
        __mmask16 some = (__mmask16)((1u << here) - 1);
        for (int64_t p = 0; p < pairs; p++) {
            const uint16_t *from = x + 2 * p * row + j;
            __m512i below = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, from));
            __m512i above = _mm512_setzero_si512();
            if (2 * p + 1 < k)
                above = _mm512_slli_epi32(
                    _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, from + row)),
                    16);
            _mm512_storeu_si512(at + p * step, _mm512_or_si512(below, above));
        }
    }
}

/* n numbers rounded, zeros up to an even number of them. */
static void dots_round(const float *x, int64_t n, uint16_t *to) {
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(void *)(to + i),
                            (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + i)));
    if (i == n)
        return;
    __mmask16 some = (__mmask16)((1u << (n - i)) - 1);
    __m256i last = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(some, x + i));
    _mm256_mask_storeu_epi16(to + i, (__mmask16)((1u << ((n - i + 1) / 2 * 2)) - 1),
                             last);
}

#endif
