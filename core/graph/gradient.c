/* SPDX-License-Identifier: Apache-2.0 */
/* Reverse mode. Gradients are operators appended to the same graph, so that the result
 * can be differentiated again. An operator without a rule of its own goes through its
 * decomposition, which is differentiated in place. */
#include <string.h>

#include "graph/internal.h"

struct sweep {
    struct graph *g;
    rn_value *grad;    /* by value id */
    bool *wanted;      /* by value id: on a path from some x */
    uint32_t capacity; /* of both */
    struct rn_error *e;
};

static void room(struct sweep *s) {
    if (s->g->value_count <= s->capacity)
        return;
    uint32_t capacity = 2 * s->g->value_count + 64;
    rn_value *grad = arena_array(s->g->arena, rn_value, capacity);
    bool *wanted = arena_array(s->g->arena, bool, capacity);
    if (s->capacity) {
        memcpy(grad, s->grad, s->capacity * sizeof *grad);
        memcpy(wanted, s->wanted, s->capacity * sizeof *wanted);
    }
    s->grad = grad;
    s->wanted = wanted;
    s->capacity = capacity;
}

static int add(struct sweep *s, rn_value v, rn_value g) {
    room(s);
    if (!g || !s->wanted[v])
        return RN_OK;
    if (!s->grad[v]) {
        s->grad[v] = g;
        return RN_OK;
    }
    rn_value both[2] = {s->grad[v], g};
    return graph_op(s->g, "add", 2, both, 0, NULL, 1, &s->grad[v], s->e);
}

static int backward(struct sweep *s, uint32_t from, uint32_t to);

/* Nodes appended from `from` on stand for node n's outputs: wanted flows through them.
 */
static int through_decomposition(struct sweep *s, const struct gnode *n,
                                 const rn_value *gout) {
    struct graph *g = s->g;
    rn_value out[OP_MAX_OUT] = {RN_NONE};
    uint32_t from = g->node_count;
    int status = op_decompose(g, n, n->in, out, NULL, NULL, s->e);
    if (status != RN_OK)
        return status;
    room(s);
    for (uint32_t i = from; i < g->node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].in_count; k++)
            if (s->wanted[g->nodes[i].in[k]])
                for (uint32_t m = 0; m < g->nodes[i].out_count; m++)
                    s->wanted[g->nodes[i].out[m]] = true;
    uint32_t to = g->node_count;
    for (uint32_t i = 0; i < n->out_count; i++) {
        if (!gout[i] || !out[i])
            continue;
        /* a decomposition that hands its input on adds to the input's own gradient */
        status = add(s, out[i], gout[i]);
        if (status != RN_OK)
            return status;
    }
    return backward(s, from, to);
}

/* A custom operator's own rule, built through a builder without options. */
static int custom_gradient(struct sweep *s, const struct gnode *n, const rn_value *gout,
                           rn_value *gin) {
    if (!n->custom->gradient)
        return error_set(s->e, RN_E_PLUGIN,
                         "operator %s has no gradient, and one is needed (layer '%s')",
                         n->custom->name, n->scope);
    struct builder_options o = {.graph = s->g,
                                .component = n->custom->name,
                                .scope = n->scope,
                                .phase = RN_PHASE_TRAIN};
    struct builder *b = builder_create(&o);
    struct rn_operator_gradient r = {.struct_size = sizeof r,
                                     .in_count = n->in_count,
                                     .in = n->in,
                                     .out = n->out,
                                     .grad_out = gout,
                                     .grad_in = gin,
                                     .attr_count = n->attr_count,
                                     .attr_stride = sizeof *n->attrs,
                                     .attrs = n->attrs,
                                     .out_count = n->out_count};
    int32_t status = n->custom->gradient(builder_api(b), &r);
    status = builder_finish(b, status, s->e);
    for (uint32_t i = 0; i < n->in_count && status == RN_OK; i++) {
        const struct gvalue *x = graph_value(s->g, n->in[i]);
        const struct gvalue *gx = graph_value(s->g, gin[i]);
        if (gin[i] && (!gx || gx->dtype != x->dtype || gx->rank != x->rank ||
                       memcmp(gx->shape, x->shape, x->rank * sizeof *x->shape) != 0))
            status = error_set(s->e, RN_E_PLUGIN,
                               "operator %s gives input %u a gradient of another shape "
                               "(layer '%s')",
                               n->custom->name, i, n->scope);
    }
    return status;
}

