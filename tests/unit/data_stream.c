/* SPDX-License-Identifier: Apache-2.0 */
/* core/data, streams and epochs of a stated length: which samples each epoch has, ends
 * and new passes, the same bits for any workers and from any position, what transforms
 * are fitted on, what is refused. */
#include <math.h>
#include <stdint.h>

#include "base/error.h"
#include "unit/data_world.h"

#define STREAM(rows, more)                                                             \
    "data:\n  source: {type: test/made, stream: true, rows: " #rows "}\n" more
#define EPOCH 48 /* samples */

static void open_epochs_of(struct opened *o, const char *yaml, uint64_t rows) {
    struct rn_error e = {0};
    open_good(o, yaml, (struct how){.seed = 1, .epoch_rows = rows});
    if (data_fit(o->data, &e) != RN_OK || data_check(o->data, &e) != RN_OK) {
        fprintf(stderr, "%s\n%s\n", yaml, e.message);
        exit(1);
    }
}

static struct loader *open_batches(const struct data *data, uint32_t workers) {
    return open_loader(data, (struct loader_options){.split = DATA_TRAIN,
                                                     .batch = 16,
                                                     .shuffle = true,
                                                     .augment = true,
                                                     .seed = 9,
                                                     .workers = workers});
}

/* Batch after batch the samples that a stream of `total` has, 0: endless. */
static void check_samples(const char *yaml, int64_t total, uint32_t workers) {
    struct opened o;
    struct rn_error e = {0};
    open_epochs_of(&o, yaml, EPOCH);
    CHECK(data_is_stream(o.data, DATA_TRAIN));
    CHECK(data_epoch_rows(o.data) == EPOCH);
    CHECK(data_rows(o.data, DATA_TRAIN) ==
          (total && total < EPOCH ? (uint64_t)total : EPOCH));
    struct loader *l = open_batches(o.data, workers);
    CHECK(loader_batches(l) == EPOCH / 16);
    int64_t at = 0;
    for (int i = 0; i < 20; i++) {
        struct batch b;
        CHECK(loader_next(l, &b, &e) == RN_OK);
        if (e.status)
            fprintf(stderr, "%s\n", e.message);
        CHECK(b.rows == 16 && b.at.epoch == (uint64_t)i / 3);
        for (uint64_t k = 0; k < b.rows; k++, at++) {
            int64_t id = total ? at % total : at, begin = at / EPOCH * EPOCH;
            CHECK(b.ids[k] == id);
            CHECK(((const float *)b.fields[0])[6 * k + 1] == made_x(id, 1));
            CHECK(b.repeats[k] == (total ? (uint32_t)((at - begin) / total) : 0));
        }
    }
    loader_close(l);

    /* the split that an evaluation reads is the first epoch, each time from its start
     */
    l = open_loader(o.data, (struct loader_options){
                                .split = DATA_TRAIN, .batch = 20, .workers = workers});
    for (int pass = 0; pass < 2; pass++) {
        int64_t id = 0;
        struct batch b = {0};
        while (!b.last && loader_next(l, &b, &e) == RN_OK)
            for (uint64_t k = 0; k < b.rows; k++)
                CHECK(b.ids[k] == id++);
        CHECK((uint64_t)id == data_rows(o.data, DATA_TRAIN));
    }
    loader_close(l);
    close_opened(&o);
}

#define MANY 40

static void same_everywhere(const char *yaml, uint64_t rows) {
    static const uint32_t workers[] = {0, 1, 3, 8};
    struct opened o;
    struct rn_error e = {0};
    uint64_t want[MANY], got[MANY];
    open_epochs_of(&o, yaml, rows);
    struct loader *l = open_batches(o.data, 0);
    uint64_t batches = loader_batches(l);
    read_prints(o.data, l, MANY, want);
    loader_close(l);
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        l = open_batches(o.data, workers[w]);
        read_prints(o.data, l, MANY, got);
        CHECK(memcmp(got, want, sizeof want) == 0);
        for (int at = MANY - 5; at > 0; at -= 7) { /* back, which is another pass */
            struct loader_position p = {(uint64_t)at / batches, (uint64_t)at % batches};
            CHECK(loader_seek(l, p, &e) == RN_OK);
            read_prints(o.data, l, 4, got);
            CHECK(memcmp(got, want + at, 4 * sizeof *got) == 0);
        }
        loader_close(l);
        l = open_batches(o.data, workers[w]); /* as a run that is resumed */
        struct loader_position p = {30 / batches, 30 % batches};
        CHECK(loader_seek(l, p, &e) == RN_OK);
        read_prints(o.data, l, 4, got);
        CHECK(memcmp(got, want + 30, 4 * sizeof *got) == 0);
        loader_close(l);
    }
    close_opened(&o);
}

