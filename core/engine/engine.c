/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, loading and feeding an engine. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/dtype.h"
#include "base/log.h"
#include "engine/engine.h"

/* -------------------------------------------------------------------- open */

int engine_device_info(const struct experiment *x, struct rn_device_info *out,
                       struct diag *d) {
    const struct rn_backend *b = x->backend.component->iface;
    struct rn_error e = {0};
    *out = (struct rn_device_info){.struct_size = sizeof *out};
    int status = b->info(instance_self(x->backend.instance), out, &e);
    if (status != RN_OK)
        diag_add(d, &e);
    return status;
}

bool engine_oversubscribes(const struct rn_device_info *info) {
    return (long)info->threads >= sysconf(_SC_NPROCESSORS_ONLN);
}

/* Settings that have no effect here, or cost more than they gain. */
static void warn_precision(const struct engine *eng) {
    rn_dtype t = eng->x->precision;
    bool fast = t == RN_BF16 ? eng->info->fast_bf16 : eng->info->fast_f16;
    if (t != RN_F32 && !fast)
        log_say(
            session_log(eng->x->session), RN_LOG_WARNING,
            "precision: %s has no hardware support on %s: products are computed in "
            "f32, and a step is slower than with precision: f32 (`runner plan` shows "
            "the cost)",
            dtype_name(t), eng->info->name);
    if (t != RN_F16 && eng->use == ENGINE_TRAIN &&
        node_at(eng->x->root, "train.loss_scale"))
        log_say(session_log(eng->x->session), RN_LOG_WARNING,
                "train.loss_scale: without precision: f16 nothing is "
                "scaled");
}

static int restore_kernels(struct engine *eng, const char *kernels, struct diag *d) {
    const struct rn_backend *b = eng->x->backend.component->iface;
    struct rn_error e = {0};
    if (!kernels || !*kernels || !RN_HAS(b, struct rn_backend, choose) || !b->choose)
        return RN_OK;
    int status = b->choose(instance_self(eng->x->backend.instance), kernels, &e);
    if (status != RN_OK)
        diag_add(d, &e);
    return status;
}

/* Variables, live values: what the programs are made of. */
static int describe_programs(struct engine *eng, const struct engine_options *o,
                             struct diag *d) {
    uint32_t before = diag_count(d);
    bool training = o->use == ENGINE_TRAIN;
    if (programs_create(eng->x, eng->arena, o->field_count, o->fields, o->declare_rows,
                        o->resident, training, &eng->programs, d) == RN_OK &&
        training &&
        averages_declare(eng->programs, o->length.total_steps,
                         o->length.steps_per_epoch, d) == RN_OK)
        engine_check_inits(eng, d);
    hyper_create(eng->x, o->length.total_steps, o->length.steps_per_epoch, &eng->hyper,
                 d);
    return diag_count(d) > before ? diag_status(d) : RN_OK;
}

struct engine *engine_open(const struct engine_options *o, struct diag *d) {
    struct arena *a = arena_create();
    struct engine *eng = arena_new(a, struct engine);
    eng->arena = a;
    eng->x = o->experiment;
    eng->use = o->use;
    eng->field_count = o->field_count;
    eng->fields = o->fields;
    eng->length = o->length;
    eng->info = &eng->device_text;
    int status = engine_device_info(eng->x, &eng->device_text, d);
    if (status == RN_OK)
        status = describe_programs(eng, o, d);
    if (status == RN_OK) {
        warn_precision(eng);
        status = restore_kernels(eng, o->kernels, d);
    }
    if (status == RN_OK)
        status = engine_plan(eng, o, d);
    if (status == RN_OK)
        status = engine_check_taps(eng, d);
    if (status == RN_OK)
        return eng;
    engine_close(eng);
    return NULL;
}

void engine_close(struct engine *eng) {
    if (!eng)
        return;
    device_close(eng->device);
    memory_release(eng->hyper.at);
    memory_release(eng->taps);
    arena_destroy(eng->arena);
}

const char *engine_kernels(const struct engine *eng) {
    const struct rn_backend *b = eng->x->backend.component->iface;
    const char *text = NULL;
    struct rn_error e = {0};
    if (!RN_HAS(b, struct rn_backend, choices) || !b->choices ||
        b->choices(instance_self(eng->x->backend.instance), &text, &e) != RN_OK)
        return NULL;
    return text;
}

/* ---------------------------------------------------------------- all plans */

typedef int (*each_plan)(void *context, struct program_variant *p);

