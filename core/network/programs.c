/* SPDX-License-Identifier: Apache-2.0 */
/* Building the programs: network, losses, gradients, clipping, update. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/work.h>

#include "network/graph_writer.h"
#include "network/inline.h"

/* ----------------------------------------------------------------- the setup */

enum kept { NOT_KEPT, KEPT_IF_THERE, KEPT }; /* in a checkpoint */

static int declare_scalar(struct programs *p, const char *what, const char *objective,
                          rn_dtype t, double value, enum kept kept, uint32_t *id,
                          struct rn_error *e) {
    struct variable v = {.name = arena_format(p->arena, "run.%s.%s", what, objective),
                         .role = "state",
                         .owner = "run",
                         .dtype = t,
                         .value = value,
                         .count = 1,
                         .checkpointed = kept != NOT_KEPT,
                         .optional = kept == KEPT_IF_THERE};
    return variables_declare(p->variables, &v, id, e);
}

static int declare_scaling(struct programs *p, struct objective *o,
                           struct rn_error *e) {
    int status = declare_scalar(p, "scale", o->name, RN_F32, p->scaling.initial,
                                KEPT_IF_THERE, &o->scale, e);
    if (!status)
        status = declare_scalar(p, "good", o->name, RN_I64, 0.0, KEPT_IF_THERE,
                                &o->growth_steps, e);
    if (!status)
        status = declare_scalar(p, "overflows", o->name, RN_I64, 0.0, KEPT_IF_THERE,
                                &o->overflows, e);
    return status;
}

/* What the run itself keeps from step to step. */
static int declare_counters(struct programs *p, struct objective *o,
                            struct rn_error *e) {
    int status =
        declare_scalar(p, "applied", o->name, RN_I64, 0.0, KEPT, &o->applied, e);
    if (p->scaling.kind == SCALING_DYNAMIC && !status)
        status = declare_scaling(p, o, e);
    if (p->accumulate && !status)
        status =
            declare_scalar(p, "sound", o->name, RN_F32, 1.0, NOT_KEPT, &o->finite, e);
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

static void read_scaling(struct programs *p) {
    const struct experiment *x = p->experiment;
    struct scaling *s = &p->scaling;
    if (x->precision != RN_F16)
        return;
    const char *type = experiment_string(x, "train.loss_scale.type");
    s->kind = strcmp(type, "fixed") == 0 ? SCALING_FIXED : SCALING_DYNAMIC;
    s->initial =
        experiment_float(x, s->kind == SCALING_FIXED ? "train.loss_scale.scale"
                                                     : "train.loss_scale.initial");
    s->growth = experiment_float(x, "train.loss_scale.growth");
    s->backoff = experiment_float(x, "train.loss_scale.backoff");
    s->interval = experiment_int(x, "train.loss_scale.interval");
    s->min = experiment_float(x, "train.loss_scale.least");
}

static int read_lookahead(struct programs *p, struct diag *d) {
    const struct experiment *x = p->experiment;
    const struct node *at = node_at(x->root, "train.lookahead");
    const struct node *list = node_at(x->root, "train.programs");
    if (!at)
        return RN_OK;
    p->lookahead = (struct lookahead){experiment_int(x, "train.lookahead.every"),
                                      experiment_float(x, "train.lookahead.decay"),
                                      experiment_float(x, "train.lookahead.ramp")};
    if (list && node_count(list) > 1)
        return node_error(d, at, false, RN_E_CONFIG,
                          "train.lookahead is for one program, not for several");
    return RN_OK;
}

static struct network_options options(struct programs *p, const char *name,
                                      int32_t phase, int64_t rows, bool losses) {
    bool resident = phase == RN_PHASE_TRAIN && p->resident.held;
    return (struct network_options){.experiment = p->experiment,
                                    .variables = p->variables,
                                    .arena = p->arena,
                                    .name = name,
                                    .phase = phase,
                                    .rows = rows,
                                    .field_count = p->field_count,
                                    .fields = p->fields,
                                    .losses = losses,
                                    .resident = resident ? &p->resident : NULL};
}

static bool is_read(const struct graph *g, rn_value v) {
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].in_count; k++)
            if (g->nodes[i].in[k] == v)
                return true;
    return false;
}

