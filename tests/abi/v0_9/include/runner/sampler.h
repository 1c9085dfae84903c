/* SPDX-License-Identifier: Apache-2.0 */
/* A sampler: which training rows an epoch reads, and in which order. */
#ifndef RUNNER_SAMPLER_H
#define RUNNER_SAMPLER_H

#include <runner/source.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The training rows, as they are after the transforms. */
struct rn_sampler_plan {
    uint32_t struct_size;
    uint32_t field_count; /* that the option `of` names, in that order; 0: no `of` */
    uint32_t field_stride;
    uint32_t reserved;
    const struct rn_field *fields; /* host, until destroy; [field_count] */
    /* Values of these fields, each [rows, shape...], contiguous. Host, until destroy;
     * [field_count]. */
    const struct rn_tensor *values;
    const int64_t *sample_ids; /* host, until destroy; [rows], in rising order */
    uint64_t rows;             /* at least 1 */
    /* Written: rows that an epoch reads, at least 1; preset to `rows`. The same for
     * every epoch: schedules and totals are computed from it before the first step. */
    uint64_t count;
};

/* One epoch. Random numbers: rn_philox of numerics.h with this key and counters of the
 * epoch and whatever else is needed; the order must be a function of these and of what
 * plan was given alone, so that a run can be resumed in the middle of an epoch. */
struct rn_sampler_call {
    uint32_t struct_size;
    uint32_t phase;       /* RN_PHASE_TRAIN */
    struct rn_work *work; /* host, until the call returns */
    uint64_t epoch;       /* from 0 */
    uint32_t key[2];
    uint64_t rows;
    uint64_t count; /* as plan wrote it */
    /* To fill: rows of the split, 0 .. rows-1, each any number of times. Borrowed;
     * [count]. */
    uint64_t *order;
};

struct rn_sampler {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* *self: plugin, until destroy; NULL both when there is no state. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    /* Check the fields and learn what the values say. [setup] */
    int32_t (*plan)(void *self, struct rn_sampler_plan *p, struct rn_error *e);
    /* May be called for any epoch, more than once. [worker] */
    int32_t (*order)(void *self, const struct rn_sampler_call *call,
                     struct rn_error *e);
};

static inline const struct rn_field *rn_sampler_field(const struct rn_sampler_plan *p,
                                                      uint32_t i) {
    return (const struct rn_field *)(const void *)((const char *)p->fields +
                                                   (size_t)i * p->field_stride);
}

#define RN_SAMPLER(id, iface, head, body) RN_COMPONENT(id, iface, "sampler " head, body)

#ifdef __cplusplus
}
#endif
#endif
