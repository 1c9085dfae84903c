/* SPDX-License-Identifier: Apache-2.0 */
/* Live values and the schedules that drive them. */
#include <math.h>
#include <string.h>

#include "base/pattern.h"
#include "base/suggest.h"
#include "experiment/hyper.h"

/* Those of p itself, or of a component that it wraps. */
static void add_options(const struct experiment *x, const struct bound_component *p,
                        struct instance *of, const char *path, struct hyper *l,
                        uint32_t *capacity) {
    const struct schema *s = instance_component(of)->schema;
    for (uint32_t k = 0; k < schema_count(s); k++) {
        struct option_info o = schema_option(s, k);
        const struct node *n = node_find(instance_node(of), o.name);
        const char *name = arena_format(x->arena, "%s.%s", path, o.name);
        struct instance *inner = instance_inner(instance_host(of), o.name);
        if (inner)
            add_options(x, p, inner, name, l, capacity);
        if (o.live && n && node_kind(n) == NODE_SCALAR)
            vec_push(l->at, l->count, *capacity,
                     (struct hyper_value){name, p, node_float(n), node_float(n), NULL,
                                          false});
    }
}

static void add_parts(const struct experiment *x, const struct bound_components *parts,
                      struct hyper *l, uint32_t *capacity) {
    for (uint32_t i = 0; i < parts->count; i++)
        add_options(x, &parts->at[i], parts->at[i].instance, parts->at[i].path, l,
                    capacity);
}

/* Does a schedule without `of` drive this one? Every optimizer's learning rate. */
static bool is_rate(const char *name) {
    size_t n = strlen(name);
    return strncmp(name, "optimizer", 9) == 0 && n > 3 &&
           strcmp(name + n - 3, ".lr") == 0;
}

static int attach(struct hyper *l, const struct bound_component *p, const char *pattern,
                  const struct node *at, struct diag *d) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        struct hyper_value *v = &l->at[i];
        if (pattern ? !pattern_match(pattern, v->name) : !is_rate(v->name))
            continue;
        if (v->schedule) {
            node_error(d, at, false, RN_E_CONFIG, "'%s' is driven by two schedules",
                       v->name);
            diag_hint(d, "the other is %s; `of:` says which option a schedule drives",
                      v->schedule->path);
            return RN_E_CONFIG;
        }
        v->schedule = p;
        found++;
    }
    if (found)
        return RN_OK;
    struct suggest all = {0};
    for (uint32_t i = 0; i < l->count; i++)
        suggest_add(&all, l->at[i].name);
    pattern = pattern ? pattern : "optimizer.*.lr";
    node_error(d, at, false, RN_E_CONFIG, "'%s' matches no live option", pattern);
    diag_suggest(d, &all, pattern, "live options");
    suggest_finish(&all);
    return RN_E_CONFIG;
}

int hyper_create(const struct experiment *x, int64_t total_steps,
                 int64_t steps_per_epoch, struct hyper *l, struct diag *d) {
    uint32_t capacity = 0;
    int status = RN_OK;
    *l = (struct hyper){.total_steps = total_steps, .steps_per_epoch = steps_per_epoch};
    for (int i = 0; i < KIND_COUNT; i++)
        if (kind_at(i)->live)
            add_parts(x, &x->by_kind[i], l, &capacity);
    for (uint32_t i = 0; i < x->schedules.count; i++) {
        const struct bound_component *p = &x->schedules.at[i];
        const struct node *of = node_find(p->node, "of");
        int s = RN_OK;
        if (!of)
            s = attach(l, p, NULL, p->node, d);
        else if (node_kind(of) == NODE_SCALAR)
            s = attach(l, p, node_raw(of), of, d);
        for (uint32_t k = 0; of && node_kind(of) == NODE_LIST && k < node_count(of);
             k++) {
            int one = attach(l, p, node_raw(node_item(of, k)), node_item(of, k), d);
            s = s ? s : one;
        }
        status = status ? status : s;
    }
    return status;
}

int hyper_step(struct hyper *l, int64_t step, struct rn_error *e) {
    for (uint32_t i = 0; i < l->count; i++) {
        struct hyper_value *v = &l->at[i];
        if (v->held)
            continue;
        v->now = v->base;
        if (!v->schedule)
            continue;
        const struct rn_schedule *s = v->schedule->component->iface;
        struct rn_schedule_call call = {.struct_size = sizeof call,
                                        .step = step,
                                        .total_steps = l->total_steps,
                                        .steps_per_epoch = l->steps_per_epoch,
                                        .base = v->base,
                                        .value = v->base};
        instance_enter(v->schedule->instance);
        int status = s->value(instance_self(v->schedule->instance), &call, e);
        status = instance_leave(v->schedule->instance, "value", status, e);
        v->now = call.value;
        if (status != RN_OK)
            return error_context(e, "%s", v->schedule->path) ? status : status;
        if (!isfinite(v->now))
            return error_set(e, RN_E_PLUGIN, "%s: the value of '%s' at step %lld is %g",
                             v->schedule->path, v->name, (long long)step, v->now);
    }
    return RN_OK;
}

int hyper_find(const struct hyper *l, const char *name) {
    for (uint32_t i = 0; i < l->count; i++)
        if (strcmp(l->at[i].name, name) == 0)
            return (int)i;
    return -1;
}

bool hyper_set(struct hyper *l, const char *name, double value) {
    int i = hyper_find(l, name);
    if (i < 0)
        return false;
    l->at[i].now = value;
    l->at[i].held = true;
    return true;
}

int hyper_duration(const char *text, int64_t total_steps, int64_t steps_per_epoch,
                   int64_t *steps, struct rn_error *e) {
    struct duration t;
    int status = duration_parse(text, &t, e);
    if (status != RN_OK)
        return status;
    double unit = 1.0;
    switch (t.unit) {
    case DURATION_STEPS:
        break;
    case DURATION_EPOCHS:
        unit = (double)steps_per_epoch;
        break;
    case DURATION_SHARE:
        unit = (double)total_steps;
        break;
    default:
        error_set(e, RN_E_CONFIG, "'%s': a time cannot be counted in steps here", text);
        return error_hint(e, "500st (steps), 10ep (epochs), 20%% (of the run)");
    }
    double n = floor(t.amount * unit + 0.5);
    /* What is more than nothing is a step at least; what is too long never comes. */
    *steps = n >= 1e15 ? (int64_t)1e15 : n < 1.0 && t.amount > 0.0 ? 1 : (int64_t)n;
    return RN_OK;
}
