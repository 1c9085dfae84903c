/* SPDX-License-Identifier: Apache-2.0 */
/* How images lie: [N,C,H,W], [N,H,W,C] or in blocks of channels, chosen for the whole
 * graph by what the backend says each kernel takes, then written into the graph itself:
 * a blocked image is a value [N,C/b,H,W,b], a change of form a reshape and a transpose
 * that everybody sees.
 *
 * Nodes that must agree form a class (a convolution's result with the normalisation,
 * activation, pooling and sums that follow it); convolutions stand between classes and
 * take any pair of forms that the backend has. From several starts each class in turn
 * takes the form with the least total time, until nothing changes. */
#include <string.h>

#include "graph/rules.h"
#include "plan/draft.h"

enum form { PLAIN, CHANNELS_LAST, BLOCKED, FORMS };

enum kind {
    FREE,   /* knows [N,C,H,W] only */
    SAME,   /* images in and out have the class's form */
    CONV,   /* its result has the class's form, its image any */
    WEIGHT, /* two images of any form, the result is none */
    REDUCE, /* an image of any form, the result is none */
    KINDS
};

struct layout {
    const struct graph *g;
    const struct plan_options *o;
    struct arena *a;
    struct rn_error *e;
    int64_t block;     /* of BLOCKED; 0: not offered */
    uint8_t *kind;     /* by node */
    uint32_t *class;   /* by node: union-find */
    bool *seeded;      /* by root: holds a kernel that gains by a form */
    bool *counts;      /* by node: its conversions are part of the price */
    uint8_t *form;     /* by root */
    bool *may;         /* by root * FORMS */
    uint64_t *price;   /* by node * FORMS * FORMS: ns, 0 = not asked yet */
    uint32_t *members; /* roots of the classes that are chosen for */
    uint32_t member_count;
    uint64_t *stamp; /* by value * FORMS: conversion counted in this sum */
    uint64_t now;
    /* while the new graph is made */
    int64_t *blocks; /* by new value */
    uint32_t block_capacity;
};

#define NEVER (UINT64_MAX / 4096)

/* ------------------------------------------------------------------ classes */

static uint32_t root_of(struct layout *l, uint32_t n) {
    while (l->class[n] != n)
        n = l->class[n] = l->class[l->class[n]];
    return n;
}

static void join(struct layout *l, uint32_t a, uint32_t b) {
    a = root_of(l, a), b = root_of(l, b);
    if (a == b)
        return;
    uint32_t low = a < b ? a : b, high = a < b ? b : a;
    l->class[high] = low;
    l->seeded[low] |= l->seeded[high];
}

static const struct gnode *maker(const struct layout *l, rn_value v) {
    return &l->g->nodes[l->g->values[v].node];
}

static uint32_t index_of(const struct layout *l, const struct gnode *n) {
    return (uint32_t)(n - l->g->nodes);
}

/* Does the class of its maker decide v's form? */
static bool is_image(const struct layout *l, rn_value v) {
    const struct gnode *n = maker(l, v);
    uint8_t kind = l->kind[index_of(l, n)];
    return l->g->values[v].rank == 4 && n->out[0] == v &&
           (kind == SAME || kind == CONV);
}

static enum form form_of(struct layout *l, rn_value v) {
    return is_image(l, v) ? l->form[root_of(l, l->g->values[v].node)] : PLAIN;
}

static int64_t block_of(const struct layout *l, enum form f, int64_t channels) {
    return f == PLAIN ? 0 : f == CHANNELS_LAST ? channels : l->block;
}

static bool named(const struct gnode *n, const char *name) {
    return strcmp(n->op->name, name) == 0;
}

static bool is_window(const struct gnode *n) {
    return named(n, "max_pool2d") || named(n, "max_pool2d_grad") ||
           named(n, "avg_pool2d") || named(n, "avg_pool2d_grad");
}

static bool is_norm(const struct gnode *n) {
    return named(n, "batch_norm") || named(n, "batch_norm_grad") ||
           named(n, "batch_norm_infer");
}

