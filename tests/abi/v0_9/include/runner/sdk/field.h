/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of samples: the size of a field, the name of a dtype, numbers of any dtype as
 * f64 or i64. Nothing here allocates or fails. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_FIELD_H
#define RUNNER_SDK_FIELD_H

#include <math.h>
#include <stddef.h>

#include <runner/numerics.h>
#include <runner/source.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "f32"; static. "an unknown type" for a dtype that the ABI does not have. */
static inline const char *rn_dtype_name(rn_dtype d) {
    static const struct {
        rn_dtype d;
        const char *name;
    } names[] = {{RN_F32, "f32"}, {RN_F64, "f64"},  {RN_F16, "f16"}, {RN_BF16, "bf16"},
                 {RN_I64, "i64"}, {RN_I32, "i32"},  {RN_I8, "i8"},   {RN_U32, "u32"},
                 {RN_U8, "u8"},   {RN_BOOL, "bool"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].d == d)
            return names[i].name;
    return "an unknown type";
}

/* Elements per sample; of a field whose size its source has checked. */
static inline uint64_t rn_field_elements(const struct rn_field *f) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < f->rank; i++)
        n *= (uint64_t)f->shape[i];
    return n;
}

/* Bytes per sample; of a field whose size its source has checked. */
static inline uint64_t rn_field_bytes(const struct rn_field *f) {
    return rn_field_elements(f) * RN_DTYPE_BYTES(f->dtype);
}

/* 1 for a signed or unsigned integer, 0 for floats and bool. */
static inline int rn_dtype_is_integer(rn_dtype d) {
    return (d & 255u) == 0u || (d & 255u) == 1u;
}

/* out[0..n) = elements at..at+n of `data` as f64; integers beyond 2^53 are rounded. An
 * unknown dtype gives NaN. */
static inline void rn_numbers_get(const void *data, rn_dtype dtype, uint64_t at,
                                  uint64_t n, double *out) {
    uint64_t i;
#define RN_NUMBERS_(dtype_, type, read)                                                \
    case dtype_: {                                                                     \
        const type *v = (const type *)data + at;                                       \
        for (i = 0; i < n; i++)                                                        \
            out[i] = (double)(read);                                                   \
        return;                                                                        \
    }
    switch (dtype) {
        RN_NUMBERS_(RN_F32, float, v[i])
        RN_NUMBERS_(RN_F64, double, v[i])
        RN_NUMBERS_(RN_F16, uint16_t, rn_f32_from_f16(v[i]))
        RN_NUMBERS_(RN_BF16, uint16_t, rn_f32_from_bf16(v[i]))
        RN_NUMBERS_(RN_I64, int64_t, v[i])
        RN_NUMBERS_(RN_I32, int32_t, v[i])
        RN_NUMBERS_(RN_I8, int8_t, v[i])
        RN_NUMBERS_(RN_U32, uint32_t, v[i])
        RN_NUMBERS_(RN_U8, uint8_t, v[i])
        RN_NUMBERS_(RN_BOOL, uint8_t, v[i] != 0)
    }
#undef RN_NUMBERS_
    for (i = 0; i < n; i++)
        out[i] = NAN;
}

/* Element `at` of an integer or bool field. */
static inline int64_t rn_integer_get(const void *data, rn_dtype dtype, uint64_t at) {
    switch (dtype) {
    case RN_I64:
        return ((const int64_t *)data)[at];
    case RN_I32:
        return ((const int32_t *)data)[at];
    case RN_I8:
        return ((const int8_t *)data)[at];
    case RN_U32:
        return ((const uint32_t *)data)[at];
    default:
        return ((const uint8_t *)data)[at];
    }
}

#ifdef __cplusplus
}
#endif
#endif
