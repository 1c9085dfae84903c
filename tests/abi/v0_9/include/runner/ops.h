/* SPDX-License-Identifier: Apache-2.0 */
/* The operators: what each means, its attributes, its shape rule. The meaning of a name
 * never changes; changed semantics get a new name. This file is the specification that
 * the graph (shape, gradient), the reference backend (the definition in numbers) and
 * every other backend are written against. Included by build.h.
 *
 * Conventions. Broadcasting is NumPy's. Axes may be negative. Images are NCHW. `pad` of
 * 2-D windows is [top, left, bottom, right]. Integer attributes that are lists are
 * INTS. Float operators keep their input's dtype. Reductions of f32 accumulate in f32
 * by the fixed tree of numerics.h. Gradients at edges are part of the meaning and stand
 * beside the operator as "grad:". "prim" marks a primitive; every other operator has a
 * decomposition into primitives. */
#ifndef RUNNER_OPS_H
#define RUNNER_OPS_H

#include <runner/build.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline rn_value rn_op1_(struct rn_build *b, const char *n, rn_value x) {
    return rn_op(b, n, 1, &x, 0, NULL);
}

static inline rn_value rn_op2_(struct rn_build *b, const char *n, rn_value x,
                               rn_value y) {
    rn_value in[2];
    in[0] = x, in[1] = y;
    return rn_op(b, n, 2, in, 0, NULL);
}

static inline rn_value rn_op1i_(struct rn_build *b, const char *n, rn_value x,
                                const char *a, int64_t i) {
    struct rn_attr at = rn_attr_int(a, i);
    return rn_op(b, n, 1, &x, 1, &at);
}

static inline rn_value rn_op1f_(struct rn_build *b, const char *n, rn_value x,
                                const char *a, double f) {
    struct rn_attr at = rn_attr_float(a, f);
    return rn_op(b, n, 1, &x, 1, &at);
}

#define RN_UNARY_(name)                                                                \
    static inline rn_value rn_##name(struct rn_build *b, rn_value x) {                 \
        return rn_op1_(b, #name, x);                                                   \
    }
#define RN_BINARY_(name)                                                               \
    static inline rn_value rn_##name(struct rn_build *b, rn_value x, rn_value y) {     \
        return rn_op2_(b, #name, x, y);                                                \
    }

/* ---- elementwise, one input (float unless said) ---- */
RN_UNARY_(identity)      /* prim, any dtype */
RN_UNARY_(neg)           /* prim, float and signed int */
RN_UNARY_(abs)           /* prim; grad: sign(x), 0 at 0 */
RN_UNARY_(sign)          /* prim; -1, 0, 1; grad 0 */
RN_UNARY_(exp)           /* prim */
RN_UNARY_(expm1)         /* prim */
RN_UNARY_(log)           /* prim */
RN_UNARY_(log1p)         /* prim */
RN_UNARY_(sqrt)          /* prim, IEEE; grad: 0.5/sqrt(x), +inf at 0 */
RN_UNARY_(rsqrt)         /* 1/sqrt(x), two roundings */
RN_UNARY_(reciprocal)    /* 1/x */
RN_UNARY_(square)        /* x*x */
RN_UNARY_(sin)           /* prim */
RN_UNARY_(cos)           /* prim */
RN_UNARY_(tanh)          /* prim */
RN_UNARY_(erf)           /* prim */
RN_UNARY_(sigmoid)       /* prim; 1/(1+exp(-x)), no overflow for any x */
RN_UNARY_(softplus)      /* max(x,0) + log1p(exp(-|x|)) */
RN_UNARY_(floor)         /* prim; grad 0 */
RN_UNARY_(ceil)          /* prim; grad 0 */
RN_UNARY_(round)         /* prim; half to even; grad 0 */
RN_UNARY_(relu)          /* max(x,0), NaN passes; grad: x > 0 ? 1 : 0 */
RN_UNARY_(relu6)         /* min(max(x,0),6); grad: 0 < x < 6 */
RN_UNARY_(selu)          /* Klambauer et al. 2017, eq. 2 */
RN_UNARY_(silu)          /* x*sigmoid(x) */
RN_UNARY_(mish)          /* x*tanh(softplus(x)) */
RN_UNARY_(hard_sigmoid)  /* clamp(x/6 + 0.5, 0, 1) */
RN_UNARY_(hard_swish)    /* x*hard_sigmoid(x) */
RN_UNARY_(is_finite)     /* prim; float -> bool; grad none */
RN_UNARY_(logical_not)   /* prim; bool -> bool */
RN_UNARY_(stop_gradient) /* identity; grad 0 */
static inline rn_value rn_leaky_relu(struct rn_build *b, rn_value x, double alpha) {
    return rn_op1f_(b, "leaky_relu", x, "alpha", alpha); /* x > 0 ? x : alpha*x; 0.01 */
}
static inline rn_value rn_elu(struct rn_build *b, rn_value x, double alpha) {
    return rn_op1f_(b, "elu", x, "alpha", alpha); /* x > 0 ? x : alpha*expm1(x); 1.0 */
}
static inline rn_value rn_gelu(struct rn_build *b, rn_value x, int32_t tanh_form) {
    /* x*Phi(x) by erf; tanh_form 1: the tanh approximation. Default 0. */
    return rn_op1i_(b, "gelu", x, "tanh", tanh_form);
}
/* min(max(x, lo), hi); grad: 1 where lo <= x <= hi. Both attributes required. */
static inline rn_value rn_clamp(struct rn_build *b, rn_value x, double lo, double hi) {
    struct rn_attr a[2];
    a[0] = rn_attr_float("lo", lo), a[1] = rn_attr_float("hi", hi);
    return rn_op(b, "clamp", 1, &x, 2, a);
}
/* prim; any to any; float to int truncates towards zero, saturating; to bool: x != 0.
 * grad: cast back (0 through integers). */
