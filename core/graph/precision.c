/* SPDX-License-Identifier: Apache-2.0 */
/* Mixed precision: casts put into a whole program, forward and backward, by what its
 * operators are (docs/precision.md). Three classes: products, and normalisations of
 * what they give, read operands of 16 bits and sum in f32; moves, means of windows and
 * elementwise operators follow, computing in f32 between what they read and what they
 * store, and so do sums and means, whose results are f32; everything else is f32, and
 * so is every update.
 *
 * A value between products is *stored* in 16 bits: rounded once, and every later reader
 * that is a product, a move or elementwise sees the rounded one, so that no second copy
 * is kept. What is rounded depends on the program alone, never on a backend. */
#include <string.h>

#include "graph/internal.h"

enum kind { FULL, PRODUCT, VIEW, MOVE, ELEMENTWISE, SUM };

/* Who reads a value. */
#define BY_PRODUCT     1u
#define BY_ELEMENTWISE 2u
#define BY_FULL        4u
#define BY_UPDATE      8u /* or it is a result */

struct precision {
    const struct graph *g;
    rn_dtype low;
    bool *counts;     /* by node: results depend on it */
    uint8_t *class;   /* by node */
    uint8_t *readers; /* by value */
    bool *stored;     /* by value: in 16 bits */
    rn_value *wide;   /* by value: the new graph's f32 one, where it has both */
    rn_value *shared; /* by value: a cast to f32 that is stored anyway */
    rn_value *made;   /* by value: the new graph's of 16 bits, where it is stored so */
};

static const struct {
    const char *op;
    enum kind class;
} table[] = {{"matmul", PRODUCT},
             {"linear", PRODUCT},
             {"conv2d", PRODUCT},
             {"conv2d_grad_input", PRODUCT},
             {"conv2d_grad_weight", PRODUCT},
             {"attention", PRODUCT},
             {"attention_grad", PRODUCT},
             {"batch_norm", PRODUCT},
             {"batch_norm_grad", PRODUCT},
             {"batch_norm_infer", PRODUCT},
             {"layer_norm", PRODUCT},
             {"layer_norm_grad", PRODUCT},
             {"group_norm", PRODUCT},
             {"group_norm_grad", PRODUCT},
             {"rms_norm", PRODUCT},
             {"rms_norm_grad", PRODUCT},
             {"max_pool2d", MOVE},
             {"max_pool2d_grad", MOVE},
             {"avg_pool2d", MOVE},
             {"avg_pool2d_grad", MOVE},
             {"reshape", VIEW},
             {"flatten", VIEW},
             {"transpose", MOVE},
             {"slice", MOVE},
             {"concat", MOVE},
             {"dropout", ELEMENTWISE},
             {"reduce_sum", SUM},
             {"reduce_mean", SUM}};

static bool is_batch_norm(const struct gnode *n) {
    return strncmp(n->op->name, "batch_norm", 10) == 0;
}

/* Of rows, each by itself. */
static bool is_row_norm(const struct gnode *n) {
    return strncmp(n->op->name, "layer_norm", 10) == 0 ||
           strncmp(n->op->name, "group_norm", 10) == 0 ||
           strncmp(n->op->name, "rms_norm", 8) == 0;
}

static bool is_mean(const struct gnode *n) {
    return strcmp(n->op->name, "reduce_mean") == 0;
}

static bool is_convolution(const struct gnode *n) {
    return strcmp(n->op->name, "conv2d") == 0;
}

static bool in_loss(const struct gnode *n) {
    return strncmp(n->scope, "loss", 4) == 0 &&
           (n->scope[4] == '\0' || n->scope[4] == '.');
}

/* Of the penalty on a parameter, whose type is f32. */
static bool in_regularizer(const struct gnode *n) {
    return strncmp(n->scope, "regularizers", 12) == 0;
}

/* What normalises data as they come reads them whole, and so does what normalises what
 * f32 operators give, or for a loss. */
