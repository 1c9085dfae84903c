/* SPDX-License-Identifier: Apache-2.0 */
/* Mirror an image. Word 0 decides; with `alternate` that of epoch 0, and every other
 * epoch is the other way around (Jordan 2024, section 3.6): an image is seen both ways
 * in any two epochs that follow each other. */
#include <stdbool.h>
#include <stdlib.h>

#include <runner/sdk/image.h>

struct flip {
    struct rn_image image;
    float p;
    int vertical, alternate;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct flip *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for an augmenter", NULL, NULL);
    s->p = (float)rn_get_float(h, "p", 0.5);
    s->vertical = strcmp(rn_get_string(h, "axis", "horizontal"), "vertical") == 0;
    s->alternate = rn_get_bool(h, "alternate", 0);
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_field *field, struct rn_error *e) {
    return rn_image_plan(&((struct flip *)self)->image, field, e);
}

/* Turn n elements around, from both ends; what is read is kept aside, so that the loops
 * over whole vectors are the compiler's. */
#define PIECE 8
#define MIRROR(name, type)                                                             \
    static void name(type *p, int64_t n) {                                             \
        type low[PIECE], high[PIECE], *q = p + n;                                      \
        for (; q - p >= 2 * PIECE; p += PIECE, q -= PIECE) {                           \
            memcpy(low, p, sizeof low);                                                \
            memcpy(high, q - PIECE, sizeof high);                                      \
            for (int k = 0; k < PIECE; k++)                                            \
                p[k] = high[PIECE - 1 - k];                                            \
            for (int k = 0; k < PIECE; k++)                                            \
                q[k - PIECE] = low[PIECE - 1 - k];                                     \
        }                                                                              \
        for (q--; p < q; p++, q--) {                                                   \
            type t = *p;                                                               \
            *p = *q;                                                                   \
            *q = t;                                                                    \
        }                                                                              \
    }
MIRROR(mirror_u8, uint8_t)
MIRROR(mirror_u32, uint32_t)

/* The lines of a plane change places. */
static void swap_lines(uint8_t *p, int64_t n, uint64_t line) {
    uint8_t *q = p + (uint64_t)(n - 1) * line;
    for (; p < q; p += line, q -= line)
        for (uint64_t k = 0; k < line; k++) {
            uint8_t t = p[k];
            p[k] = q[k];
            q[k] = t;
        }
}

static bool decide_row(const struct flip *s, const struct rn_augment_at *at,
                       uint64_t i) {
    struct rn_augment_at first = *at;
    uint32_t word[4];
    if (s->alternate)
        first.epoch = 0;
    rn_image_random(&first, i, 0, word);
    bool mirrored = rn_uniform_f32(word[0]) < s->p;
    return s->alternate && at->epoch % 2 ? !mirrored : mirrored;
}

static int32_t apply(void *self, uint64_t n, const struct rn_augment_at *at,
                     const struct rn_tensor *data, struct rn_error *e) {
    const struct flip *s = self;
    const struct rn_image *m = &s->image;
    uint64_t item = RN_DTYPE_BYTES(m->dtype), line = (uint64_t)m->width * item;
    uint64_t plane = line * (uint64_t)m->height;
    (void)e;
    for (uint64_t i = 0; i < n; i++) {
        uint8_t *p = (uint8_t *)data->data + i * m->planes * plane;
        if (!decide_row(s, at, i))
            continue;
        if (s->vertical)
            for (uint64_t c = 0; c < m->planes; c++)
                swap_lines(p + c * plane, m->height, line);
        else
            for (uint64_t y = 0; y < m->planes * (uint64_t)m->height; y++)
                if (item == 1)
                    mirror_u8(p + y * line, m->width);
                else
                    mirror_u32((uint32_t *)(void *)(p + y * line), m->width);
    }
    return RN_OK;
}

static uint32_t numbers(void *self) {
    (void)self;
    return 1;
}

static int32_t decide(void *self, uint64_t n, const struct rn_augment_at *at,
                      int32_t *out, struct rn_error *e) {
    (void)e;
    for (uint64_t i = 0; i < n; i++)
        out[i] = decide_row(self, at, i);
    return RN_OK;
}

static int32_t describe(void *self, struct rn_build *b) {
    const struct flip *s = self;
    const struct rn_image *m = &s->image;
    int axis = s->vertical ? 2 : 3;
    int64_t n = s->vertical ? m->height : m->width;
    rn_value at[2] = {rn_image_count(b, m->height, 2, RN_I32),
                      rn_image_count(b, m->width, 3, RN_I32)};
    rn_value *here = &at[axis - 2], last = rn_image_whole(b, n - 1, RN_I32);
    rn_value zero = rn_image_whole(b, 0, RN_I32);
    *here = rn_select(b, rn_ne(b, rn_image_number(b, 0), zero), rn_sub(b, last, *here),
                      *here);
    rn_image_close(b, rn_image_fetch(b, m, rn_image_open(b, m), at[0], at[1], 0.0f, 0));
    return RN_OK;
}

static const struct rn_augment iface = {
    sizeof(struct rn_augment), 0, create, free, plan, apply, numbers, decide, describe};

RN_AUGMENT(flip, iface, "runner/flip 1",
           RN_DOC("Mirror an image at random")
           RN_IMAGE_OF_OPTION("the image")
           RN_OPTION("p float = 0.5 ; min 0 ; max 1 | share of samples mirrored")
           RN_OPTION("axis choice(horizontal,vertical) = horizontal | left and "
                     "right, or top and bottom, change places")
           RN_OPTION("alternate bool = false | what is mirrored in one epoch is not in the "
                     "next; p is for the first"));
RN_PLUGIN(&flip);
