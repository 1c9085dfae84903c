/* SPDX-License-Identifier: Apache-2.0 */
/* core/data, collates: mixup and cutmix against NumPy, the distribution of shares, the
 * same bits for any workers and from any position, targets in every split, fields that
 * move together, what is refused. */
#include <math.h>
#include <stdint.h>

#include "base/error.h"
#include "unit/collate_golden.h"
#include "unit/data_world.h"

#define MADE                                                                           \
    "data:\n  source: {type: test/made, rows: 203}\n  split: {val: 30, seed: 2}\n"
#define COLLATE(options) MADE "collate: {" options "}\n"
#define BOTH                                                                           \
    MADE "collate: [{type: mixup, of: [x, label], p: 0.5}, {type: cutmix, of: [x, "    \
         "label], p: 0.5, per: sample}]\n"

static struct loader *open_epochs(const struct data *data, uint64_t batch,
                                  uint32_t workers) {
    return open_loader(data, (struct loader_options){.split = DATA_TRAIN,
                                                     .batch = batch,
                                                     .shuffle = true,
                                                     .augment = true,
                                                     .seed = 9,
                                                     .workers = workers});
}

static uint32_t field_of(const struct data *data, const char *name) {
    for (uint32_t i = 0; i < data_field_count(data); i++)
        if (strcmp(data_field_at(data, i)->name, name) == 0)
            return i;
    CHECK(!"the field is there");
    return 0;
}

/* ------------------------------------------------------------------- formulas */

static int near(const float *a, const float *b, int n) {
    int good = 1;
    for (int i = 0; i < n; i++)
        good &= fabsf(a[i] - b[i]) <= 1e-5f * (1.0f + fabsf(b[i]));
    return good;
}

static void test_golden(void) {
    for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
        struct opened o;
        struct rn_error e = {0};
        struct batch b = {0};
        char yaml[400];
        snprintf(yaml, sizeof yaml,
                 "data:\n  source: {type: test/made, rows: %d}\ncollate: {%s, of: [x, "
                 "label], classes: 3}\n",
                 GOLDEN_ROWS, golden[k].options);
        open_fitted(&o, yaml, 1);
        struct loader *l =
            open_loader(o.data, (struct loader_options){.split = DATA_TRAIN,
                                                        .batch = GOLDEN_BATCH,
                                                        .augment = true,
                                                        .seed = GOLDEN_SEED});
        CHECK(loader_seek(l, (struct loader_position){GOLDEN_EPOCH, 0}, &e) == RN_OK);
        uint32_t x = field_of(o.data, "x"), t = field_of(o.data, "label_soft"), at = 0;
        while (!b.last && loader_next(l, &b, &e) == RN_OK) {
            for (uint64_t i = 0; i < b.rows; i++, at++) {
                CHECK(near((const float *)b.fields[x] + 6 * i, golden[k].x[at], 6));
                CHECK(
                    near((const float *)b.fields[t] + 3 * i, golden[k].target[at], 3));
                CHECK(((const int64_t *)b.fields[field_of(o.data, "label")])[i] ==
                      made_label(b.ids[i]));
            }
        }
        CHECK(at == GOLDEN_ROWS);
        loader_close(l);
        close_opened(&o);
    }
}

/* Shares of Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)). Seen as the part of its
 * own class in the target of a row whose partner has another class. */
