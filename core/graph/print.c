/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a graph: text, dot, costs. */
#include <string.h>

#include "base/hash.h"
#include "graph/internal.h"

static void print_type(const struct gvalue *v, struct text *out) {
    text_addf(out, "%s[", dtype_name(v->dtype));
    for (uint32_t i = 0; i < v->rank; i++)
        text_addf(out, "%s%lld", i ? "," : "", (long long)v->shape[i]);
    text_add(out, "]");
}

static void print_attr(const struct rn_attr *a, struct text *out) {
    text_addf(out, " %s=", a->name);
    if (a->type == RN_ATTR_FLOAT) {
        text_addf(out, "%.9g", a->f);
    } else if (a->type == RN_ATTR_STRING) {
        text_add(out, a->p);
    } else if (a->type == RN_ATTR_INTS) {
        text_add(out, "[");
        for (uint32_t i = 0; i < a->count; i++)
            text_addf(out, "%s%lld", i ? "," : "",
                      (long long)((const int64_t *)a->p)[i]);
        text_add(out, "]");
    } else if (strcmp(a->name, "dtype") == 0) {
        text_add(out, dtype_name((rn_dtype)a->i));
    } else {
        text_addf(out, "%lld", (long long)a->i);
    }
}

/* A scalar's value; of a tensor, a hash of its bytes. */
static void print_constant(const struct gvalue *v, const void *data, struct text *out) {
    uint64_t count = elements(v), bytes = count * RN_DTYPE_BYTES(v->dtype);
    if (count == 1 && v->dtype == RN_F32)
        text_addf(out, " %.9g", (double)*(const float *)data);
    else if (count == 1 && v->dtype == RN_F64)
        text_addf(out, " %.17g", *(const double *)data);
    else if (count == 1 && v->dtype == RN_I64)
        text_addf(out, " %lld", (long long)*(const int64_t *)data);
    else if (count == 1 && v->dtype == RN_I32)
        text_addf(out, " %d", *(const int32_t *)data);
    else
        text_addf(out, " #%016llx", (unsigned long long)fnv1a(data, bytes));
}

static void print_body(const struct graph *g, int depth, struct text *out);

static void print_node(const struct graph *g, const struct gnode *n, int depth,
                       struct text *out) {
    text_addf(out, "%*s", 2 * depth, "");
    for (uint32_t i = 0; i < n->out_count; i++)
        text_addf(out, "%s%%%u", i ? ", " : "", n->out[i]);
    text_addf(out, " = %s", n->custom ? n->custom->name : n->op->name);
    if (n->op->traits & OP_SOURCE) {
        if (n->name)
            text_addf(out, " \"%s\"", n->name);
        else if (!n->data)
            text_addf(out, " \"%s\"", variables_at(g->variables, n->variable)->name);
        else
            print_constant(&g->values[n->out[0]], n->data, out);
    } else {
        text_add(out, "(");
        for (uint32_t i = 0; i < n->in_count; i++)
            text_addf(out, "%s%%%u", i ? ", " : "", n->in[i]);
        text_add(out, ")");
    }
    for (uint32_t i = 0; i < n->attr_count; i++)
        if (n->attrs[i].i || strcmp(n->attrs[i].name, "dtype") != 0) /* as operands */
            print_attr(&n->attrs[i], out);
    text_add(out, " : ");
    for (uint32_t i = 0; i < n->out_count; i++) {
        text_add(out, i ? ", " : "");
        print_type(&g->values[n->out[i]], out);
    }
    if (n->scope && n->scope[0])
        text_addf(out, " @%s", n->scope);
    text_add(out, "\n");
    if (n->body)
        print_body(n->body, depth + 1, out);
}

/* Nodes and outputs; a body's stand below its node, indented. */
static void print_body(const struct graph *g, int depth, struct text *out) {
    for (uint32_t i = 0; i < g->node_count; i++)
        print_node(g, &g->nodes[i], depth, out);
    for (uint32_t i = 0; i < g->output_count; i++)
        text_addf(out, "%*soutput \"%s\" %%%u\n", 2 * depth, "", g->outputs[i].name,
                  g->outputs[i].value);
}

void graph_print(const struct graph *g, struct text *out) {
    text_addf(out, "program %s\n", g->name);
    print_body(g, 0, out);
    for (uint32_t i = 0; i < g->assign_count; i++)
        text_addf(out, "assign \"%s\" %%%u\n",
                  variables_at(g->variables, g->assigns[i].variable)->name,
                  g->assigns[i].value);
}

