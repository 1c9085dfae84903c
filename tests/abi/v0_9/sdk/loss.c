/* SPDX-License-Identifier: Apache-2.0 */
/* Log-cosh loss: log(cosh(d)) = |d| + softplus(-2 |d|) - log 2, d = prediction - target.
 * Targets, weights and their checks are the sdk's. */
#include <runner/sdk/loss.h>

static int32_t describe(struct rn_build *b) {
    rn_value prediction = rn_input(b, "prediction");
    rn_value target = rn_loss_target(b, prediction, rn_input(b, "target"));
    rn_value weight = rn_loss_weight(b, prediction);
    target = rn_loss_counted_target(b, target, weight);
    rn_value size = rn_abs(b, rn_sub(b, prediction, target));
    rn_value tail = rn_softplus(b, rn_mul(b, rn_const(b, -2.0), size));
    rn_output(b, "loss", rn_sub(b, rn_add(b, size, tail), rn_const(b, log(2.0))));
    rn_loss_output_weight(b, RN_NONE, weight);
    return RN_OK;
}

RN_LOSS(log_cosh, describe, "acme.losses/log_cosh 1",
        RN_DOC("Logarithm of the hyperbolic cosine of the difference")
        RN_IN("prediction float [N,...] | the model's values")
        RN_IN("target " RN_LOSS_TARGET_TYPE " [N,...] | what they should be")
        RN_LOSS_WEIGHT_PORT
        RN_OUT("loss float [N,...] ; scope element | one term per number"));
RN_PLUGIN(&log_cosh);
