/* SPDX-License-Identifier: Apache-2.0 */
/* Rewrites of a whole program, forward, backward and update, around ReLU
 * (docs/rewrites.md): batch normalisation does the ReLU behind it, and what is added
 * between them, in the pass that it makes anyway; max pooling comes before ReLU, which
 * then has fewer elements.
 *
 * The new nodes are put beside the old ones, whose readers are sent to them; then the
 * graph is simplified, which drops what nobody reads. What only taps read stays as it
 * was, for them alone, so that looking changes nothing. */
#include <string.h>

#include "graph/rules.h"

struct fold {
    struct graph *g; /* the one that is changed */
    bool *counts;    /* by node of those that g had first; new nodes count */
    uint32_t nodes;  /* that g had first */
    struct rn_error *e;
};

static bool named(const struct gnode *n, const char *name) {
    return strcmp(n->op->name, name) == 0;
}

static const struct gnode *maker(const struct fold *f, rn_value v) {
    return &f->g->nodes[f->g->values[v].node];
}

static bool is_zero(const struct fold *f, rn_value v) {
    const struct gnode *n = maker(f, v);
    float zero = 0.0f;
    return named(n, "constant") && f->g->values[v].dtype == RN_F32 &&
           graph_elements(f->g, v) == 1 && memcmp(n->data, &zero, sizeof zero) == 0;
}

/* ------------------------------------------------------------------ readers */

static bool counted(const struct fold *f, uint32_t node) {
    return node >= f->nodes || f->counts[node];
}

/* Operands that are v and count; results do where everything does. */
static uint32_t readers(const struct fold *f, rn_value v) {
    const struct graph *g = f->g;
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; counted(f, i) && k < g->nodes[i].in_count; k++)
            n += g->nodes[i].in[k] == v;
    for (uint32_t i = 0; i < g->assign_count; i++)
        n += g->assigns[i].value == v;
    for (uint32_t i = 0; i < g->output_count; i++)
        n += g->outputs[i].value == v && counted(f, g->values[v].node) &&
             !g->assign_count;
    return n;
}

/* The one node of this name that reads v as operand `at`, or NULL: none or several. */
static const struct gnode *reader(const struct fold *f, rn_value v, const char *name,
                                  uint32_t at) {
    const struct gnode *found = NULL;
    for (uint32_t i = 0; i < f->g->node_count; i++) {
        const struct gnode *n = &f->g->nodes[i];
        if (!counted(f, i) || n->in_count <= at || n->in[at] != v || !named(n, name))
            continue;
        if (found)
            return NULL;
        found = n;
    }
    return found;
}

