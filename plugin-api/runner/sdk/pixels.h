/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the colours of one image, in place: u8 of 0..255, or f32 of 0..1, planes
 * of height x width one after the other. Each is the operation of the same name of
 * torchvision 0.29's transforms.v2.functional on tensors: of u8 to the bit, unless its
 * comment gives a bound; of f32 to a few units in the last place. What needs colours
 * expects 1 or 3 planes. Nothing here allocates or fails. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_PIXELS_H
#define RUNNER_SDK_PIXELS_H

#include <runner/sdk/draw.h>
#include <runner/sdk/image.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --------------------------------------------------------------- arithmetic */

/* Pixels of a plane, of all planes. */
static inline uint64_t rn_pixels_area(const struct rn_image *m) {
    return (uint64_t)m->height * (uint64_t)m->width;
}
static inline uint64_t rn_pixels_count(const struct rn_image *m) {
    return m->planes * rn_pixels_area(m);
}

/* a * b + c, rounded once; the product is exact in f64. */
static inline float rn_pixels_fma(float a, float b, float c) {
    return (float)((double)a * (double)b + (double)c);
}
static inline float rn_pixels_clamp(float v, float high) {
    return v < 0.0f ? 0.0f : v > high ? high : v;
}
/* A share of 0..1 as one of 256 levels, each equally wide; NaN is 0. */
static inline uint8_t rn_pixels_level(float share) {
    return share >= 0.0f ? (uint8_t)(share * (float)(256.0 - 1e-3)) : 0;
}

/* ratio * x + (1 - ratio) * y, within 0..high. */
static inline float rn_pixels_blend(float x, float y, double ratio, float high) {
    return rn_pixels_clamp(rn_pixels_fma(y, (float)(1.0 - ratio), x * (float)ratio),
                           high);
}

static inline void rn_pixels_table(uint8_t *p, uint64_t n, const uint8_t table[256]) {
    uint64_t i;
    for (i = 0; i < n; i++)
        p[i] = table[p[i]];
}

/* 0.2989 red + 0.587 green + 0.114 blue. */
static inline float rn_pixels_luma(float r, float g, float b) {
    return rn_pixels_fma(b, 0.114f, rn_pixels_fma(g, 0.587f, r * 0.2989f));
}
/* Of pixel i, whatever the planes hold; of u8 whole, as `whole` says. */
static inline float rn_pixels_grey(const struct rn_image *m, const void *p,
                                   uint64_t i) {
    uint64_t n = rn_pixels_area(m);
    if (m->dtype == RN_U8) {
        const uint8_t *v = (const uint8_t *)p + i;
        return m->planes == 3 ? (float)(uint8_t)rn_pixels_luma(v[0], v[n], v[2 * n])
                              : (float)v[0];
    }
    const float *v = (const float *)p + i;
    return m->planes == 3 ? rn_pixels_luma(v[0], v[n], v[2 * n]) : v[0];
}

/* ------------------------------------------------------------------ colours */

static inline void rn_pixels_brightness(const struct rn_image *m, void *p,
                                        double factor) {
    uint64_t i, n = rn_pixels_count(m);
    float *f = (float *)p, by = (float)factor;
    uint8_t table[256];
    if (m->dtype == RN_U8) {
        for (i = 0; i < 256; i++)
            table[i] = (uint8_t)rn_pixels_clamp((float)i * by, 255.0f);
        rn_pixels_table((uint8_t *)p, n, table);
    } else {
        for (i = 0; i < n; i++)
            f[i] = rn_pixels_clamp(f[i] * by, 1.0f);
    }
}

/* Away from the mean of the grey image. Of u8: that mean's sum is exact below 65793
 * pixels in torch; above, the last bit of its mean depends on torch's order. */
