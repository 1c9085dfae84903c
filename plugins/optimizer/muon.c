/* SPDX-License-Identifier: Apache-2.0 */
/* Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): the momentum of
 * a matrix, made nearly orthogonal by Newton-Schulz iterations. A kernel of a
 * convolution is the matrix of its output channels. Vectors are AdamW's, as its authors
 * advise. */
#include <math.h>
#include <string.h>

#include <runner/sdk/optimizer.h>

/* All singular values of x near 1: each iteration applies a s + b s^3 + c s^5 to them,
 * with the authors' coefficients. The smaller side is in front, for smaller products.
 */
static rn_value orthogonal(struct rn_build *b, rn_value x, int64_t iterations) {
    int32_t tall = rn_dim(b, x, 0) > rn_dim(b, x, 1);
    static const int64_t turned[2] = {1, 0};
    x = tall ? rn_transpose(b, x, 2, turned) : x;
    rn_value norm = rn_sqrt(b, rn_reduce_sum_all(b, rn_square(b, x)));
    x = rn_div(b, x, rn_maximum(b, norm, rn_const(b, 1e-7)));
    for (int64_t i = 0; i < iterations; i++) {
        rn_value gram = rn_matmul(b, x, x, 0, 1);
        rn_value part =
            rn_add(b, rn_mul(b, rn_const(b, -4.7750), gram),
                   rn_mul(b, rn_const(b, 2.0315), rn_matmul(b, gram, gram, 0, 0)));
        x = rn_add(b, rn_mul(b, rn_const(b, 3.4445), x), rn_matmul(b, part, x, 0, 0));
    }
    return tall ? rn_transpose(b, x, 2, turned) : x;
}

static rn_value muon_step(struct rn_build *b, rn_value p, rn_value g) {
    double momentum = rn_get_float(b->host, "momentum");
    rn_value mu = rn_const(b, momentum), rest = rn_const(b, 1.0 - momentum);
    rn_value v = rn_state_like(b, "momentum", p, 0.0);
    v = rn_add(b, rn_mul(b, mu, v), rn_mul(b, rest, g));
    rn_assign(b, "momentum", v);
    if (rn_get_bool(b->host, "nesterov"))
        v = rn_add(b, rn_mul(b, rest, g), rn_mul(b, mu, v));
    int64_t shape[RN_MAX_RANK], matrix[2] = {rn_dim(b, p, 0), -1};
    uint32_t rank = rn_rank(b, p);
    for (uint32_t i = 0; i < rank; i++)
        shape[i] = rn_dim(b, p, (int32_t)i);
    rn_value m = rn_reshape(b, v, 2, matrix);
    double rows = (double)rn_dim(b, m, 0), columns = (double)rn_dim(b, m, 1);
    double scale = strcmp(rn_get_string(b->host, "scale"), "adamw") == 0
                       ? 0.2 * sqrt(rows > columns ? rows : columns)
                       : sqrt(rows > columns ? rows / columns : 1.0);
    m = orthogonal(b, m, rn_get_int(b->host, "iterations"));
    return rn_mul(b, rn_const(b, scale), rn_reshape(b, m, rank, shape));
}

static int32_t describe(struct rn_build *b) {
    rn_value p = rn_input(b, "param"), g = rn_input(b, "grad"), lr = rn_live(b, "lr");
    rn_value keep =
        rn_sub(b, rn_const(b, 1.0), rn_mul(b, lr, rn_live(b, "weight_decay")));
    rn_value step = rn_rank(b, p) > 1 ? rn_mul(b, lr, muon_step(b, p, g))
                                      : rn_adam_step(b, p, g, lr);
    rn_output(b, "param", rn_sub(b, rn_mul(b, p, keep), step));
    return RN_OK;
}

RN_OPTIMIZER(muon, describe, "runner/muon 2",
             RN_DOC("Muon: p -= lr (scale O(m) + weight_decay p), O the nearest "
                    "orthogonal matrix to the momentum, nearly (Jordan et al. 2024); "
                    "AdamW for biases and other vectors")
             RN_UPDATE_PORTS
             RN_OPTION("lr float = 0.001 ; min 0 ; live | learning rate")
             RN_OPTION("momentum float = 0.95 ; min 0 ; below 1 | decay of the "
                       "momentum a step")
             RN_OPTION("nesterov bool = true | look ahead by the momentum")
             RN_OPTION("iterations int = 5 ; min 1 ; max 20 | of Newton and Schulz")
             RN_OPTION("scale choice(adamw,shape) = adamw | of a matrix's step. adamw: "
                       "0.2 sqrt(larger side), a step as long as AdamW's (Liu et al. "
                       "2025), so its lr and decay serve; shape: sqrt(rows / columns) "
                       "if above 1, as the authors have it, with lr 0.02 or so")
             RN_OPTION("weight_decay float = 0.01 ; min 0 ; live | share of the "
                       "parameter, times lr, taken away each step")
             RN_MOMENT_OPTIONS);
RN_PLUGIN(&muon);
