/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise fusion: neighbours over the same space become one region, as long as no
 * path leaves the region and comes back. A backend that takes it gets reductions of
 * what a region makes at the region's end. */
#include <stdlib.h>
#include <string.h>

#include "plan/internal.h"

#define REGION_NODES 96 /* of one region */
#define REGION_PORTS 40 /* values that go in or out */
#define REGION_FOLDS 4  /* reductions at its end */

struct fuser {
    struct draft *d;
    uint32_t *group; /* by node: a node of the same group nearer the root, or itself */
    uint32_t *next;  /* by node: next of the group, UINT32_MAX ends */
    uint32_t *last;  /* by root: end of its list */
    uint32_t *size;  /* by root */
    uint32_t *seen;  /* by root: stamp */
    uint32_t stamp;
    uint32_t *stack;
};

static uint32_t root(struct fuser *f, uint32_t n) {
    while (f->group[n] != n)
        n = f->group[n] = f->group[f->group[n]];
    return n;
}

static bool fusable(const struct gnode *n) {
    return op_traits(n->op) & OP_ELEMENTWISE && n->out_count == 1 && !is_view(n) &&
           n->in_count <= 3;
}

static bool is_broadcast(const struct gnode *n) {
    return strcmp(op_name(n->op), "broadcast_to") == 0;
}

/* Inside a region a broadcast is its operand: the space gives the shape. */
rn_value region_operand(const struct draft *d, rn_value v) {
    const struct gnode *n = &d->g->nodes[d->g->values[v].node];
    while (is_broadcast(n)) {
        v = n->in[0];
        n = &d->g->nodes[d->g->values[v].node];
    }
    return v;
}

static bool same_space(const struct gvalue *a, const struct gvalue *b) {
    return a->rank == b->rank &&
           memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]) == 0;
}

/* Can group `to` be reached from group `from` going up operands, by a path that passes
 * through at least one other group? */
static bool reaches(struct fuser *f, uint32_t from, uint32_t to) {
    const struct graph *g = f->d->g;
    uint32_t top = 0;
    f->stamp++;
    f->stack[top++] = from;
    f->seen[from] = f->stamp;
    while (top) {
        uint32_t r = f->stack[--top];
        for (uint32_t n = r; n != UINT32_MAX; n = f->next[n])
            for (uint32_t i = 0; i < g->nodes[n].in_count; i++) {
                uint32_t p = root(f, g->values[g->nodes[n].in[i]].node);
                if (p == to) {
                    if (r != from)
                        return true;
                    continue;
                }
                if (f->seen[p] == f->stamp)
                    continue;
                f->seen[p] = f->stamp;
                f->stack[top++] = p;
            }
    }
    return false;
}

static void try_merge(struct fuser *f, uint32_t a, uint32_t b) {
    a = root(f, a), b = root(f, b);
    if (a == b || f->size[a] + f->size[b] > REGION_NODES || reaches(f, a, b) ||
        reaches(f, b, a))
        return;
    uint32_t low = a < b ? a : b, high = a < b ? b : a;
    f->group[high] = low;
    f->next[f->last[low]] = high;
    f->last[low] = f->last[high];
    f->size[low] += f->size[high];
}

/* Values that `u` reads from outside, each once. Returns how many there are. */
uint32_t unit_inputs(const struct draft *d, const struct unit *u, rn_value *in,
                     uint32_t capacity) {
    uint32_t n = 0, self = d->unit_of[u->nodes[0]];
    for (uint32_t k = 0; k < u->count; k++) {
        const struct gnode *node = &d->g->nodes[u->nodes[k]];
        for (uint32_t i = 0; i < node->in_count; i++) {
            rn_value v = u->region ? region_operand(d, node->in[i]) : node->in[i];
            bool have = u->region && d->unit_of[d->g->values[v].node] == self;
            for (uint32_t j = 0; u->region && j < n && j < capacity && !have; j++)
                have = in[j] == v;
            if (have)
                continue;
            if (n < capacity)
                in[n] = v;
            n++;
        }
    }
    return n;
}

static uint32_t region_outputs(const struct fuser *f, uint32_t r,
                               const uint32_t *uses) {
    const struct graph *g = f->d->g;
    uint32_t outputs = 0;
    for (uint32_t n = r; n != UINT32_MAX; n = f->next[n]) {
        uint32_t inside = 0;
        for (uint32_t m = r; m != UINT32_MAX; m = f->next[m])
            for (uint32_t i = 0; i < g->nodes[m].in_count; i++)
                inside += g->nodes[m].in[i] == g->nodes[n].out[0];
        outputs += uses[g->nodes[n].out[0]] > inside;
    }
    return outputs;
}

/* ---------------------------------------------------- reductions at the end */