/* Operands that are images of the class's form, by position. */
static bool takes_image(const struct layout *l, const struct gnode *n, uint32_t i) {
    const struct gvalue *x = &l->g->values[n->in[i]], *y = &l->g->values[n->out[0]];
    if (is_window(n))
        return true;
    if (is_norm(n)) /* x, and what is added or the gradient */
        return i == 0 || i == (named(n, "batch_norm")        ? 3u
                               : named(n, "batch_norm_grad") ? 4u
                                                             : 5u);
    if (named(n, "slice") || named(n, "pad") || named(n, "concat"))
        return true;
    return x->rank == 4 && same_shape(x, y); /* elementwise */
}

/* Axes 0 and 1 are left as they are. */
static bool spatial_only(const struct gnode *n, const struct gvalue *x) {
    uint32_t count;
    if (named(n, "slice")) {
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

/* What is left after the sum lies in the same order whatever the form. */
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
    if (named(n, "conv2d_grad_weight"))
        return has_forms(y->dtype) ? WEIGHT : FREE;
    if (x->rank == 4 && strncmp(n->op->name, "reduce_", 7) == 0 &&
        n->op->traits & OP_REDUCTION)
        return reduces_alike(n, x) ? REDUCE : FREE;
    if (y->rank != 4)
        return FREE;
    if (named(n, "conv2d") || named(n, "conv2d_grad_input"))
        return has_forms(y->dtype) ? CONV : FREE;
    if (is_window(n) || is_norm(n))
        return has_forms(y->dtype) ? SAME : FREE;
    if (named(n, "broadcast_to"))
        return x->rank <= 4 ? SAME : FREE;
    if (named(n, "slice") || named(n, "pad"))
        return spatial_only(n, x) ? SAME : FREE;
    if (named(n, "concat"))
        return attr_int(n, "axis") == 1 ? SAME : FREE;
    if (n->op->traits & OP_ELEMENTWISE && n->out_count == 1) {
        for (uint32_t i = 0; i < n->in_count; i++)
            if (g->values[n->in[i]].rank > 4)
                return FREE;
        return SAME;
    }
    return FREE;
}

static void classify(struct layout *l) {
    const struct graph *g = l->g;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        l->class[i] = i;
        l->kind[i] = (uint8_t)kind_of(l, n);
        l->seeded[i] = l->kind[i] == CONV;
        for (uint32_t k = 0; l->kind[i] == SAME && k < n->in_count; k++)
            if (takes_image(l, n, k) && is_image(l, n->in[k]))
                join(l, i, g->values[n->in[k]].node);
    }
}

/* ------------------------------------------------------------------ writing */

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

/* Node n in blocks: `bx` for the images that it reads, `by` for its result. The values
 * in `in` have their forms already. */
static int write_node(struct layout *l, struct graph *g, const struct gnode *n,
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
        else if (named(n, "broadcast_to")) {
            const int64_t *four = attr_ints(n, "shape", &count);
            at[i] = rn_attr_ints("shape", 5, five_of(l, four, four[1] / by, by));
        } else if (named(n, "slice")) {
            bool stop = strcmp(name, "stop") == 0;
            int64_t none = strcmp(name, "step") == 0;
            at[i] = rn_attr_ints(name, 5,
                                 five_of(l, attr_ints(n, name, &count),
                                         stop ? x->shape[1] : none, stop ? by : none));
        } else if (named(n, "pad") && at[i].type == RN_ATTR_INTS && at[i].count) {
            at[i] = rn_attr_ints(name, 5, five_of(l, attr_ints(n, name, &count), 0, 0));
        } else if (named(n, "concat") && x->shape[1] == 1 && by != l->block) {
            at[i].i = 4;
        }
    }
    return graph_op(g, n->op->name, n->in_count, in, n->attr_count, at, n->out_count,
                    out, l->e);
}

/* ------------------------------------------------------------------- prices */

