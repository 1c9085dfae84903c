/* SPDX-License-Identifier: Apache-2.0 */
/* What a checkpoint holds: variables, position, states of schedules and hooks, the
 * fitted transforms, the split. */
#include <string.h>

#include <runner/hook.h>

#include "train/run.h"

/* ------------------------------------------------- a stream over memory */

struct memory_stream {
    struct rn_stream api;
    char *data;
    uint64_t bytes, capacity, at;
};

static int32_t stream_write(struct rn_stream *s, const void *data, uint64_t bytes) {
    struct memory_stream *m = (struct memory_stream *)s;
    if (m->bytes + bytes > m->capacity) {
        m->capacity = 2 * (m->bytes + bytes) + 64;
        m->data = memory_grow(m->data, m->capacity);
    }
    if (bytes)
        memcpy(m->data + m->bytes, data, bytes);
    m->bytes += bytes;
    return RN_OK;
}

static int32_t stream_read(struct rn_stream *s, void *data, uint64_t bytes) {
    struct memory_stream *m = (struct memory_stream *)s;
    if (bytes > m->bytes - m->at)
        return RN_E_CHECKPOINT;
    if (bytes)
        memcpy(data, m->data + m->at, bytes);
    m->at += bytes;
    return RN_OK;
}

static uint64_t stream_left(struct rn_stream *s) {
    struct memory_stream *m = (struct memory_stream *)s;
    return m->bytes - m->at;
}

static const struct rn_stream_api stream_api = {sizeof(struct rn_stream_api), 0,
                                                stream_write, stream_read, stream_left};

struct rn_stream *state_stream(struct arena *a, const void *data, uint64_t bytes) {
    struct memory_stream *m = arena_new(a, struct memory_stream);
    m->api.api = &stream_api;
    m->data = (char *)(uintptr_t)data;
    m->bytes = bytes;
    return &m->api;
}

/* -------------------------------------------------------------------- save */

struct saver {
    struct arena *a;
    struct checkpoint_blob *blobs;
    uint32_t count, capacity;
    void **owned;
    uint32_t owned_count, owned_capacity;
};

static void add_blob(struct saver *s, const char *name, const void *data,
                     uint64_t bytes) {
    vec_push(s->blobs, s->count, s->capacity,
             (struct checkpoint_blob){name, data, bytes});
}

static struct memory_stream *blob_stream(struct saver *s) {
    struct memory_stream *m = arena_new(s->a, struct memory_stream);
    m->api.api = &stream_api;
    return m;
}

static void keep(struct saver *s, void *p) {
    vec_push(s->owned, s->owned_count, s->owned_capacity, p);
}

typedef int32_t (*save_fn)(void *self, struct rn_stream *s);

static int save_part(struct saver *s, const struct part *p, save_fn fn,
                     struct rn_error *e) {
    if (!fn)
        return RN_OK;
    struct memory_stream *m = blob_stream(s);
    int status = fn(instance_self(p->instance), &m->api);
    keep(s, m->data);
    if (status != RN_OK)
        return error_set(e, status, "%s could not save its state", p->path);
    add_blob(s, arena_format(s->a, "part.%s", p->path), m->data, m->bytes);
    return RN_OK;
}

static int save_parts(struct stage *stage, struct saver *s, struct rn_error *e) {
    struct experiment *x = stage->x;
    int status = RN_OK;
    for (uint32_t i = 0; i < x->schedules.count && status == RN_OK; i++)
        status = save_part(
            s, &x->schedules.at[i],
            ((const struct rn_schedule *)x->schedules.at[i].component->iface)->save, e);
    for (uint32_t i = 0; i < x->hooks.count && status == RN_OK; i++)
        status = save_part(
            s, &x->hooks.at[i],
            ((const struct rn_hook *)x->hooks.at[i].component->iface)->save, e);
    return status;
}

static int read_tensors(struct stage *stage, struct saver *s,
                        struct checkpoint_tensor *tensors, uint32_t *count,
                        struct rn_error *e) {
    const struct variables *all = stage->programs->variables;
    for (uint32_t i = 0; i < variables_count(all); i++) {
        const struct variable *v = variables_at(all, i);
        if (!v->checkpointed)
            continue;
        const void *data = device_variable_view(stage->device, i, e);
        void *copy = data ? NULL
                          : memory_try(memory_mul(v->count, RN_DTYPE_BYTES(v->dtype)));
        if (!data && !copy)
            return error_set(e, RN_E_MEMORY, "no memory to save '%s'", v->name);
        if (copy) {
            keep(s, copy);
            int status = device_variable_read(stage->device, i, copy, e);
            if (status != RN_OK)
                return status;
        }
        tensors[(*count)++] = (struct checkpoint_tensor){
            v->name, v->role, v->dtype, v->rank, v->shape, data ? data : copy};
    }
    return RN_OK;
}