/* A reduction as a table: all of its elements, those of each result, and whether the
 * results are the rows' (the last axes go) or the columns' (the leading ones go). */
struct table {
    uint64_t results, each;
    bool columns;
};

/* False: neither, or of other types than a region takes at its end. */
static bool table_of(const struct graph *g, const struct gnode *n, struct table *t) {
    static const char *const kinds[] = {"reduce_sum", "reduce_mean", "reduce_max",
                                        "reduce_min"};
    const struct gvalue *v = n->in_count == 1 ? &g->values[n->in[0]] : NULL;
    const struct rn_attr *axes = NULL;
    bool kind = false, gone[RN_MAX_RANK] = {false};
    for (int i = 0; i < 4 && v && !n->custom; i++)
        kind |= strcmp(op_name(n->op), kinds[i]) == 0;
    for (uint32_t i = 0; i < n->attr_count; i++)
        if (strcmp(n->attrs[i].name, "axes") == 0)
            axes = &n->attrs[i];
    if (!v || !kind || !axes || v->dtype != RN_F32 ||
        g->values[n->out[0]].dtype != RN_F32 || graph_elements(g, n->in[0]) == 0)
        return false;
    for (uint32_t i = 0; i < axes->count; i++)
        gone[((const int64_t *)axes->p)[i]] = true;
    int turns = 0, before = -1;
    *t = (struct table){1, 1, false};
    for (uint32_t i = 0; i < v->rank; i++) {
        if (v->shape[i] == 1)
            continue;
        turns += before >= 0 && before != gone[i];
        before = gone[i];
        *(gone[i] ? &t->each : &t->results) *= (uint64_t)v->shape[i];
    }
    t->columns = before == 0; /* the last axis stays */
    return turns <= 1;
}

static bool is_costly(const struct gnode *n) {
    return op_traits(n->op) & OP_COSTLY;
}

/* Few results are few threads, each running sum has its order. So with few of them the
 * region must be small or cheap. */
static bool worth(const struct fuser *f, uint32_t r, const struct table *t) {
    const struct graph *g = f->d->g;
    uint64_t threads = f->d->o->threads ? f->d->o->threads : 1;
    if (t->results >= 32 * threads || t->results * t->each * f->size[r] <= 1u << 16)
        return true;
    bool cheap = f->size[r] <= 4;
    for (uint32_t n = r; n != UINT32_MAX && cheap; n = f->next[n])
        cheap = !is_costly(&g->nodes[n]);
    return cheap;
}

/* Reductions go to the region that makes what they reduce, if nobody else reads that: a
 * region that writes it divides its work by rows, as its neighbours do, and not as its
 * sums would have it. A reduction reads nothing else and the region cannot need it, so
 * no path leaves and comes back. */
static void take_reductions(struct fuser *f, const uint32_t *uses) {
    const struct graph *g = f->d->g;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *node = &g->nodes[i];
        struct table mine, other;
        if (f->size[i] != 1 || f->group[i] != i || !table_of(g, node, &mine))
            continue;
        uint32_t maker = g->values[node->in[0]].node, r = root(f, maker), folds = 0;
        if (!fusable(&g->nodes[maker]) || is_broadcast(&g->nodes[maker]) ||
            f->size[r] >= REGION_NODES)
            continue;
        bool same = true;
        uint32_t inside = 0;
        for (uint32_t m = r; m != UINT32_MAX; m = f->next[m]) {
            if (table_of(g, &g->nodes[m], &other)) {
                folds++;
                same &= mine.results == other.results && mine.columns == other.columns;
            }
            for (uint32_t k = 0; k < g->nodes[m].in_count; k++)
                inside += g->nodes[m].in[k] == node->in[0];
        }
        for (uint32_t m = 0; m < g->node_count; m++) /* reductions, this one too */
            inside += g->nodes[m].in_count == 1 && g->nodes[m].in[0] == node->in[0] &&
                      root(f, m) != r && table_of(g, &g->nodes[m], &other);
        if (!same || folds == REGION_FOLDS || uses[node->in[0]] > inside ||
            !worth(f, r, &mine))
            continue;
        uint32_t low = r < i ? r : i, high = r < i ? i : r;
        f->group[high] = low;
        f->next[f->last[low]] = high;
        f->last[low] = f->last[high];
        f->size[low] += f->size[high];
    }
}