void graph_dot(const struct graph *g, struct text *out) {
    text_addf(out, "digraph \"%s\" {\n  rankdir=TB; node [shape=box, fontsize=10];\n",
              g->name);
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        const char *what = n->custom ? n->custom->name : n->op->name;
        bool variable = n->op->traits & OP_SOURCE && !n->name && !n->data;
        text_addf(out, "  n%u [label=\"%s\\n", i,
                  n->name    ? n->name
                  : variable ? variables_at(g->variables, n->variable)->name
                             : what);
        if (n->scope && n->scope[0])
            text_addf(out, "%s\\n", n->scope);
        print_type(&g->values[n->out[0]], out);
        text_addf(out, "\"%s];\n",
                  n->op->traits & OP_SOURCE ? ", style=filled, fillcolor=lightgrey"
                                            : "");
        for (uint32_t k = 0; k < n->in_count; k++)
            text_addf(out, "  n%u -> n%u;\n", g->values[n->in[k]].node, i);
    }
    for (uint32_t i = 0; i < g->output_count; i++)
        text_addf(out, "  o%u [label=\"%s\", shape=ellipse];\n  n%u -> o%u;\n", i,
                  g->outputs[i].name, g->values[g->outputs[i].value].node, i);
    text_add(out, "}\n");
}

bool graph_op_picks(const char *op) {
    static const char *const names[] = {"gather", "embedding", "take_along", "pick",
                                        "slice"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(op, names[i]) == 0)
            return true;
    return false;
}

/* A multiply-add counts 2, any other elementwise operation 1 an element. */
uint64_t gnode_flops(const struct graph *g, const struct gnode *n) {
    const char *name = n->op->name;
    uint64_t out = n->out_count ? elements(&g->values[n->out[0]]) : 0;
    if (n->op->traits & (OP_SOURCE | OP_VIEW) || graph_op_picks(name))
        return 0;
    if (n->body) {
        uint64_t step = 0;
        for (uint32_t i = 0; i < n->body->node_count; i++)
            step += gnode_flops(n->body, &n->body->nodes[i]);
        return step * (uint64_t)attr_int(n, "length");
    }
    if (strcmp(name, "matmul") == 0) {
        const struct gvalue *a = &g->values[n->in[0]];
        uint64_t k = (uint64_t)a->shape[a->rank - (attr_int(n, "trans_a") ? 2 : 1)];
        return 2 * out * k;
    }
    if (strcmp(name, "linear") == 0 || strcmp(name, "linear_relu") == 0)
        return 2 * out * (uint64_t)g->values[n->in[1]].shape[1];
    if (strcmp(name, "linear_grad_weight") == 0) /* and the bias's */
        return 2 * out * (uint64_t)g->values[n->in[0]].shape[0] +
               elements(&g->values[n->in[0]]);
    if (strcmp(name, "conv2d") == 0) {
        const struct gvalue *w = &g->values[n->in[1]];
        return 2 * out * (uint64_t)(w->shape[1] * w->shape[2] * w->shape[3]);
    }
    if (strcmp(name, "conv2d_grad_input") == 0) {
        const struct gvalue *w = &g->values[n->in[0]];
        return 2 * elements(&g->values[n->in[1]]) *
               (uint64_t)(w->shape[1] * w->shape[2] * w->shape[3]);
    }
    if (strcmp(name, "conv2d_grad_weight") == 0) {
        const struct gvalue *w = &g->values[n->out[0]];
        return 2 * elements(&g->values[n->in[1]]) *
               (uint64_t)(w->shape[1] * w->shape[2] * w->shape[3]);
    }
    if (strncmp(name, "attention", 9) == 0) { /* two products, and five for gradients */
        const struct gvalue *q = &g->values[n->in[0]], *v = &g->values[n->in[2]];
        uint64_t keys = (uint64_t)v->shape[v->rank - 2];
        uint64_t deep = 2 * elements(q) * keys;
        uint64_t wide =
            deep / (uint64_t)q->shape[q->rank - 1] * (uint64_t)v->shape[v->rank - 1];
        return name[9] ? 3 * deep + 2 * wide : deep + wide;
    }
    if (n->op->traits & OP_REDUCTION)
        return elements(&g->values[n->in[0]]);
    if (n->op->traits & OP_ELEMENTWISE)
        return out;
    uint64_t widest = out;
    for (uint32_t i = 0; i < n->in_count; i++) {
        uint64_t k = elements(&g->values[n->in[i]]);
        widest = k > widest ? k : widest;
    }
    return widest;
}
