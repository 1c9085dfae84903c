/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that look up: gather, scatter, sort, one-hot. */
#include <string.h>

#include "graph/internal.h"

#define X (r->in[0])
#define Y (r->out[0])
#define G (r->gout[0])

static int index_type(struct shaper *s, uint32_t i) {
    return dtype_int(s->in[i]->dtype) ? RN_OK
                                      : shape_fail(s, "the index is %s, not an integer",
                                                   dtype_name(s->in[i]->dtype));
}

static void gathered(const struct gvalue *x, const struct gvalue *index, int64_t axis,
                     struct gvalue *out) {
    struct gvalue v = {.dtype = x->dtype};
    for (uint32_t i = 0; i < x->rank; i++) {
        if ((int64_t)i != axis) {
            v.shape[v.rank++] = x->shape[i];
            continue;
        }
        for (uint32_t k = 0; k < index->rank && v.rank < RN_MAX_RANK; k++)
            v.shape[v.rank++] = index->shape[k];
    }
    *out = v;
}

static int gather_shape(struct shaper *s) {
    int64_t axis = shaper_axis(s, "axis", s->in[0]->rank);
    if (axis < 0)
        return RN_E_CONFIG;
    if (s->in[0]->rank + s->in[1]->rank > RN_MAX_RANK + 1)
        return shape_fail(s, "the result's rank is above %d", RN_MAX_RANK);
    gathered(s->in[0], s->in[1], axis, &s->out[0]);
    return index_type(s, 1);
}

static int embedding_shape(struct shaper *s) {
    if (s->in[0]->rank != 2 || s->in[1]->rank + 1 > RN_MAX_RANK)
        return shape_fail(s, "expects a table [V,D]");
    gathered(s->in[0], s->in[1], 0, &s->out[0]);
    return index_type(s, 1);
}

static int scatter_shape(struct shaper *s) {
    struct gvalue want;
    int64_t axis = shaper_axis(s, "axis", s->in[0]->rank);
    if (axis < 0)
        return RN_E_CONFIG;
    gathered(s->in[0], s->in[1], axis, &want);
    if (!same_shape(&want, s->in[2]) || s->in[2]->dtype != s->in[0]->dtype)
        return shape_fail(s, "the updates have not the shape that gather gives");
    s->out[0] = *s->in[0];
    return index_type(s, 1);
}

static int along(struct shaper *s, uint32_t index) {
    const struct gvalue *x = s->in[0], *v = s->in[index];
    int64_t axis = shaper_axis(s, "axis", x->rank);
    if (axis < 0)
        return RN_E_CONFIG;
    for (uint32_t i = 0; i < x->rank; i++)
        if (v->rank != x->rank || ((int64_t)i != axis && v->shape[i] != x->shape[i]))
            return shape_fail(
                s, "the index must have the operand's shape but for the axis");
    return index_type(s, index);
}

static int take_shape(struct shaper *s) {
    s->out[0] = *s->in[1];
    s->out[0].dtype = s->in[0]->dtype;
    return along(s, 1);
}

static int put_shape(struct shaper *s) {
    s->out[0] = *s->in[0];
    if (!same_shape(s->in[1], s->in[2]) || s->in[2]->dtype != s->in[0]->dtype)
        return shape_fail(s, "the updates must have the index's shape");
    return along(s, 1);
}

static int pick_shape(struct shaper *s) {
    const struct gvalue *x = s->in[0], *l = s->in[1];
    if (x->rank < 2 || l->rank + 1 != x->rank || l->shape[0] != x->shape[0] ||
        memcmp(l->shape + 1, x->shape + 2, (l->rank - 1) * sizeof l->shape[0]) != 0)
        return shape_fail(s, "the label must have the operand's shape without axis 1");
    s->out[0] = *l;
    s->out[0].dtype = x->dtype;
    return index_type(s, 1);
}

