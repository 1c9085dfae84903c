/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of several gradients (runner.phases/1). A phase is another forward and backward
 * pass of the batch in the same graph, which reads the values of the phase before in
 * the place of the parameters: the plan's arena holds them, and a step stays one
 * program. */
#include <string.h>

#include <runner/phases.h>

#include "network/graph_writer.h"

#define MAX_PHASES 8

/* ----------------------------------------------------------------- the extension */

static const struct rn_phase *phase_at(const struct rn_phases *t, uint32_t i) {
    return (const struct rn_phase *)((uintptr_t)t->phases +
                                     (size_t)i * t->phase_stride);
}

static int check_table(const struct component *c, const struct rn_phases *t,
                       struct rn_error *e) {
    if (!RN_HAS(t, struct rn_phases, reduce) || t->phase_count > MAX_PHASES ||
        (t->phase_count && (!t->phases || t->phase_stride < sizeof(struct rn_phase))))
        return error_set(e, RN_E_PLUGIN,
                         "%s: its table of phases (" RN_EXT_PHASES ") is too small, or "
                         "has more than %d",
                         c->name, MAX_PHASES);
    for (uint32_t i = 0; i < t->phase_count; i++) {
        const struct rn_phase *f = phase_at(t, i);
        if (!f->name || !*f->name || !f->describe)
            return error_set(e, RN_E_PLUGIN, "%s: phase %u has no name or no describe",
                             c->name, i);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(phase_at(t, k)->name, f->name) == 0)
                return error_set(e, RN_E_PLUGIN, "%s: two phases are called '%s'",
                                 c->name, f->name);
    }
    return RN_OK;
}

const struct rn_phases *phases_find(const struct component *c, struct rn_error *e) {
    const struct rn_phases *t = c->extension ? c->extension(RN_EXT_PHASES) : NULL;
    return t && check_table(c, t, e) == RN_OK ? t : NULL;
}

/* The optimizer of parameter i. */
static const struct bound_component *owner(const struct programs *p,
                                           const struct objective *o, uint32_t i) {
    return &p->experiment->optimizers.at[o->parameters[i].optimizer];
}

/* The first optimizer of the objective with phases or sums, and its table. */
static const struct bound_component *leader(const struct programs *p,
                                            const struct objective *o,
                                            const struct rn_phases **table,
                                            struct rn_error *e) {
    for (uint32_t i = 0; i < o->optimizer_count && e->status == RN_OK; i++) {
        const struct bound_component *part =
            &p->experiment->optimizers.at[o->optimizers[i]];
        if ((*table = phases_find(part->component, e)))
            return part;
    }
    *table = NULL;
    return NULL;
}

int phases_check(const struct programs *p, const struct objective *o, struct diag *d) {
    struct rn_error e = {0};
    const struct rn_phases *table;
    const struct bound_component *first = leader(p, o, &table, &e);
    for (uint32_t i = 0; i < o->optimizer_count && first && e.status == RN_OK; i++) {
        const struct bound_component *part =
            &p->experiment->optimizers.at[o->optimizers[i]];
        if (part->component == first->component || !phases_find(part->component, &e))
            continue;
        node_error(d, part->node, false, RN_E_CONFIG,
                   "%s (%s) and %s (%s) each take their own gradients within a step",
                   first->path, first->component->name, part->path,
                   part->component->name);
        diag_hint(d, "use one of them for both groups, or update each group by a "
                     "program of its own (train.programs)");
        return RN_E_CONFIG;
    }
    if (e.status != RN_OK)
        diag_add(d, &e);
    return e.status;
}

const char *phases_name(const struct programs *p, const struct objective *o,
                        uint32_t i) {
    struct rn_error e = {0};
    const struct rn_phases *t;
    return leader(p, o, &t, &e) && i < t->phase_count ? phase_at(t, i)->name : NULL;
}

/* ------------------------------------------------------------------ one parameter */

/* What the members of a phase or the update are given. */
struct call {
    const rn_value *xs, *gs;
    rn_value step;
    const struct phase_sums *sums;
};

