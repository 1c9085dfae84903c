/* SPDX-License-Identifier: Apache-2.0 */
/* A hook that holds a live value from one step on, says so once, and has no state. */
#include <stdlib.h>

#include <runner/hook.h>

struct hold {
    int64_t step;
    double value;
    const char *of;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct hold *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a hook", NULL, NULL);
    s->step = rn_get_int(h, "step");
    s->value = rn_get_float(h, "value");
    s->of = rn_get_string(h, "of");
    return RN_OK;
}

static int32_t event(void *self, const struct rn_event *ev, struct rn_error *e) {
    struct hold *s = self;
    (void)e;
    return ev->what == RN_EVENT_STEP_END && ev->step == s->step
               ? ev->actions->api->set_live(ev->actions, s->of, s->value)
               : RN_OK;
}

static const struct rn_hook iface = {.struct_size = sizeof(struct rn_hook),
                                     .create = create,
                                     .destroy = free,
                                     .event = event};

RN_HOOK(hold, iface, "test.hooks/hold 1",
        RN_DOC("Holds a live value") RN_OPTION("step int ; required ; min 1 | after this step")
            RN_OPTION("of string ; required | which") RN_OPTION("value float ; required | at what"));
RN_PLUGIN(&hold);
