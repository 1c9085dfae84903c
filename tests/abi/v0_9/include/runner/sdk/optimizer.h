/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers for optimizers: the ports that every one has, and the step of Adam (Kingma &
 * Ba 2015, algorithm 1). All are called from describe ([setup]). Header-only; C11 or
 * C++. */
#ifndef RUNNER_SDK_OPTIMIZER_H
#define RUNNER_SDK_OPTIMIZER_H

#include <math.h>

#include <runner/optimizer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lines for the description: the ports of an optimizer. */
#define RN_UPDATE_PORTS                                                                \
    RN_IN("param float [...] | the parameter")                                         \
    RN_IN("grad float [...] | its gradient: averaged over the batch, clipped")         \
    RN_IN("step float [] | applied updates, this one included: from 1")                \
    RN_OUT("param float [...] | the new parameter")

/* 1 - beta^t for a scalar t [] as -expm1(t log beta): in f32, 1 - 0.999 alone is off by
 * 1e-5. */
static inline rn_value rn_bias_correction(struct rn_build *b, rn_value t, double beta) {
    if (beta <= 0.0)
        return rn_const(b, 1.0);
    return rn_neg(b, rn_expm1(b, rn_mul(b, t, rn_const(b, log(beta)))));
}

/* lr m_hat / (sqrt(v_hat) + eps), of p's shape, for the gradient g and a scalar lr;
 * reads the port `step` and the options of RN_MOMENT_OPTIONS, and keeps the state m, v
 * and, with amsgrad, v_max. Both corrections are where they cost nothing per element
 * (section 2 of the paper): with r = sqrt(1 - beta2^t) it is (lr r / (1 - beta1^t)) (m
 * / (sqrt(v) + eps r)). amsgrad: with the largest v so far (Reddi et al. 2018,
 * algorithm 2, corrected for bias after the maximum as PyTorch). */
static inline rn_value rn_adam_step(struct rn_build *b, rn_value p, rn_value g,
                                    rn_value lr) {
    rn_value t = rn_input(b, "step");
    double beta1 = rn_get_float(b->host, "beta1");
    double beta2 = rn_get_float(b->host, "beta2");
    rn_value m = rn_state_like(b, "m", p, 0.0), v = rn_state_like(b, "v", p, 0.0);
    m = rn_add(b, rn_mul(b, rn_const(b, beta1), m),
               rn_mul(b, rn_const(b, 1.0 - beta1), g));
    v = rn_add(b, rn_mul(b, rn_const(b, beta2), v),
               rn_mul(b, rn_const(b, 1.0 - beta2), rn_square(b, g)));
    rn_assign(b, "m", m);
    rn_assign(b, "v", v);
    if (rn_get_bool(b->host, "amsgrad")) {
        v = rn_maximum(b, rn_state_like(b, "v_max", p, 0.0), v);
        rn_assign(b, "v_max", v);
    }
    rn_value c1 = rn_bias_correction(b, t, beta1),
             r = rn_sqrt(b, rn_bias_correction(b, t, beta2)),
             eps = rn_const(b, rn_get_float(b->host, "eps"));
    rn_value below = rn_add(b, rn_sqrt(b, v), rn_mul(b, eps, r));
    return rn_mul(b, rn_div(b, rn_mul(b, lr, r), c1), rn_div(b, m, below));
}

/* Lines for the description: the options that rn_adam_step reads. */
#define RN_MOMENT_OPTIONS                                                              \
    RN_OPTION(                                                                         \
        "beta1 float = 0.9 ; min 0 ; below 1 | decay of the first moment a step")      \
    RN_OPTION("beta2 float = 0.999 ; min 0 ; below 1 | decay of the second moment a "  \
              "step")                                                                  \
    RN_OPTION("eps float = 1e-8 ; above 0 | added to the root of the second moment, "  \
              "after its correction for bias")                                         \
    RN_OPTION("amsgrad bool = false | divide by the largest second moment so far "     \
              "(Reddi et al. 2018)")

#ifdef __cplusplus
}
#endif
#endif
