/* SPDX-License-Identifier: Apache-2.0 */
/* TrivialAugment (Müller and Hutter 2021), the wide space: one of 14 operations, of a
 * magnitude drawn from all bins. */
#include <runner/sdk/policy.h>

struct trivial_augment {
    struct rn_scene scene; /* first */
    int64_t bins;
    int nearest;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct trivial_augment *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->scene.max = rn_get_float(h, "max");
    s->nearest = strcmp(rn_get_string(h, "interpolation"), "nearest") == 0;
    s->bins = rn_get_int(h, "bins");
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct rn_scene *s = self;
    int32_t status = rn_scene_plan(s, p, RN_POLICY_ASKS, e);
    s->scratch = rn_warp_scratch(s);
    return status;
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct trivial_augment *s = self;
    int op = (int)rn_draw_below(&r->draws, RN_OP_INVERT);
    int64_t bin = (int64_t)rn_draw_below(&r->draws, (uint64_t)s->bins);
    double magnitude =
        rn_policy_draw(&s->scene, &r->draws, &rn_space_wide, op, bin, s->bins);
    (void)e;
    rn_policy_change(&s->scene, r, op, magnitude, s->nearest);
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(trivial_augment, iface, "runner/trivial_augment 1",
           RN_DOC("One random change of a random magnitude (TrivialAugmentWide, Müller and "
                  "Hutter 2021)")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("bins int = 31 ; min 2 ; max 1000 | of magnitudes")
           RN_POLICY_INTERPOLATION_OPTION
           RN_SCENE_P_OPTION
           RN_IMAGE_FILL_OPTION("value of what is outside")
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&trivial_augment);
