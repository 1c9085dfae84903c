/* SPDX-License-Identifier: Apache-2.0 */
/* The elastic net (Zou & Hastie 2005, equation 3): l1 sum |w| + l2 sum w^2, as Keras's
 * regularizers.L1L2. */
#include <runner/sdk/regularizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value w = rn_input(b, "param");
    rn_value size = rn_sum_rows(b, rn_abs(b, w));
    rn_value square = rn_sum_rows(b, rn_square(b, w));
    rn_output(b, "penalty",
              rn_add(b, rn_mul(b, rn_live(b, "l1"), size),
                     rn_mul(b, rn_live(b, "l2"), square)));
    return RN_OK;
}

RN_REGULARIZER(
    elastic, describe, NULL, "runner/elastic 1",
    RN_DOC("The elastic net: l1 * sum |w| + l2 * sum w^2 (Zou & Hastie 2005, "
           "equation 3; as Keras's L1L2)")
        RN_PENALTY_PORTS RN_OPTION(
            "l1 float = 0.01 ; min 0 ; live | factor of the sum of |w|")
            RN_OPTION("l2 float = 0.01 ; min 0 ; live | factor of the sum of w^2"));
RN_PLUGIN(&elastic);
