/* SPDX-License-Identifier: Apache-2.0 */
/* What is widened from 16 bits for readers that need it in memory, once for all of
 * them. A region widens as it reads, which costs nothing, so graph_simplify leaves such
 * casts apart; but where the products of a backend read f32, each would store the same
 * array again, forward and backward. */
#include "graph/patch.h"

static bool is_widening(const struct graph *g, const struct gnode *n) {
    return patch_named(n, "cast") && gnode_narrow(g, n) &&
           g->values[n->out[0]].dtype == RN_F32;
}

static bool is_fused(const struct gnode *n) {
    return n->op->traits & OP_ELEMENTWISE || patch_named(n, "reduce_sum") ||
           patch_named(n, "reduce_mean");
}

/* Does something read v from memory, as it is or reshaped? */
static bool is_stored(const struct patch *f, rn_value v) {
    const struct graph *g = f->g;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        for (uint32_t k = 0; patch_counted(f, i) && k < n->in_count; k++) {
            if (n->in[k] != v)
                continue;
            bool view = patch_named(n, "reshape") || patch_named(n, "flatten");
            if (view ? is_stored(f, n->out[0]) : !is_fused(n))
                return true;
        }
    }
    return false;
}

struct graph *graph_share_widened(struct graph *g, struct arena *a,
                                  struct rn_error *e) {
    struct patch f = patch_begin(g, a, e);
    rn_value *shared = arena_array(a, rn_value, g->value_count + 1); /* by operand */
    bool any = false;
    for (uint32_t i = 0; i < f.nodes; i++) {
        const struct gnode *n = &g->nodes[i];
        if (!patch_counted(&f, i) || !is_widening(g, n) || !is_stored(&f, n->out[0]))
            continue;
        rn_value *first = &shared[n->in[0]];
        if (*first)
            patch_replace_uses(&f, n->out[0], *first);
        any |= *first != RN_NONE;
        *first = *first ? *first : n->out[0];
    }
    return any ? graph_simplify(g, a, e) : g;
}
