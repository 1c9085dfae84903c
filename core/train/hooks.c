/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: events and what they may ask for; results of taps. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plugin/guard.h"
#include "train/loop.h"

struct actions {
    struct rn_actions api;
    struct loop *l;
    const struct bound_component *hook;
};

static void ask_stop(struct rn_actions *a, const char *reason) {
    struct actions *x = (struct actions *)a;
    x->l->ending.stop = true;
    snprintf(x->l->ending.reason, sizeof x->l->ending.reason, "%s: %s", x->hook->path,
             reason);
}

static void ask_save(struct rn_actions *a) {
    struct actions *x = (struct actions *)a;
    x->l->ending.save_now = true;
}

static int32_t ask_live(struct rn_actions *a, const char *path, double value) {
    struct actions *x = (struct actions *)a;
    return hyper_set(&x->l->engine->hyper, path, value) ? RN_OK : RN_E_UNSUPPORTED;
}

static void ask_look(struct rn_actions *a) {
    struct actions *x = (struct actions *)a;
    x->l->cadence.tap_now[x->hook - x->l->setup->x->hooks.at] = true;
}

static const struct rn_actions_api actions_api = {
    sizeof(struct rn_actions_api), 0, ask_stop, ask_save, ask_live, ask_look};

/* What a hook was refused is an error, whether it looked at the answer or not. */
static int refused(struct loop *l, int status, struct rn_error *e) {
    if (!l->hooks.error.status)
        return status;
    *e = l->hooks.error;
    return e->status;
}

/* -------------------------------------------------------------------- events */

static void add_metrics(const struct metric_list *from, struct rn_event_metric *to,
                        uint32_t *n) {
    for (uint32_t i = 0; i < from->count; i++)
        to[(*n)++] = (struct rn_event_metric){from->at[i].name, from->at[i].value};
}

/* What hooks may know at this event: see struct rn_event. */
static struct rn_event_metric *event_metrics(struct loop *l, int what, uint32_t *n) {
    struct hook_state *h = &l->hooks;
    uint32_t max_count = l->metrics.count + l->tested.count + 2;
    if (max_count > h->event_capacity) {
        h->event_metrics =
            arena_array(l->setup->arena, struct rn_event_metric, max_count);
        h->event_capacity = max_count;
    }
    *n = 0;
    if (what == RN_EVENT_STEP_END) {
        h->event_metrics[(*n)++] = (struct rn_event_metric){"train/loss", l->last_loss};
        h->event_metrics[(*n)++] =
            (struct rn_event_metric){"train/gradient_norm", l->last_norm};
    }
    add_metrics(&l->metrics, h->event_metrics, n);
    if (what == RN_EVENT_RUN_END)
        add_metrics(&l->tested, h->event_metrics, n);
    return h->event_metrics;
}

/* Of the step to come, or of the latest one. */
static int64_t event_epoch(const struct loop *l, int what) {
    bool begins = what == RN_EVENT_RUN_BEGIN || what == RN_EVENT_EPOCH_BEGIN;
    int64_t step = begins || l->at.step == 0 ? l->at.step : l->at.step - 1;
    return step / l->engine->length.steps_per_epoch;
}

static void add_best(const struct loop *l, struct rn_event *ev) {
    const struct monitor *m =
        l->monitors.best.key ? &l->monitors.best : &l->monitors.early;
    ev->best_value = NAN;
    ev->best_step = -1;
    if (!m->key || isnan(m->best))
        return;
    ev->best = m->metric;
    ev->best_value = m->best;
    ev->best_step = m->best_step;
}

static void blame(const struct loop *l, const struct bound_component *part,
                  const char *call, int status, struct rn_error *e) {
    error_of_call(e, status, part->component->name, call);
    component_blame(part->component, call, e);
    error_context(e, "%s, %s at step %lld", part->path, call, (long long)l->at.step);
    if (e->where_kind == RN_WHERE_NONE)
        error_where(e, RN_WHERE_CONFIG, part->path, 0, 0);
}

