/* SPDX-License-Identifier: Apache-2.0 */
/* Whole graphs on every backend: an optimizer's arithmetic, broadcasts over images, a
 * network's loss and gradients, and elementwise graphs drawn at random, which become
 * regions of all sorts. What is elementwise must be equal to the bit. */
#include <stdlib.h>

#include "graph/internal.h"
#include "ops.h"

static rn_value op1(struct graph *g, const char *op, rn_value x) {
    rn_value y = RN_NONE;
    graph_op(g, op, 1, &x, 0, NULL, 1, &y, NULL);
    return y;
}
static rn_value op2(struct graph *g, const char *op, rn_value x, rn_value z) {
    rn_value in[2] = {x, z}, y = RN_NONE;
    graph_op(g, op, 2, in, 0, NULL, 1, &y, NULL);
    return y;
}
static rn_value op3(struct graph *g, const char *op, rn_value x, rn_value z,
                    rn_value w) {
    rn_value in[3] = {x, z, w}, y = RN_NONE;
    graph_op(g, op, 3, in, 0, NULL, 1, &y, NULL);
    return y;
}

/* Adam's arithmetic over a flat buffer, with scalars: three outputs of one region. */
static void adam(struct built *b) {
    struct graph *g = b->graph;
    int64_t n = 30011;
    rn_value w = built_input(b, RN_F32, 1, &n), gw = built_input(b, RN_F32, 1, &n),
             m = built_input(b, RN_F32, 1, &n), v = built_input(b, RN_F32, 1, &n);
    rn_value b1 = graph_scalar(g, RN_F32, 0.9), c1 = graph_scalar(g, RN_F32, 0.1);
    rn_value b2 = graph_scalar(g, RN_F32, 0.999), c2 = graph_scalar(g, RN_F32, 0.001);
    v = op2(g, "mul", v, graph_scalar(g, RN_F32, 0.25));
    v = op2(g, "mul", v, v);
    m = op2(g, "add", op2(g, "mul", m, b1), op2(g, "mul", gw, c1));
    v = op2(g, "add", op2(g, "mul", v, b2), op2(g, "mul", op2(g, "mul", gw, gw), c2));
    rn_value d = op2(g, "add", op1(g, "sqrt", v), graph_scalar(g, RN_F32, 1e-8));
    w = op2(g, "sub", w,
            op2(g, "mul", graph_live(g, "lr", RN_F32), op2(g, "div", m, d)));
    graph_output(g, "y0", w, NULL);
    graph_output(g, "y1", m, NULL);
    graph_output(g, "y2", v, NULL);
}

/* Channels broadcast over planes, a mask used twice, a bool output. */
static void image(struct built *b) {
    struct graph *g = b->graph;
    int64_t shape[4] = {3, 5, 24, 25}, channel[3] = {5, 1, 1}, row[1] = {25};
    rn_value x = built_input(b, RN_F32, 4, shape);
    rn_value s = built_input(b, RN_F32, 3, channel), t = built_input(b, RN_F32, 1, row);
    rn_value zero = graph_scalar(g, RN_F32, 0.0);
    rn_value y = op2(g, "add", op2(g, "mul", x, s), t);
    rn_value mask = op2(g, "gt", y, zero);
    rn_value z = op3(g, "select", mask, op1(g, "tanh", y), op1(g, "exp", y));
    graph_output(g, "y0", op2(g, "mul", z, x), NULL);
    graph_output(g, "y1", op1(g, "logical_not", mask), NULL);
    graph_output(g, "y2", z, NULL);
}