static inline void rn_pixels_contrast(const struct rn_image *m, void *p,
                                      double factor) {
    uint64_t i, n = rn_pixels_area(m), all = rn_pixels_count(m);
    double sum = 0.0;
    float *f = (float *)p, mean;
    uint8_t table[256];
    for (i = 0; i < n; i++)
        sum += (double)rn_pixels_grey(m, p, i);
    mean = (float)sum / (float)n;
    if (m->dtype == RN_U8) {
        for (i = 0; i < 256; i++)
            table[i] = (uint8_t)rn_pixels_blend((float)i, mean, factor, 255.0f);
        rn_pixels_table((uint8_t *)p, all, table);
    } else {
        for (i = 0; i < all; i++)
            f[i] = rn_pixels_blend(f[i], mean, factor, 1.0f);
    }
}

/* Away from the grey image; of one plane nothing. */
static inline void rn_pixels_saturation(const struct rn_image *m, void *p,
                                        double factor) {
    uint64_t i, c, n = rn_pixels_area(m);
    if (m->planes != 3)
        return;
    for (i = 0; i < n; i++) {
        float grey = rn_pixels_grey(m, p, i);
        for (c = 0; c < 3; c++)
            if (m->dtype == RN_U8) {
                uint8_t *v = (uint8_t *)p + c * n + i;
                *v = (uint8_t)rn_pixels_blend((float)*v, grey, factor, 255.0f);
            } else {
                float *v = (float *)p + c * n + i;
                *v = rn_pixels_blend(*v, grey, factor, 1.0f);
            }
    }
}

static inline void rn_pixels_grayscale(const struct rn_image *m, void *p) {
    uint64_t i, n = rn_pixels_area(m);
    if (m->planes != 3)
        return;
    for (i = 0; i < n; i++) {
        float grey = rn_pixels_grey(m, p, i);
        if (m->dtype == RN_U8) {
            uint8_t *v = (uint8_t *)p + i;
            v[0] = v[n] = v[2 * n] = (uint8_t)grey;
        } else {
            float *v = (float *)p + i;
            v[0] = v[n] = v[2 * n] = grey;
        }
    }
}

/* Red, green and blue of 0..1 with the hue turned by `turn` (1: once around): hue,
 * saturation and value as Smith 1978. */
static inline void rn_pixels_turn_hue(float rgb[3], float turn) {
    float r = rgb[0], g = rgb[1], b = rgb[2];
    float high = r > g ? r : g, low = r < g ? r : g, range, s, h, f, part, p, q, t;
    high = b > high ? b : high;
    low = b < low ? b : low;
    range = high - low;
    if (!(range >= 0.0f && high <= 3.4028235e38f)) /* not numbers */
        return;
    s = range / (high == low ? 1.0f : high);
    {
        float by = high == low ? 1.0f : range;
        float rc = (high - r) / by, gc = (high - g) / by, bc = (high - b) / by;
        h = high == r ? bc - gc : high == g ? rc + 2.0f - bc : gc + 4.0f - rc;
    }
    h = h * (float)(1.0 / 6.0) + 1.0f;
    h = h - rn_floor_f32(h) + turn; /* h > 0: the remainder is exact */
    h = h - rn_floor_f32(h);
    h = h * 6.0f;
    part = rn_floor_f32(h);
    f = s * (h - part);
    q = rn_pixels_clamp((1.0f - f) * high, 1.0f);
    t = rn_pixels_clamp((f + (1.0f - s)) * high, 1.0f);
    p = rn_pixels_clamp((1.0f - s) * high, 1.0f);
    switch ((int)part % 6) {
    case 0:
        rgb[0] = high, rgb[1] = t, rgb[2] = p;
        break;
    case 1:
        rgb[0] = q, rgb[1] = high, rgb[2] = p;
        break;
    case 2:
        rgb[0] = p, rgb[1] = high, rgb[2] = t;
        break;
    case 3:
        rgb[0] = p, rgb[1] = q, rgb[2] = high;
        break;
    case 4:
        rgb[0] = t, rgb[1] = p, rgb[2] = high;
        break;
    default:
        rgb[0] = high, rgb[1] = p, rgb[2] = q;
        break;
    }
}

