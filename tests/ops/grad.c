/* SPDX-License-Identifier: Apache-2.0 */
/* Mode grad: on the reference in f64, L = sum w y with random w, dL/dx by the gradient
 * rules against central differences; then the same of M = sum v dL/dx, which is the
 * second derivative. Single elements and random directions through all operands at
 * once. Inputs are random, so kinks and ties are not met. */
#include <math.h>
#include <stdlib.h>

#include "graph/internal.h"
#include "ops.h"

#define STEP 1e-5 /* differences err by STEP^2 f'''/6 and 1e-16 |L| / STEP */

struct derivative {
    struct built b;
    struct exe x;
    const char *text;
    uint32_t floats[CASE_INPUTS], n; /* the inputs that are floats */
    double *at[CASE_INPUTS];         /* their values */
    double *gradient[CASE_INPUTS];
    rn_value scalar[2]; /* L and M */
    bool flows;
};

static rn_value op2(struct graph *g, const char *op, rn_value x, rn_value y,
                    struct rn_error *e) {
    rn_value in[2] = {x, y}, out = RN_NONE;
    if (x && y)
        graph_op(g, op, 2, in, 0, NULL, 1, &out, e);
    return out;
}

/* total + sum of x times a new input of x's shape */
static rn_value weigh(struct built *b, rn_value total, rn_value x, struct rn_error *e) {
    const struct gvalue v = *graph_value(b->graph, x);
    rn_value w, out = RN_NONE;
    if (b->input_count == CASE_INPUTS) {
        error_set(e, RN_E_INTERNAL, "too many operands");
        return RN_NONE;
    }
    w = built_input(b, v.dtype, v.rank, v.shape);
    rn_value product = op2(b->graph, "mul", x, w, e);
    graph_op(b->graph, "reduce_sum", 1, &product, 0, NULL, 1, &out, e);
    if (v.dtype == RN_F32) {
        struct rn_attr a = rn_attr_int("dtype", RN_F64);
        graph_op(b->graph, "cast", 1, &out, 1, &a, 1, &out, e);
    }
    return total ? op2(b->graph, "add", total, out, e) : out;
}

/* Outputs "L", "g0", ..., and in a second graph "M", "h0", ... */
static bool describe(struct derivative *d, int order, struct rn_error *e) {
    struct built *b = &d->b;
    struct graph *g = b->graph;
    rn_value xs[CASE_INPUTS], gs[CASE_INPUTS], total = RN_NONE;
    uint32_t outputs = g->output_count;
    for (uint32_t i = 0; i < b->input_count; i++)
        if (dtype_float(graph_value(g, b->inputs[i].value)->dtype)) {
            d->floats[d->n] = i;
            xs[d->n++] = b->inputs[i].value;
        }
    for (uint32_t i = 0; i < outputs; i++)
        if (dtype_float(g->values[g->outputs[i].value].dtype))
            total = weigh(b, total, g->outputs[i].value, e);
    g->output_count = 0; /* from here on the graph is about L */
    if (!total)
        return false;
    for (int k = 0; k < order; k++) {
        rn_value next = RN_NONE;
        d->scalar[k] = total;
        if (graph_gradient(g, 1, &total, NULL, d->n, xs, gs, e) != RN_OK)
            return false;
        d->flows = false;
        for (uint32_t i = 0; i < d->n; i++)
            d->flows |= gs[i] != RN_NONE;
        for (uint32_t i = 0; i < d->n && k + 1 < order; i++)
            if (gs[i])
                next = weigh(b, next, gs[i], e);
        if (k + 1 == order || !next)
            break;
        total = next;
    }
    graph_output(g, "L", total, e);
    for (uint32_t i = 0; i < d->n && d->flows; i++) {
        char port[16];
        snprintf(port, sizeof port, "g%u", i);
        if (gs[i])
            graph_output(g, port, gs[i], e);
    }
    return e->status == RN_OK;
}

static double *input_of(struct derivative *d, uint32_t i) {
    return exe_input(&d->x, d->b.inputs[d->floats[i]].name);
}

/* L at the point moved by t along the direction. */
static double value_at(struct derivative *d, double *const *direction, double t) {
    for (uint32_t i = 0; i < d->n; i++) {
        const struct case_input *in = &d->b.inputs[d->floats[i]];
        double *to = input_of(d, i);
        for (uint64_t k = 0; to && k < in->count; k++)
            to[k] = d->at[i][k] + t * direction[i][k];
    }
    exe_run(&d->x);
    const double *l = exe_output(&d->x, "L");
    return l ? *l : NAN;
}

static void compare(struct derivative *d, double *const *direction, int order,
                    const char *what, uint64_t which) {
    double up = value_at(d, direction, STEP), down = value_at(d, direction, -STEP);
    double by_difference = (up - down) / (2.0 * STEP), by_rule = 0.0, size = 0.0;
    for (uint32_t i = 0; i < d->n; i++)
        for (uint64_t k = 0; k < d->b.inputs[d->floats[i]].count; k++) {
            by_rule += direction[i][k] * d->gradient[i][k];
            size += fabs(direction[i][k] * d->gradient[i][k]);
        }
    /* truncation goes with the size of the function, rounding with that of L */
    double allowed = 3e-7 * (size + 1.0) + 1e-10 * fabs(up);
    ops_check(fabs(by_difference - by_rule) <= allowed,
              "%s, derivative %d, %s %llu: %.9g by the rule, %.9g by differences",
              d->text, order, what, (unsigned long long)which, by_rule, by_difference);
}

