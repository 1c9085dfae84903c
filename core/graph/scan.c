/* SPDX-License-Identifier: Apache-2.0 */
/* Scan: a node whose body runs once per step (docs/recurrent.md). Its ports, its rule,
 * and how it is put together from a body that a builder made. */
#include <string.h>

#include "graph/internal.h"

static int no_body(struct shaper *s) {
    return shape_fail(s, "is made with rn_scan (runner/scan.h)");
}

const struct op ops_scan[] = {{"scan", 0, 1, -1, 0,
                               "states:int! steps:int! length:int! reverse:int=0",
                               no_body, scan_gradient, NULL, 1, NULL},
                              OPS_END};

/* -------------------------------------------------------------------- ports */

const char *scan_port_name(struct arena *a, uint32_t k) {
    return arena_format(a, "%u", k);
}

static bool is_input(const struct gnode *n) {
    return strcmp(n->op->name, "input") == 0;
}

/* The number that an input's name is; false: it is not one. */
static bool port_of(const struct gnode *n, uint32_t *k) {
    uint64_t x = 0;
    const char *p = n->name;
    for (; p && *p >= '0' && *p <= '9' && x < UINT32_MAX; p++)
        x = 10 * x + (uint64_t)(*p - '0');
    *k = (uint32_t)x;
    return p && p != n->name && !*p && x < UINT32_MAX;
}

rn_value scan_port(const struct graph *body, uint32_t k) {
    for (uint32_t i = 0; i < body->node_count; i++) {
        uint32_t port;
        if (is_input(&body->nodes[i]) && port_of(&body->nodes[i], &port) && port == k)
            return body->nodes[i].out[0];
    }
    return RN_NONE;
}

uint32_t scan_states(const struct gnode *n) {
    return (uint32_t)attr_int(n, "states");
}

uint32_t scan_steps(const struct gnode *n) {
    return (uint32_t)attr_int(n, "steps");
}

/* One step's part of [length,...]. */
static bool part_of(const struct gvalue *whole, int64_t length, struct gvalue *part) {
    if (!whole->rank || whole->shape[0] != length)
        return false;
    *part = *whole;
    part->rank--;
    memmove(part->shape, part->shape + 1, part->rank * sizeof part->shape[0]);
    return true;
}

static bool same_value(const struct gvalue *a, const struct gvalue *b) {
    return a->dtype == b->dtype && same_shape(a, b);
}

/* ----------------------------------------------------------------- the rule */

static int check_sources(const struct gnode *n, struct rn_error *e) {
    const struct graph *b = n->body;
    if (b->assign_count)
        return error_set(e, RN_E_PLUGIN, "scan: its body assigns '%s'",
                         variables_at(b->variables, b->assigns[0].variable)->name);
    for (uint32_t i = 0; i < b->node_count; i++) {
        const struct gnode *at = &b->nodes[i];
        uint32_t k;
        if (at->op->traits & OP_RANDOM)
            return error_set(e, RN_E_PLUGIN,
                             "scan: its body draws random numbers (%s), which would be "
                             "the same at every step: draw those of all steps before "
                             "it, as a step input",
                             at->op->name);
        if (!(at->op->traits & OP_SOURCE) || at->data)
            continue;
        if (!is_input(at) || !port_of(at, &k) || k >= n->in_count)
            return error_set(e, RN_E_INTERNAL, "scan: its body reads '%s'",
                             at->name ? at->name : at->op->name);
    }
    return RN_OK;
}

static int check_ports(const struct graph *g, const struct gnode *n,
                       struct rn_error *e) {
    uint32_t states = scan_states(n), steps = scan_steps(n);
    int64_t length = attr_int(n, "length");
    for (uint32_t k = 0; k < n->in_count; k++) {
        const struct gvalue *x = graph_value(g, n->in[k]);
        rn_value port = scan_port(n->body, k);
        struct gvalue part = *x;
        if (k >= states && k < states + steps && !part_of(x, length, &part))
            return error_set(e, RN_E_CONFIG,
                             "scan: step input %u is not one of %lld steps", k - states,
                             (long long)length);
        if (port && !same_value(&part, graph_value(n->body, port)))
            return error_set(e, RN_E_INTERNAL,
                             "scan: its body reads operand %u as another shape or type",
                             k);
    }
    return RN_OK;
}

