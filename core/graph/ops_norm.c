/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation: batch (Ioffe & Szegedy 2015), layer (Ba et al. 2016), group (Wu & He
 * 2018), RMS (Zhang & Sennrich 2019). The decompositions are the definitions. */
#include <string.h>

#include "graph/internal.h"

#define X (r->in[0])
#define G (r->gout[0])

/* With attribute block, x is [N,C/b,...,b]. */
static int64_t channel_count(struct shaper *s) {
    const struct gvalue *v = s->in[0];
    const struct rn_attr *a = shaper_attr(s, "block");
    return v->rank < 2 ? 0 : v->shape[1] * (a && a->i ? v->shape[v->rank - 1] : 1);
}

static int channels(struct shaper *s, uint32_t first, uint32_t last, uint32_t x) {
    const struct gvalue *v = s->in[x];
    const struct rn_attr *a = shaper_attr(s, "block");
    if (a && a->i && (v->rank != 5 || v->shape[4] != a->i))
        return shape_fail(s,
                          "block is %lld, but the input is not [N,C/b,H,W,b] of "
                          "that b",
                          (long long)a->i);
    if (v->rank < 2 || !dtype_float(v->dtype))
        return shape_fail(s, "expects float [N,C,...], not rank %u", v->rank);
    for (uint32_t i = first; i <= last; i++) {
        if (s->in[i]->rank != 1 || s->in[i]->shape[0] != channel_count(s))
            return shape_fail(s, "input %u must be [%lld], one for each channel", i,
                              (long long)channel_count(s));
        if (dtype_narrow(v->dtype) && s->in[i]->dtype != RN_F32)
            return shape_fail(s, "input %u must be f32 beside images of %s", i,
                              dtype_name(v->dtype));
    }
    return RN_OK;
}

/* Of what has 16 bits: what belongs to channels, or to each normalised row, is f32. */
static rn_dtype wide_type(const struct gvalue *x) {
    return dtype_narrow(x->dtype) ? RN_F32 : x->dtype;
}

static struct gvalue vector(const struct gvalue *x, int64_t n) {
    struct gvalue v = {.dtype = wide_type(x), .rank = 1};
    v.shape[0] = n;
    return v;
}

/* The result is x's like, or f32 where attribute dtype says so. */
static int result_type(struct shaper *s) {
    rn_dtype t = s->in[0]->dtype, want = (rn_dtype)shaper_attr(s, "dtype")->i;
    s->out[0] = *s->in[0];
    if (want && want != t && !(dtype_narrow(t) && want == RN_F32))
        return shape_fail(s, "a normalisation of %s cannot be %s", dtype_name(t),
                          dtype_name(want));
    s->out[0].dtype = want ? want : t;
    return RN_OK;
}

/* What is added to the result, input i if there are so many, has its shape. */
static int residual(struct shaper *s, uint32_t i) {
    if (s->n_in > i &&
        (!same_shape(s->in[0], s->in[i]) || s->in[0]->dtype != s->in[i]->dtype))
        return shape_fail(s, "what is added has not x's shape and type");
    return RN_OK;
}

static int batch_norm_shape(struct shaper *s) { /* x scale shift [residual] */
    s->out[1] = s->out[2] = vector(s->in[0], channel_count(s));
    int status = channels(s, 1, 2, 0);
    status = status ? status : residual(s, 3);
    return status ? status : result_type(s);
}

static int batch_norm_infer_shape(struct shaper *s) { /* ... [residual] */
    int status = channels(s, 1, 4, 0);
    status = status ? status : residual(s, 5);
    return status ? status : result_type(s);
}

static int batch_norm_grad_shape(struct shaper *s) { /* x scale mean var gy [shift] */
    s->out[1] = s->out[2] = vector(s->in[0], channel_count(s));
    if (!same_shape(s->in[0], s->in[4]))
        return shape_fail(s, "the gradient has not the output's shape");
    if (dtype_narrow(s->in[0]->dtype) && s->in[4]->dtype != s->in[0]->dtype)
        return shape_fail(s, "the gradient has not x's type");
    if ((shaper_attr(s, "relu")->i != 0) != (s->n_in == 6))
        return shape_fail(s, "the shift stands beside relu=1, and only there");
    int status = channels(s, 1, 3, 0);
    status = status || s->n_in < 6 ? status : channels(s, 5, 5, 0);
    return status ? status : result_type(s);
}

