/* SPDX-License-Identifier: Apache-2.0 */
/* A hook: rewrites a value, taps values on sampled steps, or acts at named moments.
 * Status: draft. */
#ifndef RUNNER_HOOK_H
#define RUNNER_HOOK_H

#include <runner/build.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_POINT_ACTIVATION 1u /* a layer's output */
#define RN_POINT_GRADIENT   2u /* the gradient of a parameter */
#define RN_POINT_WEIGHT     3u /* a parameter */
#define RN_POINT_UPDATE     4u /* new value - old value of a parameter; reserved */

struct rn_point {
    uint32_t struct_size;
    uint32_t kind;    /* RN_POINT_* */
    const char *path; /* borrowed: "model.conv1" or "model.conv1.weight" */
    const char *op;   /* borrowed: the operator that made it, "" for variables */
    rn_value value;
    uint32_t reserved;
};

#define RN_EVENT_RUN_BEGIN   1
#define RN_EVENT_EPOCH_BEGIN 2
#define RN_EVENT_STEP_END    3
#define RN_EVENT_EVALUATED   4
#define RN_EVENT_EPOCH_END   5
#define RN_EVENT_RUN_END     6

struct rn_event_metric {
    const char *name; /* borrowed; "train/loss", "val/accuracy" */
    double value;
};
struct rn_actions;

/* A moment of the run. */
struct rn_event {
    uint32_t struct_size;
    int32_t what;  /* RN_EVENT_* */
    int64_t step;  /* steps done */
    int64_t epoch; /* from 0 */
    uint32_t metric_count;
    uint32_t metric_stride;
    /* Borrowed; what is known at this moment: the latest evaluation, and at STEP_END
     * train/loss and train/gradient_norm (before clipping) of the step. */
    const struct rn_event_metric *metrics;
    struct rn_actions *actions; /* host, until the call returns: what it may ask for */
    struct rn_work *work; /* host, until the call returns */
};

/* What a tap gave at a sampled step. */
struct rn_tapped {
    uint32_t struct_size;
    uint32_t count; /* outputs of the tap, in order of rn_output */
    int64_t step;
    const struct rn_point *point;   /* borrowed; value is RN_NONE */
    const char *const *names;       /* borrowed */
    const struct rn_tensor *values; /* borrowed */
    struct rn_work *work; /* host, until the call returns */
};

/* The closed list of what an event may ask for. */
struct rn_actions {
    const struct rn_actions_api *api; /* host, static */
};
struct rn_actions_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* End the run after this step. [step] */
    void (*stop)(struct rn_actions *a, const char *reason);
    void (*save)(struct rn_actions *a); /* a checkpoint now [step] */
    /* Hold the live option at `path` ("optimizer.lr") at a value from the next step on;
     * RN_E_UNSUPPORTED: there is none of that name. [step] */
    int32_t (*set_live)(struct rn_actions *a, const char *path, double value);
    /* Run this hook's taps at the next step, whatever its `every` says. [step] */
    void (*look)(struct rn_actions *a);
};

/* Host extension "runner.record/1": what hooks leave behind. */
struct rn_record_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* A row of the tensor series `name` in run.h5; copied. [step] */
    int32_t (*tensor)(struct rn_host *h, const char *name, int64_t step,
                      const struct rn_tensor *value);
    /* A point of the curve `name`. [step] */
    int32_t (*scalar)(struct rn_host *h, const char *name, int64_t step, double value);
    /* A sentence for the person: shown once per key. severity as RN_LOG_*. [step] */
    int32_t (*say)(struct rn_host *h, const char *key, int32_t severity,
                   const char *sentence);
    /* What the rows of the tensor series `name` are, for readers of run.h5; before
     * its first row. Copied. [step] */
    int32_t (*document)(struct rn_host *h, const char *name, const char *doc);
};

/* All members but create and destroy may be NULL. */
struct rn_hook {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* *self: plugin, until destroy; NULL both when there is no state. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    /* Rewrite: describe the value that everything after the point reads instead, of the
     * same type and shape, or return p->value. Asked in every program: activations and
     * weights (trainable parameters as the network reads them) while the model is
     * described, in training, evaluation and prediction (rn_training tells them apart);
     * gradients of the whole step, unscaled and before they are clipped, with the
     * update. The gradient flows through what was described (rn_straight_through
     * passes it by). Penalties, constraints and optimizers see the parameter itself.
     * [setup] */
    rn_value (*rewrite)(struct rn_build *b, const struct rn_point *p);
    /* Tap: describe what to compute of a point (rn_output by name). 1 = tapped, 0 = not
     * of interest. The host runs it every option `every` (a duration). [setup] */
    int32_t (*tap)(struct rn_build *b, const struct rn_point *p);
    /* After a sampled step. [step] */
    int32_t (*tapped)(void *self, const struct rn_tapped *t, struct rn_error *e);
    int32_t (*event)(void *self, const struct rn_event *ev,
                     struct rn_error *e);                                 /* [step] */
    int32_t (*save)(void *self, struct rn_stream *s, struct rn_error *e); /* [step] */
    int32_t (*load)(void *self, struct rn_stream *s, struct rn_error *e); /* [setup] */
};

#define RN_HOOK(id, iface, head, body) RN_COMPONENT(id, iface, "hook " head, body)

#ifdef __cplusplus
}
#endif
#endif
