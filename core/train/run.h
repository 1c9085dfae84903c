/* SPDX-License-Identifier: Apache-2.0 */
/* A training run: steps, evaluation, checkpoints, hooks, stopping. */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include "evaluate/evaluate.h"
#include "record/record.h"

enum run_moment { RUN_BEGAN, RUN_STEPPED, RUN_EVALUATED, RUN_TESTED, RUN_ENDED };

struct run_progress {
    enum run_moment moment;
    int64_t step, total_steps, epoch, epochs; /* epoch from 1 */
    bool epoch_ended, evaluates;              /* there is a validation split */
    bool interrupted; /* RUN_ENDED: by RUN_STOP or train.max_time, and saved */
    double loss, norm, rate /* rows/s */, waited /* share */, seconds_left;
    const char *live_name; /* the first live value, or NULL */
    double live;
    uint64_t memory;                       /* device bytes */
    double scale;                          /* dynamic loss scale; NaN: none */
    const struct rn_device_gauges *gauges; /* NULL: the device has none */
    const struct metric_list *metrics;
};

#define RUN_GO_ON 0
#define RUN_STOP  1 /* finish the step, save, leave */
#define RUN_SAVE  2 /* checkpoint now */

struct run_watch {
    void *context;
    void (*progress)(void *context, const struct run_progress *p);
    void (*say)(void *context, int level, const char *line);
    void (*ack)(void *context, const char *line);
    int (*request)(void *context); /* RUN_*: asked for between steps */
    /* Was RUN_STOP asked for? At any time, by any thread: what takes long gives up. */
    bool (*stopping)(void *context);
};

struct run_options {
    struct session *session;
    const char *file; /* experiment; or NULL with resume */
    uint32_t override_count;
    const char *const *overrides;
    const char *resume; /* run folder, or NULL; overrides then stay with the run */
    const char *const *accepted; /* resume: plugins whose change is accepted */
    uint32_t accepted_count;
    struct run_watch watch;
};

enum run_end { RUN_DONE, RUN_EARLY, RUN_INTERRUPTED };

struct evaluation { /* of the validation split */
    int64_t step;   /* -1: there was none */
    struct metric_list metrics;
};

struct run_result {
    enum run_end end;
    char folder[4096];
    int64_t step;
    double seconds; /* of training and evaluation, without setting up */
    uint64_t parameters;
    /* Names and memory: free with run_result_finish. */
    struct metric_list test;
    struct evaluation val, best; /* the last one; the best one by `monitor` */
    const char *monitor;         /* of checkpoint.best, else early_stop; or NULL */
    struct arena *arena;
};

/* What run_train checks of an open stage before step one: monitors and durations. */
int run_check(struct setup *s, struct diag *d);
int run_train(const struct run_options *o, struct run_result *out, struct diag *d);
void run_result_finish(struct run_result *r);

#endif
