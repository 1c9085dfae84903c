/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers for losses: targets in the prediction's shape, weights by row and by class.
 * All functions are called from describe ([setup]); they add operators to the graph and
 * report errors to the builder, whose first error ends the component: after one,
 * RN_NONE is returned, which every operator passes on. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_LOSS_H
#define RUNNER_SDK_LOSS_H

#include <math.h>
#include <stdlib.h>

#include <runner/loss.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lines for the description: the ports that losses share. */
#define RN_LOSS_WEIGHT_PORT                                                            \
    RN_IN("weight float/int/bool [N,...] ; optional | how much a row, or an element, " \
          "counts: the mean is sum(weight*loss)/sum(weight)")
#define RN_LOSS_TARGET_TYPE "float/int/bool"
#define RN_LOSS_LABEL_PORT                                                             \
    RN_IN("label int/bool [N,...] | class index, 0 to C-1; another is refused")

/* x as a float: floats as they are, integers and bool cast to f32; RN_NONE stays. */
static inline rn_value rn_as_float(struct rn_build *b, rn_value x) {
    uint32_t rank = 0;
    int64_t shape[RN_MAX_RANK];
    rn_dtype dtype = RN_F32;
    if (!x || b->api->shape(b, x, &rank, shape, &dtype) != RN_OK)
        return x;
    return (dtype & 0xffu) == 2u || (dtype & 0xffu) == 4u ? x : rn_cast(b, x, RN_F32);
}

/* The port `label` as an index, also where it is bool. */
static inline rn_value rn_loss_label(struct rn_build *b) {
    rn_value label = rn_input(b, "label");
    uint32_t rank = 0;
    int64_t shape[RN_MAX_RANK];
    rn_dtype dtype = RN_I64;
    if (label)
        b->api->shape(b, label, &rank, shape, &dtype);
    return dtype == RN_BOOL ? rn_cast(b, label, RN_I64) : label;
}

/* RN_E_CONFIG, reported, where `axis` of the logits has one score: its softmax is
 * always 1. Else RN_OK. */
static inline int32_t rn_loss_check_classes(struct rn_build *b, rn_value logits,
                                            int32_t axis) {
    if (rn_dim(b, logits, axis) != 1)
        return RN_OK;
    b->api->fail(b, "there is one score a row: its softmax is always 1",
                 "loss: bce is for one logit of class 1 against class 0; else give the "
                 "model an output for each class",
                 NULL);
    return RN_E_CONFIG;
}

/* The target in the prediction's shape: as it is, reshaped when only ones differ (a
 * target [N] for a prediction [N,1] is meant row by row, never broadcast to [N,N]), a
 * single number left to broadcast; anything else is an error. Integers and bools become
 * f32. */
static inline rn_value rn_loss_target(struct rn_build *b, rn_value prediction,
                                      rn_value target) {
    uint32_t rank = 0, other = 0, i, k = 0;
    int64_t p[RN_MAX_RANK], t[RN_MAX_RANK];
    rn_dtype dtype;
    target = rn_as_float(b, target);
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
                     "it needs one number per prediction: check the model's outputs",
                     NULL);
        return RN_NONE;
    }
    for (i = 0; i < rank && rank == other && p[i] == t[i]; i++)
        ;
    return rank == other && i == rank ? target : rn_reshape(b, target, rank, p);
}

/* The port `weight` lined up with a loss by its first axes: [N] for a loss [N,H,W] is
 * one weight a row. RN_NONE when it is not bound. */
static inline rn_value rn_loss_weight(struct rn_build *b, rn_value loss) {
    rn_value w = rn_as_float(b, rn_input(b, "weight"));
    uint32_t rank = 0, have = 0, i;
    int64_t shape[RN_MAX_RANK], want[RN_MAX_RANK];
    rn_dtype dtype;
    if (!w || b->api->shape(b, loss, &rank, want, &dtype) != RN_OK ||
        b->api->shape(b, w, &have, shape, &dtype) != RN_OK)
        return RN_NONE;
    for (i = 0; i < have && i < rank && (shape[i] == want[i] || shape[i] == 1); i++)
        ;
    if (i < have) {
        b->api->fail(b, "the weight does not have the loss's shape",
                     "one number a row, or one an element", NULL);
        return RN_NONE;
    }
    for (; i < rank; i++)
        shape[i] = 1;
    return have == rank ? w : rn_reshape(b, w, rank, shape);
}

/* The target of terms with this weight (row_weight's, or RN_NONE): 0 where the weight
 * is 0. Such a term does not count whatever its target is, but 0 times an infinite loss
 * would be NaN. */
static inline rn_value rn_loss_counted_target(struct rn_build *b, rn_value target,
                                              rn_value weight) {
    rn_value zero = rn_const(b, 0.0), in[2] = {weight, zero};
    if (!weight || !target || rn_rank(b, target) == 0)
        return target;
    return rn_select(b, rn_op(b, "eq", 2, in, 0, NULL), zero, target);
}

/* The option `class_weights` as a constant [C], C the logits' axis 1. RN_NONE when it
 * is not given or wrong; wrong ones are reported. */
static inline rn_value rn_loss_class_weights(struct rn_build *b, rn_value logits) {
    int64_t classes = rn_get_count(b->host, "class_weights"), i;
    int64_t columns = rn_dim(b, logits, 1);
    double sum = 0.0;
    char path[48];
    if (classes == 0)
        return RN_NONE;
    if (classes != columns) {
        b->api->fail(b, "class_weights needs one weight per class",
                     "as many as the logits have columns", "class_weights");
        return RN_NONE;
    }
    float *w = (float *)malloc((size_t)classes * sizeof *w);
    if (!w) {
        b->api->fail(b, "no memory for class_weights", NULL, NULL);
        return RN_NONE;
    }
    for (i = 0; i < classes; i++) {
        rn_path(path, sizeof path, "class_weights", (uint32_t)i);
        double given = rn_get_float(b->host, path);
        w[i] = (float)given;
        sum += (double)w[i];
        if (!isfinite(w[i]) || given < 0.0)
            b->api->fail(b, "a class weight must be a finite number of at least 0",
                         NULL, path);
        else if (w[i] == 0.0f && given > 0.0)
            b->api->fail(b, "this class weight is 0 as f32: the class would not count",
                         "scale the weights: only their ratios matter", path);
    }
    rn_value table = b->api->constant(b, RN_F32, 1, &classes, w);
    free(w);
    if (sum <= 0.0)
        b->api->fail(b, "class_weights are all 0: nothing would count", NULL,
                     "class_weights");
    return table;
}

/* Weights of labels: by class and by row, either may be RN_NONE. */
static inline void rn_loss_output_weight(struct rn_build *b, rn_value by_class,
                                         rn_value by_row) {
    if (by_class && by_row)
        by_row = rn_mul(b, by_class, by_row);
    if (by_class || by_row)
        rn_output(b, "weight", by_row ? by_row : by_class);
}

#ifdef __cplusplus
}
#endif
#endif
