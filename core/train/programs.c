/* SPDX-License-Identifier: Apache-2.0 */
/* Building the programs: network, losses, gradients, clipping, update. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/programs.h"

#define LONG_ROW 256 /* elements */

/* A small builder of our own: the first error sticks in e. */
struct make {
    struct graph *g;
    struct rn_error e;
};

static rn_value op_n(struct make *m, const char *name, uint32_t n, const rn_value *in,
                     uint32_t n_attr, const struct rn_attr *attrs) {
    rn_value out = RN_NONE;
    for (uint32_t i = 0; i < n; i++)
        if (!in[i])
            return RN_NONE;
    if (!m->e.status)
        graph_op(m->g, name, n, in, n_attr, attrs, 1, &out, &m->e);
    return out;
}

static rn_value op1(struct make *m, const char *name, rn_value x) {
    return op_n(m, name, 1, &x, 0, NULL);
}

static rn_value op2(struct make *m, const char *name, rn_value x, rn_value y) {
    rn_value in[2] = {x, y};
    return op_n(m, name, 2, in, 0, NULL);
}

static rn_value select3(struct make *m, rn_value c, rn_value x, rn_value y) {
    rn_value in[3] = {c, x, y};
    return op_n(m, "select", 3, in, 0, NULL);
}

static rn_value scalar(struct make *m, double x) {
    return graph_scalar(m->g, RN_F32, x);
}

static rn_value cast(struct make *m, rn_value x, rn_dtype t) {
    struct rn_attr a = rn_attr_int("dtype", (int64_t)t);
    return op_n(m, "cast", 1, &x, 1, &a);
}

static void output(struct make *m, const char *name, rn_value v) {
    if (v && !m->e.status)
        graph_output(m->g, name, v, &m->e);
}

static int finish(struct make *m, const struct part *part, struct diag *d) {
    if (m->e.status == RN_OK)
        graph_verify(m->g, &m->e);
    if (m->e.status == RN_OK)
        return RN_OK;
    if (part)
        part_error(d, part, &m->e);
    else
        diag_add(d, &m->e);
    return m->e.status;
}

/* ----------------------------------------------------------------- the setup */

static int declare_counters(struct programs *p, struct objective *o,
                            struct rn_error *e) {
    struct variable v = {.role = "state",
                         .owner = "run",
                         .dtype = RN_I64,
                         .count = 1,
                         .checkpointed = true};
    v.name = arena_format(p->arena, "run.applied.%s", o->name);
    int status = variables_declare(p->variables, &v, &o->applied, e);
    for (uint32_t i = 0; i < o->parameter_count && p->accumulate && !status; i++) {
        struct variable acc = *variables_at(p->variables, o->parameters[i].variable);
        acc.name = arena_format(p->arena, "gradient.%s.%s", o->name, acc.name);
        acc.role = "gradient";
        acc.owner = "run";
        acc.trainable = acc.checkpointed = false;
        acc.init = NULL;
        acc.value = 0.0;
        status =
            variables_declare(p->variables, &acc, &o->parameters[i].accumulator, e);
    }
    return status;
}

static struct network_options options(struct programs *p, const char *name,
                                      int32_t phase, int64_t rows, bool losses) {
    return (struct network_options){p->experiment,  p->variables, p->arena,
                                    name,           phase,        rows,
                                    p->field_count, p->fields,    losses};
}

