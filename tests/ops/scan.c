/* SPDX-License-Identifier: Apache-2.0 */
/* Scans against the same steps written out one after the other: results, gradients of
 * everything that goes in and second derivatives, on every backend; a scan of scans;
 * planning that does not depend on the number of steps; what is refused. */
#include <runner/scan.h>

#include "graph/internal.h"
#include "ops.h"

#define MOST 8

/* What a case computes: describes one step from values of either graph. */
struct cell {
    const char *name;
    int64_t length, rows, units;
    uint32_t states, steps, fixed, outs;
    bool lengths, reverse;
    void (*step)(struct rn_build *b, const struct rn_scan_step *io);
    bool once; /* second derivatives are left out */
};

struct operands {
    rn_value state[MOST], step[MOST], fixed[MOST], lengths;
};

static rn_value sigmoid(struct rn_build *b, rn_value x) {
    return rn_op(b, "sigmoid", 1, &x, 0, NULL);
}

/* states h, c; steps: four gates of the input; fixed: four weights. */
static void lstm(struct rn_build *b, const struct rn_scan_step *io) {
    rn_value z[4];
    for (int i = 0; i < 4; i++)
        z[i] =
            rn_add(b, io->step[i], rn_linear(b, io->state[0], io->fixed[i], RN_NONE));
    rn_value kept = rn_mul(b, sigmoid(b, z[1]), io->state[1]);
    rn_value c = rn_add(b, kept, rn_mul(b, sigmoid(b, z[0]), rn_tanh(b, z[2])));
    io->next[1] = c;
    io->next[0] = io->out[0] = rn_mul(b, sigmoid(b, z[3]), rn_tanh(b, c));
}

/* A bias inside, a vector that is multiplied, a row that is added, a constant. */
static void mixed(struct rn_build *b, const struct rn_scan_step *io) {
    rn_value y = rn_linear(b, io->state[0], io->fixed[0], io->fixed[1]);
    y = rn_add(b, rn_mul(b, y, io->fixed[1]), io->step[0]);
    y = rn_add(b, rn_square(b, rn_op(b, "sin", 1, &y, 0, NULL)), rn_tanh(b, y));
    io->next[0] = rn_mul(b, y, rn_const(b, 0.5));
    io->out[0] = rn_mul(b, io->state[0], io->step[0]);
    io->out[1] = rn_reduce_sum_axis(b, y, 1, 0);
}

/* A weight whose gradient is no product over the rows: it is added up by step. */
static void added(struct rn_build *b, const struct rn_scan_step *io) {
    rn_value w = rn_matmul(b, io->fixed[0], io->fixed[0], 0, 0);
    rn_value y = rn_matmul(b, io->state[0], rn_tanh(b, w), 0, 0);
    io->next[0] = rn_tanh(b, rn_add(b, y, io->step[0]));
    io->next[1] = rn_add(b, io->state[1], rn_const(b, 1.0));
    io->out[0] = rn_mul(b, io->next[0], io->next[1]);
}

/* No step inputs: an iteration. */
static void iteration(struct rn_build *b, const struct rn_scan_step *io) {
    rn_value y = rn_linear(b, io->state[0], io->fixed[0], RN_NONE);
    io->next[0] = rn_add(b, rn_tanh(b, y), io->fixed[1]);
    io->out[0] = y;
}

static bool written_out; /* inner scans too */

static void inner_step(struct rn_build *b, const struct rn_scan_step *io) {
    rn_value y = rn_linear(b, io->state[0], io->fixed[0], RN_NONE);
    io->next[0] = rn_tanh(b, rn_add(b, y, io->step[0]));
    io->out[0] = rn_mul(b, io->next[0], io->step[0]);
}

static void by_scan(struct rn_build *b, const struct cell *c, const struct operands *o,
                    rn_value *last, rn_value *out);
static void by_hand(struct rn_build *b, const struct cell *c, const struct operands *o,
                    rn_value *last, rn_value *out);

/* A scan in each step: over the rows of the step's input, as rows of one. */
static void nested(struct rn_build *b, const struct rn_scan_step *io) {
    int64_t n = rn_dim(b, io->step[0], 0), h = rn_dim(b, io->step[0], 1), zero = 0;
    int64_t rows[3] = {n, 1, h}, first[2] = {1, h}, flat[2] = {n, h};
    rn_value mean = rn_reduce_mean(b, io->state[0], 1, &zero, 0), last, out;
    struct cell c = {"inner", n, 1, h, 1, 1, 1, 1, false, false, inner_step, true};
    struct operands o = {{rn_reshape(b, mean, 2, first)},
                         {rn_reshape(b, io->step[0], 3, rows)},
                         {io->fixed[0]},
                         RN_NONE};
    (written_out ? by_hand : by_scan)(b, &c, &o, &last, &out);
    io->out[0] = rn_mul(b, rn_reshape(b, out, 2, flat), io->fixed[1]);
    io->next[0] = rn_add(b, rn_mul(b, io->state[0], rn_const(b, 0.5)), last);
}

