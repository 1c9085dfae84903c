/* SPDX-License-Identifier: Apache-2.0 */
/* Stochastic weight averaging (Izmailov et al. 2018, algorithm 1): the mean of the
 * parameters at the ends of epochs, late in the run; a <- a + (p - a) / (n + 1), n the
 * averages made before. */
#include <runner/hook.h>
#include <runner/sdk/average.h>

static rn_value average(struct rn_build *b, const struct rn_average_call *a) {
    rn_value one = rn_const(b, 1.0);
    return rn_average_towards(b, a, rn_div(b, one, rn_add(b, a->count, one)));
}

static const struct rn_hook iface = {.struct_size = sizeof iface,
                                     .create = rn_average_create,
                                     .destroy = free,
                                     .averaging = rn_average_how,
                                     .average = average};

RN_HOOK(swa, iface, "runner/swa 1",
        RN_DOC("Mean of the parameters from `start` on, which evaluations, the test, eval "
               "and predict use")
        RN_AVERAGE_OPTIONS("75%", "1ep", "refresh"));
RN_PLUGIN(&swa);