int programs_create(struct experiment *x, struct arena *a, uint32_t field_count,
                    const struct network_field *fields, int64_t rows, bool training,
                    struct programs **out, struct diag *d) {
    struct programs *p = arena_new(a, struct programs);
    p->experiment = x;
    p->arena = a;
    p->variables = variables_create(a);
    p->field_count = field_count;
    p->fields = fields;
    p->accumulate = experiment_int(x, "train.accumulate", 1) > 1;
    p->clip_norm = experiment_float(x, "train.clip.norm", 0.0);
    p->clip_value = experiment_float(x, "train.clip.value", 0.0);
    p->nan_skip = strcmp(experiment_string(x, "train.on_nan", "stop"), "skip") == 0;
    *out = p;
    p->factors = arena_array(a, double, x->losses.count + 1);
    for (uint32_t i = 0; i < x->losses.count; i++) {
        const struct node *weight = node_find(x->losses.at[i].node, "weight");
        p->factors[i] = weight ? strtod(node_raw(weight), NULL) : 1.0;
    }

    const struct node *list = node_at(x->root, "train.programs");
    p->objective_count = list && node_count(list) ? node_count(list) : 1;
    p->objectives = arena_array(a, struct objective, p->objective_count);
    int status = RN_OK;
    for (uint32_t i = 0; i < p->objective_count; i++) {
        struct objective *o = &p->objectives[i];
        const struct node *n = list && node_count(list) ? node_item(list, i) : NULL;
        const struct node *name = n ? node_find(n, "name") : NULL;
        o->name = name ? node_string(name) : "train";
        int s = objective_read(p, n, o, d);
        status = status ? status : s;
    }
    /* One pass declares the models' variables, in the order of the file. */
    struct network net;
    struct network_options no = options(
        p, "declare", training ? RN_PHASE_TRAIN : RN_PHASE_EVAL, rows, training);
    if (status == RN_OK)
        status = network_build(&no, &net, d);
    p->elements = arena_array(a, double, x->losses.count + 1);
    for (uint32_t i = 0; i < x->losses.count && status == RN_OK && training; i++)
        p->elements[i] =
            (double)graph_elements(net.graph, net.losses[i].loss) / (double)rows;
    for (uint32_t i = 0; training && i < p->objective_count && status == RN_OK; i++) {
        struct rn_error e;
        status = objective_bind(p, &p->objectives[i], d);
        if (status == RN_OK && declare_counters(p, &p->objectives[i], &e) != RN_OK) {
            diag_add(d, &e);
            status = e.status;
        }
    }
    return status;
}

/* ------------------------------------------------------------------ training */

/* The mean of loss i over the whole step; in a micro-batch, its part of it. */
static rn_value loss_mean(struct make *m, const struct network_loss *l, uint32_t i,
                          bool accumulate) {
    char name[48];
    if (!l->by_row) {
        rn_value v = l->loss;
        if (accumulate)
            v = op2(m, "mul", v, graph_live(m->g, "run.share", RN_F32));
        return v;
    }
    if (!accumulate)
        return op2(m, "div", l->sum, l->total_weight);
    snprintf(name, sizeof name, "run.inverse.%u", i);
    return op2(m, "mul", l->sum, graph_live(m->g, name, RN_F32));
}

/* Total of the objective's losses and outputs of each. */
static rn_value total_loss(struct make *m, struct programs *p,
                           const struct objective *o, const struct network *net) {
    rn_value total = RN_NONE;
    char name[48];
    for (uint32_t k = 0; k < o->loss_count; k++) {
        const struct network_loss *l = &net->losses[o->losses[k]];
        rn_value mean = loss_mean(m, l, o->losses[k], p->accumulate);
        snprintf(name, sizeof name, "loss.%u", o->losses[k]);
        output(m, arena_copy(p->arena, name), mean);
        if (l->factor != 1.0)
            mean = op2(m, "mul", mean, scalar(m, l->factor));
        total = total ? op2(m, "add", total, mean) : mean;
    }
    output(m, "loss", total);
    return total;
}

/* The last value of each layer: what the forward pass left of its scope. */
static void tap_activations(struct make *m, struct programs *p,
                            uint32_t forward_nodes) {
    for (uint32_t i = 0; i < forward_nodes; i++) {
        const struct gnode *n = &m->g->nodes[i];
        bool last = strncmp(n->scope, "model", 5) == 0 && n->out_count &&
                    !(op_traits(n->op) & OP_SOURCE);
        for (uint32_t k = i + 1; last && k < forward_nodes; k++)
            last = strcmp(m->g->nodes[k].scope, n->scope) != 0;
        if (!last || graph_value(m->g, n->out[0])->dtype != RN_F32)
            continue;
        struct rn_point point = {sizeof point,   RN_POINT_ACTIVATION, n->scope,
                                 op_name(n->op), n->out[0],           0};
        p->tap(p->tap_context, m->g, &point);
    }
}