/* A member describes something of parameter i; NULL: see m->e. */
static struct builder *call(struct make *m, const struct programs *p,
                            const struct objective *o, uint32_t i,
                            int32_t (*form)(struct rn_build *), const struct call *c) {
    struct rn_parameter info = update_parameter(p, o, i);
    uint32_t n = 3 + c->sums->count, assigned = m->g->assign_count;
    struct port_binding *ports = arena_array(p->arena, struct port_binding, n);
    ports[0] = (struct port_binding){"param", c->xs[i]};
    ports[1] = (struct port_binding){"grad", c->gs[i]};
    ports[2] = (struct port_binding){"step", c->step};
    if (c->sums->count)
        memcpy(ports + 3, c->sums->at, c->sums->count * sizeof *ports);
    struct builder *b =
        make_described(m, owner(p, o, i), form, &info, update_scope(p, o, i), n, ports);
    if (b && m->g->assign_count > assigned) {
        uint32_t id = m->g->assigns[assigned].variable;
        error_set(&m->e, RN_E_PLUGIN, "it assigns '%s': only the update keeps state",
                  variables_at(p->variables, id)->name);
        return NULL;
    }
    return b;
}

/* The error of m, of parameter i in a phase. */
static int report(struct make *m, const struct programs *p, const struct objective *o,
                  uint32_t i, const char *phase, struct diag *d) {
    error_context(&m->e, "%s of parameter '%s'", phase,
                  variables_at(p->variables, o->parameters[i].variable)->name);
    return make_finish(m, owner(p, o, i), d);
}

/* ------------------------------------------------------------------------- sums */

static bool same_type(const struct gvalue *x, const struct gvalue *y) {
    return x->dtype == y->dtype && x->rank == y->rank &&
           memcmp(x->shape, y->shape, x->rank * sizeof *x->shape) == 0;
}

static void add(struct make *m, struct phase_sums *sums, const char *name, rn_value v) {
    for (uint32_t i = 0; i < sums->count; i++) {
        struct port_binding *s = &sums->at[i];
        if (strcmp(s->port, name) != 0)
            continue;
        if (same_type(graph_value(m->g, s->value), graph_value(m->g, v)))
            s->value = make_op2(m, "add", s->value, v);
        else
            error_set(&m->e, RN_E_PLUGIN,
                      "the sum '%s' has another type or shape than that of earlier "
                      "parameters",
                      name);
        return;
    }
    if (sums->count == sums->capacity) {
        sums->capacity = 2 * sums->capacity + 8;
        struct port_binding *grown =
            arena_array(m->g->arena, struct port_binding, sums->capacity);
        if (sums->count)
            memcpy(grown, sums->at, sums->count * sizeof *grown);
        sums->at = grown;
    }
    sums->at[sums->count++] = (struct port_binding){name, v};
}

/* Over all parameters of the component; form NULL: none. */
static int reduce(struct make *m, const struct programs *p, const struct objective *o,
                  const struct component *of, int32_t (*form)(struct rn_build *),
                  const char *phase, struct call *c, struct phase_sums *out,
                  struct diag *d) {
    static const struct phase_sums none = {0};
    c->sums = &none;
    for (uint32_t i = 0; i < o->parameter_count && form; i++) {
        if (owner(p, o, i)->component != of)
            continue;
        struct builder *b = call(m, p, o, i, form, c);
        for (uint32_t k = 0; b && k < builder_output_count(b); k++)
            add(m, out, builder_output_name(b, k),
                builder_output(b, builder_output_name(b, k)));
        if (m->e.status != RN_OK)
            return report(m, p, o, i, phase, d);
    }
    return RN_OK;
}

int phases_update_sums(struct make *m, const struct programs *p,
                       const struct objective *o, const rn_value *xs,
                       const rn_value *gs, rn_value step, struct phase_sums *out,
                       struct diag *d) {
    const struct rn_phases *t;
    const struct bound_component *first = leader(p, o, &t, &m->e);
    struct call c = {.xs = xs, .gs = gs, .step = step};
    if (!first)
        return m->e.status ? make_finish(m, NULL, d) : RN_OK;
    return reduce(m, p, o, first->component, t->reduce, "update", &c, out, d);
}

/* ------------------------------------------------------------------------ phases */

/* The gradient as a phase sees it: of the mean over the rows of this pass. */
static void unscale(struct make *m, const struct programs *p, const struct objective *o,
                    rn_value *gs) {
    rn_value scale = update_scale(m, p, o);
    rn_value share = p->accumulate ? graph_live(m->g, "run.share", RN_F32) : RN_NONE;
    rn_value by = scale && share ? make_op2(m, "mul", scale, share)
                  : scale        ? scale
                                 : share;
    rn_value inverse = make_op2(m, "div", make_scalar(m, 1.0), by);
    for (uint32_t i = 0; i < o->parameter_count && inverse; i++)
        gs[i] = make_op2(m, "mul", gs[i], inverse);
}

