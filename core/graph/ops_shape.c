/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that move or make: reshape to pad, iota, full, random. */
#include <string.h>

#include "graph/internal.h"

#define X (r->in[0])
#define Y (r->out[0])
#define G (r->gout[0])

/* ------------------------------------------------------------------- shapes */

static int read_shape(struct shaper *s, struct gvalue *out) {
    struct rn_attr *a = shaper_attr(s, "shape");
    if (a->count > RN_MAX_RANK)
        return shape_fail(s, "rank %u is above %d", a->count, RN_MAX_RANK);
    out->rank = a->count;
    for (uint32_t i = 0; i < a->count; i++) {
        out->shape[i] = ((const int64_t *)a->p)[i];
        if (out->shape[i] < 1)
            return shape_fail(s, "dimension %u is %lld", i, (long long)out->shape[i]);
    }
    return RN_OK;
}

static int reshape_shape(struct shaper *s) {
    struct rn_attr *a = shaper_attr(s, "shape");
    if (a->count > RN_MAX_RANK)
        return shape_fail(s, "rank %u is above %d", a->count, RN_MAX_RANK);
    int64_t *shape = arena_array(s->g->arena, int64_t, RN_MAX_RANK), known = 1,
            guess = -1;
    int64_t total = (int64_t)elements(s->in[0]);
    for (uint32_t i = 0; i < a->count; i++) {
        shape[i] = ((const int64_t *)a->p)[i];
        if (shape[i] == -1 && guess < 0)
            guess = i;
        else if (shape[i] < 1)
            return shape_fail(s, "dimension %u is %lld", i, (long long)shape[i]);
        else
            known *= shape[i];
    }
    if (guess >= 0 && known && total % known == 0)
        shape[guess] = total / known;
    else if (guess >= 0 || known != total)
        return shape_fail(s, "%lld elements do not fit the new shape",
                          (long long)total);
    a->p = shape;
    s->out[0] = *s->in[0];
    s->out[0].rank = a->count;
    memcpy(s->out[0].shape, shape, RN_MAX_RANK * sizeof *shape);
    return RN_OK;
}

static int flatten_shape(struct shaper *s) {
    const struct gvalue *x = s->in[0];
    if (!x->rank)
        return shape_fail(s, "a scalar has no batch");
    s->out[0] = (struct gvalue){.dtype = x->dtype, .rank = 2};
    s->out[0].shape[0] = x->shape[0];
    s->out[0].shape[1] = (int64_t)elements(x) / x->shape[0];
    return RN_OK;
}

static int transpose_shape(struct shaper *s) {
    struct rn_attr *a = shaper_attr(s, "perm");
    const struct gvalue *x = s->in[0];
    bool seen[RN_MAX_RANK] = {false};
    if (a->count != x->rank)
        return shape_fail(s, "perm has %u numbers for rank %u", a->count, x->rank);
    s->out[0] = *x;
    for (uint32_t i = 0; i < x->rank; i++) {
        int64_t p = ((const int64_t *)a->p)[i];
        if (p < 0 || p >= x->rank || seen[p])
            return shape_fail(s, "perm is not a permutation");
        seen[p] = true;
        s->out[0].shape[i] = x->shape[p];
    }
    return RN_OK;
}

static int slice_shape(struct shaper *s) {
    const struct gvalue *x = s->in[0];
    static const char *const names[3] = {"start", "stop", "step"};
    const int64_t *p[3];
    for (int i = 0; i < 3; i++) {
        struct rn_attr *a = shaper_attr(s, names[i]);
        p[i] = a->p;
        if (a->count != x->rank)
            return shape_fail(s, "%s has %u numbers for rank %u", names[i], a->count,
                              x->rank);
    }
    s->out[0] = *x;
    for (uint32_t i = 0; i < x->rank; i++) {
        if (p[0][i] < 0 || p[1][i] > x->shape[i] || p[0][i] >= p[1][i] || p[2][i] < 1)
            return shape_fail(s, "axis %u: [%lld, %lld) by %lld of %lld", i,
                              (long long)p[0][i], (long long)p[1][i],
                              (long long)p[2][i], (long long)x->shape[i]);
        s->out[0].shape[i] = (p[1][i] - p[0][i] + p[2][i] - 1) / p[2][i];
    }
    return RN_OK;
}

