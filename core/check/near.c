/* SPDX-License-Identifier: Apache-2.0 */
/* Near-duplicates between train and the other splits, and within train. */
#include "data/near.h"
#include "data/near_text.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "check/check.h"
#include "check/near_rows.h"

#define ROWS_MIN    20u  /* a median of fewer distances says little */
#define SERIOUS     0.01 /* share of a split: an error */
#define SHOWN_PAIRS 3u

/* ------------------------------------------------------------------- searching */

struct feed {
    struct check *k;
    struct near *near;
    uint32_t raw;
    uint64_t bytes; /* of an image */
    bool again;     /* the second pass */
};

static int feed_chunk(void *context, const struct data_chunk *c, struct rn_error *e) {
    struct feed *f = context;
    uint64_t row = f->k->profile->begin[c->split] + c->first;
    (void)e;
    for (uint64_t r = 0; r < c->rows; r++) {
        const char *at = (const char *)c->fields[f->raw] + r * f->bytes;
        if (!f->again)
            near_add(f->near, row + r, at);
        else if (near_wanted(f->near, row + r))
            near_look(f->near, row + r, at);
    }
    return RN_OK;
}

static int feed_all(struct feed *f, struct rn_error *e) {
    bool *wanted = memory_get(data_raw_count(f->k->data) + 1);
    int status = RN_OK;
    wanted[f->raw] = true;
    for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++)
        status =
            data_scan(f->k->data, (enum data_split_kind)s, wanted, feed_chunk, f, e);
    memory_release(wanted);
    return status;
}

static bool any_wanted(const struct near *n, uint64_t rows) {
    for (uint64_t r = 0; r < rows; r++)
        if (near_wanted(n, r))
            return true;
    return false;
}

static int search(struct feed *f, struct rn_error *e) {
    int status = feed_all(f, e);
    if (status == RN_OK)
        status = near_search(f->near, e);
    f->again = true;
    if (status == RN_OK && any_wanted(f->near, f->k->profile->rows))
        status = feed_all(f, e);
    if (status == RN_OK)
        near_verify(f->near);
    return status;
}

/* ------------------------------------------------------------------- reporting */

/* Of each representative: the first that it is near to in train, + 1. */
static uint32_t *near_in_train(const struct check *k, const struct near_result *n) {
    uint64_t train = k->profile->of[DATA_TRAIN];
    const struct near_pair *p = n->pairs;
    uint32_t *out = memory_get(memory_mul(k->profile->rows + 1, sizeof *out));
    for (uint64_t i = 0; i < n->count; i++) { /* a < b: b in train has a there too */
        if (p[i].a >= train)
            continue;
        out[p[i].b] = out[p[i].b] ? out[p[i].b] : p[i].a + 1;
        if (p[i].b < train)
            out[p[i].a] = out[p[i].a] ? out[p[i].a] : p[i].b + 1;
    }
    return out;
}

static const char *many(uint64_t n, const char *one, const char *more) {
    return n == 1 ? one : more;
}

/* Of a split that has no source of its own. */
static void offer_split(struct check *k, struct finding *f) {
    if (node_at(k->x->root, arena_format(k->arena, "data.%s", f->split)))
        return;
    const struct node *kind = node_at(k->x->root, "data.split.kind");
    const char *split = kind && node_kind(kind) == NODE_SCALAR ? node_raw(kind) : "";
    if (strcmp(split, "random") == 0 || strcmp(split, "stratified") == 0)
        finding_fix(&k->findings, f, "data.split.group=near-duplicate");
}

static void report_split(struct check *k, const char *field,
                         const struct near_result *n, const uint32_t *in_train,
                         enum data_split_kind s) {
    const struct profile *p = k->profile;
    uint64_t found = 0, end = p->begin[s] + p->of[s], pairs[SHOWN_PAIRS][2];
    finding_looked(&k->findings, FINDING_NEAR_DUPLICATE_SPLIT);
    struct finding *f =
        finding_add(&k->findings, FINDING_NEAR_DUPLICATE_SPLIT, field, 0, NAN);
    for (uint64_t r = p->begin[s]; r < end; r++) {
        uint32_t first = n->first[r];
        if (first < p->of[DATA_TRAIN] || !in_train[first])
            continue; /* equal to one in train: duplicate-split */
        finding_row(f, profile_file_row(p, r));
        if (found < SHOWN_PAIRS) {
            pairs[found][0] = profile_file_row(p, r);
            pairs[found][1] = profile_file_row(p, in_train[first] - 1);
        }
        found++;
    }
    f->effect = (double)found;
    f->n = found;
    f->split = data_split_name(s);
    double share = (double)found / (double)p->of[s];
    if (share >= SERIOUS)
        f->severity = SEVERITY_ERROR;
    finding_reason(&k->findings, f,
                   "%llu %s of %s %s nearly the same as one in train (%.2g %%)",
                   (unsigned long long)found, many(found, "row", "rows"), f->split,
                   many(found, "is", "are"), 100 * share);
    struct text a = {0}, b = {0};
    for (uint64_t i = 0; i < found && i < SHOWN_PAIRS; i++) {
        text_addf(&a, "%s%llu", i ? ", " : "", (unsigned long long)pairs[i][0]);
        text_addf(&b, "%s%llu", i ? ", " : "", (unsigned long long)pairs[i][1]);
    }
    const char *more = found > SHOWN_PAIRS ? " ..." : "";
    if (found)
        finding_reason(&k->findings, f, "%s %s %s%s ~ train %s %s%s", f->split,
                       many(found, "row", "rows"), text_get(&a), more,
                       many(found, "row", "rows"), text_get(&b), more);
    offer_split(k, f);
    text_finish(&a);
    text_finish(&b);
}

