/* SPDX-License-Identifier: Apache-2.0 */
/* Built-in matrix product and convolution kernels (products.cu): f64, shapes
 * that a library refuses, `libraries: off`. */
#include <string.h>

#include "products.h"

bool cuda_product(const struct cuda_setup *s, struct product *p) {
    bool relu = cuda_is(s, "linear_relu"), linear = relu || cuda_is(s, "linear");
    bool grad = cuda_is(s, "linear_grad_weight");
    memset(p, 0, sizeof *p);
    if (!linear && !grad && !cuda_is(s, "matmul"))
        return false;
    p->relu = relu;
    p->rows = grad ? &s->out[1] : NULL;
    p->a = &s->in[0];
    p->b = &s->in[1];
    p->y = &s->out[0];
    p->bias = linear && s->n_in > 2 ? &s->in[2] : NULL;
    if (linear) { /* x [...,I] w [O,I]: rows are all that is not I */
        p->trans_b = true;
        p->n = p->b->shape[0];
        p->k = p->b->shape[1];
        p->m = p->k ? (int64_t)(p->a->count / (uint64_t)p->k) : 0;
        p->batches = 1;
        return p->k > 0;
    }
    const struct tensor *a = p->a, *b = p->b, *y = p->y;
    p->trans_a = grad || cuda_int(s->node, "trans_a", 0);
    p->trans_b = cuda_int(s->node, "trans_b", 0);
    p->m = y->shape[y->rank - 2];
    p->n = y->shape[y->rank - 1];
    p->k = a->shape[a->rank - (p->trans_a ? 2u : 1u)];
    p->rank = y->rank - 2;
    p->batches = 1;
    int64_t a_step = p->m * p->k, b_step = p->k * p->n;
    for (uint32_t i = 2; i < y->rank; i++) { /* from the last batch dim on */
        uint32_t d = y->rank - 1 - i;
        int64_t na = i < a->rank ? a->shape[a->rank - 1 - i] : 1;
        int64_t nb = i < b->rank ? b->shape[b->rank - 1 - i] : 1;
        p->size[d] = y->shape[d];
        p->a_stride[d] = na == 1 ? 0 : a_step;
        p->b_stride[d] = nb == 1 ? 0 : b_step;
        a_step *= na;
        b_step *= nb;
        p->batches *= y->shape[d];
    }
    if (!p->trans_a && p->rank && p->batches > 1) { /* rows of a with a single b */
        bool folds = true;
        int64_t step = p->m * p->k;
        for (int64_t d = p->rank - 1; d >= 0; d--) {
            folds &= p->b_stride[d] == 0 && (p->a_stride[d] == step || p->size[d] == 1);
            step *= p->size[d];
        }
        if (folds) {
            p->m *= p->batches;
            p->batches = 1;
            p->rank = 0;
        }
    }
    return true;
}

bool cuda_conv(const struct cuda_setup *s, struct conv *c) {
    memset(c, 0, sizeof *c);
    if (cuda_is(s, "conv2d")) {
        c->pass = CONV_FORWARD;
        c->x = &s->in[0], c->w = &s->in[1], c->y = &s->out[0];
        c->bias = s->n_in > 2 ? &s->in[2] : NULL;
    } else if (cuda_is(s, "conv2d_grad_input")) {
        c->pass = CONV_INPUT;
        c->w = &s->in[0], c->y = &s->in[1], c->x = &s->out[0];
    } else if (cuda_is(s, "conv2d_grad_weight")) {
        c->pass = CONV_WEIGHT;
        c->x = &s->in[0], c->y = &s->in[1], c->w = &s->out[0];
    } else {
        return false;
    }
    memcpy(c->stride, cuda_ints(s->node, "stride"), sizeof c->stride);
    memcpy(c->pad, cuda_ints(s->node, "pad"), sizeof c->pad);
    memcpy(c->dilation, cuda_ints(s->node, "dilation"), sizeof c->dilation);
    c->groups = cuda_int(s->node, "groups", 1);
    return true;
}

bool cuda_product_types(const struct cuda_setup *s) {
    rn_dtype t = s->n_in > 1 ? s->in[0].dtype : 0;
    rn_dtype y = s->n_out > 0 ? s->out[0].dtype : 0;
    return (cuda_narrow(t) || t == RN_F32 || t == RN_F64) && s->in[1].dtype == t &&
           (y == t || (cuda_narrow(t) && y == RN_F32));
}

