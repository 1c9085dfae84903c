/* SPDX-License-Identifier: Apache-2.0 */
/* Host-form metrics over classes: a confusion matrix [C,C] of weights of rows, rows the
 * true class, columns the predicted one, and scores averaged over its classes as
 * scikit-learn does. The rn_confusion_* functions are members of struct rn_metric:
 * `self` is a struct rn_confusion. States merge by addition, exact up to 2^53 rows.
 * Header-only; C11 or C++. */
#ifndef RUNNER_SDK_CONFUSION_H
#define RUNNER_SDK_CONFUSION_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/metric.h>

#ifdef __cplusplus
extern "C" {
#endif

enum rn_average {
    RN_AVERAGE_MACRO,
    RN_AVERAGE_MICRO,
    RN_AVERAGE_WEIGHTED,
    RN_AVERAGE_BINARY
};

struct rn_confusion {
    int64_t classes; /* 0 until the first batch */
    double *n;       /* [classes, classes] */
    enum rn_average average;
    int64_t positive; /* class, of RN_AVERAGE_BINARY */
    float threshold;
};

/* Reads the options average, positive and threshold, those that the component has.
 * *self is freed by rn_confusion_destroy, also after an error. */
static inline int32_t rn_confusion_create(struct rn_host *h, void **self,
                                          struct rn_error *e) {
    struct rn_confusion *s = (struct rn_confusion *)calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a metric", NULL, NULL);
    const char *average = rn_has(h, "average") ? rn_get_string(h, "average") : "macro";
    s->average = strcmp(average, "micro") == 0      ? RN_AVERAGE_MICRO
                 : strcmp(average, "weighted") == 0 ? RN_AVERAGE_WEIGHTED
                 : strcmp(average, "binary") == 0   ? RN_AVERAGE_BINARY
                                                    : RN_AVERAGE_MACRO;
    s->positive = rn_has(h, "positive") ? rn_get_int(h, "positive") : 1;
    s->threshold = (float)rn_get_float(h, "threshold");
    return RN_OK;
}

static inline void rn_confusion_destroy(void *self) {
    struct rn_confusion *s = (struct rn_confusion *)self;
    if (s)
        free(s->n);
    free(s);
}

/* The matrix exists from the first batch on. RN_E_DATA: another number of classes. */
static inline int32_t rn_confusion_size(struct rn_confusion *s, int64_t classes,
                                        struct rn_error *e) {
    if (s->classes == classes)
        return RN_OK;
    if (s->classes || classes < 1 || classes > 65536)
        return rn_fail(e, RN_E_DATA, "the number of classes changed between batches",
                       NULL, NULL);
    s->n = (double *)calloc((size_t)(classes * classes), sizeof *s->n);
    if (!s->n)
        return rn_fail(e, RN_E_MEMORY, "no memory for a confusion matrix", NULL, NULL);
    s->classes = classes;
    return RN_OK;
}

/* All counts to 0; the number of classes stays. */
static inline int32_t rn_confusion_reset(void *self, struct rn_error *e) {
    struct rn_confusion *s = (struct rn_confusion *)self;
    (void)e;
    if (s->n)
        memset(s->n, 0, sizeof *s->n * (size_t)(s->classes * s->classes));
    return RN_OK;
}

/* Before the first batch: `positive` is a class, scores are one row each. */
static inline int32_t rn_confusion_check(void *self, const struct rn_metric_batch *b,
                                         struct rn_error *e) {
    const struct rn_confusion *s = (const struct rn_confusion *)self;
    int64_t width = rn_score_width(&b->values[0]), classes = width == 1 ? 2 : width;
    char text[96];
    if (width < 1)
        return rn_fail(e, RN_E_CONFIG, "scores are not one row of numbers a sample",
                       "the metric expects [N,C], or [N,1] or [N] for two classes",
                       NULL);
    if (s->average != RN_AVERAGE_BINARY || s->positive < classes)
        return RN_OK;
    snprintf(text, sizeof text, "there is no class %lld: the scores have %lld classes",
             (long long)s->positive, (long long)classes);
    return rn_fail(e, RN_E_CONFIG, text, "classes count from 0", "positive");
}

/* The extension function for RN_EXTENDED. */
static inline const void *rn_confusion_extension(const char *id) {
    static const struct rn_metric_check_api api = {
        sizeof(struct rn_metric_check_api), 0, rn_confusion_check, rn_label_choices};
    return strcmp(id, RN_EXT_METRIC_CHECK) == 0 ? &api : NULL;
}

/* Ports: scores [N,C] f32, label [N], weight [N] or not bound. Ties go to the lowest
 * class, NaN is the largest. One score a row is of class 1 against class 0. */
static inline int32_t rn_confusion_update(void *self, const struct rn_metric_batch *b,
                                          struct rn_error *e) {
    struct rn_confusion *s = (struct rn_confusion *)self;
    const struct rn_tensor *scores = &b->values[0], *label = &b->values[1];
    int64_t width = rn_score_width(scores), classes = width == 1 ? 2 : width;
    int32_t status = rn_confusion_size(s, classes, e);
    if (status != RN_OK)
        return status;
    for (uint64_t i = 0; i < b->rows; i++) {
        const float *row = (const float *)scores->data + i * (uint64_t)width;
        int64_t best = width == 1 ? row[0] > s->threshold : 0;
        int64_t truth = rn_label_at(label, i);
        for (int64_t c = 1; c < width; c++)
            if (row[c] > row[best] || (isnan(row[c]) && !isnan(row[best])))
                best = c;
        if (truth < 0 || truth >= classes)
            return rn_fail(e, RN_E_DATA, "a label is outside the classes of the scores",
                           NULL, NULL);
        s->n[truth * classes + best] += rn_weight_at(b, 2, i);
    }
    return RN_OK;
}

/* Format: u32 version 2, i64 classes, f64 n[classes * classes]. */
static inline int32_t rn_confusion_save(void *self, struct rn_stream *stream,
                                        struct rn_error *e) {
    (void)e;
    const struct rn_confusion *s = (const struct rn_confusion *)self;
    const uint32_t version = 2;
    int32_t status = stream->api->write(stream, &version, sizeof version);
    if (status == RN_OK)
        status = stream->api->write(stream, &s->classes, sizeof s->classes);
    if (status == RN_OK && s->classes)
        status = stream->api->write(stream, s->n,
                                    sizeof *s->n * (uint64_t)(s->classes * s->classes));
    return status;
}

/* Add what the stream holds to self. */
static inline int32_t rn_confusion_merge(void *self, struct rn_stream *stream,
                                         struct rn_error *e) {
    struct rn_confusion *s = (struct rn_confusion *)self;
    uint32_t version = 0;
    int64_t classes = 0;
    double n = 0.0;
    int32_t status = stream->api->read(stream, &version, sizeof version);
    if (status == RN_OK && version != 2)
        return rn_fail(e, RN_E_CHECKPOINT, "state of a version not known here", NULL,
                       NULL);
    if (status == RN_OK)
        status = stream->api->read(stream, &classes, sizeof classes);
    if (status == RN_OK && classes)
        status = rn_confusion_size(s, classes, e);
    for (int64_t i = 0; status == RN_OK && i < classes * classes; i++) {
        status = stream->api->read(stream, &n, sizeof n);
        s->n[i] += status == RN_OK ? n : 0.0;
    }
    return status;
}

/* Replace the counts by those that the stream holds. */
static inline int32_t rn_confusion_load(void *self, struct rn_stream *stream,
                                        struct rn_error *e) {
    rn_confusion_reset(self, e);
    return rn_confusion_merge(self, stream, e);
}

/* Hits, row sum (true) and column sum (predicted) of a class. */
static inline void rn_confusion_class(const struct rn_confusion *s, int64_t c,
                                      double *hit, double *truth, double *predicted) {
    *truth = *predicted = 0.0;
    *hit = s->n[c * s->classes + c];
    for (int64_t k = 0; k < s->classes; k++) {
        *truth += s->n[c * s->classes + k];
        *predicted += s->n[k * s->classes + c];
    }
}

/* Average `score(hit, truth, predicted)` as the option says; undefined classes give 0,
 * as scikit-learn's zero_division=0; where nothing was seen, all are NaN. Also each
 * class's score into per_class. */
static inline double rn_confusion_average(const struct rn_confusion *s,
                                          double (*score)(double, double, double),
                                          double *per_class) {
    double sum = 0.0, weight = 0.0, hits = 0.0, truths = 0.0, predictions = 0.0;
    for (int64_t c = 0; c < s->classes; c++) {
        double hit, truth, predicted;
        rn_confusion_class(s, c, &hit, &truth, &predicted);
        per_class[c] = score(hit, truth, predicted);
        hits += hit, truths += truth, predictions += predicted;
        /* a class that neither appears nor is predicted does not count */
        double w = s->average == RN_AVERAGE_WEIGHTED
                       ? truth
                       : (truth > 0.0 || predicted > 0.0 ? 1.0 : 0.0);
        sum += w * per_class[c];
        weight += w;
    }
    for (int64_t c = 0; truths == 0.0 && c < s->classes; c++)
        per_class[c] = NAN;
    if (truths == 0.0)
        return NAN;
    if (s->average == RN_AVERAGE_MICRO)
        return score(hits, truths, predictions);
    if (s->average == RN_AVERAGE_BINARY)
        return per_class[s->positive];
    return sum / weight;
}

/* finish for a score: the average under `name`, one number per class under `each`. */
static inline int32_t rn_confusion_finish(void *self, const struct rn_metric_result *r,
                                          const char *name, const char *each,
                                          double (*score)(double, double, double),
                                          struct rn_error *e) {
    const struct rn_confusion *s = (const struct rn_confusion *)self;
    double *per_class = (double *)calloc((size_t)s->classes + 1, sizeof *per_class);
    if (!per_class)
        return rn_fail(e, RN_E_MEMORY, "no memory for a metric", NULL, NULL);
    double average = rn_confusion_average(s, score, per_class);
    struct rn_tensor t = {&average, NULL, NULL, RN_F64, 0};
    int32_t status = rn_metric_put(r, name, &t);
    if (status == RN_OK && s->classes) {
        struct rn_tensor all = {per_class, &s->classes, NULL, RN_F64, 1};
        status = rn_metric_put(r, each, &all);
    }
    free(per_class);
    return status;
}

/* Lines for the description. */
#define RN_CLASS_PORTS                                                                 \
    RN_IN(                                                                             \
        "scores f32 [N,...] | logits or probabilities [N,C]; [N,1] or [N]: of class "  \
        "1 against 0")                                                                 \
    RN_IN("label int/bool [N] | class index")
#define RN_CLASS_THRESHOLD_OPTION                                                      \
    RN_OPTION(                                                                         \
        "threshold float = 0 | with one score a row: class 1 above it; 0 is for "      \
        "logits, 0.5 for probabilities")
#define RN_CLASS_AVERAGE_OPTIONS                                                       \
    RN_OPTION(                                                                         \
        "average choice(macro,micro,weighted,binary) = macro | over classes: each "    \
        "alike, all rows alike, by true count; binary: that of the class `positive`")  \
    RN_OPTION("positive int = 1 ; min 0 | the class of average: binary")

#ifdef __cplusplus
}
#endif
#endif