static void test_shares(void) {
    static const double alphas[] = {0.05, 0.2, 1.0, 6.0};
    for (size_t k = 0; k < sizeof alphas / sizeof *alphas; k++) {
        struct opened o;
        struct rn_error e = {0};
        char yaml[400];
        double sum = 0.0, squares = 0.0, n = 0.0;
        snprintf(yaml, sizeof yaml,
                 MADE "collate: {type: mixup, of: label, per: sample, alpha: %g}\n",
                 alphas[k]);
        open_fitted(&o, yaml, 1);
        struct loader *l = open_epochs(o.data, 173, 0);
        uint32_t t = field_of(o.data, "label_soft");
        for (int epoch = 0; epoch < 60; epoch++) {
            struct batch b;
            CHECK(loader_next(l, &b, &e) == RN_OK);
            for (uint64_t i = 0; i < b.rows; i++) {
                const float *row = (const float *)b.fields[t] + 3 * i;
                double own = (double)row[made_label(b.ids[i])];
                CHECK(fabsf(row[0] + row[1] + row[2] - 1.0f) < 1e-6f);
                if (own == 1.0) /* the partner has the same class, or all is its own */
                    continue;
                sum += own;
                squares += own * own;
                n += 1.0;
            }
        }
        /* own == 1 is left out, of which small alphas have some by rounding */
        double mean = sum / n, variance = squares / n - mean * mean;
        double want = 1.0 / (4.0 * (2.0 * alphas[k] + 1.0));
        if (alphas[k] >= 1.0) {
            CHECK(fabs(mean - 0.5) < 5.0 * sqrt(want / n));
            CHECK(fabs(variance - want) < 0.05 * want);
        } else {
            CHECK(fabs(mean - 0.5) < 0.25 && variance > 0.5 * want && n > 100.0);
        }
        loader_close(l);
        close_opened(&o);
    }
}

/* -------------------------------------------------------- workers and positions */

#define MANY 40

static void same_everywhere(const char *yaml) {
    static const uint32_t workers[] = {0, 1, 3, 8};
    struct opened o;
    struct rn_error e = {0};
    uint64_t want[MANY], got[MANY];
    open_fitted(&o, yaml, 1);
    struct loader *l = open_epochs(o.data, 16, 0);
    uint64_t batches = loader_batches(l);
    read_prints(o.data, l, MANY, want);
    loader_close(l);
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        l = open_epochs(o.data, 16, workers[w]);
        read_prints(o.data, l, MANY, got);
        CHECK(memcmp(got, want, sizeof want) == 0);
        for (uint64_t at = 3; at + 4 < MANY; at += 7) {
            CHECK(loader_seek(l, (struct loader_position){at / batches, at % batches},
                              &e) == RN_OK);
            read_prints(o.data, l, 4, got);
            CHECK(memcmp(got, want + at, 4 * sizeof *got) == 0);
        }
        loader_close(l);
    }
    close_opened(&o);
}

/* --------------------------------------------------------------------- targets */

/* Evaluation has the labels as they are. */
static void test_evaluation(void) {
    struct opened o;
    struct rn_error e = {0};
    struct batch b = {0};
    open_fitted(&o, BOTH, 1);
    CHECK(data_field_find(o.data, "label_soft")->shape[0] == 3);
    CHECK(data_field_find(o.data, "label")->classes == 3);
    CHECK(data_field_count(o.data) == 4); /* one target for both */
    uint32_t t = field_of(o.data, "label_soft"), x = field_of(o.data, "x");
    for (int split = DATA_TRAIN; split <= DATA_VAL; split++) {
        struct loader *l = open_loader(
            o.data,
            (struct loader_options){.split = (enum data_split_kind)split, .batch = 16});
        for (b.last = false; !b.last && loader_next(l, &b, &e) == RN_OK;)
            for (uint64_t i = 0; i < b.rows; i++) {
                const float *row = (const float *)b.fields[t] + 3 * i;
                for (int c = 0; c < 3; c++)
                    CHECK(row[c] == (c == made_label(b.ids[i]) ? 1.0f : 0.0f));
                CHECK(((const float *)b.fields[x])[6 * i + 2] == made_x(b.ids[i], 2));
            }
        CHECK(b.last);
        loader_close(l);
    }
    close_opened(&o);

    /* without of: all but the text; p 0 changes nothing */
    open_fitted(&o, COLLATE("type: mixup, p: 0"), 1);
    struct loader *l = open_epochs(o.data, 16, 0);
    CHECK(loader_next(l, &b, &e) == RN_OK);
    for (uint64_t i = 0; i < b.rows; i++)
        CHECK(((const float *)b.fields[x])[6 * i + 2] == made_x(b.ids[i], 2));
    loader_close(l);
    close_opened(&o);
}

