/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalisation and its gradient in a kernel: the operations of their
 * decompositions in f32, the sums in the tree of numerics.h. Images may have 16 bits.
 */

#define NORM_TILE 2048

/* Element i of channel c. */
static inline int64_t channel_at(const struct norm_args *a, int64_t c, int64_t i) {
    int64_t n = i / a->area, s = i - n * a->area;
    return ((n * (a->channels / a->block) + c / a->block) * a->area + s) * a->block +
           c % a->block;
}

#define NV(v, c)      LOAD_f32(a.v, c)
#define XHAT(e, o, S) ((LOAD_##S(a.x, e) - mean[o]) / root[o])

/* What follows a batch norm: something that is added, ReLU. NaN passes. */
static inline float norm_then(const struct norm_args *a, float y, float added) {
    y = a->added ? y + added : y;
    return a->relu && y < 0.0f ? 0.0f : y;
}
#define THEN(y, e, S) norm_then(&a, y, a.added ? LOAD_##S(a.added, e) : 0.0f)
/* The gradient that passes through that ReLU. */
#define PASSED(e, o, S)                                                                \
    (!a.relu || XHAT(e, o, S) * NV(scale, first + o) + NV(shift, first + o) > 0.0f     \
         ? LOAD_##S(a.gy, e)                                                           \
         : 0.0f)

/* Sums over channel first + o for o < P of TERM(e), which is at offset e; they are at
 * lane[o * LANES]. One channel: all threads fetch, sixteen add. Sixteen, where channels
 * are contiguous: a thread is a lane of one. */
#define SUMS_1(TERM, S)                                                                \
    EACH_THREAD {                                                                      \
        lane[TX] = 0;                                                                  \
    }                                                                                  \
    SYNC();                                                                            \
    for (int64_t at = 0; at < m; at += NORM_TILE) {                                    \
        int64_t left = m - at < NORM_TILE ? m - at : NORM_TILE;                        \
        EACH_THREAD {                                                                  \
            const int o = 0;                                                           \
            (void)o;                                                                   \
            for (int64_t i = TX; i < left; i += THREADS) {                             \
                int64_t e = channel_at(&a, first, at + i);                             \
                tile[i] = TERM(e, o, S);                                               \
            }                                                                          \
        }                                                                              \
        SYNC();                                                                        \
        EACH_THREAD {                                                                  \
            if (TX < LANES) {                                                          \
                float sum = lane[TX];                                                  \
                for (int64_t i = TX; i < left; i += LANES)                             \
                    sum += tile[i];                                                    \
                lane[TX] = sum;                                                        \
            }                                                                          \
        }                                                                              \
        SYNC();                                                                        \
    }                                                                                  \
    ADD_LANES(lane)

#define SUMS_16(TERM, S)                                                               \
    EACH_THREAD {                                                                      \
        uint32_t k = TX / PER, o = TX % PER;                                           \
        float sum = 0;                                                                 \
        if (first + o < a.channels)                                                    \
            for (int64_t i = k; i < m; i += LANES) {                                   \
                int64_t e = channel_at(&a, first + o, i);                              \
                sum += TERM(e, o, S);                                                  \
            }                                                                          \
        lane[o * LANES + k] = sum;                                                     \
    }                                                                                  \
    SYNC();                                                                            \
    ADD_LANES(lane)

/* Every element of the block's channels, at offset e of channel c = first + o. */
#define EACH_OF_1(body)                                                                \
    EACH_THREAD {                                                                      \
        const int o = 0;                                                               \
        const int64_t c = first;                                                       \
        for (int64_t i = TX; i < m; i += THREADS) {                                    \
            int64_t e = channel_at(&a, c, i);                                          \
            body;                                                                      \
        }                                                                              \
    }                                                                                  \
    SYNC();
#define EACH_OF_16(body)                                                               \
    EACH_THREAD {                                                                      \
        const uint32_t o = TX % PER;                                                   \
        const int64_t c = first + o;                                                   \
        for (int64_t i = TX / PER; c < a.channels && i < m; i += LANES) {              \
            int64_t e = channel_at(&a, c, i);                                          \
            body;                                                                      \
        }                                                                              \
    }                                                                                  \
    SYNC();

