/* SPDX-License-Identifier: Apache-2.0 */
/* A loss: terms per element, sample, batch or parameter. The host averages. */
#ifndef RUNNER_LOSS_H
#define RUNNER_LOSS_H

#include <runner/build.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Output "loss" with `; scope element|sample|batch|parameter` in the text. For element
 * and sample scope dim 0 is the row and the host computes sum(loss*weight)/sum(weight)
 * over the whole effective batch; output "weight" (broadcastable to loss) is optional,
 * 1 when absent. batch: a scalar for the batch as it is; parameter: a scalar
 * that does not depend on data. Gradients are derived. */
struct rn_loss {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* *self: plugin, until destroy; NULL both when there is no state. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self);             /* [setup] */
    int32_t (*describe)(struct rn_build *b); /* [setup] */
};

/* RN_LOSS(id, describe, "vendor.package/name BEHAVIOUR", text...): without state; with
 * create and destroy, define the table and RN_COMPONENT(id, table, "loss ...", ...). */
#define RN_LOSS(id, fn, head, body)                                                    \
    static const struct rn_loss id##_iface = {sizeof(struct rn_loss), 0u, NULL, NULL,  \
                                              fn};                                     \
    RN_COMPONENT(id, id##_iface, "loss " head, body)

#ifdef __cplusplus
}
#endif
#endif
