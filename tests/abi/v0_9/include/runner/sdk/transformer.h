/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a transformer: positions, multi-head attention, the pre-norm block. As
 * in layers.h, all are called from describe ([setup]) and report errors to the builder.
 * Header-only; C11 or C++. */
#ifndef RUNNER_SDK_TRANSFORMER_H
#define RUNNER_SDK_TRANSFORMER_H

#include <runner/sdk/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rn_transformer {
    int64_t heads;
    int64_t hidden; /* units between the linear layers; 0: 4 C */
    int32_t causal;
    int32_t bias;
    double dropout;
    double eps; /* of the norms */
    const char *activation;
    const char *init; /* of the weights */
};

/* x [N,T,C] plus the first T rows of a table [length,C]; length 0: T. */
static inline rn_value rn_layer_positions(struct rn_build *b, const char *scope,
                                          rn_value x, int64_t length,
                                          const char *init) {
    int64_t shape[2], start[2] = {0, 0}, stop[2], step[2] = {1, 1};
    int64_t have = rn_dim(b, x, 1);
    stop[0] = have, stop[1] = rn_dim(b, x, 2);
    shape[0] = length ? length : have, shape[1] = stop[1];
    if (rn_rank(b, x) != 3 && rn_rank(b, x) != 0) {
        b->api->fail(b, "positions are of [N,T,C]", NULL, NULL);
        return RN_NONE;
    }
    if (have > shape[0]) {
        b->api->fail(b, "there are more positions than rows in their table",
                     "make the table longer, or the window shorter", NULL);
        return RN_NONE;
    }
    rn_push(b, scope);
    rn_value table = rn_param(b, "weight", "embedding", 2, shape, init);
    rn_pop(b);
    if (shape[0] > have)
        table = rn_slice(b, table, 2, start, stop, step);
    return rn_add(b, x, table);
}

/* Multi-head attention (Vaswani et al. 2017, section 3.2.2): x [N,T,C], context [N,S,D]
 * -> [N,T,C], by linear layers query, key, value and out. heads divides C. */
static inline rn_value rn_layer_attention(struct rn_build *b, const char *scope,
                                          rn_value x, rn_value context,
                                          const struct rn_transformer *t) {
    int64_t width = rn_dim(b, x, -1);
    rn_push(b, scope);
    rn_value q = rn_layer_dense(b, "query", x, width, t->bias, t->init);
    rn_value k = rn_layer_dense(b, "key", context, width, t->bias, t->init);
    rn_value v = rn_layer_dense(b, "value", context, width, t->bias, t->init);
    x = rn_attention(b, q, k, v, t->heads, t->causal, 0.0);
    x = rn_layer_dense(b, "out", x, width, t->bias, t->init);
    rn_pop(b);
    return x;
}

/* Dropout with probability p (Srivastava et al. 2014) in training; x itself in
 * evaluation or with p = 0. */
static inline rn_value rn_layer_drop(struct rn_build *b, rn_value x, double p) {
    return p > 0.0 && rn_training(b) ? rn_dropout(b, x, p) : x;
}

/* The pre-norm block (Xiong et al. 2020): x + attention(norm(x)), then y +
 * mlp(norm(y)). x [N,T,C] -> [N,T,C]. */
static inline rn_value rn_layer_transformer(struct rn_build *b, const char *scope,
                                            rn_value x,
                                            const struct rn_transformer *t) {
    int64_t width = rn_dim(b, x, -1), axis = (int64_t)rn_rank(b, x) - 1;
    if (axis < 0)
        return RN_NONE;
    rn_push(b, scope);
    rn_value y = rn_layer_layer_norm(b, "norm1", x, axis, t->eps);
    y = rn_layer_attention(b, "attention", y, y, t);
    x = rn_add(b, x, rn_layer_drop(b, y, t->dropout));
    y = rn_layer_layer_norm(b, "norm2", x, axis, t->eps);
    y = rn_layer_dense(b, "hidden", y, t->hidden ? t->hidden : 4 * width, t->bias,
                       t->init);
    y = rn_layer_dense(b, "out", rn_layer_activation(b, t->activation, y), width,
                       t->bias, t->init);
    x = rn_add(b, x, rn_layer_drop(b, y, t->dropout));
    rn_pop(b);
    return x;
}

#ifdef __cplusplus
}
#endif
#endif