static bool reads_whole(const struct precision *p, const struct gnode *n) {
    const struct graph *g = p->g;
    uint32_t maker = g->values[n->in[0]].node;
    if (is_batch_norm(n))
        return !is_convolution(&g->nodes[maker]);
    while (p->class[maker] == VIEW || p->class[maker] == MOVE)
        maker = g->values[g->nodes[maker].in[0]].node;
    return is_row_norm(n) && (in_loss(n) || p->class[maker] == FULL);
}

static enum kind class_of(const struct precision *p, const struct gnode *n) {
    if (n->part == GRAPH_UPDATE || n->custom || n->op->traits & OP_SOURCE ||
        in_regularizer(n))
        return FULL;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].op, n->op->name) == 0)
            return reads_whole(p, n) ? FULL : table[i].class;
    return n->op->traits & OP_ELEMENTWISE && n->out_count == 1 ? ELEMENTWISE : FULL;
}

static bool is_f32(const struct precision *p, rn_value v) {
    return p->g->values[v].dtype == RN_F32;
}

/* ------------------------------------------------------------------- choice */

static bool may_move(const struct precision *p, const struct gnode *n) {
    return !(p->readers[n->out[0]] & (BY_FULL | BY_UPDATE));
}

static uint8_t reads_as(const struct precision *p, uint32_t i) {
    const struct gnode *n = &p->g->nodes[i];
    uint8_t after = n->out_count ? p->readers[n->out[0]] : 0;
    switch (p->class[i]) {
    case PRODUCT:
        return BY_PRODUCT;
    case VIEW:
        return after;
    case MOVE:
        return !may_move(p, n)      ? BY_FULL
               : after & BY_PRODUCT ? BY_PRODUCT
                                    : BY_ELEMENTWISE;
    case ELEMENTWISE:
        /* What only adds up gradients of a parameter reads them as the update does;
         * a loss reads what models give, however it begins. */
        return after & BY_UPDATE || in_loss(n) ? BY_UPDATE : BY_ELEMENTWISE;
    case SUM: /* in f32, of what is stored anyway */
        return in_loss(n) ? BY_UPDATE : BY_ELEMENTWISE;
    default:
        return n->part == GRAPH_UPDATE ? BY_UPDATE : BY_FULL;
    }
}

static void find_readers(struct precision *p) {
    const struct graph *g = p->g;
    for (uint32_t i = 0; i < g->assign_count; i++)
        p->readers[g->assigns[i].value] |= BY_UPDATE;
    for (uint32_t i = 0; i < g->output_count; i++)
        if (p->counts[g->values[g->outputs[i].value].node])
            p->readers[g->outputs[i].value] |= BY_UPDATE;
    for (uint32_t i = g->node_count; i-- > 0;) {
        uint8_t as = p->counts[i] ? reads_as(p, i) : 0;
        for (uint32_t k = 0; k < g->nodes[i].in_count; k++)
            p->readers[g->nodes[i].in[k]] |= as;
    }
}

static bool all_stored(const struct precision *p, const struct gnode *n) {
    bool all = true;
    for (uint32_t k = 0; k < n->in_count; k++)
        all &= p->stored[n->in[k]];
    return all;
}

static bool is_gradient_of_attention(const struct gnode *n) {
    return strcmp(n->op->name, "attention_grad") == 0;
}

/* Operands that a product reads in 16 bits: not a bias, nor sums, nor what belongs to
 * channels. */
static bool is_operand(const struct gnode *n, uint32_t k) {
    if (is_gradient_of_attention(n))
        return k < 4 || k == 5;
    if (is_row_norm(n))
        return k == 0 || (k == 2 && strstr(n->op->name, "_grad"));
    if (is_batch_norm(n))
        return k == 0 || k == (strcmp(n->op->name, "batch_norm") == 0        ? 3u
                               : strcmp(n->op->name, "batch_norm_grad") == 0 ? 4u
                                                                             : 5u);
    return k < 2 || (k == 2 && strcmp(n->op->name, "attention") == 0);
}

