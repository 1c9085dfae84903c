/* SPDX-License-Identifier: Apache-2.0 */
/* The series of a run: what each step writes into its record. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "train/loop.h"

static const char live_prefix[] = "live/";

void loop_series_names(const struct loop *l, struct suggest *out) {
    for (uint32_t i = 0; i < l->known.count; i++)
        suggest_add(out, l->known.at[i].name);
    suggest_add(out, "train/loss");
    suggest_add(out, "train/gradient_norm");
    for (uint32_t i = 0; i < l->engine->hyper.count; i++)
        suggest_add(out, arena_format(l->setup->arena, "%s%s", live_prefix,
                                      l->engine->hyper.at[i].name));
}

bool loop_series_value(const struct loop *l, const char *name, double *value) {
    const struct hyper *live = &l->engine->hyper;
    const struct metric_value *m = metric_find(&l->metrics, name);
    size_t n = sizeof live_prefix - 1;
    int i = strncmp(name, live_prefix, n) == 0 ? hyper_find(live, name + n) : -1;
    *value = NAN;
    if (m)
        *value = m->value;
    else if (strcmp(name, "train/loss") == 0)
        *value = l->at.step ? l->last_loss : NAN;
    else if (strcmp(name, "train/gradient_norm") == 0)
        *value = l->at.step ? l->last_norm : NAN;
    else if (i >= 0)
        *value = live->at[i].now;
    else
        return metric_find(&l->known, name) != NULL;
    return true;
}

double loop_epoch(const struct loop *l) {
    return (double)l->at.step / (double)l->engine->length.steps_per_epoch;
}

int loop_scalar(struct loop *l, const char *name, double value, struct rn_error *e) {
    return record_scalar(l->record, name, l->at.step, loop_epoch(l), value, e);
}

/* The mean of each of several objectives since the last row, of those that ran. */
static int record_objectives(struct loop *l, struct rn_error *e) {
    const struct programs *p = l->engine->programs;
    int status = RN_OK;
    for (uint32_t o = 0; o < p->objective_count && status == RN_OK; o++) {
        struct objective_programs *t = &l->engine->objectives[o];
        char name[200];
        snprintf(name, sizeof name, "train/loss.%s", p->objectives[o].name);
        double mean = means_total(&t->of_row, p->factors);
        if (p->objective_count > 1 && !isnan(mean))
            status = loop_scalar(l, name, mean, e);
        means_clear(&t->of_row);
    }
    return status;
}

/* All objectives together, each loss once. */
static double total_mean(struct loop *l, bool epoch) {
    const struct programs *p = l->engine->programs;
    means_clear(&l->step_means);
    for (uint32_t o = 0; o < p->objective_count; o++) {
        const struct objective_programs *t = &l->engine->objectives[o];
        means_merge(&l->step_means, epoch ? &t->of_epoch : &t->of_row);
    }
    return means_total(&l->step_means, p->factors);
}

double loop_recent_loss(struct loop *l) {
    return total_mean(l, false);
}

/* The penalties of each objective that ran. */
static int record_regularization(struct loop *l, struct rn_error *e) {
    const struct programs *p = l->engine->programs;
    int status = RN_OK;
    for (uint32_t o = 0; o < p->objective_count && status == RN_OK; o++) {
        double value = l->engine->objectives[o].regularization;
        char name[200];
        snprintf(name, sizeof name, "train/regularization%s%s",
                 p->objective_count > 1 ? "." : "",
                 p->objective_count > 1 ? p->objectives[o].name : "");
        if (!isnan(value))
            status = loop_scalar(l, name, value, e);
    }
    return status;
}

/* The loss scale of each objective, and how many steps were left out for it. */
static int record_scaling(struct loop *l, struct rn_error *e) {
    const struct programs *p = l->engine->programs;
    int status = RN_OK;
    for (uint32_t o = 0; o < p->objective_count && status == RN_OK; o++) {
        const struct objective_programs *t = &l->engine->objectives[o];
        const char *dot = p->objective_count > 1 ? "." : "";
        const char *of = p->objective_count > 1 ? p->objectives[o].name : "";
        char name[200];
        if (p->scaling.kind != SCALING_DYNAMIC || t->scale <= 0.0)
            continue;
        snprintf(name, sizeof name, "train/loss_scale%s%s", dot, of);
        status = loop_scalar(l, name, t->scale, e);
        snprintf(name, sizeof name, "train/skipped_steps%s%s", dot, of);
        if (status == RN_OK)
            status = loop_scalar(l, name, (double)t->overflows, e);
    }
    return status;
}

/* What the instruments showed when they were last read, once. */
static int record_gauges(struct loop *l, struct rn_error *e) {
    const struct rn_device_gauges *g = loop_gauges(l);
    if (!g || !l->clock.gauges_new)
        return RN_OK;
    const struct {
        const char *name;
        double value;
    } rows[] = {{"device/memory_used", g->memory_used},
                {"device/utilisation", g->utilisation},
                {"device/temperature", g->temperature}};
    int status = RN_OK;
    l->clock.gauges_new = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && status == RN_OK; i++)
        if (!isnan(rows[i].value))
            status = loop_scalar(l, rows[i].name, rows[i].value, e);
    return status;
}

int loop_record_step(struct loop *l, const struct step_result *r, struct rn_error *e) {
    const struct position *at = &l->at;
    if (at->step % l->cadence.log_every && at->step != l->engine->length.total_steps)
        return RN_OK;
    int status = loop_scalar(l, "train/loss", loop_recent_loss(l), e);
    if (status == RN_OK)
        status = loop_scalar(l, "train/gradient_norm", r->norm, e);
    if (status == RN_OK)
        status = record_objectives(l, e);
    if (status == RN_OK)
        status = record_regularization(l, e);
    if (status == RN_OK)
        status = record_scaling(l, e);
    for (uint32_t i = 0; i < l->engine->hyper.count && status == RN_OK; i++) {
        char name[300];
        snprintf(name, sizeof name, "live/%s", l->engine->hyper.at[i].name);
        status = loop_scalar(l, name, l->engine->hyper.at[i].now, e);
    }
    return status ? status : record_gauges(l, e);
}

int loop_record_epoch(struct loop *l, struct rn_error *e) {
    int status = loop_scalar(l, "train/epoch_loss", total_mean(l, true), e);
    for (uint32_t o = 0; o < l->engine->programs->objective_count; o++) {
        struct objective_programs *t = &l->engine->objectives[o];
        means_clear(&t->of_epoch);
        t->ran = t->skipped = 0;
    }
    return status;
}
