/* SPDX-License-Identifier: Apache-2.0 */
/* Lookahead (Zhang et al. 2019, algorithm 1): every few updates slow weights go a part
 * of the way to the fast ones, which go on from there. Running statistics do as weights
 * do. */
#include <string.h>

#include "network/graph_writer.h"

static struct gassign *assigned(struct graph *g, uint32_t variable) {
    for (uint32_t i = 0; i < g->assign_count; i++)
        if (g->assigns[i].variable == variable)
            return &g->assigns[i];
    return NULL;
}

/* What all of them share in a step. */
struct moment {
    rn_value first, due; /* bool */
    rn_value stays;      /* f32: share of the slow weights */
};

static rn_value wide(struct make *m, rn_value scalar, const struct variable *v) {
    struct rn_attr a = rn_attr_ints("shape", v->rank, v->shape);
    return make_op(m, "broadcast_to", 1, &scalar, 1, &a);
}

/* The slow weights begin as the first ones, of which nothing is known before a step. */
static void mix(struct make *m, struct programs *p, const struct moment *at,
                uint32_t variable) {
    const struct variable *v = variables_at(p->variables, variable);
    struct variable slow = {.name = arena_format(p->arena, "lookahead.%s", v->name),
                            .role = "state",
                            .owner = "run",
                            .dtype = v->dtype,
                            .rank = v->rank,
                            .count = v->count,
                            .checkpointed = true};
    uint32_t id;
    memcpy(slow.shape, v->shape, sizeof slow.shape);
    if (variables_declare(p->variables, &slow, &id, &m->e) != RN_OK)
        return;
    struct gassign *a = assigned(m->g, variable);
    rn_value old = graph_variable(m->g, variable), fast = a ? a->value : old;
    rn_value due = wide(m, at->due, v), stays = wide(m, at->stays, v);
    rn_value from =
        make_select(m, wide(m, at->first, v), old, graph_variable(m->g, id));
    rn_value way = make_op2(m, "mul", stays, make_op2(m, "sub", from, fast));
    rn_value met = make_op2(m, "add", fast, way);
    rn_value next = make_select(m, due, met, fast);
    if (m->e.status != RN_OK)
        return;
    if (a)
        a->value = next;
    else
        graph_assign(m->g, variable, next, &m->e);
    graph_assign(m->g, id, make_select(m, due, met, from), &m->e);
}

/* Is it a running statistic, which this program may change? */
static bool runs(const struct programs *p, const struct graph *g, uint32_t id) {
    const struct variable *v = variables_at(p->variables, id);
    return !v->trainable && v->dtype == RN_F32 && strncmp(v->owner, "model", 5) == 0 &&
           strcmp(v->role, "state") == 0 &&
           (p->accumulate || assigned((struct graph *)(uintptr_t)g, id));
}

void lookahead_make(struct make *m, struct programs *p, const struct objective *o,
                    rn_value applied) {
    const struct lookahead *l = &p->lookahead;
    uint32_t known = variables_count(p->variables);
    rn_value every = graph_scalar(m->g, RN_I64, (double)l->every);
    rn_value whole = make_op2(m, "mul", make_op2(m, "div", applied, every), every);
    struct moment at = {.first =
                            make_op2(m, "eq", applied, graph_scalar(m->g, RN_I64, 1.0)),
                        .due = make_op2(m, "eq", whole, applied),
                        .stays = make_scalar(m, l->decay)};
    if (l->ramp > 0.0)
        at.stays = make_op2(m, "mul", at.stays,
                            make_op2(m, "pow", graph_live(m->g, "run.progress", RN_F32),
                                     make_scalar(m, l->ramp)));
    for (uint32_t i = 0; i < o->parameter_count && m->e.status == RN_OK; i++)
        mix(m, p, &at, o->parameters[i].variable);
    for (uint32_t i = 0; i < known && m->e.status == RN_OK; i++)
        if (runs(p, m->g, i))
            mix(m, p, &at, i);
}
