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
static int32_t backward_shape(const struct rn_operator_shape *s, struct rn_error *e) {
    (void)e;
    return rn_operator_like(s, 0, &s->in[0]);
}

static int32_t backward_host(const struct rn_operator_call *call, struct rn_error *e) {
    const struct rn_tensor *x = &call->in[0], *label = &call->in[1], *g = &call->in[2];
    double epsilon = RN_ATTR_AT(call, 0)->f;
    int64_t r, c, classes = x->shape[1];
    (void)e;
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
            put(call->out, r * classes + c, each * (1.0 + epsilon * p) * d);
        }
    }
    return RN_OK;
}

static const struct rn_operator backward = {
    sizeof(struct rn_operator), 0u, "my.kernels/poly1_backward", 1u, 1u,
    backward_shape, NULL /* no second derivative */, backward_host, NULL};

/* ---- forward: (logits, label) -> loss */
static int32_t forward_shape(const struct rn_operator_shape *s, struct rn_error *e) {
    const struct rn_tensor *x = &s->in[0], *label = &s->in[1];
    if (s->in_count != 2 || x->rank != 2 || label->rank != 1 ||
        x->shape[0] != label->shape[0])
        return rn_fail(e, RN_E_CONFIG, "expects logits [N,C] and labels [N]", NULL, NULL);
    s->out->dtype = x->dtype;
    s->out->rank = 1;
    s->out->dims[0] = x->shape[0];
    return RN_OK;
}

static int32_t forward_host(const struct rn_operator_call *call, struct rn_error *e) {
    const struct rn_tensor *x = &call->in[0], *label = &call->in[1];
    double epsilon = RN_ATTR_AT(call, 0)->f;
    int64_t r;
    (void)e;
    for (r = 0; r < x->shape[0]; r++) {
        int64_t right = label_at(label, r);
        double ce = right >= 0 && right < x->shape[1]
                        ? log_sum(x, r) - logit(x, r, right)
                        : (double)NAN;
        put(call->out, r, ce + epsilon * (1.0 - exp(-ce)));
    }
    return RN_OK;
}

static int32_t forward_gradient(struct rn_build *b, const struct rn_operator_gradient *g) {
    struct rn_attr a = rn_attr_float("epsilon", RN_ATTR_AT(g, 0)->f);
    rn_value all[3];
    all[0] = g->in[0], all[1] = g->in[1], all[2] = g->grad_out[0];
    g->grad_in[1] = RN_NONE; /* labels have no gradient */
    return rn_custom(b, &backward, 3, all, 1, &a, &g->grad_in[0]);
}

static const struct rn_operator forward = {
    sizeof(struct rn_operator), 0u, "my.kernels/poly1", 1u, 1u,
    forward_shape, forward_gradient, forward_host, NULL};

/* ---- the loss that uses it */
static int32_t describe(struct rn_build *b) {
    rn_value in[2], loss;
    struct rn_attr a = rn_attr_float("epsilon", rn_get_float(b->host, "epsilon"));
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
