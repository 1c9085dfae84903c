/* SPDX-License-Identifier: Apache-2.0 */
/* An operator with a kernel written by hand, as a plugin brings it: on every backend,
 * alone and between operators of the table, with its own gradient; and what is refused.
 */
#include <math.h>

#include "ops.h"

/* y = a x^3 of one operand, any shape */
static int32_t cube_shape(const struct rn_operator_shape *s, struct rn_error *e) {
    if (s->in_count != 1 || s->attr_count != 1)
        return rn_fail(e, RN_E_PLUGIN, "expects one operand and a factor", NULL, NULL);
    return rn_operator_like(s, 0, &s->in[0]);
}

static int32_t cube_gradient(struct rn_build *b, const struct rn_operator_gradient *g) {
    double a = RN_ATTR_AT(g, 0)->f;
    rn_value slope = rn_mul(b, rn_square(b, g->in[0]), rn_const(b, 3.0 * a));
    g->grad_in[0] = rn_mul(b, g->grad_out[0], slope);
    return RN_OK;
}

struct cube_range {
    const struct rn_tensor *in, *out;
    double a;
    void *copy; /* scratch: of the operand */
};

static void cube_piece(void *context, uint64_t begin, uint64_t end) {
    const struct cube_range *r = context;
    for (uint64_t i = begin; i < end; i++) {
        if (r->in->dtype == RN_F64) {
            double x = ((double *)r->copy)[i] = ((const double *)r->in->data)[i];
            ((double *)r->out->data)[i] = r->a * x * x * x;
        } else {
            float x = ((float *)r->copy)[i] = ((const float *)r->in->data)[i];
            ((float *)r->out->data)[i] = (float)r->a * x * x * x;
        }
    }
}

/* In pieces, on the backend's threads where it has any, through scratch memory. */
static int32_t cube_host(const struct rn_operator_call *c, struct rn_error *e) {
    uint64_t count = 1;
    for (uint32_t i = 0; i < c->in[0].rank; i++)
        count *= (uint64_t)c->in[0].shape[i];
    struct cube_range r = {c->in, c->out, RN_ATTR_AT(c, 0)->f,
                           rn_scratch(c->work, 8 * count)};
    if (!r.copy || (uintptr_t)r.copy % 64 || rn_stopping(c->work))
        return rn_fail(e, RN_E_INTERNAL, "no scratch memory", NULL, NULL);
    rn_parallel_for(c->work, count, 3, cube_piece, &r);
    return RN_OK;
}

static const struct rn_operator cube = {
    sizeof cube, 0, "test/cube", 1, 1, cube_shape, cube_gradient, cube_host, NULL};
/* The same with a kernel for a GPU. */
static const char cube_cuda[] =
    "RUNNER_KERNEL {\n"
    "    EACH_INDEX(i, a.out_count[0]) {\n"
    "        const float x = ((const float *)a.in[0])[i];\n"
    "        ((float *)a.out[0])[i] = (float)a.attr[0] * x * x * x;\n"
    "    }\n"
    "}\n";
static const struct rn_operator cube_on_gpu = {
    sizeof cube,   0,         "test/cube_on_gpu", 1, 1, cube_shape,
    cube_gradient, cube_host, cube_cuda};
static const struct rn_operator blind = {sizeof blind, 0,    "test/blind", 1,   1,
                                         cube_shape,   NULL, cube_host,    NULL};

static rn_value op2(struct graph *g, const char *op, rn_value x, rn_value y,
                    struct rn_error *e) {
    rn_value in[2] = {x, y}, out = RN_NONE;
    graph_op(g, op, 2, in, 0, NULL, 1, &out, e);
    return out;
}

