/* SPDX-License-Identifier: Apache-2.0 */
/* A part of an image enlarged to the size of the whole one: bilinear, u8 in the fixed
 * point arithmetic of Pillow's resampling (of torchvision 0.29 on processors with AVX2
 * too, equal to the bit); or the nearest pixel. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_RESIZE_H
#define RUNNER_SDK_RESIZE_H

#include <runner/sdk/pixels.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Along one axis: what place i of `to` is made of. */
struct rn_resize_tap {
    int64_t first;   /* of `from`; the second is the next one */
    double share[2]; /* sum 1; the second is 0 where there is none */
    int32_t whole[2];
    int64_t second; /* first + 1; or first, where there is none */
};

/* taps[0..to) of an axis of `from` <= `to` pixels: two of a triangle filter. */
static inline void rn_resize_taps(int64_t from, int64_t to,
                                  struct rn_resize_tap *taps) {
    double scale = (double)from / (double)to;
    int64_t i;
    for (i = 0; i < to; i++) {
        double centre = scale * ((double)i + 0.5), sum;
        int64_t first = (int64_t)(centre - 1.0 + 0.5), end = (int64_t)(centre + 1.5);
        first = centre - 0.5 > 0.0 ? first : 0;
        end = end < from ? end : from;
        taps[i].first = first;
        taps[i].second = end - first > 1 ? first + 1 : first;
        taps[i].share[0] = 1.0 - fabs((double)first - centre + 0.5);
        taps[i].share[1] =
            end - first > 1 ? 1.0 - fabs((double)(first + 1) - centre + 0.5) : 0.0;
        sum = taps[i].share[0] + taps[i].share[1];
        taps[i].share[0] /= sum;
        taps[i].share[1] /= sum;
    }
}

/* Bits after the point of weights of 16 bits. */
static inline int rn_resize_bits(const struct rn_resize_tap *taps, int64_t n) {
    double most = 0.0;
    int bits = 0, k;
    int64_t i;
    for (i = 0; i < n; i++)
        for (k = 0; k < 2; k++)
            most = taps[i].share[k] > most ? taps[i].share[k] : most;
    while (bits < 22 && (int)(0.5 + most * (double)(1 << (bits + 1))) < 1 << 15)
        bits++;
    return bits;
}

/* The weights of 16 bits, rounded half away from 0. */
static inline void rn_resize_whole(struct rn_resize_tap *taps, int64_t n, int bits) {
    int64_t i;
    int k;
    for (i = 0; i < n; i++)
        for (k = 0; k < 2; k++)
            taps[i].whole[k] = (int32_t)(0.5 + taps[i].share[k] * (double)(1 << bits));
}

static inline uint8_t rn_resize_u8(int32_t one, int32_t two, const int32_t whole[2],
                                   int bits) {
    int32_t sum = ((1 << (bits - 1)) + one * whole[0] + two * whole[1]) >> bits;
    return (uint8_t)(sum > 255 ? 255 : sum);
}
static inline float rn_resize_f32(float one, float two, const struct rn_resize_tap *t) {
    float v = one * (float)t->share[0];
    return t->share[1] != 0.0 ? v + two * (float)t->share[1] : v;
}

/* Bytes of scratch for rn_resize_image. */
static inline uint64_t rn_resize_scratch(const struct rn_image *m) {
    return (rn_image_plane(m) + 63) / 64 * 64 +
           (uint64_t)(m->height + m->width) * sizeof(struct rn_resize_tap);
}

/* `height` lines of the part, from `from` on, to lines of the whole width. */
static inline void rn_resize_lines(const struct rn_image *m, const uint8_t *from,
                                   int64_t height, int64_t width, uint8_t *to,
                                   const struct rn_resize_tap *t, int bits) {
    int64_t y, x, w = m->width;
    for (y = 0; y < height; y++) {
        const uint8_t *u = from + y * w;
        const float *f = (const float *)(const void *)from + y * w;
        if (width == w) {
            memcpy(to + y * w * (int64_t)RN_DTYPE_BYTES(m->dtype),
                   from + y * w * (int64_t)RN_DTYPE_BYTES(m->dtype),
                   (size_t)w * RN_DTYPE_BYTES(m->dtype));
            continue;
        }
        for (x = 0; x < w; x++)
            if (m->dtype == RN_U8)
                to[y * w + x] =
                    rn_resize_u8(u[t[x].first], u[t[x].second], t[x].whole, bits);
            else
                ((float *)(void *)to)[y * w + x] =
                    rn_resize_f32(f[t[x].first], f[t[x].second], &t[x]);
    }
}

