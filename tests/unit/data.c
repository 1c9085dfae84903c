/* SPDX-License-Identifier: Apache-2.0 */
/* core/data: sections and their errors, splits, transforms fitted on the training rows,
 * their saved state. */
#include <stdint.h>

#include "base/error.h"
#include "unit/data_world.h"

#define MADE "data:\n  source: {type: test/made, rows: 1000}\n"

/* ------------------------------------------------------------------- splits */

/* Every row in one split and no other, rising. Rows of a class in a split. */
static void check_split(const struct data *data, uint64_t rows, uint64_t train,
                        uint64_t val, uint64_t test, uint64_t by_class[3][3]) {
    const uint64_t want[] = {train, val, test};
    uint8_t *seen = calloc(rows, 1);
    uint64_t total = 0;
    int rising = 1, once = 1;
    memset(by_class, 0, 9 * sizeof by_class[0][0]);
    for (int s = 0; s < DATA_SPLITS; s++) {
        uint64_t n = data_rows(data, (enum data_split_kind)s);
        const int64_t *ids = data_ids(data, (enum data_split_kind)s);
        CHECK(n == want[s]);
        for (uint64_t i = 0; i < n; i++) {
            rising &= i == 0 || ids[i] > ids[i - 1];
            once &= ids[i] >= 0 && (uint64_t)ids[i] < rows && !seen[ids[i]];
            seen[ids[i]] = 1;
            by_class[s][made_label(ids[i])]++;
        }
        total += n;
    }
    CHECK(rising && once && total == rows);
    free(seen);
}

