/* SPDX-License-Identifier: Apache-2.0 */
/* Cover a square at a random place with one value (DeVries & Taylor 2017): its centre
 * is any pixel, so at an edge less is covered. Word 0 decides, 1 is for y, 2 for x;
 * what was decided is the square's first line and column. */
#include <stdlib.h>

#include <runner/sdk/draw_log.h>
#include <runner/sdk/image.h>

struct erase {
    struct rn_host *host;
    const struct rn_draw_log_api *log; /* or NULL */
    struct rn_images images;           /* of one size */
    int64_t size;
    float p;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct erase *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for an augmenter", NULL, NULL);
    s->host = h;
    s->log = rn_draw_log(h);
    s->size = rn_get_int(h, "size");
    s->p = (float)rn_get_float(h, "p");
    return RN_OK;
}

static void destroy(void *self) {
    struct erase *s = self;
    if (s)
        rn_images_finish(&s->images);
    free(s);
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct erase *s = self;
    return rn_images_plan(&s->images, p, 1, s->host, e);
}

static void decide_row(const struct erase *s, const struct rn_augment_call *call,
                       uint64_t i, int32_t out[2]) {
    const struct rn_image *m = &s->images.at[0];
    uint32_t word[4];
    rn_image_random(call, i, 0, word);
    out[0] = (int32_t)((int64_t)(word[1] * (uint64_t)m->height >> 32) - s->size / 2);
    out[1] = (int32_t)((int64_t)(word[2] * (uint64_t)m->width >> 32) - s->size / 2);
    if (!(rn_uniform_f32(word[0]) < s->p))
        out[0] = (int32_t)m->height; /* below the image */
}

static int32_t apply(void *self, const struct rn_augment_call *call,
                     struct rn_error *e) {
    const struct erase *s = self;
    (void)e;
    for (uint64_t i = 0; i < call->rows; i++) {
        const struct rn_image *m = &s->images.at[0];
        int32_t first[2];
        decide_row(s, call, i, first);
        if (s->log && first[0] < m->height) {
            s->log->number(s->host, i, "top", first[0]);
            s->log->number(s->host, i, "left", first[1]);
        }
        int64_t y0 = first[0] > 0 ? first[0] : 0, y1 = first[0] + s->size;
        int64_t x0 = first[1] > 0 ? first[1] : 0, x1 = first[1] + s->size;
        y1 = y1 < m->height ? y1 : m->height;
        x1 = x1 < m->width ? x1 : m->width;
        for (uint32_t k = 0; k < s->images.count; k++) {
            m = &s->images.at[k];
            int64_t line = m->width * (int64_t)RN_DTYPE_BYTES(m->dtype);
            uint8_t *p = rn_image_row(call, &s->images, k, i);
            for (uint64_t c = 0; c < m->planes; c++, p += rn_image_plane(m))
                for (int64_t y = y0; y < y1; y++)
                    rn_image_fill_line(m, p + y * line, x0, x1, m->fill);
        }
    }
    return RN_OK;
}

static uint32_t numbers(void *self) {
    (void)self;
    return 2;
}

static int32_t decide(void *self, const struct rn_augment_call *call,
                      struct rn_error *e) {
    (void)e;
    for (uint64_t i = 0; i < call->rows; i++)
        decide_row(self, call, i, call->numbers + 2 * i);
    return RN_OK;
}

/* Which places of an axis are in the square that begins at number k. */
static rn_value covered(struct rn_build *b, const struct erase *s, int64_t n, int axis,
                        int64_t k) {
    rn_value from = rn_image_number(b, k), at = rn_image_count(b, n, axis, RN_I32);
    rn_value end = rn_add(b, from, rn_image_whole(b, s->size, RN_I32));
    return rn_logical_and(b, rn_ge(b, at, from), rn_lt(b, at, end));
}

static int32_t describe(struct rn_build *b, uint32_t field) {
    const struct erase *s = b->self;
    const struct rn_image *m = &s->images.at[field];
    rn_value x = rn_image_open(b, m);
    rn_value hidden = rn_logical_and(b, covered(b, s, m->height, 2, 0),
                                     covered(b, s, m->width, 3, 1));
    rn_value fill = rn_full(b, 0, NULL, m->fill, m->dtype);
    rn_image_close(b, rn_select(b, hidden, fill, x));
    return RN_OK;
}

static const struct rn_augment iface = {sizeof(struct rn_augment),
                                        0,
                                        create,
                                        destroy,
                                        plan,
                                        apply,
                                        numbers,
                                        decide,
                                        describe};

RN_AUGMENT(erase, iface, "runner/erase 1",
           RN_DOC("Cover a square at a random place with one value")
           RN_IMAGE_OF_OPTION("the image, or several fields of one size")
           RN_OPTION("size int = 8 ; min 1 ; max 65535 | pixels on a side")
           RN_OPTION("p float = 1 ; min 0 ; max 1 | share of samples changed")
           RN_IMAGE_FILL_OPTION("value of the square"));
RN_PLUGIN(&erase);
