/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/patch.h"

#include <string.h>

struct patch patch_begin(struct graph *g, struct arena *a, struct rn_error *e) {
    struct patch f = {g, arena_array(a, bool, g->node_count + 1), g->node_count, e};
    graph_counts(g, f.counts);
    return f;
}

bool patch_named(const struct gnode *n, const char *name) {
    return strcmp(n->op->name, name) == 0;
}

const struct gnode *patch_producer(const struct patch *f, rn_value v) {
    return &f->g->nodes[f->g->values[v].node];
}

bool patch_is_zero(const struct patch *f, rn_value v) {
    const struct gnode *n = patch_producer(f, v);
    float zero = 0.0f;
    return patch_named(n, "constant") && f->g->values[v].dtype == RN_F32 &&
           graph_elements(f->g, v) == 1 && memcmp(n->data, &zero, sizeof zero) == 0;
}

bool patch_counted(const struct patch *f, uint32_t node) {
    return node >= f->nodes || f->counts[node];
}

uint32_t patch_use_count(const struct patch *f, rn_value v) {
    const struct graph *g = f->g;
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; patch_counted(f, i) && k < g->nodes[i].in_count; k++)
            n += g->nodes[i].in[k] == v;
    for (uint32_t i = 0; i < g->assign_count; i++)
        n += g->assigns[i].value == v;
    for (uint32_t i = 0; i < g->output_count; i++)
        n += g->outputs[i].value == v && patch_counted(f, g->values[v].node) &&
             !g->assign_count;
    return n;
}

void patch_replace_uses(struct patch *f, rn_value old, rn_value v) {
    struct graph *g = f->g;
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].in_count; k++)
            if (g->nodes[i].in[k] == old)
                g->nodes[i].in[k] = v;
    for (uint32_t i = 0; i < g->assign_count; i++)
        if (g->assigns[i].value == old)
            g->assigns[i].value = v;
    for (uint32_t i = 0; i < g->output_count; i++)
        if (g->outputs[i].value == old)
            g->outputs[i].value = v;
}

bool patch_depends(const struct patch *f, rn_value v, uint32_t node) {
    const struct graph *g = f->g;
    bool *seen = arena_array(g->arena, bool, g->node_count);
    uint32_t *stack = arena_array(g->arena, uint32_t, g->node_count), depth = 0;
    stack[depth++] = g->values[v].node;
    seen[g->values[v].node] = true;
    while (depth) {
        const struct gnode *n = &g->nodes[stack[--depth]];
        for (uint32_t k = 0; k < n->in_count; k++) {
            uint32_t m = g->values[n->in[k]].node;
            if (!seen[m])
                stack[depth++] = m;
            seen[m] = true;
        }
    }
    return seen[node];
}

int patch_clone(struct patch *f, const struct gnode *n, uint32_t n_in,
                const rn_value *in, int64_t relu, rn_value *out) {
    struct rn_attr *at = arena_array(f->g->arena, struct rn_attr, n->attr_count + 1);
    f->g->scope = n->scope;
    f->g->part = n->part;
    for (uint32_t i = 0; i < n->attr_count; i++) {
        at[i] = n->attrs[i];
        if (strcmp(at[i].name, "relu") == 0)
            at[i].i = relu;
    }
    return graph_op(f->g, n->op->name, n_in, in, n->attr_count, at, n->out_count, out,
                    f->e);
}
