/* SPDX-License-Identifier: Apache-2.0 */
/* Change brightness, contrast, saturation and hue of an image by random factors, in a
 * random order. */
#include <runner/sdk/pixels.h>
#include <runner/sdk/scene.h>

enum { BRIGHTNESS, CONTRAST, SATURATION, HUE, PARTS };
static const char *const names[PARTS] = {"brightness", "contrast", "saturation", "hue"};

struct jitter {
    struct rn_scene scene;  /* first */
    double range[PARTS][2]; /* of factors; of the turn of the hue */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct jitter *s = rn_scene_create(sizeof *s, h, self, e);
    int32_t status = s ? RN_OK : RN_E_MEMORY;
    if (!s)
        return status;
    s->scene.max = rn_get_float(h, "max");
    for (int k = 0; k < HUE && status == RN_OK; k++)
        status = rn_scene_range(h, names[k], 1.0, 0.0, 1e6, s->range[k], e);
    return status == RN_OK ? rn_scene_range(h, "hue", 0.0, -0.5, 0.5, s->range[HUE], e)
                           : status;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    return rn_scene_plan(self, p, RN_SCENE_MEANS | RN_SCENE_ANY | RN_SCENE_COLOURS, e);
}

/* What is drawn; `none`: that part is not there. */
struct drawn {
    uint64_t order[PARTS];
    double by[PARTS], none[PARTS];
};

static void jitter_one(const struct rn_image *m, void *p, void *context) {
    const struct drawn *d = context;
    for (int k = 0; k < PARTS; k++) {
        uint64_t part = d->order[k];
        if (d->none[part] == d->by[part])
            continue;
        if (part == BRIGHTNESS)
            rn_pixels_brightness(m, p, d->by[part]);
        else if (part == CONTRAST)
            rn_pixels_contrast(m, p, d->by[part]);
        else if (part == SATURATION)
            rn_pixels_saturation(m, p, d->by[part]);
        else
            rn_pixels_hue(m, p, d->by[part]);
    }
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct jitter *s = self;
    struct drawn d = {{0, 1, 2, 3}, {0}, {1.0, 1.0, 1.0, 0.0}};
    (void)e;
    rn_draw_shuffle(&r->draws, d.order, PARTS);
    for (int k = 0; k < PARTS; k++)
        d.by[k] = rn_draw_between(&r->draws, s->range[k]);
    for (int k = 0; k < PARTS; k++)
        if (s->range[d.order[k]][0] != s->range[d.order[k]][1] ||
            d.by[d.order[k]] != d.none[d.order[k]])
            rn_scene_log(&s->scene, r->row, names[d.order[k]], d.by[d.order[k]]);
    rn_scene_pixels(&s->scene, r, jitter_one, &d);
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(color_jitter, iface, "runner/color_jitter 1",
           RN_DOC("Change brightness, contrast, saturation and hue at random, in a random "
                  "order")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("brightness list(float) = 0 ; min 0 | b: a factor of 1 - b .. 1 + b; or its "
                     "lowest and highest")
           RN_OPTION("contrast list(float) = 0 ; min 0 | the same, away from the mean grey")
           RN_OPTION("saturation list(float) = 0 ; min 0 | the same, away from each pixel's grey")
           RN_OPTION("hue list(float) = 0 ; min -0.5 ; max 0.5 | h: turned by -h .. h, 1 is once around, at "
                     "most 0.5; or the lowest and highest")
           RN_SCENE_P_OPTION
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&color_jitter);