/* Blobs by name: of each objective and loss, sum and weight since the last recorded row
 * and of the running epoch; of each objective, the epoch's steps. */
static const char *means_name(struct arena *a, const struct stage *s, uint32_t o,
                              uint32_t loss) {
    return arena_format(a, "means.%s.%s", s->programs->objectives[o].name,
                        s->x->losses.at[loss].path);
}

static const char *steps_name(struct arena *a, const struct stage *s, uint32_t o) {
    return arena_format(a, "steps.%s", s->programs->objectives[o].name);
}

static void save_means(struct stage *stage, struct saver *s) {
    for (uint32_t o = 0; o < stage->programs->objective_count; o++) {
        const struct trainer *t = &stage->trainers[o];
        int64_t *steps = arena_array(s->a, int64_t, 2);
        steps[0] = t->ran, steps[1] = t->skipped;
        add_blob(s, steps_name(s->a, stage, o), steps, 2 * sizeof *steps);
        for (uint32_t i = 0; i < t->of_row.count; i++) {
            double *v = arena_array(s->a, double, 4);
            v[0] = t->of_row.sum[i], v[1] = t->of_row.weight[i];
            v[2] = t->of_epoch.sum[i], v[3] = t->of_epoch.weight[i];
            add_blob(s, means_name(s->a, stage, o, i), v, 4 * sizeof *v);
        }
    }
}

int state_save(struct stage *stage, struct record *r, const char *name, bool current,
               uint32_t keep_count, const struct position *at, struct rn_error *e) {
    struct saver s = {.a = arena_create()};
    uint32_t n = variables_count(stage->programs->variables), count = 0;
    struct checkpoint_tensor *tensors =
        arena_array(s.a, struct checkpoint_tensor, n + 1);
    int status = read_tensors(stage, &s, tensors, &count, e);
    if (status == RN_OK)
        status = save_parts(stage, &s, e);
    struct memory_stream *fitted = blob_stream(&s), *live = blob_stream(&s);
    if (status == RN_OK)
        status = data_save(stage->data, &fitted->api);
    if (status != RN_OK && e && !e->status)
        error_set(e, status, "the state of the data's transforms could not be saved");
    for (uint32_t i = 0; i < stage->live.count; i++) {
        const struct live_value *v = &stage->live.at[i];
        uint32_t held = v->held;
        stream_write(&live->api, &held, sizeof held);
        stream_write(&live->api, &v->now, sizeof v->now);
    }
    keep(&s, fitted->data);
    keep(&s, live->data);
    save_means(stage, &s);
    struct text split = {0};
    data_split_write(stage->data, &split);
    add_blob(&s, "position", at, sizeof *at);
    add_blob(&s, "data", fitted->data, fitted->bytes);
    add_blob(&s, "live", live->data, live->bytes);
    add_blob(&s, "split", text_get(&split), split.length);
    struct checkpoint c = {at->step, (double)at->step / (double)stage->steps_per_epoch,
                           count,    tensors,
                           s.count,  s.blobs};
    if (status == RN_OK)
        status = checkpoint_write(r, name, &c, current, keep_count, e);
    text_finish(&split);
    for (uint32_t i = 0; i < s.owned_count; i++)
        memory_release(s.owned[i]);
    memory_release(s.owned);
    memory_release(s.blobs);
    arena_destroy(s.a);
    return status;
}

/* -------------------------------------------------------------------- load */

