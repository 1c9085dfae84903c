/* SPDX-License-Identifier: Apache-2.0 */
/* Stochastic gradient descent with momentum and Nesterov's form (Sutskever et al. 2013,
 * as PyTorch writes it: v = momentum*v + g; p -= lr*v). */
#include <runner/sdk/optimizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value p = rn_input(b, "param"), g = rn_input(b, "grad");
    rn_value lr = rn_live(b, "lr"), decay = rn_live(b, "weight_decay");
    double momentum = rn_get_float(b->host, "momentum");
    double dampening = rn_get_float(b->host, "dampening");
    int32_t nesterov = rn_get_bool(b->host, "nesterov");
    if (nesterov && (momentum <= 0.0 || dampening > 0.0)) {
        b->api->fail(b, "nesterov needs a momentum above 0 and no dampening",
                     "for example momentum: 0.9", "nesterov");
        return RN_E_CONFIG;
    }

    g = rn_add(b, g, rn_mul(b, decay, p));
    if (momentum > 0.0) {
        rn_value mu = rn_const(b, momentum), v = rn_state_like(b, "momentum", p, 0.0);
        rn_value first = rn_eq(b, rn_input(b, "step"), rn_const(b, 1.0));
        rn_value v1 =
            rn_add(b, rn_mul(b, mu, v), rn_mul(b, rn_const(b, 1.0 - dampening), g));
        /* The first velocity is the gradient itself, undampened. */
        v1 = dampening > 0.0 ? rn_select(b, first, g, v1) : v1;
        rn_assign(b, "momentum", v1);
        g = nesterov ? rn_add(b, g, rn_mul(b, mu, v1)) : v1;
    }
    rn_output(b, "param", rn_sub(b, p, rn_mul(b, lr, g)));
    return RN_OK;
}

RN_OPTIMIZER(sgd, describe, "runner/sgd 1",
             RN_DOC("Stochastic gradient descent: v = momentum v + (1 - dampening) "
                    "g, p -= lr v; Nesterov's form: p -= lr (g + momentum v) "
                    "(Sutskever et al. 2013, as PyTorch writes it)")
             RN_UPDATE_PORTS
             RN_OPTION("lr float = 0.01 ; min 0 ; live | learning rate")
             RN_OPTION("momentum float = 0 ; min 0 ; below 1 | share of the velocity "
                       "that stays")
             RN_OPTION("dampening float = 0 ; min 0 ; max 1 | share of the gradient "
                       "kept out of the velocity, from the second step on")
             RN_OPTION("nesterov bool = false | look ahead by the velocity; needs "
                       "momentum, and no dampening")
             RN_OPTION("weight_decay float = 0 ; min 0 ; live | L2 penalty: times "
                       "the parameter, added to the gradient"));
RN_PLUGIN(&sgd);