static int concat_shape(struct shaper *s) {
    if (s->n_in > 64)
        return shape_fail(s, "more than 64 operands");
    int64_t axis = shaper_axis(s, "axis", s->in[0]->rank);
    if (axis < 0)
        return RN_E_CONFIG;
    s->out[0] = *s->in[0];
    for (uint32_t i = 1; i < s->n_in; i++) {
        struct gvalue v = *s->in[i];
        if (v.dtype != s->in[0]->dtype || v.rank != s->in[0]->rank)
            return shape_fail(s, "operands differ in type or rank");
        s->out[0].shape[axis] += v.shape[axis];
        v.shape[axis] = s->in[0]->shape[axis];
        if (!same_shape(&v, s->in[0]))
            return shape_fail(s, "operands differ beside the axis");
    }
    return RN_OK;
}

static int pad_shape(struct shaper *s) {
    static const char *const names[3] = {"low", "high", "interior"};
    const struct gvalue *x = s->in[0];
    s->out[0] = *x;
    for (int k = 0; k < 3; k++) {
        struct rn_attr *a = shaper_attr(s, names[k]);
        if (k == 2 && a->count == 0) {
            a->p = arena_array(s->g->arena, int64_t, RN_MAX_RANK);
            a->count = x->rank;
        }
        if (a->count != x->rank)
            return shape_fail(s, "%s has %u numbers for rank %u", names[k], a->count,
                              x->rank);
        for (uint32_t i = 0; i < x->rank; i++) {
            int64_t n = ((const int64_t *)a->p)[i];
            if (n < 0)
                return shape_fail(s, "%s is negative", names[k]);
            s->out[0].shape[i] += k == 2 ? n * (x->shape[i] - 1) : n;
        }
    }
    return RN_OK;
}

static int broadcast_shape(struct shaper *s) {
    struct gvalue to = {.dtype = s->in[0]->dtype}, both;
    int status = read_shape(s, &to);
    both = to;
    if (status == RN_OK &&
        (!broadcast_shapes(&both, s->in[0]) || !same_shape(&both, &to)))
        return shape_fail(s, "the operand does not broadcast to the shape");
    s->out[0] = to;
    return status;
}

static int reduce_to_shape(struct shaper *s) {
    struct gvalue to = {.dtype = s->in[0]->dtype}, both;
    int status = read_shape(s, &to);
    both = to;
    if (status == RN_OK &&
        (!broadcast_shapes(&both, s->in[0]) || !same_shape(&both, s->in[0])))
        return shape_fail(s, "the shape does not broadcast to the operand");
    s->out[0] = to;
    return status;
}

static int iota_shape(struct shaper *s) {
    s->out[0].dtype = (rn_dtype)shaper_attr(s, "dtype")->i;
    int status = read_shape(s, &s->out[0]);
    if (status == RN_OK && shaper_axis(s, "axis", s->out[0].rank) < 0)
        return RN_E_CONFIG;
    return status;
}

static int full_shape(struct shaper *s) {
    s->out[0].dtype = (rn_dtype)shaper_attr(s, "dtype")->i;
    return read_shape(s, &s->out[0]);
}

/* Hidden inputs: seed, step, row, u32 scalars. */
static int hidden(struct shaper *s, uint32_t from) {
    for (uint32_t i = from; i < from + 3; i++)
        if (s->in[i]->dtype != RN_U32 || s->in[i]->rank)
            return shape_fail(s, "seed, step and row must be u32 scalars");
    return RN_OK;
}

static int random_shape(struct shaper *s) {
    s->out[0].dtype = RN_F32;
    int status = read_shape(s, &s->out[0]);
    return status ? status : hidden(s, 0);
}

