/* SPDX-License-Identifier: Apache-2.0 */
/* Stratified numbers: sums, rounding and training rows of random tables, against every
 * table that keeps them where there are few classes. */
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "data/stratify.h"

#define SMALL 5

static uint32_t state = 1;
static uint32_t below(uint32_t n) {
    state = state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)state * n) >> 32);
}

/* Classes without a training row: of three rows and more, and all. */
struct untrained {
    uint64_t large, all;
};

static struct untrained count_untrained(const struct stratum *c, uint64_t n) {
    struct untrained u = {0, 0};
    for (uint64_t i = 0; i < n; i++) {
        u.large += !c[i].take[0] && c[i].rows >= 3;
        u.all += !c[i].take[0];
    }
    return u;
}

/* Sums are exact, and each number is its share rounded down or up. */
static int is_valid(const struct stratum *c, uint64_t n, const uint64_t want[3]) {
    uint64_t all = want[0] + want[1] + want[2], sum[3] = {0};
    for (uint64_t i = 0; i < n; i++) {
        uint64_t own = 0;
        for (int s = 0; s < 3; s++) {
            uint64_t product = c[i].rows * want[s], low = product / all;
            if (c[i].take[s] < low || c[i].take[s] > low + (product % all != 0))
                return 0;
            own += c[i].take[s];
            sum[s] += c[i].take[s];
        }
        if (own != c[i].rows)
            return 0;
    }
    return sum[0] == want[0] && sum[1] == want[1] && sum[2] == want[2];
}

/* The fewest classes without a training row that any sound table has. */
static void search(struct stratum *c, uint64_t n, uint64_t at, const uint64_t want[3],
                   struct untrained *best) {
    uint64_t all = want[0] + want[1] + want[2], low[3];
    if (at == n) {
        struct untrained u = count_untrained(c, n);
        if (is_valid(c, n, want) &&
            (u.large < best->large || (u.large == best->large && u.all < best->all)))
            *best = u;
        return;
    }
    for (int s = 0; s < 3; s++)
        low[s] = c[at].rows * want[s] / all;
    for (int up = 0; up < 8; up++) {
        uint64_t own = 0;
        for (int s = 0; s < 3; s++)
            own += c[at].take[s] = low[s] + (up >> s & 1);
        if (own == c[at].rows)
            search(c, n, at + 1, want, best);
    }
}

static void test_random(void) {
    int good = 1, best = 1;
    for (int round = 0; round < 4000; round++) {
        struct stratum c[SMALL] = {{0}}, other[SMALL];
        uint64_t n = 1 + below(SMALL), all = 0;
        for (uint64_t i = 0; i < n; i++)
            all += c[i].rows = 1 + below(round % 2 ? 4 : 40);
        uint64_t val = below((uint32_t)all), test = below((uint32_t)(all - val));
        uint64_t want[3] = {all - val - test, val, test};
        struct untrained least = {UINT64_MAX, UINT64_MAX};
        stratify(c, n, want);
        good &= is_valid(c, n, want);
        for (uint64_t i = 0; i < n; i++)
            other[i] = c[i];
        search(other, n, 0, want, &least);
        struct untrained u = count_untrained(c, n);
        best &= u.large == least.large && u.all == least.all;
    }
    CHECK(good);
    CHECK(best);
}

static void test_given(void) {
    struct stratum pairs[10], mixed[4] = {{1, {0}}, {1, {0}}, {3, {0}}, {5, {0}}};
    for (int i = 0; i < 10; i++)
        pairs[i] = (struct stratum){2, {0}};
    stratify(pairs, 10, (const uint64_t[3]){12, 4, 4});
    CHECK(is_valid(pairs, 10, (const uint64_t[3]){12, 4, 4}));
    CHECK(count_untrained(pairs, 10).all == 0);
    stratify(mixed, 4, (const uint64_t[3]){4, 3, 3});
    CHECK(is_valid(mixed, 4, (const uint64_t[3]){4, 3, 3}));
    CHECK(mixed[2].take[0] >= 1);
}

/* As many classes as rows: what grows with their square would not end. */
static void test_many(void) {
    uint64_t n = 1000000, want[3] = {n - n / 5 - n / 10, n / 5, n / 10};
    struct stratum *c = calloc(n, sizeof *c);
    CHECK(c != NULL);
    for (uint64_t i = 0; i < n; i++)
        c[i].rows = 1;
    stratify(c, n, want);
    CHECK(is_valid(c, n, want));
    free(c);
}

int main(void) {
    test_given();
    test_random();
    test_many();
    return check_done();
}
