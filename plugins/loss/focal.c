/* SPDX-License-Identifier: Apache-2.0 */
/* Focal loss (Lin et al. 2017, eq. 5): -alpha (1 - p)^gamma log p of the true class. */
#include <runner/loss.h>

static int32_t describe(struct rn_build *b) {
    rn_value logits = rn_input(b, "logits"), label = rn_input(b, "label");
    rn_value log_p = rn_pick(b, rn_log_softmax(b, logits, 1), label);
    rn_value miss = rn_sub(b, rn_const(b, 1.0), rn_exp(b, log_p));
    rn_value loss = rn_mul(b, rn_neg(b, rn_pow(b, miss, rn_live(b, "gamma"))), log_p);
    rn_output(b, "loss", rn_mul(b, rn_live(b, "alpha"), loss));
    return RN_OK;
}

RN_LOSS(focal, describe, "runner/focal 1",
        RN_DOC("Focal loss: cross-entropy that looks away from what is easy")
            RN_IN("logits float [N,C,...] | scores before softmax")
                RN_IN("label int [N,...] | class index")
                    RN_OUT("loss float [N,...] ; scope element") RN_OPTION(
                        "gamma float = 2 ; min 0 ; live | focusing; 0 is cross-entropy")
                        RN_OPTION("alpha float = 1 ; above 0 ; live | overall factor"));
RN_PLUGIN(&focal);
