/* SPDX-License-Identifier: Apache-2.0 */
/* Rewrites of a whole program, forward, backward and update, around ReLU
 * (docs/rewrites.md): batch normalisation does the ReLU behind it, and what is added
 * between them, in the pass that it makes anyway; max pooling comes before ReLU, which
 * then has fewer elements. */
#include <string.h>

#include "graph/patch.h"

/* The one node of this name that reads v as operand `at`, or NULL: none or several. */
static const struct gnode *reader(const struct patch *f, rn_value v, const char *name,
                                  uint32_t at) {
    const struct gnode *found = NULL;
    for (uint32_t i = 0; i < f->g->node_count; i++) {
        const struct gnode *n = &f->g->nodes[i];
        if (!patch_counted(f, i) || n->in_count <= at || n->in[at] != v ||
            !patch_named(n, name))
            continue;
        if (found)
            return NULL;
        found = n;
    }
    return found;
}

/* ------------------------------------------------------------------- pieces */

/* select(y > 0, gy, 0): what of the gradient of y, a ReLU's result, passes through. */
struct mask {
    rn_value y, gy, out;
};

static bool mask_of(const struct patch *f, rn_value v, struct mask *m) {
    const struct gnode *s = patch_producer(f, v);
    if (!patch_named(s, "select") || !patch_is_zero(f, s->in[2]))
        return false;
    const struct gnode *gt = patch_producer(f, s->in[0]);
    if (!patch_named(gt, "gt") || !patch_is_zero(f, gt->in[1]) ||
        !same_shape(&f->g->values[s->in[1]], &f->g->values[v]))
        return false;
    *m = (struct mask){gt->in[0], s->in[1], v};
    return true;
}

static rn_value beside(struct patch *f, const struct gnode *n, const char *op,
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
static const struct gnode *norm_of(const struct patch *f, rn_value v) {
    const struct gnode *n = patch_producer(f, v);
    bool train = patch_named(n, "batch_norm");
    if ((!train && !patch_named(n, "batch_norm_infer")) || n->out[0] != v ||
        n->in_count != (train ? 3u : 5u) || attr_int(n, "relu") ||
        patch_use_count(f, v) != 1)
        return NULL;
    return n;
}

/* The normalisation before ReLU `relu`, and what is added between them, or RN_NONE. */
static const struct gnode *norm_before(const struct patch *f, const struct gnode *relu,
                                       rn_value *plus) {
    const struct gnode *n = norm_of(f, relu->in[0]),
                       *add = patch_producer(f, relu->in[0]);
    *plus = RN_NONE;
    if (n || !patch_named(add, "add") || patch_use_count(f, relu->in[0]) != 1)
        return n;
    for (int k = 0; k < 2 && !n; k++) {
        *plus = add->in[1 - k];
        n = norm_of(f, add->in[k]);
        if (n && (!same_shape(&f->g->values[*plus], &f->g->values[n->out[0]]) ||
                  patch_depends(f, *plus, f->g->values[n->out[0]].node)))
            n = NULL;
    }
    return n;
}

/* The gradient of normalisation n, of which only the mask of its ReLU is read: as one
 * operator. now: n's results as they are now. */
static void fold_grad(struct patch *f, const struct gnode *n, rn_value y,
                      const rn_value *now) {
    const struct gnode *grad = reader(f, n->out[1], "batch_norm_grad", 2);
    struct mask m;
    rn_value out[3];
    if (!grad || grad->in[0] != n->in[0] || grad->in[1] != n->in[1] ||
        grad->in[3] != n->out[2] || grad->in_count != 5 || attr_int(grad, "relu") ||
        attr_float(grad, "eps") != attr_float(n, "eps") ||
        !mask_of(f, grad->in[4], &m) || m.y != y || patch_use_count(f, m.out) != 1)
        return;
    rn_value in[6] = {n->in[0], n->in[1], now[1], now[2], m.gy, n->in[2]};
    rn_value old[3] = {grad->out[0], grad->out[1], grad->out[2]};
    if (patch_clone(f, grad, 6, in, 1, out) != RN_OK)
        return;
    for (int i = 0; i < 3; i++)
        patch_replace_uses(f, old[i], out[i]);
}

static bool fold_norm(struct patch *f, uint32_t index) {
    rn_value plus, out[3], y = f->g->nodes[index].out[0];
    const struct gnode *found = norm_before(f, &f->g->nodes[index], &plus);
    if (!found)
        return false;
    struct gnode n = *found; /* the array may move */
    rn_value in[6];
    memcpy(in, n.in, n.in_count * sizeof *in);
    in[n.in_count] = plus;
    if (patch_clone(f, &n, n.in_count + (plus != RN_NONE), in, 1, out) != RN_OK)
        return true;
    if (n.out_count == 3 && !plus)
        fold_grad(f, &n, y, out);
    patch_replace_uses(f, y, out[0]);
    for (uint32_t i = 1; i < n.out_count; i++)
        patch_replace_uses(f, n.out[i], out[i]);
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
static void pool_first(struct patch *f, uint32_t index) {
    struct gnode relu = f->g->nodes[index];
    rn_value x = relu.in[0], y = relu.out[0];
    const struct gnode *pool = reader(f, y, "max_pool2d", 0);
    const struct gnode *back = reader(f, y, "max_pool2d_grad", 0);
    const struct gnode *gt = reader(f, y, "gt", 0);
    const struct gnode *select = gt ? reader(f, gt->out[0], "select", 0) : NULL;
    struct mask m = {RN_NONE, RN_NONE, RN_NONE};
    if (!pool || patch_use_count(f, y) != 1u + (back != NULL) + (gt != NULL))
        return;
    if (!back != !gt)
        return;
    if (back && (!select || !mask_of(f, select->out[0], &m) || m.y != y ||
                 m.gy != back->out[0] || patch_use_count(f, gt->out[0]) != 1 ||
                 patch_use_count(f, m.gy) != 1 || !same_window(pool, back)))
        return;
    struct gnode first = *pool, last = back ? *back : first;
    rn_value small = RN_NONE, zero = back ? select->in[2] : RN_NONE, gx = RN_NONE;
    if (patch_clone(f, &first, 1, &x, 0, &small) != RN_OK)
        return;
    rn_value now = beside(f, &relu, "relu", 1, &small);
    if (back) {
        rn_value pair[2] = {now, zero};
        rn_value part[3] = {beside(f, &last, "gt", 2, pair), last.in[1], zero};
        rn_value in[2] = {x, beside(f, &last, "select", 3, part)};
        if (f->e->status || patch_clone(f, &last, 2, in, 0, &gx) != RN_OK)
            return;
        patch_replace_uses(f, m.out, gx);
    }
    if (now)
        patch_replace_uses(f, first.out[0], now);
}

/* --------------------------------------------------------------------- pass */

struct graph *graph_fold(const struct graph *g, struct arena *a, struct rn_error *e) {
    struct graph *made = graph_simplify(g, a, e);
    if (!made)
        return NULL;
    struct patch f = patch_begin(made, a, e);
    for (uint32_t i = 0; i < f.nodes && !e->status; i++)
        if (f.counts[i] && patch_named(&made->nodes[i], "relu") && !fold_norm(&f, i))
            pool_first(&f, i);
    return e->status ? NULL : graph_simplify(made, a, e);
}
