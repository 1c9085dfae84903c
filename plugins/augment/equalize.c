/* SPDX-License-Identifier: Apache-2.0 */
/* Equalize the histogram of each channel, as Pillow's ImageOps does. */
#include <runner/sdk/pixels.h>
#include <runner/sdk/scene.h>

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct rn_scene *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->max = rn_get_float(h, "max");
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    return rn_scene_plan(self, p, RN_SCENE_MEANS | RN_SCENE_ANY, e);
}

static void equalize_one(const struct rn_image *m, void *p, void *context) {
    (void)context;
    rn_pixels_equalize(m, p);
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    (void)e;
    rn_scene_log_word(self, r->row, "equalize", "");
    rn_scene_pixels(self, r, equalize_one, NULL);
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(equalize, iface, "runner/equalize 1", RN_DOC("Equalize the histogram of each channel of an image")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("p float = 0.5 ; min 0 ; max 1 | share of samples changed")
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&equalize);