static const struct cell cells[] = {
    {"lstm", 5, 3, 7, 2, 4, 4, 1, false, false, lstm, false},
    {"lstm, lengths", 5, 4, 16, 2, 4, 4, 1, true, false, lstm, false},
    {"lstm, lengths, reverse", 5, 4, 6, 2, 4, 4, 1, true, true, lstm, true},
    {"mixed", 4, 3, 8, 1, 1, 2, 2, false, false, mixed, false},
    {"mixed, lengths, reverse", 6, 3, 5, 1, 1, 2, 2, true, true, mixed, true},
    {"added", 4, 3, 4, 2, 1, 1, 1, false, true, added, false},
    {"iteration", 3, 2, 4, 1, 0, 2, 1, false, false, iteration, false},
    {"one step", 1, 2, 4, 1, 1, 2, 2, false, false, mixed, false},
    {"nested", 3, 3, 4, 1, 1, 2, 1, false, false, nested, true},
};

/* ----------------------------------------------------------------- building */

static struct operands inputs_of(struct built *b, const struct cell *c) {
    struct operands o = {.lengths = RN_NONE};
    int64_t rows[2] = {c->rows, c->units}, vector = c->units;
    int64_t steps[3] = {c->length, c->rows, c->units};
    int64_t square[2] = {c->units, c->units};
    for (uint32_t i = 0; i < c->states; i++)
        o.state[i] = built_input(b, RN_F32, 2, rows);
    for (uint32_t i = 0; i < c->steps; i++)
        o.step[i] = built_input(b, RN_F32, 3, steps);
    for (uint32_t i = 0; i < c->fixed; i++)
        o.fixed[i] = c->fixed == 2 && i == 1 ? built_input(b, RN_F32, 1, &vector)
                                             : built_input(b, RN_F32, 2, square);
    if (c->lengths) { /* 5, 2, 1, 5, ... of 5 steps */
        int64_t lengths[MOST];
        for (int64_t n = 0; n < c->rows; n++)
            lengths[n] = n % 3 == 0 ? c->length : c->length / (n + 1);
        o.lengths = graph_constant(b->graph, RN_I64, 1, &c->rows, lengths);
    }
    return o;
}

static int32_t step_of(struct rn_build *b, void *context,
                       const struct rn_scan_step *io) {
    const struct cell *c = context;
    c->step(b, io);
    return RN_OK;
}

static void by_scan(struct rn_build *b, const struct cell *c, const struct operands *o,
                    rn_value *last, rn_value *out) {
    struct rn_scan_spec s = {.struct_size = sizeof s,
                             .state_count = c->states,
                             .step_count = c->steps,
                             .fixed_count = c->fixed,
                             .out_count = c->outs,
                             .reverse = c->reverse,
                             .state = o->state,
                             .step = o->step,
                             .fixed = o->fixed,
                             .lengths = o->lengths,
                             .length = c->length,
                             .body = step_of,
                             .context = (void *)(uintptr_t)c};
    rn_scan(b, &s, last, out);
}

/* v where row n has a step t, else `otherwise` (RN_NONE: 0). */
static rn_value where_active(struct rn_build *b, const struct cell *c,
                             const struct operands *o, int64_t t, rn_value v,
                             rn_value fallback) {
    int64_t shape[2] = {c->rows, 1};
    if (!o->lengths)
        return v;
    rn_value now = b->api->constant(b, RN_I64, 0, NULL, &t);
    rn_value in[2] = {now, o->lengths}, active = rn_op(b, "lt", 2, in, 0, NULL);
    if (rn_rank(b, v) == 2)
        active = rn_reshape(b, active, 2, shape);
    return rn_select(b, active, v, fallback ? fallback : rn_const(b, 0.0));
}

static rn_value step_at(struct rn_build *b, rn_value x, int64_t t) {
    int64_t start[3] = {t, 0, 0}, stride[3] = {1, 1, 1};
    int64_t stop[3] = {t + 1, rn_dim(b, x, 1), rn_dim(b, x, 2)};
    return rn_reshape(b, rn_slice(b, x, 3, start, stop, stride), 2, stop + 1);
}

