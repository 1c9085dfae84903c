/* SPDX-License-Identifier: Apache-2.0 */
/* LAMB (You et al. 2020, algorithm 2, with phi the identity): Adam's step and the
 * decay, scaled for each parameter to the parameter's own norm. */
#include <math.h>

#include <runner/sdk/optimizer.h>

static rn_value norm(struct rn_build *b, rn_value x) {
    return rn_sqrt(b, rn_reduce_sum_all(b, rn_square(b, x)));
}

static int32_t describe(struct rn_build *b) {
    rn_value p = rn_input(b, "param"), lr = rn_live(b, "lr");
    rn_value step = rn_adam_step(b, p, rn_input(b, "grad"), rn_const(b, 1.0));
    step = rn_add(b, step, rn_mul(b, rn_live(b, "weight_decay"), p));
    if (rn_rank(b, p) > 1 || rn_get_bool(b->host, "vectors")) {
        rn_value zero = rn_const(b, 0.0), one = rn_const(b, 1.0);
        rn_value of_p = norm(b, p), of_step = norm(b, step);
        rn_value both =
            rn_logical_and(b, rn_gt(b, of_p, zero), rn_gt(b, of_step, zero));
        rn_value ratio = rn_select(b, both, rn_div(b, of_p, of_step), one);
        lr = rn_mul(b, lr, ratio);
    }
    rn_output(b, "param", rn_sub(b, p, rn_mul(b, lr, step)));
    return RN_OK;
}

RN_OPTIMIZER(lamb, describe, "runner/lamb 2",
             RN_DOC("LAMB: u = m_hat / (sqrt(v_hat) + eps) + weight_decay p, "
                    "p -= lr |p| / |u| u, for large batches (You et al. 2020, "
                    "algorithm 2)")
             RN_UPDATE_PORTS
             RN_OPTION("lr float = 0.01 ; min 0 ; live | learning rate: the share of "
                       "its norm that a parameter moves in a step")
             RN_MOMENT_OPTIONS
             RN_OPTION("weight_decay float = 0.01 ; min 0 ; live | share of the "
                       "parameter, added to the step before it is scaled")
             RN_OPTION("vectors bool = false | scale the steps of biases and other "
                       "vectors too, as the algorithm has it; many leave them Adam's"));
RN_PLUGIN(&lamb);
