/* SPDX-License-Identifier: Apache-2.0 */
/* Binary cross-entropy on logits: max(x,0) - x*t + log(1 + exp(-|x|)), which neither
 * overflows nor loses the small end; with a weight on the positive term as PyTorch's
 * pos_weight. */
#include <runner/sdk/loss.h>

/* The port `target`; where it is an integer, that of its class, so that another than 0
 * and 1 is outside of what it chooses from. */
static rn_value target_of(struct rn_build *b) {
    static const float of_class[2] = {0.0f, 1.0f};
    const int64_t two = 2;
    rn_value t = rn_input(b, "target");
    uint32_t rank = 0;
    int64_t shape[RN_MAX_RANK];
    rn_dtype dtype;
    if (!t || b->api->shape(b, t, &rank, shape, &dtype) != RN_OK ||
        (dtype & 0xffu) > 1u || !rank)
        return t;
    return rn_gather(b, b->api->constant(b, RN_F32, 1, &two, of_class), t, 0);
}

static int32_t describe(struct rn_build *b) {
    rn_value x = rn_input(b, "logits"), t = rn_loss_target(b, x, target_of(b));
    rn_value weight = rn_loss_weight(b, x);
    t = rn_loss_counted_target(b, t, weight);
    double smoothing = rn_get_float(b->host, "smoothing");
    if (smoothing > 0.0)
        t = rn_add(b, rn_mul(b, t, rn_const(b, 1.0 - smoothing)),
                   rn_const(b, 0.5 * smoothing));
    /* softplus(-x) = -log sigmoid(x), softplus(x) = -log(1 - sigmoid(x)) */
    rn_value positive =
        rn_mul(b, rn_live(b, "pos_weight"), rn_mul(b, t, rn_softplus(b, rn_neg(b, x))));
    rn_value negative = rn_mul(b, rn_sub(b, rn_const(b, 1.0), t), rn_softplus(b, x));
    rn_value loss = rn_add(b, positive, negative);
    rn_output(b, "loss", loss);
    rn_loss_output_weight(b, RN_NONE, weight);
    return RN_OK;
}

RN_LOSS(bce, describe, "runner/bce 1",
        RN_DOC("Binary cross-entropy between logits and targets in [0,1]: "
               "-pos_weight t log s(x) - (1 - t) log(1 - s(x)), s the sigmoid; as "
               "PyTorch's BCEWithLogitsLoss")
        RN_IN("logits float [N,...] | scores before the sigmoid")
        RN_IN("target " RN_LOSS_TARGET_TYPE " [N,...] | 0, 1 or between; an integer is the "
              "class, 0 or 1; a number for all rows will do")
        RN_LOSS_WEIGHT_PORT
        RN_OUT("loss float [N,...] ; scope element | one term a number")
        RN_OPTION("pos_weight float = 1 ; above 0 ; live | weight of the positive "
                  "term")
        RN_OPTION("smoothing float = 0 ; min 0 ; below 1 | pulls targets towards "
                  "0.5: t (1 - smoothing) + smoothing/2 (Szegedy et al. 2016)"));
RN_PLUGIN(&bce);
