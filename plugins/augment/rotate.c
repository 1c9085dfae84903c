/* SPDX-License-Identifier: Apache-2.0 */
/* Turn an image about its centre by a random angle, `fill` outside: bilinear, or, for
 * fields of class numbers, by the nearest pixel. Word 0 decides, 1 is for the angle. */
#include <stdbool.h>
#include <stdlib.h>

#include <runner/sdk/scene.h>

struct rotate {
    struct rn_scene scene; /* first */
    double degrees;
    float p;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct rotate *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->degrees = rn_get_float(h, "degrees");
    s->p = (float)s->scene.p;
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct rn_scene *s = self;
    int32_t status = rn_scene_plan(
        s, p, RN_SCENE_MOVES | RN_SCENE_MEANS | RN_SCENE_FILLS | RN_SCENE_ANY, e);
    s->scratch = rn_scene_plane(s);
    return status;
}

static double pixel(const struct rn_image *m, const void *from, int64_t y, int64_t x) {
    if (y < 0 || x < 0 || y >= m->height || x >= m->width)
        return m->fill;
    int64_t at = y * m->width + x;
    return m->dtype == RN_U8 ? ((const uint8_t *)from)[at] : ((const float *)from)[at];
}

static void bilinear(const struct rn_image *m, const void *from, uint8_t *to, double fy,
                     double fx) {
    double y0 = rn_floor_f64(fy), x0 = rn_floor_f64(fx);
    double wy = fy - y0, wx = fx - x0;
    int64_t iy = (int64_t)y0, ix = (int64_t)x0;
    double top = pixel(m, from, iy, ix) * (1.0 - wx) + pixel(m, from, iy, ix + 1) * wx;
    double low =
        pixel(m, from, iy + 1, ix) * (1.0 - wx) + pixel(m, from, iy + 1, ix + 1) * wx;
    double v = top * (1.0 - wy) + low * wy;
    if (m->dtype == RN_U8)
        *to = (uint8_t)rn_round_f64(v);
    else
        *(float *)(void *)to = (float)v;
}

static void nearest(const struct rn_image *m, const uint8_t *from, uint8_t *to,
                    double fy, double fx) {
    int64_t y = (int64_t)rn_round_f64(fy), x = (int64_t)rn_round_f64(fx);
    int64_t item = (int64_t)RN_DTYPE_BYTES(m->dtype);
    if (y < 0 || x < 0 || y >= m->height || x >= m->width)
        rn_image_fill_line(m, to, 0, 1, m->fill);
    else
        memcpy(to, from + (y * m->width + x) * item, (size_t)item);
}

static void turn(const struct rn_image *m, bool by_nearest, const void *from,
                 uint8_t *to, double angle) {
    double c = rn_cos_f64(angle), sn = rn_sin_f64(angle);
    double cy = 0.5 * (double)(m->height - 1), cx = 0.5 * (double)(m->width - 1);
    for (int64_t y = 0; y < m->height; y++)
        for (int64_t x = 0; x < m->width; x++, to += RN_DTYPE_BYTES(m->dtype)) {
            /* where this pixel comes from: turned back */
            double dy = (double)y - cy, dx = (double)x - cx;
            double fy = cy + c * dy + sn * dx, fx = cx + c * dx - sn * dy;
            if (by_nearest)
                nearest(m, from, to, fy, fx);
            else
                bilinear(m, from, to, fy, fx);
        }
}

/* A turn about the middle of an image. */
struct middle {
    double cosine, sine, x, y;
};

static void point(const void *context, double x, double y, double out[2]) {
    const struct middle *t = context;
    double dx = x - t->x, dy = y - t->y;
    out[0] = t->x + t->cosine * dx + t->sine * dy;
    out[1] = t->y - t->sine * dx + t->cosine * dy;
}

static void turn_row(const struct rotate *s, const struct rn_augment_call *call,
                     uint64_t i, double angle, void *copy) {
    const struct rn_scene *a = &s->scene;
    struct middle t = {rn_cos_f64(angle), rn_sin_f64(angle), 0.5 * (double)a->width,
                       0.5 * (double)a->height};
    for (uint32_t k = 0; k < a->images.count; k++) {
        const struct rn_image *m = &a->images.at[k];
        uint8_t *p = rn_image_row(call, &a->images, k, i);
        if (a->role[k] == RN_SCENE_BOXES) {
            rn_scene_move_boxes((float *)(void *)p, m->height, a->height, a->width,
                                point, &t);
            continue;
        }
        for (uint64_t c = 0; c < m->planes; c++, p += rn_image_plane(m)) {
            memcpy(copy, p, rn_image_plane(m));
            turn(m, a->role[k] == RN_SCENE_NEAREST, copy, p, angle);
        }
    }
}

static int32_t apply(void *self, const struct rn_augment_call *call,
                     struct rn_error *e) {
    const struct rotate *s = self;
    void *copy = rn_scratch(call->work, s->scene.scratch);
    if (!copy)
        return rn_fail(e, RN_E_MEMORY, "no memory to turn an image", NULL, NULL);
    for (uint64_t i = 0; i < call->rows; i++) {
        uint32_t word[4];
        rn_image_random(call, i, 0, word);
        if (!(rn_uniform_f32(word[0]) < s->p))
            continue;
        double share = 2.0 * (double)rn_uniform_f32(word[1]) - 1.0;
        rn_scene_log(&s->scene, i, "angle", share * s->degrees);
        turn_row(s, call, i, share * s->degrees * 0.017453292519943295, copy);
    }
    return RN_OK;
}

static const struct rn_augment iface = {sizeof(struct rn_augment),
                                        0,
                                        create,
                                        rn_scene_destroy,
                                        plan,
                                        apply,
                                        NULL,
                                        NULL,
                                        NULL};

RN_AUGMENT(rotate, iface, "runner/rotate 1",
           RN_DOC("Turn an image about its centre by a random angle")
           RN_IMAGE_OF_OPTION("the image, or several fields")
           RN_OPTION("degrees float = 10 ; min 0 ; max 180 ; unit degree | the "
                     "largest angle, either way")
           RN_OPTION("p float = 1 ; min 0 ; max 1 | share of samples turned")
           RN_IMAGE_FILL_OPTION("value of what is outside")
           RN_SCENE_NEAREST_OPTION RN_SCENE_BOXES_OPTION);
RN_PLUGIN(&rotate);