static int dropout_shape(struct shaper *s) {
    double p = shaper_attr(s, "p")->f;
    s->out[0] = *s->in[0];
    if (!dtype_float(s->in[0]->dtype) || !(p >= 0.0 && p < 1.0))
        return shape_fail(s, "expects a float tensor and 0 <= p < 1");
    return hidden(s, 1);
}

/* ---------------------------------------------------------------- gradients */

static int d_reshape(struct rule *r) {
    const struct gvalue *x = emit_value(r, X);
    r->gin[0] = emit_reshape(r, G, x->rank, x->shape);
    return RN_OK;
}

static int c_flatten(struct rule *r) {
    const struct gvalue *x = emit_value(r, X);
    int64_t shape[2] = {x->shape[0], -1};
    Y = emit_reshape(r, X, 2, shape);
    return RN_OK;
}

static int d_transpose(struct rule *r) {
    const struct rn_attr *a = gnode_attr(r->n, "perm");
    int64_t back[RN_MAX_RANK];
    for (uint32_t i = 0; i < a->count; i++)
        back[((const int64_t *)a->p)[i]] = i;
    r->gin[0] = emit_transpose(r, G, a->count, back);
    return RN_OK;
}

static int d_slice(struct rule *r) {
    const struct gvalue *x = emit_value(r, X), *y = emit_value(r, Y);
    const int64_t *start = attr_ints(r->n, "start", NULL);
    const int64_t *step = attr_ints(r->n, "step", NULL);
    int64_t high[RN_MAX_RANK], interior[RN_MAX_RANK];
    for (uint32_t i = 0; i < x->rank; i++) {
        interior[i] = step[i] - 1;
        high[i] = x->shape[i] - start[i] - ((y->shape[i] - 1) * step[i] + 1);
    }
    struct rn_attr a[3] = {rn_attr_ints("low", x->rank, start),
                           rn_attr_ints("high", x->rank, high),
                           rn_attr_ints("interior", x->rank, interior)};
    r->gin[0] = emit(r, "pad", 1, &r->gout[0], 3, a);
    return RN_OK;
}

static int d_pad(struct rule *r) {
    const struct gvalue *x = emit_value(r, X);
    const int64_t *low = attr_ints(r->n, "low", NULL);
    const int64_t *interior = attr_ints(r->n, "interior", NULL);
    int64_t stop[RN_MAX_RANK], step[RN_MAX_RANK];
    for (uint32_t i = 0; i < x->rank; i++) {
        step[i] = interior[i] + 1;
        stop[i] = low[i] + (x->shape[i] - 1) * step[i] + 1;
    }
    struct rn_attr a[3] = {rn_attr_ints("start", x->rank, low),
                           rn_attr_ints("stop", x->rank, stop),
                           rn_attr_ints("step", x->rank, step)};
    r->gin[0] = emit(r, "slice", 1, &r->gout[0], 3, a);
    return RN_OK;
}

static int d_concat(struct rule *r) {
    int64_t axis = attr_int(r->n, "axis"), at = 0;
    for (uint32_t i = 0; i < r->n_in; i++) {
        const struct gvalue *x = emit_value(r, r->in[i]), *g = emit_value(r, G);
        int64_t start[RN_MAX_RANK] = {0}, stop[RN_MAX_RANK], step[RN_MAX_RANK];
        for (uint32_t k = 0; k < x->rank; k++) {
            stop[k] = g->shape[k];
            step[k] = 1;
        }
        start[axis] = at;
        stop[axis] = at += x->shape[axis];
        struct rn_attr a[3] = {rn_attr_ints("start", x->rank, start),
                               rn_attr_ints("stop", x->rank, stop),
                               rn_attr_ints("step", x->rank, step)};
        r->gin[i] = emit(r, "slice", 1, &r->gout[0], 3, a);
    }
    return RN_OK;
}

static int d_broadcast(struct rule *r) {
    r->gin[0] = emit_reduce_to(r, G, X);
    return RN_OK;
}

static int d_reduce_to(struct rule *r) {
    r->gin[0] = emit_like(r, G, X);
    return RN_OK;
}

