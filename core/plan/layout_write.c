/* SPDX-License-Identifier: Apache-2.0 */
/* The chosen layout, written into the graph: a blocked image is a value
 * [N,C/b,H,W,b], a change of form a reshape and a transpose that everybody sees. */
#include <string.h>

#include "plan/layout.h"

static void set_block(struct layout *l, struct graph *g, rn_value v, int64_t block) {
    if (v >= l->block_capacity) {
        uint32_t capacity = 2 * g->value_count + 64;
        int64_t *grown = arena_array(l->a, int64_t, capacity);
        if (l->block_capacity)
            memcpy(grown, l->blocks, l->block_capacity * sizeof *grown);
        l->blocks = grown;
        l->block_capacity = capacity;
    }
    l->blocks[v] = block;
}

static int64_t get_block(const struct layout *l, rn_value v) {
    return v < l->block_capacity ? l->blocks[v] : 0;
}

static rn_value make(struct layout *l, struct graph *g, const char *op, rn_value x,
                     const char *attr, uint32_t rank, const int64_t *list) {
    struct rn_attr a = rn_attr_ints(attr, rank, list);
    rn_value out = RN_NONE;
    graph_op(g, op, 1, &x, 1, &a, 1, &out, l->e);
    return out;
}

static rn_value as_plain(struct layout *l, struct graph *g, rn_value v) {
    static const int64_t perm[5] = {0, 1, 4, 2, 3};
    struct gvalue image;
    if (!get_block(l, v))
        return v;
    image_unblock(graph_value(g, v), get_block(l, v), &image);
    v = make(l, g, "transpose", v, "perm", 5, perm);
    return v ? make(l, g, "reshape", v, "shape", 4, image.shape) : v;
}

static rn_value as_block(struct layout *l, struct graph *g, rn_value v, int64_t block) {
    static const int64_t perm[5] = {0, 1, 3, 4, 2};
    if (get_block(l, v) == block)
        return v;
    v = as_plain(l, g, v);
    const struct gvalue *x = v ? graph_value(g, v) : NULL;
    if (!x || !block)
        return v;
    if (x->rank != 4 || x->shape[1] % block) {
        error_set(l->e, RN_E_INTERNAL, "a layout that does not divide its channels");
        return RN_NONE;
    }
    int64_t apart[5] = {x->shape[0], x->shape[1] / block, block, x->shape[2],
                        x->shape[3]};
    v = make(l, g, "reshape", v, "shape", 5, apart);
    v = v ? make(l, g, "transpose", v, "perm", 5, perm) : v;
    if (v)
        set_block(l, g, v, block);
    return v;
}

/* An operand that is broadcast over blocked images of C channels. */
static rn_value spread(struct layout *l, struct graph *g, rn_value v, int64_t channels,
                       int64_t block) {
    struct gvalue x = *graph_value(g, v);
    if (elements(&x) == 1 && x.rank == 0)
        return v;
    int64_t four[4] = {1, 1, 1, 1};
    v = as_plain(l, g, v);
    for (uint32_t i = 0; i < x.rank && get_block(l, v) == 0 && x.rank <= 4; i++)
        four[4 - x.rank + i] = x.shape[i];
    if (four[1] == channels && four[1] > 1 && (four[2] > 1 || four[3] > 1)) {
        v = make(l, g, "reshape", v, "shape", 4, four);
        return v ? as_block(l, g, v, block) : v;
    }
    bool has = four[1] == channels && channels > 1;
    int64_t five[5] = {four[0], has ? channels / block : 1, four[2], four[3],
                       has ? block : 1};
    return make(l, g, "reshape", v, "shape", 5, five);
}

/* Lists of one number an axis, for five of them: axis 1 becomes 1 and 4. */
static const int64_t *five_of(struct layout *l, const int64_t *four, int64_t one,
                              int64_t last) {
    int64_t *list = arena_array(l->a, int64_t, 5);
    memcpy(list, four, 4 * sizeof *list);
    list[1] = one;
    list[4] = last;
    return list;
}

