/* SPDX-License-Identifier: Apache-2.0 */
/* Mirror an image. Word 0 decides; with `alternate` that of epoch 0, and every other
 * epoch is the other way around (Jordan 2024, section 3.6): an image is seen both ways
 * in any two epochs that follow each other. */
#include <stdbool.h>
#include <stdlib.h>

#include <runner/sdk/scene.h>

struct flip {
    struct rn_scene scene; /* first */
    float p;
    int vertical, alternate;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct flip *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->p = (float)s->scene.p;
    s->vertical = strcmp(rn_get_string(h, "axis"), "vertical") == 0;
    s->alternate = rn_get_bool(h, "alternate");
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    return rn_scene_plan(self, p, RN_SCENE_BOXED | RN_SCENE_ANY, e);
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
MIRROR(mirror_u16, uint16_t)
MIRROR(mirror_u32, uint32_t)
MIRROR(mirror_u64, uint64_t)

static void mirror(void *p, int64_t n, uint64_t item) {
    switch (item) {
    case 1:
        mirror_u8(p, n);
        break;
    case 2:
        mirror_u16(p, n);
        break;
    case 4:
        mirror_u32(p, n);
        break;
    default:
        mirror_u64(p, n);
        break;
    }
}

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

static bool decide_row(const struct flip *s, const struct rn_augment_call *call,
                       uint64_t i) {
    uint32_t word[4];
    rn_image_random_at(call, s->alternate ? 0 : call->epoch, i, 0, word);
    bool mirrored = rn_uniform_f32(word[0]) < s->p;
    return s->alternate && call->epoch % 2 ? !mirrored : mirrored;
}

static void turn(const struct flip *s, const struct rn_image *m, uint8_t *p) {
    uint64_t item = RN_DTYPE_BYTES(m->dtype), line = (uint64_t)m->width * item;
    if (s->vertical)
        for (uint64_t c = 0; c < m->planes; c++)
            swap_lines(p + c * rn_image_plane(m), m->height, line);
    else
        for (uint64_t y = 0; y < m->planes * (uint64_t)m->height; y++)
            mirror(p + y * line, m->width, item);
}

static void point(const void *context, double x, double y, double out[2]) {
    const struct flip *s = context;
    out[0] = s->vertical ? x : (double)s->scene.width - x;
    out[1] = s->vertical ? (double)s->scene.height - y : y;
}

static int32_t apply(void *self, const struct rn_augment_call *call,
                     struct rn_error *e) {
    const struct flip *s = self;
    const struct rn_scene *a = &s->scene;
    (void)e;
    for (uint64_t i = 0; i < call->rows; i++) {
        if (!decide_row(s, call, i))
            continue;
        rn_scene_log_word(a, i, "mirrored", "");
        for (uint32_t k = 0; k < a->images.count; k++) {
            const struct rn_image *m = &a->images.at[k];
            uint8_t *p = rn_image_row(call, &a->images, k, i);
            if (a->role[k] == RN_SCENE_BOXES)
                rn_scene_move_boxes((float *)(void *)p, m->height, a->height, a->width,
                                    point, s);
            else
                turn(s, m, p);
        }
    }
    return RN_OK;
}

static uint32_t numbers(void *self) {
    return rn_scene_boxed(self) ? 0 : 1;
}

static int32_t decide(void *self, const struct rn_augment_call *call,
                      struct rn_error *e) {
    (void)e;
    for (uint64_t i = 0; i < call->rows; i++)
        call->numbers[i] = decide_row(self, call, i);
    return RN_OK;
}

static int32_t describe(struct rn_build *b, uint32_t field) {
    const struct flip *s = b->self;
    const struct rn_image *m = &s->scene.images.at[field];
    int axis = s->vertical ? 2 : 3;
    int64_t n = s->vertical ? m->height : m->width;
    rn_value at[2] = {rn_image_count(b, m->height, 2, RN_I32),
                      rn_image_count(b, m->width, 3, RN_I32)};
    rn_value *here = &at[axis - 2], last = rn_image_whole(b, n - 1, RN_I32);
    rn_value zero = rn_image_whole(b, 0, RN_I32);
    *here = rn_select(b, rn_ne(b, rn_image_number(b, 0), zero), rn_sub(b, last, *here),
                      *here);
    rn_image_close(b, rn_image_fetch(b, m, rn_image_open(b, m), at[0], at[1], 0));
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

RN_AUGMENT(flip, iface, "runner/flip 1",
           RN_DOC("Mirror an image at random")
           RN_IMAGE_OF_OPTION("the image, or several fields")
           RN_OPTION("p float = 0.5 ; min 0 ; max 1 | share of samples mirrored")
           RN_SCENE_BOXES_OPTION RN_OPTION("axis choice(horizontal,vertical) = horizontal | left and "
                     "right, or top and bottom, change places")
           RN_OPTION("alternate bool = false | what is mirrored in one epoch is not in the "
                     "next; p is for the first"));
RN_PLUGIN(&flip);
