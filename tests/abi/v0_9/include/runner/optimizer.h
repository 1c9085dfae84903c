/* SPDX-License-Identifier: Apache-2.0 */
/* An optimizer: the update of one parameter, described with operators.
 */
#ifndef RUNNER_OPTIMIZER_H
#define RUNNER_OPTIMIZER_H

#include <runner/build.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called once per parameter, at its logical shape. Inputs: "param", "grad" (same shape,
 * clipped and averaged already), "step" (f32 scalar: applied updates, this one
 * included, so the first is 1). State: rn_state / rn_state_like + rn_assign. Output:
 * "param", the new value. Live options (lr) come by rn_live. May reduce and multiply
 * matrices; state need not be elementwise. rn_get_parameter gives name, role, group and
 * shape of the parameter. Several gradients in a step, sums over all parameters:
 * phases.h. */
struct rn_optimizer {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* *self: plugin, until destroy; NULL both when there is no state. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self);             /* [setup] */
    int32_t (*describe)(struct rn_build *b); /* [setup] */
};

/* Without state of its own; as RN_LOSS. */
#define RN_OPTIMIZER(id, fn, head, body)                                               \
    static const struct rn_optimizer id##_iface = {sizeof(struct rn_optimizer), 0u,    \
                                                   NULL, NULL, fn};                    \
    RN_COMPONENT(id, id##_iface, "optimizer " head, body)

#ifdef __cplusplus
}
#endif
#endif
