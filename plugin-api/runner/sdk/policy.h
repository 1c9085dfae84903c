/* SPDX-License-Identifier: Apache-2.0 */
/* The operations that learnt and random policies are made of (AutoAugment, RandAugment,
 * TrivialAugment, AugMix), and their magnitudes by bin, as torchvision 0.29 has them
 * (transforms/v2/_auto_augment.py). Header-only; C11 or C++. */
#ifndef RUNNER_SDK_POLICY_H
#define RUNNER_SDK_POLICY_H

#include <runner/sdk/warp.h>

#ifdef __cplusplus
extern "C" {
#endif

enum rn_policy_op {
    RN_OP_IDENTITY,
    RN_OP_SHEAR_X,
    RN_OP_SHEAR_Y,
    RN_OP_TRANSLATE_X,
    RN_OP_TRANSLATE_Y,
    RN_OP_ROTATE,
    RN_OP_BRIGHTNESS,
    RN_OP_COLOR,
    RN_OP_CONTRAST,
    RN_OP_SHARPNESS,
    RN_OP_POSTERIZE,
    RN_OP_SOLARIZE,
    RN_OP_AUTOCONTRAST,
    RN_OP_EQUALIZE,
    RN_OP_INVERT,
    RN_OP_COUNT
};

static inline const char *rn_policy_name(int op) {
    static const char *const names[RN_OP_COUNT] = {
        "identity",  "shear_x",    "shear_y",      "translate_x", "translate_y",
        "rotate",    "brightness", "color",        "contrast",    "sharpness",
        "posterize", "solarize",   "autocontrast", "equalize",    "invert"};
    return names[op];
}

/* Has it no magnitude? Else: may that be negative? */
static inline int rn_policy_plain(int op) {
    return op == RN_OP_IDENTITY || op >= RN_OP_AUTOCONTRAST;
}
static inline int rn_policy_signed(int op) {
    return op >= RN_OP_SHEAR_X && op <= RN_OP_SHARPNESS;
}

/* The largest magnitudes of a policy. */
struct rn_policy_space {
    double shear;
    double translate;        /* share of the width or height; 0: */
    double translate_pixels; /* pixels */
    double rotate;           /* degrees */
    double colour;
    double bits, fewer; /* of posterize: bits - 0 .. fewer */
};

static const struct rn_policy_space rn_space_rand = {0.3, 150.0 / 331.0, 0.0, 30.0,
                                                     0.9, 8.0,           4.0};
static const struct rn_policy_space rn_space_wide = {0.99, 0.0, 32.0, 135.0,
                                                     0.99, 8.0, 6.0};
static const struct rn_policy_space rn_space_mix = {0.3, 1.0 / 3.0, 0.0, 30.0,
                                                    0.9, 4.0,       4.0};

/* Element i of n equal steps from `low` to `high`, in f32 from the nearer end. */
static inline double rn_policy_step(double low, double high, int64_t i, int64_t n) {
    float step = n > 1 ? ((float)high - (float)low) / (float)(n - 1) : 0.0f;
    if (n > 1 && i >= n / 2)
        return (double)((float)high - step * (float)(n - 1 - i));
    return (double)((float)low + step * (float)i);
}

/* The magnitude, without its sign, of bin i of n, for an image. */
static inline double rn_policy_magnitude(const struct rn_policy_space *s, int op,
                                         int64_t i, int64_t n, int64_t height,
                                         int64_t width) {
    int64_t side = op == RN_OP_TRANSLATE_X ? width : height;
    switch (op) {
    case RN_OP_SHEAR_X:
    case RN_OP_SHEAR_Y:
        return rn_policy_step(0.0, s->shear, i, n);
    case RN_OP_TRANSLATE_X:
    case RN_OP_TRANSLATE_Y:
        return rn_policy_step(
            0.0, s->translate > 0.0 ? s->translate * (double)side : s->translate_pixels,
            i, n);
    case RN_OP_ROTATE:
        return rn_policy_step(0.0, s->rotate, i, n);
    case RN_OP_POSTERIZE:
        return (double)rn_round_f32(
            (float)s->bits -
            (float)i / (float)((double)(n > 1 ? n - 1 : 1) / s->fewer));
    case RN_OP_SOLARIZE:
        return rn_policy_step(1.0, 0.0, i, n);
    case RN_OP_BRIGHTNESS:
    case RN_OP_COLOR:
    case RN_OP_CONTRAST:
    case RN_OP_SHARPNESS:
        return rn_policy_step(0.0, s->colour, i, n);
    default:
        return 0.0;
    }
}

/* An arctangent, by Newton on sin / cos. */
static inline double rn_policy_atan(double t) {
    double a = t / (1.0 + 0.28 * t * t);
    int i;
    for (i = 0; i < 6; i++) {
        double s = rn_sin_f64(a), c = rn_cos_f64(a);
        a -= (s - t * c) * c / (c * c + s * s);
    }
    return a;
}

static inline void rn_policy_geometry(const struct rn_image *m, void *p, int op,
                                      double magnitude, int nearest, struct rn_warp *w,
                                      void *copy) {
    struct rn_affine t = {0.0, {0.0, 0.0}, 1.0, {0.0, 0.0}, {0.0, 0.0}};
    double map[6], degrees = rn_policy_atan(magnitude) * 57.29577951308232;
    if (op == RN_OP_SHEAR_X || op == RN_OP_SHEAR_Y) {
        t.shear[op == RN_OP_SHEAR_Y] = degrees;
        t.centre[0] = -0.5 * (double)m->width; /* about the upper left corner */
        t.centre[1] = -0.5 * (double)m->height;
    } else if (op == RN_OP_ROTATE) {
        t.angle = -magnitude;
    } else {
        t.translate[op == RN_OP_TRANSLATE_Y] = (double)(int64_t)magnitude;
    }
    rn_affine_matrix(&t, 1, map);
    rn_warp_affine(w, map);
    rn_warp_image(w, m, (uint8_t *)p, nearest, copy);
}

/* One operation on an image of u8, or f32 of 0..1. w: a map of its size, scratch; copy:
 * the bytes of the image, scratch. */
static inline void rn_policy_apply(const struct rn_image *m, void *p, int op,
                                   double magnitude, int nearest, struct rn_warp *w,
                                   void *copy) {
    switch (op) {
    case RN_OP_IDENTITY:
        return;
    case RN_OP_BRIGHTNESS:
        rn_pixels_brightness(m, p, 1.0 + magnitude);
        return;
    case RN_OP_COLOR:
        rn_pixels_saturation(m, p, 1.0 + magnitude);
        return;
    case RN_OP_CONTRAST:
        rn_pixels_contrast(m, p, 1.0 + magnitude);
        return;
    case RN_OP_SHARPNESS:
        rn_pixels_sharpness(m, p, 1.0 + magnitude, copy);
        return;
    case RN_OP_POSTERIZE:
        rn_pixels_posterize(m, p, (int)magnitude);
        return;
    case RN_OP_SOLARIZE:
        rn_pixels_solarize(m, p, m->dtype == RN_U8 ? 255.0 * magnitude : magnitude);
        return;
    case RN_OP_AUTOCONTRAST:
        rn_pixels_autocontrast(m, p);
        return;
    case RN_OP_EQUALIZE:
        rn_pixels_equalize(m, p);
        return;
    case RN_OP_INVERT:
        rn_pixels_invert(m, p);
        return;
    default:
        rn_policy_geometry(m, p, op, magnitude, nearest, w, copy);
    }
}

/* A drawn operation, for the log. */
static inline void rn_policy_log(const struct rn_scene *s, uint64_t row, int op,
                                 double magnitude) {
    if (rn_policy_plain(op))
        rn_scene_log_word(s, row, rn_policy_name(op), "");
    else
        rn_scene_log(s, row, rn_policy_name(op), magnitude);
}

/* One operation on all images of a row, logged. */
static inline void rn_policy_change(const struct rn_scene *s,
                                    const struct rn_scene_row *r, int op,
                                    double magnitude, int nearest) {
    struct rn_warp w = rn_warp_begin(s, r->scratch);
    void *copy = rn_warp_copy(s, r->scratch);
    uint32_t k;
    rn_policy_log(s, r->row, op, magnitude);
    for (k = 0; k < s->images.count; k++) {
        const struct rn_image *m = &s->images.at[k];
        void *p = rn_scene_field(s, r, k);
        rn_scene_unit(s, m, p, 1.0 / s->max);
        rn_policy_apply(m, p, op, magnitude, nearest, &w, copy);
        rn_scene_unit(s, m, p, s->max);
    }
}

/* The magnitude of bin i of n with a random sign where the operation has one. */
static inline double rn_policy_draw(const struct rn_scene *s, struct rn_draws *d,
                                    const struct rn_policy_space *space, int op,
                                    int64_t i, int64_t n) {
    double v = rn_policy_magnitude(space, op, i, n, s->height, s->width);
    return rn_policy_signed(op) && rn_draw_uniform(d) <= 0.5 ? -v : v;
}

#define RN_POLICY_INTERPOLATION_OPTION                                                 \
    RN_OPTION("interpolation choice(nearest,bilinear) = nearest | of what turns, "     \
              "shears and shifts")
#define RN_POLICY_ASKS (RN_SCENE_MEANS | RN_SCENE_FILLS | RN_SCENE_COLOURS)

#ifdef __cplusplus
}
#endif
#endif
