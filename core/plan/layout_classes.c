/* SPDX-License-Identifier: Apache-2.0 */
/* Which nodes must agree on the layout of their images. A convolution's result with the
 * normalisation, activation, pooling and sums that follow it is a class; convolutions
 * stand between classes and take any pair of forms that the backend has. */
#include <string.h>

#include "plan/layout.h"

uint32_t layout_root(struct layout *l, uint32_t n) {
    while (l->class[n] != n)
        n = l->class[n] = l->class[l->class[n]];
    return n;
}

static void join(struct layout *l, uint32_t a, uint32_t b) {
    a = layout_root(l, a), b = layout_root(l, b);
    if (a == b)
        return;
    uint32_t low = a < b ? a : b, high = a < b ? b : a;
    l->class[high] = low;
    l->seeded[low] |= l->seeded[high];
}

static const struct gnode *maker(const struct layout *l, rn_value v) {
    return &l->g->nodes[l->g->values[v].node];
}

uint32_t layout_index(const struct layout *l, const struct gnode *n) {
    return (uint32_t)(n - l->g->nodes);
}

bool layout_is_image(const struct layout *l, rn_value v) {
    const struct gnode *n = maker(l, v);
    uint8_t kind = l->kind[layout_index(l, n)];
    return l->g->values[v].rank == 4 && n->out[0] == v &&
           (kind == SAME || kind == CONV);
}

enum form layout_form(struct layout *l, rn_value v) {
    return layout_is_image(l, v) ? l->form[layout_root(l, l->g->values[v].node)]
                                 : PLAIN;
}

int64_t layout_block(const struct layout *l, enum form f, int64_t channels) {
    return f == PLAIN ? 0 : f == CHANNELS_LAST ? channels : l->block;
}

bool layout_named(const struct gnode *n, const char *name) {
    return strcmp(n->op->name, name) == 0;
}

bool layout_is_window(const struct gnode *n) {
    return layout_named(n, "max_pool2d") || layout_named(n, "max_pool2d_grad") ||
           layout_named(n, "avg_pool2d") || layout_named(n, "avg_pool2d_grad");
}

bool layout_is_norm(const struct gnode *n) {
    return layout_named(n, "batch_norm") || layout_named(n, "batch_norm_grad") ||
           layout_named(n, "batch_norm_infer");
}

bool layout_takes(const struct layout *l, const struct gnode *n, uint32_t i) {
    const struct gvalue *x = &l->g->values[n->in[i]], *y = &l->g->values[n->out[0]];
    if (layout_is_window(n))
        return true;
    if (layout_is_norm(n)) /* x, and what is added or the gradient */
        return i == 0 || i == (layout_named(n, "batch_norm")        ? 3u
                               : layout_named(n, "batch_norm_grad") ? 4u
                                                                    : 5u);
    if (layout_named(n, "slice") || layout_named(n, "pad") || layout_named(n, "concat"))
        return true;
    return x->rank == 4 && same_shape(x, y); /* elementwise */
}

/* Axes 0 and 1 are left as they are. */
static bool spatial_only(const struct gnode *n, const struct gvalue *x) {
    uint32_t count;
    if (layout_named(n, "slice")) {
        const int64_t *start = attr_ints(n, "start", &count);
        const int64_t *stop = attr_ints(n, "stop", &count);
        const int64_t *step = attr_ints(n, "step", &count);
        for (int i = 0; i < 2; i++)
            if (start[i] != 0 || stop[i] != x->shape[i] || step[i] != 1)
                return false;
        return true;
    }
    const char *const names[] = {"low", "high", "interior"};
    for (int k = 0; k < 3; k++) {
        const int64_t *list = attr_ints(n, names[k], &count);
        if (count && (list[0] || list[1]))
            return false;
    }
    return true;
}

/* What is left after the sum is in the same order whatever the form. */
static bool reduces_alike(const struct gnode *n, const struct gvalue *x) {
    uint32_t count;
    const int64_t *axes = attr_ints(n, "axes", &count);
    bool gone[4] = {count == 0, count == 0, count == 0, count == 0};
    for (uint32_t i = 0; i < count; i++)
        gone[axes[i]] = true;
    bool flat = (gone[2] || x->shape[2] == 1) && (gone[3] || x->shape[3] == 1);
    return gone[1] || flat;
}

/* Convolutions of other types have one form only. */
static bool has_forms(rn_dtype t) {
    return t == RN_F32 || t == RN_BF16 || t == RN_F16;
}

static enum kind kind_of(const struct layout *l, const struct gnode *n) {
    const struct graph *g = l->g;
    if (is_source(n) || is_view(n) || n->custom || !n->out_count || !n->in_count)
        return FREE;
    const struct gvalue *y = &g->values[n->out[0]], *x = &g->values[n->in[0]];
    if (gnode_blocked(n))
        return FREE; /* somebody chose already */
    if (layout_named(n, "conv2d_grad_weight"))
        return has_forms(y->dtype) ? WEIGHT : FREE;
    if (x->rank == 4 && strncmp(n->op->name, "reduce_", 7) == 0 &&
        n->op->traits & OP_REDUCTION)
        return reduces_alike(n, x) ? REDUCE : FREE;
    if (y->rank != 4)
        return FREE;
    if (layout_named(n, "conv2d") || layout_named(n, "conv2d_grad_input"))
        return has_forms(y->dtype) ? CONV : FREE;
    if (layout_is_window(n) || layout_is_norm(n))
        return has_forms(y->dtype) ? SAME : FREE;
    if (layout_named(n, "broadcast_to"))
        return x->rank <= 4 ? SAME : FREE;
    if (layout_named(n, "slice") || layout_named(n, "pad"))
        return spatial_only(n, x) ? SAME : FREE;
    if (layout_named(n, "concat"))
        return attr_int(n, "axis") == 1 ? SAME : FREE;
    if (n->op->traits & OP_ELEMENTWISE && n->out_count == 1) {
        for (uint32_t i = 0; i < n->in_count; i++)
            if (g->values[n->in[i]].rank > 4)
                return FREE;
        return SAME;
    }
    return FREE;
}

void layout_classify(struct layout *l) {
    const struct graph *g = l->g;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        l->class[i] = i;
        l->kind[i] = (uint8_t)kind_of(l, n);
        l->seeded[i] = l->kind[i] == CONV;
        for (uint32_t k = 0; l->kind[i] == SAME && k < n->in_count; k++)
            if (layout_takes(l, n, k) && layout_is_image(l, n->in[k]))
                join(l, i, g->values[n->in[k]].node);
    }
}

int64_t layout_channels(const struct layout *l, rn_value v) {
    return l->g->values[v].shape[1];
}

void layout_images(const struct gnode *n, rn_value *x, rn_value *y) {
    *x = layout_named(n, "conv2d_grad_input") ? n->in[1] : n->in[0];
    *y = layout_named(n, "conv2d_grad_weight") ? n->in[1] : n->out[0];
}

/* Nothing to choose: it is [N,C,H,W]. */
static bool is_fixed(struct layout *l, rn_value v) {
    uint32_t r = layout_root(l, l->g->values[v].node);
    return !layout_is_image(l, v) || !l->seeded[r] ||
           !(l->may[r * FORMS + CHANNELS_LAST] || l->may[r * FORMS + BLOCKED]);
}

bool layout_turns(struct layout *l, rn_value x, rn_value y, enum form fx,
                  enum form fy) {
    int64_t b = layout_block(l, fy, layout_channels(l, x));
    return fx != fy && !is_fixed(l, x) && !is_fixed(l, y) &&
           (!b || layout_channels(l, x) % b == 0);
}
