/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics in graph form that are a ratio of rows: the weight of the rows that hit over
 * the weight of all rows. The two accumulators are f32 variables: exact up to 2^24
 * rows, then rounded once per batch. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_SHARE_H
#define RUNNER_SDK_SHARE_H

#include <math.h>
#include <string.h>

#include <runner/sdk/metric.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_SHARE_WEIGHT_PORT                                                           \
    RN_IN("weight float/int/bool [N] ; optional | how much a row counts")

/* The extension function for RN_EXTENDED: labels are checked before the first batch. */
static inline const void *rn_share_extension(const char *id) {
    static const struct rn_metric_check_api api = {sizeof(struct rn_metric_check_api),
                                                   0, NULL, rn_label_choices};
    return strcmp(id, RN_EXT_METRIC_CHECK) == 0 ? &api : NULL;
}

/* From describe: add a batch to the accumulators `hits` and `rows`. hit: bool [N]; the
 * port `weight` [N] counts rows where it is bound. */
static inline void rn_share_add(struct rn_build *b, rn_value hit) {
    rn_value weight = rn_input(b, "weight"), n = rn_cast(b, hit, RN_F32), all;
    if (weight) {
        weight = rn_cast(b, weight, RN_F32);
        n = rn_mul(b, n, weight);
        all = rn_reduce_sum_all(b, weight);
    } else {
        all = rn_const(b, (double)rn_dim(b, hit, 0));
    }
    rn_assign(b, "hits",
              rn_add(b, rn_state(b, "hits", 0, NULL, 0.0), rn_reduce_sum_all(b, n)));
    rn_assign(b, "rows", rn_add(b, rn_state(b, "rows", 0, NULL, 0.0), all));
}

/* From finish: put the ratio (f64 []) under `name`, NaN without rows. The states are
 * those of rn_share_add. */
static inline int32_t rn_share_finish(const struct rn_metric_result *r,
                                      const char *name, struct rn_error *e) {
    if (r->state_count != 2)
        return rn_fail(e, RN_E_INTERNAL, "it needs two accumulators", NULL, NULL);
    double hits = (double)*(const float *)r->states[0].data;
    double rows = (double)*(const float *)r->states[1].data;
    double share = rows != 0.0 ? hits / rows : NAN; /* undefined without rows */
    struct rn_tensor t = {&share, NULL, NULL, RN_F64, 0};
    return rn_metric_put(r, name, &t);
}

#ifdef __cplusplus
}
#endif
#endif