static void by_hand(struct rn_build *b, const struct cell *c, const struct operands *o,
                    rn_value *last, rn_value *out) {
    rn_value state[MOST], parts[MOST][MOST];
    memcpy(state, o->state, sizeof state);
    for (int64_t s = 0; s < c->length; s++) {
        int64_t t = c->reverse ? c->length - 1 - s : s;
        rn_value step[MOST], next[MOST], made[MOST];
        for (uint32_t i = 0; i < c->steps; i++)
            step[i] = step_at(b, o->step[i], t);
        struct rn_scan_step io = {sizeof io, 0, state, step, o->fixed, next, made};
        c->step(b, &io);
        for (uint32_t i = 0; i < c->states; i++)
            state[i] = where_active(b, c, o, t, next[i], state[i]);
        for (uint32_t i = 0; i < c->outs; i++) {
            rn_value v = where_active(b, c, o, t, made[i], RN_NONE);
            int64_t shape[3] = {1, c->rows, c->units};
            parts[i][t] = rn_reshape(b, v, rn_rank(b, v) + 1, shape);
        }
    }
    for (uint32_t i = 0; i < c->states; i++)
        last[i] = state[i];
    for (uint32_t i = 0; i < c->outs; i++)
        out[i] = rn_concat(b, (uint32_t)c->length, parts[i], 0);
}

/* Outputs: results, gradients of a sum of them in which every element counts
 * differently, and of a sum of squares of those in the first state and weight. */
static bool describe(struct built *b, const struct cell *c, bool scan,
                     struct rn_error *e) {
    rn_value last[MOST], out[MOST], loss = RN_NONE, xs[3 * MOST], gxs[3 * MOST];
    char name[16];
    uint32_t outputs = 0, n = 0;
    built_init(b, "scan");
    struct operands o = inputs_of(b, c);
    struct builder_options options = {.graph = b->graph, .component = "test"};
    struct builder *builder = builder_create(&options);
    struct rn_build *api = builder_api(builder);
    written_out = !scan;
    (scan ? by_scan : by_hand)(api, c, &o, last, out);
    for (uint32_t i = 0; i < c->states + c->outs; i++) {
        rn_value v = i < c->states ? last[i] : out[i - c->states];
        rn_value term = rn_reduce_sum(
            api, rn_mul(api, v, rn_op(api, "cos", 1, &v, 0, NULL)), 0, NULL, 0);
        loss = loss ? rn_add(api, loss, term) : term;
        snprintf(name, sizeof name, "y%u", outputs++);
        graph_output(b->graph, name, v, e);
    }
    for (uint32_t i = 0; i < c->states + c->steps + c->fixed; i++)
        xs[n++] = i < c->states              ? o.state[i]
                  : i < c->states + c->steps ? o.step[i - c->states]
                                             : o.fixed[i - c->states - c->steps];
    if (builder_finish(builder, RN_OK, e) != RN_OK ||
        graph_gradient(b->graph, 1, &loss, NULL, n, xs, gxs, e) != RN_OK)
        return false;
    for (uint32_t i = 0; i < n && outputs < RESULTS - 2; i++) {
        snprintf(name, sizeof name, "y%u", outputs++);
        graph_output(b->graph, name, gxs[i], e);
    }
    if (!c->once && !e->status) {
        rn_value ys[2] = {gxs[0], gxs[n - 1]}, x2[2] = {xs[0], xs[n - 1]}, g2[2];
        rn_value gys[2] = {gxs[0], gxs[n - 1]};
        if (graph_gradient(b->graph, 2, ys, gys, 2, x2, g2, e) != RN_OK)
            return false;
        for (int i = 0; i < 2; i++) {
            snprintf(name, sizeof name, "y%u", outputs++);
            graph_output(b->graph, name, g2[i], e);
        }
    }
    b->output_count = outputs;
    return e->status == RN_OK;
}

/* ------------------------------------------------------------------- checks */