/* Numbers beside the labels get the same shares. */
static void test_together(void) {
    struct opened o;
    struct rn_error e = {0};
    struct batch b = {0};
    open_fitted(&o,
                MADE "  transforms: [{type: scale, of: label, factor: 1}]\n"
                     "collate: {type: mixup, of: [x, label], alpha: 1, per: sample}\n",
                1);
    struct loader *l = open_epochs(o.data, 16, 2);
    uint32_t x = field_of(o.data, "x"), w = field_of(o.data, "label"), mixed = 0;
    while (!b.last && loader_next(l, &b, &e) == RN_OK)
        for (uint64_t i = 0; i < b.rows; i++) {
            double own = (double)made_x(b.ids[i], 0), got = 0.0;
            int fits = 0;
            /* some partner explains both with one share */
            for (uint64_t k = 0; k < b.rows && !fits; k++) {
                double other = (double)made_x(b.ids[k], 0);
                double here = (double)made_label(b.ids[i]),
                       there = (double)made_label(b.ids[k]);
                got = (double)((const float *)b.fields[x])[6 * i];
                double want = (double)((const float *)b.fields[w])[i];
                if (other == own) { /* any share explains x */
                    fits = got == own && want >= fmin(here, there) &&
                           want <= fmax(here, there);
                    continue;
                }
                double share = (got - other) / (own - other);
                fits = share > -1e-4 && share < 1.0001 &&
                       fabs(share * here + (1.0 - share) * there - want) < 1e-3;
            }
            CHECK(fits);
            mixed += fabs(got - own) > 1e-3;
        }
    CHECK(mixed > 100);
    loader_close(l);
    close_opened(&o);
}

/* -------------------------------------------------------------------- refused */

static void test_refused(void) {
    fit_refused(COLLATE("type: mixup, of: [x, lable]"), RN_E_CONFIG,
                "did you mean 'label'");
    fit_refused(COLLATE("type: mixup, of: name"), RN_E_CONFIG,
                "field 'name' is u8, and mixup takes means of f32");
    fit_refused(COLLATE("type: cutmix, of: label"), RN_E_CONFIG,
                "none of the fields is an image");
    fit_refused(COLLATE("type: cutmix, of: [x, name]"), RN_E_CONFIG,
                "neither an image nor a target");
    fit_refused(MADE
                "collate: [{type: mixup, of: [x, label]}, {type: mixup, of: [label, "
                "label_soft]}]\n",
                RN_E_CONFIG, "named twice");
    fit_refused(MADE "collate: [{type: mixup, of: [x, label]}, {type: cutmix, classes: "
                     "5}]\n",
                RN_E_CONFIG, "already has another field 'label_soft'");
    REFUSED(COLLATE("type: mixup, alpha: 0"), RN_E_CONFIG, "alpha");
    REFUSED(COLLATE("type: mixup, p: 1.5"), RN_E_CONFIG, "p");
    REFUSED(COLLATE("type: mixup, per: epoch"), RN_E_CONFIG, "per");

    /* a label outside of the classes is found before the first step */
    struct opened o;
    struct rn_error e = {0};
    open_fitted(&o, COLLATE("type: mixup, classes: 2"), 1);
    CHECK(data_check(o.data, &e) == RN_E_DATA);
    CHECK(strstr(e.message, "2 is not one of 2 classes") != NULL);
    close_opened(&o);
}

int main(int argc, char **argv) {
    if (!world_open(argc, argv))
        return 1;
    need_plugin(argv[1], "collate/mixup");
    need_plugin(argv[1], "collate/cutmix");
    test_golden();
    test_shares();
    same_everywhere(COLLATE("type: mixup"));
    same_everywhere(COLLATE("type: cutmix, per: sample"));
    same_everywhere(BOTH);
    test_evaluation();
    test_together();
    test_refused();
    return world_close();
}
