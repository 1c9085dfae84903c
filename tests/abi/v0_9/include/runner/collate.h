/* SPDX-License-Identifier: Apache-2.0 */
/* A collate: changes the samples of a training batch by each other, as mixup and cutmix
 * do. */
#ifndef RUNNER_COLLATE_H
#define RUNNER_COLLATE_H

#include <runner/source.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What apply is given in place of an integer field. The host makes it of the field: f32
 * [classes], 1 at the field's value and 0 elsewhere. It is a field of every sample, in
 * validation, test and prediction too, where it stays as the host made it; the integer
 * field stays beside it. */
struct rn_collate_target {
    const char *name; /* plugin, until destroy; NULL: apply is given the field itself */
    uint32_t classes; /* at least 1 */
    uint32_t reserved; /* 0 */
};

/* The fields that the option `of` names, in that order; all but texts when absent. */
struct rn_collate_plan {
    uint32_t struct_size;
    uint32_t field_count; /* at least 1 */
    uint32_t field_stride;
    uint32_t target_stride;
    const struct rn_field *fields; /* borrowed */
    /* Number of classes of a field with one integer a sample: of a label map, or its
     * largest value in any split + 1; 0: it has none, or one is negative. Borrowed;
     * [field_count]. */
    const uint32_t *classes;
    struct rn_collate_target *targets; /* borrowed, to fill; [field_count], zeros */
};

static inline const struct rn_field *rn_collate_field(const struct rn_collate_plan *p,
                                                      uint32_t i) {
    return (const struct rn_field *)(const void *)((const char *)p->fields +
                                                   (size_t)i * p->field_stride);
}

static inline struct rn_collate_target *
rn_collate_target_of(const struct rn_collate_plan *p, uint32_t i) {
    return (struct rn_collate_target *)(void *)((char *)p->targets +
                                                (size_t)i * p->target_stride);
}

/* The samples of one step, after augmentation: all of its micro-batches. The last batch
 * of an epoch has the rows that are left, maybe one. Random numbers: rn_philox of
 * numerics.h with this key and counters of epoch, batch and row, so that any number of
 * workers gives the same bits. */
struct rn_collate_call {
    uint32_t struct_size;
    uint32_t phase;       /* RN_PHASE_TRAIN */
    struct rn_work *work; /* host, until the call returns */
    uint64_t rows;
    const int64_t *sample_ids; /* borrowed; [rows]; a sampler may repeat one */
    uint64_t batch;            /* of the epoch, from 0 */
    uint32_t key[2];
    uint32_t epoch; /* from 0 */
    uint32_t field_count;
    /* Each [rows, shape...], contiguous, changed in place: the fields of plan, targets
     * in the place of theirs. Borrowed; [field_count]. */
    const struct rn_tensor *fields;
};

struct rn_collate {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* *self: plugin, until destroy; NULL both when there is no state. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    /* Check the fields and say which become targets. May be called again. [setup] */
    int32_t (*plan)(void *self, const struct rn_collate_plan *p, struct rn_error *e);
    /* [worker] */
    int32_t (*apply)(void *self, const struct rn_collate_call *call,
                     struct rn_error *e);
};

#define RN_COLLATE(id, iface, head, body) RN_COMPONENT(id, iface, "collate " head, body)

#ifdef __cplusplus
}
#endif
#endif
