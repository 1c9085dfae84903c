/* SPDX-License-Identifier: Apache-2.0 */
/* Category numbers in a field of a sample, as label_map and one_hot read them. Integers
 * in float fields count, because tables write integers with missing cells as 1.0.
 * Header-only; C11 or C++. */
#ifndef RUNNER_SDK_CATEGORY_H
#define RUNNER_SDK_CATEGORY_H

#include <math.h>

#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/transform.h>

#ifdef __cplusplus
extern "C" {
#endif

enum rn_category { RN_CATEGORY_WRONG, RN_CATEGORY_MISSING, RN_CATEGORY_IS };

/* 1: a field of this dtype may hold category numbers. */
static inline int rn_category_takes(rn_dtype d) {
    return rn_dtype_is_integer(d) || d == RN_F64 || d == RN_F32 || d == RN_BOOL;
}

/* *out = element `at` of a field, with RN_CATEGORY_IS; nullable: it may be missing
 * (RN_MISSING_I64, NaN). RN_CATEGORY_WRONG: not an integer. */
static inline enum rn_category rn_category_get(const struct rn_tensor *in, int nullable,
                                               uint64_t at, int64_t *out) {
    if (rn_dtype_is_integer(in->dtype)) {
        *out = rn_integer_get(in->data, in->dtype, at);
        return nullable && in->dtype == RN_I64 && *out == RN_MISSING_I64
                   ? RN_CATEGORY_MISSING
                   : RN_CATEGORY_IS;
    }
    double x;
    rn_numbers_get(in->data, in->dtype, at, 1, &x);
    if (isnan(x))
        return nullable ? RN_CATEGORY_MISSING : RN_CATEGORY_WRONG;
    if (x != rint(x) || fabs(x) > 9007199254740992.0)
        return RN_CATEGORY_WRONG;
    *out = (int64_t)x;
    return RN_CATEGORY_IS;
}

/* The error for RN_CATEGORY_WRONG. Returns RN_E_DATA. */
static inline int32_t rn_category_wrong(const char *field, const struct rn_tensor *in,
                                        uint64_t at, struct rn_error *e) {
    double x;
    rn_numbers_get(in->data, in->dtype, at, 1, &x);
    return rn_failf(e, RN_E_DATA, NULL, 0, 0, "field '%s': %g is not a whole number",
                    field, x);
}

#ifdef __cplusplus
}
#endif
#endif
