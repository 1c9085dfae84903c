/* SPDX-License-Identifier: Apache-2.0 */
/* Huber's loss (Huber 1964, section 4): e^2/2 within delta, delta (|e| - delta/2)
 * beyond. */
#include <runner/sdk/loss.h>

static int32_t describe(struct rn_build *b) {
    rn_value prediction = rn_input(b, "prediction");
    rn_value target = rn_loss_target(b, prediction, rn_input(b, "target"));
    rn_value weight = rn_loss_weight(b, prediction);
    rn_value error =
        rn_abs(b, rn_sub(b, prediction, rn_loss_counted_target(b, target, weight)));
    rn_value delta = rn_live(b, "delta"), half = rn_const(b, 0.5);
    rn_value near = rn_mul(b, half, rn_square(b, error));
    rn_value far = rn_mul(b, delta, rn_sub(b, error, rn_mul(b, half, delta)));
    rn_value loss = rn_select(b, rn_le(b, error, delta), near, far);
    rn_output(b, "loss", loss);
    rn_loss_output_weight(b, RN_NONE, weight);
    return RN_OK;
}

RN_LOSS(huber, describe, "runner/huber 1",
        RN_DOC("Huber's loss: quadratic for errors within delta, linear beyond "
               "(Huber 1964); as PyTorch's HuberLoss")
        RN_IN("prediction float [N,...] | the model's values")
        RN_IN("target " RN_LOSS_TARGET_TYPE " [N,...] | what they should be; a number for all rows "
              "will do")
        RN_LOSS_WEIGHT_PORT
        RN_OUT("loss float [N,...] ; scope element | one term a number")
        RN_OPTION("delta float = 1 ; above 0 ; live | where it turns linear, in the "
                  "target's unit"));
RN_PLUGIN(&huber);
