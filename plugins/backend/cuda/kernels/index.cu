/* SPDX-License-Identifier: Apache-2.0 */
/* Sums at indices, without atomics: each output adds what points to it, in the order of
 * the indices. For scatter_add the indices are sorted first (sort_keys), equal ones in
 * their order. */

#define KEY(i) load_index(a.x, a.type, i)
/* Key p before key q? */
#define KEY_BEFORE(p, q) (KEY(p) < KEY(q) || (KEY(p) == KEY(q) && (p) < (q)))

KERNEL(keys_count, line_args) {
    EACH_INDEX(e, a.count) {
        int64_t p = (int64_t)e, to = 0, key = KEY(p);
        for (int64_t q = 0; q < a.n; q++) {
            int64_t other = KEY(q);
            to += other < key || (other == key && q < p);
        }
        ((int32_t *)a.to)[to] = (int32_t)p;
    }
}

KERNEL(keys_merge, line_args) {
    EACH_INDEX(e, a.count) {
        int64_t place = (int64_t)e;
        const int32_t *from = (const int32_t *)a.from;
        int64_t run = place / a.width, other = (run ^ 1) * a.width;
        int64_t end = other + a.width < a.n ? other + a.width : a.n;
        int64_t low = other, high = end > other ? end : other, p = from[place];
        while (low < high) {
            int64_t middle = (low + high) / 2, q = from[middle];
            if (KEY_BEFORE(q, p))
                low = middle + 1;
            else
                high = middle;
        }
        int64_t start = run / 2 * 2 * a.width;
        ((int32_t *)
             a.to)[start + (place - run * a.width) + (low - other)] = (int32_t)p;
    }
}

#define SCATTER(T, S)                                                                  \
    KERNEL(scatter_add_##S, index_args) {                                              \
        const int32_t *order = (const int32_t *)a.order;                               \
        EACH_INDEX(i, a.count) {                                                       \
            int64_t in = (int64_t)i % a.inner, row = (int64_t)i / a.inner;             \
            int64_t at = row % a.n, outer = row / a.n, low = 0, high = a.keys;         \
            T sum = ((const T *)a.x)[i];                                               \
            while (low < high) {                                                       \
                int64_t middle = (low + high) / 2;                                     \
                if (load_index(a.index, a.type, order[middle]) < at)                   \
                    low = middle + 1;                                                  \
                else                                                                   \
                    high = middle;                                                     \
            }                                                                          \
            for (; low < a.keys; low++) {                                              \
                int64_t k = order[low];                                                \
                if (load_index(a.index, a.type, k) != at)                              \
                    break;                                                             \
                sum += ((const T *)a.updates)[(outer * a.keys + k) * a.inner + in];    \
            }                                                                          \
            ((T *)a.y)[i] = sum;                                                       \
        }                                                                              \
    }                                                                                  \
    KERNEL(put_along_add_##S, along_args) {                                            \
        EACH_INDEX(i, a.count) {                                                       \
            int64_t left = (int64_t)i, at = 0, first = 0, step = 1, along = 1;         \
            int64_t inside = 1;                                                        \
            T sum = ((const T *)a.x)[i];                                               \
            for (int64_t k = a.rank - 1; k >= 0; k--) {                                \
                int64_t c = left % a.x_size[k];                                        \
                left /= a.x_size[k];                                                   \
                if (k == a.axis) {                                                     \
                    at = c;                                                            \
                    along = step;                                                      \
                } else {                                                               \
                    inside &= c < a.index_size[k];                                     \
                    first += c * step;                                                 \
                }                                                                      \
                step *= a.index_size[k];                                               \
            }                                                                          \
            for (int64_t k = 0; inside && k < a.index_size[a.axis]; k++)               \
                if (load_index(a.index, a.type, first + k * along) == at)              \
                    sum += ((const T *)a.updates)[first + k * along];                  \
            ((T *)a.y)[i] = sum;                                                       \
        }                                                                              \
    }

#if KERNEL_TYPES & KERNELS_F32
SCATTER(float, f32)
#endif
#if KERNEL_TYPES & KERNELS_F64
SCATTER(double, f64)
#endif
#if KERNEL_TYPES & KERNELS_I64
SCATTER(uint64_t, i64)
#endif
#if KERNEL_TYPES & KERNELS_I32
SCATTER(uint32_t, i32)
#endif
