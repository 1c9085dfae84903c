/* SPDX-License-Identifier: Apache-2.0 */
/* A device that is not there: the cpu's kernels behind memory of its own and streams
 * that run late. For finding, without a GPU, what only fails on one: a device pointer
 * that the host follows crashes, a buffer that is reused too early gives other numbers,
 * an event that is forgotten leaves NaN.
 *
 * A device pointer is the real address with one bit flipped, which no process may use.
 * Each stream is a thread with a queue; between two operations it sleeps now and then.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../cpu/cpu.h"

#define TAG ((uintptr_t)1 << 54)

struct block { /* device memory that is allocated */
    struct block *next;
    char *real;
    uint64_t bytes;
};

struct fake {
    struct cpu_engine *engine;
    int64_t delay; /* microseconds, the longest sleep */
    uint32_t streams;
    pthread_mutex_t lock; /* of all that follows, events and queues too */
    pthread_cond_t changed;
    struct block *blocks;
    struct rn_error error; /* the first that happened on a stream; sticks */
};

struct event {
    uint64_t recorded, passed; /* how often asked, how often reached */
};

enum kind { COPY, ZERO, RUN, RECORD, WAIT };

struct operation {
    struct operation *next;
    enum kind kind;
    char *to;
    const char *from;
    uint64_t bytes;
    struct event *event;
    uint64_t count; /* RECORD, WAIT: the event's number */
    struct exe *exe;
    int64_t *times; /* RUN: of its nodes, or NULL */
    void *bases[];  /* RUN */
};

struct stream {
    struct fake *fake;
    pthread_t thread;
    struct operation *first, *last;
    bool busy, stop;
    uint32_t dice;
};

struct exe {
    struct cpu_exe *program;
    uint32_t base_count;
    pthread_mutex_t one; /* run at a time */
};

/* ------------------------------------------------------------------ memory */

/* The host address of [p, p + bytes) on the device, NULL if it is not all ours. */
static char *real_of(struct fake *f, const void *p, uint64_t bytes) {
    uintptr_t at = (uintptr_t)p ^ TAG;
    char *real = NULL;
    pthread_mutex_lock(&f->lock);
    for (struct block *b = f->blocks; b && !real; b = b->next) {
        uintptr_t first = (uintptr_t)b->real;
        if (at >= first && at - first <= b->bytes && bytes <= b->bytes - (at - first))
            real = b->real + (at - first);
    }
    pthread_mutex_unlock(&f->lock);
    return real;
}

static int32_t allocate(void *self, struct rn_backend_alloc *call, struct rn_error *e) {
    struct fake *f = self;
    struct block *b = NULL;
    uint64_t bytes = call->bytes;
    bool on_device = call->space == RN_SPACE_DEVICE;
    char *real = bytes > SIZE_MAX / 2
                     ? NULL
                     : aligned_alloc(64, (size_t)((bytes + 127) / 64 * 64));
    if (real && on_device)
        b = calloc(1, sizeof *b);
    if (!real || (on_device && !b)) {
        free(real);
        return rn_fail(e, RN_E_MEMORY, "device memory is used up", NULL, NULL);
    }
    memset(real, 0xff, (size_t)bytes); /* NaN: what was never written shows */
    call->memory = real;
    if (!b)
        return RN_OK;
    b->real = real;
    b->bytes = bytes;
    pthread_mutex_lock(&f->lock);
    b->next = f->blocks;
    f->blocks = b;
    pthread_mutex_unlock(&f->lock);
    call->memory = (void *)((uintptr_t)real ^ TAG);
    return RN_OK;
}

static void release(void *self, int32_t space, void *p) {
    struct fake *f = self;
    if (!p || space != RN_SPACE_DEVICE) {
        free(p);
        return;
    }
    pthread_mutex_lock(&f->lock);
    for (struct block **at = &f->blocks; *at; at = &(*at)->next)
        if (((uintptr_t)(*at)->real ^ TAG) == (uintptr_t)p) {
            struct block *b = *at;
            *at = b->next;
            memset(b->real, 0xff, (size_t)b->bytes);
            free(b->real);
            free(b);
            break;
        }
    pthread_mutex_unlock(&f->lock);
}

