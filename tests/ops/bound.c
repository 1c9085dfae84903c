/* SPDX-License-Identifier: Apache-2.0 */
/* How far may an f32 result be from the truth? The graph, taken apart into primitives,
 * runs in f64 with f32's inputs and constants: the truth T. Beside each value runs a
 * bound E on the error of the same value computed in f32, by running error analysis to
 * first order (Higham, Accuracy and Stability, 2nd ed. 2002, section 3.3), u = 2^-24:
 *
 *   z = x op y          E = |dz/dx| Ex + |dz/dy| Ey + c u |z|, c = 1 for correctly
 *                       rounded arithmetic, 4 for the functions of numerics.h
 *   z = sum of n terms  E = sum E + g_n sum |terms|, g_n = n u / (1 - n u), which holds
 *                       for any order of summation and so for any library (eq. 4.4)
 *   z = product, conv   E = |a| . Eb + Ea . |b| + g_K |a| . |b|, K terms in each sum
 *   what only moves     E moves along
 *
 * The bound is itself a graph, appended to the f64 graph, so it runs wherever the truth
 * does. Comparisons and indices are taken as right: cases keep away from ties. */
#include <stdlib.h>

#include "graph/internal.h"
#include "ops.h"

#define UNIT 5.9604644775390625e-8 /* 2^-24 */
#define TINY 1.5e-45               /* an f32 denormal: what underflow may lose */

struct bounder {
    struct graph *g;
    rn_value *error; /* by value of g; RN_NONE: exact */
    bool failed;
    struct rn_error e;
};

static rn_value op(struct bounder *b, const char *name, uint32_t n, const rn_value *in,
                   uint32_t n_attr, const struct rn_attr *attrs) {
    rn_value out = RN_NONE;
    if (graph_op(b->g, name, n, in, n_attr, attrs, 1, &out, &b->e) != RN_OK)
        b->failed = true;
    return out;
}
static rn_value op1(struct bounder *b, const char *name, rn_value x) {
    return op(b, name, 1, &x, 0, NULL);
}
static rn_value op2(struct bounder *b, const char *name, rn_value x, rn_value y) {
    rn_value in[2] = {x, y};
    return op(b, name, 2, in, 0, NULL);
}
static rn_value scaled(struct bounder *b, rn_value x, double by) {
    return op2(b, "mul", x, graph_scalar(b->g, RN_F64, by));
}
static rn_value plus(struct bounder *b, rn_value x, rn_value y) {
    return !x ? y : !y ? x : op2(b, "add", x, y);
}
static rn_value magnitude(struct bounder *b, rn_value x) {
    return op1(b, "abs", x);
}
/* x, or zeros of the shape of v */
static rn_value or_zeros(struct bounder *b, rn_value x, rn_value v) {
    return x ? x : scaled(b, magnitude(b, v), 0.0);
}
/* The node again on other operands; its shape and attributes are the same. */
static rn_value again(struct bounder *b, const struct gnode *n, const rn_value *in) {
    return op(b, n->op->name, n->in_count, in, n->attr_count, n->attrs);
}
static double gamma_of(double n) {
    return n * UNIT / (1.0 - n * UNIT);
}

static bool one_of(const char *name, const char *list) {
    char word[40];
    snprintf(word, sizeof word, " %s ", name);
    return strstr(list, word) != NULL;
}

/* Elementwise: derivatives from the gradient rules, one element each. */
static rn_value elementwise(struct bounder *b, const struct gnode *n) {
    rn_value in[3], grad[3] = {RN_NONE, RN_NONE, RN_NONE}, z, e = RN_NONE;
    const struct gvalue out = b->g->values[n->out[0]];
    struct rn_attr shape = rn_attr_ints("shape", out.rank, out.shape);
    bool carried = false;
    for (uint32_t i = 0; i < n->in_count; i++) {
        in[i] = op(b, "broadcast_to", 1, &n->in[i], 1, &shape);
        carried |= b->error[n->in[i]] != RN_NONE;
    }
    if (carried) {
        z = again(b, n, in);
        if (graph_gradient(b->g, 1, &z, NULL, n->in_count, in, grad, &b->e) != RN_OK)
            b->failed = true;
    }
    for (uint32_t i = 0; i < n->in_count && carried; i++)
        if (grad[i] && b->error[n->in[i]])
            e = plus(b, e, op2(b, "mul", magnitude(b, grad[i]), b->error[n->in[i]]));
    double c = one_of(n->op->name, " add sub mul div sqrt ") ? 1.0 : 4.0;
    rn_value own = scaled(b, magnitude(b, n->out[0]), c * UNIT);
    return plus(b, e, op2(b, "add", own, graph_scalar(b->g, RN_F64, TINY)));
}

