/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a checkpoint: variables, the named state of the run, states of components,
 * the fitted transforms, the split. */
#include <string.h>

#include "base/stream.h"
#include "train/loop.h"

/* ------------------------------------------------------------ parts of the state */

static void save_position(const struct loop *l, struct saver *s) {
    static const char *const o = "position";
    const struct position *at = &l->at;
    const struct setup *g = l->setup;
    saver_int(s, o, "step", at->step);
    saver_int(s, o, "epoch", (int64_t)at->loader.epoch);
    saver_int(s, o, "batch", (int64_t)at->loader.index); /* of the epoch */
    saver_int(s, o, "samples_per_step",
              g->engine->length.batch * g->engine->length.accumulate);
    saver_int(s, o, "samples_per_epoch", (int64_t)data_epoch_rows(g->data));
    saver_int(s, o, "seed", (int64_t)g->x->seed);
    saver_int(s, o, "log_rows", at->rows);
    saver_int(s, o, "skipped_steps", at->skipped);
    saver_real(s, o, "last_loss", l->last_loss);
    saver_real(s, o, "last_gradient_norm", l->last_norm);
    saver_int(s, o, "evaluation_due", at->evaluation_due);
    saver_int(s, o, "ended", at->ended);
    saver_int(s, o, "epoch_begun", at->epoch_begun);
}

const char *means_object(struct arena *a, const struct setup *g, uint32_t objective,
                         uint32_t loss) {
    return arena_format(a, "means/%s/%s",
                        g->engine->programs->objectives[objective].name,
                        g->x->losses.at[loss].path);
}

static void save_objectives(const struct setup *g, struct saver *s) {
    for (uint32_t i = 0; i < g->engine->programs->objective_count; i++) {
        const struct objective_programs *t = &g->engine->objectives[i];
        const char *o = arena_format(s->a, "objectives/%s",
                                     g->engine->programs->objectives[i].name);
        saver_real(s, o, "loss_scale", t->scale);
        saver_int(s, o, "overflows", t->overflows);
        saver_int(s, o, "epoch_steps", t->ran);
        saver_int(s, o, "epoch_skipped", t->skipped);
        for (uint32_t k = 0; k < t->of_row.count; k++) {
            const char *m = means_object(s->a, g, i, k);
            saver_real(s, m, "row_sum", t->of_row.sum[k]);
            saver_real(s, m, "row_weight", t->of_row.weight[k]);
            saver_real(s, m, "epoch_sum", t->of_epoch.sum[k]);
            saver_real(s, m, "epoch_weight", t->of_epoch.weight[k]);
        }
    }
}

static void save_monitor(const struct monitor *m, struct saver *s) {
    if (!m->key)
        return;
    const char *o = arena_format(s->a, "monitors/%s", m->key);
    saver_text(s, o, "metric", m->metric);
    saver_text(s, o, "direction", m->better > 0 ? "higher" : "lower");
    saver_real(s, o, "min_delta", m->min_delta);
    saver_text(s, o, "definition", m->definition);
    saver_real(s, o, "value", m->best);
    saver_int(s, o, "step", m->best_step);
    saver_int(s, o, "since", m->since);
    saver_int(s, o, "evaluations_without_gain", m->bad);
}

static void save_live(const struct setup *g, struct saver *s) {
    for (uint32_t i = 0; i < g->engine->hyper.count; i++) {
        const struct hyper_value *v = &g->engine->hyper.at[i];
        const char *o = arena_format(s->a, "live/%s", v->name);
        saver_text(s, o, "component", v->part->component->name);
        saver_real(s, o, "base", v->base);
        saver_real(s, o, "value", v->now);
        saver_int(s, o, "held", v->held);
    }
}

/* Which components (optimizers) the state of the variables is of; the latest
 * metrics. */
static void save_rest(const struct loop *l, struct saver *s) {
    for (int k = 0; k < KIND_COUNT; k++) {
        const struct bound_components *parts = &l->setup->x->by_kind[k];
        for (uint32_t i = 0; kind_at(k)->named && i < parts->count; i++)
            saver_text(
                s, arena_format(s->a, "%s/%s", kind_at(k)->plural, parts->at[i].path),
                "component", instance_type(parts->at[i].instance, s->a));
    }
    for (uint32_t i = 0; i < l->metrics.count; i++)
        saver_real(s, "metrics", l->metrics.at[i].name, l->metrics.at[i].value);
}

/* The arrays of the fitted transforms, as tensors to show. */
static struct checkpoint_tensor *shown_arrays(const struct data *data, struct arena *a,
                                              uint32_t *count) {
    struct data_array *arrays;
    *count = data_arrays(data, a, &arrays);
    struct checkpoint_tensor *t = arena_array(a, struct checkpoint_tensor, *count + 1);
    for (uint32_t i = 0; i < *count; i++)
        t[i] = (struct checkpoint_tensor){.name = arrays[i].name,
                                          .doc = "of a fitted transform",
                                          .dtype = arrays[i].dtype,
                                          .rank = arrays[i].rank,
                                          .shape = arrays[i].shape,
                                          .data = arrays[i].data};
    return t;
}

int state_save(struct loop *l, const char *name, bool current, uint32_t keep,
               struct rn_error *e) {
    struct setup *g = l->setup;
    struct saver s = {.a = arena_create()};
    struct memory_stream *fitted = memory_stream_writer(s.a);
    struct text split = {0}, resolved = {0};
    int status = engine_save_weights(g->engine, &s, e);
    save_position(l, &s);
    save_monitor(&l->monitors.best, &s);
    save_monitor(&l->monitors.early, &s);
    save_live(g, &s);
    save_objectives(g, &s);
    save_rest(l, &s);
    if (status == RN_OK)
        status = components_save(l, &s, e);
    if (status == RN_OK && (status = data_save(g->data, &fitted->api)) != RN_OK)
        error_set(e, status, "the state of the data's transforms could not be saved");
    saver_own(&s, fitted->data);
    data_split_write(g->data, &split);
    config_print(g->x->config, false, &resolved);
    saver_blob(&s, "resolved", text_get(&resolved), resolved.length);
    saver_blob(&s, "data", fitted->data, fitted->bytes);
    saver_blob(&s, "split", text_get(&split), split.length);
    uint32_t shown_count;
    struct checkpoint_tensor *shown = shown_arrays(g->data, s.a, &shown_count);
    struct checkpoint c = {
        l->at.step,     (double)l->at.step / (double)g->engine->length.steps_per_epoch,
        s.tensor_count, s.tensors,
        s.blob_count,   s.blobs,
        s.value_count,  s.values,
        shown_count,    shown};
    if (status == RN_OK)
        status = checkpoint_write(l->record, name, &c, current, keep, e);
    text_finish(&split);
    text_finish(&resolved);
    saver_finish(&s);
    arena_destroy(s.a);
    return status;
}
