/* SPDX-License-Identifier: Apache-2.0 */
/* Both forms at once: a penalty on the mean of a parameter's squares, and weights that
 * no update makes negative (Lee & Seung 1999). */
#include <runner/regularizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value mean = rn_reduce_mean_all(b, rn_square(b, rn_input(b, "param")));
    rn_output(b, "penalty", rn_mul(b, rn_live(b, "strength"), mean));
    return RN_OK;
}

static int32_t project(struct rn_build *b) {
    rn_value w = rn_input(b, "param"), zero = rn_const(b, 0.0);
    rn_output(b, "param", rn_select(b, rn_ge(b, w, zero), w, zero));
    return RN_OK;
}

RN_REGULARIZER(non_negative, describe, project, "acme.penalties/non_negative 1",
               RN_DOC("Small weights, none below 0") RN_IN("param float [...] | any")
                   RN_OUT("penalty float [] ; optional | strength * mean w^2")
                       RN_OUT("param float [...] ; optional | where it is above 0")
                           RN_OPTION("strength float = 0.1 ; min 0 ; live | factor"));
RN_PLUGIN(&non_negative);
