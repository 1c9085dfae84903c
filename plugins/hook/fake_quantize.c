/* SPDX-License-Identifier: Apache-2.0 */
/* Fake quantisation, for training a network that will compute in integers (Jacob et al.
 * 2018, section 3): q = round(x / s) * s with s = max|x| / (2^(bits-1) - 1), symmetric,
 * over the whole tensor, from its present values. The gradient passes as if there were
 * no rounding. */
#include <math.h>
#include <string.h>

#include <runner/hook.h>
#include <runner/sdk/point.h>

static rn_value rewrite(struct rn_build *b, const struct rn_point *p) {
    double levels = ldexp(1.0, (int)rn_get_int(b->host, "bits") - 1) - 1.0;
    if (!rn_point_is(p, rn_get_string(b->host, "what")))
        return p->value;
    rn_value x = rn_stop_gradient(b, p->value);
    rn_value largest = rn_reduce_max_all(b, rn_abs(b, x));
    /* A tensor of zeros stays so. */
    rn_value zero = rn_eq(b, largest, rn_const(b, 0.0));
    rn_value scale =
        rn_div(b, rn_select(b, zero, rn_const(b, 1.0), largest), rn_const(b, levels));
    rn_value q = rn_mul(b, rn_round(b, rn_div(b, x, scale)), scale);
    return rn_straight_through(b, p->value, q);
}

static const struct rn_hook iface = {.struct_size = sizeof iface, .rewrite = rewrite};

RN_HOOK(fake_quantize, iface, "runner/fake_quantize 1",
        RN_DOC("Weights or activations rounded to a few bits, with the gradient passed "
               "through: quantisation-aware training")
        RN_OPTION("what choice(weights,activations) = weights | what is rounded; `at` "
                  "names layers")
        RN_OPTION("bits int = 8 ; min 2 ; max 16 | bits of an integer, its sign "
                  "included"));
RN_PLUGIN(&fake_quantize);
