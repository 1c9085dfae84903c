/* SPDX-License-Identifier: Apache-2.0 */
/* Mixed precision: products of bf16 and f16 against the f64 truth of their rounded
 * operands, and a network's program after graph_precision on every backend. */
#include "graph/rules.h"
#include "ops.h"

static rn_value cast(struct graph *g, rn_value v, rn_dtype t) {
    struct rn_attr a = rn_attr_int("dtype", (int64_t)t);
    rn_value out = RN_NONE;
    graph_op(g, "cast", 1, &v, 1, &a, 1, &out, NULL);
    return out;
}

/* A type of 16 bits: half the distance from 1 to the next number. */
static const struct low {
    const char *name;
    rn_dtype type;
    double rounding;
} lows[] = {{"bf16", RN_BF16, 1.0 / 256.0}, {"f16", RN_F16, 1.0 / 2048.0}};

struct product_case {
    const char *op;
    uint32_t n_in, ranks[3];
    int64_t shapes[3][4];
    const char *size; /* attribute of four numbers */
    int64_t sizes[4];
    int64_t trans[2], stride;
};

static const struct product_case cases[] = {
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

static rn_value product(struct graph *g, const struct product_case *c,
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

/* Outputs: the product in f32, and rounded to `t`. low: of operands of 16 bits; else of
 * the f32 values that they stand for, which is what it means. */
static void build(struct built *b, const struct product_case *c, const struct low *t,
                  bool low) {
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
}

static void check_product(const struct product_case *c, const struct low *low_type,
                          const struct opened *backends, int count) {
    struct built exact, low;
    struct result truth = {0}, bound = {0};
    build(&exact, c, low_type, false);
    build(&low, c, low_type, true);
    ops_check(bound_run(&backends[0], &exact, &truth, &bound), "%s: no bound", c->op);
    for (int i = 0; i < count && truth.count; i++) {
        struct result got = {0};
        double worst = 0.0, rounded = 0.0;
        bool ran = built_run(&backends[i], &low, i > 0, &got);
        for (uint64_t k = 0; ran && k < got.elements[0]; k++) {
            double t = result_at(&truth, 0, k), by = result_at(&bound, 0, k);
            double e0 = fabs(result_at(&got, 0, k) - t);
            double e1 = fabs(result_at(&got, 1, k) - t);
            worst = fmax(worst, e0 / by);
            rounded = fmax(rounded, e1 / (by + (fabs(t) + by) * low_type->rounding));
        }
        ops_check(ran && worst <= 1.0 && rounded <= 1.0,
                  "%s of %s on %s: %g of the bound, %g when rounded", c->op,
                  low_type->name, backends[i].name, worst, rounded);
        result_free(&got);
    }
    result_free(&truth);
    result_free(&bound);
    built_free(&exact);
    built_free(&low);
}

/* |x - y| / |y| as 2-norms over output k. */
static double distance(const struct result *x, const struct result *y, uint32_t k) {
    double d = 0.0, n = 0.0;
    for (uint64_t i = 0; i < y->elements[k]; i++) {
        double a = result_at(x, k, i), b = result_at(y, k, i);
        d += (a - b) * (a - b);
        n += b * b;
    }
    return sqrt(d / n);
}

/* The reference runs the same program; a sum in another order may round to the other
 * neighbour, so results are a bit of 16 apart at most, and less on the whole. */
static void check_network(const struct low *t, const struct opened *backends,
                          int count) {
    struct built b;
    struct rn_error e = {0};
    struct result full = {0}, want = {0}, first = {0};
    char where[160];
    built_init(&b, "network");
    graph_network(&b);
    ops_check(built_run(&backends[0], &b, false, &full), "network in f32");
    b.graph = graph_precision(b.graph, b.a, t->type, &e);
    ops_check(b.graph != NULL, "graph_precision: %s", e.message);
    if (!b.graph || !built_run(&backends[0], &b, false, &want)) {
        ops_check(false, "network in %s does not run on the reference", t->name);
        return;
    }
    for (uint32_t k = 0; k < want.count; k++) {
        double d = distance(&want, &full, k);
        ops_check(want.dtype[k] == RN_F32, "gradient %u is not f32", k);
        ops_check(d > 0.00256 * t->rounding && d < 38.4 * t->rounding,
                  "%s against f32: output %u is %g away", t->name, k, d);
    }
    for (int i = 1; i < count; i++) {
        struct result got = {0};
        bool ran = built_run(&backends[i], &b, true, &got);
        ops_check(ran, "network in %s does not run on %s", t->name, backends[i].name);
        for (uint32_t k = 0; ran && k < want.count; k++) {
            double d = distance(&got, &want, k);
            ops_check(d < t->rounding, "network in %s on %s: output %u is %g away",
                      t->name, backends[i].name, k, d);
        }
        if (ran && backends[i].exact && first.count)
            ops_check(result_same(&first, &got, where, sizeof where),
                      "network in %s on %s, other bits: %s", t->name, backends[i].name,
                      where);
        if (ran && backends[i].exact && !first.count)
            first = got;
        else
            result_free(&got);
    }
    result_free(&full);
    result_free(&want);
    result_free(&first);
    built_free(&b);
}

void test_precision(const struct opened *backends, int count) {
    for (size_t k = 0; k < sizeof lows / sizeof lows[0]; k++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            check_product(&cases[i], &lows[k], backends, count);
        check_network(&lows[k], backends, count);
    }
}
