/* SPDX-License-Identifier: Apache-2.0 */
/* An optimizer that needs several gradients in a step: SAM, extragradient. Each phase
 * chooses where the next gradient is taken; the update follows the last one. Also sums
 * over all parameters, for norms. */
#ifndef RUNNER_PHASES_H
#define RUNNER_PHASES_H

#include <runner/optimizer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Extension of a component of kind optimizer: a const struct rn_phases. */
#define RN_EXT_PHASES "runner.phases/1"

/* A row of an array. Both members are called once for each parameter of the optimizer,
 * in its scope, and are given the inputs of rn_optimizer's describe, but that "grad" is
 * the gradient of this phase: averaged over the rows, divided by the loss scale, not
 * clipped. "param" is the parameter as the step found it, in every phase.
 * They may read state (rn_state declares what the update assigns) and assign none.
 * Random operators draw the same numbers in all phases of a step. */
struct rn_phase {
    const char *name; /* plugin; unique: "perturb" */
    /* NULL: no sums. Every output is added, element by element, to that of the same
     * name of all parameters that this component updates in the program, in all of its
     * groups; one shape for all. [setup] */
    int32_t (*reduce)(struct rn_build *b);
    /* Further inputs: the sums, by name. Output "param": where the next gradient is
     * taken, of the parameter's shape. No gradient flows through it. [setup] */
    int32_t (*describe)(struct rn_build *b);
    uint64_t flags; /* 0 */
};

struct rn_phases {
    uint32_t struct_size;
    uint32_t flags;                /* 0 */
    uint32_t phase_count;          /* at most 8 */
    uint32_t phase_stride;         /* bytes from one to the next */
    const struct rn_phase *phases; /* plugin */
    /* As a phase's, for the update: "grad" is clipped, and rn_optimizer's describe has
     * the sums as further inputs. NULL: none. [setup] */
    int32_t (*reduce)(struct rn_build *b);
};

#ifdef __cplusplus
}
#endif
#endif
