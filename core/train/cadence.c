/* SPDX-License-Identifier: Apache-2.0 */
/* What a run watches, and how often it evaluates, saves and looks inside. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "train/loop.h"

/* ------------------------------------------------------------------- references */

static void no_series(const struct loop *l, const struct node *at, struct suggest *all,
                      struct diag *d) {
    node_error(d, at, false, RN_E_CONFIG, "this run records no series '%s'",
               node_string(at));
    if (!l->known.count && strncmp(node_string(at), "val/", 4) == 0)
        diag_hint(d,
                  "there is no validation split to measure on: give data.split.val, or "
                  "data.val");
    else
        diag_suggest(d, all, node_string(at), "there are");
}

/* Every option that names a series names one that this run records. */
static int check_series(struct loop *l, struct diag *d) {
    const struct config *c = l->setup->x->config;
    struct suggest all = {0};
    int status = RN_OK;
    loop_series_names(l, &all);
    for (uint32_t i = 0; i < config_series_count(c); i++) {
        const struct node *at = config_series_at(c, i);
        bool found = false;
        for (uint32_t k = 0; k < all.count && !found; k++)
            found = strcmp(all.names[k], node_string(at)) == 0;
        if (!found) {
            no_series(l, at, &all, d);
            status = RN_E_CONFIG;
        }
    }
    suggest_finish(&all);
    return status;
}

/* ---------------------------------------------------------------------- monitors */

/* A monitored series is one that evaluations measure, and says which way is better. */
static int check_monitor(const struct node *at, const struct metric_list *known,
                         const char **name, int *better, struct diag *d) {
    const struct metric_value *m = metric_find(known, node_string(at));
    *name = node_string(at);
    if (m && m->better) {
        *better = m->better;
        return RN_OK;
    }
    if (m)
        return node_error(d, at, false, RN_E_CONFIG,
                          "'%s' does not say which way is better", m->name);
    node_error(d, at, false, RN_E_CONFIG,
               "'%s' cannot be monitored: evaluations do not measure it", *name);
    struct suggest all = {0};
    for (uint32_t i = 0; i < known->count; i++)
        suggest_add(&all, known->at[i].name);
    if (all.count)
        diag_suggest(d, &all, *name, "there are");
    suggest_finish(&all);
    return RN_E_CONFIG;
}

/* The monitor that the section at `key` configures, if it does. */
static int read_monitor(struct loop *l, const char *key, struct monitor *m,
                        struct diag *d) {
    struct setup *s = l->setup;
    char path[100];
    snprintf(path, sizeof path, "%s.monitor", key);
    const struct node *at = node_at(s->x->root, path);
    if (!at)
        return RN_OK;
    int status = check_monitor(at, &l->known, &m->metric, &m->better, d);
    if (status != RN_OK)
        return status;
    m->key = key;
    m->definition =
        monitor_definition(s->arena, s->x->root, metric_find(&l->known, m->metric)->of);
    return RN_OK;
}

static int monitors(struct loop *l, struct diag *d) {
    struct setup *s = l->setup;
    l->known.count = 0;
    if (data_rows(s->data, DATA_VAL))
        evaluator_names(l->evaluator, "val", &l->known);
    if (check_series(l, d) != RN_OK)
        return RN_E_CONFIG;
    int status = read_monitor(l, "checkpoint.best", &l->monitors.best, d);
    int other = read_monitor(l, "train.early_stop", &l->monitors.early, d);
    status = status ? status : other;
    if (l->monitors.early.key)
        l->monitors.early.min_delta =
            experiment_float(s->x, "train.early_stop.min_delta");
    l->monitors.patience = experiment_int(s->x, "train.early_stop.patience");
    for (uint32_t i = 0; i < s->x->schedules.count; i++) {
        const struct node *m = component_monitor(s->x->schedules.at[i].node);
        const char *name;
        int better;
        if (m) {
            int one = check_monitor(m, &l->known, &name, &better, d);
            status = status ? status : one;
        }
    }
    return status;
}

