/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions, softmax and its family, cross-entropy, cumulative sum. */
#include <string.h>

#include "graph/internal.h"

#define X (r->in[0])
#define Y (r->out[0])
#define G (r->gout[0])

/* ------------------------------------------------------------------- shapes */

static int reduce(struct shaper *s) {
    struct rn_attr *a = shaper_attr(s, "axes");
    const struct gvalue *x = s->in[0];
    bool gone[RN_MAX_RANK] = {false};
    int64_t sorted[RN_MAX_RANK];
    const int64_t *axes = a->p;
    for (uint32_t i = 0; i < a->count; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + x->rank : axes[i];
        if (axis < 0 || axis >= x->rank)
            return shape_fail(s, "axis %lld is outside a tensor of rank %u",
                              (long long)axes[i], x->rank);
        if (gone[axis])
            return shape_fail(s, "axis %lld is named twice", (long long)axis);
        gone[axis] = true;
    }
    uint32_t n = 0;
    s->out[0].dtype = x->dtype;
    for (uint32_t i = 0; i < x->rank; i++) {
        bool reduced = a->count == 0 || gone[i];
        if (reduced)
            sorted[n++] = i;
        if (reduced && !shaper_attr(s, "keep")->i)
            continue;
        s->out[0].shape[s->out[0].rank++] = reduced ? 1 : x->shape[i];
    }
    /* All axes, in order, so that backends need no special case. */
    int64_t *copy = arena_array(s->g->arena, int64_t, n + 1);
    memcpy(copy, sorted, n * sizeof *copy);
    a->p = copy;
    a->count = n;
    return RN_OK;
}

static int reduce_float(struct shaper *s) {
    if (!dtype_float(s->in[0]->dtype))
        return shape_fail(s, "expects a float, not %s", dtype_name(s->in[0]->dtype));
    return reduce(s);
}

/* The mean of what has 16 bits is of its type, or f32 where attribute dtype says so. */
static int reduce_mean(struct shaper *s) {
    rn_dtype t = s->in[0]->dtype, want = (rn_dtype)shaper_attr(s, "dtype")->i;
    int status = reduce_float(s);
    if (want && want != t && !(dtype_narrow(t) && want == RN_F32))
        return shape_fail(s, "a mean of %s cannot be %s", dtype_name(t),
                          dtype_name(want));
    s->out[0].dtype = want ? want : t;
    return status;
}

static int reduce_number(struct shaper *s) {
    if (s->in[0]->dtype == RN_BOOL)
        return shape_fail(s, "expects numbers, not bool; cast first");
    return reduce(s);
}

static int arg(struct shaper *s) {
    int64_t axis = shaper_axis(s, "axis", s->in[0]->rank);
    if (axis < 0)
        return RN_E_CONFIG;
    s->out[0].dtype = RN_I64;
    for (uint32_t i = 0; i < s->in[0]->rank; i++)
        if ((int64_t)i != axis)
            s->out[0].shape[s->out[0].rank++] = s->in[0]->shape[i];
        else if (shaper_attr(s, "keep")->i)
            s->out[0].shape[s->out[0].rank++] = 1;
    return RN_OK;
}

static int along(struct shaper *s) {
    if (!dtype_float(s->in[0]->dtype))
        return shape_fail(s, "expects a float, not %s", dtype_name(s->in[0]->dtype));
    s->out[0] = *s->in[0];
    return shaper_axis(s, "axis", s->in[0]->rank) < 0 ? RN_E_CONFIG : RN_OK;
}

static int along_two(struct shaper *s) {
    if (!same_shape(s->in[0], s->in[1]))
        return shape_fail(s, "both operands must have one shape");
    return along(s);
}

static int cumsum_shape(struct shaper *s) {
    s->out[0] = *s->in[0];
    return shaper_axis(s, "axis", s->in[0]->rank) < 0 ? RN_E_CONFIG : RN_OK;
}

static int label_shape(struct shaper *s) {
    const struct gvalue *x = s->in[0], *l = s->in[1];
    if (x->rank < 2 || !dtype_float(x->dtype))
        return shape_fail(s, "logits must be float [N,C,...]");
    if (!dtype_int(l->dtype) || l->rank + 1 != x->rank || l->shape[0] != x->shape[0] ||
        memcmp(l->shape + 1, x->shape + 2, (l->rank - 1) * sizeof l->shape[0]) != 0)
        return shape_fail(
            s, "labels must be integers of the logits' shape without axis 1");
    s->out[0] = *l;
    s->out[0].dtype = x->dtype;
    return RN_OK;
}