/* loss = sum tanh(cube(2 x)) and its gradient, with elementwise work on both sides. */
static bool describe(struct built *b, rn_dtype t, const struct rn_operator *op,
                     struct rn_error *e) {
    int64_t shape[2] = {3, 7};
    struct rn_attr factor = rn_attr_float("factor", 0.5);
    built_init(b, "custom");
    rn_value x = built_input(b, t, 2, shape), y, loss, g;
    rn_value twice = op2(b->graph, "add", x, x, e);
    graph_custom(b->graph, op, 1, &twice, 1, &factor, &y, e);
    graph_op(b->graph, "tanh", 1, &y, 0, NULL, 1, &y, e);
    graph_op(b->graph, "reduce_sum", 1, &y, 0, NULL, 1, &loss, e);
    if (e->status || graph_gradient(b->graph, 1, &loss, NULL, 1, &x, &g, e) != RN_OK)
        return false;
    graph_output(b->graph, "y0", loss, e);
    graph_output(b->graph, "y1", y, e);
    graph_output(b->graph, "y2", g, e);
    return e->status == RN_OK;
}

static void check_derivative(const struct opened *reference) {
    struct built b;
    struct exe x;
    struct rn_error e = {0};
    bool good = describe(&b, RN_F64, &cube, &e) &&
                exe_open(&x, reference, b.graph, false) && exe_fill(&x, &b) &&
                exe_run(&x);
    ops_check(good, "a custom operator in f64: %s", e.message);
    double at[21], gradient[21], step = 1e-5;
    if (good) {
        memcpy(at, exe_input(&x, "x0"), sizeof at);
        memcpy(gradient, exe_output(&x, "y2"), sizeof gradient);
    }
    for (int i = 0; i < 21 && good; i++) {
        double loss[2];
        for (int side = 0; side < 2; side++) {
            double *to = exe_input(&x, "x0");
            memcpy(to, at, sizeof at);
            to[i] += side ? step : -step;
            exe_run(&x);
            loss[side] = *(const double *)exe_output(&x, "y0");
        }
        double by_difference = (loss[1] - loss[0]) / (2.0 * step);
        ops_check(fabs(by_difference - gradient[i]) < 1e-7,
                  "custom, element %d: %.9g by the rule, %.9g by differences", i,
                  gradient[i], by_difference);
    }
    exe_close(&x);
    built_free(&b);
}

static void check_refused(void) {
    struct built b;
    struct rn_error e = {0};
    ops_check(!describe(&b, RN_F32, &blind, &e), "test/blind has a gradient%s", "");
    ops_check(strcmp(e.message,
                     "operator test/blind has no gradient, and one is needed "
                     "(layer '')") == 0,
              "blind: %s", e.message);
    rn_value in[33] = {b.inputs[0].value, 9999}, out = RN_NONE;
    struct rn_error why = {0};
    ops_check(graph_custom(b.graph, &cube, 1, in, 0, NULL, &out, &why) != RN_OK &&
                  strcmp(why.message, "test/cube: expects one operand and a factor") == 0,
              "cube without a factor: %s", why.message);
    ops_check(graph_custom(b.graph, &cube, 2, in, 0, NULL, &out, &why) != RN_OK &&
                  strcmp(why.message, "test/cube: input 1 is not a value") == 0,
              "cube of no value: %s", why.message);
    ops_check(graph_custom(b.graph, &cube, 33, in, 0, NULL, &out, &why) != RN_OK &&
                  strstr(why.message, "at most 32 inputs"),
              "cube of 33: %s", why.message);
    built_free(&b);
}

void test_custom(const struct opened *backends, int count) {
    struct built b;
    struct rn_error e = {0};
    bool good = describe(&b, RN_F32, &cube, &e);
    ops_check(good, "custom: %s", e.message);
    b.special = true; /* bound.c has no rule for it */
    if (good)
        test_built("custom", &b, false, backends, count);
    built_free(&b);
    good = describe(&b, RN_F32, &cube_on_gpu, &e);
    ops_check(good, "custom with a kernel for a GPU: %s", e.message);
    b.special = true;
    if (good)
        test_built("custom with a kernel for a GPU", &b, false, backends, count);
    built_free(&b);
    check_derivative(&backends[0]);
    check_refused();
}