static int sort_shape(struct shaper *s) {
    s->out[0] = s->out[1] = *s->in[0];
    s->out[1].dtype = RN_I64;
    return shaper_axis(s, "axis", s->in[0]->rank) < 0 ? RN_E_CONFIG : RN_OK;
}

static int top_k_shape(struct shaper *s) {
    int64_t axis = shaper_axis(s, "axis", s->in[0]->rank), k = shaper_attr(s, "k")->i;
    if (axis < 0)
        return RN_E_CONFIG;
    if (k < 1 || k > s->in[0]->shape[axis])
        return shape_fail(s, "k is %lld of %lld", (long long)k,
                          (long long)s->in[0]->shape[axis]);
    s->out[0] = *s->in[0];
    s->out[0].shape[axis] = k;
    s->out[1] = s->out[0];
    s->out[1].dtype = RN_I64;
    return RN_OK;
}

static int one_hot_shape(struct shaper *s) {
    if (s->in[0]->rank + 1 > RN_MAX_RANK || shaper_attr(s, "depth")->i < 1)
        return shape_fail(s, "depth must be 1 or more");
    s->out[0] = *s->in[0];
    s->out[0].dtype = (rn_dtype)shaper_attr(s, "dtype")->i;
    s->out[0].shape[s->out[0].rank++] = shaper_attr(s, "depth")->i;
    return index_type(s, 0);
}

/* ---------------------------------------------------------------- gradients */

static rn_value with_axis(struct rule *r, const char *op, uint32_t n,
                          const rn_value *in, int64_t axis) {
    struct rn_attr a = rn_attr_int("axis", axis);
    return emit(r, op, n, in, 1, &a);
}

static int d_gather(struct rule *r) {
    rn_value in[3] = {emit_zeros(r, X), r->in[1], G};
    r->gin[0] = with_axis(r, "scatter_add", 3, in, attr_int(r->n, "axis"));
    r->gin[1] = RN_NONE;
    return RN_OK;
}

static int d_embedding(struct rule *r) {
    rn_value in[3] = {emit_zeros(r, X), r->in[1], G};
    r->gin[0] = with_axis(r, "scatter_add", 3, in, 0);
    r->gin[1] = RN_NONE;
    return RN_OK;
}

/* g where the index is inside [0,n), 0 where it is outside and the update was dropped;
 * `after`: axes of g that follow the index's. */
static rn_value where_inside(struct rule *r, rn_value g, int64_t n, uint32_t after) {
    const struct gvalue *v = emit_value(r, r->in[1]);
    int64_t shape[RN_MAX_RANK];
    uint32_t rank = v->rank;
    memcpy(shape, v->shape, sizeof shape);
    for (uint32_t i = 0; i < after; i++)
        shape[rank++] = 1;
    rn_value index = emit_cast(r, r->in[1], RN_I64);
    index = after ? emit_reshape(r, index, rank, shape) : index;
    rn_value inside =
        emit2(r, "logical_and", emit2(r, "ge", index, emit_number(r, index, 0.0)),
              emit2(r, "lt", index, emit_number(r, index, (double)n)));
    return emit3(r, "select", inside, g, emit_number(r, g, 0.0));
}

static int d_scatter(struct rule *r) {
    const struct gvalue *x = emit_value(r, X);
    int64_t axis = attr_int(r->n, "axis"), n = x->shape[axis];
    uint32_t after = x->rank - 1 - (uint32_t)axis;
    rn_value in[2] = {G, r->in[1]};
    r->gin[0] = G;
    r->gin[1] = RN_NONE;
    r->gin[2] = where_inside(r, with_axis(r, "gather", 2, in, axis), n, after);
    return RN_OK;
}

static int d_take(struct rule *r) {
    rn_value in[3] = {emit_zeros(r, X), r->in[1], G};
    r->gin[0] = with_axis(r, "put_along_add", 3, in, attr_int(r->n, "axis"));
    r->gin[1] = RN_NONE;
    return RN_OK;
}

