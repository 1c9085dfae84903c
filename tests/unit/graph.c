/* SPDX-License-Identifier: Apache-2.0 */
/* Graph, plan and exec on the reference backend: gradients against finite differences,
 * assignments, in-place updates, memory as planned; what is computed at all. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "exec/exec.h"

const struct rn_entry *runner_plugin_entry(void);

static const struct rn_backend *backend;
static void *backend_self;

struct setup {
    struct arena *a;
    struct variables *v;
    struct graph *g;
    struct rn_error e;
};

static struct setup start(const char *name) {
    struct setup s = {.a = arena_create()};
    s.v = variables_create(s.a);
    s.g = graph_create(s.a, s.v, name);
    return s;
}

static rn_value op(struct setup *s, const char *name, uint32_t n, const rn_value *in,
                   uint32_t n_attr, const struct rn_attr *attrs) {
    rn_value out = RN_NONE;
    graph_op(s->g, name, n, in, n_attr, attrs, 1, &out, &s->e);
    if (s->e.status)
        printf("%s: %s\n", name, s->e.message);
    return out;
}
static rn_value op2(struct setup *s, const char *name, rn_value x, rn_value y) {
    rn_value in[2] = {x, y};
    return op(s, name, 2, in, 0, NULL);
}
static rn_value op1(struct setup *s, const char *name, rn_value x) {
    return op(s, name, 1, &x, 0, NULL);
}

static uint32_t declare(struct setup *s, const char *name, uint32_t rank,
                        const int64_t *shape) {
    struct variable v = {.name = name,
                         .role = "weight",
                         .dtype = RN_F32,
                         .rank = rank,
                         .trainable = true};
    uint32_t id = 0;
    memcpy(v.shape, shape, rank * sizeof *shape);
    CHECK(variables_declare(s->v, &v, &id, &s->e) == RN_OK);
    return id;
}

/* loss = mean((tanh(x w + b))^2), one step of w -= 0.1 g; compare g with differences.
 */
static void train(bool fuse) {
    struct setup s = start("train");
    int64_t xs[2] = {4, 3}, ws[2] = {5, 3}, bs[1] = {5};
    uint32_t w = declare(&s, "w", 2, ws), b = declare(&s, "b", 1, bs);
    rn_value in[3] = {graph_input(s.g, "x", RN_F32, 2, xs), graph_variable(s.g, w),
                      graph_variable(s.g, b)};
    rn_value y = op1(&s, "tanh", op(&s, "linear", 3, in, 0, NULL));
    rn_value loss = op1(&s, "reduce_mean", op2(&s, "mul", y, y)), g[2];
    CHECK(graph_gradient(s.g, 1, &loss, NULL, 2, &in[1], g, &s.e) == RN_OK);
    rn_value lr = graph_live(s.g, "lr", RN_F32);
    rn_value next = op2(&s, "sub", in[1], op2(&s, "mul", lr, g[0]));
    CHECK(graph_output(s.g, "loss", loss, &s.e) == RN_OK);
    CHECK(graph_output(s.g, "gw", g[0], &s.e) == RN_OK);
    CHECK(graph_output(s.g, "gb", g[1], &s.e) == RN_OK);
    CHECK(graph_output(s.g, "old", in[1], &s.e) == RN_OK);
    CHECK(graph_assign(s.g, w, next, &s.e) == RN_OK);
    struct plan_options o = {
        .backend = backend, .backend_self = backend_self, .fuse = fuse};
    const struct plan *p = NULL;
    CHECK(plan_make(s.g, s.a, &o, &p, &s.e) == RN_OK);
    if (s.e.status)
        printf("%s\n", s.e.message);
    struct device *d;
    struct program *run;
    CHECK(device_open(backend, backend_self, &d, &s.e) == RN_OK);
    CHECK(device_variables(d, s.v, &s.e) == RN_OK);
    CHECK(program_create(d, p, &run, &s.e) == RN_OK);
    CHECK(device_reserve(d, &s.e) == RN_OK);
    struct exec_footprint f = exec_footprint(device_info(d), s.v, 1, &p);
    CHECK(f.total == device_memory(d).peak);
    float weights[15], bias[5], x[12], loss_at[2], gw[15];
    for (int i = 0; i < 15; i++)
        weights[i] = (float)(i % 7) * 0.11f - 0.3f;
    for (int i = 0; i < 12; i++)
        x[i] = (float)(i % 5) * 0.4f - 0.7f;
    for (int i = 0; i < 5; i++)
        bias[i] = 0.1f * (float)i;
    CHECK(device_variable_write(d, b, bias, &s.e) == RN_OK);
    program_set_f32(run, program_scalar_index(run, "lr"), 0.1f);
    for (int k = -1; k < 15; k++) {
        for (int sign = 0; sign < 2; sign++) {
            float moved[15];
            memcpy(moved, weights, sizeof moved);
            if (k >= 0)
                moved[k] += sign ? 1e-2f : -1e-2f;
            device_variable_write(d, w, moved, &s.e);
            memcpy(program_input(run, program_input_index(run, "x"), NULL, &s.e), x,
                   sizeof x);
            CHECK(program_run(run, &s.e) == RN_OK);
            loss_at[sign] = *(const float *)program_output(
                run, program_output_index(run, "loss"), &s.e);
            if (k < 0)
                memcpy(gw, program_output(run, program_output_index(run, "gw"), &s.e),
                       sizeof gw);
            const float *old =
                program_output(run, program_output_index(run, "old"), &s.e);
            CHECK(memcmp(old, moved, sizeof moved) == 0);
            float after[15];
            device_variable_read(d, w, after, &s.e);
            const float *now =
                program_output(run, program_output_index(run, "gw"), &s.e);
            for (int i = 0; i < 15; i++)
                CHECK(after[i] == moved[i] - 0.1f * now[i]);
        }
        if (k >= 0)
            CHECK(fabsf((loss_at[1] - loss_at[0]) / 2e-2f - gw[k]) < 2e-4f);
    }
    device_close(d);
    arena_destroy(s.a);
}