/* ------------------------------------------------- epochs of data that are counted */

/* An epoch goes on where the one before has ended; pass after pass is the order that an
 * epoch has where it is a pass. */
static void test_counted(void) {
    /* Fisher-Yates from the end, draw i at the Philox counter (i, 0, epoch, 0), as an
     * independent program in Python gives them for this seed */
    static const int64_t begin[2][16] = {
        {31, 51, 43, 41, 16, 3, 4, 2, 56, 17, 24, 50, 58, 57, 54, 5},
        {57, 59, 29, 30, 19, 34, 9, 38, 3, 23, 39, 1, 21, 24, 10, 15}};
    static int64_t want[7 * 60], got[7 * 60];
    struct opened o;
    struct rn_error e = {0};
    struct batch b;
    const char *yaml = "data:\n  source: {type: test/made, rows: 60}\n";
    uint64_t n = 0;
    open_epochs_of(&o, yaml, 0);
    CHECK(data_epoch_rows(o.data) == 60);
    struct loader *l = open_batches(o.data, 0);
    while (n < 7 * 60 && loader_next(l, &b, &e) == RN_OK)
        for (uint64_t k = 0; k < b.rows; k++)
            want[n++] = b.ids[k];
    loader_close(l);
    close_opened(&o);
    CHECK(memcmp(want, begin[0], sizeof begin[0]) == 0);
    CHECK(memcmp(want + 60, begin[1], sizeof begin[1]) == 0);
    static const uint64_t lengths[] = {16, 48, 144};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        open_epochs_of(&o, yaml, lengths[i]);
        CHECK(data_epoch_rows(o.data) == lengths[i] &&
              data_rows(o.data, DATA_TRAIN) == 60);
        l = open_batches(o.data, 2);
        CHECK(loader_batches(l) == lengths[i] / 16);
        for (n = 0; n + 16 <= 7 * 60 && loader_next(l, &b, &e) == RN_OK;)
            for (uint64_t k = 0; k < b.rows; k++) {
                uint64_t from = n / lengths[i] * lengths[i];
                uint32_t before = 0;
                got[n] = b.ids[k];
                for (uint64_t j = from; j < n; j++)
                    before += got[j] == got[n];
                CHECK(b.repeats[k] == before);
                n++;
            }
        CHECK(n == 7 * 60 / 16 * 16 && memcmp(got, want, n * sizeof *got) == 0);
        loader_close(l);
        close_opened(&o);
    }
}

/* ------------------------------------------------------------------ transforms */

/* Fitted on the first epoch. */
static void test_fitted(void) {
    struct opened o;
    struct rn_error e = {0};
    struct batch b;
    double sum = 0.0, squares = 0.0;
    open_epochs_of(&o,
                   STREAM(-1, "  transforms: [{type: standardise, of: x, per: all}]\n"),
                   EPOCH);
    struct loader *l = open_batches(o.data, 0);
    for (int i = 0; i < EPOCH / 16 && loader_next(l, &b, &e) == RN_OK; i++)
        for (uint64_t k = 0; k < 6 * b.rows; k++) {
            double x = (double)((const float *)b.fields[0])[k];
            sum += x;
            squares += x * x;
        }
    double mean = sum / (6 * EPOCH), variance = squares / (6 * EPOCH) - mean * mean;
    CHECK(fabs(mean) < 1e-6 && fabs(variance - 1.0) < 1e-5);
    loader_close(l);
    close_opened(&o);
}

