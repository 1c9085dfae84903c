/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared data: a table a split, whose columns are the finished samples. */
#include <string.h>

#include "data/internal.h"

uint64_t table_row(const struct table *t, int64_t id) {
    uint64_t low = 0, high = t->count;
    if (!t->ids)
        return (uint64_t)id - t->offset;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (t->ids[middle] <= id)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void fill_table(struct data *data, struct table *t, enum data_split_kind split) {
    const struct data_prepared *p = data->options.prepared;
    uint32_t n = p->field_count;
    const char *name =
        arena_format(data->arena, "%s, %s split", p->file, data_split_name(split));
    *t = (struct table){.path = "data.prepared",
                        .name = name,
                        .count = p->splits[split].rows,
                        .ids = p->splits[split].ids,
                        .access = RN_ACCESS_SEQUENTIAL,
                        .field_count = n,
                        .fields = arena_array(data->arena, struct rn_field, n + 1),
                        .bytes = arena_array(data->arena, uint64_t, n + 1),
                        .layouts = arena_array(data->arena, const char *, n + 1)};
    const char **files = arena_array(data->arena, const char *, n + 1);
    t->files = files;
    t->stored = arena_array(data->arena, uint8_t *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        t->fields[i] = p->fields[i].field;
        t->bytes[i] = field_bytes(&t->fields[i]);
        t->layouts[i] = p->fields[i].layout;
        files[i] = name;
        t->stored[i] = (uint8_t *)(uintptr_t)p->splits[split].columns[i];
    }
}

int prepared_tables(struct data *data, struct rn_error *e) {
    const struct data_prepared *p = data->options.prepared;
    int *const role[DATA_SPLITS] = {&data->sources.main, &data->sources.val,
                                    &data->sources.test};
    for (int s = 0; s < DATA_SPLITS; s++) {
        *role[s] = -1;
        if (!p->splits[s].rows)
            continue;
        *role[s] = (int)data->sources.count;
        fill_table(data, &data->sources.at[data->sources.count++],
                   (enum data_split_kind)s);
    }
    if (data->sources.main < 0)
        return error_set(e, RN_E_DATA, "%s has no training samples", p->file);
    return RN_OK;
}

int prepared_splits(struct data *data, struct rn_error *e) {
    const struct data_prepared *p = data->options.prepared;
    const int tables[DATA_SPLITS] = {data->sources.main, data->sources.val,
                                     data->sources.test};
    for (uint32_t i = 0; i < p->field_count; i++) {
        data->pipeline.columns[i].classes = p->fields[i].classes;
        data->pipeline.columns[i].class_names = p->fields[i].class_names;
    }
    memcpy(data->content_hash, p->content_hash, strlen(p->content_hash) + 1);
    for (int s = 0; s < DATA_SPLITS; s++) {
        uint64_t n = p->splits[s].rows;
        data->splits[s].table = tables[s];
        data->splits[s].rows = n;
        data->splits[s].ids = memory_get(memory_mul(n + 1, sizeof(int64_t)));
        if (n)
            memcpy(data->splits[s].ids, p->splits[s].ids, n * sizeof(int64_t));
    }
    data->dropped.rows = p->dropped_rows;
    data->dropped.ids = memory_get(memory_mul(p->dropped_rows + 1, sizeof(int64_t)));
    if (p->dropped_rows)
        memcpy(data->dropped.ids, p->dropped, p->dropped_rows * sizeof(int64_t));
    split_hash(data);
    if (strcmp(data->split_hash, p->split_hash) != 0)
        return error_set(e, RN_E_DATA, "%s: its split is not the one that it names",
                         p->file);
    if (!data->options.stored_split)
        return RN_OK;
    struct text now = {0};
    data_split_write(data, &now);
    bool same = strcmp(text_get(&now), data->options.stored_split) == 0;
    text_finish(&now);
    return same ? RN_OK
                : error_set(e, RN_E_DATA,
                            "%s has another split or other content than the run was "
                            "trained on",
                            p->file);
}

int prepared_same_state(const struct data *data, struct rn_stream *s,
                        struct rn_error *e) {
    const struct data_prepared *p = data->options.prepared;
    uint64_t n = s->api->left(s);
    uint8_t *bytes = n == p->state_bytes ? memory_try(n + 1) : NULL;
    bool same =
        bytes && s->api->read(s, bytes, n) == RN_OK && memcmp(bytes, p->state, n) == 0;
    memory_release(bytes);
    return same ? RN_OK
                : error_set(e, RN_E_CHECKPOINT,
                            "%s was prepared with other transforms than the run was "
                            "trained with",
                            p->file);
}
