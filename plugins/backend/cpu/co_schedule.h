/* SPDX-License-Identifier: Apache-2.0 */
/* Which neighbouring nodes of a program can run at once. */
#ifndef CPU_CO_SCHEDULE_H
#define CPU_CO_SCHEDULE_H

#include "cpu.h"

struct cpu_co_schedule {
    uint32_t count;   /* nodes from the first on; 1: it is alone */
    uint32_t room;    /* the node whose workspace is the scratch of all */
    uint64_t scratch; /* bytes of it for each thread */
};

/* The longest from `first` on. scratch: by node, bytes for each thread, or
 * CPU_NO_CO_SCHEDULE: a node that has no shares. */
#define CPU_NO_CO_SCHEDULE UINT64_MAX
struct cpu_co_schedule cpu_co_schedule_find(const struct rn_program *p, uint32_t first,
                                            const uint64_t *scratch, int threads);

#endif
