/* SPDX-License-Identifier: Apache-2.0 */
/* Averages of parameters, as a hook describes them: variables of their own, updated by
 * a program between steps and read by evaluations in place of the parameters. Training
 * reads neither. */
#include <string.h>

#include "network/graph_writer.h"

/* ---------------------------------------------------------------- declaration */

uint32_t average_of(const struct programs *p, uint32_t variable) {
    for (uint32_t i = 0; i < p->averages.count; i++)
        if (p->averages.at[i].variable == variable)
            return p->averages.at[i].average;
    return UINT32_MAX;
}

static int declare_counter(struct programs *p, const char *name, uint32_t *id,
                           struct rn_error *e) {
    struct variable v = {.name = name,
                         .role = "state",
                         .owner = "run",
                         .dtype = RN_I64,
                         .count = 1,
                         .checkpointed = true,
                         .optional = true};
    return variables_declare(p->variables, &v, id, e);
}

static int declare_one(struct programs *p, uint32_t variable, struct rn_error *e) {
    struct averages *all = &p->averages;
    const struct variable *v = variables_at(p->variables, variable);
    struct averaged one = {.variable = variable, .statistic = !v->trainable};
    struct variable average = {.name =
                                   arena_format(p->arena, AVERAGE_PREFIX "%s", v->name),
                               .role = "state",
                               .owner = "run",
                               .dtype = v->dtype,
                               .rank = v->rank,
                               .count = v->count,
                               .checkpointed = true};
    memcpy(average.shape, v->shape, sizeof average.shape);
    int status = variables_declare(p->variables, &average, &one.average, e);
    all->at[all->count++] = one;
    all->refresh_count +=
        one.statistic && all->statistics == RN_STATISTICS_REFRESH ? 1 : 0;
    return status;
}

static bool is_trained(const struct programs *p, uint32_t variable) {
    for (uint32_t o = 0; o < p->objective_count; o++)
        for (uint32_t i = 0; i < p->objectives[o].parameter_count; i++)
            if (p->objectives[o].parameters[i].variable == variable)
                return true;
    return false;
}

static bool is_statistic(const struct variable *v) {
    return !v->trainable && v->dtype == RN_F32 && strcmp(v->role, "state") == 0 &&
           strncmp(v->owner, "model", 5) == 0;
}

static int declare(struct programs *p, struct rn_error *e) {
    struct averages *all = &p->averages;
    uint32_t n = variables_count(p->variables);
    int status = declare_counter(p, AVERAGE_UPDATES, &all->updates, e);
    if (status == RN_OK && all->statistics == RN_STATISTICS_REFRESH)
        status = declare_counter(p, AVERAGE_REFRESHED, &all->refreshed, e);
    all->at = arena_array(p->arena, struct averaged, n + 1);
    for (uint32_t i = 0; i < n && status == RN_OK; i++)
        if (is_trained(p, i) || (all->statistics != RN_STATISTICS_CURRENT &&
                                 is_statistic(variables_at(p->variables, i))))
            status = declare_one(p, i, e);
    return status;
}

/* How the hook averages; what it says must make sense. */
static int ask(struct averages *all, const struct bound_component *part,
               int64_t total_steps, int64_t steps_per_epoch, struct rn_error *e) {
    const struct rn_hook *hook = part->component->iface;
    struct rn_averaging how = {.struct_size = sizeof how,
                               .total_steps = total_steps,
                               .steps_per_epoch = steps_per_epoch,
                               .start = 1,
                               .every = 1};
    instance_enter(part->instance);
    int status = hook->averaging(instance_self(part->instance), &how, e);
    status = instance_leave(part->instance, "averaging", status, e);
    if (status != RN_OK)
        return status;
    if (how.every < 1 || how.start < 0 || how.statistics > RN_STATISTICS_REFRESH)
        return error_set(
            e, RN_E_PLUGIN,
            "%s averages every %lld steps from step %lld on, statistics %u",
            part->component->name, (long long)how.every, (long long)how.start,
            how.statistics);
    all->start = how.start > 1 ? how.start : 1;
    all->every = how.every;
    all->statistics = how.statistics;
    if (!total_steps || all->start <= total_steps)
        return RN_OK;
    error_set(e, RN_E_CONFIG,
              "averages would begin after step %lld, but the run has %lld steps",
              (long long)all->start, (long long)total_steps);
    return error_hint(e, "an earlier start, such as 75%%");
}

int averages_declare(struct programs *p, int64_t total_steps, int64_t steps_per_epoch,
                     struct diag *d) {
    const struct experiment *x = p->experiment;
    struct averages *all = &p->averages;
    struct rn_error e = {0};
    for (uint32_t i = 0; i < x->hooks.count; i++) {
        const struct bound_component *part = &x->hooks.at[i];
        const struct rn_hook *hook = part->component->iface;
        if (!RN_HAS(hook, struct rn_hook, average) || !hook->average)
            continue;
        if (all->hook) {
            node_error(d, part->node, false, RN_E_CONFIG,
                       "%s averages parameters, and so does %s", part->path,
                       all->hook->path);
            diag_hint(d, "evaluations can use the averages of one hook");
            return RN_E_CONFIG;
        }
        if (ask(all, part, total_steps, steps_per_epoch, &e) != RN_OK) {
            bound_component_error(d, part, "averaging", &e);
            return e.status;
        }
        all->hook = part;
    }
    if (!all->hook || declare(p, &e) == RN_OK)
        return RN_OK;
    diag_add(d, &e);
    return e.status;
}

