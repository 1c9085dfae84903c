/* SPDX-License-Identifier: Apache-2.0 */
/* A scan without the results that nobody reads, and without the states and operands
 * that only those needed. */
#include <string.h>

#include "graph/internal.h"

struct pruner {
    const struct gnode *n;
    const struct graph *body;
    bool *in, *out; /* what stays */
    bool *node;     /* of the body: needed */
};

/* The body's nodes that result k needs, and the operands that they read. */
static void need(struct pruner *p, uint32_t k) {
    const struct graph *b = p->body;
    p->node[b->values[b->outputs[k].value].node] = true;
    for (uint32_t i = b->node_count; i-- > 0;)
        for (uint32_t m = 0; p->node[i] && m < b->nodes[i].in_count; m++)
            p->node[b->values[b->nodes[i].in[m]].node] = true;
    for (uint32_t i = 0; i < p->n->in_count; i++) {
        rn_value port = scan_port(b, i);
        p->in[i] |= port && p->node[b->values[port].node];
    }
}

/* A state that is read needs what it becomes, which may need further ones. */
static void find_needed(struct pruner *p, const bool *read) {
    uint32_t states = scan_states(p->n);
    for (uint32_t k = 0; k < p->n->out_count; k++)
        p->out[k] = read[p->n->out[k]];
    for (bool more = true; more;) {
        more = false;
        for (uint32_t k = 0; k < p->n->out_count; k++)
            if (p->out[k])
                need(p, k);
        for (uint32_t k = 0; k < states; k++) {
            p->in[k] |= p->out[k];
            more |= p->in[k] && !p->out[k];
            p->out[k] = p->in[k];
        }
    }
}

/* The body with the inputs and outputs that stay, under their new numbers. */
static struct graph *renumbered(const struct pruner *p, const struct scan_pruned *s,
                                struct arena *a, struct rn_error *e) {
    struct graph body = *p->body;
    body.nodes = arena_array(a, struct gnode, body.node_count + 1);
    memcpy(body.nodes, p->body->nodes, body.node_count * sizeof *body.nodes);
    for (uint32_t k = 0; k < s->in_count; k++) {
        rn_value port = scan_port(p->body, s->in[k]);
        if (port)
            body.nodes[body.values[port].node].name = scan_port_name(a, k);
    }
    body.outputs = arena_array(a, struct goutput, s->out_count + 1);
    body.output_count = s->out_count;
    for (uint32_t k = 0; k < s->out_count; k++)
        body.outputs[k] =
            (struct goutput){scan_port_name(a, k), p->body->outputs[s->out[k]].value};
    return graph_simplify(&body, a, e);
}

int scan_prune(const struct graph *g, const struct gnode *n, const bool *read,
               struct arena *a, struct scan_pruned *out, struct rn_error *e) {
    bool *flags =
        arena_array(a, bool, n->in_count + n->out_count + n->body->node_count + 1);
    struct pruner p = {n, n->body, flags, flags + n->in_count,
                       flags + n->in_count + n->out_count};
    uint32_t states = scan_states(n), steps = scan_steps(n);
    (void)g;
    find_needed(&p, read);
    *out = (struct scan_pruned){.in = arena_array(a, uint32_t, n->in_count + 1),
                                .out = arena_array(a, uint32_t, n->out_count + 1)};
    for (uint32_t k = 0; k < n->in_count; k++) {
        if (!p.in[k])
            continue;
        out->in[out->in_count++] = k;
        out->states += k < states;
        out->steps += k >= states && k < states + steps;
    }
    for (uint32_t k = 0; k < n->out_count; k++)
        if (p.out[k])
            out->out[out->out_count++] = k;
    if (out->in_count == n->in_count && out->out_count == n->out_count)
        return RN_OK;
    if (!out->in_count || !out->out_count) { /* nothing is read; the node goes */
        out->body = NULL;
        return RN_OK;
    }
    out->body = renumbered(&p, out, a, e);
    return out->body ? RN_OK : e->status;
}