/* Variables for the fields that the network reads. */
static int declare_resident(struct programs *p, const struct network *net,
                            const struct resident *chosen, struct rn_error *e) {
    struct resident *r = &p->resident;
    int status = RN_OK;
    *r = *chosen;
    r->variable = arena_array(p->arena, uint32_t, p->field_count + 1);
    bool *held = arena_array(p->arena, bool, p->field_count + 1);
    for (uint32_t i = 0; i < p->field_count && status == RN_OK; i++) {
        const struct network_field *f = &p->fields[i];
        const char *name = arena_format(p->arena, "data.%s", f->name);
        struct variable v = {.name = name,
                             .role = "data",
                             .owner = "run",
                             .dtype = f->dtype,
                             .rank = f->rank + 1,
                             .shape = {r->rows}};
        memcpy(v.shape + 1, f->shape, f->rank * sizeof *f->shape);
        held[i] = is_read(net->graph, network_find(net, name));
        if (held[i])
            status = variables_declare(p->variables, &v, &r->variable[i], e);
    }
    r->held = held;
    return status;
}

int programs_create(struct experiment *x, struct arena *a, uint32_t field_count,
                    const struct network_field *fields, int64_t rows,
                    const struct resident *resident, bool training,
                    struct programs **out, struct diag *d) {
    struct programs *p = arena_new(a, struct programs);
    p->experiment = x;
    p->arena = a;
    p->variables = variables_create(a);
    p->field_count = field_count;
    p->fields = fields;
    p->accumulate = experiment_int(x, "train.accumulate") > 1;
    p->clip_norm = experiment_float(x, "train.clip.norm");
    p->clip_value = experiment_float(x, "train.clip.value");
    p->nan_skip = strcmp(experiment_string(x, "train.on_nan"), "skip") == 0;
    p->anomaly = experiment_bool(x, "train.anomaly");
    read_scaling(p);
    *out = p;
    if (training && read_lookahead(p, d) != RN_OK)
        return RN_E_CONFIG;
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
    struct rn_error e = {0};
    if (status == RN_OK && training && resident->rows &&
        declare_resident(p, &net, resident, &e) != RN_OK) {
        diag_add(d, &e);
        status = e.status;
    }
    p->elements = arena_array(a, double, x->losses.count + 1);
    for (uint32_t i = 0; i < x->losses.count && status == RN_OK && training; i++) {
        const struct network_loss *l = &net.losses[i];
        p->elements[i] =
            l->by_row ? (double)graph_elements(net.graph, l->loss) / (double)rows : 1.0;
    }
    for (uint32_t i = 0; training && i < p->objective_count && status == RN_OK; i++) {
        status = objective_bind(p, &p->objectives[i], d);
        if (status == RN_OK)
            status = phases_check(p, &p->objectives[i], d);
        if (status == RN_OK && declare_counters(p, &p->objectives[i], &e) != RN_OK) {
            diag_add(d, &e);
            status = e.status;
        }
    }
    return training && status == RN_OK ? regularizers_check(p, d) : status;
}

/* ------------------------------------------------------------------ training */

/* sum / weight; 0, and so its gradient, where all terms weigh 0. */
static rn_value weighted_mean(struct make *m, const struct network_loss *l) {
    if (!l->weight)
        return make_op2(m, "div", l->sum, l->total_weight);
    rn_value zero = make_scalar(m, 0.0);
    rn_value none = make_op2(m, "eq", l->total_weight, zero);
    rn_value by = make_select(m, none, make_scalar(m, 1.0), l->total_weight);
    return make_select(m, none, zero, make_op2(m, "div", l->sum, by));
}

