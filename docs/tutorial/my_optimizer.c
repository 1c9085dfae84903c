/* SPDX-License-Identifier: Apache-2.0 */
/* Lion (Chen et al. 2023, algorithm 2): the sign of a moving average of gradients. */
#include <runner/sdk/optimizer.h>

/* a*x + (1 - a)*y */
static rn_value mix(struct rn_build *b, double a, rn_value x, rn_value y) {
    return rn_add(b, rn_mul(b, rn_const(b, a), x), rn_mul(b, rn_const(b, 1.0 - a), y));
}

static int32_t describe(struct rn_build *b) {
    rn_value param = rn_input(b, "param"), grad = rn_input(b, "grad");
    rn_value lr = rn_live(b, "lr"), decay = rn_live(b, "weight_decay");
    double beta1 = rn_get_float(b->host, "beta1");
    double beta2 = rn_get_float(b->host, "beta2");

    rn_value m = rn_state_like(b, "m", param, 0.0); /* as it was after the last step */
    rn_value way = rn_sign(b, mix(b, beta1, m, grad));
    rn_value step = rn_mul(b, lr, rn_add(b, way, rn_mul(b, decay, param)));
    rn_assign(b, "m", mix(b, beta2, m, grad));
    rn_output(b, "param", rn_sub(b, param, step));
    return RN_OK;
}

RN_OPTIMIZER(lion, describe, "my.optimizers/lion 1",
             RN_DOC("Lion: steps of equal size along the sign of a moving average")
             RN_UPDATE_PORTS
             RN_OPTION("lr float = 0.0003 ; min 0 ; live | learning rate")
             RN_OPTION("weight_decay float = 0 ; min 0 ; live | decoupled decay")
             RN_OPTION("beta1 float = 0.9 ; min 0 ; below 1 | of the step's direction")
             RN_OPTION("beta2 float = 0.99 ; min 0 ; below 1 | of the average"));
RN_PLUGIN(&lion);
