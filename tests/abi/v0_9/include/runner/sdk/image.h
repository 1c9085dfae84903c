/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers for image augmenters: the fields that they change, a sample's random words,
 * and pixels fetched by coordinates, on the host and as operators. Images are [C,H,W]
 * or [H,W] of any type that a sample has; a mask of class numbers is one too. Header-
 * only; C11 or C++. */
#ifndef RUNNER_SDK_IMAGE_H
#define RUNNER_SDK_IMAGE_H

#include <stdlib.h>
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
    double fill; /* of what is outside; the option `fill` */
};

/* The fields of an augmenter, in the order of `of`. */
struct rn_images {
    uint32_t count;
    struct rn_image *at; /* owned; [count]; rn_images_finish frees it */
};

static inline void rn_images_finish(struct rn_images *s) {
    free(s->at);
    s->at = NULL;
    s->count = 0;
}

/* *m from the field. RN_E_CONFIG: it is not an image. */
static inline int32_t rn_image_plan(struct rn_image *m, const struct rn_field *f,
                                    struct rn_error *e) {
    if ((f->rank != 2 && f->rank != 3) || (f->flags & RN_FIELD_TEXT)) {
        rn_fail_option(e, RN_E_CONFIG, "of",
                       "field '%s' is not an image: it has rank %u", f->name, f->rank);
        rn_hintf(e, "an image is [C,H,W] or [H,W]");
        return RN_E_CONFIG;
    }
    m->planes = f->rank == 3 ? (uint64_t)f->shape[0] : 1;
    m->height = f->shape[f->rank - 2];
    m->width = f->shape[f->rank - 1];
    m->dtype = f->dtype;
    return RN_OK;
}

/* Can pixels of this type have the value? */
static inline int rn_image_holds(rn_dtype dtype, double v) {
    switch (dtype) {
    case RN_U8:
        return v >= 0.0 && v <= 255.0 && v == rn_floor_f64(v);
    case RN_I8:
        return v >= -128.0 && v <= 127.0 && v == rn_floor_f64(v);
    case RN_BOOL:
        return v == 0.0 || v == 1.0;
    case RN_U32:
        return v >= 0.0 && v <= 4294967295.0 && v == rn_floor_f64(v);
    case RN_I32:
        return v >= -2147483648.0 && v <= 2147483647.0 && v == rn_floor_f64(v);
    case RN_I64:
        return v >= -9007199254740992.0 && v <= 9007199254740992.0 &&
               v == rn_floor_f64(v);
    default:
        return v == v;
    }
}

/* The option `fill`: one value for all fields, or one for each. */
static inline int32_t rn_images_fill(struct rn_images *s, struct rn_host *h,
                                     struct rn_error *e) {
    uint32_t n = rn_get_count(h, "fill"), i;
    if (n != 1 && n != s->count)
        return rn_fail_option(e, RN_E_CONFIG, "fill",
                              "expects one number, or one for each of %u fields",
                              s->count);
    for (i = 0; i < s->count; i++) {
        char path[32];
        struct rn_image *m = &s->at[i];
        m->fill = rn_get_float(h, rn_path(path, sizeof path, "fill", n == 1 ? 0 : i));
        if (m->dtype == RN_F32)
            m->fill = (double)(float)m->fill;
        if (!rn_image_holds(m->dtype, m->fill))
            return rn_fail_option(e, RN_E_CONFIG, "fill",
                                  "%g is not a value that pixels of %s can have",
                                  m->fill, rn_dtype_name(m->dtype));
    }
    return RN_OK;
}

/* *s from the fields of a plan; what it had is freed. same_size: all of them must have
 * one height and width. fills: the host of a component with the option `fill`, or NULL.
 */
