/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamic programming over things in an order: one is taken out, a table says for all
 * forms of those that share a price with it which of its own is best and what is paid
 * then, and that table is a price of those. On a chain this is the shortest path; what
 * tables take depends on how far from a tree it is. Where a table would be too large,
 * the thing with most neighbours is fixed, to each of its forms in turn. (Bertele and
 * Brioschi, Nonserial Dynamic Programming, 1972; Dechter, Bucket elimination, 1999.) */
#include <string.h>

#include "plan/choose.h"

#define ENTRIES 65536   /* of a table: ten things of three forms each */
#define WORK    4000000 /* a second or so */
#define MOST    ((uint64_t)1 << 62)
#define NONE    UINT32_MAX

struct near {
    uint32_t *of;
    uint32_t count, capacity;
};

struct prices {
    const struct choose_price **of;
    uint32_t count, capacity;
};

/* Thing `thing`, taken out: what the prices in `with` come to at best. */
struct bucket {
    uint32_t thing;
    uint64_t size;
    uint64_t *lowest; /* by the forms of message.of */
    uint8_t *best;
    struct choose_price message;
    struct prices with;
};

struct solver {
    const struct choose *c;
    struct arena *a;
    struct near *near; /* by thing: those that share a price with it, still there */
    uint32_t *turn;    /* by thing: its bucket; NONE: it is fixed */
    struct bucket *buckets;
    uint32_t bucket_count;
    uint32_t *fixed;
    uint32_t fixed_count;
    struct prices rest; /* of fixed things alone */
    uint8_t *now;       /* by thing */
};

static uint64_t plus(uint64_t x, uint64_t y) {
    return x + y < MOST ? x + y : MOST;
}

static uint64_t price_at(const struct choose *c, const struct choose_price *p,
                         const uint8_t *now) {
    size_t at = 0;
    for (uint32_t i = 0; i < p->count; i++)
        at = at * c->forms[p->of[i]] + now[p->of[i]];
    return p->table[at];
}

static uint64_t prices_at(const struct choose *c, const struct prices *p,
                          const uint8_t *now) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->count; i++)
        sum = plus(sum, price_at(c, p->of[i], now));
    return sum;
}

/* ------------------------------------------------------------------ the order */

#define push(a, list, x)                                                               \
    do {                                                                               \
        if ((list)->count == (list)->capacity) {                                       \
            void *grown_ =                                                             \
                arena_get((a), memory_mul(2 * (list)->capacity + 4u, sizeof(x)));      \
            if ((list)->count)                                                         \
                memcpy(grown_, (list)->of, (list)->count * sizeof(x));                 \
            (list)->of = grown_;                                                       \
            (list)->capacity = 2 * (list)->capacity + 4;                               \
        }                                                                              \
        (list)->of[(list)->count++] = (x);                                             \
    } while (0)

static void meet(struct solver *s, uint32_t x, uint32_t y) {
    for (uint32_t i = 0; i < s->near[x].count; i++)
        if (s->near[x].of[i] == y)
            return;
    if (x != y)
        push(s->a, &s->near[x], y);
}

static void leave(struct near *n, uint32_t x) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n->count; i++)
        if (n->of[i] != x)
            n->of[kept++] = n->of[i];
    n->count = kept;
}

/* Entries of the table that thing x would leave; more than `most`: too many. */
static uint64_t size_of(const struct solver *s, uint32_t x, uint64_t size_limit) {
    uint64_t size = 1;
    for (uint32_t i = 0; i < s->near[x].count && size <= size_limit; i++)
        size *= s->c->forms[s->near[x].of[i]];
    return size;
}

static void take_out(struct solver *s, uint32_t x, uint64_t size) {
    struct near *n = &s->near[x];
    struct bucket *b = &s->buckets[s->bucket_count];
    *b = (struct bucket){.thing = x, .size = size, .message = {n->count, n->of, NULL}};
    s->turn[x] = s->bucket_count++;
    for (uint32_t i = 0; i < n->count; i++) {
        leave(&s->near[n->of[i]], x);
        for (uint32_t k = 0; k < n->count; k++)
            meet(s, n->of[i], n->of[k]);
    }
}

static void fix(struct solver *s, uint32_t x) {
    s->fixed[s->fixed_count++] = x;
    for (uint32_t i = 0; i < s->near[x].count; i++)
        leave(&s->near[s->near[x].of[i]], x);
}

