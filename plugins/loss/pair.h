/* SPDX-License-Identifier: Apache-2.0 */
/* What losses of two like tensors share: a target [N] for a prediction [N,1] is meant
 * row by row, never broadcast to [N,N]. */
#ifndef PLUGINS_LOSS_PAIR_H
#define PLUGINS_LOSS_PAIR_H

#include <runner/loss.h>

/* The target in the prediction's shape: as it is, reshaped when only ones differ, a
 * single number left to broadcast; anything else is an error. */
static inline rn_value pair_target(struct rn_build *b, rn_value prediction,
                                   rn_value target) {
    uint32_t rank = 0, other = 0, i, k = 0;
    int64_t p[RN_MAX_RANK], t[RN_MAX_RANK];
    rn_dtype dtype;
    if (b->api->shape(b, prediction, &rank, p, &dtype) != RN_OK ||
        b->api->shape(b, target, &other, t, &dtype) != RN_OK || other == 0)
        return target;
    for (i = 0; i < rank; i++) { /* sizes without ones, in order */
        if (p[i] == 1)
            continue;
        while (k < other && t[k] == 1)
            k++;
        if (k == other || t[k] != p[i])
            break;
        k++;
    }
    while (k < other && t[k] == 1)
        k++;
    if (i < rank || k < other) {
        b->api->fail(b, "the target does not have the prediction's shape",
                     "one number per prediction is wanted: check the model's outputs",
                     NULL);
        return RN_NONE;
    }
    for (i = 0; i < rank && rank == other && p[i] == t[i]; i++)
        ;
    return rank == other && i == rank ? target : rn_reshape(b, target, rank, p);
}

#endif