static int load_tensors(struct stage *stage, const struct checkpoint *c,
                        struct rn_error *e) {
    const struct variables *all = stage->programs->variables;
    for (uint32_t i = 0; i < variables_count(all); i++) {
        const struct variable *v = variables_at(all, i);
        const struct checkpoint_tensor *found = NULL;
        if (!v->checkpointed)
            continue;
        for (uint32_t k = 0; k < c->tensor_count && !found; k++)
            if (strcmp(c->tensors[k].name, v->name) == 0)
                found = &c->tensors[k];
        if (!found && v->optional)
            continue;
        if (!found)
            return error_set(e, RN_E_CHECKPOINT, "the checkpoint has no '%s'", v->name);
        if (found->dtype != v->dtype || found->rank != v->rank ||
            memcmp(found->shape, v->shape, v->rank * sizeof *v->shape) != 0)
            return error_set(e, RN_E_CHECKPOINT,
                             "'%s' has another shape in the checkpoint", v->name);
        int status = device_variable_write(stage->device, i, found->data, e);
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

typedef int32_t (*load_fn)(void *self, struct rn_stream *s, struct rn_error *e);

static int load_part(struct arena *a, const struct part *p, load_fn fn,
                     const struct checkpoint_file *f, struct rn_error *e) {
    if (!fn)
        return RN_OK;
    const struct checkpoint_blob *b =
        checkpoint_blob(f, arena_format(a, "part.%s", p->path));
    if (!b)
        return RN_OK;
    int status = fn(instance_self(p->instance), state_stream(a, b->data, b->bytes), e);
    if (status != RN_OK && e && !e->status)
        error_set(e, RN_E_CHECKPOINT, "its state could not be read");
    return status ? error_context(e, "%s", p->path), status : RN_OK;
}

/* As checkpoints held it before means were kept by loss: totals by rows. */
struct position_1 {
    int64_t step, rows;
    struct loader_position loader;
    double epoch_loss, epoch_weight, interval_loss, interval_weight;
    double best, early_best;
    int64_t early_bad, skipped;
    uint64_t done;
};

/* A mean over rows, as if it all were the first loss's: what follows is added to it by
 * rows, as it was. */
static void spread_mean(struct stage *s, struct means *m, double sum, double rows) {
    for (uint32_t i = 0; i < m->count; i++)
        means_add(m, i, 0.0, rows * s->programs->elements[i]);
    if (m->count && s->programs->factors[0] != 0.0)
        m->sum[0] += sum * s->programs->elements[0] / s->programs->factors[0];
}

static void position_from_1(struct stage *s, const struct position_1 *old,
                            struct position *at) {
    *at = (struct position){.step = old->step,
                            .rows = old->rows,
                            .loader = old->loader,
                            .best = old->best,
                            .early_best = old->early_best,
                            .early_bad = old->early_bad,
                            .skipped = old->skipped,
                            .done = old->done};
    spread_mean(s, &s->trainers[0].of_row, old->interval_loss, old->interval_weight);
    spread_mean(s, &s->trainers[0].of_epoch, old->epoch_loss, old->epoch_weight);
}

static int load_position(struct stage *stage, const struct checkpoint_file *f,
                         struct position *at, struct rn_error *e) {
    const struct checkpoint_blob *b = checkpoint_blob(f, "position");
    struct position_1 old;
    if (b && b->bytes == sizeof *at) {
        memcpy(at, b->data, sizeof *at);
        return RN_OK;
    }
    if (!b || b->bytes != sizeof old)
        return error_set(e, RN_E_CHECKPOINT,
                         "the checkpoint does not say where it stands");
    memcpy(&old, b->data, sizeof old);
    position_from_1(stage, &old, at);
    return RN_OK;
}

static void load_means(struct stage *stage, struct arena *a,
                       const struct checkpoint_file *f) {
    for (uint32_t o = 0; o < stage->programs->objective_count; o++) {
        struct trainer *t = &stage->trainers[o];
        const struct checkpoint_blob *b = checkpoint_blob(f, steps_name(a, stage, o));
        int64_t steps[2] = {0};
        if (b && b->bytes == sizeof steps)
            memcpy(steps, b->data, sizeof steps);
        t->ran = steps[0], t->skipped = steps[1];
        for (uint32_t i = 0; i < t->of_row.count; i++) {
            double v[4];
            b = checkpoint_blob(f, means_name(a, stage, o, i));
            if (!b || b->bytes != sizeof v)
                continue;
            memcpy(v, b->data, sizeof v);
            means_add(&t->of_row, i, v[0], v[1]);
            means_add(&t->of_epoch, i, v[2], v[3]);
        }
    }
}

int state_load(struct stage *stage, const struct checkpoint_file *f,
               struct position *at, bool weights_only, struct rn_error *e) {
    struct experiment *x = stage->x;
    int status = load_tensors(stage, checkpoint_get(f), e);
    if (status != RN_OK || weights_only)
        return status;
    const struct checkpoint_blob *live = checkpoint_blob(f, "live");
    if ((status = load_position(stage, f, at, e)) != RN_OK)
        return status;
    struct arena *a = arena_create();
    load_means(stage, a, f);
    for (uint32_t i = 0; i < x->schedules.count && status == RN_OK; i++)
        status = load_part(
            a, &x->schedules.at[i],
            ((const struct rn_schedule *)x->schedules.at[i].component->iface)->load, f,
            e);
    for (uint32_t i = 0; i < x->hooks.count && status == RN_OK; i++)
        status = load_part(
            a, &x->hooks.at[i],
            ((const struct rn_hook *)x->hooks.at[i].component->iface)->load, f, e);
    struct rn_stream *s = live ? state_stream(a, live->data, live->bytes) : NULL;
    for (uint32_t i = 0; s && i < stage->live.count && status == RN_OK; i++) {
        uint32_t held = 0;
        double now = 0.0;
        if (stream_read(s, &held, sizeof held) != RN_OK ||
            stream_read(s, &now, sizeof now) != RN_OK)
            status = error_set(e, RN_E_CHECKPOINT, "live values are cut short");
        stage->live.at[i].held = held != 0;
        stage->live.at[i].now = now;
    }
    arena_destroy(a);
    return status;
}
