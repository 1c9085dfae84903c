/* SPDX-License-Identifier: Apache-2.0 */
/* Recurrence: a body that runs once per step of a sequence, described like anything
 * else (docs/recurrent.md). */
#ifndef RUNNER_SCAN_H
#define RUNNER_SCAN_H

#include <runner/build.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the body is given, and what it is to fill. Its values are not values outside of
 * it, nor theirs in it: what it reads comes in as state, step or fixed. rn_param and
 * rn_live may be called in it. All arrays: host, for the call. */
struct rn_scan_step {
    uint32_t struct_size;
    uint32_t reserved;
    const rn_value *state; /* host; before the step */
    const rn_value *step;  /* host; this step's part of each step input */
    const rn_value *fixed; /* host; the same at every step */
    rn_value *next; /* host, to fill: the states after the step, in shape and type
                       as before */
    rn_value *out;  /* host, to fill: the step's outputs */
};

struct rn_scan_spec {
    uint32_t struct_size;
    uint32_t state_count;
    uint32_t step_count;
    uint32_t fixed_count;
    uint32_t out_count;
    uint32_t reverse;      /* 1: from the last step to the first */
    const rn_value *state; /* borrowed: the first states */
    const rn_value *step;  /* borrowed: [T,...] each, the same T */
    const rn_value *fixed; /* borrowed: weights and what else does not change */
    /* Integer [N], or RN_NONE. Row n takes its first lengths[n] steps (with reverse:
     * those from the last of them on); then its states stay and its outputs are 0.
     * States and outputs begin with an axis of N rows. */
    rn_value lengths;
    int64_t length; /* T; 0: that of step[0] */
    /* Describes one step; called once. 0 or a status. [setup] */
    int32_t (*body)(struct rn_build *b, void *context, const struct rn_scan_step *io);
    void *context; /* borrowed */
};

/* Extension "runner.scan/1" of struct rn_build. */
struct rn_scan_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* last: state_count values, the states at the end; out: out_count values, [T,...]
     * in order of steps in either direction. RN_NONE each on error. [setup] */
    int32_t (*scan)(struct rn_build *b, const struct rn_scan_spec *s, rn_value *last,
                    rn_value *out);
};

static inline int32_t rn_scan(struct rn_build *b, const struct rn_scan_spec *s,
                              rn_value *last, rn_value *out) {
    const struct rn_scan_api *api =
        (const struct rn_scan_api *)b->api->extension(b, "runner.scan/1");
    uint32_t i;
    for (i = 0; i < s->state_count; i++)
        last[i] = RN_NONE;
    for (i = 0; i < s->out_count; i++)
        out[i] = RN_NONE;
    if (api)
        return api->scan(b, s, last, out);
    b->api->fail(b, "this host has no scans (runner.scan/1)", NULL, NULL);
    return RN_E_UNSUPPORTED;
}

#ifdef __cplusplus
}
#endif
#endif
