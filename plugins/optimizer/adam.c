/* SPDX-License-Identifier: Apache-2.0 */
/* Adam (Kingma & Ba 2015, algorithm 1) with optional AMSGrad (Reddi et al. 2018). */
#include <math.h>

#include <runner/sdk/optimizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value p = rn_input(b, "param"), g = rn_input(b, "grad");
    g = rn_add(b, g, rn_mul(b, rn_live(b, "weight_decay"), p));
    rn_output(b, "param", rn_sub(b, p, rn_adam_step(b, p, g, rn_live(b, "lr"))));
    return RN_OK;
}

RN_OPTIMIZER(adam, describe, "runner/adam 2",
             RN_DOC("Adam: p -= lr m_hat / (sqrt(v_hat) + eps), moments m and v of "
                    "the gradient (Kingma & Ba 2015, algorithm 1)")
             RN_UPDATE_PORTS
             RN_OPTION("lr float = 0.001 ; min 0 ; live | learning rate")
             RN_MOMENT_OPTIONS
             RN_OPTION("weight_decay float = 0 ; min 0 ; live | L2 penalty: times "
                       "the parameter, added to the gradient (AdamW decouples it)"));
RN_PLUGIN(&adam);