/* The smallest table first; of those that are as small the first thing. */
static void find_order(struct solver *s, uint64_t size_limit) {
    uint32_t n = s->c->count;
    uint64_t *size = arena_array(s->a, uint64_t, n + 1);
    bool *gone = arena_array(s->a, bool, n + 1);
    for (uint32_t x = 0; x < n; x++)
        size[x] = size_of(s, x, size_limit);
    for (uint32_t left = n; left; left--) {
        uint32_t small = NONE, wide = NONE;
        for (uint32_t x = 0; x < n; x++) {
            if (gone[x])
                continue;
            if (small == NONE || size[x] < size[small])
                small = x;
            if (wide == NONE || s->near[x].count > s->near[wide].count)
                wide = x;
        }
        bool fits = size[small] <= size_limit;
        uint32_t x = fits ? small : wide;
        gone[x] = true;
        if (fits)
            take_out(s, x, size[x]);
        else
            fix(s, x);
        for (uint32_t i = 0; i < s->near[x].count; i++)
            size[s->near[x].of[i]] = size_of(s, s->near[x].of[i], size_limit);
    }
}

/* Things that were fixed after b was taken out are in no table. */
static void narrow(struct solver *s, struct bucket *b) {
    struct near *n = &s->near[b->thing];
    uint32_t kept = 0;
    b->size = 1;
    for (uint32_t i = 0; i < n->count; i++)
        if (s->turn[n->of[i]] != NONE) {
            b->size *= s->c->forms[n->of[i]];
            n->of[kept++] = n->of[i];
        }
    b->message.count = kept;
}

static void allocate(struct solver *s, struct bucket *b) {
    b->lowest = arena_array(s->a, uint64_t, (size_t)b->size);
    b->best = arena_array(s->a, uint8_t, (size_t)b->size);
    b->message.table = b->lowest;
}

/* A price goes to the first of its things that is taken out. */
static void hand_in(struct solver *s, const struct choose_price *p) {
    uint32_t first = NONE;
    for (uint32_t i = 0; i < p->count; i++)
        if (s->turn[p->of[i]] < first)
            first = s->turn[p->of[i]];
    push(s->a, first == NONE ? &s->rest : &s->buckets[first].with, p);
}

/* ------------------------------------------------------------------ the tables */

static void fill(struct solver *s, struct bucket *b) {
    const uint8_t *forms = s->c->forms;
    for (uint64_t at = 0; at < b->size; at++) {
        uint64_t rest = at;
        for (uint32_t i = b->message.count; i-- > 0; rest /= forms[b->message.of[i]])
            s->now[b->message.of[i]] = (uint8_t)(rest % forms[b->message.of[i]]);
        for (uint8_t f = 0; f < forms[b->thing]; f++) {
            s->now[b->thing] = f;
            uint64_t sum = prices_at(s->c, &b->with, s->now);
            if (f && sum >= b->lowest[at])
                continue;
            b->lowest[at] = sum;
            b->best[at] = f;
        }
    }
}

/* With the fixed things as they are now: the least sum, and `now` that has it. */
static uint64_t solve(struct solver *s) {
    for (uint32_t i = 0; i < s->bucket_count; i++)
        fill(s, &s->buckets[i]);
    uint64_t sum = prices_at(s->c, &s->rest, s->now);
    for (uint32_t i = s->bucket_count; i-- > 0;) {
        const struct bucket *b = &s->buckets[i];
        size_t at = 0;
        for (uint32_t k = 0; k < b->message.count; k++)
            at = at * s->c->forms[b->message.of[k]] + s->now[b->message.of[k]];
        s->now[b->thing] = b->best[at];
    }
    return sum;
}

/* The next forms of the fixed things; false: those were all. */
static bool next_case(struct solver *s) {
    for (uint32_t i = s->fixed_count; i-- > 0;) {
        uint32_t x = s->fixed[i];
        if (++s->now[x] < s->c->forms[x])
            return true;
        s->now[x] = 0;
    }
    return false;
}

/* False: it would take too long. */
static bool exactly(const struct choose *c, struct arena *a, uint8_t *form,
                    uint64_t *price) {
    uint64_t size_limit = c->entries ? c->entries : ENTRIES;
    uint64_t limit = c->work ? c->work : WORK, work = 1;
    struct solver s = {.c = c, .a = a};
    s.near = arena_array(a, struct near, c->count + 1);
    s.turn = arena_array(a, uint32_t, c->count + 1);
    s.buckets = arena_array(a, struct bucket, c->count + 1);
    s.fixed = arena_array(a, uint32_t, c->count + 1);
    s.now = arena_array(a, uint8_t, c->count + 1);
    memset(s.turn, 0xff, c->count * sizeof *s.turn);
    for (uint32_t p = 0; p < c->price_count; p++)
        for (uint32_t i = 0; i < c->prices[p].count; i++)
            for (uint32_t k = 0; k < c->prices[p].count; k++)
                meet(&s, c->prices[p].of[i], c->prices[p].of[k]);
    find_order(&s, size_limit);
    for (uint32_t i = 0; i < s.bucket_count; i++) {
        narrow(&s, &s.buckets[i]);
        work += s.buckets[i].size;
    }
    for (uint32_t i = 0; i < s.fixed_count && work <= limit; i++)
        work *= c->forms[s.fixed[i]];
    if (work > limit)
        return false;
    for (uint32_t i = 0; i < s.bucket_count; i++)
        allocate(&s, &s.buckets[i]);
    for (uint32_t p = 0; p < c->price_count; p++)
        hand_in(&s, &c->prices[p]);
    for (uint32_t i = 0; i < s.bucket_count; i++)
        hand_in(&s, &s.buckets[i].message);
    *price = UINT64_MAX;
    do {
        uint64_t sum = solve(&s);
        if (sum >= *price)
            continue;
        *price = sum;
        memcpy(form, s.now, c->count);
    } while (next_case(&s));
    return true;
}

