/* SPDX-License-Identifier: Apache-2.0 */
/* The table of element types. */
#include <string.h>

#include "base/dtype.h"

static const struct dtype_info rows[] = {
    {RN_F32, "f32", DTYPE_FLOAT, 4},   {RN_F64, "f64", DTYPE_FLOAT, 8},
    {RN_F16, "f16", DTYPE_FLOAT, 2},   {RN_BF16, "bf16", DTYPE_FLOAT, 2},
    {RN_I64, "i64", DTYPE_INTEGER, 8}, {RN_I32, "i32", DTYPE_INTEGER, 4},
    {RN_I8, "i8", DTYPE_INTEGER, 1},   {RN_U32, "u32", DTYPE_INTEGER, 4},
    {RN_U8, "u8", DTYPE_INTEGER, 1},   {RN_BOOL, "bool", DTYPE_BOOL, 1},
};

uint32_t dtype_count(void) {
    return sizeof rows / sizeof *rows;
}

const struct dtype_info *dtype_at(uint32_t i) {
    return &rows[i];
}

const struct dtype_info *dtype_find(rn_dtype t) {
    for (uint32_t i = 0; i < dtype_count(); i++)
        if (rows[i].dtype == t)
            return &rows[i];
    return NULL;
}

const struct dtype_info *dtype_named(const char *name, size_t length) {
    for (uint32_t i = 0; i < dtype_count(); i++)
        if (strlen(rows[i].name) == length && strncmp(rows[i].name, name, length) == 0)
            return &rows[i];
    return NULL;
}

const char *dtype_name(rn_dtype t) {
    const struct dtype_info *d = dtype_find(t);
    return d ? d->name : "?";
}

bool dtype_float(rn_dtype t) {
    const struct dtype_info *d = dtype_find(t);
    return d && d->kind == DTYPE_FLOAT;
}

bool dtype_int(rn_dtype t) {
    const struct dtype_info *d = dtype_find(t);
    return d && d->kind == DTYPE_INTEGER;
}

bool dtype_narrow(rn_dtype t) {
    const struct dtype_info *d = dtype_find(t);
    return d && d->kind == DTYPE_FLOAT && d->bytes == 2;
}
