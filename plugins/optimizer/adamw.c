/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW (Loshchilov & Hutter 2019, algorithm 2, the decay times lr as PyTorch has it):
 * Adam with decoupled weight decay. */
#include <math.h>

#include <runner/sdk/optimizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value p = rn_input(b, "param"), lr = rn_live(b, "lr");
    rn_value keep =
        rn_sub(b, rn_const(b, 1.0), rn_mul(b, lr, rn_live(b, "weight_decay")));
    rn_value step = rn_adam_step(b, p, rn_input(b, "grad"), lr);
    rn_output(b, "param", rn_sub(b, rn_mul(b, p, keep), step));
    return RN_OK;
}

RN_OPTIMIZER(adamw, describe, "runner/adamw 2",
             RN_DOC("AdamW: p -= lr (m_hat / (sqrt(v_hat) + eps) + weight_decay p), "
                    "Adam with decoupled weight decay (Loshchilov & Hutter 2019, "
                    "algorithm 2)")
             RN_UPDATE_PORTS
             RN_OPTION("lr float = 0.001 ; min 0 ; live | learning rate")
             RN_MOMENT_OPTIONS
             RN_OPTION("weight_decay float = 0.01 ; min 0 ; live | share of the "
                       "parameter, times lr, taken away each step"));
RN_PLUGIN(&adamw);
