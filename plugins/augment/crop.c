/* SPDX-License-Identifier: Apache-2.0 */
/* Pad an image on all sides and cut its size out again at a random place: a shift by up
 * to `padding` either way. Word 0 decides, 1 is for y, 2 for x; what was decided is
 * (dy, dx). */
#include <stdbool.h>
#include <stdlib.h>

#include <runner/sdk/scene.h>

struct crop {
    struct rn_scene scene; /* first */
    int64_t padding;
    float p;
    int reflect;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct crop *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->padding = rn_get_int(h, "padding");
    s->p = (float)s->scene.p;
    s->reflect = strcmp(rn_get_string(h, "border"), "reflect") == 0;
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct crop *s = self;
    int32_t status = rn_scene_plan(&s->scene, p, RN_SCENE_BOXED | RN_SCENE_FILLS, e);
    if (status != RN_OK)
        return status;
    if (s->padding >= s->scene.height || s->padding >= s->scene.width)
        return rn_fail_option(e, RN_E_CONFIG, "padding",
                              "must be smaller than the image, %lld x %lld",
                              (long long)s->scene.height, (long long)s->scene.width);
    return RN_OK;
}

/* p(y, x) = p(y + dy, x + dx), lines in the order that overwrites none too early. */
static void shift(const struct rn_image *m, uint8_t *p, int64_t dy, int64_t dx) {
    int64_t item = (int64_t)RN_DTYPE_BYTES(m->dtype), line = m->width * item;
    int64_t left = dx < 0 ? -dx : 0, right = dx > 0 ? m->width - dx : m->width;
    for (int64_t k = 0; k < m->height; k++) {
        int64_t y = dy >= 0 ? k : m->height - 1 - k;
        uint8_t *to = p + y * line;
        if (y + dy < 0 || y + dy >= m->height) {
            rn_image_fill_line(m, to, 0, m->width, m->fill);
            continue;
        }
        memmove(to + left * item, p + (y + dy) * line + (left + dx) * item,
                (size_t)((right - left) * item));
        rn_image_fill_line(m, to, 0, left, m->fill);
        rn_image_fill_line(m, to, right, m->width, m->fill);
    }
}

/* Where place `at` beyond an edge is mirrored to, the edge itself not twice. */
static int64_t mirrored(int64_t at, int64_t n) {
    return at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at;
}

/* What `shift` left empty, from the image itself: lines above and below, then columns,
 * which are those of whole lines by then. */
static void reflect(const struct rn_image *m, uint8_t *p, int64_t dy, int64_t dx) {
    int64_t item = (int64_t)RN_DTYPE_BYTES(m->dtype), line = m->width * item;
    for (int64_t y = 0; y < m->height; y++)
        if (y + dy < 0 || y + dy >= m->height)
            memcpy(p + y * line, p + (mirrored(y + dy, m->height) - dy) * line,
                   (size_t)line);
    for (int64_t y = 0; y < m->height; y++)
        for (int64_t x = 0; x < m->width; x++)
            if (x + dx < 0 || x + dx >= m->width)
                memcpy(p + y * line + x * item,
                       p + y * line + (mirrored(x + dx, m->width) - dx) * item,
                       (size_t)item);
}

static void decide_row(const struct crop *s, const struct rn_augment_call *call,
                       uint64_t i, int32_t out[2]) {
    uint64_t places = 2 * (uint64_t)s->padding + 1;
    uint32_t word[4];
    rn_image_random(call, i, 0, word);
    bool changed = rn_uniform_f32(word[0]) < s->p;
    for (int k = 0; k < 2; k++)
        out[k] =
            changed ? (int32_t)((int64_t)(word[k + 1] * places >> 32) - s->padding) : 0;
}

static void point(const void *context, double x, double y, double out[2]) {
    const int32_t *by = context;
    out[0] = x - (double)by[1];
    out[1] = y - (double)by[0];
}

static void move(const struct crop *s, const struct rn_image *m, uint8_t *p,
                 const int32_t by[2]) {
    for (uint64_t c = 0; c < m->planes; c++, p += rn_image_plane(m)) {
        shift(m, p, by[0], by[1]);
        if (s->reflect)
            reflect(m, p, by[0], by[1]);
    }
}

static int32_t apply(void *self, const struct rn_augment_call *call,
                     struct rn_error *e) {
    const struct crop *s = self;
    const struct rn_scene *a = &s->scene;
    (void)e;
    for (uint64_t i = 0; i < call->rows; i++) {
        int32_t by[2];
        decide_row(s, call, i, by);
        if (!by[0] && !by[1])
            continue;
        rn_scene_log(a, i, "dy", by[0]);
        rn_scene_log(a, i, "dx", by[1]);
        for (uint32_t k = 0; k < a->images.count; k++) {
            const struct rn_image *m = &a->images.at[k];
            uint8_t *p = rn_image_row(call, &a->images, k, i);
            if (a->role[k] == RN_SCENE_BOXES)
                rn_scene_move_boxes((float *)(void *)p, m->height, a->height, a->width,
                                    point, by);
            else
                move(s, m, p, by);
        }
    }
    return RN_OK;
}

static uint32_t numbers(void *self) {
    return rn_scene_boxed(self) ? 0 : 2;
}

static int32_t decide(void *self, const struct rn_augment_call *call,
                      struct rn_error *e) {
    (void)e;
    for (uint64_t i = 0; i < call->rows; i++)
        decide_row(self, call, i, call->numbers + 2 * i);
    return RN_OK;
}

/* Places 0 .. n-1 of an axis, moved by number k. */
static rn_value moved(struct rn_build *b, const struct crop *s, int64_t n, int axis,
                      int64_t k) {
    rn_value at = rn_add(b, rn_image_count(b, n, axis, RN_I32), rn_image_number(b, k));
    if (!s->reflect)
        return at;
    rn_value last = rn_image_whole(b, 2 * (n - 1), RN_I32);
    at = rn_maximum(b, at, rn_sub(b, rn_image_whole(b, 0, RN_I32), at));
    return rn_minimum(b, at, rn_sub(b, last, at));
}

static int32_t describe(struct rn_build *b, uint32_t field) {
    const struct crop *s = b->self;
    const struct rn_image *m = &s->scene.images.at[field];
    rn_value y = moved(b, s, m->height, 2, 0), x = moved(b, s, m->width, 3, 1);
    rn_image_close(b, rn_image_fetch(b, m, rn_image_open(b, m), y, x, !s->reflect));
    return RN_OK;
}

static const struct rn_augment iface = {sizeof(struct rn_augment),
                                        0,
                                        create,
                                        rn_scene_destroy,
                                        plan,
                                        apply,
                                        numbers,
                                        decide,
                                        describe};

RN_AUGMENT(crop, iface, "runner/crop 1",
           RN_DOC("Pad an image and cut its size out at a random place")
           RN_IMAGE_OF_OPTION("the image, or several fields of one size")
           RN_SCENE_BOXES_OPTION RN_OPTION("padding int = 4 ; min 0 ; max 65535 | pixels on each side")
           RN_OPTION("p float = 1 ; min 0 ; max 1 | share of samples changed")
           RN_IMAGE_FILL_OPTION("value of the padding")
           RN_OPTION("border choice(fill,reflect) = fill | what the padding holds: "
                     "`fill`, or the image mirrored at its edges"));
RN_PLUGIN(&crop);
