/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over a split: losses as weighted means, metrics in graph or host form. */
#include <stdio.h>
#include <string.h>

#include <runner/metric.h>
#include <runner/sdk/work.h>

#include "evaluate/evaluate.h"
#include "plugin/guard.h"

const struct metric_value *metric_find(const struct metric_list *l, const char *name) {
    for (uint32_t i = 0; i < l->count; i++)
        if (strcmp(l->at[i].name, name) == 0)
            return &l->at[i];
    return NULL;
}

struct evaluator {
    struct setup *s;
    struct arena *a;
    struct loader *loaders[DATA_SPLITS];
    int *sums, *weights; /* output index by program and loss */
    struct means means;  /* of the losses, over a split */
    const char **names;  /* of metrics, for curves */
    enum data_split_kind split;
    struct rn_workspace work; /* of metrics */
};

static bool is_number(const char *s) {
    return *s && s[strspn(s, "0123456789")] == '\0';
}

/* A metric is called by its name in the file, else by its component's, numbered when
 * several are the same. */
static const char *curve_name(const struct setup *s, struct arena *a, uint32_t index) {
    const struct bound_component *p = &s->x->metrics.at[index];
    if (*p->name && !is_number(p->name))
        return p->name;
    uint32_t before = 0;
    for (uint32_t i = 0; i < index; i++)
        before += s->x->metrics.at[i].component == p->component;
    return before ? arena_format(a, "%s_%u", p->component->bare, before + 1)
                  : p->component->bare;
}

struct evaluator *evaluator_create(struct setup *s, struct arena *a) {
    struct evaluator *v = arena_new(a, struct evaluator);
    v->s = s;
    v->a = a;
    v->names = arena_array(a, const char *, s->x->metrics.count + 1);
    for (uint32_t i = 0; i < s->x->metrics.count; i++)
        v->names[i] = curve_name(s, a, i);
    uint32_t n = s->x->losses.count;
    means_init(&v->means, a, n);
    v->sums = arena_array(a, int, 2 * (size_t)s->engine->eval_count * (n + 1) + 1);
    v->weights = v->sums + s->engine->eval_count * (n + 1);
    for (uint32_t k = 0; s->engine->device && k < s->engine->eval_count; k++)
        for (uint32_t i = 0; i < n; i++) {
            char name[40];
            snprintf(name, sizeof name, "sum.%u", i);
            v->sums[k * n + i] =
                program_output_index(s->engine->evals[k].program, name);
            snprintf(name, sizeof name, "weight.%u", i);
            v->weights[k * n + i] =
                program_output_index(s->engine->evals[k].program, name);
        }
    return v;
}

void evaluator_destroy(struct evaluator *v) {
    for (int i = 0; v && i < DATA_SPLITS; i++)
        loader_close(v->loaders[i]);
    if (v)
        rn_workspace_finish(&v->work);
}

static void add(struct metric_list *l, const char *name, double value, int better,
                const char *of) {
    vec_push(l->at, l->count, l->capacity,
             (struct metric_value){name, value, better, of});
}

static int direction(const struct port_info *p) {
    return strcmp(p->better, "higher") == 0  ? 1
           : strcmp(p->better, "lower") == 0 ? -1
                                             : 0;
}

static const char *output_name(const struct evaluator *v, const char *split,
                               uint32_t metric, uint32_t out) {
    const struct component *c = v->s->x->metrics.at[metric].component;
    if (out == 0)
        return arena_format(v->a, "%s/%s", split, v->names[metric]);
    return arena_format(v->a, "%s/%s.%s", split, v->names[metric], c->out[out].name);
}

static bool is_scalar(const struct port_info *p) {
    return strcmp(p->shape, "[]") == 0;
}

void evaluator_names(const struct evaluator *v, const char *split,
                     struct metric_list *out) {
    const struct setup *s = v->s;
    add(out, arena_format(v->a, "%s/loss", split), 0.0, -1, "loss");
    for (uint32_t i = 0; s->x->losses.count > 1 && i < s->x->losses.count; i++)
        add(out, arena_format(v->a, "%s/loss.%s", split, s->x->losses.at[i].name), 0.0,
            -1, s->x->losses.at[i].path);
    for (uint32_t i = 0; i < s->x->metrics.count; i++) {
        const struct component *c = s->x->metrics.at[i].component;
        for (uint32_t k = 0; k < c->out_count; k++)
            if (is_scalar(&c->out[k]))
                add(out, output_name(v, split, i, k), 0.0, direction(&c->out[k]),
                    s->x->metrics.at[i].path);
    }
}

/* ------------------------------------------------------------------- names */

