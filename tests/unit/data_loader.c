/* SPDX-License-Identifier: Apache-2.0 */
/* core/data, loaders: batches are functions of (seed, epoch, index), whatever the
 * workers, the cache, the position started from; errors and closing in their midst. */
#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"
#include "unit/data_world.h"

#define ROWS  203
#define TRAIN 173
#define YAML                                                                           \
    "data:\n  source: {type: test/made, rows: 203}\n  split: {val: 30, seed: 2}\n"     \
    "  transforms: [{type: standardise, of: x}]\n"                                     \
    "augment: [{type: flip, of: x}, {type: crop, of: x, padding: 1}]\n"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ------------------------------------------------------------- what is in them */

static void test_epochs(void) {
    struct opened o;
    struct rn_error e = {0};
    open_fitted(&o, YAML, 1);
    struct loader *l = open_loader(
        o.data, (struct loader_options){
                    .split = DATA_TRAIN, .batch = 16, .shuffle = true, .seed = 1});
    CHECK(loader_batches(l) == 11); /* ten of 16 and one of 13 */
    CHECK(loader_rows(l, 0) == 16 && loader_rows(l, 10) == 13);
    static int64_t orders[3][TRAIN];
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        uint8_t seen[ROWS] = {0};
        int once = 1, aligned = 1, at = 0;
        for (uint64_t i = 0; i < 11; i++) {
            struct batch b;
            CHECK(loader_tell(l).epoch == epoch && loader_tell(l).index == i);
            CHECK(loader_next(l, &b, &e) == RN_OK);
            CHECK(b.rows == loader_rows(l, i) && b.last == (i == 10));
            CHECK(b.at.epoch == epoch && b.at.index == i && b.field_count == 3);
            for (uint64_t k = 0; k < b.rows; k++) {
                once &= !seen[b.ids[k]]++;
                orders[epoch][at++] = b.ids[k];
            }
            for (uint32_t f = 0; f < 3; f++)
                aligned &= (uintptr_t)b.fields[f] % 64 == 0;
        }
        CHECK(once && aligned && at == TRAIN);
        for (uint64_t i = 0; i < data_rows(o.data, DATA_TRAIN); i++)
            once &= seen[data_ids(o.data, DATA_TRAIN)[i]];
        CHECK(once);
    }
    CHECK(memcmp(orders[0], orders[1], sizeof orders[0]) != 0);
    CHECK(memcmp(orders[1], orders[2], sizeof orders[0]) != 0);
    CHECK(loader_waited(l) > 0.0);
    loader_close(l);

    /* another seed is another order; without shuffling rows rise */
    struct batch b;
    l = open_loader(
        o.data, (struct loader_options){
                    .split = DATA_TRAIN, .batch = TRAIN, .shuffle = true, .seed = 2});
    CHECK(loader_next(l, &b, &e) == RN_OK && b.last);
    CHECK(memcmp(b.ids, orders[0], sizeof orders[0]) != 0);
    loader_close(l);
    l = open_loader(o.data,
                    (struct loader_options){.split = DATA_TRAIN, .batch = 5000});
    CHECK(loader_batches(l) == 1);
    for (int i = 0; i < 2; i++)
        CHECK(loader_next(l, &b, &e) == RN_OK && b.rows == TRAIN &&
              memcmp(b.ids, data_ids(o.data, DATA_TRAIN), sizeof orders[0]) == 0);
    loader_close(l);
    /* a batch size changes where the cuts are, not the order */
    l = open_loader(o.data,
                    (struct loader_options){
                        .split = DATA_TRAIN, .batch = 100, .shuffle = true, .seed = 1});
    CHECK(loader_next(l, &b, &e) == RN_OK);
    CHECK(memcmp(b.ids, orders[0], 100 * sizeof(int64_t)) == 0);
    loader_close(l);

    CHECK(loader_open(o.data, &(struct loader_options){.split = DATA_TEST, .batch = 4},
                      &l, &e) == RN_E_DATA);
    CHECK(strstr(e.message, "'test' has no samples") != NULL);
    loader_close(l);
    close_opened(&o);
}

/* ------------------------------------------------------------- workers, ring */

#define MANY 40 /* batches: nearly four epochs of 11 */