static void report_train(struct check *k, const char *field,
                         const struct near_result *n, const uint32_t *in_train,
                         const struct near_field *all) {
    const struct profile *p = k->profile;
    uint64_t found = 0;
    if (!p->of[DATA_TRAIN])
        return;
    struct finding *f =
        finding_add(&k->findings, FINDING_NEAR_DUPLICATE, field, 0, NAN);
    for (uint64_t r = 0; r < p->of[DATA_TRAIN]; r++) {
        if (!in_train[n->first[r]])
            continue;
        found++;
        finding_row(f, profile_file_row(p, r));
    }
    f->effect = (double)found / (double)p->of[DATA_TRAIN];
    f->n = found;
    f->split = "train";
    finding_reason(&k->findings, f,
                   "%llu training rows are nearly the same as another (%.2g %%); %llu "
                   "clusters in all splits, the largest of %llu",
                   (unsigned long long)found, 100 * f->effect,
                   (unsigned long long)all->clusters, (unsigned long long)all->largest);
}

static void count_clusters(const struct check *k, const struct near_result *n,
                           struct near_field *out) {
    uint64_t rows = k->profile->rows;
    uint32_t *size = memory_get(memory_mul(rows + 1, sizeof *size));
    for (uint64_t r = 0; r < rows; r++)
        size[n->cluster[r]]++;
    for (uint64_t r = 0; r < rows; r++) {
        out->clusters += size[r] > 1;
        out->largest = size[r] > out->largest ? size[r] : out->largest;
    }
    memory_release(size);
}

static void report(struct check *k, struct near_field *f, const struct near_result *n) {
    const struct profile *p = k->profile;
    uint32_t *in_train = near_in_train(k, n);
    f->pairs = n->count;
    count_clusters(k, n, f);
    for (int s = DATA_VAL; s < DATA_SPLITS; s++)
        if (p->of[s] && p->of[DATA_TRAIN])
            report_split(k, f->field, n, in_train, (enum data_split_kind)s);
    report_train(k, f->field, n, in_train, f);
    memory_release(in_train);
}

static struct near_field *keep(struct check *k, const char *field) {
    struct near_field *f = &k->near[k->near_count++];
    f->field = field;
    return f;
}

/* --------------------------------------------------------------------- images */

static uint32_t threads_of(const struct check *k) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return k->o.threads ? k->o.threads : processors > 0 ? (uint32_t)processors : 1;
}

static void skip(struct check *k, const char *why) {
    finding_skip(&k->findings, FINDING_NEAR_DUPLICATE_SPLIT, why);
    finding_skip(&k->findings, FINDING_NEAR_DUPLICATE, why);
}

static void report_images(struct check *k, const char *field, const struct near *n) {
    struct near_field *f = keep(k, field);
    const struct profile *p = k->profile;
    const struct near_pair *all = near_nearest(n, &f->count);
    bool others = p->of[DATA_TRAIN] && p->of[DATA_TRAIN] < p->rows;
    struct near_result result = near_result(n);
    f->between = others ? "train and another split" : "rows";
    f->threshold = near_threshold(n, false);
    f->threshold_fine = near_threshold(n, true);
    f->flat = near_flat(n);
    for (uint32_t i = 0; i < f->count; i++) {
        f->distance[i] = all[i].distance;
        f->rows[i][0] = profile_file_row(p, all[i].a);
        f->rows[i][1] = profile_file_row(p, all[i].b);
    }
    report(k, f, &result);
}

static int look_at_images(struct check *k, uint32_t raw, struct near_image *image,
                          struct rn_error *e) {
    const struct profile *p = k->profile;
    struct data_raw f = data_raw_at(k->data, raw);
    struct near_options o = {*image, p->rows, p->of[DATA_TRAIN], threads_of(k)};
    struct feed feed = {.k = k, .raw = raw};
    feed.bytes = f.elements * RN_DTYPE_BYTES(f.dtype);
    feed.near = near_create(&o);
    if (!feed.near)
        return error_set(e, RN_E_MEMORY, "no memory for %llu thumbnails",
                         (unsigned long long)p->rows);
    int status = search(&feed, e);
    if (status == RN_OK)
        report_images(k, f.name, feed.near);
    near_destroy(feed.near);
    return status;
}

