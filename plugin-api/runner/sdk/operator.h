/* SPDX-License-Identifier: Apache-2.0 */
/* For backends: the call of a custom operator's kernel for host memory, with the
 * workspace that the kernel may use. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_OPERATOR_H
#define RUNNER_SDK_OPERATOR_H

#include <string.h>

#include <runner/backend.h>
#include <runner/operator.h>
#include <runner/sdk/error.h>
#include <runner/sdk/work.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Run node `n`, which has a kernel table, on dense tensors in host memory. An error
 * without a message gets the operator and the status; its place is the node. */
static inline int32_t rn_operator_run(const struct rn_node *n,
                                      const struct rn_tensor *in,
                                      const struct rn_tensor *out,
                                      struct rn_workspace *w, struct rn_error *e) {
    const struct rn_operator *op = (const struct rn_operator *)n->custom;
    struct rn_operator_call call;
    memset(&call, 0, sizeof call);
    call.struct_size = sizeof call;
    call.in_count = n->in_count;
    call.in = in;
    call.attr_count = n->attr_count;
    call.attr_stride = n->attr_stride;
    call.attrs = n->attrs;
    call.out_count = n->out_count;
    call.out = out;
    call.work = rn_workspace_begin(w);
    int32_t status = op->host(&call, e);
    if (status == RN_OK)
        return RN_OK;
    if (e && !e->message[0])
        rn_failf(e, status, NULL, 0, 0,
                 "%s: its kernel failed with status %d and no "
                 "message",
                 op->name, status);
    if (e && !e->where[0])
        rn_error_at(e, RN_WHERE_LAYER, n->label);
    return status;
}

#ifdef __cplusplus
}
#endif
#endif
