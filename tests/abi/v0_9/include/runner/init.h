/* SPDX-License-Identifier: Apache-2.0 */
/* An init: the first value of a variable. */
#ifndef RUNNER_INIT_H
#define RUNNER_INIT_H

#include <runner/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One variable to fill. */
struct rn_init_call {
    uint32_t struct_size;
    uint32_t rank;
    struct rn_work *work; /* host, until the call returns */
    const char *name;     /* borrowed: "model.conv1.weight" */
    const char *role;     /* borrowed */
    const int64_t *shape; /* borrowed */
    int64_t fan_in;  /* from the layer, else: shape [out, in, k...]: in * prod(k) */
    int64_t fan_out; /* out * prod(k) */
    uint64_t count;  /* elements */
    uint32_t key[2]; /* Philox key for this variable: see numerics.h */
    float *out;      /* borrowed, to fill: [count], row-major */
};

struct rn_init {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* *self: plugin, until destroy; NULL both when there is no state. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    /* Equal calls give equal bits. [setup] */
    int32_t (*fill)(void *self, const struct rn_init_call *call, struct rn_error *e);
};

/* Extension of struct rn_host: training samples, for first values that depend on them.
 * NULL where there are none, as when a stored network is only used. */
#define RN_EXT_SAMPLES "runner.samples/1"
struct rn_samples_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* The first n of the training split, or all that there are, of one field, as models
     * see it but for `augment`: out is [rows, shape...], the host's until the next call
     * or until fill returns. In fill only. [setup] */
    int32_t (*first)(struct rn_host *h, const char *field, uint64_t n,
                     struct rn_tensor *out, struct rn_error *e);
};

#define RN_INIT(id, create, destroy, fill, head, body)                                 \
    static const struct rn_init id##_iface = {sizeof(struct rn_init), 0u, create,      \
                                              destroy, fill};                          \
    RN_COMPONENT(id, id##_iface, "init " head, body)

#ifdef __cplusplus
}
#endif
#endif
