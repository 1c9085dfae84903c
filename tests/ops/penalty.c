/* SPDX-License-Identifier: Apache-2.0 */
/* A gradient penalty through a network: L = mean (y - t)^2 + c mean |dy/dx|^2. In f64
 * on the reference, dL/dw of every weight against central differences; then it is
 * trained and both terms fall. The network is described with the builder that plugins
 * get. */
#include <math.h>
#include <stdlib.h>

#include "graph/internal.h"
#include "ops.h"

#define ROWS     12
#define FEATURES 3
#define HIDDEN   8

struct network {
    struct arena *a;
    struct variables *v;
    struct graph *g;
    struct rn_error e;
    rn_value loss, fit, penalty;
    uint32_t count; /* of weights */
    uint32_t id[8];
    rn_value weight[8], gradient[8];
};

static rn_value dense(struct network *n, struct rn_build *b, const char *name,
                      rn_value x, int64_t in, int64_t out) {
    int64_t ws[2] = {out, in}, bs[1] = {out};
    rn_push(b, name);
    rn_value w = rn_param(b, "weight", "weight", 2, ws, "zeros");
    rn_value c = rn_param(b, "bias", "bias", 1, bs, "zeros");
    rn_value y = rn_linear(b, x, w, c);
    rn_pop(b);
    n->weight[n->count++] = w;
    n->weight[n->count++] = c;
    return y;
}

/* Two hidden layers, one with a norm, so that the second derivative passes through
 * matmul, softplus, layer_norm and tanh. */
static int32_t describe(struct network *n, struct rn_build *b) {
    int64_t wide[1] = {HIDDEN};
    rn_value x = rn_input(b, "x"), mean_fit, mean_steep;
    rn_value y = rn_softplus(b, dense(n, b, "one", x, FEATURES, HIDDEN));
    rn_value scale = rn_param(b, "scale", "scale", 1, wide, "zeros");
    rn_value shift = rn_param(b, "shift", "shift", 1, wide, "zeros");
    n->weight[n->count++] = scale;
    n->weight[n->count++] = shift;
    y = rn_layer_norm(b, y, scale, shift, -1, 1e-3);
    y = dense(n, b, "two", rn_tanh(b, y), HIDDEN, 1);
    rn_value steep = rn_square(b, rn_gradient(b, y, x));
    mean_steep = rn_reduce_mean_all(b, rn_reduce_sum_axis(b, steep, 1, 0));
    mean_fit = rn_reduce_mean_all(b, rn_square(b, rn_sub(b, y, rn_input(b, "t"))));
    rn_output(b, "fit", mean_fit);
    rn_output(b, "penalty", mean_steep);
    rn_output(b, "loss", rn_add(b, mean_fit, rn_mul(b, mean_steep, rn_live(b, "c"))));
    return RN_OK;
}

/* The training program: outputs loss, fit, penalty, g0...; weights -= lr g. */
static bool build(struct network *n) {
    int64_t xs[2] = {ROWS, FEATURES}, ts[2] = {ROWS, 1};
    memset(n, 0, sizeof *n);
    n->a = arena_create();
    n->v = variables_create(n->a);
    n->g = graph_create(n->a, n->v, "train");
    struct port_binding in[2] = {{"x", graph_input(n->g, "x", RN_F32, 2, xs)},
                                 {"t", graph_input(n->g, "t", RN_F32, 2, ts)}};
    struct builder_options o = {.graph = n->g,
                                .component = "model",
                                .scope = "model",
                                .phase = RN_PHASE_TRAIN,
                                .input_count = 2,
                                .inputs = in};
    struct builder *b = builder_create(&o);
    if (builder_finish(b, describe(n, builder_api(b)), &n->e) != RN_OK)
        return false;
    CHECK(builder_output_count(b) == 3);
    CHECK_TEXT(builder_output_name(b, 2), "loss");
    n->loss = builder_output(b, "loss");
    graph_gradient(n->g, 1, &n->loss, NULL, n->count, n->weight, n->gradient, &n->e);
    graph_output(n->g, "loss", n->loss, &n->e);
    graph_output(n->g, "fit", builder_output(b, "fit"), &n->e);
    graph_output(n->g, "penalty", builder_output(b, "penalty"), &n->e);
    rn_value lr = graph_live(n->g, "lr", RN_F32);
    for (uint32_t i = 0; i < n->count && n->e.status == RN_OK; i++) {
        char port[16];
        rn_value step[2] = {lr, n->gradient[i]}, next[2] = {n->weight[i], RN_NONE};
        snprintf(port, sizeof port, "g%u", i);
        n->id[i] = n->g->nodes[n->g->values[n->weight[i]].node].variable;
        graph_output(n->g, port, n->gradient[i], &n->e);
        graph_op(n->g, "mul", 2, step, 0, NULL, 1, &next[1], &n->e);
        graph_op(n->g, "sub", 2, next, 0, NULL, 1, &next[1], &n->e);
        graph_assign(n->g, n->id[i], next[1], &n->e);
    }
    return n->e.status == RN_OK;
}

static double drawn(uint32_t i) {
    i = i * 2654435761u ^ 0x9e3779b9u;
    i ^= i >> 15, i *= 0x846ca68bu, i ^= i >> 13;
    return (i >> 8) / 8388608.0 - 1.0;
}

