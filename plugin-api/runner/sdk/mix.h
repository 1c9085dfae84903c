/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers for collates that mix each sample of a batch with another one: the shares and
 * the partners, labels as targets, weighted means of rows. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_MIX_H
#define RUNNER_SDK_MIX_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/collate.h>
#include <runner/sdk/draw.h>
#include <runner/sdk/draw_log.h>
#include <runner/sdk/error.h>
#include <runner/sdk/field.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ options */

#define RN_MIX_OPTIONS                                                                 \
    RN_OPTION(                                                                         \
        "p float = 1 ; min 0 ; max 1 | share of the batches (of the samples, with "    \
        "`per: sample`) that are mixed")                                               \
    RN_OPTION(                                                                         \
        "per choice(batch,sample) = batch | one draw for all samples of a batch, "     \
        "or one for each")                                                             \
    RN_OPTION("classes int ; min 2 ; max 1000000 | classes of an integer field; "      \
              "default: those of a label map, or its largest value + 1")

struct rn_mix {
    struct rn_host *host;
    const struct rn_draw_log_api *log; /* or NULL */
    double alpha, p;
    int per_sample;
    uint32_t classes;     /* 0: as the host knows */
    uint32_t field_count; /* of plan */
    char **names;         /* owned; [field_count]: of targets, or NULL */
};

static inline void rn_mix_read(struct rn_mix *m, struct rn_host *h) {
    m->host = h;
    m->log = rn_draw_log(h);
    m->alpha = rn_get_float(h, "alpha");
    m->p = rn_get_float(h, "p");
    m->per_sample = strcmp(rn_get_string(h, "per"), "sample") == 0;
    m->classes = rn_has(h, "classes") ? (uint32_t)rn_get_int(h, "classes") : 0;
}

static inline void rn_mix_finish(struct rn_mix *m) {
    for (uint32_t i = 0; i < m->field_count && m->names; i++)
        free(m->names[i]);
    free(m->names);
    m->names = NULL;
    m->field_count = 0;
}

/* ------------------------------------------------------------------- fields */

/* Room for the fields of a plan. */
static inline int32_t rn_mix_plan(struct rn_mix *m, const struct rn_collate_plan *p,
                                  struct rn_error *e) {
    rn_mix_finish(m);
    m->names = (char **)calloc(p->field_count, sizeof *m->names);
    m->field_count = p->field_count;
    return m->names ? RN_OK : rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
}

/* 1: one integer a sample, which is mixed as a target. */
static inline int rn_mix_is_label(const struct rn_field *f) {
    return !f->rank && (rn_dtype_is_integer(f->dtype) || f->dtype == RN_BOOL);
}

/* Field i, a label, becomes the target NAME_soft. */
static inline int32_t rn_mix_label(struct rn_mix *m, const struct rn_collate_plan *p,
                                   uint32_t i, struct rn_error *e) {
    const struct rn_field *f = rn_collate_field(p, i);
    struct rn_collate_target *t = rn_collate_target_of(p, i);
    size_t size = strlen(f->name) + sizeof "_soft";
    t->classes = m->classes ? m->classes : p->classes[i];
    if (!t->classes) {
        rn_fail_option(e, RN_E_CONFIG, "of",
                       "the number of classes of field '%s' is not known", f->name);
        rn_hintf(e, "give `classes`, or map its values with {type: label_map, of: %s}",
                 f->name);
        return RN_E_CONFIG;
    }
    t->name = m->names[i] = (char *)malloc(size);
    if (!m->names[i])
        return rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
    snprintf(m->names[i], size, "%s_soft", f->name);
    return RN_OK;
}

/* -------------------------------------------------------------------- draws */

static inline double rn_mix_normal(struct rn_draws *d) {
    double u = rn_draw_uniform(d), v = rn_draw_uniform(d);
    return sqrt(-2.0 * rn_log_f64(u)) * rn_cos_f64(6.283185307179586476925 * v);
}

/* The logarithm of a draw of Gamma(a, 1), a > 0: Marsaglia and Tsang 2000, section 6
 * for a < 1, where the draw itself may be too small for a double. */
static inline double rn_mix_log_gamma(struct rn_draws *d, double a) {
    double more = a < 1.0 ? rn_log_f64(rn_draw_uniform(d)) / a : 0.0;
    double k = (a < 1.0 ? a + 1.0 : a) - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * k);
    for (;;) {
        double x = rn_mix_normal(d), u = rn_draw_uniform(d), v = 1.0 + c * x;
        v = v * v * v;
        if (v <= 0.0)
            continue;
        double log_v = rn_log_f64(v);
        if (rn_log_f64(u) < 0.5 * x * x + k - k * v + k * log_v)
            return rn_log_f64(k) + log_v + more;
    }
}