static int by_index(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void reductions_last(const struct graph *g, uint32_t count, uint32_t *members) {
    for (uint32_t i = 0, seen = 0; i + seen < count;) {
        uint32_t node = members[i];
        if (op_traits(g->nodes[node].op) & OP_ELEMENTWISE) {
            i++;
            continue;
        }
        memmove(members + i, members + i + 1, (count - i - 1) * sizeof *members);
        members[count - 1] = node;
        seen++;
    }
}

static void add_unit(struct draft *d, uint32_t count, const uint32_t *nodes,
                     bool region) {
    struct unit *u = &d->units[d->unit_count];
    u->nodes = arena_array(d->a, uint32_t, count);
    memcpy(u->nodes, nodes, count * sizeof *nodes);
    u->count = count;
    u->region = region;
    for (uint32_t i = 0; i < count; i++)
        d->unit_of[nodes[i]] = d->unit_count;
    d->unit_count++;
}

static void prepare(struct draft *d) {
    d->unit_count = 0;
    d->units = arena_array(d->a, struct unit, d->g->node_count + 1);
    d->unit_of = arena_array(d->a, uint32_t, d->g->node_count + 1);
    for (uint32_t i = 0; i < d->g->node_count; i++)
        d->unit_of[i] = NO_UNIT;
}

void draft_singles(struct draft *d) {
    prepare(d);
    for (uint32_t i = 0; i < d->g->node_count; i++)
        if (!is_source(&d->g->nodes[i]) && !is_view(&d->g->nodes[i]))
            add_unit(d, 1, &i, false);
}

void draft_fuse(struct draft *d, bool reduces) {
    const struct graph *g = d->g;
    uint32_t n = g->node_count;
    uint32_t *block = arena_array(d->a, uint32_t, 8 * (size_t)n + g->value_count + 8);
    struct fuser f = {.d = d,
                      .group = block,
                      .next = block + n,
                      .last = block + 2 * (size_t)n,
                      .size = block + 3 * (size_t)n,
                      .seen = block + 4 * (size_t)n,
                      .stack = block + 5 * (size_t)n};
    uint32_t *uses = block + 6 * (size_t)n, *members = uses + g->value_count;
    for (uint32_t i = 0; i < n; i++) {
        f.group[i] = f.last[i] = i;
        f.next[i] = UINT32_MAX;
        f.size[i] = 1;
        for (uint32_t k = 0; k < g->nodes[i].in_count; k++)
            uses[g->nodes[i].in[k]]++;
    }
    for (uint32_t i = 0; i < g->output_count; i++)
        uses[g->outputs[i].value]++;
    for (uint32_t i = 0; i < g->assign_count; i++)
        uses[g->assigns[i].value]++;
    /* From the end: what only a later region needs (a mask for the backward pass) is
     * computed there again from what is kept anyway, not stored. */
    for (uint32_t i = n; i-- > 0;) {
        const struct gnode *node = &g->nodes[i];
        if (!fusable(node))
            continue;
        for (uint32_t k = 0; k < node->in_count; k++) {
            const struct gvalue *v = &g->values[node->in[k]];
            if (fusable(&g->nodes[v->node]) && same_space(v, &g->values[node->out[0]]))
                try_merge(&f, i, v->node);
        }
    }
    /* Siblings: nodes of one space that read the same value and are not in each other's
     * way, such as the moments of an optimizer. */
    for (uint32_t i = 0; i < n; i++) {
        const struct gnode *node = &g->nodes[i];
        if (!fusable(node))
            continue;
        for (uint32_t k = 0; k < node->in_count; k++) {
            const struct gvalue *v = &g->values[node->in[k]];
            const struct gvalue *out = &g->values[node->out[0]];
            if (!same_space(v, out) || graph_elements(g, node->in[k]) < 2)
                continue;
            for (uint32_t j = i > 64 ? i - 64 : 0; j < i; j++) {
                const struct gnode *other = &g->nodes[j];
                if (!fusable(other) || !same_space(&g->values[other->out[0]], out))
                    continue;
                bool shares = false;
                for (uint32_t m = 0; m < other->in_count; m++)
                    shares |= other->in[m] == node->in[k];
                if (shares)
                    try_merge(&f, i, j);
            }
        }
    }
    if (reduces)
        take_reductions(&f, uses);
    prepare(d);
    for (uint32_t i = 0; i < n; i++) {
        const struct gnode *node = &g->nodes[i];
        if (is_source(node) || is_view(node) || f.group[i] != i)
            continue;
        if (f.size[i] == 1) {
            add_unit(d, 1, &i, false);
            continue;
        }
        uint32_t count = 0;
        for (uint32_t m = i; m != UINT32_MAX; m = f.next[m])
            members[count++] = m;
        qsort(members, count, sizeof *members, by_index);
        reductions_last(g, count, members);
        add_unit(d, count, members, true);
        rn_value in[REGION_PORTS + 1];
        uint32_t ports = unit_inputs(d, &d->units[d->unit_count - 1], in, REGION_PORTS);
        if (ports + region_outputs(&f, i, uses) <= REGION_PORTS)
            continue;
        /* Too many ports: its nodes run alone. */
        d->unit_count--;
        for (uint32_t m = 0; m < count; m++)
            add_unit(d, 1, &members[m], false);
    }
}
