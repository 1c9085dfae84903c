/* SPDX-License-Identifier: Apache-2.0 */
/* The verifier: the invariants of every graph, whatever made it. Passes call it on what
 * they give back; a broken graph is a bug of ours, so the first fault is RN_E_INTERNAL.
 */
#include <string.h>

#include "graph/internal.h"

struct verifier {
    const struct graph *g;
    struct graph scratch; /* g with an arena of its own, for the shape rules */
    bool *padded;         /* by value: some rows may be padding */
    struct rn_error *e;
};

#define FAULT(v, i, format, ...)                                                       \
    error_set((v)->e, RN_E_INTERNAL, "graph %s: node %u (%s) " format, (v)->g->name,   \
              i, name_of(&(v)->g->nodes[i]), __VA_ARGS__)

static const char *name_of(const struct gnode *n) {
    return n->custom ? n->custom->name : n->op ? n->op->name : "none";
}

static int check_operands(const struct verifier *v, uint32_t i) {
    const struct gnode *n = &v->g->nodes[i];
    if ((int)n->in_count < n->op->min_in ||
        (n->op->max_in >= 0 && (int)n->in_count > n->op->max_in))
        return FAULT(v, i, "has %u operands", n->in_count);
    for (uint32_t k = 0; k < n->in_count; k++) {
        const struct gvalue *x = graph_value(v->g, n->in[k]);
        if (!x || x->node >= i)
            return FAULT(v, i, "reads %%%u, which is not made yet", n->in[k]);
    }
    return RN_OK;
}

static int check_outputs(const struct verifier *v, uint32_t i) {
    const struct gnode *n = &v->g->nodes[i];
    uint32_t outs = n->custom ? n->custom->out_count
                    : n->body ? n->out_count
                              : (uint32_t)n->op->outs;
    if (n->out_count != outs)
        return FAULT(v, i, "has %u outputs, not %u", n->out_count, outs);
    for (uint32_t k = 0; k < n->out_count; k++) {
        const struct gvalue *y = graph_value(v->g, n->out[k]);
        if (!y || y->node != i || y->index != k)
            return FAULT(v, i, "is not the only one that makes %%%u", n->out[k]);
        if (strcmp(dtype_name(y->dtype), "?") == 0)
            return FAULT(v, i, "makes %%%u of an unknown type", n->out[k]);
        if (y->rank > RN_MAX_RANK)
            return FAULT(v, i, "makes %%%u of rank %u", n->out[k], y->rank);
        for (uint32_t d = 0; d < y->rank; d++)
            if (y->shape[d] < 1)
                return FAULT(v, i, "has a dimension of %lld", (long long)y->shape[d]);
    }
    return RN_OK;
}

