/* SPDX-License-Identifier: Apache-2.0 */
/* What each node of a program does, for who measures it: layer, part of the step,
 * operations, bytes. */
#include "graph/internal.h"
#include "plan/internal.h"

static uint64_t min_u64(uint64_t x, uint64_t y) {
    return x < y ? x : y;
}

/* Bytes of the slots that a node touches. One that is read and written counts twice;
 * a slot read by two operands counts once; of a table as much as is picked. */
static uint64_t traffic(const struct draft *d, const struct rn_node *n) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n->in_count; i++) {
        bool again = false;
        for (uint32_t k = 0; k < i; k++)
            again |= n->in[k] == n->in[i];
        if (!again && n->in[i] != RN_NO_SLOT)
            bytes += !i && graph_op_picks(n->op)
                         ? min_u64(d->slots[n->in[i]].bytes, d->slots[n->out[0]].bytes)
                         : d->slots[n->in[i]].bytes;
    }
    for (uint32_t i = 0; i < n->out_count; i++)
        if (n->out[i] != RN_NO_SLOT)
            bytes += d->slots[n->out[i]].bytes;
    return bytes;
}

/* The scope of a node of several operators: the last one's; of an update, which may be
 * that of many parameters, what all have in common. */
static const char *joined(struct arena *a, const char *before, const struct gnode *n) {
    size_t same = 0, dot = 0;
    if (!n->scope || !*n->scope)
        return before;
    if (n->part != GRAPH_UPDATE || !*before)
        return n->scope;
    for (; before[same] && before[same] == n->scope[same]; same++)
        dot = before[same] == '.' ? same : dot;
    if (!before[same] && (!n->scope[same] || n->scope[same] == '.'))
        return before;
    return arena_copy_n(a, before, dot);
}

static bool is_conversion(const struct graph *g, const struct gnode *n) {
    return strcmp(op_name(n->op), "cast") == 0 &&
           (gnode_narrow(g, n) || dtype_narrow(g->values[n->out[0]].dtype));
}

const struct plan_work *draft_work(struct draft *d, const struct rn_node_info *infos) {
    struct plan_work *all = arena_array(d->a, struct plan_work, d->node_count + 1);
    for (uint32_t i = 0; i < d->node_count; i++) {
        struct plan_work *w = &all[i];
        *w = (struct plan_work){.scope = "",
                                .part = GRAPH_UPDATE,
                                .bytes = traffic(d, &d->nodes[i]),
                                .kernel = "",
                                .operations = 1};
        if (i >= d->order_count) /* a copy of a result */
            continue;
        const struct unit *u = &d->units[d->order[i]];
        w->converts = true;
        for (uint32_t k = 0; k < u->count; k++) {
            const struct gnode *n = &d->g->nodes[u->nodes[k]];
            w->converts &= is_conversion(d->g, n);
            w->flops += gnode_flops(d->g, n);
            if (k && !(op_traits(n->op) & OP_ELEMENTWISE))
                continue; /* a reduction at a region's end: the region's layer */
            w->part = n->part;
            w->scope = joined(d->a, w->scope, n);
        }
        w->operations = u->count;
        const struct gnode *one = &d->g->nodes[u->nodes[0]];
        w->narrow = u->count == 1 && one->in_count > 1 &&
                    !(op_traits(one->op) & OP_ELEMENTWISE) && gnode_narrow(d->g, one);
        w->kernel = arena_copy(d->a, infos[i].kernel);
    }
    return all;
}