/* ------------------------------------------------------------------- improving */

struct walker {
    const struct choose *c;
    struct prices *with; /* by thing: the prices that depend on it */
    uint8_t *now;
};

/* Gives follower x its best form. */
static uint64_t follow(struct walker *w, uint32_t x) {
    uint64_t lowest = UINT64_MAX;
    uint8_t best = 0;
    for (uint8_t f = 0; f < w->c->forms[x]; f++) {
        w->now[x] = f;
        uint64_t sum = prices_at(w->c, &w->with[x], w->now);
        if (sum < lowest)
            lowest = sum, best = f;
    }
    w->now[x] = best;
    return lowest;
}

/* The follower that the price depends on; NONE. */
static uint32_t follower_of(const struct choose *c, const struct choose_price *p) {
    for (uint32_t i = 0; i < p->count; i++)
        if (p->of[i] >= c->own)
            return p->of[i];
    return NONE;
}

/* What depends on thing x, each follower once. met: all false, before and after. */
static uint64_t around(struct walker *w, uint32_t x, bool *met) {
    const struct prices *with = &w->with[x];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < with->count; i++) {
        uint32_t t = follower_of(w->c, with->of[i]);
        if (t == NONE)
            sum = plus(sum, price_at(w->c, with->of[i], w->now));
        else if (!met[t]) {
            met[t] = true;
            sum = plus(sum, follow(w, t));
        }
    }
    for (uint32_t i = 0; i < with->count; i++) {
        uint32_t t = follower_of(w->c, with->of[i]);
        if (t != NONE)
            met[t] = false;
    }
    return sum;
}

/* From `now`: each thing in turn takes its best form, until nothing changes. */
static uint64_t improve(struct walker *w, bool *met) {
    const struct choose *c = w->c;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t x = 0; x < c->own; x++) {
            uint8_t had = w->now[x], take = had;
            uint64_t lowest = around(w, x, met);
            for (uint8_t f = 0; f < c->forms[x]; f++) {
                w->now[x] = f;
                uint64_t sum = f == had ? lowest : around(w, x, met);
                if (sum < lowest)
                    lowest = sum, take = f;
            }
            w->now[x] = take;
            changed |= take != had;
        }
    }
    for (uint32_t x = c->own; x < c->count; x++)
        follow(w, x);
    uint64_t sum = 0;
    for (uint32_t p = 0; p < c->price_count; p++)
        sum = plus(sum, price_at(c, &c->prices[p], w->now));
    return sum;
}

static uint64_t by_improving(const struct choose *c, struct arena *a, uint8_t *form) {
    struct walker w = {c, arena_array(a, struct prices, c->count + 1),
                       arena_array(a, uint8_t, c->count + 1)};
    bool *met = arena_array(a, bool, c->count + 1);
    uint64_t lowest = UINT64_MAX;
    uint8_t starts = 1;
    for (uint32_t p = 0; p < c->price_count; p++)
        for (uint32_t i = 0; i < c->prices[p].count; i++)
            push(a, &w.with[c->prices[p].of[i]], &c->prices[p]);
    for (uint32_t x = 0; x < c->own; x++)
        starts = c->forms[x] > starts ? c->forms[x] : starts;
    for (uint8_t start = 0; start < starts; start++) {
        for (uint32_t x = 0; x < c->own; x++)
            w.now[x] = start < c->forms[x] ? start : (uint8_t)(c->forms[x] - 1);
        uint64_t sum = improve(&w, met);
        if (sum >= lowest)
            continue;
        lowest = sum;
        memcpy(form, w.now, c->count);
    }
    return lowest;
}

struct choose_answer choose(const struct choose *c, struct arena *a) {
    struct choose_answer out = {.form = arena_array(a, uint8_t, c->count + 1)};
    out.improved = out.price = by_improving(c, a, out.form);
    out.exact = exactly(c, a, out.form, &out.price);
    return out;
}
