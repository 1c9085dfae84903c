/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products, convolution, pooling, resizing. */
#include <string.h>

#include "graph/internal.h"

#define X (r->in[0])
#define Y (r->out[0])
#define G (r->gout[0])

/* ------------------------------------------------------------------- shapes */

/* One float type; beside operands of 16 bits a bias may be f32. */
static int two_types(struct shaper *s) {
    rn_dtype t = s->in[0]->dtype;
    for (uint32_t i = 0; i < s->n_in; i++) {
        bool bias = i == 2 && dtype_narrow(t) && s->in[i]->dtype == RN_F32;
        if (bias || (dtype_float(s->in[i]->dtype) && s->in[i]->dtype == t))
            continue;
        shape_fail(s, "operands must have one float type (%s, %s)", dtype_name(t),
                   dtype_name(s->in[i]->dtype));
        if (!dtype_float(t))
            error_hint(s->e,
                       "for a field of integers: {type: scale, of: FIELD, factor: "
                       "1} in data.transforms makes f32 of it");
        return RN_E_CONFIG;
    }
    return RN_OK;
}

/* A product of operands of 16 bits may be f32 (attribute dtype): its sums are f32
 * anyhow, and then are not rounded. */
static int result_type(struct shaper *s) {
    const struct rn_attr *a = shaper_attr(s, "dtype");
    rn_dtype t = s->in[0]->dtype, want = a ? (rn_dtype)a->i : 0;
    if (want && want != t && !(dtype_narrow(t) && want == RN_F32))
        return shape_fail(s, "a product of %s cannot be %s", dtype_name(t),
                          dtype_name(want));
    s->out[0].dtype = want ? want : t;
    return RN_OK;
}

static int matmul_shape(struct shaper *s) {
    const struct gvalue *a = s->in[0], *b = s->in[1];
    int64_t ta = shaper_attr(s, "trans_a")->i, tb = shaper_attr(s, "trans_b")->i;
    int status = two_types(s);
    if (status != RN_OK)
        return status;
    if (a->rank < 2 || b->rank < 2)
        return shape_fail(s, "operands need rank 2 or more");
    int64_t m = a->shape[a->rank - (ta ? 1 : 2)], k = a->shape[a->rank - (ta ? 2 : 1)];
    int64_t k2 = b->shape[b->rank - (tb ? 1 : 2)], n = b->shape[b->rank - (tb ? 2 : 1)];
    if (k != k2)
        return shape_fail(s, "inner dimensions are %lld and %lld", (long long)k,
                          (long long)k2);
    struct gvalue lead = *a, other = *b;
    lead.rank -= 2, other.rank -= 2;
    if (!broadcast_shapes(&lead, &other))
        return shape_fail(s, "leading dimensions do not broadcast");
    if (lead.rank + 2 > RN_MAX_RANK)
        return shape_fail(s, "rank is above %d", RN_MAX_RANK);
    lead.shape[lead.rank++] = m;
    lead.shape[lead.rank++] = n;
    s->out[0] = lead;
    return result_type(s);
}

static int linear_shape(struct shaper *s) {
    const struct gvalue *x = s->in[0], *w = s->in[1];
    int status = two_types(s);
    if (status != RN_OK)
        return status;
    if (x->rank < 1 || w->rank != 2)
        return shape_fail(s, "expects x [...,I] and w [O,I]");
    if (x->shape[x->rank - 1] != w->shape[1])
        return shape_fail(s, "the input has %lld features, the weight takes %lld",
                          (long long)x->shape[x->rank - 1], (long long)w->shape[1]);
    if (s->n_in == 3 && (s->in[2]->rank != 1 || s->in[2]->shape[0] != w->shape[0]))
        return shape_fail(s, "the bias must be [%lld]", (long long)w->shape[0]);
    s->out[0] = *x;
    s->out[0].shape[x->rank - 1] = w->shape[0];
    return result_type(s);
}

static int linear_grad_weight_shape(struct shaper *s) { /* gy [N,O], x [N,I] */
    const struct gvalue *gy = s->in[0], *x = s->in[1];
    int status = two_types(s);
    if (status != RN_OK)
        return status;
    if (gy->rank != 2 || x->rank != 2 || gy->shape[0] != x->shape[0])
        return shape_fail(s, "expects gy [N,O] and x [N,I]");
    s->out[0] = *gy;
    s->out[0].shape[0] = gy->shape[1];
    s->out[0].shape[1] = x->shape[1];
    s->out[1] = (struct gvalue){.dtype = dtype_narrow(gy->dtype) ? RN_F32 : gy->dtype,
                                .rank = 1};
    s->out[1].shape[0] = gy->shape[1];
    return result_type(s);
}

