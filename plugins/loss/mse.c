/* SPDX-License-Identifier: Apache-2.0 */
/* Mean squared error. */
#include <runner/sdk/loss.h>

static int32_t describe(struct rn_build *b) {
    rn_value prediction = rn_input(b, "prediction");
    rn_value target = rn_loss_target(b, prediction, rn_input(b, "target"));
    rn_value weight = rn_loss_weight(b, prediction);
    rn_value error = rn_sub(b, prediction, rn_loss_counted_target(b, target, weight));
    rn_output(b, "loss", rn_square(b, error));
    rn_loss_output_weight(b, RN_NONE, weight);
    return RN_OK;
}

RN_LOSS(mse, describe, "runner/mse 1",
        RN_DOC("Mean squared error: (prediction - target)^2, averaged over elements")
        RN_IN("prediction float [N,...] | the model's values")
        RN_IN("target " RN_LOSS_TARGET_TYPE " [N,...] | what they should be; a number for all rows "
              "will do")
        RN_LOSS_WEIGHT_PORT
        RN_OUT("loss float [N,...] ; scope element | one term a number"));
RN_PLUGIN(&mse);
