/* SPDX-License-Identifier: Apache-2.0 */
/* Stochastic gradient descent with momentum and Nesterov's form (Sutskever et al. 2013,
 * as PyTorch writes it: v = momentum*v + g; p -= lr*v). */
#include <runner/optimizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value p = rn_input(b, "param"), g = rn_input(b, "grad");
    rn_value lr = rn_live(b, "lr"), decay = rn_live(b, "weight_decay");
    double momentum = rn_get_float(b->host, "momentum", 0.0);
    double dampening = rn_get_float(b->host, "dampening", 0.0);

    g = rn_add(b, g, rn_mul(b, decay, p));
    if (momentum > 0.0) {
        rn_value mu = rn_const(b, momentum), v = rn_state_like(b, "momentum", p, 0.0);
        rn_value first = rn_eq(b, rn_input(b, "step"), rn_const(b, 1.0));
        rn_value v1 =
            rn_add(b, rn_mul(b, mu, v), rn_mul(b, rn_const(b, 1.0 - dampening), g));
        /* The first velocity is the gradient itself, undampened. */
        v1 = dampening > 0.0 ? rn_select(b, first, g, v1) : v1;
        rn_assign(b, "momentum", v1);
        g = rn_get_bool(b->host, "nesterov", 0) ? rn_add(b, g, rn_mul(b, mu, v1)) : v1;
    }
    rn_output(b, "param", rn_sub(b, p, rn_mul(b, lr, g)));
    return RN_OK;
}

RN_OPTIMIZER(
    sgd, describe, "runner/sgd 1",
    RN_DOC("Stochastic gradient descent, with momentum and Nesterov's form") RN_IN(
        "param float [...] | the parameter") RN_IN("grad float [...] | its gradient")
        RN_IN("step float [] | applied updates, this one included") RN_OUT(
            "param float [...] | the new parameter")
            RN_OPTION("lr float = 0.01 ; min 0 ; live | learning rate") RN_OPTION(
                "momentum float = 0 ; min 0 ; below 1 | momentum factor")
                RN_OPTION("dampening float = 0 ; min 0 ; max 1 | dampening of momentum")
                    RN_OPTION("nesterov bool = false | look-ahead momentum")
                        RN_OPTION("weight_decay float = 0 ; min 0 ; live | L2 penalty, "
                                  "added to the "
                                  "gradient"));
RN_PLUGIN(&sgd);
