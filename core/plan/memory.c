/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets in the arena: largest block first, at the lowest place that is free for as
 * long as it lives. */
#include <stdlib.h>

#include "plan/draft.h"

uint64_t round64(uint64_t bytes) {
    return (bytes + 63) / 64 * 64;
}

struct placed {
    const struct plan_block *block;
    uint32_t index;
};

static int by_size(const void *a, const void *b) {
    const struct placed *x = a, *y = b;
    if (x->block->bytes != y->block->bytes)
        return x->block->bytes < y->block->bytes ? 1 : -1;
    if (x->block->first != y->block->first)
        return x->block->first < y->block->first ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static int by_offset(const void *a, const void *b) {
    const struct plan_block *x = *(const struct plan_block *const *)a;
    const struct plan_block *y = *(const struct plan_block *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

uint64_t draft_layout(struct draft *d) {
    uint32_t n = d->block_count;
    uint64_t total = 0;
    struct placed *all = arena_array(d->a, struct placed, n + 1);
    const struct plan_block **near =
        arena_array(d->a, const struct plan_block *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        all[i] = (struct placed){&d->blocks[i], i};
    qsort(all, n, sizeof *all, by_size);
    for (uint32_t i = 0; i < n; i++) {
        struct plan_block *b = &d->blocks[all[i].index];
        uint32_t k = 0;
        for (uint32_t j = 0; j < i; j++) {
            const struct plan_block *o = all[j].block;
            if (o->first <= b->last && b->first <= o->last)
                near[k++] = o;
        }
        qsort(near, k, sizeof *near, by_offset);
        uint64_t at = 0, best = UINT64_MAX, gap = UINT64_MAX;
        for (uint32_t j = 0; j < k; j++) { /* the tightest gap that fits */
            if (near[j]->offset > at && near[j]->offset - at >= b->bytes &&
                near[j]->offset - at < gap) {
                gap = near[j]->offset - at;
                best = at;
            }
            if (near[j]->offset + near[j]->bytes > at)
                at = near[j]->offset + near[j]->bytes;
        }
        b->offset = best == UINT64_MAX ? at : best;
        if (b->offset + b->bytes > total)
            total = b->offset + b->bytes;
    }
    return total;
}
