/* SPDX-License-Identifier: Apache-2.0 */
/* Layer, group and RMS normalisation with their gradients: rows that are contiguous, each
 * by its own mean (RMS: none) and root. The operations of their decompositions in f32,
 * the sums in the tree of numerics.h. What is read and written may have 16 bits.
 *
 * Short rows: a block has sixteen, a thread is a lane of one. Long ones: a block has
 * one, all threads fetch, sixteen add. */

/* Whose scale and shift element i of a row has. */
static inline int64_t row_channel(const struct row_args *a, int64_t row, int64_t i) {
    if (a->area == 1 && a->groups == 1)
        return i;
    return row % a->groups * a->per + (uint32_t)i / (uint32_t)a->area;
}

#define RF(v, c)     LOAD_f32(a.v, c)
#define RSCALE(o, i) RF(scale, row_channel(&a, first + (o), i))
#define RHAT(e, S)   ((LOAD_##S(a.x, e) - mean[o]) / root[o])

/* Of element i of row first + o, which is at e. */
#define ROW_X(S)      LOAD_##S(a.x, e)
#define ROW_SQUARE(S) ((LOAD_##S(a.x, e) - mean[o]) * (LOAD_##S(a.x, e) - mean[o]))
#define ROW_G(S)      (LOAD_##S(a.gy, e) * RSCALE(o, i))
#define ROW_GX(S)     (ROW_G(S) * RHAT(e, S))

/* Sums are at lane[o * LANES]. */
#define ROW_SUMS_16(TERM, S)                                                           \
    EACH_THREAD {                                                                      \
        const uint32_t o = TX / LANES;                                                 \
        float sum = 0;                                                                 \
        for (int64_t i = TX % LANES; first + o < a.rows && i < a.length; i += LANES) { \
            const int64_t e = (first + o) * a.length + i;                              \
            sum += TERM(S);                                                            \
        }                                                                              \
        lane[TX] = sum;                                                                \
    }                                                                                  \
    SYNC();                                                                            \
    ADD_LANES(lane)

#define ROW_SUMS_1(TERM, S)                                                            \
    TILED_SUM(float, lane, tile, a.length, const int o = 0; (void)o;                   \
              const int64_t e = first * a.length + i, TERM(S))

#define EACH_IN_ROWS(P, body)                                                          \
    EACH_THREAD {                                                                      \
        const uint32_t o = P == 1 ? 0 : TX / LANES;                                    \
        for (int64_t i = P == 1 ? TX : TX % LANES; first + o < a.rows && i < a.length; \
             i += P == 1 ? THREADS : LANES) {                                          \
            const int64_t e = (first + o) * a.length + i;                              \
            body;                                                                      \
        }                                                                              \
    }                                                                                  \
    SYNC();

#define EACH_BLOCK_OF_ROWS(P)                                                          \
    for (int64_t first = (int64_t)BX * P; first < a.rows; first += (int64_t)GRID * P)

/* The block's means are what `to` gets. */
#define ROW_MEANS(P, to)                                                               \
    EACH_THREAD {                                                                      \
        if (TX < P)                                                                    \
            to[TX] = lane[TX * LANES] / (float)a.length;                               \
    }                                                                                  \
    SYNC();
#define ROW_ZEROS(P, to)                                                               \
    EACH_THREAD {                                                                      \
        if (TX < P)                                                                    \
            to[TX] = 0;                                                                \
    }                                                                                  \
    SYNC();

/* x - 0 has the bits of x, so rows without a mean have one of 0. */
#define ROW_MOMENTS(P, S)                                                              \
    if (a.centred) {                                                                   \
        ROW_SUMS_##P(ROW_X, S) ROW_MEANS(P, mean)                                      \
    } else {                                                                           \
        ROW_ZEROS(P, mean)                                                             \
    }                                                                                  \
    ROW_SUMS_##P(ROW_SQUARE, S) EACH_THREAD {                                          \
        if (TX < P)                                                                    \
            root[TX] = sqrtf(lane[TX * LANES] / (float)a.length + a.eps);              \
    }                                                                                  \
    SYNC();

#define ROW_SHARED(P)                                                                  \
    SHARED(float, lane, THREADS);                                                      \
    SHARED(float, tile, P == 1 ? TILE : 1);                                            \
    SHARED(float, mean, PER);                                                          \
    SHARED(float, root, PER);                                                          \
    (void)tile;

