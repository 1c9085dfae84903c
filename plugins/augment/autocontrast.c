/* SPDX-License-Identifier: Apache-2.0 */
/* Stretch each channel to the whole range. */
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

static void autocontrast_one(const struct rn_image *m, void *p, void *context) {
    (void)context;
    rn_pixels_autocontrast(m, p);
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    (void)e;
    rn_scene_log_word(self, r->row, "autocontrast", "");
    rn_scene_pixels(self, r, autocontrast_one, NULL);
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(autocontrast, iface, "runner/autocontrast 1", RN_DOC("Stretch each channel of an image to the whole range")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("p float = 0.5 ; min 0 ; max 1 | share of samples changed")
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&autocontrast);
