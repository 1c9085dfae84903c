/* SPDX-License-Identifier: Apache-2.0 */
/* What a library of products can do beside one (docs/rewrites.md), where the backend
 * says that it takes it: ReLU as it stores what a linear layer gives, the gradient of a
 * bias while it reads the same gradient for the weight's. */
#include "graph/patch.h"

struct asking {
    struct patch f;
    graph_takes takes;
    void *context;
};

static bool taken(const struct asking *k) {
    const struct graph *g = k->f.g;
    return !k->f.e->status && k->takes(k->context, g, &g->nodes[g->node_count - 1]);
}

/* Operator `op` of product n's operands and type, beside n. */
static int beside(struct asking *k, const struct gnode *n, const char *op,
                  uint32_t outs, rn_value *out) {
    struct graph *g = k->f.g;
    struct rn_attr a = rn_attr_int("dtype", attr_int(n, "dtype"));
    g->scope = n->scope;
    g->part = n->part;
    return graph_op(g, op, n->in_count, n->in, 1, &a, outs, out, k->f.e);
}

static bool is_relu(const struct patch *f, const struct gnode *n) {
    return patch_named(n, "relu") ||
           (patch_named(n, "maximum") && patch_is_zero(f, n->in[1]));
}

/* relu(linear(x)), which nobody else reads, as one; in 16 bits what is between them is
 * widened, which ReLU does not see. */
static void fold_relu(struct asking *k, uint32_t index) {
    struct patch *f = &k->f;
    struct gnode relu = f->g->nodes[index];
    rn_value y = relu.in[0], out;
    const struct gnode *wide = patch_producer(f, y);
    if (patch_named(wide, "cast") && gnode_narrow(f->g, wide) &&
        patch_use_count(f, y) == 1)
        y = wide->in[0];
    struct gnode n = *patch_producer(f, y);
    if (!patch_named(&n, "linear") || patch_use_count(f, y) != 1)
        return;
    rn_dtype t = f->g->values[relu.out[0]].dtype;
    if (beside(k, &n, "linear_relu", 1, &out) != RN_OK || !taken(k))
        return;
    if (f->g->values[out].dtype != t) {
        struct rn_attr a = rn_attr_int("dtype", (int64_t)t);
        rn_value in = out;
        if (graph_op(f->g, "cast", 1, &in, 1, &a, 1, &out, f->e) != RN_OK)
            return;
    }
    patch_replace_uses(f, relu.out[0], out);
}

/* The sum over the rows of gy, or of what it stands for in f32. */
static const struct gnode *sum_of(const struct patch *f, rn_value gy) {
    const struct graph *g = f->g;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        uint32_t count = 0;
        if (!patch_named(n, "reduce_sum") || attr_int(n, "keep") ||
            !patch_counted(f, i))
            continue;
        const struct gnode *of = patch_producer(f, n->in[0]);
        const int64_t *axes = attr_ints(n, "axes", &count);
        if (count == 1 && axes[0] == 0 &&
            (n->in[0] == gy ||
             (gnode_narrow(g, of) && patch_named(of, "cast") && of->in[0] == gy)))
            return n;
    }
    return NULL;
}

static void fold_bias_gradient(struct asking *k, uint32_t index) {
    struct patch *f = &k->f;
    struct gnode n = f->g->nodes[index];
    const struct gvalue *gy = &f->g->values[n.in[0]], *x = &f->g->values[n.in[1]];
    if (!attr_int(&n, "trans_a") || attr_int(&n, "trans_b") || gy->rank != 2 ||
        x->rank != 2)
        return;
    const struct gnode *sum = sum_of(f, n.in[0]);
    if (!sum || !patch_use_count(f, sum->out[0]) ||
        patch_depends(f, n.in[1], f->g->values[sum->out[0]].node))
        return;
    rn_value old = sum->out[0], out[2];
    if (beside(k, &n, "linear_grad_weight", 2, out) != RN_OK ||
        f->g->values[out[1]].dtype != f->g->values[old].dtype || !taken(k))
        return;
    patch_replace_uses(f, n.out[0], out[0]);
    patch_replace_uses(f, old, out[1]);
}

struct graph *graph_epilogues(struct graph *g, struct arena *a, graph_takes takes,
                              void *context, struct rn_error *e) {
    struct asking k = {patch_begin(g, a, e), takes, context};
    uint32_t nodes = k.f.nodes;
    for (uint32_t i = 0; i < nodes && !e->status; i++) {
        if (!k.f.counts[i])
            continue;
        if (is_relu(&k.f, &g->nodes[i]))
            fold_relu(&k, i);
        else if (patch_named(&g->nodes[i], "matmul"))
            fold_bias_gradient(&k, i);
    }
    return e->status ? NULL : graph_simplify(g, a, e);
}
