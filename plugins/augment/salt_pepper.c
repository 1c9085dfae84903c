/* SPDX-License-Identifier: Apache-2.0 */
/* Make single pixels of an image white or black, all channels of a pixel alike. */
#include <stdbool.h>

#include <runner/sdk/pixels.h>
#include <runner/sdk/scene.h>

struct salt_pepper {
    struct rn_scene scene; /* first */
    double amount[2], salt;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct salt_pepper *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->scene.max = rn_get_float(h, "max");
    s->salt = rn_get_float(h, "salt");
    return rn_scene_pair(h, "amount", s->amount, e);
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    return rn_scene_plan(self, p, RN_SCENE_MEANS, e);
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct salt_pepper *s = self;
    double amount = rn_draw_between(&r->draws, s->amount);
    uint64_t n = (uint64_t)(s->scene.height * s->scene.width);
    (void)e;
    rn_scene_log(&s->scene, r->row, "amount", amount);
    for (uint64_t i = 0; i < n; i++) {
        bool hit = rn_draw_uniform(&r->draws) < amount;
        bool white = hit && rn_draw_uniform(&r->draws) < s->salt;
        for (uint32_t k = 0; k < s->scene.images.count && hit; k++) {
            const struct rn_image *m = &s->scene.images.at[k];
            float high = m->dtype == RN_U8 ? 255.0f : (float)s->scene.max;
            for (uint64_t c = 0; c < m->planes; c++)
                rn_pixels_put(m, rn_scene_field(&s->scene, r, k), c * n + i,
                              white ? high : 0.0f);
        }
    }
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(salt_pepper, iface, "runner/salt_pepper 1",
           RN_DOC("Make single pixels of an image white or black")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("amount list(float) = 0.05 ; min 0 ; max 1 | share of the pixels; two "
                     "numbers: drawn between them")
           RN_OPTION("salt float = 0.5 ; min 0 ; max 1 | share of those that become white")
           RN_SCENE_P_OPTION
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&salt_pepper);
