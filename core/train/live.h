/* SPDX-License-Identifier: Apache-2.0 */
/* Live values: options that change while the run goes on (a learning rate), and the
 * schedules that drive them. */
#ifndef TRAIN_LIVE_H
#define TRAIN_LIVE_H

#include <runner/schedule.h>

#include "train/experiment.h"

struct live_value {
    const char *name; /* "optimizer.lr" */
    const struct part *part; /* whose option it is */
    double base, now;
    const struct part *schedule; /* NULL: stays at base */
    bool held;                   /* a hook set it: schedules leave it alone */
};

struct live {
    struct live_value *at;
    uint32_t count;
    int64_t total_steps, steps_per_epoch;
};

/* All live options of the opened parts, and which schedule drives which. */
int live_create(const struct experiment *x, int64_t total_steps,
                int64_t steps_per_epoch, struct live *out, struct diag *d);
/* The values for `step`. */
int live_step(struct live *l, int64_t step, struct rn_error *e);
/* -1: there is none of this name. */
int live_find(const struct live *l, const char *name);
bool live_set(struct live *l, const char *name, double value);

/* A duration in steps of this run; seconds are refused. */
int live_duration(const char *text, int64_t total_steps, int64_t steps_per_epoch,
                  int64_t *steps, struct rn_error *e);

#endif
