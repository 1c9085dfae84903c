/* SPDX-License-Identifier: Apache-2.0 */
/* Mean squared error. */
#include "rows.h"

static int32_t describe(struct rn_build *b) {
    rn_value prediction = rn_input(b, "prediction");
    rn_value target = pair_target(b, prediction, rn_input(b, "target"));
    rn_value weight = row_weight(b, prediction);
    rn_value error = rn_sub(b, prediction, counted_target(b, target, weight));
    rn_output(b, "loss", rn_square(b, error));
    output_weight(b, RN_NONE, weight);
    return RN_OK;
}

RN_LOSS(mse, describe, "runner/mse 1",
        RN_DOC("Mean squared error: (prediction - target)^2, averaged over elements")
        RN_IN("prediction float [N,...] | the model's values")
        RN_IN("target " TARGET_TYPE " [N,...] | what they should be; a number for all rows "
              "will do")
        WEIGHT_PORT
        RN_OUT("loss float [N,...] ; scope element | one term a number"));
RN_PLUGIN(&mse);