/* The block of operand i when n reads images in bx and writes them in by; 0: none. */
static int64_t operand_block(const struct layout *l, const struct gnode *n, uint32_t i,
                             int64_t bx, int64_t by) {
    if (l->kind[index_of(l, n)] == SAME)
        return takes_image(l, n, i) ? bx : 0;
    if (named(n, "conv2d_grad_weight"))
        return i == 0 ? bx : by;
    return i == (named(n, "conv2d_grad_input") ? 1u : 0u) ? bx : 0;
}

/* Node n alone in a graph, with these forms; asked what it costs. */
static uint64_t ask(struct layout *l, const struct gnode *n, int64_t bx, int64_t by) {
    struct layout alone = {.g = l->g, .a = l->a, .o = l->o, .block = l->block};
    struct graph *g = graph_create(l->a, l->g->variables, "question");
    rn_value *in = arena_array(l->a, rn_value, n->in_count + 1);
    rn_value out[8] = {RN_NONE};
    struct rn_error e = {0};
    alone.e = &e;
    for (uint32_t i = 0; i < n->in_count; i++) {
        struct gvalue v = l->g->values[n->in[i]];
        if (!image_block(&v, operand_block(l, n, i, bx, by)))
            return NEVER;
        in[i] = graph_node_append(g, op_find("input"), 0, NULL, 1, &v)->out[0];
    }
    if (write_node(&alone, g, n, in, bx, by, out) != RN_OK)
        return NEVER;
    const struct gnode *made = &g->nodes[g->node_count - 1];
    const struct rn_program *p = draft_question(g, made, l->a);
    struct rn_node_info info;
    if (draft_ask(l->o, p, 0, &info, &e) != RN_OK || !info.supported)
        return NEVER;
    if (l->kind[index_of(l, n)] == SAME)
        return 1;
    uint64_t ns = 0;
    if (l->o->backend->measure(l->o->backend_self, p, 0, &ns, &e) != RN_OK)
        return NEVER;
    return ns ? ns : 1;
}

static int64_t channels_of(const struct layout *l, rn_value v) {
    return l->g->values[v].shape[1];
}

/* The two images that decide about a convolution: what it reads, what it writes. */
static void images_of(const struct gnode *n, rn_value *x, rn_value *y) {
    *x = named(n, "conv2d_grad_input") ? n->in[1] : n->in[0];
    *y = named(n, "conv2d_grad_weight") ? n->in[1] : n->out[0];
}

static uint64_t price_of(struct layout *l, uint32_t node, enum form fx, enum form fy) {
    uint64_t *p = &l->price[(node * FORMS + fx) * FORMS + fy];
    const struct gnode *n = &l->g->nodes[node];
    if (!*p) {
        rn_value x, y;
        images_of(n, &x, &y);
        *p = ask(l, n, block_of(l, fx, channels_of(l, x)),
                 block_of(l, fy, channels_of(l, y)));
    }
    return *p;
}

/* A change of form: a pass that reads and writes, at a cautious 8 GB/s. */
static uint64_t conversion(struct layout *l, rn_value v, enum form to) {
    uint64_t *s = &l->stamp[(uint64_t)v * FORMS + to];
    int64_t channels = channels_of(l, v);
    if (block_of(l, form_of(l, v), channels) == block_of(l, to, channels) ||
        *s == l->now)
        return 0;
    *s = l->now;
    return value_bytes(l->g, v) / 4;
}

/* Nothing to choose: it lies as [N,C,H,W]. */
static bool is_fixed(struct layout *l, rn_value v) {
    uint32_t r = root_of(l, l->g->values[v].node);
    return !is_image(l, v) || !l->seeded[r] ||
           !(l->may[r * FORMS + CHANNELS_LAST] || l->may[r * FORMS + BLOCKED]);
}

/* Kernels that read one form and write another are few: where both can be chosen, x is
 * turned into y's form first. */
static bool turns(struct layout *l, rn_value x, rn_value y) {
    enum form fx = form_of(l, x), fy = form_of(l, y);
    int64_t b = block_of(l, fy, channels_of(l, x));
    return fx != fy && !is_fixed(l, x) && !is_fixed(l, y) &&
           (!b || channels_of(l, x) % b == 0);
}

