/* SPDX-License-Identifier: Apache-2.0 */
/* Groups to parts: by sums of sizes where only sizes count; else greedily, then by
 * moves and exchanges, as the exact problem is NP-hard. */
#include <stdlib.h>
#include <string.h>

#include <runner/numerics.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/groups.h"
#include "data/internal.h"

/* Sums are tried where they are at most this, and groups times sums at most that. */
#define SUMS_LIMIT  (UINT64_C(1) << 22)
#define SUMS_WORK   (UINT64_C(1) << 27)
#define TABLE_LIMIT (UINT64_C(1) << 26) /* parts times classes */
#define SWAPS       200u
#define TRIES       500000u /* of a round: pairs of groups times their classes */
#define ROUNDING    1e-9    /* of targets: a share of a share */
#define STARTS      16u
#define STARTS_WORK 1500000u /* of a round of all starts */
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

/* Groups of `list`, one after the other, until `want` is reached. */
static void reach(struct sums *s, const uint64_t *list, uint64_t n,
                  const uint64_t *rows, uint64_t want) {
    uint64_t high = 0;
    s->reached[0] = UINT32_MAX;
    for (uint64_t i = 0; i < n && !s->reached[want]; i++) {
        uint64_t k = rows[list[i]];
        high = high + k < s->limit ? high + k : s->limit;
        for (uint64_t sum = high; sum >= k; sum--)
            if (!s->reached[sum] && s->reached[sum - k])
                s->reached[sum] = (uint32_t)(i + 1);
    }
}

/* Marks the groups that make a sum; how many. */
static uint64_t trace_sum(const struct sums *s, uint64_t sum, const uint64_t *list,
                          const uint64_t *rows, uint8_t *in) {
    uint64_t count = 0;
    for (; sum; count++) {
        uint64_t i = s->reached[sum] - 1;
        in[i] = 1;
        sum -= rows[list[i]];
    }
    return count;
}

/* in: the groups whose rows are nearest to `want`; of two sums, the smaller. How many:
 * 1 to `limit`, or 0: there are none. */
static uint64_t choose_nearest(struct sums *s, const uint64_t *list, uint64_t n,
                               const uint64_t *rows, uint64_t want, uint64_t limit,
                               uint8_t *in) {
    reach(s, list, n, rows, want);
    for (uint64_t off = 0; off <= s->limit; off++)
        for (int above = 0; above < 2; above++) {
            uint64_t sum = above ? want + off : want - off;
            if ((!above && off >= want) || sum > s->limit || !s->reached[sum])
                continue;
            memset(in, 0, n);
            uint64_t count = trace_sum(s, sum, list, rows, in);
            if (count <= limit)
                return count;
        }
    return 0;
}

/* in: groups in order, each that still fits; if none does, the smallest. How many. */
static uint64_t choose_first(const uint64_t *list, uint64_t n, const uint64_t *rows,
                             uint64_t want, uint64_t limit, uint8_t *in) {
    uint64_t count = 0, sum = 0, smallest = 0;
    for (uint64_t i = 0; i < n && count < limit; i++) {
        smallest = rows[list[i]] < rows[list[smallest]] ? i : smallest;
        if (sum + rows[list[i]] > want)
            continue;
        sum += rows[list[i]];
        in[i] = 1;
        count++;
    }
    if (!count && limit)
        in[smallest] = 1, count = 1;
    return count;
}

/* Groups of the list, moved to its start, whose rows are near `want`; how many. At
 * least one, and `leave` groups are left; else 0. */
