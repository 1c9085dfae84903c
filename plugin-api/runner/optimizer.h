/* SPDX-License-Identifier: Apache-2.0 */
/* An optimizer: the update of one parameter, described with operators. Status: draft.
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
 * matrices; state need not be elementwise. */
struct rn_optimizer {
    uint32_t struct_size;
    uint32_t reserved;
    int32_t (*describe)(struct rn_build *b); /* [setup] */
};

#define RN_OPTIMIZER(id, fn, head, body)                                               \
    static const struct rn_optimizer id##_iface = {sizeof(struct rn_optimizer), 0u,    \
                                                   fn};                                \
    RN_COMPONENT(id, id##_iface, "optimizer " head, body)

#ifdef __cplusplus
}
#endif
#endif