static double input_at(bool x, uint32_t i) {
    double v = drawn(i + (x ? 0 : 5000));
    return x ? 1.5 * v : 2.0 * sin(3.0 * drawn(i * FEATURES)) + 0.1 * v;
}

static void fill(struct exe *x, bool wide, const char *name, uint32_t count) {
    void *to = exe_input(x, name);
    for (uint32_t i = 0; i < count && to; i++) {
        double v = (double)(float)input_at(name[0] == 'x', i);
        if (wide)
            ((double *)to)[i] = v;
        else
            ((float *)to)[i] = (float)v;
    }
}

static double run(struct exe *x, bool wide, const char *output) {
    fill(x, wide, "x", ROWS * FEATURES);
    fill(x, wide, "t", ROWS);
    CHECK(exe_run(x));
    const void *p = exe_output(x, output);
    return !p ? NAN : wide ? *(const double *)p : (double)*(const float *)p;
}

/* In f64: every weight moved up and down. lr is 0, so a run changes nothing. */
static void check_differences(const struct opened *reference, struct network *n) {
    struct variables *wide = variables_create(n->a);
    struct graph *g = graph_to_f64(n->g, n->a, wide, &n->e);
    struct exe x;
    CHECK(g && exe_open(&x, reference, g, false));
    if (!g || !x.p)
        return;
    double worst = 0.0, step = 1e-5;
    for (uint32_t i = 0; i < n->count; i++) {
        const struct variable *v = variables_at(wide, n->id[i]);
        double w[HIDDEN * FEATURES];
        for (uint32_t k = 0; k < v->count; k++)
            w[k] = drawn(1000 * (i + 1) + k);
        CHECK(device_variable_write(x.d, n->id[i], w, &x.e) == RN_OK);
    }
    program_set_f32(x.p, program_scalar_index(x.p, "model.c"), 0.5f);
    for (uint32_t i = 0; i < n->count; i++) {
        const struct variable *v = variables_at(wide, n->id[i]);
        double w[HIDDEN * FEATURES], moved[HIDDEN * FEATURES], g_at[HIDDEN * FEATURES];
        char port[16];
        snprintf(port, sizeof port, "g%u", i);
        CHECK(device_variable_read(x.d, n->id[i], w, &x.e) == RN_OK);
        run(&x, true, "loss");
        memcpy(g_at, exe_output(&x, port), v->count * sizeof *g_at);
        for (uint32_t k = 0; k < v->count; k++) {
            double at[2];
            for (int side = 0; side < 2; side++) {
                memcpy(moved, w, sizeof moved);
                moved[k] += side ? step : -step;
                CHECK(device_variable_write(x.d, n->id[i], moved, &x.e) == RN_OK);
                at[side] = run(&x, true, "loss");
            }
            double far = fabs((at[1] - at[0]) / (2.0 * step) - g_at[k]);
            worst = far > worst ? far : worst;
            CHECK(far < 1e-8);
        }
        CHECK(device_variable_write(x.d, n->id[i], w, &x.e) == RN_OK);
    }
    printf("largest difference of a weight's derivative: %.2g\n", worst);
    CHECK(x.e.status == RN_OK);
    exe_close(&x);
}

/* Train with weight c of the penalty; how steep the network then is. */
static double train(const struct opened *backend, struct network *n, float c) {
    struct exe x;
    CHECK(exe_open(&x, backend, n->g, true));
    if (!x.p)
        return NAN;
    for (uint32_t i = 0; i < n->count; i++) {
        const struct variable *v = variables_at(n->v, n->id[i]);
        float w[HIDDEN * FEATURES];
        for (uint32_t k = 0; k < v->count; k++)
            w[k] = (float)drawn(1000 * (i + 1) + k);
        CHECK(device_variable_write(x.d, n->id[i], w, &x.e) == RN_OK);
    }
    program_set_f32(x.p, program_scalar_index(x.p, "model.c"), c);
    double first = run(&x, false, "loss"), last = first;
    double fit = *(const float *)exe_output(&x, "fit");
    double steep = *(const float *)exe_output(&x, "penalty");
    CHECK(fabs(first - (fit + (double)c * steep)) < 1e-6 * first);
    program_set_f32(x.p, program_scalar_index(x.p, "lr"), 0.05f);
    for (int step = 0; step < 400; step++)
        last = run(&x, false, "loss");
    steep = *(const float *)exe_output(&x, "penalty");
    printf("%s, c %g: loss %.4f -> %.4f, fit %.4f -> %.4f, steepness %.4f\n",
           backend->name, (double)c, first, last, fit,
           (double)*(const float *)exe_output(&x, "fit"), steep);
    CHECK(last < 0.5 * first);
    exe_close(&x);
    return steep;
}

/* With the penalty the loss falls too, and the network ends flatter than without. */
static void check_training(const struct opened *backend, struct network *n) {
    double with = train(backend, n, 0.125f), without = train(backend, n, 0.0f);
    CHECK(with < 0.5 * without);
}

int main(int argc, char **argv) {
    struct opened b;
    struct network n;
    CHECK(build(&n));
    if (n.e.status)
        fprintf(stderr, "%s\n", n.e.message);
    for (int i = 1; i < argc && n.e.status == RN_OK; i++) {
        CHECK(backend_open(&b, argv[i], 0, NULL));
        if (i == 1)
            check_differences(&b, &n);
        check_training(&b, &n);
        backend_close(&b);
    }
    arena_destroy(n.a);
    return check_done();
}
