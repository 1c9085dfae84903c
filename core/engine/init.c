/* SPDX-License-Identifier: Apache-2.0 */
/* The first values of variables: by the rules of `init:`, else what the layer asks for,
 * else one value throughout. */
#include <string.h>

#include <runner/sdk/work.h>

#include "base/hash.h"
#include "engine/engine.h"
#include "plugin/guard.h"

/* An init named by a layer, with its defaults. */
static const struct bound_component *by_name(struct engine *eng,
                                             const struct variable *v, struct diag *d) {
    struct bound_components *known = &eng->x->defaults.inits;
    for (uint32_t i = 0; i < known->count; i++)
        if (strcmp(known->at[i].name, v->init) == 0)
            return &known->at[i];
    return experiment_default(eng->x, "init", v->init, v->name, v->owner, known, d);
}

static bool takes(const struct bound_component *p, const struct variable *v) {
    const struct node *match = node_find(p->node, "match");
    return !match || variable_matches(match, v);
}

static const struct bound_component *init_of(struct engine *eng,
                                             const struct variable *v, struct diag *d) {
    for (uint32_t i = 0; v->trainable && i < eng->x->inits.count; i++) {
        const struct bound_component *p = &eng->x->inits.at[i];
        /* Without a pattern: weights only, as layers know what their biases need. */
        if (node_find(p->node, "match") ? takes(p, v) : strcmp(v->role, "weight") == 0)
            return p;
    }
    return v->init ? by_name(eng, v, d) : NULL;
}

static int fill(struct engine *eng, const struct variable *v, void *bytes,
                struct diag *d) {
    if (v->dtype != RN_F32) {
        for (uint64_t i = 0; v->dtype == RN_I64 && i < v->count; i++)
            ((int64_t *)bytes)[i] = (int64_t)v->value;
        return RN_OK;
    }
    uint32_t before = diag_count(d);
    const struct bound_component *p = init_of(eng, v, d);
    if (diag_count(d) > before)
        return diag_status(d);
    if (!p) {
        for (uint64_t i = 0; i < v->count; i++)
            ((float *)bytes)[i] = (float)v->value;
        return RN_OK;
    }
    uint64_t stream = fnv1a(v->name, strlen(v->name));
    struct rn_workspace work = {0};
    struct guard *g = guard_begin(p->instance, &work);
    guard_lend(g); /* to the training samples that it may ask for */
    struct rn_init_call r = {.struct_size = sizeof r,
                             .work = rn_workspace_begin(&work),
                             .out = guard_bytes(g, RN_GUARD_OUT, "variable", v->name,
                                                bytes, v->count * sizeof(float)),
                             .rank = v->rank,
                             .name = v->name,
                             .role = v->role,
                             .shape = v->shape,
                             .count = v->count,
                             .key = {(uint32_t)eng->x->seed, (uint32_t)stream}};
    variable_fans(v, &r.fan_in, &r.fan_out);
    const struct rn_init *iface = p->component->iface;
    struct rn_error e = {0};
    instance_enter(p->instance);
    int status = iface->fill(instance_self(p->instance), &r, &e);
    status = instance_leave(p->instance, "fill", status, &e);
    status = guard_end(g, "fill", status, &e);
    rn_workspace_finish(&work);
    if (status == RN_OK)
        return RN_OK;
    node_error(d, p->node, false, status, "init of '%s': %s", v->name, e.message);
    if (e.hint[0])
        diag_hint(d, "%s", e.hint);
    return status;
}

int engine_init_variables(struct engine *eng, struct diag *d) {
    const struct variables *all = eng->programs->variables;
    for (uint32_t i = 0; i < variables_count(all); i++) {
        const struct variable *v = variables_at(all, i);
        struct rn_error e = {0};
        if (strcmp(v->role, "data") == 0) /* is set by the owner of the data */
            continue;
        void *bytes = memory_try(memory_mul(v->count, RN_DTYPE_BYTES(v->dtype)));
        if (!bytes) {
            error_set(&e, RN_E_MEMORY, "no memory for the first values of '%s'",
                      v->name);
            diag_add(d, &e);
            return e.status;
        }
        int status = fill(eng, v, bytes, d);
        if (status == RN_OK &&
            device_variable_write(eng->device, i, bytes, &e) != RN_OK) {
            diag_add(d, &e);
            status = e.status;
        }
        memory_release(bytes);
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

int engine_check_inits(struct engine *eng, struct diag *d) {
    const struct variables *all = eng->programs->variables;
    uint32_t before = diag_count(d);
    for (uint32_t k = 0; k < eng->x->inits.count; k++) {
        const struct node *match = node_find(eng->x->inits.at[k].node, "match");
        if (match)
            match_check(eng->programs, match, d);
    }
    for (uint32_t i = 0; i < variables_count(all); i++)
        if (variables_at(all, i)->dtype == RN_F32)
            init_of(eng, variables_at(all, i), d);
    return diag_count(d) > before ? diag_status(d) : RN_OK;
}
