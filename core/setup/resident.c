/* SPDX-License-Identifier: Apache-2.0 */
/* Training samples that stay on the device: each field of the split is a variable, a
 * step's batch is gathered there by places in the split, and changed there by a few
 * numbers a sample, which are all that the host sends. */
#include <string.h>

#include "setup/setup.h"

#define UPLOAD_ROWS 1024u /* at a time */

/* Of those fields that models may see; 0: too many to count. */
static uint64_t split_bytes(const struct setup *s) {
    uint64_t rows = data_rows(s->data, DATA_TRAIN), all = 0;
    for (uint32_t i = 0; i < s->field_count; i++) {
        uint64_t row = data_field_at(s->data, s->field_index[i])->bytes;
        if (row && rows > (UINT64_MAX / 2 - all) / row)
            return 0;
        all += rows * row;
    }
    return all;
}

/* What changes samples on the host only, and its place in the file; NULL: nothing. */
static const struct component *host_only(const struct data *data, const char **path) {
    for (uint32_t i = 0; i < data_augmenter_count(data); i++) {
        *path = data_augmenter_at(data, i)->path;
        if (!data_augmenter_at(data, i)->numbers)
            return data_augmenter_at(data, i)->component;
    }
    return data_collate(data, path);
}

static void choose(struct setup *s, struct resident *out) {
    uint32_t n = data_augmenter_count(s->data);
    struct resident_change *changes =
        arena_array(s->arena, struct resident_change, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const struct data_augmenter *a = data_augmenter_at(s->data, i);
        changes[i].augmenter =
            (struct bound_component){"", a->path, a->component, a->instance, a->node};
        changes[i].numbers = a->numbers;
        changes[i].field_count = a->field_count;
        changes[i].fields = arena_array(s->arena, uint32_t, a->field_count);
        for (uint32_t j = 0; j < a->field_count; j++) {
            changes[i].fields[j] = UINT32_MAX;
            for (uint32_t k = 0; k < s->field_count; k++)
                if (s->field_index[k] == a->fields[j])
                    changes[i].fields[j] = k;
        }
    }
    *out = (struct resident){.rows = (int64_t)data_rows(s->data, DATA_TRAIN),
                             .change_count = n,
                             .changes = changes};
}

/* A device that reads the host's memory could take batches where the loader makes them.
 * But where its threads take every processor they wait while one thread copies, so they
 * gather what would be kept anyway. Not where samples are changed: that a data worker
 * does beside them. Not for less than an epoch, which would not read all of it. */
static bool pays(const struct setup *s, const struct rn_device_info *info,
                 uint64_t bytes) {
    if (!info->host_memory)
        return bytes <= info->memory_bytes / 4;
    return engine_oversubscribes(info) && !data_augmenter_count(s->data) &&
           bytes <= data_cache_bytes(s->data) &&
           s->length.total_steps >= s->length.steps_per_epoch;
}

int resident_choose(struct setup *s, const struct rn_device_info *info,
                    struct resident *out, struct diag *d) {
    const char *word = experiment_string(s->x, "data.resident");
    const struct node *at = node_at(s->x->root, "data.resident");
    uint64_t bytes = split_bytes(s);
    bool always = strcmp(word, "always") == 0;
    if (s->use != ENGINE_TRAIN || strcmp(word, "never") == 0)
        return RN_OK;
    const char *path;
    const struct component *a = host_only(s->data, &path);
    if (a && always)
        return node_error(d, at, false, RN_E_CONFIG,
                          "data.resident: %s (%s) changes samples on the host only, so "
                          "no batch can be gathered on the device",
                          path, a->bare);
    if (always && data_is_stream(s->data, DATA_TRAIN))
        return node_error(d, at, false, RN_E_CONFIG,
                          "data.resident: a stream does not stay on the device");
    if (data_is_stream(s->data, DATA_TRAIN))
        return RN_OK;
    if (always || (!a && bytes && pays(s, info, bytes)))
        choose(s, out);
    return RN_OK;
}

/* The samples of one batch into the variables, from row `first` on. */
static int upload_batch(struct setup *s, const struct batch *b, uint64_t first,
                        struct rn_error *e) {
    const struct resident *r = &s->engine->programs->resident;
    int status = RN_OK;
    for (uint32_t i = 0; i < s->field_count && status == RN_OK; i++) {
        uint64_t row = data_field_at(s->data, s->field_index[i])->bytes;
        if (r->held[i])
            status =
                device_variable_part(s->engine->device, r->variable[i], first * row,
                                     b->fields[s->field_index[i]], b->rows * row, e);
    }
    return status;
}

int resident_upload(struct setup *s, struct rn_error *e) {
    struct loader_options o = {.split = DATA_TRAIN,
                               .batch = UPLOAD_ROWS,
                               .seed = s->x->seed,
                               .workers = data_workers(s->data),
                               .once = true};
    struct loader *l = NULL;
    uint64_t rows = (uint64_t)s->engine->programs->resident.rows;
    if (!rows)
        return RN_OK;
    int status = loader_open(s->data, &o, &l, e);
    for (uint64_t done = 0; done < rows && status == RN_OK;) {
        struct batch b;
        status = loader_next(l, &b, e);
        if (status == RN_OK)
            status = upload_batch(s, &b, done, e);
        done += status == RN_OK ? b.rows : 0;
    }
    loader_close(l);
    return status;
}
