/* SPDX-License-Identifier: Apache-2.0 */
/* Guarded copies of a call's buffers. */
#include <stdio.h>

#include "base/dtype.h"
#include "plugin/guard.h"
#include "plugin/internal.h"

struct guarded {
    struct rn_guarded memory;
    struct rn_tensor *tensor; /* gets its data back; NULL: bytes */
    const char *kind, *name;
};

struct guard {
    struct instance *instance;
    const struct rn_workspace *work;
    struct guarded *at;
    uint32_t count, capacity;
    bool lent;
    struct rn_guard_damage damage; /* the first; access 0: none */
    const char *kind, *name;       /* of it */
    char type[120];                /* "f32 [8,3]"; "" = not known */
};

struct guard *guard_begin(struct instance *i, struct rn_workspace *w) {
    w->guarded = instance_guarded(i);
    if (!w->guarded)
        return NULL;
    struct guard *g = memory_get(sizeof *g);
    g->instance = i;
    g->work = w;
    return g;
}

static void *add(struct guard *g, uint32_t access, const char *kind, const char *name,
                 const void *p, uint64_t bytes, struct rn_tensor *t) {
    struct guarded one = {.kind = kind, .name = name, .tensor = t};
    void *copy = rn_guard_open(&one.memory, access, (void *)(uintptr_t)p, bytes);
    vec_push(g->at, g->count, g->capacity, one);
    return copy;
}

void guard_tensor(struct guard *g, uint32_t access, const char *kind, const char *name,
                  struct rn_tensor *t) {
    uint64_t bytes = RN_DTYPE_BYTES(t->dtype);
    if (!g || !t->data)
        return;
    for (uint32_t i = 0; i < t->rank; i++) {
        if (t->shape[i] < 0)
            return;
        bytes *= (uint64_t)t->shape[i];
    }
    t->data = add(g, access, kind, name, t->data, bytes, t);
}

void *guard_bytes(struct guard *g, uint32_t access, const char *kind, const char *name,
                  const void *p, uint64_t bytes) {
    return g && p ? add(g, access, kind, name, p, bytes, NULL) : (void *)(uintptr_t)p;
}

void guard_lend(struct guard *g) {
    if (!g)
        return;
    g->lent = true;
    instance_lend_guard(g->instance, g);
}

struct guard *guard_lent(struct rn_host *h) {
    return instance_lent_guard(h);
}

void guard_found(struct guard *g, const char *kind, const char *name,
                 const struct rn_guard_damage *d) {
    if (!g || g->damage.access)
        return;
    g->damage = *d;
    g->kind = kind;
    g->name = name;
}

static void type_text(const struct rn_tensor *t, char *out, size_t size) {
    size_t n = (size_t)snprintf(out, size, "%s [", dtype_name(t->dtype));
    for (uint32_t i = 0; i < t->rank && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? "," : "",
                              (long long)t->shape[i]);
    if (n < size)
        snprintf(out + n, size - n, "]");
}

/* The first damage; writes past the end and before it come before changed inputs, which
 * may be their consequence. */
static void look(struct guard *g) {
    for (int changed = 0; changed < 2; changed++) {
        for (uint32_t i = 0; i < g->count && !g->damage.access; i++) {
            struct rn_guard_damage d;
            if (!rn_guard_look(&g->at[i].memory, &d) || (d.side == 0) != changed)
                continue;
            guard_found(g, g->at[i].kind, g->at[i].name, &d);
            if (g->at[i].tensor)
                type_text(g->at[i].tensor, g->type, sizeof g->type);
        }
        struct rn_guard_damage d;
        if (!changed && rn_workspace_look(g->work, &d))
            guard_found(g, "its scratch memory", NULL, &d);
    }
}

static int blame(const struct guard *g, const char *member, struct rn_error *e) {
    const struct component *c = instance_component(g->instance);
    char extent[80];
    rn_guard_extent(&g->damage, extent, sizeof extent);
    error_set(e, RN_E_PLUGIN, "%s: %s %s %s%s%s%s%s%s: %s", c->name, member,
              rn_guard_verb(&g->damage), g->kind, g->name ? " '" : "",
              g->name ? g->name : "", g->name ? "'" : "", g->type[0] ? ", " : "",
              g->type, extent);
    error_hint(e, "%s", rn_guard_advice(&g->damage));
    if (e)
        component_blame(c, member, e);
    return RN_E_PLUGIN;
}

int guard_end(struct guard *g, const char *member, int status, struct rn_error *e) {
    if (!g)
        return status;
    look(g);
    for (uint32_t i = 0; i < g->count; i++) {
        if (g->at[i].tensor)
            g->at[i].tensor->data = g->at[i].memory.host;
        rn_guard_close(&g->at[i].memory);
    }
    if (g->damage.access)
        status = blame(g, member, e);
    if (g->lent)
        instance_lend_guard(g->instance, NULL);
    memory_release(g->at);
    memory_release(g);
    return status;
}
