/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of numbers that are no images, for augmenters: as a list of numbers, or along
 * an axis of time. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_SERIES_H
#define RUNNER_SDK_SERIES_H

#include <runner/sdk/scene.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A field of a sample: value (i, t, k) is at (i * steps + t) * inner + k. */
struct rn_series_field {
    uint64_t outer, steps, inner; /* time is the axis of `steps` */
    rn_dtype dtype;
};

/* A component's state begins with it, and it with a scene, of which the host, `p` and
 * the log are used. */
struct rn_series {
    struct rn_scene scene; /* first */
    uint32_t count;
    struct rn_series_field *at; /* owned; [count] */
};

static inline void rn_series_destroy(void *self) {
    struct rn_series *s = (struct rn_series *)self;
    if (s)
        free(s->at);
    rn_scene_destroy(self);
}

/* Where the time axis is. */
#define RN_SERIES_FIRST 0
#define RN_SERIES_LAST  1

/* The fields; each must be f32, unless `any`. */
static inline int32_t rn_series_plan(struct rn_series *s,
                                     const struct rn_augment_plan *p, int time, int any,
                                     struct rn_error *e) {
    uint32_t k, i;
    free(s->at);
    s->count = 0;
    s->at = (struct rn_series_field *)calloc(p->field_count + 1u, sizeof *s->at);
    if (!s->at)
        return rn_fail(e, RN_E_MEMORY, "no memory for an augmenter", NULL, NULL);
    for (k = 0; k < p->field_count; k++) {
        const struct rn_field *f = rn_augment_field(p, k);
        struct rn_series_field *v = &s->at[k];
        v->outer = v->steps = v->inner = 1;
        v->dtype = f->dtype;
        if (!any && f->dtype != RN_F32)
            return rn_fail_option(e, RN_E_CONFIG, "of",
                                  "field '%s' holds %s; f32 is changed", f->name,
                                  rn_dtype_name(f->dtype));
        for (i = 0; i < f->rank; i++) {
            uint32_t axis = time == RN_SERIES_LAST ? f->rank - 1 : 0;
            uint64_t n = (uint64_t)f->shape[i];
            if (i == axis)
                v->steps = n;
            else if (i < axis)
                v->outer *= n;
            else
                v->inner *= n;
        }
    }
    s->count = p->field_count;
    return RN_OK;
}

static inline uint64_t rn_series_elements(const struct rn_series_field *v) {
    return v->outer * v->steps * v->inner;
}

/* Field k of a row. */
static inline uint8_t *rn_series_row(const struct rn_series *s,
                                     const struct rn_scene_row *r, uint32_t k) {
    const struct rn_series_field *v = &s->at[k];
    return (uint8_t *)r->call->fields[k].data +
           r->row * rn_series_elements(v) * RN_DTYPE_BYTES(v->dtype);
}

/* All series have as many steps; what they have. */
static inline int32_t rn_series_steps(const struct rn_series *s, uint64_t *steps,
                                      struct rn_error *e) {
    uint32_t k;
    *steps = s->at[0].steps;
    for (k = 1; k < s->count; k++)
        if (s->at[k].steps != *steps)
            return rn_fail_option(
                e, RN_E_CONFIG, "of",
                "fields of %llu and of %llu steps cannot move together",
                (unsigned long long)*steps, (unsigned long long)s->at[k].steps);
    return RN_OK;
}

/* Bytes of scratch for rn_series_move: a copy of the largest field. */
static inline uint64_t rn_series_scratch(const struct rn_series *s) {
    uint64_t most = 0;
    uint32_t k;
    for (k = 0; k < s->count; k++)
        if (rn_series_elements(&s->at[k]) > most)
            most = rn_series_elements(&s->at[k]);
    return most * sizeof(float);
}

/* Step t of each field becomes the series at place `from[t]`, 0 .. steps-1, linear
 * between two steps. copy: scratch. */
static inline void rn_series_move(const struct rn_series *s,
                                  const struct rn_scene_row *r, const double *from,
                                  float *copy) {
    uint32_t f;
    uint64_t i, t, k;
    for (f = 0; f < s->count; f++) {
        const struct rn_series_field *v = &s->at[f];
        float *to = (float *)(void *)rn_series_row(s, r, f);
        memcpy(copy, to, (size_t)(rn_series_elements(v) * sizeof *copy));
        for (t = 0; t < v->steps; t++) {
            double at = from[t] > 0.0 ? from[t] : 0.0;
            uint64_t low = (uint64_t)at, next;
            low = low < v->steps ? low : v->steps - 1;
            next = low + 1 < v->steps ? low + 1 : low;
            for (i = 0; i < v->outer; i++)
                for (k = 0; k < v->inner; k++) {
                    double a = (double)copy[(i * v->steps + low) * v->inner + k];
                    double b = (double)copy[(i * v->steps + next) * v->inner + k];
                    to[(i * v->steps + t) * v->inner + k] =
                        (float)(a + (at - (double)low) * (b - a));
                }
        }
    }
}

#define RN_SERIES_OF_OPTION(what) RN_OPTION("of list(string) = x | " what)
#define RN_SERIES_TIME_OPTION                                                          \
    RN_OPTION(                                                                         \
        "time choice(first,last) = first | which axis of a sample is time: [T,F] "     \
        "or [F,T]")

#ifdef __cplusplus
}
#endif
#endif
