/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a checkpoint: everything by its name. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "train/loop.h"

/* -------------------------------------------------------------- what must stay */

static bool begins(const char *name, const char *prefix) {
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* A parameter that was learnt and would be dropped without a word. */
static int check_dropped(const struct setup *g, const struct checkpoint *c,
                         struct rn_error *e) {
    const struct variables *all = g->engine->programs->variables;
    for (uint32_t k = 0; k < c->tensor_count; k++) {
        const char *name = c->tensors[k].name;
        bool known = !begins(name, "model.") && !begins(name, "loss.");
        for (uint32_t i = 0; i < variables_count(all) && !known; i++)
            known = strcmp(variables_at(all, i)->name, name) == 0;
        if (known)
            continue;
        error_set(e, RN_E_CHECKPOINT,
                  "the checkpoint has '%s', which the experiment no longer has", name);
        return error_hint(e, "the parameters of the model must stay when a run is "
                             "resumed; a new run can have others");
    }
    return RN_OK;
}

/* Values of one optimizer mean nothing to another, whatever their names. */
static int check_optimizers(const struct setup *g, const struct saved *from,
                            struct rn_error *e) {
    const struct bound_components *all = &g->x->optimizers;
    for (uint32_t i = 0; i < all->count; i++) {
        char object[300];
        snprintf(object, sizeof object, "optimizers/%s", all->at[i].path);
        const char *then = saved_text(from, object, "component", NULL);
        const char *now = instance_type(all->at[i].instance, g->arena);
        if (!then || strcmp(then, now) == 0)
            continue;
        error_set(e, RN_E_CHECKPOINT, "%s is %s, but the checkpoint's state is of %s",
                  all->at[i].path, now, then);
        return error_hint(e, "the type of an optimizer, and of one within it, cannot "
                             "change when a run is resumed; other options can");
    }
    return RN_OK;
}

/* ------------------------------------------------------------ parts of the state */

/* Steps mean samples: of another number of them the position would be another. */
static int check_counts(const struct loop *l, const struct saved *from,
                        struct rn_error *e) {
    const struct {
        const char *key, *what;
        int64_t now;
    } rows[] = {{"samples_per_step", "samples in a step (data.batch, train.accumulate)",
                 l->engine->length.batch * l->engine->length.accumulate},
                {"samples_per_epoch", "samples in an epoch (the training split)",
                 (int64_t)data_epoch_rows(l->setup->data)},
                {"seed", "as its seed", (int64_t)l->setup->x->seed}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t then = saved_int(from, "position", rows[i].key, rows[i].now);
        if (then == rows[i].now)
            continue;
        error_set(e, RN_E_CHECKPOINT,
                  "the run has %lld %s, the experiment now has %lld", (long long)then,
                  rows[i].what, (long long)rows[i].now);
        return error_hint(e,
                          "its position is counted in them; a new run can have others");
    }
    return RN_OK;
}

static int load_position(struct loop *l, const struct saved *from, struct rn_error *e) {
    static const char *const o = "position";
    struct position *at = &l->at;
    if (!saved_value(from, o, "step"))
        return error_set(e, RN_E_CHECKPOINT,
                         "the checkpoint does not say where the run stands");
    at->step = saved_int(from, o, "step", 0);
    at->rows = saved_int(from, o, "log_rows", 0);
    at->loader.epoch = (uint64_t)saved_int(from, o, "epoch", 0);
    at->loader.index = (uint64_t)saved_int(from, o, "batch", 0);
    at->skipped = saved_int(from, o, "skipped_steps", 0);
    l->last_loss = saved_real(from, o, "last_loss", 0.0);
    l->last_norm = saved_real(from, o, "last_gradient_norm", 0.0);
    at->evaluation_due = saved_int(from, o, "evaluation_due", 0) != 0;
    at->ended = saved_int(from, o, "ended", 0) != 0;
    at->epoch_begun = saved_int(from, o, "epoch_begun", 0) != 0;
    return check_counts(l, from, e);
}

static void load_monitor(struct loop *l, const struct saved *from, struct monitor *m) {
    if (!m->key)
        return;
    char o[200], text[400];
    snprintf(o, sizeof o, "monitors/%s", m->key);
    const char *metric = saved_text(from, o, "metric", NULL);
    const char *way = saved_text(from, o, "direction", "");
    const char *definition = saved_text(from, o, "definition", "");
    double delta = saved_real(from, o, "min_delta", 0.0);
    const char *why = NULL;
    if (!metric)
        why = "it is new";
    else if (strcmp(metric, m->metric) != 0)
        why = "it watched another metric";
    else if (*way && strcmp(way, m->better > 0 ? "higher" : "lower") != 0)
        why = "the other way was better";
    else if (strcmp(definition, m->definition) != 0)
        why = "the metric was configured in another way";
    else if (delta != m->min_delta)
        why = "min_delta was another";
    if (why) {
        monitor_reset(m, l->at.step + !l->at.evaluation_due);
        snprintf(text, sizeof text, "%s: %s: the best %s is counted from step %lld on",
                 m->key, why, m->metric, (long long)l->at.step);
        loop_notify(l, RN_LOG_INFO, text);
        return;
    }
    m->best = saved_real(from, o, "value", NAN);
    m->best_step = saved_int(from, o, "step", -1);
    m->since = saved_int(from, o, "since", 0);
    m->bad = saved_int(from, o, "evaluations_without_gain", 0);
}

/* Schedules give all others at each step; what a hook held stays held. */
static void load_live(struct loop *l, const struct saved *from) {
    for (uint32_t i = 0; i < l->engine->hyper.count; i++) {
        struct hyper_value *v = &l->engine->hyper.at[i];
        char o[300], text[400];
        snprintf(o, sizeof o, "live/%s", v->name);
        bool same =
            strcmp(saved_text(from, o, "component", ""), v->part->component->name) == 0;
        if (!same)
            continue;
        v->now = saved_real(from, o, "value", v->base);
        v->held = saved_int(from, o, "held", 0) != 0;
        if (!v->held || saved_real(from, o, "base", v->base) == v->base)
            continue;
        snprintf(text, sizeof text,
                 "%s: a hook had set it to %g; the experiment now gives another value, "
                 "which counts",
                 v->name, v->now);
        v->held = false;
        loop_notify(l, RN_LOG_INFO, text);
    }
}

static void load_objectives(struct setup *g, struct arena *a,
                            const struct saved *from) {
    for (uint32_t i = 0; i < g->engine->programs->objective_count; i++) {
        struct objective_programs *t = &g->engine->objectives[i];
        char o[300];
        snprintf(o, sizeof o, "objectives/%s", g->engine->programs->objectives[i].name);
        t->scale = g->engine->programs->scaling.kind == SCALING_DYNAMIC
                       ? saved_real(from, o, "loss_scale", 0.0)
                       : 0.0;
        t->overflows = saved_int(from, o, "overflows", 0);
        t->ran = saved_int(from, o, "epoch_steps", 0);
        t->skipped = saved_int(from, o, "epoch_skipped", 0);
        for (uint32_t k = 0; k < t->of_row.count; k++) {
            const char *m = means_object(a, g, i, k);
            means_add(&t->of_row, k, saved_real(from, m, "row_sum", 0.0),
                      saved_real(from, m, "row_weight", 0.0));
            means_add(&t->of_epoch, k, saved_real(from, m, "epoch_sum", 0.0),
                      saved_real(from, m, "epoch_weight", 0.0));
        }
    }
}

/* The latest evaluation, which hooks are shown until the next one. */
static void load_metrics(struct loop *l, const struct saved *from) {
    for (uint32_t i = 0; i < l->known.count; i++) {
        struct metric_value m = l->known.at[i];
        const struct checkpoint_value *v = saved_value(from, "metrics", m.name);
        if (!v || v->kind != CHECKPOINT_REAL)
            continue;
        m.value = v->f;
        vec_push(l->metrics.at, l->metrics.count, l->metrics.capacity, m);
    }
}

int state_load(struct loop *l, const struct saved *from, struct rn_error *e) {
    const struct checkpoint *c = checkpoint_get(from->file);
    int status = load_position(l, from, e);
    if (status == RN_OK)
        status = check_optimizers(l->setup, from, e);
    if (status == RN_OK)
        status = check_dropped(l->setup, c, e);
    if (status == RN_OK)
        status = engine_load_weights(l->engine, c, e);
    if (status != RN_OK)
        return status;
    l->monitors.saved_best = saved_int(from, CHECKPOINT_BEST, "step", -1);
    load_monitor(l, from, &l->monitors.best);
    load_monitor(l, from, &l->monitors.early);
    load_live(l, from);
    struct arena *a = arena_create();
    load_objectives(l->setup, a, from);
    load_metrics(l, from);
    arena_destroy(a);
    return components_load(l, from, e);
}