/* ---------------------------------------------------------------------- texts */

struct text_feed {
    struct check *k;
    struct near_text *near;
    uint32_t raw;
    struct data_raw field;
};

static int text_chunk(void *context, const struct data_chunk *c, struct rn_error *e) {
    struct text_feed *f = context;
    uint64_t row = f->k->profile->begin[c->split] + c->first, bytes, width;
    int status = RN_OK;
    width = f->field.elements * RN_DTYPE_BYTES(f->field.dtype);
    for (uint64_t r = 0; r < c->rows && status == RN_OK; r++) {
        const char *s = width ? (const char *)c->fields[f->raw] + r * width
                              : data_chunk_cell(f->k->data, c, f->raw, r, &bytes);
        status =
            near_text_add(f->near, row + r, s, width ? strnlen(s, width) : bytes, e);
    }
    return status;
}

static int look_at_texts(struct check *k, uint32_t raw, struct rn_error *e) {
    struct text_feed f = {k, near_text_create(k->profile->rows), raw,
                          data_raw_at(k->data, raw)};
    bool *wanted = memory_get(data_raw_count(k->data) + 1);
    int status = RN_OK;
    if (!f.near)
        status = error_set(e, RN_E_MEMORY, "no memory for %llu texts",
                           (unsigned long long)k->profile->rows);
    wanted[raw] = true;
    for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++)
        status = data_scan(k->data, (enum data_split_kind)s, wanted, text_chunk, &f, e);
    bool sentences = status == RN_OK && near_text_words(f.near) >= NEAR_TEXT_WORDS;
    if (sentences)
        status = near_text_search(f.near, e);
    if (sentences && status == RN_OK) {
        struct near_result result = near_text_result(f.near);
        report(k, keep(k, f.field.name), &result);
    }
    memory_release(wanted);
    near_text_destroy(f.near);
    return status;
}

bool check_is_image(const struct check *c, uint32_t raw, struct near_image *out) {
    struct data_raw f = data_raw_at(c->data, raw);
    const struct profile *p = c->profile;
    if (!c->roles.input[raw] || f.text || !f.elements ||
        !near_image_of(f.dtype, f.rank, f.shape, out))
        return false;
    for (uint32_t i = 0; i < p->count && f.dtype == RN_F32; i++)
        if (p->columns[i].raw == raw) {
            out->low = p->columns[i].of[PROFILE_ALL].min;
            out->high = p->columns[i].of[PROFILE_ALL].max;
        }
    return true;
}

static int look_at_rows(struct check *k, struct rn_error *e) {
    struct near_rows r;
    const char *why = NULL;
    int status = near_rows_find(k, &r, &why, e);
    if (why)
        skip(k, why);
    else if (status == RN_OK)
        report(k, keep(k, NULL), &r.result);
    near_rows_finish(&r);
    return status;
}

static int look_at(struct check *k, uint32_t raw, struct rn_error *e) {
    uint64_t rows = k->profile->rows;
    struct near_image image;
    bool picture = check_is_image(k, raw, &image);
    int status = RN_OK;
    if (!picture && !(k->roles.input[raw] && data_raw_at(k->data, raw).text))
        return RN_OK;
    if (rows < ROWS_MIN)
        skip(k, "fewer than 20 rows");
    else if (rows > (picture ? NEAR_ROWS_MAX : NEAR_TEXT_ROWS_MAX))
        skip(k, picture ? "more than 200000 images" : "more than 500000 texts");
    else
        status = picture ? look_at_images(k, raw, &image, e) : look_at_texts(k, raw, e);
    if (status != RN_E_UNSUPPORTED)
        return status;
    skip(k, arena_copy(k->arena, e->message));
    *e = (struct rn_error){0};
    return RN_OK;
}

int check_near(struct check *k, struct rn_error *e) {
    struct findings *f = &k->findings;
    int status = RN_OK;
    k->near = arena_array(k->arena, struct near_field, data_raw_count(k->data) + 1);
    if (!f->asked[FINDING_NEAR_DUPLICATE_SPLIT] && !f->asked[FINDING_NEAR_DUPLICATE])
        return RN_OK;
    for (uint32_t i = 0; i < data_raw_count(k->data) && status == RN_OK; i++)
        status = look_at(k, i, e);
    if (status == RN_OK && f->state[FINDING_NEAR_DUPLICATE] == FINDING_NOT_ASKED)
        status = look_at_rows(k, e);
    return status;
}
