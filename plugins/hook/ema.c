/* SPDX-License-Identifier: Apache-2.0 */
/* Exponential moving average of the parameters (Polyak and Juditsky 1992; Tarvainen and
 * Valpola 2017): a <- a + (1 - d) (p - a). With warmup the decay d is
 * min(decay, (1 + t) / (10 + t)), t the averages made before (tf.train's
 * ExponentialMovingAverage), so that the first parameters are soon forgotten. */
#include <runner/hook.h>
#include <runner/sdk/average.h>

static rn_value average(struct rn_build *b, const struct rn_average_call *a) {
    double decay = rn_get_float(b->host, "decay");
    rn_value share = rn_const(b, 1.0 - decay);
    if (rn_get_bool(b->host, "warmup")) /* 1 - (1 + t) / (10 + t) */
        share = rn_maximum(
            b, share,
            rn_div(b, rn_const(b, 9.0), rn_add(b, a->count, rn_const(b, 10.0))));
    return rn_average_towards(b, a, share);
}

static const struct rn_hook iface = {.struct_size = sizeof iface,
                                     .create = rn_average_create,
                                     .destroy = free,
                                     .averaging = rn_average_how,
                                     .average = average};

RN_HOOK(ema, iface, "runner/ema 1",
        RN_DOC("Exponential moving average of the parameters, which evaluations, the "
               "test, eval and predict use")
        RN_OPTION("decay float = 0.999 ; min 0 ; below 1 | share of the average that "
                  "stays")
        RN_OPTION("warmup bool = false | decay is at most (1 + t) / (10 + t), t the "
                  "averages made before")
        RN_AVERAGE_OPTIONS("0st", "1st", "average"));
RN_PLUGIN(&ema);
