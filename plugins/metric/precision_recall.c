/* SPDX-License-Identifier: Apache-2.0 */
/* precision, recall and F1, averaged over classes, and for each class. */
#include <runner/sdk/confusion.h>

static double precision_of(double hit, double truth, double predicted) {
    (void)truth;
    return predicted > 0.0 ? hit / predicted : 0.0;
}

static double recall_of(double hit, double truth, double predicted) {
    (void)predicted;
    return truth > 0.0 ? hit / truth : 0.0;
}

static double f1_of(double hit, double truth, double predicted) {
    return truth + predicted > 0.0 ? 2.0 * hit / (truth + predicted) : 0.0;
}

#define FINISH(name)                                                                   \
    static int32_t finish_##name(void *self, const struct rn_metric_result *result,    \
                                 struct rn_error *e) {                                 \
        return rn_confusion_finish(self, result, #name, "per_class", name##_of, e);    \
    }                                                                                  \
    static const struct rn_metric name##_iface = {sizeof(struct rn_metric),            \
                                                  0,                                   \
                                                  rn_confusion_create,                 \
                                                  rn_confusion_destroy,                \
                                                  NULL,                                \
                                                  rn_confusion_reset,                  \
                                                  rn_confusion_update,                 \
                                                  rn_confusion_merge,                  \
                                                  rn_confusion_save,                   \
                                                  rn_confusion_load,                   \
                                                  finish_##name}
FINISH(precision);
FINISH(recall);
FINISH(f1);

RN_EXTENDED(
    precision, precision_iface, rn_confusion_extension, "metric runner/precision 1",
    RN_DOC("Share of a class's predictions that are right, averaged over "
           "classes") RN_CLASS_PORTS RN_METRIC_WEIGHT_PORT RN_CLASS_THRESHOLD_OPTION
        RN_CLASS_AVERAGE_OPTIONS RN_OUT("precision f64 [] ; better higher")
            RN_OUT("per_class f64 [C] | precision of each class; 0 where it is not "
                   "defined"));
RN_EXTENDED(
    recall, recall_iface, rn_confusion_extension, "metric runner/recall 1",
    RN_DOC("Share of a class's rows that are found, averaged over classes")
        RN_CLASS_PORTS RN_METRIC_WEIGHT_PORT RN_CLASS_THRESHOLD_OPTION
            RN_CLASS_AVERAGE_OPTIONS RN_OUT("recall f64 [] ; better higher")
                RN_OUT("per_class f64 [C] | recall of each class; 0 where it is not "
                       "defined"));
RN_EXTENDED(
    f1, f1_iface, rn_confusion_extension, "metric runner/f1 1",
    RN_DOC("Harmonic mean of precision and recall, averaged over classes")
        RN_CLASS_PORTS RN_METRIC_WEIGHT_PORT RN_CLASS_THRESHOLD_OPTION
            RN_CLASS_AVERAGE_OPTIONS RN_OUT("f1 f64 [] ; better higher") RN_OUT(
                "per_class f64 [C] | F1 of each class; 0 where it is not defined"));
RN_PLUGIN(&precision, &recall, &f1);
