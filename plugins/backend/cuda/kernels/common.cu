/* SPDX-License-Identifier: Apache-2.0 */
/* Small functions of several kernels. */

/* Offset of element i of a space of several dims: a call, its divisions are long. */
NOINLINE static int64_t space_walk(const struct space *s, uint64_t i) {
    int64_t at = 0;
    for (int64_t k = s->rank - 1; k >= 0; k--) {
        uint64_t size = (uint64_t)s->size[k], next = i / size;
        at += (int64_t)(i - next * size) * s->stride[k];
        i = next;
    }
    return at;
}

static inline int64_t space_offset(const struct space *s, uint64_t i) {
    return s->rank == 1 ? (int64_t)i * s->stride[0] : space_walk(s, i);
}

/* rn_dtype: code | bits << 8 */
static inline int64_t load_index(const void *p, int64_t type, int64_t i) {
    switch (type) {
    case 64 << 8:
        return ((const int64_t *)p)[i];
    case 32 << 8:
        return ((const int32_t *)p)[i];
    case 1 | 32 << 8:
        return ((const uint32_t *)p)[i];
    case 8 << 8:
        return ((const int8_t *)p)[i];
    default:
        return ((const uint8_t *)p)[i];
    }
}

/* Sums of floats are the tree of numerics.h: element i goes to lane i mod 16, lanes are
 * added 8, 4, 2, 1; so a lane is a thread. */
#define LANES 16
#define PER   (THREADS / LANES) /* outputs of a block */

/* Add up lanes; lane k of output o is at o * 16 + k. */
#define ADD_LANES(lane)                                                                \
    for (uint32_t w = LANES / 2; w; w /= 2) {                                          \
        EACH_THREAD {                                                                  \
            if (TX % LANES < w)                                                        \
                lane[TX] += lane[TX + w];                                              \
        }                                                                              \
        SYNC();                                                                        \
    }

/* v, at place i, against the best so far, none if it is at `none`: the first of equal
 * ones (zeros have signs), NaN before all. */
#define TAKE_BEST(best, at, v, i, none, BETTER)                                        \
    if (at == none || (best == best && (v != v || v BETTER best)))                     \
        best = v, at = i;

#define BEST_LANES(T, lane, place, none, BETTER)                                       \
    for (uint32_t w = LANES / 2; w; w /= 2) {                                          \
        EACH_THREAD {                                                                  \
            if (TX % LANES < w && place[TX + w] != none) {                             \
                T p = lane[TX], q = lane[TX + w];                                      \
                if (place[TX] == none ||                                               \
                    (p == p && (q != q || q BETTER p ||                                \
                                (q == p && place[TX + w] < place[TX])))) {             \
                    lane[TX] = q;                                                      \
                    place[TX] = place[TX + w];                                         \
                }                                                                      \
            }                                                                          \
        }                                                                              \
        SYNC();                                                                        \
    }

/* lane[0]: the sum of n values; PLACE declares what VALUE is made of, both know the
 * index i. All threads fetch, sixteen add. */
#define TILE      2048
#define FOLD_TILE 1024 /* of a region's end */
#define TILED_SUM(T, lane, tile, n, PLACE, VALUE)                                      \
    EACH_THREAD {                                                                      \
        lane[TX] = 0;                                                                  \
    }                                                                                  \
    SYNC();                                                                            \
    for (int64_t at_ = 0; at_ < (int64_t)(n); at_ += TILE) {                           \
        const int64_t left_ = (int64_t)(n)-at_ < TILE ? (int64_t)(n)-at_ : TILE;       \
        EACH_THREAD {                                                                  \
            for (int64_t j_ = TX; j_ < left_; j_ += THREADS) {                         \
                const int64_t i = at_ + j_;                                            \
                PLACE;                                                                 \
                tile[j_] = VALUE;                                                      \
            }                                                                          \
        }                                                                              \
        SYNC();                                                                        \
        EACH_THREAD {                                                                  \
            if (TX < LANES) {                                                          \
                T sum_ = lane[TX];                                                     \
                for (int64_t j_ = TX; j_ < left_; j_ += LANES)                         \
                    sum_ += tile[j_];                                                  \
                lane[TX] = sum_;                                                       \
            }                                                                          \
        }                                                                              \
        SYNC();                                                                        \
    }                                                                                  \
    ADD_LANES(lane)

/* Types of memory, S: LOAD_S reads what kernels compute with, STORE_S writes it,
 * rounded to 16 bits unless a.wide says that the result is f32. */
#define MEMORY_f32         float
#define MEMORY_f64         double
#define MEMORY_bf16        uint16_t
#define MEMORY_f16         uint16_t
#define LOAD_f32(p, i)     (((const float *)(p))[i])
#define LOAD_f64(p, i)     (((const double *)(p))[i])
#define LOAD_bf16(p, i)    rn_f32_from_bf16(((const uint16_t *)(p))[i])
#define LOAD_f16(p, i)     rn_f32_from_f16(((const uint16_t *)(p))[i])
#define STORE_f32(p, i, v) (((float *)(p))[i] = (v))
#define STORE_f64(p, i, v) (((double *)(p))[i] = (v))
#define STORE_LOW(p, i, v, S)                                                          \
    do {                                                                               \
        float v_ = (v);                                                                \
        if (a.wide)                                                                    \
            STORE_f32(p, i, v_);                                                       \
        else                                                                           \
            ((uint16_t *)(p))[i] = rn_##S##_from_f32(v_);                              \
    } while (0)
#define STORE_bf16(p, i, v)    STORE_LOW(p, i, v, bf16)
#define STORE_f16(p, i, v)     STORE_LOW(p, i, v, f16)
#define MULADD_bf16(p, q, sum) MULADD_f32(p, q, sum)
#define MULADD_f16(p, q, sum)  MULADD_f32(p, q, sum)
