/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax cross-entropy over integer labels, with label smoothing and class weights. */
#include <runner/loss.h>

static int32_t describe(struct rn_build *b) {
    rn_value logits = rn_input(b, "logits"), label = rn_input(b, "label");
    double smoothing = rn_get_float(b->host, "smoothing", 0.0);
    rn_output(b, "loss", rn_cross_entropy(b, logits, label, smoothing));

    int64_t classes = rn_get_count(b->host, "class_weights");
    if (classes > 0) {
        float w[1024];
        char path[32];
        if (classes != rn_dim(b, logits, 1) || classes > 1024) {
            b->api->fail(b, "class_weights needs one weight per class",
                         "as many as the logits have columns, at most 1024",
                         "class_weights");
            return RN_E_CONFIG;
        }
        for (int64_t i = 0; i < classes; i++) {
            rn_path(path, sizeof path, "class_weights", i);
            w[i] = (float)rn_get_float(b->host, path, 1.0);
        }
        rn_value table = b->api->constant(b, RN_F32, 1, &classes, w);
        rn_output(b, "weight", rn_gather(b, table, label, 0));
    }
    return RN_OK;
}

RN_LOSS(
    cross_entropy, describe, "runner/cross_entropy 1",
    RN_DOC("Softmax cross-entropy between logits and integer class labels")
        RN_IN("logits float [N,C,...] | scores before softmax") RN_IN(
            "label int [N,...] | class index, 0 to C-1")
            RN_OUT("loss float [N,...] ; scope element") RN_OPTION(
                "smoothing float = 0 ; min 0 ; below 1 | label smoothing: the share "
                "of the target spread over all classes (Szegedy et al. 2016)")
                RN_OPTION(
                    "class_weights list(float) | one weight per class; the mean is "
                    "weighted by them"));
RN_PLUGIN(&cross_entropy);
