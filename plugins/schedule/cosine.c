/* SPDX-License-Identifier: Apache-2.0 */
/* Cosine annealing (Loshchilov & Hutter 2017, eq. 5, one period):
 * low + (base - low) (1 + cos(pi t/T)) / 2. */
#include <math.h>
#include <stdlib.h>

#include <runner/schedule.h>

struct cosine {
    int64_t length; /* steps; 0 = the whole run */
    double low;     /* share of base at the end */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    const struct rn_duration_api *duration =
        (const struct rn_duration_api *)h->api->extension(h, "runner.duration/1");
    struct cosine *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a schedule", NULL, NULL);
    s->low = rn_get_float(h, "low");
    if (!rn_has(h, "length"))
        return RN_OK;
    if (!duration)
        return rn_fail(e, RN_E_UNSUPPORTED, "this host has no durations", NULL, NULL);
    return duration->steps(h, rn_get_string(h, "length"), &s->length);
}

static int32_t value(void *self, struct rn_schedule_call *call, struct rn_error *e) {
    const struct cosine *s = self;
    const double pi = 3.14159265358979323846;
    int64_t length = s->length ? s->length : call->total_steps;
    double t = length > 0 ? (double)call->step / (double)length : 0.0;
    (void)e;
    if (t > 1.0)
        t = 1.0;
    call->value = call->base * (s->low + (1.0 - s->low) * 0.5 * (1.0 + cos(pi * t)));
    return RN_OK;
}

static const struct rn_schedule iface = {
    sizeof(struct rn_schedule), 0, create, free, value, NULL, NULL, NULL, NULL};

RN_SCHEDULE(cosine, iface, "runner/cosine 1",
            RN_DOC("Half a cosine from the base value down to low times it: base "
                   "(low + (1 - low) (1 + cos(pi t/length))/2) at step t (Loshchilov "
                   "& Hutter 2017, eq. 5)")
            RN_OPTION("length duration | how long it falls, staying low afterwards; "
                      "default: what is left of the run")
            RN_OPTION("low float = 0 ; min 0 ; max 1 | share of the base at the end"));
RN_PLUGIN(&cosine);