static int label_grad_shape(struct shaper *s) {
    int status = label_shape(s);
    s->out[0] = *s->in[0];
    return status;
}

/* ---------------------------------------------------------------- gradients */

/* y or g of a reduction, back to the rank of x with ones where axes were reduced. */
static rn_value kept(struct rule *r, rn_value y) {
    const struct gvalue *x = emit_value(r, X);
    const struct rn_attr *a = gnode_attr(r->n, "axes");
    int64_t shape[RN_MAX_RANK];
    memcpy(shape, x->shape, sizeof shape);
    for (uint32_t i = 0; i < a->count; i++)
        shape[((const int64_t *)a->p)[i]] = 1;
    return emit_reshape(r, y, x->rank, shape);
}

static int d_sum(struct rule *r) {
    r->gin[0] = emit_like(r, kept(r, G), X);
    return RN_OK;
}

/* Ties share equally. */
static int d_extreme(struct rule *r) {
    const struct rn_attr *a = gnode_attr(r->n, "axes");
    rn_value at = emit2(r, "eq", X, kept(r, Y)), one = emit_number(r, X, 1.0);
    rn_value zero = emit_number(r, X, 0.0), mask = emit3(r, "select", at, one, zero);
    rn_value count = emit_reduce(r, "reduce_sum", mask, a->count, a->p, 1);
    r->gin[0] = emit2(r, "mul", mask, emit2(r, "div", kept(r, G), count));
    return RN_OK;
}

/* Product of the others: with no zero y/x; with one zero only that element gets the
 * product of the rest; with more, nothing. */
static int d_prod(struct rule *r) {
    const struct rn_attr *a = gnode_attr(r->n, "axes");
    rn_value zero = emit_number(r, X, 0.0), one = emit_number(r, X, 1.0);
    rn_value is_zero = emit2(r, "eq", X, zero);
    rn_value mask = emit3(r, "select", is_zero, one, zero);
    rn_value zeros = emit_reduce(r, "reduce_sum", mask, a->count, a->p, 1);
    rn_value safe = emit3(r, "select", is_zero, one, X);
    rn_value rest = emit_reduce(r, "reduce_prod", safe, a->count, a->p, 1);
    rn_value plain = emit2(r, "div", rest, safe);
    rn_value single = emit3(r, "select", is_zero, emit_like(r, rest, X), zero);
    rn_value d = emit3(r, "select", emit2(r, "eq", zeros, zero), plain,
                       emit3(r, "select", emit2(r, "eq", zeros, one), single, zero));
    r->gin[0] = emit2(r, "mul", d, kept(r, G));
    return RN_OK;
}

static int none(struct rule *r) {
    for (uint32_t i = 0; i < r->n_in; i++)
        r->gin[i] = RN_NONE;
    return RN_OK;
}

static int d_logsumexp(struct rule *r) {
    rn_value p = emit1(r, "exp", emit2(r, "sub", X, kept(r, Y)));
    r->gin[0] = emit2(r, "mul", p, kept(r, G));
    return RN_OK;
}

static int d_softmax(struct rule *r) {
    rn_value in[2] = {Y, G};
    r->gin[0] = emit_same(r, "softmax_grad", 2, in);
    return RN_OK;
}

static int d_log_softmax(struct rule *r) {
    rn_value in[2] = {Y, G};
    r->gin[0] = emit_same(r, "log_softmax_grad", 2, in);
    return RN_OK;
}

static int d_cross_entropy(struct rule *r) {
    rn_value in[3] = {r->in[0], r->in[1], G};
    r->gin[0] = emit_same(r, "cross_entropy_grad", 3, in);
    r->gin[1] = RN_NONE;
    return RN_OK;
}

static int d_cumsum(struct rule *r) {
    struct rn_attr a[3] = {rn_attr_int("axis", attr_int(r->n, "axis")),
                           rn_attr_int("exclusive", attr_int(r->n, "exclusive")),
                           rn_attr_int("reverse", !attr_int(r->n, "reverse"))};
    r->gin[0] = emit(r, "cumsum", 1, &r->gout[0], 3, a);
    return RN_OK;
}

/* ----------------------------------------------------------- decompositions */