/* The trailing shape that scale and shift must have. */
static int trailing(struct shaper *s, uint32_t first, uint32_t last,
                    struct gvalue *tail) {
    const struct gvalue *x = s->in[0];
    int64_t axis = x->rank ? shaper_axis(s, "axis", x->rank) : -1;
    if (axis < 0 || !dtype_float(x->dtype))
        return x->rank ? RN_E_CONFIG : shape_fail(s, "expects a float tensor");
    *tail = (struct gvalue){.dtype = wide_type(x), .rank = x->rank - (uint32_t)axis};
    memcpy(tail->shape, x->shape + axis, tail->rank * sizeof x->shape[0]);
    for (uint32_t i = first; i <= last; i++) {
        if (!same_shape(s->in[i], tail))
            return shape_fail(s, "input %u has not the shape of the normalised axes",
                              i);
        if (dtype_narrow(x->dtype) && s->in[i]->dtype != RN_F32)
            return shape_fail(s, "input %u must be f32 beside a tensor of %s", i,
                              dtype_name(x->dtype));
    }
    return RN_OK;
}

static int layer_norm_shape(struct shaper *s) {
    struct gvalue tail;
    int status = trailing(s, 1, 2, &tail);
    return status ? status : result_type(s);
}

static int layer_norm_grad_shape(struct shaper *s) { /* x scale gy */
    struct gvalue tail = {0};
    int status = trailing(s, 1, 1, &tail);
    s->out[1] = s->out[2] = tail;
    if (status == RN_OK && !same_shape(s->in[0], s->in[2]))
        return shape_fail(s, "the gradient has not the output's shape");
    if (status == RN_OK && dtype_narrow(s->in[0]->dtype) &&
        s->in[2]->dtype != s->in[0]->dtype)
        return shape_fail(s, "the gradient has not x's type");
    return status ? status : result_type(s);
}

static int group_norm_shape(struct shaper *s) {
    int status = channels(s, 1, 2, 0);
    int64_t groups = shaper_attr(s, "groups")->i;
    if (status == RN_OK && (groups < 1 || s->in[0]->shape[1] % groups))
        return shape_fail(s, "%lld groups do not divide %lld channels",
                          (long long)groups, (long long)s->in[0]->shape[1]);
    return status ? status : result_type(s);
}

static int group_norm_grad_shape(struct shaper *s) { /* x scale gy */
    const struct gvalue *x = s->in[0];
    int status = channels(s, 1, 1, 0);
    int64_t groups = shaper_attr(s, "groups")->i;
    s->out[1] = s->out[2] = vector(x, channel_count(s));
    if (status == RN_OK && (groups < 1 || x->shape[1] % groups))
        return shape_fail(s, "%lld groups do not divide %lld channels",
                          (long long)groups, (long long)x->shape[1]);
    if (status == RN_OK && (!same_shape(x, s->in[2]) || x->dtype != s->in[2]->dtype))
        return shape_fail(s, "the gradient has not the output's shape and type");
    return status ? status : result_type(s);
}

static int rms_norm_shape(struct shaper *s) {
    const struct gvalue *x = s->in[0];
    if (!x->rank || !dtype_float(x->dtype) || s->in[1]->rank != 1 ||
        s->in[1]->shape[0] != x->shape[x->rank - 1])
        return shape_fail(s, "expects x [...,D] and scale [D]");
    if (dtype_narrow(x->dtype) && s->in[1]->dtype != RN_F32)
        return shape_fail(s, "input 1 must be f32 beside a tensor of %s",
                          dtype_name(x->dtype));
    return result_type(s);
}

static int rms_norm_grad_shape(struct shaper *s) { /* x scale gy */
    const struct gvalue *x = s->in[0];
    int status = rms_norm_shape(s);
    if (status != RN_OK)
        return status;
    s->out[1] = vector(x, x->shape[x->rank - 1]);
    if (!same_shape(x, s->in[2]) || x->dtype != s->in[2]->dtype)
        return shape_fail(s, "the gradient has not the output's shape and type");
    return RN_OK;
}

