/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions. Sums of floats are the fixed tree of numerics.h: element i to lane i mod
 * 16, lanes added 8, 4, 2, 1; so a lane is a thread. */

#define REDUCE_SUM(T, S)                                                               \
    KERNEL(reduce_sum_##S, reduce_args) {                                              \
        SHARED(T, lane, THREADS);                                                      \
        for (uint64_t first = BX * PER; first < a.outputs; first += GRID * PER) {      \
            EACH_THREAD {                                                              \
                uint32_t k = a.by_column ? TX / PER : TX % LANES;                      \
                uint32_t o = a.by_column ? TX % PER : TX / LANES;                      \
                T sum = 0;                                                             \
                if (first + o < a.outputs) {                                           \
                    const T *x = (const T *)a.x + space_offset(&a.kept, first + o);    \
                    for (uint64_t i = k; i < a.count; i += LANES)                      \
                        sum += x[space_offset(&a.gone, i)];                            \
                }                                                                      \
                lane[o * LANES + k] = sum;                                             \
            }                                                                          \
            SYNC();                                                                    \
            ADD_LANES(lane)                                                            \
            EACH_THREAD {                                                              \
                if (TX < PER && first + TX < a.outputs)                                \
                    ((T *)a.y)[first + TX] = lane[TX * LANES];                         \
            }                                                                          \
            SYNC();                                                                    \
        }                                                                              \
    }                                                                                  \
    /* One output a block: all threads fetch, sixteen add. */                          \
    KERNEL(reduce_sum_long_##S, reduce_args) {                                         \
        SHARED(T, lane, THREADS);                                                      \
        SHARED(T, tile, TILE);                                                         \
        for (uint64_t o = BX; o < a.outputs; o += GRID) {                              \
            const T *x = (const T *)a.x + space_offset(&a.kept, o);                    \
            TILED_SUM(T, lane, tile, a.count, (void)0, x[space_offset(&a.gone, i)])    \
            EACH_THREAD {                                                              \
                if (TX == 0)                                                           \
                    ((T *)a.y)[o] = lane[0];                                           \
            }                                                                          \
            SYNC();                                                                    \
        }                                                                              \
    }

#define REDUCE_BEST(T, S, NAME, BETTER)                                                \
    KERNEL(NAME##_##S, reduce_args) {                                                  \
        SHARED(T, lane, THREADS);                                                      \
        SHARED(uint64_t, place, THREADS);                                              \
        for (uint64_t first = BX * PER; first < a.outputs; first += GRID * PER) {      \
            EACH_THREAD {                                                              \
                uint32_t k = a.by_column ? TX / PER : TX % LANES;                      \
                uint32_t o = a.by_column ? TX % PER : TX / LANES;                      \
                T best = 0;                                                            \
                uint64_t at = a.count; /* none */                                      \
                if (first + o < a.outputs) {                                           \
                    const T *x = (const T *)a.x + space_offset(&a.kept, first + o);    \
                    for (uint64_t i = k; i < a.count; i += LANES) {                    \
                        T v = x[space_offset(&a.gone, i)];                             \
                        TAKE_BEST(best, at, v, i, a.count, BETTER)                     \
                    }                                                                  \
                }                                                                      \
                lane[o * LANES + k] = best;                                            \
                place[o * LANES + k] = at;                                             \
            }                                                                          \
            SYNC();                                                                    \
            BEST_LANES(T, lane, place, a.count, BETTER)                                \
            EACH_THREAD {                                                              \
                if (TX < PER && first + TX < a.outputs)                                \
                    ((T *)a.y)[first + TX] = lane[TX * LANES];                         \
            }                                                                          \
            SYNC();                                                                    \
        }                                                                              \
    }

/* In order, one thread each. */
#define REDUCE_PROD(T, S)                                                              \
    KERNEL(reduce_prod_##S, reduce_args) {                                             \
        EACH_INDEX(o, a.outputs) {                                                     \
            const T *x = (const T *)a.x + space_offset(&a.kept, o);                    \
            T product = x[0];                                                          \
            for (uint64_t i = 1; i < a.count; i++)                                     \
                product *= x[space_offset(&a.gone, i)];                                \
            ((T *)a.y)[o] = product;                                                   \
        }                                                                              \
    }

#define REDUCE(T, S)                                                                   \
    REDUCE_BEST(T, S, reduce_max, >)                                                   \
    REDUCE_BEST(T, S, reduce_min, <)

#if KERNEL_TYPES & KERNELS_F32
REDUCE_SUM(float, f32)
REDUCE(float, f32)
REDUCE_PROD(float, f32)
#endif
#if KERNEL_TYPES & KERNELS_F64
REDUCE_SUM(double, f64)
REDUCE(double, f64)
REDUCE_PROD(double, f64)
#endif
#if KERNEL_TYPES & KERNELS_I64
REDUCE_SUM(uint64_t, i64) /* integers wrap */
REDUCE(int64_t, i64)
REDUCE_PROD(uint64_t, i64)
#endif
#if KERNEL_TYPES & KERNELS_I32
REDUCE_SUM(uint32_t, i32)
REDUCE(int32_t, i32)
REDUCE_PROD(uint32_t, i32)
#endif
