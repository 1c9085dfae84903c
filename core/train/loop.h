/* SPDX-License-Identifier: Apache-2.0 */
/* Inside train: the running loop. */
#ifndef TRAIN_LOOP_H
#define TRAIN_LOOP_H

#include <runner/hook.h>
#include <runner/run.h>
#include <runner/sdk/work.h>

#include "train/run.h"
#include "train/state.h"

struct step_result {
    double loss, norm;
    bool empty;      /* no row weighs anything: nothing was changed */
    bool updated;    /* false: the loss or the gradient was not finite */
    bool overflowed; /* left out, with a smaller loss scale to come */
    const struct program_variant
        *ran;            /* of the first objective; NULL: it did not run */
    struct means *means; /* of one objective: scratch of the loop */
};

/* How often, in steps. */
struct cadence {
    int64_t eval_every, save_every, log_every;
    int64_t *tap_every; /* by hook */
    bool *tap_now;      /* by hook: asked for the next step */
    double max_seconds;
};

struct monitors {
    struct monitor best, early; /* of checkpoint.best and train.early_stop */
    int64_t patience;           /* of early */
    int64_t saved_best;         /* the best that the newest checkpoint names, or -1 */
};

struct series_doc { /* a hook's description of a tensor series */
    const char *name, *doc;
};
struct series_owner { /* the hook that records a series */
    const char *name;
    const struct rn_host *hook;
};

/* What hooks have asked for, recorded and reported. */
struct hook_state {
    struct rn_workspace work;
    struct rn_event_metric *event_metrics; /* [event_capacity] */
    uint32_t event_capacity;
    const char *said[64]; /* keys of sentences */
    uint32_t said_count;
    struct series_doc *docs;
    uint32_t doc_count, doc_capacity;
    struct series_owner *owners;
    uint32_t owner_count, owner_capacity;
    struct rn_error error; /* what a hook was refused in the present call */
    bool failed;           /* the run ends with the error of a hook */
};

/* Whether the run ends after this step, and why. */
struct ending {
    bool stop, save_now;
    bool interrupted, early;
    char reason[160];
};

/* Times, in seconds of the monotonic clock, and what is measured by them. */
struct run_clock {
    double began, rows_done;
    double last_progress;
    double gauged; /* when the device's instruments were read; 0: not yet */
    bool has_gauges, gauges_new;
    struct rn_device_gauges gauges;
};

struct loop {
    const struct run_options *o;
    struct setup *setup;
    struct engine *engine; /* of setup */
    struct record *record;
    struct loader *loader;
    struct loader_watch loader_watch; /* before loop_open_loader */
    struct evaluator *evaluator;
    struct position at;
    struct means step_means;     /* scratch */
    struct metric_list metrics;  /* of the latest evaluation */
    struct metric_list tested;   /* of the test split; names: of run_result */
    struct metric_list known;    /* what an evaluation will give, without values */
    double last_loss, last_norm; /* of the last step */
    struct rn_error anomaly;     /* where the last step that was not finite went wrong;
                                    status 0: not looked for */
    int anomalies;               /* such steps since the run began or was resumed */
    const char *folder;          /* of the run, absolute; NULL before RUN_BEGIN */
    int64_t saved_step;          /* of the newest checkpoint of this loop, -1: none */
    struct cadence cadence;
    struct monitors monitors;
    struct hook_state hooks;
    struct ending ending;
    struct run_clock clock;
};

/* The set-up that the loop runs; closed by setup_close. */
int loop_open(struct loop *l, const struct setup_options *o, struct diag *d);
/* Scratch of the steps; then the loader of training batches. */
void loop_prepare(struct loop *l);
int loop_open_loader(struct loop *l, struct rn_error *e);
int loop_step(struct loop *l, const struct batch *b, bool tapped,
              struct step_result *out, struct rn_error *e);
/* Scalars of rows `row` .. of a step that accumulates. */
void loop_part_scalars(struct loop *l, struct program_variant *p, const struct batch *b,
                       int64_t row, const struct means *m);
/* anomaly.c: after a step of the objective that was not finite, before anything else is
 * run; fills l->anomaly. */
