/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints of format 1 held the state of a run as bytes: the position as a struct,
 * live values and means by their place. The experiment that they were written under
 * gives everything its name. */
#include <math.h>
#include <string.h>

#include "base/stream.h"
#include "train/loop.h"

struct position1 { /* blob "position" */
    int64_t step, rows;
    uint64_t epoch, index;
    double epoch_loss, epoch_weight, interval_loss, interval_weight;
    double best, early_best;
    int64_t early_bad, skipped;
    uint64_t done;
};

struct upgrade {
    struct loop *l;
    struct arena *a;
    const struct checkpoint_file *file;
    const struct node *then, *now; /* experiments */
    struct saver s;
};

static int cut_short(const char *what, struct rn_error *e) {
    return error_set(e, RN_E_CHECKPOINT, "the checkpoint's %s are cut short", what);
}

/* ---------------------------------------------------------------- the experiment */

static int64_t int_at(const struct node *root, const char *path, int64_t fallback) {
    const struct node *n = node_at(root, path);
    return n && node_kind(n) == NODE_SCALAR ? node_int(n) : fallback;
}

static const char *text_at(const struct node *root, const char *path) {
    const struct node *n = node_at(root, path);
    return n && node_kind(n) == NODE_SCALAR ? node_string(n) : NULL;
}

static const char *part_path(struct arena *a, const char *section, const char *name) {
    return *name ? arena_format(a, "%s.%s", section, name) : arena_copy(a, section);
}

static const struct component *component_of(struct upgrade *u, const char *kind,
                                            const struct node *n) {
    struct rn_error e;
    const struct node *type = node_find(n, "type");
    return type ? session_find(u->l->setup->session, kind, node_string(type), &e)
                : NULL;
}

/* The definition of a metric that has not changed since is the one of now. */
static const char *definition(struct upgrade *u, const char *metric) {
    const struct metric_value *m = metric_find(&u->l->known, metric);
    if (!m)
        return "";
    const char *section = strncmp(m->of, "loss", 4) == 0 ? "loss" : "metrics";
    return config_same_text(node_find(u->then, section), node_find(u->now, section))
               ? monitor_definition(u->a, u->now, m->of)
               : "";
}

/* ------------------------------------------------------------------------- parts */

static int read_position(struct upgrade *u, struct position1 *p, struct rn_error *e) {
    const struct checkpoint_blob *b = checkpoint_blob(u->file, "position");
    const struct setup *g = u->l->setup;
    int64_t rows = (int64_t)data_rows(g->data, DATA_TRAIN);
    int64_t batch = int_at(u->then, "data.batch", 32);
    struct saver *s = &u->s;
    if (!b || b->bytes != sizeof *p)
        return error_set(e, RN_E_CHECKPOINT,
                         "the checkpoint does not say where the run stands");
    memcpy(p, b->data, sizeof *p);
    batch = (batch > rows ? rows : batch) * int_at(u->then, "train.accumulate", 1);
    saver_int(s, "position", "step", p->step);
    saver_int(s, "position", "log_rows", p->rows);
    saver_int(s, "position", "epoch", (int64_t)p->epoch);
    saver_int(s, "position", "batch", (int64_t)p->index);
    saver_int(s, "position", "samples_per_step", batch);
    saver_int(s, "position", "seed", int_at(u->then, "seed", 0));
    saver_int(s, "position", "skipped_steps", p->skipped);
    saver_int(s, "position", "ended", p->done != 0);
    return RN_OK;
}

/* The step at which the record has this value of the metric. */
struct search {
    const char *series;
    double value;
    int64_t last, step;
};

static int look_for(void *context, const char *series, int64_t step, double epoch,
                    const struct rn_tensor *value) {
    struct search *s = context;
    (void)epoch;
    if (step <= s->last && value->rank == 0 && value->dtype == RN_F64 &&
        strcmp(series, s->series) == 0 && *(const double *)value->data == s->value)
        s->step = s->step < 0 ? step : s->step;
    return 0;
}

static int64_t step_of_value(struct upgrade *u, const char *metric, double value,
                             int64_t last) {
    struct search s = {metric, value, last, -1};
    struct rn_error e = {0};
    if (!isnan(value))
        record_each(u->l->record, look_for, &s, &e);
    return s.step;
}

static void read_monitor(struct upgrade *u, const char *key, double value, int64_t bad,
                         int64_t last) {
    const char *metric = text_at(u->then, arena_format(u->a, "%s.monitor", key));
    const char *o = arena_format(u->a, "monitors/%s", key);
    const struct node *delta =
        node_at(u->then, arena_format(u->a, "%s.min_delta", key));
    if (!metric)
        return;
    saver_text(&u->s, o, "metric", metric);
    saver_real(&u->s, o, "min_delta", delta ? node_float(delta) : 0.0);
    saver_text(&u->s, o, "definition", definition(u, metric));
    saver_real(&u->s, o, "value", value);
    saver_int(&u->s, o, "step", step_of_value(u, metric, value, last));
    saver_int(&u->s, o, "evaluations_without_gain", bad);
}

