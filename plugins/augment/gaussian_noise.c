/* SPDX-License-Identifier: Apache-2.0 */
/* Add Gaussian noise to an image. */
#include <runner/sdk/pixels.h>
#include <runner/sdk/scene.h>

#define PIECE 1024 /* pixels, an even number */

struct noise {
    struct rn_scene scene; /* first */
    double mean, sigma[2];
    int clip;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct noise *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->scene.max = rn_get_float(h, "max");
    s->mean = rn_get_float(h, "mean");
    s->clip = rn_get_bool(h, "clip");
    return rn_scene_pair(h, "sigma", s->sigma, e);
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    return rn_scene_plan(self, p, RN_SCENE_MEANS | RN_SCENE_ANY, e);
}

/* Of u8 in whole steps towards 0, always within 0..255. */
static void add_noise(const struct noise *s, const struct rn_image *m, void *p,
                      struct rn_draws *d, double sigma) {
    uint64_t n = rn_pixels_count(m);
    double unit = m->dtype == RN_U8 ? 255.0 : 1.0;
    float mean = (float)(s->mean * unit), by = (float)(sigma * unit);
    for (uint64_t at = 0; at < n; at += PIECE) {
        float z[PIECE];
        uint64_t many = n - at < PIECE ? n - at : PIECE;
        rn_draw_normals(d, z, many);
        for (uint64_t i = 0; i < many; i++) {
            float add = mean + z[i] * by;
            if (m->dtype == RN_U8) /* beyond 255 it makes no difference */
                add = (float)(int32_t)(add < -256.0f  ? -256.0f
                                       : add > 256.0f ? 256.0f
                                                      : add);
            float v = rn_pixels_get(m, p, at + i) + add;
            if (m->dtype == RN_U8 || s->clip)
                v = rn_pixels_clamp(v, (float)unit);
            rn_pixels_put(m, p, at + i, v);
        }
    }
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct noise *s = self;
    double sigma = rn_draw_between(&r->draws, s->sigma);
    (void)e;
    rn_scene_log(&s->scene, r->row, "sigma", sigma);
    for (uint32_t k = 0; k < s->scene.images.count; k++) {
        const struct rn_image *m = &s->scene.images.at[k];
        void *p = rn_scene_field(&s->scene, r, k);
        rn_scene_unit(&s->scene, m, p, 1.0 / s->scene.max);
        add_noise(s, m, p, &r->draws, sigma);
        rn_scene_unit(&s->scene, m, p, s->scene.max);
    }
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(gaussian_noise, iface, "runner/gaussian_noise 1",
           RN_DOC("Add Gaussian noise to an image")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("mean float = 0 ; min -1 ; max 1 | of the noise, as a share of white")
           RN_OPTION("sigma list(float) = 0.1 ; min 0 ; max 100 | its standard deviation, as "
                     "a share of white; two numbers: drawn between them")
           RN_OPTION("clip bool = true | cut f32 pixels at 0 and at white; those of u8 "
                     "always are")
           RN_SCENE_P_OPTION
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&gaussian_noise);
