/* SPDX-License-Identifier: Apache-2.0 */
/* Poly-1 loss again, with loops written by hand: one operator forward, one for its
 * gradient. f32 is what training runs; f64 is for checks of the gradient. */
#include <math.h>
#include <stddef.h>

#include <runner/loss.h>
#include <runner/operator.h>

/* ---- row `r` of the logits, read in either type */
static double logit(const struct rn_tensor *x, int64_t r, int64_t c) {
    int64_t i = r * x->shape[1] + c;
    return x->dtype == RN_F64 ? ((const double *)x->data)[i]
                              : (double)((const float *)x->data)[i];
}

static void put(const struct rn_tensor *y, int64_t i, double v) {
    if (y->dtype == RN_F64)
        ((double *)y->data)[i] = v;
    else
        ((float *)y->data)[i] = (float)v;
}

static int64_t label_at(const struct rn_tensor *y, int64_t r) {
    switch (y->dtype) {
    case RN_I64: return ((const int64_t *)y->data)[r];
    case RN_I32: return ((const int32_t *)y->data)[r];
    case RN_U8: return ((const uint8_t *)y->data)[r];
    default: return -1;
    }
}

/* log(sum(exp(row))), without overflow */
static double log_sum(const struct rn_tensor *x, int64_t r) {
    double high = logit(x, r, 0), sum = 0.0;
    int64_t c;
    for (c = 1; c < x->shape[1]; c++)
        high = fmax(high, logit(x, r, c));
    for (c = 0; c < x->shape[1]; c++)
        sum += exp(logit(x, r, c) - high);
    return high + log(sum);
}

/* ---- backward: (logits, label, g) -> g * dloss/dlogits */
static int32_t backward_shape(uint32_t n_in, const struct rn_tensor *in, uint32_t n_attr,
                              const struct rn_attr *attrs, rn_dtype *dtype,
                              uint32_t *rank, int64_t (*dims)[RN_MAX_RANK],
                              struct rn_error *e) {
    (void)n_in, (void)n_attr, (void)attrs, (void)e;
    dtype[0] = in[0].dtype;
    rank[0] = 2;
    dims[0][0] = in[0].shape[0], dims[0][1] = in[0].shape[1];
    return RN_OK;
}

static int32_t backward_host(uint32_t n_in, const struct rn_tensor *in, uint32_t n_out,
                             const struct rn_tensor *out, uint32_t n_attr,
                             const struct rn_attr *attrs, struct rn_error *e) {
    const struct rn_tensor *x = &in[0], *label = &in[1], *g = &in[2];
    double epsilon = attrs[0].f;
    int64_t r, c, classes = x->shape[1];
    (void)n_in, (void)n_out, (void)n_attr, (void)e;
    for (r = 0; r < x->shape[0]; r++) {
        double total = log_sum(x, r), each = g->dtype == RN_F64
                                                 ? ((const double *)g->data)[r]
                                                 : (double)((const float *)g->data)[r];
        int64_t right = label_at(label, r);
        double p = right >= 0 && right < classes ? exp(logit(x, r, right) - total)
                                                 : (double)NAN;
        /* d ce/dx = softmax - onehot; d(1 - p)/dx = p * (softmax - onehot) */
        for (c = 0; c < classes; c++) {
            double d = exp(logit(x, r, c) - total) - (c == right ? 1.0 : 0.0);
            put(out, r * classes + c, each * (1.0 + epsilon * p) * d);
        }
    }
    return RN_OK;
}

static const struct rn_operator backward = {
    sizeof(struct rn_operator), 0u, "my.kernels/poly1_backward", 1u, 1u,
    backward_shape, NULL /* no second derivative */, backward_host, NULL};

/* ---- forward: (logits, label) -> loss */
static int32_t forward_shape(uint32_t n_in, const struct rn_tensor *in, uint32_t n_attr,
                             const struct rn_attr *attrs, rn_dtype *dtype, uint32_t *rank,
                             int64_t (*dims)[RN_MAX_RANK], struct rn_error *e) {
    (void)n_attr, (void)attrs;
    if (n_in != 2 || in[0].rank != 2 || in[1].rank != 1 ||
        in[0].shape[0] != in[1].shape[0])
        return rn_fail(e, RN_E_CONFIG, "logits [N,C] and labels [N] are wanted", NULL,
                       NULL);
    dtype[0] = in[0].dtype;
    rank[0] = 1;
    dims[0][0] = in[0].shape[0];
    return RN_OK;
}

static int32_t forward_host(uint32_t n_in, const struct rn_tensor *in, uint32_t n_out,
                            const struct rn_tensor *out, uint32_t n_attr,
                            const struct rn_attr *attrs, struct rn_error *e) {
    const struct rn_tensor *x = &in[0];
    int64_t r;
    (void)n_in, (void)n_out, (void)n_attr, (void)e;
    for (r = 0; r < x->shape[0]; r++) {
        int64_t right = label_at(&in[1], r);
        double ce = right >= 0 && right < x->shape[1]
                        ? log_sum(x, r) - logit(x, r, right)
                        : (double)NAN;
        put(out, r, ce + attrs[0].f * (1.0 - exp(-ce)));
    }
    return RN_OK;
}

static int32_t forward_gradient(struct rn_build *b, const rn_value *in,
                                const rn_value *out, const rn_value *grad_out,
                                uint32_t n_attr, const struct rn_attr *attrs,
                                rn_value *grad_in) {
    rn_value all[3];
    (void)out;
    all[0] = in[0], all[1] = in[1], all[2] = grad_out[0];
    grad_in[1] = RN_NONE; /* labels have no gradient */
    return rn_custom(b, &backward, 3, all, n_attr, attrs, &grad_in[0]);
}

static const struct rn_operator forward = {
    sizeof(struct rn_operator), 0u, "my.kernels/poly1", 1u, 1u,
    forward_shape, forward_gradient, forward_host, NULL};

/* ---- the loss that uses it */
static int32_t describe(struct rn_build *b) {
    rn_value in[2], loss;
    struct rn_attr a = rn_attr_float("epsilon", rn_get_float(b->host, "epsilon", 1.0));
    in[0] = rn_input(b, "logits"), in[1] = rn_input(b, "label");
    rn_custom(b, &forward, 2, in, 1, &a, &loss);
    rn_output(b, "loss", loss);
    return RN_OK;
}

RN_LOSS(poly1, describe, "my.kernels/poly1 1",
        RN_DOC("Poly-1 loss with its kernels written by hand")
        RN_IN("logits float [N,C] | scores before softmax")
        RN_IN("label int [N] | class index, 0 to C-1")
        RN_OUT("loss float [N] ; scope sample")
        RN_OPTION("epsilon float = 1 ; above -1 | weight of the second term"));
RN_PLUGIN(&poly1);
