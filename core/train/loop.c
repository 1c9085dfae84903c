/* SPDX-License-Identifier: Apache-2.0 */
/* Steps: batches through the objectives' programs; what happens between them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "train/loop.h"

#define ANOMALIES 3 /* steps of a run that are looked into, with train.on_nan: skip */

/* ------------------------------------------------------------- setting up */

int loop_open(struct loop *l, const struct setup_options *o, struct diag *d) {
    l->setup = setup_open(o, d);
    l->engine = l->setup ? l->setup->engine : NULL;
    return l->setup ? RN_OK : diag_status(d);
}

void loop_prepare(struct loop *l) {
    struct setup *s = l->setup;
    means_init(&l->step_means, s->arena, s->x->losses.count);
}

int loop_open_loader(struct loop *l, struct rn_error *e) {
    struct setup *s = l->setup;
    struct loader_options o = {
        .split = DATA_TRAIN,
        .batch = (uint64_t)(s->engine->length.batch * s->engine->length.accumulate),
        .shuffle = true,
        .augment = true,
        .places = s->engine->programs->resident.rows > 0,
        .seed = s->x->seed,
        .workers = data_workers(s->data),
        .oversubscribed = engine_oversubscribes(s->engine->info),
        .keep = 2,
        .watch = l->loader_watch};
    return loader_open(s->data, &o, &l->loader, e);
}

/* -------------------------------------------------------- one micro-batch */

static int read_f32(struct program *p, int output, double *out, struct rn_error *e) {
    const float *v = program_output(p, output, e);
    if (!v)
        return e->status ? e->status : RN_E_INTERNAL;
    *out = (double)*v;
    return RN_OK;
}

/* What rows of loss i weigh: what the program that has run says, else one weight each.
 */
static int loss_weight(struct setup *s, struct program_variant *p, uint32_t i,
                       double rows, double *out, struct rn_error *e) {
    *out = rows * s->engine->programs->elements[i];
    return p->weight[i] < 0 ? RN_OK : read_f32(p->program, p->weight[i], out, e);
}

static bool minimises(const struct objective *o, uint32_t loss) {
    for (uint32_t k = 0; k < o->loss_count; k++)
        if (o->losses[k] == loss)
            return true;
    return false;
}

/* A part of the step's batch: rows `row` .. row + *rows; its program, or NULL. */
static struct program_variant *micro_batch(struct setup *s, struct program_variant *all,
                                           uint32_t count, const struct batch *b,
                                           int64_t row, int64_t *rows,
                                           struct rn_error *e) {
    int64_t left = (int64_t)b->rows - row;
    *rows = left < s->engine->length.batch ? left : s->engine->length.batch;
    struct program_variant *p = variant_of_rows(all, count, *rows);
    return setup_feed(s, p, b, row, e) == RN_OK ? p : NULL;
}