/* ----------------------------------------------------------- blocked images */

/* Input i as the [N,C,H,W] that it stands for, where attribute `name` says that it is
 * blocked; *room holds it. */
static int unblock_in(struct shaper *s, uint32_t i, const char *name,
                      struct gvalue *room) {
    int64_t block = shaper_attr(s, name)->i;
    if (!block)
        return RN_OK;
    if (!image_unblock(s->in[i], block, room))
        return shape_fail(s, "%s is %lld, but input %u is not [N,C/b,H,W,b] of that b",
                          name, (long long)block, i);
    s->in[i] = room;
    return RN_OK;
}

static int block_result(struct shaper *s, const char *name) {
    int64_t block = shaper_attr(s, name)->i;
    if (block && !image_block(&s->out[0], block))
        return shape_fail(s, "%s is %lld, which does not divide %lld channels", name,
                          (long long)block, (long long)s->out[0].shape[1]);
    return RN_OK;
}

/* Windows: stride, pad, dilation, groups from the attributes, checked. */
struct window {
    int64_t kernel[2], stride[2], pad[4], dilation[2], groups;
};

static int read_window(struct shaper *s, struct window *w) {
    static const char *const names[] = {"kernel", "stride", "pad", "dilation"};
    static const uint32_t counts[] = {2, 2, 4, 2};
    int64_t *into[] = {w->kernel, w->stride, w->pad, w->dilation};
    w->groups = 1;
    w->kernel[0] = w->kernel[1] = w->dilation[0] = w->dilation[1] = 1;
    for (int i = 0; i < 4; i++) {
        struct rn_attr *a = shaper_attr(s, names[i]);
        if (!a)
            continue;
        if (a->count != counts[i])
            return shape_fail(s, "%s needs %u numbers", names[i], counts[i]);
        memcpy(into[i], a->p, counts[i] * sizeof(int64_t));
        for (uint32_t k = 0; k < counts[i]; k++)
            if (into[i][k] < (i == 2 ? 0 : 1) || into[i][k] > 1 << 20)
                return shape_fail(s, "%s is %lld", names[i], (long long)into[i][k]);
    }
    if (shaper_attr(s, "groups"))
        w->groups = shaper_attr(s, "groups")->i;
    if (w->groups < 1)
        return shape_fail(s, "groups is %lld", (long long)w->groups);
    return RN_OK;
}

static int window_out(struct shaper *s, const struct window *w, const int64_t *in,
                      int64_t *out) {
    for (int i = 0; i < 2; i++) {
        int64_t padded = in[i] + w->pad[i] + w->pad[i + 2];
        int64_t span = w->dilation[i] * (w->kernel[i] - 1) + 1;
        if (span > padded)
            return shape_fail(s, "kernel %lld%s is larger than the padded input %lld",
                              (long long)w->kernel[i],
                              w->dilation[i] > 1 ? " (dilated)" : "",
                              (long long)padded);
        out[i] = (padded - span) / w->stride[i] + 1;
    }
    return RN_OK;
}

static int conv_check(struct shaper *s, const struct gvalue *x, const struct gvalue *w,
                      struct window *win) {
    int status = two_types(s);
    if (status == RN_OK)
        status = read_window(s, win);
    if (status != RN_OK)
        return status;
    if (x->rank != 4 || w->rank != 4)
        return shape_fail(
            s,
            "expects images [N,C,H,W] and a weight of rank 4, not rank %u "
            "and %u",
            x->rank, w->rank);
    win->kernel[0] = w->shape[2], win->kernel[1] = w->shape[3];
    return RN_OK;
}

static int conv_shape(struct shaper *s) {
    struct gvalue room;
    int status = unblock_in(s, 0, "block_in", &room);
    if (status != RN_OK)
        return status;
    const struct gvalue *x = s->in[0], *w = s->in[1];
    struct window win;
    status = conv_check(s, x, w, &win);
    if (status != RN_OK)
        return status;
    if (x->shape[1] != w->shape[1] * win.groups || w->shape[0] % win.groups)
        return shape_fail(s,
                          "%lld input and %lld output channels do not fit the weight "
                          "[%lld,%lld,..] in %lld groups",
                          (long long)x->shape[1], (long long)w->shape[0],
                          (long long)w->shape[0], (long long)w->shape[1],
                          (long long)win.groups);
    if (s->n_in == 3 && (s->in[2]->rank != 1 || s->in[2]->shape[0] != w->shape[0]))
        return shape_fail(s, "the bias must be [%lld]", (long long)w->shape[0]);
    s->out[0] = *x;
    s->out[0].shape[1] = w->shape[0];
    status = window_out(s, &win, x->shape + 2, s->out[0].shape + 2);
    if (status == RN_OK)
        status = result_type(s);
    return status == RN_OK ? block_result(s, "block_out") : status;
}

