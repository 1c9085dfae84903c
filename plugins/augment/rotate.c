/* SPDX-License-Identifier: Apache-2.0 */
/* Turn an image about its centre by a random angle, `fill` outside: bilinear, or, for
 * fields of class numbers, by the nearest pixel. Word 0 decides, 1 is for the angle. */
#include <stdbool.h>
#include <stdlib.h>

#include <runner/sdk/draw_log.h>
#include <runner/sdk/image.h>

struct rotate {
    struct rn_host *host;
    const struct rn_draw_log_api *log; /* or NULL */
    struct rn_images images;
    bool *nearest; /* [images.count] */
    double degrees;
    float p;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct rotate *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for an augmenter", NULL, NULL);
    s->host = h;
    s->log = rn_draw_log(h);
    s->degrees = rn_get_float(h, "degrees");
    s->p = (float)rn_get_float(h, "p");
    return RN_OK;
}

static void destroy(void *self) {
    struct rotate *s = self;
    if (s) {
        rn_images_finish(&s->images);
        free(s->nearest);
    }
    free(s);
}

/* Which fields the option `nearest` names. */
static int32_t plan_nearest(struct rotate *s, const struct rn_augment_plan *p,
                            struct rn_error *e) {
    uint32_t n = rn_get_count(s->host, "nearest");
    char path[32];
    free(s->nearest);
    s->nearest = calloc(p->field_count + 1u, sizeof *s->nearest);
    if (!s->nearest)
        return rn_fail(e, RN_E_MEMORY, "no memory for an augmenter", NULL, NULL);
    for (uint32_t i = 0; i < n; i++) {
        const char *name =
            rn_get_string(s->host, rn_path(path, sizeof path, "nearest", i));
        uint32_t k = 0;
        while (k < p->field_count && strcmp(rn_augment_field(p, k)->name, name) != 0)
            k++;
        if (k == p->field_count)
            return rn_fail_option(e, RN_E_CONFIG, path,
                                  "'%s' is not one of the fields "
                                  "of `of`",
                                  name);
        s->nearest[k] = true;
    }
    for (uint32_t k = 0; k < p->field_count; k++) {
        const struct rn_field *f = rn_augment_field(p, k);
        if (s->nearest[k] || f->dtype == RN_F32 || f->dtype == RN_U8)
            continue;
        rn_fail_option(e, RN_E_CONFIG, "of",
                       "field '%s' holds %s; pixels of f32 or u8 are interpolated",
                       f->name, rn_dtype_name(f->dtype));
        rn_hintf(e, "for class numbers: nearest: [%s]", f->name);
        return RN_E_CONFIG;
    }
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct rotate *s = self;
    int32_t status = rn_images_plan(&s->images, p, 0, s->host, e);
    return status == RN_OK ? plan_nearest(s, p, e) : status;
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

static int32_t apply(void *self, const struct rn_augment_call *call,
                     struct rn_error *e) {
    const struct rotate *s = self;
    uint64_t largest = 0;
    for (uint32_t k = 0; k < s->images.count; k++)
        if (rn_image_plane(&s->images.at[k]) > largest)
            largest = rn_image_plane(&s->images.at[k]);
    void *copy = rn_scratch(call->work, largest);
    if (!copy)
        return rn_fail(e, RN_E_MEMORY, "no memory to turn an image", NULL, NULL);
    for (uint64_t i = 0; i < call->rows; i++) {
        uint32_t word[4];
        rn_image_random(call, i, 0, word);
        if (!(rn_uniform_f32(word[0]) < s->p))
            continue;
        double share = 2.0 * (double)rn_uniform_f32(word[1]) - 1.0;
        double angle = share * s->degrees * 0.017453292519943295;
        if (s->log)
            s->log->number(s->host, i, "angle", share * s->degrees);
        for (uint32_t k = 0; k < s->images.count; k++) {
            const struct rn_image *m = &s->images.at[k];
            uint8_t *p = rn_image_row(call, &s->images, k, i);
            for (uint64_t c = 0; c < m->planes; c++, p += rn_image_plane(m)) {
                memcpy(copy, p, rn_image_plane(m));
                turn(m, s->nearest[k], copy, p, angle);
            }
        }
    }
    return RN_OK;
}

static const struct rn_augment iface = {
    sizeof(struct rn_augment), 0, create, destroy, plan, apply, NULL, NULL, NULL};

RN_AUGMENT(rotate, iface, "runner/rotate 1",
           RN_DOC("Turn an image about its centre by a random angle")
           RN_IMAGE_OF_OPTION("the image, or several fields")
           RN_OPTION("degrees float = 10 ; min 0 ; max 180 ; unit degree | the "
                     "largest angle, either way")
           RN_OPTION("p float = 1 ; min 0 ; max 1 | share of samples turned")
           RN_IMAGE_FILL_OPTION("value of what is outside")
           RN_OPTION("nearest list(string) | fields of class numbers, such as masks: each "
                     "pixel is that of the nearest place, never a mean"));
RN_PLUGIN(&rotate);
