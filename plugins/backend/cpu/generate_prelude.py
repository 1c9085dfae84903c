#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""generate_prelude.py numerics.h out.c: the definition of numbers as lines of text in the
backend, so that generated code needs no file of the source tree and no header. Everything
is inlined by force: a loop with a call in it does not become vectors."""
import json
import sys

PRELUDE = """\
typedef __INT8_TYPE__ int8_t;
typedef __INT16_TYPE__ int16_t;
typedef __INT32_TYPE__ int32_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define memcpy __builtin_memcpy
#define sqrt __builtin_sqrt
#define sqrtf __builtin_sqrtf
#define fabs __builtin_fabs
#define fabsf __builtin_fabsf
#define copysign __builtin_copysign
#define copysignf __builtin_copysignf
#if defined(__clang__)
#define LOOP_ _Pragma("clang loop vectorize(assume_safety)")
#else
#define LOOP_ _Pragma("GCC ivdep")
#endif
#define inline inline __attribute__((always_inline))
typedef void (*block_fn)(void *, const void *const *, __SIZE_TYPE__);
#define EACH(i, n) LOOP_ for (int64_t i = 0; i < n; i++)
"""

with open(sys.argv[1], encoding="utf-8") as f:
    numerics = f.read()
lines = PRELUDE.splitlines() + [
    line for line in numerics.splitlines() if not line.startswith("#include")]
with open(sys.argv[2], "w", encoding="utf-8") as f:
    f.write("/* Made by generate_prelude.py. */\n#include <stddef.h>\n"
            "extern const char *const cpu_generate_prelude[];\n"
            "const char *const cpu_generate_prelude[] = {\n")
    for line in lines:
        f.write(json.dumps(line) + ",\n")
    f.write("NULL};\n")
