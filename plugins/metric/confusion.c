/* SPDX-License-Identifier: Apache-2.0 */
/* The confusion matrix: counts [C,C], rows the true class, columns the predicted one.
 */
#include <runner/sdk/confusion.h>

static int32_t finish(void *self, const struct rn_metric_result *result,
                      struct rn_error *e) {
    const struct rn_confusion *s = self;
    const int64_t shape[2] = {s->classes, s->classes};
    int64_t *n = calloc((size_t)(s->classes * s->classes) + 1, sizeof *n);
    if (!n)
        return rn_fail(e, RN_E_MEMORY, "no memory for a confusion matrix", NULL, NULL);
    for (int64_t i = 0; i < s->classes * s->classes; i++)
        n[i] = (int64_t)s->n[i];
    struct rn_tensor t = {n, shape, NULL, RN_I64, 2};
    int32_t status = s->classes ? rn_metric_put(result, "confusion", &t) : RN_OK;
    free(n);
    return status;
}

static const struct rn_metric iface = {sizeof(struct rn_metric),
                                       0,
                                       rn_confusion_create,
                                       rn_confusion_destroy,
                                       NULL,
                                       rn_confusion_reset,
                                       rn_confusion_update,
                                       rn_confusion_merge,
                                       rn_confusion_save,
                                       rn_confusion_load,
                                       finish};

RN_EXTENDED(confusion, iface, rn_confusion_extension, "metric runner/confusion 1",
            RN_DOC("Confusion matrix: counts, rows true, columns predicted")
                RN_CLASS_PORTS RN_CLASS_THRESHOLD_OPTION RN_OUT(
                    "confusion i64 [C,C] | number of rows: true class down, predicted "
                    "class across"));
RN_PLUGIN(&confusion);
