/* SPDX-License-Identifier: Apache-2.0 */
/* The builder's extension "runner.scan/1": calls the plugin's body once, with the
 * builder writing into the body's graph. */
#include <string.h>

#include "graph/builder.h"

static int fail(struct builder *b, int status, const char *message) {
    struct rn_error e = {0};
    error_set(&e, status, "scan: %s", message);
    builder_stick(b, &e);
    return status;
}

/* bool [T,N], true where t < lengths[n]. */
static rn_value active_rows(struct graph *g, rn_value lengths, int64_t length,
                            struct rn_error *e) {
    const struct gvalue *v = graph_value(g, lengths);
    if (!v || v->rank != 1 || dtype_float(v->dtype) || v->dtype == RN_BOOL)
        return error_set(e, RN_E_CONFIG, "scan: lengths are not integers [N]"), RN_NONE;
    int64_t steps[2] = {length, 1}, rows[2] = {1, v->shape[0]};
    struct rn_attr shape = rn_attr_ints("shape", 2, rows);
    struct rn_attr dtype = rn_attr_int("dtype", RN_I64);
    struct rn_attr at[3] = {rn_attr_ints("shape", 2, steps), rn_attr_int("axis", 0),
                            dtype};
    rn_value in[2] = {RN_NONE, RN_NONE}, out = RN_NONE;
    if (v->dtype != RN_I64)
        graph_op(g, "cast", 1, &lengths, 1, &dtype, 1, &lengths, e);
    if (!e->status)
        graph_op(g, "iota", 0, NULL, 3, at, 1, &in[0], e);
    if (!e->status)
        graph_op(g, "reshape", 1, &lengths, 1, &shape, 1, &in[1], e);
    if (!e->status)
        graph_op(g, "lt", 2, in, 0, NULL, 1, &out, e);
    return out;
}

struct scan_build {
    struct builder *b;
    const struct rn_scan_spec *s;
    struct graph *g; /* around the body */
    struct graph_scan scan;
    rn_value *operands, *inner; /* by operand: outside, in the body */
};

static void add(struct scan_build *x, rn_value v, bool step, struct rn_error *e) {
    uint32_t k = x->scan.state_count + x->scan.step_count + x->scan.fixed_count;
    x->operands[k] = builder_current(x->b, v);
    if (!e->status)
        x->inner[k] =
            graph_scan_input(x->scan.body, x->g, k, x->operands[k], step, e);
}

static void add_operands(struct scan_build *x, rn_value active, struct rn_error *e) {
    const struct rn_scan_spec *s = x->s;
    for (uint32_t i = 0; i < s->state_count; i++, x->scan.state_count++)
        add(x, s->state[i], false, e);
    for (uint32_t i = 0; i < s->step_count; i++, x->scan.step_count++)
        add(x, s->step[i], true, e);
    if (active) {
        add(x, active, true, e);
        x->scan.active = x->inner[x->scan.state_count + x->scan.step_count];
        x->scan.step_count++;
    }
    for (uint32_t i = 0; i < s->fixed_count; i++, x->scan.fixed_count++)
        add(x, s->fixed[i], false, e);
}

/* The plugin's description of one step, into the body's graph. */
static int describe_step(struct scan_build *x, rn_value *next, rn_value *out) {
    const struct rn_scan_spec *s = x->s;
    struct builder *b = x->b;
    const rn_value *fixed = x->inner + x->scan.state_count + x->scan.step_count;
    struct rn_scan_step io = {.struct_size = sizeof io,
                              .state = x->inner,
                              .step = x->inner + x->scan.state_count,
                              .fixed = fixed,
                              .next = next,
                              .out = out};
    struct graph *outer = builder_enter(b, x->scan.body);
    int status = s->body(&b->api, s->context, &io);
    builder_leave(b, outer);
    if (!b->e.status && status != RN_OK)
        return fail(b, status, "its body failed without a message");
    return b->e.status;
}

static int32_t build_scan(struct rn_build *api, const struct rn_scan_spec *s,
                          rn_value *last, rn_value *out) {
    struct builder *b = (struct builder *)api;
    struct graph *g = b->g;
    struct rn_error e = {0};
    if (b->e.status)
        return b->e.status;
    if (!RN_HAS(s, struct rn_scan_spec, context) || !s->body)
        return fail(b, RN_E_PLUGIN, "no body, or its struct_size is too small");
    const struct gvalue *first = s->step_count ? graph_value(g, s->step[0]) : NULL;
    int64_t length = s->length ? s->length : first && first->rank ? first->shape[0] : 0;
    uint32_t all = s->state_count + s->step_count + s->fixed_count + 1;
    uint32_t results = s->state_count + s->out_count;
    rn_value *room = arena_array(g->arena, rn_value, 2 * (size_t)all + 2 * results + 1);
    rn_value *made = room + 2 * (size_t)all, *next = made + results;
    struct scan_build x = {
        .b = b, .s = s, .g = g, .operands = room, .inner = room + all};
    rn_value active = s->lengths ? active_rows(g, s->lengths, length, &e) : RN_NONE;
    x.scan = (struct graph_scan){.operands = x.operands,
                                 .length = length,
                                 .reverse = s->reverse != 0,
                                 .body = graph_scan_body(g),
                                 .next = next,
                                 .out_count = s->out_count,
                                 .step_out = next + s->state_count};
    if (!e.status)
        add_operands(&x, active, &e);
    if (!e.status && describe_step(&x, next, next + s->state_count) != RN_OK)
        return b->e.status;
    if (!e.status)
        graph_scan(g, &x.scan, made, &e);
    if (e.status) {
        builder_stick(b, &e);
        return e.status;
    }
    memcpy(last, made, s->state_count * sizeof *last);
    memcpy(out, made + s->state_count, s->out_count * sizeof *out);
    return RN_OK;
}

const struct rn_scan_api builder_scan_api = {sizeof(struct rn_scan_api), 0, build_scan};
