/* SPDX-License-Identifier: Apache-2.0 */
/* Controlled rounding of a table of classes by parts (Cox 1987): shares are a feasible
 * flow, so a whole one exists that rounds each share down or up and keeps every sum. It
 * is reached from the sums of rounded running totals by moving rows of single classes
 * between parts. */
#include <assert.h>
#include <math.h>
#include <stdbool.h>

#include "base/memory.h"
#include "data/stratify.h"

enum { TRAIN, VAL, TEST };
_Static_assert(TEST + 1 == STRATIFY_PARTS, "the parts of a split");

#define SMALL_CLASS 3 /* rows: from here on a class has a training row first */

/* The share of a part of a class, rounded down; between: it is not whole. */
struct share {
    uint64_t low;
    bool between;
};

struct table {
    struct stratum *classes;
    uint64_t count;
    struct share (*share)[STRATIFY_PARTS]; /* [count] */
    int64_t excess[STRATIFY_PARTS];        /* rows that a part has above its own */
};

static struct share share_of(uint64_t rows, uint64_t want, uint64_t all) {
    uint64_t product;
    if (!__builtin_mul_overflow(rows, want, &product))
        return (struct share){product / all, product % all != 0};
    long double q = (long double)rows * (long double)want / (long double)all;
    return (struct share){(uint64_t)q, q != floorl(q)};
}

static bool can_give(const struct table *t, uint64_t c, int from) {
    return t->classes[c].take[from] > t->share[c][from].low;
}

static bool can_take(const struct table *t, uint64_t c, int to) {
    const struct share *s = &t->share[c][to];
    return t->classes[c].take[to] < s->low + s->between;
}

static bool can_move(const struct table *t, uint64_t c, int from, int to) {
    return can_give(t, c, from) && can_take(t, c, to);
}

static void move(struct table *t, uint64_t c, int from, int to) {
    t->classes[c].take[from]--;
    t->classes[c].take[to]++;
    t->excess[from]--;
    t->excess[to]++;
}

/* ---------------------------------------------------------------- the start */

/* Running totals, rounded: totals are exact, but shares may be off by more. */
static void round_totals(struct stratum *classes, uint64_t count,
                         const uint64_t want[STRATIFY_PARTS], uint64_t all) {
    uint64_t seen = 0, taken[STRATIFY_PARTS] = {0};
    for (uint64_t c = 0; c < count; c++) {
        uint64_t used = 0;
        seen += classes[c].rows;
        for (int s = TEST; s >= VAL; s--) {
            double total = floor((double)want[s] * (double)seen / (double)all + 0.5);
            uint64_t due = (uint64_t)total - taken[s];
            if (due > classes[c].rows - used)
                due = classes[c].rows - used;
            classes[c].take[s] = due;
            used += due;
            taken[s] += due;
        }
        classes[c].take[TRAIN] = classes[c].rows - used;
    }
}

/* A class's own numbers: each share rounded down or up, their sum its rows. Training
 * gains first and loses last. */
static void round_class(struct table *t, uint64_t c) {
    struct stratum *x = &t->classes[c];
    uint64_t sum = 0;
    for (int s = TRAIN; s <= TEST; s++) {
        const struct share *share = &t->share[c][s];
        if (x->take[s] < share->low)
            x->take[s] = share->low;
        if (x->take[s] > share->low + share->between)
            x->take[s] = share->low + share->between;
        sum += x->take[s];
    }
    for (int s = TRAIN; s <= TEST && sum < x->rows; s++)
        if (can_take(t, c, s))
            x->take[s]++, sum++;
    for (int s = TEST; s >= TRAIN && sum > x->rows; s--)
        if (can_give(t, c, s))
            x->take[s]--, sum--;
}

/* ---------------------------------------------------------------- the totals */

/* How willing a class is to a move; 0: as soon as any. Training rows are taken from
 * where there are others first, and given to where there are none. */
static int reluctance(const struct stratum *x, int from, int to) {
    if (from == TRAIN)
        return x->take[TRAIN] > 1 ? 0 : x->rows < SMALL_CLASS ? 1 : 2;
    if (to == TRAIN)
        return x->take[TRAIN] ? 2 : x->rows < SMALL_CLASS ? 1 : 0;
    return 0;
}

