/* SPDX-License-Identifier: Apache-2.0 */
/* RandAugment (Cubuk et al. 2020): a few of 14 operations, each drawn alike, all of one
 * magnitude. */
#include <runner/sdk/policy.h>

struct rand_augment {
    struct rn_scene scene; /* first */
    int64_t ops, magnitude, bins;
    int nearest;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct rand_augment *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->scene.max = rn_get_float(h, "max");
    s->nearest = strcmp(rn_get_string(h, "interpolation"), "nearest") == 0;
    s->ops = rn_get_int(h, "ops");
    s->magnitude = rn_get_int(h, "magnitude");
    s->bins = rn_get_int(h, "bins");
    if (s->magnitude >= s->bins)
        return rn_fail_option(e, RN_E_CONFIG, "magnitude",
                              "must be one of %lld bins, 0 .. %lld", (long long)s->bins,
                              (long long)s->bins - 1);
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct rn_scene *s = self;
    int32_t status = rn_scene_plan(s, p, RN_POLICY_ASKS, e);
    s->scratch = rn_warp_scratch(s);
    return status;
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct rand_augment *s = self;
    (void)e;
    for (int64_t k = 0; k < s->ops; k++) {
        int op = (int)rn_draw_below(&r->draws, RN_OP_INVERT);
        double magnitude = rn_policy_draw(&s->scene, &r->draws, &rn_space_rand, op,
                                          s->magnitude, s->bins);
        rn_policy_change(&s->scene, r, op, magnitude, s->nearest);
    }
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(rand_augment, iface, "runner/rand_augment 1",
           RN_DOC("A few random changes of one magnitude (RandAugment, Cubuk et al. 2020)")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("ops int = 2 ; min 0 ; max 100 | how many changes, one after the other")
           RN_OPTION("magnitude int = 9 ; min 0 | of each: a bin, 0 changes least")
           RN_OPTION("bins int = 31 ; min 2 ; max 1000 | of magnitudes")
           RN_POLICY_INTERPOLATION_OPTION
           RN_SCENE_P_OPTION
           RN_IMAGE_FILL_OPTION("value of what is outside")
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&rand_augment);
