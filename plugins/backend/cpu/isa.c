/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernels this machine runs. */
#include <string.h>

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

const struct cpu_isa *cpu_isa_find(const char *name) {
    const struct cpu_isa *best = cpu_isa_best();
    const struct cpu_isa *const all[] = {
        &cpu_isa_base,
#if defined(__x86_64__)
        &cpu_isa_v3,
        &cpu_isa_v4,
#endif
    };
    if (strcmp(name, "best") == 0)
        return best;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
        if (all[i] == best)
            break;
    }
    return NULL;
}