struct curve {
    const char *name; /* without its split */
    const struct node *node;
};

static uint32_t collect_curves(const struct evaluator *v, struct curve *out) {
    const struct experiment *x = v->s->x;
    uint32_t n = 0;
    out[n++] = (struct curve){"loss", NULL};
    for (uint32_t i = 0; x->losses.count > 1 && i < x->losses.count; i++)
        out[n++] = (struct curve){arena_format(v->a, "loss.%s", x->losses.at[i].name),
                                  x->losses.at[i].node};
    for (uint32_t i = 0; i < x->metrics.count; i++) {
        const struct component *c = x->metrics.at[i].component;
        for (uint32_t k = 0; k < c->out_count; k++)
            out[n++] = (struct curve){
                k ? arena_format(v->a, "%s.%s", v->names[i], c->out[k].name)
                  : v->names[i],
                x->metrics.at[i].node};
    }
    return n;
}

int evaluator_check_names(const struct evaluator *v, struct diag *d) {
    const struct experiment *x = v->s->x;
    uint32_t max_curves = 1 + x->losses.count;
    for (uint32_t i = 0; i < x->metrics.count; i++)
        max_curves += x->metrics.at[i].component->out_count;
    struct curve *all = arena_array(v->a, struct curve, max_curves);
    uint32_t n = collect_curves(v, all);
    int status = RN_OK;
    for (uint32_t i = 1; i < n && status == RN_OK; i++) {
        for (uint32_t k = 0; k < i && status == RN_OK; k++)
            if (strcmp(all[i].name, all[k].name) == 0) {
                status = node_error(d, all[i].node, true, RN_E_CONFIG,
                                    "two curves would be named '%s'", all[i].name);
                diag_hint(d, "give one of them another name: metrics: {NAME: ...}; "
                             "`loss` is the split's loss");
            }
    }
    return status;
}

/* ----------------------------------------------------------------- metrics */

static int reset(struct evaluator *v, struct rn_error *e) {
    struct setup *s = v->s;
    int status = RN_OK;
    for (uint32_t i = 0; i < s->x->metrics.count && status == RN_OK; i++) {
        const struct bound_component *p = &s->x->metrics.at[i];
        const struct rn_metric *m = p->component->iface;
        if (!m->describe && m->reset) {
            instance_enter(p->instance);
            status = m->reset(instance_self(p->instance), e);
            status = instance_leave(p->instance, "reset", status, e);
        }
    }
    const struct variables *all = s->engine->programs->variables;
    for (uint32_t i = 0; i < variables_count(all) && status == RN_OK; i++) {
        const struct variable *x = variables_at(all, i);
        if (strncmp(x->owner, "metrics", 7) != 0)
            continue;
        uint64_t bytes = x->count * RN_DTYPE_BYTES(x->dtype);
        void *zero = memory_get(bytes);
        for (uint64_t k = 0; x->dtype == RN_F32 && k < x->count; k++)
            ((float *)zero)[k] = (float)x->value;
        status = device_variable_write(s->engine->device, i, zero, e);
        memory_release(zero);
    }
    return status;
}

static const struct plan_base *output_base(const struct plan *p, const char *name) {
    for (uint32_t i = 0; i < p->base_count; i++)
        if (p->bases[i].kind == BASE_OUTPUT && strcmp(p->bases[i].name, name) == 0)
            return &p->bases[i];
    return NULL;
}

static uint32_t phase_of(enum data_split_kind split) {
    return split == DATA_TRAIN ? RN_PHASE_TRAIN
           : split == DATA_VAL ? RN_PHASE_VAL
                               : RN_PHASE_TEST;
}

static int update_host(struct evaluator *v, uint32_t index,
                       const struct program_variant *run, const struct batch *b,
                       struct rn_error *e) {
    const struct bound_component *p = &v->s->x->metrics.at[index];
    const struct rn_metric *m = p->component->iface;
    struct rn_tensor values[COMPONENT_PORTS];
    for (uint32_t k = 0; k < p->component->in_count; k++) {
        char name[300];
        snprintf(name, sizeof name, "metric.%u.%s", index, p->component->in[k].name);
        const struct plan_base *base = output_base(run->plan, name);
        values[k] = (struct rn_tensor){0};
        if (!base)
            continue;
        const void *data =
            program_output(run->program, program_output_index(run->program, name), e);
        if (!data)
            return e->status ? e->status : RN_E_INTERNAL;
        values[k] = (struct rn_tensor){(void *)(uintptr_t)data, base->shape, NULL,
                                       base->dtype, base->rank};
    }
    struct guard *g = guard_begin(p->instance, &v->work);
    for (uint32_t k = 0; k < p->component->in_count; k++)
        guard_tensor(g, RN_GUARD_IN, "port", p->component->in[k].name, &values[k]);
    struct rn_metric_batch batch = {
        .struct_size = sizeof batch,
        .phase = phase_of(v->split),
        .work = rn_workspace_begin(&v->work),
        .ports = p->component->in_count,
        .values = values,
        .rows = b->rows,
        .sample_ids = guard_bytes(g, RN_GUARD_IN, "batch->sample_ids", NULL, b->ids,
                                  b->rows * sizeof *b->ids)};
    instance_enter(p->instance);
    int status = m->update(instance_self(p->instance), &batch, e);
    status = instance_leave(p->instance, "update", status, e);
    status = guard_end(g, "update", status, e);
    return status ? error_context(e, "%s", p->path), status : RN_OK;
}

