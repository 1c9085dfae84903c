/* SPDX-License-Identifier: Apache-2.0 */
/* Top-k accuracy: the share of rows whose label is among the k largest scores. */
#include <stdio.h>

#include <runner/sdk/share.h>

static int32_t describe(struct rn_build *b) {
    rn_value scores = rn_input(b, "scores"), label = rn_input(b, "label"), indices;
    int64_t k = rn_get_int(b->host, "k"), column[2] = {rn_dim(b, scores, 0), 1};
    if (rn_dim(b, scores, 1) == 1) {
        b->api->fail(b, "there is one score a row: of class 1 against class 0",
                     "accuracy is the metric for that", NULL);
        return RN_E_CONFIG;
    }
    if (k > rn_dim(b, scores, 1)) {
        char text[100];
        snprintf(text, sizeof text, "k is %lld, but there are %lld scores a row",
                 (long long)k, (long long)rn_dim(b, scores, 1));
        b->api->fail(b, text, NULL, "k");
        return RN_E_CONFIG;
    }
    rn_top_k(b, scores, k, 1, &indices);
    label = rn_reshape(b, rn_cast(b, label, RN_I64), 2, column);
    rn_value hit = rn_cast(b, rn_eq(b, indices, label), RN_F32); /* one at most a row */
    hit = rn_gt(b, rn_reduce_sum_axis(b, hit, 1, 0), rn_const(b, 0.5));
    rn_share_add(b, hit);
    return RN_OK;
}

static int32_t finish(void *self, const struct rn_metric_result *result,
                      struct rn_error *e) {
    (void)self;
    return rn_share_finish(result, "top_k", e);
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

RN_EXTENDED(top_k, iface, rn_share_extension, "metric runner/top_k 1",
            RN_DOC("Share of rows whose label is among the k largest scores")
                RN_IN("scores float [N,C] | logits or probabilities")
                    RN_IN("label int/bool [N] | class index")
                        RN_SHARE_WEIGHT_PORT RN_OUT("top_k f64 [] ; better higher")
                            RN_OPTION("k int = 5 ; min 1 | how many scores count"));
RN_PLUGIN(&top_k);
