/* SPDX-License-Identifier: Apache-2.0 */
/* Reduce on plateau (PyTorch's ReduceLROnPlateau with threshold_mode abs): times
 * `factor` when the monitored metric has not become better, by more than min_delta, for
 * more than `patience` evaluations. NaN is never better. */
#include <math.h>
#include <stdlib.h>

#include <runner/schedule.h>

struct plateau_state {
    double best, scale;
    int64_t bad, cooling;
};

struct plateau {
    double factor, min_delta, low;
    int64_t patience, cooldown;
    struct plateau_state now;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct plateau *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a schedule", NULL, NULL);
    s->factor = rn_get_float(h, "factor");
    s->min_delta = rn_get_float(h, "min_delta");
    s->low = rn_get_float(h, "low");
    s->patience = rn_get_int(h, "patience");
    s->cooldown = rn_get_int(h, "cooldown");
    s->now.best = NAN;
    s->now.scale = 1.0;
    return RN_OK;
}

static int32_t value(void *self, struct rn_schedule_call *call, struct rn_error *e) {
    const struct plateau *s = self;
    (void)e;
    call->value = call->base * fmax(s->now.scale, s->low);
    return RN_OK;
}

static int32_t observe(void *self, const struct rn_schedule_call *call,
                       struct rn_error *e) {
    struct plateau *s = self;
    struct plateau_state *n = &s->now;
    (void)e;
    double gain =
        call->higher_is_better ? call->metric - n->best : n->best - call->metric;
    if (!isnan(call->metric) && (isnan(n->best) || gain > s->min_delta)) {
        n->best = call->metric;
        n->bad = 0;
    } else {
        n->bad++;
    }
    if (n->cooling > 0) {
        n->cooling--;
        n->bad = 0;
    }
    if (n->bad > s->patience) {
        n->scale *= s->factor;
        n->cooling = s->cooldown;
        n->bad = 0;
    }
    return RN_OK;
}

/* Version 1: best and scale f64, bad and cooling i64. */
static int32_t save(void *self, struct rn_stream *stream, struct rn_error *e) {
    (void)e;
    const struct plateau_state *n = &((const struct plateau *)self)->now;
    const uint32_t version = 1;
    int32_t status = stream->api->write(stream, &version, sizeof version);
    if (status == RN_OK)
        status = stream->api->write(stream, &n->best, sizeof n->best);
    if (status == RN_OK)
        status = stream->api->write(stream, &n->scale, sizeof n->scale);
    if (status == RN_OK)
        status = stream->api->write(stream, &n->bad, sizeof n->bad);
    return status ? status : stream->api->write(stream, &n->cooling, sizeof n->cooling);
}

static int32_t load(void *self, struct rn_stream *stream, struct rn_error *e) {
    struct plateau_state *n = &((struct plateau *)self)->now;
    uint32_t version = 0;
    int32_t status = stream->api->read(stream, &version, sizeof version);
    if (status == RN_OK && version != 1)
        return rn_fail(e, RN_E_CHECKPOINT, "plateau: state of a version not known here",
                       NULL, NULL);
    if (status == RN_OK)
        status = stream->api->read(stream, &n->best, sizeof n->best);
    if (status == RN_OK)
        status = stream->api->read(stream, &n->scale, sizeof n->scale);
    if (status == RN_OK)
        status = stream->api->read(stream, &n->bad, sizeof n->bad);
    return status ? status : stream->api->read(stream, &n->cooling, sizeof n->cooling);
}

static int32_t forget(void *self, struct rn_error *e) {
    struct plateau_state *n = &((struct plateau *)self)->now;
    (void)e;
    n->best = NAN;
    n->bad = n->cooling = 0;
    return RN_OK;
}

static const struct rn_schedule iface = {
    sizeof(struct rn_schedule), 0, create, free, value, observe, save, load, forget};

RN_SCHEDULE(plateau, iface, "runner/plateau 1",
            RN_DOC("Times factor whenever the monitored metric has not become better "
                   "for more than `patience` evaluations")
            RN_OPTION("monitor reference(series) = val/loss | the metric to watch; it says "
                      "itself which way is better")
            RN_OPTION("factor float = 0.1 ; above 0 ; below 1 | what the value is "
                      "multiplied by")
            RN_OPTION("patience int = 10 ; min 0 ; unit evaluations | how many "
                      "without gain to bear")
            RN_OPTION("min_delta float = 0.0001 ; min 0 | smaller gains do not "
                      "count, in the metric's unit")
            RN_OPTION("cooldown int = 0 ; min 0 ; unit evaluations | rest after a "
                      "cut")
            RN_OPTION("low float = 0 ; min 0 ; max 1 | smallest share of the base"));
RN_PLUGIN(&plateau);