static uint64_t choose(uint64_t *list, uint64_t n, const uint64_t *rows, uint64_t want,
                       uint64_t leave) {
    if (n <= leave)
        return 0;
    uint64_t largest = 0, next = 0, used;
    for (uint64_t i = 0; i < n; i++)
        largest = rows[list[i]] > largest ? rows[list[i]] : largest;
    struct sums s = {.limit = want + largest};
    uint64_t *copy = memory_get(memory_mul(n, sizeof *copy));
    uint8_t *in = memory_get(n);
    if (s.limit <= SUMS_LIMIT && n <= SUMS_WORK / s.limit) {
        s.reached = memory_get(memory_mul(s.limit + 1, sizeof *s.reached));
        used = choose_nearest(&s, list, n, rows, want, n - leave, in);
        memory_release(s.reached);
    } else {
        used = choose_first(list, n, rows, want, n - leave, in);
    }
    for (int out = 0; out < 2; out++)
        for (uint64_t i = 0; i < n; i++)
            if (in[i] == !out)
                copy[next++] = list[i];
    memcpy(list, copy, n * sizeof *copy);
    memory_release(copy);
    memory_release(in);
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
        uint64_t n = choose(list, count, l->rows, d->want[s], leave);
        if (!n)
            return (struct division_lack){.any = true, .part = (enum data_split_kind)s};
        for (uint64_t i = 0; i < n; i++)
            part[list[i]] = (uint8_t)s;
        list += n;
        count -= n;
    }
    return (struct division_lack){.any = false};
}

/* ------------------------------------------------------------ greedy, then swaps */

/* Rows of a group in a column. */
struct tally {
    uint32_t column, rows;
};

/* Groups to `parts` parts. Column 0 counts all rows, column 1 + c those of class c. */
struct assignment {
    uint64_t groups, columns;
    uint32_t parts;
    uint64_t *begin;       /* [groups + 1]: of a group's tallies */
    struct tally *tallies; /* of each group in rising order of columns, from column 0 */
    double *share;         /* [parts] of the rows */
    double *all;           /* [columns] rows */
    uint32_t *have;        /* [parts][columns] */
    uint32_t *at;          /* [groups] the part; UINT32_MAX: none yet */
};

static double target_of(const struct assignment *t, uint32_t part, uint64_t column) {
    return t->share[part] * t->all[column];
}

static double cost(double target, double have) {
    double off = have - target;
    return off * off / (target > 0.5 ? target : 0.5) +
           (have < 0.5 && target >= 1.0 - ROUNDING ? MISSING_ONE : 0.0);
}

/* What part p's cost changes by when group `out` leaves it and group `in` comes;
 * UINT64_MAX: none. */
static double change(const struct assignment *t, uint32_t p, uint64_t out,
                     uint64_t in) {
    const struct tally *a = t->tallies, *a_end = a, *b = a, *b_end = a;
    double sum = 0;
    if (out != UINT64_MAX)
        a = t->tallies + t->begin[out], a_end = t->tallies + t->begin[out + 1];
    if (in != UINT64_MAX)
        b = t->tallies + t->begin[in], b_end = t->tallies + t->begin[in + 1];
    while (a < a_end || b < b_end) {
        uint32_t c =
            b >= b_end || (a < a_end && a->column < b->column) ? a->column : b->column;
        double by = 0, have = t->have[p * t->columns + c], target = target_of(t, p, c);
        if (a < a_end && a->column == c)
            by -= a++->rows;
        if (b < b_end && b->column == c)
            by += b++->rows;
        if (by != 0)
            sum += cost(target, have + by) - cost(target, have);
    }
    return sum;
}

static void put(struct assignment *t, uint64_t g, uint32_t part) {
    for (uint64_t i = t->begin[g]; i < t->begin[g + 1]; i++) {
        const struct tally *y = &t->tallies[i];
        if (t->at[g] != UINT32_MAX)
            t->have[t->at[g] * t->columns + y->column] -= y->rows;
        t->have[part * t->columns + y->column] += y->rows;
    }
    t->at[g] = part;
}

static bool has_target(const struct assignment *t, uint32_t part) {
    return t->share[part] > 0;
}

/* In an order of all groups. */
static void assign_greedily(struct assignment *t, const uint64_t *order) {
    for (uint64_t i = 0; i < t->groups; i++) {
        uint32_t best = UINT32_MAX;
        double least = 0;
        for (uint32_t p = 0; p < t->parts; p++) {
            double by = has_target(t, p) ? change(t, p, UINT64_MAX, order[i]) : 0;
            if (has_target(t, p) && (best == UINT32_MAX || by < least))
                best = p, least = by;
        }
        put(t, order[i], best);
    }
}