static void tap_parameters(struct make *m, struct programs *p,
                           const struct objective *o, const rn_value *xs,
                           const rn_value *gs) {
    for (uint32_t i = 0; i < o->parameter_count; i++) {
        const char *name = variables_at(p->variables, o->parameters[i].variable)->name;
        struct rn_point gradient = {
            sizeof gradient, RN_POINT_GRADIENT, name, "", gs[i], 0};
        struct rn_point weight = {sizeof weight, RN_POINT_WEIGHT, name, "", xs[i], 0};
        p->tap(p->tap_context, m->g, &gradient);
        p->tap(p->tap_context, m->g, &weight);
    }
}

static void gradients(struct make *m, struct programs *p, const struct objective *o,
                      rn_value total, rn_value *xs, rn_value *gs) {
    for (uint32_t i = 0; i < o->parameter_count; i++)
        xs[i] = graph_variable(m->g, o->parameters[i].variable);
    if (m->e.status == RN_OK)
        graph_gradient(m->g, 1, &total, NULL, o->parameter_count, xs, gs, &m->e);
    for (uint32_t i = 0; i < o->parameter_count && m->e.status == RN_OK; i++) {
        const struct variable *v =
            variables_at(p->variables, o->parameters[i].variable);
        if (gs[i])
            continue;
        error_set(&m->e, RN_E_CONFIG,
                  "nothing of the loss depends on the parameter '%s'", v->name);
        error_hint(&m->e,
                   "freeze it under train.freeze, or bind the loss to what uses it");
    }
}

/* The sum of squares. Of long rows first each row's, so that threads have something to
 * divide: a sum has one order and is one thread's. */
static rn_value squares(struct make *m, rn_value g) {
    const struct gvalue *v = graph_value(m->g, g);
    rn_value s = op2(m, "mul", g, g);
    if (v && v->rank > 1 && v->shape[0] > 1 &&
        graph_elements(m->g, g) >= LONG_ROW * (uint64_t)v->shape[0]) {
        int64_t axes[RN_MAX_RANK];
        for (uint32_t i = 1; i < v->rank; i++)
            axes[i - 1] = i;
        struct rn_attr a = {"axes", RN_ATTR_INTS, v->rank - 1, 0, 0.0, axes};
        s = op_n(m, "reduce_sum", 1, &s, 1, &a);
    }
    return op1(m, "reduce_sum", s);
}

/* sqrt of the sum of squares of all gradients. */
static rn_value global_norm(struct make *m, uint32_t n, const rn_value *gs) {
    rn_value sum = RN_NONE;
    for (uint32_t i = 0; i < n; i++) {
        rn_value s = squares(m, gs[i]);
        sum = sum ? op2(m, "add", sum, s) : s;
    }
    return op1(m, "sqrt", sum);
}

static bool is_f32(const struct graph *g, rn_value v) {
    return v && graph_value(g, v)->dtype == RN_F32;
}

/* `ok` and all that the network assigns is finite; ok may be RN_NONE. */
static rn_value statistics_finite(struct make *m, rn_value ok) {
    for (uint32_t i = 0; i < m->g->assign_count; i++) {
        rn_value v = m->g->assigns[i].value;
        if (!is_f32(m->g, v))
            continue;
        rn_value one = op1(m, "is_finite", op1(m, "reduce_sum", v));
        ok = ok ? op2(m, "logical_and", ok, one) : one;
    }
    return ok;
}

/* Clip, then let each parameter's optimizer describe its update; all assignments of the
 * program are predicated on `ok`, so that a step with NaN changes nothing. */
