/* SPDX-License-Identifier: Apache-2.0 */
/* The last part of a step: loss scaling, clipping, optimizers, and whether any of it
 * holds. */
#include <stdio.h>
#include <string.h>

#include "network/graph_writer.h"

#define LONG_ROW 256 /* elements */

/* A reduction over all elements. Of long rows first each row's, so that threads have
 * something to divide: a sum has one order and is one thread's. */
static rn_value over_all(struct make *m, const char *op, rn_value x) {
    const struct gvalue *v = graph_value(m->g, x);
    if (v && v->rank > 1 && v->shape[0] > 1 &&
        graph_elements(m->g, x) >= LONG_ROW * (uint64_t)v->shape[0]) {
        int64_t axes[RN_MAX_RANK];
        for (uint32_t i = 1; i < v->rank; i++)
            axes[i - 1] = i;
        struct rn_attr a = {"axes", RN_ATTR_INTS, v->rank - 1, 0, 0.0, axes};
        x = make_op(m, op, 1, &x, 1, &a);
    }
    return make_op1(m, op, x);
}

/* sqrt of the sum of squares of all gradients. */
static rn_value global_norm(struct make *m, uint32_t n, const rn_value *gs) {
    rn_value sum = RN_NONE;
    for (uint32_t i = 0; i < n; i++) {
        rn_value s = over_all(m, "reduce_sum", make_op2(m, "mul", gs[i], gs[i]));
        sum = sum ? make_op2(m, "add", sum, s) : s;
    }
    return make_op1(m, "sqrt", sum);
}

/* x and y, either of which may be RN_NONE. */
static rn_value both(struct make *m, rn_value x, rn_value y) {
    return !x ? y : !y ? x : make_op2(m, "logical_and", x, y);
}

rn_value update_statistics(struct make *m) {
    rn_value ok = RN_NONE;
    for (uint32_t i = 0; i < m->g->assign_count; i++) {
        rn_value v = m->g->assigns[i].value;
        if (v && graph_value(m->g, v)->dtype == RN_F32)
            ok = both(m, ok, make_op1(m, "is_finite", make_op1(m, "reduce_sum", v)));
    }
    return ok;
}

/* ----------------------------------------------------------------- loss scaling */

rn_value update_scale(struct make *m, const struct programs *p,
                      const struct objective *o) {
    switch (p->scaling.kind) {
    case SCALING_FIXED:
        return make_scalar(m, p->scaling.initial);
    case SCALING_DYNAMIC:
        return graph_variable(m->g, o->scale);
    default:
        return RN_NONE;
    }
}

rn_value update_finite(struct make *m, uint32_t n, const rn_value *values) {
    rn_value finite = RN_NONE;
    for (uint32_t i = 0; i < n; i++) {
        /* The largest, as a sum of finite ones may overflow. */
        rn_value largest = over_all(m, "reduce_max", make_op1(m, "abs", values[i]));
        finite = both(m, finite, make_op1(m, "is_finite", largest));
    }
    return finite;
}

void update_unscale(struct make *m, const struct programs *p, const struct objective *o,
                    struct update *u) {
    rn_value scale = update_scale(m, p, o);
    m->g->part = GRAPH_UPDATE;
    if (!scale)
        return;
    rn_value finite = update_finite(m, o->parameter_count, u->gs);
    rn_value inverse = make_op2(m, "div", make_scalar(m, 1.0), scale);
    for (uint32_t i = 0; i < o->parameter_count; i++)
        u->gs[i] = make_op2(m, "mul", u->gs[i], inverse);
    if (p->scaling.kind == SCALING_DYNAMIC)
        u->overflow = make_op1(m, "logical_not", finite);
}

static void assign(struct make *m, uint32_t variable, rn_value holds, rn_value v) {
    if (holds)
        v = make_select(m, holds, v, graph_variable(m->g, variable));
    if (m->e.status == RN_OK)
        graph_assign(m->g, variable, v, &m->e);
}

/* The next scale, as PyTorch's GradScaler has it: smaller after an overflow, larger
 * after enough steps without one. ok: the step holds; sound: but for its gradient. */
