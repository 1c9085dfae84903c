/* SPDX-License-Identifier: Apache-2.0 */
/* Rows to parts by class, by time and by hash; groups.c does it by group. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "data/division.h"
#include "data/stratify.h"

_Static_assert(DATA_SPLITS == STRATIFY_PARTS, "the parts of a split");

/* ------------------------------------------------------------------- classes */

static void put(struct division *d, const uint64_t *rows, uint64_t n, uint8_t part) {
    for (uint64_t i = 0; i < n; i++)
        d->part[rows[i]] = part;
}

/* The fold's rows of a class. Folds that get one more go round, class after class, so
 * that the folds as a whole are equal too. */
static void put_fold(struct division *d, const uint64_t *rows, uint64_t n,
                     uint32_t *next) {
    uint64_t each = n / d->folds, more = n % d->folds, from = 0, size = 0;
    for (uint32_t f = 0; f <= d->fold; f++) {
        from += size;
        size = each + ((f + d->folds - *next) % d->folds < more);
    }
    *next = (uint32_t)((*next + more) % d->folds);
    put(d, rows, n, DATA_TRAIN);
    put(d, rows + from, size, DATA_VAL);
}

void divide_classes(struct division *d, const uint64_t *rows, const uint64_t *counts,
                    uint64_t classes) {
    struct stratum *strata = memory_get(memory_mul(classes + 1, sizeof *strata));
    const uint64_t all[DATA_SPLITS] = {d->rows - d->want[DATA_VAL] - d->want[DATA_TEST],
                                       d->want[DATA_VAL], d->want[DATA_TEST]};
    uint32_t next = 0;
    for (uint64_t c = 0; c < classes; c++)
        strata[c].rows = counts[c];
    stratify(strata, classes, all);
    for (uint64_t c = 0; c < classes; c++) {
        uint64_t test = strata[c].take[DATA_TEST], val = strata[c].take[DATA_VAL];
        put(d, rows, test, DATA_TEST);
        if (d->folds) {
            put_fold(d, rows + test, counts[c] - test, &next);
        } else {
            put(d, rows + test, val, DATA_VAL);
            put(d, rows + test + val, counts[c] - test - val, DATA_TRAIN);
        }
        rows += counts[c];
    }
    memory_release(strata);
}

/* ---------------------------------------------------------------------- time */

static bool tied(const struct timeline *t, uint64_t at) {
    return t->times && t->times[at] == t->times[at - 1];
}

/* The change of time in (first, end) that is nearest to `at`; of two, the earlier. 0:
 * there is none. */
static uint64_t border(const struct timeline *t, uint64_t first, uint64_t at,
                       uint64_t end) {
    uint64_t low = at, high = at;
    while (low > first && tied(t, low))
        low--;
    while (high < end && tied(t, high))
        high++;
    bool early = low > first, late = high < end;
    if (!early && !late)
        return 0;
    return !late || (early && at - low <= high - at) ? low : high;
}

/* Where the part before the one that starts at `start` ends. */
static uint64_t leave_out(const struct timeline *t, uint64_t start) {
    uint64_t end = start > t->gap ? start - t->gap : 0;
    while (end && t->gap && tied(t, end))
        end--;
    while (end && t->times && t->embargo > 0 &&
           t->times[start] - t->times[end - 1] < t->embargo)
        end--;
    return end;
}

static struct division_lack lacks_rows(enum data_split_kind part) {
    return (struct division_lack){.any = true, .part = part};
}

static struct division_lack expanding_window(struct division *d,
                                             const struct timeline *t, uint64_t n) {
    uint64_t blocks = (uint64_t)d->folds + 1, at[3] = {0, 0, n}, before = 0;
    for (uint64_t k = 1; k < blocks; k++) {
        uint64_t share =
            (uint64_t)((long double)n * (long double)k / (long double)blocks);
        uint64_t b = share > before ? border(t, before, share, n) : 0;
        if (!b)
            return lacks_rows(DATA_VAL);
        if (k == d->fold + 1)
            at[1] = b;
        if (k == d->fold + 2)
            at[2] = b;
        before = b;
    }
    uint64_t end = leave_out(t, at[1]);
    put(d, t->rows, end, DATA_TRAIN);
    put(d, t->rows + at[1], at[2] - at[1], DATA_VAL);
    return end ? (struct division_lack){.any = false} : lacks_rows(DATA_TRAIN);
}

static struct division_lack blocks(struct division *d, const struct timeline *t,
                                   uint64_t n) {
    uint64_t each = n / d->folds, more = n % d->folds, k = d->fold;
    uint64_t start = k * each + (k < more ? k : more), end = start + each + (k < more);
    uint64_t before = leave_out(t, start), after = t->gap < n - end ? end + t->gap : n;
    put(d, t->rows, before, DATA_TRAIN);
    put(d, t->rows + start, end - start, DATA_VAL);
    put(d, t->rows + after, n - after, DATA_TRAIN);
    return before || after < n ? (struct division_lack){.any = false}
                               : lacks_rows(DATA_TRAIN);
}

struct division_lack divide_time(struct division *d, const struct timeline *t) {
    uint64_t end = d->rows;
    memset(d->part, DIVISION_LEFT_OUT, d->rows);
    for (int s = DATA_TEST; s >= DATA_VAL; s--) {
        if (!d->want[s])
            continue;
        uint64_t start = end > d->want[s] ? border(t, 0, end - d->want[s], end) : 0;
        if (!start)
            return lacks_rows(end ? DATA_TRAIN : (enum data_split_kind)s);
        put(d, t->rows + start, end - start, (uint8_t)s);
        end = leave_out(t, start);
    }
    if (d->folds)
        return t->forward ? expanding_window(d, t, end) : blocks(d, t, end);
    put(d, t->rows, end, DATA_TRAIN);
    return end ? (struct division_lack){.any = false} : lacks_rows(DATA_TRAIN);
}

/* ---------------------------------------------------------------------- hash */

void divide_hash(struct division *d, const uint64_t *hashes,
                 const double share[DATA_SPLITS]) {
    for (uint64_t i = 0; i < d->rows; i++) {
        double u = ldexp((double)(hashes[i] >> 11), -53); /* [0, 1), exact */
        double rest = (u - share[DATA_TEST]) / (1.0 - share[DATA_TEST]);
        uint32_t fold =
            rest > 0 ? (uint32_t)(rest * d->folds) : 0; /* rounded up: last */
        uint8_t part = DATA_TRAIN;
        if (u < share[DATA_TEST])
            part = DATA_TEST;
        else if (d->folds)
            part =
                (fold < d->folds ? fold : fold - 1) == d->fold ? DATA_VAL : DATA_TRAIN;
        else if (u < share[DATA_TEST] + share[DATA_VAL])
            part = DATA_VAL;
        d->part[i] = part;
    }
}
