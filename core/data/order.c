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
    o->count = training ? data_epoch_rows(data) : o->rows;
    data_key(seed, o->sampled ? "data.sampler" : "data.order", o->key);
    bool all = true;
    for (int i = 0; i < 2; i++) {
        o->at[i].rows = memory_try(memory_mul(o->count + 1, sizeof *o->at[i].rows));
        all &= o->at[i].rows != NULL;
        if (!o->sampled)
            continue;
        o->at[i].repeats = memory_try(memory_mul(o->count + 1, sizeof(uint32_t)));
        all &= o->at[i].repeats != NULL;
    }
    if (o->sampled)
        o->seen = memory_try(memory_mul(o->rows + 1, sizeof *o->seen));
    if (all && (!o->sampled || o->seen))
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

static int make(struct orders *o, struct order *order, uint64_t epoch,
                struct rn_error *e) {
    int status = RN_OK;
    if (o->sampled) {
        status = sampler_order(o->data, o->key, epoch, &o->work, order->rows, e);
        if (status == RN_OK)
            count_repeats(o, order);
    } else {
        for (uint64_t i = 0; i < o->rows; i++)
            order->rows[i] = i;
        if (o->shuffle)
            data_shuffle(order->rows, o->rows, o->key, (uint32_t)epoch,
                         (uint32_t)(epoch >> 32));
    }
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