static void test_split(void) {
    struct opened a, b;
    uint64_t by[3][3],
        overall[3] = {666, 222, 112}; /* of 1,000 rows, row 0 is class 2 */

    /* random: a share and a count; a function of the seed */
    open_good(&a, MADE "  split: {val: 0.15, test: 203}", (struct how){.seed = 5});
    check_split(a.data, 1000, 647, 150, 203, by);
    CHECK(data_ids(a.data, DATA_TEST)[202] > 600); /* not the first ones */
    open_good(&b, MADE "  split: {val: 0.15, test: 203}", (struct how){.seed = 5});
    CHECK_TEXT(data_split_hash(b.data), data_split_hash(a.data));
    CHECK_TEXT(data_content_hash(b.data), data_content_hash(a.data));
    close_opened(&b);
    open_good(&b, MADE "  split: {val: 0.15, test: 203}", (struct how){.seed = 6});
    CHECK(strcmp(data_split_hash(b.data), data_split_hash(a.data)) != 0);
    CHECK_TEXT(data_content_hash(b.data), data_content_hash(a.data));
    close_opened(&b);
    /* split.seed holds it whatever the run's seed is */
    open_good(&b, MADE "  split: {val: 0.15, test: 203, seed: 5}",
              (struct how){.seed = 77});
    CHECK_TEXT(data_split_hash(b.data), data_split_hash(a.data));
    close_opened(&b);
    /* all 64 bits of the seed count */
    close_opened(&a);
    open_good(&a, MADE "  split: {val: 100, seed: 9007199254740993}", (struct how){0});
    open_good(&b, MADE "  split: {val: 100, seed: 9007199254740992}", (struct how){0});
    CHECK(strcmp(data_split_hash(b.data), data_split_hash(a.data)) != 0);
    close_opened(&a);
    close_opened(&b);

    /* stratified: each class's share within one sample, the totals exactly */
    open_good(&a, MADE "  split: {kind: stratified, by: label, val: 0.1, test: 0.2}",
              (struct how){.seed = 1});
    check_split(a.data, 1000, 700, 100, 200, by);
    for (int k = 0; k < 3; k++) {
        CHECK(by[0][k] + by[1][k] + by[2][k] == overall[k]);
        CHECK(fabs((double)by[1][k] - 0.1 * (double)overall[k]) <= 1.0);
        CHECK(fabs((double)by[2][k] - 0.2 * (double)overall[k]) <= 1.0);
    }
    /* text as classes too: seven of them */
    open_good(&b, MADE "  split: {kind: stratified, by: name, val: 0.1, test: 0.2}",
              (struct how){.seed = 1});
    CHECK(data_rows(b.data, DATA_VAL) == 100);
    int each[7] = {0};
    for (int i = 0; i < 100; i++)
        each[data_ids(b.data, DATA_VAL)[i] % 7]++;
    for (int k = 0; k < 7; k++)
        CHECK(each[k] == 14 || each[k] == 15);
    CHECK(strcmp(data_split_hash(b.data), data_split_hash(a.data)) != 0);
    close_opened(&b);
    close_opened(&a);

    /* by position: as they lie, with gaps that no part has */
    open_good(&a, MADE "  split: {kind: position, val: 0.1, test: 200, gap: 3}",
              (struct how){.seed = 1});
    CHECK(data_rows(a.data, DATA_TRAIN) == 694 && data_rows(a.data, DATA_VAL) == 100);
    CHECK(data_rows(a.data, DATA_TEST) == 200);
    CHECK(data_ids(a.data, DATA_TRAIN)[0] == 0);
    CHECK(data_ids(a.data, DATA_TRAIN)[693] == 693);
    CHECK(data_ids(a.data, DATA_VAL)[0] == 697 &&
          data_ids(a.data, DATA_VAL)[99] == 796);
    CHECK(data_ids(a.data, DATA_TEST)[0] == 800);
    CHECK(data_ids(a.data, DATA_TEST)[199] == 999);
    close_opened(&a);
    open_good(&a, MADE "  split: {kind: position, val: 0.25}", (struct how){.seed = 1});
    check_split(a.data, 1000, 750, 250, 0, by);
    CHECK(data_ids(a.data, DATA_VAL)[0] == 750);
    close_opened(&a);
    REFUSED(MADE "  split: {kind: position, val: 500, test: 400, gap: 50}", RN_E_CONFIG,
            "leave none of 1000");
    REFUSED(MADE "  split: {val: 500, gap: 5}", RN_E_CONFIG,
            "gap is of kind position or time, not random");

    /* no section: all rows train */
    open_good(&a, MADE, (struct how){.seed = 1});
    check_split(a.data, 1000, 1000, 0, 0, by);
    CHECK(data_ids(a.data, DATA_VAL) == NULL);
    close_opened(&a);

    REFUSED(MADE "  split: {kind: stratified, val: 0.1}", RN_E_CONFIG,
            "`by` is missing");
    REFUSED(MADE "  split: {kind: stratified, by: lable, val: 0.1}", RN_E_CONFIG,
            "did you mean 'label'?");
    REFUSED(MADE "  split: {kind: stratified, by: lable, val: 0.1}", RN_E_CONFIG,
            "test.yaml:3:33");
    REFUSED(MADE "  split: {val: 10.5}", RN_E_CONFIG,
            "a share below 1, or a whole count");
    REFUSED(MADE "  split: {test: 1.5}", RN_E_CONFIG, "data.split.test is 1.5");
    REFUSED(MADE "  split: {val: 0.5, test: 0.5}", RN_E_CONFIG, "leave none of 1000");
    REFUSED(MADE "  split: {val: 600, test: 600}", RN_E_CONFIG, "leave none of 1000");
    REFUSED(MADE "  split: {val: 0.0001}", RN_E_CONFIG,
            "is less than one sample of 1000");
    REFUSED(MADE "  split: {kind: file}", RN_E_CONFIG, "`path` is missing");
    REFUSED(MADE "  split: {kind: file, path: /proc/absent/split}", RN_E_DATA,
            "No such file");
}

static char *copy(const char *s) {
    char *c = malloc(strlen(s) + 1);
    strcpy(c, s);
    return c;
}

/* A stored split with one thing changed. */
static void damaged(const char *stored, const char *from, const char *to, int status,
                    const char *says) {
    const char *at = strstr(stored, from);
    CHECK(at != NULL);
    char *text = malloc(strlen(stored) + strlen(to) + 1);
    sprintf(text, "%.*s%s%s", (int)(at - stored), stored, to, at + strlen(from));
    refused_how(MADE, (struct how){.seed = 1, .stored_split = text}, status, says);
    free(text);
}

