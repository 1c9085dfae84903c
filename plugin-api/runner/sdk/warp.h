/* SPDX-License-Identifier: Apache-2.0 */
/* Images whose pixels come from elsewhere: a map says where from, in f32, and each
 * pixel is read there, the nearest or a mean of four. The arithmetic is that of
 * torchvision 0.29 (transforms.v2.functional.affine, rotate, perspective, elastic on
 * tensors with no fill), which normalises coordinates to -1..1. Header-only; C11 or
 * C++. */
#ifndef RUNNER_SDK_WARP_H
#define RUNNER_SDK_WARP_H

#include <runner/sdk/pixels.h>
#include <runner/sdk/scene.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Pixel (y, x) of the new image comes from (fy, fx)[y * width + x] of the old one, in
 * pixels, 0 the centre of the first. Borrowed. */
struct rn_warp {
    int64_t height, width;
    float *fx, *fy; /* [height * width] */
};

/* A normalised place of an axis of n pixels, in pixels. */
static inline float rn_warp_place(float normal, int64_t n) {
    return (normal + 1.0f) * (float)(0.5 * (double)n) - 0.5f;
}

/* ---------------------------------------------------------------------- affine */

/* What an affine change is: degrees, clockwise; pixels; a factor; degrees along x and
 * y; the centre from that of the image, in pixels. */
struct rn_affine {
    double angle, translate[2], scale, shear[2], centre[2];
};

#define RN_WARP_RADIANS 0.017453292519943295

/* Rows 0 and 1 of the matrix from old places to new ones, or, inverse, from new to old:
 * T C R S(y) S(x) C^-1 of rotation, shears and scale about the centre, translated. */
static inline void rn_affine_matrix(const struct rn_affine *t, int inverse,
                                    double m[6]) {
    double turn = t->angle * RN_WARP_RADIANS, sx = t->shear[0] * RN_WARP_RADIANS,
           sy = t->shear[1] * RN_WARP_RADIANS;
    double tan_x = rn_sin_f64(sx) / rn_cos_f64(sx), cos_y = rn_cos_f64(sy);
    double a = rn_cos_f64(turn - sy) / cos_y, c = rn_sin_f64(turn - sy) / cos_y;
    double b = -(a * tan_x + rn_sin_f64(turn)), d = rn_cos_f64(turn) - c * tan_x;
    double cx = t->centre[0], cy = t->centre[1];
    double px = cx + t->translate[0], py = cy + t->translate[1];
    if (inverse) {
        m[0] = d / t->scale, m[1] = -b / t->scale;
        m[3] = -c / t->scale, m[4] = a / t->scale;
        m[2] = cx - m[0] * px - m[1] * py;
        m[5] = cy - m[3] * px - m[4] * py;
    } else {
        m[0] = a * t->scale, m[1] = b * t->scale;
        m[3] = c * t->scale, m[4] = d * t->scale;
        m[2] = px - m[0] * cx - m[1] * cy;
        m[5] = py - m[3] * cx - m[4] * cy;
    }
}

/* The map of an inverse matrix about the image's centre. */
static inline void rn_warp_affine(struct rn_warp *w, const double m[6]) {
    float t[6];
    int64_t x, y;
    int i;
    for (i = 0; i < 6; i++)
        t[i] = (float)m[i] / (float)(0.5 * (double)(i < 3 ? w->width : w->height));
    for (y = 0; y < w->height; y++)
        for (x = 0; x < w->width; x++) {
            float gx = (float)x - 0.5f * (float)(w->width - 1);
            float gy = (float)y - 0.5f * (float)(w->height - 1);
            float nx = rn_pixels_fma(gy, t[1], gx * t[0]) + t[2];
            float ny = rn_pixels_fma(gy, t[4], gx * t[3]) + t[5];
            w->fx[y * w->width + x] = rn_warp_place(nx, w->width);
            w->fy[y * w->width + x] = rn_warp_place(ny, w->height);
        }
}

/* Of the point (x, y) of an image whose places count from its corner. */
static inline void rn_affine_point(const void *context, double x, double y,
                                   double out[2]) {
    const double *m = (const double *)context;
    out[0] = m[0] * x + m[1] * y + m[2];
    out[1] = m[3] * x + m[4] * y + m[5];
}

/* ----------------------------------------------------------------- perspective */

/* c[8] so that, for each k, from[k] = ((c0 x + c1 y + c2) / z, (c3 x + c4 y + c5) / z)
 * with (x, y) = to[k] and z = c6 x + c7 y + 1. By elimination with pivots; 0: three of
 * the points are on a line. */