static int d_put(struct rule *r) {
    rn_value in[2] = {G, r->in[1]};
    r->gin[0] = G;
    r->gin[1] = RN_NONE;
    int64_t axis = attr_int(r->n, "axis"), n = emit_value(r, X)->shape[axis];
    r->gin[2] = where_inside(r, with_axis(r, "take_along", 2, in, axis), n, 0);
    return RN_OK;
}

/* Values went where the indices say: put their gradients back. */
static int d_sort(struct rule *r) {
    if (!G)
        return RN_OK;
    rn_value in[3] = {emit_zeros(r, X), r->out[1], G};
    r->gin[0] = with_axis(r, "put_along_add", 3, in, attr_int(r->n, "axis"));
    return RN_OK;
}

static int none(struct rule *r) {
    r->gin[0] = RN_NONE;
    return RN_OK;
}

static int c_embedding(struct rule *r) {
    Y = with_axis(r, "gather", 2, r->in, 0);
    return RN_OK;
}

/* take_along with the label as an index of extent 1 on axis 1. */
static int c_pick(struct rule *r) {
    const struct gvalue *x = emit_value(r, X), *l = emit_value(r, r->in[1]);
    int64_t shape[RN_MAX_RANK], out[RN_MAX_RANK];
    memcpy(shape, x->shape, sizeof shape);
    memcpy(out, l->shape, sizeof out);
    shape[1] = 1;
    rn_value in[2] = {X, emit_reshape(r, r->in[1], x->rank, shape)};
    Y = emit_reshape(r, with_axis(r, "take_along", 2, in, 1), x->rank - 1, out);
    return RN_OK;
}

static int c_one_hot(struct rule *r) {
    const struct gvalue *x = emit_value(r, X);
    int64_t depth = attr_int(r->n, "depth"), shape[RN_MAX_RANK];
    rn_dtype t = (rn_dtype)attr_int(r->n, "dtype");
    memcpy(shape, x->shape, sizeof shape);
    shape[x->rank] = 1;
    rn_value index = emit_reshape(r, emit_cast(r, X, RN_I64), x->rank + 1, shape);
    struct rn_attr a[3] = {rn_attr_ints("shape", 1, &depth), rn_attr_int("axis", 0),
                           rn_attr_int("dtype", (int64_t)RN_I64)};
    Y = emit_cast(r, emit2(r, "eq", index, emit(r, "iota", 0, NULL, 3, a)), t);
    return RN_OK;
}

static const struct op_choice by_axis = {1, -1, "axis"}, of_rows = {1, 0, NULL},
                              of_classes = {1, 1, NULL}, of_depth = {0, -1, "depth"};

const struct op ops_index[] = {
    {"gather", 0, 2, 2, 1, "axis:int=0", gather_shape, d_gather, NULL, 1, &by_axis},
    {"embedding", 0, 2, 2, 1, NULL, embedding_shape, d_embedding, c_embedding, 1,
     &of_rows},
    {"scatter_add", 0, 3, 3, 1, "axis:int=0", scatter_shape, d_scatter, NULL, 1,
     &by_axis},
    {"take_along", 0, 2, 2, 1, "axis:int=0", take_shape, d_take, NULL, 1, &by_axis},
    {"put_along_add", 0, 3, 3, 1, "axis:int=0", put_shape, d_put, NULL, 1, &by_axis},
    {"pick", OP_LABELS, 2, 2, 1, NULL, pick_shape, NULL, c_pick, 1, &of_classes},
    {"sort", 0, 1, 1, 2, "axis:int=-1 descending:int=0", sort_shape, d_sort, NULL, 1,
     NULL},
    {"top_k", 0, 1, 1, 2, "k:int! axis:int=-1", top_k_shape, d_sort, NULL, 1, NULL},
    {"one_hot", 0, 1, 1, 1, "depth:int! dtype:int!", one_hot_shape, none, c_one_hot, 1,
     &of_depth},
    OPS_END};
