/* SPDX-License-Identifier: Apache-2.0 */
/* Sharpen an image, or smooth it: towards and away from a 3 x 3 mean. */
#include <runner/sdk/pixels.h>
#include <runner/sdk/scene.h>

struct sharpness {
    struct rn_scene scene; /* first */
    double factor[2];      /* lowest, highest */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct sharpness *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->scene.max = rn_get_float(h, "max");
    return rn_scene_pair(h, "factor", s->factor, e);
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct rn_scene *s = self;
    int32_t status = rn_scene_plan(s, p, RN_SCENE_MEANS | RN_SCENE_ANY, e);
    s->scratch = rn_scene_plane(s);
    return status;
}

struct sharpening {
    double factor;
    void *copy; /* a plane */
};

static void sharpen_one(const struct rn_image *m, void *p, void *context) {
    const struct sharpening *c = context;
    rn_pixels_sharpness(m, p, c->factor, c->copy);
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct sharpness *s = self;
    struct sharpening c = {rn_draw_between(&r->draws, s->factor), r->scratch};
    (void)e;
    rn_scene_log(&s->scene, r->row, "factor", c.factor);
    rn_scene_pixels(&s->scene, r, sharpen_one, &c);
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(sharpness, iface, "runner/sharpness 1", RN_DOC("Sharpen or smooth an image")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("factor list(float) = 2 ; min 0 ; max 100 | 1 changes nothing, 0 smooths, 2 sharpens; two numbers: "
                     "drawn between them")
           RN_OPTION("p float = 0.5 ; min 0 ; max 1 | share of samples changed")
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&sharpness);