/* turn: -0.5 .. 0.5; of one plane nothing. */
static inline void rn_pixels_hue(const struct rn_image *m, void *p, double turn) {
    uint64_t i, c, n = rn_pixels_area(m);
    float rgb[3];
    if (m->planes != 3)
        return;
    for (i = 0; i < n; i++) {
        for (c = 0; c < 3; c++)
            rgb[c] = m->dtype == RN_U8
                         ? (float)((uint8_t *)p)[c * n + i] * (float)(1.0 / 255.0)
                         : ((float *)p)[c * n + i];
        rn_pixels_turn_hue(rgb, (float)turn);
        for (c = 0; c < 3; c++)
            if (m->dtype == RN_U8)
                ((uint8_t *)p)[c * n + i] = rn_pixels_level(rgb[c]);
            else
                ((float *)p)[c * n + i] = rgb[c];
    }
}

/* ------------------------------------------------------------ tables of values */

static inline void rn_pixels_invert(const struct rn_image *m, void *p) {
    uint64_t i, n = rn_pixels_count(m);
    if (m->dtype == RN_U8)
        for (i = 0; i < n; i++)
            ((uint8_t *)p)[i] = (uint8_t) ~((uint8_t *)p)[i];
    else
        for (i = 0; i < n; i++)
            ((float *)p)[i] = 1.0f - ((float *)p)[i];
}

/* Pixels of at least `threshold`, in units of the pixels, are inverted. */
static inline void rn_pixels_solarize(const struct rn_image *m, void *p,
                                      double threshold) {
    uint64_t i, n = rn_pixels_count(m);
    float *f = (float *)p, from = (float)threshold;
    uint8_t table[256];
    if (m->dtype == RN_U8) {
        for (i = 0; i < 256; i++)
            table[i] = (float)i >= from ? (uint8_t)(255 - i) : (uint8_t)i;
        rn_pixels_table((uint8_t *)p, n, table);
    } else {
        for (i = 0; i < n; i++)
            f[i] = f[i] >= from ? 1.0f - f[i] : f[i];
    }
}

/* Keep the `bits` highest of eight bits. */
static inline void rn_pixels_posterize(const struct rn_image *m, void *p, int bits) {
    uint64_t i, n = rn_pixels_count(m);
    float *f = (float *)p, levels = (float)(1 << bits);
    uint8_t mask = (uint8_t)(((1 << bits) - 1) << (8 - bits));
    if (m->dtype == RN_U8)
        for (i = 0; i < n; i++)
            ((uint8_t *)p)[i] &= mask;
    else
        for (i = 0; i < n; i++)
            f[i] = rn_pixels_clamp(rn_floor_f32(f[i] * levels), levels - 1.0f) *
                   (float)(1.0 / (double)levels);
}

static inline void rn_pixels_stretch_u8(uint8_t *u, uint64_t n) {
    uint8_t low = u[0], high = u[0], table[256];
    uint64_t i;
    float scale;
    for (i = 1; i < n; i++) {
        low = u[i] < low ? u[i] : low;
        high = u[i] > high ? u[i] : high;
    }
    if (low == high)
        return;
    scale = (float)(high - low) * (float)(1.0 / 255.0);
    for (i = 0; i < 256; i++)
        table[i] = (uint8_t)rn_pixels_clamp(((float)i - (float)low) / scale, 255.0f);
    rn_pixels_table(u, n, table);
}
static inline void rn_pixels_stretch_f32(float *f, uint64_t n) {
    float low = f[0], high = f[0], scale;
    uint64_t i;
    for (i = 1; i < n; i++) {
        low = f[i] < low ? f[i] : low;
        high = f[i] > high ? f[i] : high;
    }
    scale = high - low;
    for (i = 0; i < n && low != high; i++)
        f[i] = rn_pixels_clamp((f[i] - low) / scale, 1.0f);
}