/* A graph of elementwise work on large values: the arena reuses memory. */
static void reuse(void) {
    struct setup s = start("reuse");
    int64_t shape[1] = {1 << 16};
    rn_value v = graph_input(s.g, "x", RN_F32, 1, shape);
    for (int i = 0; i < 20; i++) {
        int64_t axes[1] = {0};
        struct rn_attr a[2] = {rn_attr_ints("axes", 1, axes), rn_attr_int("keep", 1)};
        rn_value m = op(&s, "reduce_max", 1, &v, 2, a);
        v = op1(&s, "exp", op2(&s, "sub", v, m));
    }
    CHECK(graph_output(s.g, "y", v, &s.e) == RN_OK);
    for (int fuse = 0; fuse < 2; fuse++) {
        struct plan_options o = {
            .backend = backend, .backend_self = backend_self, .fuse = fuse};
        const struct plan *p = NULL;
        CHECK(plan_make(s.g, s.a, &o, &p, &s.e) == RN_OK);
        CHECK(p->program.arena_bytes <= 2 * 4 * (1 << 16) + 4096);
        CHECK(p->program.arena_bytes >= p->live_bound);
    }
    arena_destroy(s.a);
}

static const struct plan *planned(struct setup *s) {
    struct plan_options o = {.backend = backend, .backend_self = backend_self};
    const struct plan *p = NULL;
    CHECK(plan_make(s->g, s->a, &o, &p, &s->e) == RN_OK);
    return p;
}

static uint32_t count(const struct plan *p, const char *name) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->program.node_count; i++)
        n += strcmp(p->program.nodes[i].op, name) == 0;
    return n;
}

/* A gradient that was asked for and that nobody reads is not computed, one that is read
 * is: here that of the images into the first layer. */
static void unread_gradient(bool read) {
    struct setup s = start("unread");
    int64_t xs[4] = {2, 3, 8, 8}, ws[4] = {4, 3, 3, 3};
    rn_value in[2] = {graph_input(s.g, "x", RN_F32, 4, xs),
                      graph_variable(s.g, declare(&s, "w", 4, ws))};
    rn_value y = op1(&s, "tanh", op(&s, "conv2d", 2, in, 0, NULL)), g[2];
    rn_value loss = op1(&s, "reduce_mean", op2(&s, "mul", y, y));
    CHECK(graph_gradient(s.g, 1, &loss, NULL, 2, in, g, &s.e) == RN_OK);
    CHECK(graph_output(s.g, "gw", g[1], &s.e) == RN_OK);
    if (read)
        CHECK(graph_output(s.g, "gx", g[0], &s.e) == RN_OK);
    const struct plan *p = planned(&s);
    CHECK(count(p, "conv2d_grad_weight") == 1);
    CHECK(count(p, "conv2d_grad_input") == read);
    arena_destroy(s.a);
}

/* The same operator of the same values is one node, however often it was written; with
 * other attributes it is another. */
static void common(void) {
    struct setup s = start("common");
    int64_t shape[2] = {4, 6};
    rn_value x = graph_input(s.g, "x", RN_F32, 2, shape), sum = x;
    for (int64_t i = 0; i < 4; i++) {
        int64_t axis = i / 2;
        struct rn_attr a[2] = {rn_attr_ints("axes", 1, &axis), rn_attr_int("keep", 1)};
        rn_value e = op1(&s, "exp", op2(&s, "mul", x, x));
        sum = op2(&s, "add", sum, op(&s, "reduce_max", 1, &e, 2, a));
    }
    CHECK(graph_output(s.g, "y", sum, &s.e) == RN_OK);
    const struct plan *p = planned(&s);
    CHECK(count(p, "mul") == 1 && count(p, "exp") == 1);
    CHECK(count(p, "reduce_max") == 2);
    CHECK(count(p, "add") == 4);
    arena_destroy(s.a);
}

int main(void) {
    const struct rn_component *c = runner_plugin_entry()->components[0];
    struct rn_error e = {0};
    backend = c->iface;
    CHECK(backend->create(NULL, &backend_self, &e) == RN_OK);
    train(false);
    train(true);
    reuse();
    unread_gradient(false);
    unread_gradient(true);
    common();
    backend->destroy(backend_self);
    return check_done();
}