static int each(struct engine *eng, each_plan fn, void *context) {
    int status = RN_OK;
    for (uint32_t o = 0; eng->objectives && o < eng->programs->objective_count; o++) {
        struct objective_programs *t = &eng->objectives[o];
        for (uint32_t i = 0; i < t->count && status == RN_OK; i++) {
            status = fn(context, &t->step[i]);
            if (t->tapped && status == RN_OK)
                status = fn(context, &t->tapped[i]);
            if (t->weights && status == RN_OK)
                status = fn(context, &t->weights[i]);
        }
        if (t->apply.plan && status == RN_OK)
            status = fn(context, &t->apply);
    }
    for (uint32_t i = 0; i < eng->eval_count && status == RN_OK; i++)
        status = fn(context, &eng->evals[i]);
    struct average_programs *a = &eng->averages;
    if (a->update.plan && status == RN_OK)
        status = fn(context, &a->update);
    if (a->follow.plan && status == RN_OK)
        status = fn(context, &a->follow);
    for (uint32_t i = 0; i < a->refresh_count && status == RN_OK; i++)
        status = fn(context, &a->refresh[i]);
    return status;
}

struct gathered {
    const struct plan **plans;
    uint32_t count;
};

static int gather(void *context, struct program_variant *p) {
    struct gathered *g = context;
    if (g->plans)
        g->plans[g->count] = p->plan;
    g->count++;
    return RN_OK;
}

struct exec_footprint engine_footprint(const struct engine *eng) {
    struct gathered g = {NULL, 0};
    struct engine *own = (struct engine *)(uintptr_t)eng;
    each(own, gather, &g);
    g.plans = memory_get(memory_mul(g.count + 1, sizeof *g.plans));
    g.count = 0;
    each(own, gather, &g);
    struct exec_footprint f =
        exec_footprint(eng->info, eng->programs->variables, g.count, g.plans);
    memory_release(g.plans);
    return f;
}

uint64_t engine_need(const struct engine *eng) {
    return engine_footprint(eng).total + eng->info->context_bytes;
}

uint64_t engine_parameters(const struct engine *eng) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < variables_count(eng->programs->variables); i++) {
        const struct variable *v = variables_at(eng->programs->variables, i);
        n += v->trainable ? v->count : 0;
    }
    return n;
}

struct loading {
    struct engine *eng;
    struct rn_error e;
};

int engine_load_variant(struct engine *eng, struct program_variant *p,
                        struct rn_error *e) {
    int status = program_create(eng->device, p->plan, &p->program, e);
    if (status != RN_OK)
        return status;
    p->live = arena_array(eng->arena, int, eng->hyper.count + 1);
    for (uint32_t i = 0; i < eng->hyper.count; i++)
        p->live[i] = program_scalar_index(p->program, eng->hyper.at[i].name);
    p->scalars.seed = program_scalar_index(p->program, "run.seed");
    p->scalars.step = program_scalar_index(p->program, "run.step");
    p->scalars.row = program_scalar_index(p->program, "run.row");
    p->scalars.first = program_scalar_index(p->program, "run.first");
    p->scalars.share = program_scalar_index(p->program, "run.share");
    p->scalars.progress = program_scalar_index(p->program, "run.progress");
    p->scalars.refresh_share = program_scalar_index(p->program, GRAPH_REFRESH_SHARE);
    p->places = program_input_index(p->program, RESIDENT_PLACES);
    p->numbers = arena_array(eng->arena, int, eng->programs->resident.change_count + 1);
    for (uint32_t i = 0; i < eng->programs->resident.change_count; i++)
        p->numbers[i] =
            program_input_index(p->program, resident_numbers_name(eng->arena, i));
    p->outputs.loss = program_output_index(p->program, "loss");
    p->outputs.regularization = program_output_index(p->program, "regularization");
    p->outputs.norm = program_output_index(p->program, "norm");
    p->outputs.skipped = program_output_index(p->program, "skipped");
    p->outputs.overflow = program_output_index(p->program, "overflow");
    p->outputs.overflows = program_output_index(p->program, "overflows");
    p->outputs.scale = program_output_index(p->program, "scale");
    p->inverse = arena_array(eng->arena, int, eng->x->losses.count + 1);
    p->mean = arena_array(eng->arena, int, eng->x->losses.count + 1);
    p->weight = arena_array(eng->arena, int, eng->x->losses.count + 1);
    for (uint32_t i = 0; i < eng->x->losses.count; i++) {
        char name[40];
        snprintf(name, sizeof name, "run.inverse.%u", i);
        p->inverse[i] = program_scalar_index(p->program, name);
        snprintf(name, sizeof name, "loss.%u", i);
        p->mean[i] = program_output_index(p->program, name);
        snprintf(name, sizeof name, "weight.%u", i);
        p->weight[i] = program_output_index(p->program, name);
    }
    p->inputs = arena_array(eng->arena, int, eng->field_count + 1);
    for (uint32_t i = 0; i < eng->field_count; i++) {
        char name[300];
        snprintf(name, sizeof name, "data.%s", eng->fields[i].name);
        p->inputs[i] = program_input_index(p->program, name);
    }
    return RN_OK;
}