/* ------------------------------------------------------------------ writing */

static rn_value mean_over(struct rule *r, rn_value x, uint32_t n, const int64_t *axes) {
    return emit_reduce(r, "reduce_mean", x, n, axes, 1);
}

/* (x - mean) / sqrt(var + eps); also hands out mean and var with kept axes. */
static rn_value normalise(struct rule *r, rn_value x, uint32_t n, const int64_t *axes,
                          rn_value *mean, rn_value *var) {
    rn_value m = mean_over(r, x, n, axes), d = emit2(r, "sub", x, m);
    rn_value v = mean_over(r, emit2(r, "mul", d, d), n, axes);
    rn_value s = emit1(r, "sqrt",
                       emit2(r, "add", v, emit_number(r, x, attr_float(r->n, "eps"))));
    if (mean)
        *mean = m, *var = v;
    return emit2(r, "div", d, s);
}

/* [C] as [1,C,1,...] for x's rank. */
static rn_value per_channel(struct rule *r, rn_value v, rn_value x) {
    const struct gvalue *g = emit_value(r, x);
    int64_t shape[RN_MAX_RANK];
    for (uint32_t i = 0; g && i < g->rank; i++)
        shape[i] = i == 1 ? g->shape[1] : 1;
    return g ? emit_reshape(r, v, g->rank, shape) : RN_NONE;
}

/* All axes but 1. */
static uint32_t batch_axes(struct rule *r, rn_value x, int64_t *axes) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < emit_value(r, x)->rank; i++)
        if (i != 1)
            axes[n++] = i;
    return n;
}

static rn_value flat(struct rule *r, rn_value v) {
    int64_t shape = -1;
    return emit_reshape(r, v, 1, &shape);
}

/* Blocked images are defined by what they stand for: the same operator on [N,C,H,W].
 * Input `image`, if there are so many, is one as the first is. */
static int c_blocked(struct rule *r, uint32_t image, uint32_t outs) {
    static const int64_t there[5] = {0, 1, 4, 2, 3}, back[5] = {0, 1, 3, 4, 2};
    const struct gvalue v = *emit_value(r, X);
    struct gvalue plain;
    rn_value in[6], out[3] = {RN_NONE, RN_NONE, RN_NONE};
    struct rn_attr at[8];
    image_unblock(&v, attr_int(r->n, "block"), &plain);
    for (uint32_t i = 0; i < r->n_in; i++)
        in[i] = i && i != image ? r->in[i]
                                : emit_reshape(r, emit_transpose(r, r->in[i], 5, there),
                                               4, plain.shape);
    for (uint32_t i = 0; i < r->n->attr_count; i++) {
        at[i] = r->n->attrs[i];
        if (strcmp(at[i].name, "block") == 0)
            at[i].i = 0;
    }
    if (r->e->status == RN_OK)
        graph_op(r->g, r->n->op->name, r->n_in, in, r->n->attr_count, at, outs, out,
                 r->e);
    int64_t apart[5] = {v.shape[0], v.shape[1], v.shape[4], v.shape[2], v.shape[3]};
    r->out[0] = emit_transpose(r, emit_reshape(r, out[0], 5, apart), 5, back);
    for (uint32_t i = 1; i < outs; i++)
        r->out[i] = out[i];
    return r->e->status;
}

/* What follows the normalisation: input i if there are so many, ReLU if asked for. */
static rn_value and_then(struct rule *r, rn_value y, uint32_t i) {
    if (r->n_in > i)
        y = emit2(r, "add", y, r->in[i]);
    return attr_int(r->n, "relu") ? emit1(r, "relu", y) : y;
}

