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

struct keyed_row *equal_rows(const struct profile *p, bool labelled, uint64_t *n) {
    struct keyed_row *r =
        p->inputs ? memory_try(memory_mul(p->rows + 1, sizeof *r)) : NULL;
    *n = 0;
    for (uint64_t i = 0; r && i < p->rows; i++)
        if (!labelled || p->class_of[i] >= 0)
            r[(*n)++] = (struct keyed_row){p->inputs[i], (uint32_t)i};
    if (r)
        qsort(r, *n, sizeof *r, by_key);
    return r;
}