static void test_stored(void) {
    struct opened a, b;
    struct text t = {0}, u = {0};
    open_good(&a, MADE "  split: {val: 0.15, test: 0.2}", (struct how){.seed = 5});
    data_split_write(a.data, &t);
    /* another seed and other shares: what is stored holds */
    open_good(&b, MADE "  split: {val: 0.5}",
              (struct how){.seed = 8, .stored_split = text_get(&t)});
    CHECK_TEXT(data_split_hash(b.data), data_split_hash(a.data));
    data_split_write(b.data, &u);
    CHECK_TEXT(text_get(&u), text_get(&t));
    close_opened(&b);
    /* kind file */
    const char *path = world_file(a.a, "split.txt", text_get(&t));
    const char *yaml =
        arena_format(a.a, MADE "  split: {kind: file, path: \"%s\"}", path);
    open_good(&b, yaml, (struct how){.seed = 9});
    CHECK_TEXT(data_split_hash(b.data), data_split_hash(a.data));
    close_opened(&b);
    /* other data: one row more, or other numbers in as many rows */
    const char *other = arena_format(a.a,
                                     "data:\n  source: {type: test/made, rows: 1001}\n "
                                     " split: {kind: file, path: \"%s\"}",
                                     path);
    refused_how(other, (struct how){.seed = 5}, RN_E_DATA,
                "the files have changed since");
    refused_how("data:\n  source: {type: test/made, rows: 1000, first: 1}",
                (struct how){.stored_split = text_get(&t)}, RN_E_DATA,
                "belongs to other data");

    const char *stored = text_get(&t);
    damaged(stored, "runner split 2", "runner split 3", RN_E_DATA,
            "not one of this runner");
    damaged(stored, "\nval 150", "\nval 149", RN_E_DATA, "is damaged");
    damaged(stored, "\nval 150", "\nval 99999", RN_E_DATA, "is damaged");
    damaged(stored, "\ntest 200", "\nbest 200", RN_E_DATA, "is damaged");
    damaged(stored, "\ntrain 650\n", "\ntrain 650\n999 ", RN_E_DATA, "is damaged");
    damaged(stored, "\ntrain 650\n", "\ntrain 650\n-1 ", RN_E_DATA, "is damaged");
    char *cut = copy(stored);
    cut[strlen(cut) / 2] = '\0';
    refused_how(MADE, (struct how){.stored_split = cut}, RN_E_DATA, "is damaged");
    free(cut);
    /* a sample in two splits would let the test leak into training */
    char two[64];
    snprintf(two, sizeof two, "\nval 1\n%lld\n",
             (long long)data_ids(a.data, DATA_TRAIN)[0]);
    char *leak = malloc(strlen(stored) + 64);
    const char *val = strstr(stored, "\nval 150"), *test = strstr(stored, "\ntest 200");
    sprintf(leak, "%.*s%s%s", (int)(val - stored), stored, two, test + 1);
    refused_how(MADE, (struct how){.stored_split = leak}, RN_E_DATA, "twice");
    free(leak);
    text_finish(&t);
    text_finish(&u);
    close_opened(&a);
}

/* A file whose bytes change is noticed by what it holds, not by its name or time. */
static void test_content(void) {
    struct opened a, b;
    struct text t = {0};
    struct arena *arena = arena_create();
    const char *path =
        world_file(arena, "c.csv", "u,v,y\n1,2,0\n3,4,1\n5,6,0\n7,8,1\n");
    const char *yaml = arena_format(
        arena,
        "data:\n  source: {type: csv, file: \"%s\", target: y}\n  split: {val: 1}",
        path);
    open_good(&a, yaml, (struct how){.seed = 1});
    data_split_write(a.data, &t);
    world_file(arena, "c.csv", "u,v,y\n1,2,0\n3,4,1\n5,6,0\n7,8.5,1\n");
    open_good(&b, yaml, (struct how){.seed = 1});
    CHECK(strcmp(data_content_hash(a.data), data_content_hash(b.data)) != 0);
    close_opened(&b);
    refused_how(yaml, (struct how){.stored_split = text_get(&t)}, RN_E_DATA,
                "content then");
    /* the same numbers written otherwise are the same content */
    world_file(arena, "c.csv", "u,v,y\r\n1.0,2,0\r\n3,4e0,1\r\n5,6,0\r\n7,8,1\r\n");
    open_good(&b, yaml, (struct how){.seed = 1, .stored_split = text_get(&t)});
    CHECK(b.data && strcmp(data_split_hash(a.data), data_split_hash(b.data)) == 0);
    close_opened(&b);
    close_opened(&a);
    text_finish(&t);
    arena_destroy(arena);
}

