/* SPDX-License-Identifier: Apache-2.0 */
/* A regularizer: a penalty on a parameter, added to what is minimised, or a constraint
 * that each update keeps. */
#ifndef RUNNER_REGULARIZER_H
#define RUNNER_REGULARIZER_H

#include <runner/build.h>

#ifdef __cplusplus
extern "C" {
#endif

/* At least one of describe and project. Both are called once per parameter that the
 * YAML's `match` takes, at its logical shape, in f32 whatever the precision of the run;
 * both have the input "param". Options come as for a loss: by the getters of host.h, or
 * by rn_live where they are live. Neither declares parameters. */
struct rn_regularizer {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* *self: plugin, until destroy; NULL both when there is no state. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    /* Output "penalty": a scalar that depends on the parameter alone. The host adds it
     * once a step to the loss of each objective that trains the parameter; gradients
     * are derived. Evaluations do not have it. [setup] */
    int32_t (*describe)(struct rn_build *b);
    /* Output "param": the value, of the same shape, that takes the place of the input,
     * which is what the optimizer made of the parameter. Of several regularizers of a
     * parameter each projects what the one before gave. [setup] */
    int32_t (*project)(struct rn_build *b);
};

/* Without state; as RN_LOSS. */
#define RN_REGULARIZER(id, describe, project, head, body)                              \
    static const struct rn_regularizer id##_iface = {                                  \
        sizeof(struct rn_regularizer), 0u, NULL, NULL, describe, project};             \
    RN_COMPONENT(id, id##_iface, "regularizer " head, body)

#ifdef __cplusplus
}
#endif
#endif