static int check_results(const struct graph *g, const struct gnode *n,
                         struct rn_error *e) {
    const struct graph *b = n->body;
    uint32_t states = scan_states(n);
    for (uint32_t k = 0; k < n->out_count; k++) {
        const struct gvalue *y = graph_value(g, n->out[k]);
        const struct gvalue *made = graph_value(b, b->outputs[k].value);
        struct gvalue part = *y;
        if (k >= states && !part_of(y, attr_int(n, "length"), &part))
            return error_set(e, RN_E_INTERNAL, "scan: result %u has another length", k);
        if (!same_value(&part, made))
            return error_set(e, RN_E_INTERNAL,
                             "scan: result %u has another shape or type than its body",
                             k);
        if (k < states && !same_value(made, graph_value(g, n->in[k])))
            return error_set(e, RN_E_CONFIG,
                             "scan: state %u has another shape or type after a step",
                             k);
    }
    return RN_OK;
}

int scan_check(const struct graph *g, const struct gnode *n, struct rn_error *e) {
    int64_t states = attr_int(n, "states"), steps = attr_int(n, "steps");
    if (states < 0 || steps < 0 || states + steps > n->in_count ||
        states > n->out_count || attr_int(n, "length") < 1)
        return error_set(e, RN_E_PLUGIN,
                         "scan: %lld states and %lld step inputs of %u operands, %lld "
                         "steps",
                         (long long)states, (long long)steps, n->in_count,
                         (long long)attr_int(n, "length"));
    if (!n->out_count || n->body->output_count != n->out_count)
        return error_set(e, RN_E_PLUGIN, "scan: its body has %u results, not %u",
                         n->body->output_count, n->out_count);
    int status = check_sources(n, e);
    if (status == RN_OK)
        status = check_ports(g, n, e);
    return status ? status : check_results(g, n, e);
}

/* ----------------------------------------------------------------- building */

struct gnode *scan_append(struct graph *g, uint32_t n_in, const rn_value *in,
                          uint32_t states, uint32_t steps, int64_t length, bool reverse,
                          struct graph *body) {
    struct gvalue *outs = arena_array(g->arena, struct gvalue, body->output_count + 1);
    for (uint32_t k = 0; k < body->output_count; k++) {
        struct gvalue *y = &outs[k];
        *y = *graph_value(body, body->outputs[k].value);
        if (k < states)
            continue;
        if (y->rank < RN_MAX_RANK)
            memmove(y->shape + 1, y->shape, y->rank * sizeof y->shape[0]);
        y->rank++; /* one too many: scan_check says so */
        y->shape[0] = length;
    }
    struct gnode *n =
        graph_node_append(g, op_find("scan"), n_in, in, body->output_count, outs);
    n->body = body;
    n->attr_count = 4;
    n->attrs = arena_array(g->arena, struct rn_attr, 4);
    n->attrs[0] = rn_attr_int("states", states);
    n->attrs[1] = rn_attr_int("steps", steps);
    n->attrs[2] = rn_attr_int("length", length);
    n->attrs[3] = rn_attr_int("reverse", reverse);
    return n;
}

int scan_widen(struct graph *g, uint32_t node, struct graph *body, struct rn_error *e) {
    struct gnode *n = &g->nodes[node];
    const struct gnode old = *n;
    /* appended, then taken over: results of a node have ids of their own anyway */
    struct gnode made =
        *scan_append(g, n->in_count, n->in, scan_states(n), scan_steps(n),
                     attr_int(n, "length"), attr_int(n, "reverse") != 0, body);
    g->node_count--;
    n = &g->nodes[node];
    memcpy(made.out, old.out, old.out_count * sizeof *old.out);
    for (uint32_t k = old.out_count; k < made.out_count; k++)
        g->values[made.out[k]].node = node;
    n->out = made.out;
    n->out_count = made.out_count;
    n->body = body;
    return scan_check(g, n, e);
}

struct graph *graph_scan_body(struct graph *g) {
    struct graph *body = graph_create(g->arena, g->variables, "body");
    body->first_value = body->value_count = g->value_count;
    body->value_capacity = g->value_count + 64;
    body->values = arena_array(g->arena, struct gvalue, body->value_capacity);
    body->scope = g->scope;
    body->part = g->part;
    return body;
}

