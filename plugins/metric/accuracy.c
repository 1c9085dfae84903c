/* SPDX-License-Identifier: Apache-2.0 */
/* Accuracy: the share of rows whose largest score is at the label. Graph form: two
 * accumulators on the device, read once at the end. */
#include <runner/metric.h>

static int32_t describe(struct rn_build *b) {
    rn_value scores = rn_input(b, "scores"), label = rn_input(b, "label");
    rn_value hit = rn_eq(b, rn_arg_max(b, scores, 1), rn_cast(b, label, RN_I64));
    rn_value n = rn_reduce_sum_all(b, rn_cast(b, hit, RN_F32));
    rn_value rows = rn_const(b, (double)rn_dim(b, label, 0));
    rn_assign(b, "hits", rn_add(b, rn_state(b, "hits", 0, NULL, 0.0), n));
    rn_assign(b, "rows", rn_add(b, rn_state(b, "rows", 0, NULL, 0.0), rows));
    return RN_OK;
}

static int32_t finish(void *self, uint32_t count, const struct rn_tensor *states,
                      struct rn_metric_sink *sink, struct rn_error *e) {
    (void)self;
    if (count != 2)
        return rn_fail(e, RN_E_INTERNAL, "accuracy wants two accumulators", NULL, NULL);
    float hits = *(const float *)states[0].data, rows = *(const float *)states[1].data;
    float share = rows > 0.0f ? hits / rows : 0.0f;
    struct rn_tensor t = {&share, NULL, NULL, RN_F32, 0};
    return sink->api->put(sink, "accuracy", &t);
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

RN_METRIC(accuracy, iface, "runner/accuracy 1",
          RN_DOC("Share of rows whose largest score is at the label")
              RN_IN("scores float [N,C] | logits or probabilities")
                  RN_IN("label int [N] | class index")
                      RN_OUT("accuracy f32 [] ; better higher"));
RN_PLUGIN(&accuracy);
