/* SPDX-License-Identifier: Apache-2.0 */
/* Which samples are for training, validation and test: a function of content and seed.
 * The options of data.split, the keys that they name, and the lists that follow; how
 * rows are divided is in division.c and groups.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/numerics.h>

#include "base/hash.h"
#include "base/text.h"
#include "data/drop.h"
#include "data/groups.h"
#include "data/keys.h"
#include "data/split.h"
#include "data/split_near.h"

void data_key(uint64_t seed, const char *purpose, uint32_t key[2]) {
    uint64_t h = fnv1a(purpose, strlen(purpose)) ^ (seed * 0x9e3779b97f4a7c15ull);
    key[0] = (uint32_t)h;
    key[1] = (uint32_t)(h >> 32);
}

/* A whole number below n, without bias that matters: 64 random bits modulo n. */
static uint64_t below(uint64_t n, const uint32_t key[2], uint64_t i, uint32_t a,
                      uint32_t b) {
    uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), a, b}, out[4];
    rn_philox(counter, key, out);
    return (((uint64_t)out[1] << 32) | out[0]) % n;
}

void data_shuffle(uint64_t *v, uint64_t n, const uint32_t key[2], uint32_t a,
                  uint32_t b) {
    for (uint64_t i = n; i > 1; i--) {
        uint64_t k = below(i, key, i, a, b), t = v[i - 1];
        v[i - 1] = v[k];
        v[k] = t;
    }
}

/* ------------------------------------------------------------------- options */

static int refuse(struct rn_error *e, const char *option) {
    char where[64];
    snprintf(where, sizeof where, "split.%s", option);
    return error_where(e, RN_WHERE_CONFIG, *option ? where : "split", 0, 0);
}

const struct node *split_option(const struct data *data, const char *name) {
    const struct node *split = node_find(data->options.data, "split");
    return split ? node_find(split, name) : NULL;
}

static uint32_t list_count(const struct node *n) {
    return !n ? 0 : node_kind(n) == NODE_LIST ? node_count(n) : 1;
}

static const char *list_at(const struct node *n, uint32_t i) {
    return node_string(node_kind(n) == NODE_LIST ? node_item(n, i) : n);
}

/* The kinds that an option is for. */
struct rule {
    const char *option;
    uint32_t kinds;
    const char *words; /* NULL: most */
};

#define SHOWN_CLASSES 12u /* in an error */

#define ON(kind) (1u << SPLIT_##kind)

static const struct rule rules[] = {
    {"by", ON(STRATIFIED) | ON(GROUP) | ON(TIME) | ON(HASH) | ON(FILE),
     "stratified, group, time, hash or file"},
    {"group", ON(RANDOM) | ON(STRATIFIED) | ON(GROUP), "random, stratified or group"},
    {"ignore", ON(RANDOM) | ON(STRATIFIED) | ON(GROUP), "random, stratified or group"},
    {"bins", ON(STRATIFIED), "stratified"},
    {"gap", ON(POSITION) | ON(TIME), "position or time"},
    {"embargo", ON(TIME), "time"},
    {"folds", ~ON(FILE), NULL},
    {"fold", ~ON(FILE), NULL},
    {"path", ON(FILE), "file"},
};

static const char *const kind_names[] = {"random", "stratified", "group", "time",
                                         "hash",   "position",   "file"};

enum split_kind split_kind_of(const struct data *data) {
    const char *word = data_word(&data->options, "split.kind");
    enum split_kind k = SPLIT_RANDOM;
    while (k < SPLIT_FILE && strcmp(word, kind_names[k]) != 0)
        k++;
    return k;
}

/* Is each option that is given one of this kind? */
static int check_options(const struct data *data, enum split_kind kind,
                         struct rn_error *e) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const struct node *n = split_option(data, rules[i].option);
        bool is_default = strcmp(rules[i].option, "gap") == 0 && n && !node_int(n);
        if (!n || is_default || rules[i].kinds & 1u << kind)
            continue;
        if (rules[i].words)
            error_set(e, RN_E_CONFIG, "data.split.%s is of kind %s, not %s",
                      rules[i].option, rules[i].words, kind_names[kind]);
        else
            error_set(e, RN_E_CONFIG, "data.split.%s does not go with kind %s",
                      rules[i].option, kind_names[kind]);
        return refuse(e, rules[i].option);
    }
    return RN_OK;
}