/* A small network's loss and its gradients: products, pools, losses together. */
void graph_network(struct built *b) {
    struct graph *g = b->graph;
    int64_t shape[4] = {6, 3, 12, 12}, filter[4] = {8, 3, 3, 3}, bias[1] = {8};
    int64_t dense[2] = {10, 288}, labels[1] = {6}, flat[2] = {6, 288};
    int64_t one[2] = {1, 1}, none[4] = {0}, two[2] = {2, 2}, pad[4] = {1, 1, 1, 1};
    rn_value x = built_input(b, RN_F32, 4, shape),
             f = built_input(b, RN_F32, 4, filter);
    rn_value c = built_input(b, RN_F32, 1, bias), w = built_input(b, RN_F32, 2, dense);
    rn_value label = built_input(b, RN_I64, 1, labels), y, xs[3] = {f, c, w}, gs[3];
    b->inputs[4].below = 10;
    struct rn_attr conv[] = {
        rn_attr_ints("stride", 2, one), rn_attr_ints("pad", 4, pad),
        rn_attr_ints("dilation", 2, one), rn_attr_int("groups", 1)};
    struct rn_attr pool[] = {rn_attr_ints("kernel", 2, two),
                             rn_attr_ints("stride", 2, two),
                             rn_attr_ints("pad", 4, none)};
    struct rn_attr to = rn_attr_ints("shape", 2, flat);
    rn_value in[3] = {x, f, c};
    struct rn_error e = {0};
    graph_op(g, "conv2d", 3, in, 4, conv, 1, &y, NULL);
    y = op1(g, "relu", y);
    graph_op(g, "max_pool2d", 1, &y, 3, pool, 1, &y, NULL);
    graph_op(g, "reshape", 1, &y, 1, &to, 1, &y, NULL);
    y = op2(g, "cross_entropy", op2(g, "linear", y, w), label);
    graph_gradient(g, 1, &y, NULL, 3, xs, gs, &e);
    graph_output(g, "y0", gs[0], &e);
    graph_output(g, "y1", gs[1], &e);
    graph_output(g, "y2", gs[2], &e);
    ops_check(e.status == RN_OK, "network: %s", e.message);
}

/* ------------------------------------------------------------ drawn graphs */

static uint32_t draw(uint32_t *state, uint32_t below) {
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 10) % below;
}

/* Some forty operators over shapes that broadcast into one space; several outputs, of
 * which some are read again inside. */
static void drawn(struct built *b, uint32_t seed) {
    static const char *const one[] = {"exp",  "tanh",     "sigmoid", "sin",  "abs",
                                      "neg",  "relu",     "gelu",    "silu", "sqrt",
                                      "sign", "softplus", "floor",   "log1p"};
    static const char *const two[] = {"add", "sub", "mul", "div", "maximum", "minimum"};
    static const char *const compare[] = {"lt", "ge", "ne"};
    struct graph *g = b->graph;
    uint32_t s = seed * 2654435761u + 1, n = 0, outputs = 0;
    int64_t space[4] = {2 + draw(&s, 3), 1 + draw(&s, 6), 3 + draw(&s, 40), 1};
    uint32_t rank = 1 + draw(&s, 3);
    rn_value pool[64];
    for (uint32_t i = 0; i < 5; i++) {
        int64_t shape[4];
        uint32_t r = i == 0 ? rank : draw(&s, rank + 1);
        for (uint32_t k = 0; k < r; k++)
            shape[k] = i && draw(&s, 3) == 0 ? 1 : space[rank - r + k];
        pool[n++] = built_input(b, RN_F32, r, shape);
    }
    pool[n++] = graph_scalar(g, RN_F32, 0.75);
    while (n < 46) {
        rn_value x = pool[draw(&s, n)], y = pool[n - 1 - draw(&s, 4)];
        switch (draw(&s, 5)) {
        case 0:
        case 1:
            pool[n] = op1(g, one[draw(&s, 14)], y);
            break;
        case 2:
        case 3:
            pool[n] = op2(g, two[draw(&s, 6)], x, y);
            break;
        default: {
            rn_value mask = op2(g, compare[draw(&s, 3)], x, pool[draw(&s, n)]);
            pool[n] = op3(g, "select", mask, y, pool[draw(&s, n)]);
            break;
        }
        }
        n++;
        if (n > 10 && draw(&s, 9) == 0 && outputs < 5) {
            char port[16];
            snprintf(port, sizeof port, "y%u", outputs++);
            graph_output(g, port, pool[n - 1], NULL);
        }
    }
    graph_output(g, "last", pool[n - 1], NULL);
}

void test_graphs(const struct opened *backends, int count) {
    static const struct {
        const char *name;
        void (*build)(struct built *b);
        bool near;
    } graphs[] = {{"adam", adam, false},
                  {"image", image, false},
                  {"network", graph_network, true}};
    struct built b;
    for (size_t i = 0; i < 3; i++) {
        built_init(&b, graphs[i].name);
        graphs[i].build(&b);
        test_built(graphs[i].name, &b, graphs[i].near, backends, count);
        built_free(&b);
    }
    for (uint32_t seed = 0; seed < 40; seed++) {
        char name[32];
        snprintf(name, sizeof name, "drawn %u", seed);
        built_init(&b, name);
        drawn(&b, seed);
        b.special = true; /* they run into NaN and infinities: no bound */
        test_built(name, &b, false, backends, count);
        built_free(&b);
    }
}