static int conv_grad_input_shape(struct shaper *s) {
    struct window win;
    struct gvalue room;
    int status = unblock_in(s, 1, "block_in", &room);
    if (status == RN_OK)
        status = conv_check(s, s->in[1], s->in[0], &win);
    struct rn_attr *a = shaper_attr(s, "input_shape");
    if (status != RN_OK)
        return status;
    if (a->count != 4)
        return shape_fail(s, "input_shape needs 4 numbers");
    int64_t out[2];
    s->out[0] = *s->in[1];
    memcpy(s->out[0].shape, a->p, 4 * sizeof(int64_t));
    status = window_out(s, &win, s->out[0].shape + 2, out);
    if (status == RN_OK &&
        (out[0] != s->in[1]->shape[2] || out[1] != s->in[1]->shape[3] ||
         s->out[0].shape[1] != s->in[0]->shape[1] * win.groups ||
         s->in[1]->shape[1] != s->in[0]->shape[0]))
        return shape_fail(s, "input_shape does not belong to this output");
    if (status == RN_OK)
        status = result_type(s);
    return status == RN_OK ? block_result(s, "block_out") : status;
}

static int conv_grad_weight_shape(struct shaper *s) {
    struct window win;
    struct gvalue room[2];
    struct rn_attr *a = shaper_attr(s, "weight_shape");
    if (a->count != 4)
        return shape_fail(s, "weight_shape needs 4 numbers");
    struct gvalue w = {.dtype = s->in[0]->dtype, .rank = 4};
    memcpy(w.shape, a->p, 4 * sizeof(int64_t));
    int status = unblock_in(s, 0, "block_in", &room[0]);
    if (status == RN_OK)
        status = unblock_in(s, 1, "block_out", &room[1]);
    if (status == RN_OK)
        status = conv_check(s, s->in[0], &w, &win);
    int64_t out[2];
    if (status == RN_OK)
        status = window_out(s, &win, s->in[0]->shape + 2, out);
    if (status == RN_OK &&
        (s->in[1]->rank != 4 || out[0] != s->in[1]->shape[2] ||
         out[1] != s->in[1]->shape[3] || w.shape[0] != s->in[1]->shape[1] ||
         w.shape[1] * win.groups != s->in[0]->shape[1]))
        return shape_fail(s, "weight_shape does not belong to these operands");
    s->out[0] = w;
    return status == RN_OK ? result_type(s) : status;
}

static int conv_transpose_shape(struct shaper *s) {
    const struct gvalue *x = s->in[0], *w = s->in[1];
    struct window win;
    int status = conv_check(s, x, w, &win);
    struct rn_attr *extra = shaper_attr(s, "output_pad");
    if (status != RN_OK)
        return status;
    if (x->shape[1] != w->shape[0] || x->shape[1] % win.groups)
        return shape_fail(s,
                          "%lld input channels do not fit the weight [%lld,..] in %lld "
                          "groups",
                          (long long)x->shape[1], (long long)w->shape[0],
                          (long long)win.groups);
    s->out[0] = *x;
    s->out[0].shape[1] = w->shape[1] * win.groups;
    if (s->n_in == 3 &&
        (s->in[2]->rank != 1 || s->in[2]->shape[0] != s->out[0].shape[1]))
        return shape_fail(s, "the bias must be [%lld]", (long long)s->out[0].shape[1]);
    for (int i = 0; i < 2; i++) {
        int64_t more = extra->count == 2 ? ((const int64_t *)extra->p)[i] : 0;
        if (more < 0 || more >= win.stride[i])
            return shape_fail(s, "output_pad must be below the stride");
        s->out[0].shape[2 + i] = (x->shape[2 + i] - 1) * win.stride[i] - win.pad[i] -
                                 win.pad[i + 2] +
                                 win.dilation[i] * (win.kernel[i] - 1) + more + 1;
        if (s->out[0].shape[2 + i] < 1)
            return shape_fail(s, "nothing is left of the image");
    }
    return RN_OK;
}

