/* SPDX-License-Identifier: Apache-2.0 */
/* The confusion matrix: counts [C,C], rows the true class, columns the predicted one.
 */
#include "classify.h"

static int32_t finish(void *self, uint32_t count, const struct rn_tensor *states,
                      struct rn_metric_sink *sink, struct rn_error *e) {
    const struct counts *s = self;
    const int64_t shape[2] = {s->classes, s->classes};
    int64_t *n = calloc((size_t)(s->classes * s->classes) + 1, sizeof *n);
    (void)count, (void)states;
    if (!n)
        return rn_fail(e, RN_E_MEMORY, "no memory for a confusion matrix", NULL, NULL);
    for (int64_t i = 0; i < s->classes * s->classes; i++)
        n[i] = (int64_t)s->n[i];
    struct rn_tensor t = {n, shape, NULL, RN_I64, 2};
    int32_t status = s->classes ? sink->api->put(sink, "confusion", &t) : RN_OK;
    free(n);
    return status;
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

RN_EXTENDED(confusion, iface, counts_extension, "metric runner/confusion 1",
            RN_DOC("Confusion matrix: counts, rows true, columns predicted")
                CLASS_PORTS CLASS_THRESHOLD RN_OUT(
                    "confusion i64 [C,C] | number of rows: true class down, predicted "
                    "class across"));
RN_PLUGIN(&confusion);