/* --------------------------------------------------------------- transforms */

/* All of a split by one batch: field f into `to`, ids into `ids`. */
static void take(const struct data *data, enum data_split_kind split, const char *field,
                 void *to, int64_t *ids) {
    struct loader_options o = {.split = split, .batch = data_rows(data, split)};
    struct loader *l;
    struct batch b;
    struct rn_error e = {0};
    const struct data_field *f = data_field_find(data, field);
    CHECK(f && loader_open(data, &o, &l, &e) == RN_OK &&
          loader_next(l, &b, &e) == RN_OK);
    memcpy(to, b.fields[f - data_field_at(data, 0)], b.rows * f->bytes);
    if (ids)
        memcpy(ids, b.ids, b.rows * sizeof *ids);
    loader_close(l);
}

/* Memory as a stream. */
struct memory {
    struct rn_stream stream;
    uint8_t bytes[1 << 16];
    uint64_t size, at;
};
static int32_t memory_put(struct rn_stream *s, const void *data, uint64_t n) {
    struct memory *m = (struct memory *)s;
    if (m->size + n > sizeof m->bytes)
        return RN_E_IO;
    memcpy(m->bytes + m->size, data, n);
    m->size += n;
    return RN_OK;
}
static int32_t memory_take(struct rn_stream *s, void *data, uint64_t n) {
    struct memory *m = (struct memory *)s;
    if (n > m->size - m->at)
        return RN_E_CHECKPOINT;
    memcpy(data, m->bytes + m->at, n);
    m->at += n;
    return RN_OK;
}
static uint64_t memory_rest(struct rn_stream *s) {
    const struct memory *m = (const struct memory *)s;
    return m->size - m->at;
}
static const struct rn_stream_api memory_api = {sizeof memory_api, 0, memory_put,
                                                memory_take, memory_rest};