static int one_event(struct loop *l, const struct bound_component *hook,
                     struct rn_event ev, struct rn_error *e) {
    const struct rn_hook *h = hook->component->iface;
    struct actions a = {{&actions_api}, l, hook};
    ev.actions = &a.api;
    struct guard *g = guard_begin(hook->instance, &l->hooks.work);
    ev.work = rn_workspace_begin(&l->hooks.work);
    error_clear(&l->hooks.error);
    instance_enter(hook->instance);
    int status = h->event(instance_self(hook->instance), &ev, e);
    status = instance_leave(hook->instance, "event", status, e);
    status = guard_end(g, "event", status, e);
    status = refused(l, status, e);
    if (status != RN_OK)
        blame(l, hook, "event", status, e);
    return status;
}

static struct rn_event event_of(struct loop *l, int what, int end) {
    struct rn_event ev = {.struct_size = sizeof ev,
                          .what = what,
                          .step = l->at.step,
                          .epoch = event_epoch(l, what),
                          .metric_stride = sizeof *ev.metrics,
                          .flags = l->o->resume ? RN_EVENT_RESUMED : 0,
                          .end = end};
    ev.metrics = event_metrics(l, what, &ev.metric_count);
    add_best(l, &ev);
    return ev;
}

int hooks_event(struct loop *l, int what, struct rn_error *e) {
    const struct bound_components *hooks = &l->setup->x->hooks;
    struct rn_event ev = event_of(l, what, RN_END_NONE);
    int status = RN_OK;
    for (uint32_t i = 0; i < hooks->count && status == RN_OK; i++) {
        const struct rn_hook *h = hooks->at[i].component->iface;
        if (h->event)
            status = one_event(l, &hooks->at[i], ev, e);
    }
    l->hooks.failed |= status != RN_OK;
    return status;
}

int hooks_run_end(struct loop *l, int end, struct rn_error *e) {
    const struct bound_components *hooks = &l->setup->x->hooks;
    struct rn_event ev = event_of(l, RN_EVENT_RUN_END, end);
    int first = RN_OK;
    for (uint32_t i = 0; i < hooks->count; i++) {
        const struct rn_hook *h = hooks->at[i].component->iface;
        struct rn_error one = {0};
        if (!h->event || one_event(l, &hooks->at[i], ev, &one) == RN_OK)
            continue;
        if (first != RN_OK || end == RN_END_ERROR || end == RN_END_DIVERGED)
            loop_notify(l, RN_LOG_WARNING, one.message);
        if (first == RN_OK)
            *e = one;
        first = first ? first : one.status;
    }
    return first;
}

/* ---------------------------------------------------------------------- taps */

/* Step 0 is one of those that a cadence takes. */
static bool due(const struct loop *l, uint32_t hook) {
    return l->cadence.tap_now[hook] ||
           (l->cadence.tap_every[hook] && l->at.step % l->cadence.tap_every[hook] == 0);
}

bool hooks_due(const struct loop *l) {
    for (uint32_t i = 0; i < l->setup->x->hooks.count; i++)
        if (due(l, i))
            return true;
    return false;
}

int hooks_tapped(struct loop *l, struct program *p, struct rn_error *e) {
    struct setup *s = l->setup;
    int status = RN_OK;
    for (uint32_t i = 0; i < s->engine->tap_count && status == RN_OK; i++) {
        const struct tap *t = &s->engine->taps[i];
        const struct bound_component *part = &s->x->hooks.at[t->hook];
        const struct rn_hook *h = part->component->iface;
        if (!due(l, t->hook))
            continue;
        for (uint32_t k = 0; k < t->output_count && status == RN_OK; k++) {
            char name[200];
            snprintf(name, sizeof name, "%s.%s", t->prefix, t->outputs[k]);
            rn_dtype dtype = RN_F32;
            uint32_t rank = 0;
            const void *data = program_result(p, name, &dtype, &rank, t->shapes[k], e);
            if (!data)
                status = e->status ? e->status : RN_E_INTERNAL;
            t->values[k] = (struct rn_tensor){(void *)(uintptr_t)data, t->shapes[k],
                                              NULL, dtype, rank};
        }
        struct guard *g = guard_begin(part->instance, &l->hooks.work);
        for (uint32_t k = 0; k < t->output_count && status == RN_OK; k++)
            guard_tensor(g, RN_GUARD_IN, "output", t->outputs[k], &t->values[k]);
        struct rn_point point = {sizeof point, t->kind, t->path, t->op, RN_NONE, 0};
        error_clear(&l->hooks.error);
        struct rn_tapped tapped = {.struct_size = sizeof tapped,
                                   .count = t->output_count,
                                   .step = l->at.step,
                                   .point = &point,
                                   .names = t->outputs,
                                   .values = t->values,
                                   .work = rn_workspace_begin(&l->hooks.work)};
        if (status == RN_OK) {
            instance_enter(part->instance);
            status = h->tapped(instance_self(part->instance), &tapped, e);
            status = instance_leave(part->instance, "tapped", status, e);
        }
        status = guard_end(g, "tapped", status, e);
        status = refused(l, status, e);
        if (status != RN_OK)
            blame(l, part, "tapped", status, e);
    }
    l->hooks.failed |= status != RN_OK;
    for (uint32_t i = 0; i < s->x->hooks.count; i++)
        l->cadence.tap_now[i] = false;
    return status;
}

