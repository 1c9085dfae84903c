/* SPDX-License-Identifier: Apache-2.0 */
/* Images resampled to another size, equal to the bit to Pillow's Image.resize: the
 * kernel grows with the factor when an image shrinks (antialiasing); columns first,
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

#define RN_RESAMPLE_BITS  22
#define RN_RESAMPLE_BLOCK 256u /* sums that are accumulated at a time */

enum rn_resample_filter { RN_RESAMPLE_BILINEAR, RN_RESAMPLE_BICUBIC };

/* The part of an image that becomes the output, in pixels: f32, as in Pillow. */
struct rn_resample_box {
    float left, top, right, bottom;
};

/* One axis: output i is the sum of weight[i * taps + k] * input[first[i] + k]. */
struct rn_resample_axis {
    enum rn_resample_filter filter;
    uint32_t in, out, taps;
    float from, to;
    uint32_t *first, *count; /* [out] */
    double *weight;          /* [out, taps], normalised */
    int32_t *fixed;          /* [out, taps], the same times 2^22 */
    uint64_t outs, weights;  /* capacity of the arrays */
};

/* What is kept from one image to the next, so that images of one size cost no
 * allocation; zeroed before the first. Of one thread. */
struct rn_resampler {
    struct rn_resample_axis across, down;
    void *between; /* after the first pass */
    uint64_t capacity;
};

static inline void rn_resample_axis_finish(struct rn_resample_axis *a) {
    free(a->first);
    free(a->count);
    free(a->weight);
    free(a->fixed);
    memset(a, 0, sizeof *a);
}

static inline void rn_resampler_finish(struct rn_resampler *r) {
    rn_resample_axis_finish(&r->across);
    rn_resample_axis_finish(&r->down);
    free(r->between);
    memset(r, 0, sizeof *r);
}

static inline double rn_resample_weight(enum rn_resample_filter filter, double x) {
    x = fabs(x);
    if (filter == RN_RESAMPLE_BILINEAR)
        return x < 1.0 ? 1.0 - x : 0.0;
    if (x < 1.0) /* Keys 1981 with a = -0.5 */
        return ((-0.5 + 2.0) * x - (-0.5 + 3.0)) * x * x + 1;
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0.0;
}

/* Room for n more of an array; 0: there is not enough memory. Contents are lost. */
static inline int rn_resample_room(void **p, uint64_t n, size_t size) {
    free(*p);
    *p = malloc(rn_size_or_max(n ? n : 1, size));
    return *p != NULL;
}

static inline int rn_resample_axis_room(struct rn_resample_axis *a) {
    uint64_t weights = (uint64_t)a->out * a->taps;
    int done = 1;
    if (a->out > a->outs) {
        done = rn_resample_room((void **)&a->first, a->out, sizeof *a->first) &&
               rn_resample_room((void **)&a->count, a->out, sizeof *a->count);
        a->outs = done ? a->out : 0;
    }
    if (done && weights > a->weights) {
        done = rn_resample_room((void **)&a->weight, weights, sizeof *a->weight) &&
               rn_resample_room((void **)&a->fixed, weights, sizeof *a->fixed);
        a->weights = done ? weights : 0;
    }
    return done;
}

/* The weights of output i. */
static inline void rn_resample_axis_fill(struct rn_resample_axis *a, uint32_t i,
                                         double scale, double support) {
    double stretch = scale < 1.0 ? 1.0 : scale, sum = 0.0;
    double center = a->from + (i + 0.5) * scale;
    double *w = a->weight + (uint64_t)i * a->taps;
    int32_t *fixed = a->fixed + (uint64_t)i * a->taps;
    int64_t low = (int64_t)(center - support + 0.5);
    int64_t high = (int64_t)(center + support + 0.5);
    low = low < 0 ? 0 : low;
    high = high > (int64_t)a->in ? (int64_t)a->in : high;
    a->first[i] = (uint32_t)low;
    a->count[i] = high > low ? (uint32_t)(high - low) : 0;
    for (uint32_t k = 0; k < a->count[i]; k++) {
        double x = ((double)k + (double)low - center + 0.5) * (1.0 / stretch);
        w[k] = rn_resample_weight(a->filter, x);
        sum += w[k];
    }
    for (uint32_t k = 0; k < a->count[i]; k++) {
        if (sum != 0.0)
            w[k] /= sum;
        fixed[k] = (int32_t)((w[k] < 0 ? -0.5 : 0.5) + w[k] * (1 << RN_RESAMPLE_BITS));
    }
}

