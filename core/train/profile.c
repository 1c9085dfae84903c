/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time of a step goes: real batches through the real step, each node of its
 * programs timed by the backend, each batch by the worker that makes it. */
#include "train/profile.h"
#include "base/clock.h"
#include "train/loop.h"

/* ------------------------------------------------------------- results */

struct profiling {
    struct profile_result *r;
    struct loop l;
    uint64_t step;
};

/* A program has run. */
static void ran(void *context, const struct plan *p, int64_t began, int64_t ended,
                const int64_t *times) {
    struct profiling *f = context;
    struct profile_result *r = f->r;
    size_t n = 2 * (size_t)p->program.node_count;
    struct profile_run run = {p, f->step, began, ended,
                              memory_get(memory_mul(n + 1, sizeof *times))};
    for (size_t i = 0; i < n; i++)
        run.times[i] = times[i];
    vec_push(r->runs, r->run_count, r->run_capacity, run);
}

/* A worker has made a batch; each writes its own list. */
static void made(void *context, uint32_t worker, int64_t began, int64_t ended) {
    struct profiling *f = context;
    struct profile_worker *w = &f->r->workers[worker];
    vec_push(w->at, w->count, w->capacity, (struct profile_span){began, ended});
}

/* ------------------------------------------------------------------- steps */

static int one_step(struct profiling *f, struct profile_step *s, struct rn_error *e) {
    struct loop *l = &f->l;
    struct batch b;
    struct step_result r;
    uint64_t full = (uint64_t)(l->engine->length.batch * l->engine->length.accumulate);
    s->began = clock_ns();
    int status = loader_next(l->loader, &b, e);
    s->ready = clock_ns();
    if (status == RN_OK)
        status = loop_step(l, &b, false, &r, e);
    s->ended = clock_ns();
    s->full =
        status == RN_OK && (b.rows == full || full > data_epoch_rows(l->setup->data));
    s->kind = 0;
    for (uint32_t i = 0; i < l->engine->programs->objective_count; i++)
        if (l->at.step % l->engine->programs->objectives[i].every == 0)
            s->kind |= (uint64_t)1 << (i % 64);
    l->at.step++;
    return status;
}

/* The slower half of each kind of steps shows what else the machine did. Mean seconds
 * of the steps that count. */
static double choose(struct profile_step *all, uint64_t n) {
    double seconds = 0.0;
    uint64_t count = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t faster = 0, alike = 0;
        int64_t took = all[i].ended - all[i].began;
        for (uint64_t k = 0; k < n; k++) {
            int64_t other = all[k].ended - all[k].began;
            if (!all[k].full || all[k].kind != all[i].kind)
                continue;
            alike++;
            faster += other < took || (other == took && k < i);
        }
        all[i].counts = all[i].full && faster < (alike + 1) / 2;
        if (all[i].counts) {
            seconds += 1e-9 * (double)took;
            count++;
        }
    }
    return count ? seconds / (double)count : 0.0;
}

/* o->steps full ones, and whatever else comes between. */
static int steps(struct profiling *f, const struct profile_options *o,
                 struct profile_step *all, uint64_t *count, struct rn_error *e) {
    uint64_t full = 0;
    int status = RN_OK;
    *count = 0;
    while (full < o->steps && *count < 2 * o->steps && status == RN_OK) {
        f->step = *count;
        status = one_step(f, &all[*count], e);
        full += all[(*count)++].full;
    }
    return status;
}

/* Each node of p over the runs of the steps that count. */
static void count_nodes(struct profile_result *r, const struct plan *p,
                        uint64_t counted) {
    for (uint32_t i = 0; i < p->program.node_count; i++) {
        double seconds = 0.0;
        uint64_t n = 0;
        for (uint32_t k = 0; k < r->run_count; k++) {
            const struct profile_run *run = &r->runs[k];
            if (run->plan != p || !r->steps[run->step].counts)
                continue;
            seconds += 1e-9 * (double)(run->times[2 * i + 1] - run->times[2 * i]);
            n++;
        }
        struct profile_node node = {p, i, (double)n / (double)counted,
                                    n ? seconds / (double)n : 0.0};
        if (n)
            vec_push(r->nodes, r->node_count, r->node_capacity, node);
    }
}

