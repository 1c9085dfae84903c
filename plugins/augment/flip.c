/* SPDX-License-Identifier: Apache-2.0 */
/* Mirror an image. Word 0 decides. */
#include "image.h"

struct flip {
    struct image image;
    float p;
    int vertical;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct flip *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for an augmenter", NULL, NULL);
    s->p = (float)rn_get_float(h, "p", 0.5);
    s->vertical = strcmp(rn_get_string(h, "axis", "horizontal"), "vertical") == 0;
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_field *field, struct rn_error *e) {
    return image_plan(&((struct flip *)self)->image, field, e);
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

static int32_t apply(void *self, uint64_t n, const struct rn_augment_at *at,
                     const struct rn_tensor *data, struct rn_error *e) {
    const struct flip *s = self;
    const struct image *m = &s->image;
    uint64_t item = RN_DTYPE_BYTES(m->dtype), line = (uint64_t)m->width * item;
    uint64_t plane = line * (uint64_t)m->height;
    (void)e;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t word[4];
        uint8_t *p = (uint8_t *)data->data + i * m->planes * plane;
        image_random(at, i, 0, word);
        if (!(rn_uniform_f32(word[0]) < s->p))
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

static const struct rn_augment iface = {
    sizeof(struct rn_augment), 0, create, free, plan, apply};

RN_AUGMENT(flip, iface, "runner/flip 1",
           RN_DOC("Mirror an image at random")
           IMAGE_OF("the image")
           RN_OPTION("p float = 0.5 ; min 0 ; max 1 | share of samples mirrored")
           RN_OPTION("axis choice(horizontal,vertical) = horizontal | left and "
                     "right, or top and bottom, change places"));
RN_PLUGIN(&flip);