static void keep_gradient(struct derivative *d) {
    for (uint32_t i = 0; i < d->n; i++) {
        char port[16];
        uint64_t count = d->b.inputs[d->floats[i]].count;
        snprintf(port, sizeof port, "g%u", i);
        if (program_output_index(d->x.p, port) < 0)
            continue; /* none: zero */
        memcpy(d->gradient[i], exe_output(&d->x, port), count * sizeof(double));
    }
}

static void compare_all(struct derivative *d, int order) {
    double *direction[CASE_INPUTS];
    uint32_t state = 12345;
    for (uint32_t i = 0; i < d->n; i++)
        direction[i] = calloc(d->b.inputs[d->floats[i]].count, sizeof(double));
    for (uint32_t i = 0; i < d->n; i++) {
        uint64_t count = d->b.inputs[d->floats[i]].count, step = count / 7 + 1;
        for (uint64_t k = 0; k < count; k += step) {
            direction[i][k] = 1.0;
            compare(d, direction, order, "element", k);
            direction[i][k] = 0.0;
        }
    }
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < d->n; i++)
            for (uint64_t k = 0; k < d->b.inputs[d->floats[i]].count; k++) {
                state = state * 1664525u + 1013904223u;
                direction[i][k] = (state >> 8) / 8388608.0 - 1.0;
            }
        compare(d, direction, order, "direction", round);
    }
    for (uint32_t i = 0; i < d->n; i++)
        free(direction[i]);
}

/* order 1: of L; order 2: of M = sum v dL/dx. False: there is none to check. */
static bool differentiate(const struct opened *reference, const struct op_case *c,
                          int order) {
    struct derivative d = {.text = c->text};
    struct rn_error e = {0};
    if (!case_build(c->text, true, &d.b)) {
        built_free(&d.b);
        ops_check(false, "%s cannot be built", c->text);
        return false;
    }
    bool good = describe(&d, order, &e), flows = d.flows;
    ops_check(e.status == RN_OK, "%s, derivative %d: %s", c->text, order, e.message);
    if (good && order == 1)
        ops_check(flows == !(c->flags & CASE_FLAT) || !d.n, "%s: a gradient %s",
                  c->text, flows ? "flows" : "does not flow");
    if (order == 2 && !d.scalar[1])
        good = false; /* the gradient does not depend on a float: linear in none */
    if (good && d.n) {
        good = exe_open(&d.x, reference, d.b.graph, false) && exe_fill(&d.x, &d.b);
        for (uint32_t i = 0; i < d.n && good; i++) {
            uint64_t count = d.b.inputs[d.floats[i]].count;
            d.at[i] = calloc(count, sizeof(double));
            d.gradient[i] = calloc(count, sizeof(double));
            const double *from = input_of(&d, i);
            if (from)
                memcpy(d.at[i], from, count * sizeof(double));
        }
        good = good && exe_run(&d.x);
        ops_check(good, "%s, derivative %d: %s", c->text, order, d.x.e.message);
        if (good) {
            keep_gradient(&d);
            compare_all(&d, order);
        }
        for (uint32_t i = 0; i < d.n; i++) {
            free(d.at[i]);
            free(d.gradient[i]);
        }
        exe_close(&d.x);
    }
    built_free(&d.b);
    return good;
}

static bool is_special(const char *text) {
    const char *end = strrchr(text, ';');
    for (const char *s = text; s < end; s++)
        if (*s == '!')
            return true;
    return false;
}

void mode_grad(const struct opened *reference, const char *only) {
    bool *checked = calloc(op_count(), sizeof *checked);
    for (uint32_t i = 0; i < op_case_count; i++) {
        const struct op_case *c = &op_cases[i];
        char name[40];
        if ((only && !strstr(c->text, only)) ||
            c->flags & (CASE_LARGE | CASE_DEFINED) || is_special(c->text))
            continue;
        struct built b;
        bool reads_float = false, gives_float = false;
        if (case_build(c->text, true, &b)) {
            for (uint32_t k = 0; k < b.input_count; k++)
                reads_float |= dtype_float(b.inputs[k].dtype);
            for (uint32_t k = 0; k < b.graph->output_count; k++)
                gives_float |=
                    dtype_float(b.graph->values[b.graph->outputs[k].value].dtype);
        }
        built_free(&b);
        case_op_name(c->text, name, sizeof name);
        for (uint32_t k = 0; k < op_count(); k++)
            checked[k] |= strcmp(op_name(op_at(k)), name) == 0;
        if (!reads_float || !gives_float)
            continue; /* nothing to differentiate: see edges.c */
        if (differentiate(reference, c, 1) && !(c->flags & (CASE_FLAT | CASE_ONCE)))
            differentiate(reference, c, 2);
    }
    for (uint32_t k = 0; k < op_count() && !only; k++) {
        const char *name = op_name(op_at(k));
        bool apart = op_traits(op_at(k)) & OP_SOURCE || strcmp(name, "custom") == 0 ||
                     strcmp(name, "scan") == 0 || /* scan.c */
                     strcmp(name, "stop_gradient") == 0 ||
                     strcmp(name, "straight_through") == 0;
        ops_check(checked[k] || apart, "operator %s has no case for its gradient",
                  name);
    }
    free(checked);
    if (!only)
        grad_edges(reference);
}