void loop_find_anomaly(struct loop *l, uint32_t objective, const struct batch *b);
/* between.c */
/* A checkpoint of now, which CURRENT names; nothing where the step has one. */
int loop_save(struct loop *l, struct rn_error *e);
/* After an error that leaves the state of a step whole: a checkpoint of it, unless
 * there is one. */
void loop_save_failed(struct loop *l);
/* Save, evaluate, notice that it is time to stop. */
int loop_between_steps(struct loop *l, struct rn_error *e);
/* Is the split read after as many steps as are done? */
bool loop_evaluates(const struct loop *l);
/* The evaluation of this step; then a checkpoint, where one is due and there is none.
 */
int loop_evaluate(struct loop *l, struct rn_error *e);
/* Fills in why early stopping ends the run. */
void loop_early_reason(struct loop *l);
/* For evaluator_run: a row of a tensor series. context: the loop. */
int loop_keep_tensor(void *context, const char *series, const char *doc,
                     const struct rn_tensor *value);
/* resume.c */
struct resume { /* of zeros; then resume_close */
    struct checkpoint_file *file;
    struct config *then; /* the experiment of the run, without overrides; may be NULL */
    struct recorded_plugins plugins;
    bool fell_back; /* file is not what CURRENT names */
};
/* Open the run o->resume: its record, its newest checkpoint, what the stage takes from
 * them. A change that is refused is RN_E_CHECKPOINT. */
int resume_open(struct loop *l, struct arena *a, struct resume *r,
                struct setup_options *so, struct diag *d);
/* With the stage loaded: the state of the checkpoint, the record and the best as they
 * were. */
int resume_state(struct loop *l, struct arena *a, const struct resume *r,
                 struct diag *d);
/* A run that had ended stays so, unless its experiment was changed: then only early
 * stopping may still hold. The test is made again, with the same result. */
void resume_end(struct loop *l);
void resume_close(struct resume *r);
/* hooks.c */
int hooks_event(struct loop *l, int what, struct rn_error *e);
/* RUN_END, to every hook. end: RN_END_*. The first error, but where the run has one. */
int hooks_run_end(struct loop *l, int end, struct rn_error *e);
int hooks_tapped(struct loop *l, struct program *p, struct rn_error *e);
bool hooks_due(const struct loop *l);
extern const struct rn_record_api hooks_record_api; /* its context: the loop */
/* hooks_run.c: what the host offers to hooks while a run trains; NULL: not that. */
const void *hooks_extension(const char *id);
/* watch.c: the monitors, which must exist, and the cadences of the YAML. */
int loop_read_watches(struct loop *l, struct diag *d);
int loop_observe_schedules(struct loop *l, struct rn_error *e);
const struct metric_value *metric_find(const struct metric_list *l, const char *name);
/* summary.c: the evaluations of the validation split, into out. */
int loop_summary(const struct loop *l, struct run_result *out, struct rn_error *e);
/* series.c */
/* The series that options may refer to: of evaluations, of steps, of live values. */
struct suggest;
void loop_series_names(const struct loop *l, struct suggest *out);
/* The latest value of such a series, NaN before the first; false: there is none of this
 * name. */
bool loop_series_value(const struct loop *l, const char *name, double *value);
double loop_epoch(const struct loop *l);
int loop_scalar(struct loop *l, const char *name, double value, struct rn_error *e);
int loop_record_step(struct loop *l, const struct step_result *r, struct rn_error *e);
int loop_record_epoch(struct loop *l, struct rn_error *e);
/* The mean of the losses since the last recorded row; NaN: no step has counted. */
double loop_recent_loss(struct loop *l);

/* ---- inside train: tell.c ---- */
/* What the device's instruments show, read again after a second; NULL: it has none. */
const struct rn_device_gauges *loop_gauges(struct loop *l);
/* The progress, at most ten times a second between steps. */
void loop_report_progress(struct loop *l, enum run_moment moment, double loss,
                          double norm);
/* A line of log.txt; the same and a sentence for the person; one with what a split
 * gave.
 */
void loop_log(struct loop *l, const char *what, const char *sentence);
void loop_notify(struct loop *l, int level, const char *sentence);
void loop_log_metrics(struct loop *l, const struct metric_list *m);
/* A step that was left out with a smaller loss scale to come: the first few, and at the
 * end how many. */
void loop_log_overflow(struct loop *l);
void loop_log_overflows(struct loop *l);

#endif
