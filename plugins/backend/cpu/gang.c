/* SPDX-License-Identifier: Apache-2.0 */
/* Gangs: neighbouring calls that do not need each other run as one parallel section,
 * such as the updates of all parameters. One call for each would be one barrier for
 * each, and a small parameter takes less time than a barrier. */
#include "gang.h"

#define LEAST 262144 /* of cost, for each thread: about 15 us */

/* ------------------------------------------------------------------ running */

struct section {
    const struct cpu_share *shares;
    uint32_t count;
    int64_t cost; /* of all */
    int threads;
};

static int64_t weight(const struct cpu_share *s) {
    return s->cost > 0 ? s->cost : 1;
}

/* The unit of share s that lies where `at` of its cost is done, to the nearest. */
static int64_t unit_at(const struct cpu_share *s, int64_t at) {
    if (at <= 0)
        return 0;
    if (at >= weight(s))
        return s->units;
    return (int64_t)((double)at / (double)weight(s) * (double)s->units + 0.5);
}

/* Thread t's part of the whole: the shares lie one after the other, the cuts are where
 * the cost is even. */
static void work(const struct section *x, int t) {
    int64_t from = x->cost / x->threads * t, done = 0,
            to = t + 1 == x->threads ? x->cost : x->cost / x->threads * (t + 1);
    for (uint32_t i = 0; i < x->count && done < to; i++) {
        const struct cpu_share *s = &x->shares[i];
        int64_t begin = unit_at(s, from - done), end = unit_at(s, to - done);
        if (begin < end)
            s->fn(s, begin, end, t);
        done += weight(s);
    }
}

static void work_range(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread; /* a unit's scratch is its own, whoever does it */
    for (int64_t t = begin; t < end; t++)
        work(context, (int)t);
}

void cpu_shares_run(int threads, uint32_t count, const struct cpu_share *shares) {
    struct section x = {.shares = shares, .count = count};
    int64_t units = 0;
    for (uint32_t i = 0; i < count; i++) {
        x.cost += weight(&shares[i]);
        units += shares[i].units;
    }
    int64_t most = x.cost / LEAST < units ? x.cost / LEAST : units;
    x.threads = most < 1 ? 1 : most < threads ? (int)most : threads;
    cpu_parallel(x.threads, x.threads, 1, work_range, &x);
}

/* ------------------------------------------------------------------- finding */

struct bytes {
    uint32_t base;
    uint64_t begin, end;
};

static struct bytes of_slot(const struct rn_program *p, uint32_t i) {
    const struct rn_slot *s = rn_slot_at(p, i);
    return (struct bytes){s->base, s->offset, s->offset + s->bytes};
}

static bool meet(struct bytes x, struct bytes y) {
    return x.base == y.base && x.begin < y.end && y.begin < x.end;
}

/* Does node n write into these bytes, or (reads) read from them? */
static bool touches(const struct rn_program *p, const struct rn_node *n, struct bytes x,
                    bool reads) {
    for (uint32_t i = 0; reads && i < n->in_count; i++)
        if (n->in[i] != RN_NO_SLOT && meet(of_slot(p, n->in[i]), x))
            return true;
    for (uint32_t i = 0; i < n->out_count; i++)
        if (n->out[i] != RN_NO_SLOT && meet(of_slot(p, n->out[i]), x))
            return true;
    return false;
}

/* May a and b run in any order, or at once? Scratch apart. */
static bool independent(const struct rn_program *p, const struct rn_node *a,
                        const struct rn_node *b) {
    for (uint32_t i = 0; i < a->out_count; i++)
        if (a->out[i] != RN_NO_SLOT && touches(p, b, of_slot(p, a->out[i]), true))
            return false;
    for (uint32_t i = 0; i < a->in_count; i++)
        if (a->in[i] != RN_NO_SLOT && touches(p, b, of_slot(p, a->in[i]), false))
            return false;
    return true;
}

/* Can all nodes in [first, end) use the workspace of node i: large enough, and no data
 * of theirs in it? */
static bool has_room(const struct rn_program *p, uint32_t i, uint32_t first,
                     uint32_t end, uint64_t bytes) {
    const struct rn_node *n = rn_node_at(p, i);
    struct bytes w = {RN_BASE_ARENA, n->workspace_offset, n->workspace_offset + bytes};
    bool good = n->workspace_bytes >= bytes;
    for (uint32_t k = first; bytes && k < end && good; k++)
        good = !touches(p, rn_node_at(p, k), w, true);
    return good;
}

struct cpu_gang cpu_gang_find(const struct rn_program *p, uint32_t first,
                              const uint64_t *scratch, int threads) {
    struct cpu_gang g = {1, first, scratch[first]};
    if (scratch[first] == CPU_NO_GANG)
        return g;
    for (uint32_t i = first + 1; i < p->node_count && scratch[i] != CPU_NO_GANG; i++) {
        for (uint32_t k = first; k < i; k++)
            if (!independent(p, rn_node_at(p, k), rn_node_at(p, i)))
                return g;
        /* The room so far only has to be free of the new node's data. */
        uint64_t most = scratch[i] > g.scratch ? scratch[i] : g.scratch;
        uint64_t bytes = most * (uint64_t)threads;
        uint32_t room = g.room;
        if (!has_room(p, room, most > g.scratch ? first : i, i + 1, bytes))
            for (room = first; room <= i; room++)
                if (has_room(p, room, first, i + 1, bytes))
                    break;
        if (room > i)
            return g;
        g = (struct cpu_gang){i + 1 - first, room, most};
    }
    return g;
}