/* The best exchange of group g: with h, or h == g: a move to part `to`. */
struct exchange {
    double gain;
    uint64_t g, h;
    uint32_t to;
};

static void try_exchange(const struct assignment *t, uint64_t g, uint64_t h,
                         uint32_t to, struct exchange *best) {
    uint64_t other = g == h ? UINT64_MAX : h;
    if (t->at[g] == to || !has_target(t, to))
        return;
    double gain = -change(t, t->at[g], g, other) - change(t, to, other, g);
    if (gain > best->gain)
        *best = (struct exchange){gain, g, h, to};
}

static uint64_t draw(const uint32_t key[2], uint64_t round, uint64_t i, uint64_t n) {
    uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), (uint32_t)round, 3},
             out[4];
    rn_philox(counter, key, out);
    return (((uint64_t)out[1] << 32) | out[0]) % n;
}

/* What a round of `improve` looks at: all pairs, where they are few enough. */
struct search {
    uint64_t tries;
    bool all;
    uint32_t starts; /* how often it is worth while to begin again */
};

static struct search plan_search(const struct assignment *t) {
    uint64_t n = t->groups, tallies = n ? t->begin[n] / n : 1;
    uint64_t pairs = n < 1u << 16 ? n * n / 2 + n * t->parts + 1 : UINT64_MAX / TRIES;
    uint64_t most = TRIES / tallies + 1, starts = STARTS_WORK / (pairs * tallies + 1);
    struct search s = {4 * n + 1000, pairs <= most, 1};
    s.tries = s.tries < most ? s.tries : most;
    if (s.all && starts > 1)
        s.starts = starts < STARTS ? (uint32_t)starts : STARTS;
    return s;
}

/* One exchange; false: none of those tried is a gain. */
static bool improve_once(struct assignment *t, const struct search *s,
                         const uint32_t key[2], uint64_t round) {
    struct exchange best = {.gain = 1e-9};
    uint64_t n = t->groups;
    for (uint64_t g = 0; g < n && s->all; g++) {
        for (uint32_t p = 0; p < t->parts; p++)
            try_exchange(t, g, g, p, &best);
        for (uint64_t h = g + 1; h < n; h++)
            try_exchange(t, g, h, t->at[h], &best);
    }
    for (uint64_t i = 0; i < s->tries && !s->all; i++) {
        uint64_t g = draw(key, round, 2 * i, n);
        uint64_t h = draw(key, round, 2 * i + 1, n + t->parts);
        try_exchange(t, g, h < n ? h : g, h < n ? t->at[h] : (uint32_t)(h - n), &best);
    }
    if (best.gain <= 1e-9)
        return false;
    uint32_t from = t->at[best.g];
    put(t, best.g, best.to);
    if (best.h != best.g)
        put(t, best.h, from);
    return true;
}

static double whole_cost(const struct assignment *t) {
    double sum = 0;
    for (uint32_t p = 0; p < t->parts; p++)
        for (uint64_t c = 0; c < t->columns && has_target(t, p); c++)
            sum += cost(target_of(t, p, c), t->have[p * t->columns + c]);
    return sum;
}

static void move_to(struct assignment *t, const uint32_t *at) {
    for (uint64_t g = 0; g < t->groups; g++)
        if (t->at[g] != at[g])
            put(t, g, at[g]);
}

/* The best of some starts: the first from the largest group, the others in random
 * orders. */
