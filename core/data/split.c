/* SPDX-License-Identifier: Apache-2.0 */
/* Which samples are for training, validation and test: a function of content and seed.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/numerics.h>
#include <runner/sdk/file.h>

#include "base/hash.h"
#include "base/suggest.h"
#include "base/text.h"
#include "data/internal.h"
#include "data/stratify.h"

/* Most bytes of a stored split: what is around the rows, and a row's number. */
#define SPLIT_HEAD 4096u
#define SPLIT_ROW  32u

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

/* ------------------------------------------------------------------- classes */

struct row_class {
    uint64_t row;
    const uint8_t *value;
    uint64_t bytes;
};

static int by_value(const void *a, const void *b) {
    const struct row_class *x = a, *y = b;
    int k = memcmp(x->value, y->value, x->bytes);
    return k ? k : (x->row > y->row) - (x->row < y->row);
}

static int find_by(struct data *data, const char *by, uint32_t *out,
                   struct rn_error *e) {
    const char **names =
        arena_array(data->arena, const char *, data->pipeline.raw_count + 1);
    for (uint32_t i = 0; i < data->pipeline.raw_count; i++) {
        names[i] = data->pipeline.columns[i].field.name;
        if (strcmp(names[i], by) != 0)
            continue;
        if (field_variable(&data->pipeline.columns[i].field)) {
            error_set(e, RN_E_CONFIG,
                      "data.split.by: the cells of '%s' are of variable size", by);
            return error_where(e, RN_WHERE_CONFIG, "split.by", 0, 0);
        }
        *out = i;
        return RN_OK;
    }
    const struct suggest all = {names, data->pipeline.raw_count, 0};
    error_set(e, RN_E_CONFIG, "data.split.by: the source has no field '%s'", by);
    suggest_hint(&all, by, "it has", e);
    error_where(e, RN_WHERE_CONFIG, "split.by", 0, 0);
    return RN_E_CONFIG;
}

/* Rows of the main table in random order, class by class when stratified; from the last
 * to the first by position. counts: rows of each class, ends[0] classes. */
static int order_rows(struct data *data, const char *by, bool by_position,
                      uint64_t seed, uint64_t *rows, uint64_t **counts,
                      uint64_t *classes, struct rn_error *e) {
    struct table *t = &data->sources.at[data->sources.main];
    uint32_t key[2];
    data_key(seed, "data.split", key);
    *counts = memory_get(memory_mul(t->count + 1, sizeof **counts));
    if (!by) {
        for (uint64_t i = 0; i < t->count; i++)
            rows[i] = by_position ? t->count - 1 - i : i;
        if (!by_position)
            data_shuffle(rows, t->count, key, 0, 0);
        (*counts)[0] = t->count;
        *classes = 1;
        return RN_OK;
    }
    uint32_t field = 0;
    int status = find_by(data, by, &field, e);
    if (status != RN_OK)
        return status;
    struct reader r = {0};
    uint64_t bytes = data->pipeline.columns[field].bytes;
    uint8_t *values = memory_try(memory_mul(t->count + 1, bytes));
    struct row_class *all = memory_try(memory_mul(t->count + 1, sizeof *all));
    int64_t ids[DATA_CHUNK];
    struct demand *demand = demand_create(data);
    demand_add(demand, data, field);
    if (!values || !all)
        status = error_set(e, RN_E_MEMORY, "no memory for the classes of the split");
    if (status == RN_OK)
        status = reader_open(data, t, DATA_CHUNK, demand, &r, e);
    for (uint64_t at = 0; at < t->count && status == RN_OK; at += DATA_CHUNK) {
        uint64_t n = t->count - at < DATA_CHUNK ? t->count - at : DATA_CHUNK;
        for (uint64_t i = 0; i < n; i++)
            ids[i] = (int64_t)(t->offset + at + i);
        status = reader_read(&r, n, ids, e);
        if (status == RN_OK)
            memcpy(values + at * bytes, r.columns[field], n * bytes);
    }
    reader_close(&r);
    demand_destroy(demand);
    if (status == RN_OK) {
        for (uint64_t i = 0; i < t->count; i++)
            all[i] = (struct row_class){i, values + i * bytes, bytes};
        qsort(all, t->count, sizeof *all, by_value);
        for (uint64_t i = 0; i < t->count; i++)
            rows[i] = all[i].row;
        for (uint64_t at = 0; at < t->count;) {
            uint64_t n = 1;
            while (at + n < t->count &&
                   memcmp(all[at].value, all[at + n].value, bytes) == 0)
                n++;
            data_shuffle(rows + at, n, key, 1, (uint32_t)*classes);
            (*counts)[(*classes)++] = n;
            at += n;
        }
    }
    memory_release(values);
    memory_release(all);
    return status;
}