/* Beta(a, a) as X / (X + Y) of two gammas. */
static inline double rn_mix_beta(struct rn_draws *d, double a) {
    double x = rn_mix_log_gamma(d, a), y = rn_mix_log_gamma(d, a);
    return x > y ? 1.0 / (1.0 + rn_exp_f64(y - x))
                 : rn_exp_f64(x - y) / (1.0 + rn_exp_f64(x - y));
}

/* Draws of a call: of the permutation, of the batch as a whole, of a row. */
#define RN_MIX_PARTNERS 0u
#define RN_MIX_BATCH    1u
#define RN_MIX_ROW      2u /* + row */

static inline struct rn_draws rn_mix_draws(const struct rn_collate_call *call,
                                           uint32_t purpose) {
    return rn_draws_begin(call->key, call->epoch, (uint32_t)call->batch, purpose);
}

/* Of row i, or of the batch. */
static inline struct rn_draws rn_mix_row_draws(const struct rn_mix *m,
                                               const struct rn_collate_call *call,
                                               uint64_t i) {
    return rn_mix_draws(call, m->per_sample ? RN_MIX_ROW + (uint32_t)i : RN_MIX_BATCH);
}

/* The share that a row keeps of itself, first of its draws: 1 where it is not mixed. */
static inline double rn_mix_share(const struct rn_mix *m, struct rn_draws *d) {
    int mixed = rn_draw_uniform(d) < m->p;
    double share = rn_mix_beta(d, m->alpha);
    return mixed ? share : 1.0;
}

/* What each row keeps of itself, and of which sample it takes the rest. */
static inline void rn_mix_log(const struct rn_mix *m,
                              const struct rn_collate_call *call, const double *shares,
                              const uint64_t *partners) {
    uint64_t i;
    for (i = 0; i < call->rows && m->log; i++)
        if (shares[i] != 1.0) {
            m->log->number(m->host, i, "share", shares[i]);
            m->log->number(m->host, i, "with", (double)call->sample_ids[partners[i]]);
        }
}

/* [rows] which row each is mixed with: a random permutation. NULL: no memory. */
static inline const uint64_t *rn_mix_partners(const struct rn_collate_call *call) {
    uint64_t *p = (uint64_t *)rn_scratch(call->work, call->rows * sizeof *p);
    struct rn_draws d = rn_mix_draws(call, RN_MIX_PARTNERS);
    for (uint64_t i = 0; i < call->rows && p; i++)
        p[i] = i;
    if (p)
        rn_draw_shuffle(&d, p, call->rows);
    return p;
}

/* --------------------------------------------------------------------- rows */

/* Elements of a row of a tensor [rows, shape...]. */
static inline uint64_t rn_mix_elements(const struct rn_tensor *t) {
    uint64_t n = 1;
    for (uint32_t k = 1; k < t->rank; k++)
        n *= (uint64_t)t->shape[k];
    return n;
}

/* All rows as they are now, in scratch memory. NULL: no memory. */
static inline const void *rn_mix_copy(const struct rn_collate_call *call,
                                      const struct rn_tensor *t) {
    uint64_t bytes = call->rows * rn_mix_elements(t) * RN_DTYPE_BYTES(t->dtype);
    void *copy = rn_scratch(call->work, bytes);
    return copy ? memcpy(copy, t->data, (size_t)bytes) : NULL;
}

/* Each row of an f32 tensor: share times itself and 1 - share times its partner. */
static inline int32_t rn_mix_rows(const struct rn_collate_call *call,
                                  const struct rn_tensor *t, const double *shares,
                                  const uint64_t *partners, struct rn_error *e) {
    uint64_t n = rn_mix_elements(t);
    const float *from = (const float *)rn_mix_copy(call, t);
    if (!from)
        return rn_fail(e, RN_E_MEMORY, "no memory for a batch", NULL, NULL);
    for (uint64_t i = 0; i < call->rows; i++) {
        float keep = (float)shares[i], give = (float)(1.0 - shares[i]);
        const float *other = from + partners[i] * n;
        float *row = (float *)t->data + i * n;
        if (shares[i] == 1.0)
            continue;
        for (uint64_t k = 0; k < n; k++)
            row[k] = keep * row[k] + give * other[k];
    }
    return RN_OK;
}

#ifdef __cplusplus
}
#endif
#endif
