/* SPDX-License-Identifier: Apache-2.0 */
/* The one table, gathered from the families; lookup; what rules are written with. */
#include <string.h>

#include "graph/internal.h"

static const struct op *const families[] = {ops_source, ops_elementwise, ops_reduce,
                                            ops_linear, ops_norm,        ops_attention,
                                            ops_index,  ops_shape,       ops_scan};

const struct op *op_find(const char *name) {
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
        for (const struct op *o = families[f]; o->name; o++)
            if (o->name[0] == name[0] && strcmp(o->name, name) == 0)
                return o;
    return NULL;
}

bool op_known(const struct op *op) {
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
        for (const struct op *o = families[f]; o->name; o++)
            if (o == op)
                return true;
    return false;
}

uint32_t op_count(void) {
    uint32_t n = 0;
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
        for (const struct op *o = families[f]; o->name; o++)
            n++;
    return n;
}

const struct op *op_at(uint32_t i) {
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
        for (const struct op *o = families[f]; o->name; o++)
            if (i-- == 0)
                return o;
    return NULL;
}

const char *op_name(const struct op *op) {
    return op->name;
}

uint32_t op_traits(const struct op *op) {
    bool splits = op->decompose && !(op->traits & OP_BLOCKED);
    return op->traits | (splits || op->traits & OP_SOURCE ? 0 : OP_PRIMITIVE);
}

int64_t gnode_choices(const struct graph *g, const struct gnode *n, uint32_t *index) {
    const struct op_choice *c = n->op->choice;
    if (!c || n->in_count <= c->index)
        return 0;
    *index = c->index;
    int64_t number = c->attr ? attr_int(n, c->attr) : c->axis;
    if (c->attr && strcmp(c->attr, "axis") != 0)
        return number;
    const struct gvalue *of = graph_value(g, n->in[0]);
    if (number < 0 && of)
        number += of->rank;
    return of && number >= 0 && number < of->rank ? of->shape[number] : 0;
}

uint32_t op_version(const struct op *op) {
    return op->version ? op->version : 1;
}

static int no_shape(struct shaper *s) {
    return shape_fail(s, "is made by the graph itself");
}

const struct op ops_source[] = {
    {"input", OP_SOURCE, 0, 0, 1, NULL, no_shape, NULL, NULL, 1, NULL},
    {"variable", OP_SOURCE, 0, 0, 1, NULL, no_shape, NULL, NULL, 1, NULL},
    {"live", OP_SOURCE, 0, 0, 1, NULL, no_shape, NULL, NULL, 1, NULL},
    {"constant", OP_SOURCE, 0, 0, 1, NULL, no_shape, NULL, NULL, 1, NULL},
    {"custom", 0, 0, -1, 1, NULL, no_shape, NULL, NULL, 1, NULL},
    OPS_END};

/* --------------------------------------------------------------------- emit */

const struct gvalue *emit_value(const struct rule *r, rn_value v) {
    return graph_value(r->g, v);
}

rn_value emit(struct rule *r, const char *op, uint32_t n, const rn_value *in,
              uint32_t n_attr, const struct rn_attr *attrs) {
    rn_value out = RN_NONE;
    if (r->e->status)
        return RN_NONE;
    for (uint32_t i = 0; i < n; i++)
        if (!in[i])
            return RN_NONE;
    graph_op(r->g, op, n, in, n_attr, attrs, 1, &out, r->e);
    return out;
}

rn_value emit1(struct rule *r, const char *op, rn_value x) {
    return emit(r, op, 1, &x, 0, NULL);
}

rn_value emit2(struct rule *r, const char *op, rn_value x, rn_value y) {
    rn_value in[2] = {x, y};
    return emit(r, op, 2, in, 0, NULL);
}

rn_value emit3(struct rule *r, const char *op, rn_value x, rn_value y, rn_value z) {
    rn_value in[3] = {x, y, z};
    return emit(r, op, 3, in, 0, NULL);
}

rn_value emit_same(struct rule *r, const char *op, uint32_t n, const rn_value *in) {
    return emit(r, op, n, in, r->n->attr_count, r->n->attrs);
}

rn_value emit_number(struct rule *r, rn_value like, double x) {
    return r->e->status || !like ? RN_NONE
                                 : graph_scalar(r->g, emit_value(r, like)->dtype, x);
}

rn_value emit_reduce(struct rule *r, const char *op, rn_value x, uint32_t n,
                     const int64_t *axes, int keep) {
    struct rn_attr a[2] = {rn_attr_ints("axes", n, axes), rn_attr_int("keep", keep)};
    return emit(r, op, 1, &x, 2, a);
}

rn_value emit_reshape(struct rule *r, rn_value x, uint32_t rank, const int64_t *shape) {
    struct rn_attr a = rn_attr_ints("shape", rank, shape);
    return emit(r, "reshape", 1, &x, 1, &a);
}

