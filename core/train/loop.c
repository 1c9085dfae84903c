/* SPDX-License-Identifier: Apache-2.0 */
/* Steps: batches through the objectives' programs; what happens between them. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "train/loop.h"

double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ------------------------------------------------------------- setting up */

void loop_prepare(struct loop *l) {
    struct stage *s = l->s;
    uint32_t n = s->x->losses.count;
    l->weights = arena_array(s->arena, double, n + 1);
    l->row_elements = arena_array(s->arena, double, n + 1);
    /* Weight of one row of each loss when nothing weighs it: its terms per row. */
    for (uint32_t i = 0; i < n; i++)
        l->row_elements[i] = s->programs->elements[i];
}

int loop_open_loader(struct loop *l, struct rn_error *e) {
    struct stage *s = l->s;
    struct loader_options o = {.split = DATA_TRAIN,
                               .batch = (uint64_t)(s->batch * s->accumulate),
                               .shuffle = true,
                               .augment = true,
                               .places = s->resident.rows > 0,
                               .seed = s->x->seed,
                               .workers = data_workers(s->data),
                               .crowded = stage_crowds(s),
                               .keep = 2,
                               .watch = l->loader_watch};
    return loader_open(s->data, &o, &l->loader, e);
}

/* -------------------------------------------------------- one micro-batch */

static struct shaped *of_rows(struct shaped *all, uint32_t count, int64_t rows) {
    for (uint32_t i = 0; i < count; i++)
        if (all[i].rows == rows)
            return &all[i];
    return NULL;
}

static int no_program(int64_t rows, struct rn_error *e) {
    return error_set(e, RN_E_INTERNAL, "no program takes %lld rows", (long long)rows);
}

static int read_f32(struct program *p, const char *name, double *out,
                    struct rn_error *e) {
    const float *v = program_output(p, program_output_index(p, name), e);
    if (!v)
        return e->status ? e->status : RN_E_INTERNAL;
    *out = (double)*v;
    return RN_OK;
}

/* Total weight of each by-row loss over the whole step, before any gradient. */
static int total_weights(struct loop *l, struct trainer *t, const struct batch *b,
                         double *weights, struct rn_error *e) {
    struct stage *s = l->s;
    uint32_t n = s->x->losses.count;
    for (uint32_t i = 0; i < n; i++)
        weights[i] = t->weights ? 0.0 : (double)b->rows * l->row_elements[i];
    for (int64_t row = 0; t->weights && row < (int64_t)b->rows;) {
        int64_t rows =
            (int64_t)b->rows - row < s->batch ? (int64_t)b->rows - row : s->batch;
        struct shaped *p = of_rows(t->weights, t->count, rows);
        int status = p ? stage_feed(s, p, b, row, e) : no_program(rows, e);
        if (status != RN_OK)
            return status;
        stage_scalars(s, p, l->at.step, row);
        status = program_run(p->program, e);
        for (uint32_t i = 0; i < n && status == RN_OK; i++) {
            char name[40];
            double w = 0.0;
            snprintf(name, sizeof name, "weight.%u", i);
            if (program_output_index(p->program, name) < 0)
                continue;
            status = read_f32(p->program, name, &w, e);
            weights[i] += w;
        }
        if (status != RN_OK)
            return status;
        row += rows;
    }
    return RN_OK;
}

