/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: a ring that worker threads fill ahead. What a batch holds is a function of
 * (seed, epoch, index); which thread made it does not show. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "data/internal.h"

struct slot {
    uint64_t ticket; /* which batch it holds + 1; 0 none */
    struct batch batch;
    void **fields;
    int64_t *ids;
    uint64_t *places;
    uint32_t *repeats; /* NULL: no row comes twice in an epoch */
    int32_t **numbers;
    void *block;
    int status;
    struct rn_error error;
};

struct worker {
    struct loader *l;
    pthread_t thread;
    bool started;
    struct reader reader;
    int64_t *missing;                   /* ids that the cache lacks */
    uint64_t *missing_row;              /* where they belong in the batch */
    struct rn_tensor *changed;          /* [field_count]: views for augmenters */
    int64_t (*shapes)[RN_MAX_RANK + 1]; /* [field_count] */
    struct rn_workspace work;           /* of augmenters */
};

/* Which batches are asked for, made and handed out, under one lock. */
struct ring {
    pthread_mutex_t lock;
    pthread_cond_t filled, freed;
    uint64_t base;   /* ticket 0 is this batch, counted through all epochs */
    uint64_t next;   /* the next ticket that a worker takes */
    uint64_t handed; /* tickets given to the caller */
    uint32_t busy;   /* workers inside a batch */
    bool quit, paused;
};

struct loader {
    const struct data *data;
    struct loader_options o;
    uint64_t rows;           /* of the split */
    uint64_t count, batches; /* of an epoch */
    struct slot *slots;
    uint32_t slot_count;
    struct worker *workers; /* at least one: the caller's own */
    uint32_t worker_count;
    struct orders orders; /* of zeros where samples are streamed */
    struct stream stream; /* data NULL: the split is not a stream */
    uint32_t (*augment_keys)[2];
    uint32_t (*collate_keys)[2];
    struct cache *cache;
    struct ring ring;
    double waited;
};

/* ------------------------------------------------------------------ assembly */

static void *field_at(const struct loader *l, const struct slot *s, uint32_t f,
                      uint64_t row) {
    return (char *)s->fields[f] + row * l->data->fields[f].bytes;
}

static void from_cache(const struct loader *l, struct slot *s, uint64_t row,
                       uint64_t split_row) {
    const uint8_t *from = l->cache->rows + split_row * l->data->row_bytes;
    for (uint32_t f = 0; f < l->data->field_count; f++) {
        memcpy(field_at(l, s, f, row), from, l->data->fields[f].bytes);
        from += l->data->fields[f].bytes;
    }
}

static void to_cache(const struct loader *l, const struct slot *s, uint64_t row,
                     uint64_t split_row) {
    uint8_t *to = l->cache->rows + split_row * l->data->row_bytes, expected = 0;
    _Atomic uint8_t *state = (_Atomic uint8_t *)&l->cache->state[split_row];
    if (!atomic_compare_exchange_strong(state, &expected, 1))
        return;
    for (uint32_t f = 0; f < l->data->field_count; f++) {
        memcpy(to, field_at(l, s, f, row), l->data->fields[f].bytes);
        to += l->data->fields[f].bytes;
    }
    atomic_store(state, 2);
    atomic_fetch_add(&l->cache->there, 1);
}

/* Change the samples, or only say how. One draw a row for all fields of an augmenter.
 */