static uint64_t total(struct layout *l) {
    const struct graph *g = l->g;
    uint64_t sum = 0;
    l->now++;
    for (uint32_t i = 0; i < g->assign_count; i++)
        if (g->values[g->assigns[i].value].rank == 4)
            sum += conversion(l, g->assigns[i].value, PLAIN);
    for (uint32_t i = 0; !g->assign_count && i < g->output_count; i++)
        if (g->values[g->outputs[i].value].rank == 4)
            sum += conversion(l, g->outputs[i].value, PLAIN);
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        enum kind kind = l->kind[i];
        if (!l->counts[i])
            continue;
        if (kind == CONV || kind == WEIGHT) {
            rn_value x, y;
            images_of(n, &x, &y);
            enum form fx = form_of(l, x), fy = form_of(l, y);
            if (turns(l, x, y)) {
                sum += conversion(l, x, fy);
                fx = fy;
            }
            sum += price_of(l, i, fx, fy);
        }
        for (uint32_t k = 0; k < n->in_count; k++) {
            if (g->values[n->in[k]].rank != 4)
                continue;
            if (kind == SAME && takes_image(l, n, k))
                sum += conversion(l, n->in[k], form_of(l, n->out[0]));
            else if (kind == FREE || kind == SAME)
                sum += conversion(l, n->in[k], PLAIN);
        }
    }
    return sum;
}

/* May every node of class r have form f? */
static bool allowed(struct layout *l, uint32_t r, enum form f) {
    const struct graph *g = l->g;
    if (f == PLAIN)
        return true;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        if ((l->kind[i] != SAME && l->kind[i] != CONV) || root_of(l, i) != r)
            continue;
        int64_t channels = channels_of(l, n->out[0]), b = block_of(l, f, channels);
        if (channels < 2 || !b || channels % b || b > channels)
            return false;
        for (uint32_t k = 0; l->kind[i] == SAME && k < n->in_count; k++) {
            if (!takes_image(l, n, k))
                continue;
            int64_t c = channels_of(l, n->in[k]);
            if (c % block_of(l, f, c))
                return false;
        }
        if ((is_window(n) || is_norm(n)) && ask(l, n, b, b) >= NEVER)
            return false;
    }
    return true;
}

/* From a start, one class after the other. Returns the price. */
static uint64_t descend(struct layout *l) {
    uint64_t best = total(l);
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t m = 0; m < l->member_count; m++) {
            uint32_t r = l->members[m];
            uint8_t had = l->form[r], take = had;
            for (uint8_t f = 0; f < FORMS; f++) {
                if (f == had || !l->may[r * FORMS + f])
                    continue;
                l->form[r] = f;
                uint64_t t = total(l);
                if (t < best) {
                    best = t;
                    take = f;
                }
            }
            l->form[r] = take;
            changed |= take != had;
        }
    }
    return best;
}

static void choose(struct layout *l) {
    uint32_t n = l->member_count;
    uint8_t *best = arena_array(l->a, uint8_t, n + 1);
    uint64_t least = UINT64_MAX;
    for (uint32_t m = 0; m < n; m++)
        for (int f = 0; f < FORMS; f++)
            l->may[l->members[m] * FORMS + f] = allowed(l, l->members[m], (enum form)f);
    for (int start = 0; start < FORMS; start++) {
        for (uint32_t m = 0; m < n; m++)
            l->form[l->members[m]] =
                l->may[l->members[m] * FORMS + start] ? (uint8_t)start : PLAIN;
        uint64_t t = descend(l);
        if (t >= least)
            continue;
        least = t;
        for (uint32_t m = 0; m < n; m++)
            best[m] = l->form[l->members[m]];
    }
    for (uint32_t m = 0; m < n; m++)
        l->form[l->members[m]] = best[m];
}