/* Each plane is stretched to the whole range; a flat one stays. */
static inline void rn_pixels_autocontrast(const struct rn_image *m, void *p) {
    uint64_t c, n = rn_pixels_area(m);
    for (c = 0; c < m->planes; c++)
        if (m->dtype == RN_U8)
            rn_pixels_stretch_u8((uint8_t *)p + c * n, n);
        else
            rn_pixels_stretch_f32((float *)p + c * n, n);
}

/* The table that equalizes a histogram of n pixels; 0: the plane stays as it is. */
static inline int rn_pixels_equal_table(const uint32_t count[256], uint64_t n,
                                        uint8_t table[256]) {
    uint64_t last = 255, step, sum = 0, i;
    while (last && !count[last])
        last--;
    step = (n - count[last]) / 255;
    for (i = 0; i < 256 && step; i++) {
        uint64_t v = (sum + step / 2) / step;
        table[i] = i == 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
        sum += count[i];
    }
    return step != 0;
}

/* Each plane apart, by its histogram of 256 levels. */
static inline void rn_pixels_equalize(const struct rn_image *m, void *p) {
    uint64_t i, c, n = rn_pixels_area(m);
    for (c = 0; c < m->planes; c++) {
        uint32_t count[256] = {0};
        uint8_t table[256], *u = (uint8_t *)p + c * n;
        float *f = (float *)p + c * n;
        int changed;
        for (i = 0; i < n; i++)
            count[m->dtype == RN_U8 ? u[i]
                                    : rn_pixels_level(rn_pixels_clamp(f[i], 1.0f))]++;
        changed = rn_pixels_equal_table(count, n, table);
        if (m->dtype == RN_U8) {
            if (changed)
                rn_pixels_table(u, n, table);
        } else {
            for (i = 0; i < n; i++) {
                uint8_t v = rn_pixels_level(rn_pixels_clamp(f[i], 1.0f));
                f[i] = (float)(changed ? table[v] : v) * (float)(1.0 / 255.0);
            }
        }
    }
}

/* ------------------------------------------------------------- neighbourhoods */

static inline float rn_pixels_get(const struct rn_image *m, const void *p, uint64_t i) {
    return m->dtype == RN_U8 ? (float)((const uint8_t *)p)[i] : ((const float *)p)[i];
}
/* v, of u8 rounded down, as pixel i. */
static inline void rn_pixels_put(const struct rn_image *m, void *p, uint64_t i,
                                 float v) {
    if (m->dtype == RN_U8)
        ((uint8_t *)p)[i] = (uint8_t)v;
    else
        ((float *)p)[i] = v;
}

/* A line of a plane of u8, of w pixels, inside of its border; from: the pixel's line.
 */
static inline void rn_pixels_sharpen_u8(const uint8_t *from, uint8_t *to, int64_t w,
                                        float by) {
    const uint8_t *up = from - w, *down = from + w;
    int64_t x;
    for (x = 1; x + 1 < w; x++) {
        int32_t v = from[x], sum = up[x - 1] + up[x] + up[x + 1] + from[x - 1] + 5 * v +
                                   from[x + 1] + down[x - 1] + down[x] + down[x + 1];
        int32_t smooth = (2 * sum + 13) / 26; /* sum / 13 is never at a half */
        float sharp = (float)((double)(smooth - v) * (double)by + (double)v);
        to[x] = (uint8_t)rn_pixels_clamp(sharp, 255.0f);
    }
}
static inline void rn_pixels_sharpen_f32(const float *from, float *to, int64_t w,
                                         float by) {
    const float *up = from - w, *down = from + w;
    int64_t x;
    for (x = 1; x + 1 < w; x++) {
        float sum = up[x - 1] + up[x] + up[x + 1] + from[x - 1] + 5.0f * from[x] +
                    from[x + 1] + down[x - 1] + down[x] + down[x + 1];
        to[x] = rn_pixels_fma(sum / 13.0f - from[x], by, from[x]);
    }
}

/* Away from a blurred image (3 x 3: 5 in the middle, else 1, of 13); the border stays.
 * copy: scratch of the bytes of one plane. */
