/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets in the arena: one block after the other at the lowest or the tightest place
 * that is free for as long as it lives. Which order is best depends on the graph, so
 * several are tried, and then improved by placing earlier what sticks out. */
#include <stdlib.h>
#include <string.h>

#include "plan/internal.h"

uint64_t round64(uint64_t bytes) {
    return (bytes + 63) / 64 * 64;
}

struct layout {
    struct plan_block *blocks;
    uint32_t count;
    uint32_t *order;  /* blocks, first placed first */
    uint32_t *placed; /* scratch: those that have a place, by offset */
    uint64_t *best;   /* offsets of the smallest layout so far */
    uint64_t best_total;   /* its size */
};

/* What to place first. */
enum order { BY_SIZE, BY_AREA, BY_LIFE, BY_TIME, ORDERS };

struct key {
    uint64_t first, second;
    uint32_t index;
};

static int largest_first(const void *a, const void *b) {
    const struct key *x = a, *y = b;
    if (x->first != y->first)
        return x->first < y->first ? 1 : -1;
    if (x->second != y->second)
        return x->second < y->second ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static void sort(struct layout *l, enum order how, struct key *keys) {
    for (uint32_t i = 0; i < l->count; i++) {
        const struct plan_block *b = &l->blocks[i];
        uint64_t life = (uint64_t)b->last - b->first + 1;
        uint64_t early = UINT32_MAX - (uint64_t)b->first;
        keys[i] = how == BY_SIZE   ? (struct key){b->bytes, early, i}
                  : how == BY_AREA ? (struct key){b->bytes * life, b->bytes, i}
                  : how == BY_LIFE ? (struct key){life, b->bytes, i}
                                   : (struct key){early, b->bytes, i};
    }
    qsort(keys, l->count, sizeof *keys, largest_first);
    for (uint32_t i = 0; i < l->count; i++)
        l->order[i] = keys[i].index;
}

/* Places all blocks in order; the size. tight: into the smallest gap that fits, else
 * into the lowest. */
static uint64_t place(struct layout *l, bool tight) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        struct plan_block *b = &l->blocks[l->order[i]];
        uint64_t at = 0, best = UINT64_MAX, gap = UINT64_MAX;
        for (uint32_t j = 0; j < i && (tight || best == UINT64_MAX); j++) {
            const struct plan_block *o = &l->blocks[l->placed[j]];
            if (o->last < b->first || b->last < o->first)
                continue;
            if (o->offset > at && o->offset - at >= b->bytes && o->offset - at < gap) {
                gap = o->offset - at;
                best = at;
            }
            if (o->offset + o->bytes > at)
                at = o->offset + o->bytes;
        }
        b->offset = best == UINT64_MAX ? at : best;
        if (b->offset + b->bytes > total)
            total = b->offset + b->bytes;
        uint32_t k = i;
        for (; k && l->blocks[l->placed[k - 1]].offset > b->offset; k--)
            l->placed[k] = l->placed[k - 1];
        l->placed[k] = l->order[i];
    }
    if (total < l->best_total) {
        l->best_total = total;
        for (uint32_t i = 0; i < l->count; i++)
            l->best[i] = l->blocks[i].offset;
    }
    return total;
}

#define WORK 10000000u /* pairs of blocks looked at for one plan, about 0.1 s, or */
#define MORE 16        /* times that, while more than 5 % are lost */

static uint32_t draw(uint64_t *state, uint32_t below) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % below);
}

/* Take the block at `from` in the order to `to`. */
static void move(struct layout *l, uint32_t from, uint32_t to) {
    uint32_t block = l->order[from];
    if (to < from)
        memmove(&l->order[to + 1], &l->order[to], (from - to) * sizeof *l->order);
    else
        memmove(&l->order[from], &l->order[from + 1], (to - from) * sizeof *l->order);
    l->order[to] = block;
}

/* From the order that there is: place a block earlier that reaches the end, or any
 * block somewhere else, and stay with what is not larger. The same draws for the same
 * state every time. */
static void improve(struct layout *l, bool tight, uint64_t state, uint64_t tries,
                    uint64_t enough) {
    uint64_t now = place(l, tight);
    for (uint64_t k = 0; k < tries; k++) {
        if (l->best_total <= enough)
            return;
        uint32_t from = draw(&state, l->count), to = draw(&state, l->count);
        if (k % 2 == 0) {
            from = l->count - 1;
            while (from &&
                   l->blocks[l->order[from]].offset + l->blocks[l->order[from]].bytes !=
                       now)
                from--;
            to = from ? draw(&state, from) : 0;
        }
        move(l, from, to);
        uint64_t total = place(l, tight);
        if (total <= now) {
            now = total;
        } else {
            move(l, to, from);
            place(l, tight);
        }
    }
}

uint64_t draft_bound(const struct draft *d) {
    uint64_t peak = 0;
    for (uint32_t t = 0; t < d->node_count; t++) {
        uint64_t now = 0;
        for (uint32_t i = 0; i < d->block_count; i++)
            if (d->blocks[i].first <= t && t <= d->blocks[i].last)
                now += d->blocks[i].bytes;
        peak = now > peak ? now : peak;
    }
    return peak;
}

uint64_t draft_layout(struct draft *d) {
    uint32_t n = d->block_count;
    struct layout l = {.blocks = d->blocks,
                       .count = n,
                       .order = arena_array(d->a, uint32_t, n + 1),
                       .placed = arena_array(d->a, uint32_t, n + 1),
                       .best = arena_array(d->a, uint64_t, n + 1),
                       .best_total = UINT64_MAX};
    struct key *keys = arena_array(d->a, struct key, n + 1);
    uint64_t bound = draft_bound(d);
    uint64_t tries = WORK / ((uint64_t)n * n + 1) + 1, totals[2 * ORDERS];
    int ways[2 * ORDERS], count = 0;
    if (!n)
        return 0;
    for (int way = 0; way < 2 * ORDERS && l.best_total > bound; way++) {
        sort(&l, (enum order)(way / 2), keys);
        totals[way] = place(&l, way % 2);
        int k = count++;
        for (; k && totals[ways[k - 1]] > totals[way]; k--)
            ways[k] = ways[k - 1];
        ways[k] = way;
    }
    /* The best way first; where that leads nowhere, from the others too. */
    for (int i = 0; i < MORE; i++) {
        int way = ways[i % count];
        sort(&l, (enum order)(way / 2), keys);
        improve(&l, way % 2, (uint64_t)i + 1, tries, bound + bound / (i ? 20 : 100));
    }
    for (uint32_t i = 0; i < n; i++)
        d->blocks[i].offset = l.best[i];
    return l.best_total;
}