static int c_mean(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    const struct rn_attr *a = gnode_attr(r->n, "axes");
    const struct gvalue *x = emit_value(r, X);
    double count = 1.0;
    for (uint32_t i = 0; i < a->count; i++)
        count *= (double)x->shape[((const int64_t *)a->p)[i]];
    rn_value n = emit_number(r, X, count);
    int keep = (int)attr_int(r->n, "keep");
    Y = emit2(r, "div", emit_reduce(r, "reduce_sum", X, a->count, a->p, keep), n);
    return RN_OK;
}

/* The maximum, kept as an axis of 1, taken as 0 where it is infinite. */
static rn_value finite_max(struct rule *r, uint32_t n, const int64_t *axes) {
    rn_value top = emit_reduce(r, "reduce_max", X, n, axes, 1);
    top = emit3(r, "select", emit1(r, "is_finite", top), top, emit_number(r, X, 0.0));
    return emit1(r, "stop_gradient", top);
}

/* max + log sum exp(x - max) */
static int c_logsumexp(struct rule *r) {
    const struct rn_attr *a = gnode_attr(r->n, "axes");
    rn_value top = finite_max(r, a->count, a->p);
    rn_value sum = emit_reduce(
        r, "reduce_sum", emit1(r, "exp", emit2(r, "sub", X, top)), a->count, a->p, 1);
    rn_value y = emit2(r, "add", emit1(r, "log", sum), top);
    const struct gvalue *yv = emit_value(r, y);
    int64_t shape[RN_MAX_RANK];
    uint32_t rank = 0;
    for (uint32_t i = 0; yv && i < yv->rank; i++) {
        bool gone = false;
        for (uint32_t k = 0; k < a->count; k++)
            gone |= ((const int64_t *)a->p)[k] == (int64_t)i;
        if (!gone || attr_int(r->n, "keep"))
            shape[rank++] = yv->shape[i];
    }
    Y = emit_reshape(r, y, rank, shape);
    return RN_OK;
}

/* (x - max) - log sum exp(x - max): exact differences, however large x is. */
static int c_log_softmax(struct rule *r) {
    int64_t axis = attr_int(r->n, "axis");
    rn_value less = emit2(r, "sub", X, finite_max(r, 1, &axis));
    rn_value sum = emit_reduce(r, "reduce_sum", emit1(r, "exp", less), 1, &axis, 1);
    Y = emit2(r, "sub", less, emit1(r, "log", sum));
    return RN_OK;
}

static int c_softmax(struct rule *r) {
    Y = emit1(r, "exp", emit_same(r, "log_softmax", 1, &X));
    return RN_OK;
}

static int c_softmax_grad(struct rule *r) { /* y (g - sum(y g)) */
    int64_t axis = attr_int(r->n, "axis");
    rn_value yg = emit2(r, "mul", r->in[0], r->in[1]);
    rn_value sum = emit_reduce(r, "reduce_sum", yg, 1, &axis, 1);
    Y = emit2(r, "mul", r->in[0], emit2(r, "sub", r->in[1], sum));
    return RN_OK;
}

static int c_log_softmax_grad(struct rule *r) { /* g - exp(y) sum(g) */
    int64_t axis = attr_int(r->n, "axis");
    rn_value sum = emit_reduce(r, "reduce_sum", r->in[1], 1, &axis, 1);
    Y = emit2(r, "sub", r->in[1], emit2(r, "mul", emit1(r, "exp", r->in[0]), sum));
    return RN_OK;
}

/* Target distribution over axis 1, [N,C,...]: (1-s) onehot + s/C; NaN where the label
 * is outside. */
static rn_value target(struct rule *r, rn_value logits, rn_value label) {
    const struct gvalue *x = emit_value(r, logits);
    if (!x)
        return RN_NONE;
    double s = attr_float(r->n, "smoothing");
    int64_t shape[RN_MAX_RANK], classes[RN_MAX_RANK];
    rn_dtype t = x->dtype;
    uint32_t rank = x->rank;
    for (uint32_t i = 0; i < rank; i++) {
        shape[i] = i == 1 ? 1 : x->shape[i];
        classes[i] = i == 1 ? x->shape[1] : 1;
    }
    double count = (double)x->shape[1];
    struct rn_attr iota[3] = {rn_attr_ints("shape", rank, classes),
                              rn_attr_int("axis", 1),
                              rn_attr_int("dtype", (int64_t)RN_I64)};
    rn_value index = emit_reshape(r, emit_cast(r, label, RN_I64), rank, shape);
    rn_value at = emit2(r, "eq", index, emit(r, "iota", 0, NULL, 3, iota));
    rn_value bad =
        emit2(r, "logical_or", emit2(r, "lt", index, emit_number(r, index, 0.0)),
              emit2(r, "ge", index, emit_number(r, index, count)));
    rn_value hot = graph_scalar(r->g, t, 1.0 - s + s / count);
    rn_value cold = graph_scalar(r->g, t, s / count);
    rn_value nan = graph_scalar(r->g, t, 0.0);
    nan = emit2(r, "div", nan, nan);
    return emit3(r, "select", bad, nan, emit3(r, "select", at, hot, cold));
}

