/* SPDX-License-Identifier: Apache-2.0 */
/* Products of operands of 16 bits, as graphs. */
#include "graph/internal.h"
#include "ops.h"

static rn_value cast(struct graph *g, rn_value v, rn_dtype t) {
    struct rn_attr a = rn_attr_int("dtype", (int64_t)t);
    rn_value out = RN_NONE;
    graph_op(g, "cast", 1, &v, 1, &a, 1, &out, NULL);
    return out;
}

const struct narrow narrow_types[NARROW_TYPES] = {{"bf16", RN_BF16, 1.0 / 256.0},
                                                  {"f16", RN_F16, 1.0 / 2048.0}};

struct narrow_case {
    const char *op;
    uint32_t n_in, ranks[3];
    int64_t shapes[3][4];
    const char *size; /* attribute of four numbers */
    int64_t sizes[4];
    int64_t trans[2], stride;
};

static const struct narrow_case cases[NARROW_CASES] = {
    {"matmul", 2, {2, 2, 0}, {{33, 70}, {70, 19}}, NULL, {0}, {0, 0}, 0},
    {"matmul", 2, {2, 2, 0}, {{70, 33}, {19, 70}}, NULL, {0}, {1, 1}, 0},
    {"matmul", 2, {3, 3, 0}, {{4, 16, 32}, {4, 32, 8}}, NULL, {0}, {0, 0}, 0},
    {"matmul", 2, {2, 2, 0}, {{1, 1}, {1, 3}}, NULL, {0}, {0, 0}, 0},
    {"linear", 3, {2, 2, 1}, {{32, 64}, {48, 64}, {48}}, NULL, {0}, {0}, 0},
    {"linear", 2, {3, 2, 0}, {{3, 5, 7}, {9, 7}}, NULL, {0}, {0}, 0},
    {"conv2d", 3, {4, 4, 1}, {{3, 16, 9, 9}, {32, 16, 3, 3}, {32}}, "", {0}, {0}, 1},
    {"conv2d", 2, {4, 4, 0}, {{2, 3, 11, 10}, {5, 3, 3, 3}}, "", {0}, {0}, 2},
    {"conv2d_grad_input",
     2,
     {4, 4, 0},
     {{32, 16, 3, 3}, {3, 32, 9, 9}},
     "input_shape",
     {3, 16, 9, 9},
     {0},
     1},
    {"conv2d_grad_weight",
     2,
     {4, 4, 0},
     {{3, 16, 9, 9}, {3, 32, 9, 9}},
     "weight_shape",
     {32, 16, 3, 3},
     {0},
     1}};

static rn_value product(struct graph *g, const struct narrow_case *c,
                        const rn_value *in, int64_t type, struct rn_error *e) {
    int64_t stride[2] = {c->stride, c->stride}, one[2] = {1, 1}, pad[4] = {1, 1, 1, 1};
    struct rn_attr at[8];
    uint32_t n = 0;
    rn_value out = RN_NONE;
    at[n++] = rn_attr_int("dtype", type);
    if (strcmp(c->op, "matmul") == 0) {
        at[n++] = rn_attr_int("trans_a", c->trans[0]);
        at[n++] = rn_attr_int("trans_b", c->trans[1]);
    }
    if (c->size) {
        at[n++] = rn_attr_ints("stride", 2, stride);
        at[n++] = rn_attr_ints("pad", 4, pad);
        at[n++] = rn_attr_ints("dilation", 2, one);
        if (*c->size)
            at[n++] = rn_attr_ints(c->size, 4, c->sizes);
    }
    graph_op(g, c->op, c->n_in, in, n, at, 1, &out, e);
    return out;
}

const char *narrow_build(struct built *b, int which, const struct narrow *t, bool low) {
    const struct narrow_case *c = &cases[which];
    struct rn_error e = {0};
    rn_value in[3];
    built_init(b, c->op);
    for (uint32_t i = 0; i < c->n_in; i++) {
        in[i] = built_input(b, RN_F32, c->ranks[i], c->shapes[i]);
        if (i < 2)
            in[i] = cast(b->graph, in[i], t->type);
        if (!low)
            in[i] = cast(b->graph, in[i], RN_F32);
    }
    rn_value y = product(b->graph, c, in, low ? RN_F32 : 0, &e);
    graph_output(b->graph, "y0", y, &e);
    if (low) {
        y = product(b->graph, c, in, 0, &e);
        graph_output(b->graph, "y1", cast(b->graph, y, RN_F32), &e);
    }
    ops_check(e.status == RN_OK, "%s in %s: %s", c->op, t->name, e.message);
    return c->op;
}