static double per_output(const struct bounder *b, const struct gnode *n) {
    return (double)graph_elements(b->g, n->in[0]) /
           (double)graph_elements(b->g, n->out[0]);
}

/* Terms in each sum of a product, the bias and the weights' roundings with them. */
static double terms(const struct bounder *b, const struct gnode *n) {
    const struct gvalue *v = b->g->values;
    const struct gvalue *x = &v[n->in[0]], *y = &v[n->in[1]], *o = &v[n->out[0]];
    const char *name = n->op->name;
    if (strcmp(name, "matmul") == 0)
        return 2.0 + (double)x->shape[x->rank - (attr_int(n, "trans_a") ? 2 : 1)];
    if (strcmp(name, "conv2d") == 0)
        return 3.0 + (double)(y->shape[1] * y->shape[2] * y->shape[3]);
    if (strcmp(name, "conv2d_grad_input") == 0)
        return 2.0 + (double)(x->shape[0] * x->shape[2] * x->shape[3]);
    (void)o;
    return 2.0 + (double)(y->shape[0] * y->shape[2] * y->shape[3]);
}

static rn_value bilinear(struct bounder *b, const struct gnode *n) {
    rn_value in[3], e = RN_NONE;
    for (uint32_t i = 0; i < n->in_count; i++)
        in[i] = magnitude(b, n->in[i]);
    e = scaled(b, again(b, n, in), gamma_of(terms(b, n)));
    for (uint32_t i = 0; i < n->in_count; i++) {
        rn_value carried = b->error[n->in[i]];
        if (!carried)
            continue;
        rn_value with[3] = {in[0], in[1], n->in_count > 2 ? in[2] : RN_NONE};
        with[i] = carried;
        if (n->in_count > 2 && i < 2) /* the bias must not be counted again */
            with[2] = scaled(b, in[2], 0.0);
        if (i == 2)
            with[0] = scaled(b, in[0], 0.0);
        e = plus(b, e, again(b, n, with));
    }
    return e;
}

/* Linear in operand `x` (others are indices or places): sum of up to `count` terms. */
static rn_value linear_in(struct bounder *b, const struct gnode *n, const uint32_t *x,
                          uint32_t n_x, double count) {
    rn_value in[3], e = RN_NONE;
    bool carried = false;
    memcpy(in, n->in, n->in_count * sizeof *in);
    for (uint32_t i = 0; i < n_x; i++) {
        in[x[i]] = magnitude(b, n->in[x[i]]);
        carried |= b->error[n->in[x[i]]] != RN_NONE;
    }
    if (count > 0.0)
        e = scaled(b, again(b, n, in), gamma_of(count));
    for (uint32_t i = 0; i < n_x && carried; i++)
        in[x[i]] = or_zeros(b, b->error[n->in[x[i]]], n->in[x[i]]);
    return carried ? plus(b, e, again(b, n, in)) : e;
}

/* Weights of a resize are computed in f32 from coordinates up to the image's side: an
 * error of some u * side each, times the largest pixel there is. */
static rn_value resized(struct bounder *b, const struct gnode *n) {
    const struct gvalue *x = &b->g->values[n->in[0]], *y = &b->g->values[n->out[0]];
    double side = 1.0, overlap = 1.0;
    for (int i = 2; i < 4; i++) {
        side = fmax(side, fmax((double)x->shape[i], (double)y->shape[i]));
        overlap *= ceil((double)x->shape[i] / (double)y->shape[i]) + 2.0;
    }
    rn_value most = op1(b, "reduce_max", magnitude(b, n->in[0]));
    uint32_t zero = 0;
    return op2(b, "add", linear_in(b, n, &zero, 1, overlap + 4.0),
               scaled(b, most, 8.0 * UNIT * side * overlap));
}

static rn_value product_of_all(struct bounder *b, const struct gnode *n) {
    rn_value e = scaled(b, magnitude(b, n->out[0]), gamma_of(per_output(b, n)));
    if (b->error[n->in[0]]) {
        rn_value part = op2(b, "div", b->error[n->in[0]], magnitude(b, n->in[0]));
        struct rn_attr a[2] = {*gnode_attr(n, "axes"), *gnode_attr(n, "keep")};
        part = op(b, "reduce_sum", 1, &part, 2, a);
        e = plus(b, e, op2(b, "mul", magnitude(b, n->out[0]), part));
    }
    return e;
}

