/* SPDX-License-Identifier: Apache-2.0 */
/* Category numbers of a sample: what label_map and one_hot take. Whole numbers in float
 * fields count, as tables write integers with missing cells as 1.0. */
#ifndef PLUGINS_TRANSFORM_CATEGORY_H
#define PLUGINS_TRANSFORM_CATEGORY_H

#include <math.h>

#include <runner/transform.h>

#include "../fail.h"

enum category { CATEGORY_WRONG, CATEGORY_MISSING, CATEGORY_IS };

static inline int category_takes(rn_dtype d) {
    return dtype_is_integer(d) || d == RN_F64 || d == RN_F32 || d == RN_BOOL;
}

/* Element `at` of a field; nullable: it may be missing. */
static inline enum category category_get(const struct rn_tensor *in, int nullable,
                                         uint64_t at, int64_t *out) {
    if (dtype_is_integer(in->dtype)) {
        *out = integer_get(in->data, in->dtype, at);
        return nullable && in->dtype == RN_I64 && *out == RN_MISSING_I64
                   ? CATEGORY_MISSING
                   : CATEGORY_IS;
    }
    double x;
    numbers_get(in->data, in->dtype, at, 1, &x);
    if (isnan(x))
        return nullable ? CATEGORY_MISSING : CATEGORY_WRONG;
    if (x != rint(x) || fabs(x) > 9007199254740992.0)
        return CATEGORY_WRONG;
    *out = (int64_t)x;
    return CATEGORY_IS;
}

static inline int32_t category_wrong(const char *field, const struct rn_tensor *in,
                                     uint64_t at, struct rn_error *e) {
    double x;
    numbers_get(in->data, in->dtype, at, 1, &x);
    return fail(e, RN_E_DATA, NULL, 0, 0, "field '%s': %g is not a whole number", field,
                x);
}

#endif
