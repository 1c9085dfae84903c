/* SPDX-License-Identifier: Apache-2.0 */
/* Warm-up: a straight line from `start` times the base to the base (PyTorch's LinearLR,
 * joined to the next by SequentialLR), then another schedule, which sees a run that
 * begins where the warm-up ends. */
#include <stdlib.h>

#include <runner/schedule.h>

struct warmup {
    int64_t length;                 /* steps */
    double start;                   /* share of base at step 0 */
    const struct rn_schedule *then; /* host: NULL = constant */
    void *then_self;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    const struct rn_duration_api *duration =
        (const struct rn_duration_api *)h->api->extension(h, "runner.duration/1");
    struct warmup *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a schedule", NULL, NULL);
    if (!duration)
        return rn_fail(e, RN_E_UNSUPPORTED, "this host has no durations", NULL, NULL);
    s->start = rn_get_float(h, "start");
    if (rn_has(h, "then")) {
        const void *iface = NULL;
        int32_t status = h->api->get_component(h, "then", &iface, &s->then_self, e);
        s->then = (const struct rn_schedule *)iface;
        if (status != RN_OK)
            return status;
    }
    return duration->steps(h, rn_get_string(h, "length"), &s->length);
}

/* The call as the schedule behind the warm-up sees it: counted from its end. */
static struct rn_schedule_call after(const struct warmup *s,
                                     const struct rn_schedule_call *call) {
    int64_t left = call->total_steps - s->length;
    return (struct rn_schedule_call){.struct_size = sizeof(struct rn_schedule_call),
                                     .higher_is_better = call->higher_is_better,
                                     .step = call->step - s->length,
                                     .total_steps = left > 0 ? left : 0,
                                     .steps_per_epoch = call->steps_per_epoch,
                                     .base = call->base,
                                     .value = call->base,
                                     .metric = call->metric};
}

static int32_t value(void *self, struct rn_schedule_call *call, struct rn_error *e) {
    const struct warmup *s = self;
    if (call->step < s->length) {
        double t = (double)call->step / (double)s->length;
        call->value = call->base * (s->start + (1.0 - s->start) * t);
        return RN_OK;
    }
    call->value = call->base;
    if (!s->then)
        return RN_OK;
    struct rn_schedule_call then = after(s, call);
    int32_t status = s->then->value(s->then_self, &then, e);
    call->value = then.value;
    return status;
}

static int32_t observe(void *self, const struct rn_schedule_call *call,
                       struct rn_error *e) {
    const struct warmup *s = self;
    if (!s->then || !s->then->observe || call->step < s->length)
        return RN_OK;
    struct rn_schedule_call then = after(s, call);
    return s->then->observe(s->then_self, &then, e);
}

static int32_t save(void *self, struct rn_stream *stream, struct rn_error *e) {
    const struct warmup *s = self;
    return s->then && s->then->save ? s->then->save(s->then_self, stream, e) : RN_OK;
}

static int32_t load(void *self, struct rn_stream *stream, struct rn_error *e) {
    const struct warmup *s = self;
    return s->then && s->then->load ? s->then->load(s->then_self, stream, e) : RN_OK;
}

static int32_t forget(void *self, struct rn_error *e) {
    const struct warmup *s = self;
    if (!s->then || !s->then->load)
        return RN_OK;
    if (!rn_schedule_forgets(s->then))
        return rn_fail(e, RN_E_CHECKPOINT,
                       "the schedule under `then` cannot forget what it observed of "
                       "another metric",
                       "resume with the monitor that it had", "then");
    return s->then->forget(s->then_self, e);
}

static const struct rn_schedule iface = {
    sizeof(struct rn_schedule), 0, create, free, value, observe, save, load, forget};

RN_SCHEDULE(warmup, iface, "runner/warmup 1",
            RN_DOC("A straight line up to the base value, base (start + (1 - start) "
                   "t/length) at step t, then another schedule")
            RN_OPTION("length duration ; required | how long it rises: 500st, 1ep, "
                      "5%")
            RN_OPTION("start float = 0 ; min 0 ; max 1 | share of the base at step 0")
            RN_OPTION("then component(schedule) | what follows, counted from the end "
                      "of the warm-up; default: the base value"));
RN_PLUGIN(&warmup);
