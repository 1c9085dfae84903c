/* SPDX-License-Identifier: Apache-2.0 */
/* Between two steps: stopping, saving, evaluating. A checkpoint comes before the
 * evaluation of its step, which may fail or take long, and says that it is due; a run
 * that is resumed there makes it first. A step is saved once: CURRENT names a file with
 * its hash, which another one in its place would not have. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "evaluate/averages.h"
#include "train/loop.h"

/* --------------------------------------------------------------------- saving */

int loop_save(struct loop *l, struct rn_error *e) {
    char name[40];
    if (l->saved_step == l->at.step)
        return RN_OK;
    snprintf(name, sizeof name, "step-%08lld", (long long)l->at.step);
    uint32_t keep = (uint32_t)experiment_int(l->setup->x, "checkpoint.keep");
    int status = record_sync(l->record, e);
    if (status == RN_OK)
        status = state_save(l, name, true, keep, e);
    if (status != RN_OK)
        return status;
    int64_t best = l->monitors.best.key ? l->monitors.best.best_step : -1;
    bool found;
    l->saved_step = l->at.step;
    if (best != l->monitors.saved_best) /* the one of before is not needed any more */
        status = checkpoint_best(l->record, best, best, &found, e);
    l->monitors.saved_best = best;
    return status;
}

void loop_save_failed(struct loop *l) {
    struct rn_error late = {0};
    char text[120];
    if (l->at.step == 0 || l->saved_step == l->at.step)
        return;
    l->at.ended = l->at.step == l->engine->length.total_steps;
    if (loop_save(l, &late) != RN_OK)
        return;
    snprintf(text, sizeof text, "the state of step %lld%s is saved",
             (long long)l->at.step,
             l->at.evaluation_due ? ", before its evaluation," : "");
    loop_notify(l, RN_LOG_INFO, text);
}

/* The weights of now are the best; the best of before stays while it is named. */
static int save_best(struct loop *l, struct rn_error *e) {
    bool found;
    int status = record_sync(l->record, e);
    if (status == RN_OK)
        status = checkpoint_best(l->record, -1, l->monitors.saved_best, &found, e);
    return status ? status : state_save(l, "best", false, 0, e);
}

/* ----------------------------------------------------------------- evaluation */

int loop_keep_tensor(void *context, const char *series, const char *doc,
                     const struct rn_tensor *value) {
    struct loop *l = context;
    struct rn_error e;
    return record_tensor(l->record, series, l->at.step, loop_epoch(l), value, doc, &e);
}

/* The split is read; a failure leaves the state of the step behind. */
static int measure(struct loop *l, struct rn_error *e) {
    int status = averages_ready(l->setup, e);
    if (status == RN_OK)
        status =
            evaluator_run(l->evaluator, DATA_VAL, &l->metrics, loop_keep_tensor, l, e);
    if (status != RN_OK && status != RN_E_CANCELLED)
        loop_save_failed(l);
    return status;
}

static void observe_early(struct loop *l) {
    const struct metric_value *m =
        l->monitors.early.key ? metric_find(&l->metrics, l->monitors.early.metric)
                              : NULL;
    if (!m || monitor_observe(&l->monitors.early, m->value, l->at.step))
        return;
    if (l->monitors.early.bad >= l->monitors.patience) {
        l->ending.stop = l->ending.early = true;
        loop_early_reason(l);
    }
}

void loop_early_reason(struct loop *l) {
    snprintf(l->ending.reason, sizeof l->ending.reason,
             "%s has not become better for %lld evaluations", l->monitors.early.metric,
             (long long)l->monitors.early.bad);
}

/* Also where a hook has failed: the state that is saved names it. */
static int keep_best(struct loop *l, int status, struct rn_error *e) {
    struct rn_error late = {0};
    int saved = save_best(l, status ? &late : e);
    return status ? status : saved;
}

static int evaluate(struct loop *l, struct rn_error *e) {
    int status = hooks_event(l, RN_EVENT_EVALUATE_BEGIN, e);
    if (status == RN_OK)
        status = measure(l, e);
    for (uint32_t i = 0; i < l->metrics.count && status == RN_OK; i++)
        status = loop_scalar(l, l->metrics.at[i].name, l->metrics.at[i].value, e);
    if (status == RN_OK)
        status = loop_observe_schedules(l, e);
    if (status != RN_OK)
        return status;
    observe_early(l);
    const struct metric_value *m =
        l->monitors.best.key ? metric_find(&l->metrics, l->monitors.best.metric) : NULL;
    bool better = m && monitor_observe(&l->monitors.best, m->value, l->at.step);
    l->at.evaluation_due = false;
    status = hooks_event(l, RN_EVENT_EVALUATED, e);
    l->at.rows = record_rows(l->record);
    if (better)
        status = keep_best(l, status, e);
    if (status == RN_OK)
        status = record_publish_soon(l->record, e);
    loop_log_metrics(l, &l->metrics);
    loop_report_progress(l, RUN_EVALUATED, loop_recent_loss(l), 0.0);
    return status;
}

static bool is_end(const struct loop *l) {
    return l->at.step == l->engine->length.total_steps;
}

bool loop_evaluates(const struct loop *l) {
    return data_rows(l->setup->data, DATA_VAL) &&
           ((l->cadence.eval_every && l->at.step % l->cadence.eval_every == 0) ||
            is_end(l));
}

/* Who evaluates a checkpoint has no training split: where the run evaluates or ends,
 * the averages are saved with their running statistics. */
static int complete_averages(struct loop *l, struct rn_error *e) {
    if (l->ending.interrupted || !(l->at.evaluation_due || is_end(l) || l->ending.stop))
        return RN_OK;
    int status = averages_ready(l->setup, e);
    if (status != RN_E_CANCELLED)
        return status;
    l->ending.stop = l->ending.interrupted = true;
    return RN_OK;
}

static int save_and_publish(struct loop *l, struct rn_error *e) {
    struct rn_error late = {0};
    int averaged = complete_averages(l, &late);
    l->ending.save_now = false;
    l->at.ended = is_end(l) || (l->ending.stop && !l->ending.interrupted);
    int status = loop_save(l, e);
    if (status == RN_OK && averaged != RN_OK)
        *e = late;
    status = status ? status : averaged;
    return status ? status : record_publish_soon(l->record, e);
}

int loop_evaluate(struct loop *l, struct rn_error *e) {
    int status = evaluate(l, e);
    if (status == RN_E_CANCELLED) { /* resume evaluates */
        l->ending.stop = l->ending.interrupted = true;
        return loop_save(l, e);
    }
    bool due = is_end(l) || l->ending.stop || l->ending.save_now;
    return status || !due ? status : save_and_publish(l, e);
}

/* ---------------------------------------------------------------- between steps */

int loop_between_steps(struct loop *l, struct rn_error *e) {
    int request =
        l->o->watch.request ? l->o->watch.request(l->o->watch.context) : RUN_GO_ON;
    if (request == RUN_STOP)
        l->ending.stop = l->ending.interrupted = true;
    if (clock_seconds() - l->clock.began > l->cadence.max_seconds && !is_end(l)) {
        l->ending.stop = l->ending.interrupted = true;
        snprintf(l->ending.reason, sizeof l->ending.reason, "train.max_time is over");
    }
    bool due = (l->cadence.save_every && l->at.step % l->cadence.save_every == 0) ||
               is_end(l) || l->ending.stop || request == RUN_SAVE || l->ending.save_now;
    int status = due ? save_and_publish(l, e) : RN_OK;
    if (status != RN_OK || l->ending.interrupted || !l->at.evaluation_due)
        return status;
    return loop_evaluate(l, e);
}