static int c_batch_norm(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    if (attr_int(r->n, "block"))
        return c_blocked(r, 3, 3);
    int64_t axes[RN_MAX_RANK];
    uint32_t n = batch_axes(r, X, axes);
    rn_value mean, var, y = normalise(r, X, n, axes, &mean, &var);
    y = emit2(r, "mul", y, per_channel(r, r->in[1], X));
    r->out[0] = and_then(r, emit2(r, "add", y, per_channel(r, r->in[2], X)), 3);
    r->out[1] = flat(r, mean);
    r->out[2] = flat(r, var);
    return RN_OK;
}

static int c_batch_norm_infer(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    if (attr_int(r->n, "block"))
        return c_blocked(r, 5, 1);
    rn_value eps = emit_number(r, X, attr_float(r->n, "eps"));
    rn_value s =
        emit2(r, "div", r->in[1], emit1(r, "sqrt", emit2(r, "add", r->in[4], eps)));
    rn_value y = emit2(r, "sub", X, per_channel(r, r->in[3], X));
    y = emit2(r, "mul", y, per_channel(r, s, X));
    r->out[0] = and_then(r, emit2(r, "add", y, per_channel(r, r->in[2], X)), 5);
    return RN_OK;
}

/* gx = scale/(m s) (m gy - sum gy - xhat sum(gy xhat)), s = sqrt(var + eps); behind a
 * ReLU gy is what passes through it. */
static int c_batch_norm_grad(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    if (attr_int(r->n, "block"))
        return c_blocked(r, 4, 3);
    int64_t axes[RN_MAX_RANK];
    uint32_t n = batch_axes(r, X, axes);
    rn_value gy = r->in[4], eps = emit_number(r, X, attr_float(r->n, "eps"));
    rn_value s = per_channel(r, emit1(r, "sqrt", emit2(r, "add", r->in[3], eps)), X);
    rn_value xhat = emit2(r, "div", emit2(r, "sub", X, per_channel(r, r->in[2], X)), s);
    if (attr_int(r->n, "relu")) {
        rn_value y = emit2(r, "mul", xhat, per_channel(r, r->in[1], X));
        y = emit2(r, "add", y, per_channel(r, r->in[5], X));
        gy = emit3(r, "select", emit2(r, "gt", y, emit_number(r, X, 0.0)), gy,
                   emit_number(r, X, 0.0));
    }
    rn_value gyx = emit2(r, "mul", gy, xhat);
    rn_value a = mean_over(r, gy, n, axes), b = mean_over(r, gyx, n, axes);
    rn_value d = emit2(r, "sub", emit2(r, "sub", gy, a), emit2(r, "mul", xhat, b));
    r->out[0] = emit2(r, "mul", d, emit2(r, "div", per_channel(r, r->in[1], X), s));
    r->out[1] = emit_reduce(r, "reduce_sum", gyx, n, axes, 0);
    r->out[2] = emit_reduce(r, "reduce_sum", gy, n, axes, 0);
    return RN_OK;
}

/* The running statistics take no gradient; when something does flow through mean or
 * var, the decomposition's gradient is the right one (see gradient.c). */
static int d_batch_norm(struct rule *r) {
    if (r->gout[1] || r->gout[2] || r->n_in > 3 || attr_int(r->n, "relu") ||
        rule_narrow(r))
        return RN_E_UNSUPPORTED;
    rn_value in[5] = {X, r->in[1], r->out[1], r->out[2], G}, out[3];
    if (r->e->status == RN_OK)
        graph_op(r->g, "batch_norm_grad", 5, in, r->n->attr_count, r->n->attrs, 3, out,
                 r->e);
    memcpy(r->gin, out, sizeof out);
    return r->e->status;
}

static uint32_t tail_axes(struct rule *r, int64_t *axes) {
    uint32_t n = 0;
    for (int64_t i = attr_int(r->n, "axis"); i < emit_value(r, X)->rank; i++)
        axes[n++] = i;
    return n;
}

static int c_layer_norm(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    int64_t axes[RN_MAX_RANK];
    uint32_t n = tail_axes(r, axes);
    rn_value y = normalise(r, X, n, axes, NULL, NULL);
    r->out[0] = emit2(r, "add", emit2(r, "mul", y, r->in[1]), r->in[2]);
    return RN_OK;
}

