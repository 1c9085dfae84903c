/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks that rewrite: what stands in the place of a layer's output, of a parameter as
 * the network reads it, or of a gradient. Hooks apply in the order of the file. */
#include <string.h>

#include "network/graph_writer.h"

bool hook_aims_at(const struct bound_component *hook, const char *path, bool *used) {
    const struct node *at = node_find(hook->node, "at");
    uint32_t n = !at ? 0 : node_kind(at) == NODE_LIST ? node_count(at) : 1;
    bool yes = !at;
    for (uint32_t i = 0; i < n; i++) {
        const struct node *word = node_kind(at) == NODE_LIST ? node_item(at, i) : at;
        if (!pattern_covers(node_raw(word), path))
            continue;
        yes = true;
        if (used)
            used[i] = true;
    }
    return yes;
}

bool network_rewrites(const struct experiment *x) {
    for (uint32_t i = 0; i < x->hooks.count; i++) {
        const struct rn_hook *hook = x->hooks.at[i].component->iface;
        if (hook->rewrite)
            return true;
    }
    return false;
}

/* The value must be like the point's: what reads it was built for that. */
int rewrite_check(const struct graph *g, rn_value was_value, rn_value is_value,
                  const char *member, struct rn_error *e) {
    const struct gvalue *was = graph_value(g, was_value),
                        *is = graph_value(g, is_value);
    if (is && is->dtype == was->dtype && is->rank == was->rank &&
        memcmp(is->shape, was->shape, was->rank * sizeof *was->shape) == 0)
        return RN_OK;
    error_set(e, RN_E_PLUGIN, is ? "the value has another type or shape" : "no value");
    return error_hint(
        e, "%s returns a value like the one that it is given, or that one", member);
}

static rn_value rewrite(const struct bound_component *part, struct graph *g,
                        const struct rn_point *point, int32_t phase, struct diag *d) {
    const struct rn_hook *hook = part->component->iface;
    struct builder_options bo = {
        .graph = g,
        .host = instance_host(part->instance),
        .self = instance_self(part->instance),
        .is_live = instance_is_live,
        .component = part->path,
        .scope = arena_format(g->arena, "%s.%s", part->path, point->path),
        .phase = phase};
    struct builder *b = builder_create(&bo);
    struct rn_error e = {0};
    instance_watch(part->instance);
    rn_value v = hook->rewrite(builder_api(b), point);
    if (network_finish(part, b, RN_OK, &e) == RN_OK &&
        rewrite_check(g, point->value, v, "rewrite", &e) == RN_OK)
        return v;
    error_context(&e, "rewrite of %s", point->path);
    bound_component_error(d, part, "rewrite", &e);
    return RN_NONE;
}

rn_value network_rewrite(const struct experiment *x, struct graph *g,
                         const struct rn_point *point, int32_t phase, struct diag *d) {
    struct rn_point now = *point;
    for (uint32_t i = 0; i < x->hooks.count && now.value; i++) {
        const struct rn_hook *hook = x->hooks.at[i].component->iface;
        if (hook->rewrite && hook_aims_at(&x->hooks.at[i], point->path, NULL))
            now.value = rewrite(&x->hooks.at[i], g, &now, phase, d);
    }
    return now.value;
}