/* -------------------------------------------------------------------- making */

static int by_id(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void whole_table(struct data *data, enum data_split_kind split, int table) {
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

/* The rows of each class in their order: test first, then validation, the rest for
 * training. */
static void deal(struct data *data, const struct table *t, const uint64_t *rows,
                 const uint64_t *counts, uint64_t classes,
                 const uint64_t want[DATA_SPLITS], uint64_t gap) {
    struct stratum *strata = memory_get(memory_mul(classes + 1, sizeof *strata));
    uint64_t all[DATA_SPLITS] = {t->count - want[DATA_VAL] - want[DATA_TEST],
                                 want[DATA_VAL], want[DATA_TEST]};
    for (uint64_t c = 0; c < classes; c++)
        strata[c].rows = counts[c];
    stratify(strata, classes, all);
    for (uint64_t c = 0; c < classes; c++) {
        uint64_t used = 0;
        for (int s = DATA_TEST; s >= DATA_VAL; s--) {
            for (uint64_t i = 0; i < strata[c].take[s]; i++)
                data->splits[s].ids[data->splits[s].rows++] =
                    (int64_t)(t->offset + rows[used + i]);
            used += strata[c].take[s] ? strata[c].take[s] + gap : 0;
        }
        for (uint64_t i = used; i < counts[c]; i++)
            data->splits[DATA_TRAIN].ids[data->splits[DATA_TRAIN].rows++] =
                (int64_t)(t->offset + rows[i]);
        rows += counts[c];
    }
    memory_release(strata);
}

static int divide(struct data *data, struct rn_error *e) {
    const struct data_options *o = &data->options;
    const struct node *split = node_find(o->data, "split");
    const struct table *t = &data->sources.at[data->sources.main];
    const char *kind = data_word(o, "split.kind");
    const char *by = strcmp(kind, "stratified") == 0 ? data_word(o, "split.by") : NULL;
    const struct node *given = split ? node_find(split, "seed") : NULL;
    uint64_t seed = given ? (uint64_t)node_int(given) : data->options.seed;
    uint64_t want[DATA_SPLITS] = {0}, *counts = NULL, classes = 0, gaps = 0;
    bool by_position = strcmp(kind, "position") == 0;
    uint64_t gap = by_position ? (uint64_t)data_number(o, "split.gap") : 0;
    int status = RN_OK;
    if (strcmp(kind, "stratified") == 0 && !by) {
        error_set(e, RN_E_CONFIG, "data.split is stratified, but `by` is missing");
        error_hint(e, "by: the field whose classes keep their shares, e.g. label");
        error_where(e, RN_WHERE_CONFIG, "split", 0, 0);
        return RN_E_CONFIG;
    }
    if (!by_position && data_number(o, "split.gap") > 0) {
        error_set(e, RN_E_CONFIG, "data.split.gap is of kind position, not %s", kind);
        return error_where(e, RN_WHERE_CONFIG, "split.gap", 0, 0);
    }
    if (data->sources.val < 0)
        status = wanted_rows(data_number(o, "split.val"), t->count, "val",
                             &want[DATA_VAL], e);
    if (data->sources.test < 0 && status == RN_OK)
        status = wanted_rows(data_number(o, "split.test"), t->count, "test",
                             &want[DATA_TEST], e);
    if (status != RN_OK)
        return status;
    if (t->stream && (want[DATA_VAL] || want[DATA_TEST])) {
        error_set(e, RN_E_CONFIG,
                  "a stream cannot be divided, as its samples are not "
                  "counted");
        error_hint(e, "give data.val and data.test sources of their own");
        return error_where(e, RN_WHERE_CONFIG, "split", 0, 0);
    }
    gaps = gap * ((want[DATA_VAL] > 0) + (want[DATA_TEST] > 0));
    if (want[DATA_VAL] + want[DATA_TEST] + gaps >= t->count && t->count) {
        error_set(e, RN_E_CONFIG,
                  "%llu samples for validation and %llu for the test leave "
                  "none of %llu for training",
                  (unsigned long long)want[DATA_VAL],
                  (unsigned long long)want[DATA_TEST], (unsigned long long)t->count);
        if (gaps)
            error_hint(e, "%llu are left out as gaps", (unsigned long long)gaps);
        return error_where(e, RN_WHERE_CONFIG, "split", 0, 0);
    }
    uint64_t *rows = memory_get(memory_mul(t->count + 1, sizeof *rows));
    status = order_rows(data, by, by_position, seed, rows, &counts, &classes, e);
    if (status == RN_OK) {
        for (int s = 0; s < DATA_SPLITS; s++) {
            if (s != DATA_TRAIN && !want[s])
                continue;
            data->splits[s].table = data->sources.main;
            data->splits[s].ids = memory_get(memory_mul(t->count + 1, sizeof(int64_t)));
        }
        deal(data, t, rows, counts, classes, want, gap);
        for (int s = 0; s < DATA_SPLITS; s++)
            if (data->splits[s].rows)
                qsort(data->splits[s].ids, data->splits[s].rows, sizeof(int64_t),
                      by_id);
    }
    memory_release(rows);
    memory_release(counts);
    return status;
}

/* -------------------------------------------------------------------- stored */

void data_split_write(const struct data *data, struct text *out) {
    text_addf(out, "runner split 2\ncontent %s\n", data->content_hash);
    for (int s = 0; s < DATA_SPLITS; s++) {
        if (data_is_stream(data, (enum data_split_kind)s)) {
            text_addf(out, "%s stream\n", data_split_name((enum data_split_kind)s));
            continue;
        }
        text_addf(out, "%s %llu\n", data_split_name((enum data_split_kind)s),
                  (unsigned long long)data->splits[s].rows);
        for (uint64_t i = 0; i < data->splits[s].rows; i++)
            text_addf(out, "%lld%c", (long long)data->splits[s].ids[i],
                      i % 16 == 15 || i + 1 == data->splits[s].rows ? '\n' : ' ');
    }
}

static int bad_split(struct rn_error *e, const char *what) {
    return error_set(e, RN_E_DATA, "the stored split %s", what);
}

/* One split's list; `seen` marks the samples of those before. */
static int read_list(struct data *data, enum data_split_kind s, uint64_t all,
                     uint8_t *seen, const char **text, struct rn_error *e) {
    const char *p = *text;
    unsigned long long n = 0;
    char name[8];
    int used = 0;
    if (s == DATA_TRAIN && data->sources.at[data->sources.main].stream) {
        sscanf(p, " train stream%n", &used);
        *text = p + used;
        whole_table(data, s, data->sources.main);
        return used ? RN_OK : bad_split(e, "is damaged");
    }
    if (sscanf(p, " %7s %llu%n", name, &n, &used) != 2 ||
        strcmp(name, data_split_name(s)) != 0 || n > all)
        return bad_split(e, "is damaged");
    *text = p += used;
    if (!n)
        return RN_OK;
    int64_t *ids = data->splits[s].ids = memory_get(memory_mul(n + 1, sizeof *ids));
    for (uint64_t i = 0; i < n; i++) {
        char *end;
        long long id = strtoll(p, &end, 10);
        if (end == p || id < 0 || (uint64_t)id >= all || (i && id <= ids[i - 1]))
            return bad_split(e, "is damaged");
        if (seen[id]++)
            return error_set(e, RN_E_DATA, "the stored split has sample %lld twice",
                             id);
        ids[i] = id;
        p = end;
    }
    *text = p;
    data->splits[s].rows = n;
    for (uint32_t t = 0; t < data->sources.count; t++)
        if ((uint64_t)ids[0] >= data->sources.at[t].offset &&
            (uint64_t)ids[0] - data->sources.at[t].offset < data->sources.at[t].count)
            data->splits[s].table = (int)t;
    const struct table *t = &data->sources.at[data->splits[s].table];
    if ((uint64_t)ids[n - 1] >= t->offset + t->count)
        return bad_split(e, "mixes sources");
    return RN_OK;
}

static int read_stored(struct data *data, const char *text, struct rn_error *e) {
    char content[65];
    int used = 0;
    unsigned version = 0;
    bool same = false;
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0) /* an editor's byte order mark */
        text += 3;
    if (sscanf(text, "runner split %u content %64s%n", &version, content, &used) != 2 ||
        version < 1 || version > 2)
        return bad_split(e, "is not one of this runner");
    int status = content_compare(data, content, version == 1, &same, e);
    if (status != RN_OK)
        return status;
    if (!same) {
        bad_split(e, "belongs to other data: the files have changed since");
        return error_hint(e, "content then %.12s, now %.12s", content,
                          data->content_hash);
    }
    const char *p = text + used;
    uint64_t all = 0;
    for (uint32_t i = 0; i < data->sources.count; i++)
        all += data->sources.at[i].count;
    uint8_t *seen = memory_get(all + 1);
    for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++)
        status = read_list(data, (enum data_split_kind)s, all, seen, &p, e);
    memory_release(seen);
    return status;
}

