/* SPDX-License-Identifier: Apache-2.0 */
/* Noise: x + std * n in training, n standard normal and new in each step, for
 * activations, weights (Graves 2011, section 4) or gradients (Neelakantan et al. 2015,
 * eq. 1, with a constant std). Evaluation and prediction are without. */
#include <string.h>

#include <runner/hook.h>
#include <runner/sdk/point.h>

static rn_value rewrite(struct rn_build *b, const struct rn_point *p) {
    double std = rn_get_float(b->host, "std");
    uint32_t rank = 0;
    int64_t shape[RN_MAX_RANK];
    rn_dtype dtype;
    struct rn_attr attrs[2];
    if (!rn_training(b) || !rn_point_is(p, rn_get_string(b->host, "what")) ||
        b->api->shape(b, p->value, &rank, shape, &dtype) != RN_OK)
        return p->value;
    attrs[0] = rn_attr_ints("shape", rank, shape);
    attrs[1] = rn_attr_int("rows", p->kind == RN_POINT_ACTIVATION);
    rn_value n = rn_op(b, "random_normal", 0, NULL, 2, attrs);
    return rn_add(b, p->value, rn_mul(b, n, rn_const(b, std)));
}

static const struct rn_hook iface = {.struct_size = sizeof iface, .rewrite = rewrite};

RN_HOOK(noise, iface, "runner/noise 1",
        RN_DOC("Normal noise on activations, weights or gradients, in training only")
        RN_OPTION("what choice(activations,weights,gradients) = activations | what gets "
                  "noise; `at` names layers")
        RN_OPTION("std float = 0.1 ; min 0 | standard deviation of the noise"));
RN_PLUGIN(&noise);
