/* SPDX-License-Identifier: Apache-2.0 */
/* Co-scheduled groups: neighbouring calls that do not need each other run as one parallel section,
 * such as the updates of all parameters. One call for each would be one barrier for
 * each, and a small parameter takes less time than a barrier. */
#include "co_schedule.h"

#define LEAST 262144 /* of cost, for each thread: about 15 us */
#define CUT   16384  /* of a share in a group */
#define MOST  1024   /* threads, as the option allows */

/* ------------------------------------------------------------------ running */

struct section {
    const struct cpu_share *shares;
    uint32_t count;
    int threads;
};

static bool is_cut(const struct cpu_share *s, int threads) {
    return s->units >= threads && s->cost >= (int64_t)threads * CUT;
}

/* Thread t's part. What is cut is cut for all threads, so that each has the same part
 * of a parameter, its gradient and its moments as in the calls before and after, in its
 * own cache. */
static void work(const struct section *x, int t) {
    for (uint32_t i = 0; i < x->count; i++) {
        const struct cpu_share *s = &x->shares[i];
        bool cut = s->thread < 0;
        int64_t begin = cut ? s->units * t / x->threads : 0,
                end = cut ? s->units * (t + 1) / x->threads : s->units;
        if ((cut || s->thread == t) && begin < end)
            s->fn(s, begin, end, t);
    }
}

static void work_range(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread; /* a unit's scratch is its own, whichever thread runs it */
    for (int64_t t = begin; t < end; t++)
        work(context, (int)t);
}

/* What is not cut goes to the thread that has least so far; large ones first. */
static void hand_out(int threads, uint32_t count, struct cpu_share *shares,
                     int64_t large) {
    int64_t load[MOST];
    memset(load, 0, (size_t)threads * sizeof *load);
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < count; i++) {
            struct cpu_share *s = &shares[i];
            if (is_cut(s, threads) || (s->cost >= large) == (round > 0))
                continue;
            s->thread = 0;
            for (int t = 1; t < threads; t++)
                s->thread = load[t] < load[s->thread] ? t : s->thread;
            load[s->thread] += s->cost;
        }
}

void cpu_shares_run(int threads, uint32_t count, struct cpu_share *shares) {
    int64_t cost = 0, units = 0;
    for (uint32_t i = 0; i < count; i++) {
        cost += shares[i].cost;
        units += shares[i].units;
        shares[i].thread = -1;
    }
    int64_t most = cost / LEAST < units ? cost / LEAST : units;
    most = most < 1 ? 1 : most < threads ? most : threads;
    struct section x = {shares, count, most < MOST ? (int)most : MOST};
    if (x.threads > 1)
        hand_out(x.threads, count, shares, cost / x.threads);
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

struct cpu_co_schedule cpu_co_schedule_find(const struct rn_program *p, uint32_t first,
                                            const uint64_t *scratch, int threads) {
    struct cpu_co_schedule g = {1, first, scratch[first]};
    if (scratch[first] == CPU_NO_CO_SCHEDULE)
        return g;
    for (uint32_t i = first + 1; i < p->node_count && scratch[i] != CPU_NO_CO_SCHEDULE;
         i++) {
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
        g = (struct cpu_co_schedule){i + 1 - first, room, most};
    }
    return g;
}