/* ---------------------------------------------------------------- new graph */

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
    struct rn_attr at[2] = {rn_attr_ints("axes", k, list), rn_attr_int("keep", 0)};
    rn_value sum = RN_NONE;
    int status = graph_op(g, n->op->name, 1, &x, 2, at, 1, &sum, l->e);
    if (status == RN_OK)
        out[0] = make(l, g, "reshape", sum, "shape", y->rank, y->shape);
    return l->e->status;
}

/* 1: out is set; 0: to be copied as it is with `in`. */
static int edit_node(void *context, struct graph *g, const struct gnode *n,
                     rn_value *in, rn_value *out, struct rn_error *e) {
    struct layout *l = context;
    enum kind kind = l->kind[index_of(l, n)];
    bool any = false;
    for (uint32_t i = 0; i < n->in_count; i++)
        any |= get_block(l, in[i]) != 0;
    int64_t by = 0;
    if (kind == SAME || kind == CONV)
        by = block_of(l, form_of(l, n->out[0]), channels_of(l, n->out[0]));
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
        int64_t channels = channels_of(l, n->out[0]);
        for (uint32_t i = 0; i < n->in_count; i++) {
            if (takes_image(l, n, i))
                in[i] = as_block(
                    l, g, in[i],
                    block_of(l, form_of(l, n->out[0]), channels_of(l, n->in[i])));
            else if (!is_norm(n))
                in[i] = spread(l, g, in[i], channels, by);
            if (!in[i])
                return 0;
        }
    } else {
        rn_value x, y, *image = named(n, "conv2d_grad_input") ? &in[1] : &in[0];
        images_of(n, &x, &y);
        if (kind == WEIGHT)
            by = get_block(l, in[1]);
        if (turns(l, x, y))
            *image =
                as_block(l, g, *image, block_of(l, form_of(l, y), channels_of(l, x)));
        if (!*image)
            return 0;
        bx = get_block(l, *image);
    }
    int status = write_node(l, g, n, in, bx, by, out);
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

int draft_images(const struct graph *g, struct arena *a, const struct plan_options *o,
                 const struct graph **out, struct rn_error *e) {
    struct layout l = {.g = g, .o = o, .a = a, .e = e, .block = o->image_block};
    uint32_t n = g->node_count;
    bool any = false;
    *out = g;
    if (!o->backend || !o->layouts || !RN_HAS(o->backend, struct rn_backend, measure) ||
        !o->backend->measure)
        return RN_OK;
    for (uint32_t i = 0; i < n; i++)
        any |= named(&g->nodes[i], "conv2d");
    if (!any)
        return RN_OK;
    l.kind = arena_array(a, uint8_t, n + 1);
    l.class = arena_array(a, uint32_t, n + 1);
    l.seeded = arena_array(a, bool, n + 1);
    l.counts = arena_array(a, bool, n + 1);
    l.form = arena_array(a, uint8_t, n + 1);
    l.may = arena_array(a, bool, (size_t)n *FORMS + 1);
    l.price = arena_array(a, uint64_t, (size_t)n * FORMS * FORMS + 1);
    l.members = arena_array(a, uint32_t, n + 1);
    l.stamp = arena_array(a, uint64_t, (size_t)g->value_count * FORMS + 1);
    graph_counts(g, l.counts);
    classify(&l);
    for (uint32_t i = 0; i < n; i++)
        if ((l.kind[i] == SAME || l.kind[i] == CONV) && root_of(&l, i) == i &&
            l.seeded[i])
            l.members[l.member_count++] = i;
    choose(&l);
    any = false;
    for (uint32_t m = 0; m < l.member_count; m++)
        any |= l.form[l.members[m]] != PLAIN;
    if (!any)
        return RN_OK;
    struct graph_edit edit = {edit_node, edit_result, &l};
    struct graph *made = NULL;
    int status = graph_rewrite(g, a, &edit, &made, e);
    if (status == RN_OK) {
        made = graph_simplify(made, a, e);
        status = made ? RN_OK : e->status;
    }
    *out = made;
    return status;
}