/* A step in parts: gradients summed over micro-batches, then one update. */
static int step_accumulated(struct loop *l, uint32_t objective, const struct batch *b,
                            struct step_result *out, struct rn_error *e) {
    struct stage *s = l->s;
    struct trainer *t = &s->trainers[objective];
    double *weights = l->weights;
    int status = total_weights(l, t, b, weights, e);
    out->loss = 0.0;
    for (int64_t row = 0; row < (int64_t)b->rows && status == RN_OK;) {
        int64_t rows =
            (int64_t)b->rows - row < s->batch ? (int64_t)b->rows - row : s->batch;
        struct shaped *p = of_rows(t->step, t->count, rows);
        double part = 0.0;
        status = p ? stage_feed(s, p, b, row, e) : no_program(rows, e);
        if (status != RN_OK)
            return status;
        stage_scalars(s, p, l->at.step, row);
        program_set_u32(p->program, p->first, row == 0);
        program_set_f32(p->program, p->share, (float)((double)rows / (double)b->rows));
        for (uint32_t i = 0; i < s->x->losses.count; i++)
            program_set_f32(p->program, p->inverse[i],
                            weights[i] > 0.0 ? (float)(1.0 / weights[i]) : 0.0f);
        status = program_run(p->program, e);
        if (status == RN_OK)
            status = read_f32(p->program, "loss", &part, e);
        out->loss += part;
        row += rows;
    }
    if (status != RN_OK)
        return status;
    stage_scalars(s, &t->apply, l->at.step, 0);
    status = program_run(t->apply.program, e);
    out->ran = t->apply.program;
    return status;
}

static int step_whole(struct loop *l, uint32_t objective, const struct batch *b,
                      bool tapped, struct step_result *out, struct rn_error *e) {
    struct stage *s = l->s;
    struct trainer *t = &s->trainers[objective];
    struct shaped *p =
        of_rows(tapped && t->tapped ? t->tapped : t->step, t->count, (int64_t)b->rows);
    if (!p)
        return no_program((int64_t)b->rows, e);
    int status = stage_feed(s, p, b, 0, e);
    if (status != RN_OK)
        return status;
    stage_scalars(s, p, l->at.step, 0);
    status = program_run(p->program, e);
    if (status == RN_OK)
        status = read_f32(p->program, "loss", &out->loss, e);
    out->ran = p->program;
    return status;
}

/* What one program has to say of the gradient's scale. */
static int read_scaling(struct trainer *t, struct step_result *one,
                        struct rn_error *e) {
    struct program *p = one->ran;
    const uint8_t *over = program_output(p, program_output_index(p, "overflow"), e);
    const int64_t *count =
        over ? program_output(p, program_output_index(p, "overflows"), e) : NULL;
    if (!count)
        return e->status ? e->status : RN_E_INTERNAL;
    one->overflowed = t->overflowed = *over && isfinite(one->loss);
    t->overflows = *count;
    return read_f32(p, "scale", &t->scale, e);
}

int loop_step(struct loop *l, const struct batch *b, bool tapped,
              struct step_result *out, struct rn_error *e) {
    struct stage *s = l->s;
    struct programs *p = s->programs;
    double loss = 0.0;
    int status = live_step(&s->live, l->at.step, e);
    *out = (struct step_result){.updated = true};
    for (uint32_t o = 0; o < p->objective_count && status == RN_OK; o++) {
        s->trainers[o].overflowed = false;
        if (l->at.step % p->objectives[o].every)
            continue;
        struct step_result one = {0};
        status = p->accumulate ? step_accumulated(l, o, b, &one, e)
                               : step_whole(l, o, b, tapped && o == 0, &one, e);
        if (status != RN_OK)
            break;
        const uint8_t *skipped =
            program_output(one.ran, program_output_index(one.ran, "skipped"), e);
        if (!skipped)
            return e->status ? e->status : RN_E_INTERNAL;
        status = read_f32(one.ran, "norm", &out->norm, e);
        if (status == RN_OK && p->scaling.kind == SCALING_DYNAMIC)
            status = read_scaling(&s->trainers[o], &one, e);
        out->overflowed |= one.overflowed;
        out->updated &= !*skipped || one.overflowed;
        loss += one.loss;
        if (o == 0)
            out->ran = one.ran;
        if (!*skipped || one.overflowed) {
            s->trainers[o].loss += one.loss * (double)b->rows;
            s->trainers[o].loss_rows += (double)b->rows;
        }
    }
    out->loss = loss;
    return status;
}
