/* SPDX-License-Identifier: Apache-2.0 */
/* Mean squared error. */
#include "pair.h"

static int32_t describe(struct rn_build *b) {
    rn_value prediction = rn_input(b, "prediction");
    rn_value error =
        rn_sub(b, prediction, pair_target(b, prediction, rn_input(b, "target")));
    rn_output(b, "loss", rn_square(b, error));
    return RN_OK;
}

RN_LOSS(mse, describe, "runner/mse 1",
        RN_DOC("Mean squared error: (prediction - target)^2, averaged over elements")
            RN_IN("prediction float [N,...] | the model's values")
                RN_IN("target float [N,...] | what they should be")
                    RN_OUT("loss float [N,...] ; scope element"));
RN_PLUGIN(&mse);
