/* SPDX-License-Identifier: Apache-2.0 */
/* Invert the pixels of an image that are at least as bright as a threshold. */
#include <runner/sdk/pixels.h>
#include <runner/sdk/scene.h>

struct solarize {
    struct rn_scene scene; /* first */
    double threshold[2];   /* lowest, highest */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct solarize *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->scene.max = rn_get_float(h, "max");
    return rn_scene_pair(h, "threshold", s->threshold, e);
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    return rn_scene_plan(self, p, RN_SCENE_MEANS | RN_SCENE_ANY, e);
}

static void solarize_one(const struct rn_image *m, void *p, void *context) {
    double threshold = *(const double *)context;
    rn_pixels_solarize(m, p, m->dtype == RN_U8 ? 255.0 * threshold : threshold);
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct solarize *s = self;
    double threshold = rn_draw_between(&r->draws, s->threshold);
    (void)e;
    rn_scene_log(&s->scene, r->row, "threshold", threshold);
    rn_scene_pixels(&s->scene, r, solarize_one, &threshold);
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(solarize, iface, "runner/solarize 1", RN_DOC("Invert the bright pixels of an image")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("threshold list(float) = 0.5 ; min 0 ; max 1 | pixels from this share of white on are inverted; two "
                     "numbers: drawn between them")
           RN_OPTION("p float = 0.5 ; min 0 ; max 1 | share of samples changed")
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&solarize);