static void check_cell(const struct cell *c, const struct opened *backends, int count) {
    struct built hand, scan;
    struct rn_error e = {0};
    struct result truth = {0}, bound = {0}, first = {0};
    char where[160];
    bool good = describe(&hand, c, false, &e);
    ops_check(good, "%s by hand: %s", c->name, e.message);
    if (!good)
        return;
    good = describe(&scan, c, true, &e);
    ops_check(good, "scan %s: %s", c->name, e.message);
    good = good && bound_run(&backends[0], &hand, &truth, &bound);
    ops_check(good, "scan %s has no bound", c->name);
    for (int i = 0; i < count && good; i++) {
        struct result got = {0};
        bool ran = built_run(&backends[i], &scan, i > 0, &got);
        ops_check(ran, "scan %s does not run on %s", c->name, backends[i].name);
        if (!ran)
            continue;
        ops_check(bound_worst(&got, &truth, &bound, where, sizeof where) <= 1.0,
                  "scan %s on %s: %s", c->name, backends[i].name, where);
        if (backends[i].exact && first.count)
            ops_check(result_same(&first, &got, where, sizeof where),
                      "scan %s on %s, other bits: %s", c->name, backends[i].name,
                      where);
        if (backends[i].exact && !first.count)
            first = got;
        else
            result_free(&got);
    }
    result_free(&truth);
    result_free(&bound);
    result_free(&first);
    built_free(&hand);
    built_free(&scan);
}

/* The program of 1,000 steps is that of 4, and so is its memory but for the sequences
 * and what is saved of each step. */
static void check_plans(const struct opened *o) {
    uint32_t nodes[2];
    uint64_t fixed[2];
    struct cell c = {"long", 4, 4, 16, 2, 4, 4, 1, false, false, lstm, true};
    for (int i = 0; i < 2; i++) {
        struct built b;
        struct exe x;
        struct rn_error e = {0};
        c.length = i ? 1000 : 4;
        bool good = describe(&b, &c, true, &e) && exe_open(&x, o, b.graph, true);
        ops_check(good, "a scan of %lld steps: %s", (long long)c.length, e.message);
        if (!good)
            return;
        nodes[i] = x.plan->program.node_count;
        fixed[i] = 0;
        for (uint32_t k = 0; k < nodes[i]; k++)
            if (rn_node_is_scan(&x.plan->program.nodes[k])) {
                nodes[i] += x.plan->program.nodes[k].sub->node_count;
                fixed[i] += x.plan->program.nodes[k].workspace_bytes;
            }
        exe_close(&x);
        built_free(&b);
    }
    ops_check(nodes[0] == nodes[1], "4 steps make %u nodes, 1000 make %u", nodes[0],
              nodes[1]);
    ops_check(fixed[0] == fixed[1], "4 steps work in %llu bytes, 1000 in %llu",
              (unsigned long long)fixed[0], (unsigned long long)fixed[1]);
}

/* ----------------------------------------------------------------- refusals */

static void random_numbers(struct rn_build *b, const struct rn_scan_step *io) {
    int64_t shape[2] = {3, 4};
    io->next[0] = rn_add(b, io->state[0], rn_random_normal(b, 2, shape));
    io->out[0] = io->state[0];
}

static rn_value outside; /* a value of the graph around the body */
static void reads_outside(struct rn_build *b, const struct rn_scan_step *io) {
    io->next[0] = rn_add(b, io->state[0], outside);
    io->out[0] = io->state[0];
}

static void another_shape(struct rn_build *b, const struct rn_scan_step *io) {
    io->next[0] = rn_reduce_sum_axis(b, io->state[0], 1, 0);
    io->out[0] = io->state[0];
}

static void nothing(struct rn_build *b, const struct rn_scan_step *io) {
    (void)b;
    io->next[0] = io->state[0];
}

static const struct {
    void (*step)(struct rn_build *b, const struct rn_scan_step *io);
    const char *text;
} refused[] = {
    {random_numbers,
     "scan: its body draws random numbers (random_normal), which would be "
     "the same at every step: draw those of all steps before it, as a "
     "step input"},
    {reads_outside, "add: input 1 is not a value"},
    {another_shape, "scan: state 0 has another shape or type after a step"},
    {nothing, "scan: output 0 of its body is not a value"},
};

static void check_refusals(void) {
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct cell c = {"refused",       2,   3, 4, 1, 1, 1, 1, false, false,
                         refused[i].step, true};
        struct built b;
        struct rn_error e = {0};
        rn_value last, out;
        built_init(&b, "scan");
        struct operands o = inputs_of(&b, &c);
        outside = o.state[0];
        struct builder_options options = {.graph = b.graph, .component = "test"};
        struct builder *builder = builder_create(&options);
        by_scan(builder_api(builder), &c, &o, &last, &out);
        builder_finish(builder, RN_OK, &e);
        ops_check(strcmp(e.message, refused[i].text) == 0, "%s, not %s", e.message,
                  refused[i].text);
        built_free(&b);
    }
}

void test_scan(const struct opened *backends, int count) {
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++)
        check_cell(&cells[i], backends, count);
    check_plans(&backends[count - 1]);
    check_refusals();
}
