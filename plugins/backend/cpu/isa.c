/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernels this machine runs. */
#include "cpu.h"

const struct cpu_isa *cpu_isa_best(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd"))
        return &cpu_isa_v4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
        return &cpu_isa_v3;
#endif
    return &cpu_isa_base;
}