/* The gradients of x, scale and, where there are three, shift. */
static int gradient_by(struct rule *r, const char *op, uint32_t outs) {
    rn_value in[3] = {X, r->in[1], G}, out[3];
    if (r->e->status == RN_OK)
        graph_op(r->g, op, 3, in, r->n->attr_count, r->n->attrs, outs, out, r->e);
    memcpy(r->gin, out, outs * sizeof *out);
    return r->e->status;
}

static int d_layer_norm(struct rule *r) {
    if (rule_narrow(r))
        return RN_E_UNSUPPORTED;
    return gradient_by(r, "layer_norm_grad", 3);
}

static int c_layer_norm_grad(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    int64_t axes[RN_MAX_RANK], lead[RN_MAX_RANK];
    uint32_t n = tail_axes(r, axes), k = 0;
    for (int64_t i = 0; i < attr_int(r->n, "axis"); i++)
        lead[k++] = i;
    rn_value m = mean_over(r, X, n, axes), d = emit2(r, "sub", X, m);
    rn_value v = mean_over(r, emit2(r, "mul", d, d), n, axes);
    rn_value s = emit1(r, "sqrt",
                       emit2(r, "add", v, emit_number(r, X, attr_float(r->n, "eps"))));
    rn_value xhat = emit2(r, "div", d, s), gx = emit2(r, "mul", r->in[2], r->in[1]);
    rn_value a = mean_over(r, gx, n, axes);
    rn_value b = mean_over(r, emit2(r, "mul", gx, xhat), n, axes);
    rn_value t = emit2(r, "sub", emit2(r, "sub", gx, a), emit2(r, "mul", xhat, b));
    r->out[0] = emit2(r, "div", t, s);
    rn_value gs = emit2(r, "mul", r->in[2], xhat);
    r->out[1] = k ? emit_reduce(r, "reduce_sum", gs, k, lead, 0) : gs;
    r->out[2] = k ? emit_reduce(r, "reduce_sum", r->in[2], k, lead, 0)
                  : emit1(r, "identity", r->in[2]);
    return RN_OK;
}

static int c_group_norm(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    const struct gvalue *x = emit_value(r, X);
    int64_t groups = attr_int(r->n, "groups"), axis = 2;
    int64_t shape[3] = {x->shape[0], groups, -1};
    rn_value y = emit_reshape(r, X, 3, shape);
    y = normalise(r, y, 1, &axis, NULL, NULL);
    y = emit_reshape(r, y, x->rank, x->shape);
    y = emit2(r, "mul", y, per_channel(r, r->in[1], X));
    r->out[0] = emit2(r, "add", y, per_channel(r, r->in[2], X));
    return RN_OK;
}

static int d_group_norm(struct rule *r) {
    if (rule_narrow(r))
        return RN_E_UNSUPPORTED;
    return gradient_by(r, "group_norm_grad", 3);
}

/* (g - mean g - xhat mean(g xhat)) / s, s = sqrt(var + eps), over a group's elements;
 * g = gy scale. */
static int c_group_norm_grad(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    const struct gvalue x = *emit_value(r, X);
    int64_t axis = 2, shape[3] = {x.shape[0], attr_int(r->n, "groups"), -1};
    int64_t axes[RN_MAX_RANK];
    uint32_t n = batch_axes(r, X, axes);
    rn_value rows = emit_reshape(r, X, 3, shape);
    rn_value m = mean_over(r, rows, 1, &axis), d = emit2(r, "sub", rows, m);
    rn_value v = mean_over(r, emit2(r, "mul", d, d), 1, &axis);
    rn_value eps = emit_number(r, X, attr_float(r->n, "eps"));
    rn_value s = emit1(r, "sqrt", emit2(r, "add", v, eps));
    rn_value xhat = emit2(r, "div", d, s);
    rn_value g = emit2(r, "mul", r->in[2], per_channel(r, r->in[1], X));
    g = emit_reshape(r, g, 3, shape);
    rn_value a = mean_over(r, g, 1, &axis);
    rn_value b = mean_over(r, emit2(r, "mul", g, xhat), 1, &axis);
    rn_value t = emit2(r, "sub", emit2(r, "sub", g, a), emit2(r, "mul", xhat, b));
    r->out[0] = emit_reshape(r, emit2(r, "div", t, s), x.rank, x.shape);
    xhat = emit_reshape(r, xhat, x.rank, x.shape);
    r->out[1] =
        emit_reduce(r, "reduce_sum", emit2(r, "mul", r->in[2], xhat), n, axes, 0);
    r->out[2] = emit_reduce(r, "reduce_sum", r->in[2], n, axes, 0);
    return RN_OK;
}

