/* SPDX-License-Identifier: Apache-2.0 */
/* core/data, samplers: shares of classes and rows, the same bits for any workers and
 * from any position, repeated rows, what is refused. */
#include <math.h>
#include <stdint.h>

#include "base/error.h"
#include "unit/data_world.h"

#define ROWS  203
#define TRAIN 173
#define MADE                                                                           \
    "data:\n  source: {type: test/made, rows: 203}\n  split: {val: 30, seed: 2}\n"
#define BALANCED(options) MADE "  sampler: {type: balanced, of: label" options "}\n"
#define WEIGHTED(options) MADE "  sampler: {type: weighted, of: label" options "}\n"

/* Rows of an epoch by id, and by class. */
struct seen {
    uint32_t id[ROWS], most;
    uint64_t label[3], rows;
    int64_t order[512];
};

static void read_epoch(struct loader *l, struct seen *out) {
    struct rn_error e = {0};
    struct batch b = {0};
    memset(out, 0, sizeof *out);
    for (int good = 1; good && !b.last;) {
        good = loader_next(l, &b, &e) == RN_OK;
        CHECK(good);
        for (uint64_t i = 0; good && i < b.rows; i++) {
            CHECK(b.repeats[i] == out->id[b.ids[i]]);
            uint32_t n = ++out->id[b.ids[i]];
            out->most = n > out->most ? n : out->most;
            out->label[made_label(b.ids[i])]++;
            out->order[out->rows++] = b.ids[i];
        }
    }
}

static uint64_t train_rows(const struct data *data, int64_t label) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < data_rows(data, DATA_TRAIN); i++)
        n += made_label(data_ids(data, DATA_TRAIN)[i]) == label;
    return n;
}

static struct loader *open_epochs(const struct data *data, uint32_t workers) {
    return open_loader(data, (struct loader_options){.split = DATA_TRAIN,
                                                     .batch = 16,
                                                     .shuffle = true,
                                                     .augment = true,
                                                     .seed = 9,
                                                     .workers = workers});
}

/* ------------------------------------------------------------------ balanced */

static void test_balanced(void) {
    static struct seen epochs[2];
    struct opened o;
    open_fitted(&o, BALANCED(), 1);
    CHECK(data_epoch_rows(o.data) == TRAIN);
    struct loader *l = open_epochs(o.data, 0);
    CHECK(loader_batches(l) == 11 && loader_rows(l, 10) == 13);
    for (int k = 0; k < 2; k++) {
        read_epoch(l, &epochs[k]);
        for (int64_t c = 0; c < 3; c++) { /* 173 = 3 * 57 + 2 */
            CHECK(epochs[k].label[c] == 57 || epochs[k].label[c] == 58);
            uint64_t have = train_rows(o.data, c), n = epochs[k].label[c];
            /* no row comes once more before all have come as often */
            for (uint64_t i = 0; i < data_rows(o.data, DATA_TRAIN); i++) {
                int64_t id = data_ids(o.data, DATA_TRAIN)[i];
                if (made_label(id) == c)
                    CHECK(epochs[k].id[id] == n / have ||
                          epochs[k].id[id] == n / have + 1);
            }
        }
        CHECK(epochs[k].most > 1);
    }
    CHECK(memcmp(epochs[0].order, epochs[1].order, sizeof epochs[0].order) != 0);
    for (int64_t id = 0; id < ROWS; id++) /* of the frequent class another part */
        epochs[0].most += made_label(id) == 0 && epochs[0].id[id] != epochs[1].id[id];
    CHECK(epochs[0].most > 20);
    loader_close(l);
    close_opened(&o);

    open_fitted(&o, BALANCED(", samples: 300"), 1);
    CHECK(data_epoch_rows(o.data) == 300);
    l = open_epochs(o.data, 0);
    CHECK(loader_batches(l) == 19);
    read_epoch(l, &epochs[0]);
    CHECK(epochs[0].rows == 300);
    for (int c = 0; c < 3; c++)
        CHECK(epochs[0].label[c] == 100);
    loader_close(l);
    /* evaluation reads what there is */
    l = open_loader(o.data, (struct loader_options){.split = DATA_TRAIN, .batch = 16});
    CHECK(loader_batches(l) == 11);
    loader_close(l);
    close_opened(&o);
}

/* ------------------------------------------------------------------ weighted */