static int pool_shape(struct shaper *s) {
    struct window win;
    struct gvalue room;
    int status = read_window(s, &win);
    if (status == RN_OK)
        status = unblock_in(s, 0, "block", &room);
    if (status != RN_OK)
        return status;
    if (s->in[0]->rank != 4 || !dtype_float(s->in[0]->dtype))
        return shape_fail(s, "expects float images [N,C,H,W], not rank %u",
                          s->in[0]->rank);
    for (int i = 0; i < 4; i++)
        if (win.pad[i] >= win.kernel[i % 2])
            return shape_fail(s, "padding must be smaller than the kernel");
    s->out[0] = *s->in[0];
    status = window_out(s, &win, s->in[0]->shape + 2, s->out[0].shape + 2);
    return status == RN_OK ? block_result(s, "block") : status;
}

static int pool_grad_shape(struct shaper *s) {
    struct gvalue x = *s->in[0];
    int status = pool_shape(s);
    if (status == RN_OK && !same_shape(&s->out[0], s->in[1]))
        return shape_fail(s, "the gradient has not the output's shape");
    s->out[0] = x;
    return status;
}

static int pool_gather_shape(struct shaper *s) {
    if (!same_shape(s->in[0], s->in[1]))
        return shape_fail(s, "both operands must have one shape");
    return pool_shape(s);
}

static int avg_grad_shape(struct shaper *s) {
    struct window win;
    struct gvalue room;
    int status = read_window(s, &win);
    struct rn_attr *a = shaper_attr(s, "input_shape");
    int64_t out[2];
    if (status == RN_OK)
        status = unblock_in(s, 0, "block", &room);
    if (status != RN_OK)
        return status;
    if (a->count != 4 || s->in[0]->rank != 4)
        return shape_fail(s, "input_shape needs 4 numbers");
    s->out[0] = *s->in[0];
    memcpy(s->out[0].shape, a->p, 4 * sizeof(int64_t));
    status = window_out(s, &win, s->out[0].shape + 2, out);
    if (status == RN_OK &&
        (out[0] != s->in[0]->shape[2] || out[1] != s->in[0]->shape[3]))
        return shape_fail(s, "input_shape does not belong to this output");
    return status == RN_OK ? block_result(s, "block") : status;
}

static int global_pool_shape(struct shaper *s) {
    if (s->in[0]->rank != 4 || !dtype_float(s->in[0]->dtype))
        return shape_fail(s, "expects float images [N,C,H,W], not rank %u",
                          s->in[0]->rank);
    s->out[0] = *s->in[0];
    s->out[0].rank = 2;
    return RN_OK;
}

static int resize_shape(struct shaper *s) {
    struct rn_attr *a = shaper_attr(s, "size");
    if (s->in[0]->rank != 4 || !dtype_float(s->in[0]->dtype) || a->count != 2)
        return shape_fail(s, "expects float images [N,C,H,W] and a size of 2 numbers");
    s->out[0] = *s->in[0];
    memcpy(s->out[0].shape + 2, a->p, 2 * sizeof(int64_t));
    if (s->out[0].shape[2] < 1 || s->out[0].shape[3] < 1)
        return shape_fail(s, "size must be 1 or more");
    return RN_OK;
}

static int resize_grad_shape(struct shaper *s) {
    struct rn_attr *a = shaper_attr(s, "input_shape");
    if (a->count != 4 || s->in[0]->rank != 4)
        return shape_fail(s, "input_shape needs 4 numbers");
    s->out[0] = *s->in[0];
    memcpy(s->out[0].shape, a->p, 4 * sizeof(int64_t));
    return RN_OK;
}

/* ---------------------------------------------------------------- gradients */

static rn_value mm(struct rule *r, rn_value a, rn_value b, int ta, int tb) {
    rn_value in[2] = {a, b};
    struct rn_attr at[2] = {rn_attr_int("trans_a", ta), rn_attr_int("trans_b", tb)};
    return emit(r, "matmul", 2, in, 2, at);
}

/* The gradient of the result in the operands' type. */
static rn_value result_grad(struct rule *r) {
    return emit_cast(r, G, emit_value(r, X)->dtype);
}