/* Every attribute of the row is there, in the row's order, with the row's type. */
static int check_attributes(const struct verifier *v, uint32_t i) {
    const struct gnode *n = &v->g->nodes[i];
    uint32_t k = 0;
    for (const char *p = n->op->attrs ? n->op->attrs : ""; *p; k++) {
        size_t length = strcspn(p, ":");
        const char *type = p + length + 1;
        int32_t want = strncmp(type, "ints", 4) == 0    ? RN_ATTR_INTS
                       : strncmp(type, "float", 5) == 0 ? RN_ATTR_FLOAT
                                                        : RN_ATTR_INT;
        if (k >= n->attr_count || strncmp(n->attrs[k].name, p, length) != 0 ||
            n->attrs[k].name[length] || n->attrs[k].type != want)
            return FAULT(v, i, "has no attribute '%.*s'", (int)length, p);
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    return k == n->attr_count
               ? RN_OK
               : FAULT(v, i, "has %u attributes too many", n->attr_count - k);
}

/* The shape rule again: what it says is what the values are. */
static int check_rule(struct verifier *v, uint32_t i) {
    const struct gnode *n = &v->g->nodes[i];
    struct rn_error why = {0};
    struct shaper s = {
        .g = &v->scratch,
        .op = n->op,
        .n_in = n->in_count,
        .values = n->in,
        .n_attr = n->attr_count,
        .attrs = arena_array(v->scratch.arena, struct rn_attr, n->attr_count + 1),
        .n_out = n->out_count,
        .e = &why};
    if (n->attr_count)
        memcpy(s.attrs, n->attrs, n->attr_count * sizeof *s.attrs);
    for (uint32_t k = 0; k < n->in_count && k < 64; k++)
        s.in[k] = &v->g->values[n->in[k]];
    if (n->op->shape(&s) != RN_OK)
        return FAULT(v, i, "breaks its rule: %s", why.message);
    for (uint32_t k = 0; k < n->out_count; k++) {
        const struct gvalue *y = &v->g->values[n->out[k]];
        if (y->dtype != s.out[k].dtype)
            return FAULT(v, i, "makes %s, its rule says %s", dtype_name(y->dtype),
                         dtype_name(s.out[k].dtype));
        if (!same_shape(y, &s.out[k]))
            return FAULT(v, i, "makes %%%u of another shape than its rule says",
                         n->out[k]);
    }
    return RN_OK;
}

static int check_source(const struct verifier *v, uint32_t i) {
    const struct gnode *n = &v->g->nodes[i];
    const struct gvalue *y = &v->g->values[n->out[0]];
    const char *op = n->op->name;
    if (strcmp(op, "constant") == 0)
        return n->data ? RN_OK : FAULT(v, i, "has no %s", "data");
    if (strcmp(op, "variable") != 0)
        return n->name ? RN_OK : FAULT(v, i, "has no %s", "name");
    if (n->variable >= variables_count(v->g->variables))
        return FAULT(v, i, "reads variable %u, which there is not", n->variable);
    const struct variable *x = variables_at(v->g->variables, n->variable);
    if (y->dtype != x->dtype || y->rank != x->rank ||
        memcmp(y->shape, x->shape, x->rank * sizeof x->shape[0]) != 0)
        return FAULT(v, i, "reads '%s' as another shape or type", x->name);
    return RN_OK;
}

/* Does the value come from the mask of rows, merely moved or cast? */
static bool is_mask(const struct graph *g, rn_value x) {
    for (;;) {
        const struct gnode *n = &g->nodes[g->values[x].node];
        if (n->masks_rows)
            return true;
        if (n->in_count != 1)
            return false;
        const char *op = n->op->name;
        if (strcmp(op, "reshape") != 0 && strcmp(op, "broadcast_to") != 0 &&
            strcmp(op, "identity") != 0)
            return false;
        x = n->in[0];
    }
}

/* Rows that are padding hold anything. An operator in which rows meet must not read
 * them; select(mask, x, clean) makes them clean. */
static int check_rows(struct verifier *v, uint32_t i) {
    const struct gnode *n = &v->g->nodes[i];
    bool padded = n->padded_rows;
    bool mixes = n->custom ? n->custom->traits & RN_OP_MIXES_ROWS
                           : n->op->traits & OP_MIXES_ROWS;
    bool masked = n->in_count == 3 && strcmp(n->op->name, "select") == 0 &&
                  is_mask(v->g, n->in[0]);
    for (uint32_t k = 0; k < n->in_count; k++)
        padded |= v->padded[n->in[k]] && !(masked && k < 2);
    if (padded && mixes)
        return FAULT(v, i, "mixes rows, and padding reaches it without a %s", "mask");
    for (uint32_t k = 0; k < n->out_count; k++)
        v->padded[n->out[k]] = padded;
    return RN_OK;
}

static int verify(const struct graph *g, const struct gnode *around, const bool *padded,
                  bool *pads, struct rn_error *e);

/* A scan: its ports and its body, in which rows are padding where the operands' are. */
static int check_body(struct verifier *v, uint32_t i) {
    const struct gnode *n = &v->g->nodes[i];
    struct rn_error why = {0};
    bool pads = false;
    int status = scan_check(v->g, n, &why);
    if (status == RN_OK)
        status = verify(n->body, n, v->padded, &pads, &why);
    if (status != RN_OK)
        return FAULT(v, i, "breaks its rule: %s", why.message);
    for (uint32_t k = 0; k < n->out_count; k++)
        v->padded[n->out[k]] = pads;
    return RN_OK;
}

static int check_node(struct verifier *v, uint32_t i) {
    const struct gnode *n = &v->g->nodes[i];
    if (!n->op || !op_known(n->op))
        return FAULT(v, i, "has no %s", "operator");
    if (!n->scope)
        return FAULT(v, i, "has no %s", "scope");
    bool custom = strcmp(n->op->name, "custom") == 0,
         source = n->op->traits & OP_SOURCE;
    if (custom != (n->custom != NULL))
        return FAULT(v, i, "and its kernels do not belong %s", "together");
    if ((strcmp(n->op->name, "scan") == 0) != (n->body != NULL))
        return FAULT(v, i, "and its body do not belong %s", "together");
    int status = check_operands(v, i);
    if (status == RN_OK)
        status = check_outputs(v, i);
    if (status == RN_OK && source)
        status = check_source(v, i);
    if (status == RN_OK && !source && !custom)
        status = check_attributes(v, i);
    if (status == RN_OK && n->body)
        return check_body(v, i);
    if (status == RN_OK && !source && !custom)
        status = check_rule(v, i);
    return status ? status : check_rows(v, i);
}

static int check_results(const struct verifier *v) {
    const struct graph *g = v->g;
    for (uint32_t i = 0; i < g->output_count; i++) {
        if (!graph_value(g, g->outputs[i].value))
            return error_set(v->e, RN_E_INTERNAL,
                             "graph %s: output '%s' is not a value", g->name,
                             g->outputs[i].name);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(g->outputs[k].name, g->outputs[i].name) == 0)
                return error_set(v->e, RN_E_INTERNAL,
                                 "graph %s: output '%s' is given twice", g->name,
                                 g->outputs[i].name);
    }
    for (uint32_t i = 0; i < g->assign_count; i++) {
        const struct gvalue *x = graph_value(g, g->assigns[i].value);
        if (g->assigns[i].variable >= variables_count(g->variables))
            return error_set(v->e, RN_E_INTERNAL,
                             "graph %s: variable %u is assigned, which there is not",
                             g->name, g->assigns[i].variable);
        const struct variable *to = variables_at(g->variables, g->assigns[i].variable);
        if (!x || x->dtype != to->dtype || elements(x) != to->count)
            return error_set(v->e, RN_E_INTERNAL,
                             "graph %s: '%s' is assigned another shape", g->name,
                             to->name);
        for (uint32_t k = 0; k < i; k++)
            if (g->assigns[k].variable == g->assigns[i].variable)
                return error_set(v->e, RN_E_INTERNAL,
                                 "graph %s: '%s' is assigned twice", g->name, to->name);
    }
    return RN_OK;
}

/* around: the scan whose body g is, or NULL; padded: by value of the graph around it.
 * *pads: some result's rows may be padding. */
static int verify(const struct graph *g, const struct gnode *around, const bool *padded,
                  bool *pads, struct rn_error *e) {
    struct verifier v = {.g = g, .scratch = *g, .e = e};
    int status = RN_OK;
    v.scratch.arena = arena_create();
    v.padded = arena_array(v.scratch.arena, bool, g->value_count);
    for (uint32_t i = 0; i < g->node_count && status == RN_OK; i++) {
        status = check_node(&v, i);
        for (uint32_t k = 0; around && k < around->in_count && status == RN_OK; k++) {
            rn_value port = padded[around->in[k]] ? scan_port(g, k) : RN_NONE;
            if (port && g->values[port].node == i)
                v.padded[port] = true;
        }
    }
    if (status == RN_OK)
        status = check_results(&v);
    for (uint32_t i = 0; status == RN_OK && pads && i < g->output_count; i++)
        *pads |= v.padded[g->outputs[i].value];
    arena_destroy(v.scratch.arena);
    return status;
}

int graph_verify(const struct graph *g, struct rn_error *e) {
    return verify(g, NULL, NULL, NULL, e);
}
