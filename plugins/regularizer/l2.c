/* SPDX-License-Identifier: Apache-2.0 */
/* L2: strength * sum w^2, as Keras's regularizers.L2 and scikit-learn's Ridge have it:
 * without the factor 1/2 of the derivations, so that the gradient is 2 strength w and
 * sgd's weight_decay (PyTorch's) is twice the strength. */
#include <runner/sdk/regularizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value sum = rn_sum_rows(b, rn_square(b, rn_input(b, "param")));
    rn_output(b, "penalty", rn_mul(b, rn_live(b, "strength"), sum));
    return RN_OK;
}

RN_REGULARIZER(
    l2, describe, NULL, "runner/l2 1",
    RN_DOC("strength * sum w^2 (ridge, Hoerl & Kennard 1970; as Keras's L2). "
           "Its gradient is 2 * strength * w: the same as weight_decay: 2 * "
           "strength of sgd")
        RN_PENALTY_PORTS RN_OPTION(
            "strength float = 0.01 ; min 0 ; live | factor of the sum"));
RN_PLUGIN(&l2);
