/* SPDX-License-Identifier: Apache-2.0 */
/* Taps: what hooks add to a program to look at its activations and gradients. */
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "engine/engine.h"

int engine_tap(void *context, struct graph *g, const struct rn_point *point) {
    struct engine *eng = context;
    for (uint32_t i = 0; i < eng->x->hooks.count; i++) {
        const struct bound_component *part = &eng->x->hooks.at[i];
        const struct rn_hook *hook = part->component->iface;
        /* One error is enough: the next points would have it too. */
        if (!hook->tap || diag_count(eng->tap_errors) ||
            !hook_aims_at(part, point->path, NULL))
            continue;
        struct builder_options bo = {.graph = g,
                                     .host = instance_host(part->instance),
                                     .self = instance_self(part->instance),
                                     .is_live = instance_is_live,
                                     .component = part->path,
                                     .scope = part->path,
                                     .phase = RN_PHASE_TRAIN};
        struct builder *b = builder_create(&bo);
        instance_watch(part->instance);
        int32_t taken = hook->tap(builder_api(b), point);
        struct rn_error e = {0};
        int status = network_finish(part, b, taken < 0 ? taken : RN_OK, &e);
        if (status != RN_OK) {
            error_context(&e, "tap of %s", point->path);
            bound_component_error(eng->tap_errors, part, "tap", &e);
            return status;
        }
        if (taken == 0)
            continue;
        struct tap *known = NULL;
        for (uint32_t k = 0; k < eng->tap_count && !known; k++)
            if (eng->taps[k].hook == i && eng->taps[k].kind == point->kind &&
                strcmp(eng->taps[k].path, point->path) == 0)
                known = &eng->taps[k];
        if (!known) {
            struct tap t = {.hook = i,
                            .kind = point->kind,
                            .path = arena_copy(eng->arena, point->path),
                            .op = arena_copy(eng->arena, point->op),
                            .output_count = builder_output_count(b)};
            t.outputs = arena_array(eng->arena, const char *, t.output_count + 1);
            for (uint32_t k = 0; k < t.output_count; k++)
                t.outputs[k] = arena_copy(eng->arena, builder_output_name(b, k));
            t.values = arena_array(eng->arena, struct rn_tensor, t.output_count + 1);
            t.shapes =
                arena_get(eng->arena, memory_mul(t.output_count + 1, sizeof *t.shapes));
            snprintf(t.prefix, sizeof t.prefix, "tap%u", eng->tap_count);
            vec_push(eng->taps, eng->tap_count, eng->tap_capacity, t);
            known = &eng->taps[eng->tap_count - 1];
        }
        for (uint32_t k = 0; k < known->output_count; k++) {
            rn_value v = builder_output(b, known->outputs[k]);
            if (v)
                graph_output(
                    g,
                    arena_format(eng->arena, "%s.%s", known->prefix, known->outputs[k]),
                    v, &e);
        }
    }
    return RN_OK;
}

/* The scope of a node, if it is a layer of a model and is new. */
static void add_layer(struct suggest *all, const char *scope) {
    if (strncmp(scope, "model", 5) != 0)
        return;
    for (uint32_t i = 0; i < all->count; i++)
        if (strcmp(all->names[i], scope) == 0)
            return;
    suggest_add(all, scope);
}

int engine_check_taps(struct engine *eng, struct diag *d) {
    const struct graph *g =
        eng->objectives ? eng->objectives[0].step[0].described : NULL;
    int status = RN_OK;
    for (uint32_t i = 0; g && i < eng->x->hooks.count; i++) {
        const struct bound_component *part = &eng->x->hooks.at[i];
        const struct node *at = node_find(part->node, "at");
        uint32_t n = !at ? 0 : node_kind(at) == NODE_LIST ? node_count(at) : 1;
        bool *used = arena_array(eng->arena, bool, n + 1);
        for (uint32_t k = 0; at && k < g->node_count; k++)
            hook_aims_at(part, g->nodes[k].scope, used);
        for (uint32_t k = 0; at && k < variables_count(eng->programs->variables); k++)
            hook_aims_at(part, variables_at(eng->programs->variables, k)->name, used);
        for (uint32_t k = 0; k < n; k++) {
            if (used[k])
                continue;
            const struct node *word =
                node_kind(at) == NODE_LIST ? node_item(at, k) : at;
            struct suggest all = {0};
            for (uint32_t v = 0; v < g->node_count; v++)
                add_layer(&all, g->nodes[v].scope);
            status = node_error(d, word, false, RN_E_CONFIG, "no layer matches '%s'",
                                node_raw(word));
            diag_suggest(d, &all, node_raw(word), "there are");
            suggest_finish(&all);
        }
    }
    return status;
}

bool engine_has_taps(const struct engine *eng) {
    for (uint32_t i = 0; i < eng->x->hooks.count; i++) {
        const struct rn_hook *hook = eng->x->hooks.at[i].component->iface;
        if (hook->tap && hook->tapped)
            return true;
    }
    return false;
}