static inline int32_t rn_images_plan(struct rn_images *s,
                                     const struct rn_augment_plan *p, int same_size,
                                     struct rn_host *fills, struct rn_error *e) {
    uint32_t i;
    rn_images_finish(s);
    s->at = (struct rn_image *)calloc(p->field_count + 1u, sizeof *s->at);
    if (!s->at)
        return rn_fail(e, RN_E_MEMORY, "no memory for an augmenter", NULL, NULL);
    s->count = p->field_count;
    for (i = 0; i < s->count; i++) {
        const struct rn_field *f = rn_augment_field(p, i);
        int32_t status = rn_image_plan(&s->at[i], f, e);
        if (status != RN_OK)
            return status;
        if (same_size &&
            (s->at[i].height != s->at[0].height || s->at[i].width != s->at[0].width))
            return rn_fail_option(
                e, RN_E_CONFIG, "of",
                "field '%s' is %lld x %lld, but '%s' is %lld x %lld: fields that "
                "change together have one size",
                f->name, (long long)s->at[i].height, (long long)s->at[i].width,
                rn_augment_field(p, 0)->name, (long long)s->at[0].height,
                (long long)s->at[0].width);
    }
    return fills ? rn_images_fill(s, fills, e) : RN_OK;
}

/* Bytes of a plane. */
static inline uint64_t rn_image_plane(const struct rn_image *m) {
    return (uint64_t)m->height * (uint64_t)m->width * RN_DTYPE_BYTES(m->dtype);
}

/* The planes of field `field` of row i. */
static inline uint8_t *rn_image_row(const struct rn_augment_call *call,
                                    const struct rn_images *s, uint32_t field,
                                    uint64_t i) {
    const struct rn_image *m = &s->at[field];
    return (uint8_t *)call->fields[field].data + i * m->planes * rn_image_plane(m);
}

/* Pixels from..to of a line = v, a value that they can have. */
static inline void rn_image_fill_line(const struct rn_image *m, uint8_t *line,
                                      int64_t from, int64_t to, double v) {
    int64_t size = (int64_t)RN_DTYPE_BYTES(m->dtype), x;
    float f = (float)v;
    int64_t whole =
        rn_dtype_is_integer(m->dtype) || m->dtype == RN_BOOL ? (int64_t)v : 0;
    uint16_t half = m->dtype == RN_BF16 ? rn_bf16_from_f32(f) : rn_f16_from_f32(f);
    const void *pixel = m->dtype == RN_F32   ? (const void *)&f
                        : m->dtype == RN_F64 ? (const void *)&v
                        : m->dtype == RN_F16 || m->dtype == RN_BF16
                            ? (const void *)&half
                            : (const void *)&whole; /* little-endian */
    for (x = from; x < to; x++)
        memcpy(line + x * size, pixel, (size_t)size);
}

/* Four random words of row i: they depend on key, epoch, sample and n alone. */
static inline void rn_image_random_at(const struct rn_augment_call *call,
                                      uint32_t epoch, uint64_t i, uint32_t n,
                                      uint32_t out[4]) {
    uint64_t id = (uint64_t)call->sample_ids[i];
    uint32_t repeat = RN_HAS(call, struct rn_augment_call, repeats) && call->repeats
                          ? call->repeats[i]
                          : 0;
    uint32_t counter[4] = {epoch, (uint32_t)id, (uint32_t)(id >> 32), n + repeat * 256};
    rn_philox(counter, call->key, out);
}

static inline void rn_image_random(const struct rn_augment_call *call, uint64_t i,
                                   uint32_t n, uint32_t out[4]) {
    rn_image_random_at(call, call->epoch, i, n, out);
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

/* out(y, x) = from(fy, fx); fy i32 [N,1,H,1] or [1,1,H,1], fx the like along x.
 * outside: some of it may be, and is m->fill. */
static inline rn_value rn_image_fetch(struct rn_build *b, const struct rn_image *m,
                                      rn_value from, rn_value fy, rn_value fx,
                                      int outside) {
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
        out = rn_select(b, inside, out, rn_full(b, 0, NULL, m->fill, m->dtype));
    return out;
}

/* Options for the description. */
#define RN_IMAGE_OF_OPTION(what)                                                       \
    RN_OPTION("of list(string) = image | " what                                        \
              ": [C,H,W] or [H,W]; several, such as "                                  \
              "an image and its mask, change together")
#define RN_IMAGE_FILL_OPTION(what)                                                     \
    RN_OPTION("fill list(float) = 0 | " what ": one number, or one for each field of " \
              "`of`")

#ifdef __cplusplus
}
#endif
#endif
