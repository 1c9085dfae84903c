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

int state_save(struct stage *stage, struct record *r, const char *name, bool current,
               uint32_t keep_count, const struct position *at, struct rn_error *e) {
    struct saver s = {.a = arena_create()};
    uint32_t n = variables_count(stage->programs->variables), count = 0;
    struct checkpoint_tensor *tensors =
        arena_array(s.a, struct checkpoint_tensor, n + 1);
    int status = read_tensors(stage, &s, tensors, &count, e);
    if (status == RN_OK)
        status = save_parts(stage, &s, e);
    struct memory_stream *fitted = blob_stream(&s), *live = blob_stream(&s),
                         *means = blob_stream(&s);
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
    for (uint32_t i = 0; i < stage->programs->objective_count; i++) {
        const struct trainer *t = &stage->trainers[i];
        stream_write(&means->api, &t->loss, sizeof t->loss);
        stream_write(&means->api, &t->loss_rows, sizeof t->loss_rows);
    }
    keep(&s, fitted->data);
    keep(&s, live->data);
    keep(&s, means->data);
    struct text split = {0};
    data_split_write(stage->data, &split);
    add_blob(&s, "position", at, sizeof *at);
    add_blob(&s, "data", fitted->data, fitted->bytes);
    add_blob(&s, "live", live->data, live->bytes);
    add_blob(&s, "objectives", means->data, means->bytes);
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

int state_load(struct stage *stage, const struct checkpoint_file *f,
               struct position *at, bool weights_only, struct rn_error *e) {
    struct experiment *x = stage->x;
    int status = load_tensors(stage, checkpoint_get(f), e);
    if (status != RN_OK || weights_only)
        return status;
    const struct checkpoint_blob *position = checkpoint_blob(f, "position");
    const struct checkpoint_blob *live = checkpoint_blob(f, "live");
    const struct checkpoint_blob *objectives = checkpoint_blob(f, "objectives");
    if (!position || position->bytes != sizeof *at)
        return error_set(e, RN_E_CHECKPOINT,
                         "the checkpoint does not say where it stands");
    if (at)
        memcpy(at, position->data, sizeof *at);
    struct arena *a = arena_create();
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
    struct rn_stream *means =
        objectives ? state_stream(a, objectives->data, objectives->bytes) : NULL;
    for (uint32_t i = 0; means && i < stage->programs->objective_count; i++) {
        struct trainer *t = &stage->trainers[i];
        if (status == RN_OK &&
            (stream_read(means, &t->loss, sizeof t->loss) != RN_OK ||
             stream_read(means, &t->loss_rows, sizeof t->loss_rows) != RN_OK))
            status = error_set(e, RN_E_CHECKPOINT, "means of losses are cut short");
    }
    arena_destroy(a);
    return status;
}
