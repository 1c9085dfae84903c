/* SPDX-License-Identifier: Apache-2.0 */
/* What host-form metrics read from their ports, of any type that a port may have. */
#ifndef PLUGINS_METRIC_VALUES_H
#define PLUGINS_METRIC_VALUES_H

#include <runner/metric.h>

#define NUMBER_TYPE "f32/int/bool"
#define WEIGHT_PORT                                                                    \
    RN_IN("weight " NUMBER_TYPE " [N] ; optional | how much a row counts")

/* An integer or a bool. */
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

static inline double number_at(const struct rn_tensor *t, uint64_t i) {
    return t->dtype == RN_F32 ? (double)((const float *)t->data)[i]
                              : (double)label_at(t, i);
}

/* What row i of a batch counts by port `weight`, the index of which is `port`, and by
 * the host's weights. */
static inline double weight_at(const struct rn_metric_batch *b, uint32_t port,
                               uint64_t i) {
    double w = b->weights ? (double)b->weights[i] : 1.0;
    return b->ports > port && b->values[port].data ? w * number_at(&b->values[port], i)
                                                   : w;
}

/* Scores [N,C], [N,1] or [N]: scores of a row; 0: another rank. */
static inline int64_t score_width(const struct rn_tensor *scores) {
    return scores->rank == 2 ? scores->shape[1] : scores->rank == 1 ? 1 : 0;
}

/* choices of metrics whose ports are scores, label: one score a row is of two classes.
 */
static inline int64_t label_choices(void *self, const struct rn_metric_batch *b,
                                    uint32_t port) {
    int64_t width = score_width(&b->values[0]);
    (void)self;
    return port != 1 ? 0 : width == 1 ? 2 : width;
}

#endif