rn_value graph_scan_input(struct graph *body, const struct graph *g, uint32_t k,
                          rn_value v, bool step, struct rn_error *e) {
    const struct gvalue *x = graph_value(g, v);
    struct gvalue part;
    if (!x)
        return error_set(e, RN_E_PLUGIN, "scan: operand %u is not a value", k), RN_NONE;
    part = *x;
    if (step && !part_of(x, x->rank ? x->shape[0] : 0, &part))
        return error_set(e, RN_E_PLUGIN, "scan: step input %u is a scalar", k), RN_NONE;
    return graph_input(body, scan_port_name(body->arena, k), part.dtype, part.rank,
                       part.shape);
}

/* v where the row is active, else `otherwise`. */
static rn_value where_active(const struct graph_scan *s, rn_value v, rn_value fallback,
                             struct rn_error *e) {
    const struct gvalue *x = graph_value(s->body, v);
    const struct gvalue *active = graph_value(s->body, s->active);
    int64_t shape[RN_MAX_RANK] = {active->shape[0], 1, 1, 1, 1, 1, 1, 1};
    if (!x || !x->rank || x->shape[0] != active->shape[0])
        return error_set(e, RN_E_PLUGIN,
                         "scan with lengths: states and outputs have %lld rows",
                         (long long)active->shape[0]),
               RN_NONE;
    struct rn_attr a = rn_attr_ints("shape", x->rank, shape);
    rn_value in[3] = {s->active, v, fallback}, out = RN_NONE;
    if (x->rank > 1)
        graph_op(s->body, "reshape", 1, &s->active, 1, &a, 1, &in[0], e);
    if (!fallback)
        in[2] = graph_scalar(s->body, x->dtype, 0.0);
    graph_op(s->body, "select", 3, in, 0, NULL, 1, &out, e);
    return out;
}

static int add_results(const struct graph_scan *s, struct rn_error *e) {
    uint32_t count = s->state_count + s->out_count;
    for (uint32_t k = 0; k < count && !e->status; k++) {
        bool state = k < s->state_count;
        rn_value v = state ? s->next[k] : s->step_out[k - s->state_count];
        if (!graph_value(s->body, v))
            return error_set(e, RN_E_PLUGIN, "scan: %s %u of its body is not a value",
                             state ? "the next state" : "output",
                             state ? k : k - s->state_count);
        if (s->active)
            v = where_active(s, v, state ? scan_port(s->body, k) : RN_NONE, e);
        if (!e->status)
            graph_output(s->body, scan_port_name(s->body->arena, k), v, e);
    }
    return e->status;
}

/* What the body reads beside its operands, as further operands. */
static uint32_t lift_sources(struct graph *g, struct graph *body, uint32_t n_in,
                             rn_value *in) {
    for (uint32_t i = 0; i < body->node_count; i++) {
        struct gnode *n = &body->nodes[i];
        bool live = strcmp(n->op->name, "live") == 0;
        if (!live && strcmp(n->op->name, "variable") != 0)
            continue;
        in[n_in] = live ? graph_live(g, n->name, body->values[n->out[0]].dtype)
                        : graph_variable(g, n->variable);
        n->op = op_find("input");
        n->name = scan_port_name(body->arena, n_in++);
        n->variable = 0;
    }
    return n_in;
}

int graph_scan(struct graph *g, const struct graph_scan *s, rn_value *out,
               struct rn_error *e) {
    uint32_t n_in = s->state_count + s->step_count + s->fixed_count;
    struct rn_error local = {0};
    rn_value *in = arena_array(g->arena, rn_value, n_in + s->body->node_count + 1);
    if (n_in)
        memcpy(in, s->operands, n_in * sizeof *in);
    int status = add_results(s, &local);
    struct graph *body = NULL;
    if (status == RN_OK) {
        n_in = lift_sources(g, s->body, n_in, in);
        body = graph_simplify(s->body, g->arena, &local);
        status = body ? RN_OK : local.status;
    }
    if (status == RN_OK) {
        const struct gnode *n = scan_append(g, n_in, in, s->state_count, s->step_count,
                                            s->length, s->reverse, body);
        status = scan_check(g, n, &local);
        memcpy(out, n->out, n->out_count * sizeof *out);
    }
    if (status != RN_OK && e)
        *e = local;
    return status;
}
