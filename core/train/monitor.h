/* SPDX-License-Identifier: Apache-2.0 */
/* A metric that decides something (the best checkpoint, early stopping), and the best
 * value that it had. */
#ifndef TRAIN_MONITOR_H
#define TRAIN_MONITOR_H

#include "config/config.h"

struct monitor {
    const char *key; /* of the experiment: "train.early_stop"; NULL: not configured */
    const char *metric; /* "val/loss" */
    int better;         /* 1 higher, -1 lower */
    double min_delta;   /* smallest gain that counts */
    /* SHA-256 of the configuration that makes the metric what it is: values of another
     * loss under the same name are not compared. */
    const char *definition;
    double best;       /* NaN: none yet */
    int64_t best_step; /* of the evaluation that gave it; -1: none */
    int64_t since;     /* the first step whose evaluation counts */
    int64_t bad;       /* evaluations since best_step */
};
/* Takes a value; true: it is the best now. NaN is never better. */
bool monitor_observe(struct monitor *m, double value, int64_t step);
/* Begin again with evaluations from step `since`. */
void monitor_reset(struct monitor *m, int64_t since);
/* Of the metric that the section at `path` of the experiment defines. */
const char *monitor_definition(struct arena *a, const struct node *root,
                               const char *path);

#endif