static void test_weighted(void) {
    static struct seen epoch;
    struct opened o;
    double total[3] = {0}, rows = 0;
    open_fitted(&o, WEIGHTED(", samples: 500"), 1);
    struct loader *l = open_epochs(o.data, 0);
    for (int k = 0; k < 40; k++) {
        read_epoch(l, &epoch);
        CHECK(epoch.rows == 500 && epoch.label[0] == 0);
        for (int c = 0; c < 3; c++)
            total[c] += (double)epoch.label[c];
        rows += 500;
    }
    double one = (double)train_rows(o.data, 1),
           two = 2.0 * (double)train_rows(o.data, 2);
    /* five standard deviations of a binomial share */
    double share = one / (one + two), sigma = sqrt(share * (1.0 - share) / rows);
    CHECK(fabs(total[1] / rows - share) < 5.0 * sigma);
    loader_close(l);
    close_opened(&o);

    open_fitted(&o, WEIGHTED(", replacement: false"), 1);
    CHECK(data_epoch_rows(o.data) == train_rows(o.data, 1) + train_rows(o.data, 2));
    l = open_epochs(o.data, 0);
    read_epoch(l, &epoch);
    CHECK(epoch.most == 1 && epoch.label[0] == 0);
    loader_close(l);
    close_opened(&o);

    /* of one draw, class 2 is as much more likely as it weighs more */
    open_fitted(&o, WEIGHTED(", replacement: false, samples: 1"), 1);
    l = open_epochs(o.data, 0);
    double twos = 0.0;
    for (int k = 0; k < 2000; k++) {
        read_epoch(l, &epoch);
        twos += (double)epoch.label[2];
    }
    sigma = sqrt(share * (1.0 - share) / 2000.0);
    CHECK(fabs(twos / 2000.0 - (1.0 - share)) < 5.0 * sigma);
    loader_close(l);
    close_opened(&o);
}

/* -------------------------------------------------------- workers and positions */

#define MANY 40

static void same_everywhere(const char *yaml) {
    static const uint32_t workers[] = {0, 1, 3, 8};
    struct opened o;
    struct rn_error e = {0};
    uint64_t want[MANY], got[MANY];
    open_fitted(&o, yaml, 1);
    struct loader *l = open_epochs(o.data, 0);
    uint64_t batches = loader_batches(l);
    read_prints(o.data, l, MANY, want);
    loader_close(l);
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        l = open_epochs(o.data, workers[w]);
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

/* A row that an epoch has several times is changed each time in another way. */
static void test_repeats(void) {
    struct opened o;
    struct rn_error e = {0};
    struct batch b = {0};
    float first[ROWS][6];
    uint32_t here[ROWS] = {0}, again = 0, other = 0;
    open_fitted(&o, BALANCED() "augment: {type: crop, of: x, padding: 1}\n", 1);
    struct loader *l = open_epochs(o.data, 0);
    while (!b.last && loader_next(l, &b, &e) == RN_OK)
        for (uint64_t i = 0; i < b.rows; i++) {
            const float *x = (const float *)b.fields[0] + 6 * i;
            if (!here[b.ids[i]]++)
                memcpy(first[b.ids[i]], x, sizeof first[0]);
            else
                again++, other += memcmp(first[b.ids[i]], x, sizeof first[0]) != 0;
        }
    CHECK(again > 30 && other > again / 2);
    loader_close(l);
    close_opened(&o);
}

/* ------------------------------------------------------------------- refused */

static void test_refused(void) {
    fit_refused(MADE "  sampler: balanced\n", RN_E_CONFIG, "classes is missing");
    fit_refused(MADE "  sampler: weighted\n", RN_E_CONFIG, "weights is missing");
    fit_refused(MADE "  sampler: {type: balanced, of: lable}\n", RN_E_CONFIG,
                "did you mean 'label'");
    fit_refused(MADE "  sampler: {type: balanced, of: x}\n", RN_E_CONFIG,
                "field 'x' has no classes");
    fit_refused(MADE "  sampler: {type: balanced, of: [label, name]}\n", RN_E_CONFIG,
                "one field has the classes, not 2");
    fit_refused(MADE "  sampler: {type: weighted, of: name}\n", RN_E_CONFIG,
                "not one number a sample");
    fit_refused(WEIGHTED(", replacement: false, samples: 160"), RN_E_CONFIG,
                "without replacement");
    REFUSED(BALANCED(", samples: 0"), RN_E_CONFIG, "samples");
    REFUSED(MADE "  sampler: {type: ballanced, of: label}\n", RN_E_CONFIG,
            "there is no sampler 'ballanced'");
    fit_refused("data:\n  source: {type: test/made, rows: 8}\n  transforms: [{type: "
                "scale, of: label, factor: -1}]\n  sampler: {type: weighted, of: "
                "label}\n",
                RN_E_DATA, "weights are 0 or more");
    fit_refused("data:\n  source: {type: test/made, rows: 8}\n  transforms: [{type: "
                "scale, of: label, factor: 0}]\n  sampler: {type: weighted, of: "
                "label}\n",
                RN_E_DATA, "add up to 0");
}

int main(int argc, char **argv) {
    if (!world_open(argc, argv))
        return 1;
    need_plugin(argv[1], "sampler/balanced");
    need_plugin(argv[1], "sampler/weighted");
    test_balanced();
    test_weighted();
    same_everywhere(BALANCED(", samples: 250"));
    same_everywhere(WEIGHTED());
    same_everywhere(BALANCED() "  cache: 0\n");
    if (!plugin_absent(argv[1], "augment/crop"))
        test_repeats();
    test_refused();
    return world_close();
}