static int update(struct make *m, struct programs *p, const struct objective *o,
                  const rn_value *xs, rn_value *gs, rn_value loss, struct diag *d) {
    struct graph *g = m->g;
    g->part = GRAPH_UPDATE;
    rn_value norm = global_norm(m, o->parameter_count, gs);
    rn_value ok = op1(m, "is_finite", norm);
    if (loss)
        ok = op2(m, "logical_and", ok, op1(m, "is_finite", loss));
    ok = statistics_finite(m, ok);
    output(m, "norm", norm);
    output(m, "skipped", op1(m, "logical_not", ok));
    rn_value applied = graph_variable(g, o->applied),
             one = graph_scalar(g, RN_I64, 1.0);
    rn_value next = op2(m, "add", applied, one), step = cast(m, next, RN_F32);
    rn_value scale = RN_NONE;
    if (p->clip_norm > 0.0)
        scale = op2(m, "minimum", scalar(m, 1.0),
                    op2(m, "div", scalar(m, p->clip_norm),
                        op2(m, "add", norm, scalar(m, 1e-6))));
    for (uint32_t i = 0; i < o->parameter_count && m->e.status == RN_OK; i++) {
        const struct variable *v =
            variables_at(p->variables, o->parameters[i].variable);
        const struct part *part =
            &p->experiment->optimizers.at[o->parameters[i].optimizer];
        const struct rn_optimizer *iface = part->component->iface;
        if (p->clip_value > 0.0) {
            struct rn_attr a[2] = {rn_attr_float("lo", -p->clip_value),
                                   rn_attr_float("hi", p->clip_value)};
            gs[i] = op_n(m, "clamp", 1, &gs[i], 2, a);
        }
        if (scale)
            gs[i] = op2(m, "mul", gs[i], scale);
        struct port_binding ports[3] = {
            {"param", xs[i]}, {"grad", gs[i]}, {"step", step}};
        struct builder_options bo = {
            .graph = g,
            .host = instance_host(part->instance),
            .is_live = instance_is_live,
            .component = part->path,
            .scope = arena_format(
                p->arena, "%s.%s",
                strncmp(part->path, "optimizer", 9) == 0 ? part->path : "optimizer",
                v->name),
            .phase = RN_PHASE_TRAIN,
            .input_count = 3,
            .inputs = ports};
        struct builder *b = builder_create(&bo);
        instance_watch(part->instance);
        int status = builder_finish(b, iface->describe(builder_api(b)), &m->e);
        struct network built = {.graph = g, .phase = RN_PHASE_TRAIN};
        if (!status)
            status = network_check(&built, part, b, &m->e);
        rn_value new_value = status ? RN_NONE : builder_output(b, "param");
        if (!status && !new_value)
            error_set(&m->e, RN_E_PLUGIN, "optimizer %s gave no output 'param'",
                      part->component->name);
        if (m->e.status == RN_OK)
            graph_assign(g, o->parameters[i].variable, new_value, &m->e);
        if (m->e.status) {
            error_context(&m->e, "parameter '%s'", v->name);
            return finish(m, part, d);
        }
    }
    if (m->e.status == RN_OK)
        graph_assign(g, o->applied, next, &m->e);
    for (uint32_t i = 0; i < g->assign_count && m->e.status == RN_OK; i++) {
        struct gassign *a = &g->assigns[i];
        a->value = select3(m, ok, a->value, graph_variable(g, a->variable));
    }
    return finish(m, NULL, d);
}

int programs_train(struct programs *p, uint32_t objective, int64_t rows,
                   struct graph **out, struct diag *d) {
    const struct objective *o = &p->objectives[objective];
    struct network net;
    struct network_options no = options(p, o->name, RN_PHASE_TRAIN, rows, true);
    int status = network_build(&no, &net, d);
    if (status != RN_OK)
        return status;
    struct make m = {.g = net.graph};
    rn_value *xs = arena_array(p->arena, rn_value, 2 * (size_t)o->parameter_count + 1);
    uint32_t forward_nodes = m.g->node_count;
    rn_value *gs = xs + o->parameter_count, total = total_loss(&m, p, o, &net);
    gradients(&m, p, o, total, xs, gs);
    if (m.e.status)
        return finish(&m, NULL, d);
    if (p->tap) {
        tap_activations(&m, p, forward_nodes);
        tap_parameters(&m, p, o, xs, gs);
    }
    *out = m.g;
    return update(&m, p, o, xs, gs, total, d);
}

