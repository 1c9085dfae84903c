/* SPDX-License-Identifier: Apache-2.0 */
/* L1: strength * sum |w| (Tibshirani 1996; Keras's regularizers.L1). */
#include <runner/sdk/regularizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value sum = rn_sum_rows(b, rn_abs(b, rn_input(b, "param")));
    rn_output(b, "penalty", rn_mul(b, rn_live(b, "strength"), sum));
    return RN_OK;
}

RN_REGULARIZER(l1, describe, NULL, "runner/l1 1",
               RN_DOC("strength * sum |w| (the lasso, Tibshirani 1996; as Keras's L1)")
                   RN_PENALTY_PORTS RN_OPTION(
                       "strength float = 0.01 ; min 0 ; live | factor of the sum"));
RN_PLUGIN(&l1);
