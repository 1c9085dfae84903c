/* SPDX-License-Identifier: Apache-2.0 */
/* Keep the highest bits of each pixel of an image. */
#include <runner/sdk/pixels.h>
#include <runner/sdk/scene.h>

struct posterize {
    struct rn_scene scene; /* first */
    double bits[2];        /* lowest, highest */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct posterize *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->scene.max = rn_get_float(h, "max");
    return rn_scene_pair(h, "bits", s->bits, e);
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    return rn_scene_plan(self, p, RN_SCENE_MEANS | RN_SCENE_ANY, e);
}

static void posterize_one(const struct rn_image *m, void *p, void *context) {
    rn_pixels_posterize(m, p, *(const int *)context);
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct posterize *s = self;
    uint64_t choices = (uint64_t)(s->bits[1] - s->bits[0]) + 1;
    int bits = (int)s->bits[0] + (int)rn_draw_below(&r->draws, choices);
    (void)e;
    rn_scene_log(&s->scene, r->row, "bits", bits);
    rn_scene_pixels(&s->scene, r, posterize_one, &bits);
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(posterize, iface, "runner/posterize 1", RN_DOC("Keep the highest bits of each pixel of an image")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("bits list(int) = 4 ; min 0 ; max 8 | of 8 that are kept; two numbers: drawn from the lowest to the "
                     "highest")
           RN_OPTION("p float = 0.5 ; min 0 ; max 1 | share of samples changed")
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&posterize);
