/* SPDX-License-Identifier: Apache-2.0 */
/* Plans the body of a scan, once, as a separate program, and binds the node's ports to
 * its inputs and outputs (docs/recurrent.md). */
#include <stdlib.h>
#include <string.h>

#include "plan/internal.h"

/* p with other bases, by RN_BASE_FIRST + i (NULL: as they are), and its constants
 * further on; so are those of the bodies in it. */
static struct rn_program *moved(struct arena *a, const struct rn_program *p,
                                const uint32_t *bases, uint64_t constants) {
    struct rn_program *m = arena_new(a, struct rn_program);
    struct rn_slot *slots = arena_array(a, struct rn_slot, p->slot_count + 1);
    struct rn_node *nodes = arena_array(a, struct rn_node, p->node_count + 1);
    *m = *p;
    for (uint32_t i = 0; i < p->slot_count; i++) {
        slots[i] = p->slots[i];
        if (slots[i].base == RN_BASE_CONSTANTS)
            slots[i].offset += constants;
        else if (slots[i].base >= RN_BASE_FIRST && bases)
            slots[i].base = bases[slots[i].base - RN_BASE_FIRST];
    }
    for (uint32_t i = 0; i < p->node_count; i++) {
        nodes[i] = p->nodes[i];
        if (rn_node_is_scan(&nodes[i]))
            nodes[i].sub = moved(a, nodes[i].sub, NULL, constants);
    }
    m->slots = slots;
    m->nodes = nodes;
    return m;
}

/* The body's plan, once for all forms of the program around it. */
static int plan_body(struct draft *d, uint32_t node, const struct plan **out) {
    if (!d->bodies)
        d->bodies = arena_array(d->a, struct body, d->g->node_count + 1);
    *out = d->bodies[node].plan;
    if (*out)
        return RN_OK;
    int status = plan_make(d->g->nodes[node].body, d->a, d->o, out, d->e);
    d->bodies[node].plan = *out;
    return status;
}

int draft_scan(struct draft *d, uint32_t node, struct rn_node *out) {
    const struct gnode *n = &d->g->nodes[node];
    const struct plan *body = NULL;
    int status = plan_body(d, node, &body);
    if (status != RN_OK)
        return status;
    uint32_t *bases = arena_array(d->a, uint32_t, body->base_count + 1);
    for (uint32_t i = 0; i < body->base_count; i++) {
        uint32_t k = (uint32_t)strtoul(body->bases[i].name, NULL, 10);
        bases[i] =
            RN_BASE_FIRST + k + (body->bases[i].kind == BASE_OUTPUT ? n->in_count : 0);
    }
    d->bodies[node].constants = d->constant_bytes;
    struct rn_program *sub =
        moved(d->a, &body->program, bases, d->bodies[node].constants);
    d->constant_bytes += round64(body->constant_bytes);
    sub->base_count = RN_BASE_FIRST + n->in_count + n->out_count;
    sub->name = "body";
    out->sub = sub;
    return RN_OK;
}

void draft_scan_constants(const struct draft *d, char *constants) {
    for (uint32_t i = 0; d->bodies && i < d->g->node_count; i++)
        if (d->bodies[i].plan)
            memcpy(constants + d->bodies[i].constants, d->bodies[i].plan->constants,
                   d->bodies[i].plan->constant_bytes);
}