#define ROW_NORM(P, S)                                                                 \
    KERNEL(row_norm_##P##_##S, row_args) {                                             \
        ROW_SHARED(P)                                                                  \
        EACH_BLOCK_OF_ROWS(P) {                                                        \
            ROW_MOMENTS(P, S)                                                          \
            EACH_IN_ROWS(P, const int64_t c = row_channel(&a, first + o, i);           \
                         const float y = RHAT(e, S) * RF(scale, c);                    \
                         STORE_##S(a.y, e, a.shift ? y + RF(shift, c) : y))            \
        }                                                                              \
    }                                                                                  \
    /* gx, and the moments for the columns. */                                         \
    KERNEL(row_norm_grad_##P##_##S, row_args) {                                        \
        ROW_SHARED(P)                                                                  \
        SHARED(float, of_g, PER);  /* the mean of gy scale */                          \
        SHARED(float, of_gx, PER); /* of gy scale xhat */                              \
        EACH_BLOCK_OF_ROWS(P) {                                                        \
            ROW_MOMENTS(P, S)                                                          \
            EACH_THREAD {                                                              \
                if (TX < P && first + TX < a.rows) {                                   \
                    ((float *)a.moments)[2 * (first + TX)] = mean[TX];                 \
                    ((float *)a.moments)[2 * (first + TX) + 1] = root[TX];             \
                }                                                                      \
            }                                                                          \
            SYNC();                                                                    \
            if (a.y) {                                                                 \
                if (a.centred) {                                                       \
                    ROW_SUMS_##P(ROW_G, S) ROW_MEANS(P, of_g)                          \
                } else {                                                               \
                    ROW_ZEROS(P, of_g)                                                 \
                }                                                                      \
                ROW_SUMS_##P(ROW_GX, S) ROW_MEANS(P, of_gx) EACH_IN_ROWS(              \
                    P, STORE_##S(a.y, e,                                               \
                                 ((ROW_G(S) - of_g[o]) - RHAT(e, S) * of_gx[o]) /      \
                                     root[o]))                                         \
            }                                                                          \
        }                                                                              \
    }

/* ---- gradients of scale and shift, with the moments of each row ---- */

/* Element i of channel c is at e, in a row. */
#define ROW_PLACE                                                                      \
    const int64_t n = (uint32_t)i / (uint32_t)a.area;                                  \
    const int64_t e = (n * a.channels + c) * a.area + (i - n * a.area);                \
    const float *of = (const float *)a.moments + 2 * (n * a.groups + c / a.per)
#define COLUMN_GX(S) (LOAD_##S(a.gy, e) * ((LOAD_##S(a.x, e) - of[0]) / of[1]))
#define COLUMN_G(S)  ((void)of, LOAD_##S(a.gy, e))

/* 16: channels are contiguous, a block has sixteen; 1: a block has one. */
#define ROW_COLUMNS(S)                                                                 \
    KERNEL(row_norm_columns_16_##S, row_args) {                                        \
        SHARED(float, lane, THREADS);                                                  \
        SHARED(float, other, THREADS);                                                 \
        for (int64_t first = (int64_t)BX * PER; first < a.channels;                    \
             first += (int64_t)GRID * PER) {                                           \
            EACH_THREAD {                                                              \
                const uint32_t k = TX / PER, o = TX % PER;                             \
                const int64_t c = first + o;                                           \
                float p = 0, q = 0;                                                    \
                for (int64_t i = k; c < a.channels && i < a.count; i += LANES) {       \
                    ROW_PLACE;                                                         \
                    p += COLUMN_GX(S);                                                 \
                    q += COLUMN_G(S);                                                  \
                }                                                                      \
                lane[o * LANES + k] = p;                                               \
                other[o * LANES + k] = q;                                              \
            }                                                                          \
            SYNC();                                                                    \
            ADD_LANES(lane)                                                            \
            ADD_LANES(other)                                                           \
            EACH_THREAD {                                                              \
                if (TX < PER && first + TX < a.channels) {                             \
                    if (a.first)                                                       \
                        ((float *)a.first)[first + TX] = lane[TX * LANES];             \
                    if (a.second)                                                      \
                        ((float *)a.second)[first + TX] = other[TX * LANES];           \
                }                                                                      \
            }                                                                          \
            SYNC();                                                                    \
        }                                                                              \
    }                                                                                  \
    KERNEL(row_norm_columns_1_##S, row_args) {                                         \
        SHARED(float, lane, THREADS);                                                  \
        SHARED(float, tile, TILE);                                                     \
        for (int64_t c = (int64_t)BX; c < a.channels; c += (int64_t)GRID) {            \
            if (a.first) {                                                             \
                TILED_SUM(float, lane, tile, a.count, ROW_PLACE, COLUMN_GX(S))         \
                EACH_THREAD {                                                          \
                    if (TX == 0)                                                       \
                        ((float *)a.first)[c] = lane[0];                               \
                }                                                                      \
                SYNC();                                                                \
            }                                                                          \
            if (a.second) {                                                            \
                TILED_SUM(float, lane, tile, a.count, ROW_PLACE, COLUMN_G(S))          \
                EACH_THREAD {                                                          \
                    if (TX == 0)                                                       \
                        ((float *)a.second)[c] = lane[0];                              \
                }                                                                      \
                SYNC();                                                                \
            }                                                                          \
        }                                                                              \
    }

#define ROWS(S) ROW_NORM(1, S) ROW_NORM(16, S) ROW_COLUMNS(S)

#if KERNEL_TYPES & KERNELS_F32
ROWS(f32)
#endif
#if KERNEL_TYPES & KERNELS_BF16
ROWS(bf16)
#endif
#if KERNEL_TYPES & KERNELS_F16
ROWS(f16)
#endif
