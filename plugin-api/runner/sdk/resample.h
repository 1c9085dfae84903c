/* SPDX-License-Identifier: Apache-2.0 */
/* Images resampled to another size as Pillow's Image.resize does it, to the bit: the
 * kernel grows with the factor when an image shrinks (antialiasing), columns first and
 * then rows, each pass rounded. 8-bit pixels use fixed point with 22 bits of fraction
 * (Pillow, src/libImaging/Resample.c), 16-bit ones f64. Pixels are interleaved,
 * [height, width, channels]. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_RESAMPLE_H
#define RUNNER_SDK_RESAMPLE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/size.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_RESAMPLE_BITS 22

enum rn_resample_filter { RN_RESAMPLE_BILINEAR, RN_RESAMPLE_BICUBIC };

/* The part of an image that becomes the output, in pixels: f32, as in Pillow. */
struct rn_resample_box {
    float left, top, right, bottom;
};

/* One axis: output i is the sum of weight[i * taps + k] * input[first[i] + k]. */
struct rn_resample_axis {
    uint32_t out, taps;
    uint32_t *first, *count; /* [out] */
    double *weight;          /* [out, taps], normalised */
};

static inline void rn_resample_axis_finish(struct rn_resample_axis *a) {
    free(a->first);
    free(a->count);
    free(a->weight);
    memset(a, 0, sizeof *a);
}

static inline double rn_resample_weight(enum rn_resample_filter filter, double x) {
    x = fabs(x);
    if (filter == RN_RESAMPLE_BILINEAR)
        return x < 1.0 ? 1.0 - x : 0.0;
    if (x < 1.0)
        return ((-0.5 + 2.0) * x - (-0.5 + 3.0)) * x * x + 1;
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0.0;
}

/* 0: there is not enough memory. *a is the caller's to finish in either case. */
static inline int rn_resample_axis_make(struct rn_resample_axis *a,
                                        enum rn_resample_filter filter, uint32_t in,
                                        float from, float to, uint32_t out) {
    double scale = (double)(to - from) / out, stretch = scale < 1.0 ? 1.0 : scale;
    double support = (filter == RN_RESAMPLE_BICUBIC ? 2.0 : 1.0) * stretch;
    memset(a, 0, sizeof *a);
    a->out = out;
    a->taps = (uint32_t)ceil(support) * 2 + 1;
    a->first = (uint32_t *)malloc(rn_size_or_max(out, sizeof *a->first));
    a->count = (uint32_t *)malloc(rn_size_or_max(out, sizeof *a->count));
    a->weight = (double *)calloc(rn_size_or_max(out, a->taps), sizeof *a->weight);
    if (!a->first || !a->count || !a->weight)
        return 0;
    for (uint32_t i = 0; i < out; i++) {
        double center = from + (i + 0.5) * scale, sum = 0.0;
        double *w = a->weight + (uint64_t)i * a->taps;
        int64_t low = (int64_t)(center - support + 0.5);
        int64_t high = (int64_t)(center + support + 0.5);
        low = low < 0 ? 0 : low;
        high = high > (int64_t)in ? (int64_t)in : high;
        a->first[i] = (uint32_t)low;
        a->count[i] = high > low ? (uint32_t)(high - low) : 0;
        for (uint32_t k = 0; k < a->count[i]; k++) {
            double x = ((double)k + (double)low - center + 0.5) * (1.0 / stretch);
            w[k] = rn_resample_weight(filter, x);
            sum += w[k];
        }
        for (uint32_t k = 0; k < a->count[i] && sum != 0.0; k++)
            w[k] /= sum;
    }
    return 1;
}