static void test_workers(void) {
    static const uint32_t workers[] = {0, 1, 2, 3, 8, 64, 256};
    struct opened o;
    uint64_t want[MANY], got[MANY];
    open_fitted(&o, YAML, 1);
    struct loader_options lo = {
        .split = DATA_TRAIN, .batch = 16, .shuffle = true, .augment = true, .seed = 9};
    struct loader *l = open_loader(o.data, lo);
    read_prints(o.data, l, MANY, want);
    loader_close(l);
    for (int i = 1; i < MANY; i++)
        CHECK(want[i] != want[i - 1]);
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++)
        for (uint32_t keep = 0; keep < 4; keep += 3) {
            lo.workers = workers[w];
            lo.keep = keep;
            l = open_loader(o.data, lo);
            read_prints(o.data, l, MANY, got);
            CHECK(memcmp(got, want, sizeof want) == 0);
            loader_close(l);
        }

    /* from each position, forwards and back, in the midst of what was read ahead */
    for (uint32_t n = 0; n < 4; n += 3) {
        struct rn_error e = {0};
        lo.workers = n;
        l = open_loader(o.data, lo);
        int same = 1, reported = 1;
        for (int at = MANY - 4; at >= 0; at--) {
            struct loader_position p = {(uint64_t)at / 11, (uint64_t)at % 11};
            CHECK(loader_seek(l, p, &e) == RN_OK);
            reported &=
                loader_tell(l).epoch == p.epoch && loader_tell(l).index == p.index;
            read_prints(o.data, l, 3, got);
            same &= memcmp(got, want + at, 3 * sizeof *got) == 0;
            at -= at % 3;
        }
        /* the end of an epoch is the next one's start */
        CHECK(loader_seek(l, (struct loader_position){0, 11}, &e) == RN_OK);
        CHECK(loader_tell(l).epoch == 1 && loader_tell(l).index == 0);
        read_prints(o.data, l, 2, got);
        same &= memcmp(got, want + 11, 2 * sizeof *got) == 0;
        CHECK(same && reported);
        CHECK(loader_seek(l, (struct loader_position){0, 12}, &e) == RN_E_CHECKPOINT);
        loader_close(l);
    }
    close_opened(&o);
}

/* `keep` further calls leave a batch as it was. */
static void test_keep(void) {
    struct opened o;
    struct rn_error e = {0};
    open_fitted(&o, YAML, 1);
    for (uint32_t workers = 0; workers < 4; workers += 3) {
        struct loader *l =
            open_loader(o.data, (struct loader_options){.split = DATA_TRAIN,
                                                        .batch = 16,
                                                        .shuffle = true,
                                                        .augment = true,
                                                        .seed = 9,
                                                        .workers = workers,
                                                        .keep = 3});
        struct batch held[60];
        uint64_t prints[60];
        int same = 1;
        for (int i = 0; i < 60; i++) {
            CHECK(loader_next(l, &held[i], &e) == RN_OK);
            prints[i] = print_of(o.data, &held[i]);
            if (workers)
                nanosleep(&(struct timespec){0, 200000}, NULL);
            for (int k = i < 2 ? 0 : i - 2; k <= i; k++)
                same &= print_of(o.data, &held[k]) == prints[k];
        }
        CHECK(same);
        loader_close(l);
    }
    close_opened(&o);
}

/* ------------------------------------------------------------- cache, augment */

static int own; /* batches made on the thread that asks for them */

static void test_cache(void) {
    static const char *const forms[] = {
        "data:\n  source: {type: test/made, rows: 203}\n  cache: 0\n",
        "data:\n  source: {type: test/made, rows: 203}\n  cache: 64\n",
        "data:\n  source: {type: test/made, rows: 203, sequential: true}\n  cache: "
        "0\n"};
    uint64_t want[MANY], got[MANY];
    for (size_t f = 0; f < 3; f++)
        for (uint32_t workers = 0; workers < 4; workers += 3) {
            struct opened o;
            struct arena *a = arena_create();
            open_fitted(&o,
                        arena_format(a,
                                     "%s  split: {val: 30, seed: 2}\n"
                                     "  transforms: [{type: standardise, of: x}]\n"
                                     "augment: {type: flip, of: x}\n",
                                     forms[f]),
                        1);
            struct loader *l =
                open_loader(o.data, (struct loader_options){.split = DATA_TRAIN,
                                                            .batch = 16,
                                                            .shuffle = true,
                                                            .augment = true,
                                                            .seed = 9,
                                                            .workers = workers});
            read_prints(o.data, l, MANY, f || workers ? got : want);
            if (f || workers)
                CHECK(memcmp(got, want, sizeof want) == 0);
            loader_close(l);
            close_opened(&o);
            arena_destroy(a);
        }
}

static void count_own(void *context, uint32_t worker, int64_t began, int64_t ended) {
    (void)worker, (void)began, (void)ended;
    pthread_t *caller = context;
    if (pthread_equal(pthread_self(), *caller))
        own++;
}

/* Where the caller's threads take every processor, it makes what is nothing but copies;
 * the batches are those of workers, from any position. */
