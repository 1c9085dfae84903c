/* SPDX-License-Identifier: Apache-2.0 */
/* Sharpness-aware minimisation (Foret et al. 2021, algorithm 1) around any optimizer:
 * its gradient is that of the weights w + rho g / |g|, the norm that of all parameters.
 * adaptive: w + rho T^2 g / |T g|, T the diagonal of |w| + eta (Kwon et al. 2021,
 * equation 8). */
#include <string.h>

#include <runner/inline.h>
#include <runner/phases.h>
#include <runner/sdk/optimizer.h>
#include <runner/sdk/regularizer.h>

/* T; RN_NONE: the identity. */
static rn_value scale_of(struct rn_build *b) {
    if (!rn_get_bool(b->host, "adaptive"))
        return RN_NONE;
    rn_value size = rn_abs(b, rn_input(b, "param"));
    return rn_add(b, size, rn_const(b, rn_get_float(b->host, "eta")));
}

static int32_t sum_squares(struct rn_build *b) {
    rn_value g = rn_input(b, "grad"), t = scale_of(b);
    rn_output(b, "squares", rn_sum_rows(b, rn_square(b, t ? rn_mul(b, t, g) : g)));
    return RN_OK;
}

static int32_t perturb(struct rn_build *b) {
    rn_value g = rn_input(b, "grad"), t = scale_of(b);
    rn_value norm = rn_sqrt(b, rn_input(b, "squares"));
    rn_value rate = rn_div(b, rn_live(b, "rho"), rn_add(b, norm, rn_const(b, 1e-12)));
    rn_value way = t ? rn_mul(b, rn_square(b, t), g) : g;
    rn_output(b, "param", rn_add(b, rn_input(b, "param"), rn_mul(b, rate, way)));
    return RN_OK;
}

static int32_t describe(struct rn_build *b) {
    rn_output(b, "param", rn_inline_one(b, "inner", NULL, RN_NONE, "param"));
    return RN_OK;
}

static const struct rn_phase phase = {"perturb", sum_squares, perturb, 0};
static const struct rn_phases phases = {sizeof phases, 0,      1,
                                        sizeof phase,  &phase, NULL};

static const void *extension(const char *id) {
    return strcmp(id, RN_EXT_PHASES) == 0 ? &phases : NULL;
}

static const struct rn_optimizer iface = {sizeof iface, 0, NULL, NULL, describe};
RN_EXTENDED(
    sam, iface, extension, "optimizer runner/sam 1",
    RN_DOC("SAM: the inner optimizer, with the gradient at the weights that are "
           "worst nearby (Foret et al. 2021); a step computes two gradients")
        RN_UPDATE_PORTS RN_OPTION("inner component(optimizer) ; required | what "
                                  "updates the weights") RN_OPTION(
            "rho float = 0.05 ; min 0 ; live | how far away: a distance in the "
            "norm of all weights")
            RN_OPTION("adaptive bool = false | ASAM (Kwon et al. 2021): distances "
                      "relative to each weight; its authors use a rho of 0.5 to 2")
                RN_OPTION(
                    "eta float = 0.01 ; min 0 | of adaptive: added to the size of a "
                    "weight"));
RN_PLUGIN(&sam);