/* The largest error of the line goes everywhere: a sort may exchange near ties. */
static rn_value sorted(struct bounder *b, const struct gnode *n) {
    const struct gvalue out = b->g->values[n->out[0]];
    int64_t axis = attr_int(n, "axis");
    struct rn_attr a[2] = {rn_attr_ints("axes", 1, &axis), rn_attr_int("keep", 1)};
    struct rn_attr shape = rn_attr_ints("shape", out.rank, out.shape);
    if (!b->error[n->in[0]])
        return RN_NONE;
    rn_value e = op(b, "reduce_max", 1, &b->error[n->in[0]], 2, a);
    return op(b, "broadcast_to", 1, &e, 1, &shape);
}

static rn_value error_of(struct bounder *b, const struct gnode *n) {
    static const uint32_t first[1] = {0}, second[1] = {1}, outer[2] = {0, 2};
    const char *name = n->op->name;
    rn_value in[64];
    for (uint32_t i = 0; i < n->in_count && i < 64; i++)
        in[i] = b->error[n->in[i]];
    if (one_of(name,
               " input variable live constant iota random_uniform random_normal "))
        return strcmp(name, "constant") != 0 || graph_elements(b->g, n->out[0]) != 1
                   ? RN_NONE
                   : scaled(b, magnitude(b, n->out[0]), UNIT);
    if (strcmp(name, "full") == 0)
        return scaled(b, magnitude(b, n->out[0]), UNIT);
    if (strcmp(name, "cast") == 0 && !dtype_float(b->g->values[n->in[0]].dtype))
        return scaled(b, magnitude(b, n->out[0]), UNIT); /* large integers round */
    if (one_of(name, " neg abs identity cast "))
        return in[0];
    if (one_of(name, " sign floor ceil round "))
        return RN_NONE;
    if (one_of(name,
               " reshape transpose slice broadcast_to gather take_along reduce_max "
               "reduce_min max_pool2d "))
        return in[0] ? linear_in(b, n, first, 1, 0.0) : RN_NONE;
    if (strcmp(name, "pad") == 0) {
        struct rn_attr a[3] = {*gnode_attr(n, "low"), *gnode_attr(n, "high"),
                               *gnode_attr(n, "interior")};
        return in[0] ? op(b, name, 1, in, 3, a) : RN_NONE;
    }
    if (strcmp(name, "concat") == 0) {
        bool any = false;
        for (uint32_t i = 0; i < n->in_count; i++)
            any |= in[i] != RN_NONE;
        for (uint32_t i = 0; i < n->in_count && any; i++)
            in[i] = or_zeros(b, in[i], n->in[i]);
        return any ? again(b, n, in) : RN_NONE;
    }
    if (one_of(name, " maximum minimum ")) {
        if (!in[0] && !in[1])
            return RN_NONE;
        return op2(b, "maximum", or_zeros(b, in[0], n->in[0]),
                   or_zeros(b, in[1], n->in[1]));
    }
    if (strcmp(name, "select") == 0) {
        if (!in[1] && !in[2])
            return RN_NONE;
        rn_value parts[3] = {n->in[0], or_zeros(b, in[1], n->in[1]),
                             or_zeros(b, in[2], n->in[2])};
        return op(b, "select", 3, parts, 0, NULL);
    }
    if (n->op->traits & OP_ELEMENTWISE)
        return elementwise(b, n);
    if (strcmp(name, "reduce_sum") == 0)
        return linear_in(b, n, first, 1, per_output(b, n));
    if (strcmp(name, "reduce_prod") == 0)
        return product_of_all(b, n);
    if (strcmp(name, "cumsum") == 0)
        return linear_in(b, n, first, 1,
                         (double)b->g->values[n->in[0]].shape[attr_int(n, "axis")]);
    if (one_of(name, " matmul conv2d conv2d_grad_input conv2d_grad_weight "))
        return bilinear(b, n);
    if (one_of(name, " avg_pool2d avg_pool2d_grad ")) {
        const int64_t *k = attr_ints(n, "kernel", NULL);
        return linear_in(b, n, first, 1, (double)(k[0] * k[1]) + 1.0);
    }
    if (one_of(name, " max_pool2d_grad max_pool2d_gather ")) {
        const int64_t *k = attr_ints(n, "kernel", NULL);
        return linear_in(b, n, second, 1, (double)(k[0] * k[1]));
    }
    if (one_of(name, " resize2d resize2d_grad "))
        return resized(b, n);
    if (one_of(name, " scatter_add put_along_add "))
        return linear_in(b, n, outer, 2, (double)graph_elements(b->g, n->in[1]) + 1.0);
    if (one_of(name, " sort top_k "))
        return sorted(b, n);
    error_set(&b->e, RN_E_INTERNAL, "bound.c has no rule for %s", name);
    b->failed = true;
    return RN_NONE;
}