static int augment(struct loader *l, struct worker *w, struct slot *s, uint64_t epoch,
                   struct rn_error *e) {
    const struct data *data = l->data;
    for (uint32_t i = 0; i < data->augment.count; i++) {
        const struct data_augmenter *a = &data->augment.at[i];
        const char *member = l->o.places ? "decide" : "apply";
        for (uint32_t k = 0; k < a->field_count && !l->o.places; k++) {
            const struct data_field *f = &data->fields[a->fields[k]];
            w->shapes[k][0] = (int64_t)s->batch.rows;
            memcpy(w->shapes[k] + 1, f->shape, sizeof f->shape);
            w->changed[k] = (struct rn_tensor){s->fields[a->fields[k]], w->shapes[k],
                                               NULL, f->dtype, f->rank + 1};
        }
        struct guard *g = guard_begin(a->instance, &w->work);
        for (uint32_t k = 0; k < a->field_count && !l->o.places; k++)
            guard_tensor(g, RN_GUARD_OUT, "field", data->fields[a->fields[k]].name,
                         &w->changed[k]);
        struct rn_augment_call call = {
            .struct_size = sizeof call,
            .phase = RN_PHASE_TRAIN,
            .work = rn_workspace_begin(&w->work),
            .rows = s->batch.rows,
            .sample_ids = guard_bytes(g, RN_GUARD_IN, "call->sample_ids", NULL, s->ids,
                                      s->batch.rows * sizeof *s->ids),
            .key = {l->augment_keys[i][0], l->augment_keys[i][1]},
            .epoch = (uint32_t)epoch,
            .field_count = a->field_count,
            .fields = l->o.places ? NULL : w->changed,
            .numbers =
                l->o.places
                    ? guard_bytes(g, RN_GUARD_OUT, "call->numbers", NULL, s->numbers[i],
                                  s->batch.rows * a->numbers * sizeof **s->numbers)
                    : NULL,
            .repeats = guard_bytes(g, RN_GUARD_IN, "call->repeats", NULL, s->repeats,
                                   s->batch.rows * sizeof *s->repeats)};
        instance_enter(a->instance);
        int status = l->o.places ? a->iface->decide(a->self, &call, e)
                                 : a->iface->apply(a->self, &call, e);
        status = instance_leave(a->instance, member, status, e);
        status = guard_end(g, member, status, e);
        if (status != RN_OK)
            return component_error(e, a->node, a->path, a->component) ? status : status;
    }
    return RN_OK;
}

static int collate(struct loader *l, struct worker *w, struct slot *s,
                   struct rn_error *e) {
    struct collate_batch b = {.rows = s->batch.rows,
                              .epoch = s->batch.at.epoch,
                              .index = s->batch.at.index,
                              .ids = s->ids,
                              .fields = s->fields,
                              .keys = l->collate_keys,
                              .views = w->changed,
                              .shapes = w->shapes};
    return collate_apply(l->data, &b, &w->work, e);
}

/* Row `from` of what was read becomes row `to` of the batch. */
static void from_reader(const struct loader *l, const struct worker *w, struct slot *s,
                        uint64_t from, uint64_t to) {
    const struct data *data = l->data;
    for (uint32_t f = 0; f < data->field_count; f++)
        memcpy(field_at(l, s, f, to),
               w->reader.columns[data->field_columns[f]] + from * data->fields[f].bytes,
               data->fields[f].bytes);
}

/* Rows of a batch out of their order. */
static int fill_ordered(struct loader *l, struct worker *w, struct slot *s,
                        const struct order *order, struct rn_error *e) {
    const struct data *data = l->data;
    uint64_t first = s->batch.at.index * l->o.batch, missing = 0;
    uint64_t n = s->batch.rows;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t row = order->rows[first + i];
        s->ids[i] = data->splits[l->o.split].ids[row];
        s->places[i] = row;
        if (s->repeats)
            s->repeats[i] = order->repeats[first + i];
        if (l->o.places)
            continue;
        bool there =
            l->cache && atomic_load((_Atomic uint8_t *)&l->cache->state[row]) == 2;
        if (there) {
            from_cache(l, s, i, row);
        } else {
            w->missing[missing] = s->ids[i];
            w->missing_row[missing++] = i;
        }
    }
    if (!missing)
        return RN_OK;
    int status = reader_read(&w->reader, missing, w->missing, e);
    if (status == RN_OK)
        status = reader_apply(&w->reader, missing, data->pipeline.transform_count, e);
    for (uint64_t k = 0; k < missing && status == RN_OK; k++) {
        from_reader(l, w, s, k, w->missing_row[k]);
        if (l->cache)
            to_cache(l, s, w->missing_row[k], s->places[w->missing_row[k]]);
    }
    return status;
}

/* Rows of a batch as they come; in training an epoch goes on where the one before has
 * ended. In pieces where the stream ends and begins again. */