static inline uint8_t rn_resample_clip8(int32_t v) {
    v >>= RN_RESAMPLE_BITS;
    return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

/* Weights in fixed point, in place of the f64 ones. */
static inline void rn_resample_fix(const struct rn_resample_axis *a, int32_t *to) {
    uint64_t n = (uint64_t)a->out * a->taps;
    for (uint64_t i = 0; i < n; i++)
        to[i] = (int32_t)((a->weight[i] < 0 ? -0.5 : 0.5) +
                          a->weight[i] * (1 << RN_RESAMPLE_BITS));
}

/* out[line, i, rest] = sum over k of in[line, first + k, rest]: `lines` lines of
 * in_size positions, each of `rest` numbers. */
static inline void rn_resample_pass8(const struct rn_resample_axis *a,
                                     const int32_t *weight, const uint8_t *in,
                                     uint32_t in_size, uint64_t lines, uint64_t rest,
                                     uint8_t *out) {
    for (uint64_t line = 0; line < lines; line++, in += in_size * rest)
        for (uint32_t i = 0; i < a->out; i++, out += rest) {
            const uint8_t *p = in + a->first[i] * rest;
            const int32_t *w = weight + (uint64_t)i * a->taps;
            for (uint64_t c = 0; c < rest; c++) {
                int32_t sum = 1 << (RN_RESAMPLE_BITS - 1);
                for (uint32_t k = 0; k < a->count[i]; k++)
                    sum += p[k * rest + c] * w[k];
                out[c] = rn_resample_clip8(sum);
            }
        }
}

static inline void rn_resample_pass16(const struct rn_resample_axis *a,
                                      const uint16_t *in, uint32_t in_size,
                                      uint64_t lines, uint64_t rest, uint16_t *out) {
    for (uint64_t line = 0; line < lines; line++, in += in_size * rest)
        for (uint32_t i = 0; i < a->out; i++, out += rest) {
            const uint16_t *p = in + a->first[i] * rest;
            const double *w = a->weight + (uint64_t)i * a->taps;
            for (uint64_t c = 0; c < rest; c++) {
                double sum = 0.0;
                for (uint32_t k = 0; k < a->count[i]; k++)
                    sum += p[k * rest + c] * w[k];
                sum = floor(sum + 0.5);
                out[c] = sum < 0 ? 0 : sum > 65535 ? 65535 : (uint16_t)sum;
            }
        }
}

/* One pass over either width; 0: there is not enough memory. */
static inline int rn_resample_pass(enum rn_resample_filter filter, uint32_t depth,
                                   const void *in, uint32_t in_size, float from,
                                   float to, uint64_t lines, uint64_t rest,
                                   uint32_t out_size, void *out) {
    struct rn_resample_axis a;
    int done = rn_resample_axis_make(&a, filter, in_size, from, to, out_size);
    if (done && depth == 16) {
        rn_resample_pass16(&a, (const uint16_t *)in, in_size, lines, rest,
                           (uint16_t *)out);
    } else if (done) {
        int32_t *fixed =
            (int32_t *)malloc(rn_size_or_max(a.out, a.taps * sizeof *fixed));
        if (fixed) {
            rn_resample_fix(&a, fixed);
            rn_resample_pass8(&a, fixed, (const uint8_t *)in, in_size, lines, rest,
                              (uint8_t *)out);
        }
        done = fixed != NULL;
        free(fixed);
    }
    rn_resample_axis_finish(&a);
    return done;
}

/* out [out_height, out_width, channels] from `box` of in [height, width, channels];
 * depth 8 (u8) or 16 (u16). 0: there is not enough memory. Sizes are at least 1. */
static inline int rn_resample(enum rn_resample_filter filter, uint32_t depth,
                              uint32_t channels, const void *in, uint32_t width,
                              uint32_t height, const struct rn_resample_box *box,
                              uint32_t out_width, uint32_t out_height, void *out) {
    uint64_t bytes = (uint64_t)channels * (depth / 8);
    int across = out_width != width || box->left != 0 || box->right != (float)out_width;
    int down = out_height != height || box->top != 0 || box->bottom != (float)out_height;
    if (!across && !down) {
        memcpy(out, in, (size_t)(bytes * width * height));
        return 1;
    }
    uint8_t *between = NULL;
    int done = 1;
    if (across && down) {
        between = (uint8_t *)malloc(rn_size_or_max(height, out_width * bytes));
        done = between != NULL;
    }
    if (done && across)
        done = rn_resample_pass(filter, depth, in, width, box->left, box->right, height,
                                channels, out_width, between ? between : out);
    if (done && down)
        done = rn_resample_pass(filter, depth, between ? between : in, height, box->top,
                                box->bottom, 1, (uint64_t)out_width * channels,
                                out_height, out);
    free(between);
    return done;
}

#ifdef __cplusplus
}
#endif
#endif
