/* SPDX-License-Identifier: Apache-2.0 */
/* What the metrics share that are a share of rows, in graph form: how much is hit, how
 * much there is. The accumulators are f32: exact up to 2^24 rows, and then rounded once
 * a batch. */
#ifndef PLUGINS_METRIC_SHARE_H
#define PLUGINS_METRIC_SHARE_H

#include <math.h>
#include <string.h>

#include "values.h"

#define SHARE_WEIGHT                                                                   \
    RN_IN("weight float/int/bool [N] ; optional | how much a row counts")

static inline const void *share_extension(const char *id) {
    static const struct rn_metric_check_api api = {sizeof(struct rn_metric_check_api),
                                                   0, NULL, label_choices};
    return strcmp(id, RN_EXT_METRIC_CHECK) == 0 ? &api : NULL;
}

/* hit: bool [N]. */
static inline void share_add(struct rn_build *b, rn_value hit) {
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

static inline int32_t share_finish(const char *name, uint32_t count,
                                   const struct rn_tensor *states,
                                   struct rn_metric_sink *sink, struct rn_error *e) {
    if (count != 2)
        return rn_fail(e, RN_E_INTERNAL, "it needs two accumulators", NULL, NULL);
    double hits = (double)*(const float *)states[0].data;
    double rows = (double)*(const float *)states[1].data;
    double share = rows != 0.0 ? hits / rows : NAN; /* of no row there is none */
    struct rn_tensor t = {&share, NULL, NULL, RN_F64, 0};
    return sink->api->put(sink, name, &t);
}

#endif