static int fill_streamed(struct loader *l, struct worker *w, struct slot *s,
                         struct rn_error *e) {
    const struct data *data = l->data;
    struct loader_position at = s->batch.at;
    uint64_t epoch = l->o.shuffle ? at.epoch * l->count : 0;
    uint64_t place = epoch + at.index * l->o.batch, n = s->batch.rows;
    bool my_turn = true;
    int status = RN_OK;
    stream_await(&l->stream, at.epoch * l->batches + at.index);
    for (uint64_t done = 0; done < n && status == RN_OK;) {
        status =
            stream_read(&l->stream, &w->reader, place + done, n - done, w->missing, e);
        uint64_t read = status == RN_OK ? w->reader.read : 0;
        for (uint64_t k = 0; k < read; k++) {
            s->ids[done + k] = w->missing[k];
            s->places[done + k] = (uint64_t)w->missing[k] - l->stream.table->offset;
            s->repeats[done + k] =
                (uint32_t)stream_repeats(&l->stream, place - epoch + done + k);
        }
        if (done + read == n) { /* others may read while this is transformed */
            stream_pass(&l->stream);
            my_turn = false;
        }
        if (status == RN_OK)
            status = reader_apply(&w->reader, read, data->pipeline.transform_count, e);
        for (uint64_t k = 0; k < read && status == RN_OK; k++)
            from_reader(l, w, s, k, done + k);
        done += read;
    }
    if (my_turn)
        stream_pass(&l->stream);
    return status;
}

static int assemble(struct loader *l, struct worker *w, struct slot *s,
                    const struct order *order, uint64_t epoch, uint64_t index) {
    struct rn_error *e = &s->error;
    s->batch.rows = loader_rows(l, index);
    s->batch.at = (struct loader_position){epoch, index};
    s->batch.last = index + 1 == l->batches;
    w->reader.phase = data_phase(l->data, l->o.split);
    w->reader.epoch = (uint32_t)epoch;
    int status = order ? fill_ordered(l, w, s, order, e) : fill_streamed(l, w, s, e);
    if (status == RN_OK && l->o.augment)
        status = augment(l, w, s, epoch, e);
    if (status == RN_OK && l->o.augment)
        status = collate(l, w, s, e);
    return status;
}

/* ---------------------------------------------------------------------- ring */

/* May a worker begin on ticket t? Its slot must be free, and it must not be more than
 * one epoch ahead of the caller, as two orders are kept. */
static bool may_begin(const struct loader *l, uint64_t t) {
    uint64_t keep = l->o.keep ? l->o.keep : 1;
    uint64_t released = l->ring.handed > keep ? l->ring.handed - keep : 0;
    uint64_t epoch = (l->ring.base + t) / l->batches,
             here = (l->ring.base + l->ring.handed) / l->batches;
    return t < released + l->slot_count && epoch <= here + 1;
}

/* Does the caller make its batches now, though there are workers? */
static bool by_caller(const struct loader *l) {
    return l->o.oversubscribed && l->cache &&
           atomic_load(&l->cache->there) == l->rows &&
           !(l->o.augment && (l->data->augment.count || l->data->collate.count));
}

/* Under the lock: take the next ticket, let go, work, lock again. */
static void fill_one(struct loader *l, struct worker *w) {
    uint64_t t = l->ring.next++, at = l->ring.base + t;
    struct slot *s = &l->slots[t % l->slot_count];
    l->ring.busy++;
    s->ticket = 0;
    memset(&s->error, 0, sizeof s->error);
    bool streamed = l->stream.data != NULL;
    const struct order *order =
        streamed ? NULL : orders_get(&l->orders, at / l->batches, &s->error);
    pthread_mutex_unlock(&l->ring.lock);
    int64_t began = l->o.watch.made ? clock_ns() : 0;
    int status = s->error.status;
    if (streamed || order)
        status = assemble(l, w, s, order, at / l->batches, at % l->batches);
    if (l->o.watch.made)
        l->o.watch.made(l->o.watch.context, (uint32_t)(w - l->workers), began,
                        clock_ns());
    pthread_mutex_lock(&l->ring.lock);
    s->status = status;
    s->ticket = t + 1;
    l->ring.busy--;
    pthread_cond_broadcast(&l->ring.filled);
}

