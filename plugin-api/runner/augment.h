/* SPDX-License-Identifier: Apache-2.0 */
/* An augmenter: changes training samples at random, by the sample and never by the
 * order. Status: draft. */
#ifndef RUNNER_AUGMENT_H
#define RUNNER_AUGMENT_H

#include <runner/build.h>
#include <runner/source.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Random numbers: rn_philox of numerics.h with this key and the counter
 * (epoch, sample id, n). */
struct rn_augment_at {
    uint32_t struct_size;
    uint32_t key[2];
    uint32_t epoch;
    const int64_t *sample_ids; /* borrowed; one per row */
};

struct rn_augment {
    uint32_t struct_size;
    uint32_t reserved;
    /* *self: plugin, until destroy. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    /* Check the field chosen by the option `of`; it keeps dtype and shape. [setup] */
    int32_t (*plan)(void *self, const struct rn_field *field, struct rn_error *e);
    /* Change n rows in place: data is [n, shape...]. [worker] */
    int32_t (*apply)(void *self, uint64_t n, const struct rn_augment_at *at,
                     const struct rn_tensor *data, struct rn_error *e);
    /* Optional, all three or none: the same change where the samples are, for a split
     * that stays on the device. The host decides each row in a few numbers, operators
     * then do it; the bits are those of apply.
     *
     * How many numbers decide a row; 0: with these options only apply can make the
     * change. After plan. [setup] */
    uint32_t (*numbers)(void *self);
    /* out: [n, numbers], what apply would do to these rows. [worker] */
    int32_t (*decide)(void *self, uint64_t n, const struct rn_augment_at *at,
                      int32_t *out, struct rn_error *e);
    /* Inputs `data` [n, shape...] and `numbers` i32 [n, numbers]; output `data`, of the
     * input's dtype and shape. Asked once for each n. [setup] */
    int32_t (*describe)(void *self, struct rn_build *b);
};

#define RN_AUGMENT(id, iface, head, body) RN_COMPONENT(id, iface, "augment " head, body)

#ifdef __cplusplus
}
#endif
#endif