rn_value emit_like(struct rule *r, rn_value x, rn_value like) {
    const struct gvalue *v = emit_value(r, like), *have = emit_value(r, x);
    if (!v || !have || same_shape(v, have))
        return x;
    struct rn_attr a = rn_attr_ints("shape", v->rank, v->shape);
    return emit(r, "broadcast_to", 1, &x, 1, &a);
}

rn_value emit_reduce_to(struct rule *r, rn_value x, rn_value like) {
    const struct gvalue *v = emit_value(r, like), *have = emit_value(r, x);
    if (!v || !have || same_shape(v, have))
        return x;
    struct rn_attr a = rn_attr_ints("shape", v->rank, v->shape);
    return emit(r, "reduce_to", 1, &x, 1, &a);
}

rn_value emit_cast(struct rule *r, rn_value x, rn_dtype t) {
    const struct gvalue *v = emit_value(r, x);
    struct rn_attr a = rn_attr_int("dtype", (int64_t)t);
    return !v || v->dtype == t ? x : emit(r, "cast", 1, &x, 1, &a);
}

bool rule_narrow(const struct rule *r) {
    const struct gvalue *x = r->n_in ? emit_value(r, r->in[0]) : NULL;
    return x && dtype_narrow(x->dtype);
}

rn_dtype rule_result_type(const struct rule *r) {
    const struct rn_attr *a = gnode_attr(r->n, "dtype");
    return a && a->i ? (rn_dtype)a->i : emit_value(r, r->in[0])->dtype;
}

void rule_attrs(const struct rule *r, int64_t dtype, struct rn_attr *at) {
    for (uint32_t i = 0; i < r->n->attr_count; i++) {
        at[i] = r->n->attrs[i];
        if (strcmp(at[i].name, "dtype") == 0)
            at[i].i = dtype;
    }
}

int rule_widened(struct rule *r, uint32_t rounded) {
    rn_value in[RULE_INPUTS];
    struct rn_attr at[RULE_ATTRS];
    rn_dtype t = rule_result_type(r);
    for (uint32_t i = 0; i < r->n_in; i++)
        in[i] = emit_cast(r, r->in[i], RN_F32);
    rule_attrs(r, 0, at);
    if (r->e->status == RN_OK)
        graph_op(r->g, r->n->op->name, r->n_in, in, r->n->attr_count, at,
                 r->n->out_count, r->out, r->e);
    for (uint32_t i = 0; i < rounded && r->e->status == RN_OK; i++)
        r->out[i] = emit_cast(r, r->out[i], t);
    return r->e->status;
}

rn_value emit_zeros(struct rule *r, rn_value like) {
    const struct gvalue *v = emit_value(r, like);
    if (!v)
        return RN_NONE;
    struct rn_attr a[3] = {rn_attr_ints("shape", v->rank, v->shape),
                           rn_attr_float("value", 0.0),
                           rn_attr_int("dtype", (int64_t)v->dtype)};
    return emit(r, "full", 0, NULL, 3, a);
}

rn_value emit_transpose(struct rule *r, rn_value x, uint32_t rank,
                        const int64_t *perm) {
    struct rn_attr a = rn_attr_ints("perm", rank, perm);
    return emit(r, "transpose", 1, &x, 1, &a);
}

int op_decompose(struct graph *g, const struct gnode *n, rn_value *in, rn_value *out,
                 graph_takes takes, void *context, struct rn_error *e) {
    struct rn_error local = {0};
    struct rule r = {.g = g,
                     .e = &local,
                     .n = n,
                     .n_in = n->in_count,
                     .in = in,
                     .out = out,
                     .takes = takes,
                     .context = context};
    int status = n->op->decompose(&r);
    if (local.status && e)
        *e = local;
    return status ? status : local.status;
}

/* ---------------------------------------------------------- blocked images */

bool image_unblock(const struct gvalue *v, int64_t block, struct gvalue *out) {
    *out = *v;
    if (!block)
        return true;
    if (v->rank != 5 || block < 1 || v->shape[4] != block)
        return false;
    out->rank = 4;
    out->shape[1] = v->shape[1] * block;
    return true;
}

bool image_block(struct gvalue *v, int64_t block) {
    if (!block)
        return true;
    if (v->rank != 4 || block < 1 || v->shape[1] % block)
        return false;
    v->rank = 5;
    v->shape[1] /= block;
    v->shape[4] = block;
    return true;
}

bool gnode_blocked(const struct gnode *n) {
    static const char *const names[] = {"block", "block_in", "block_out"};
    for (int i = 0; i < 3; i++) {
        const struct rn_attr *a = gnode_attr(n, names[i]);
        if (a && a->i)
            return true;
    }
    return false;
}

bool gnode_narrow(const struct graph *g, const struct gnode *n) {
    return n->in_count && dtype_narrow(g->values[n->in[0]].dtype);
}