static void *work(void *context) {
    struct worker *w = context;
    struct loader *l = w->l;
    pthread_mutex_lock(&l->ring.lock);
    while (!l->ring.quit) {
        if (l->ring.paused || by_caller(l) || !may_begin(l, l->ring.next))
            pthread_cond_wait(&l->ring.freed, &l->ring.lock);
        else
            fill_one(l, w);
    }
    pthread_mutex_unlock(&l->ring.lock);
    return NULL;
}

/* Under the lock: wait for a batch, but not for long; false: a stop was asked for. */
static bool wait_filled(struct loader *l) {
    const struct timespec until = clock_deadline(100);
    return pthread_cond_timedwait(&l->ring.filled, &l->ring.lock, &until) == 0 ||
           !data_stopped(l->data);
}

int loader_next(struct loader *l, struct batch *out, struct rn_error *e) {
    int64_t began = clock_ns();
    pthread_mutex_lock(&l->ring.lock);
    uint64_t t = l->ring.handed;
    struct slot *s = &l->slots[t % l->slot_count];
    bool stopped = false;
    while (s->ticket != t + 1) {
        if (!l->o.workers || (l->ring.next == t && by_caller(l)))
            fill_one(l, &l->workers[0]); /* nobody else uses it: none is missing */
        else
            stopped = !wait_filled(l);
        if (stopped)
            break;
    }
    int status = stopped ? RN_E_CANCELLED : s->status;
    if (stopped) {
        error_set(e, status, "waiting for a batch was stopped");
    } else if (status == RN_OK) {
        l->ring.handed++;
        *out = s->batch;
        pthread_cond_broadcast(&l->ring.freed);
    } else if (e) {
        *e = s->error;
        if (!e->status)
            error_set(e, status, "a batch could not be made");
    }
    pthread_mutex_unlock(&l->ring.lock);
    l->waited += 1e-9 * (double)(clock_ns() - began);
    return status;
}

int loader_seek(struct loader *l, struct loader_position at, struct rn_error *e) {
    if (at.index > l->batches)
        return error_set(e, RN_E_CHECKPOINT, "batch %llu of an epoch of %llu",
                         (unsigned long long)at.index, (unsigned long long)l->batches);
    pthread_mutex_lock(&l->ring.lock);
    l->ring.paused = true;
    while (l->ring.busy)
        pthread_cond_wait(&l->ring.filled, &l->ring.lock);
    l->ring.base = at.epoch * l->batches + at.index;
    l->ring.next = l->ring.handed = 0;
    orders_forget(&l->orders);
    stream_seek(&l->stream, l->ring.base);
    for (uint32_t i = 0; i < l->slot_count; i++)
        l->slots[i].ticket = 0;
    l->ring.paused = false;
    pthread_cond_broadcast(&l->ring.freed);
    pthread_mutex_unlock(&l->ring.lock);
    return RN_OK;
}

struct loader_position loader_tell(const struct loader *l) {
    uint64_t at = l->ring.base + l->ring.handed;
    return (struct loader_position){at / l->batches, at % l->batches};
}

uint64_t loader_batches(const struct loader *l) {
    return l->batches;
}

uint64_t loader_rows(const struct loader *l, uint64_t index) {
    uint64_t first = index * l->o.batch;
    return l->count - first < l->o.batch ? l->count - first : l->o.batch;
}

bool loader_cache_complete(const struct loader *l) {
    return !l->cache || atomic_load(&l->cache->there) == l->rows;
}

double loader_waited(const struct loader *l) {
    return l->waited;
}

/* ---------------------------------------------------------------------- open */

/* May a row come twice in an epoch? */
static bool repeating(const struct loader *l) {
    return l->orders.repeating || l->stream.data;
}

