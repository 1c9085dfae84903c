/* SPDX-License-Identifier: Apache-2.0 */
/* Attention of 16 bits and its gradient on every backend against f32 attention of the
 * values that the operands stand for, on the reference. */
#include "ops.h"

struct attention_case {
    int64_t batch, queries, keys, heads, depth, wide;
    int causal;
    bool glse; /* a gradient flows to the logarithms too */
};

static const struct attention_case cases[] = {
    {1, 5, 3, 1, 4, 2, 0, false},      /* smaller than any tile */
    {2, 64, 64, 2, 16, 16, 1, false},  /* one block of queries */
    {1, 65, 300, 2, 6, 10, 0, true},   /* two tiles of keys, odd counts of queries */
    {1, 300, 300, 1, 8, 4, 1, true},   /* groups of queries */
    {1, 270, 258, 1, 2, 80, 1, true},  /* fewer keys than queries, wide values */
    {1, 70, 270, 1, 40, 2, 1, false},  /* keys that no query sees */
    {1, 21, 37, 1, 64, 130, 1, false}, /* deep, several panels of values */
    {1, 9, 11, 2, 3, 5, 1, true},      /* odd depths: no pairs */
    {3, 1, 1, 1, 2, 2, 0, false},
    {2, 70, 130, 3, 16, 24, 1, false}, /* what cuDNN takes */
    {1, 130, 70, 2, 8, 64, 0, true},
};

static rn_value cast(struct built *b, rn_value v, rn_dtype t) {
    struct rn_attr a = rn_attr_int("dtype", (int64_t)t);
    rn_value out = RN_NONE;
    graph_op(b->graph, "cast", 1, &v, 1, &a, 1, &out, NULL);
    return out;
}

/* An input rounded to `t`, of that type or in f32. */
static rn_value operand(struct built *b, rn_dtype t, bool low, int64_t batch,
                        int64_t rows, int64_t columns) {
    int64_t shape[3] = {batch, rows, columns};
    rn_value v = cast(b, built_input(b, RN_F32, 3, shape), t);
    return low ? v : cast(b, v, RN_F32);
}

/* Outputs: y, lse, gq, gk, gv. The gradient of 16 bits reads y rounded. */
static void build(struct built *b, const struct attention_case *c, rn_dtype t, bool low,
                  rn_dtype result) {
    struct rn_error e = {0};
    int64_t sums[3] = {c->batch, c->queries, c->heads};
    built_init(b, "attention of 16 bits");
    rn_value in[7], out[3], y[2] = {RN_NONE, RN_NONE};
    struct rn_attr at[3] = {rn_attr_int("heads", c->heads),
                            rn_attr_int("causal", c->causal),
                            rn_attr_int("dtype", low ? (int64_t)result : 0)};
    in[0] = operand(b, t, low, c->batch, c->queries, c->heads * c->depth);
    in[1] = operand(b, t, low, c->batch, c->keys, c->heads * c->depth);
    in[2] = operand(b, t, low, c->batch, c->keys, c->heads * c->wide);
    graph_op(b->graph, "attention", 3, in, 3, at, 2, y, &e);
    in[3] = low ? cast(b, y[0], t) : y[0];
    in[4] = y[1];
    in[5] = operand(b, t, low, c->batch, c->queries, c->heads * c->wide);
    in[6] = c->glse ? built_input(b, RN_F32, 3, sums) : RN_NONE;
    graph_op(b->graph, "attention_grad", c->glse ? 7 : 6, in, 3, at, 3, out, &e);
    graph_output(b->graph, "y", cast(b, y[0], RN_F32), &e);
    graph_output(b->graph, "lse", y[1], &e);
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "g%c", "qkv"[i]);
        graph_output(b->graph, name, cast(b, out[i], RN_F32), &e);
    }
    ops_check(e.status == RN_OK, "attention of 16 bits: %s", e.message);
}

/* Largest difference over the largest value, and the same of 2-norms. */
static void differ(const struct result *x, const struct result *y, uint32_t k,
                   double *worst, double *norm) {
    double d = 0.0, n = 0.0, most = 0.0, largest = 0.0;
    for (uint64_t i = 0; i < y->elements[k]; i++) {
        double a = result_at(x, k, i), b = result_at(y, k, i);
        d += (a - b) * (a - b), n += b * b;
        most = !(fabs(a - b) <= most) ? fabs(a - b) : most; /* NaN stays */
        largest = fmax(largest, fabs(b));
    }
    *worst = most / fmax(largest, 1e-30), *norm = sqrt(d) / fmax(sqrt(n), 1e-30);
}

static void check(const struct attention_case *c, rn_dtype t, double rounding,
                  rn_dtype result, const struct opened *backends, int count) {
    struct built wide, low;
    struct result want = {0}, first = {0};
    char where[160];
    build(&wide, c, t, false, 0);
    build(&low, c, t, true, result);
    ops_check(built_run(&backends[0], &wide, false, &want), "attention in f32");
    for (int i = 0; i < count && want.count; i++) {
        struct result got = {0};
        bool ran = built_run(&backends[i], &low, i > 0, &got);
        ops_check(ran, "attention of 16 bits does not run on %s", backends[i].name);
        for (uint32_t k = 0; ran && k < want.count; k++) {
            double worst, norm;
            differ(&got, &want, k, &worst, &norm);
            ops_check(worst <= 4.0 * rounding && norm <= 2.0 * rounding,
                      "attention of 16 bits, case %d, %s, output %u: %g, as norms %g",
                      (int)(c - cases), backends[i].name, k, worst, norm);
        }
        if (ran && backends[i].exact && first.count)
            ops_check(result_same(&first, &got, where, sizeof where),
                      "attention of 16 bits on %s, other bits: %s", backends[i].name,
                      where);
        if (ran && backends[i].exact && !first.count)
            first = got;
        else
            result_free(&got);
    }
    result_free(&want);
    result_free(&first);
    built_free(&wide);
    built_free(&low);
}

void test_attention16(const struct opened *backends, int count) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check(&cases[i], RN_BF16, 1.0 / 256.0, 0, backends, count);
        check(&cases[i], RN_BF16, 1.0 / 256.0, RN_F32, backends, count);
        check(&cases[i], RN_F16, 1.0 / 2048.0, 0, backends, count);
    }
}