static inline int rn_perspective_solve(double from[4][2], double to[4][2],
                                       double c[8]) {
    double a[8][9];
    int i, j, k;
    for (i = 0; i < 8; i++) {
        double x = to[i / 2][0], y = to[i / 2][1], v = from[i / 2][i % 2];
        for (j = 0; j < 9; j++)
            a[i][j] = 0.0;
        a[i][3 * (i % 2)] = x;
        a[i][3 * (i % 2) + 1] = y;
        a[i][3 * (i % 2) + 2] = 1.0;
        a[i][6] = -x * v;
        a[i][7] = -y * v;
        a[i][8] = v;
    }
    for (k = 0; k < 8; k++) {
        int best = k;
        for (i = k + 1; i < 8; i++)
            if (fabs(a[i][k]) > fabs(a[best][k]))
                best = i;
        if (!(fabs(a[best][k]) > 1e-12))
            return 0;
        for (j = 0; j < 9; j++) {
            double t = a[k][j];
            a[k][j] = a[best][j];
            a[best][j] = t;
        }
        for (i = 0; i < 8; i++) {
            double by = a[i][k] / a[k][k];
            for (j = k; j < 9 && i != k; j++)
                a[i][j] -= by * a[k][j];
        }
    }
    for (i = 0; i < 8; i++)
        c[i] = a[i][8] / a[i][i];
    return 1;
}

static inline void rn_warp_perspective(struct rn_warp *w, const double c[8]) {
    float t[8];
    int64_t x, y;
    int i;
    for (i = 0; i < 8; i++)
        t[i] = (float)c[i];
    for (i = 0; i < 6; i++)
        t[i] = t[i] / (float)(0.5 * (double)(i < 3 ? w->width : w->height));
    for (y = 0; y < w->height; y++)
        for (x = 0; x < w->width; x++) {
            float px = (float)x + 0.5f, py = (float)y + 0.5f;
            float z = rn_pixels_fma(py, t[7], px * t[6]) + 1.0f;
            float nx = (rn_pixels_fma(py, t[1], px * t[0]) + t[2]) / z - 1.0f;
            float ny = (rn_pixels_fma(py, t[4], px * t[3]) + t[5]) / z - 1.0f;
            w->fx[y * w->width + x] = rn_warp_place(nx, w->width);
            w->fy[y * w->width + x] = rn_warp_place(ny, w->height);
        }
}

/* Of the coefficients from `from` to `to` (the other way around than the map's). */
static inline void rn_perspective_point(const void *context, double x, double y,
                                        double out[2]) {
    const double *c = (const double *)context;
    double z = c[6] * x + c[7] * y + 1.0;
    out[0] = (c[0] * x + c[1] * y + c[2]) / z;
    out[1] = (c[3] * x + c[4] * y + c[5]) / z;
}

/* --------------------------------------------------------------------- elastic */

/* fx and fy hold displacements in units of 2 / width and 2 / height; they become the
 * map. */
static inline void rn_warp_elastic(struct rn_warp *w) {
    int64_t x, y;
    for (y = 0; y < w->height; y++)
        for (x = 0; x < w->width; x++) {
            int64_t at = y * w->width + x;
            float nx = (float)(2 * x + 1 - w->width) / (float)w->width;
            float ny = (float)(2 * y + 1 - w->height) / (float)w->height;
            w->fx[at] = rn_warp_place(nx + w->fx[at], w->width);
            w->fy[at] = rn_warp_place(ny + w->fy[at], w->height);
        }
}

/* ---------------------------------------------------------------------- sample */

static inline void rn_warp_nearest(const struct rn_warp *w, const struct rn_image *m,
                                   const uint8_t *from, uint8_t *to) {
    int64_t i, n = w->height * w->width, item = (int64_t)RN_DTYPE_BYTES(m->dtype);
    uint64_t c;
    for (i = 0; i < n; i++) {
        float x = rn_round_f32(w->fx[i]), y = rn_round_f32(w->fy[i]);
        int inside =
            x >= 0.0f && y >= 0.0f && x < (float)w->width && y < (float)w->height;
        int64_t at = inside ? (int64_t)y * w->width + (int64_t)x : 0;
        for (c = 0; c < m->planes; c++) {
            int64_t first = (int64_t)c * n;
            if (!inside)
                rn_image_fill_line(m, to, first + i, first + i + 1, m->fill);
            else if (item == 1)
                to[first + i] = from[first + at];
            else
                memcpy(to + (first + i) * item, from + (first + at) * item,
                       (size_t)item);
        }
    }
}

/* The four pixels around a place: where they are, and the share of each; 0: outside. */
struct rn_warp_four {
    int64_t at[4];
    float share[4];
    float inside; /* sum of the shares */
};

/* The largest whole number that is not above v, |v| < 2^30. */
static inline int32_t rn_warp_floor(float v) {
    int32_t i = (int32_t)v;
    return i - ((float)i > v);
}