/* The mean of loss i over the whole step; in a micro-batch, its part of it. */
static rn_value loss_mean(struct make *m, const struct network_loss *l, uint32_t i,
                          bool accumulate) {
    char name[48];
    if (!l->by_row) {
        rn_value v = l->loss;
        if (accumulate)
            v = make_op2(m, "mul", v, graph_live(m->g, "run.share", RN_F32));
        return v;
    }
    if (!accumulate)
        return weighted_mean(m, l);
    snprintf(name, sizeof name, "run.inverse.%u", i);
    return make_op2(m, "mul", l->sum, graph_live(m->g, name, RN_F32));
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
        make_output(m, arena_copy(p->arena, name), mean);
        if (l->weight && !p->accumulate)
            make_output(m, arena_format(p->arena, "weight.%u", o->losses[k]),
                        l->total_weight);
        if (l->factor != 1.0)
            mean = make_op2(m, "mul", mean, make_scalar(m, l->factor));
        total = total ? make_op2(m, "add", total, mean) : mean;
    }
    make_output(m, "loss", total);
    return total;
}

/* With the penalties of the regularizers, once a step: each micro-batch has its share.
 */
static int add_penalty(struct make *m, const struct programs *p,
                       const struct objective *o, rn_value *total, struct diag *d) {
    rn_value penalty;
    int status = regularizers_penalty(m, p, o, &penalty, d);
    if (status != RN_OK || !penalty)
        return status;
    if (p->accumulate)
        penalty = make_op2(m, "mul", penalty, graph_live(m->g, "run.share", RN_F32));
    make_output(m, "regularization", penalty);
    *total = make_op2(m, "add", *total, penalty);
    return RN_OK;
}

int objective_total(struct make *m, struct programs *p, const struct objective *o,
                    const struct network *net, rn_value *total, struct diag *d) {
    *total = total_loss(m, p, o, net);
    return add_penalty(m, p, o, total, d);
}

/* Does any term of the objective's losses weigh anything in this batch? RN_NONE:
 * always, as one of them has no weights. */
static rn_value any_weight(struct make *m, const struct objective *o,
                           const struct network *net) {
    rn_value any = RN_NONE;
    for (uint32_t k = 0; k < o->loss_count; k++) {
        const struct network_loss *l = &net->losses[o->losses[k]];
        if (!l->weight || !l->by_row)
            return RN_NONE;
        rn_value one = make_op2(m, "ne", l->total_weight, make_scalar(m, 0.0));
        any = any ? make_op2(m, "logical_or", any, one) : one;
    }
    return any;
}

