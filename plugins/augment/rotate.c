/* SPDX-License-Identifier: Apache-2.0 */
/* Turn an image about its centre by a random angle, bilinear, `fill` outside. Word 0
 * decides, 1 is for the angle. */
#include <stdlib.h>

#include <runner/sdk/image.h>

struct rotate {
    struct rn_image image;
    double degrees;
    float p, fill;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct rotate *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for an augmenter", NULL, NULL);
    s->degrees = rn_get_float(h, "degrees", 10.0);
    s->p = (float)rn_get_float(h, "p", 1.0);
    s->fill = (float)rn_get_float(h, "fill", 0.0);
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_field *field, struct rn_error *e) {
    struct rotate *s = self;
    int32_t status = rn_image_plan(&s->image, field, e);
    return status == RN_OK ? rn_image_fill(&s->image, s->fill, e) : status;
}

static double pixel(const struct rotate *s, const void *from, int64_t y, int64_t x) {
    const struct rn_image *m = &s->image;
    if (y < 0 || x < 0 || y >= m->height || x >= m->width)
        return s->fill;
    int64_t at = y * m->width + x;
    return m->dtype == RN_U8 ? ((const uint8_t *)from)[at] : ((const float *)from)[at];
}

static void turn(const struct rotate *s, const void *from, void *to, double angle) {
    const struct rn_image *m = &s->image;
    double c = rn_cos_f64(angle), sn = rn_sin_f64(angle);
    double cy = 0.5 * (double)(m->height - 1), cx = 0.5 * (double)(m->width - 1);
    for (int64_t y = 0; y < m->height; y++)
        for (int64_t x = 0; x < m->width; x++) {
            /* where this pixel comes from: turned back */
            double dy = (double)y - cy, dx = (double)x - cx;
            double fy = cy + c * dy + sn * dx, fx = cx + c * dx - sn * dy;
            double y0 = rn_floor_f64(fy), x0 = rn_floor_f64(fx);
            double wy = fy - y0, wx = fx - x0;
            int64_t iy = (int64_t)y0, ix = (int64_t)x0;
            double top =
                pixel(s, from, iy, ix) * (1.0 - wx) + pixel(s, from, iy, ix + 1) * wx;
            double low = pixel(s, from, iy + 1, ix) * (1.0 - wx) +
                         pixel(s, from, iy + 1, ix + 1) * wx;
            double v = top * (1.0 - wy) + low * wy;
            if (m->dtype == RN_U8)
                ((uint8_t *)to)[y * m->width + x] = (uint8_t)rn_round_f64(v);
            else
                ((float *)to)[y * m->width + x] = (float)v;
        }
}

static int32_t apply(void *self, uint64_t n, const struct rn_augment_at *at,
                     const struct rn_tensor *data, struct rn_error *e) {
    const struct rotate *s = self;
    const struct rn_image *m = &s->image;
    uint64_t plane =
        (uint64_t)m->height * (uint64_t)m->width * RN_DTYPE_BYTES(m->dtype);
    void *copy = malloc(plane);
    if (!copy)
        return rn_fail(e, RN_E_MEMORY, "no memory to turn an image", NULL, NULL);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t word[4];
        uint8_t *p = (uint8_t *)data->data + i * m->planes * plane;
        rn_image_random(at, i, 0, word);
        if (!(rn_uniform_f32(word[0]) < s->p))
            continue;
        double share = 2.0 * (double)rn_uniform_f32(word[1]) - 1.0;
        double angle = share * s->degrees * 0.017453292519943295;
        for (uint64_t c = 0; c < m->planes; c++) {
            memcpy(copy, p + c * plane, plane);
            turn(s, copy, p + c * plane, angle);
        }
    }
    free(copy);
    return RN_OK;
}

static const struct rn_augment iface = {
    sizeof(struct rn_augment), 0, create, free, plan, apply, NULL, NULL, NULL};

RN_AUGMENT(rotate, iface, "runner/rotate 1",
           RN_DOC("Turn an image about its centre by a random angle, bilinear")
           RN_IMAGE_OF_OPTION("the image")
           RN_OPTION("degrees float = 10 ; min 0 ; max 180 ; unit degree | the "
                     "largest angle, either way")
           RN_OPTION("p float = 1 ; min 0 ; max 1 | share of samples turned")
           RN_OPTION("fill float = 0 | value of what is outside"));
RN_PLUGIN(&rotate);
