/* SPDX-License-Identifier: Apache-2.0 */
/* A graph once more within another one, with other values for some of its variables:
 * a second forward pass of a step. Nothing is simplified, so that the result can be
 * differentiated as the original can. */
#include <string.h>

#include "graph/internal.h"

/* A source of one name is one node; others are appended. RN_NONE: append it. */
static rn_value source_of(struct graph *g, const struct graph *from,
                          const struct gnode *n, const rn_value *by_variable) {
    const struct gvalue *v = n->out_count ? graph_value(from, n->out[0]) : NULL;
    if (strcmp(n->op->name, "variable") == 0)
        return by_variable[n->variable] ? by_variable[n->variable]
                                        : graph_variable(g, n->variable);
    if (strcmp(n->op->name, "live") == 0)
        return graph_live(g, n->name, v->dtype);
    if (strcmp(n->op->name, "input") == 0)
        return graph_input(g, n->name, v->dtype, v->rank, v->shape);
    return RN_NONE;
}

static void append(struct graph *g, const struct graph *from, const struct gnode *n,
                   rn_value *map) {
    rn_value *in = arena_array(g->arena, rn_value, n->in_count + 1);
    struct gvalue *out = arena_array(g->arena, struct gvalue, n->out_count + 1);
    for (uint32_t i = 0; i < n->in_count; i++)
        in[i] = map[n->in[i]];
    for (uint32_t i = 0; i < n->out_count; i++)
        out[i] = *graph_value(from, n->out[i]);
    struct gnode *made =
        graph_node_append(g, n->op, n->in_count, in, n->out_count, out);
    made->custom = n->custom;
    made->attr_count = n->attr_count;
    made->attrs = n->attrs;
    made->scope = n->scope;
    made->part = n->part;
    made->name = n->name;
    made->data = n->data;
    made->body = n->body;
    for (uint32_t i = 0; i < n->out_count; i++)
        map[n->out[i]] = made->out[i];
}

rn_value graph_append(struct graph *g, const struct graph *from,
                      const rn_value *by_variable, rn_value v) {
    rn_value *map = arena_array(g->arena, rn_value, from->value_count + 1);
    for (uint32_t i = 0; i < from->node_count; i++) {
        const struct gnode *n = &from->nodes[i];
        rn_value source = source_of(g, from, n, by_variable);
        if (source)
            map[n->out[0]] = source;
        else
            append(g, from, n, map);
    }
    return map[v];
}