static void count(struct profile_result *r) {
    uint64_t counted = 0;
    int64_t waited = 0, all = 0;
    r->step = choose(r->steps, r->step_count);
    for (uint64_t i = 0; i < r->step_count; i++) {
        counted += r->steps[i].counts;
        waited += r->steps[i].ready - r->steps[i].began;
        all += r->steps[i].ended - r->steps[i].began;
    }
    r->waited = all ? (double)waited / (double)all : 0.0;
    for (uint32_t k = 0; k < r->run_count && counted; k++) {
        bool seen = false;
        for (uint32_t j = 0; j < k && !seen; j++)
            seen = r->runs[j].plan == r->runs[k].plan;
        if (!seen)
            count_nodes(r, r->runs[k].plan, counted);
    }
}

static int measure(struct profiling *f, const struct profile_options *o,
                   struct rn_error *e) {
    struct profile_result *r = f->r;
    struct setup *s = f->l.setup;
    struct device_watch watch = {f, ran};
    /* A backend that cannot says so before the time is spent. */
    int status = device_watch(s->engine->device, &watch, e);
    if (status == RN_OK)
        status = device_watch(s->engine->device, NULL, e);
    if (status == RN_OK)
        status = device_peaks(s->engine->device, &r->peaks, e);
    r->steps = memory_get(memory_mul(2 * o->steps + 1, sizeof *r->steps));
    double began = clock_seconds();
    for (int i = 0;
         status == RN_OK && (i < 3 || clock_seconds() - began < o->warm_seconds); i++)
        status = one_step(f, &r->steps[0], e);
    if (status == RN_OK)
        status = steps(f, o, r->steps, &r->step_count, e);
    r->plain = choose(r->steps, r->step_count);
    if (status == RN_OK)
        status = device_watch(s->engine->device, &watch, e);
    return status ? status : steps(f, o, r->steps, &r->step_count, e);
}

int run_profile(const struct profile_options *o, struct profile_result *out,
                struct diag *d) {
    struct profiling f = {.r = out};
    struct rn_error e = {0};
    struct setup_options so = {.session = o->session,
                               .file = o->file,
                               .override_count = o->override_count,
                               .overrides = o->overrides,
                               .use = ENGINE_TRAIN};
    *out = (struct profile_result){0};
    int status = loop_open(&f.l, &so, d);
    out->s = f.l.setup;
    if (status == RN_OK)
        status = setup_load(out->s, d);
    if (status != RN_OK)
        return status;
    out->in_loop = !data_workers(out->s->data);
    out->worker_count = out->in_loop ? 1 : data_workers(out->s->data);
    out->workers = memory_get(memory_mul(out->worker_count, sizeof *out->workers));
    f.l.loader_watch = (struct loader_watch){&f, made};
    loop_prepare(&f.l);
    status = loop_open_loader(&f.l, &e);
    if (status == RN_OK)
        status = measure(&f, o, &e);
    loader_close(f.l.loader); /* the workers' lists stay as they are from here on */
    device_watch(out->s->engine->device, NULL, NULL);
    if (status == RN_OK)
        count(out);
    else
        diag_add(d, &e);
    return status;
}

void profile_finish(struct profile_result *r) {
    for (uint32_t i = 0; i < r->run_count; i++)
        memory_release(r->runs[i].times);
    for (uint32_t i = 0; i < r->worker_count; i++)
        memory_release(r->workers[i].at);
    memory_release(r->runs);
    memory_release(r->workers);
    memory_release(r->nodes);
    memory_release(r->steps);
    setup_close(r->s);
}
