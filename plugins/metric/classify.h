/* SPDX-License-Identifier: Apache-2.0 */
/* What the metrics over classes share: a confusion matrix [C,C] of how much each pair
 * counts, rows the true class, columns the predicted one. Host form: merged by adding,
 * exact up to 2^53 rows. */
#ifndef PLUGINS_METRIC_CLASSIFY_H
#define PLUGINS_METRIC_CLASSIFY_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/metric.h>

enum average { MACRO, MICRO, WEIGHTED, BINARY };

struct counts {
    int64_t classes; /* 0 until the first batch */
    double *n;       /* [classes, classes] */
    enum average average;
    int64_t positive; /* class, of BINARY */
    float threshold;
};

static inline int32_t counts_create(struct rn_host *h, void **self,
                                    struct rn_error *e) {
    struct counts *s = (struct counts *)calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a metric", NULL, NULL);
    const char *average =
        rn_has(h, "average") ? rn_get_string(h, "average", "macro") : "macro";
    s->average = strcmp(average, "micro") == 0      ? MICRO
                 : strcmp(average, "weighted") == 0 ? WEIGHTED
                 : strcmp(average, "binary") == 0   ? BINARY
                                                    : MACRO;
    s->positive = rn_has(h, "positive") ? rn_get_int(h, "positive", 1) : 1;
    s->threshold = (float)rn_get_float(h, "threshold", 0.0);
    return RN_OK;
}

static inline void counts_destroy(void *self) {
    struct counts *s = (struct counts *)self;
    if (s)
        free(s->n);
    free(s);
}