static inline rn_value rn_cast(struct rn_build *b, rn_value x, rn_dtype t) {
    return rn_op1i_(b, "cast", x, "dtype", (int64_t)t);
}
/* Forward y, gradient goes to x unchanged; shapes equal. */
RN_BINARY_(straight_through)

/* ---- elementwise, two inputs, broadcasting, equal dtypes ---- */
RN_BINARY_(add)     /* prim */
RN_BINARY_(sub)     /* prim */
RN_BINARY_(mul)     /* prim */
RN_BINARY_(div)     /* prim; integers truncate, x/0 = 0 */
RN_BINARY_(pow)     /* prim; IEEE pow cases; grad: dx = y*x^(y-1), 0 where y == 0;
                       dy = x^y*log x, 0 where x <= 0 */
RN_BINARY_(maximum) /* prim; NaN passes; grad: ties half and half */
RN_BINARY_(minimum) /* prim; the same */
RN_BINARY_(eq)      /* prim; -> bool, grad none; so the five that follow */
RN_BINARY_(ne)
RN_BINARY_(lt)
RN_BINARY_(le)
RN_BINARY_(gt)
RN_BINARY_(ge)
RN_BINARY_(logical_and) /* prim; bool */
RN_BINARY_(logical_or)  /* prim; bool */
/* prim; cond ? x : y, all broadcast, cond bool; grad flows to the chosen side. */
static inline rn_value rn_select(struct rn_build *b, rn_value cond, rn_value x,
                                 rn_value y) {
    rn_value in[3];
    in[0] = cond, in[1] = x, in[2] = y;
    return rn_op(b, "select", 3, in, 0, NULL);
}