/* Results of one type; what attention keeps beside its result is f32. */
static uint32_t result_count(const struct gnode *n) {
    return is_gradient_of_attention(n) ? 3 : 1;
}

/* A gradient of a parameter is not rounded, nor are logits. */
static void choose_product(struct precision *p, const struct gnode *n) {
    bool stored = true;
    uint8_t by_any = 0;
    for (uint32_t i = 0; i < result_count(n); i++) {
        uint8_t by = p->readers[n->out[i]];
        by_any |= by;
        stored &= !by || (by & (BY_PRODUCT | BY_ELEMENTWISE) && !(by & BY_UPDATE));
    }
    for (uint32_t i = 0; i < result_count(n); i++)
        p->stored[n->out[i]] = stored && by_any;
}

static void choose(struct precision *p) {
    const struct graph *g = p->g;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        if (!n->out_count || !is_f32(p, n->out[0]))
            continue;
        uint8_t by = p->readers[n->out[0]];
        bool *stored = &p->stored[n->out[0]];
        switch (p->class[i]) {
        case PRODUCT:
            choose_product(p, n);
            break;
        case VIEW:
            *stored = p->stored[n->in[0]];
            break;
        case MOVE:
            *stored = may_move(p, n) && (by & BY_PRODUCT || all_stored(p, n));
            break;
        case ELEMENTWISE:
            *stored = (by & BY_PRODUCT) != 0;
            break;
        default:
            break;
        }
    }
}

/* ------------------------------------------------------------------ rewrite */

static rn_value cast(struct graph *g, rn_value v, rn_dtype t, struct rn_error *e) {
    struct rn_attr a = rn_attr_int("dtype", (int64_t)t);
    rn_value out = RN_NONE;
    if (!v || graph_value(g, v)->dtype == t)
        return v;
    graph_op(g, "cast", 1, &v, 1, &a, 1, &out, e);
    return out;
}

/* Operand k of n in f32: before it was rounded where that is at hand. Elementwise
 * readers and sums widen what is stored, each for itself. */
static rn_value full(struct precision *p, struct graph *g, const struct gnode *n,
                     uint32_t k, rn_value v, struct rn_error *e) {
    rn_value old = n->in[k];
    if (!p->stored[old])
        return v;
    if (p->class[n - p->g->nodes] >= ELEMENTWISE)
        return cast(g, v, RN_F32, e);
    if (p->wide[old])
        return p->wide[old];
    if (!p->shared[old])
        p->shared[old] = cast(g, v, RN_F32, e);
    return p->shared[old];
}

static int same(struct graph *g, const struct gnode *n, const rn_value *in,
                rn_value *out, struct rn_error *e) {
    return graph_op(g, n->op->name, n->in_count, in, n->attr_count, n->attrs,
                    n->out_count, out, e);
}

/* The node with its results, or the first of several, of type t. */
static int typed(struct graph *g, const struct gnode *n, rn_dtype t, const rn_value *in,
                 rn_value *out, struct rn_error *e) {
    struct rn_attr *at = arena_array(g->arena, struct rn_attr, n->attr_count + 1);
    for (uint32_t i = 0; i < n->attr_count; i++) {
        at[i] = n->attrs[i];
        if (strcmp(at[i].name, "dtype") == 0)
            at[i].i = (int64_t)t;
    }
    return graph_op(g, n->op->name, n->in_count, in, n->attr_count, at, n->out_count,
                    out, e);
}

static int make_product(struct precision *p, struct graph *g, const struct gnode *n,
                        rn_value *in, rn_value *out, struct rn_error *e) {
    for (uint32_t k = 0; k < n->in_count; k++)
        in[k] =
            is_operand(n, k) ? cast(g, in[k], p->low, e) : full(p, g, n, k, in[k], e);
    return typed(g, n, p->stored[n->out[0]] ? p->low : RN_F32, in, out, e);
}