static int read_live(struct upgrade *u, struct rn_error *e) {
    static const char *const sections[][2] = {{"model", "model"},
                                              {"loss", "loss"},
                                              {"optimizer", "optimizer"},
                                              {"metrics", "metric"}};
    const struct checkpoint_blob *b = checkpoint_blob(u->file, "live");
    const char *at = b ? b->data : NULL, *end = b ? at + b->bytes : NULL;
    for (size_t k = 0; b && k < sizeof sections / sizeof *sections; k++) {
        const struct node *n = node_find(u->then, sections[k][0]);
        for (uint32_t i = 0; n && i < node_components(n); i++) {
            const char *name;
            const struct node *node = node_component(n, i, &name);
            const struct component *c = component_of(u, sections[k][1], node);
            for (uint32_t j = 0; c && j < schema_count(c->schema); j++) {
                struct option_info o = schema_option(c->schema, j);
                const struct node *v = node_find(node, o.name);
                uint32_t held;
                double now;
                if (!o.live || !v || node_kind(v) != NODE_SCALAR)
                    continue;
                if (at + sizeof held + sizeof now > end)
                    return cut_short("live values", e);
                memcpy(&held, at, sizeof held);
                memcpy(&now, at + sizeof held, sizeof now);
                at += sizeof held + sizeof now;
                const char *object = arena_format(
                    u->a, "live/%s.%s", part_path(u->a, sections[k][0], name), o.name);
                saver_text(&u->s, object, "component", c->name);
                saver_real(&u->s, object, "base", node_float(v));
                saver_real(&u->s, object, "value", now);
                saver_int(&u->s, object, "held", held != 0);
            }
        }
    }
    return RN_OK;
}

/* A mean over rows of an objective, given to its first loss; the others have weights
 * alone, so that what follows is added by rows, as it was. */
static void spread_mean(struct upgrade *u, uint32_t objective, const char *sum_key,
                        const char *weight_key, double sum, double rows) {
    const struct programs *p = u->l->engine->programs;
    const struct objective *o = &p->objectives[objective];
    for (uint32_t k = 0; k < o->loss_count; k++) {
        uint32_t loss = o->losses[k];
        const char *object = means_object(u->a, u->l->setup, objective, loss);
        double first = k == 0 && p->factors[loss] != 0.0
                           ? sum * p->elements[loss] / p->factors[loss]
                           : 0.0;
        saver_real(&u->s, object, sum_key, first);
        saver_real(&u->s, object, weight_key, rows * p->elements[loss]);
    }
}

/* Since the last recorded row by objective, in the order of train.programs; of the
 * epoch all together. */
static int read_means(struct upgrade *u, const struct position1 *at,
                      struct rn_error *e) {
    const struct checkpoint_blob *b = checkpoint_blob(u->file, "objectives");
    const struct programs *p = u->l->engine->programs;
    const struct node *list = node_at(u->then, "train.programs");
    uint32_t n = list && node_count(list) ? node_count(list) : 1;
    if (!b || b->bytes < n * 2 * sizeof(double))
        return cut_short("means of losses", e);
    for (uint32_t i = 0; i < n; i++) {
        double mean[2];
        memcpy(mean, (const char *)b->data + i * sizeof mean, sizeof mean);
        const char *name =
            list && node_count(list) ? text_at(node_item(list, i), "name") : "train";
        for (uint32_t o = 0; name && o < p->objective_count; o++)
            if (strcmp(p->objectives[o].name, name) == 0)
                spread_mean(u, o, "row_sum", "row_weight", mean[0], mean[1]);
    }
    spread_mean(u, 0, "epoch_sum", "epoch_weight", at->epoch_loss, at->epoch_weight);
    return RN_OK;
}

static void read_optimizers(struct upgrade *u) {
    const struct node *n = node_find(u->then, "optimizer");
    for (uint32_t i = 0; n && i < node_components(n); i++) {
        const char *name;
        const struct node *node = node_component(n, i, &name);
        const struct component *c = component_of(u, "optimizer", node);
        if (c)
            saver_text(
                &u->s,
                arena_format(u->a, "optimizers/%s", part_path(u->a, "optimizer", name)),
                "component", c->name);
    }
}

/* Schedules and hooks: their blobs are called as today. */
static void read_components(struct upgrade *u, const char *section) {
    const struct node *n = node_find(u->then, section);
    for (uint32_t i = 0; n && i < node_components(n); i++) {
        const char *name;
        const struct node *node = node_component(n, i, &name);
        const struct node *monitor = component_monitor(node);
        const struct node *delta = component_min_delta(node);
        const char *o =
            arena_format(u->a, "components/%s", part_path(u->a, section, name));
        saver_text(&u->s, o, "identity", component_identity(u->a, node));
        if (!monitor)
            continue;
        saver_text(&u->s, o, "metric", node_string(monitor));
        saver_real(&u->s, o, "min_delta", delta ? node_float(delta) : 0.0);
        saver_text(&u->s, o, "definition", definition(u, node_string(monitor)));
    }
}

int format1_read(struct loop *l, struct arena *a, const struct checkpoint_file *f,
                 const struct node *then, struct saved *out, struct rn_error *e) {
    struct upgrade u = {l, a, f, then, l->setup->x->root, {.a = a}};
    struct position1 p = {0};
    int status = read_position(&u, &p, e);
    if (status == RN_OK)
        status = read_live(&u, e);
    if (status == RN_OK)
        status = read_means(&u, &p, e);
    if (status == RN_OK) {
        read_monitor(&u, "checkpoint.best", p.best, 0, p.step);
        read_monitor(&u, "train.early_stop", p.early_best, p.early_bad, p.step);
        read_optimizers(&u);
        read_components(&u, "schedule");
        read_components(&u, "hooks");
        struct checkpoint_value *values =
            arena_array(a, struct checkpoint_value, u.s.value_count + 1);
        memcpy(values, u.s.values, u.s.value_count * sizeof *values);
        *out = (struct saved){f, values, u.s.value_count};
    }
    saver_finish(&u.s);
    return status;
}
