/* SPDX-License-Identifier: Apache-2.0 */
/* RMSprop (Tieleman & Hinton 2012, lecture 6.5), with momentum and the centred form
 * (Graves 2013, eq. 38-45), as PyTorch writes them. */
#include <runner/sdk/optimizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value p = rn_input(b, "param"), g = rn_input(b, "grad");
    rn_value lr = rn_live(b, "lr"), decay = rn_live(b, "weight_decay");
    double alpha = rn_get_float(b->host, "alpha");
    double momentum = rn_get_float(b->host, "momentum");
    rn_value a = rn_const(b, alpha), rest = rn_const(b, 1.0 - alpha);
    rn_value v = rn_state_like(b, "square", p, 0.0);

    g = rn_add(b, g, rn_mul(b, decay, p));
    v = rn_add(b, rn_mul(b, a, v), rn_mul(b, rest, rn_square(b, g)));
    rn_assign(b, "square", v);
    if (rn_get_bool(b->host, "centered")) {
        rn_value mean = rn_state_like(b, "mean", p, 0.0);
        mean = rn_add(b, rn_mul(b, a, mean), rn_mul(b, rest, g));
        rn_assign(b, "mean", mean);
        v = rn_maximum(b, rn_sub(b, v, rn_square(b, mean)), rn_const(b, 0.0));
    }
    rn_value eps = rn_const(b, rn_get_float(b->host, "eps"));
    rn_value step = rn_div(b, g, rn_add(b, rn_sqrt(b, v), eps));
    if (momentum > 0.0) {
        rn_value buffer = rn_state_like(b, "momentum", p, 0.0);
        step = rn_add(b, rn_mul(b, rn_const(b, momentum), buffer), step);
        rn_assign(b, "momentum", step);
    }
    rn_output(b, "param", rn_sub(b, p, rn_mul(b, lr, step)));
    return RN_OK;
}

RN_OPTIMIZER(rmsprop, describe, "runner/rmsprop 1",
             RN_DOC("RMSprop: p -= lr g / (sqrt(v) + eps), v the running mean of g^2 "
                    "(Tieleman & Hinton 2012, lecture 6.5; centred: Graves 2013, eq. "
                    "38-45)")
             RN_UPDATE_PORTS
             RN_OPTION("lr float = 0.01 ; min 0 ; live | learning rate")
             RN_OPTION("alpha float = 0.99 ; min 0 ; below 1 | decay of the mean "
                       "square a step")
             RN_OPTION("eps float = 1e-8 ; above 0 | added to the root of the mean "
                       "square")
             RN_OPTION("momentum float = 0 ; min 0 ; below 1 | momentum of the "
                       "divided gradient")
             RN_OPTION("centered bool = false | divide by the standard deviation: "
                       "subtract the squared mean of the gradient")
             RN_OPTION("weight_decay float = 0 ; min 0 ; live | L2 penalty: times "
                       "the parameter, added to the gradient"));
RN_PLUGIN(&rmsprop);
