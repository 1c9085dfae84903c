/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient of a scan: a scan in the other direction, whose body is the gradient of
 * the body (docs/recurrent.md). What it reads of the forward pass is saved as further
 * results of the forward scan; sums over the steps are taken after it where they are
 * sums of products or of rows. */
#include <stdio.h>
#include <string.h>

#include "graph/internal.h"

/* A result of the backward body and which one it is. */
struct results {
    uint32_t count;
    rn_value *values; /* of the work graph */
};

struct scan_rule {
    struct rule *r;
    uint32_t node;    /* the scan's index in r->g */
    struct graph *w;  /* work: the body, then its gradient */
    uint32_t forward; /* nodes of w that are the body */
    uint32_t states, steps, in_count, out_count;
    rn_value *port;       /* of w, by operand of the scan */
    rn_value *seed;       /* of w, by result: the gradient that comes in; or RN_NONE */
    rn_value *grad;       /* of w, by operand: the gradient of one step; or RN_NONE */
    bool *needed;         /* by node of w: the backward body has it */
    bool *used;           /* by value of w: a step input or fixed operand of it */
    bool *saved;          /* by value of w: read from the forward scan */
    uint32_t *saved_at;   /* by value of w: which result of the forward scan */
    struct results carry; /* states of the backward scan after a step */
    rn_value *carry_port; /* of w, by carry */
    rn_value *first;      /* of r->g, by carry */
    uint32_t *carry_of;   /* by operand: carry + 1 of its gradient or sum; 0: none */
    struct results out;   /* what the backward scan collects */
    const rn_value *made; /* results of the backward scan, in r->g */
};

static const struct gnode *maker(const struct scan_rule *s, rn_value v) {
    return &s->w->nodes[s->w->values[v].node];
}

static bool is_forward(const struct scan_rule *s, rn_value v) {
    return s->w->values[v].node < s->forward;
}

static uint32_t operand_of(const struct scan_rule *s, rn_value v) {
    uint32_t k = 0;
    while (k < s->in_count && s->port[k] != v)
        k++;
    return k;
}

static bool is_step(const struct scan_rule *s, uint32_t k) {
    return k >= s->states && k < s->states + s->steps;
}

static uint32_t add_result(struct results *r, rn_value v) {
    for (uint32_t i = 0; i < r->count; i++)
        if (r->values[i] == v)
            return i;
    r->values[r->count] = v;
    return r->count++;
}

static bool named(const struct gnode *n, const char *op) {
    return strcmp(n->op->name, op) == 0;
}

/* ------------------------------------------------------- the body's gradient */

static bool is_float(const struct graph *g, rn_value v) {
    return dtype_float(g->values[v].dtype);
}

/* The work graph: the body with all its ports and the gradients that come in. */
static int copy_body(struct scan_rule *s) {
    const struct rule *r = s->r;
    struct arena *a = r->g->arena;
    s->w = graph_simplify(r->n->body, a, r->e);
    if (!s->w)
        return r->e->status;
    s->w->scope = r->g->scope;
    s->w->part = GRAPH_BACKWARD;
    for (uint32_t k = 0; k < s->in_count; k++)
        s->port[k] = graph_scan_input(s->w, r->g, k, r->n->in[k], is_step(s, k), r->e);
    s->forward = s->w->node_count;
    for (uint32_t k = 0; k < s->out_count; k++) {
        rn_value y = s->w->outputs[k].value;
        const struct gvalue v = s->w->values[y];
        bool comes = k < s->states || r->gout[k];
        if (comes && dtype_float(v.dtype))
            s->seed[k] = graph_input(s->w, arena_format(a, "gradient %u", k), v.dtype,
                                     v.rank, v.shape);
    }
    return r->e->status;
}

static int differentiate(struct scan_rule *s) {
    const struct rule *r = s->r;
    struct arena *a = r->g->arena;
    rn_value *ys = arena_array(a, rn_value, 2 * (s->out_count + s->in_count) + 1);
    rn_value *gys = ys + s->out_count, *xs = gys + s->out_count;
    rn_value *gxs = xs + s->in_count;
    uint32_t ny = 0, nx = 0;
    for (uint32_t k = 0; k < s->out_count; k++)
        if (s->seed[k]) {
            ys[ny] = s->w->outputs[k].value;
            gys[ny++] = s->seed[k];
        }
    for (uint32_t k = 0; k < s->in_count; k++)
        if (is_float(s->w, s->port[k]))
            xs[nx++] = s->port[k];
    int status = graph_gradient(s->w, ny, ys, gys, nx, xs, gxs, r->e);
    nx = 0;
    for (uint32_t k = 0; k < s->in_count && status == RN_OK; k++)
        if (is_float(s->w, s->port[k]))
            s->grad[k] = gxs[nx++];
    return status;
}

