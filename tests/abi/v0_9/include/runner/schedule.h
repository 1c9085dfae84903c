/* SPDX-License-Identifier: Apache-2.0 */
/* A schedule: the value of a live option at a step. */
#ifndef RUNNER_SCHEDULE_H
#define RUNNER_SCHEDULE_H

#include <runner/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the run stands. total_* are known before step one (0 = open-ended). */
struct rn_schedule_call {
    uint32_t struct_size;
    int32_t higher_is_better; /* of observe: of `metric` */
    int64_t step; /* from 0: the value is for this step */
    int64_t total_steps;
    int64_t steps_per_epoch;
    double base;   /* the value written in the YAML */
    double value;  /* written by `value`: the live option's value */
    double metric; /* of observe: the monitored metric; NaN: not defined */
};

/* Durations are given to create as text ("500st", "10ep", "20%"); `steps` turns one
 * into steps for this run (extension "runner.duration/1" of the host). */
struct rn_duration_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* A duration that does not parse is reported and its status returned. [setup] */
    int32_t (*steps)(struct rn_host *h, const char *duration, int64_t *steps);
};

struct rn_schedule {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* *self: plugin, until destroy; NULL both when there is no state. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    /* Write call->value: a function of the other members and of the state that observe
     * left. [step] */
    int32_t (*value)(void *self, struct rn_schedule_call *call, struct rn_error *e);
    /* NULL, or: the monitored metric after an evaluation (plateau). The metric's name
     * is the option `monitor`, whose existence the host checks before step one. [step]
     */
    int32_t (*observe)(void *self, const struct rn_schedule_call *call,
                       struct rn_error *e);
    int32_t (*save)(void *self, struct rn_stream *s, struct rn_error *e); /* [step] */
    int32_t (*load)(void *self, struct rn_stream *s, struct rn_error *e); /* [setup] */
    /* NULL, or: after load, when the run was resumed with another metric under
     * `monitor`, another `min_delta`, or the same metric of another loss: forget the
     * values that were observed, keep the rest (how far the rate has come down).
     * Without it such a state is not loaded: the schedule begins again. [setup] */
    int32_t (*forget)(void *self, struct rn_error *e);
};

/* Can the schedule forget what it observed? */
static inline int rn_schedule_forgets(const struct rn_schedule *s) {
    return RN_HAS(s, struct rn_schedule, forget) && s->forget != NULL;
}

#define RN_SCHEDULE(id, iface, head, body)                                             \
    RN_COMPONENT(id, iface, "schedule " head, body)

#ifdef __cplusplus
}
#endif
#endif