bool cuda_lt_multiplies(const struct cuda_device *d, rn_dtype t) {
    return d->use_libraries && (d->cublaslt || d->planning) &&
           (t == RN_F32 || t == RN_F16 || (t == RN_BF16 && d->major >= 8));
}

const char *cuda_float_suffix(rn_dtype t) {
    return t == RN_BF16 ? "bf16" : t == RN_F16 ? "f16" : cuda_suffix(t);
}

static int32_t matmul(struct cuda_setup *s, const struct product *p) {
    struct matmul_args a = {.wide = p->y->dtype == RN_F32,
                            .wide_bias = p->bias && p->bias->dtype == RN_F32,
                            .m = p->m,
                            .n = p->n,
                            .k = p->k,
                            .trans_a = p->trans_a,
                            .trans_b = p->trans_b,
                            .batches = p->batches,
                            .rank = p->rank};
    memcpy(a.size, p->size, sizeof a.size);
    memcpy(a.a_stride, p->a_stride, sizeof a.a_stride);
    memcpy(a.b_stride, p->b_stride, sizeof a.b_stride);
    uint64_t tiles = (uint64_t)((p->m + 63) / 64) * (uint64_t)((p->n + 63) / 64) *
                     (uint64_t)p->batches;
    struct cuda_task *t = cuda_launch(s, THEME_PRODUCTS, tiles, true, &a, sizeof a,
                                      "matmul_%s", cuda_float_suffix(p->a->dtype));
    CUDA_POINTER(s, t, matmul_args, a, p->a->at);
    CUDA_POINTER(s, t, matmul_args, b, p->b->at);
    if (p->bias)
        CUDA_POINTER(s, t, matmul_args, bias, p->bias->at);
    CUDA_POINTER(s, t, matmul_args, y, p->y->at);
    s->kernel = "own matmul";
    return 1;
}

static int32_t conv(struct cuda_setup *s, const struct conv *c) {
    struct conv_args a = {.count = s->out[0].count,
                          .wide = s->out[0].dtype == RN_F32,
                          .wide_bias = c->bias && c->bias->dtype == RN_F32,
                          .batch = c->x->shape[0],
                          .c = c->x->shape[1],
                          .h = c->x->shape[2],
                          .wd = c->x->shape[3],
                          .o = c->w->shape[0],
                          .cg = c->w->shape[1],
                          .kh = c->w->shape[2],
                          .kw = c->w->shape[3],
                          .oh = c->y->shape[2],
                          .ow = c->y->shape[3],
                          .sh = c->stride[0],
                          .sw = c->stride[1],
                          .top = c->pad[0],
                          .left = c->pad[1],
                          .dh = c->dilation[0],
                          .dw = c->dilation[1],
                          .groups = c->groups};
    bool blocks = c->pass == CONV_WEIGHT;
    struct cuda_task *t =
        cuda_launch(s, THEME_PRODUCTS, a.count, blocks, &a, sizeof a, "%s_%s",
                    s->node->op, cuda_float_suffix(s->in[0].dtype));
    if (c->pass != CONV_INPUT)
        CUDA_POINTER(s, t, conv_args, x, c->x->at);
    if (c->pass != CONV_WEIGHT)
        CUDA_POINTER(s, t, conv_args, w, c->w->at);
    if (c->pass != CONV_FORWARD)
        CUDA_POINTER(s, t, conv_args, y, c->y->at);
    if (c->bias)
        CUDA_POINTER(s, t, conv_args, bias, c->bias->at);
    CUDA_POINTER(s, t, conv_args, out, s->out[0].at);
    s->kernel = "own convolution";
    return 1;
}

int32_t cuda_room_products(struct cuda_setup *s, struct rn_error *e) {
    struct product p;
    struct conv c;
    (void)e;
    if (!cuda_product_types(s))
        return 0;
    /* Where a library has a form of 16 bits near to this one, what the node is made of
     * is faster: f32 sums and a region that adds the bias, or f32 convolutions. */
    bool narrow = cuda_narrow(s->in[0].dtype), libraries = s->device->use_libraries;
    if (cuda_product(s, &p)) {
        if (p.relu || p.rows)
            return 0; /* no built-in kernel does that beside it */
        bool lt = cuda_lt_multiplies(s->device, RN_F32);
        bool other = p.bias && p.bias->dtype != p.y->dtype;
        if (narrow && lt && (other || !cuda_lt_multiplies(s->device, p.a->dtype)))
            return 0;
        return matmul(s, &p);
    }
    if (!cuda_conv(s, &c) || (narrow && libraries && s->device->properties))
        return 0;
    return conv(s, &c);
}
