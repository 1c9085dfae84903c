/* SPDX-License-Identifier: Apache-2.0 */
/* Co-scheduled groups of the cpu backend: which nodes may run at once, and that each of their units
 * is done exactly once whatever the number of threads. */
#include <stdlib.h>

#include "../../plugins/backend/cpu/co_schedule.h"
#include "check.h"

/* -------------------------------------------------------------------- programs */

#define NODES 12
#define SLOTS (3 * NODES)

struct made {
    struct rn_slot slots[SLOTS];
    struct rn_node nodes[NODES];
    uint32_t ports[SLOTS];
    struct rn_program p;
    uint64_t scratch[NODES];
};

static void make(struct made *m, uint32_t nodes) {
    memset(m, 0, sizeof *m);
    m->p = (struct rn_program){.slot_stride = sizeof m->slots[0],
                               .slots = m->slots,
                               .node_count = nodes,
                               .node_stride = sizeof m->nodes[0],
                               .nodes = m->nodes};
    for (uint32_t i = 0; i < SLOTS; i++)
        m->ports[i] = i;
    for (uint32_t i = 0; i < nodes; i++)
        m->nodes[i] = (struct rn_node){.in_count = 2,
                                       .out_count = 1,
                                       .in = m->ports + 3 * i,
                                       .out = m->ports + 3 * i + 2};
}

/* Port 0, 1 (read) or 2 (written) of node i lies at these bytes. */
static void lie(struct made *m, uint32_t i, uint32_t port, uint32_t base,
                uint64_t offset, uint64_t bytes) {
    m->slots[3 * i + port] =
        (struct rn_slot){.base = base, .offset = offset, .bytes = bytes};
}

/* Three nodes that share nothing but what they read. */
static void make_apart(struct made *m) {
    make(m, 3);
    for (uint32_t i = 0; i < 3; i++) {
        lie(m, i, 0, RN_BASE_SCALARS, 0, 4);
        lie(m, i, 1, RN_BASE_ARENA, 256 * (uint64_t)i, 256);
        lie(m, i, 2, RN_BASE_FIRST + i, 0, 256);
    }
}

static uint32_t length(const struct made *m, uint32_t first) {
    return cpu_co_schedule_find(&m->p, first, m->scratch, 2).count;
}

static void check_hazards(void) {
    struct made m;
    make_apart(&m);
    CHECK(length(&m, 0) == 3 && length(&m, 1) == 2 && length(&m, 2) == 1);
    lie(&m, 1, 2, RN_BASE_ARENA, 256, 256); /* in place */
    CHECK(length(&m, 0) == 3);
    m.scratch[1] = CPU_NO_CO_SCHEDULE;
    CHECK(length(&m, 0) == 1 && length(&m, 1) == 1);

    make_apart(&m); /* reads what the first one wrote */
    lie(&m, 2, 1, RN_BASE_FIRST, 192, 64);
    CHECK(length(&m, 0) == 2);
    make_apart(&m); /* writes what the first one reads */
    lie(&m, 2, 2, RN_BASE_ARENA, 192, 128);
    CHECK(length(&m, 0) == 2 && length(&m, 1) == 1);
    make_apart(&m); /* writes what the second one writes */
    lie(&m, 2, 2, RN_BASE_FIRST + 1, 0, 4);
    CHECK(length(&m, 0) == 2);
    make_apart(&m); /* an absent input is nothing */
    m.ports[1] = RN_NO_SLOT;
    CHECK(length(&m, 0) == 3);
}