static int duration(struct loop *l, const char *path, int64_t *out, struct diag *d) {
    struct rn_error e = {0};
    const struct node *n = node_at(l->setup->x->root, path);
    int status = hyper_duration(experiment_string(l->setup->x, path),
                                l->engine->length.total_steps,
                                l->engine->length.steps_per_epoch, out, &e);
    if (status == RN_OK)
        return RN_OK;
    if (!n) {
        diag_add(d, &e);
        return status;
    }
    node_error(d, n, false, status, "%s", e.message);
    diag_hint(d, "%s", e.hint);
    return status;
}

static int read_cadences(struct loop *l, struct diag *d) {
    struct setup *s = l->setup;
    struct rn_error e = {0};
    int status = duration(l, "train.eval_every", &l->cadence.eval_every, d);
    int other = duration(l, "checkpoint.every", &l->cadence.save_every, d);
    status = status ? status : other;
    l->cadence.log_every = experiment_int(s->x, "train.log_every");
    l->cadence.max_seconds = INFINITY;
    const struct node *max_time = node_at(s->x->root, "train.max_time");
    struct duration t;
    if (max_time && duration_parse(node_string(max_time), &t, &e) == RN_OK) {
        if (t.unit != DURATION_SECONDS)
            return node_error(d, max_time, false, RN_E_CONFIG,
                              "'%s' is not a time: 2h, 90s, 30min",
                              node_string(max_time));
        l->cadence.max_seconds = t.amount;
    }
    l->cadence.tap_every = arena_array(s->arena, int64_t, s->x->hooks.count + 1);
    l->cadence.tap_now = arena_array(s->arena, bool, s->x->hooks.count + 1);
    for (uint32_t i = 0; i < s->x->hooks.count; i++) {
        const struct bound_component *p = &s->x->hooks.at[i];
        const struct rn_hook *h = p->component->iface;
        const struct node *every = node_find(p->node, "every");
        if (!h->tap)
            continue;
        if (!every) {
            status = node_error(d, p->node, false, RN_E_PLUGIN,
                                "%s taps values, but has no option `every`",
                                p->component->name);
            diag_hint(d, "its description should have "
                         "RN_OPTION(\"every duration = 1ep | how often\")");
            continue;
        }
        int one = hyper_duration(node_string(every), s->engine->length.total_steps,
                                 s->engine->length.steps_per_epoch,
                                 &l->cadence.tap_every[i], &e);
        if (one != RN_OK)
            status = node_error(d, every, false, one, "%s", e.message);
        if (!l->cadence.tap_every[i])
            l->cadence.tap_every[i] = 1;
    }
    return status;
}

int loop_read_watches(struct loop *l, struct diag *d) {
    int status = monitors(l, d), other = read_cadences(l, d);
    return status ? status : other;
}

int loop_observe_schedules(struct loop *l, struct rn_error *e) {
    struct setup *s = l->setup;
    int status = RN_OK;
    for (uint32_t i = 0; i < s->x->schedules.count && status == RN_OK; i++) {
        const struct bound_component *p = &s->x->schedules.at[i];
        const struct rn_schedule *iface = p->component->iface;
        const struct node *monitor = component_monitor(p->node);
        const struct metric_value *m =
            monitor ? metric_find(&l->metrics, node_string(monitor)) : NULL;
        if (!m || !iface->observe)
            continue;
        struct rn_schedule_call call = {.struct_size = sizeof call,
                                        .higher_is_better = m->better > 0,
                                        .step = l->at.step,
                                        .total_steps = s->engine->length.total_steps,
                                        .steps_per_epoch =
                                            s->engine->length.steps_per_epoch,
                                        .metric = m->value};
        instance_enter(p->instance);
        status = iface->observe(instance_self(p->instance), &call, e);
        status = instance_leave(p->instance, "observe", status, e);
    }
    return status;
}
