/* SPDX-License-Identifier: Apache-2.0 */
/* Turn, shift, scale and shear an image about its centre by random amounts. */
#include <runner/sdk/warp.h>

struct affine {
    struct rn_scene scene; /* first */
    double degrees[2], scale[2], shear[2][2];
    double translate[2]; /* shares of width and height */
    int nearest;
};

/* One number: along x, -s .. s; two: its lowest and highest; four: those of y too. */
static int32_t read_shear(struct affine *s, struct rn_host *h, struct rn_error *e) {
    uint32_t n = rn_get_count(h, "shear");
    char path[32];
    for (uint32_t k = 0; k < n && k < 4; k++)
        s->shear[k / 2][k % 2] =
            rn_get_float(h, rn_path(path, sizeof path, "shear", k));
    if (n == 1) {
        s->shear[0][1] = fabs(s->shear[0][0]);
        s->shear[0][0] = -s->shear[0][1];
    }
    if ((n != 1 && n != 2 && n != 4) || s->shear[0][0] > s->shear[0][1] ||
        s->shear[1][0] > s->shear[1][1])
        return rn_fail_option(
            e, RN_E_CONFIG, "shear",
            "expects 1, 2 or 4 numbers: s of x, or the lowest and the "
            "highest of x, then of y");
    return RN_OK;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct affine *s = rn_scene_create(sizeof *s, h, self, e);
    char path[32];
    if (!s)
        return RN_E_MEMORY;
    uint32_t n = rn_get_count(h, "translate");
    for (uint32_t k = 0; k < 2; k++)
        s->translate[k] =
            rn_get_float(h, rn_path(path, sizeof path, "translate", n > 1 ? k : 0));
    s->nearest = strcmp(rn_get_string(h, "interpolation"), "nearest") == 0;
    s->scale[0] = s->scale[1] = 1.0;
    int32_t status = rn_scene_range(h, "degrees", 0.0, -360.0, 360.0, s->degrees, e);
    if (status == RN_OK)
        status = rn_scene_pair(h, "scale", s->scale, e);
    return status == RN_OK ? read_shear(s, h, e) : status;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct affine *s = self;
    int32_t status = rn_scene_plan(&s->scene, p, RN_WARP_ASKS, e);
    s->scene.scratch = rn_warp_scratch(&s->scene);
    return status;
}

/* Whole pixels, up to a share of n either way. */
static double draw_shift(struct rn_draws *d, double share, int64_t n) {
    double range[2] = {-share * (double)n, share * (double)n};
    return rn_round_f64(rn_draw_between(d, range));
}

/* Those that are not what an image is without them. */
static void log_draws(const struct affine *s, uint64_t row, const struct rn_affine *t) {
    const struct {
        const char *name;
        double value, none;
    } all[] = {{"angle", t->angle, 0.0},
               {"translate_x", t->translate[0], 0.0},
               {"translate_y", t->translate[1], 0.0},
               {"scale", t->scale, 1.0},
               {"shear_x", t->shear[0], 0.0},
               {"shear_y", t->shear[1], 0.0}};
    for (int k = 0; k < 6; k++)
        if (all[k].value != all[k].none)
            rn_scene_log(&s->scene, row, all[k].name, all[k].value);
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct affine *s = self;
    struct rn_warp w = rn_warp_begin(&s->scene, r->scratch);
    struct rn_affine t = {.angle = rn_draw_between(&r->draws, s->degrees)};
    double map[6], forward[6];
    (void)e;
    t.translate[0] = draw_shift(&r->draws, s->translate[0], w.width);
    t.translate[1] = draw_shift(&r->draws, s->translate[1], w.height);
    t.scale = rn_draw_between(&r->draws, s->scale);
    t.shear[0] = rn_draw_between(&r->draws, s->shear[0]);
    t.shear[1] = rn_draw_between(&r->draws, s->shear[1]);
    log_draws(s, r->row, &t);
    rn_affine_matrix(&t, 1, map);
    rn_warp_affine(&w, map);
    t.centre[0] = 0.5 * (double)w.width; /* boxes count from the corner */
    t.centre[1] = 0.5 * (double)w.height;
    rn_affine_matrix(&t, 0, forward);
    rn_warp_scene(&s->scene, r, &w, s->nearest, rn_affine_point, forward);
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(affine, iface, "runner/affine 1",
           RN_DOC("Turn, shift, scale and shear an image at random")
           RN_SCENE_OF_OPTION
           RN_OPTION("degrees list(float) = 0 ; unit degree | d: turned by -d .. d, "
                     "clockwise; or the lowest and highest")
           RN_OPTION("translate list(float) = 0 ; min 0 ; max 1 | shifted by up to this "
                     "share of the width and of the height, in whole pixels; two numbers: "
                     "one for each")
           RN_OPTION("scale list(float) ; min 0.01 ; max 100 | a factor; two numbers: drawn "
                     "between them; default: 1")
           RN_OPTION("shear list(float) = 0 ; above -90 ; below 90 ; unit degree | s: along "
                     "x by -s .. s; two numbers: the lowest and highest of x; four: then "
                     "those of y")
           RN_WARP_INTERPOLATION_OPTION
           RN_SCENE_P_OPTION
           RN_IMAGE_FILL_OPTION("value of what is outside")
           RN_SCENE_NEAREST_OPTION
           RN_SCENE_BOXES_OPTION);
RN_PLUGIN(&affine);