static void move_most(struct table *t, int from, int to, int64_t limit) {
    for (int r = 0; r <= 2 && limit > 0; r++)
        for (uint64_t c = 0; c < t->count && limit > 0; c++)
            if (can_move(t, c, from, to) && reluctance(&t->classes[c], from, to) <= r) {
                move(t, c, from, to);
                limit--;
            }
}

static int64_t movable(const struct table *t, int from, int to) {
    int64_t n = 0;
    for (uint64_t c = 0; c < t->count; c++)
        n += can_move(t, c, from, to);
    return n;
}

static int64_t min_i64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static bool cache_complete(const struct table *t) {
    return !t->excess[TRAIN] && !t->excess[VAL] && !t->excess[TEST];
}

/* From parts with too many rows to parts with too few, by one class or by two. */
static void settle(struct table *t) {
    for (int direct = 1; !cache_complete(t); direct = !direct)
        for (int from = TRAIN; from <= TEST; from++)
            for (int to = TRAIN; to <= TEST; to++) {
                int64_t n = min_i64(t->excess[from], -t->excess[to]);
                int by = TRAIN + VAL + TEST - from - to;
                if (n <= 0)
                    continue;
                if (direct) {
                    move_most(t, from, to, n);
                    continue;
                }
                n = min_i64(n, min_i64(movable(t, from, by), movable(t, by, to)));
                assert(n > 0); /* a flow exists */
                move_most(t, from, by, n);
                move_most(t, by, to, n);
            }
}

/* ------------------------------------------------------------ training rows */

/* The next class from *at that can move so, with what it may lose. */
static bool next_donor(const struct table *t, uint64_t *at, int from, int to,
                       int reluctant, uint64_t *out) {
    for (; *at < t->count; ++*at)
        if (can_move(t, *at, from, to) &&
            reluctance(&t->classes[*at], from, to) <= reluctant) {
            *out = *at;
            return true;
        }
    return false;
}

/* A training row for class c, by an exchange with one other class or with two. donors:
 * where to look on; what is not a donor once does not become one. */
static void train_class(struct table *t, uint64_t c, int reluctant,
                        uint64_t donors[STRATIFY_PARTS][STRATIFY_PARTS]) {
    for (int s = VAL; s <= TEST; s++) {
        uint64_t d, e, *at = &donors[TRAIN][s];
        if (!can_move(t, c, s, TRAIN))
            continue;
        if (next_donor(t, at, TRAIN, s, reluctant, &d)) {
            move(t, d, TRAIN, s);
            move(t, c, s, TRAIN);
            return;
        }
        int other = VAL + TEST - s;
        if (next_donor(t, &donors[TRAIN][other], TRAIN, other, reluctant, &d) &&
            next_donor(t, &donors[other][s], other, s, 2, &e) && e != c && e != d) {
            move(t, d, TRAIN, other);
            move(t, e, other, s);
            move(t, c, s, TRAIN);
            return;
        }
    }
}

static void train_classes(struct table *t, uint64_t rows, int reluctant) {
    uint64_t donors[STRATIFY_PARTS][STRATIFY_PARTS] = {{0}};
    for (uint64_t c = 0; c < t->count; c++)
        if (t->classes[c].rows >= rows && !t->classes[c].take[TRAIN])
            train_class(t, c, reluctant, donors);
}

void stratify(struct stratum *classes, uint64_t count,
              const uint64_t want[STRATIFY_PARTS]) {
    struct table t = {.classes = classes, .count = count};
    uint64_t all = want[TRAIN] + want[VAL] + want[TEST];
    if (!all)
        return;
    t.share = memory_get(memory_mul(count + 1, sizeof *t.share));
    round_totals(classes, count, want, all);
    for (int s = TRAIN; s <= TEST; s++)
        t.excess[s] = -(int64_t)want[s];
    for (uint64_t c = 0; c < count; c++) {
        for (int s = TRAIN; s <= TEST; s++)
            t.share[c][s] = share_of(classes[c].rows, want[s], all);
        round_class(&t, c);
        for (int s = TRAIN; s <= TEST; s++)
            t.excess[s] += (int64_t)classes[c].take[s];
    }
    settle(&t);
    train_classes(&t, SMALL_CLASS, 1);
    train_classes(&t, 1, 0);
    memory_release(t.share);
}
