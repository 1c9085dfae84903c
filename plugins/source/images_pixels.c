/* SPDX-License-Identifier: Apache-2.0 */
/* Formulas of 8-bit pixels are Pillow's, so that samples are equal to its pixels. */
#include "images_pixels.h"

/* Interleaved pixels on their way. */
struct raster {
    uint32_t width, height, channels, depth;
    const void *pixels;
    int canvas; /* which holds them, or -1: the decoder's */
};

void image_canvas_finish(struct image_canvas *c) {
    free(c->bytes[0]);
    free(c->bytes[1]);
    rn_resampler_finish(&c->resampler);
    memset(c, 0, sizeof *c);
}

/* The canvas that does not hold r, with room for w x h x channels; NULL with an error.
 */
static void *other_canvas(struct image_canvas *c, const struct raster *r, uint32_t w,
                          uint32_t h, uint32_t channels, struct rn_error *e) {
    int k = r->canvas == 0 ? 1 : 0;
    uint64_t bytes = (uint64_t)w * h * channels * (r->depth / 8);
    if (bytes > c->capacity[k]) {
        uint8_t *more = realloc(c->bytes[k], rn_size_or_max(bytes, 1));
        if (!more) {
            rn_fail(e, RN_E_MEMORY, "no memory for pixels", NULL, NULL);
            return NULL;
        }
        c->bytes[k] = more;
        c->capacity[k] = bytes;
    }
    return c->bytes[k];
}

static void moved(struct raster *r, const void *pixels) {
    r->pixels = pixels;
    r->canvas = r->canvas == 0 ? 1 : 0;
}

/* ------------------------------------------------------------ orientation */

void image_turned_size(const struct picture *p, const struct image_form *form,
                       uint32_t *width, uint32_t *height) {
    int turned = !form->keep_orientation && p->orientation >= 5;
    *width = turned ? p->height : p->width;
    *height = turned ? p->width : p->height;
}

/* Where the pixel (x, y) of the upright picture is stored: EXIF 2.3, tag 0x0112. */
static uint64_t stored_at(uint32_t orientation, uint32_t w, uint32_t h, uint32_t x,
                          uint32_t y) {
    uint32_t u = x, v = y; /* column and row as stored, w x h */
    switch (orientation) {
    case 2:
        u = w - 1 - x;
        break;
    case 3:
        u = w - 1 - x, v = h - 1 - y;
        break;
    case 4:
        v = h - 1 - y;
        break;
    case 5:
        u = y, v = x;
        break;
    case 6:
        u = y, v = h - 1 - x;
        break;
    case 7:
        u = w - 1 - y, v = h - 1 - x;
        break;
    case 8:
        u = w - 1 - y, v = x;
        break;
    }
    return (uint64_t)v * w + u;
}

static int32_t turn(struct raster *r, uint32_t orientation, struct image_canvas *c,
                    struct rn_error *e) {
    uint32_t w = orientation >= 5 ? r->height : r->width;
    uint32_t h = orientation >= 5 ? r->width : r->height;
    uint64_t pixel = (uint64_t)r->channels * (r->depth / 8);
    const uint8_t *in = r->pixels;
    uint8_t *out = other_canvas(c, r, w, h, r->channels, e), *to = out;
    if (!out)
        return RN_E_MEMORY;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++, to += pixel)
            memcpy(to, in + stored_at(orientation, r->width, r->height, x, y) * pixel,
                   pixel);
    r->width = w, r->height = h;
    moved(r, out);
    return RN_OK;
}

/* --------------------------------------------------------------- channels */

/* a / 255 (or 65535), rounded. */
static uint32_t divided(uint64_t a, uint32_t depth) {
    if (depth == 16)
        return (uint32_t)((a + 32767) / 65535);
    uint32_t t = (uint32_t)a + 128;
    return ((t >> 8) + t) >> 8;
}

/* R, G, B, A of pixel i at the depth asked for. */
static void pixel_get(const struct raster *r, uint64_t i, uint32_t depth,
                      uint32_t v[4]) {
    uint32_t top = r->depth == 16 ? 65535 : 255, raw[4] = {0};
    for (uint32_t k = 0; k < r->channels; k++) {
        uint64_t at = i * r->channels + k;
        raw[k] = r->depth == 16 ? ((const uint16_t *)r->pixels)[at]
                                : ((const uint8_t *)r->pixels)[at];
    }
    int grey = r->channels < 3;
    v[0] = raw[0];
    v[1] = grey ? raw[0] : raw[1];
    v[2] = grey ? raw[0] : raw[2];
    v[3] = r->channels == 2 ? raw[1] : r->channels == 4 ? raw[3] : top;
    for (int k = 0; k < 4 && depth != r->depth; k++)
        v[k] = depth == 8 ? v[k] >> 8 : v[k] * 257;
}

