/* SPDX-License-Identifier: Apache-2.0 */
/* Pad an image on all sides and cut its size out again at a random place: a shift by up
 * to `padding` either way. Word 0 decides, 1 is for y, 2 for x. */
#include "image.h"

struct crop {
    struct image image;
    int64_t padding;
    float p, fill;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct crop *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for an augmenter", NULL, NULL);
    s->padding = rn_get_int(h, "padding", 4);
    s->p = (float)rn_get_float(h, "p", 1.0);
    s->fill = (float)rn_get_float(h, "fill", 0.0);
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_field *field, struct rn_error *e) {
    struct crop *s = self;
    int32_t status = image_plan(&s->image, field, e);
    if (status != RN_OK)
        return status;
    if (s->padding >= s->image.height || s->padding >= s->image.width)
        return fail(e, RN_E_CONFIG, "padding", 0, 0,
                    "must be smaller than the image, %lld x %lld",
                    (long long)s->image.height, (long long)s->image.width);
    if (s->image.dtype == RN_U8 && (!(s->fill >= 0.0f) || s->fill > 255.0f))
        return fail(e, RN_E_CONFIG, "fill", 0, 0, "must be 0 to 255 for u8");
    return RN_OK;
}

static void fill_line(const struct crop *s, uint8_t *p, int64_t from, int64_t to) {
    for (int64_t x = from; x < to; x++)
        if (s->image.dtype == RN_U8)
            p[x] = (uint8_t)s->fill;
        else
            memcpy(p + x * (int64_t)sizeof s->fill, &s->fill, sizeof s->fill);
}

/* p(y, x) = p(y + dy, x + dx), lines in the order that overwrites none too early. */
static void shift(const struct crop *s, uint8_t *p, int64_t dy, int64_t dx) {
    const struct image *m = &s->image;
    int64_t item = (int64_t)RN_DTYPE_BYTES(m->dtype), line = m->width * item;
    int64_t left = dx < 0 ? -dx : 0, right = dx > 0 ? m->width - dx : m->width;
    for (int64_t k = 0; k < m->height; k++) {
        int64_t y = dy >= 0 ? k : m->height - 1 - k;
        uint8_t *to = p + y * line;
        if (y + dy < 0 || y + dy >= m->height) {
            fill_line(s, to, 0, m->width);
            continue;
        }
        memmove(to + left * item, p + (y + dy) * line + (left + dx) * item,
                (size_t)((right - left) * item));
        fill_line(s, to, 0, left);
        fill_line(s, to, right, m->width);
    }
}

static int32_t apply(void *self, uint64_t n, const struct rn_augment_at *at,
                     const struct rn_tensor *data, struct rn_error *e) {
    const struct crop *s = self;
    const struct image *m = &s->image;
    uint64_t plane =
        (uint64_t)m->height * (uint64_t)m->width * RN_DTYPE_BYTES(m->dtype);
    uint64_t places = 2 * (uint64_t)s->padding + 1;
    (void)e;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t word[4];
        uint8_t *p = (uint8_t *)data->data + i * m->planes * plane;
        image_random(at, i, 0, word);
        if (!(rn_uniform_f32(word[0]) < s->p))
            continue;
        int64_t dy = (int64_t)(word[1] * places >> 32) - s->padding;
        int64_t dx = (int64_t)(word[2] * places >> 32) - s->padding;
        for (uint64_t c = 0; c < m->planes; c++)
            shift(s, p + c * plane, dy, dx);
    }
    return RN_OK;
}

static const struct rn_augment iface = {
    sizeof(struct rn_augment), 0, create, free, plan, apply};

RN_AUGMENT(crop, iface, "runner/crop 1",
           RN_DOC("Pad an image and cut its size out at a random place")
           IMAGE_OF("the image")
           RN_OPTION("padding int = 4 ; min 0 ; max 65535 | pixels on each side")
           RN_OPTION("p float = 1 ; min 0 ; max 1 | share of samples changed")
           RN_OPTION("fill float = 0 | value of the padding"));
RN_PLUGIN(&crop);
