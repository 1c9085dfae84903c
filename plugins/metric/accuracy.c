/* SPDX-License-Identifier: Apache-2.0 */
/* Accuracy: the share of rows whose largest score is at the label. Graph form: two
 * accumulators on the device, read once at the end. */
#include <runner/sdk/share.h>

static int32_t describe(struct rn_build *b) {
    rn_value scores = rn_input(b, "scores"), label = rn_input(b, "label"), best;
    int64_t rows = rn_dim(b, scores, 0);
    uint32_t rank = rn_rank(b, scores);
    if (rank > 2) {
        b->api->fail(b, "scores are not one row of numbers a sample",
                     "the metric expects [N,C], or [N,1] or [N] for two classes", NULL);
        return RN_E_CONFIG;
    }
    if (rank == 1 || rn_dim(b, scores, 1) == 1) { /* of class 1 against class 0 */
        double threshold = rn_get_float(b->host, "threshold");
        best = rn_gt(b, rn_reshape(b, scores, 1, &rows), rn_const(b, threshold));
        best = rn_cast(b, best, RN_I64);
    } else {
        best = rn_arg_max(b, scores, 1);
    }
    rn_share_add(b, rn_eq(b, best, rn_cast(b, label, RN_I64)));
    return RN_OK;
}

static int32_t finish(void *self, const struct rn_metric_result *result,
                      struct rn_error *e) {
    (void)self;
    return rn_share_finish(result, "accuracy", e);
}

static const struct rn_metric iface = {sizeof(struct rn_metric),
                                       0,
                                       NULL,
                                       NULL,
                                       describe,
                                       NULL,
                                       NULL,
                                       NULL,
                                       NULL,
                                       NULL,
                                       finish};

RN_EXTENDED(
    accuracy, iface, rn_share_extension, "metric runner/accuracy 1",
    RN_DOC("Share of rows whose largest score is at the label") RN_IN(
        "scores float [N,...] | logits or probabilities [N,C]; [N,1] or [N]: of "
        "class 1 against 0") RN_IN("label int/bool [N] | class index")
        RN_SHARE_WEIGHT_PORT RN_OUT("accuracy f64 [] ; better higher")
            RN_OPTION("threshold float = 0 | with one score a row: class 1 above it; 0 "
                      "is for logits, 0.5 for probabilities"));
RN_PLUGIN(&accuracy);
