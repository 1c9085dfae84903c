/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW (Loshchilov & Hutter 2019, algorithm 2): Adam with decoupled weight decay. */
#include <runner/optimizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value p = rn_input(b, "param"), g = rn_input(b, "grad"), t = rn_input(b, "step");
    rn_value lr = rn_live(b, "lr"), decay = rn_live(b, "weight_decay");
    rn_value one = rn_const(b, 1.0);
    double beta1 = rn_get_float(b->host, "beta1", 0.9);
    double beta2 = rn_get_float(b->host, "beta2", 0.999);
    rn_value b1 = rn_const(b, beta1), b2 = rn_const(b, beta2);
    rn_value m = rn_state_like(b, "m", p, 0.0), v = rn_state_like(b, "v", p, 0.0);

    m = rn_add(b, rn_mul(b, b1, m), rn_mul(b, rn_const(b, 1.0 - beta1), g));
    v = rn_add(b, rn_mul(b, b2, v),
               rn_mul(b, rn_const(b, 1.0 - beta2), rn_square(b, g)));
    rn_assign(b, "m", m);
    rn_assign(b, "v", v);
    rn_value c1 = rn_sub(b, one, rn_pow(b, b1, t)),
             c2 = rn_sub(b, one, rn_pow(b, b2, t));
    rn_value denominator = rn_add(b, rn_div(b, rn_sqrt(b, v), rn_sqrt(b, c2)),
                                  rn_const(b, rn_get_float(b->host, "eps", 1e-8)));
    p = rn_mul(b, p, rn_sub(b, one, rn_mul(b, lr, decay)));
    rn_output(b, "param",
              rn_sub(b, p, rn_mul(b, rn_div(b, lr, c1), rn_div(b, m, denominator))));
    return RN_OK;
}

RN_OPTIMIZER(
    adamw, describe, "runner/adamw 1",
    RN_DOC("AdamW: Adam with decoupled weight decay (Loshchilov & Hutter 2019)") RN_IN(
        "param float [...] | the parameter") RN_IN("grad float [...] | its gradient")
        RN_IN("step float [] | applied updates, this one included") RN_OUT(
            "param float [...] | the new parameter")
            RN_OPTION("lr float = 0.001 ; min 0 ; live | learning rate") RN_OPTION(
                "beta1 float = 0.9 ; min 0 ; below 1 | decay of the first moment")
                RN_OPTION("beta2 float = 0.999 ; min 0 ; below 1 | decay of the "
                          "second moment")
                    RN_OPTION("eps float = 1e-8 ; above 0 | added to the denominator")
                        RN_OPTION("weight_decay float = 0.01 ; min 0 ; live | share of "
                                  "the parameter, "
                                  "times lr, taken away each step"));
RN_PLUGIN(&adamw);