/* ITU-R 601 as Pillow has it. */
static uint32_t luma(const uint32_t v[4]) {
    uint64_t sum = (uint64_t)v[0] * 19595 + (uint64_t)v[1] * 38470 +
                   (uint64_t)v[2] * 7471 + 0x8000;
    return (uint32_t)(sum >> 16);
}

static int32_t recolour(struct raster *r, const struct image_form *form,
                        struct image_canvas *c, struct rn_error *e) {
    uint64_t n = (uint64_t)r->width * r->height;
    uint32_t depth = form->depth, top = depth == 16 ? 65535 : 255;
    if (r->channels == form->channels && r->depth == depth)
        return RN_OK;
    struct raster wide = *r;
    wide.depth = depth;
    void *out = other_canvas(c, &wide, r->width, r->height, form->channels, e);
    if (!out)
        return RN_E_MEMORY;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t v[4];
        pixel_get(r, i, depth, v);
        for (int k = 0; k < 3 && form->channels != 4 && v[3] != top; k++) {
            uint32_t behind = form->background[k] * (depth == 16 ? 257u : 1u);
            v[k] =
                divided((uint64_t)behind * (top - v[3]) + (uint64_t)v[k] * v[3], depth);
        }
        if (form->channels == 1)
            v[0] = luma(v);
        for (uint32_t k = 0; k < form->channels; k++)
            if (depth == 16)
                ((uint16_t *)out)[i * form->channels + k] = (uint16_t)v[k];
            else
                ((uint8_t *)out)[i * form->channels + k] = (uint8_t)v[k];
    }
    r->channels = form->channels, r->depth = depth;
    moved(r, out);
    return RN_OK;
}

/* ------------------------------------------------------------------- size */

/* Colours times alpha, or back: transparent pixels have no colour that could bleed
 * into their neighbours when they are resampled. */
static void premultiply(void *pixels, uint64_t n, uint32_t depth, int back) {
    uint32_t top = depth == 16 ? 65535 : 255;
    for (uint64_t i = 0; i < 4 * n; i += 4) {
        uint8_t *b = (uint8_t *)pixels + i;
        uint16_t *s = (uint16_t *)pixels + i;
        uint32_t a = depth == 16 ? s[3] : b[3];
        for (int k = 0; k < 3; k++) {
            uint64_t v = depth == 16 ? s[k] : b[k];
            if (!back)
                v = divided(v * a, depth);
            else if (a && a != top)
                v = top * v / a < top ? top * v / a : top;
            if (depth == 16)
                s[k] = (uint16_t)v;
            else
                b[k] = (uint8_t)v;
        }
    }
}

/* The part of the picture that is resampled, and to which size. */
static struct rn_resample_box box_of(const struct raster *r,
                                     const struct image_form *form, uint32_t *width,
                                     uint32_t *height) {
    double w = r->width, h = r->height, left = 0, top = 0, cut_w = w, cut_h = h;
    double ratio = w / h, target = (double)form->width / form->height;
    *width = form->width, *height = form->height;
    if (form->fit == FIT_CROP && ratio != target) { /* Pillow, ImageOps.fit */
        if (ratio >= target)
            cut_w = target * h;
        else
            cut_h = w / target;
        left = (w - cut_w) * 0.5, top = (h - cut_h) * 0.5;
    }
    if (form->fit == FIT_PAD && ratio > target) /* Pillow, ImageOps.contain */
        *height = (uint32_t)nearbyint(h / w * form->width);
    if (form->fit == FIT_PAD && ratio < target)
        *width = (uint32_t)nearbyint(w / h * form->height);
    *width = *width ? *width : 1, *height = *height ? *height : 1;
    return (struct rn_resample_box){(float)left, (float)top, (float)(left + cut_w),
                                    (float)(top + cut_h)};
}

