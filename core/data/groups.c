/* SPDX-License-Identifier: Apache-2.0 */
/* Groups to parts: by sums of sizes where only sizes count; else greedily, then by moves
 * and exchanges, as the exact problem is NP-hard. */
#include <stdlib.h>
#include <string.h>

#include <runner/numerics.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/groups.h"
#include "data/internal.h"

#define ALL_SUMS    65536u /* rows: of a larger part, the first groups are taken as they come */
#define SWAPS       200u
#define TRIES       2000000u /* elements of a round: pairs times classes */
#define MISSING_ONE 1e9      /* the cost of a class that is missing in a part */

/* Groups in random order, by rows. */
struct listing {
    uint64_t *order; /* [count] groups */
    uint64_t *rows;  /* [count] of each group */
};

static struct listing list_groups(const struct division *d, const struct groups *g) {
    struct listing l = {memory_get(memory_mul(g->count + 1, sizeof *l.order)),
                        memory_get(memory_mul(g->count + 1, sizeof *l.rows))};
    for (uint64_t i = 0; i < g->count; i++)
        l.order[i] = i;
    data_shuffle(l.order, g->count, d->key, 2, 0);
    for (uint64_t i = 0; i < d->rows; i++)
        l.rows[g->group[i]]++;
    return l;
}

static void list_finish(struct listing *l) {
    memory_release(l->order);
    memory_release(l->rows);
}

/* ------------------------------------------------------------- sums of sizes */

/* The sums of rows that sets of the first groups of a list have: for each sum, one more
 * than the place of the group that reached it first. */
struct sums {
    uint64_t limit;
    uint32_t *reached; /* [limit + 1]; of 0: UINT32_MAX */
};

/* Groups of `at`, one after the other, until `want` is reached. */
static void reach(struct sums *s, const uint64_t *at, uint64_t n, const uint64_t *rows,
                  uint64_t want) {
    s->reached[0] = UINT32_MAX;
    uint64_t high = 0;
    for (uint64_t i = 0; i < n && !(want && s->reached[want]); i++) {
        uint64_t k = rows[at[i]];
        high = high + k < s->limit ? high + k : s->limit;
        for (uint64_t sum = high; sum >= k; sum--)
            if (!s->reached[sum] && s->reached[sum - k])
                s->reached[sum] = (uint32_t)(i + 1);
    }
}

/* Groups of the list, moved to its start, whose rows are nearest to `want`; how many.
 * At least one, and `leave` groups are left. */
static uint64_t choose(uint64_t *list, uint64_t n, const uint64_t *rows, uint64_t want,
                       uint64_t leave) {
    uint64_t taken = 0, sum = 0, largest = 0;
    for (uint64_t i = 0; i < n; i++)
        largest = rows[list[i]] > largest ? rows[list[i]] : largest;
    uint64_t margin = ALL_SUMS > 4 * largest ? ALL_SUMS : 4 * largest;
    while (want > margin && taken + leave < n && sum + rows[list[taken]] < want - margin)
        sum += rows[list[taken++]];
    uint64_t left = want - sum, *rest = list + taken, m = n - taken;
    struct sums s = {.limit = 2 * left + largest};
    s.reached = memory_get(memory_mul(s.limit + 1, sizeof *s.reached));
    uint8_t *in = memory_get(m + 1);
    reach(&s, rest, m, rows, left);
    uint64_t used = 0;
    for (uint64_t off = 0; off <= s.limit && !used; off++)
        for (int side = 0; side < 2 && !used; side++) {
            uint64_t at = side ? left + off : left - off;
            if ((!side && off > left) || at > s.limit || !s.reached[at] ||
                (!at && !taken))
                continue;
            memset(in, 0, m);
            uint64_t k = 0;
            for (; at; k++) {
                uint64_t i = s.reached[at] - 1;
                in[i] = 1;
                at -= rows[rest[i]];
            }
            used = taken + k + leave <= n ? taken + k : 0;
        }
    /* What is in first, in order. */
    uint64_t *copy = memory_get(memory_mul(m + 1, sizeof *copy));
    uint64_t next = 0;
    for (int out = 0; out < 2; out++)
        for (uint64_t i = 0; i < m; i++)
            if (in[i] == !out)
                copy[next++] = rest[i];
    if (used)
        memcpy(rest, copy, m * sizeof *copy);
    memory_release(copy);
    memory_release(in);
    memory_release(s.reached);
    return used;
}