static int c_rms_norm(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    int64_t axis = emit_value(r, X)->rank - 1;
    rn_value m = mean_over(r, emit2(r, "mul", X, X), 1, &axis);
    rn_value s = emit1(r, "sqrt",
                       emit2(r, "add", m, emit_number(r, X, attr_float(r->n, "eps"))));
    r->out[0] = emit2(r, "mul", emit2(r, "div", X, s), r->in[1]);
    return RN_OK;
}

static int d_rms_norm(struct rule *r) {
    if (rule_narrow(r))
        return RN_E_UNSUPPORTED;
    return gradient_by(r, "rms_norm_grad", 2);
}

/* (g - xhat mean(g xhat)) / s, s = sqrt(mean x^2 + eps), xhat = x / s, g = gy scale. */
static int c_rms_norm_grad(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    int64_t lead[RN_MAX_RANK], axis = emit_value(r, X)->rank - 1;
    rn_value m = mean_over(r, emit2(r, "mul", X, X), 1, &axis);
    rn_value s = emit1(r, "sqrt",
                       emit2(r, "add", m, emit_number(r, X, attr_float(r->n, "eps"))));
    rn_value xhat = emit2(r, "div", X, s), g = emit2(r, "mul", r->in[2], r->in[1]);
    rn_value b = mean_over(r, emit2(r, "mul", g, xhat), 1, &axis);
    r->out[0] = emit2(r, "div", emit2(r, "sub", g, emit2(r, "mul", xhat, b)), s);
    rn_value gs = emit2(r, "mul", r->in[2], xhat);
    for (int64_t i = 0; i < axis; i++)
        lead[i] = i;
    r->out[1] = axis ? emit_reduce(r, "reduce_sum", gs, (uint32_t)axis, lead, 0) : gs;
    return RN_OK;
}

#define EPS   "eps:float=1e-5"
#define BATCH EPS " block:int=0 relu:int=0 dtype:int=0"
#define GROUP "groups:int! " EPS " dtype:int=0"
#define RMS   EPS " dtype:int=0"
#define LAYER "axis:int=-1 " EPS " dtype:int=0"

const struct op ops_norm[] = {
    {"batch_norm", OP_MIXES_ROWS, 3, 4, 3, BATCH, batch_norm_shape, d_batch_norm,
     c_batch_norm, 1, NULL},
    {"batch_norm_infer", 0, 5, 6, 1, BATCH, batch_norm_infer_shape, NULL,
     c_batch_norm_infer, 1, NULL},
    {"batch_norm_grad", OP_MIXES_ROWS, 5, 6, 3, BATCH, batch_norm_grad_shape, NULL,
     c_batch_norm_grad, 1, NULL},
    {"layer_norm", 0, 3, 3, 1, LAYER, layer_norm_shape, d_layer_norm, c_layer_norm, 1,
     NULL},
    {"layer_norm_grad", 0, 3, 3, 3, LAYER, layer_norm_grad_shape, NULL,
     c_layer_norm_grad, 1, NULL},
    {"group_norm", 0, 3, 3, 1, GROUP, group_norm_shape, d_group_norm, c_group_norm, 1,
     NULL},
    {"group_norm_grad", 0, 3, 3, 3, GROUP, group_norm_grad_shape, NULL,
     c_group_norm_grad, 1, NULL},
    {"rms_norm", 0, 2, 2, 1, RMS, rms_norm_shape, d_rms_norm, c_rms_norm, 1, NULL},
    {"rms_norm_grad", 0, 3, 3, 2, RMS, rms_norm_grad_shape, NULL, c_rms_norm_grad, 1,
     NULL},
    OPS_END};
