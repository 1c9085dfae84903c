/* SPDX-License-Identifier: Apache-2.0 */
/* Recurrent layers over sequences [N,T,C], on runner/scan.h: long short-term memory
 * (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000) and gated
 * recurrent units (Cho et al. 2014, the form of PyTorch and cuDNN, whose reset gate
 * multiplies the state's product). Parameters have PyTorch's names, shapes and order of
 * gates: weight_ih_l0 [gates units,C], weight_hh_l0 [gates units,units], bias_ih_l0 and
 * bias_hh_l0 [gates units]; l1, l2, ... of further layers, with _reverse of the other
 * direction. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_RECURRENT_H
#define RUNNER_SDK_RECURRENT_H

#include <stdio.h>

#include <runner/model.h>
#include <runner/scan.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_LSTM 4 /* gates: input, forget, cell, output */
#define RN_GRU  3 /* gates: reset, update, new */

struct rn_recurrent {
    int32_t gates; /* RN_LSTM or RN_GRU */
    int32_t bidirectional, bias;
    int32_t last; /* 1: returns the last states [N,D units], else [N,T,D units] */
    int64_t units, layers;
    const char *init; /* of both weights */
    rn_value lengths; /* integer [N]: steps of each row; RN_NONE: all have T */
};

/* The parameters of one direction of one layer, by gate. */
struct rn_recurrent_gates_ {
    rn_value ih[4], hh[4], bias_ih[4], bias_hh[4];
};

/* Rows units*k .. units*(k+1) of v for each gate. */
static inline void rn_recurrent_split_(struct rn_build *b, const struct rn_recurrent *r,
                                       rn_value v, rn_value *gates) {
    int64_t start[2] = {0, 0}, stop[2], step[2] = {1, 1};
    uint32_t rank = rn_rank(b, v);
    int32_t k;
    stop[1] = rank > 1 ? rn_dim(b, v, 1) : 1;
    for (k = 0; k < r->gates; k++) {
        start[0] = k * r->units, stop[0] = (k + 1) * r->units;
        gates[k] = rn_slice(b, v, rank, start, stop, step);
    }
}

/* fan: inputs and outputs of one gate. */
static inline rn_value rn_recurrent_weight_(struct rn_build *b,
                                            const struct rn_recurrent *r,
                                            const char *name, const char *suffix,
                                            int64_t columns) {
    char full[64];
    int64_t shape[2];
    struct rn_variable v = {sizeof(struct rn_variable),
                            RN_F32,
                            full,
                            "weight",
                            shape,
                            2u,
                            1u,
                            columns,
                            r->units,
                            r->init,
                            0.0};
    shape[0] = r->gates * r->units, shape[1] = columns;
    snprintf(full, sizeof full, "%s_%s", name, suffix);
    return b->api->variable(b, &v);
}

static inline rn_value rn_recurrent_bias_(struct rn_build *b,
                                          const struct rn_recurrent *r,
                                          const char *name, const char *suffix) {
    char full[64];
    int64_t shape = r->gates * r->units;
    snprintf(full, sizeof full, "%s_%s", name, suffix);
    return rn_param(b, full, "bias", 1, &shape, "zeros");
}

static inline int32_t rn_lstm_step_(struct rn_build *b, void *context,
                                    const struct rn_scan_step *io) {
    rn_value z[4];
    int32_t k;
    (void)context;
    for (k = 0; k < 4; k++)
        z[k] =
            rn_add(b, io->step[k], rn_linear(b, io->state[0], io->fixed[k], RN_NONE));
    rn_value kept = rn_mul(b, rn_sigmoid(b, z[1]), io->state[1]);
    rn_value added = rn_mul(b, rn_sigmoid(b, z[0]), rn_tanh(b, z[2]));
    io->next[1] = rn_add(b, kept, added);
    io->next[0] = rn_mul(b, rn_sigmoid(b, z[3]), rn_tanh(b, io->next[1]));
    io->out[0] = io->next[0];
    return RN_OK;
}

