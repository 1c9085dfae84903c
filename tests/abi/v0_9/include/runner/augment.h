/* SPDX-License-Identifier: Apache-2.0 */
/* An augmenter: changes training samples at random, by the sample and never by the
 * order. */
#ifndef RUNNER_AUGMENT_H
#define RUNNER_AUGMENT_H

#include <runner/build.h>
#include <runner/source.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The fields that the option `of` names, one (`of: image`) or several (`of: [image,
 * mask]`), in that order. */
struct rn_augment_plan {
    uint32_t struct_size;
    uint32_t field_count; /* at least 1 */
    uint32_t field_stride;
    uint32_t reserved;
    const struct rn_field *fields; /* borrowed */
};

static inline const struct rn_field *rn_augment_field(const struct rn_augment_plan *p,
                                                      uint32_t i) {
    return (const struct rn_field *)(const void *)((const char *)p->fields +
                                                   (size_t)i * p->field_stride);
}

/* Rows to change. What is drawn for a row holds for all of its fields: an image and its
 * mask move together. Random numbers: rn_philox of numerics.h with this key and the
 * counter (epoch, sample id, n), where n also depends on the row's `repeats`. */
struct rn_augment_call {
    uint32_t struct_size;
    uint32_t phase;       /* RN_PHASE_TRAIN */
    struct rn_work *work; /* host, until the call returns */
    uint64_t rows;
    const int64_t *sample_ids; /* borrowed; [rows] */
    uint32_t key[2];
    uint32_t epoch;
    uint32_t field_count;
    /* Of apply: each [rows, shape...], contiguous, changed in place. Borrowed;
     * [field_count]. */
    const struct rn_tensor *fields;
    int32_t *numbers; /* of decide, to fill: [rows, numbers]. Borrowed */
    /* How many times the epoch has had each row before: a sampler may give a row more
     * than once, and each time is changed in its own way. Borrowed; [rows]; NULL: all
     * 0. */
    const uint32_t *repeats;
};

struct rn_augment {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* *self: plugin, until destroy; NULL both when there is no state. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    /* Check the fields; they keep dtype and shape. A component that changes one field
     * at a time refuses several. [setup] */
    int32_t (*plan)(void *self, const struct rn_augment_plan *p, struct rn_error *e);
    /* Change the rows by key, epoch and sample id alone, never by their order. [worker]
     */
    int32_t (*apply)(void *self, const struct rn_augment_call *call,
                     struct rn_error *e);
    /* Optional, all three or none: the same change where the samples are, for a split
     * that stays on the device. The host decides each row in a few numbers, operators
     * then do it; the bits are those of apply.
     *
     * How many numbers decide a row; 0: with these options only apply can make the
     * change. After plan. [setup] */
    uint32_t (*numbers)(void *self);
    /* call->numbers: what apply would do to these rows. [worker] */
    int32_t (*decide)(void *self, const struct rn_augment_call *call,
                      struct rn_error *e);
    /* For field `field` of plan: inputs `data` [n, shape...] and `numbers` i32
     * [n, numbers]; output `data`, of the input's dtype and shape. Asked for each n and
     * each field. [setup] */
    int32_t (*describe)(struct rn_build *b, uint32_t field);
};

#define RN_AUGMENT(id, iface, head, body) RN_COMPONENT(id, iface, "augment " head, body)

#ifdef __cplusplus
}
#endif
#endif