static int c_cross_entropy(struct rule *r) { /* 0 - sum t log_softmax(x) */
    int64_t one = 1;
    struct rn_attr axis = rn_attr_int("axis", 1);
    rn_value lp = emit(r, "log_softmax", 1, &r->in[0], 1, &axis);
    rn_value t = target(r, r->in[0], r->in[1]);
    /* 0 * -inf is 0 here: a class that cannot be has no term */
    rn_value zero = emit_number(r, t, 0.0);
    rn_value term =
        emit3(r, "select", emit2(r, "eq", t, zero), zero, emit2(r, "mul", t, lp));
    /* from 0, so that no loss is -0 */
    Y = emit2(r, "sub", zero, emit_reduce(r, "reduce_sum", term, 1, &one, 0));
    return RN_OK;
}

static int c_cross_entropy_grad(struct rule *r) { /* g (softmax - t) */
    const struct gvalue *x = emit_value(r, r->in[0]);
    struct rn_attr axis = rn_attr_int("axis", 1);
    int64_t shape[RN_MAX_RANK];
    memcpy(shape, x->shape, sizeof shape);
    shape[1] = 1;
    rn_value g = emit_reshape(r, r->in[2], x->rank, shape);
    rn_value p = emit(r, "softmax", 1, &r->in[0], 1, &axis);
    Y = emit2(r, "mul", g, emit2(r, "sub", p, target(r, r->in[0], r->in[1])));
    return RN_OK;
}

#define AXES "axes:ints= keep:int=0"
#define R    OP_REDUCTION

static const struct op_choice of_classes = {1, 1, NULL};

const struct op ops_reduce[] = {
    {"reduce_sum", R, 1, 1, 1, AXES, reduce_number, d_sum, NULL, 1, NULL},
    {"reduce_mean", R, 1, 1, 1, AXES " dtype:int=0", reduce_mean, NULL, c_mean, 1,
     NULL},
    {"reduce_max", R, 1, 1, 1, AXES, reduce_number, d_extreme, NULL, 1, NULL},
    {"reduce_min", R, 1, 1, 1, AXES, reduce_number, d_extreme, NULL, 1, NULL},
    {"reduce_prod", R, 1, 1, 1, AXES, reduce_number, d_prod, NULL, 1, NULL},
    {"logsumexp", R, 1, 1, 1, AXES, reduce_float, d_logsumexp, c_logsumexp, 1, NULL},
    {"arg_max", 0, 1, 1, 1, "axis:int=-1 keep:int=0", arg, none, NULL, 1, NULL},
    {"arg_min", 0, 1, 1, 1, "axis:int=-1 keep:int=0", arg, none, NULL, 1, NULL},
    {"softmax", 0, 1, 1, 1, "axis:int=-1", along, d_softmax, c_softmax, 1, NULL},
    {"log_softmax", 0, 1, 1, 1, "axis:int=-1", along, d_log_softmax, c_log_softmax, 1,
     NULL},
    {"softmax_grad", 0, 2, 2, 1, "axis:int=-1", along_two, NULL, c_softmax_grad, 1,
     NULL},
    {"log_softmax_grad", 0, 2, 2, 1, "axis:int=-1", along_two, NULL, c_log_softmax_grad,
     1, NULL},
    {"cross_entropy", OP_LABELS, 2, 2, 1, "smoothing:float=0", label_shape,
     d_cross_entropy, c_cross_entropy, 1, &of_classes},
    {"cross_entropy_grad", 0, 3, 3, 1, "smoothing:float=0", label_grad_shape, NULL,
     c_cross_entropy_grad, 1, NULL},
    {"cumsum", 0, 1, 1, 1, "axis:int=-1 exclusive:int=0 reverse:int=0", cumsum_shape,
     d_cumsum, NULL, 1, NULL},
    OPS_END};
