/* SPDX-License-Identifier: Apache-2.0 */
/* A loss for the test of second derivatives: how steep y is in x, |dy/dx|^2 a row
 * (Drucker & Le Cun 1992; WGAN-GP has (|dy/dx| - 1)^2). */
#include <runner/loss.h>

static int32_t describe(struct rn_build *b) {
    rn_value x = rn_input(b, "x"), g = rn_gradient(b, rn_input(b, "y"), x);
    rn_value square = rn_flatten(b, rn_square(b, g));
    rn_output(b, "loss", rn_reduce_sum_axis(b, square, 1, 0));
    return RN_OK;
}

RN_LOSS(gradient_penalty, describe, "test/gradient_penalty 1",
        RN_DOC("The squared norm of dy/dx, a row")
            RN_IN("y float [N,...] | what is to be flat")
                RN_IN("x float [N,...] | in what it is to be flat")
                    RN_OUT("loss float [N] ; scope sample"));
RN_PLUGIN(&gradient_penalty);
