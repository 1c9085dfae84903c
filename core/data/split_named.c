/* SPDX-License-Identifier: Apache-2.0 */
/* Splits by words: a column, or a text with a word a row, that names the part. */
#include <ctype.h>
#include <string.h>

#include "data/division.h"
#include "data/keys.h"
#include "data/split.h"

static const char *const words[] = {[DATA_TRAIN] = "train",
                                    [DATA_VAL] = "val",
                                    [DATA_TEST] = "test",
                                    [DIVISION_LEFT_OUT] = "none"};

/* DIVISION_LEFT_OUT + 1: it is not one of the words. */
static uint8_t part_of(const char *s, size_t n) {
    uint8_t p = 0;
    while (p <= DIVISION_LEFT_OUT && (strlen(words[p]) != n || memcmp(words[p], s, n)))
        p++;
    return p;
}

static int wrong_word(const char *file, const char *field, uint64_t row, const char *s,
                      size_t n, struct rn_error *e) {
    error_set(e, RN_E_DATA,
              "%s: row %llu%s%s%s: '%.*s' is not train, val, test or none", file,
              (unsigned long long)row + 1, field ? ", field '" : "", field ? field : "",
              field ? "'" : "", (int)(n < 40 ? n : 40), s);
    return RN_E_DATA;
}

/* The lists, and no part twice. */
static int take(struct data *data, const uint8_t *part, struct rn_error *e) {
    const int source[DATA_SPLITS] = {-1, data->sources.val, data->sources.test};
    bool any[DATA_SPLITS + 1] = {false};
    for (uint64_t i = 0; i < data->sources.at[data->sources.main].count; i++)
        any[part[i]] = true;
    for (int s = DATA_VAL; s < DATA_SPLITS; s++) {
        if (source[s] >= 0 && any[s]) {
            error_set(e, RN_E_CONFIG,
                      "data.split names %s samples, and data.%s gives some too",
                      words[s], words[s]);
            return error_where(e, RN_WHERE_CONFIG, "split", 0, 0);
        }
        if (source[s] >= 0)
            split_whole(data, (enum data_split_kind)s, source[s]);
    }
    split_lists(data, part, any);
    return RN_OK;
}

struct named {
    struct data *data;
    uint32_t column;
    uint8_t *part;
};

static int read_words(void *context, const struct reader *r, uint64_t first, uint64_t n,
                      struct rn_error *e) {
    struct named *t = context;
    const struct column *c = &t->data->pipeline.columns[t->column];
    for (uint64_t i = 0; i < n; i++) {
        const char *s = (const char *)r->columns[t->column] + i * c->bytes;
        size_t length = strnlen(s, c->bytes);
        t->part[first + i] = part_of(s, length);
        if (!length)
            return keys_missing(t->data, "by", t->column, first + i, 1, e);
        if (t->part[first + i] <= DIVISION_LEFT_OUT)
            continue;
        wrong_word(table_file(r->table, c), c->field.name, first + i, s, length, e);
        return error_where(e, RN_WHERE_CONFIG, "split.by", 0, 0);
    }
    return RN_OK;
}

int split_read_column(struct data *data, uint32_t column, struct rn_error *e) {
    const struct column *c = &data->pipeline.columns[column];
    const struct table *t = &data->sources.at[data->sources.main];
    if (!(c->field.flags & RN_FIELD_TEXT) || field_variable(&c->field) || t->stream) {
        error_set(e, RN_E_CONFIG, "data.split.by: '%s' is not a text of fixed width",
                  c->field.name);
        error_hint(e, "with kind file, its values are train, val, test and none");
        return error_where(e, RN_WHERE_CONFIG, "split.by", 0, 0);
    }
    struct named n = {data, column, memory_get(t->count + 1)};
    int status = keys_rows(data, &column, 1, read_words, &n, e);
    if (status == RN_OK)
        status = take(data, n.part, e);
    memory_release(n.part);
    return status;
}

static size_t word_length(const char *s) {
    size_t n = 0;
    while (s[n] && !isspace((unsigned char)s[n]))
        n++;
    return n;
}

static const char *next_word(const char *s) {
    while (isspace((unsigned char)*s))
        s++;
    return s;
}

bool split_is_named(const char *text) {
    const char *s = next_word(text);
    return part_of(s, word_length(s)) <= DIVISION_LEFT_OUT;
}

int split_read_words(struct data *data, const char *path, const char *text,
                     struct rn_error *e) {
    uint64_t count = data->sources.at[data->sources.main].count, i = 0;
    uint8_t *part = memory_get(count + 1);
    int status = RN_OK;
    for (const char *s = next_word(text); *s && status == RN_OK; i++) {
        size_t n = word_length(s);
        uint8_t p = part_of(s, n);
        if (p > DIVISION_LEFT_OUT)
            status = wrong_word(path, NULL, i, s, n, e);
        if (i < count)
            part[i] = p;
        s = next_word(s + n);
    }
    if (status == RN_OK && i != count)
        status =
            error_set(e, RN_E_DATA, "%s has %llu words, but the source has %llu rows",
                      path, (unsigned long long)i, (unsigned long long)count);
    status = status == RN_OK ? take(data, part, e) : status;
    memory_release(part);
    return status;
}