/* ------------------------------------------------------ sums over the steps */

/* A term of a fixed operand's gradient whose sum over the steps is one operator after
 * the loop. */
static bool sums_after(const struct scan_rule *s, rn_value v) {
    const struct gnode *n = maker(s, v);
    const struct gvalue *x = n->in_count ? &s->w->values[n->in[0]] : NULL;
    if (is_forward(s, v) || !x || x->rank >= RN_MAX_RANK)
        return false;
    if (named(n, "matmul"))
        return attr_int(n, "trans_a") && !attr_int(n, "trans_b") && x->rank == 2 &&
               s->w->values[n->in[1]].rank == 2;
    if (named(n, "reshape"))
        return sums_after(s, n->in[0]);
    if (named(n, "add")) {
        const struct gvalue *y = &s->w->values[v];
        return same_shape(y, x) && same_shape(y, &s->w->values[n->in[1]]) &&
               sums_after(s, n->in[0]) && sums_after(s, n->in[1]);
    }
    return named(n, "reduce_sum") || named(n, "reduce_to");
}

/* v at every step will be needed after the loop. */
static void collect(struct scan_rule *s, rn_value v) {
    uint32_t k = operand_of(s, v);
    if (k < s->in_count && is_step(s, k))
        return;
    for (uint32_t i = s->states; i < s->out_count; i++)
        if (s->seed[i] == v)
            return;
    if (is_forward(s, v))
        s->saved[v] = true;
    else
        add_result(&s->out, v);
}

static void collect_terms(struct scan_rule *s, rn_value v) {
    const struct gnode *n = maker(s, v);
    if (named(n, "reshape") || named(n, "add")) {
        for (uint32_t i = 0; i < n->in_count; i++)
            collect_terms(s, n->in[i]);
        return;
    }
    for (uint32_t i = 0; i < n->in_count; i++)
        collect(s, n->in[i]);
}

/* [T,...] of what was collected. */
static rn_value collected(const struct scan_rule *s, rn_value v) {
    uint32_t k = operand_of(s, v), at = 0;
    if (k < s->in_count && is_step(s, k))
        return s->r->n->in[k];
    for (uint32_t i = s->states; i < s->out_count; i++)
        if (s->seed[i] == v)
            return s->r->gout[i];
    if (is_forward(s, v))
        return s->r->g->nodes[s->node].out[s->saved_at[v]];
    while (s->out.values[at] != v)
        at++;
    return s->made[s->carry.count + at];
}

/* The matrices [T,n,p] of all steps as one, [T*n,p]. */
static rn_value stacked(const struct scan_rule *s, rn_value v) {
    int64_t shape[2] = {-1, s->w->values[v].shape[1]};
    return emit_reshape(s->r, collected(s, v), 2, shape);
}

static rn_value sum_of_steps(struct scan_rule *s, rn_value v) {
    struct rule *r = s->r;
    const struct gnode *n = maker(s, v);
    const struct gvalue *to = &s->w->values[v];
    if (named(n, "matmul")) {
        rn_value in[2] = {stacked(s, n->in[0]), stacked(s, n->in[1])};
        return emit(r, "matmul", 2, in, n->attr_count, n->attrs);
    }
    if (named(n, "add"))
        return emit2(r, "add", sum_of_steps(s, n->in[0]), sum_of_steps(s, n->in[1]));
    if (named(n, "reshape"))
        return emit_reshape(r, sum_of_steps(s, n->in[0]), to->rank, to->shape);
    rn_value x = collected(s, n->in[0]);
    if (named(n, "reduce_to")) {
        struct rn_attr a = rn_attr_ints("shape", to->rank, to->shape);
        return emit(r, "reduce_to", 1, &x, 1, &a);
    }
    int64_t axes[RN_MAX_RANK] = {0};
    uint32_t count;
    const int64_t *old = attr_ints(n, "axes", &count);
    for (uint32_t i = 0; i < count; i++)
        axes[i + 1] = old[i] + 1;
    x = emit_reduce(r, "reduce_sum", x, count ? count + 1 : 0, axes, 0);
    return emit_reshape(r, x, to->rank, to->shape);
}

/* ------------------------------------------------------------------- states */

static rn_value zeros_in(struct graph *g, rn_value like, struct rn_error *e) {
    const struct gvalue v = *graph_value(g, like);
    struct rn_attr a[3] = {rn_attr_ints("shape", v.rank, v.shape),
                           rn_attr_float("value", 0.0),
                           rn_attr_int("dtype", (int64_t)v.dtype)};
    rn_value out = RN_NONE;
    graph_op(g, "full", 0, NULL, 3, a, 1, &out, e);
    return out;
}

