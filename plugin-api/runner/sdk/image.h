/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers for image augmenters: which fields are images, a sample's random words, and
 * pixels fetched by coordinates, on the host and as operators. Images are [C,H,W] or
 * [H,W], f32 or u8. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_IMAGE_H
#define RUNNER_SDK_IMAGE_H

#include <string.h>

#include <runner/augment.h>
#include <runner/numerics.h>
#include <runner/sdk/error.h>
#include <runner/sdk/field.h>

#ifdef __cplusplus
extern "C" {
#endif

/* planes of height x width, one after the other */
struct rn_image {
    uint64_t planes;
    int64_t height, width;
    rn_dtype dtype;
};

/* *m from the field. RN_E_CONFIG: it is not an image of f32 or u8. */
static inline int32_t rn_image_plan(struct rn_image *m, const struct rn_field *f,
                                    struct rn_error *e) {
    if ((f->rank != 2 && f->rank != 3) || (f->flags & RN_FIELD_TEXT)) {
        rn_failf(e, RN_E_CONFIG, "of", 0, 0,
                 "field '%s' is not an image: it has rank %u", f->name, f->rank);
        rn_hintf(e, "an image is [C,H,W] or [H,W]");
        return RN_E_CONFIG;
    }
    if (f->dtype != RN_F32 && f->dtype != RN_U8)
        return rn_failf(e, RN_E_CONFIG, "of", 0, 0,
                        "field '%s' holds %s; images of f32 or u8 are changed", f->name,
                        rn_dtype_name(f->dtype));
    m->planes = f->rank == 3 ? (uint64_t)f->shape[0] : 1;
    m->height = f->shape[f->rank - 2];
    m->width = f->shape[f->rank - 1];
    m->dtype = f->dtype;
    return RN_OK;
}

/* RN_E_CONFIG where `fill` is not a value that pixels of this dtype can have. */
static inline int32_t rn_image_fill(const struct rn_image *m, float fill,
                                    struct rn_error *e) {
    if (m->dtype == RN_U8 && (!(fill >= 0.0f) || fill > 255.0f))
        return rn_failf(e, RN_E_CONFIG, "fill", 0, 0, "must be 0 to 255 for u8");
    return RN_OK;
}

/* Pixels from..to of a line = fill. */
static inline void rn_image_fill_line(const struct rn_image *m, uint8_t *line,
                                      int64_t from, int64_t to, float fill) {
    for (int64_t x = from; x < to; x++)
        if (m->dtype == RN_U8)
            line[x] = (uint8_t)fill;
        else
            memcpy(line + x * (int64_t)sizeof fill, &fill, sizeof fill);
}

/* Four random words of row i: they depend on key, epoch, sample and n alone. */
static inline void rn_image_random(const struct rn_augment_at *at, uint64_t i,
                                   uint32_t n, uint32_t out[4]) {
    uint64_t id = (uint64_t)at->sample_ids[i];
    uint32_t counter[4] = {at->epoch, (uint32_t)id, (uint32_t)(id >> 32), n};
    rn_philox(counter, at->key, out);
}

/* ---- the same as operators: pixels fetched by where they come from ---- */

/* The input `data` as [N,C,H,W], C = 1 for images without channels. */
static inline rn_value rn_image_open(struct rn_build *b, const struct rn_image *m) {
    rn_value x = rn_input(b, "data");
    int64_t shape[4] = {rn_dim(b, x, 0), (int64_t)m->planes, m->height, m->width};
    return rn_reshape(b, x, 4, shape);
}

/* Give x [N,C,H,W] the shape of the input `data` and make it the output `data`. */
static inline void rn_image_close(struct rn_build *b, rn_value x) {
    rn_value in = rn_input(b, "data");
    int64_t shape[RN_MAX_RANK];
    uint32_t rank = rn_rank(b, in);
    for (uint32_t i = 0; i < rank; i++)
        shape[i] = rn_dim(b, in, (int32_t)i);
    rn_output(b, "data", rn_reshape(b, x, rank, shape));
}

/* Number k of each row, [N, 1, 1, 1]. */
static inline rn_value rn_image_number(struct rn_build *b, int64_t k) {
    rn_value v = rn_input(b, "numbers");
    int64_t n = rn_dim(b, v, 0), one[2] = {1, 1}, shape[4] = {n, 1, 1, 1};
    int64_t start[2] = {0, k}, stop[2] = {n, k + 1};
    return rn_reshape(b, rn_slice(b, v, 2, start, stop, one), 4, shape);
}

/* 0, 1, ... n-1 along one axis of four, the others 1. */
static inline rn_value rn_image_count(struct rn_build *b, int64_t n, int axis,
                                      rn_dtype t) {
    int64_t shape[4] = {1, 1, 1, 1};
    shape[axis] = n;
    return rn_iota(b, 4, shape, axis, t);
}

/* v as a constant [] of dtype t. */
static inline rn_value rn_image_whole(struct rn_build *b, int64_t v, rn_dtype t) {
    return rn_full(b, 0, NULL, (double)v, t);
}

/* out(y, x) = from(fy, fx); fy i32 [N,1,H,1] or [1,1,H,1], fx the like along x. What
 * is outside: `fill`. */
static inline rn_value rn_image_fetch(struct rn_build *b, const struct rn_image *m,
                                      rn_value from, rn_value fy, rn_value fx,
                                      float fill, int outside) {
    int64_t n = rn_dim(b, from, 0), planes = (int64_t)m->planes;
    int64_t full[4] = {n, planes, m->height, m->width};
    int64_t all = n * planes * m->height * m->width;
    rn_dtype t = all <= INT32_MAX ? RN_I32 : RN_I64;
    rn_value height = rn_image_whole(b, m->height, t),
             width = rn_image_whole(b, m->width, t);
    rn_value y = t == RN_I32 ? fy : rn_cast(b, fy, t);
    rn_value x = t == RN_I32 ? fx : rn_cast(b, fx, t);
    /* Of a line, few; of a pixel, all in one. */
    rn_value line =
        rn_add(b, rn_mul(b, rn_image_count(b, n, 0, t), rn_image_whole(b, planes, t)),
               rn_image_count(b, planes, 1, t));
    line = rn_mul(b, rn_add(b, rn_mul(b, line, height), y), width);
    rn_value at = rn_add(b, line, x), inside = RN_NONE;
    if (outside) {
        rn_value zero = rn_image_whole(b, 0, t);
        rn_value in_y = rn_logical_and(b, rn_ge(b, y, zero), rn_lt(b, y, height));
        rn_value in_x = rn_logical_and(b, rn_ge(b, x, zero), rn_lt(b, x, width));
        inside = rn_broadcast_to(b, rn_logical_and(b, in_y, in_x), 4, full);
        at = rn_select(b, inside, at, zero);
    }
    at = rn_broadcast_to(b, at, 4, full);
    rn_value out = rn_gather(b, rn_reshape(b, from, 1, &all), at, 0);
    if (outside)
        out = rn_select(b, inside, out, rn_full(b, 0, NULL, (double)fill, m->dtype));
    return out;
}

/* The option `of` for the description. */
#define RN_IMAGE_OF_OPTION(what)                                                       \
    RN_OPTION("of string = image | " what ": f32 or u8, [C,H,W] or [H,W]")

#ifdef __cplusplus
}
#endif
#endif
