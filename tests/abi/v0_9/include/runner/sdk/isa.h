/* SPDX-License-Identifier: Apache-2.0 */
/* Which instructions code may use beyond those that every processor of its kind has: a
 * level that the processor reaches, capped by the environment variable RUNNER_ISA
 * (base, avx2, avx512 or native), so that a machine can stand for a smaller one. A
 * program with kernels for several levels asks here which of them to call. Header-only;
 * C11 or C++ with GNU builtins. */
#ifndef RUNNER_SDK_ISA_H
#define RUNNER_SDK_ISA_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum rn_isa {
    RN_ISA_BASE,   /* x86-64, or what any other processor has */
    RN_ISA_AVX2,   /* x86-64-v3 */
    RN_ISA_AVX512, /* x86-64-v4 */
    RN_ISA_NATIVE  /* no cap: extensions beyond the levels too, such as bf16 */
};

static inline const char *rn_isa_name(enum rn_isa level) {
    static const char *const names[] = {"base", "avx2", "avx512", "native"};
    return names[level];
}

/* RUNNER_ISA, or NULL where it is unset or empty. */
static inline const char *rn_isa_wish(void) {
    const char *wish = getenv("RUNNER_ISA");
    return wish && *wish ? wish : NULL;
}

/* *out = the level of this name: 1; 0 where there is none such. */
static inline int rn_isa_find(const char *name, enum rn_isa *out) {
    for (int i = RN_ISA_BASE; i <= RN_ISA_NATIVE; i++)
        if (strcmp(name, rn_isa_name((enum rn_isa)i)) == 0) {
            *out = (enum rn_isa)i;
            return 1;
        }
    return 0;
}

/* The cap; RN_ISA_NATIVE without one. The runner refuses other words at its start. */
static inline enum rn_isa rn_isa_cap(void) {
    enum rn_isa cap;
    const char *wish = rn_isa_wish();
    return wish && rn_isa_find(wish, &cap) ? cap : RN_ISA_NATIVE;
}

/* The highest level that the processor and the system have; never RN_ISA_NATIVE. */
static inline enum rn_isa rn_isa_machine(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
          __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")))
        return RN_ISA_BASE;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512cd")
               ? RN_ISA_AVX512
               : RN_ISA_AVX2;
#else
    return RN_ISA_BASE;
#endif
}

/* The level to use. */
static inline enum rn_isa rn_isa_level(void) {
    enum rn_isa cap = rn_isa_cap(), machine = rn_isa_machine();
    return cap < machine ? cap : machine;
}

#ifdef __cplusplus
}
#endif
#endif
