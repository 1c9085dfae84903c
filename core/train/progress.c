/* SPDX-License-Identifier: Apache-2.0 */
/* Progress reporting of a run: its progress, the device's instruments, sentences,
 * lines of log.txt. */
#include <math.h>

#include "base/clock.h"
#include "base/log.h"
#include "train/loop.h"

#define OVERFLOWS_TOLD 20 /* in log.txt; their number is in the record */

/* The device's instruments, read again after a second. */
const struct rn_device_gauges *loop_gauges(struct loop *l) {
    double now = clock_seconds();
    if (l->clock.gauged && now - l->clock.gauged < 1.0)
        return l->clock.has_gauges ? &l->clock.gauges : NULL;
    l->clock.gauged = now;
    l->clock.has_gauges = device_gauges(l->engine->device, &l->clock.gauges);
    l->clock.gauges_new = l->clock.has_gauges;
    return l->clock.has_gauges ? &l->clock.gauges : NULL;
}

void loop_report_progress(struct loop *l, enum run_moment moment, double loss,
                          double norm) {
    struct setup *s = l->setup;
    double now = clock_seconds(), spent = now - l->clock.began;
    if (!l->o->watch.progress)
        return;
    if (moment == RUN_STEPPED && now - l->clock.last_progress < 0.1 &&
        l->at.step < s->engine->length.total_steps &&
        l->at.step % s->engine->length.steps_per_epoch != 0)
        return;
    l->clock.last_progress = now;
    double steps = l->clock.rows_done /
                   (double)(s->engine->length.batch * s->engine->length.accumulate);
    struct run_progress p = {
        .moment = moment,
        .step = l->at.step,
        .total_steps = s->engine->length.total_steps,
        .epoch = (l->at.step + s->engine->length.steps_per_epoch - 1) /
                 s->engine->length.steps_per_epoch,
        .epochs = s->engine->length.epochs,
        .epoch_ended = l->at.step % s->engine->length.steps_per_epoch == 0,
        .evaluates = data_rows(s->data, DATA_VAL) > 0,
        .interrupted = moment == RUN_ENDED && l->ending.interrupted,
        .loss = loss,
        .norm = norm,
        .rate = spent > 0.0 ? l->clock.rows_done / spent : 0.0,
        .waited = spent > 0.0 && l->loader ? loader_waited(l->loader) / spent : 0.0,
        .seconds_left =
            steps > 0.0
                ? spent / steps * (double)(s->engine->length.total_steps - l->at.step)
                : 0.0,
        .live_name = s->engine->hyper.count ? s->engine->hyper.at[0].name : NULL,
        .live = s->engine->hyper.count ? s->engine->hyper.at[0].now : 0.0,
        .memory = device_memory(s->engine->device).peak,
        .gauges = loop_gauges(l),
        .scale = s->engine->objectives && s->engine->objectives[0].scale > 0.0
                     ? s->engine->objectives[0].scale
                     : NAN,
        .metrics = moment == RUN_TESTED || l->tested.count ? &l->tested : &l->metrics};
    l->o->watch.progress(l->o->watch.context, &p);
}

/* A line of log.txt. */
void loop_log(struct loop *l, const char *what, const char *sentence) {
    struct text t = {0};
    text_addf(&t, "step %lld: %s%s", (long long)l->at.step, what, sentence);
    if (l->record)
        record_say(l->record, text_get(&t));
    text_finish(&t);
}

/* The same, and a sentence for the person. */
void loop_notify(struct loop *l, int level, const char *sentence) {
    loop_log(l, level == RN_LOG_WARNING ? "warning: " : "", sentence);
    if (l->o->watch.say)
        l->o->watch.say(l->o->watch.context, level, sentence);
}

/* A line of log.txt with what a split gave. */
void loop_log_metrics(struct loop *l, const struct metric_list *m) {
    struct text t = {0};
    text_addf(&t, "step %lld:", (long long)l->at.step);
    for (uint32_t i = 0; i < m->count; i++) {
        text_addf(&t, " %s ", m->at[i].name);
        text_add_measure(&t, m->at[i].value, 6);
    }
    record_say(l->record, text_get(&t));
    text_finish(&t);
}

/* Of an objective, named where there are several. */
static void name_objective(const struct programs *p, uint32_t o, struct text *t) {
    if (p->objective_count > 1)
        text_addf(t, "%s: ", p->objectives[o].name);
}

void loop_log_overflow(struct loop *l) {
    const struct programs *p = l->engine->programs;
    for (uint32_t o = 0; o < p->objective_count; o++) {
        const struct objective_programs *t = &l->engine->objectives[o];
        struct text line = {0};
        name_objective(p, o, &line);
        text_addf(&line, "the gradient overflowed: left out; the loss scale is now %g",
                  t->scale);
        if (t->overflowed && t->overflows <= OVERFLOWS_TOLD)
            loop_log(l, "", text_get(&line));
        text_finish(&line);
    }
}

void loop_log_overflows(struct loop *l) {
    const struct programs *p = l->engine->programs;
    for (uint32_t o = 0; o < p->objective_count; o++) {
        const struct objective_programs *t = &l->engine->objectives[o];
        struct text line = {0};
        name_objective(p, o, &line);
        text_addf(&line,
                  "steps left out as the gradient overflowed in f16: %lld; the loss "
                  "scale is %g",
                  (long long)t->overflows, t->scale);
        if (p->scaling.kind == SCALING_DYNAMIC && t->scale > 0.0)
            loop_notify(l, RN_LOG_INFO, text_get(&line));
        text_finish(&line);
    }
}