static int open_slots(struct loader *l, struct rn_error *e) {
    const struct data *data = l->data;
    uint32_t keep = l->o.keep ? l->o.keep : 1;
    uint64_t max_rows = loader_rows(l, 0);
    l->slot_count = keep + 2 + (l->o.workers ? l->o.workers + 1 : 0);
    l->slots = memory_get(memory_mul(l->slot_count, sizeof *l->slots));
    for (uint32_t i = 0; i < l->slot_count; i++) {
        struct slot *s = &l->slots[i];
        size_t bytes = 64;
        for (uint32_t f = 0; f < data->field_count && !l->o.places; f++)
            bytes += (memory_mul(max_rows, data->fields[f].bytes) + 63) / 64 * 64;
        s->block = memory_try(bytes);
        s->ids = memory_try(memory_mul(max_rows + 1, sizeof *s->ids));
        s->places = memory_try(memory_mul(max_rows + 1, sizeof *s->places));
        s->fields = memory_get(memory_mul(data->field_count + 1, sizeof *s->fields));
        s->numbers =
            memory_get(memory_mul(data->augment.count + 1, sizeof *s->numbers));
        if (repeating(l))
            s->repeats = memory_try(memory_mul(max_rows + 1, sizeof *s->repeats));
        bool all = s->block && s->ids && s->places;
        all &= !repeating(l) || s->repeats;
        for (uint32_t k = 0; k < data->augment.count && l->o.places; k++) {
            uint64_t row = data->augment.at[k].numbers * sizeof **s->numbers;
            s->numbers[k] = memory_try(memory_mul(max_rows + 1, row));
            all &= s->numbers[k] != NULL;
        }
        if (!all)
            return error_set(e, RN_E_MEMORY, "no memory for batches of %llu samples",
                             (unsigned long long)max_rows);
        uint8_t *p = (uint8_t *)(((uintptr_t)s->block + 63) / 64 * 64);
        for (uint32_t f = 0; f < data->field_count && !l->o.places; f++) {
            s->fields[f] = p;
            p += (max_rows * data->fields[f].bytes + 63) / 64 * 64;
        }
        s->batch.fields = s->fields;
        s->batch.field_count = data->field_count;
        s->batch.ids = s->ids;
        s->batch.places = s->places;
        s->batch.repeats = s->repeats;
        s->batch.numbers = s->numbers;
    }
    return RN_OK;
}

static void open_cache(struct loader *l) {
    struct data *data = (struct data *)(uintptr_t)l->data;
    struct cache **c = &data->caches[l->o.split];
    uint64_t bytes = memory_mul(l->rows, data->row_bytes);
    if (l->o.once || l->o.places || l->stream.data)
        return;
    if (!*c && bytes <= data->sizes.cache_bytes) {
        struct cache fresh = {.rows = memory_large(bytes + 1),
                              .state = memory_large(l->rows + 1)};
        if (fresh.rows && fresh.state) {
            memset(fresh.state, 0, l->rows + 1);
            *c = arena_new(data->arena, struct cache);
            (*c)->rows = fresh.rows;
            (*c)->state = fresh.state;
        } else {
            memory_release(fresh.rows);
            memory_release(fresh.state);
        }
    }
    l->cache = *c;
}

static int open_workers(struct loader *l, struct rn_error *e) {
    const struct data *data = l->data;
    const struct table *t = &data->sources.at[data->splits[l->o.split].table];
    uint64_t max_rows = loader_rows(l, 0);
    l->worker_count = l->o.workers ? l->o.workers : 1;
    l->workers = memory_get(memory_mul(l->worker_count, sizeof *l->workers));
    for (uint32_t i = 0; i < l->worker_count; i++) {
        struct worker *w = &l->workers[i];
        w->l = l;
        w->missing = memory_get(memory_mul(max_rows + 1, sizeof *w->missing));
        w->missing_row = memory_get(memory_mul(max_rows + 1, sizeof *w->missing_row));
        w->changed = memory_get(memory_mul(data->field_count + 1, sizeof *w->changed));
        w->shapes = memory_get(memory_mul(data->field_count + 1, sizeof *w->shapes));
        w->work = data_workspace(data);
        int status = RN_OK;
        if (l->stream.data && i)
            status = reader_share(&l->workers[0].reader, max_rows, &w->reader, e);
        else if (!l->o.places)
            status =
                reader_open(data, t, max_rows, data->pipeline.demand, &w->reader, e);
        w->reader.may_end = true;
        if (status != RN_OK)
            return status;
    }
    for (uint32_t i = 0; l->o.workers && i < l->worker_count; i++) {
        if (pthread_create(&l->workers[i].thread, NULL, work, &l->workers[i]) != 0)
            return error_set(e, RN_E_MEMORY, "data worker %u cannot be started", i + 1);
        l->workers[i].started = true;
    }
    return RN_OK;
}

