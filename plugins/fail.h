/* SPDX-License-Identifier: Apache-2.0 */
/* What plugins that read or change samples share: an error by a format, the size of a
 * field, runs of numbers as f64. */
#ifndef PLUGINS_FAIL_H
#define PLUGINS_FAIL_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <runner/numerics.h>
#include <runner/source.h>

/* Fill *e (may be NULL) and give `status`. where: a file or an option path, or NULL;
 * line and column count from 1, 0 = unknown. */
__attribute__((format(printf, 6, 7))) static inline int32_t
fail(struct rn_error *e, int32_t status, const char *where, uint32_t line,
     uint32_t column, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rn_fail(e, status, text, NULL, where);
    if (e) {
        e->line = line;
        e->column = column;
    }
    return status;
}

/* The same error with a way out. */
__attribute__((format(printf, 2, 3))) static inline void hint(struct rn_error *e,
                                                              const char *format, ...) {
    va_list args;
    if (!e)
        return;
    va_start(args, format);
    vsnprintf(e->hint, sizeof e->hint, format, args);
    va_end(args);
}

static inline const char *dtype_name(rn_dtype d) {
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
static inline uint64_t field_elements(const struct rn_field *f) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < f->rank; i++)
        n *= (uint64_t)f->shape[i];
    return n;
}

static inline uint64_t field_bytes(const struct rn_field *f) {
    return field_elements(f) * RN_DTYPE_BYTES(f->dtype);
}

static inline int dtype_is_integer(rn_dtype d) {
    return (d & 255u) == 0u || (d & 255u) == 1u;
}

/* n numbers from element `at` of `data` as f64; integers beyond 2^53 are rounded. */
static inline void numbers_get(const void *data, rn_dtype dtype, uint64_t at,
                               uint64_t n, double *out) {
    uint64_t i;
#define NUMBERS_(dtype_, type, read)                                                   \
    case dtype_: {                                                                     \
        const type *v = (const type *)data + at;                                       \
        for (i = 0; i < n; i++)                                                        \
            out[i] = (double)(read);                                                   \
        return;                                                                        \
    }
    switch (dtype) {
        NUMBERS_(RN_F32, float, v[i])
        NUMBERS_(RN_F64, double, v[i])
        NUMBERS_(RN_F16, uint16_t, rn_f32_from_f16(v[i]))
        NUMBERS_(RN_BF16, uint16_t, rn_f32_from_bf16(v[i]))
        NUMBERS_(RN_I64, int64_t, v[i])
        NUMBERS_(RN_I32, int32_t, v[i])
        NUMBERS_(RN_I8, int8_t, v[i])
        NUMBERS_(RN_U32, uint32_t, v[i])
        NUMBERS_(RN_U8, uint8_t, v[i])
        NUMBERS_(RN_BOOL, uint8_t, v[i] != 0)
    }
#undef NUMBERS_
    for (i = 0; i < n; i++)
        out[i] = NAN;
}

static inline int64_t integer_get(const void *data, rn_dtype dtype, uint64_t at) {
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

#endif