static int c_reduce_to(struct rule *r) {
    const struct gvalue *x = emit_value(r, X);
    uint32_t rank, n = 0;
    const int64_t *shape = attr_ints(r->n, "shape", &rank);
    int64_t axes[RN_MAX_RANK];
    for (uint32_t i = 0; i < x->rank; i++) {
        uint32_t lead = x->rank - rank;
        if (i < lead || (shape[i - lead] == 1 && x->shape[i] != 1))
            axes[n++] = i;
    }
    rn_value y = n ? emit_reduce(r, "reduce_sum", X, n, axes, 0) : X;
    Y = emit_reshape(r, y, rank, shape);
    return RN_OK;
}

static int none(struct rule *r) {
    for (uint32_t i = 0; i < r->n_in; i++)
        r->gin[i] = RN_NONE;
    return RN_OK;
}

/* x * (u >= p) / (1 - p), u from the same stream whenever it is asked. */
static int c_dropout(struct rule *r) {
    const struct gvalue *x = emit_value(r, X);
    double p = attr_float(r->n, "p");
    if (p == 0.0) {
        Y = emit1(r, "identity", X);
        return RN_OK;
    }
    struct rn_attr a[3] = {rn_attr_ints("shape", x->rank, x->shape),
                           rn_attr_int("stream", attr_int(r->n, "stream")),
                           rn_attr_int("rows", 1)};
    rn_value u = emit(r, "random_uniform", 3, r->in + 1, 3, a);
    rn_value keep = emit2(r, "ge", u, graph_scalar(r->g, RN_F32, p));
    rn_value scaled = emit2(r, "mul", X, emit_number(r, X, 1.0 / (1.0 - p)));
    Y = emit3(r, "select", keep, scaled, emit_number(r, X, 0.0));
    return RN_OK;
}

#define RANDOM "shape:ints! rows:int=1 stream:int=0"

const struct op ops_shape[] = {
    {"reshape", OP_VIEW | OP_KEEPS_VALUES, 1, 1, 1, "shape:ints!", reshape_shape,
     d_reshape, NULL, 1, NULL},
    {"flatten", OP_VIEW | OP_KEEPS_VALUES, 1, 1, 1, NULL, flatten_shape, d_reshape,
     c_flatten, 1, NULL},
    {"transpose", OP_KEEPS_VALUES, 1, 1, 1, "perm:ints!", transpose_shape, d_transpose,
     NULL, 1, NULL},
    {"slice", 0, 1, 1, 1, "start:ints! stop:ints! step:ints!", slice_shape, d_slice,
     NULL, 1, NULL},
    {"concat", 0, 1, -1, 1, "axis:int!", concat_shape, d_concat, NULL, 1, NULL},
    {"pad", 0, 1, 1, 1, "low:ints! high:ints! interior:ints= value:float=0", pad_shape,
     d_pad, NULL, 1, NULL},
    {"broadcast_to", OP_KEEPS_VALUES, 1, 1, 1, "shape:ints!", broadcast_shape,
     d_broadcast, NULL, 1, NULL},
    {"reduce_to", OP_REDUCTION, 1, 1, 1, "shape:ints!", reduce_to_shape, d_reduce_to,
     c_reduce_to, 1, NULL},
    {"iota", 0, 0, 0, 1, "shape:ints! axis:int=0 dtype:int!", iota_shape, none, NULL, 1,
     NULL},
    {"full", 0, 0, 0, 1, "shape:ints! value:float=0 dtype:int!", full_shape, none, NULL,
     1, NULL},
    {"random_uniform", OP_RANDOM, 3, 3, 1, RANDOM, random_shape, none, NULL, 1, NULL},
    {"random_normal", OP_RANDOM, 3, 3, 1, RANDOM, random_shape, none, NULL, 1, NULL},
    {"dropout", OP_RANDOM, 4, 4, 1, "p:float=0.5 stream:int=0", dropout_shape, NULL,
     c_dropout, 1, NULL},
    OPS_END};