int programs_grad(struct programs *p, uint32_t objective, int64_t rows,
                  struct graph **out, struct diag *d) {
    const struct objective *o = &p->objectives[objective];
    struct network net;
    const char *name = arena_format(p->arena, "%s.grad", o->name);
    struct network_options no = options(p, name, RN_PHASE_TRAIN, rows, true);
    int status = network_build(&no, &net, d);
    if (status != RN_OK)
        return status;
    for (uint32_t k = 0; k < o->loss_count; k++) {
        const struct network_loss *l = &net.losses[o->losses[k]];
        if (!l->by_row && !l->of_parameters)
            return node_error(
                d, l->part->node, false, RN_E_CONFIG,
                "loss %s sees the batch as a whole and cannot be accumulated "
                "over micro-batches",
                l->part->component->name);
    }
    struct make m = {.g = net.graph};
    rn_value *xs = arena_array(p->arena, rn_value, 2 * (size_t)o->parameter_count + 1);
    rn_value *gs = xs + o->parameter_count, total = total_loss(&m, p, o, &net);
    gradients(&m, p, o, total, xs, gs);
    m.g->part = GRAPH_UPDATE;
    /* The update looks at the gradients alone: a running statistic that is not finite
     * stays as it was and spoils them. */
    rn_value sound = statistics_finite(&m, RN_NONE);
    for (uint32_t i = 0; i < m.g->assign_count && !m.e.status; i++) {
        struct gassign *a = &m.g->assigns[i];
        if (is_f32(m.g, a->value))
            a->value = select3(&m, op1(&m, "is_finite", a->value), a->value,
                               graph_variable(m.g, a->variable));
    }
    if (sound && o->parameter_count)
        gs[0] = select3(&m, sound, gs[0], scalar(&m, NAN));
    rn_value first = op2(&m, "ne", graph_live(m.g, "run.first", RN_U32),
                         graph_scalar(m.g, RN_U32, 0.0));
    for (uint32_t i = 0; i < o->parameter_count && m.e.status == RN_OK; i++) {
        uint32_t acc = o->parameters[i].accumulator;
        rn_value sum = op2(&m, "add", graph_variable(m.g, acc), gs[i]);
        graph_assign(m.g, acc, select3(&m, first, gs[i], sum), &m.e);
    }
    *out = m.g;
    return finish(&m, NULL, d);
}

int programs_apply(struct programs *p, uint32_t objective, struct graph **out,
                   struct diag *d) {
    const struct objective *o = &p->objectives[objective];
    const char *name = arena_format(p->arena, "%s.apply", o->name);
    struct make m = {.g = graph_create(p->arena, p->variables, name)};
    rn_value *xs = arena_array(p->arena, rn_value, 2 * (size_t)o->parameter_count + 1);
    rn_value *gs = xs + o->parameter_count;
    for (uint32_t i = 0; i < o->parameter_count; i++) {
        xs[i] = graph_variable(m.g, o->parameters[i].variable);
        gs[i] = graph_variable(m.g, o->parameters[i].accumulator);
    }
    *out = m.g;
    return update(&m, p, o, xs, gs, RN_NONE, d);
}

int programs_weights(struct programs *p, uint32_t objective, int64_t rows,
                     struct graph **out, struct diag *d) {
    const struct objective *o = &p->objectives[objective];
    struct network net;
    const char *name = arena_format(p->arena, "%s.weights", o->name);
    struct network_options no = options(p, name, RN_PHASE_TRAIN, rows, true);
    int status = network_build(&no, &net, d);
    if (status != RN_OK)
        return status;
    struct make m = {.g = net.graph};
    m.g->assign_count = 0; /* looks only: running statistics stay */
    for (uint32_t k = 0; k < o->loss_count; k++) {
        const struct network_loss *l = &net.losses[o->losses[k]];
        if (l->by_row)
            output(&m, arena_format(p->arena, "weight.%u", o->losses[k]),
                   l->total_weight);
    }
    *out = m.g;
    return finish(&m, NULL, d);
}