/* The last value of each layer: what the forward pass left of its scope. */
static void tap_activations(struct make *m, struct programs *p,
                            uint32_t forward_nodes) {
    for (uint32_t i = 0; i < forward_nodes; i++) {
        const struct gnode *n = &m->g->nodes[i];
        if (!gnode_ends_layer(m->g, i, forward_nodes))
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

/* Of the total times the loss scale, where there is one. */
static void gradients(struct make *m, struct programs *p, const struct objective *o,
                      rn_value total, rn_value *xs, rn_value *gs) {
    rn_value scale = update_scale(m, p, o);
    for (uint32_t i = 0; i < o->parameter_count; i++)
        xs[i] = graph_variable(m->g, o->parameters[i].variable);
    if (m->e.status == RN_OK)
        graph_gradient(m->g, 1, &total, scale ? &scale : NULL, o->parameter_count, xs,
                       gs, &m->e);
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
    rn_value *gs = xs + o->parameter_count, total;
    status = objective_total(&m, p, o, &net, &total, d);
    if (status != RN_OK)
        return status;
    gradients(&m, p, o, total, xs, gs);
    if (m.e.status)
        return make_finish(&m, NULL, d);
    status = phases_gradient(&m, p, o, &no, xs, gs, d);
    if (status != RN_OK)
        return status;
    struct update u = {.loss = total, .xs = xs, .gs = gs};
    u.counts = any_weight(&m, o, &net);
    update_unscale(&m, p, o, &u);
    if (p->tap) {
        tap_activations(&m, p, forward_nodes);
        tap_parameters(&m, p, o, xs, gs);
    }
    *out = m.g;
    return update_make(&m, p, o, &u, d);
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
    rn_value *gs = xs + o->parameter_count, total;
    status = objective_total(&m, p, o, &net, &total, d);
    if (status != RN_OK)
        return status;
    gradients(&m, p, o, total, xs, gs);
    if (m.e.status)
        return make_finish(&m, NULL, d);
    status = phases_gradient(&m, p, o, &no, xs, gs, d);
    if (status != RN_OK)
        return status;
    m.g->part = GRAPH_UPDATE;
    /* A running statistic that is not finite stays as it was, and the update is
     * notified.
     */
    rn_value finite = update_statistics(&m);
    for (uint32_t i = 0; i < m.g->assign_count && !m.e.status; i++) {
        struct gassign *a = &m.g->assigns[i];
        if (graph_value(m.g, a->value)->dtype == RN_F32)
            a->value = make_select(&m, make_op1(&m, "is_finite", a->value), a->value,
                                   graph_variable(m.g, a->variable));
    }
    rn_value first = make_op2(&m, "ne", graph_live(m.g, "run.first", RN_U32),
                              graph_scalar(m.g, RN_U32, 0.0));
    for (uint32_t i = 0; i < o->parameter_count && m.e.status == RN_OK; i++) {
        uint32_t acc = o->parameters[i].accumulator;
        rn_value sum = make_op2(&m, "add", graph_variable(m.g, acc), gs[i]);
        graph_assign(m.g, acc, make_select(&m, first, gs[i], sum), &m.e);
    }
    if (finite && m.e.status == RN_OK) {
        rn_value now = make_cast(&m, finite, RN_F32);
        rn_value all = make_op2(&m, "minimum", graph_variable(m.g, o->finite), now);
        graph_assign(m.g, o->finite, make_select(&m, first, now, all), &m.e);
    }
    *out = m.g;
    return make_finish(&m, NULL, d);
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
    rn_value finite =
        make_op2(&m, "gt", graph_variable(m.g, o->finite), make_scalar(&m, 0.0));
    struct update u = {.finite = finite, .xs = xs, .gs = gs};
    update_unscale(&m, p, o, &u);
    return update_make(&m, p, o, &u, d);
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
            make_output(&m, arena_format(p->arena, "weight.%u", o->losses[k]),
                        l->total_weight);
    }
    *out = m.g;
    return make_finish(&m, NULL, d);
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

/* A metric is shown the shapes and types that its ports will have; what it takes for
 * classes is noted. */
static int check_ports(const struct make *m, struct programs *p,
                       const struct bound_component *part, int64_t rows,
                       const rn_value *inputs, struct rn_error *e) {
    const struct component *c = part->component;
    const struct rn_metric_check_api *api =
        c->extension ? c->extension(RN_EXT_METRIC_CHECK) : NULL;
    struct rn_tensor values[COMPONENT_PORTS];
    void *self = instance_self(part->instance);
    int status = RN_OK;
    if (!api)
        return RN_OK;
    for (uint32_t i = 0; i < c->in_count; i++) {
        const struct gvalue *v = graph_value(m->g, inputs[i]);
        values[i] = (struct rn_tensor){0};
        if (v)
            values[i] = (struct rn_tensor){NULL, v->shape, NULL, v->dtype, v->rank};
    }
    struct rn_workspace work = {0};
    struct rn_metric_batch batch = {.struct_size = sizeof batch,
                                    .phase = RN_PHASE_SETUP,
                                    .work = rn_workspace_begin(&work),
                                    .ports = c->in_count,
                                    .values = values,
                                    .rows = (uint64_t)rows};
    if (RN_HAS(api, struct rn_metric_check_api, check) && api->check)
        status = error_of_call(e, api->check(self, &batch, e), c->name, "check");
    rn_workspace_finish(&work);
    if (status != RN_OK)
        return status;
    if (!RN_HAS(api, struct rn_metric_check_api, choices) || !api->choices)
        return RN_OK;
    for (uint32_t i = 0; i < c->in_count; i++) {
        const char *field = network_source(m->g, inputs[i]);
        int64_t n = field ? api->choices(self, &batch, i) : 0;
        if (n > 0)
            p->measured[p->measured_count++] = (struct measured){part->path, field, n};
    }
    return RN_OK;
}

/* Graph-form metrics assign their accumulators here; host-form ones get outputs. */
static int metric_build(struct make *m, struct programs *p, struct network *net,
                        const struct network_options *no, uint32_t index,
                        struct diag *d) {
    const struct bound_component *part = &p->experiment->metrics.at[index];
    const struct component *c = part->component;
    const struct rn_metric *iface = c->iface;
    rn_value inputs[COMPONENT_PORTS];
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
            make_output(m, arena_format(p->arena, "metric.%u.%s", index, c->in[i].name),
                        inputs[i]);
        }
        if (!m->e.status)
            check_ports(m, p, part, no->rows, inputs, &m->e);
        return m->e.status ? make_finish(m, part, d) : RN_OK;
    }
    struct port_binding *ports =
        arena_array(p->arena, struct port_binding, c->in_count + 1);
    for (uint32_t i = 0; i < c->in_count; i++)
        ports[i] = (struct port_binding){c->in[i].name, inputs[i]};
    struct builder_options bo = {.graph = m->g,
                                 .host = instance_host(part->instance),
                                 .self = instance_self(part->instance),
                                 .is_live = instance_is_live,
                                 .extension = inline_extension,
                                 .component = part->path,
                                 .scope = part->path,
                                 .phase = RN_PHASE_EVAL,
                                 .input_count = c->in_count,
                                 .inputs = ports};
    struct builder *b = builder_create(&bo);
    instance_watch(part->instance);
    if (network_finish(part, b, iface->describe(builder_api(b)), &m->e) != RN_OK ||
        check_ports(m, p, part, no->rows, inputs, &m->e) != RN_OK)
        return make_finish(m, part, d);
    return RN_OK;
}