static void test_crowded(void) {
    struct opened o;
    struct rn_error e = {0};
    uint64_t want[MANY], got[MANY];
    pthread_t caller = pthread_self();
    for (uint32_t workers = 1; workers < 4; workers += 2) {
        open_fitted(&o, YAML, 1);
        struct loader_options lo = {.split = DATA_TRAIN,
                                    .batch = 16,
                                    .shuffle = true,
                                    .seed = 9,
                                    .workers = workers,
                                    .watch = {&caller, count_own}};
        struct loader *l = open_loader(o.data, lo);
        own = 0;
        read_prints(o.data, l, MANY, want);
        CHECK(own == 0);
        loader_close(l);
        lo.oversubscribed = true; /* all is kept by now */
        l = open_loader(o.data, lo);
        read_prints(o.data, l, MANY, got);
        CHECK(own == MANY && memcmp(got, want, sizeof want) == 0);
        for (int at = MANY - 4; at >= 0; at -= 7) {
            struct loader_position p = {(uint64_t)at / 11, (uint64_t)at % 11};
            CHECK(loader_seek(l, p, &e) == RN_OK);
            read_prints(o.data, l, 3, got);
            CHECK(memcmp(got, want + at, 3 * sizeof *got) == 0);
        }
        loader_close(l);
        lo.augment = true; /* more than copies */
        own = 0;
        l = open_loader(o.data, lo);
        read_prints(o.data, l, MANY, got);
        CHECK(own == 0);
        loader_close(l);
        close_opened(&o);
        /* from the first batch on: workers, then the caller */
        open_fitted(&o, YAML, 1);
        lo.augment = false;
        l = open_loader(o.data, lo);
        read_prints(o.data, l, MANY, got);
        CHECK(own > 0 && own < MANY && memcmp(got, want, sizeof want) == 0);
        loader_close(l);
        close_opened(&o);
    }
}

/* Rows of the epoch by id: [ROWS][6]. */
static void by_id(const struct data *data, struct loader_options lo, uint64_t epoch,
                  float (*out)[6]) {
    struct rn_error e = {0};
    struct loader *l = open_loader(data, lo);
    CHECK(loader_seek(l, (struct loader_position){epoch, 0}, &e) == RN_OK);
    for (uint64_t i = 0; i < loader_batches(l); i++) {
        struct batch b;
        CHECK(loader_next(l, &b, &e) == RN_OK);
        for (uint64_t k = 0; k < b.rows; k++)
            memcpy(out[b.ids[k]], (float *)b.fields[0] + 6 * k, sizeof *out);
    }
    loader_close(l);
}

/* What is done to a sample depends on (seed, epoch, sample): not on its place in the
 * epoch, the batch size or the workers. */
static void test_augment(void) {
    static float plain[ROWS][6], first[ROWS][6], again[ROWS][6];
    struct opened o;
    open_fitted(&o, YAML, 1);
    struct loader_options lo = {
        .split = DATA_TRAIN, .batch = 16, .augment = true, .seed = 9};
    by_id(o.data, lo, 2, first);
    struct loader_options other = {.split = DATA_TRAIN,
                                   .batch = 7,
                                   .augment = true,
                                   .seed = 9,
                                   .shuffle = true,
                                   .workers = 3};
    by_id(o.data, other, 2, again);
    CHECK(memcmp(first, again, sizeof first) == 0);
    int changed = 0;
    by_id(o.data, lo, 3, again); /* another epoch */
    for (int i = 0; i < ROWS; i++)
        changed += memcmp(first[i], again[i], sizeof first[i]) != 0;
    CHECK(changed > TRAIN / 2);
    lo.seed = 10;
    by_id(o.data, lo, 2, again); /* another seed */
    for (int i = changed = 0; i < ROWS; i++)
        changed += memcmp(first[i], again[i], sizeof first[i]) != 0;
    CHECK(changed > TRAIN / 2);
    lo.augment = false;
    by_id(o.data, lo, 2, plain);
    by_id(o.data, lo, 5, again);
    CHECK(memcmp(plain, again, sizeof plain) == 0);
    for (int i = changed = 0; i < ROWS; i++)
        changed += memcmp(first[i], plain[i], sizeof first[i]) != 0;
    CHECK(changed > TRAIN / 2);
    close_opened(&o);
}

/* ------------------------------------------------------------- errors, ends */

/* The batch with the bad row fails, each time it is asked for, with the row's place;
 * those before and behind it are as they are. */
