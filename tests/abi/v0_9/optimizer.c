/* SPDX-License-Identifier: Apache-2.0 */
/* Momentum, with a check across options: heavy friction and Nesterov exclude each
 * other. The check is an extension of the component. */
#include <runner/optimizer.h>

static int32_t describe(struct rn_build *b) {
    rn_value p = rn_input(b, "param"), g = rn_input(b, "grad"), lr = rn_live(b, "lr");
    rn_value mu = rn_const(b, rn_get_float(b->host, "momentum"));
    rn_value v = rn_add(b, rn_mul(b, mu, rn_state_like(b, "v", p, 0.0)), g);
    rn_assign(b, "v", v);
    if (rn_get_bool(b->host, "nesterov"))
        v = rn_add(b, g, rn_mul(b, mu, v));
    rn_output(b, "param", rn_sub(b, p, rn_mul(b, lr, v)));
    return RN_OK;
}

static int32_t validate(struct rn_host *h) {
    struct rn_error e;
    if (!rn_get_bool(h, "nesterov") || rn_get_float(h, "momentum") > 0.0)
        return RN_OK;
    rn_fail(&e, RN_E_CONFIG, "nesterov looks ahead along a momentum that is 0",
            "give momentum, or leave nesterov out", "nesterov");
    h->api->report(h, &e);
    rn_fail(&e, RN_E_CONFIG, "momentum is 0", NULL, "momentum");
    h->api->report(h, &e);
    return e.status;
}

static const struct rn_validate_api checks = {sizeof(struct rn_validate_api), 0, validate};

static const void *extension(const char *id) {
    const char *mine = RN_EXT_VALIDATE;
    while (*id && *id == *mine)
        id++, mine++;
    return *id == *mine ? &checks : NULL;
}

static const struct rn_optimizer iface = {sizeof(struct rn_optimizer), 0, NULL, NULL,
                                          describe};

RN_EXTENDED(heavy_ball, iface, extension, "optimizer acme.optim/heavy_ball 1",
            RN_DOC("Momentum") RN_IN("param float [...] | the parameter")
                RN_IN("grad float [...] | its gradient")
                    RN_IN("step float [] | applied updates, this one included")
                        RN_OUT("param float [...] | the new parameter") RN_OPTION(
                            "lr float = 0.01 ; min 0 ; live | learning rate")
                            RN_OPTION("momentum float = 0.9 ; min 0 ; below 1 | factor")
                                RN_OPTION("nesterov bool = false | look ahead"));
RN_PLUGIN(&heavy_ball);
