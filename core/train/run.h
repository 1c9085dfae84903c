/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: steps, evaluation, checkpoints, hooks, stopping; and the same network
 * evaluated or asked for predictions afterwards. */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include "record/record.h"
#include "train/stage.h"

struct metric_value {
    const char *name; /* "val/accuracy" */
    double value;
    int better;     /* 1 higher, -1 lower, 0 unknown */
    const char *of; /* the section that defines it: "loss", "metrics.0" */
};

struct metric_list {
    struct metric_value *at;
    uint32_t count, capacity;
};

enum run_moment { RUN_BEGAN, RUN_STEPPED, RUN_EVALUATED, RUN_TESTED, RUN_ENDED };

struct run_progress {
    enum run_moment moment;
    int64_t step, total_steps, epoch, epochs; /* epoch from 1 */
    bool epoch_ended, evaluates;              /* there is a validation split */
    bool interrupted; /* RUN_ENDED: by RUN_STOP or train.max_time, and saved */
    double loss, norm, rate /* rows/s */, waited /* share */, seconds_left;
    const char *live_name; /* the first live value, or NULL */
    double live;
    uint64_t memory; /* device bytes */
    double scale;    /* dynamic loss scale; NaN: none */
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
    int (*wants)(void *context); /* RUN_*; asked between steps */
    /* Was RUN_STOP asked for? At any time, by any thread: what takes long gives up. */
    bool (*stopping)(void *context);
};

struct run_options {
    struct session *session;
    const char *file; /* experiment; or NULL with resume */
    uint32_t override_count;
    const char *const *overrides;
    const char *resume; /* run folder, or NULL; overrides then stay with the run */
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

/* The resolved.yaml of a run must be there and readable: else the run is unusable
 * (RN_E_CHECKPOINT), while a wrong override is a mistake of the caller. */
int run_check_resolved(const char *file, struct diag *d);
/* What run_train checks of an open stage before step one: monitors and durations. */
int run_check(struct stage *s, struct diag *d);
int run_train(const struct run_options *o, struct run_result *out, struct diag *d);
void run_result_finish(struct run_result *r);

/* A finished or running run, opened to be used. */
struct use_options {
    struct session *session;
    const char *folder;
    const char *checkpoint; /* NULL: best, else newest; or a name, or a file */
    const char *split;      /* eval: "val" or "test" */
    const char *data;       /* predict: a file for the source, or NULL */
    uint32_t override_count;
    const char *const *overrides;
};
/* Evaluate a split; the list's names live in a. */
int run_eval(const struct use_options *o, struct arena *a, struct metric_list *out,
             struct diag *d);
/* Each batch of outputs: names and host tensors [rows, ...]. */
int run_predict(const struct use_options *o,
                int (*batch)(void *context, uint64_t rows, const int64_t *ids,
                             uint32_t n, const char *const *names,
                             const struct rn_tensor *values),
                void *context, struct diag *d);

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
    struct stage *s; /* what the plans live in; closed by profile_finish */
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

/* ---- inside train: evaluate.c ---- */
struct evaluator; /* metrics of one stage */
/* Before stage_load it can only tell names. */
struct evaluator *evaluator_create(struct stage *s, struct arena *a);
/* Has every curve a name of its own? */
int evaluator_check_names(const struct evaluator *v, struct diag *d);
/* Names of what a split will give, without values: for monitors. */
void evaluator_names(const struct evaluator *v, const char *split,
                     struct metric_list *out);
/* tensor: told each result that is not a single number (may be NULL). */
int evaluator_run(struct evaluator *v, enum data_split_kind split,
                  struct metric_list *out,
                  int (*tensor)(void *context, const char *series, const char *doc,
                                const struct rn_tensor *value),
                  void *context, struct rn_error *e);
void evaluator_destroy(struct evaluator *v);

#endif