static void assign_best(struct assignment *t, const uint32_t key[2]) {
    struct search s = plan_search(t);
    uint64_t n = t->groups, *order = memory_get(memory_mul(n + 1, sizeof *order));
    uint32_t *best = memory_get(memory_mul(n + 1, sizeof *best));
    double least = 0;
    for (uint32_t k = 0; k < s.starts; k++) {
        for (uint64_t i = 0; i < n; i++) {
            order[i] = i;
            t->at[i] = UINT32_MAX;
        }
        memset(t->have, 0, t->parts * t->columns * sizeof *t->have);
        if (k)
            data_shuffle(order, n, key, 4, k);
        assign_greedily(t, order);
        for (uint64_t round = 0; round < SWAPS && n; round++)
            if (!improve_once(t, &s, key, round))
                break;
        double now = s.starts > 1 ? whole_cost(t) : 0;
        if (!k || now < least) {
            least = now;
            memcpy(best, t->at, n * sizeof *best);
        }
    }
    move_to(t, best);
    memory_release(order);
    memory_release(best);
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

static int by_class(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The tallies of the first groups of the list; groups are then numbered by their place
 * in it. */
static void tally_groups(struct assignment *t, const struct division *d,
                         const struct groups *g, const struct listing *l) {
    uint64_t *place = memory_get(memory_mul(g->count + 1, sizeof *place)), next = 0;
    uint64_t *end = memory_get(memory_mul(t->groups + 1, sizeof *end));
    uint32_t *classes = memory_get(memory_mul(d->rows + 1, sizeof *classes));
    for (uint64_t i = 0; i < t->groups; i++) {
        place[l->order[i]] = i + 1;
        end[i + 1] = end[i] + l->rows[l->order[i]];
    }
    for (uint64_t i = 0; i < d->rows; i++)
        if (place[g->group[i]])
            classes[end[place[g->group[i]] - 1]++] = g->classes ? g->classes[i] : 0;
    for (uint64_t i = 0; i < t->groups; i++) {
        uint64_t rows = l->rows[l->order[i]], first = end[i] - rows;
        qsort(classes + first, rows, sizeof *classes, by_class);
        t->begin[i] = next;
        t->tallies[next++] = (struct tally){0, (uint32_t)rows};
        for (uint64_t k = 0; k < rows && g->classes; k++) {
            uint32_t column = 1 + classes[first + k];
            if (t->tallies[next - 1].column != column)
                t->tallies[next++] = (struct tally){column, 0};
            t->tallies[next - 1].rows++;
        }
    }
    t->begin[t->groups] = next;
    for (uint64_t i = 0; i < next; i++)
        t->all[t->tallies[i].column] += t->tallies[i].rows;
    memory_release(place);
    memory_release(end);
    memory_release(classes);
}

static struct division_lack find_lack(const struct assignment *t) {
    for (uint32_t p = 0; p < t->parts; p++)
        for (uint64_t c = 0; c < t->columns; c++)
            if (!t->have[p * t->columns + c] && has_target(t, p) &&
                (!c || target_of(t, p, c) >= 1.0 - ROUNDING))
                return (struct division_lack){true, (enum data_split_kind)p, c > 0,
                                              c ? c - 1 : 0};
    return (struct division_lack){.any = false};
}

/* want: [parts] rows; their sum is that of the first `groups` groups of the list. */
static int assign(const struct division *d, const struct groups *g,
                  const struct listing *l, uint64_t groups, const double *want,
                  uint32_t parts, uint32_t *at, struct division_lack *lack,
                  struct rn_error *e) {
    struct assignment t = {.groups = groups, .parts = parts, .at = at};
    t.columns = 1 + (g->classes ? g->class_count : 0);
    if (t.columns > TABLE_LIMIT / parts)
        return error_set(e, RN_E_CONFIG,
                         "data.split: %u parts of %llu classes are too many for groups",
                         parts, (unsigned long long)g->class_count);
    t.begin = memory_get(memory_mul(groups + 1, sizeof *t.begin));
    t.tallies = memory_get(memory_mul(d->rows + groups + 1, sizeof *t.tallies));
    t.share = memory_get(memory_mul(parts, sizeof *t.share));
    t.all = memory_get(memory_mul(t.columns, sizeof *t.all));
    t.have = memory_get(memory_mul(memory_mul(parts, t.columns), sizeof *t.have));
    tally_groups(&t, d, g, l);
    for (uint32_t p = 0; p < parts; p++)
        t.share[p] = want[p] / t.all[0];
    assign_best(&t, d->key);
    *lack = find_lack(&t);
    memory_release(t.begin);
    memory_release(t.tallies);
    memory_release(t.share);
    memory_release(t.all);
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
        part[l->order[i]] = !folds             ? (uint8_t)at[i]
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