static int columns_of(struct data *data, const char *option, const char *const *names,
                      uint32_t count, struct split_keys *out, struct rn_error *e) {
    out->option = option;
    out->columns = arena_array(data->arena, uint32_t, count + 1);
    for (out->count = 0; out->count < count; out->count++) {
        int status =
            keys_column(data, option, names[out->count], &out->columns[out->count], e);
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

static int columns_of_option(struct data *data, const char *option,
                             struct split_keys *out, struct rn_error *e) {
    const struct node *n = split_option(data, option);
    uint32_t count = list_count(n);
    const char **names = arena_array(data->arena, const char *, count + 1);
    for (uint32_t i = 0; i < count; i++)
        names[i] = list_at(n, i);
    return columns_of(data, option, names, count, out, e);
}

bool split_is_label(const struct data *data, uint32_t column) {
    const struct node *source = node_find(data->options.data, "source");
    source = source ? source : node_find(data->options.data, "train");
    const struct node *target = source ? node_find(source, "target") : NULL;
    const char *name = data->pipeline.columns[column].field.name;
    if (target && node_kind(target) == NODE_SCALAR)
        return strcmp(node_string(target), name) == 0;
    return strcmp(name, "label") == 0;
}

static bool is_key(const struct split_keys *keys, uint32_t column) {
    for (uint32_t i = 0; i < keys->count; i++)
        if (keys->columns[i] == column)
            return true;
    return false;
}

/* The inputs: fields that are neither the label nor named by `by` or `ignore`. */
static int input_columns(struct data *data, const struct split_keys *by,
                         struct split_keys *out, struct rn_error *e) {
    struct split_keys ignored;
    int status = columns_of_option(data, "ignore", &ignored, e);
    out->option = "group";
    out->columns = arena_array(data->arena, uint32_t, data->pipeline.raw_count + 1);
    for (uint32_t i = 0; i < data->pipeline.raw_count && status == RN_OK; i++)
        if (!split_is_label(data, i) && !is_key(by, i) && !is_key(&ignored, i))
            out->columns[out->count++] = i;
    if (status == RN_OK && !out->count) {
        error_set(e, RN_E_CONFIG,
                  "data.split.group: no field is left to compare rows by");
        return refuse(e, "group");
    }
    return status;
}

int split_keys_of(struct data *data, struct split_keys *by, struct split_keys *group,
                  bool *equal_rows, struct rn_error *e) {
    enum split_kind kind = split_kind_of(data);
    const struct node *g = split_option(data, "group");
    *by = *group = (struct split_keys){0};
    bool near = list_count(g) == 1 && strcmp(list_at(g, 0), "near-duplicate") == 0;
    *equal_rows = near || (list_count(g) == 1 && strcmp(list_at(g, 0), "rows") == 0);
    int status = check_options(data, kind, e);
    if (status == RN_OK)
        status = columns_of_option(data, "by", by, e);
    if (status != RN_OK)
        return status;
    if (kind == SPLIT_GROUP && by->count && g) {
        error_set(e, RN_E_CONFIG, "data.split names its groups by `by` and by `group`");
        error_hint(e, "leave one; kind stratified takes both: classes by `by`, whole "
                      "groups by `group`");
        return refuse(e, "group");
    }
    bool missing = kind == SPLIT_GROUP  ? !by->count && !g
                   : kind == SPLIT_FILE ? false
                                        : !by->count && (rules[0].kinds & 1u << kind);
    if (missing) {
        error_set(e, RN_E_CONFIG, "data.split is %s, but `by` is missing",
                  kind_names[kind]);
        error_hint(e, "by: the field %s",
                   kind == SPLIT_STRATIFIED
                       ? "whose classes keep their shares, e.g. label"
                   : kind == SPLIT_GROUP ? "whose values are the groups"
                   : kind == SPLIT_TIME  ? "that is the time of a row"
                                         : "whose value says where a row goes");
        return refuse(e, "");
    }
    if (by->count > 1 && kind != SPLIT_GROUP && kind != SPLIT_HASH) {
        error_set(e, RN_E_CONFIG,
                  "data.split.by names %u fields, but kind %s takes one", by->count,
                  kind_names[kind]);
        return refuse(e, "by");
    }
    if (kind == SPLIT_GROUP && by->count) {
        *group = *by;
        by->count = 0;
        return RN_OK;
    }
    if (*equal_rows) {
        status = input_columns(data, by, group, e);
        group->near = near;
        return status;
    }
    if (split_option(data, "ignore")) {
        error_set(e, RN_E_CONFIG,
                  "data.split.ignore goes with group: rows or near-duplicate");
        return refuse(e, "ignore");
    }
    return columns_of_option(data, "group", group, e);
}

int split_groups(struct data *data, const struct split_keys *keys, bool equal_rows,
                 uint32_t *of, uint64_t *count, struct rn_error *e) {
    uint64_t n = pool_count(data);
    struct identity *ids = memory_get(memory_mul(n + 1, sizeof *ids));
    int status = keys_identities(data, equal_rows ? NULL : keys->option, keys->columns,
                                 keys->count, 0, ids, e);
    if (status == RN_OK)
        *count = keys_number(ids, n, of);
    memory_release(ids);
    if (status == RN_OK && keys->near)
        status = split_join_near(data, keys, of, count, e);
    return status;
}

/* -------------------------------------------------------------------- dividing */

/* What the section asks for, and the keys as they were read. */
struct request {
    enum split_kind kind;
    uint64_t seed;
    struct split_keys by, group;
    bool equal_rows;
    struct classes classes;
    uint32_t *groups; /* [rows], or NULL */
    uint64_t group_count;
    struct division division;
};

void split_whole(struct data *data, enum data_split_kind split, int table) {
    const struct table *t = &data->sources.at[table];
    data->splits[split].table = table;
    data->splits[split].rows = t->count;
    data->splits[split].ids = memory_get(memory_mul(t->count + 1, sizeof(int64_t)));
    for (uint64_t i = 0; i < t->count; i++)
        data->splits[split].ids[i] = (int64_t)(t->offset + i);
}

/* A share below 1, or a count. */
static int wanted_rows(double v, uint64_t n, const char *key, uint64_t *out,
                       struct rn_error *e) {
    *out = (uint64_t)(v < 1.0 ? floor(v * (double)n + 0.5) : v);
    if (v >= 1.0 && floor(v) != v)
        error_set(e, RN_E_CONFIG,
                  "data.split.%s is %g: a share below 1, or a whole count", key, v);
    else if (v > 0.0 && !*out)
        error_set(e, RN_E_CONFIG,
                  "data.split.%s is %g, which is less than one sample of %llu", key, v,
                  (unsigned long long)n);
    else
        return RN_OK;
    return error_where(e, RN_WHERE_CONFIG,
                       strcmp(key, "val") == 0 ? "split.val" : "split.test", 0, 0);
}

/* Which fold is validation. */
static int read_folds(const struct data *data, struct division *d, struct rn_error *e) {
    const struct node *folds = split_option(data, "folds");
    const struct node *fold = split_option(data, "fold");
    if (!folds && fold) {
        error_set(e, RN_E_CONFIG, "data.split.fold needs `folds`, their number");
        return refuse(e, "fold");
    }
    if (!folds)
        return RN_OK;
    d->folds = (uint32_t)node_int(folds);
    d->fold = fold ? (uint32_t)node_int(fold) - 1 : 0;
    if (d->fold >= d->folds) {
        error_set(e, RN_E_CONFIG, "data.split.fold is %u of %u folds", d->fold + 1,
                  d->folds);
        return refuse(e, "fold");
    }
    if (data->sources.val < 0 && data_number(&data->options, "split.val") == 0)
        return RN_OK;
    error_set(e, RN_E_CONFIG,
              "data.split.folds gives validation samples, and so does %s",
              data->sources.val < 0 ? "data.split.val" : "data.val");
    error_hint(e, "leave one");
    return refuse(e, "folds");
}

/* Rows of each part, and whether they leave any for training. */
static int read_wants(const struct data *data, const struct table *t,
                      enum split_kind kind, struct division *d, struct rn_error *e) {
    const struct data_options *o = &data->options;
    uint64_t *want = d->want, all = pool_count(data);
    uint64_t gap = (uint64_t)data_number(o, "split.gap"), gaps = 0;
    int status = RN_OK;
    if (data->sources.val < 0)
        status =
            wanted_rows(data_number(o, "split.val"), all, "val", &want[DATA_VAL], e);
    if (data->sources.test < 0 && status == RN_OK)
        status =
            wanted_rows(data_number(o, "split.test"), all, "test", &want[DATA_TEST], e);
    if (status != RN_OK)
        return status;
    if (t->stream && (want[DATA_VAL] || want[DATA_TEST] || d->folds)) {
        error_set(e, RN_E_CONFIG,
                  "a stream cannot be divided, as its samples are not "
                  "counted");
        error_hint(e, "give data.val and data.test sources of their own");
        return refuse(e, "");
    }
    if (kind == SPLIT_POSITION || kind == SPLIT_TIME)
        gaps = gap * ((want[DATA_VAL] > 0) + (want[DATA_TEST] > 0));
    if (want[DATA_VAL] + want[DATA_TEST] + gaps >= all && all) {
        error_set(e, RN_E_CONFIG,
                  "%llu samples for validation and %llu for the test leave "
                  "none of %llu for training",
                  (unsigned long long)want[DATA_VAL],
                  (unsigned long long)want[DATA_TEST], (unsigned long long)all);
        if (gaps)
            error_hint(e, "%llu are left out as gaps", (unsigned long long)gaps);
        return refuse(e, "");
    }
    if (d->folds && (all - want[DATA_TEST]) < d->folds) {
        error_set(e, RN_E_CONFIG,
                  "%u folds of %llu samples: at least one would be empty", d->folds,
                  (unsigned long long)(all - want[DATA_TEST]));
        return refuse(e, "folds");
    }
    return RN_OK;
}

/* Rows class by class, each class in random order. */
static void shuffle_classes(const struct request *r, uint64_t *rows) {
    const struct classes *c = &r->classes;
    uint64_t n = r->division.rows;
    if (!c->count) {
        for (uint64_t i = 0; i < n; i++)
            rows[i] = i;
        data_shuffle(rows, n, r->division.key, 0, 0);
        return;
    }
    uint64_t *next = memory_get(memory_mul(c->count + 1, sizeof *next));
    for (uint64_t k = 1; k < c->count; k++)
        next[k] = next[k - 1] + c->rows[k - 1];
    for (uint64_t i = 0; i < n; i++)
        rows[next[c->of[i]]++] = i;
    for (uint64_t k = 0; k < c->count; k++)
        data_shuffle(rows + (next[k] - c->rows[k]), c->rows[k], r->division.key, 1,
                     (uint32_t)k);
    memory_release(next);
}

/* "a 120, b 4", at most SHOWN_CLASSES of them. */
static int hint_counts(const struct data *data, const struct classes *c,
                       struct rn_error *e) {
    struct text t = {0};
    for (uint64_t k = 0; k < c->count && k < SHOWN_CLASSES; k++) {
        text_add(&t, k ? ", " : "");
        classes_name(data, c, k, &t);
        text_addf(&t, " %llu", (unsigned long long)c->rows[k]);
    }
    if (c->count > SHOWN_CLASSES)
        text_addf(&t, " and %llu classes more",
                  (unsigned long long)(c->count - SHOWN_CLASSES));
    int status = error_hint(e, "rows of each class: %s", text_get(&t));
    text_finish(&t);
    return status;
}

/* Every fold has a row of every class. */
static int check_class_folds(const struct data *data, const struct request *r,
                             struct rn_error *e) {
    const struct classes *c = &r->classes;
    const struct division *d = &r->division;
    if (!c->count || !d->folds)
        return RN_OK;
    uint64_t k = 0, *test = memory_get(memory_mul(c->count, sizeof *test));
    for (uint64_t i = 0; i < d->rows; i++)
        test[c->of[i]] += d->part[i] == DATA_TEST;
    while (k < c->count && c->rows[k] - test[k] >= d->folds)
        k++;
    uint64_t in_test = k < c->count ? test[k] : 0;
    memory_release(test);
    if (k == c->count)
        return RN_OK;
    struct text name = {0};
    classes_name(data, c, k, &name);
    error_set(
        e, RN_E_CONFIG,
        "class '%s' of data.split.by has %llu rows, %llu of them in the test: too "
        "few for %u folds",
        text_get(&name), (unsigned long long)c->rows[k], (unsigned long long)in_test,
        d->folds);
    text_finish(&name);
    hint_counts(data, c, e);
    return refuse(e, "folds");
}

static int divide_by_class(const struct data *data, struct request *r,
                           struct rn_error *e) {
    uint64_t *rows = memory_get(memory_mul(r->division.rows + 1, sizeof *rows));
    shuffle_classes(r, rows);
    divide_classes(&r->division, rows,
                   r->classes.count ? r->classes.rows : &r->division.rows,
                   r->classes.count ? r->classes.count : 1);
    memory_release(rows);
    return check_class_folds(data, r, e);
}

/* Groups that have rows of class k; all: of any. */
static uint64_t groups_of_class(const struct request *r, uint64_t k, bool all,
                                uint64_t *largest) {
    uint64_t *rows = memory_get(memory_mul(r->group_count + 1, sizeof *rows)), n = 0;
    for (uint64_t i = 0; i < r->division.rows; i++)
        rows[r->groups[i]] += all || r->classes.of[i] == k;
    *largest = 0;
    for (uint64_t g = 0; g < r->group_count; g++) {
        n += rows[g] > 0;
        *largest = rows[g] > *largest ? rows[g] : *largest;
    }
    memory_release(rows);
    return n;
}

static int groups_lack(const struct data *data, const struct request *r,
                       const struct division_lack *lack, struct rn_error *e) {
    const struct division *d = &r->division;
    bool fold = d->folds && lack->part == DATA_VAL;
    uint64_t largest, n = groups_of_class(r, lack->which, !lack->of_class, &largest);
    struct text name = {0};
    const char *part = data_split_name(lack->part);
    if (lack->of_class) {
        classes_name(data, &r->classes, lack->which, &name);
        error_set(
            e, RN_E_CONFIG,
            "%s gets no row of class '%s': groups are whole, and its %llu rows are "
            "in %llu group%s, the largest with %llu",
            fold ? "a fold" : part, text_get(&name),
            (unsigned long long)r->classes.rows[lack->which], (unsigned long long)n,
            n == 1 ? "" : "s", (unsigned long long)largest);
    } else {
        error_set(e, RN_E_CONFIG,
                  "%s gets no group: %llu rows are in %llu group%s, the largest with "
                  "%llu",
                  fold ? "a fold" : part, (unsigned long long)d->rows,
                  (unsigned long long)n, n == 1 ? "" : "s",
                  (unsigned long long)largest);
    }
    text_finish(&name);
    if (lack->of_class)
        hint_counts(data, &r->classes, e);
    else
        error_hint(e,
                   "a group is never divided: ask for fewer parts or folds, or group "
                   "by another field");
    return refuse(e,
                  r->kind == SPLIT_GROUP && split_option(data, "by") ? "by" : "group");
}

static int divide_by_group(const struct data *data, struct request *r,
                           struct rn_error *e) {
    struct groups g = {r->groups, r->group_count, r->classes.of, r->classes.count};
    struct division_lack lack;
    int status = divide_groups(&r->division, &g, &lack, e);
    return status == RN_OK && lack.any ? groups_lack(data, r, &lack, e) : status;
}

struct timed {
    long double time;
    uint64_t row;
};

static int by_time(const void *a, const void *b) {
    const struct timed *x = a, *y = b;
    return x->time != y->time ? (x->time < y->time ? -1 : 1)
                              : (x->row > y->row) - (x->row < y->row);
}

static int time_lack(const struct request *r, const struct division_lack *lack,
                     const struct timeline *t, struct rn_error *e) {
    uint64_t n = r->division.rows, times = n > 0;
    for (uint64_t i = 1; i < n && t->times; i++)
        times += t->times[i] != t->times[i - 1];
    error_set(e, RN_E_CONFIG, "no samples are left for %s: %llu rows have %llu times",
              lack->part == DATA_TRAIN ? "training"
              : lack->part == DATA_VAL ? "validation"
                                       : "the test",
              (unsigned long long)n, (unsigned long long)(t->times ? times : n));
    error_hint(e,
               "rows of one time are in one part, and `gap` and `embargo` leave rows "
               "out before each border");
    return refuse(e, "");
}

static int divide_by_time(struct data *data, struct request *r, struct rn_error *e) {
    const struct data_options *o = &data->options;
    uint64_t n = r->division.rows;
    struct timed *all = memory_get(memory_mul(n + 1, sizeof *all));
    uint64_t *rows = memory_get(memory_mul(n + 1, sizeof *rows));
    long double *times = NULL, unit = 1;
    int status = RN_OK;
    if (r->kind == SPLIT_TIME) {
        times = memory_get(memory_mul(n + 1, sizeof *times));
        status = keys_times(data, r->by.columns[0], times, &unit, e);
    }
    for (uint64_t i = 0; i < n; i++)
        all[i] = (struct timed){times && status == RN_OK ? times[i] : 0, i};
    if (times && status == RN_OK)
        qsort(all, n, sizeof *all, by_time);
    for (uint64_t i = 0; i < n; i++) {
        rows[i] = all[i].row;
        if (times)
            times[i] = all[i].time;
    }
    struct timeline t = {rows, times, (uint64_t)data_number(o, "split.gap"),
                         (long double)data_number(o, "split.embargo") * unit,
                         r->kind == SPLIT_TIME};
    if (status == RN_OK) {
        struct division_lack lack = divide_time(&r->division, &t);
        if (lack.any)
            status = time_lack(r, &lack, &t, e);
    }
    memory_release(all);
    memory_release(rows);
    memory_release(times);
    return status;
}

/* A share of a hash is no count: which rows there are does not change where one goes.
 */
static int hash_share(const struct data *data, const char *name, double *out,
                      struct rn_error *e) {
    char path[32];
    snprintf(path, sizeof path, "split.%s", name);
    *out = data_number(&data->options, path);
    if (*out < 1)
        return RN_OK;
    error_set(e, RN_E_CONFIG,
              "data.split.%s is %g, but kind hash takes a share below 1", name, *out);
    return refuse(e, name);
}

static int check_hash_parts(const struct request *r, struct rn_error *e) {
    const struct division *d = &r->division;
    uint64_t rows[DATA_SPLITS] = {0};
    for (uint64_t i = 0; i < d->rows; i++)
        rows[d->part[i]]++;
    for (int s = 0; s < DATA_SPLITS; s++) {
        bool asked = s == DATA_TRAIN || d->want[s] || (s == DATA_VAL && d->folds);
        if (rows[s] || !asked)
            continue;
        error_set(e, RN_E_CONFIG, "by hash, %s gets none of %llu rows",
                  data_split_name((enum data_split_kind)s),
                  (unsigned long long)d->rows);
        error_hint(e, "rows with the same value of `by` are in one part; a field with "
                      "more values, or another seed, divides them further");
        return refuse(e, "");
    }
    return RN_OK;
}

static int divide_by_hash(struct data *data, struct request *r, struct rn_error *e) {
    uint64_t n = r->division.rows;
    double share[DATA_SPLITS] = {0};
    struct identity *ids = memory_get(memory_mul(n + 1, sizeof *ids));
    uint64_t *hashes = memory_get(memory_mul(n + 1, sizeof *hashes));
    int status = RN_OK;
    if (data->sources.val < 0)
        status = hash_share(data, "val", &share[DATA_VAL], e);
    if (status == RN_OK && data->sources.test < 0)
        status = hash_share(data, "test", &share[DATA_TEST], e);
    if (status == RN_OK)
        status =
            keys_identities(data, "by", r->by.columns, r->by.count, r->seed, ids, e);
    for (uint64_t i = 0; i < n && status == RN_OK; i++)
        hashes[i] = ids[i].h[0];
    if (status == RN_OK) {
        divide_hash(&r->division, hashes, share);
        status = check_hash_parts(r, e);
    }
    memory_release(ids);
    memory_release(hashes);
    return status;
}

static int read_request_keys(struct data *data, struct request *r, struct rn_error *e) {
    int status = RN_OK;
    if (r->kind == SPLIT_STRATIFIED)
        status = keys_classes(data, r->by.columns[0],
                              (uint64_t)data_number(&data->options, "split.bins"),
                              &r->classes, e);
    if (status == RN_OK && r->group.count) {
        r->groups = memory_get(memory_mul(r->division.rows + 1, sizeof *r->groups));
        status =
            split_groups(data, &r->group, r->equal_rows, r->groups, &r->group_count, e);
    }
    return status;
}

static int divide_rows(struct data *data, struct request *r, struct rn_error *e) {
    if (r->kind == SPLIT_HASH)
        return divide_by_hash(data, r, e);
    if (r->kind == SPLIT_TIME || r->kind == SPLIT_POSITION)
        return divide_by_time(data, r, e);
    int status = read_request_keys(data, r, e);
    if (status == RN_OK)
        status = r->groups ? divide_by_group(data, r, e) : divide_by_class(data, r, e);
    classes_finish(&r->classes);
    memory_release(r->groups);
    return status;
}

void split_lists(struct data *data, const uint8_t *part, const bool any[DATA_SPLITS]) {
    const struct table *t = &data->sources.at[data->sources.main];
    uint64_t rows = pool_count(data);
    for (int s = 0; s < DATA_SPLITS; s++) {
        if (!any[s])
            continue;
        int64_t *ids = memory_get(memory_mul(rows + 1, sizeof *ids));
        uint64_t n = 0;
        for (uint64_t i = 0; i < rows; i++)
            if (part[i] == s)
                ids[n++] = (int64_t)(t->offset + pool_row(data, i));
        data->splits[s].table = data->sources.main;
        data->splits[s].ids = ids;
        data->splits[s].rows = n;
    }
}

static int divide(struct data *data, struct rn_error *e) {
    const struct table *t = &data->sources.at[data->sources.main];
    const struct node *seed = split_option(data, "seed");
    struct request r = {.kind = split_kind_of(data),
                        .seed = seed ? (uint64_t)node_int(seed) : data->options.seed,
                        .division = {.rows = pool_count(data)}};
    struct division *d = &r.division;
    int status = split_keys_of(data, &r.by, &r.group, &r.equal_rows, e);
    if (status == RN_OK)
        status = read_folds(data, d, e);
    if (status == RN_OK)
        status = read_wants(data, t, r.kind, d, e);
    if (status != RN_OK)
        return status;
    data_key(r.seed, "data.split", d->key);
    d->part = memory_get(d->rows + 1);
    if (!t->stream && (d->want[DATA_VAL] || d->want[DATA_TEST] || d->folds))
        status = divide_rows(data, &r, e);
    const bool any[DATA_SPLITS] = {true, d->want[DATA_VAL] || d->folds,
                                   d->want[DATA_TEST]};
    if (status == RN_OK)
        split_lists(data, d->part, any);
    memory_release(d->part);
    return status;
}

void split_hash(struct data *data) {
    struct text t = {0};
    struct sha256 h;
    uint8_t digest[32];
    data_split_write(data, &t);
    sha256_init(&h);
    sha256_add(&h, text_get(&t), t.length);
    sha256_finish(&h, digest);
    sha256_hex(digest, data->split_hash);
    text_finish(&t);
}

static int read_stored(struct data *data, struct rn_error *e) {
    struct split_keys by, group;
    bool equal_rows;
    const char *path = data_word(&data->options, "split.path");
    int status = split_keys_of(data, &by, &group, &equal_rows, e);
    if (status != RN_OK)
        return status;
    if (!path == !by.count) {
        if (path)
            error_set(e, RN_E_CONFIG,
                      "data.split gives its parts by `path` and by `by`");
        else
            error_set(e, RN_E_CONFIG, "data.split.kind is file, but `path` is missing");
        if (!path)
            error_hint(e,
                       "path: a stored split; or by: a field of train, val and test");
        return refuse(e, path ? "by" : "");
    }
    return path ? split_read_file(data, path, e)
                : split_read_column(data, by.columns[0], e);
}

/* As the section says, without the rows that it leaves out. */
static int make(struct data *data, struct rn_error *e) {
    int status = drop_find(data, e);
    if (status != RN_OK)
        return status;
    if (split_kind_of(data) == SPLIT_FILE) {
        status = read_stored(data, e);
    } else {
        status = divide(data, e);
        if (data->sources.val >= 0 && status == RN_OK)
            split_whole(data, DATA_VAL, data->sources.val);
        if (data->sources.test >= 0 && status == RN_OK)
            split_whole(data, DATA_TEST, data->sources.test);
    }
    return status == RN_OK ? drop_apply(data, e) : status;
}

int split_make(struct data *data, struct rn_error *e) {
    int status = RN_OK;
    if (data->options.mode == DATA_FOR_PREDICTION)
        split_whole(data, DATA_TEST, data->sources.main);
    else if (data->options.stored_split)
        status = split_read(data, data->options.stored_split, e);
    else
        status = make(data, e);
    if (status == RN_OK) {
        drop_finish(data);
        split_hash(data);
    }
    return status;
}
