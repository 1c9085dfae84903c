/* SPDX-License-Identifier: Apache-2.0 */
/* A region as the cuda backend knows it: read from a node (elementwise.c), printed as a
 * kernel (generate.c). */
#ifndef CUDA_REGION_H
#define CUDA_REGION_H

#include "../cpu/cpu.h"
#include "../shared/reduction_tail.h"
#include "engine.h"

#define PORTS 64
#define STEPS 128
#define ENDS  4 /* reductions at the end */

enum feed { FEED_DENSE, FEED_ONE, FEED_STRIDED };

struct step {
    int expression;
    uint32_t in_count, in[3], out;
};

struct end {
    enum tail_kind kind;
    uint32_t reg, output; /* what is reduced, which output gets it */
};

struct region {
    uint32_t rank;
    int64_t size[RN_MAX_RANK];
    uint64_t count;
    uint32_t reg_count, step_count, input_count, output_count;
    rn_dtype *dtype;         /* by register */
    int *input;              /* by register: which input, -1 none */
    uint32_t outputs[PORTS]; /* registers */
    struct step steps[STEPS];
    uint32_t end_count;
    struct end ends[ENDS];
    bool ended[PORTS];       /* by output: of a reduction */
    struct tail_table table; /* of all ends */
    enum feed feed[PORTS];   /* of inputs; other outputs fill the space */
    int64_t stride[2 * PORTS][RN_MAX_RANK]; /* inputs, then outputs */
};

/* The kernel in the program's text, once, and a launch of it. */
void region_launch(struct cuda_setup *s, const struct region *r);

#endif