static bool never(void *context, const struct graph *g, const struct gnode *n) {
    (void)context, (void)g, (void)n;
    return false;
}

/* g with outputs "b0", "b1", ... beside those it has. */
static bool add_bounds(struct graph *g, struct rn_error *e) {
    uint32_t nodes = g->node_count, values = g->value_count, outputs = g->output_count;
    struct bounder b = {.g = g, .error = arena_array(g->arena, rn_value, values)};
    for (uint32_t i = 0; i < nodes && !b.failed; i++) {
        const struct gnode n = g->nodes[i]; /* the array may move */
        if (g->values[n.out[0]].dtype == RN_F64)
            b.error[n.out[0]] = error_of(&b, &n);
    }
    for (uint32_t i = 0; i < outputs && !b.failed; i++) {
        char port[16];
        rn_value y = g->outputs[i].value, bound;
        snprintf(port, sizeof port, "b%u", i);
        if (g->values[y].dtype == RN_F64)
            bound = op2(&b, "add", or_zeros(&b, b.error[y], y),
                        graph_scalar(g, RN_F64, TINY));
        else
            bound = y; /* not a float: compared as it is */
        graph_output(g, port, bound, &b.e);
    }
    *e = b.e;
    return !b.failed && !b.e.status;
}

bool bound_graph(const struct built *b, struct built *wide) {
    struct rn_error e = {0};
    struct graph *plain;
    *wide = *b;
    wide->a = arena_create();
    bool good = graph_decompose(b->graph, wide->a, never, NULL, &plain, &e) == RN_OK;
    if (good) {
        wide->variables = variables_create(wide->a);
        wide->graph = graph_to_f64(plain, wide->a, wide->variables, &e);
        good = wide->graph && add_bounds(wide->graph, &e);
    }
    if (!good)
        fprintf(stderr, "bound: %s\n", e.message);
    return good;
}

void bound_split(const struct result *both, struct result *truth,
                 struct result *bound) {
    uint32_t half = both->count / 2;
    memset(truth, 0, sizeof *truth);
    memset(bound, 0, sizeof *bound);
    for (uint32_t i = 0; i < both->count; i++) {
        struct result *r = i < half ? truth : bound;
        uint32_t k = r->count++;
        r->dtype[k] = both->dtype[i];
        r->elements[k] = both->elements[i];
        r->data[k] = both->data[i];
    }
}

bool bound_run(const struct opened *reference, const struct built *b,
               struct result *truth, struct result *bound) {
    struct built wide;
    struct result both = {0};
    bool good = bound_graph(b, &wide) && built_run_once(reference, &wide, false, &both);
    built_free(&wide);
    if (good)
        bound_split(&both, truth, bound);
    return good;
}

double bound_worst(const struct result *got, const struct result *truth,
                   const struct result *bound, char *where, size_t size) {
    double worst = 0.0;
    where[0] = '\0';
    for (uint32_t k = 0; k < got->count; k++)
        for (uint64_t i = 0; i < got->elements[k]; i++) {
            double x = result_at(got, k, i), t = result_at(truth, k, i);
            double b = result_at(bound, k, i), ratio;
            if (got->dtype[k] != RN_F32 && got->dtype[k] != RN_F64)
                ratio = x == t ? 0.0 : INFINITY;
            else if (t != t || x != x)
                ratio = t != t && x != x ? 0.0 : INFINITY;
            else
                ratio = x == t ? 0.0 : fabs(x - t) / b;
            if (ratio <= worst)
                continue;
            worst = ratio;
            snprintf(where, size, "output %u element %llu is %.9g, truly %.12g +- %.3g",
                     k, (unsigned long long)i, x, t, b);
        }
    return worst;
}