static void add_carry(struct scan_rule *s, uint32_t operand, rn_value port,
                      rn_value first, rn_value next) {
    uint32_t i = s->carry.count++;
    s->carry.values[i] = next;
    s->carry_port[i] = port;
    s->first[i] = first;
    s->carry_of[operand] = i + 1;
}

/* The gradients of states, and sums that are added up step by step. */
static void add_states(struct scan_rule *s) {
    struct rule *r = s->r;
    struct graph *w = s->w;
    for (uint32_t k = 0; k < s->states; k++) {
        if (!s->seed[k])
            continue;
        rn_value next = s->grad[k] ? s->grad[k] : zeros_in(w, s->port[k], r->e);
        rn_value first = r->gout[k] ? r->gout[k] : emit_zeros(r, r->n->in[k]);
        add_carry(s, k, s->seed[k], first, next);
    }
    for (uint32_t k = s->states; k < s->in_count; k++) {
        rn_value g = s->grad[k], sum = RN_NONE;
        if (!g || is_step(s, k)) {
            if (g)
                add_result(&s->out, g);
            continue;
        }
        if (sums_after(s, g)) {
            collect_terms(s, g);
            continue;
        }
        const struct gvalue v = w->values[s->port[k]];
        rn_value in[2] = {graph_input(w, arena_format(w->arena, "sum %u", k), v.dtype,
                                      v.rank, v.shape),
                          g};
        graph_op(w, "add", 2, in, 0, NULL, 1, &sum, r->e);
        add_carry(s, k, in[0], emit_zeros(r, r->n->in[k]), sum);
    }
}

/* ---------------------------------------------------------- what is saved */

/* Cheap to compute again from what is there. */
static bool is_cheap(const struct gnode *n) {
    uint32_t traits = n->op->traits;
    return n->data || (traits & OP_ELEMENTWISE && !(traits & OP_COSTLY)) ||
           traits & OP_VIEW || (!n->in_count && !(traits & OP_SOURCE));
}

/* The backward body reads v: a port, something saved, or computed in it. */
static void need(struct scan_rule *s, rn_value v) {
    const struct gnode *n = maker(s, v);
    uint32_t at = s->w->values[v].node, k = operand_of(s, v);
    if (k < s->in_count) {
        if (k < s->states)
            s->saved[v] = true;
        else
            s->used[v] = true;
        return;
    }
    if (at < s->forward && !is_cheap(n)) {
        s->saved[v] = true;
        return;
    }
    if (s->needed[at])
        return;
    s->needed[at] = true;
    for (uint32_t i = 0; i < n->in_count; i++)
        need(s, n->in[i]);
}

/* The forward scan with what is saved as further results. */
static int save(struct scan_rule *s) {
    const struct rule *r = s->r;
    struct graph *g = r->g, *w = s->w;
    uint32_t count = w->output_count;
    for (rn_value v = 1; v < w->value_count; v++) {
        uint32_t have = s->states;
        if (!s->saved[v])
            continue;
        while (have < w->output_count && w->outputs[have].value != v)
            have++;
        s->saved_at[v] = have;
        if (have == w->output_count &&
            graph_output(w, scan_port_name(w->arena, have), v, r->e) != RN_OK)
            return r->e->status;
    }
    if (w->output_count == count)
        return RN_OK;
    struct graph *body = graph_simplify(w, g->arena, r->e);
    if (!body)
        return r->e->status;
    return scan_widen(g, s->node, body, r->e);
}

/* ------------------------------------------------------------ backward scan */

static rn_value port_for(struct graph *g, const struct gvalue *v, uint32_t place) {
    return graph_input(g, scan_port_name(g->arena, place), v->dtype, v->rank, v->shape);
}

struct port_edit {
    struct scan_rule *s;
    uint32_t *place; /* by value of w: port of the backward body + 1; 0: none */
};

/* Ports and saved values become the backward body's inputs. */
static int edit_node(void *context, struct graph *g, const struct gnode *n,
                     rn_value *in, rn_value *out, struct rn_error *e) {
    struct port_edit *p = context;
    const struct graph *w = p->s->w;
    bool any = false;
    (void)in, (void)e;
    for (uint32_t i = 0; i < n->out_count; i++)
        any |= p->place[n->out[i]] != 0;
    for (uint32_t i = 0; any && i < n->out_count; i++)
        if (p->place[n->out[i]])
            out[i] = port_for(g, &w->values[n->out[i]], p->place[n->out[i]] - 1);
    if (!any && named(n, "input")) { /* nothing that stays reads it */
        const struct gvalue *v = &w->values[n->out[0]];
        out[0] = graph_input(g, arena_format(g->arena, "unused %s", n->name), v->dtype,
                             v->rank, v->shape);
        any = true;
    }
    return any;
}

static rn_value edit_result(void *context, struct graph *g, rn_value v,
                            struct rn_error *e) {
    (void)context, (void)g, (void)e;
    return v;
}

