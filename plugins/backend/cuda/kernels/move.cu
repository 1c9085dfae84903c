/* SPDX-License-Identifier: Apache-2.0 */
/* What only moves or makes elements; by width where the type does not matter. */

#define MOVE(T, W)                                                                     \
    /* transpose, slice, broadcast_to */                                               \
    KERNEL(move_##W, move_args) {                                                      \
        EACH_INDEX(i, a.count) {                                                       \
            ((T *)a.y)[i] = ((const T *)a.x)[a.start + space_offset(&a.from, i)];      \
        }                                                                              \
    }                                                                                  \
    KERNEL(pad_##W, pad_args) {                                                        \
        EACH_INDEX(i, a.count) {                                                       \
            uint64_t left = i;                                                         \
            int64_t from = 0, inside = 1;                                              \
            for (int64_t k = a.rank - 1; k >= 0; k--) {                                \
                int64_t at = (int64_t)(left % (uint64_t)a.size[k]) - a.low[k];         \
                left /= (uint64_t)a.size[k];                                           \
                inside &= at >= 0 && at % a.step[k] == 0 &&                            \
                          at / a.step[k] < a.x_size[k];                                \
                from += inside ? at / a.step[k] * a.x_stride[k] : 0;                   \
            }                                                                          \
            ((T *)a.y)[i] = inside ? ((const T *)a.x)[from] : (T)a.value;              \
        }                                                                              \
    }                                                                                  \
    KERNEL(concat_##W, concat_args) { /* one of the parts */                           \
        EACH_INDEX(i, a.count) {                                                       \
            int64_t row = (int64_t)i / a.part, at = (int64_t)i % a.part;               \
            ((T *)a.y)[row * a.total + a.done + at] = ((const T *)a.x)[i];             \
        }                                                                              \
    }                                                                                  \
    KERNEL(fill_##W, fill_args) {                                                      \
        EACH_INDEX(i, a.count) {                                                       \
            ((T *)a.y)[i] = (T)a.value;                                                \
        }                                                                              \
    }                                                                                  \
    KERNEL(gather_##W, index_args) {                                                   \
        EACH_INDEX(i, a.count) {                                                       \
            int64_t in = (int64_t)i % a.inner, row = (int64_t)i / a.inner;             \
            int64_t at = load_index(a.index, a.type, row % a.keys);                    \
            int64_t outer = row / a.keys;                                              \
            ((T *)a.y)[i] = at >= 0 && at < a.n                                        \
                                ? ((const T *)a.x)[(outer * a.n + at) * a.inner + in]  \
                                : (T)a.value;                                          \
        }                                                                              \
    }                                                                                  \
    KERNEL(take_along_##W, along_args) {                                               \
        EACH_INDEX(i, a.count) {                                                       \
            int64_t at = load_index(a.index, a.type, (int64_t)i), from = 0, step = 1;  \
            int64_t left = (int64_t)i;                                                 \
            for (int64_t k = a.rank - 1; k >= 0; k--) {                                \
                int64_t c = left % a.index_size[k];                                    \
                left /= a.index_size[k];                                               \
                from += (k == a.axis ? at : c) * step;                                 \
                step *= a.x_size[k];                                                   \
            }                                                                          \
            ((T *)a.y)[i] = at >= 0 && at < a.x_size[a.axis] ? ((const T *)a.x)[from]  \
                                                              : (T)a.value;            \
        }                                                                              \
    }

#if KERNEL_TYPES & KERNELS_8
MOVE(uint8_t, 8)
#endif
#if KERNEL_TYPES & KERNELS_16
MOVE(uint16_t, 16)
#endif
#if KERNEL_TYPES & KERNELS_32
MOVE(uint32_t, 32)
#endif
#if KERNEL_TYPES & KERNELS_64
MOVE(uint64_t, 64)
#endif

KERNEL(iota, iota_args) {
    EACH_INDEX(i, a.count) {
        int64_t at = (int64_t)i / a.inner % a.n;
        switch (a.type) {
        case 2 | 32 << 8:
            ((float *)a.y)[i] = (float)(double)at;
            break;
        case 2 | 64 << 8:
            ((double *)a.y)[i] = (double)at;
            break;
        case 4 | 16 << 8:
            ((uint16_t *)a.y)[i] = rn_bf16_from_f32((float)(double)at);
            break;
        case 2 | 16 << 8:
            ((uint16_t *)a.y)[i] = rn_f16_from_f32((float)(double)at);
            break;
        case 64 << 8:
            ((int64_t *)a.y)[i] = at;
            break;
        case 32 << 8:
        case 1 | 32 << 8:
            ((uint32_t *)a.y)[i] = (uint32_t)at;
            break;
        default:
            ((uint8_t *)a.y)[i] = (uint8_t)at;
            break;
        }
    }
}

KERNEL(random, random_args) {
    EACH_INDEX(i, a.count) {
        uint32_t seed = *(const uint32_t *)a.seed, step = *(const uint32_t *)a.step;
        uint32_t first = *(const uint32_t *)a.row, stream = (uint32_t)a.stream;
        uint32_t row = a.by_row ? first + (uint32_t)(i / a.each) : 0;
        uint32_t k = (uint32_t)(i % a.each);
        ((float *)a.y)[i] = a.normal
                                ? rn_random_normal_at(seed, stream, step, row, k)
                                : rn_random_uniform_at(seed, stream, step, row, k);
    }
}
