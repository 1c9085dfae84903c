/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which units run: each as late as what reads it asks for, and regions
 * that are alike beside each other, so that a backend can run them at once. */
#include <string.h>

#include "plan/internal.h"

/* ---------------------------------------------------------------- by need */

/* Emit the units that u reads from, then u. */
static void visit(struct draft *d, uint32_t u, uint8_t *state) {
    if (state[u])
        return;
    state[u] = 1;
    rn_value *in = NULL;
    struct unit *unit = &d->units[u];
    uint32_t n = unit_inputs(d, unit, NULL, 0);
    in = arena_array(d->a, rn_value, n + 1);
    n = unit_inputs(d, unit, in, n);
    for (uint32_t i = 0; i < n; i++) {
        rn_value v = d->homes[in[i]].root;
        uint32_t p = d->unit_of[d->g->values[v].node];
        if (p != NO_UNIT && p != u)
            visit(d, p, state);
    }
    d->order[d->order_count++] = u;
}

static void by_need(struct draft *d) {
    const struct graph *g = d->g;
    uint8_t *state = arena_array(d->a, uint8_t, d->unit_count + 1);
    d->order = arena_array(d->a, uint32_t, d->unit_count + 1);
    for (uint32_t i = 0; i < g->output_count + g->assign_count; i++) {
        rn_value v = i < g->output_count ? g->outputs[i].value
                                         : g->assigns[i - g->output_count].value;
        uint32_t u = d->unit_of[g->values[d->homes[v].root].node];
        if (u != NO_UNIT)
            visit(d, u, state);
    }
}

/* ------------------------------------------------------- alike side by side */

#define FEW  4096       /* bytes that may live longer */
#define MUCH (1u << 20) /* bytes: alone as well, and in the cache now, not later */

struct reads { /* of a unit, from outside */
    uint32_t count;
    rn_value *roots;
};

struct gatherer {
    struct draft *d;
    struct reads *reads; /* by unit */
    uint32_t *last;      /* by value: place in the order of its last reader */
};

static bool alike(const struct draft *d, const struct unit *x, const struct unit *y) {
    bool same = x->region && y->region && x->count == y->count;
    for (uint32_t i = 0; same && i < x->count; i++)
        same = d->g->nodes[x->nodes[i]].op == d->g->nodes[y->nodes[i]].op;
    return same;
}

static void find_readers(struct gatherer *q) {
    struct draft *d = q->d;
    memset(q->last, 0, d->g->value_count * sizeof *q->last);
    for (uint32_t i = 0; i < d->order_count; i++)
        for (uint32_t k = 0; k < q->reads[d->order[i]].count; k++)
            q->last[q->reads[d->order[i]].roots[k]] = i;
}

/* Does the unit read what unit u makes? */
static bool needs(const struct gatherer *q, uint32_t unit, uint32_t u) {
    const struct draft *d = q->d;
    for (uint32_t k = 0; k < q->reads[unit].count; k++)
        if (d->unit_of[d->g->values[q->reads[unit].roots[k]].node] == u)
            return true;
    return false;
}

/* Is all that u reads small enough to be in the cache, and there at place `at` anyway,
 * to be read then or later? So moving u there keeps nothing alive for longer, a few
 * sums aside, and reads no variable after it was written. */
static bool may_wait(const struct gatherer *q, uint32_t u, uint32_t at) {
    const struct graph *g = q->d->g;
    for (uint32_t k = 0; k < q->reads[u].count; k++) {
        rn_value v = q->reads[u].roots[k];
        const struct gnode *n = &g->nodes[g->values[v].node];
        bool stays = is_source(n) ? n->name || n->data /* input, live, constant */
                                  : value_bytes(g, v) <= FEW;
        if (value_bytes(g, v) > MUCH || (!stays && q->last[v] < at))
            return false;
    }
    return true;
}

/* A reduction of few elements, such as the second half of a sum. */
static bool is_small(const struct gatherer *q, uint32_t u) {
    const struct draft *d = q->d;
    const struct gnode *n = &d->g->nodes[d->units[u].nodes[0]];
    return !d->units[u].region && op_traits(n->op) & OP_REDUCTION &&
           value_bytes(d->g, n->in[0]) <= FEW;
}

/* Later units first. A region moves down to the next one that is alike, if nothing
 * before that one reads it; a small reduction to what reads it, out of their way. */
static void gather_alike(struct draft *d) {
    struct gatherer q = {d, arena_array(d->a, struct reads, d->unit_count + 1),
                         arena_array(d->a, uint32_t, d->g->value_count + 1)};
    for (uint32_t i = 0; i < d->order_count; i++) {
        uint32_t u = d->order[i], n = unit_inputs(d, &d->units[u], NULL, 0);
        struct reads *r = &q.reads[u];
        r->roots = arena_array(d->a, rn_value, n + 1);
        r->count = unit_inputs(d, &d->units[u], r->roots, n);
        for (uint32_t k = 0; k < r->count; k++)
            r->roots[k] = d->homes[r->roots[k]].root;
    }
    find_readers(&q);
    for (uint32_t i = d->order_count; i-- > 0;) {
        uint32_t u = d->order[i], to = i + 1;
        bool small = is_small(&q, u), region = d->units[u].region;
        if (!small && !region)
            continue;
        while (to < d->order_count && !needs(&q, d->order[to], u) &&
               !(region && alike(d, &d->units[u], &d->units[d->order[to]])))
            to++;
        bool reader = to < d->order_count && needs(&q, d->order[to], u);
        if (to == i + 1 || to == d->order_count || reader != small ||
            !may_wait(&q, u, to))
            continue;
        memmove(d->order + i, d->order + i + 1, (to - 1 - i) * sizeof *d->order);
        d->order[to - 1] = u;
        find_readers(&q);
    }
}

void draft_order(struct draft *d) {
    by_need(d);
    gather_alike(d);
}