/* Who reads `old`, reads v. */
static void send(struct fold *f, rn_value old, rn_value v) {
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

/* Does v depend on a result of `node`? */
static bool depends(const struct fold *f, rn_value v, uint32_t node) {
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

/* ------------------------------------------------------------------- pieces */

/* select(y > 0, gy, 0): what of the gradient of y, a ReLU's result, passes through. */
struct mask {
    rn_value y, gy, out;
};

static bool mask_of(const struct fold *f, rn_value v, struct mask *m) {
    const struct gnode *s = maker(f, v);
    if (!named(s, "select") || !is_zero(f, s->in[2]))
        return false;
    const struct gnode *gt = maker(f, s->in[0]);
    if (!named(gt, "gt") || !is_zero(f, gt->in[1]) ||
        !same_shape(&f->g->values[s->in[1]], &f->g->values[v]))
        return false;
    *m = (struct mask){gt->in[0], s->in[1], v};
    return true;
}

/* Node n's operator with its attributes and `relu` as said, beside n. */
static int again(struct fold *f, const struct gnode *n, uint32_t n_in,
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

static rn_value beside(struct fold *f, const struct gnode *n, const char *op,
                       uint32_t n_in, const rn_value *in) {
    rn_value out = RN_NONE;
    f->g->scope = n->scope;
    f->g->part = n->part;
    if (!f->e->status)
        graph_op(f->g, op, n_in, in, 0, NULL, 1, &out, f->e);
    return out;
}

/* ------------------------------------------------------------ normalisation */

/* v is the result of a normalisation that only one node reads. */
static const struct gnode *norm_of(const struct fold *f, rn_value v) {
    const struct gnode *n = maker(f, v);
    bool train = named(n, "batch_norm");
    if ((!train && !named(n, "batch_norm_infer")) || n->out[0] != v ||
        n->in_count != (train ? 3u : 5u) || attr_int(n, "relu") || readers(f, v) != 1)
        return NULL;
    return n;
}

/* The normalisation before ReLU `relu`, and what is added between them, or RN_NONE. */
static const struct gnode *norm_before(const struct fold *f, const struct gnode *relu,
                                       rn_value *plus) {
    const struct gnode *n = norm_of(f, relu->in[0]), *add = maker(f, relu->in[0]);
    *plus = RN_NONE;
    if (n || !named(add, "add") || readers(f, relu->in[0]) != 1)
        return n;
    for (int k = 0; k < 2 && !n; k++) {
        *plus = add->in[1 - k];
        n = norm_of(f, add->in[k]);
        if (n && (!same_shape(&f->g->values[*plus], &f->g->values[n->out[0]]) ||
                  depends(f, *plus, f->g->values[n->out[0]].node)))
            n = NULL;
    }
    return n;
}

/* The gradient of normalisation n, of which only the mask of its ReLU is read: as one
 * operator. now: n's results as they are now. */
static void fold_grad(struct fold *f, const struct gnode *n, rn_value y,
                      const rn_value *now) {
    const struct gnode *grad = reader(f, n->out[1], "batch_norm_grad", 2);
    struct mask m;
    rn_value out[3];
    if (!grad || grad->in[0] != n->in[0] || grad->in[1] != n->in[1] ||
        grad->in[3] != n->out[2] || grad->in_count != 5 || attr_int(grad, "relu") ||
        attr_float(grad, "eps") != attr_float(n, "eps") ||
        !mask_of(f, grad->in[4], &m) || m.y != y || readers(f, m.out) != 1)
        return;
    rn_value in[6] = {n->in[0], n->in[1], now[1], now[2], m.gy, n->in[2]};
    rn_value old[3] = {grad->out[0], grad->out[1], grad->out[2]};
    if (again(f, grad, 6, in, 1, out) != RN_OK)
        return;
    for (int i = 0; i < 3; i++)
        send(f, old[i], out[i]);
}

static bool fold_norm(struct fold *f, uint32_t index) {
    rn_value plus, out[3], y = f->g->nodes[index].out[0];
    const struct gnode *found = norm_before(f, &f->g->nodes[index], &plus);
    if (!found)
        return false;
    struct gnode n = *found; /* the array may move */
    rn_value in[6];
    memcpy(in, n.in, n.in_count * sizeof *in);
    in[n.in_count] = plus;
    if (again(f, &n, n.in_count + (plus != RN_NONE), in, 1, out) != RN_OK)
        return true;
    if (n.out_count == 3 && !plus)
        fold_grad(f, &n, y, out);
    send(f, y, out[0]);
    for (uint32_t i = 1; i < n.out_count; i++)
        send(f, n.out[i], out[i]);
    return true;
}

/* ------------------------------------------------------------------ pooling */

static bool same_window(const struct gnode *a, const struct gnode *b) {
    static const char *const names[] = {"kernel", "stride", "pad"};
    for (int i = 0; i < 3; i++) {
        uint32_t n, m;
        const int64_t *x = attr_ints(a, names[i], &n), *y = attr_ints(b, names[i], &m);
        if (n != m || memcmp(x, y, n * sizeof *x) != 0)
            return false;
    }
    return true;
}

/* relu(x) that only max pooling reads, its gradient and the mask of that. Every window
 * has a cell inside the image (its shape rule), so none is -inf behind ReLU. The first
 * maximum above 0 is the same; where there is none, nothing passes, and only the sign
 * of a zero may be another. */
static void pool_first(struct fold *f, uint32_t index) {
    struct gnode relu = f->g->nodes[index];
    rn_value x = relu.in[0], y = relu.out[0];
    const struct gnode *pool = reader(f, y, "max_pool2d", 0);
    const struct gnode *back = reader(f, y, "max_pool2d_grad", 0);
    const struct gnode *gt = reader(f, y, "gt", 0);
    const struct gnode *select = gt ? reader(f, gt->out[0], "select", 0) : NULL;
    struct mask m = {RN_NONE, RN_NONE, RN_NONE};
    if (!pool || readers(f, y) != 1u + (back != NULL) + (gt != NULL))
        return;
    if (!back != !gt)
        return;
    if (back && (!select || !mask_of(f, select->out[0], &m) || m.y != y ||
                 m.gy != back->out[0] || readers(f, gt->out[0]) != 1 ||
                 readers(f, m.gy) != 1 || !same_window(pool, back)))
        return;
    struct gnode first = *pool, last = back ? *back : first;
    rn_value small = RN_NONE, zero = back ? select->in[2] : RN_NONE, gx = RN_NONE;
    if (again(f, &first, 1, &x, 0, &small) != RN_OK)
        return;
    rn_value now = beside(f, &relu, "relu", 1, &small);
    if (back) {
        rn_value pair[2] = {now, zero};
        rn_value part[3] = {beside(f, &last, "gt", 2, pair), last.in[1], zero};
        rn_value in[2] = {x, beside(f, &last, "select", 3, part)};
        if (f->e->status || again(f, &last, 2, in, 0, &gx) != RN_OK)
            return;
        send(f, m.out, gx);
    }
    if (now)
        send(f, first.out[0], now);
}

/* --------------------------------------------------------------------- pass */

struct graph *graph_fold(const struct graph *g, struct arena *a, struct rn_error *e) {
    struct graph *made = graph_simplify(g, a, e);
    if (!made)
        return NULL;
    struct fold f = {made, arena_array(a, bool, made->node_count + 1), made->node_count,
                     e};
    graph_counts(made, f.counts);
    for (uint32_t i = 0; i < f.nodes && !e->status; i++)
        if (f.counts[i] && named(&made->nodes[i], "relu") && !fold_norm(&f, i))
            pool_first(&f, i);
    return e->status ? NULL : graph_simplify(made, a, e);
}