static void check_scratch(void) {
    struct made m;
    struct cpu_co_schedule g;
    make_apart(&m);
    for (uint32_t i = 0; i < 3; i++) {
        m.scratch[i] = 64 * (i + 1);
        m.nodes[i].workspace_bytes = 2 * m.scratch[i];
        m.nodes[i].workspace_offset = 4096;
    }
    g = cpu_co_schedule_find(&m.p, 0, m.scratch, 2);
    CHECK(g.count == 3 && g.room == 2 && g.scratch == 192);
    m.nodes[0].workspace_bytes = 384; /* the largest serves wherever it is */
    g = cpu_co_schedule_find(&m.p, 0, m.scratch, 2);
    CHECK(g.count == 3 && g.room == 0 && g.scratch == 192);
    m.nodes[0].workspace_bytes = 128;
    m.nodes[2].workspace_offset = 0; /* where the first one's data lie */
    g = cpu_co_schedule_find(&m.p, 0, m.scratch, 2);
    CHECK(g.count == 2 && g.room == 1 && g.scratch == 128);
    /* The room so far is large enough, but a new node's data lie in it. */
    make_apart(&m);
    m.scratch[0] = m.scratch[1] = 64;
    m.nodes[0].workspace_bytes = m.nodes[1].workspace_bytes = 128;
    m.nodes[0].workspace_offset = 512;
    m.nodes[1].workspace_offset = 4096;
    g = cpu_co_schedule_find(&m.p, 0, m.scratch, 2);
    CHECK(g.count == 3 && g.room == 1);
    m.nodes[1].workspace_offset = 640;
    CHECK(length(&m, 0) == 2);
}

static uint32_t state = 1;

static uint32_t dice(uint32_t n) {
    uint32_t x = state++;
    x ^= x >> 16, x *= 0x7feb352du, x ^= x >> 15, x *= 0x846ca68bu;
    return (x ^ x >> 16) % n;
}

static bool overlap(const struct rn_slot *x, const struct rn_slot *y) {
    return x->base == y->base && x->offset < y->offset + y->bytes &&
           y->offset < x->offset + x->bytes;
}

/* A group has no pair that touches what one of the two writes, and could not be longer.
 */
static bool clash(const struct made *m, uint32_t a, uint32_t b) {
    bool any = false;
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t k = 0; k < 3; k++)
            if (i == 2 || k == 2)
                any |= overlap(&m->slots[3 * a + i], &m->slots[3 * b + k]);
    return any;
}

static void check_random(void) {
    uint32_t longest = 0;
    for (int round = 0; round < 2000; round++) {
        struct made m;
        make(&m, NODES);
        for (uint32_t i = 0; i < SLOTS; i++)
            lie(&m, i / 3, i % 3, dice(2), 64 * (uint64_t)dice(60), 64 + dice(64));
        uint32_t first = dice(NODES), n = length(&m, first);
        longest = n > longest ? n : longest;
        bool good = n >= 1, more = first + n < NODES;
        for (uint32_t a = first; a < first + n; a++)
            for (uint32_t b = a + 1; b < first + n; b++)
                good &= !clash(&m, a, b);
        for (uint32_t a = first; more && a < first + n; a++)
            more = !clash(&m, a, first + n);
        CHECK(good && !more);
    }
    CHECK(longest > 3);
}

/* --------------------------------------------------------------------- running */

#define UNITS 1000
static _Atomic int done[NODES][UNITS];

static void count(const struct cpu_share *s, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = s->call;
    CHECK(thread >= 0 && thread < c->threads && begin >= 0 && begin < end &&
          end <= s->units);
    for (int64_t i = begin; i < end; i++)
        done[(uintptr_t)c->state][i]++;
}

static void check_units(void) {
    for (int round = 0; round < 500; round++) {
        struct cpu_call calls[NODES];
        struct cpu_share shares[NODES];
        int threads = 1 + (int)dice(4);
        uint32_t n = 1 + dice(NODES);
        memset(done, 0, sizeof done);
        for (uint32_t i = 0; i < n; i++) {
            calls[i] =
                (struct cpu_call){.state = (void *)(uintptr_t)i, .threads = threads};
            shares[i] = (struct cpu_share){.fn = count,
                                           .call = &calls[i],
                                           .units = dice(4) ? 1 + dice(UNITS) : dice(3),
                                           .cost = 1ll << dice(36)};
        }
        cpu_shares_run(threads, n, shares);
        bool good = true;
        for (uint32_t i = 0; i < NODES; i++)
            for (int64_t k = 0; k < UNITS; k++)
                good &= done[i][k] == (i < n && k < shares[i].units);
        CHECK(good);
    }
}

int main(void) {
    check_hazards();
    check_scratch();
    check_random();
    check_units();
    return check_done();
}