static struct division_lack divide_sums(struct division *d, struct listing *l,
                                        uint64_t count, uint8_t *part) {
    uint64_t *list = l->order;
    memset(part, DATA_TRAIN, count);
    for (int s = DATA_TEST; s >= DATA_VAL; s--) {
        uint64_t leave = 1 + (s == DATA_TEST && d->want[DATA_VAL]);
        if (!d->want[s])
            continue;
        uint64_t n = count > leave ? choose(list, count, l->rows, d->want[s], leave) : 0;
        if (!n)
            return (struct division_lack){.any = true,
                                          .part = (enum data_split_kind)s};
        for (uint64_t i = 0; i < n; i++)
            part[list[i]] = (uint8_t)s;
        list += n;
        count -= n;
    }
    return (struct division_lack){.any = false};
}

/* ------------------------------------------------------------ greedy, then swaps */

/* Groups to `parts` parts. Column 0 of a group counts its rows, the others its rows of
 * each class. */
struct assignment {
    uint64_t groups, columns;
    uint32_t parts;
    const uint32_t *rows; /* [groups][columns] */
    double *target;       /* [parts][columns] */
    double *have;         /* [parts][columns] */
    uint32_t *at;         /* [groups] the part; UINT32_MAX: none yet */
};

static double cost(double target, double have) {
    double off = have - target;
    return off * off / (target > 0.5 ? target : 0.5) +
           (have < 0.5 && target >= 1.0 ? MISSING_ONE : 0.0);
}

/* What part p's cost changes by when `out` (or none) leaves it and `in` comes. */
static double change(const struct assignment *t, uint32_t p, const uint32_t *out,
                     const uint32_t *in) {
    const double *target = t->target + p * t->columns, *have = t->have + p * t->columns;
    double sum = 0;
    for (uint64_t c = 0; c < t->columns; c++) {
        double by = (in ? (double)in[c] : 0.0) - (out ? (double)out[c] : 0.0);
        if (by != 0.0)
            sum += cost(target[c], have[c] + by) - cost(target[c], have[c]);
    }
    return sum;
}

static const uint32_t *row_of(const struct assignment *t, uint64_t g) {
    return t->rows + g * t->columns;
}

static void put(struct assignment *t, uint64_t g, uint32_t part) {
    const uint32_t *r = row_of(t, g);
    for (uint64_t c = 0; c < t->columns; c++) {
        if (t->at[g] != UINT32_MAX)
            t->have[t->at[g] * t->columns + c] -= r[c];
        t->have[part * t->columns + c] += r[c];
    }
    t->at[g] = part;
}

static bool has_target(const struct assignment *t, uint32_t part) {
    return t->target[part * t->columns] > 0;
}

/* The groups are sorted from the largest. */
static void assign_greedily(struct assignment *t) {
    for (uint64_t g = 0; g < t->groups; g++) {
        uint32_t best = UINT32_MAX;
        double least = 0;
        for (uint32_t p = 0; p < t->parts; p++) {
            double by = has_target(t, p) ? change(t, p, NULL, row_of(t, g)) : 0;
            if (has_target(t, p) && (best == UINT32_MAX || by < least))
                best = p, least = by;
        }
        put(t, g, best);
    }
}

/* The best exchange of group g: with h, or h == g: a move to part `to`. */
struct exchange {
    double gain;
    uint64_t g, h;
    uint32_t to;
};