static void test_fitted(void) {
    const char *yaml = MADE "  split: {val: 200, test: 300}\n"
                            "  transforms:\n"
                            "    - {type: standardise, of: x}\n"
                            "    - {type: label_map, of: name}\n"
                            "    - {type: one_hot, of: [label]}\n";
    static float x[1000][6], other[1000][6], hot[1000][3];
    static int64_t ids[1000], name[1000];
    static struct memory memory;
    struct opened a, b;
    struct rn_error e = {0};
    open_fitted(&a, yaml, 3);
    CHECK(data_field_count(a.data) == 3);
    CHECK_TEXT(data_field_at(a.data, 0)->name, "x");
    CHECK_TEXT(data_field_at(a.data, 2)->name, "label");
    const struct data_field *label = data_field_find(a.data, "label");
    const struct data_field *names = data_field_find(a.data, "name");
    CHECK(label->dtype == RN_F32 && label->rank == 1 && label->shape[0] == 3);
    CHECK(names->classes == 7 && !names->text && names->dtype == RN_I64);
    CHECK_TEXT(names->class_names[6], "n6");
    CHECK(!data_field_find(a.data, "nothing"));
    struct text line = {0};
    data_describe(a.data, &line);
    CHECK_TEXT(text_get(&line),
               "500 train, 200 val, 300 test; x f32 [2,3], name i64 [], "
               "label f32 [3]");
    text_finish(&line);

    /* mean and deviation of the training rows alone */
    double mean = 0, square = 0, all_mean = 0;
    for (int i = 0; i < 500; i++)
        mean += (double)made_x(data_ids(a.data, DATA_TRAIN)[i], 1) / 500;
    for (int i = 0; i < 500; i++) {
        double d = (double)made_x(data_ids(a.data, DATA_TRAIN)[i], 1) - mean;
        square += d * d / 500;
    }
    for (int i = 0; i < 1000; i++)
        all_mean += (double)made_x(i, 1) / 1000;
    CHECK(fabs(all_mean - mean) >
          0.1); /* so that the next lines tell one from the other */
    for (int s = 0; s < DATA_SPLITS; s++) {
        uint64_t n = data_rows(a.data, (enum data_split_kind)s);
        double worst = 0;
        int right = 1;
        take(a.data, (enum data_split_kind)s, "x", x, ids);
        take(a.data, (enum data_split_kind)s, "label", hot, NULL);
        take(a.data, (enum data_split_kind)s, "name", name, NULL);
        for (uint64_t i = 0; i < n; i++) {
            double want = ((double)made_x(ids[i], 1) - mean) / sqrt(square);
            worst = fmax(worst, fabs((double)x[i][1] - want));
            for (int k = 0; k < 3; k++)
                right &= hot[i][k] == (float)(k == made_label(ids[i]));
            right &= name[i] == ids[i] % 7;
        }
        CHECK(worst < 1e-5 && right);
    }

    /* saved and loaded instead of fitted: the same bits, whatever the training rows are
     */
    memory.stream.api = &memory_api;
    CHECK(data_save(a.data, &memory.stream) == RN_OK);
    open_good(&b, yaml, (struct how){.seed = 999});
    CHECK(strcmp(data_split_hash(a.data), data_split_hash(b.data)) != 0);
    CHECK(data_load(b.data, &memory.stream, &e) == RN_OK);
    CHECK(memory.at == memory.size);
    take(b.data, DATA_TRAIN, "x", other, ids);
    for (int s = 0; s < DATA_SPLITS; s++) {
        uint64_t n = data_rows(a.data, (enum data_split_kind)s);
        static int64_t mine[1000];
        int same = 1;
        take(a.data, (enum data_split_kind)s, "x", x, mine);
        for (uint64_t i = 0; i < n; i++)
            for (int j = 0; j < 500; j++)
                if (ids[j] == mine[i])
                    same &= memcmp(x[i], other[j], sizeof x[i]) == 0;
        CHECK(same);
    }
    close_opened(&b);

    /* any part of it is refused, and says so */
    uint64_t whole = memory.size;
    int refused = 1, said = 1;
    for (memory.size = 0; memory.size < whole;
         memory.size += memory.size < 64 ? 1 : 37) {
        memory.at = 0;
        open_good(&b, yaml, (struct how){.seed = 3});
        refused &= data_load(b.data, &memory.stream, &e) == RN_E_CHECKPOINT;
        said &= e.message[0] != '\0';
        close_opened(&b);
    }
    CHECK(refused && said);
    memory.size = whole;

    const struct {
        const char *transforms, *says;
    } wrong[] = {
        {"    - {type: standardise, of: x}\n", "has 3 transforms, the file has 1"},
        {"    - {type: minmax, of: x}\n    - {type: label_map, of: name}\n"
         "    - {type: one_hot, of: [label]}\n",
         "is runner/minmax, but the saved state is of runner/standardise"}};
    for (size_t i = 0; i < 2; i++) {
        const char *changed =
            arena_format(a.a, MADE "  transforms:\n%s", wrong[i].transforms);
        memory.at = 0;
        open_good(&b, changed, (struct how){.seed = 3});
        CHECK(data_load(b.data, &memory.stream, &e) == RN_E_CHECKPOINT);
        CHECK(strstr(e.message, wrong[i].says) != NULL);
        close_opened(&b);
    }
    memory.bytes[4] ^= 2; /* the version: 3 becomes 1 */
    memory.at = 0;
    open_good(&b, yaml, (struct how){.seed = 3});
    CHECK(data_load(b.data, &memory.stream, &e) == RN_E_CHECKPOINT);
    CHECK(strstr(e.message, "has version 1, this runner reads 3") != NULL);
    close_opened(&b);
    close_opened(&a);
}

/* Classes are those of the training rows: another in the test is an error that names
 * it. */
