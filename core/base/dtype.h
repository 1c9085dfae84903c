/* SPDX-License-Identifier: Apache-2.0 */
/* The types of elements that the ABI has: one row each. */
#ifndef BASE_DTYPE_H
#define BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <runner/abi.h>

enum dtype_kind { DTYPE_FLOAT, DTYPE_INTEGER, DTYPE_BOOL };

struct dtype_info {
    rn_dtype dtype;
    const char *name; /* "f32" */
    enum dtype_kind kind;
    uint32_t bytes;
};

uint32_t dtype_count(void);
const struct dtype_info *dtype_at(uint32_t i);
/* NULL: the ABI has no such type. */
const struct dtype_info *dtype_find(rn_dtype t);
const struct dtype_info *dtype_named(const char *name, size_t length);
/* "f32"; "?" for a type that the ABI does not have. */
const char *dtype_name(rn_dtype t);
bool dtype_float(rn_dtype t);
bool dtype_int(rn_dtype t);    /* not bool */
bool dtype_narrow(rn_dtype t); /* a float of 16 bits */

#endif