static void try_exchange(const struct assignment *t, uint64_t g, uint64_t h, uint32_t to,
                         struct exchange *best) {
    const uint32_t *a = row_of(t, g), *b = g == h ? NULL : row_of(t, h);
    if (t->at[g] == to || !has_target(t, to))
        return;
    double gain = -change(t, t->at[g], a, b) - change(t, to, b, a);
    if (gain > best->gain)
        *best = (struct exchange){gain, g, h, to};
}

static uint64_t draw(const uint32_t key[2], uint64_t round, uint64_t i, uint64_t n) {
    uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), (uint32_t)round, 3}, out[4];
    rn_philox(counter, key, out);
    return (((uint64_t)out[1] << 32) | out[0]) % n;
}

static void improve(struct assignment *t, const uint32_t key[2]) {
    uint64_t n = t->groups, tries = TRIES / t->columns + 1;
    bool all = n * n / 2 + n * t->parts <= tries;
    tries = tries < 4 * n + 1000 ? tries : 4 * n + 1000;
    for (uint64_t round = 0; round < SWAPS; round++) {
        struct exchange best = {.gain = 1e-9};
        for (uint64_t g = 0; g < n && all; g++) {
            for (uint32_t p = 0; p < t->parts; p++)
                try_exchange(t, g, g, p, &best);
            for (uint64_t h = g + 1; h < n; h++)
                try_exchange(t, g, h, t->at[h], &best);
        }
        for (uint64_t i = 0; i < tries && !all; i++) {
            uint64_t g = draw(key, round, 2 * i, n);
            uint64_t h = draw(key, round, 2 * i + 1, n + t->parts);
            try_exchange(t, g, h < n ? h : g, h < n ? t->at[h] : (uint32_t)(h - n),
                         &best);
        }
        if (best.gain <= 1e-9)
            return;
        uint32_t from = t->at[best.g];
        put(t, best.g, best.to);
        if (best.h != best.g)
            put(t, best.h, from);
    }
}

/* Groups from the largest; of one size in the order of the list. */
static void sort_by_rows(struct listing *l, uint64_t count) {
    uint64_t largest = 0, *first, *sorted = memory_get(memory_mul(count + 1, 8));
    for (uint64_t i = 0; i < count; i++)
        largest = l->rows[l->order[i]] > largest ? l->rows[l->order[i]] : largest;
    first = memory_get(memory_mul(largest + 2, sizeof *first));
    for (uint64_t i = 0; i < count; i++)
        first[largest - l->rows[l->order[i]] + 1]++;
    for (uint64_t k = 1; k <= largest; k++)
        first[k] += first[k - 1];
    for (uint64_t i = 0; i < count; i++)
        sorted[first[largest - l->rows[l->order[i]]]++] = l->order[i];
    memcpy(l->order, sorted, count * sizeof *sorted);
    memory_release(first);
    memory_release(sorted);
}

