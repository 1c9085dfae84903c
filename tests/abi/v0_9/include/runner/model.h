/* SPDX-License-Identifier: Apache-2.0 */
/* A model: named inputs to named outputs, described with operators. */
#ifndef RUNNER_MODEL_H
#define RUNNER_MODEL_H

#include <runner/build.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ports: declared in the text. `out: * float [...]` lets the model give further outputs
 * by name (named layers), bound in YAML as model.NAME. */
struct rn_model {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* *self: plugin, until destroy; NULL both when there is no state. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    /* Build the forward pass: rn_input, rn_param, operators, rn_output. Batch size is
     * dim 0 of the inputs and may differ between calls. [setup] */
    int32_t (*describe)(struct rn_build *b);
};

/* RN_MODEL(id, describe, "vendor.package/name BEHAVIOUR", text...): without state; as
 * RN_LOSS. */
#define RN_MODEL(id, fn, head, body)                                                   \
    static const struct rn_model id##_iface = {sizeof(struct rn_model), 0u, NULL,      \
                                               NULL, fn};                              \
    RN_COMPONENT(id, id##_iface, "model " head, body)

#ifdef __cplusplus
}
#endif
#endif
