/* SPDX-License-Identifier: Apache-2.0 */
/* A hook: rewrites a value, taps values on sampled steps, acts at named moments, or
 * averages parameters. */
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
#define RN_POINT_STATISTIC  5u /* a running statistic of a model: state of f32 */

struct rn_point {
    uint32_t struct_size;
    uint32_t kind;    /* RN_POINT_* */
    const char *path; /* borrowed: "model.conv1" or "model.conv1.weight" */
    const char *op;   /* borrowed: the operator that made it, "" for variables */
    rn_value value;
    uint32_t reserved;
};

/* Events, in the order in which they come. Several hooks get each of them in the order
 * of the file.
 *
 * - RUN_BEGIN: once a process, before its first step. In a resumed run, flags has
 *   RN_EVENT_RESUMED and step is that of the checkpoint.
 * - EPOCH_BEGIN: before the first step of each epoch.
 * - STEP_END: after each step, also one that was left out.
 * - EPOCH_END: after STEP_END of the last step of each epoch. A run may end inside an
 *   epoch, by train.steps or a stop, without one.
 * - EVALUATE_BEGIN and EVALUATED: around an evaluation of the validation split, after
 *   all events above of its step.
 * - RUN_END: once a process, last, however the run ends: `end` says how. After the
 *   test, which loads the best weights.
 *
 * A checkpoint of step s has the state after the events of that step up to EPOCH_END,
 * and a resumed run gets none of them again, but for EVALUATE_BEGIN and EVALUATED where
 * the evaluation was still to be made. What a hook does at RUN_END is in no checkpoint.
 *
 * An event that fails ends the run with the status that it returned: later hooks do not
 * get it, and the state of the step is saved. All hooks get RUN_END still. */
#define RN_EVENT_RUN_BEGIN      1
#define RN_EVENT_EPOCH_BEGIN    2
#define RN_EVENT_STEP_END       3
#define RN_EVENT_EPOCH_END      4
#define RN_EVENT_EVALUATE_BEGIN 5
#define RN_EVENT_EVALUATED      6
#define RN_EVENT_RUN_END        7

#define RN_EVENT_RESUMED 1u /* rn_event.flags: this process has resumed the run */

/* Why a run ended. */
#define RN_END_NONE        0 /* it goes on */
#define RN_END_FINISHED    1 /* all steps are done */
#define RN_END_STOPPED     2 /* a hook asked for it */
#define RN_END_EARLY       3 /* train.early_stop */
#define RN_END_INTERRUPTED 4 /* a signal or train.max_time; it can be resumed */
#define RN_END_DIVERGED    5
#define RN_END_ERROR       6

struct rn_event_metric {
    const char *name; /* borrowed; "train/loss", "val/accuracy" */
    double value;
};
struct rn_actions;

/* A moment of the run. */
struct rn_event {
    uint32_t struct_size;
    int32_t what; /* RN_EVENT_* */
    int64_t step; /* steps done */
    /* From 0: at RUN_BEGIN and EPOCH_BEGIN that of the next step, else that of the
     * latest one. */
    int64_t epoch;
    uint32_t metric_count;
    uint32_t metric_stride;
    /* Borrowed; what is known at this moment: the latest evaluation (val/...), at
     * STEP_END train/loss and train/gradient_norm (before clipping) of the step, and at
     * RUN_END what the test gave (test/...). */
    const struct rn_event_metric *metrics;
    struct rn_actions *actions; /* host, until the call returns: what it may ask for */
    struct rn_work *work;       /* host, until the call returns */
    uint32_t flags;             /* RN_EVENT_RESUMED */
    int32_t end;                /* RN_END_*; of RUN_END */
    /* The best evaluation so far by the monitor of checkpoint.best, else of
     * train.early_stop: the metric's name (borrowed; NULL: nothing is monitored, or was
     * measured yet), its value and step. */
    const char *best;
    double best_value;
    int64_t best_step;
};

/* What a tap gave at a sampled step. */
struct rn_tapped {
    uint32_t struct_size;
    uint32_t count; /* outputs of the tap, in order of rn_output */
    int64_t step;
    const struct rn_point *point;   /* borrowed; value is RN_NONE */
    const char *const *names;       /* borrowed */
    const struct rn_tensor *values; /* borrowed */
    struct rn_work *work;           /* host, until the call returns */
};

/* The closed list of what an event may ask for. */
struct rn_actions {
    const struct rn_actions_api *api; /* host, static */
};
struct rn_actions_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* End the run after this step, its evaluation and its checkpoint. [step] */
    void (*stop)(struct rn_actions *a, const char *reason);
    /* A checkpoint once all hooks have had the event. [step] */
    void (*save)(struct rn_actions *a);
    /* Hold the live option at `path` ("optimizer.lr") at a value from the next step on;
     * RN_E_UNSUPPORTED: there is none of that name. [step] */
    int32_t (*set_live)(struct rn_actions *a, const char *path, double value);
    /* Run this hook's taps at the next step, whatever its `every` says. [step] */
    void (*look)(struct rn_actions *a);
};

/* Host extension "runner.record/1": what hooks leave behind, while a run trains.
 * RN_E_UNSUPPORTED before RUN_BEGIN. */
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

/* What evaluations have as running statistics beside averaged parameters. */
#define RN_STATISTICS_CURRENT 0u /* those of training, as they are */
#define RN_STATISTICS_AVERAGE 1u /* averages of their own, as of parameters */
/* Those that the averaged parameters have over the training split: before an
 * evaluation, the means over the batches of one pass (rn_running in build.h). */
#define RN_STATISTICS_REFRESH 2u

/* How a hook averages: what create read from its options. */
struct rn_averaging {
    uint32_t struct_size;
    uint32_t statistics; /* written: RN_STATISTICS_*; CURRENT before */
    int64_t total_steps; /* of the run; 0: not known */
    int64_t steps_per_epoch;
    int64_t start; /* written: the first average is made after this step; 1 before */
    int64_t every; /* written: steps from one average to the next; 1 before */
};

/* A parameter or running statistic to average. */
struct rn_average_call {
    uint32_t struct_size;
    uint32_t kind;    /* RN_POINT_WEIGHT or RN_POINT_STATISTIC */
    const char *path; /* borrowed: "model.conv1.weight" */
    rn_value average; /* as it is */
    rn_value value;   /* the parameter after the step */
    rn_value count;   /* averages made before this one: an f32 scalar, at least 1 */
    uint32_t reserved;
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
    /* Average: of one hook of an experiment. `averaging` says how, before `average`,
     * which describes the next value of an average; the first is the parameter itself.
     * The averages are variables of the host ("average.model.conv1.weight"), on the
     * device and in checkpoints. Evaluations, the test, eval and predict use them in
     * place of the parameters, once there are any; training never reads them. Both
     * members or neither. [setup] */
    int32_t (*averaging)(void *self, struct rn_averaging *a, struct rn_error *e);
    rn_value (*average)(struct rn_build *b,
                        const struct rn_average_call *a); /* [setup] */
};

#define RN_HOOK(id, iface, head, body) RN_COMPONENT(id, iface, "hook " head, body)

#ifdef __cplusplus
}
#endif
#endif
