/* SPDX-License-Identifier: Apache-2.0 */
/* A transform: fitted on the training split only, then applied to every sample. */
#ifndef RUNNER_TRANSFORM_H
#define RUNNER_TRANSFORM_H

#include <runner/source.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Life: create -> plan (fields in -> fields out; may be called before fit with what is
 * known, and again after) -> fit_begin, fit_rows..., fit_end (NULL: nothing to fit) ->
 * plan -> apply. State is saved with the model and loaded instead of fitting: create ->
 * load -> plan -> apply. The outputs take the place of the inputs among the sample's
 * fields. A field that may hold missing numbers (RN_FIELD_NULLABLE) stays so unless the
 * transform fills them.
 *
 * Fields of variable size (RN_FIELD_VARIABLE) come only to a transform whose text says
 * so, by a port with the word `variable` ("fields any [...] ; variable"); it may give
 * such fields too. What is left of them after the last transform is not a part of the
 * sample. */
/* In rn_transform.flags: `apply` takes every value of the fields' type. Without it the
 * host tries `apply` on each sample of every split before the first step, so that a
 * value which was not learnt is an error then and not after an epoch. */
#define RN_TRANSFORM_TOTAL 1u

/* Fields in, fields out. in: those that the option `of` selects (all when absent). */
struct rn_transform_plan {
    uint32_t struct_size;
    uint32_t field_stride; /* of in and out */
    uint32_t in_count;
    uint32_t out_room;         /* entries that out has */
    const struct rn_field *in; /* borrowed */
    uint32_t out_count;        /* written: how many fields it gives */
    uint32_t reserved;
    struct rn_field *out; /* borrowed, to fill; names plugin, until destroy */
    /* What the elements of the inputs are, as rn_source_info.layouts, [in_count],
     * entries "" or NULL: not known. Borrowed; host, until plan returns. */
    const char *const *in_layouts;
    /* The next element of output `field` has this name of n bytes, which the host
     * copies (NULL: forget those so far); an output whose elements do not all get one,
     * without a comma, has none. NULL: the host does not ask. [setup] */
    void (*element)(struct rn_transform_plan *plan, uint32_t field, const char *name,
                    uint64_t n);
};

/* Rows to fit on or to transform. */
struct rn_transform_call {
    uint32_t struct_size;
    uint32_t phase;       /* RN_PHASE_*: TRAIN of fit_rows */
    struct rn_work *work; /* host, until the call returns */
    uint64_t rows;
    const int64_t *sample_ids; /* borrowed; [rows] */
    uint32_t epoch;            /* 0 where there is none */
    uint32_t in_count;
    const struct rn_tensor *in;  /* borrowed; each [rows, shape...] */
    const struct rn_tensor *out; /* of apply, to fill; borrowed */
    uint32_t out_count;
    uint32_t reserved;
};

/* Names of the classes of an output field. */
struct rn_transform_names {
    uint32_t struct_size;
    uint32_t field; /* which output */
    uint32_t count; /* written; 0: it has none */
    uint32_t reserved;
    const char *const
        *names; /* written: in order of the index; plugin, until destroy */
};

struct rn_transform {
    uint32_t struct_size;
    uint32_t flags; /* RN_TRANSFORM_* */
    /* *self: plugin, until destroy; NULL both when there is no state. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    /* Write plan->out and out_count. [setup] */
    int32_t (*plan)(void *self, struct rn_transform_plan *plan, struct rn_error *e);
    int32_t (*fit_begin)(void *self, struct rn_error *e); /* or NULL [setup] */
    /* Training rows, in order. [setup] */
    int32_t (*fit_rows)(void *self, const struct rn_transform_call *call,
                        struct rn_error *e);
    int32_t (*fit_end)(void *self, struct rn_error *e); /* [setup] */
    /* A row's values depend on that row alone. [worker] */
    int32_t (*apply)(void *self, const struct rn_transform_call *call,
                     struct rn_error *e);
    int32_t (*save)(void *self, struct rn_stream *s, struct rn_error *e); /* [setup] */
    int32_t (*load)(void *self, struct rn_stream *s, struct rn_error *e); /* [setup] */
    /* NULL: no field has class names. After plan. [setup] */
    int32_t (*names)(void *self, struct rn_transform_names *names, struct rn_error *e);
};

#define RN_TRANSFORM(id, iface, head, body)                                            \
    RN_COMPONENT(id, iface, "transform " head, body)

#ifdef __cplusplus
}
#endif
#endif
