/* SPDX-License-Identifier: Apache-2.0 */
/* What is cheaper to compute twice than to store: an elementwise value that a reduction
 * reads, and other nodes much later, such as the square of a gradient that the norm and
 * the optimizer both need. With one of its own, the reduction ends a region and the
 * value is never written for it. */
#include <string.h>

#include "plan/internal.h"

struct reader {
    const struct graph *g;
    bool *reduced, *other; /* by value: who reads it */
};

static bool is_reduction(const struct gnode *n) {
    return !n->custom && strncmp(op_name(n->op), "reduce_", 7) == 0;
}

/* Lies in memory whatever reads it. */
static bool is_stored(const struct graph *g, rn_value v) {
    const struct gnode *n = &g->nodes[g->values[v].node];
    while (is_view(n))
        n = &g->nodes[g->values[n->in[0]].node];
    return !(op_traits(n->op) & OP_ELEMENTWISE);
}

static bool worth(const struct reader *r, rn_value v) {
    const struct graph *g = r->g;
    const struct gnode *n = &g->nodes[g->values[v].node];
    bool so = r->reduced[v] && r->other[v] && !n->custom && n->out_count == 1 &&
              strcmp(op_name(n->op), "mul") == 0;
    for (uint32_t i = 0; so && i < n->in_count; i++)
        so = is_stored(g, n->in[i]) &&
             graph_elements(g, n->in[i]) == graph_elements(g, v);
    return so;
}

static int again(void *context, struct graph *g, const struct gnode *n, rn_value *in,
                 rn_value *out, struct rn_error *e) {
    struct reader *r = context;
    (void)out;
    if (!is_reduction(n) || !worth(r, n->in[0]))
        return 0;
    const struct gnode *made = &g->nodes[g->values[in[0]].node];
    rn_value of[2] = {made->in[0], made->in[1]};
    g->scope = n->scope;
    g->part = n->part;
    graph_op(g, "mul", 2, of, 0, NULL, 1, in, e);
    return 0;
}

static rn_value same(void *context, struct graph *g, rn_value v, struct rn_error *e) {
    (void)context, (void)g, (void)e;
    return v;
}

int draft_recompute(const struct graph *g, struct arena *a, const struct graph **out,
                    struct rn_error *e) {
    struct reader r = {.g = g,
                       .reduced = arena_array(a, bool, g->value_count + 1),
                       .other = arena_array(a, bool, g->value_count + 1)};
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].in_count; k++)
            *(is_reduction(&g->nodes[i]) ? &r.reduced[g->nodes[i].in[k]]
                                         : &r.other[g->nodes[i].in[k]]) = true;
    bool any = false;
    for (rn_value v = 1; v < g->value_count; v++)
        any |= worth(&r, v);
    *out = g;
    if (!any)
        return RN_OK;
    struct graph_edit edit = {again, same, &r};
    struct graph *made = NULL;
    int status = graph_rewrite(g, a, &edit, &made, e);
    *out = made;
    return status;
}