int programs_weighted(struct programs *p, uint32_t objective, bool *out,
                      struct diag *d) {
    const struct objective *o = &p->objectives[objective];
    struct network net;
    struct network_options no = options(p, "look", RN_PHASE_TRAIN, 1, true);
    int status = network_build(&no, &net, d);
    *out = false;
    for (uint32_t k = 0; k < o->loss_count && status == RN_OK; k++)
        *out |= net.losses[o->losses[k]].weight != RN_NONE;
    return status;
}

/* ---------------------------------------------------------------- evaluation */

/* Graph-form metrics assign their accumulators here; host-form ones get outputs. */
static int metric_build(struct make *m, struct programs *p, struct network *net,
                        const struct network_options *no, uint32_t index,
                        struct diag *d) {
    const struct part *part = &p->experiment->metrics.at[index];
    const struct component *c = part->component;
    const struct rn_metric *iface = c->iface;
    rn_value inputs[32];
    int status = network_bind(net, no, part, inputs, d);
    if (status != RN_OK)
        return status;
    if (!iface->describe) {
        for (uint32_t i = 0; i < c->in_count; i++) {
            const struct gvalue *v = graph_value(m->g, inputs[i]);
            if (!v)
                continue;
            /* A number for all rows (`target: 0`): the metric sees one a row. */
            struct rn_attr rows = {"shape", RN_ATTR_INTS, 1, 0, 0.0, &no->rows};
            if (v->rank == 0 && strchr(c->in[i].shape, 'N'))
                graph_op(m->g, "broadcast_to", 1, &inputs[i], 1, &rows, 1, &inputs[i],
                         &m->e);
            output(m, arena_format(p->arena, "metric.%u.%s", index, c->in[i].name),
                   inputs[i]);
        }
        return m->e.status ? finish(m, part, d) : RN_OK;
    }
    struct port_binding *ports =
        arena_array(p->arena, struct port_binding, c->in_count + 1);
    for (uint32_t i = 0; i < c->in_count; i++)
        ports[i] = (struct port_binding){c->in[i].name, inputs[i]};
    struct builder_options bo = {.graph = m->g,
                                 .host = instance_host(part->instance),
                                 .is_live = instance_is_live,
                                 .component = part->path,
                                 .scope = part->path,
                                 .phase = RN_PHASE_EVAL,
                                 .input_count = c->in_count,
                                 .inputs = ports};
    struct builder *b = builder_create(&bo);
    instance_watch(part->instance);
    if (builder_finish(b, iface->describe(builder_api(b)), &m->e) != RN_OK ||
        instance_fault(part->instance, &m->e) != RN_OK)
        return finish(m, part, d);
    return RN_OK;
}

int programs_eval(struct programs *p, int64_t rows, struct graph **out,
                  struct diag *d) {
    struct network net;
    struct network_options no = options(p, "eval", RN_PHASE_EVAL, rows, true);
    int status = network_build(&no, &net, d);
    if (status != RN_OK)
        return status;
    struct make m = {.g = net.graph};
    for (uint32_t i = 0; i < net.loss_count; i++) {
        const struct network_loss *l = &net.losses[i];
        output(&m, arena_format(p->arena, "sum.%u", i), l->by_row ? l->sum : l->loss);
        if (l->by_row)
            output(&m, arena_format(p->arena, "weight.%u", i), l->total_weight);
    }
    for (uint32_t i = 0; i < p->experiment->metrics.count; i++) {
        int s = metric_build(&m, p, &net, &no, i, d);
        status = status ? status : s;
        error_clear(&m.e); /* it is in d; the next metric may have its own */
    }
    *out = m.g;
    return status ? status : finish(&m, NULL, d);
}

int programs_predict(struct programs *p, int64_t rows, struct graph **out,
                     struct diag *d) {
    struct network net;
    struct network_options no = options(p, "predict", RN_PHASE_EVAL, rows, false);
    int status = network_build(&no, &net, d);
    if (status != RN_OK)
        return status;
    struct make m = {.g = net.graph};
    for (uint32_t i = 0; i < net.value_count; i++)
        if (strncmp(net.values[i].name, "data.", 5) != 0)
            output(&m, arena_format(p->arena, "out.%s", net.values[i].name),
                   net.values[i].value);
    *out = m.g;
    return finish(&m, NULL, d);
}
