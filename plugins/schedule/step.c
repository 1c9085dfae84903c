/* SPDX-License-Identifier: Apache-2.0 */
/* constant and step: the base value; the base value times gamma for every `every`. */
#include <math.h>
#include <stdlib.h>

#include <runner/schedule.h>

struct step {
    int64_t every; /* steps */
    double gamma;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    const struct rn_duration_api *duration =
        (const struct rn_duration_api *)h->api->extension(h, "runner.duration/1");
    struct step *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a schedule", NULL, NULL);
    if (!duration)
        return rn_fail(e, RN_E_UNSUPPORTED, "this host has no durations", NULL, NULL);
    s->gamma = rn_get_float(h, "gamma", 0.1);
    int32_t status = duration->steps(h, rn_get_string(h, "every", ""), &s->every);
    if (status == RN_OK && s->every < 1)
        return rn_fail(e, RN_E_CONFIG, "`every` is shorter than a step", NULL, "every");
    return status;
}

static int32_t value(void *self, const struct rn_schedule_at *at, double *out,
                     struct rn_error *e) {
    const struct step *s = self;
    (void)e;
    *out = at->base * pow(s->gamma, (double)(at->step / s->every));
    return RN_OK;
}

static int32_t same(void *self, const struct rn_schedule_at *at, double *out,
                    struct rn_error *e) {
    (void)self, (void)e;
    *out = at->base;
    return RN_OK;
}

static const struct rn_schedule step_iface = {
    sizeof(struct rn_schedule), 0, create, free, value, NULL, NULL, NULL};
static const struct rn_schedule constant_iface = {
    sizeof(struct rn_schedule), 0, NULL, NULL, same, NULL, NULL, NULL};

RN_SCHEDULE(step, step_iface, "runner/step 1",
            RN_DOC("Times gamma after every so long") RN_OPTION(
                "every duration ; required | how long a level lasts: 10ep, 500st, 25%")
                RN_OPTION("gamma float = 0.1 ; above 0 | factor between levels"));
RN_SCHEDULE(constant, constant_iface, "runner/constant 1",
            RN_DOC("The value that the YAML gives, all along"));
RN_PLUGIN(&step, &constant);
