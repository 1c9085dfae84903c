/* SPDX-License-Identifier: Apache-2.0 */
/* Poly-1 loss (Leng et al. 2022, eq. 5): cross-entropy + epsilon * (1 - p), p being the
 * probability that the network gives to the right class. */
#include <runner/loss.h>

static int32_t describe(struct rn_build *b) {
    rn_value logits = rn_input(b, "logits"), label = rn_input(b, "label");
    double epsilon = rn_get_float(b->host, "epsilon");

    rn_value ce = rn_cross_entropy(b, logits, label, 0.0);
    rn_value p = rn_exp(b, rn_neg(b, ce));
    rn_value missing = rn_sub(b, rn_const(b, 1.0), p);
    rn_output(b, "loss", rn_add(b, ce, rn_mul(b, rn_const(b, epsilon), missing)));
    return RN_OK;
}

RN_LOSS(poly1, describe, "my.losses/poly1 1",
        "version: 1.0.0\n"
        "license: Apache-2.0\n"
        RN_DOC("Cross-entropy plus epsilon times the missing probability")
        RN_IN("logits float [N,C] | scores before softmax")
        RN_IN("label int [N] | class index, 0 to C-1")
        RN_OUT("loss float [N] ; scope sample | one term a sample; the host averages")
        RN_OPTION("epsilon float = 1 ; above -1 | weight of the second term"));
RN_PLUGIN(&poly1);
