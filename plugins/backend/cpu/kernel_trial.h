/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of one node timed beside each other: all do a little, those that are
 * clearly beaten go, the others do more. */
#ifndef CPU_KERNEL_TRIAL_H
#define CPU_KERNEL_TRIAL_H

#include "contention.h"
#include "tune.h"

#define KERNEL_TRIAL_MAX 8 /* kernels of a node */

/* The kernels of one node, with what they read and write. */
struct kernel_trial {
    struct cpu_setup setup; /* of the sample */
    struct kernel_tensor *tensors;
    void *workspace;
    uint64_t workspace_bytes;
    uint32_t count;
    char letter[KERNEL_TRIAL_MAX];
    struct cpu_setup kernel[KERNEL_TRIAL_MAX];
    bool out[KERNEL_TRIAL_MAX];      /* beaten, or it failed */
    uint64_t ns[KERNEL_TRIAL_MAX];   /* the least so far; 0: it did not run */
    uint64_t cold[KERNEL_TRIAL_MAX]; /* of the first call, if that was short: it counts
                                        for nothing */
};

/* Of setup s by each of the kernels in `choices`. False: no kernel takes it, or no
 * memory; to be ended all the same. */
bool kernel_trial_begin(struct kernel_trial *c, const struct cpu_setup *s,
                        const char *choices, cpu_prepare prepare, struct rn_error *e);
/* All kernels in turn, some rounds, so that what disturbs one disturbs all. known: the
 * least time of another form of the node, 0: none. */
struct cpu_contention kernel_trial_run(struct kernel_trial *c,
                                       const struct cpu_clock *clock, uint64_t known);
/* The least time, and its kernel; of kernels that are as good as each other the first
 * one. 0: none ran. */
uint64_t kernel_trial_best(const struct kernel_trial *c, char *letter);
void kernel_trial_end(struct kernel_trial *c);

#endif