static int node_backward(struct sweep *s, uint32_t index) {
    struct graph *g = s->g;
    struct gnode n = g->nodes[index]; /* copy: the array may move */
    rn_value *gout = arena_array(g->arena, rn_value, n.out_count + n.in_count + 1);
    rn_value *gin = gout + n.out_count;
    bool flows = false, needed = false;
    for (uint32_t i = 0; i < n.out_count; i++) {
        gout[i] = s->grad[n.out[i]];
        flows |= gout[i] != RN_NONE;
    }
    for (uint32_t i = 0; i < n.in_count; i++)
        needed |= s->wanted[n.in[i]];
    if (!flows || !needed || n.op->traits & OP_SOURCE)
        return RN_OK;
    const char *scope = g->scope;
    g->scope = n.scope;
    int status = RN_E_UNSUPPORTED;
    struct rn_error local = {0};
    if (n.custom) {
        status = custom_gradient(s, &n, gout, gin);
    } else if (n.op->gradient) {
        struct rule r = {.g = g,
                         .e = &local,
                         .n = &n,
                         .n_in = n.in_count,
                         .in = n.in,
                         .out = n.out,
                         .gout = gout,
                         .gin = gin};
        status = n.op->gradient(&r);
        if (status == RN_OK)
            status = local.status;
        if (local.status && s->e)
            *s->e = local;
    }
    if (status == RN_E_UNSUPPORTED && n.op->decompose) {
        status = through_decomposition(s, &n, gout);
    } else if (status == RN_E_UNSUPPORTED) {
        status = error_set(s->e, RN_E_UNSUPPORTED, "%s has no gradient", n.op->name);
    } else {
        for (uint32_t i = 0; i < n.in_count && status == RN_OK; i++)
            status = add(s, n.in[i], gin[i]);
    }
    g->scope = scope;
    return status;
}

static int backward(struct sweep *s, uint32_t from, uint32_t to) {
    int status = RN_OK;
    for (uint32_t i = to; i-- > from && status == RN_OK;) {
        room(s);
        status = node_backward(s, i);
    }
    return status;
}

int graph_gradient(struct graph *g, uint32_t ny, const rn_value *ys,
                   const rn_value *gys, uint32_t nx, const rn_value *xs, rn_value *gxs,
                   struct rn_error *e) {
    struct sweep s = {.g = g, .e = e};
    uint32_t nodes = g->node_count;
    for (uint32_t i = 0; i < nx; i++)
        gxs[i] = RN_NONE;
    room(&s);
    for (uint32_t i = 0; i < nx; i++)
        if (xs[i])
            s.wanted[xs[i]] = true;
    for (uint32_t i = 0; i < nodes; i++)
        for (uint32_t k = 0; k < g->nodes[i].in_count; k++)
            if (s.wanted[g->nodes[i].in[k]])
                for (uint32_t m = 0; m < g->nodes[i].out_count; m++)
                    s.wanted[g->nodes[i].out[m]] =
                        s.wanted[g->nodes[i].out[m]] ||
                        dtype_float(g->values[g->nodes[i].out[m]].dtype);
    for (uint32_t i = 0; i < ny; i++) {
        const struct gvalue *y = graph_value(g, ys[i]);
        if (!y || !dtype_float(y->dtype))
            return error_set(e, RN_E_PLUGIN,
                             "a gradient of a value that is not a float");
        rn_value seed = gys ? gys[i] : RN_NONE;
        if (!seed) {
            struct rn_attr a[3] = {rn_attr_ints("shape", y->rank, y->shape),
                                   rn_attr_float("value", 1.0),
                                   rn_attr_int("dtype", (int64_t)y->dtype)};
            if (!y->rank)
                seed = graph_scalar(g, y->dtype, 1.0);
            else if (graph_op(g, "full", 0, NULL, 3, a, 1, &seed, e) != RN_OK)
                return RN_E_INTERNAL;
        }
        int status = add(&s, ys[i], seed);
        if (status != RN_OK)
            return status;
    }
    enum graph_part part = g->part;
    g->part = GRAPH_BACKWARD;
    int status = backward(&s, 0, nodes);
    g->part = part;
    for (uint32_t i = 0; i < nx && status == RN_OK; i++)
        gxs[i] = xs[i] ? s.grad[xs[i]] : RN_NONE;
    return status ? status : graph_verify(g, e);
}