/* 1: made; 0: to be copied with the operands as they are now. */
static int write_node(struct precision *p, struct graph *g, const struct gnode *n,
                      rn_value *in, rn_value *out, struct rn_error *e) {
    enum kind class = p->class[n - p->g->nodes];
    rn_value y = n->out_count ? n->out[0] : RN_NONE;
    bool counted = p->counts[n - p->g->nodes];
    g->scope = n->scope;
    g->part = n->part;
    if (class == PRODUCT && counted && is_f32(p, y))
        return make_product(p, g, n, in, out, e) == RN_OK;
    rn_value wide = class == VIEW ? p->wide[n->in[0]] : RN_NONE;
    if (wide && p->readers[y] & (BY_FULL | BY_UPDATE) &&
        same(g, n, &wide, &p->wide[y], e) != RN_OK)
        return 0;
    if ((class == VIEW || class == MOVE) && p->stored[y]) {
        for (uint32_t k = 0; k < n->in_count; k++)
            in[k] = cast(g, in[k], p->low, e);
        return !e->status && same(g, n, in, out, e) == RN_OK;
    }
    if (class == SUM && is_mean(n) && counted && p->stored[n->in[0]])
        return typed(g, n, RN_F32, in, out, e) == RN_OK;
    for (uint32_t k = 0; k < n->in_count; k++)
        in[k] = full(p, g, n, k, in[k], e);
    if (class != ELEMENTWISE || !p->stored[y])
        return 0;
    if (e->status || same(g, n, in, out, e) != RN_OK)
        return 0;
    p->wide[y] = out[0];
    out[0] = cast(g, out[0], p->low, e);
    return 1;
}

static int edit_node(void *context, struct graph *g, const struct gnode *n,
                     rn_value *in, rn_value *out, struct rn_error *e) {
    struct precision *p = context;
    int made = write_node(p, g, n, in, out, e);
    for (uint32_t i = 0; made && i < n->out_count; i++)
        if (p->stored[n->out[i]])
            p->made[n->out[i]] = out[i];
    return made;
}

/* Results are what they were declared to be. */
static rn_value edit_result(void *context, struct graph *g, rn_value v,
                            struct rn_error *e) {
    struct precision *p = context;
    for (rn_value old = 1; old < p->g->value_count; old++)
        if (p->made[old] == v)
            return p->wide[old] ? p->wide[old] : cast(g, v, RN_F32, e);
    return v;
}

/* Operators whose products and means show only in what they are made of. */
static bool keep(void *context, const struct graph *g, const struct gnode *n) {
    (void)context, (void)g;
    return strcmp(n->op->name, "conv_transpose2d") != 0 &&
           strcmp(n->op->name, "global_avg_pool2d") != 0;
}

struct graph *graph_precision(const struct graph *g, struct arena *a, rn_dtype low,
                              struct rn_error *e) {
    struct graph *plain = NULL, *made = NULL;
    if (graph_decompose(g, a, keep, NULL, &plain, e) != RN_OK)
        return NULL;
    struct precision p = {.g = plain,
                          .low = low,
                          .counts = arena_array(a, bool, plain->node_count + 1),
                          .class = arena_array(a, uint8_t, plain->node_count + 1),
                          .readers = arena_array(a, uint8_t, plain->value_count + 1),
                          .stored = arena_array(a, bool, plain->value_count + 1),
                          .wide = arena_array(a, rn_value, plain->value_count + 1),
                          .shared = arena_array(a, rn_value, plain->value_count + 1),
                          .made = arena_array(a, rn_value, plain->value_count + 1)};
    for (uint32_t i = 0; i < plain->node_count; i++)
        p.class[i] = (uint8_t)class_of(&p, &plain->nodes[i]);
    graph_counts(plain, p.counts);
    find_readers(&p);
    choose(&p);
    struct graph_edit edit = {edit_node, edit_result, &p};
    return graph_rewrite(plain, a, &edit, &made, e) == RN_OK ? made : NULL;
}
