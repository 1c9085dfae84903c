/* SPDX-License-Identifier: Apache-2.0 */
/* Stored splits: the lists of samples as text, written and read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/file.h>

#include "base/text.h"
#include "data/drop.h"
#include "data/split.h"

/* Most bytes of a stored split: what is around the rows, and a row's number. */
#define SPLIT_HEAD 4096u
#define SPLIT_ROW  32u

static void write_ids(struct text *out, const int64_t *ids, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        text_addf(out, "%lld%c", (long long)ids[i],
                  i % 16 == 15 || i + 1 == n ? '\n' : ' ');
}

void data_split_write(const struct data *data, struct text *out) {
    text_addf(out, "runner split 2\ncontent %s\n", data->content_hash);
    for (int s = 0; s < DATA_SPLITS; s++) {
        if (data_is_stream(data, (enum data_split_kind)s)) {
            text_addf(out, "%s stream\n", data_split_name((enum data_split_kind)s));
            continue;
        }
        text_addf(out, "%s %llu\n", data_split_name((enum data_split_kind)s),
                  (unsigned long long)data->splits[s].rows);
        write_ids(out, data->splits[s].ids, data->splits[s].rows);
    }
    if (data->dropped.rows)
        text_addf(out, "dropped %llu\n", (unsigned long long)data->dropped.rows);
    write_ids(out, data->dropped.ids, data->dropped.rows);
}

static int bad_split(struct rn_error *e, const char *what) {
    return error_set(e, RN_E_DATA, "the stored split %s", what);
}

/* n ids below `all`, rising and not in a list before. */
static int read_ids(const char **text, uint64_t n, uint64_t all, uint8_t *seen,
                    int64_t *ids, struct rn_error *e) {
    const char *p = *text;
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
    return RN_OK;
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
        split_whole(data, s, data->sources.main);
        return used ? RN_OK : bad_split(e, "is damaged");
    }
    if (sscanf(p, " %7s %llu%n", name, &n, &used) != 2 ||
        strcmp(name, data_split_name(s)) != 0 || n > all)
        return bad_split(e, "is damaged");
    *text = p + used;
    if (!n)
        return RN_OK;
    int64_t *ids = data->splits[s].ids = memory_get(memory_mul(n + 1, sizeof *ids));
    int status = read_ids(text, n, all, seen, ids, e);
    if (status != RN_OK)
        return status;
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

/* What was left out, if anything. */
static int read_dropped(struct data *data, uint64_t all, uint8_t *seen,
                        const char **text, struct rn_error *e) {
    unsigned long long n = 0;
    int used = 0;
    if (sscanf(*text, " dropped %llu%n", &n, &used) != 1)
        return RN_OK;
    if (!n || n > all)
        return bad_split(e, "is damaged");
    int64_t *ids = memory_get(memory_mul(n, sizeof *ids));
    *text += used;
    int status = read_ids(text, n, all, seen, ids, e);
    for (uint64_t i = 0; i < n && status == RN_OK; i++)
        drop_mark(data, ids[i], all);
    memory_release(ids);
    return status;
}

int split_read(struct data *data, const char *text, struct rn_error *e) {
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
    if (status == RN_OK)
        status = read_dropped(data, all, seen, &p, e);
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

int split_read_file(struct data *data, const char *path, struct rn_error *e) {
    struct text t = {0};
    uint64_t rows = 0;
    for (uint32_t i = 0; i < data->sources.count; i++)
        rows += data->sources.at[i].count;
    int status = load(path, SPLIT_HEAD + SPLIT_ROW * rows, &t, e);
    if (status != RN_OK)
        error_where(e, RN_WHERE_CONFIG, "split.path", 0, 0);
    else if (split_is_named(text_get(&t)))
        status = split_read_words(data, path, text_get(&t), e);
    else if ((status = split_read(data, text_get(&t), e)) != RN_OK)
        error_context(e, "%s", path);
    text_finish(&t);
    return status;
}