static inline void rn_warp_around(const struct rn_warp *w, float fx, float fy,
                                  struct rn_warp_four *f) {
    int32_t x, y, k;
    float right, below, left, above;
    f->inside = 0.0f;
    for (k = 0; k < 4; k++)
        f->at[k] = 0, f->share[k] = 0.0f;
    if (!(fx > -1.0f && fy > -1.0f && fx < (float)w->width && fy < (float)w->height))
        return;
    x = rn_warp_floor(fx), y = rn_warp_floor(fy);
    right = fx - (float)x, below = fy - (float)y;
    left = 1.0f - right, above = 1.0f - below;
    f->share[0] = above * left, f->share[1] = above * right;
    f->share[2] = below * left, f->share[3] = below * right;
    if (x >= 0 && y >= 0 && x + 1 < w->width && y + 1 < w->height) {
        f->at[0] = y * w->width + x;
        f->at[1] = f->at[0] + 1;
        f->at[2] = f->at[0] + w->width;
        f->at[3] = f->at[2] + 1;
        f->inside = 1.0f;
        return;
    }
    for (k = 0; k < 4; k++) {
        int64_t px = x + (k & 1), py = y + (k >> 1);
        if (px >= 0 && py >= 0 && px < w->width && py < w->height) {
            f->at[k] = py * w->width + px;
            f->inside += f->share[k];
        } else {
            f->share[k] = 0.0f;
        }
    }
}

/* The mean of four; where some of them are outside, `fill` has their share.
 * (torchvision with a fill weights such a pixel by its share twice.) */
static inline void rn_warp_bilinear(const struct rn_warp *w, const struct rn_image *m,
                                    const uint8_t *from, uint8_t *to) {
    uint64_t i, c, n = rn_pixels_area(m);
    for (i = 0; i < n; i++) {
        struct rn_warp_four f;
        float outside;
        rn_warp_around(w, w->fx[i], w->fy[i], &f);
        outside = f.inside < 1.0f ? (float)m->fill * (1.0f - f.inside) : 0.0f;
        for (c = 0; c < m->planes; c++) {
            if (m->dtype == RN_U8) {
                const uint8_t *v = from + c * n;
                float mean =
                    (float)v[f.at[0]] * f.share[0] + (float)v[f.at[1]] * f.share[1] +
                    (float)v[f.at[2]] * f.share[2] + (float)v[f.at[3]] * f.share[3];
                to[c * n + i] = (uint8_t)rn_round_f32(mean + outside);
            } else {
                const float *v = (const float *)(const void *)from + c * n;
                float mean = v[f.at[0]] * f.share[0] + v[f.at[1]] * f.share[1] +
                             v[f.at[2]] * f.share[2] + v[f.at[3]] * f.share[3];
                ((float *)(void *)to)[c * n + i] = mean + outside;
            }
        }
    }
}

/* All planes of an image; copy: scratch of its bytes. */
static inline void rn_warp_image(const struct rn_warp *w, const struct rn_image *m,
                                 uint8_t *p, int nearest, void *copy) {
    memcpy(copy, p, (size_t)(m->planes * rn_image_plane(m)));
    if (nearest)
        rn_warp_nearest(w, m, (const uint8_t *)copy, p);
    else
        rn_warp_bilinear(w, m, (const uint8_t *)copy, p);
}

/* ----------------------------------------------------------------------- scene */

/* Bytes of scratch for a scene's map and the copy of an image. */
static inline uint64_t rn_warp_scratch(const struct rn_scene *s) {
    uint64_t map = 2 * (uint64_t)s->height * (uint64_t)s->width * sizeof(float);
    return (map + 63) / 64 * 64 + rn_scene_bytes(s);
}
static inline struct rn_warp rn_warp_begin(const struct rn_scene *s, void *scratch) {
    struct rn_warp w;
    w.height = s->height;
    w.width = s->width;
    w.fx = (float *)scratch;
    w.fy = w.fx + w.height * w.width;
    return w;
}

/* The place for the copy of an image. */
static inline void *rn_warp_copy(const struct rn_scene *s, void *scratch) {
    uint64_t map = 2 * (uint64_t)s->height * (uint64_t)s->width * sizeof(float);
    return (uint8_t *)scratch + (map + 63) / 64 * 64;
}

/* The map on every field of a row. nearest: also of those that are means otherwise.
 * point, context: of boxes. */
static inline void rn_warp_scene(const struct rn_scene *s, const struct rn_scene_row *r,
                                 const struct rn_warp *w, int nearest,
                                 rn_scene_point point, const void *context) {
    void *copy = rn_warp_copy(s, r->scratch);
    uint32_t k;
    for (k = 0; k < s->images.count; k++) {
        const struct rn_image *m = &s->images.at[k];
        uint8_t *p = rn_scene_field(s, r, k);
        if (s->role[k] == RN_SCENE_BOXES)
            rn_scene_move_boxes((float *)(void *)p, m->height, s->height, s->width,
                                point, context);
        else
            rn_warp_image(w, m, p, nearest || s->role[k] == RN_SCENE_NEAREST, copy);
    }
}

#define RN_WARP_INTERPOLATION_OPTION                                                   \
    RN_OPTION("interpolation choice(bilinear,nearest) = bilinear | of pixels of u8 "   \
              "and f32")
#define RN_WARP_ASKS (RN_SCENE_MOVES | RN_SCENE_MEANS | RN_SCENE_FILLS)

#ifdef __cplusplus
}
#endif
#endif
