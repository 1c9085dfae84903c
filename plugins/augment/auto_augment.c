/* SPDX-License-Identifier: Apache-2.0 */
/* AutoAugment (Cubuk et al. 2019): one of 25 pairs of operations that were learnt on a
 * data set, each operation with its probability and magnitude. */
#include <runner/sdk/policy.h>

#define PAIRS 25
#define BINS  10

struct step {
    int op;
    double p;
    int bin;
};

/* Short names for the tables below. */
enum {
    SHEAR_X = RN_OP_SHEAR_X,
    SHEAR_Y = RN_OP_SHEAR_Y,
    TRANSLATE_X = RN_OP_TRANSLATE_X,
    TRANSLATE_Y = RN_OP_TRANSLATE_Y,
    ROTATE = RN_OP_ROTATE,
    BRIGHTNESS = RN_OP_BRIGHTNESS,
    COLOR = RN_OP_COLOR,
    CONTRAST = RN_OP_CONTRAST,
    SHARPNESS = RN_OP_SHARPNESS,
    POSTERIZE = RN_OP_POSTERIZE,
    SOLARIZE = RN_OP_SOLARIZE,
    AUTOCONTRAST = RN_OP_AUTOCONTRAST,
    EQUALIZE = RN_OP_EQUALIZE,
    INVERT = RN_OP_INVERT,
};

/* The policies of the paper's appendix, as torchvision 0.29 has them. */
static const struct step imagenet[PAIRS][2] = {
    {{POSTERIZE, 0.4, 8}, {ROTATE, 0.6, 9}},
    {{SOLARIZE, 0.6, 5}, {AUTOCONTRAST, 0.6, 0}},
    {{EQUALIZE, 0.8, 0}, {EQUALIZE, 0.6, 0}},
    {{POSTERIZE, 0.6, 7}, {POSTERIZE, 0.6, 6}},
    {{EQUALIZE, 0.4, 0}, {SOLARIZE, 0.2, 4}},
    {{EQUALIZE, 0.4, 0}, {ROTATE, 0.8, 8}},
    {{SOLARIZE, 0.6, 3}, {EQUALIZE, 0.6, 0}},
    {{POSTERIZE, 0.8, 5}, {EQUALIZE, 1.0, 0}},
    {{ROTATE, 0.2, 3}, {SOLARIZE, 0.6, 8}},
    {{EQUALIZE, 0.6, 0}, {POSTERIZE, 0.4, 6}},
    {{ROTATE, 0.8, 8}, {COLOR, 0.4, 0}},
    {{ROTATE, 0.4, 9}, {EQUALIZE, 0.6, 0}},
    {{EQUALIZE, 0.0, 0}, {EQUALIZE, 0.8, 0}},
    {{INVERT, 0.6, 0}, {EQUALIZE, 1.0, 0}},
    {{COLOR, 0.6, 4}, {CONTRAST, 1.0, 8}},
    {{ROTATE, 0.8, 8}, {COLOR, 1.0, 2}},
    {{COLOR, 0.8, 8}, {SOLARIZE, 0.8, 7}},
    {{SHARPNESS, 0.4, 7}, {INVERT, 0.6, 0}},
    {{SHEAR_X, 0.6, 5}, {EQUALIZE, 1.0, 0}},
    {{COLOR, 0.4, 0}, {EQUALIZE, 0.6, 0}},
    {{EQUALIZE, 0.4, 0}, {SOLARIZE, 0.2, 4}},
    {{SOLARIZE, 0.6, 5}, {AUTOCONTRAST, 0.6, 0}},
    {{INVERT, 0.6, 0}, {EQUALIZE, 1.0, 0}},
    {{COLOR, 0.6, 4}, {CONTRAST, 1.0, 8}},
    {{EQUALIZE, 0.8, 0}, {EQUALIZE, 0.6, 0}},
};
static const struct step cifar10[PAIRS][2] = {
    {{INVERT, 0.1, 0}, {CONTRAST, 0.2, 6}},
    {{ROTATE, 0.7, 2}, {TRANSLATE_X, 0.3, 9}},
    {{SHARPNESS, 0.8, 1}, {SHARPNESS, 0.9, 3}},
    {{SHEAR_Y, 0.5, 8}, {TRANSLATE_Y, 0.7, 9}},
    {{AUTOCONTRAST, 0.5, 0}, {EQUALIZE, 0.9, 0}},
    {{SHEAR_Y, 0.2, 7}, {POSTERIZE, 0.3, 7}},
    {{COLOR, 0.4, 3}, {BRIGHTNESS, 0.6, 7}},
    {{SHARPNESS, 0.3, 9}, {BRIGHTNESS, 0.7, 9}},
    {{EQUALIZE, 0.6, 0}, {EQUALIZE, 0.5, 0}},
    {{CONTRAST, 0.6, 7}, {SHARPNESS, 0.6, 5}},
    {{COLOR, 0.7, 7}, {TRANSLATE_X, 0.5, 8}},
    {{EQUALIZE, 0.3, 0}, {AUTOCONTRAST, 0.4, 0}},
    {{TRANSLATE_Y, 0.4, 3}, {SHARPNESS, 0.2, 6}},
    {{BRIGHTNESS, 0.9, 6}, {COLOR, 0.2, 8}},
    {{SOLARIZE, 0.5, 2}, {INVERT, 0.0, 0}},
    {{EQUALIZE, 0.2, 0}, {AUTOCONTRAST, 0.6, 0}},
    {{EQUALIZE, 0.2, 0}, {EQUALIZE, 0.6, 0}},
    {{COLOR, 0.9, 9}, {EQUALIZE, 0.6, 0}},
    {{AUTOCONTRAST, 0.8, 0}, {SOLARIZE, 0.2, 8}},
    {{BRIGHTNESS, 0.1, 3}, {COLOR, 0.7, 0}},
    {{SOLARIZE, 0.4, 5}, {AUTOCONTRAST, 0.9, 0}},
    {{TRANSLATE_Y, 0.9, 9}, {TRANSLATE_Y, 0.7, 9}},
    {{AUTOCONTRAST, 0.9, 0}, {SOLARIZE, 0.8, 3}},
    {{EQUALIZE, 0.8, 0}, {INVERT, 0.1, 0}},
    {{TRANSLATE_Y, 0.7, 9}, {AUTOCONTRAST, 0.9, 0}},
};
static const struct step svhn[PAIRS][2] = {
    {{SHEAR_X, 0.9, 4}, {INVERT, 0.2, 0}},
    {{SHEAR_Y, 0.9, 8}, {INVERT, 0.7, 0}},
    {{EQUALIZE, 0.6, 0}, {SOLARIZE, 0.6, 6}},
    {{INVERT, 0.9, 0}, {EQUALIZE, 0.6, 0}},
    {{EQUALIZE, 0.6, 0}, {ROTATE, 0.9, 3}},
    {{SHEAR_X, 0.9, 4}, {AUTOCONTRAST, 0.8, 0}},
    {{SHEAR_Y, 0.9, 8}, {INVERT, 0.4, 0}},
    {{SHEAR_Y, 0.9, 5}, {SOLARIZE, 0.2, 6}},
    {{INVERT, 0.9, 0}, {AUTOCONTRAST, 0.8, 0}},
    {{EQUALIZE, 0.6, 0}, {ROTATE, 0.9, 3}},
    {{SHEAR_X, 0.9, 4}, {SOLARIZE, 0.3, 3}},
    {{SHEAR_Y, 0.8, 8}, {INVERT, 0.7, 0}},
    {{EQUALIZE, 0.9, 0}, {TRANSLATE_Y, 0.6, 6}},
    {{INVERT, 0.9, 0}, {EQUALIZE, 0.6, 0}},
    {{CONTRAST, 0.3, 3}, {ROTATE, 0.8, 4}},
    {{INVERT, 0.8, 0}, {TRANSLATE_Y, 0.0, 2}},
    {{SHEAR_Y, 0.7, 6}, {SOLARIZE, 0.4, 8}},
    {{INVERT, 0.6, 0}, {ROTATE, 0.8, 4}},
    {{SHEAR_Y, 0.3, 7}, {TRANSLATE_X, 0.9, 3}},
    {{SHEAR_X, 0.1, 6}, {INVERT, 0.6, 0}},
    {{SOLARIZE, 0.7, 2}, {TRANSLATE_Y, 0.6, 7}},
    {{SHEAR_Y, 0.8, 4}, {INVERT, 0.8, 0}},
    {{SHEAR_X, 0.7, 9}, {TRANSLATE_Y, 0.8, 3}},
    {{SHEAR_Y, 0.8, 5}, {AUTOCONTRAST, 0.7, 0}},
    {{SHEAR_X, 0.7, 2}, {INVERT, 0.1, 0}},
};