static void test_unseen_class(void) {
    struct arena *arena = arena_create();
    struct opened o;
    struct rn_error e = {0};
    struct batch b;
    struct loader *l;
    const char *path =
        world_file(arena, "u.csv", "u,y\n1,cat\n2,dog\n3,cat\n4,cow\n5,dog\n");
    /* rows 0..2 train, 3 and 4 test, by a stored split of this content */
    const char *yaml = arena_format(
        arena,
        "data:\n  source: {type: csv, file: \"%s\", target: y}\n  transforms:\n"
        "    - {type: label_map, of: y}\n",
        path);
    open_good(&o, yaml, (struct how){0});
    const char *split = arena_format(
        arena, "runner split 1\ncontent %s\ntrain 3\n0 1 2\nval 0\ntest 2\n3 4\n",
        data_content_hash(o.data));
    close_opened(&o);
    open_good(&o, yaml, (struct how){.stored_split = split});
    CHECK(data_fit(o.data, &e) == RN_OK);
    CHECK(data_field_find(o.data, "y")->classes == 2);
    struct loader_options lo = {.split = DATA_TEST, .batch = 2};
    CHECK(loader_open(o.data, &lo, &l, &e) == RN_OK);
    CHECK(loader_next(l, &b, &e) == RN_E_DATA);
    CHECK(strstr(e.message, "'cow' is none of the 2 classes") != NULL);
    /* and before any loader is opened, with its place */
    CHECK(data_check(o.data, &e) == RN_E_DATA);
    CHECK(strncmp(e.message, "test split: ", 12) == 0);
    CHECK(strstr(e.message, "u.csv: row 4: field 'y': 'cow' is none of") != NULL);
    loader_close(l);
    close_opened(&o);
    arena_destroy(arena);
}

static void test_impute(void) {
    struct arena *arena = arena_create();
    struct opened o;
    float x[4][2];
    const char *path = world_file(arena, "m.csv", "u,v,y\n1,NA,0\n?,4,1\n3,8,0\n,,1\n");
    const char *yaml = arena_format(
        arena, "data:\n  source: {type: csv, file: \"%s\", target: y}\n", path);
    fit_refused(yaml, RN_E_DATA, "add {type: impute, of: x}");
    const char *filled =
        arena_format(arena, "%s  transforms: [{type: impute, of: x}]\n", yaml);
    open_fitted(&o, filled, 0);
    take(o.data, DATA_TRAIN, "x", x, NULL);
    CHECK(x[0][0] == 1 && x[1][0] == 2 && x[3][0] == 2);
    CHECK(x[0][1] == 6 && x[1][1] == 4 && x[3][1] == 6);
    close_opened(&o);
    arena_destroy(arena);
}

/* ------------------------------------------------------------------ sections */

static void test_sections(void) {
    struct opened a;
    REFUSED("data: {batch: 3}", RN_E_CONFIG, "where the samples come from is missing");
    REFUSED(MADE "  train: {type: test/made}", RN_E_CONFIG, "both given");
    REFUSED("data: {source: {type: maid}}", RN_E_CONFIG, "maid");
    REFUSED("data: {source: {type: idx, images: /proc/absent}}", RN_E_DATA,
            "/proc/absent");
    REFUSED("data: {train: {type: test/made}, test: {type: test/made, label: false}}",
            RN_E_DATA, "do not have the same fields");
    REFUSED(MADE "  transforms: [{type: label_map, of: label, classes: [one, one]}]\n"
                 "augment: {type: flip, p: 2}",
            RN_E_CONFIG, "test.yaml:4:26");
    fit_refused(MADE "  transforms: [{type: standardise, of: xx}]", RN_E_CONFIG,
                "has no field 'xx'");
    fit_refused(MADE "  transforms: [{type: standardise, of: lable}]", RN_E_CONFIG,
                "did you mean 'label'?");
    fit_refused(MADE "  transforms: [{type: standardise, of: [x, x]}]", RN_E_CONFIG,
                "named twice");
    fit_refused(MADE "  transforms: [{type: standardise, of: name}]", RN_E_CONFIG,
                "holds text, not numbers");
    fit_refused(MADE "  transforms: [{type: one_hot, of: [label], classes: 2}]",
                RN_E_DATA, "2 is not in 0..1");
    fit_refused(MADE "augment: {type: flip, of: images}", RN_E_CONFIG,
                "has no field 'images'");
    fit_refused(MADE "augment: [{type: flip, of: label}]", RN_E_CONFIG,
                "is not an image");
    fit_refused("data: {source: {type: test/made, nan: 7}}", RN_E_DATA,
                "made.bin: row 8, field 'x', element 3 is missing");

    open_fitted(&a, MADE "  batch: 7\n  eval_batch: 9\n  workers: 5\n", 0);
    CHECK(data_batch(a.data) == 7 && data_eval_batch(a.data) == 9 &&
          data_workers(a.data) == 5);
    CHECK(data_field_find(a.data, "name")->text);
    CHECK_TEXT(data_split_name(DATA_TEST), "test");
    close_opened(&a);
}

