/* SPDX-License-Identifier: Apache-2.0 */
/* How fast an experiment steps. */
#ifndef TRAIN_BENCH_H
#define TRAIN_BENCH_H

#include "setup/setup.h"

/* Steps against the clock; writes nothing. */
struct bench_options {
    struct session *session;
    const char *file;
    uint32_t override_count;
    const char *const *overrides;
    double warm_seconds, seconds;
};
struct bench_result {
    uint64_t steps, rows, batch, parameters;
    double seconds, waited;   /* of all measured steps; waiting for batches in it */
    double median, low, high; /* seconds a step of a full batch; 10 % and 90 % */
    double first_loss, last_loss;
    uint64_t memory; /* device bytes, peak */
    uint32_t threads;
    char device[128]; /* as rn_device_info.name */
};
int run_bench(const struct bench_options *o, struct bench_result *out, struct diag *d);

#endif