struct sink {
    struct rn_metric_sink api;
    const struct evaluator *v;
    const char *split;
    uint32_t metric;
    uint64_t given; /* bit i: output i */
    struct rn_error *e;
    struct metric_list *out;
    int (*tensor)(void *context, const char *series, const char *doc,
                  const struct rn_tensor *value);
    void *context;
};

static double element(const struct rn_tensor *t) {
    switch (t->dtype) {
    case RN_F32:
        return (double)*(const float *)t->data;
    case RN_F64:
        return *(const double *)t->data;
    case RN_I64:
        return (double)*(const int64_t *)t->data;
    case RN_I32:
        return *(const int32_t *)t->data;
    default:
        return 0.0;
    }
}

static int32_t put(struct rn_metric_sink *api, const char *name,
                   const struct rn_tensor *value) {
    struct sink *k = (struct sink *)api;
    const struct component *c = k->v->s->x->metrics.at[k->metric].component;
    for (uint32_t i = 0; i < c->out_count; i++) {
        if (strcmp(c->out[i].name, name) != 0)
            continue;
        if (is_scalar(&c->out[i]) != (value->rank == 0))
            return error_set(k->e, RN_E_PLUGIN,
                             "output '%s' of %s is declared as %s, but it has rank %u",
                             name, c->name, c->out[i].shape, value->rank);
        if (value->dtype != RN_F32 && value->dtype != RN_F64 &&
            value->dtype != RN_I64 && value->dtype != RN_I32)
            return error_set(k->e, RN_E_PLUGIN,
                             "output '%s' of %s is neither f32, f64, i64 nor i32", name,
                             c->name);
        k->given |= (uint64_t)1 << i;
        const char *full = output_name(k->v, k->split, k->metric, i);
        if (value->rank == 0) {
            add(k->out, full, element(value), direction(&c->out[i]),
                k->v->s->x->metrics.at[k->metric].path);
            return RN_OK;
        }
        return k->tensor ? k->tensor(k->context, full, c->out[i].doc, value) : RN_OK;
    }
    return error_set(k->e, RN_E_PLUGIN,
                     "%s gives an output '%s' that it does not declare", c->name, name);
}

static const struct rn_metric_sink_api sink_api = {sizeof(struct rn_metric_sink_api), 0,
                                                   put};

static int finish_call(struct evaluator *v, const struct bound_component *p, uint32_t n,
                       struct rn_tensor *states, struct rn_metric_sink *sink,
                       struct rn_error *e) {
    const struct rn_metric *m = p->component->iface;
    struct guard *g = guard_begin(p->instance, &v->work);
    for (uint32_t i = 0; i < n; i++)
        guard_tensor(g, RN_GUARD_IN, "accumulator", NULL, &states[i]);
    struct rn_metric_result r = {.struct_size = sizeof r,
                                 .phase = phase_of(v->split),
                                 .work = rn_workspace_begin(&v->work),
                                 .states = states,
                                 .state_count = n,
                                 .sink = sink};
    instance_enter(p->instance);
    int status = m->finish(instance_self(p->instance), &r, e);
    status = instance_leave(p->instance, "finish", status, e);
    return guard_end(g, "finish", status, e);
}

