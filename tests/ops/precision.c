/* SPDX-License-Identifier: Apache-2.0 */
/* Mixed precision: products of bf16 and f16 against the f64 truth of their rounded
 * operands, and a network's program after graph_precision on every backend. */
#include "graph/rules.h"
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

void test_precision(const struct opened *backends, int count) {
    for (int k = 0; k < NARROW_TYPES; k++) {
        for (int i = 0; i < NARROW_CASES; i++)
            check_product(i, &narrow_types[k], backends, count);
        check_network(&narrow_types[k], backends, count);
    }
}
