/* SPDX-License-Identifier: Apache-2.0 */
/* How fast an experiment steps: real batches through the real step, with nothing
 * recorded, evaluated or saved. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "train/bench.h"
#include "train/loop.h"

#define STEPS_MOST (1u << 20)

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One step; *seconds of it and of the wait for its batch. */
static int timed(struct loop *l, double *seconds, double *waited, struct batch *b,
                 struct step_result *r, struct rn_error *e) {
    double began = clock_seconds();
    int status = loader_next(l->loader, b, e);
    double ready = clock_seconds();
    if (status == RN_OK)
        status = loop_step(l, b, false, r, e);
    l->at.step++;
    *seconds = clock_seconds() - began;
    *waited = ready - began;
    return status;
}

static int measure(struct loop *l, const struct bench_options *o,
                   struct bench_result *out, struct rn_error *e) {
    uint64_t full = (uint64_t)(l->engine->length.batch * l->engine->length.accumulate),
             max_steps = STEPS_MOST;
    double *steps = memory_get(max_steps * sizeof *steps), seconds, waited;
    uint64_t count = 0;
    struct batch b;
    struct step_result r = {0};
    double began = clock_seconds();
    int status = RN_OK;
    /* Warm: caches, page tables and clocks are not what is asked for, nor is the first
     * epoch, which decodes, where it is over soon. */
    for (int i = 0; status == RN_OK; i++) {
        double spent = clock_seconds() - began;
        if (i >= 3 && spent >= o->warm_seconds &&
            (loader_cache_complete(l->loader) || spent >= o->seconds))
            break;
        status = timed(l, &seconds, &waited, &b, &r, e);
        if (i == 0)
            out->first_loss = r.loss;
    }
    began = clock_seconds();
    while (status == RN_OK && out->steps < max_steps &&
           (!count || clock_seconds() - began < o->seconds)) {
        status = timed(l, &seconds, &waited, &b, &r, e);
        if (b.rows == full || full > data_epoch_rows(l->setup->data))
            steps[count++] = seconds; /* short batches are no measure of full ones */
        out->steps++;
        out->rows += b.rows;
        out->waited += waited;
    }
    out->seconds = clock_seconds() - began;
    out->last_loss = r.loss;
    qsort(steps, count, sizeof *steps, by_value);
    if (count) {
        out->median = count % 2 ? steps[count / 2]
                                : 0.5 * (steps[count / 2 - 1] + steps[count / 2]);
        out->low = steps[count / 10];
        out->high = steps[count - 1 - count / 10];
    }
    memory_release(steps);
    return status;
}

int run_bench(const struct bench_options *o, struct bench_result *out, struct diag *d) {
    struct loop l = {0};
    struct rn_error e = {0};
    struct setup_options so = {.session = o->session,
                               .file = o->file,
                               .override_count = o->override_count,
                               .overrides = o->overrides,
                               .use = ENGINE_TRAIN};
    *out = (struct bench_result){0};
    int status = loop_open(&l, &so, d);
    if (status != RN_OK)
        return status;
    status = setup_load(l.setup, d);
    if (status == RN_OK) {
        loop_prepare(&l);
        status = loop_open_loader(&l, &e);
        if (status == RN_OK)
            status = measure(&l, o, out, &e);
        if (status != RN_OK)
            diag_add(d, &e);
    }
    if (l.setup->engine->device) {
        out->memory = device_memory(l.setup->engine->device).peak;
        out->threads = device_info(l.setup->engine->device)->threads;
        snprintf(out->device, sizeof out->device, "%s",
                 device_info(l.setup->engine->device)->name);
    }
    out->batch =
        (uint64_t)(l.setup->engine->length.batch * l.setup->engine->length.accumulate);
    out->parameters = engine_parameters(l.setup->engine);
    loader_close(l.loader);
    setup_close(l.setup);
    return status;
}