static int finish(struct evaluator *v, uint32_t index, struct sink *k,
                  struct rn_error *e) {
    struct setup *s = v->s;
    const struct bound_component *p = &s->x->metrics.at[index];
    const struct rn_metric *m = p->component->iface;
    const struct variables *all = s->engine->programs->variables;
    struct rn_tensor *states =
        memory_get(memory_mul(variables_count(all) + 1, sizeof *states));
    uint32_t n = 0;
    int status = RN_OK;
    for (uint32_t i = 0; m->describe && i < variables_count(all) && status == RN_OK;
         i++) {
        const struct variable *x = variables_at(all, i);
        if (strcmp(x->owner, p->path) != 0)
            continue;
        states[n] =
            (struct rn_tensor){memory_get(x->count * RN_DTYPE_BYTES(x->dtype) + 8),
                               x->shape, NULL, x->dtype, x->rank};
        status = device_variable_read(s->engine->device, i, states[n++].data, e);
    }
    k->metric = index;
    k->given = 0;
    k->e = e;
    if (status == RN_OK)
        status = finish_call(v, p, n, states, &k->api, e);
    for (uint32_t i = 0; i < p->component->out_count && status == RN_OK; i++)
        if (!(k->given >> i & 1))
            status = error_set(e, RN_E_PLUGIN, "%s gave no output '%s'",
                               p->component->name, p->component->out[i].name);
    if (status != RN_OK)
        error_context(e, "%s", p->path);
    for (uint32_t i = 0; i < n; i++)
        memory_release(states[i].data);
    memory_release(states);
    return status;
}

/* --------------------------------------------------------------------- run */

static int open_loader(struct evaluator *v, enum data_split_kind split,
                       struct rn_error *e) {
    struct setup *s = v->s;
    if (!v->loaders[split]) {
        struct loader_options o = {.split = split,
                                   .batch = (uint64_t)s->eval_batch,
                                   .workers = data_workers(s->data) ? 1 : 0,
                                   .oversubscribed =
                                       engine_oversubscribes(s->engine->info),
                                   .seed = s->x->seed};
        return loader_open(s->data, &o, &v->loaders[split], e);
    }
    return loader_seek(v->loaders[split], (struct loader_position){0, 0}, e);
}

static int evaluate_batch(struct evaluator *v, const struct batch *b, struct means *to,
                          struct rn_error *e) {
    struct setup *s = v->s;
    uint32_t n = s->x->losses.count;
    struct program_variant *p =
        variant_of_rows(s->engine->evals, s->engine->eval_count, (int64_t)b->rows);
    int status = setup_feed(s, p, b, 0, e);
    engine_scalars(s->engine, p, 0, 0);
    if (status == RN_OK)
        status = program_run(p->program, e);
    for (uint32_t i = 0; i < n && status == RN_OK; i++) {
        uint32_t k = (uint32_t)(p - s->engine->evals) * n + i;
        const float *sum = program_output(p->program, v->sums[k], e);
        const float *weight = program_output(p->program, v->weights[k], e);
        if (!sum)
            return e->status ? e->status : RN_E_INTERNAL;
        /* A loss of the whole batch counts by the batch's rows. */
        double rows = (double)b->rows;
        means_add(to, i, (double)*sum * (weight ? 1.0 : rows),
                  weight ? (double)*weight : rows);
    }
    for (uint32_t i = 0; i < s->x->metrics.count && status == RN_OK; i++) {
        const struct rn_metric *m = s->x->metrics.at[i].component->iface;
        if (!m->describe)
            status = update_host(v, i, p, b, e);
    }
    return status;
}

int evaluator_run(struct evaluator *v, enum data_split_kind split,
                  struct metric_list *out,
                  int (*tensor)(void *context, const char *series, const char *doc,
                                const struct rn_tensor *value),
                  void *context, struct rn_error *e) {
    struct setup *s = v->s;
    const char *name = data_split_name(split);
    struct means *means = &v->means;
    out->count = 0;
    v->split = split;
    means_clear(means);
    int status = open_loader(v, split, e);
    if (status == RN_OK)
        status = reset(v, e);
    uint64_t batches = status == RN_OK ? loader_batches(v->loaders[split]) : 0;
    for (uint64_t i = 0; i < batches && status == RN_OK; i++) {
        struct batch b;
        status = loader_next(v->loaders[split], &b, e);
        if (status == RN_OK)
            status = evaluate_batch(v, &b, means, e);
    }
    if (status == RN_OK)
        add(out, arena_format(v->a, "%s/loss", name),
            means_total(means, s->engine->programs->factors), -1, "loss");
    for (uint32_t i = 0; means->count > 1 && i < means->count && status == RN_OK; i++)
        add(out, arena_format(v->a, "%s/loss.%s", name, s->x->losses.at[i].name),
            means_of(means, i), -1, s->x->losses.at[i].path);
    struct sink k = {.api = {&sink_api},
                     .v = v,
                     .split = name,
                     .out = out,
                     .tensor = tensor,
                     .context = context};
    for (uint32_t i = 0; i < s->x->metrics.count && status == RN_OK; i++)
        status = finish(v, i, &k, e);
    return status;
}
