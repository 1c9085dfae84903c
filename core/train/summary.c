/* SPDX-License-Identifier: Apache-2.0 */
/* What the validation split gave: the last evaluation and the best one, read from the
 * record, so that a resumed run knows what it measured before. */
#include <string.h>

#include "train/loop.h"

struct summary {
    struct run_result *out;
    struct monitor monitor; /* begun again; key NULL: nothing is monitored */
};

static bool is_val(const char *series, const struct rn_tensor *value) {
    return value->rank == 0 && strncmp(series, "val/", 4) == 0;
}

static void put(struct arena *a, struct metric_list *l, const char *name,
                double value) {
    for (uint32_t i = 0; i < l->count; i++)
        if (strcmp(l->at[i].name, name) == 0) {
            l->at[i].value = value;
            return;
        }
    struct metric_value m = {arena_copy(a, name), value, 0, NULL};
    vec_push(l->at, l->count, l->capacity, m);
}

/* The last evaluation, and the step of the best. */
static int look(void *context, const char *series, int64_t step, double epoch,
                const struct rn_tensor *value) {
    struct summary *s = context;
    struct evaluation *last = &s->out->val;
    (void)epoch;
    if (!is_val(series, value))
        return 0;
    double v = *(const double *)value->data;
    if (step != last->step)
        last->metrics.count = 0;
    last->step = step;
    put(s->out->arena, &last->metrics, series, v);
    if (s->monitor.key && step >= s->monitor.since &&
        strcmp(series, s->monitor.metric) == 0)
        monitor_observe(&s->monitor, v, step);
    return 0;
}

static int collect_best(void *context, const char *series, int64_t step, double epoch,
                        const struct rn_tensor *value) {
    struct summary *s = context;
    (void)epoch;
    if (is_val(series, value) && step == s->out->best.step)
        put(s->out->arena, &s->out->best.metrics, series, *(const double *)value->data);
    return 0;
}

int loop_summary(const struct loop *l, struct run_result *out, struct rn_error *e) {
    struct summary s = {.out = out,
                        .monitor = l->monitors.best.key ? l->monitors.best
                                                        : l->monitors.early};
    out->val.step = -1;
    monitor_reset(&s.monitor, s.monitor.since);
    s.monitor.min_delta = 0.0;
    int status = record_each(l->record, look, &s, e);
    out->best.step = s.monitor.best_step;
    if (status == RN_OK && out->best.step >= 0) {
        out->monitor = arena_copy(out->arena, s.monitor.metric);
        status = record_each(l->record, collect_best, &s, e);
    }
    return status;
}