static int32_t resample(struct raster *r, const struct image_form *form,
                        const struct rn_resample_box *box, uint32_t width,
                        uint32_t height, struct image_canvas *c, struct rn_error *e) {
    if (r->channels == 4) { /* in a canvas: the decoder's pixels are const */
        uint64_t n = (uint64_t)r->width * r->height;
        void *copy = other_canvas(c, r, r->width, r->height, 4, e);
        if (!copy)
            return RN_E_MEMORY;
        memcpy(copy, r->pixels, n * 4 * (r->depth / 8));
        premultiply(copy, n, r->depth, 0);
        moved(r, copy);
    }
    void *out = other_canvas(c, r, width, height, r->channels, e);
    if (!out)
        return RN_E_MEMORY;
    if (!rn_resample(&c->resampler, form->filter, r->depth, r->channels, r->pixels,
                     r->width, r->height, box, width, height, out))
        return rn_fail(e, RN_E_MEMORY, "no memory for pixels", NULL, NULL);
    if (r->channels == 4)
        premultiply(out, (uint64_t)width * height, r->depth, 1);
    r->width = width, r->height = height;
    moved(r, out);
    return RN_OK;
}

/* The picture in the middle of the background (Pillow, ImageOps.pad). */
static int32_t surround(struct raster *r, const struct image_form *form,
                        struct image_canvas *c, struct rn_error *e) {
    uint64_t pixel = (uint64_t)r->channels * (r->depth / 8);
    uint32_t left = (uint32_t)nearbyint((form->width - r->width) * 0.5);
    uint32_t top = (uint32_t)nearbyint((form->height - r->height) * 0.5);
    uint32_t scale = r->depth == 16 ? 257 : 1, v[4] = {0, 0, 0, 255 * scale};
    const uint8_t *in = r->pixels;
    uint8_t *out = other_canvas(c, r, form->width, form->height, r->channels, e);
    if (!out)
        return RN_E_MEMORY;
    for (int k = 0; k < 3; k++)
        v[k] = form->background[k] * scale;
    if (r->channels == 1)
        v[0] = luma(v);
    for (uint64_t i = 0; i < (uint64_t)form->width * form->height * r->channels; i++)
        if (r->depth == 16)
            ((uint16_t *)(void *)out)[i] = (uint16_t)v[i % r->channels];
        else
            out[i] = (uint8_t)v[i % r->channels];
    for (uint32_t y = 0; y < r->height; y++)
        memcpy(out + ((uint64_t)(top + y) * form->width + left) * pixel,
               in + (uint64_t)y * r->width * pixel, r->width * pixel);
    r->width = form->width, r->height = form->height;
    moved(r, out);
    return RN_OK;
}

static int32_t resize(struct raster *r, const struct image_form *form, const char *name,
                      struct image_canvas *c, struct rn_error *e) {
    uint32_t width, height;
    if (r->width == form->width && r->height == form->height)
        return RN_OK;
    if (form->fit == FIT_ERROR)
        return rn_failf(e, RN_E_DATA, name, 0, 0,
                        "is %u x %u (width x height), not %u x %u", r->width, r->height,
                        form->width, form->height);
    struct rn_resample_box box = box_of(r, form, &width, &height);
    int32_t status = resample(r, form, &box, width, height, c, e);
    if (status == RN_OK && (width != form->width || height != form->height))
        status = surround(r, form, c, e);
    return status;
}

/* ----------------------------------------------------------------- planes */

static void planes(const struct raster *r, void *out) {
    uint64_t n = (uint64_t)r->width * r->height, c = r->channels;
    for (uint64_t k = 0; k < c; k++)
        for (uint64_t i = 0; i < n; i++)
            if (r->depth == 16)
                ((int32_t *)out)[k * n + i] = ((const uint16_t *)r->pixels)[i * c + k];
            else
                ((uint8_t *)out)[k * n + i] = ((const uint8_t *)r->pixels)[i * c + k];
}

int32_t image_sample(const struct picture *p, const struct image_form *form,
                     const char *name, struct image_canvas *c, void *out,
                     struct rn_error *e) {
    struct raster r = {p->width, p->height, p->channels, p->depth, p->pixels, -1};
    int32_t status = RN_OK;
    if (!form->keep_orientation && p->orientation > 1)
        status = turn(&r, p->orientation, c, e);
    if (status == RN_OK)
        status = recolour(&r, form, c, e);
    if (status == RN_OK)
        status = resize(&r, form, name, c, e);
    if (status == RN_OK)
        planes(&r, out);
    return status;
}