static inline int32_t rn_gru_step_(struct rn_build *b, void *context,
                                   const struct rn_scan_step *io) {
    const struct rn_recurrent *r = (const struct rn_recurrent *)context;
    rn_value h = io->state[0], z[3];
    int32_t k;
    for (k = 0; k < 3; k++)
        z[k] =
            rn_linear(b, h, io->fixed[k], k == 2 && r->bias ? io->fixed[3] : RN_NONE);
    rn_value reset = rn_sigmoid(b, rn_add(b, io->step[0], z[0]));
    rn_value keep = rn_sigmoid(b, rn_add(b, io->step[1], z[1]));
    rn_value fresh = rn_tanh(b, rn_add(b, io->step[2], rn_mul(b, reset, z[2])));
    io->next[0] = rn_add(b, fresh, rn_mul(b, keep, rn_sub(b, h, fresh)));
    io->out[0] = io->next[0];
    return RN_OK;
}

/* x [T,N,C] -> [T,N,units], *last [N,units]. */
static inline rn_value rn_recurrent_direction_(struct rn_build *b, rn_value x,
                                               const struct rn_recurrent *r,
                                               const char *suffix, int32_t reverse,
                                               rn_value *last) {
    struct rn_recurrent_gates_ g;
    rn_value step[4], fixed[5], states[2], ends[2], out;
    int64_t first[2];
    int32_t k, lstm = r->gates == RN_LSTM;
    first[0] = rn_dim(b, x, 1), first[1] = r->units;
    rn_recurrent_split_(
        b, r, rn_recurrent_weight_(b, r, "weight_ih", suffix, rn_dim(b, x, -1)), g.ih);
    rn_recurrent_split_(b, r, rn_recurrent_weight_(b, r, "weight_hh", suffix, r->units),
                        g.hh);
    if (r->bias) {
        rn_recurrent_split_(b, r, rn_recurrent_bias_(b, r, "bias_ih", suffix),
                            g.bias_ih);
        rn_recurrent_split_(b, r, rn_recurrent_bias_(b, r, "bias_hh", suffix),
                            g.bias_hh);
    }
    /* The input's share of all steps at once; the state's bias goes with it, but where
     * a gate multiplies it. */
    for (k = 0; k < r->gates; k++) {
        int32_t inside = !lstm && k == 2;
        rn_value bias = !r->bias ? RN_NONE
                        : inside ? g.bias_ih[k]
                                 : rn_add(b, g.bias_ih[k], g.bias_hh[k]);
        step[k] = rn_linear(b, x, g.ih[k], bias);
        fixed[k] = g.hh[k];
    }
    fixed[r->gates] = r->bias && !lstm ? g.bias_hh[2] : RN_NONE;
    states[0] = states[1] = rn_full(b, 2, first, 0.0, RN_F32);
    struct rn_scan_spec s = {sizeof(struct rn_scan_spec),
                             lstm ? 2u : 1u,
                             (uint32_t)r->gates,
                             (uint32_t)r->gates + (fixed[r->gates] ? 1u : 0u),
                             1u,
                             (uint32_t)reverse,
                             states,
                             step,
                             fixed,
                             r->lengths,
                             0,
                             lstm ? rn_lstm_step_ : rn_gru_step_,
                             (void *)r};
    rn_scan(b, &s, ends, &out);
    *last = ends[0];
    return out;
}

/* x [N,T,C] -> [N,T,D units], or [N,D units] of the last layer with `last`: each row's
 * state after its own last step (of the other direction: after its first). D is 2 with
 * `bidirectional`, forward before reverse, else 1. Outputs behind a row's length are 0.
 */
static inline rn_value rn_layer_recurrent(struct rn_build *b, const char *scope,
                                          rn_value x, const struct rn_recurrent *r) {
    const int64_t turn[3] = {1, 0, 2};
    rn_value out[2], last[2];
    int64_t layer;
    char suffix[32];
    last[0] = RN_NONE;
    rn_push(b, scope);
    x = rn_transpose(b, x, 3, turn);
    for (layer = 0; layer < r->layers; layer++) {
        int32_t k, count = r->bidirectional ? 2 : 1;
        for (k = 0; k < count; k++) {
            snprintf(suffix, sizeof suffix, "l%d%s", (int)layer, k ? "_reverse" : "");
            out[k] = rn_recurrent_direction_(b, x, r, suffix, k, &last[k]);
        }
        x = count == 2 ? rn_concat(b, 2, out, 2) : out[0];
        last[0] = count == 2 ? rn_concat(b, 2, last, 1) : last[0];
    }
    x = r->last ? last[0] : rn_transpose(b, x, 3, turn);
    rn_pop(b);
    return x;
}

#ifdef __cplusplus
}
#endif
#endif