/* ----------------------------------------------------------------- streams */

static void sleep_a_little(struct stream *s) {
    s->dice = s->dice * 1664525u + 1013904223u;
    int64_t most = s->fake->delay;
    if (most < 1 || (s->dice >> 28) > 3)
        return;
    struct timespec t = {0, (long)((s->dice >> 8) % (uint32_t)most + 1) * 1000};
    nanosleep(&t, NULL);
}

static void perform(struct stream *s, struct operation *o) {
    struct fake *f = s->fake;
    struct rn_error error = {0};
    int32_t status = RN_OK;
    sleep_a_little(s);
    if (o->kind == COPY)
        memmove(o->to, o->from, (size_t)o->bytes);
    if (o->kind == ZERO)
        memset(o->to, 0, (size_t)o->bytes);
    if (o->kind == RUN) {
        pthread_mutex_lock(&o->exe->one);
        status = o->times ? cpu_profile(o->exe->program, o->bases, o->times, &error)
                          : cpu_run(o->exe->program, o->bases, &error);
        pthread_mutex_unlock(&o->exe->one);
    }
    pthread_mutex_lock(&f->lock);
    if (o->kind == RECORD && o->event->passed < o->count)
        o->event->passed = o->count;
    while (o->kind == WAIT && o->event->passed < o->count)
        pthread_cond_wait(&f->changed, &f->lock);
    if (status != RN_OK && f->error.status == RN_OK) {
        f->error = error;
        f->error.status = status;
    }
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void *work(void *context) {
    struct stream *s = context;
    struct fake *f = s->fake;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        while (!s->first && !s->stop)
            pthread_cond_wait(&f->changed, &f->lock);
        struct operation *o = s->first;
        if (!o)
            break;
        s->first = o->next;
        s->busy = true;
        pthread_mutex_unlock(&f->lock);
        perform(s, o);
        free(o);
        pthread_mutex_lock(&f->lock);
        s->busy = false;
        pthread_cond_broadcast(&f->changed);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* The error that stuck, if any. With the lock held. */
static int32_t stuck(const struct fake *f, struct rn_error *e) {
    if (f->error.status != RN_OK && e)
        *e = f->error;
    return f->error.status;
}

static int32_t push(struct stream *s, struct operation *o, struct rn_error *e) {
    struct fake *f = s->fake;
    if (!o)
        return rn_fail(e, RN_E_MEMORY, "no memory for a queue", NULL, NULL);
    pthread_mutex_lock(&f->lock);
    int32_t status = stuck(f, e);
    if (status == RN_OK) {
        if (o->kind == RECORD)
            o->count = ++o->event->recorded;
        if (o->kind == WAIT)
            o->count = o->event->recorded;
        if (s->first)
            s->last->next = o;
        else
            s->first = o;
        s->last = o;
        pthread_cond_broadcast(&f->changed);
    }
    pthread_mutex_unlock(&f->lock);
    if (status != RN_OK)
        free(o);
    return status;
}

static struct operation *operation(enum kind kind, size_t bases) {
    struct operation *o = calloc(1, sizeof *o + bases * sizeof o->bases[0]);
    if (o)
        o->kind = kind;
    return o;
}

static int32_t stream_create(void *self, void **out, struct rn_error *e) {
    struct fake *f = self;
    struct stream *s = calloc(1, sizeof *s);
    *out = NULL;
    if (s) {
        s->fake = f;
        s->dice = 12345u + 7919u * f->streams++;
    }
    if (!s || pthread_create(&s->thread, NULL, work, s) != 0) {
        free(s);
        return rn_fail(e, RN_E_MEMORY, "no memory for a stream", NULL, NULL);
    }
    *out = s;
    return RN_OK;
}

static void stream_destroy(void *self, void *stream) {
    struct fake *f = self;
    struct stream *s = stream;
    if (!s)
        return;
    pthread_mutex_lock(&f->lock);
    s->stop = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    pthread_join(s->thread, NULL);
    free(s);
}

static int32_t stream_sync(void *self, void *stream, struct rn_error *e) {
    struct fake *f = self;
    struct stream *s = stream;
    pthread_mutex_lock(&f->lock);
    while (s->first || s->busy)
        pthread_cond_wait(&f->changed, &f->lock);
    int32_t status = stuck(f, e);
    pthread_mutex_unlock(&f->lock);
    return status;
}

static int32_t event_create(void *self, void **out, struct rn_error *e) {
    (void)self;
    *out = calloc(1, sizeof(struct event));
    return *out ? RN_OK : rn_fail(e, RN_E_MEMORY, "no memory for an event", NULL, NULL);
}

static void event_destroy(void *self, void *event) {
    (void)self;
    free(event);
}

static int32_t event_record(void *self, void *event, void *stream, struct rn_error *e) {
    struct operation *o = operation(RECORD, 0);
    (void)self;
    if (o)
        o->event = event;
    return push(stream, o, e);
}

static int32_t event_wait(void *self, void *event, void *stream, struct rn_error *e) {
    struct operation *o = operation(WAIT, 0);
    (void)self;
    if (o)
        o->event = event;
    return push(stream, o, e);
}

static int32_t event_sync(void *self, void *event, struct rn_error *e) {
    struct fake *f = self;
    struct event *v = event;
    pthread_mutex_lock(&f->lock);
    uint64_t count = v->recorded;
    while (v->passed < count)
        pthread_cond_wait(&f->changed, &f->lock);
    int32_t status = stuck(f, e);
    pthread_mutex_unlock(&f->lock);
    return status;
}

static int32_t wrong(struct rn_error *e, const char *what) {
    return rn_fail(e, RN_E_INTERNAL, what,
                   "memory of this device is what its alloc gave, in full length",
                   NULL);
}

static int32_t copy(void *self, const struct rn_backend_copy *call,
                    struct rn_error *e) {
    bool from_device = call->direction != RN_COPY_TO_DEVICE;
    bool to_device = call->direction != RN_COPY_TO_HOST;
    char *to = to_device ? real_of(self, call->to, call->bytes) : call->to;
    const char *from =
        from_device ? real_of(self, call->from, call->bytes) : call->from;
    if (!to || !from)
        return wrong(e, "a copy reaches outside of device memory");
    if ((!to_device && (uintptr_t)to & TAG) || (!from_device && (uintptr_t)from & TAG))
        return wrong(e, "a copy takes device memory for host memory");
    struct operation *o = operation(COPY, 0);
    if (o) {
        o->to = to;
        o->from = from;
        o->bytes = call->bytes;
    }
    return push(call->stream, o, e);
}

static int32_t fill_zero(void *self, const struct rn_backend_fill *call,
                         struct rn_error *e) {
    char *to = real_of(self, call->to, call->bytes);
    if (!to)
        return wrong(e, "fill_zero reaches outside of device memory");
    struct operation *o = operation(ZERO, 0);
    if (o) {
        o->to = to;
        o->bytes = call->bytes;
    }
    return push(call->stream, o, e);
}

/* ---------------------------------------------------------------- programs */

static int32_t query(void *self, struct rn_backend_query *call, struct rn_error *e) {
    struct fake *f = self;
    return cpu_query(f->engine, call->program, call->node, call->info, e);
}

static int32_t measure(void *self, struct rn_backend_query *call, struct rn_error *e) {
    struct fake *f = self;
    return cpu_measure(f->engine, call->program, call->node, &call->nanoseconds, e);
}

static int32_t choices(void *self, const char **text, struct rn_error *e) {
    return tuning_table(((struct fake *)self)->engine, text, e);
}

static int32_t choose(void *self, const char *text, struct rn_error *e) {
    (void)e;
    cpu_choose(((struct fake *)self)->engine, text);
    return RN_OK;
}

static int32_t compile(void *self, struct rn_backend_compile *call,
                       struct rn_error *e) {
    struct fake *f = self;
    struct exe *x = calloc(1, sizeof *x);
    call->exe = NULL;
    if (!x)
        return rn_fail(e, RN_E_MEMORY, "no memory for a program", NULL, NULL);
    int32_t status = cpu_compile(f->engine, call->program, &x->program, e);
    if (status != RN_OK) {
        free(x);
        return status;
    }
    x->base_count = call->program->base_count;
    pthread_mutex_init(&x->one, NULL);
    call->exe = x;
    return RN_OK;
}

static void exe_destroy(void *self, void *exe) {
    struct exe *x = exe;
    (void)self;
    if (!x)
        return;
    cpu_exe_destroy(x->program);
    pthread_mutex_destroy(&x->one);
    free(x);
}

static int32_t run(void *self, const struct rn_backend_run *call, struct rn_error *e) {
    struct exe *x = call->exe;
    struct operation *o = operation(RUN, x->base_count);
    for (uint32_t i = 0; o && i < x->base_count; i++) {
        if (!call->bases[i]) /* a base that nothing is in */
            continue;
        o->bases[i] = real_of(self, call->bases[i], 0);
        if (!o->bases[i]) {
            free(o);
            return wrong(e, "a program is given memory that is not the device's");
        }
    }
    if (o) {
        o->exe = x;
        o->times = call->times;
    }
    return push(call->stream, o, e);
}

static int32_t profile(void *self, const struct rn_backend_run *call,
                       struct rn_error *e) {
    int32_t status = run(self, call, e);
    return status ? status : stream_sync(self, call->stream, e);
}

static int32_t peaks(void *self, struct rn_device_peaks *out, struct rn_error *e) {
    return cpu_peaks(((struct fake *)self)->engine, out, e);
}

/* ----------------------------------------------------------------- backend */

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct fake *f = calloc(1, sizeof *f);
    *self = NULL;
    if (!f)
        return rn_fail(e, RN_E_MEMORY, "no memory for a backend", NULL, NULL);
    int32_t status = cpu_engine_create(h, &f->engine, e);
    if (status != RN_OK) {
        free(f);
        return status;
    }
    f->delay = rn_get_int(h, "delay");
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    *self = f;
    return RN_OK;
}

static void destroy(void *self) {
    struct fake *f = self;
    if (!f)
        return;
    while (f->blocks) {
        struct block *b = f->blocks;
        f->blocks = b->next;
        free(b->real);
        free(b);
    }
    cpu_engine_destroy(f->engine);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static int32_t info(void *self, struct rn_device_info *out, struct rn_error *e) {
    struct fake *f = self;
    (void)e;
    out->threads = (uint32_t)cpu_engine_threads(f->engine);
    memcpy(out->name, "async_fake: the cpu, late and apart", 36);
    out->memory_bytes = cpu_memory_left();
    out->host_memory = 0;
    out->alignment = 64;
    out->fuses = 1;
    out->reduces = 1;
    out->image_block = (uint32_t)cpu_image_block(((struct fake *)self)->engine);
    out->fast_bf16 = cpu_bf16(((struct fake *)self)->engine);
    return RN_OK;
}

static const struct rn_backend iface = {.struct_size = sizeof(struct rn_backend),
                                        .create = create,
                                        .destroy = destroy,
                                        .info = info,
                                        .alloc = allocate,
                                        .release = release,
                                        .stream_create = stream_create,
                                        .stream_destroy = stream_destroy,
                                        .event_create = event_create,
                                        .event_destroy = event_destroy,
                                        .event_record = event_record,
                                        .event_wait = event_wait,
                                        .event_sync = event_sync,
                                        .stream_sync = stream_sync,
                                        .copy = copy,
                                        .fill_zero = fill_zero,
                                        .query = query,
                                        .compile = compile,
                                        .exe_destroy = exe_destroy,
                                        .run = run,
                                        .profile = profile,
                                        .peaks = peaks,
                                        .measure = measure,
                                        .choices = choices,
                                        .choose = choose};

RN_BACKEND(
    async_fake, iface, "runner/async_fake 1",
    RN_DOC("The cpu's kernels behind memory and streams like a GPU's, for tests")
        CPU_OPTIONS RN_OPTION("delay int = 50 ; min 0 ; max 100000 | longest sleep "
                              "between two operations, in microseconds"));
RN_PLUGIN(&async_fake);