/* train, val and test of their own; texts of unlike widths; ids count through. */
static void test_tables(void) {
    struct opened a;
    char name[40][6];
    static float x[40][6];
    int64_t ids[40];
    open_fitted(
        &a,
        "data:\n  train: {type: test/made, rows: 40, width: 3}\n"
        "  val: {type: test/made, rows: 20, first: 100, width: 6}\n"
        "  test: {type: test/made, rows: 10, first: 200, width: 4, sequential: true}",
        0);
    CHECK(data_rows(a.data, DATA_TRAIN) == 40 && data_rows(a.data, DATA_VAL) == 20 &&
          data_rows(a.data, DATA_TEST) == 10);
    CHECK(data_field_find(a.data, "name")->shape[0] == 6);
    take(a.data, DATA_VAL, "x", x, ids);
    CHECK(ids[0] == 40 && x[3][2] == made_x(103, 2));
    take(a.data, DATA_TEST, "x", x, ids);
    CHECK(ids[9] == 69 && x[9][5] == made_x(209, 5));
    take(a.data, DATA_TEST, "name", name, NULL);
    CHECK(memcmp(name[3], "n0\0\0\0\0", 6) == 0); /* 203 = 29 * 7 */
    take(a.data, DATA_TRAIN, "name", name, NULL);
    CHECK(memcmp(name[39], "n4\0\0\0\0", 6) == 0);

    /* a stored split may not put rows of two files into one */
    const char *mixed = arena_format(
        a.a, "runner split 1\ncontent %s\ntrain 1\n0\nval 0\ntest 2\n59 60\n",
        data_content_hash(a.data));
    refused_how(
        "data:\n  train: {type: test/made, rows: 40, width: 3}\n"
        "  val: {type: test/made, rows: 20, first: 100, width: 6}\n"
        "  test: {type: test/made, rows: 10, first: 200, width: 4, sequential: true}",
        (struct how){.stored_split = mixed}, RN_E_DATA, "mixes sources");
    close_opened(&a);

    /* the split divides what has no file of its own */
    open_fitted(&a,
                "data:\n  train: {type: test/made, rows: 90}\n"
                "  test: {type: test/made, rows: 10}\n"
                "  split: {val: 30, test: 20}",
                0);
    CHECK(data_rows(a.data, DATA_TRAIN) == 60 && data_rows(a.data, DATA_VAL) == 30 &&
          data_rows(a.data, DATA_TEST) == 10);
    close_opened(&a);
}

/* What can only be read in order gives the same samples, and the same when a source
 * hashes its content itself. */
static void test_sequential(void) {
    struct opened a, b;
    static float x[300][6], y[300][6];
    const char *form = "data:\n  source: {type: test/made, rows: 1300, %s}\n"
                       "  split: {kind: stratified, by: label, val: 300}";
    struct arena *arena = arena_create();
    open_fitted(&a, arena_format(arena, form, "sequential: true"), 4);
    open_fitted(&b, arena_format(arena, form, "hashed: true"), 4);
    CHECK(strcmp(data_content_hash(a.data), data_content_hash(b.data)) != 0);
    take(a.data, DATA_VAL, "x", x, NULL);
    take(b.data, DATA_VAL, "x", y, NULL);
    CHECK(memcmp(x, y, sizeof x) == 0);
    close_opened(&a);
    close_opened(&b);
    REFUSED(
        "data: {source: {type: test/made, rows: 1300, sequential: true, fail: 700}}",
        RN_E_DATA, "made.bin:701:1: error: data.source: test/made: made.bin: cannot "
        "be decoded");
    REFUSED("data: {source: {type: test/made, rows: 1300, fail: 700}}", RN_E_DATA,
            "cannot be decoded");
    REFUSED("data: {source: {type: test/made, rows: 1300, hashed: true, fail: 700}, "
            "split: {kind: "
            "stratified, by: label, val: 3}}",
            RN_E_DATA, "cannot be decoded");
    arena_destroy(arena);
}

