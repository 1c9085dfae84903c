/* SPDX-License-Identifier: Apache-2.0 */
/* A metric: accumulates over a split, merges, finishes to named tensors.
 */
#ifndef RUNNER_METRIC_H
#define RUNNER_METRIC_H

#include <runner/build.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Two forms. Graph form: `describe` builds rn_state accumulators and rn_assign from its
 * input ports in the evaluation program; `finish` reads them. Host form: `update` gets
 * the ports' values of each batch. Either way finish writes the outputs declared in the
 * text (`out: accuracy f32 [] ; better higher`), so that names, ranks and directions
 * are known before step one. */
struct rn_metric_batch {
    uint32_t struct_size;
    uint32_t phase; /* RN_PHASE_VAL, RN_PHASE_TEST; of a check RN_PHASE_SETUP */
    struct rn_work *work; /* host, until the call returns */
    uint32_t ports; /* as declared in the text, in order */
    uint32_t reserved;
    const struct rn_tensor *values; /* borrowed; data NULL = optional, not bound */
    uint64_t rows;                  /* valid rows: dim 0 */
    const int64_t *sample_ids;      /* borrowed; rows entries */
    const float *weights;           /* borrowed or NULL = ones */
};

/* Where finish puts a result: host copies. name as declared; shape may be dynamic where
 * the text says so. NaN: not defined for what was seen; it is shown as n/a and never
 * the best. */
struct rn_metric_sink {
    const struct rn_metric_sink_api *api; /* host, static */
};
struct rn_metric_sink_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* A declared output, once each; a name, type or rank that the text does not declare
     * is RN_E_PLUGIN. [step] */
    int32_t (*put)(struct rn_metric_sink *s, const char *name,
                   const struct rn_tensor *value);
};

/* The end of a split. */
struct rn_metric_result {
    uint32_t struct_size;
    uint32_t phase; /* RN_PHASE_VAL, RN_PHASE_TEST */
    struct rn_work *work; /* host, until the call returns */
    /* Graph form: the accumulators, in order of declaration; host form: none. Borrowed;
     * [state_count]. */
    const struct rn_tensor *states;
    uint32_t state_count;
    uint32_t reserved;
    struct rn_metric_sink *sink; /* host: takes the outputs */
};

static inline int32_t rn_metric_put(const struct rn_metric_result *r, const char *name,
                                    const struct rn_tensor *value) {
    return r->sink->api->put(r->sink, name, value);
}

struct rn_metric {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* *self: plugin, until destroy; NULL both when there is no state. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self);             /* [setup] */
    int32_t (*describe)(struct rn_build *b); /* graph form, else NULL [setup] */
    int32_t (*reset)(void *self, struct rn_error *e); /* host form [step] */
    int32_t (*update)(void *self, const struct rn_metric_batch *batch,
                      struct rn_error *e); /* host form [step] */
    /* Merge another instance's saved state into self (workers, ranks). [step] */
    int32_t (*merge)(void *self, struct rn_stream *s, struct rn_error *e);
    int32_t (*save)(void *self, struct rn_stream *s, struct rn_error *e); /* [step] */
    int32_t (*load)(void *self, struct rn_stream *s, struct rn_error *e); /* [step] */
    /* Put each declared output once. [step] */
    int32_t (*finish)(void *self, const struct rn_metric_result *result,
                      struct rn_error *e);
};

/* Extension of a component: shapes, options and labels that do not fit are an error
 * before step one. Either function may be NULL. */
#define RN_EXT_METRIC_CHECK "runner.metric.check/1"
struct rn_metric_check_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* batch: what batches will be. values: shapes and types without data; of a port
     * that is not bound, rank 0 and dtype 0. sample_ids and weights are NULL. [setup]
     */
    int32_t (*check)(void *self, const struct rn_metric_batch *batch,
                     struct rn_error *e);
    /* How many classes, counted from 0, the integers of a port choose from; 0: they
     * choose from none. What the data holds beyond them is an error before step one.
     * batch: as of check. [setup] */
    int64_t (*choices)(void *self, const struct rn_metric_batch *batch, uint32_t port);
};

#define RN_METRIC(id, iface, head, body) RN_COMPONENT(id, iface, "metric " head, body)

#ifdef __cplusplus
}
#endif
#endif
