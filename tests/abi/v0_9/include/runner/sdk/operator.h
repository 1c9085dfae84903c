/* SPDX-License-Identifier: Apache-2.0 */
/* For backends: the call of a custom operator's kernel for host memory, with the
 * workspace that the kernel may use. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_OPERATOR_H
#define RUNNER_SDK_OPERATOR_H

#include <string.h>

#include <runner/backend.h>
#include <runner/operator.h>
#include <runner/sdk/error.h>
#include <runner/sdk/guard.h>
#include <runner/sdk/work.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The most inputs, and the most outputs, of a custom operator. */
#define RN_OPERATOR_PORTS 32u

static inline uint64_t rn_operator_bytes(const struct rn_tensor *t) {
    uint64_t n = RN_DTYPE_BYTES(t->dtype);
    uint32_t k;
    for (k = 0; k < t->rank; k++)
        n *= (uint64_t)t->shape[k];
    return n;
}

/* "op: its kernel wrote past the end of output 1: ..."; returns RN_E_PLUGIN. */
static inline int32_t rn_operator_wrote(const struct rn_operator *op,
                                        const char *buffer, uint32_t port,
                                        const struct rn_guard_damage *d,
                                        struct rn_error *e) {
    char extent[80], which[16] = "";
    if (d->access != RN_GUARD_SCRATCH)
        snprintf(which, sizeof which, " %u", port);
    rn_guard_extent(d, extent, sizeof extent);
    rn_failf(e, RN_E_PLUGIN, NULL, 0, 0, "%s: its kernel %s %s%s: %s", op->name,
             rn_guard_verb(d), buffer, which, extent);
    rn_hintf(e, "%s", rn_guard_advice(d));
    return RN_E_PLUGIN;
}

/* The kernel's call with guard zones around each tensor and each piece of scratch
 * memory. */
static inline int32_t rn_operator_guarded(const struct rn_operator *op,
                                          const struct rn_operator_call *plain,
                                          const struct rn_workspace *w,
                                          struct rn_error *e) {
    struct rn_operator_call call = *plain;
    struct rn_tensor in[RN_OPERATOR_PORTS], out[RN_OPERATOR_PORTS];
    struct rn_guarded ins[RN_OPERATOR_PORTS], outs[RN_OPERATOR_PORTS];
    struct rn_guard_damage d;
    uint32_t i, port = 0;
    const char *buffer = NULL;
    if (call.in_count > RN_OPERATOR_PORTS || call.out_count > RN_OPERATOR_PORTS)
        return op->host(plain, e);
    for (i = 0; i < call.in_count; i++) {
        in[i] = call.in[i];
        in[i].data = rn_guard_open(&ins[i], RN_GUARD_IN, in[i].data,
                                   in[i].data ? rn_operator_bytes(&in[i]) : 0);
    }
    for (i = 0; i < call.out_count; i++) {
        out[i] = call.out[i];
        out[i].data = rn_guard_open(&outs[i], RN_GUARD_OUT, out[i].data,
                                    out[i].data ? rn_operator_bytes(&out[i]) : 0);
    }
    call.in = in;
    call.out = out;
    int32_t status = op->host(&call, e);
    memset(&d, 0, sizeof d);
    for (i = 0; i < call.out_count && !buffer; i++)
        if (rn_guard_look(&outs[i], &d))
            buffer = "output", port = i;
    for (i = 0; i < call.in_count && !buffer; i++)
        if (rn_guard_look(&ins[i], &d))
            buffer = "input", port = i;
    if (!buffer && rn_workspace_look(w, &d))
        buffer = "its scratch memory";
    for (i = 0; i < call.in_count; i++)
        rn_guard_close(&ins[i]);
    for (i = 0; i < call.out_count; i++)
        rn_guard_close(&outs[i]);
    return buffer ? rn_operator_wrote(op, buffer, port, &d, e) : status;
}

/* Run node `n`, which has a kernel table, on dense tensors in host memory. An error
 * without a message gets the operator and the status; its place is the node. With
 * w->guarded, a write outside of a buffer is an error that names it. */
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
    int32_t status =
        w->guarded ? rn_operator_guarded(op, &call, w, e) : op->host(&call, e);
    if (status == RN_OK)
        return RN_OK;
    if (e && !e->message[0]) {
        rn_failf(e, status, NULL, 0, 0,
                 "%s: its kernel failed with status %d and no message", op->name,
                 status);
        rn_hintf(e, "the plugin should say why: rn_fail(e, ...)");
    }
    if (e && !e->where[0])
        rn_error_at(e, RN_WHERE_LAYER, n->label);
    return status;
}

#ifdef __cplusplus
}
#endif
#endif