/* The stored split is not a list, and fits the same stream alone. */
static void test_stored(void) {
    struct opened o;
    struct rn_error e = {0};
    struct batch b;
    struct text split = {0};
    const char *yaml = "data:\n  train: {type: test/made, stream: true, rows: 70}\n"
                       "  val: {type: test/made, rows: 9, first: 500}\n";
    open_epochs_of(&o, yaml, EPOCH);
    data_split_write(o.data, &split);
    CHECK(strstr(text_get(&split), "\ntrain stream\nval 9\n0 1 2") != NULL);
    CHECK(data_ids(o.data, DATA_VAL)[0] == 0 && data_ids(o.data, DATA_TRAIN)[0] == 9);
    close_opened(&o);
    struct how how = {.seed = 1, .epoch_rows = EPOCH, .stored_split = text_get(&split)};
    open_good(&o, yaml, how);
    CHECK(data_fit(o.data, &e) == RN_OK && data_rows(o.data, DATA_TRAIN) == EPOCH);
    struct loader *l = open_batches(o.data, 1);
    for (int i = 0; i < 5; i++)
        CHECK(loader_next(l, &b, &e) == RN_OK);
    CHECK(b.ids[0] == 9 + 64 && b.ids[6] == 9); /* the 71st is the first again */
    loader_close(l);
    close_opened(&o);
    refused_how("data:\n  train: {type: test/made, stream: true, rows: 70, first: 3}\n"
                "  val: {type: test/made, rows: 9, first: 500}\n",
                how, RN_E_DATA, "the files have changed");
    text_finish(&split);
}

/* -------------------------------------------------------------------- refused */

static void test_refused(void) {
    struct how how = {.seed = 1, .epoch_rows = EPOCH};
    struct opened o;
    struct rn_error e = {0};
    REFUSED(STREAM(9, ""), RN_E_CONFIG, "a stream needs train.steps_per_epoch");
    refused_how(STREAM(9, "  split: {val: 3}\n"), how, RN_E_CONFIG,
                "a stream cannot be divided");
    refused_how(STREAM(9, "  val: {type: test/made, stream: true}\n"), how, RN_E_CONFIG,
                "data.val needs a source that knows its count");
    how.mode = DATA_FOR_PREDICTION;
    refused_how(STREAM(9, ""), how, RN_E_CONFIG, "a prediction needs a source");
    how.mode = DATA_FOR_TRAINING;

    /* a pass that ends earlier than the one before */
    open_good(&o,
              "data:\n  source: {type: test/made, stream: true, rows: 60, unsteady: "
              "true}\n",
              how);
    CHECK(data_fit(o.data, &e) == RN_OK);
    struct loader *l = open_batches(o.data, 0);
    struct batch b;
    int status = RN_OK;
    for (int i = 0; i < 12 && status == RN_OK; i++)
        status = loader_next(l, &b, &e);
    CHECK(status == RN_E_DATA);
    CHECK(strstr(e.message, "ended after 57 samples, but it had 58") != NULL);
    loader_close(l);
    close_opened(&o);
    /* nothing at all */
    refused_how(STREAM(0, ""), how, RN_E_DATA, "the stream has no samples");
}

int main(int argc, char **argv) {
    if (!world_open(argc, argv))
        return 1;
    for (uint32_t workers = 0; workers < 4; workers += 3) {
        check_samples(STREAM(-1, ""), 0, workers);
        check_samples(STREAM(100, ""), 100, workers);
        check_samples(STREAM(48, ""), 48, workers);
        check_samples(STREAM(96, ""), 96, workers);
        check_samples(STREAM(7, ""), 7, workers);
        check_samples(STREAM(1, ""), 1, workers);
    }
    same_everywhere(STREAM(-1, ""), EPOCH);
    same_everywhere(STREAM(101, ""), EPOCH);
    same_everywhere(STREAM(5, ""), EPOCH);
    same_everywhere("data:\n  source: {type: test/made, rows: 60}\n", EPOCH);
    test_counted();
    if (!plugin_absent(argv[1], "transform/standardise"))
        test_fitted();
    test_stored();
    test_refused();
    return world_close();
}