#define TERM_X(e, o, S) LOAD_##S(a.x, e)
#define TERM_SQUARE(e, o, S)                                                           \
    ((LOAD_##S(a.x, e) - mean[o]) * (LOAD_##S(a.x, e) - mean[o]))
#define TERM_G(e, o, S)  PASSED(e, o, S)
#define TERM_GX(e, o, S) (PASSED(e, o, S) * XHAT(e, o, S))

#define BATCH(P, S)                                                                    \
    KERNEL(batch_norm_##P##_##S, norm_args) {                                          \
        SHARED(float, lane, THREADS);                                                  \
        SHARED(float, tile, P == 1 ? NORM_TILE : 1);                                   \
        SHARED(float, mean, PER);                                                      \
        SHARED(float, root, PER);                                                      \
        int64_t m = a.n * a.area;                                                      \
        (void)tile;                                                                    \
        for (int64_t first = (int64_t)BX * P; first < a.channels;                      \
             first += (int64_t)GRID * P) {                                             \
            SUMS_##P(TERM_X, S) EACH_THREAD {                                          \
                if (TX < P)                                                            \
                    mean[TX] = lane[TX * LANES] / (float)m;                            \
            }                                                                          \
            SYNC();                                                                    \
            SUMS_##P(TERM_SQUARE, S) EACH_THREAD {                                     \
                if (TX < P && first + TX < a.channels) {                               \
                    float var = lane[TX * LANES] / (float)m;                           \
                    root[TX] = sqrtf(var + a.eps);                                     \
                    if (a.first)                                                       \
                        ((float *)a.first)[first + TX] = mean[TX];                     \
                    if (a.second)                                                      \
                        ((float *)a.second)[first + TX] = var;                         \
                }                                                                      \
            }                                                                          \
            SYNC();                                                                    \
            if (a.y) {                                                                 \
                EACH_OF_##P(STORE_##S(                                                 \
                    a.y, e, THEN(XHAT(e, o, S) * NV(scale, c) + NV(shift, c), e, S)))  \
            }                                                                          \
        }                                                                              \
    }                                                                                  \
    KERNEL(batch_norm_grad_##P##_##S, norm_args) {                                     \
        SHARED(float, lane, THREADS);                                                  \
        SHARED(float, tile, P == 1 ? NORM_TILE : 1);                                   \
        SHARED(float, mean, PER);                                                      \
        SHARED(float, root, PER);                                                      \
        SHARED(float, of_g, PER);  /* the mean of gy */                                \
        SHARED(float, of_gx, PER); /* of gy xhat */                                    \
        int64_t m = a.n * a.area;                                                      \
        (void)tile;                                                                    \
        for (int64_t first = (int64_t)BX * P; first < a.channels;                      \
             first += (int64_t)GRID * P) {                                             \
            EACH_THREAD {                                                              \
                if (TX < P && first + TX < a.channels) {                               \
                    mean[TX] = NV(mean, first + TX);                                   \
                    root[TX] = sqrtf(NV(var, first + TX) + a.eps);                     \
                }                                                                      \
            }                                                                          \
            SYNC();                                                                    \
            SUMS_##P(TERM_G, S) EACH_THREAD {                                          \
                if (TX < P && first + TX < a.channels) {                               \
                    of_g[TX] = lane[TX * LANES] / (float)m;                            \
                    if (a.second)                                                      \
                        ((float *)a.second)[first + TX] = lane[TX * LANES];            \
                }                                                                      \
            }                                                                          \
            SYNC();                                                                    \
            SUMS_##P(TERM_GX, S) EACH_THREAD {                                         \
                if (TX < P && first + TX < a.channels) {                               \
                    of_gx[TX] = lane[TX * LANES] / (float)m;                           \
                    if (a.first)                                                       \
                        ((float *)a.first)[first + TX] = lane[TX * LANES];             \
                }                                                                      \
            }                                                                          \
            SYNC();                                                                    \
            if (a.y) {                                                                 \
                EACH_OF_##P(STORE_##S(                                                 \
                    a.y, e,                                                            \
                    ((PASSED(e, o, S) - of_g[o]) - XHAT(e, o, S) * of_gx[o]) *         \
                        (NV(scale, c) / root[o])))                                     \
            }                                                                          \
        }                                                                              \
    }

#define BATCH_INFER(S)                                                                 \
    KERNEL(batch_norm_infer_##S, norm_args) {                                          \
        EACH_INDEX(e, a.count) {                                                       \
            int64_t inner = (int64_t)e % a.block;                                      \
            int64_t group = (int64_t)e / a.block / a.area % (a.channels / a.block);    \
            int64_t c = group * a.block + inner;                                       \
            float s = NV(scale, c) / sqrtf(NV(var, c) + a.eps);                        \
            STORE_##S(                                                                 \
                a.y, e,                                                                \
                THEN((LOAD_##S(a.x, e) - NV(mean, c)) * s + NV(shift, c), e, S));      \
        }                                                                              \
    }
#define BATCHES(S) BATCH(1, S) BATCH(16, S) BATCH_INFER(S)

#if KERNEL_TYPES & KERNELS_F32
BATCHES(f32)
#endif
#if KERNEL_TYPES & KERNELS_BF16
BATCHES(bf16)
#endif
#if KERNEL_TYPES & KERNELS_F16
BATCHES(f16)
#endif
