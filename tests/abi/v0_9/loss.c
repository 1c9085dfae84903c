/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-entropy from its parts: minus the log-softmax at the label. */
#include <runner/loss.h>

static int32_t describe(struct rn_build *b) {
    rn_value logits = rn_input(b, "logits"), label = rn_input(b, "label");
    rn_value hot = rn_one_hot(b, label, rn_dim(b, logits, 1), RN_F32);
    rn_value picked = rn_mul(b, hot, rn_log_softmax(b, logits, 1));
    int64_t axis = 1;
    rn_output(b, "loss", rn_neg(b, rn_reduce_sum(b, picked, 1, &axis, 0)));
    return RN_OK;
}

RN_LOSS(nll, describe, "acme.losses/nll 1",
        RN_DOC("Cross-entropy from its parts") RN_IN("logits float [N,C] | scores")
            RN_IN("label int [N] | class index") RN_OUT("loss float [N] ; scope sample"));
RN_PLUGIN(&nll);
