/* SPDX-License-Identifier: Apache-2.0 */
/* Planning: every program of the experiment for every row count that will occur. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "engine/engine.h"

/* keep: nothing is fused and every value stays. */
static int plan_graph(struct engine *eng, const struct graph *g, bool keep,
                      const struct plan **out, struct rn_error *e) {
    const struct bound_component *b = &eng->x->backend;
    struct plan_options o = {b->component->iface,
                             instance_self(b->instance),
                             !keep,
                             !keep,
                             eng->info->image_block,
                             !keep && eng->info->reduces != 0,
                             eng->info->threads,
                             keep};
    g = graph_fold(g, eng->arena, e);
    if (g && eng->x->precision != RN_F32)
        g = graph_precision(g, eng->arena, eng->x->precision, e);
    return g ? plan_make(g, eng->arena, &o, out, e) : e->status;
}

static int make_plan(struct engine *eng, struct graph *g, int64_t rows,
                     struct program_variant *out, struct diag *d) {
    struct rn_error e = {0};
    out->rows = rows;
    out->described = g;
    int status = plan_graph(eng, g, false, &out->plan, &e);
    if (status != RN_OK)
        diag_add(d, &e);
    return status;
}

int engine_keep(struct engine *eng, const struct program_variant *of,
                struct program_variant **out, struct rn_error *e) {
    struct program_variant *p = arena_new(eng->arena, struct program_variant);
    *out = NULL;
    p->rows = of->rows;
    p->described = of->described;
    int status = plan_graph(eng, of->described, true, &p->plan, e);
    uint64_t bytes = status == RN_OK ? p->plan->program.arena_bytes : 0;
    if (eng->info->memory_bytes && bytes > eng->info->memory_bytes)
        status = error_set(e, RN_E_MEMORY, "%llu bytes for all values of a step",
                           (unsigned long long)bytes);
    if (status == RN_OK)
        status = engine_load_variant(eng, p, e);
    if (status == RN_OK)
        *out = p;
    else
        program_destroy(p->program);
    return status;
}

/* `count` variants of a kind of program. */
typedef int (*describe)(struct programs *p, uint32_t objective, int64_t rows,
                        struct graph **out, struct diag *d);

static int plan_variants(struct engine *eng, describe fn, uint32_t objective,
                         uint32_t count, const int64_t *rows,
                         struct program_variant **out, struct diag *d) {
    int status = RN_OK;
    *out = arena_array(eng->arena, struct program_variant, count);
    for (uint32_t i = 0; i < count && status == RN_OK; i++) {
        struct graph *g;
        status = fn(eng->programs, objective, rows[i], &g, d);
        if (status == RN_OK)
            status = make_plan(eng, g, rows[i], &(*out)[i], d);
    }
    return status;
}

static int plan_steps(struct engine *eng, describe fn, uint32_t objective,
                      const struct engine_options *o, struct program_variant **out,
                      struct diag *d) {
    return plan_variants(eng, fn, objective, o->step_count, o->step_rows, out, d);
}

static int plan_tapped(struct engine *eng, const struct engine_options *o,
                       struct objective_programs *t, struct diag *d) {
    uint32_t before = diag_count(d);
    eng->programs->tap = engine_tap;
    eng->programs->tap_context = eng;
    eng->tap_errors = d;
    int status = plan_steps(eng, programs_train, 0, o, &t->tapped, d);
    eng->programs->tap = NULL;
    return status == RN_OK && diag_count(d) > before ? diag_status(d) : status;
}

static int plan_objective(struct engine *eng, uint32_t index,
                          const struct engine_options *o, struct diag *d) {
    struct programs *p = eng->programs;
    struct objective_programs *t = &eng->objectives[index];
    bool weighted = false;
    t->count = o->step_count;
    means_init(&t->of_row, eng->arena, eng->x->losses.count);
    means_init(&t->of_epoch, eng->arena, eng->x->losses.count);
    int status = p->accumulate ? programs_weighted(p, index, &weighted, d) : RN_OK;
    if (status == RN_OK)
        status = plan_steps(eng, p->accumulate ? programs_grad : programs_train, index,
                            o, &t->step, d);
    if (status == RN_OK && index == 0 && !p->accumulate && engine_has_taps(eng))
        status = plan_tapped(eng, o, t, d);
    if (status == RN_OK && weighted)
        status = plan_steps(eng, programs_weights, index, o, &t->weights, d);
    if (status == RN_OK && p->accumulate) {
        struct graph *g;
        status = programs_apply(p, index, &g, d);
        if (status == RN_OK)
            status = make_plan(eng, g, 0, &t->apply, d);
    }
    return status;
}

static int plan_training(struct engine *eng, const struct engine_options *o,
                         struct diag *d) {
    uint32_t n = eng->programs->objective_count;
    int status = RN_OK;
    if (eng->programs->accumulate && engine_has_taps(eng))
        log_say(session_log(eng->x->session), RN_LOG_WARNING,
                "hooks: steps that accumulate are not looked into: no "
                "statistics of activations, gradients and weights");
    eng->objectives = arena_array(eng->arena, struct objective_programs, n);
    for (uint32_t i = 0; i < n && status == RN_OK; i++)
        status = plan_objective(eng, i, o, d);
    return status;
}

static int plan_evaluation(struct engine *eng, const struct engine_options *o,
                           struct diag *d) {
    eng->evals = arena_array(eng->arena, struct program_variant, o->eval_count + 1);
    for (uint32_t i = 0; i < o->eval_count; i++) {
        struct graph *g;
        int status = (eng->use == ENGINE_PREDICT ? programs_predict : programs_eval)(
            eng->programs, o->eval_rows[i], &g, d);
        if (status == RN_OK)
            status = make_plan(eng, g, o->eval_rows[i], &eng->evals[i], d);
        if (status != RN_OK)
            return status;
        eng->eval_count++;
    }
    return RN_OK;
}

static int plan_refresh(struct programs *p, uint32_t objective, int64_t rows,
                        struct graph **out, struct diag *d) {
    (void)objective;
    return programs_refresh(p, rows, out, d);
}

static int plan_averages(struct engine *eng, const struct engine_options *o,
                         struct diag *d) {
    struct programs *p = eng->programs;
    struct average_programs *a = &eng->averages;
    struct graph *g;
    if (!p->averages.hook)
        return RN_OK;
    int status = programs_average(p, &g, d);
    if (status == RN_OK)
        status = make_plan(eng, g, 0, &a->update, d);
    if (status == RN_OK)
        status = programs_follow(p, &g, d);
    if (status == RN_OK)
        status = make_plan(eng, g, 0, &a->follow, d);
    if (status != RN_OK || !p->averages.refresh_count)
        return status;
    a->refresh_count = o->refresh_count;
    return plan_variants(eng, plan_refresh, 0, o->refresh_count, o->refresh_rows,
                         &a->refresh, d);
}

int engine_plan(struct engine *eng, const struct engine_options *o, struct diag *d) {
    int status = eng->use == ENGINE_TRAIN ? plan_training(eng, o, d) : RN_OK;
    if (status == RN_OK)
        status = plan_evaluation(eng, o, d);
    return status ? status : plan_averages(eng, o, d);
}