/* want: [parts] rows; their sum is that of the first `groups` groups of the list. */
static int assign(const struct division *d, const struct groups *g, struct listing *l,
                  uint64_t groups, const double *want, uint32_t parts, uint32_t *at,
                  struct division_lack *lack, struct rn_error *e) {
    struct assignment t = {.groups = groups, .parts = parts, .at = at};
    t.columns = 1 + (g->classes ? g->class_count : 0);
    uint32_t *rows = memory_try(memory_mul(memory_mul(groups + 1, t.columns), 4));
    uint32_t *place = memory_get(memory_mul(g->count + 1, sizeof *place));
    if (!rows) {
        memory_release(place);
        return error_set(e, RN_E_MEMORY, "no memory for %llu groups of %llu classes",
                         (unsigned long long)groups,
                         (unsigned long long)g->class_count);
    }
    t.rows = rows;
    t.target = memory_get(memory_mul(memory_mul(parts, t.columns), sizeof *t.target));
    t.have = memory_get(memory_mul(memory_mul(parts, t.columns), sizeof *t.have));
    /* Groups are numbered by their place in the list here. */
    for (uint64_t i = 0; i < groups; i++)
        place[l->order[i]] = (uint32_t)i + 1;
    double all = 0, *sum = memory_get(memory_mul(t.columns, sizeof *sum));
    for (uint64_t i = 0; i < d->rows; i++) {
        uint64_t k = place[g->group[i]];
        if (!k)
            continue;
        uint32_t *row = rows + (k - 1) * t.columns;
        row[0]++, sum[0]++, all++;
        if (g->classes)
            row[1 + g->classes[i]]++, sum[1 + g->classes[i]]++;
    }
    for (uint32_t p = 0; p < parts; p++)
        for (uint64_t c = 0; c < t.columns; c++)
            t.target[p * t.columns + c] = want[p] * sum[c] / all;
    for (uint64_t i = 0; i < groups; i++)
        at[i] = UINT32_MAX;
    assign_greedily(&t);
    improve(&t, d->key);
    for (uint32_t p = 0; p < parts && !lack->any; p++)
        for (uint64_t c = 0; c < t.columns && !lack->any; c++)
            if (t.have[p * t.columns + c] < 0.5 &&
                (c ? t.target[p * t.columns + c] >= 1.0 : want[p] > 0))
                *lack = (struct division_lack){true, (enum data_split_kind)p, c > 0,
                                               c ? c - 1 : 0};
    memory_release(sum);
    memory_release(rows);
    memory_release(place);
    memory_release(t.target);
    memory_release(t.have);
    return RN_OK;
}

/* The groups of the list to folds of equal size, or to the parts that d wants. */
static int assign_parts(struct division *d, const struct groups *g, struct listing *l,
                        uint64_t groups, bool folds, uint8_t *part,
                        struct division_lack *lack, struct rn_error *e) {
    uint32_t parts = folds ? d->folds : DATA_SPLITS;
    double *want = memory_get(memory_mul(parts, sizeof *want)), rows = 0;
    uint32_t *at = memory_get(memory_mul(groups + 1, sizeof *at));
    for (uint64_t i = 0; i < groups; i++)
        rows += (double)l->rows[l->order[i]];
    for (uint32_t p = 0; p < parts; p++)
        want[p] = folds ? rows / parts : (double)d->want[p];
    if (!folds)
        want[DATA_TRAIN] = rows - want[DATA_VAL] - want[DATA_TEST];
    int status = assign(d, g, l, groups, want, parts, at, lack, e);
    for (uint64_t i = 0; i < groups && status == RN_OK; i++)
        part[l->order[i]] = !folds              ? (uint8_t)at[i]
                            : at[i] == d->fold ? DATA_VAL
                                               : DATA_TRAIN;
    if (folds && lack->any)
        lack->part = DATA_VAL;
    memory_release(want);
    memory_release(at);
    return status;
}

int divide_groups(struct division *d, const struct groups *g, struct division_lack *out,
                  struct rn_error *e) {
    struct listing l = list_groups(d, g);
    uint8_t *part = memory_get(g->count + 1);
    int status = RN_OK;
    *out = (struct division_lack){.any = false};
    if (!g->classes) {
        *out = divide_sums(d, &l, g->count, part);
    } else {
        sort_by_rows(&l, g->count);
        status = assign_parts(d, g, &l, g->count, false, part, out, e);
    }
    if (status == RN_OK && !out->any && d->folds) {
        uint64_t n = 0;
        for (uint64_t i = 0; i < g->count; i++)
            if (part[l.order[i]] == DATA_TRAIN)
                l.order[n++] = l.order[i];
        if (!g->classes)
            sort_by_rows(&l, n);
        status = assign_parts(d, g, &l, n, true, part, out, e);
    }
    for (uint64_t i = 0; i < d->rows; i++)
        d->part[i] = part[g->group[i]];
    memory_release(part);
    list_finish(&l);
    return status;
}