int programs_eval(struct programs *p, int64_t rows, struct graph **out,
                  struct diag *d) {
    struct network net;
    struct network_options no = options(p, "eval", RN_PHASE_EVAL, rows, true);
    int status = network_build(&no, &net, d);
    p->measured = arena_array(p->arena, struct measured,
                              p->experiment->metrics.count * COMPONENT_PORTS + 1);
    p->measured_count = 0;
    if (status != RN_OK)
        return status;
    struct make m = {.g = net.graph};
    for (uint32_t i = 0; i < net.loss_count; i++) {
        const struct network_loss *l = &net.losses[i];
        make_output(&m, arena_format(p->arena, "sum.%u", i),
                    l->by_row ? l->sum : l->loss);
        if (l->by_row)
            make_output(&m, arena_format(p->arena, "weight.%u", i), l->total_weight);
    }
    for (uint32_t i = 0; i < p->experiment->metrics.count; i++) {
        int s = metric_build(&m, p, &net, &no, i, d);
        status = status ? status : s;
        error_clear(&m.e); /* it is in d; the next metric may have its own */
    }
    averages_redirect(p, m.g);
    *out = m.g;
    return status ? status : make_finish(&m, NULL, d);
}

int programs_refresh(struct programs *p, int64_t rows, struct graph **out,
                     struct diag *d) {
    struct network net;
    struct network_options no = options(p, "refresh", RN_PHASE_TRAIN, rows, false);
    no.resident = NULL; /* samples are read, not changed */
    no.refresh = true;
    int status = network_build(&no, &net, d);
    if (status != RN_OK)
        return status;
    struct make m = {.g = net.graph};
    averages_keep_statistics(&m, p);
    averages_redirect(p, m.g);
    *out = m.g;
    return make_finish(&m, NULL, d);
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
            make_output(&m, arena_format(p->arena, "out.%s", net.values[i].name),
                        net.values[i].value);
    *out = m.g;
    return make_finish(&m, NULL, d);
}
