/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers for regularizers: their ports, sums over a parameter, and the matrix that a
 * weight is. All are called from describe or project ([setup]). Header-only; C11 or
 * C++. */
#ifndef RUNNER_SDK_REGULARIZER_H
#define RUNNER_SDK_REGULARIZER_H

#include <runner/regularizer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lines for the description: the ports of a penalty, and those of a projection. */
#define RN_PENALTY_PORTS                                                               \
    RN_IN("param float [...] | the parameter")                                         \
    RN_OUT("penalty float [] | what is added to the loss")
#define RN_PROJECTION_PORTS                                                            \
    RN_IN("param float [...] | the updated parameter")                                 \
    RN_OUT("param float [...] | its new value")

/* The sum of all elements, a scalar. Of each row first, so that threads have rows to
 * share. */
static inline rn_value rn_sum_rows(struct rn_build *b, rn_value x) {
    static const int64_t last[1] = {1};
    int64_t matrix[2] = {rn_dim(b, x, 0), -1};
    if (rn_rank(b, x) > 1)
        x = rn_reduce_sum(b, rn_reshape(b, x, 2, matrix), 1, last, 0);
    return rn_reduce_sum_all(b, x);
}

/* The matrix [shape[0], all the rest] of a weight or a kernel: one row for each output.
 * An error at `match` where the parameter has fewer than two axes. */
static inline rn_value rn_weight_matrix(struct rn_build *b, rn_value param) {
    int64_t matrix[2] = {rn_dim(b, param, 0), -1};
    if (param && rn_rank(b, param) < 2) {
        b->api->fail(b,
                     "it has fewer than 2 axes, and this is for matrices and kernels",
                     "match weights only: match: {role: weight}", "match");
        return RN_NONE;
    }
    return rn_reshape(b, param, 2, matrix);
}

#ifdef __cplusplus
}
#endif
#endif
