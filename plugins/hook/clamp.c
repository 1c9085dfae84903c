/* SPDX-License-Identifier: Apache-2.0 */
/* Clamp: y = min(max(x, lo), hi) of activations, weights or gradients; its gradient is
 * 1 inside the bounds and 0 outside. */
#include <string.h>

#include <runner/hook.h>
#include <runner/sdk/point.h>

static rn_value rewrite(struct rn_build *b, const struct rn_point *p) {
    double lo = rn_get_float(b->host, "lo"), hi = rn_get_float(b->host, "hi");
    if (!rn_point_is(p, rn_get_string(b->host, "what")))
        return p->value;
    if (!(lo < hi))
        b->api->fail(b, "lo must be below hi", NULL, "lo");
    return rn_clamp(b, p->value, lo, hi);
}

static const struct rn_hook iface = {.struct_size = sizeof iface, .rewrite = rewrite};

RN_HOOK(clamp, iface, "runner/clamp 1",
        RN_DOC("Values limited to a range: activations, weights or gradients")
        RN_OPTION("what choice(activations,weights,gradients) = activations | what is "
                  "limited; `at` names layers")
        RN_OPTION("lo float = -1 | smaller values become this")
        RN_OPTION("hi float = 1 | larger values become this"));
RN_PLUGIN(&clamp);
