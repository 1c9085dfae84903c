/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of one node timed beside each other: all do a little, those that are
 * clearly beaten go, the others do more. */
#ifndef CPU_CONTEST_H
#define CPU_CONTEST_H

#include "company.h"
#include "tune.h"

#define CPU_CONTEST_MOST 8 /* kernels of a node */

/* The kernels of one node, with what they read and write. */
struct cpu_contest {
    struct cpu_setup setup; /* of the sample */
    struct kernel_tensor *tensors;
    void *workspace;
    uint64_t workspace_bytes;
    uint32_t count;
    char letter[CPU_CONTEST_MOST];
    struct cpu_setup kernel[CPU_CONTEST_MOST];
    bool out[CPU_CONTEST_MOST];      /* beaten, or it failed */
    uint64_t ns[CPU_CONTEST_MOST];   /* the least so far; 0: it did not run */
    uint64_t cold[CPU_CONTEST_MOST]; /* of the first call, if that was short: it counts
                                        for nothing */
};

/* Of setup s by each of the kernels in `choices`. False: no kernel takes it, or no
 * memory; to be ended all the same. */
bool cpu_contest_begin(struct cpu_contest *c, const struct cpu_setup *s,
                       const char *choices, cpu_prepare prepare, struct rn_error *e);
/* All kernels in turn, some rounds, so that what disturbs one disturbs all. known: the
 * least time of another form of the node, 0: none. */
struct cpu_company cpu_contest_run(struct cpu_contest *c, const struct cpu_clock *clock,
                                   uint64_t known);
/* The least time, and its kernel; of kernels that are as good as each other the first
 * one. 0: none ran. */
uint64_t cpu_contest_best(const struct cpu_contest *c, char *letter);
void cpu_contest_end(struct cpu_contest *c);

#endif