/* ---- reductions: axes INTS (empty = all), keep 0/1 (default 0) ---- */
static inline rn_value rn_reduce_(struct rn_build *b, const char *name, rn_value x,
                                  uint32_t n, const int64_t *axes, int32_t keep) {
    struct rn_attr a[2];
    a[0] = rn_attr_ints("axes", n, axes), a[1] = rn_attr_int("keep", keep);
    return rn_op(b, name, 1, &x, 2, a);
}
#define RN_REDUCE_(name)                                                               \
    static inline rn_value rn_##name(struct rn_build *b, rn_value x, uint32_t n,       \
                                     const int64_t *axes, int32_t keep) {              \
        return rn_reduce_(b, #name, x, n, axes, keep);                                 \
    }                                                                                  \
    static inline rn_value rn_##name##_axis(struct rn_build *b, rn_value x,            \
                                            int64_t axis, int32_t keep) {              \
        return rn_reduce_(b, #name, x, 1, &axis, keep);                                \
    }                                                                                  \
    static inline rn_value rn_##name##_all(struct rn_build *b, rn_value x) {           \
        return rn_reduce_(b, #name, x, 0, NULL, 0);                                    \
    }
RN_REDUCE_(reduce_sum)  /* prim */
RN_REDUCE_(reduce_mean) /* sum / count; in f32 of bf16 and f16, dtype as of products */
RN_REDUCE_(reduce_max)  /* prim; NaN passes; grad: ties share equally */
RN_REDUCE_(reduce_min)  /* prim; the same */
RN_REDUCE_(reduce_prod) /* prim; grad by products of the others, zeros handled */
RN_REDUCE_(logsumexp)   /* max + log(sum(exp(x - max))); -inf for all -inf */
/* prim; first index of the largest (NaN counts as largest); -> i64; axis, keep. */
static inline rn_value rn_arg_max(struct rn_build *b, rn_value x, int64_t axis) {
    return rn_op1i_(b, "arg_max", x, "axis", axis);
}
static inline rn_value rn_arg_min(struct rn_build *b, rn_value x, int64_t axis) {
    return rn_op1i_(b, "arg_min", x, "axis", axis);
}
/* axis; exp of log_softmax, which is (x - max) - log(sum(exp(x - max))) */
static inline rn_value rn_softmax(struct rn_build *b, rn_value x, int64_t axis) {
    return rn_op1i_(b, "softmax", x, "axis", axis);
}
static inline rn_value rn_log_softmax(struct rn_build *b, rn_value x, int64_t axis) {
    return rn_op1i_(b, "log_softmax", x, "axis", axis);
}
/* logits [N,C,...], label int [N,...] -> [N,...]: -sum_c t_c log_softmax(x)_c with
 * t = (1-smoothing)*onehot + smoothing/C over axis 1. A label outside [0,C) gives NaN.
 * Attribute smoothing, default 0. */
static inline rn_value rn_cross_entropy(struct rn_build *b, rn_value logits,
                                        rn_value label, double smoothing) {
    rn_value in[2];
    struct rn_attr a = rn_attr_float("smoothing", smoothing);
    in[0] = logits, in[1] = label;
    return rn_op(b, "cross_entropy", 2, in, 1, &a);
}
/* prim; running sum along axis; exclusive 0/1, reverse 0/1, both default 0. */
static inline rn_value rn_cumsum(struct rn_build *b, rn_value x, int64_t axis,
                                 int32_t exclusive, int32_t reverse) {
    struct rn_attr a[3];
    a[0] = rn_attr_int("axis", axis), a[1] = rn_attr_int("exclusive", exclusive);
    a[2] = rn_attr_int("reverse", reverse);
    return rn_op(b, "cumsum", 1, &x, 3, a);
}

/* ---- linear algebra ----
 * Products sum in f32, also of bf16 and f16: their attribute dtype, RN_F32, leaves the
 * result so, 0 (default) rounds it once to the operands' type; a bias may be f32. */
/* prim; [...,M,K] x [...,K,N] -> [...,M,N], leading dims broadcast, ranks >= 2;
 * trans_a, trans_b (default 0) swap the operand's last two dims first. */
static inline rn_value rn_matmul(struct rn_build *b, rn_value x, rn_value y,
                                 int32_t trans_a, int32_t trans_b) {
    rn_value in[2];
    struct rn_attr a[2];
    in[0] = x, in[1] = y;
    a[0] = rn_attr_int("trans_a", trans_a), a[1] = rn_attr_int("trans_b", trans_b);
    return rn_op(b, "matmul", 2, in, 2, a);
}
/* x [...,I], w [O,I], bias [O] or RN_NONE -> [...,O]: x w^T + bias. Two or three
 * inputs. */
static inline rn_value rn_linear(struct rn_build *b, rn_value x, rn_value w,
                                 rn_value bias) {
    rn_value in[3];
    in[0] = x, in[1] = w, in[2] = bias;
    return rn_op(b, "linear", bias ? 3 : 2, in, 0, NULL);
}

/* ---- 2-D windows (NCHW). Attributes, defaults: stride [1,1], pad [0,0,0,0],
 * dilation [1,1], groups 1. Output = floor((in + pads - dilation*(k-1) - 1)/stride)+1.
 */
struct rn_window {
    int64_t kernel[2]; /* pooling only */
    int64_t stride[2];
    int64_t pad[4];
    int64_t dilation[2];
    int64_t groups;
    int64_t output_pad[2]; /* transposed convolution only */
};
static inline struct rn_window rn_window_square(int64_t kernel, int64_t stride,
                                                int64_t pad) {
    struct rn_window w;
    int i;
    for (i = 0; i < 2; i++) {
        w.kernel[i] = kernel, w.stride[i] = stride, w.dilation[i] = 1;
        w.output_pad[i] = 0, w.pad[i] = pad, w.pad[i + 2] = pad;
    }
    w.groups = 1;
    return w;
}
/* Blocked images, [N,C/b,H,W,b] with channel c at (c/b, c%b); b = C is NHWC. Attributes
 * say so: block of a pooling or batch norm, block_in and block_out of a convolution for
 * the image that it reads and the one that it writes (conv2d_grad_weight: x and gy);
 * 0, the default, is [N,C,H,W]. The planner chooses them; a plugin need not. Sizes in
 * other attributes (input_shape) stay those of [N,C,H,W].
 *
 * x [N,C,H,W], w [O,C/groups,kh,kw], bias [O] or RN_NONE -> [N,O,H',W']. Two or three
 * inputs. prim without bias (with bias: + reshape(bias)). */
static inline rn_value rn_conv2d(struct rn_build *b, rn_value x, rn_value w,
                                 rn_value bias, const struct rn_window *win) {
    rn_value in[3];
    struct rn_attr a[4];
    in[0] = x, in[1] = w, in[2] = bias;
    a[0] = rn_attr_ints("stride", 2, win->stride),
    a[1] = rn_attr_ints("pad", 4, win->pad);
    a[2] = rn_attr_ints("dilation", 2, win->dilation);
    a[3] = rn_attr_int("groups", win->groups);
    return rn_op(b, "conv2d", bias ? 3 : 2, in, 4, a);
}
/* Operators that gradients use; plugins may too:
 *   linear_relu (x, w[, bias]; dtype): relu(linear); backends may have it as one
 *   linear_grad_weight (gy [N,O], x [N,I]; dtype) -> gw [O,I], gbias [O]: the product
 *     of gy transposed with x, and gy's sum over rows, in f32 if gy has 16 bits
 *   conv2d_grad_input  (w, gy; input_shape INTS, stride, pad, dilation, groups) prim
 *   conv2d_grad_weight (x, gy; weight_shape INTS, stride, pad, dilation, groups) prim
 *   max_pool2d_grad (x, gy; kernel, stride, pad) prim: each gy goes to the first
 *     maximum of its window in row-major order; linear in gy
 *   max_pool2d_gather (x, g; kernel, stride, pad) prim: g [N,C,H,W] read at the first
 *     maximum of each window of x; the transpose of max_pool2d_grad
 *   avg_pool2d_grad (gy; input_shape, kernel, stride, pad, count_pad) prim
 *   batch_norm_grad (x, scale, mean, var, gy; eps) -> gx, gscale, gshift; with relu=1
 *     and a sixth input shift, gy counts where the output was above 0
 *   layer_norm_grad (x, scale, gy; axis, eps) -> gx, gscale, gshift
 *   group_norm_grad (x, scale, gy; groups, eps) -> gx, gscale, gshift
 *   rms_norm_grad (x, scale, gy; eps) -> gx, gscale
 *   resize2d_grad (gy; input_shape, mode, ...) prim
 *   cross_entropy_grad (logits, label, g; smoothing) -> g*(softmax - t)
 *   softmax_grad (y, gy; axis), log_softmax_grad (y, gy; axis)
 *   attention_grad (q, k, v, y, lse, gy and, where one flows, glse; heads, causal,
 *     scale) -> gq, gk, gv
 *   reduce_to (x; shape INTS): sum over broadcast dims, the transpose of broadcast_to
 */
/* x [N,I,H,W], w [I,O/groups,kh,kw] -> [N,O,H',W'] with
 * H' = (H-1)*stride - pads + dilation*(kh-1) + output_pad + 1: the transpose of conv2d.
 */
static inline rn_value rn_conv_transpose2d(struct rn_build *b, rn_value x, rn_value w,
                                           rn_value bias, const struct rn_window *win) {
    rn_value in[3];
    struct rn_attr a[5];
    in[0] = x, in[1] = w, in[2] = bias;
    a[0] = rn_attr_ints("stride", 2, win->stride),
    a[1] = rn_attr_ints("pad", 4, win->pad);
    a[2] = rn_attr_ints("dilation", 2, win->dilation);
    a[3] = rn_attr_int("groups", win->groups);
    a[4] = rn_attr_ints("output_pad", 2, win->output_pad);
    return rn_op(b, "conv_transpose2d", bias ? 3 : 2, in, 5, a);
}
/* prim; padding counts as -inf; first maximum; NaN passes. kernel required. */
static inline rn_value rn_max_pool2d(struct rn_build *b, rn_value x,
                                     const struct rn_window *win) {
    struct rn_attr a[3];
    a[0] = rn_attr_ints("kernel", 2, win->kernel);
    a[1] = rn_attr_ints("stride", 2, win->stride),
    a[2] = rn_attr_ints("pad", 4, win->pad);
    return rn_op(b, "max_pool2d", 1, &x, 3, a);
}
/* prim; count_pad 0 (default): divide by the cells inside the image. */
static inline rn_value rn_avg_pool2d(struct rn_build *b, rn_value x,
                                     const struct rn_window *win, int32_t count_pad) {
    struct rn_attr a[4];
    a[0] = rn_attr_ints("kernel", 2, win->kernel);
    a[1] = rn_attr_ints("stride", 2, win->stride),
    a[2] = rn_attr_ints("pad", 4, win->pad);
    a[3] = rn_attr_int("count_pad", count_pad);
    return rn_op(b, "avg_pool2d", 1, &x, 4, a);
}
/* [N,C,H,W] -> [N,C]: mean over H and W. */
RN_UNARY_(global_avg_pool2d)
/* size INTS [H',W']; mode 0 nearest (floor(i*H/H')), 1 bilinear with half-pixel centres
 * and edge clamping. */
static inline rn_value rn_resize2d(struct rn_build *b, rn_value x, int64_t h, int64_t w,
                                   int32_t bilinear) {
    struct rn_attr a[2];
    int64_t size[2];
    size[0] = h, size[1] = w;
    a[0] = rn_attr_ints("size", 2, size), a[1] = rn_attr_int("mode", bilinear);
    return rn_op(b, "resize2d", 1, &x, 2, a);
}

/* ---- normalisation; eps default 1e-5; var is the biased one ---- */
/* batch_norm and batch_norm_infer may have one more input, of x's shape, that is added
 * to y, and relu=1 for ReLU after that: the planner writes so what it finds beside
 * them; a plugin need not. */
/* Training form: x [N,C,...], scale [C], shift [C] -> y, mean [C], var [C]. Mixes
 * rows. */
static inline rn_value rn_batch_norm(struct rn_build *b, rn_value x, rn_value scale,
                                     rn_value shift, double eps, rn_value *mean,
                                     rn_value *var) {
    rn_value in[3], out[3] = {RN_NONE, RN_NONE, RN_NONE};
    struct rn_attr a = rn_attr_float("eps", eps);
    in[0] = x, in[1] = scale, in[2] = shift;
    b->api->op(b, "batch_norm", 3, in, 1, &a, (uint32_t)sizeof a, 3, out);
    *mean = out[1], *var = out[2];
    return out[0];
}
/* Inference form: (x - mean)/sqrt(var + eps)*scale + shift, per channel (axis 1). */
static inline rn_value rn_batch_norm_infer(struct rn_build *b, rn_value x,
                                           rn_value scale, rn_value shift,
                                           rn_value mean, rn_value var, double eps) {
    rn_value in[5];
    struct rn_attr a = rn_attr_float("eps", eps);
    in[0] = x, in[1] = scale, in[2] = shift, in[3] = mean, in[4] = var;
    return rn_op(b, "batch_norm_infer", 5, in, 1, &a);
}
/* Over dims axis..last; scale, shift of the shape x.shape[axis:]. axis default -1. Of x
 * in bf16 or f16, scale and shift are f32 and so is the arithmetic; the result is
 * rounded once, or not at all (attribute dtype, as for products). */
static inline rn_value rn_layer_norm(struct rn_build *b, rn_value x, rn_value scale,
                                     rn_value shift, int64_t axis, double eps) {
    rn_value in[3];
    struct rn_attr a[2];
    in[0] = x, in[1] = scale, in[2] = shift;
    a[0] = rn_attr_int("axis", axis), a[1] = rn_attr_float("eps", eps);
    return rn_op(b, "layer_norm", 3, in, 2, a);
}
/* x [N,C,...], scale [C], shift [C]; groups divides C. */
static inline rn_value rn_group_norm(struct rn_build *b, rn_value x, rn_value scale,
                                     rn_value shift, int64_t groups, double eps) {
    rn_value in[3];
    struct rn_attr a[2];
    in[0] = x, in[1] = scale, in[2] = shift;
    a[0] = rn_attr_int("groups", groups), a[1] = rn_attr_float("eps", eps);
    return rn_op(b, "group_norm", 3, in, 2, a);
}
/* x / sqrt(mean(x^2, last dim) + eps) * scale; scale [last]. */
static inline rn_value rn_rms_norm(struct rn_build *b, rn_value x, rn_value scale,
                                   double eps) {
    rn_value in[2];
    struct rn_attr a = rn_attr_float("eps", eps);
    in[0] = x, in[1] = scale;
    return rn_op(b, "rms_norm", 2, in, 1, &a);
}

/* ---- attention (Vaswani et al. 2017, section 3.2.1) ----
 * q [...,T,heads*D], k [...,S,heads*D], v [...,S,heads*E] -> y [...,T,heads*E],
 * lse [...,T,heads]; head h has columns h*D to (h+1)*D of q. For each head
 * y = softmax(scale q k^T) v along the keys, lse = logsumexp of the same. Attributes:
 * heads 1; causal 0, 1: query i sees keys 0 to i; scale 0, which stands for 1/sqrt(D).
 * The leading dims of q, k and v are equal. Of q, k and v in bf16 or f16 it is what it
 * is of the f32 values that they stand for, y rounded once or not at all (attribute
 * dtype, as for products) and lse f32; a backend may round the weights, which are
 * between 0 and 1, to the type of v before they multiply it. */
static inline rn_value rn_attention(struct rn_build *b, rn_value q, rn_value k,
                                    rn_value v, int64_t heads, int32_t causal,
                                    double scale) {
    rn_value in[3], out[2] = {RN_NONE, RN_NONE};
    struct rn_attr a[3];
    in[0] = q, in[1] = k, in[2] = v;
    a[0] = rn_attr_int("heads", heads), a[1] = rn_attr_int("causal", causal);
    a[2] = rn_attr_float("scale", scale);
    b->api->op(b, "attention", 3, in, 3, a, (uint32_t)sizeof a[0], 2, out);
    return out[0];
}

/* ---- indices ---- */
/* prim; x.shape[:axis] + index.shape + x.shape[axis+1:]; an index outside gives NaN
 * (0 for integers). grad: scatter_add. */
static inline rn_value rn_gather(struct rn_build *b, rn_value x, rn_value index,
                                 int64_t axis) {
    rn_value in[2];
    struct rn_attr a = rn_attr_int("axis", axis);
    in[0] = x, in[1] = index;
    return rn_op(b, "gather", 2, in, 1, &a);
}
/* table [V,D], index int [...] -> [...,D]: gather along axis 0. */
RN_BINARY_(embedding)
/* prim; x with updates (gather's output shape) added at index along axis, in index
 * order; an index outside is dropped, its update's gradient is 0. */
static inline rn_value rn_scatter_add(struct rn_build *b, rn_value x, rn_value index,
                                      rn_value updates, int64_t axis) {
    rn_value in[3];
    struct rn_attr a = rn_attr_int("axis", axis);
    in[0] = x, in[1] = index, in[2] = updates;
    return rn_op(b, "scatter_add", 3, in, 1, &a);
}
/* prim; index of x's rank: out[i][j] = x[index[i][j]][j] for axis 0, and so on (NumPy's
 * take_along_axis); out has index's shape. grad: put_along_add. */
static inline rn_value rn_take_along(struct rn_build *b, rn_value x, rn_value index,
                                     int64_t axis) {
    rn_value in[2];
    struct rn_attr a = rn_attr_int("axis", axis);
    in[0] = x, in[1] = index;
    return rn_op(b, "take_along", 2, in, 1, &a);
}
/* prim; x with updates (index's shape) added where take_along would read. */
static inline rn_value rn_put_along_add(struct rn_build *b, rn_value x, rn_value index,
                                        rn_value updates, int64_t axis) {
    rn_value in[3];
    struct rn_attr a = rn_attr_int("axis", axis);
    in[0] = x, in[1] = index, in[2] = updates;
    return rn_op(b, "put_along_add", 3, in, 1, &a);
}
/* x [N,C,...], label int [N,...] -> [N,...]: x at the label along axis 1. */
RN_BINARY_(pick)
/* prim; stable, ascending unless descending 1; NaN counts as largest. -> values,
 * indices i64. */
static inline rn_value rn_sort(struct rn_build *b, rn_value x, int64_t axis,
                               int32_t descending, rn_value *indices) {
    rn_value out[2] = {RN_NONE, RN_NONE};
    struct rn_attr a[2];
    a[0] = rn_attr_int("axis", axis), a[1] = rn_attr_int("descending", descending);
    b->api->op(b, "sort", 1, &x, 2, a, (uint32_t)sizeof a[0], 2, out);
    *indices = out[1];
    return out[0];
}
/* prim; the k largest along axis, descending, ties by lower index. */
static inline rn_value rn_top_k(struct rn_build *b, rn_value x, int64_t k, int64_t axis,
                                rn_value *indices) {
    rn_value out[2] = {RN_NONE, RN_NONE};
    struct rn_attr a[2];
    a[0] = rn_attr_int("k", k), a[1] = rn_attr_int("axis", axis);
    b->api->op(b, "top_k", 1, &x, 2, a, (uint32_t)sizeof a[0], 2, out);
    *indices = out[1];
    return out[0];
}
/* index int [...] -> dtype [..., depth]; an index outside gives zeros. */
static inline rn_value rn_one_hot(struct rn_build *b, rn_value index, int64_t depth,
                                  rn_dtype t) {
    struct rn_attr a[2];
    a[0] = rn_attr_int("depth", depth), a[1] = rn_attr_int("dtype", (int64_t)t);
    return rn_op(b, "one_hot", 1, &index, 2, a);
}

/* ---- shape ---- */
/* prim; one -1 is inferred. shape INTS. */
static inline rn_value rn_reshape(struct rn_build *b, rn_value x, uint32_t rank,
                                  const int64_t *shape) {
    struct rn_attr a = rn_attr_ints("shape", rank, shape);
    return rn_op(b, "reshape", 1, &x, 1, &a);
}
/* [N,...] -> [N,rest] */
RN_UNARY_(flatten)
/* prim; perm INTS. */
static inline rn_value rn_transpose(struct rn_build *b, rn_value x, uint32_t rank,
                                    const int64_t *perm) {
    struct rn_attr a = rn_attr_ints("perm", rank, perm);
    return rn_op(b, "transpose", 1, &x, 1, &a);
}
/* prim; start, stop, step INTS of x's rank, 0 <= start <= stop <= dim, step >= 1. */
static inline rn_value rn_slice(struct rn_build *b, rn_value x, uint32_t rank,
                                const int64_t *start, const int64_t *stop,
                                const int64_t *step) {
    struct rn_attr a[3];
    a[0] = rn_attr_ints("start", rank, start), a[1] = rn_attr_ints("stop", rank, stop);
    a[2] = rn_attr_ints("step", rank, step);
    return rn_op(b, "slice", 1, &x, 3, a);
}
/* prim; along axis. */
static inline rn_value rn_concat(struct rn_build *b, uint32_t n, const rn_value *xs,
                                 int64_t axis) {
    struct rn_attr a = rn_attr_int("axis", axis);
    return rn_op(b, "concat", n, xs, 1, &a);
}
/* prim; low, high, interior INTS of x's rank (>= 0; interior cells go between
 * elements; default 0), value FLOAT default 0. */
static inline rn_value rn_pad(struct rn_build *b, rn_value x, uint32_t rank,
                              const int64_t *low, const int64_t *high, double value) {
    struct rn_attr a[3];
    a[0] = rn_attr_ints("low", rank, low), a[1] = rn_attr_ints("high", rank, high);
    a[2] = rn_attr_float("value", value);
    return rn_op(b, "pad", 1, &x, 3, a);
}
/* prim; NumPy rules. shape INTS. */
static inline rn_value rn_broadcast_to(struct rn_build *b, rn_value x, uint32_t rank,
                                       const int64_t *shape) {
    struct rn_attr a = rn_attr_ints("shape", rank, shape);
    return rn_op(b, "broadcast_to", 1, &x, 1, &a);
}
/* prim; 0,1,2,... along axis, shape INTS, dtype INT. No inputs. */
static inline rn_value rn_iota(struct rn_build *b, uint32_t rank, const int64_t *shape,
                               int64_t axis, rn_dtype t) {
    struct rn_attr a[3];
    a[0] = rn_attr_ints("shape", rank, shape), a[1] = rn_attr_int("axis", axis);
    a[2] = rn_attr_int("dtype", (int64_t)t);
    return rn_op(b, "iota", 0, NULL, 3, a);
}
/* prim; one scalar value everywhere. shape INTS, value FLOAT, dtype INT. */
static inline rn_value rn_full(struct rn_build *b, uint32_t rank, const int64_t *shape,
                               double value, rn_dtype t) {
    struct rn_attr a[3];
    a[0] = rn_attr_ints("shape", rank, shape), a[1] = rn_attr_float("value", value);
    a[2] = rn_attr_int("dtype", (int64_t)t);
    return rn_op(b, "full", 0, NULL, 3, a);
}

/* ---- random. Philox4x32-10 (Salmon et al. 2011): key = (seed, stream), counter =
 * (step, global row, element within the row). The first dim is the batch's row when
 * `rows` is 1 (default), else row 0 holds everything. The builder supplies the hidden
 * inputs (seed, step, row: u32 scalars) and the `stream` attribute, a stable hash of
 * the scope path and a count within it, so the numbers do not depend on the address of
 * a buffer, on the rank, the micro-batch or the thread. f32. See numerics.h. ---- */
/* prim; in [0,1): (u32 >> 8) * 2^-24. */
static inline rn_value rn_random_uniform(struct rn_build *b, uint32_t rank,
                                         const int64_t *shape) {
    struct rn_attr a = rn_attr_ints("shape", rank, shape);
    return rn_op(b, "random_uniform", 0, NULL, 1, &a);
}
/* prim; Box-Muller as numerics.h defines it. */
static inline rn_value rn_random_normal(struct rn_build *b, uint32_t rank,
                                        const int64_t *shape) {
    struct rn_attr a = rn_attr_ints("shape", rank, shape);
    return rn_op(b, "random_normal", 0, NULL, 1, &a);
}
/* x * (u >= p) / (1 - p); p = 0 is identity. In the evaluation phase build nothing. */
static inline rn_value rn_dropout(struct rn_build *b, rn_value x, double p) {
    return rn_op1f_(b, "dropout", x, "p", p);
}

#undef RN_UNARY_
#undef RN_BINARY_
#undef RN_REDUCE_

/* The next value of the running statistic `old` after a batch that gives scale * batch:
 * (1 - momentum) old + momentum scale batch; while statistics are refreshed, the mean of
 * what the batches so far gave. */
static inline rn_value rn_running(struct rn_build *b, rn_value old, rn_value batch,
                                  double scale, double momentum) {
    const struct rn_refresh_api *api =
        (const struct rn_refresh_api *)b->api->extension(b, "runner.refresh/1");
    rn_value keep, take;
    if (api) {
        rn_value share = api->share(b);
        keep = rn_sub(b, rn_const(b, 1.0), share);
        take = scale == 1.0 ? share : rn_mul(b, share, rn_const(b, scale));
    } else {
        keep = rn_const(b, 1.0 - momentum);
        take = rn_const(b, momentum * scale);
    }
    return rn_add(b, rn_mul(b, keep, old), rn_mul(b, take, batch));
}

#ifdef __cplusplus
}
#endif
#endif
