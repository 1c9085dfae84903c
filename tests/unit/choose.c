/* SPDX-License-Identifier: Apache-2.0 */
/* The cheapest forms beside all forms tried one after the other, over random questions
 * of many shapes; large ones beside what improving finds. */
#include <stdlib.h>

#include "check.h"
#include "plan/choose.h"

#define THINGS 400
#define PRICES 4000

static uint64_t state;

static uint32_t below(uint32_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % n;
}

static struct {
    struct choose c;
    uint8_t forms[THINGS];
    struct choose_price price[PRICES];
    uint32_t of[PRICES][4];
    uint64_t table[PRICES][81];
} q;

enum shape { TREE, CHAIN, GRID, ANY, DENSE, SHAPES };

/* Small sums: many forms are as cheap as each other. */
static uint64_t some_price(void) {
    return below(12) == 0 ? CHOOSE_NEVER : below(4) ? below(9) : 1000 + below(5000);
}

static void add(uint32_t count, const uint32_t *of) {
    uint32_t p = q.c.price_count++, size = 1;
    for (uint32_t i = 0; i < count; i++) {
        q.of[p][i] = of[i];
        size *= q.forms[of[i]];
    }
    for (uint32_t i = 0; i < size; i++)
        q.table[p][i] = some_price();
    q.price[p] = (struct choose_price){count, q.of[p], q.table[p]};
}

/* `own` things and followers of two forms, each beside some of them. */
static void make(enum shape shape, uint32_t own, uint32_t followers, uint32_t extra) {
    q.c = (struct choose){
        .count = own + followers, .own = own, .forms = q.forms, .prices = q.price};
    for (uint32_t i = 0; i < q.c.count; i++)
        q.forms[i] = (uint8_t)(i < own ? 1 + below(3) : 2);
    for (uint32_t i = 0; i < own; i++) {
        uint32_t k = i ? below(i) : 0;
        if (below(2))
            add(1, &i);
        if (i && shape == TREE)
            add(2, (uint32_t[]){i, k});
        else if (i && (shape == CHAIN || shape == GRID))
            add(2, (uint32_t[]){i - 1, i});
        if (shape == GRID && i >= 8)
            add(2, (uint32_t[]){i - 8, i});
        for (uint32_t m = 0; shape == DENSE && m < i; m++)
            add(2, (uint32_t[]){i, m});
    }
    for (uint32_t i = 0; i < extra && shape == ANY; i++) {
        uint32_t x = below(own), y = below(own), z = below(own);
        if (x != y && y != z && z != x)
            add(3, (uint32_t[]){x, y, z});
        else if (x != y)
            add(2, (uint32_t[]){x, y});
    }
    add(0, NULL);
    for (uint32_t i = own; i < q.c.count; i++) {
        uint32_t first = below(own);
        for (uint32_t k = 0; k < 3; k++) {
            uint32_t x = first, y = (first + k) % own;
            if (x != y)
                add(3, (uint32_t[]){x, y, i});
            else
                add(2, (uint32_t[]){i, x});
        }
    }
}

static uint64_t sum_of(const uint8_t *form) {
    uint64_t sum = 0;
    for (uint32_t p = 0; p < q.c.price_count; p++) {
        uint32_t at = 0;
        for (uint32_t i = 0; i < q.price[p].count; i++)
            at = at * q.forms[q.of[p][i]] + form[q.of[p][i]];
        sum += q.table[p][at];
    }
    return sum;
}

static uint64_t least(void) {
    uint8_t form[THINGS] = {0};
    uint64_t best = UINT64_MAX;
    for (;;) {
        uint64_t sum = sum_of(form);
        best = sum < best ? sum : best;
        uint32_t i = 0;
        while (i < q.c.count && ++form[i] == q.forms[i])
            form[i++] = 0;
        if (i == q.c.count)
            return best;
    }
}

static bool in_range(const uint8_t *form) {
    for (uint32_t i = 0; i < q.c.count; i++)
        if (form[i] >= q.forms[i])
            return false;
    return true;
}

/* One small question in all ways that it can be answered. */
static void check_small(enum shape shape, int *fixed, int *improved_only) {
    static const struct {
        uint64_t entries, work;
    } limits[] = {{0, 0}, {27, 0}, {3, 0}, {1, 0}, {1, 1}};
    make(shape, 1 + below(8), below(4), below(14));
    uint64_t best = least();
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct arena *a = arena_create();
        q.c.entries = limits[i].entries;
        q.c.work = limits[i].work;
        struct choose_answer one = choose(&q.c, a), two = choose(&q.c, a);
        CHECK(in_range(one.form) && sum_of(one.form) == one.price);
        CHECK(one.price <= one.improved && one.price >= best && one.improved >= best);
        CHECK(!one.exact || one.price == best);
        CHECK(one.exact || (one.price == one.improved && limits[i].work == 1));
        CHECK(two.price == one.price && two.exact == one.exact &&
              memcmp(one.form, two.form, q.c.count) == 0);
        *fixed += one.exact && limits[i].entries == 1 && q.c.count > 1;
        *improved_only += !one.exact;
        arena_destroy(a);
    }
}

/* Too many to try all: never worse than improving, and now and then better. */
static int better_than_improving(enum shape shape, uint32_t own, uint32_t followers) {
    struct arena *a = arena_create();
    make(shape, own, followers, own / 2);
    struct choose_answer answer = choose(&q.c, a);
    CHECK(answer.exact && in_range(answer.form));
    CHECK(sum_of(answer.form) == answer.price && answer.price <= answer.improved);
    bool better = answer.price < answer.improved;
    arena_destroy(a);
    return better;
}

/* A thing that many read, as a value of the graph may be: no table of all readers. */
static void check_wide(void) {
    struct arena *a = arena_create();
    uint32_t readers = 200, follower = readers + 1;
    q.c = (struct choose){
        .count = readers + 2, .own = readers + 1, .forms = q.forms, .prices = q.price};
    for (uint32_t i = 0; i < q.c.count; i++)
        q.forms[i] = i == follower ? 2 : 3;
    for (uint32_t i = 1; i <= readers; i++) {
        add(2, (uint32_t[]){0, i});
        add(2, (uint32_t[]){i, follower});
    }
    struct choose_answer answer = choose(&q.c, a);
    CHECK(answer.exact && sum_of(answer.form) == answer.price);
    arena_destroy(a);
}

/* All with all: it says that it does not know. */
static void check_limit(void) {
    struct arena *a = arena_create();
    make(DENSE, 60, 0, 0);
    struct choose_answer answer = choose(&q.c, a);
    CHECK(!answer.exact && answer.price == answer.improved);
    CHECK(in_range(answer.form) && sum_of(answer.form) == answer.price);
    arena_destroy(a);
}

int main(void) {
    int fixed = 0, improved_only = 0, better = 0;
    state = 20261127;
    for (int i = 0; i < 2000; i++)
        check_small((enum shape)(i % SHAPES), &fixed, &improved_only);
    CHECK(fixed > 100 && improved_only > 100);
    for (int i = 0; i < 40; i++) {
        better += better_than_improving(TREE, 300, 0);
        better += better_than_improving(CHAIN, 300, 60);
        better += better_than_improving(GRID, 64, 0);
        better += better_than_improving(ANY, 30, 4);
    }
    CHECK(better > 40);
    check_wide();
    check_limit();
    return check_done();
}
