/* SPDX-License-Identifier: Apache-2.0 */
/* Training samples that stay on the device: each field of the split is a variable, a
 * step's batch is gathered there by places in the split, which are all that the host
 * sends. */
#include <string.h>

#include "train/stage.h"

#define UPLOAD_ROWS 1024u /* at a time */

/* Of those fields that models may see; 0: too many to count. */
static uint64_t split_bytes(const struct stage *s) {
    uint64_t rows = data_rows(s->data, DATA_TRAIN), all = 0;
    for (uint32_t i = 0; i < s->field_count; i++) {
        uint64_t row = data_field_at(s->data, s->field_index[i])->bytes;
        if (row && rows > (UINT64_MAX / 2 - all) / row)
            return 0;
        all += rows * row;
    }
    return all;
}

int resident_choose(struct stage *s, struct diag *d) {
    const char *word = experiment_string(s->x, "data.resident", "auto");
    const struct node *at = node_at(s->x->root, "data.resident");
    uint64_t bytes = split_bytes(s);
    bool always = strcmp(word, "always") == 0;
    if (s->use != STAGE_TRAIN || strcmp(word, "never") == 0)
        return RN_OK;
    if (data_augments(s->data)) {
        if (!always)
            return RN_OK;
        node_error(d, at, false, RN_E_CONFIG,
                   "data.resident: `augment` changes each sample on the host, so no "
                   "batch can be gathered on the device");
        return RN_E_CONFIG;
    }
    /* A device that reads the host's memory takes batches where they lie. */
    if (always ||
        (!s->info->host_memory && bytes && bytes <= s->info->memory_bytes / 4))
        s->resident_rows = (int64_t)data_rows(s->data, DATA_TRAIN);
    return RN_OK;
}

/* The samples of one batch into the variables, from row `first` on. */
static int upload_batch(struct stage *s, const struct batch *b, uint64_t first,
                        struct rn_error *e) {
    const struct resident *r = &s->programs->resident;
    int status = RN_OK;
    for (uint32_t i = 0; i < s->field_count && status == RN_OK; i++) {
        uint64_t row = data_field_at(s->data, s->field_index[i])->bytes;
        if (r->held[i])
            status =
                device_variable_part(s->device, r->variable[i], first * row,
                                     b->fields[s->field_index[i]], b->rows * row, e);
    }
    return status;
}

int resident_upload(struct stage *s, struct rn_error *e) {
    struct loader_options o = {.split = DATA_TRAIN,
                               .batch = UPLOAD_ROWS,
                               .seed = s->x->seed,
                               .workers = data_workers(s->data),
                               .once = true};
    struct loader *l = NULL;
    uint64_t rows = (uint64_t)s->programs->resident.rows;
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