static void test_error(void) {
    for (uint32_t workers = 0; workers < 4; workers += 3) {
        struct opened o;
        struct rn_error e = {0};
        struct batch b;
        open_fitted(
            &o, "data: {source: {type: test/made, rows: 100, hashed: true, fail: 57}}",
            1);
        struct loader *l = open_loader(
            o.data, (struct loader_options){.batch = 10, .workers = workers});
        for (int i = 0; i < 5; i++)
            CHECK(loader_next(l, &b, &e) == RN_OK);
        for (int i = 0; i < 3; i++) {
            error_clear(&e);
            CHECK(loader_next(l, &b, &e) == RN_E_DATA);
            CHECK_TEXT(e.message,
                       "data.source: test/made: made.bin: cannot be decoded");
            CHECK_TEXT(e.where, "made.bin");
            CHECK(e.line == 58);
        }
        CHECK(loader_seek(l, (struct loader_position){0, 6}, &e) == RN_OK);
        CHECK(loader_next(l, &b, &e) == RN_OK && b.ids[0] == 60);
        CHECK(loader_next(l, &b, NULL) == RN_OK);
        CHECK(loader_seek(l, (struct loader_position){0, 5}, NULL) == RN_OK);
        CHECK(loader_next(l, &b, NULL) == RN_E_DATA);
        loader_close(l);
        close_opened(&o);
    }
    /* a number that is none, seen only when the row is read */
    struct opened o;
    struct rn_error e = {0};
    struct batch b;
    open_fitted(
        &o, "data: {source: {type: test/made, rows: 100, hashed: true, nan: 57}}", 1);
    struct loader *l =
        open_loader(o.data, (struct loader_options){.batch = 60, .workers = 2});
    CHECK(loader_next(l, &b, &e) == RN_E_DATA);
    CHECK_TEXT(e.message, "made.bin: row 58, field 'x', element 3 is NaN");
    loader_close(l);
    close_opened(&o);
}

/* Seek and close while every worker is in a slow read: they wait for that read only. */
static void test_busy(void) {
    struct opened o;
    struct rn_error e = {0};
    struct batch b;
    open_fitted(&o,
                "data: {source: {type: test/made, rows: 400, hashed: true, slow: 40}, "
                "cache: 0}",
                1);
    double began = now();
    struct loader *l =
        open_loader(o.data, (struct loader_options){.batch = 10, .workers = 8});
    loader_close(l); /* before the first batch is there */
    l = open_loader(o.data, (struct loader_options){.batch = 10, .workers = 8});
    CHECK(loader_next(l, &b, &e) == RN_OK && b.ids[0] == 0);
    for (int i = 0; i < 5; i++) {
        CHECK(loader_seek(l, (struct loader_position){0, (uint64_t)(7 * i)}, &e) ==
              RN_OK);
        if (i % 2)
            CHECK(loader_next(l, &b, &e) == RN_OK && b.ids[0] == 70 * i);
    }
    CHECK(loader_waited(l) > 0.03); /* the first batch's reading, at least */
    loader_close(l);
    CHECK(now() - began < 60.0); /* some ten waits of 40 ms, not for ever */
    /* workers do read ahead: an epoch in less than it takes one by one */
    double took[2];
    for (uint32_t n = 0; n < 2; n++) {
        l = open_loader(o.data, (struct loader_options){.batch = 20, .workers = 8 * n});
        began = now();
        for (int i = 0; i < 20; i++)
            CHECK(loader_next(l, &b, &e) == RN_OK);
        took[n] = now() - began;
        if (!n)
            loader_close(l);
    }
    CHECK(took[1] < 0.75 * took[0]);
    loader_close(l);
    close_opened(&o);
}

/* Two loaders of one split share its cache; both give the same rows. */
struct reading {
    const struct data *data;
    uint64_t prints[MANY];
};

static void *read_all(void *context) {
    struct reading *r = context;
    struct loader *l = NULL;
    struct rn_error e = {0};
    struct loader_options o = {.split = DATA_TRAIN,
                               .batch = 16,
                               .shuffle = true,
                               .augment = true,
                               .seed = 9,
                               .workers = 2};
    if (loader_open(r->data, &o, &l, &e) == RN_OK)
        read_prints(r->data, l, MANY, r->prints);
    loader_close(l);
    return NULL;
}

static void test_two(void) {
    struct opened o;
    static struct reading one, two;
    pthread_t thread;
    open_fitted(&o, YAML, 1);
    one.data = two.data = o.data;
    struct loader *l =
        open_loader(o.data, (struct loader_options){.split = DATA_TRAIN, .batch = 16});
    CHECK(pthread_create(&thread, NULL, read_all, &one) == 0);
    read_all(&two);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(memcmp(one.prints, two.prints, sizeof one.prints) == 0 && one.prints[0]);
    loader_close(l);
    close_opened(&o);
    loader_close(NULL);
    data_close(NULL);
}

int main(int argc, char **argv) {
    static const char *const needed[] = {"augment/crop", "augment/flip",
                                         "transform/standardise"};
    for (size_t i = 0; argc > 1 && i < sizeof needed / sizeof *needed; i++)
        need_plugin(argv[1], needed[i]);
    if (!world_open(argc, argv))
        return 1;
    test_epochs();
    test_workers();
    test_keep();
    test_cache();
    test_crowded();
    test_augment();
    test_error();
    test_busy();
    test_two();
    return world_close();
}