/* --------------------------------------------------------------- prediction */

static void test_prediction(void) {
    const char *yaml =
        MADE "  split: {val: 100, test: 100}\n"
             "  transforms: [{type: standardise, of: x},\n"
             "    {type: one_hot, of: [label]}]\naugment: {type: flip, of: x}\n";
    struct opened a, b;
    struct rn_error e = {0};
    static struct memory memory;
    static float x[1000][6], y[1000][6];
    static int64_t ids[1000];
    memory.stream.api = &memory_api;
    open_fitted(&a, yaml, 3);
    CHECK(data_save(a.data, &memory.stream) == RN_OK);
    /* the source gives no labels: the fields are those of the training data, and only
     * reading them is an error */
    struct data_schema schema;
    struct arena *arena = arena_create();
    CHECK(data_schema_read(arena, &memory.stream, &schema, &e) == RN_OK);
    CHECK(schema.count == 3 && memory.at == memory.size);
    memory.at = 0;
    open_good(&b, yaml, (struct how){.mode = DATA_FOR_PREDICTION, .schema = &schema});
    CHECK(data_load(b.data, &memory.stream, &e) == RN_OK);
    CHECK(data_rows(b.data, DATA_TEST) == 1000 && data_rows(b.data, DATA_TRAIN) == 0);
    CHECK(data_field_count(b.data) == data_field_count(a.data));
    CHECK(data_check(b.data, &e) == RN_E_DATA && strstr(e.message, "no field 'label'"));
    bool wanted[8] = {false};
    for (uint32_t i = 0; i < data_field_count(b.data); i++)
        wanted[i] = strcmp(data_field_at(b.data, i)->name, "label") != 0;
    data_restrict(b.data, wanted);
    CHECK(data_check(b.data, &e) == RN_OK);
    take(b.data, DATA_TEST, "x", y, NULL);
    take(a.data, DATA_VAL, "x", x, ids);
    int same = 1;
    for (int i = 0; i < 100; i++)
        same &= memcmp(x[i], y[ids[i]], sizeof x[i]) == 0;
    CHECK(same);
    close_opened(&b);
    close_opened(&a);
    arena_destroy(arena);
    /* with files of their own it is the test's rows that are asked for */
    const char *files = "data:\n  train: {type: test/made, rows: 40}\n"
                        "  test: {type: test/made, rows: 10, first: 200}";
    open_good(&b, files, (struct how){.mode = DATA_FOR_PREDICTION});
    CHECK(data_rows(b.data, DATA_TEST) == 10);
    close_opened(&b);
    open_good(&b, "data:\n  train: {type: test/made, rows: 40}",
              (struct how){.mode = DATA_FOR_PREDICTION});
    CHECK(data_rows(b.data, DATA_TEST) == 40);
    close_opened(&b);
}

int main(int argc, char **argv) {
    static const char *const needed[] = {
        "augment/flip",      "source/csv",           "source/idx",
        "transform/impute",  "transform/label_map",  "transform/minmax",
        "transform/one_hot", "transform/standardise"};
    for (size_t i = 0; argc > 1 && i < sizeof needed / sizeof *needed; i++)
        need_plugin(argv[1], needed[i]);
    if (!world_open(argc, argv))
        return 1;
    test_split();
    test_stored();
    test_content();
    test_fitted();
    test_unseen_class();
    test_impute();
    test_sections();
    test_tables();
    test_sequential();
    test_prediction();
    return world_close();
}