/* ------------------------------------------------------------------- programs */

static rn_value wide(struct make *m, rn_value scalar, const struct variable *v) {
    struct rn_attr a = rn_attr_ints("shape", v->rank, v->shape);
    return make_op(m, "broadcast_to", 1, &scalar, 1, &a);
}

/* What the hook describes of one average. */
static rn_value next(struct make *m, const struct programs *p, const struct averaged *a,
                     rn_value count, struct diag *d) {
    const struct bound_component *part = p->averages.hook;
    const struct rn_hook *hook = part->component->iface;
    const struct variable *v = variables_at(p->variables, a->variable);
    struct rn_average_call call = {.struct_size = sizeof call,
                                   .kind = a->statistic ? RN_POINT_STATISTIC
                                                        : RN_POINT_WEIGHT,
                                   .path = v->name,
                                   .average = graph_variable(m->g, a->average),
                                   .value = graph_variable(m->g, a->variable),
                                   .count = count};
    struct builder_options bo = {
        .graph = m->g,
        .host = instance_host(part->instance),
        .self = instance_self(part->instance),
        .is_live = instance_is_live,
        .component = part->path,
        .scope = arena_format(p->arena, "%s.%s", part->path, v->name),
        .phase = RN_PHASE_TRAIN};
    struct rn_error e = {0};
    struct builder *b = builder_create(&bo);
    instance_watch(part->instance);
    rn_value value = hook->average(builder_api(b), &call);
    if (network_finish(part, b, RN_OK, &e) == RN_OK &&
        rewrite_check(m->g, call.value, value, "average", &e) == RN_OK)
        return value;
    error_context(&e, "average of %s", v->name);
    bound_component_error(d, part, "average", &e);
    return RN_NONE;
}

int programs_average(struct programs *p, struct graph **out, struct diag *d) {
    const struct averages *all = &p->averages;
    struct make m = {.g = graph_create(p->arena, p->variables, "average")};
    m.g->part = GRAPH_UPDATE; /* f32 in every precision */
    rn_value updates = graph_variable(m.g, all->updates);
    rn_value count = make_cast(&m, updates, RN_F32);
    rn_value first = make_op2(&m, "eq", updates, graph_scalar(m.g, RN_I64, 0.0));
    for (uint32_t i = 0; i < all->count && m.e.status == RN_OK; i++) {
        const struct averaged *a = &all->at[i];
        const struct variable *v = variables_at(p->variables, a->variable);
        if (a->statistic && all->statistics == RN_STATISTICS_REFRESH)
            continue;
        rn_value value = next(&m, p, a, count, d);
        if (!value)
            return diag_status(d);
        value = make_select(&m, wide(&m, first, v), graph_variable(m.g, a->variable),
                            value);
        if (m.e.status == RN_OK)
            graph_assign(m.g, a->average, value, &m.e);
    }
    rn_value more = make_op2(&m, "add", updates, graph_scalar(m.g, RN_I64, 1.0));
    if (m.e.status == RN_OK)
        graph_assign(m.g, all->updates, more, &m.e);
    *out = m.g;
    return make_finish(&m, NULL, d);
}

int programs_follow(struct programs *p, struct graph **out, struct diag *d) {
    const struct averages *all = &p->averages;
    struct make m = {.g = graph_create(p->arena, p->variables, "follow")};
    m.g->part = GRAPH_UPDATE;
    for (uint32_t i = 0; i < all->count && m.e.status == RN_OK; i++)
        graph_assign(m.g, all->at[i].average, graph_variable(m.g, all->at[i].variable),
                     &m.e);
    *out = m.g;
    return make_finish(&m, NULL, d);
}

static bool is_refreshed(const struct programs *p, uint32_t variable) {
    for (uint32_t i = 0; i < p->averages.count; i++)
        if (p->averages.at[i].variable == variable)
            return p->averages.at[i].statistic;
    return false;
}

void averages_keep_statistics(struct make *m, const struct programs *p) {
    struct graph *g = m->g;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < g->assign_count; i++) {
        struct gassign a = g->assigns[i];
        if (!is_refreshed(p, a.variable))
            continue;
        a.value = make_select(m, make_op1(m, "is_finite", a.value), a.value,
                              graph_variable(g, a.variable));
        g->assigns[kept++] = a;
    }
    g->assign_count = kept;
}

void averages_redirect(const struct programs *p, struct graph *g) {
    const struct op *variable = op_find("variable");
    for (uint32_t i = 0; p->averages.count && i < g->node_count; i++) {
        uint32_t average = g->nodes[i].op == variable
                               ? average_of(p, g->nodes[i].variable)
                               : UINT32_MAX;
        if (average != UINT32_MAX)
            g->nodes[i].variable = average;
    }
    for (uint32_t i = 0; p->averages.count && i < g->assign_count; i++) {
        uint32_t average = average_of(p, g->assigns[i].variable);
        if (average != UINT32_MAX)
            g->assigns[i].variable = average;
    }
}
