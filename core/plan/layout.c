/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of images: [N,C,H,W], [N,H,W,C] or in blocks of channels, chosen for the
 * whole graph by what the backend says each kernel takes, then written into the graph.
 */
#include "plan/layout.h"

static bool has_convolution(const struct graph *g) {
    for (uint32_t i = 0; i < g->node_count; i++)
        if (layout_named(&g->nodes[i], "conv2d"))
            return true;
    return false;
}

int draft_images(const struct graph *g, struct arena *a, const struct plan_options *o,
                 struct plan_images *chosen, const struct graph **out,
                 struct rn_error *e) {
    struct layout l = {.g = g, .o = o, .a = a, .e = e, .block = o->image_block};
    uint32_t n = g->node_count;
    *out = g;
    if (!o->backend || !o->layouts || !RN_HAS(o->backend, struct rn_backend, measure) ||
        !o->backend->measure || !has_convolution(g))
        return RN_OK;
    l.kind = arena_array(a, uint8_t, n + 1);
    l.class = arena_array(a, uint32_t, n + 1);
    l.seeded = arena_array(a, bool, n + 1);
    l.form = arena_array(a, uint8_t, n + 1);
    l.may = arena_array(a, bool, (size_t)n *FORMS + 1);
    layout_classify(&l);
    return layout_choose(&l, chosen) ? layout_write(&l, out) : RN_OK;
}
