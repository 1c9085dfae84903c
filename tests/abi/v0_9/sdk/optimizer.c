/* SPDX-License-Identifier: Apache-2.0 */
/* Adam with a bound on each element of its step: ports, options and the step itself are
 * the sdk's. With a bound that nothing reaches it is Adam, to the bit. */
#include <runner/sdk/optimizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value p = rn_input(b, "param");
    rn_value step = rn_adam_step(b, p, rn_input(b, "grad"), rn_live(b, "lr"));
    double most = rn_get_float(b->host, "bound");
    step = rn_minimum(b, rn_maximum(b, step, rn_const(b, -most)), rn_const(b, most));
    rn_output(b, "param", rn_sub(b, p, step));
    return RN_OK;
}

RN_OPTIMIZER(bounded, describe, "acme.optim/bounded 1",
             RN_DOC("Adam, no element of whose step exceeds a bound")
             RN_UPDATE_PORTS
             RN_OPTION("lr float = 0.001 ; min 0 ; live | learning rate")
             RN_MOMENT_OPTIONS
             RN_OPTION("bound float = 1 ; above 0 | largest change of an element per step"));
RN_PLUGIN(&bounded);