static int d_matmul(struct rule *r) {
    rn_value a = r->in[0], b = r->in[1], g = result_grad(r), ga, gb;
    int ta = (int)attr_int(r->n, "trans_a"), tb = (int)attr_int(r->n, "trans_b");
    ga = ta ? mm(r, b, g, tb, 1) : mm(r, g, b, 0, !tb);
    gb = tb ? mm(r, g, a, 1, ta) : mm(r, a, g, !ta, 0);
    r->gin[0] = emit_reduce_to(r, ga, a);
    r->gin[1] = emit_reduce_to(r, gb, b);
    return RN_OK;
}

/* x [...,I] as a matrix [rows,I]. */
static rn_value rows(struct rule *r, rn_value x) {
    const struct gvalue *v = emit_value(r, x);
    if (!v)
        return RN_NONE;
    int64_t shape[2] = {-1, v->shape[v->rank - 1]};
    return v->rank == 2 ? x : emit_reshape(r, x, 2, shape);
}

static int d_linear(struct rule *r) {
    const struct gvalue *x = emit_value(r, X);
    rn_value g = rows(r, result_grad(r));
    int64_t zero = 0;
    r->gin[0] = emit_reshape(r, mm(r, g, r->in[1], 0, 0), x->rank, x->shape);
    r->gin[1] = mm(r, g, rows(r, X), 1, 0);
    if (r->n_in == 3) {
        rn_value full = emit_cast(r, rows(r, G), emit_value(r, r->in[2])->dtype);
        r->gin[2] = emit_reduce(r, "reduce_sum", full, 1, &zero, 0);
    }
    return RN_OK;
}

static int64_t block_of(const struct rule *r, const char *name) {
    return gnode_attr(r->n, name) ? attr_int(r->n, name) : 0;
}

/* A product of 16 bits with a bias: the f32 sums of one without, and the bias by
 * itself, for a backend that has a kernel for that; one that has none gets the whole in
 * f32, where the bias is an operand. */
static int biased_product(struct rule *r) {
    struct rn_attr at[RULE_ATTRS];
    rn_dtype t = rule_result_type(r);
    rule_attrs(r, (int64_t)RN_F32, at);
    rn_value y = emit(r, r->n->op->name, 2, r->in, r->n->attr_count, at);
    if (r->e->status == RN_OK && r->takes &&
        !r->takes(r->context, r->g, &r->g->nodes[r->g->values[y].node]))
        return rule_widened(r, 1);
    rn_value bias = emit_cast(r, r->in[2], RN_F32);
    if (strcmp(r->n->op->name, "conv2d") == 0) {
        int64_t block = block_of(r, "block_out"), plain[4] = {1, -1, 1, 1};
        int64_t blocked[5] = {1, -1, 1, 1, block};
        bias = emit_reshape(r, bias, block ? 5 : 4, block ? blocked : plain);
    }
    Y = emit_cast(r, emit2(r, "add", y, bias), t);
    return RN_OK;
}

static int narrow_product(struct rule *r) {
    return r->n_in == 3 ? biased_product(r) : rule_widened(r, 1);
}

static int c_matmul(struct rule *r) {
    return rule_widened(r, 1);
}

/* The weight's gradient and the bias's, which is a sum in f32. */
static int c_linear_grad_weight(struct rule *r) {
    rn_value in[2] = {r->in[0], r->in[1]};
    struct rn_attr at[2] = {rn_attr_int("trans_a", 1), *gnode_attr(r->n, "dtype")};
    bool narrow = rule_narrow(r);
    rn_value gy = narrow ? emit_cast(r, in[0], RN_F32) : in[0];
    int64_t zero = 0;
    r->out[0] = emit(r, "matmul", 2, in, 2, at);
    r->out[1] = emit_reduce(r, "reduce_sum", gy, 1, &zero, 0);
    return RN_OK;
}

static int c_linear_relu(struct rule *r) {
    rn_value y = emit(r, "linear", r->n_in, r->in, r->n->attr_count, r->n->attrs);
    Y = emit1(r, "relu", y);
    return RN_OK;
}

static int c_linear(struct rule *r) {
    if (rule_narrow(r))
        return narrow_product(r);
    const struct gvalue *x = emit_value(r, X), *w = emit_value(r, r->in[1]);
    int64_t shape[RN_MAX_RANK];
    memcpy(shape, x->shape, sizeof shape);
    shape[x->rank - 1] = w->shape[0];
    rn_value y = mm(r, rows(r, X), r->in[1], 0, 1);
    y = emit_reshape(r, y, x->rank, shape);
    Y = r->n_in == 3 ? emit2(r, "add", y, r->in[2]) : y;
    return RN_OK;
}

