/* SPDX-License-Identifier: Apache-2.0 */
/* A hook in two forms. Tap: the sum of each weight. Event: a curve of steps, a
 * checkpoint at step 2, the learning rate held from step 3 on, and a stop after
 * `steps`. */
#include <stdlib.h>
#include <string.h>

#include <runner/hook.h>

struct watch {
    struct rn_host *host;
    const struct rn_record_api *record;
    int64_t steps, seen;
    double rate;
    const char *live, *part; /* host, until destroy */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct watch *s = (struct watch *)calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a hook", NULL, NULL);
    s->host = h;
    s->steps = rn_get_int(h, "steps");
    s->rate = rn_has(h, "rate") ? rn_get_float(h, "rate") : -1.0;
    s->live = rn_get_string(h, "live");
    s->part = rn_has(h, "part") ? rn_get_string(h, "part") : "";
    s->record = (const struct rn_record_api *)h->api->extension(h, "runner.record/1");
    if (h->api->extension(h, "acme.nothing/1"))
        return rn_fail(e, RN_E_INTERNAL, "an extension that there is not", NULL, NULL);
    h->api->log(h, RN_LOG_WARNING, *s->part ? s->part : "watching");
    return RN_OK;
}

static int32_t tap(struct rn_build *b, const struct rn_point *p) {
    if (p->kind != RN_POINT_WEIGHT)
        return 0;
    rn_output(b, "sum", rn_reduce_sum_all(b, p->value));
    return 1;
}

static int32_t tapped(void *self, const struct rn_tapped *t, struct rn_error *e) {
    const struct watch *s = (const struct watch *)self;
    char name[120] = "watch/";
    if (t->count != 1 || strcmp(t->names[0], "sum") != 0)
        return rn_fail(e, RN_E_INTERNAL, "not what was tapped", NULL, NULL);
    strncat(name, t->point->path, sizeof name - 7);
    return s->record ? s->record->tensor(s->host, name, t->step, t->values) : RN_OK;
}

static int32_t event(void *self, const struct rn_event *ev, struct rn_error *e) {
    struct watch *s = (struct watch *)self;
    struct rn_actions *a = ev->actions;
    (void)e;
    if (ev->what != RN_EVENT_STEP_END)
        return RN_OK;
    s->seen++;
    if (s->record)
        s->record->scalar(s->host, "watch/seen", ev->step, (double)s->seen);
    if (ev->step == 2)
        a->api->save(a);
    if (ev->step == 3 && s->rate >= 0.0 &&
        (a->api->set_live(a, s->live, s->rate) != RN_OK ||
         a->api->set_live(a, "optimizer.rl", s->rate) != RN_E_UNSUPPORTED))
        return rn_fail(e, RN_E_INTERNAL, "live values cannot be set", NULL, NULL);
    if (ev->step >= s->steps)
        a->api->stop(a, "seen enough");
    return RN_OK;
}

static int32_t save(void *self, struct rn_stream *stream, struct rn_error *e) {
    (void)e;
    const struct watch *s = (const struct watch *)self;
    return stream->api->write(stream, &s->seen, sizeof s->seen);
}

static int32_t load(void *self, struct rn_stream *stream, struct rn_error *e) {
    struct watch *s = (struct watch *)self;
    (void)e;
    return stream->api->read(stream, &s->seen, sizeof s->seen);
}

static const struct rn_hook iface = {sizeof(struct rn_hook),
                                     0,
                                     create,
                                     free,
                                     NULL,
                                     tap,
                                     tapped,
                                     event,
                                     save,
                                     load,
                                     NULL,
                                     NULL};

RN_HOOK(watch, iface, "acme.hooks/watch 1",
        RN_DOC("Looks on, then stops") RN_OPTION("steps int = 5 ; min 1 | when to stop")
            RN_OPTION("every duration = 1st | how often weights are summed")
                RN_OPTION("rate float ; min 0 | value of `live` from step 4 on")
                    RN_OPTION("live reference(live) = optimizer.lr | what is held")
                        RN_OPTION("part reference(metric) | named in the log"));
RN_PLUGIN(&watch);