static inline void rn_pixels_sharpness(const struct rn_image *m, void *p, double factor,
                                       void *copy) {
    int64_t w = m->width, h = m->height, y, n = w * h;
    uint64_t c, plane = rn_image_plane(m);
    float by = (float)(1.0 - factor);
    if (h <= 2 || w <= 2)
        return;
    for (c = 0; c < m->planes; c++) {
        uint8_t *u = (uint8_t *)p + c * plane;
        float *f = (float *)(void *)u;
        memcpy(copy, u, (size_t)plane);
        for (y = 1; y + 1 < h; y++)
            if (m->dtype == RN_U8)
                rn_pixels_sharpen_u8((const uint8_t *)copy + y * w, u + y * w, w, by);
            else
                rn_pixels_sharpen_f32((const float *)copy + y * w, f + y * w, w, by);
        for (y = 0; y < n && m->dtype == RN_F32; y++)
            f[y] = rn_pixels_clamp(f[y], 1.0f);
    }
}

/* weights[0..size), size odd: a Gaussian of `sigma` pixels, their sum 1. */
static inline void rn_pixels_gaussian(int64_t size, double sigma, float *weights) {
    double sum = 0.0, d;
    int64_t i;
    for (i = 0; i < size; i++) {
        d = ((double)i - 0.5 * (double)(size - 1)) / sigma;
        sum += rn_exp_f64(-0.5 * d * d);
    }
    for (i = 0; i < size; i++) {
        d = ((double)i - 0.5 * (double)(size - 1)) / sigma;
        weights[i] = (float)(rn_exp_f64(-0.5 * d * d) / sum);
    }
}

/* Where place `at` is mirrored to at the edges 0 and n - 1, the edge itself not twice;
 * |at| < 2n. */
static inline int64_t rn_pixels_mirror(int64_t at, int64_t n) {
    at = at < 0 ? -at : at;
    return at >= n ? 2 * (n - 1) - at : at;
}

/* A plane of floats convolved by the weights along both axes, mirrored at the edges.
 * size / 2 < height and width. between: scratch, as large as the plane. */
static inline void rn_pixels_convolve(float *v, int64_t height, int64_t width,
                                      const float *weights, int64_t size,
                                      float *between) {
    int64_t y, x, k, half = size / 2;
    for (y = 0; y < height; y++) {
        const float *line = v + y * width;
        float *to = between + y * width;
        for (x = 0; x < width; x++) {
            float sum = 0.0f;
            if (x >= half && x + half < width)
                for (k = 0; k < size; k++)
                    sum += weights[k] * line[x - half + k];
            else
                for (k = 0; k < size; k++)
                    sum += weights[k] * line[rn_pixels_mirror(x - half + k, width)];
            to[x] = sum;
        }
    }
    for (y = 0; y < height; y++) {
        float *to = v + y * width;
        for (x = 0; x < width; x++)
            to[x] = 0.0f;
        for (k = 0; k < size; k++) {
            const float *line =
                between + rn_pixels_mirror(y - half + k, height) * width;
            for (x = 0; x < width; x++)
                to[x] += weights[k] * line[x];
        }
    }
}

/* Gaussian blur. Of u8: a pixel whose exact value is within 1e-4 of a half may be
 * rounded the other way than torchvision's, so the bound is 1. planes: scratch, two
 * planes of floats; weights: [size]. */
static inline void rn_pixels_blur(const struct rn_image *m, void *p,
                                  const float *weights, int64_t size, float *planes) {
    uint64_t n = rn_pixels_area(m), c, i;
    for (c = 0; c < m->planes; c++) {
        void *at = (uint8_t *)p + c * rn_image_plane(m);
        for (i = 0; i < n; i++)
            planes[i] = rn_pixels_get(m, at, i);
        rn_pixels_convolve(planes, m->height, m->width, weights, size, planes + n);
        for (i = 0; i < n; i++)
            rn_pixels_put(m, at, i,
                          m->dtype == RN_U8 ? rn_round_f32(planes[i]) : planes[i]);
    }
}

#ifdef __cplusplus
}
#endif
#endif
