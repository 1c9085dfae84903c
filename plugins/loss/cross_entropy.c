/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax cross-entropy over integer labels, with label smoothing and class weights as
 * PyTorch defines them together, and over targets that are distributions. */
#include <string.h>

#include <runner/sdk/loss.h>

/* With t = (1 - s) onehot(label) + s/C (Szegedy et al. 2016, eq. 6) and class weights
 * w: -sum_c w_c t_c log p_c for each row, the mean over rows weighted by w_label. The
 * host multiplies by w_label, so the term is divided by it here. */
static rn_value smoothed(struct rn_build *b, rn_value logits, rn_value label,
                         rn_value table, rn_value of_label, double s) {
    int64_t classes = rn_dim(b, logits, 1), shape[RN_MAX_RANK];
    uint32_t rank = rn_rank(b, logits);
    for (uint32_t i = 0; i < rank; i++)
        shape[i] = i == 1 ? classes : 1;
    rn_value log_p = rn_log_softmax(b, logits, 1);
    rn_value all = rn_mul(b, log_p, rn_reshape(b, table, rank, shape));
    rn_value rest = rn_div(b, rn_reduce_sum_axis(b, all, 1, 0), of_label);
    return rn_neg(b,
                  rn_add(b, rn_mul(b, rn_const(b, 1.0 - s), rn_pick(b, log_p, label)),
                         rn_mul(b, rn_const(b, s / (double)classes), rest)));
}

/* Classes last: rows of all positions, as the operators have classes on axis 1. Shape:
 * of the terms, kept for the end; its rank, or 0: nothing was changed. */
static uint32_t classes_last(struct rn_build *b, rn_value *logits, rn_value *label,
                             int64_t shape[RN_MAX_RANK]) {
    uint32_t rank = rn_rank(b, *logits), i;
    int64_t rows[2] = {-1, rn_dim(b, *logits, -1)};
    if (strcmp(rn_get_string(b->host, "classes"), "last") != 0 || rank < 3)
        return 0;
    for (i = 0; i + 1 < rank; i++)
        shape[i] = rn_dim(b, *logits, (int32_t)i);
    for (i = 0; i + 1 < rank && rn_rank(b, *label) + 1 == rank &&
                rn_dim(b, *label, (int32_t)i) == shape[i];
         i++)
        ;
    if (i + 1 < rank) {
        b->api->fail(
            b, "the labels do not have the logits' shape without its last axis",
            "classes: last is for logits [N,...,C] and labels [N,...]", "classes");
        return 0;
    }
    *logits = rn_reshape(b, *logits, 2, rows);
    *label = rn_reshape(b, *label, 1, rows);
    return rank - 1;
}

static int32_t by_label(struct rn_build *b) {
    rn_value logits = rn_input(b, "logits"), label = rn_loss_label(b);
    int64_t shape[RN_MAX_RANK];
    uint32_t rank = classes_last(b, &logits, &label, shape);
    double smoothing = rn_get_float(b->host, "smoothing");
    if (rn_loss_check_classes(b, logits, 1) != RN_OK)
        return RN_E_CONFIG;
    rn_value table = rn_loss_class_weights(b, logits), of_label = RN_NONE, loss;
    char path[48];
    if (table)
        of_label = rn_gather(b, table, label, 0);
    for (uint32_t i = 0; table && smoothing > 0.0 && i < rn_dim(b, logits, 1); i++)
        if (rn_get_float(b->host, rn_path(path, sizeof path, "class_weights", i)) <=
            0.0) {
            b->api->fail(b, "with smoothing, every class weight must be above 0",
                         "smoothing gives every class a part of the target",
                         "class_weights");
            return RN_E_CONFIG;
        }
    if (table && smoothing > 0.0)
        loss = smoothed(b, logits, label, table, of_label, smoothing);
    else
        loss = rn_cross_entropy(b, logits, label, smoothing);
    if (rank)
        loss = rn_reshape(b, loss, rank, shape);
    if (rank && of_label)
        of_label = rn_reshape(b, of_label, rank, shape);
    rn_output(b, "loss", loss);
    rn_loss_output_weight(b, of_label, rn_loss_weight(b, loss));
    return RN_OK;
}

/* A weight of the terms [N,...], beside each class: [N,1,...]. */
static rn_value over_classes(struct rn_build *b, rn_value weight) {
    uint32_t rank = weight ? rn_rank(b, weight) : 0;
    int64_t shape[RN_MAX_RANK];
    if (rank == 0 || rank == RN_MAX_RANK)
        return RN_NONE;
    for (uint32_t i = 0; i <= rank; i++)
        shape[i] = i == 1 ? 1 : rn_dim(b, weight, (int32_t)(i ? i - 1 : 0));
    return rn_reshape(b, weight, rank + 1, shape);
}

static int32_t by_distribution(struct rn_build *b) {
    rn_value logits = rn_input(b, "logits"), target = rn_input(b, "target");
    if (rn_loss_check_classes(b, logits, 1) != RN_OK)
        return RN_E_CONFIG;
    target = rn_loss_target(b, logits, target);
    rn_value weight = rn_loss_weight(b, rn_reduce_sum_axis(b, target, 1, 0));
    target = rn_loss_counted_target(b, target, over_classes(b, weight));
    rn_value terms = rn_mul(b, target, rn_log_softmax(b, logits, 1));
    rn_output(b, "loss", rn_neg(b, rn_reduce_sum_axis(b, terms, 1, 0)));
    rn_loss_output_weight(b, RN_NONE, weight);
    return RN_OK;
}

RN_LOSS(cross_entropy, by_label, "runner/cross_entropy 1",
        RN_DOC("Softmax cross-entropy between logits and integer class labels: -log "
               "softmax(logits)[label]; as PyTorch's CrossEntropyLoss")
        RN_IN("logits float [N,C,...] | scores before softmax; [N,...,C] with "
              "`classes: last`")
        RN_LOSS_LABEL_PORT
        RN_LOSS_WEIGHT_PORT
        RN_OUT("loss float [N,...] ; scope element | one term a label")
        RN_OPTION("classes choice(second,last) = second | the axis of the classes "
                  "in the logits; last: for the scores of a language model [N,T,C]")
        RN_OPTION("smoothing float = 0 ; min 0 ; below 1 | label smoothing: the "
                  "share of the target spread over all classes (Szegedy et al. 2016, "
                  "section 7)")
        RN_OPTION("class_weights list(float) ; min 0 | one weight per class; the "
                  "mean is weighted by that of each label; default: all 1"));
RN_LOSS(soft_cross_entropy, by_distribution, "runner/soft_cross_entropy 1",
        RN_DOC("Softmax cross-entropy between logits and a distribution over "
               "classes: -sum_c target_c log softmax(logits)_c")
        RN_IN("logits float [N,C,...] | scores before softmax")
        RN_IN("target " RN_LOSS_TARGET_TYPE " [N,C,...] | the share of each class, adding to 1 along C")
        RN_LOSS_WEIGHT_PORT
        RN_OUT("loss float [N,...] ; scope element | one term a distribution"));
RN_PLUGIN(&cross_entropy, &soft_cross_entropy);