/* Of the components of a section. */
static uint32_t (*make_keys(struct loader *l, const char *section, uint32_t count))[2] {
    uint32_t(*keys)[2] = memory_get(memory_mul(count + 1, sizeof *keys));
    char purpose[40];
    for (uint32_t i = 0; i < count; i++) {
        snprintf(purpose, sizeof purpose, "%s.%u", section, i);
        data_key(l->o.seed, purpose, keys[i]);
    }
    return keys;
}

/* Which rows, in which order. */
static int open_rows(struct loader *l, struct rn_error *e) {
    const struct data *data = l->data;
    const struct loader_options *o = &l->o;
    int status = RN_OK;
    if (data_is_stream(data, o->split)) {
        stream_open(&l->stream, data, &data->sources.at[data->splits[o->split].table]);
        l->count = o->shuffle ? data_epoch_rows(data) : l->rows;
    } else {
        status = orders_open(&l->orders, data, o->split, o->shuffle, o->seed, e);
        l->count = l->orders.count;
    }
    return status;
}

int loader_open(const struct data *data, const struct loader_options *o,
                struct loader **out, struct rn_error *e) {
    struct loader *l = memory_get(sizeof *l);
    *out = l;
    l->data = data;
    l->o = *o;
    l->o.workers = o->places ? 0 : o->workers; /* there is nothing to prepare */
    pthread_mutex_init(&l->ring.lock, NULL);
    pthread_cond_init(&l->ring.filled, NULL);
    pthread_cond_init(&l->ring.freed, NULL);
    l->rows = data->splits[o->split].rows;
    if (!l->rows || !o->batch)
        return error_set(e, RN_E_DATA, "the split '%s' has no samples",
                         data_split_name(o->split));
    int status = open_rows(l, e);
    if (status != RN_OK)
        return status;
    l->batches = (l->count + o->batch - 1) / o->batch;
    l->augment_keys = make_keys(l, "augment", data->augment.count);
    l->collate_keys = make_keys(l, "collate", data->collate.count);
    open_cache(l);
    status = open_slots(l, e);
    return status ? status : open_workers(l, e);
}

void loader_close(struct loader *l) {
    if (!l)
        return;
    pthread_mutex_lock(&l->ring.lock);
    l->ring.quit = true;
    pthread_cond_broadcast(&l->ring.freed);
    pthread_mutex_unlock(&l->ring.lock);
    for (uint32_t i = 0; i < l->worker_count; i++) {
        struct worker *w = &l->workers[i];
        if (w->started)
            pthread_join(w->thread, NULL);
        if (w->reader.data)
            reader_close(&w->reader);
        memory_release(w->missing);
        memory_release(w->missing_row);
        memory_release(w->changed);
        memory_release(w->shapes);
        rn_workspace_finish(&w->work);
    }
    for (uint32_t i = 0; i < l->slot_count && l->slots; i++) {
        memory_release(l->slots[i].block);
        memory_release(l->slots[i].ids);
        memory_release(l->slots[i].places);
        memory_release(l->slots[i].repeats);
        for (uint32_t k = 0; k < l->data->augment.count && l->slots[i].numbers; k++)
            memory_release(l->slots[i].numbers[k]);
        memory_release(l->slots[i].numbers);
        memory_release(l->slots[i].fields);
    }
    memory_release(l->slots);
    memory_release(l->workers);
    memory_release(l->augment_keys);
    memory_release(l->collate_keys);
    orders_close(&l->orders);
    stream_close(&l->stream);
    pthread_cond_destroy(&l->ring.filled);
    pthread_cond_destroy(&l->ring.freed);
    pthread_mutex_destroy(&l->ring.lock);
    memory_release(l);
}