struct auto_augment {
    struct rn_scene scene; /* first */
    const struct step (*policy)[2];
    int nearest;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct auto_augment *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->scene.max = rn_get_float(h, "max");
    s->nearest = strcmp(rn_get_string(h, "interpolation"), "nearest") == 0;
    const char *policy = rn_get_string(h, "policy");
    s->policy = strcmp(policy, "imagenet") == 0  ? imagenet
                : strcmp(policy, "cifar10") == 0 ? cifar10
                                                 : svhn;
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct rn_scene *s = self;
    int32_t status = rn_scene_plan(s, p, RN_POLICY_ASKS, e);
    s->scratch = rn_warp_scratch(s);
    return status;
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct auto_augment *s = self;
    const struct step *pair = s->policy[rn_draw_below(&r->draws, PAIRS)];
    (void)e;
    for (int k = 0; k < 2; k++) {
        if (!(rn_draw_uniform(&r->draws) <= pair[k].p))
            continue;
        double magnitude = rn_policy_draw(&s->scene, &r->draws, &rn_space_rand,
                                          pair[k].op, pair[k].bin, BINS);
        rn_policy_change(&s->scene, r, pair[k].op, magnitude, s->nearest);
    }
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(auto_augment, iface, "runner/auto_augment 1",
           RN_DOC("One of 25 learnt pairs of changes (AutoAugment, Cubuk et al. 2019)")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("policy choice(imagenet,cifar10,svhn) = imagenet | the data set that it "
                     "was learnt on")
           RN_POLICY_INTERPOLATION_OPTION
           RN_SCENE_P_OPTION
           RN_IMAGE_FILL_OPTION("value of what is outside")
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&auto_augment);
