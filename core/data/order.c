/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of an epoch in their order: a function of seed and epoch. */
#include <assert.h>
#include <string.h>

#include "data/internal.h"

int orders_open(struct orders *o, const struct data *data, enum data_split_kind split,
                bool shuffle, uint64_t seed, struct rn_error *e) {
    bool training = split == DATA_TRAIN && shuffle;
    *o = (struct orders){.data = data,
                         .rows = data->splits[split].rows,
                         .shuffle = shuffle,
                         .sampled = training && data->sampler.component,
                         .work = data_workspace(data)};
    o->pass = o->sampled ? data->sampler.count : o->rows;
    o->count = training ? data_epoch_rows(data) : o->rows;
    o->repeating = o->sampled || o->count != o->pass;
    data_key(seed, o->sampled ? "data.sampler" : "data.order", o->key);
    bool all = true;
    for (int i = 0; i < 2; i++) {
        o->at[i].rows = memory_try(memory_mul(o->count + 1, sizeof *o->at[i].rows));
        all &= o->at[i].rows != NULL;
        if (!o->repeating)
            continue;
        o->at[i].repeats = memory_try(memory_mul(o->count + 1, sizeof(uint32_t)));
        all &= o->at[i].repeats != NULL;
    }
    if (o->repeating)
        o->seen = memory_try(memory_mul(o->rows + 1, sizeof *o->seen));
    if (o->count != o->pass)
        o->pass_rows = memory_try(memory_mul(o->pass + 1, sizeof *o->pass_rows));
    all &= (!o->repeating || o->seen) && (o->count == o->pass || o->pass_rows);
    if (all)
        return RN_OK;
    return error_set(e, RN_E_MEMORY, "no memory for the order of %llu samples",
                     (unsigned long long)o->count);
}

void orders_close(struct orders *o) {
    for (int i = 0; i < 2; i++) {
        memory_release(o->at[i].rows);
        memory_release(o->at[i].repeats);
    }
    memory_release(o->seen);
    memory_release(o->pass_rows);
    rn_workspace_finish(&o->work);
}

void orders_forget(struct orders *o) {
    o->at[0].made = o->at[1].made = false;
}

static void count_repeats(struct orders *o, struct order *order) {
    memset(o->seen, 0, o->rows * sizeof *o->seen);
    for (uint64_t i = 0; i < o->count; i++)
        order->repeats[i] = o->seen[order->rows[i]]++;
}

/* One pass over the split, [pass]. */
static int make_pass(struct orders *o, uint64_t pass, uint64_t *rows,
                     struct rn_error *e) {
    if (o->sampled)
        return sampler_order(o->data, o->key, pass, &o->work, rows, e);
    for (uint64_t i = 0; i < o->rows; i++)
        rows[i] = i;
    if (o->shuffle)
        data_shuffle(rows, o->rows, o->key, (uint32_t)pass, (uint32_t)(pass >> 32));
    return RN_OK;
}

/* An epoch begins where the one before has ended. */
static int make_of_passes(struct orders *o, uint64_t epoch, uint64_t *rows,
                          struct rn_error *e) {
    uint64_t from = epoch * o->count;
    int status = RN_OK;
    for (uint64_t done = 0; done < o->count && status == RN_OK;) {
        uint64_t at = (from + done) % o->pass, n = o->pass - at;
        if (n > o->count - done)
            n = o->count - done;
        uint64_t pass = (from + done) / o->pass;
        if (o->passes != pass + 1)
            status = make_pass(o, pass, o->pass_rows, e);
        o->passes = status == RN_OK ? pass + 1 : 0;
        memcpy(rows + done, o->pass_rows + at, n * sizeof *rows);
        done += n;
    }
    return status;
}

static int make(struct orders *o, struct order *order, uint64_t epoch,
                struct rn_error *e) {
    int status = o->pass_rows ? make_of_passes(o, epoch, order->rows, e)
                              : make_pass(o, epoch, order->rows, e);
    if (status == RN_OK && o->repeating)
        count_repeats(o, order);
    order->epoch = epoch;
    order->made = status == RN_OK;
    return status;
}

const struct order *orders_get(struct orders *o, uint64_t epoch, struct rn_error *e) {
    struct order *order = &o->at[epoch % 2];
    if (order->made && order->epoch == epoch)
        return order;
    return make(o, order, epoch, e) == RN_OK ? order : NULL;
}
