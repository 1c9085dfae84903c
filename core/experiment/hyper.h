/* SPDX-License-Identifier: Apache-2.0 */
/* Live values: options that change while the run goes on (a learning rate), and the
 * schedules that drive them. */
#ifndef EXPERIMENT_HYPER_H
#define EXPERIMENT_HYPER_H

#include <runner/schedule.h>

#include "experiment/experiment.h"

struct hyper_value {
    const char *name;                   /* "optimizer.lr" */
    const struct bound_component *part; /* whose option it is */
    double base, now;
    const struct bound_component *schedule; /* NULL: stays at base */
    bool held; /* a hook set it: schedules leave it alone */
};

struct hyper {
    struct hyper_value *at;
    uint32_t count;
    int64_t total_steps, steps_per_epoch;
};

/* All live options of the opened parts, and which schedule drives which. */
int hyper_create(const struct experiment *x, int64_t total_steps,
                 int64_t steps_per_epoch, struct hyper *out, struct diag *d);
/* The values for `step`. */
int hyper_step(struct hyper *l, int64_t step, struct rn_error *e);
/* -1: there is none of this name. */
int hyper_find(const struct hyper *l, const char *name);
bool hyper_set(struct hyper *l, const char *name, double value);

/* A duration in steps of this run; seconds are refused. */
int hyper_duration(const char *text, int64_t total_steps, int64_t steps_per_epoch,
                   int64_t *steps, struct rn_error *e);

#endif
