/* SPDX-License-Identifier: Apache-2.0 */
/* The confusion matrix: counts [C,C], rows the true class, columns the predicted one.
 */
#include "classify.h"

static int32_t finish(void *self, uint32_t count, const struct rn_tensor *states,
                      struct rn_metric_sink *sink, struct rn_error *e) {
    const struct counts *s = self;
    const int64_t shape[2] = {s->classes, s->classes};
    (void)count, (void)states, (void)e;
    struct rn_tensor t = {s->n, shape, NULL, RN_I64, 2};
    return sink->api->put(sink, "confusion", &t);
}

static const struct rn_metric iface = {sizeof(struct rn_metric),
                                       0,
                                       counts_create,
                                       counts_destroy,
                                       NULL,
                                       counts_reset,
                                       counts_update,
                                       counts_merge,
                                       counts_save,
                                       counts_load,
                                       finish};

RN_METRIC(confusion, iface, "runner/confusion 1",
          RN_DOC("Confusion matrix: counts, rows true, columns predicted")
              CLASS_PORTS RN_OUT("confusion i64 [C,C]"));
RN_PLUGIN(&confusion);
