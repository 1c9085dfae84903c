/* SPDX-License-Identifier: Apache-2.0 */
/* Focal loss (Lin et al. 2017, eq. 4 and 5) for classes that exclude each other:
 * -alpha (1 - p)^gamma log p of the true class, p by softmax. */
#include <runner/sdk/loss.h>

static int32_t describe(struct rn_build *b) {
    rn_value logits = rn_input(b, "logits"), label = rn_loss_label(b);
    if (rn_loss_check_classes(b, logits, 1) != RN_OK)
        return RN_E_CONFIG;
    rn_value log_p = rn_pick(b, rn_log_softmax(b, logits, 1), label);
    /* 1 - p without cancellation; away from 0, where (1 - p)^gamma for gamma below 1
     * has no derivative. */
    rn_value miss = rn_maximum(b, rn_neg(b, rn_expm1(b, log_p)), rn_const(b, 1e-20));
    rn_value loss = rn_mul(b, rn_neg(b, rn_pow(b, miss, rn_live(b, "gamma"))), log_p);
    loss = rn_mul(b, rn_live(b, "alpha"), loss);
    rn_value table = rn_loss_class_weights(b, logits);
    rn_output(b, "loss", loss);
    rn_loss_output_weight(b, table ? rn_gather(b, table, label, 0) : RN_NONE,
                          rn_loss_weight(b, loss));
    return RN_OK;
}

RN_LOSS(focal, describe, "runner/focal 1",
        RN_DOC("Focal loss: cross-entropy that looks away from what is easy, -alpha "
               "(1 - p)^gamma log p (Lin et al. 2017, eq. 5)")
        RN_IN("logits float [N,C,...] | scores before softmax")
        RN_LOSS_LABEL_PORT
        RN_LOSS_WEIGHT_PORT
        RN_OUT("loss float [N,...] ; scope element | one term a label")
        RN_OPTION("gamma float = 2 ; min 0 ; live | focusing; 0 is cross-entropy")
        RN_OPTION("alpha float = 1 ; above 0 ; live | overall factor")
        RN_OPTION("class_weights list(float) ; min 0 | one weight per class; the "
                  "mean is weighted by that of each label; default: all 1"));
RN_PLUGIN(&focal);