/* 0: there is not enough memory. */
static inline int rn_resample_axis_make(struct rn_resample_axis *a,
                                        enum rn_resample_filter filter, uint32_t in,
                                        float from, float to, uint32_t out) {
    double scale = (double)(to - from) / out, stretch = scale < 1.0 ? 1.0 : scale;
    double support = (filter == RN_RESAMPLE_BICUBIC ? 2.0 : 1.0) * stretch;
    if (a->first && a->filter == filter && a->in == in && a->out == out &&
        a->from == from && a->to == to)
        return 1;
    a->filter = filter, a->in = in, a->from = from, a->to = to;
    a->out = out;
    a->taps = (uint32_t)ceil(support) * 2 + 1;
    if (!rn_resample_axis_room(a)) {
        a->in = 0;
        return 0;
    }
    for (uint32_t i = 0; i < out; i++)
        rn_resample_axis_fill(a, i, scale, support);
    return 1;
}

static inline uint8_t rn_resample_clip8(int32_t v) {
    v >>= RN_RESAMPLE_BITS;
    return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

static inline uint16_t rn_resample_clip16(double v) {
    v = floor(v + 0.5);
    return v < 0 ? 0 : v > 65535 ? 65535 : (uint16_t)v;
}

/* out[line, i, c] = sum over k of in[line, first + k, c]. `channels` is a constant
 * where it is called. */
static inline void rn_resample_lines8(const struct rn_resample_axis *a,
                                      const uint8_t *in, uint64_t lines,
                                      uint32_t channels, uint8_t *out) {
    for (uint64_t line = 0; line < lines; line++, in += (uint64_t)a->in * channels)
        for (uint32_t i = 0; i < a->out; i++, out += channels) {
            const uint8_t *p = in + (uint64_t)a->first[i] * channels;
            const int32_t *w = a->fixed + (uint64_t)i * a->taps;
            int32_t sum[4];
            for (uint32_t c = 0; c < channels; c++)
                sum[c] = 1 << (RN_RESAMPLE_BITS - 1);
            for (uint32_t k = 0; k < a->count[i]; k++, p += channels)
                for (uint32_t c = 0; c < channels; c++)
                    sum[c] += p[c] * w[k];
            for (uint32_t c = 0; c < channels; c++)
                out[c] = rn_resample_clip8(sum[c]);
        }
}

static inline void rn_resample_lines16(const struct rn_resample_axis *a,
                                       const uint16_t *in, uint64_t lines,
                                       uint32_t channels, uint16_t *out) {
    for (uint64_t line = 0; line < lines; line++, in += (uint64_t)a->in * channels)
        for (uint32_t i = 0; i < a->out; i++, out += channels)
            for (uint32_t c = 0; c < channels; c++) {
                const uint16_t *p = in + (uint64_t)a->first[i] * channels + c;
                const double *w = a->weight + (uint64_t)i * a->taps;
                double sum = 0.0;
                for (uint32_t k = 0; k < a->count[i]; k++)
                    sum += p[k * channels] * w[k];
                out[c] = rn_resample_clip16(sum);
            }
}

/* lines: pixels in a row are `channels` numbers, 1 to 4. */
static inline void rn_resample_across(const struct rn_resample_axis *a, uint32_t depth,
                                      const void *in, uint64_t lines, uint32_t channels,
                                      void *out) {
    const uint8_t *in8 = (const uint8_t *)in;
    uint8_t *out8 = (uint8_t *)out;
    if (depth == 16)
        rn_resample_lines16(a, (const uint16_t *)in, lines, channels, (uint16_t *)out);
    else if (channels == 1)
        rn_resample_lines8(a, in8, lines, 1, out8);
    else if (channels == 2)
        rn_resample_lines8(a, in8, lines, 2, out8);
    else if (channels == 3)
        rn_resample_lines8(a, in8, lines, 3, out8);
    else
        rn_resample_lines8(a, in8, lines, 4, out8);
}

/* Rows of `row` numbers each; in: its row 0 is row `start` of the image. */
static inline void rn_resample_down(const struct rn_resample_axis *a, uint32_t depth,
                                    const void *in, uint64_t start, uint64_t row,
                                    void *out) {
    int32_t sum[RN_RESAMPLE_BLOCK];
    double wide[RN_RESAMPLE_BLOCK];
    for (uint32_t i = 0; i < a->out; i++)
        for (uint64_t at = 0; at < row; at += RN_RESAMPLE_BLOCK) {
            uint64_t n = row - at < RN_RESAMPLE_BLOCK ? row - at : RN_RESAMPLE_BLOCK;
            uint64_t from = (a->first[i] - start) * row + at;
            for (uint64_t c = 0; c < n; c++)
                sum[c] = 1 << (RN_RESAMPLE_BITS - 1), wide[c] = 0.0;
            for (uint32_t k = 0; k < a->count[i]; k++, from += row) {
                uint64_t w = (uint64_t)i * a->taps + k;
                if (depth == 16)
                    for (uint64_t c = 0; c < n; c++)
                        wide[c] += ((const uint16_t *)in)[from + c] * a->weight[w];
                else
                    for (uint64_t c = 0; c < n; c++)
                        sum[c] += ((const uint8_t *)in)[from + c] * a->fixed[w];
            }
            if (depth == 16)
                for (uint64_t c = 0; c < n; c++)
                    ((uint16_t *)out)[i * row + at + c] = rn_resample_clip16(wide[c]);
            else
                for (uint64_t c = 0; c < n; c++)
                    ((uint8_t *)out)[i * row + at + c] = rn_resample_clip8(sum[c]);
        }
}

static inline int rn_resample_between(struct rn_resampler *r, uint64_t bytes) {
    if (bytes <= r->capacity)
        return 1;
    r->capacity = rn_resample_room(&r->between, bytes, 1) ? bytes : 0;
    return r->capacity != 0;
}

/* out [out_height, out_width, channels] from `box` of in [height, width, channels];
 * depth 8 (u8) or 16 (u16), 1 to 4 channels. 0: there is not enough memory. Sizes are
 * at least 1, a box has an area. in and out must not overlap. */
static inline int rn_resample(struct rn_resampler *r, enum rn_resample_filter filter,
                              uint32_t depth, uint32_t channels, const void *in,
                              uint32_t width, uint32_t height,
                              const struct rn_resample_box *box, uint32_t out_width,
                              uint32_t out_height, void *out) {
    uint64_t pixel = (uint64_t)channels * (depth / 8), start = 0, rows = height;
    const uint8_t *from = (const uint8_t *)in;
    int across = out_width != width || box->left != 0 || box->right != (float)out_width;
    int down =
        out_height != height || box->top != 0 || box->bottom != (float)out_height;
    if (!across && !down) {
        memcpy(out, in, (size_t)(pixel * width * height));
        return 1;
    }
    if (across && !rn_resample_axis_make(&r->across, filter, width, box->left,
                                         box->right, out_width))
        return 0;
    if (down && !rn_resample_axis_make(&r->down, filter, height, box->top, box->bottom,
                                       out_height))
        return 0;
    if (down && across) { /* only the rows that the second pass reads */
        const struct rn_resample_axis *a = &r->down;
        start = a->first[0];
        rows = (uint64_t)a->first[a->out - 1] + a->count[a->out - 1] - start;
        if (!rn_resample_between(r, rows * out_width * pixel))
            return 0;
        from += start * width * pixel;
    }
    if (across)
        rn_resample_across(&r->across, depth, from, rows, channels,
                           down ? r->between : out);
    if (down)
        rn_resample_down(&r->down, depth, across ? r->between : in, start,
                         (uint64_t)out_width * channels, out);
    return 1;
}

#ifdef __cplusplus
}
#endif
#endif
