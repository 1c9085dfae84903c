/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time of a step goes. */
#ifndef TRAIN_PROFILE_H
#define TRAIN_PROFILE_H

#include "setup/setup.h"

/* Where the time of a step goes; writes nothing. */
struct profile_options {
    struct session *session;
    const char *file;
    uint32_t override_count;
    const char *const *overrides;
    double warm_seconds;
    uint64_t steps;
};
struct profile_node { /* of a program that runs in full steps */
    const struct plan *plan;
    uint32_t index;
    double calls;   /* a step */
    double seconds; /* a call */
};
struct profile_step { /* ns of CLOCK_MONOTONIC */
    int64_t began, ready /* its batch is there */, ended;
    bool full;     /* of a full batch: others are no measure */
    uint64_t kind; /* which objectives ran */
    bool counts;   /* one of the faster half of its kind */
};
struct profile_run { /* of a program, in the order of time */
    const struct plan *plan;
    uint64_t step;
    int64_t began, ended;
    int64_t *times; /* of each node: begin, end */
};
struct profile_span {
    int64_t began, ended;
};
struct profile_worker { /* the batches that it made */
    struct profile_span *at;
    uint32_t count, capacity;
};
struct profile_result {
    struct setup *s; /* what the plans live in; closed by profile_finish */
    struct rn_device_peaks peaks;
    /* Seconds are means over the steps that count: the nodes' add up to less than the
     * step's. */
    double plain;  /* a step when no node is timed */
    double step;   /* when they are */
    double waited; /* share of all timed steps */
    uint32_t node_count, node_capacity;
    struct profile_node *nodes;
    uint64_t step_count;
    struct profile_step *steps;
    uint32_t run_count, run_capacity;
    struct profile_run *runs;
    uint32_t worker_count;
    struct profile_worker *workers;
    bool in_loop; /* no data workers: worker 0 is the loop itself */
};
int run_profile(const struct profile_options *o, struct profile_result *out,
                struct diag *d);
void profile_finish(struct profile_result *r);

#endif
