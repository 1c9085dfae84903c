/* SPDX-License-Identifier: Apache-2.0 */
/* Along an axis: arg_max, running sums, sorting. The order of a sort is total (value,
 * then index), so where an element goes is how many come before it: no thread waits for
 * another. Short lines count, long ones merge runs of doubling width. */

#define LINE(T)                                                                        \
    const T *x = (const T *)a.x + ((int64_t)line / a.inner) * a.n * a.inner +          \
                 (int64_t)line % a.inner

#define ARG(T, S)                                                                      \
    KERNEL(arg_##S, line_args) {                                                       \
        EACH_INDEX(line, a.count) {                                                    \
            LINE(T);                                                                   \
            int64_t best = 0;                                                          \
            T b = x[0];                                                                \
            for (int64_t k = 1; k < a.n; k++) {                                        \
                T v = x[k * a.inner];                                                  \
                if (b == b && (v != v || (a.down ? v > b : v < b)))                    \
                    best = k, b = v;                                                   \
            }                                                                          \
            ((int64_t *)a.y)[line] = best;                                             \
        }                                                                              \
    }

/* T: what is summed in; integers wrap. */
#define CUMSUM(T, S)                                                                   \
    KERNEL(cumsum_##S, line_args) {                                                    \
        EACH_INDEX(line, a.count) {                                                    \
            LINE(T);                                                                   \
            T *y = (T *)a.y + (x - (const T *)a.x), sum = 0;                           \
            for (int64_t k = 0; k < a.n; k++) {                                        \
                int64_t at = (a.reverse ? a.n - 1 - k : k) * a.inner;                  \
                T v = x[at];                                                           \
                y[at] = a.exclusive ? sum : (T)(sum + v);                              \
                sum += v;                                                              \
            }                                                                          \
        }                                                                              \
    }

#define SORT(T, S)                                                                     \
    /* p before q? NaN last when ascending, first when descending; then by index */    \
    static inline int before_##S(const T *x, int64_t inner, int64_t p, int64_t q,      \
                                 int64_t down) {                                       \
        T v = x[p * inner], w = x[q * inner];                                          \
        int nv = v != v, nw = w != w;                                                  \
        if (nv || nw)                                                                  \
            return nv == nw ? p < q : down ? nv : nw;                                  \
        return v == w ? p < q : down ? v > w : v < w;                                  \
    }                                                                                  \
    KERNEL(sort_count_##S, line_args) {                                                \
        EACH_INDEX(e, a.count) {                                                       \
            int64_t line = (int64_t)e / a.n, p = (int64_t)e % a.n, to = 0;             \
            LINE(T);                                                                   \
            for (int64_t q = 0; q < a.n; q++)                                          \
                to += before_##S(x, a.inner, q, p, a.down);                            \
            ((int32_t *)a.to)[line * a.n + to] = (int32_t)p;                           \
        }                                                                              \
    }                                                                                  \
    KERNEL(sort_merge_##S, line_args) {                                                \
        EACH_INDEX(e, a.count) {                                                       \
            int64_t line = (int64_t)e / a.n, place = (int64_t)e % a.n;                 \
            const int32_t *from = (const int32_t *)a.from + line * a.n;                \
            int64_t run = place / a.width, other = (run ^ 1) * a.width;                \
            int64_t end = other + a.width < a.n ? other + a.width : a.n;               \
            int64_t low = other, high = end > other ? end : other, p = from[place];    \
            LINE(T);                                                                   \
            while (low < high) {                                                       \
                int64_t middle = (low + high) / 2;                                     \
                if (before_##S(x, a.inner, from[middle], p, a.down))                   \
                    low = middle + 1;                                                  \
                else                                                                   \
                    high = middle;                                                     \
            }                                                                          \
            int64_t start = run / 2 * 2 * a.width;                                     \
            ((int32_t *)a.to)[line * a.n + start + (place - run * a.width) +           \
                              (low - other)] = (int32_t)p;                             \
        }                                                                              \
    }                                                                                  \
    KERNEL(sort_finish_##S, line_args) {                                               \
        EACH_INDEX(e, a.count) {                                                       \
            int64_t line = (int64_t)e / a.k, place = (int64_t)e % a.k;                 \
            int64_t p = ((const int32_t *)a.from)[line * a.n + place];                 \
            int64_t at = (line / a.inner * a.k + place) * a.inner + line % a.inner;    \
            LINE(T);                                                                   \
            ((T *)a.y)[at] = x[p * a.inner];                                           \
            if (a.y2)                                                                  \
                ((int64_t *)a.y2)[at] = p;                                             \
        }                                                                              \
    }

KERNEL(sort_start, line_args) {
    EACH_INDEX(e, a.count) {
        ((int32_t *)a.to)[e] = (int32_t)((int64_t)e % a.n);
    }
}

#if KERNEL_TYPES & KERNELS_F32
ARG(float, f32)
CUMSUM(float, f32)
SORT(float, f32)
#endif
#if KERNEL_TYPES & KERNELS_F64
ARG(double, f64)
CUMSUM(double, f64)
SORT(double, f64)
#endif
#if KERNEL_TYPES & KERNELS_I64
ARG(int64_t, i64)
CUMSUM(uint64_t, i64)
SORT(int64_t, i64)
#endif
#if KERNEL_TYPES & KERNELS_I32
ARG(int32_t, i32)
CUMSUM(uint32_t, i32)
SORT(int32_t, i32)
#endif
