/* SPDX-License-Identifier: Apache-2.0 */
/* Mixed precision: products of bf16 and f16 against the f64 truth of their rounded
 * operands, and a network's program after graph_precision on every backend. */
#include "graph/internal.h"
#include "ops.h"

static void check_product(int which, const struct narrow *type,
                          const struct opened *backends, int count) {
    struct built exact, low;
    struct result truth = {0}, bound = {0};
    const char *op = narrow_build(&exact, which, type, false);
    narrow_build(&low, which, type, true);
    ops_check(bound_run(&backends[0], &exact, &truth, &bound), "%s: no bound", op);
    for (int i = 0; i < count && truth.count; i++) {
        struct result got = {0};
        double worst = 0.0, rounded = 0.0;
        bool ran = built_run(&backends[i], &low, i > 0, &got);
        for (uint64_t k = 0; ran && k < got.elements[0]; k++) {
            double t = result_at(&truth, 0, k), by = result_at(&bound, 0, k);
            double e0 = fabs(result_at(&got, 0, k) - t);
            double e1 = fabs(result_at(&got, 1, k) - t);
            worst = fmax(worst, e0 / by);
            rounded = fmax(rounded, e1 / (by + (fabs(t) + by) * type->rounding));
        }
        ops_check(ran && worst <= 1.0 && rounded <= 1.0,
                  "%s of %s on %s: %g of the bound, %g when rounded", op, type->name,
                  backends[i].name, worst, rounded);
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
static void check_network(const struct narrow *t, const struct opened *backends,
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

/* ------------------------------------------------- who reads and writes 16 bits */

static rn_value op(struct graph *g, const char *name, uint32_t n, rn_value x,
                   rn_value y, rn_value z, uint32_t n_attr, const struct rn_attr *a) {
    rn_value in[3] = {x, y, z}, out = RN_NONE;
    struct rn_error e = {0};
    graph_op(g, name, n, in, n_attr, a, 1, &out, &e);
    ops_check(e.status == RN_OK, "%s: %s", name, e.message);
    return out;
}

/* A convolution, mean pooling, a convolution, the mean of each image, two layers with a
 * normalisation between, which another layer of data has as well. */
static void norms_and_means(struct built *b) {
    struct graph *g = b->graph;
    int64_t image[4] = {2, 3, 8, 8}, f1[4] = {4, 3, 3, 3}, f2[4] = {4, 4, 3, 3};
    int64_t w1[2] = {6, 4}, w2[2] = {5, 6}, six[1] = {6}, rows[1] = {2};
    int64_t pad[4] = {1, 1, 1, 1}, two[2] = {2, 2}, spatial[2] = {2, 3};
    int64_t data[2] = {2, 6};
    rn_value x = built_input(b, RN_F32, 4, image), f = built_input(b, RN_F32, 4, f1);
    rn_value h = built_input(b, RN_F32, 4, f2), w = built_input(b, RN_F32, 2, w1);
    rn_value v = built_input(b, RN_F32, 2, w2), scale = built_input(b, RN_F32, 1, six);
    rn_value shift = built_input(b, RN_F32, 1, six),
             t = built_input(b, RN_F32, 2, data);
    rn_value label = built_input(b, RN_I64, 1, rows), xs[2] = {f, scale}, gs[2], y;
    struct rn_error e = {0};
    b->inputs[8].below = 5;
    struct rn_attr conv = rn_attr_ints("pad", 4, pad);
    struct rn_attr pool[2] = {rn_attr_ints("kernel", 2, two),
                              rn_attr_ints("stride", 2, two)};
    struct rn_attr mean = rn_attr_ints("axes", 2, spatial);
    y = op(g, "relu", 1, op(g, "conv2d", 2, x, f, 0, 1, &conv), 0, 0, 0, NULL);
    y = op(g, "conv2d", 2, op(g, "avg_pool2d", 1, y, 0, 0, 2, pool), h, 0, 1, &conv);
    y = op(g, "linear", 2, op(g, "reduce_mean", 1, y, 0, 0, 1, &mean), w, 0, 0, NULL);
    y = op(g, "layer_norm", 3, op(g, "relu", 1, y, 0, 0, 0, NULL), scale, shift, 0,
           NULL);
    struct rn_attr groups = rn_attr_int("groups", 2);
    y = op(g, "rms_norm", 2, y, scale, 0, 0, NULL);
    y = op(g, "group_norm", 3, y, scale, shift, 1, &groups);
    y = op(g, "linear", 2, y, v, 0, 0, NULL);
    t = op(g, "layer_norm", 3, t, scale, shift, 0, NULL);
    y = op(g, "add", 2, y, op(g, "linear", 2, t, v, 0, 0, NULL), 0, 0, NULL);
    y = op(g, "cross_entropy", 2, y, label, 0, 0, NULL);
    graph_gradient(g, 1, &y, NULL, 2, xs, gs, &e);
    graph_output(g, "y0", gs[0], &e);
    graph_output(g, "y1", gs[1], &e);
    ops_check(e.status == RN_OK, "norms and means: %s", e.message);
}

/* From what type to what type each of these goes; what normalises data is f32. */
static void check_types(const struct narrow *t) {
    static const struct {
        const char *op;
        bool rounded; /* its result */
    } want[] = {
        {"avg_pool2d", true},    {"avg_pool2d_grad", true}, {"reduce_mean", false},
        {"layer_norm", true},    {"layer_norm_grad", true}, {"rms_norm", true},
        {"rms_norm_grad", true}, {"group_norm", true},      {"group_norm_grad", true}};
    struct built b;
    struct rn_error e = {0};
    built_init(&b, "norms and means");
    norms_and_means(&b);
    struct graph *g = graph_precision(b.graph, b.a, t->type, &e);
    for (size_t k = 0; g && k < sizeof want / sizeof want[0]; k++) {
        uint32_t seen = 0;
        for (uint32_t i = 0; i < g->node_count; i++) {
            const struct gnode *n = &g->nodes[i];
            if (strcmp(op_name(n->op), want[k].op) != 0)
                continue;
            const struct gvalue *x = &g->values[n->in[0]];
            bool data = strcmp(op_name(g->nodes[x->node].op), "input") == 0;
            rn_dtype from = data ? RN_F32 : t->type;
            rn_dtype to = want[k].rounded ? from : RN_F32;
            ops_check(x->dtype == from && g->values[n->out[0]].dtype == to,
                      "%s in %s: from %s to %s", want[k].op, t->name,
                      dtype_name(x->dtype), dtype_name(g->values[n->out[0]].dtype));
            seen++;
        }
        ops_check(seen > 0, "%s is in no program in %s", want[k].op, t->name);
    }
    ops_check(g != NULL, "norms and means in %s: %s", t->name, e.message);
    built_free(&b);
}

void test_precision(const struct opened *backends, int count) {
    for (int k = 0; k < NARROW_TYPES; k++) {
        for (int i = 0; i < NARROW_CASES; i++)
            check_product(i, &narrow_types[k], backends, count);
        check_network(&narrow_types[k], backends, count);
        check_types(&narrow_types[k]);
    }
}