/* The node's window attributes with one list of sizes in front; the forms of the first
 * and the other image. */
static rn_value conv(struct rule *r, const char *op, rn_value a, rn_value b,
                     const char *size, const int64_t *shape, int64_t block_in,
                     int64_t block_out) {
    rn_value in[2] = {a, b};
    struct rn_attr at[7];
    uint32_t n = 0;
    if (size)
        at[n++] = rn_attr_ints(size, 4, shape);
    at[n++] = *gnode_attr(r->n, "stride");
    at[n++] = *gnode_attr(r->n, "pad");
    at[n++] = *gnode_attr(r->n, "dilation");
    at[n++] = *gnode_attr(r->n, "groups");
    at[n++] = rn_attr_int("block_in", block_in);
    at[n++] = rn_attr_int("block_out", block_out);
    return emit(r, op, 2, in, n, at);
}

static rn_value bias_grad(struct rule *r, rn_value g) {
    int64_t axes[3] = {0, 2, 3}, all = -1;
    g = emit_cast(r, g, emit_value(r, r->in[2])->dtype);
    rn_value sum = emit_reduce(r, "reduce_sum", g, 3, axes, 0);
    return block_of(r, "block_out") ? emit_reshape(r, sum, 1, &all) : sum;
}

static int d_conv(struct rule *r) {
    const struct gvalue *x = emit_value(r, X), *w = emit_value(r, r->in[1]);
    int64_t in = block_of(r, "block_in"), out = block_of(r, "block_out");
    struct gvalue image = *x;
    image_unblock(x, in, &image);
    rn_value g = result_grad(r);
    r->gin[0] =
        conv(r, "conv2d_grad_input", r->in[1], g, "input_shape", image.shape, out, in);
    r->gin[1] = conv(r, "conv2d_grad_weight", X, g, "weight_shape", w->shape, in, out);
    if (r->n_in == 3)
        r->gin[2] = bias_grad(r, G);
    return RN_OK;
}

static int d_conv_grad_input(struct rule *r) { /* (w, gy) -> gx, bilinear */
    const struct gvalue *w = emit_value(r, r->in[0]);
    int64_t in = block_of(r, "block_in"), out = block_of(r, "block_out");
    rn_value g = result_grad(r);
    r->gin[0] =
        conv(r, "conv2d_grad_weight", g, r->in[1], "weight_shape", w->shape, out, in);
    r->gin[1] = conv(r, "conv2d", g, r->in[0], NULL, NULL, out, in);
    return RN_OK;
}

static int d_conv_grad_weight(struct rule *r) { /* (x, gy) -> gw, bilinear */
    const struct gvalue *x = emit_value(r, r->in[0]);
    int64_t in = block_of(r, "block_in"), out = block_of(r, "block_out");
    struct gvalue image = *x;
    image_unblock(x, in, &image);
    r->gin[0] =
        conv(r, "conv2d_grad_input", G, r->in[1], "input_shape", image.shape, out, in);
    r->gin[1] = conv(r, "conv2d", r->in[0], G, NULL, NULL, in, out);
    return RN_OK;
}

/* Blocked images are defined by what they stand for. */
static rn_value unblock(struct rule *r, rn_value x, int64_t block) {
    static const int64_t perm[5] = {0, 1, 4, 2, 3};
    const struct gvalue *v = emit_value(r, x);
    struct gvalue image;
    if (!v || !block || !image_unblock(v, block, &image))
        return x;
    return emit_reshape(r, emit_transpose(r, x, 5, perm), 4, image.shape);
}

static rn_value reblock(struct rule *r, rn_value x, int64_t block) {
    static const int64_t perm[5] = {0, 1, 3, 4, 2};
    const struct gvalue *v = emit_value(r, x);
    if (!v || !block)
        return x;
    int64_t apart[5] = {v->shape[0], v->shape[1] / block, block, v->shape[2],
                        v->shape[3]};
    return emit_transpose(r, emit_reshape(r, x, 5, apart), 5, perm);
}

static rn_value plain_conv(struct rule *r, const char *op, rn_value a, rn_value b,
                           const char *size) {
    uint32_t count;
    const int64_t *shape = size ? attr_ints(r->n, size, &count) : NULL;
    return conv(r, op, a, b, size, shape, 0, 0);
}

