/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers for host-form metrics: elements of ports of any dtype, the weight of a row,
 * and the check of labels before the first batch. Nothing here allocates. Header-only;
 * C11 or C++. */
#ifndef RUNNER_SDK_METRIC_H
#define RUNNER_SDK_METRIC_H

#include <runner/metric.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The type of a port that rn_number_at reads; the optional weight of a row. */
#define RN_METRIC_NUMBER "f32/int/bool"
#define RN_METRIC_WEIGHT_PORT                                                          \
    RN_IN("weight " RN_METRIC_NUMBER " [N] ; optional | how much a row counts")

/* Element i of a port of integers or bool. */
static inline int64_t rn_label_at(const struct rn_tensor *t, uint64_t i) {
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

/* Element i of a port of type RN_METRIC_NUMBER. */
static inline double rn_number_at(const struct rn_tensor *t, uint64_t i) {
    return t->dtype == RN_F32 ? (double)((const float *)t->data)[i]
                              : (double)rn_label_at(t, i);
}

/* The weight of row i of a batch: the host's (0 for padding), times that of the port
 * `weight`, whose index is `port`, where it is bound. */
static inline double rn_weight_at(const struct rn_metric_batch *b, uint32_t port,
                                  uint64_t i) {
    double w = b->weights ? (double)b->weights[i] : 1.0;
    return b->ports > port && b->values[port].data
               ? w * rn_number_at(&b->values[port], i)
               : w;
}

/* Scores per row of scores [N,C], [N,1] or [N]; 0: another rank. */
static inline int64_t rn_score_width(const struct rn_tensor *scores) {
    return scores->rank == 2 ? scores->shape[1] : scores->rank == 1 ? 1 : 0;
}

/* rn_metric_check_api.choices of metrics whose ports are scores and label: the number
 * of classes of port 1, 2 with one score per row; 0 (no bound) for another port. */
static inline int64_t rn_label_choices(void *self, const struct rn_metric_batch *b,
                                       uint32_t port) {
    int64_t width = rn_score_width(&b->values[0]);
    (void)self;
    return port != 1 ? 0 : width == 1 ? 2 : width;
}

#ifdef __cplusplus
}
#endif
#endif
