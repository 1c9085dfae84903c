/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a checkpoint: variables, the named state of the run, states of components,
 * the fitted transforms, the split. */
#include <string.h>

#include "train/loop.h"

/* -------------------------------------------------------------------- saver */

void saver_int(struct saver *s, const char *object, const char *key, int64_t v) {
    struct checkpoint_value x = {
        .object = object, .key = key, .kind = CHECKPOINT_INT, .i = v};
    vec_push(s->values, s->value_count, s->value_capacity, x);
}

void saver_real(struct saver *s, const char *object, const char *key, double v) {
    struct checkpoint_value x = {
        .object = object, .key = key, .kind = CHECKPOINT_REAL, .f = v};
    vec_push(s->values, s->value_count, s->value_capacity, x);
}

void saver_text(struct saver *s, const char *object, const char *key, const char *v) {
    struct checkpoint_value x = {
        .object = object, .key = key, .kind = CHECKPOINT_TEXT, .s = v};
    vec_push(s->values, s->value_count, s->value_capacity, x);
}

void saver_blob(struct saver *s, const char *name, const void *data, uint64_t bytes) {
    vec_push(s->blobs, s->blob_count, s->blob_capacity,
             (struct checkpoint_blob){name, data, bytes});
}

void saver_own(struct saver *s, void *p) {
    vec_push(s->owned, s->owned_count, s->owned_capacity, p);
}

void saver_finish(struct saver *s) {
    for (uint32_t i = 0; i < s->owned_count; i++)
        memory_release(s->owned[i]);
    memory_release(s->owned);
    memory_release(s->blobs);
    memory_release(s->values);
}

/* ------------------------------------------------------------ parts of the state */

static void save_position(const struct loop *l, struct saver *s) {
    static const char *const o = "position";
    const struct position *at = &l->at;
    const struct stage *g = l->s;
    saver_int(s, o, "step", at->step);
    saver_int(s, o, "epoch", (int64_t)at->loader.epoch);
    saver_int(s, o, "batch", (int64_t)at->loader.index); /* of the epoch */
    saver_int(s, o, "samples_per_step", g->batch * g->accumulate);
    saver_int(s, o, "samples_per_epoch", (int64_t)data_rows(g->data, DATA_TRAIN));
    saver_int(s, o, "seed", (int64_t)g->x->seed);
    saver_int(s, o, "log_rows", at->rows);
    saver_int(s, o, "skipped_steps", at->skipped);
    saver_real(s, o, "last_loss", l->last_loss);
    saver_real(s, o, "last_gradient_norm", l->last_norm);
    saver_int(s, o, "evaluation_due", at->evaluation_due);
    saver_int(s, o, "ended", at->ended);
}

const char *means_object(struct arena *a, const struct stage *g, uint32_t objective,
                         uint32_t loss) {
    return arena_format(a, "means/%s/%s", g->programs->objectives[objective].name,
                        g->x->losses.at[loss].path);
}

static void save_objectives(const struct stage *g, struct saver *s) {
    for (uint32_t i = 0; i < g->programs->objective_count; i++) {
        const struct trainer *t = &g->trainers[i];
        const char *o =
            arena_format(s->a, "objectives/%s", g->programs->objectives[i].name);
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

static void save_live(const struct stage *g, struct saver *s) {
    for (uint32_t i = 0; i < g->live.count; i++) {
        const struct live_value *v = &g->live.at[i];
        const char *o = arena_format(s->a, "live/%s", v->name);
        saver_text(s, o, "component", v->part->component->name);
        saver_real(s, o, "base", v->base);
        saver_real(s, o, "value", v->now);
        saver_int(s, o, "held", v->held);
    }
}

/* Which optimizer the state of the variables is of; the latest metrics. */
static void save_rest(const struct loop *l, struct saver *s) {
    const struct parts *optimizers = &l->s->x->optimizers;
    for (uint32_t i = 0; i < optimizers->count; i++)
        saver_text(s, arena_format(s->a, "optimizers/%s", optimizers->at[i].path),
                   "component", optimizers->at[i].component->name);
    for (uint32_t i = 0; i < l->metrics.count; i++)
        saver_real(s, "metrics", l->metrics.at[i].name, l->metrics.at[i].value);
}

static int save_variables(const struct stage *g, struct saver *s,
                          struct checkpoint_tensor *tensors, uint32_t *count,
                          struct rn_error *e) {
    const struct variables *all = g->programs->variables;
    for (uint32_t i = 0; i < variables_count(all); i++) {
        const struct variable *v = variables_at(all, i);
        if (!v->checkpointed)
            continue;
        const void *data = device_variable_view(g->device, i, e);
        void *copy =
            data ? NULL : memory_try(memory_mul(v->count, RN_DTYPE_BYTES(v->dtype)));
        if (!data && !copy)
            return error_set(e, RN_E_MEMORY, "no memory to save '%s'", v->name);
        if (copy) {
            saver_own(s, copy);
            int status = device_variable_read(g->device, i, copy, e);
            if (status != RN_OK)
                return status;
        }
        tensors[(*count)++] = (struct checkpoint_tensor){
            v->name, v->role, v->dtype, v->rank, v->shape, data ? data : copy};
    }
    return RN_OK;
}

int state_save(struct loop *l, const char *name, bool current, uint32_t keep,
               struct rn_error *e) {
    struct stage *g = l->s;
    struct saver s = {.a = arena_create()};
    struct memory_stream *fitted = state_writer(s.a);
    struct text split = {0}, resolved = {0};
    uint32_t n = variables_count(g->programs->variables), count = 0;
    struct checkpoint_tensor *tensors =
        arena_array(s.a, struct checkpoint_tensor, n + 1);
    int status = save_variables(g, &s, tensors, &count, e);
    save_position(l, &s);
    save_monitor(&l->best, &s);
    save_monitor(&l->early, &s);
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
    struct checkpoint c = {
        l->at.step,    (double)l->at.step / (double)g->steps_per_epoch,
        count,         tensors,
        s.blob_count,  s.blobs,
        s.value_count, s.values};
    if (status == RN_OK)
        status = checkpoint_write(l->record, name, &c, current, keep, e);
    text_finish(&split);
    text_finish(&resolved);
    saver_finish(&s);
    arena_destroy(s.a);
    return status;
}