static void rescale(struct make *m, const struct programs *p, const struct objective *o,
                    const struct update *u, rn_value ok, rn_value finite) {
    const struct scaling *s = &p->scaling;
    struct graph *g = m->g;
    rn_value over = u->overflow;
    rn_value zero = graph_scalar(g, RN_I64, 0.0), one = graph_scalar(g, RN_I64, 1.0);
    rn_value scale = graph_variable(g, o->scale), min = make_scalar(m, s->min);
    rn_value growth_steps = make_op2(m, "add", graph_variable(g, o->growth_steps), one);
    rn_value due =
        make_op2(m, "ge", growth_steps, graph_scalar(g, RN_I64, (double)s->interval));
    rn_value up = make_op2(m, "mul", scale, make_scalar(m, s->growth));
    rn_value down = make_op2(m, "mul", scale, make_scalar(m, s->backoff));
    up = make_select(m, make_op1(m, "is_finite", up), up, scale);
    rn_value next = make_select(m, over, make_op2(m, "maximum", down, min),
                                make_select(m, due, up, scale));
    growth_steps =
        make_select(m, make_op2(m, "logical_or", over, due), zero, growth_steps);
    rn_value overflows =
        make_op2(m, "add", graph_variable(g, o->overflows), make_cast(m, over, RN_I64));
    /* There is nothing to try where the scale is as small as it gets. */
    rn_value excused = both(m, over, make_op2(m, "gt", scale, min));
    excused = both(m, excused, finite);
    make_output(m, "overflow", excused);
    make_output(m, "scale", next);
    make_output(m, "overflows", overflows);
    rn_value holds = p->nan_skip ? RN_NONE : make_op2(m, "logical_or", ok, excused);
    holds = both(m, holds, u->counts);
    assign(m, o->scale, holds, next);
    assign(m, o->growth_steps, holds, growth_steps);
    assign(m, o->overflows, holds, overflows);
}

/* ------------------------------------------------------------------- the update */

struct rn_parameter update_parameter(const struct programs *p,
                                     const struct objective *o, uint32_t i) {
    const struct variable *v = variables_at(p->variables, o->parameters[i].variable);
    uint32_t mine = o->parameters[i].optimizer;
    const char *path = p->experiment->optimizers.at[mine].path;
    struct rn_parameter out = {.struct_size = sizeof out,
                               .rank = v->rank,
                               .name = v->name,
                               .role = v->role,
                               .group = strncmp(path, "optimizer.", 10) == 0 ? path + 10
                                                                             : path,
                               .shape = v->shape,
                               .elements = v->count};
    variable_fans(v, &out.fan_in, &out.fan_out);
    for (uint32_t k = 0; k < o->parameter_count; k++) {
        out.index += k < i && o->parameters[k].optimizer == mine;
        out.count += o->parameters[k].optimizer == mine;
    }
    return out;
}

const char *update_scope(const struct programs *p, const struct objective *o,
                         uint32_t i) {
    const struct variable *v = variables_at(p->variables, o->parameters[i].variable);
    const char *path = p->experiment->optimizers.at[o->parameters[i].optimizer].path;
    return arena_format(p->arena, "%s.%s",
                        strncmp(path, "optimizer", 9) == 0 ? path : "optimizer",
                        v->name);
}

rn_value update_count(struct make *m, const struct objective *o, rn_value *next) {
    rn_value one = graph_scalar(m->g, RN_I64, 1.0);
    rn_value count = make_op2(m, "add", graph_variable(m->g, o->applied), one);
    if (next)
        *next = count;
    return make_cast(m, count, RN_F32);
}

/* The optimizer of parameter i describes its new value. */
static int describe(struct make *m, struct programs *p, const struct objective *o,
                    const struct update *u, uint32_t i, rn_value step,
                    const struct phase_sums *sums, struct diag *d) {
    const struct variable *v = variables_at(p->variables, o->parameters[i].variable);
    const struct bound_component *part =
        &p->experiment->optimizers.at[o->parameters[i].optimizer];
    const struct rn_optimizer *iface = part->component->iface;
    uint32_t n = 3 + sums->count;
    struct port_binding *ports = arena_array(p->arena, struct port_binding, n);
    ports[0] = (struct port_binding){"param", u->xs[i]};
    ports[1] = (struct port_binding){"grad", u->gs[i]};
    ports[2] = (struct port_binding){"step", step};
    if (sums->count)
        memcpy(ports + 3, sums->at, sums->count * sizeof *ports);
    const char *scope = update_scope(p, o, i);
    struct rn_parameter info = update_parameter(p, o, i);
    rn_value value =
        make_part(m, part, iface->describe, &info, scope, n, ports, "param");
    if (m->e.status == RN_OK) {
        int status = regularizers_project(m, p, o, i, &value, d);
        if (status != RN_OK)
            return status;
    }
    if (m->e.status == RN_OK)
        graph_assign(m->g, o->parameters[i].variable, value, &m->e);
    if (m->e.status == RN_OK)
        return RN_OK;
    error_context(&m->e, "parameter '%s'", v->name);
    return make_finish(m, part, d);
}

