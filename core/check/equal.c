/* SPDX-License-Identifier: Apache-2.0 */
/* Rows sorted by the hash of their inputs. */
#include "check/equal.h"

#include <stdlib.h>

#include "base/memory.h"

static int by_key(const void *a, const void *b) {
    const struct keyed_row *x = a, *y = b;
    if (x->h.a != y->h.a)
        return x->h.a < y->h.a ? -1 : 1;
    if (x->h.b != y->h.b)
        return x->h.b < y->h.b ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static uint64_t bucket_of(const struct keyed_row *r, int bits) {
    return r->h.a >> (64 - bits);
}

/* By the first bits, then each bucket, of a few rows, by all: as one qsort would. */
static struct keyed_row *sort_rows(struct keyed_row *r, uint64_t n) {
    int bits = 1;
    while (bits < 20 && UINT64_C(1) << bits < n / 4)
        bits++;
    uint64_t buckets = UINT64_C(1) << bits, start = 0;
    struct keyed_row *out = n > 64 ? memory_try(memory_mul(n, sizeof *out)) : NULL;
    uint32_t *at = out ? memory_get(memory_mul(buckets + 1, sizeof *at)) : NULL;
    if (!out) {
        qsort(r, n, sizeof *r, by_key);
        return r;
    }
    for (uint64_t i = 0; i < n; i++)
        at[bucket_of(&r[i], bits) + 1]++;
    for (uint64_t k = 0; k < buckets; k++)
        at[k + 1] += at[k];
    for (uint64_t i = 0; i < n; i++)
        out[at[bucket_of(&r[i], bits)]++] = r[i];
    for (uint64_t k = 0; k < buckets; start = at[k++])
        if (at[k] - start > 1)
            qsort(out + start, at[k] - start, sizeof *out, by_key);
    memory_release(at);
    memory_release(r);
    return out;
}

struct keyed_row *equal_rows(const struct profile *p, bool labelled, uint64_t *n) {
    struct keyed_row *r =
        p->inputs ? memory_try(memory_mul(p->rows + 1, sizeof *r)) : NULL;
    *n = 0;
    for (uint64_t i = 0; r && i < p->rows; i++)
        if (!labelled || p->class_of[i] >= 0)
            r[(*n)++] = (struct keyed_row){p->inputs[i], (uint32_t)i};
    return r ? sort_rows(r, *n) : NULL;
}