/* at[i]: where the next gradient of parameter i is taken; its own value, unless its
 * optimizer has the phase. */
static int place(struct make *m, const struct programs *p, const struct objective *o,
                 const struct component *of, const struct rn_phase *phase,
                 struct call *c, rn_value *at, struct diag *d) {
    struct phase_sums sums = {0};
    int status = reduce(m, p, o, of, phase->reduce, phase->name, c, &sums, d);
    c->sums = &sums;
    for (uint32_t i = 0; i < o->parameter_count && status == RN_OK; i++) {
        const struct variable *v =
            variables_at(p->variables, o->parameters[i].variable);
        at[i] = c->xs[i];
        if (owner(p, o, i)->component != of)
            continue;
        struct builder *b = call(m, p, o, i, phase->describe, c);
        rn_value to = b ? builder_output(b, "param") : RN_NONE;
        if (b && (!to || !make_is_like(graph_value(m->g, to), v)))
            error_set(&m->e, RN_E_PLUGIN,
                      to ? "output 'param' of %s has another type or shape"
                         : "%s gave no output 'param'",
                      of->name);
        at[i] = make_op1(m, "stop_gradient", to);
        if (m->e.status != RN_OK)
            status = report(m, p, o, i, phase->name, d);
    }
    return status;
}

/* The total of another pass of the batch, with the parameters at `at`. */
static int pass(struct make *m, struct programs *p, const struct objective *o,
                const struct network_options *options, const rn_value *at,
                rn_value *total, struct diag *d) {
    struct network net;
    int status = network_build(options, &net, d);
    if (status != RN_OK)
        return status;
    struct make again = {.g = net.graph};
    status = objective_total(&again, p, o, &net, total, d);
    if (status == RN_OK)
        status = make_finish(&again, NULL, d);
    if (status != RN_OK)
        return status;
    uint32_t n = variables_count(p->variables);
    rn_value *by_variable = arena_array(p->arena, rn_value, n + 1);
    for (uint32_t i = 0; i < o->parameter_count; i++)
        by_variable[o->parameters[i].variable] = at[i];
    *total = graph_append(m->g, again.g, by_variable, *total);
    return RN_OK;
}

static int next_gradient(struct make *m, struct programs *p, const struct objective *o,
                         const struct component *of, const struct rn_phase *phase,
                         const struct network_options *options, const rn_value *xs,
                         rn_value *gs, struct diag *d) {
    rn_value *at = arena_array(p->arena, rn_value, o->parameter_count + 1), total;
    m->g->part = GRAPH_UPDATE;
    rn_value finite = update_finite(m, o->parameter_count, gs);
    unscale(m, p, o, gs);
    struct call c = {.xs = xs, .gs = gs, .step = update_count(m, o, NULL)};
    int status = place(m, p, o, of, phase, &c, at, d);
    m->g->part = GRAPH_FORWARD;
    if (status == RN_OK)
        status = pass(m, p, o, options, at, &total, d);
    if (status != RN_OK)
        return status;
    rn_value scale = update_scale(m, p, o);
    if (graph_gradient(m->g, 1, &total, scale ? &scale : NULL, o->parameter_count, at,
                       gs, &m->e) != RN_OK)
        return make_finish(m, NULL, d);
    /* A phase that is not finite makes the step's gradient so: 1/1, or 1/0. */
    m->g->part = GRAPH_UPDATE;
    gs[0] = make_op2(m, "div", gs[0], make_cast(m, finite, RN_F32));
    return RN_OK;
}

int phases_gradient(struct make *m, struct programs *p, const struct objective *o,
                    const struct network_options *network, const rn_value *xs,
                    rn_value *gs, struct diag *d) {
    const struct rn_phases *t;
    const struct bound_component *first = leader(p, o, &t, &m->e);
    for (uint32_t i = 0; first && i < t->phase_count; i++) {
        int status = next_gradient(m, p, o, first->component, phase_at(t, i), network,
                                   xs, gs, d);
        if (status != RN_OK)
            return status;
    }
    return m->e.status ? make_finish(m, NULL, d) : RN_OK;
}