static int c_conv(struct rule *r) {
    if (rule_narrow(r))
        return narrow_product(r);
    rn_value x = unblock(r, X, block_of(r, "block_in"));
    rn_value y = plain_conv(r, "conv2d", x, r->in[1], NULL);
    if (r->n_in == 3) {
        int64_t shape[4] = {1, -1, 1, 1};
        y = emit2(r, "add", y, emit_reshape(r, r->in[2], 4, shape));
    }
    Y = reblock(r, y, block_of(r, "block_out"));
    return RN_OK;
}

static int c_conv_grad_input(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    rn_value g = unblock(r, r->in[1], block_of(r, "block_in"));
    rn_value x = plain_conv(r, "conv2d_grad_input", r->in[0], g, "input_shape");
    Y = reblock(r, x, block_of(r, "block_out"));
    return RN_OK;
}

static int c_conv_grad_weight(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    rn_value x = unblock(r, r->in[0], block_of(r, "block_in"));
    rn_value g = unblock(r, r->in[1], block_of(r, "block_out"));
    Y = plain_conv(r, "conv2d_grad_weight", x, g, "weight_shape");
    return RN_OK;
}

/* Any pooling: all its images are of one form. */
static int c_pool(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    int64_t block = block_of(r, "block");
    rn_value in[2];
    struct rn_attr at[8];
    for (uint32_t i = 0; i < r->n_in; i++)
        in[i] = unblock(r, r->in[i], block);
    for (uint32_t i = 0; i < r->n->attr_count; i++) {
        at[i] = r->n->attrs[i];
        if (strcmp(at[i].name, "block") == 0)
            at[i].i = 0;
    }
    rn_value y = emit(r, r->n->op->name, r->n_in, in, r->n->attr_count, at);
    Y = reblock(r, y, block);
    return RN_OK;
}

/* y [N,O,H,W] + bias [O] */
static rn_value with_bias(struct rule *r, rn_value y, rn_value bias) {
    int64_t shape[4] = {1, -1, 1, 1};
    return emit2(r, "add", y, emit_reshape(r, bias, 4, shape));
}

static int c_conv_transpose(struct rule *r) {
    /* The transpose of the convolution that maps [N,O,H',W'] to x. */
    const struct op *op = r->n->op;
    struct shaper s = {.g = r->g,
                       .op = op,
                       .n_in = r->n_in,
                       .e = r->e,
                       .attrs = r->n->attrs,
                       .n_attr = r->n->attr_count};
    for (uint32_t i = 0; i < r->n_in; i++)
        s.in[i] = emit_value(r, r->in[i]);
    int status = op->shape(&s);
    if (status != RN_OK)
        return status;
    rn_value y =
        conv(r, "conv2d_grad_input", r->in[1], X, "input_shape", s.out[0].shape, 0, 0);
    Y = r->n_in == 3 ? with_bias(r, y, r->in[2]) : y;
    return RN_OK;
}

static int d_max_pool(struct rule *r) {
    rn_value in[2] = {X, G};
    r->gin[0] = emit_same(r, "max_pool2d_grad", 2, in);
    return RN_OK;
}

static int d_max_pool_grad(struct rule *r) { /* (x, gy): linear in gy */
    rn_value in[2] = {X, G};
    r->gin[0] = RN_NONE;
    r->gin[1] = emit_same(r, "max_pool2d_gather", 2, in);
    return RN_OK;
}

static int d_max_pool_gather(struct rule *r) {
    rn_value in[2] = {X, G};
    r->gin[0] = RN_NONE;
    r->gin[1] = emit_same(r, "max_pool2d_grad", 2, in);
    return RN_OK;
}

static int d_avg_pool(struct rule *r) {
    struct gvalue image = *emit_value(r, X);
    image_unblock(emit_value(r, X), block_of(r, "block"), &image);
    struct rn_attr a[6] = {rn_attr_ints("input_shape", 4, image.shape),
                           *gnode_attr(r->n, "kernel"),
                           *gnode_attr(r->n, "stride"),
                           *gnode_attr(r->n, "pad"),
                           *gnode_attr(r->n, "count_pad"),
                           *gnode_attr(r->n, "block")};
    r->gin[0] = emit(r, "avg_pool2d_grad", 1, &r->gout[0], 6, a);
    return RN_OK;
}

