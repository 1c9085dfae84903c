/* SPDX-License-Identifier: Apache-2.0 */
/* Top-k accuracy: the share of rows whose label is among the k largest scores. */
#include <stdio.h>

#include <runner/metric.h>

static int32_t describe(struct rn_build *b) {
    rn_value scores = rn_input(b, "scores"), label = rn_input(b, "label"), indices;
    int64_t k = rn_get_int(b->host, "k", 5), shape[2] = {rn_dim(b, label, 0), 1};
    if (k > rn_dim(b, scores, 1)) {
        char text[100];
        snprintf(text, sizeof text, "k is %lld, but there are %lld scores a row",
                 (long long)k, (long long)rn_dim(b, scores, 1));
        b->api->fail(b, text, NULL, "k");
        return RN_E_CONFIG;
    }
    rn_top_k(b, scores, k, 1, &indices);
    rn_value column = rn_reshape(b, rn_cast(b, label, RN_I64), 2, shape);
    rn_value hit = rn_cast(b, rn_eq(b, indices, column), RN_F32);
    rn_value rows = rn_const(b, (double)shape[0]);
    rn_assign(b, "hits",
              rn_add(b, rn_state(b, "hits", 0, NULL, 0.0), rn_reduce_sum_all(b, hit)));
    rn_assign(b, "rows", rn_add(b, rn_state(b, "rows", 0, NULL, 0.0), rows));
    return RN_OK;
}

static int32_t finish(void *self, uint32_t count, const struct rn_tensor *states,
                      struct rn_metric_sink *sink, struct rn_error *e) {
    (void)self;
    if (count != 2)
        return rn_fail(e, RN_E_INTERNAL, "top_k wants two accumulators", NULL, NULL);
    float hits = *(const float *)states[0].data, rows = *(const float *)states[1].data;
    float share = rows > 0.0f ? hits / rows : 0.0f;
    struct rn_tensor t = {&share, NULL, NULL, RN_F32, 0};
    return sink->api->put(sink, "top_k", &t);
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

RN_METRIC(top_k, iface, "runner/top_k 1",
          RN_DOC("Share of rows whose label is among the k largest scores")
              RN_IN("scores float [N,C] | logits or probabilities")
                  RN_IN("label int [N] | class index")
                      RN_OUT("top_k f32 [] ; better higher")
                          RN_OPTION("k int = 5 ; min 1 | how many scores count"));
RN_PLUGIN(&top_k);