/* The file at `path`, of at most `limit` bytes. */
static int load(const char *path, uint64_t limit, struct text *out,
                struct rn_error *e) {
    char block[65536];
    const char *why = NULL;
    int64_t n = 0;
    int fd = rn_file_open(path, O_RDONLY, NULL, &why);
    if (fd < 0 && why)
        return error_set(e, RN_E_DATA, "%s %s", path, why);
    if (fd < 0)
        return error_set(e, RN_E_DATA, "%s: %s", path, strerror(errno));
    while (out->length <= limit &&
           (n = rn_file_read(fd, block, sizeof block, out->length)) > 0)
        text_add_n(out, block, (size_t)n);
    int code = errno;
    close(fd);
    if (n < 0)
        return error_set(e, RN_E_IO, "%s: %s", path, strerror(code));
    return out->length <= limit
               ? RN_OK
               : error_set(e, RN_E_DATA, "%s is too long for a split of these files",
                           path);
}

static int read_file(struct data *data, const char *path, struct rn_error *e) {
    struct text t = {0};
    uint64_t rows = 0;
    if (!path) {
        error_set(e, RN_E_CONFIG, "data.split.kind is file, but `path` is missing");
        return error_where(e, RN_WHERE_CONFIG, "split", 0, 0);
    }
    for (uint32_t i = 0; i < data->sources.count; i++)
        rows += data->sources.at[i].count;
    int status = load(path, SPLIT_HEAD + SPLIT_ROW * rows, &t, e);
    if (status != RN_OK)
        error_where(e, RN_WHERE_CONFIG, "split.path", 0, 0);
    else if ((status = read_stored(data, text_get(&t), e)) != RN_OK)
        error_context(e, "%s", path);
    text_finish(&t);
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

int split_make(struct data *data, struct rn_error *e) {
    const struct data_options *o = &data->options;
    int status = RN_OK;
    if (data->options.mode == DATA_FOR_PREDICTION)
        whole_table(data, DATA_TEST, data->sources.main);
    else if (data->options.stored_split)
        status = read_stored(data, data->options.stored_split, e);
    else if (strcmp(data_word(o, "split.kind"), "file") == 0)
        status = read_file(data, data_word(o, "split.path"), e);
    else {
        status = divide(data, e);
        if (data->sources.val >= 0 && status == RN_OK)
            whole_table(data, DATA_VAL, data->sources.val);
        if (data->sources.test >= 0 && status == RN_OK)
            whole_table(data, DATA_TEST, data->sources.test);
    }
    if (status == RN_OK)
        split_hash(data);
    return status;
}