/* ------------------------------------------------------- what hooks may write */

static int refuse(struct loop *l, const char *name, const char *whose) {
    error_set(&l->hooks.error, RN_E_PLUGIN, "the series '%s' is %s", name, whose);
    return error_hint(&l->hooks.error, "a hook records under names of its own");
}

/* A series belongs to the host, or to the first hook that writes it. */
static int claim(struct loop *l, const struct rn_host *h, const char *name) {
    static const char *const own[] = {"train/", "val/", "test/", "live/", "device/"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strncmp(name, own[i], strlen(own[i])) == 0)
            return refuse(l, name, "the host's");
    for (uint32_t i = 0; i < l->hooks.owner_count; i++)
        if (strcmp(l->hooks.owners[i].name, name) == 0)
            return l->hooks.owners[i].hook == h
                       ? RN_OK
                       : refuse(l, name, "another hook's already");
    vec_push(l->hooks.owners, l->hooks.owner_count, l->hooks.owner_capacity,
             (struct series_owner){arena_copy(l->setup->arena, name), h});
    return RN_OK;
}

static int32_t hook_tensor(struct rn_host *h, const char *name, int64_t step,
                           const struct rn_tensor *value) {
    struct setup *s = instance_context(h);
    struct loop *l = s->host_context;
    struct rn_error e;
    const char *doc = "";
    for (uint32_t i = 0; i < l->hooks.doc_count; i++)
        if (strcmp(l->hooks.docs[i].name, name) == 0)
            doc = l->hooks.docs[i].doc;
    int status = l->folder ? claim(l, h, name) : RN_E_UNSUPPORTED;
    if (status != RN_OK)
        return status;
    return record_tensor(l->record, name, step,
                         (double)step / (double)s->engine->length.steps_per_epoch,
                         value, doc, &e);
}

static int32_t hook_document(struct rn_host *h, const char *name, const char *doc) {
    struct setup *s = instance_context(h);
    struct loop *l = s->host_context;
    for (uint32_t i = 0; i < l->hooks.doc_count; i++)
        if (strcmp(l->hooks.docs[i].name, name) == 0)
            return RN_OK;
    vec_push(
        l->hooks.docs, l->hooks.doc_count, l->hooks.doc_capacity,
        (struct series_doc){arena_copy(s->arena, name), arena_copy(s->arena, doc)});
    return RN_OK;
}

static int32_t hook_scalar(struct rn_host *h, const char *name, int64_t step,
                           double value) {
    struct setup *s = instance_context(h);
    struct loop *l = s->host_context;
    struct rn_error e;
    int status = l->folder ? claim(l, h, name) : RN_E_UNSUPPORTED;
    if (status != RN_OK)
        return status;
    return record_scalar(l->record, name, step,
                         (double)step / (double)s->engine->length.steps_per_epoch,
                         value, &e);
}

static int32_t hook_say(struct rn_host *h, const char *key, int32_t severity,
                        const char *sentence) {
    struct setup *s = instance_context(h);
    struct loop *l = s->host_context;
    for (uint32_t i = 0; i < l->hooks.said_count; i++)
        if (strcmp(l->hooks.said[i], key) == 0)
            return RN_OK;
    if (l->hooks.said_count < sizeof l->hooks.said / sizeof *l->hooks.said)
        l->hooks.said[l->hooks.said_count++] = arena_copy(s->arena, key);
    loop_notify(l, severity, sentence);
    return RN_OK;
}

const struct rn_record_api hooks_record_api = {
    sizeof(struct rn_record_api), 0, hook_tensor, hook_scalar, hook_say, hook_document};