static int load(void *context, struct program_variant *p) {
    struct loading *l = context;
    return engine_load_variant(l->eng, p, &l->e);
}

/* Checked before anything is allocated: a host that overcommits kills the process
 * later. */
static int check_memory(const struct engine *eng, struct rn_error *e) {
    uint64_t need = engine_need(eng);
    if (!eng->info->memory_bytes || need <= eng->info->memory_bytes)
        return RN_OK;
    return error_set(e, RN_E_MEMORY,
                     "the run takes %llu bytes of memory on %s, %llu are usable now",
                     (unsigned long long)need, eng->info->name,
                     (unsigned long long)eng->info->memory_bytes);
}

int engine_load(struct engine *eng, struct diag *d) {
    struct loading l = {.eng = eng};
    const struct bound_component *b = &eng->x->backend;
    int status = check_memory(eng, &l.e);
    if (status == RN_OK)
        status = device_open(b->component->iface, instance_self(b->instance),
                             &eng->device, &l.e);
    if (status == RN_OK)
        status = device_variables(eng->device, eng->programs->variables, &l.e);
    if (status == RN_OK)
        status = each(eng, load, &l);
    if (status == RN_OK)
        status = device_reserve(eng->device, &l.e);
    if (status == RN_OK) {
        eng->info = device_info(eng->device);
        return engine_init_variables(eng, d);
    }
    diag_add(d, &l.e);
    if (status == RN_E_MEMORY) {
        struct text t = {0};
        const struct plan *p =
            eng->objectives ? eng->objectives[0].step[0].plan : eng->evals[0].plan;
        text_add(&t, "the largest tensors at the peak:\n");
        plan_largest(p, 8, &t);
        diag_hint(d, "%s", text_get(&t));
        text_finish(&t);
    }
    return status;
}

static int feed(struct program *p, int input, const void *from, struct rn_error *e) {
    uint64_t bytes;
    if (program_borrow(p, input, from))
        return RN_OK;
    void *to = program_input(p, input, &bytes, e);
    if (!to)
        return e->status ? e->status : RN_E_INTERNAL;
    memcpy(to, from, bytes);
    return RN_OK;
}

uint64_t network_field_bytes(const struct network_field *f) {
    uint64_t n = RN_DTYPE_BYTES(f->dtype);
    for (uint32_t i = 0; i < f->rank; i++)
        n *= (uint64_t)f->shape[i];
    return n;
}

int engine_feed(struct engine *eng, struct program_variant *p,
                const struct engine_rows *rows, int64_t first, struct rn_error *e) {
    const struct resident *r = &eng->programs->resident;
    int status = RN_OK;
    if (p->places >= 0)
        status = feed(p->program, p->places, rows->places + first, e);
    for (uint32_t i = 0; i < r->change_count && status == RN_OK; i++)
        if (p->numbers[i] >= 0)
            status = feed(p->program, p->numbers[i],
                          rows->numbers[i] + first * r->changes[i].numbers, e);
    for (uint32_t i = 0; i < eng->field_count && status == RN_OK; i++) {
        if (p->inputs[i] < 0)
            continue;
        uint64_t bytes = network_field_bytes(&eng->fields[i]);
        const char *from = rows->fields[i];
        status = feed(p->program, p->inputs[i], from + (uint64_t)first * bytes, e);
    }
    return status;
}

void engine_scalars(struct engine *eng, struct program_variant *p, int64_t step,
                    int64_t row) {
    for (uint32_t i = 0; i < eng->hyper.count; i++)
        program_set_f32(p->program, p->live[i], (float)eng->hyper.at[i].now);
    program_set_u32(p->program, p->scalars.seed, (uint32_t)eng->x->seed);
    program_set_u32(p->program, p->scalars.step, (uint32_t)step);
    program_set_u32(p->program, p->scalars.row, (uint32_t)row);
    program_set_f32(p->program, p->scalars.progress,
                    (float)((double)(step + 1) / (double)eng->length.total_steps));
}

struct program_variant *variant_of_rows(struct program_variant *all, uint32_t count,
                                        int64_t rows) {
    for (uint32_t i = 0; i < count; i++)
        if (all[i].rows == rows)
            return &all[i];
    assert(!"every row count that occurs was planned for");
    return NULL;
}