/* Hooks see the whole gradient of the step, before it is clipped. */
static int rewrite_gradients(struct make *m, const struct programs *p,
                             const struct objective *o, rn_value *gs, struct diag *d) {
    for (uint32_t i = 0; i < o->parameter_count && network_rewrites(p->experiment);
         i++) {
        const struct variable *v =
            variables_at(p->variables, o->parameters[i].variable);
        struct rn_point point = {
            sizeof point, RN_POINT_GRADIENT, v->name, "", gs[i], 0};
        gs[i] = network_rewrite(p->experiment, m->g, &point, RN_PHASE_TRAIN, d);
        if (!gs[i])
            return diag_status(d);
    }
    return RN_OK;
}

/* Are the new values of all parameters finite? The largest of each, as a sum of finite
 * ones may overflow. */
static rn_value parameters_finite(struct make *m, const struct objective *o) {
    rn_value finite = RN_NONE;
    for (uint32_t i = 0; i < o->parameter_count && m->e.status == RN_OK; i++)
        for (uint32_t k = 0; k < m->g->assign_count; k++) {
            const struct gassign *a = &m->g->assigns[k];
            if (a->variable != o->parameters[i].variable)
                continue;
            rn_value largest = over_all(m, "reduce_max", make_op1(m, "abs", a->value));
            finite = both(m, finite, make_op1(m, "is_finite", largest));
        }
    return finite;
}

static void clip(struct make *m, const struct programs *p, const struct objective *o,
                 rn_value norm, rn_value *gs) {
    struct rn_attr a[2] = {rn_attr_float("lo", -p->clip_value),
                           rn_attr_float("hi", p->clip_value)};
    rn_value shrink = RN_NONE;
    if (p->clip_norm > 0.0)
        shrink = make_op2(m, "minimum", make_scalar(m, 1.0),
                          make_op2(m, "div", make_scalar(m, p->clip_norm),
                                   make_op2(m, "add", norm, make_scalar(m, 1e-6))));
    for (uint32_t i = 0; i < o->parameter_count; i++) {
        if (p->clip_value > 0.0)
            gs[i] = make_op(m, "clamp", 1, &gs[i], 2, a);
        if (shrink)
            gs[i] = make_op2(m, "mul", gs[i], shrink);
    }
}

/* All assignments are predicated on `ok`, so that a step with NaN, or one whose rows
 * all weigh 0, changes nothing; the loss scale alone has rules of its own. */
int update_make(struct make *m, struct programs *p, const struct objective *o,
                struct update *u, struct diag *d) {
    struct graph *g = m->g;
    g->part = GRAPH_UPDATE;
    int rewritten = m->e.status ? RN_OK : rewrite_gradients(m, p, o, u->gs, d);
    if (rewritten != RN_OK)
        return rewritten;
    rn_value norm = global_norm(m, o->parameter_count, u->gs);
    rn_value finite = u->loss ? make_op1(m, "is_finite", u->loss) : RN_NONE;
    finite = both(m, both(m, finite, update_statistics(m)), u->finite);
    rn_value ok = both(m, make_op1(m, "is_finite", norm), finite);
    if (u->overflow)
        ok = both(m, ok, make_op1(m, "logical_not", u->overflow));
    make_output(m, "norm", norm);
    rn_value next, step = update_count(m, o, &next);
    struct phase_sums sums = {0};
    clip(m, p, o, norm, u->gs);
    if (m->e.status == RN_OK &&
        phases_update_sums(m, p, o, u->xs, u->gs, step, &sums, d) != RN_OK)
        return diag_status(d);
    for (uint32_t i = 0; i < o->parameter_count && m->e.status == RN_OK; i++) {
        int status = describe(m, p, o, u, i, step, &sums, d);
        if (status != RN_OK)
            return status;
    }
    if (p->lookahead.every && m->e.status == RN_OK)
        lookahead_make(m, p, o, next);
    if (m->e.status == RN_OK)
        graph_assign(g, o->applied, next, &m->e);
    if (p->anomaly)
        ok = both(m, ok, parameters_finite(m, o));
    make_output(m, "skipped", make_op1(m, "logical_not", ok));
    ok = both(m, ok, u->counts);
    for (uint32_t i = 0; i < g->assign_count && m->e.status == RN_OK; i++) {
        struct gassign *a = &g->assigns[i];
        a->value = make_select(m, ok, a->value, graph_variable(g, a->variable));
    }
    if (u->overflow)
        rescale(m, p, o, u, ok, finite);
    return make_finish(m, NULL, d);
}
