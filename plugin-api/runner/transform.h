/* SPDX-License-Identifier: Apache-2.0 */
/* A transform: fitted on the training split only, then applied to every sample. Status:
 * draft. */
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

struct rn_transform {
    uint32_t struct_size;
    uint32_t flags; /* RN_TRANSFORM_* */
    /* *self: plugin, until destroy. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    /* in: the fields that the host selected by the option `of` (all when absent). out:
     * host array of *count; write the new fields, names plugin until destroy. [setup]
     */
    int32_t (*plan)(void *self, uint32_t in_count, const struct rn_field *in,
                    uint32_t *out_count, struct rn_field *out, struct rn_error *e);
    int32_t (*fit_begin)(void *self, struct rn_error *e); /* [setup] or NULL */
    int32_t (*fit_rows)(void *self, uint64_t n, const struct rn_tensor *in,
                        struct rn_error *e); /* training rows, in order [setup] */
    int32_t (*fit_end)(void *self, struct rn_error *e); /* [setup] */
    int32_t (*apply)(void *self, uint64_t n, const struct rn_tensor *in,
                     const struct rn_tensor *out, struct rn_error *e);    /* [worker] */
    int32_t (*save)(void *self, struct rn_stream *s);                     /* [setup] */
    int32_t (*load)(void *self, struct rn_stream *s, struct rn_error *e); /* [setup] */
    /* Names of the classes of output field `out`, index order; *count 0: it has none.
     * Names are the plugin's until destroy. After plan. NULL: no field has. [setup] */
    int32_t (*names)(void *self, uint32_t out, uint32_t *count,
                     const char *const **names, struct rn_error *e);
};

#define RN_TRANSFORM(id, iface, head, body)                                            \
    RN_COMPONENT(id, iface, "transform " head, body)

#ifdef __cplusplus
}
#endif
#endif