/* Total weight of each loss over the whole step, before any gradient. */
static int total_weights(struct loop *l, uint32_t objective, const struct batch *b,
                         struct means *out, struct rn_error *e) {
    struct setup *s = l->setup;
    struct objective_programs *t = &s->engine->objectives[objective];
    const struct objective *o = &s->engine->programs->objectives[objective];
    int status = RN_OK;
    for (uint32_t i = 0; i < out->count; i++)
        if (!t->weights && minimises(o, i))
            means_add(out, i, 0.0, (double)b->rows * s->engine->programs->elements[i]);
    for (int64_t row = 0, rows; t->weights && row < (int64_t)b->rows; row += rows) {
        struct program_variant *p =
            micro_batch(s, t->weights, t->count, b, row, &rows, e);
        if (!p)
            return e->status;
        engine_scalars(s->engine, p, l->at.step, row);
        status = program_run(p->program, e);
        for (uint32_t i = 0; i < out->count && status == RN_OK; i++) {
            double w = 0.0;
            if (minimises(o, i))
                status = loss_weight(s, p, i, (double)rows, &w, e);
            means_add(out, i, 0.0, w);
        }
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

static bool weighs(const struct means *m) {
    for (uint32_t i = 0; i < m->count; i++)
        if (m->weight[i] != 0.0)
            return true;
    return false;
}

/* The penalties of a step, or, with what there is, of one more of its micro-batches. */
static int read_regularization(struct objective_programs *t, struct program_variant *p,
                               bool more, struct rn_error *e) {
    double part;
    if (p->outputs.regularization < 0)
        return RN_OK;
    int status = read_f32(p->program, p->outputs.regularization, &part, e);
    if (status == RN_OK)
        t->regularization = more ? t->regularization + part : part;
    return status;
}

void loop_part_scalars(struct loop *l, struct program_variant *p, const struct batch *b,
                       int64_t row, const struct means *m) {
    engine_scalars(l->engine, p, l->at.step, row);
    program_set_u32(p->program, p->scalars.first, row == 0);
    program_set_f32(p->program, p->scalars.share,
                    (float)((double)p->rows / (double)b->rows));
    for (uint32_t i = 0; i < m->count; i++)
        program_set_f32(p->program, p->inverse[i],
                        m->weight[i] != 0.0 ? (float)(1.0 / m->weight[i]) : 0.0f);
}

/* One micro-batch: its part of the gradient and of each loss's mean. */
static int step_part(struct loop *l, struct objective_programs *t,
                     const struct batch *b, int64_t row, int64_t *rows,
                     struct step_result *out, struct rn_error *e) {
    struct setup *s = l->setup;
    struct means *m = out->means;
    struct program_variant *p = micro_batch(s, t->step, t->count, b, row, rows, e);
    double part = 0.0;
    if (!p)
        return e->status;
    loop_part_scalars(l, p, b, row, m);
    int status = program_run(p->program, e);
    if (status == RN_OK)
        status = read_f32(p->program, p->outputs.loss, &part, e);
    out->loss += part;
    if (status == RN_OK)
        status = read_regularization(t, p, row > 0, e);
    for (uint32_t i = 0; i < m->count && status == RN_OK; i++) {
        if (p->mean[i] < 0)
            continue;
        status = read_f32(p->program, p->mean[i], &part, e);
        means_add(m, i, part * m->weight[i], 0.0);
    }
    return status;
}

/* A step in parts: gradients summed over micro-batches, then one update. */
static int step_accumulated(struct loop *l, uint32_t objective, const struct batch *b,
                            struct step_result *out, struct rn_error *e) {
    struct setup *s = l->setup;
    struct objective_programs *t = &s->engine->objectives[objective];
    int status = total_weights(l, objective, b, out->means, e);
    out->empty = !weighs(out->means);
    if (status != RN_OK || out->empty)
        return status;
    for (int64_t row = 0, rows; row < (int64_t)b->rows && status == RN_OK; row += rows)
        status = step_part(l, t, b, row, &rows, out, e);
    if (status != RN_OK)
        return status;
    engine_scalars(s->engine, &t->apply, l->at.step, 0);
    status = program_run(t->apply.program, e);
    out->ran = &t->apply;
    return status;
}

static int step_whole(struct loop *l, uint32_t objective, const struct batch *b,
                      bool tapped, struct step_result *out, struct rn_error *e) {
    struct setup *s = l->setup;
    struct objective_programs *t = &s->engine->objectives[objective];
    struct program_variant *p = variant_of_rows(
        tapped && t->tapped ? t->tapped : t->step, t->count, (int64_t)b->rows);
    int status = setup_feed(s, p, b, 0, e);
    if (status != RN_OK)
        return status;
    engine_scalars(s->engine, p, l->at.step, 0);
    status = program_run(p->program, e);
    if (status == RN_OK)
        status = read_f32(p->program, p->outputs.loss, &out->loss, e);
    if (status == RN_OK)
        status = read_regularization(t, p, false, e);
    for (uint32_t i = 0; i < out->means->count && status == RN_OK; i++) {
        double mean, w;
        if (p->mean[i] < 0)
            continue;
        status = read_f32(p->program, p->mean[i], &mean, e);
        if (status == RN_OK)
            status = loss_weight(s, p, i, (double)b->rows, &w, e);
        if (status == RN_OK)
            means_add(out->means, i, mean * w, w);
    }
    out->empty = !weighs(out->means);
    out->ran = p;
    return status;
}

/* What one program reports of the gradient's scale. */
static int read_scaling(struct objective_programs *t, struct step_result *one,
                        struct rn_error *e) {
    const struct program_variant *p = one->ran;
    const uint8_t *over = program_output(p->program, p->outputs.overflow, e);
    const int64_t *count =
        over ? program_output(p->program, p->outputs.overflows, e) : NULL;
    if (!count)
        return e->status ? e->status : RN_E_INTERNAL;
    one->overflowed = t->overflowed = *over && isfinite(one->loss);
    t->overflows = *count;
    return read_f32(p->program, p->outputs.scale, &t->scale, e);
}

/* What one objective's step has done, into the whole step's result and the means. */
static int finish_objective(struct loop *l, uint32_t objective, const struct batch *b,
                            struct step_result *one, struct step_result *out,
                            struct rn_error *e) {
    struct objective_programs *t = &l->engine->objectives[objective];
    if (objective == 0)
        out->ran = one->ran;
    if (one->empty)
        return RN_OK;
    const uint8_t *skipped =
        program_output(one->ran->program, one->ran->outputs.skipped, e);
    if (!skipped)
        return e->status ? e->status : RN_E_INTERNAL;
    int status = read_f32(one->ran->program, one->ran->outputs.norm, &out->norm, e);
    if (status == RN_OK && l->engine->programs->scaling.kind == SCALING_DYNAMIC)
        status = read_scaling(t, one, e);
    if (status != RN_OK)
        return status;
    out->empty = false;
    out->loss += one->loss;
    out->overflowed |= one->overflowed;
    t->ran++;
    if (*skipped && !one->overflowed) {
        t->skipped++;
        if (l->engine->programs->anomaly && l->anomalies++ < ANOMALIES)
            loop_find_anomaly(l, objective, b);
        out->updated = false;
        return RN_OK;
    }
    means_merge(&t->of_row, one->means);
    means_merge(&t->of_epoch, one->means);
    return RN_OK;
}

int loop_step(struct loop *l, const struct batch *b, bool tapped,
              struct step_result *out, struct rn_error *e) {
    struct setup *s = l->setup;
    struct programs *p = s->engine->programs;
    error_clear(&l->anomaly);
    int status = hyper_step(&s->engine->hyper, l->at.step, e);
    *out = (struct step_result){.updated = true, .empty = true};
    for (uint32_t o = 0; o < p->objective_count && status == RN_OK; o++) {
        s->engine->objectives[o].overflowed = false;
        s->engine->objectives[o].regularization = NAN;
        if (l->at.step % p->objectives[o].every)
            continue;
        struct step_result one = {.means = &l->step_means};
        means_clear(one.means);
        status = p->accumulate ? step_accumulated(l, o, b, &one, e)
                               : step_whole(l, o, b, tapped && o == 0, &one, e);
        if (status == RN_OK)
            status = finish_objective(l, o, b, &one, out, e);
    }
    if (status == RN_OK && (out->updated || p->nan_skip)) /* else the step fails */
        status = engine_average(s->engine, l->at.step + 1, e);
    return status;
}