static int d_avg_pool_grad(struct rule *r) {
    struct rn_attr a[5] = {*gnode_attr(r->n, "kernel"), *gnode_attr(r->n, "stride"),
                           *gnode_attr(r->n, "pad"), *gnode_attr(r->n, "count_pad"),
                           *gnode_attr(r->n, "block")};
    r->gin[0] = emit(r, "avg_pool2d", 1, &r->gout[0], 5, a);
    return RN_OK;
}

static int c_global_pool(struct rule *r) {
    int64_t axes[2] = {2, 3};
    Y = emit_reduce(r, "reduce_mean", X, 2, axes, 0);
    return RN_OK;
}

static int d_resize(struct rule *r) {
    const struct gvalue *x = emit_value(r, X);
    struct rn_attr a[2] = {rn_attr_ints("input_shape", 4, x->shape),
                           *gnode_attr(r->n, "mode")};
    r->gin[0] = emit(r, "resize2d_grad", 1, &r->gout[0], 2, a);
    return RN_OK;
}

static int d_resize_grad(struct rule *r) {
    const struct gvalue *g = emit_value(r, X);
    struct rn_attr a[2] = {rn_attr_ints("size", 2, g->shape + 2),
                           *gnode_attr(r->n, "mode")};
    r->gin[0] = emit(r, "resize2d", 1, &r->gout[0], 2, a);
    return RN_OK;
}

#define TYPE " dtype:int=0"
#define WIN  "stride:ints=1,1 pad:ints=0,0,0,0 dilation:ints=1,1 groups:int=1"
#define CONV WIN " block_in:int=0 block_out:int=0" TYPE
#define POOL "kernel:ints! stride:ints=1,1 pad:ints=0,0,0,0"
#define LAST " block:int=0"

const struct op ops_linear[] = {
    {"matmul", OP_BLOCKED, 2, 2, 1, "trans_a:int=0 trans_b:int=0" TYPE, matmul_shape,
     d_matmul, c_matmul, 1, NULL},
    {"linear", 0, 2, 3, 1, "dtype:int=0", linear_shape, d_linear, c_linear, 1, NULL},
    {"linear_relu", 0, 2, 3, 1, "dtype:int=0", linear_shape, NULL, c_linear_relu, 1,
     NULL},
    {"linear_grad_weight", 0, 2, 2, 2, "dtype:int=0", linear_grad_weight_shape, NULL,
     c_linear_grad_weight, 1, NULL},
    {"conv2d", OP_BLOCKED, 2, 3, 1, CONV, conv_shape, d_conv, c_conv, 1, NULL},
    {"conv2d_grad_input", OP_BLOCKED, 2, 2, 1, "input_shape:ints! " CONV,
     conv_grad_input_shape, d_conv_grad_input, c_conv_grad_input, 1, NULL},
    {"conv2d_grad_weight", OP_BLOCKED, 2, 2, 1, "weight_shape:ints! " CONV,
     conv_grad_weight_shape, d_conv_grad_weight, c_conv_grad_weight, 1, NULL},
    {"conv_transpose2d", 0, 2, 3, 1, WIN " output_pad:ints=0,0", conv_transpose_shape,
     NULL, c_conv_transpose, 1, NULL},
    {"max_pool2d", OP_BLOCKED, 1, 1, 1, POOL LAST, pool_shape, d_max_pool, c_pool, 1,
     NULL},
    {"max_pool2d_grad", OP_BLOCKED, 2, 2, 1, POOL LAST, pool_grad_shape,
     d_max_pool_grad, c_pool, 1, NULL},
    {"max_pool2d_gather", OP_BLOCKED, 2, 2, 1, POOL LAST, pool_gather_shape,
     d_max_pool_gather, c_pool, 1, NULL},
    {"avg_pool2d", OP_BLOCKED, 1, 1, 1, POOL " count_pad:int=0" LAST, pool_shape,
     d_avg_pool, c_pool, 1, NULL},
    {"avg_pool2d_grad", OP_BLOCKED, 1, 1, 1,
     "input_shape:ints! " POOL " count_pad:int=0" LAST, avg_grad_shape, d_avg_pool_grad,
     c_pool, 1, NULL},
    {"global_avg_pool2d", 0, 1, 1, 1, NULL, global_pool_shape, NULL, c_global_pool, 1,
     NULL},
    {"resize2d", 0, 1, 1, 1, "size:ints! mode:int=0", resize_shape, d_resize, NULL, 1,
     NULL},
    {"resize2d_grad", 0, 1, 1, 1, "input_shape:ints! mode:int=0", resize_grad_shape,
     d_resize_grad, NULL, 1, NULL},
    OPS_END};
