/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernels this machine runs, ours and the library's. */
#include <string.h>

#ifdef CPU_ONEDNN
#include <dnnl.h>
#endif

#include <runner/sdk/isa.h>

#include "cpu.h"

static const struct cpu_isa *const levels[] = {
    &cpu_isa_base,
#if defined(__x86_64__)
    &cpu_isa_v3,
    &cpu_isa_v4,
#endif
};

const struct cpu_isa *cpu_isa_best(void) {
    return levels[rn_isa_level()];
}

const struct cpu_isa *cpu_isa_find(const char *name) {
    if (strcmp(name, "best") == 0)
        return cpu_isa_best();
    for (int i = RN_ISA_BASE; i <= (int)rn_isa_level(); i++)
        if (strcmp(levels[i]->name, name) == 0)
            return levels[i];
    return NULL;
}

#ifdef CPU_ONEDNN
void cpu_isa_cap_library(void) {
#if defined(__x86_64__)
    /* It begins at SSE 4.1; levels have none of the extensions to them. */
    static const dnnl_cpu_isa_t names[] = {dnnl_cpu_isa_sse41, dnnl_cpu_isa_avx2,
                                           dnnl_cpu_isa_avx512_core};
    enum rn_isa cap = rn_isa_cap();
    bool own = getenv("ONEDNN_MAX_CPU_ISA") || getenv("DNNL_MAX_CPU_ISA");
    if (cap != RN_ISA_NATIVE && !own)
        dnnl_set_max_cpu_isa(names[cap]); /* refused where it has been used: by us */
#endif
}

int cpu_isa_library(void) {
    return (int)dnnl_get_effective_cpu_isa();
}
#endif