static inline int32_t counts_size(struct counts *s, int64_t classes,
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

static inline int32_t counts_reset(void *self, struct rn_error *e) {
    struct counts *s = (struct counts *)self;
    (void)e;
    if (s->n)
        memset(s->n, 0, sizeof *s->n * (size_t)(s->classes * s->classes));
    return RN_OK;
}

static inline int64_t label_at(const struct rn_tensor *t, uint64_t i) {
    switch (t->dtype) {
    case RN_I64:
        return ((const int64_t *)t->data)[i];
    case RN_I32:
        return ((const int32_t *)t->data)[i];
    case RN_U32:
        return ((const uint32_t *)t->data)[i];
    case RN_I8:
        return ((const int8_t *)t->data)[i];
    default:
        return ((const uint8_t *)t->data)[i];
    }
}

/* Ports: scores [N,C] f32, label [N], weight [N] f32 or not bound. Ties go to the
 * lowest class, NaN is the largest. One score a row (C = 1) is of class 1 against class
 * 0. */
static inline int32_t counts_update(void *self, const struct rn_metric_batch *b,
                                    struct rn_error *e) {
    struct counts *s = (struct counts *)self;
    const struct rn_tensor *scores = &b->values[0], *label = &b->values[1];
    const float *weight = b->ports > 2 ? (const float *)b->values[2].data : NULL;
    int64_t width = scores->shape[1], classes = width == 1 ? 2 : width;
    int32_t status = counts_size(s, classes, e);
    if (status != RN_OK)
        return status;
    if (s->average == BINARY && s->positive >= classes)
        return rn_fail(e, RN_E_CONFIG, "there is no class as high as `positive`", NULL,
                       "positive");
    for (uint64_t i = 0; i < b->rows; i++) {
        const float *row = (const float *)scores->data + i * (uint64_t)width;
        int64_t best = width == 1 ? !(row[0] <= s->threshold) : 0;
        int64_t truth = label_at(label, i);
        for (int64_t c = 1; c < width; c++)
            if (row[c] > row[best] || (isnan(row[c]) && !isnan(row[best])))
                best = c;
        if (truth < 0 || truth >= classes)
            return rn_fail(e, RN_E_DATA, "a label is outside the classes of the scores",
                           NULL, NULL);
        s->n[truth * classes + best] += (weight ? (double)weight[i] : 1.0) *
                                        (b->weights ? (double)b->weights[i] : 1.0);
    }
    return RN_OK;
}

static inline int32_t counts_save(void *self, struct rn_stream *stream) {
    const struct counts *s = (const struct counts *)self;
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
static inline int32_t counts_merge(void *self, struct rn_stream *stream,
                                   struct rn_error *e) {
    struct counts *s = (struct counts *)self;
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
        status = counts_size(s, classes, e);
    for (int64_t i = 0; status == RN_OK && i < classes * classes; i++) {
        status = stream->api->read(stream, &n, sizeof n);
        s->n[i] += status == RN_OK ? n : 0.0;
    }
    return status;
}

static inline int32_t counts_load(void *self, struct rn_stream *stream,
                                  struct rn_error *e) {
    counts_reset(self, e);
    return counts_merge(self, stream, e);
}

/* Hits, row sum (true) and column sum (predicted) of a class. */
static inline void counts_class(const struct counts *s, int64_t c, double *hit,
                                double *truth, double *predicted) {
    *truth = *predicted = 0.0;
    *hit = s->n[c * s->classes + c];
    for (int64_t k = 0; k < s->classes; k++) {
        *truth += s->n[c * s->classes + k];
        *predicted += s->n[k * s->classes + c];
    }
}

/* Average `score(hit, truth, predicted)` as the option says; undefined classes give 0,
 * as scikit-learn's zero_division=0. Also each class's score into per_class. */
static inline double counts_average(const struct counts *s,
                                    double (*score)(double, double, double),
                                    double *per_class) {
    double sum = 0.0, weight = 0.0, hits = 0.0, truths = 0.0, predictions = 0.0;
    for (int64_t c = 0; c < s->classes; c++) {
        double hit, truth, predicted;
        counts_class(s, c, &hit, &truth, &predicted);
        per_class[c] = score(hit, truth, predicted);
        hits += hit, truths += truth, predictions += predicted;
        /* a class that neither appears nor is predicted does not count */
        double w = s->average == WEIGHTED
                       ? truth
                       : (truth > 0.0 || predicted > 0.0 ? 1.0 : 0.0);
        sum += w * per_class[c];
        weight += w;
    }
    if (s->average == MICRO)
        return score(hits, truths, predictions);
    if (s->average == BINARY)
        return s->positive < s->classes ? per_class[s->positive] : 0.0;
    return weight > 0.0 ? sum / weight : 0.0;
}

/* finish for a score: the average under `name`, one number per class under `each`. */
static inline int32_t counts_finish(const struct counts *s, const char *name,
                                    const char *each,
                                    double (*score)(double, double, double),
                                    struct rn_metric_sink *sink, struct rn_error *e) {
    double *per_class = (double *)calloc((size_t)s->classes + 1, sizeof *per_class);
    if (!per_class)
        return rn_fail(e, RN_E_MEMORY, "no memory for a metric", NULL, NULL);
    double average = counts_average(s, score, per_class);
    struct rn_tensor t = {&average, NULL, NULL, RN_F64, 0};
    int32_t status = sink->api->put(sink, name, &t);
    if (status == RN_OK && s->classes) {
        struct rn_tensor all = {per_class, &s->classes, NULL, RN_F64, 1};
        status = sink->api->put(sink, each, &all);
    }
    free(per_class);
    return status;
}

#define CLASS_PORTS                                                                    \
    RN_IN("scores f32 [N,C] | logits or probabilities; C = 1: of class 1 against 0")   \
    RN_IN("label int [N] | class index")
#define CLASS_WEIGHT RN_IN("weight f32 [N] ; optional | how much a row counts")
#define CLASS_THRESHOLD                                                                \
    RN_OPTION(                                                                         \
        "threshold float = 0 | with one score a row: class 1 above it; 0 is for "      \
        "logits, 0.5 for probabilities")
#define CLASS_AVERAGE                                                                  \
    RN_OPTION(                                                                         \
        "average choice(macro,micro,weighted,binary) = macro | over classes: each "    \
        "alike, all rows alike, by true count; binary: that of the class `positive`")  \
    RN_OPTION("positive int = 1 ; min 0 | the class of average: binary")

#endif