static int set_outputs(struct scan_rule *s) {
    struct graph *w = s->w;
    w->outputs = NULL;
    w->output_count = w->output_capacity = 0;
    for (uint32_t i = 0; i < s->carry.count + s->out.count; i++) {
        rn_value v =
            i < s->carry.count ? s->carry.values[i] : s->out.values[i - s->carry.count];
        if (graph_output(w, scan_port_name(w->arena, i), v, s->r->e) != RN_OK)
            return s->r->e->status;
    }
    return RN_OK;
}

/* Operands of the backward scan, in order: carried, step by step, fixed. */
static int run_backward(struct scan_rule *s) {
    struct rule *r = s->r;
    struct graph *w = s->w, *g = r->g, *body = NULL;
    struct arena *a = g->arena;
    struct port_edit edit = {s, arena_array(a, uint32_t, w->value_count + 1)};
    rn_value *in = arena_array(a, rn_value, w->value_count + 1);
    uint32_t n = 0, steps;
    for (; n < s->carry.count; n++) {
        in[n] = s->first[n];
        edit.place[s->carry_port[n]] = n + 1;
    }
    for (uint32_t k = s->states; k < s->out_count; k++)
        if (s->seed[k]) {
            in[n] = r->gout[k];
            edit.place[s->seed[k]] = ++n;
        }
    for (rn_value v = 1; v < w->value_count; v++) {
        uint32_t k = operand_of(s, v);
        bool step = k < s->in_count && is_step(s, k) && s->used[v];
        if (!step && !s->saved[v])
            continue;
        in[n] = step ? r->n->in[k] : g->nodes[s->node].out[s->saved_at[v]];
        edit.place[v] = ++n;
    }
    steps = n - s->carry.count;
    for (uint32_t k = s->states + s->steps; k < s->in_count; k++)
        if (s->used[s->port[k]]) {
            in[n] = r->n->in[k];
            edit.place[s->port[k]] = ++n;
        }
    struct graph_edit pass = {edit_node, edit_result, &edit};
    int status = set_outputs(s);
    if (status == RN_OK)
        status = graph_rewrite(w, a, &pass, &body, r->e);
    if (status == RN_OK && !(body = graph_simplify(body, a, r->e)))
        status = r->e->status;
    if (status != RN_OK)
        return status;
    const struct gnode *made =
        scan_append(g, n, in, s->carry.count, steps, attr_int(r->n, "length"),
                    !attr_int(r->n, "reverse"), body);
    s->made = made->out;
    return scan_check(g, made, r->e);
}

static void hand_out(struct scan_rule *s) {
    struct rule *r = s->r;
    for (uint32_t k = 0; k < s->in_count; k++) {
        if (s->carry_of[k])
            r->gin[k] = s->made[s->carry_of[k] - 1];
        else if (s->grad[k] && is_step(s, k))
            r->gin[k] = s->made[s->carry.count + add_result(&s->out, s->grad[k])];
        else if (s->grad[k] && k >= s->states)
            r->gin[k] = sum_of_steps(s, s->grad[k]);
    }
}

int scan_gradient(struct rule *r) {
    struct arena *a = r->g->arena;
    uint32_t n = r->n->in_count, m = r->n->out_count;
    struct scan_rule s = {.r = r,
                          .node = r->g->values[r->n->out[0]].node,
                          .states = scan_states(r->n),
                          .steps = scan_steps(r->n),
                          .in_count = n,
                          .out_count = m};
    s.port = arena_array(a, rn_value, 2 * (size_t)n + m + 1);
    s.grad = s.port + n;
    s.seed = s.grad + n;
    s.carry_of = arena_array(a, uint32_t, n + 1);
    s.carry.values = arena_array(a, rn_value, 3 * (size_t)n + 1);
    s.carry_port = s.carry.values + n;
    s.first = s.carry_port + n;
    int status = copy_body(&s);
    if (status == RN_OK)
        status = differentiate(&s);
    if (status != RN_OK)
        return status;
    uint32_t values = s.w->value_count + 4 * n + 1;
    s.saved = arena_array(a, bool, values);
    s.out.values = arena_array(a, rn_value, values);
    add_states(&s); /* may add values */
    if (r->e->status)
        return r->e->status;
    s.used = arena_array(a, bool, values);
    s.saved_at = arena_array(a, uint32_t, values);
    s.needed = arena_array(a, bool, s.w->node_count + 1);
    for (uint32_t i = 0; i < s.carry.count; i++)
        need(&s, s.carry.values[i]);
    for (uint32_t i = 0; i < s.out.count; i++)
        need(&s, s.out.values[i]);
    status = save(&s);
    if (status == RN_OK)
        status = run_backward(&s);
    if (status == RN_OK)
        hand_out(&s);
    return status;
}