int layout_write_node(struct layout *l, struct graph *g, const struct gnode *n,
                      const rn_value *in, int64_t bx, int64_t by, rn_value *out) {
    struct rn_attr *at = arena_array(l->a, struct rn_attr, n->attr_count + 1);
    const struct gvalue *x = graph_value(g, in[0]);
    uint32_t count;
    for (uint32_t i = 0; i < n->attr_count; i++) {
        at[i] = n->attrs[i];
        const char *name = at[i].name;
        if (strcmp(name, "block_in") == 0)
            at[i].i = bx;
        else if (strcmp(name, "block_out") == 0 || strcmp(name, "block") == 0)
            at[i].i = by;
        else if (!by)
            continue;
        else if (layout_named(n, "broadcast_to")) {
            const int64_t *four = attr_ints(n, "shape", &count);
            at[i] = rn_attr_ints("shape", 5, five_of(l, four, four[1] / by, by));
        } else if (layout_named(n, "slice")) {
            bool stop = strcmp(name, "stop") == 0;
            int64_t none = strcmp(name, "step") == 0;
            at[i] = rn_attr_ints(name, 5,
                                 five_of(l, attr_ints(n, name, &count),
                                         stop ? x->shape[1] : none, stop ? by : none));
        } else if (layout_named(n, "pad") && at[i].type == RN_ATTR_INTS &&
                   at[i].count) {
            at[i] = rn_attr_ints(name, 5, five_of(l, attr_ints(n, name, &count), 0, 0));
        } else if (layout_named(n, "concat") && x->shape[4] != by) {
            at[i].i = 4; /* channels last: each operand is one block, of its own size */
        }
    }
    return graph_op(g, n->op->name, n->in_count, in, n->attr_count, at, n->out_count,
                    out, l->e);
}

static int write_reduce(struct layout *l, struct graph *g, const struct gnode *n,
                        rn_value x, rn_value *out) {
    const struct gvalue *y = &l->g->values[n->out[0]];
    uint32_t count, k = 0;
    const int64_t *axes = attr_ints(n, "axes", &count);
    int64_t list[5];
    for (uint32_t i = 0; i < count; i++)
        list[k++] = axes[i];
    for (uint32_t i = 0; i < count; i++)
        if (axes[i] == 1)
            list[k++] = 4;
    struct rn_attr at[3] = {rn_attr_ints("axes", k, list), rn_attr_int("keep", 0)};
    const struct rn_attr *type = gnode_attr(n, "dtype");
    if (type)
        at[2] = *type;
    rn_value sum = RN_NONE;
    int status = graph_op(g, n->op->name, 1, &x, type ? 3 : 2, at, 1, &sum, l->e);
    if (status == RN_OK)
        out[0] = make(l, g, "reshape", sum, "shape", y->rank, y->shape);
    return l->e->status;
}

/* 1: out is set; 0: to be copied as it is with `in`. */
static int edit_node(void *context, struct graph *g, const struct gnode *n,
                     rn_value *in, rn_value *out, struct rn_error *e) {
    struct layout *l = context;
    enum kind kind = l->kind[layout_index(l, n)];
    bool any = false;
    for (uint32_t i = 0; i < n->in_count; i++)
        any |= get_block(l, in[i]) != 0;
    int64_t by = 0;
    if (kind == SAME || kind == CONV)
        by = layout_block(l, layout_form(l, n->out[0]), layout_channels(l, n->out[0]));
    if (!any && !by)
        return 0;
    g->scope = n->scope;
    g->part = n->part;
    if (kind == REDUCE)
        return write_reduce(l, g, n, in[0], out) == RN_OK;
    if (kind == FREE || (kind == SAME && !by)) {
        for (uint32_t i = 0; i < n->in_count; i++)
            in[i] = as_plain(l, g, in[i]);
        return 0;
    }
    int64_t bx = by;
    if (kind == SAME) {
        int64_t channels = layout_channels(l, n->out[0]);
        for (uint32_t i = 0; i < n->in_count; i++) {
            if (layout_takes(l, n, i))
                in[i] = as_block(l, g, in[i],
                                 layout_block(l, layout_form(l, n->out[0]),
                                              layout_channels(l, n->in[i])));
            else if (!layout_is_norm(n))
                in[i] = spread(l, g, in[i], channels, by);
            if (!in[i])
                return 0;
        }
    } else {
        rn_value x, y, *image = layout_named(n, "conv2d_grad_input") ? &in[1] : &in[0];
        layout_images(n, &x, &y);
        if (kind == WEIGHT)
            by = get_block(l, in[1]);
        if (layout_turns(l, x, y, layout_form(l, x), layout_form(l, y)))
            *image =
                as_block(l, g, *image,
                         layout_block(l, layout_form(l, y), layout_channels(l, x)));
        if (!*image)
            return 0;
        bx = get_block(l, *image);
    }
    int status = layout_write_node(l, g, n, in, bx, by, out);
    if (status == RN_OK && kind != WEIGHT)
        set_block(l, g, out[0], by);
    (void)e;
    return status == RN_OK;
}

static rn_value edit_result(void *context, struct graph *g, rn_value v,
                            struct rn_error *e) {
    (void)e;
    return as_plain(context, g, v);
}

int layout_write(struct layout *l, const struct graph **out) {
    struct graph_edit edit = {edit_node, edit_result, l};
    struct graph *made = NULL;
    int status = graph_rewrite(l->g, l->a, &edit, &made, l->e);
    if (status == RN_OK) {
        made = graph_simplify(made, l->a, l->e);
        status = made ? RN_OK : l->e->status;
    }
    *out = made;
    return status;
}