/* Those lines to all lines of the image. */
static inline void rn_resize_columns(const struct rn_image *m, const uint8_t *from,
                                     int64_t height, uint8_t *to,
                                     const struct rn_resize_tap *t, int bits) {
    int64_t y, x, w = m->width, item = (int64_t)RN_DTYPE_BYTES(m->dtype);
    for (y = 0; y < m->height; y++) {
        const uint8_t *u = from + t[y].first * w, *v = from + t[y].second * w;
        const float *f = (const float *)(const void *)from + t[y].first * w;
        const float *g = (const float *)(const void *)from + t[y].second * w;
        const int32_t *whole = t[y].whole;
        if (height == m->height)
            memcpy(to + y * w * item, from + y * w * item, (size_t)(w * item));
        else if (m->dtype == RN_U8)
            for (x = 0; x < w; x++)
                to[y * w + x] = rn_resize_u8(u[x], v[x], whole, bits);
        else
            for (x = 0; x < w; x++)
                ((float *)(void *)to)[y * w + x] = rn_resize_f32(f[x], g[x], &t[y]);
    }
}

/* The part becomes the image, of u8 or f32. */
static inline void rn_resize_image(const struct rn_image *m, uint8_t *p, int64_t top,
                                   int64_t left, int64_t height, int64_t width,
                                   void *scratch) {
    uint64_t c, plane = rn_image_plane(m);
    int64_t from = (top * m->width + left) * (int64_t)RN_DTYPE_BYTES(m->dtype);
    uint8_t *between = (uint8_t *)scratch;
    struct rn_resize_tap *ty =
        (struct rn_resize_tap *)(void *)(between + (plane + 63) / 64 * 64);
    struct rn_resize_tap *tx = ty + m->height;
    int by, bx;
    rn_resize_taps(height, m->height, ty);
    rn_resize_taps(width, m->width, tx);
    by = rn_resize_bits(ty, m->height);
    bx = rn_resize_bits(tx, m->width);
    rn_resize_whole(ty, m->height, by);
    rn_resize_whole(tx, m->width, bx);
    for (c = 0; c < m->planes; c++, p += plane) {
        rn_resize_lines(m, p + from, height, width, between, tx, bx);
        rn_resize_columns(m, between, height, p, ty, by);
    }
}

static inline int64_t rn_resize_nearest_place(int64_t i, int64_t from, int64_t to) {
    int64_t at = (int64_t)((float)i * ((float)from / (float)to));
    return at < from ? at : from - 1;
}

/* The same by the nearest pixel, of any type. */
static inline void rn_resize_nearest(const struct rn_image *m, uint8_t *p, int64_t top,
                                     int64_t left, int64_t height, int64_t width,
                                     void *scratch) {
    uint64_t c, plane = rn_image_plane(m), item = RN_DTYPE_BYTES(m->dtype);
    int64_t y, x;
    uint8_t *copy = (uint8_t *)scratch;
    for (c = 0; c < m->planes; c++, p += plane) {
        memcpy(copy, p, (size_t)plane);
        for (y = 0; y < m->height; y++)
            for (x = 0; x < m->width; x++) {
                int64_t fy = top + rn_resize_nearest_place(y, height, m->height);
                int64_t fx = left + rn_resize_nearest_place(x, width, m->width);
                memcpy(p + (uint64_t)(y * m->width + x) * item,
                       copy + (uint64_t)(fy * m->width + fx) * item, (size_t)item);
            }
    }
}

#ifdef __cplusplus
}
#endif
#endif
