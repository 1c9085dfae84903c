/* SPDX-License-Identifier: Apache-2.0 */
/* Move the pixels of an image by a smooth random field (Simard et al. 2003): uniform
 * displacements, blurred by a Gaussian, times alpha. */
#include <runner/sdk/warp.h>

struct elastic {
    struct rn_scene scene; /* first */
    double alpha[2], sigma;
    int64_t kernel;
    int nearest;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct elastic *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->alpha[0] = s->alpha[1] = 50.0;
    s->sigma = rn_get_float(h, "sigma");
    s->kernel = (int64_t)(8.0 * s->sigma + 1.0) | 1;
    s->nearest = strcmp(rn_get_string(h, "interpolation"), "nearest") == 0;
    uint32_t n = rn_get_count(h, "alpha");
    for (uint32_t k = 0; k < 2 && n; k++) {
        char path[32];
        s->alpha[k] =
            rn_get_float(h, rn_path(path, sizeof path, "alpha", n > 1 ? k : 0));
    }
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct elastic *s = self;
    int32_t status = rn_scene_plan(&s->scene, p, RN_WARP_ASKS, e);
    uint64_t pixels = (uint64_t)(s->scene.height * s->scene.width);
    s->scene.scratch =
        rn_warp_scratch(&s->scene) + (pixels + (uint64_t)s->kernel) * sizeof(float);
    if (status == RN_OK &&
        (s->kernel / 2 >= s->scene.height || s->kernel / 2 >= s->scene.width))
        return rn_fail_option(e, RN_E_CONFIG, "sigma",
                              "four times it must be smaller than the image, "
                              "%lld x %lld",
                              (long long)s->scene.height, (long long)s->scene.width);
    return status;
}

/* Displacements along an axis of `size` pixels, in units of 2 / size. */
static void displace(const struct elastic *s, struct rn_draws *d, float *v, float alpha,
                     int64_t size, float *more) {
    int64_t n = s->scene.height * s->scene.width;
    float *weights = more + n;
    for (int64_t i = 0; i < n; i++)
        v[i] = rn_uniform_f32(rn_draw_word(d)) * 2.0f - 1.0f;
    rn_pixels_gaussian(s->kernel, s->sigma, weights);
    rn_pixels_convolve(v, s->scene.height, s->scene.width, weights, s->kernel, more);
    for (int64_t i = 0; i < n; i++)
        v[i] = v[i] * alpha / (float)size;
}

/* A point moves against the displacement of its pixel: near the inverse where that
 * varies slowly. */
static void point(const void *context, double x, double y, double out[2]) {
    const struct rn_warp *w = context;
    double px = rn_ceil_f64(x), py = rn_ceil_f64(y);
    px = px < 0.0 ? 0.0 : px > (double)(w->width - 1) ? (double)(w->width - 1) : px;
    py = py < 0.0 ? 0.0 : py > (double)(w->height - 1) ? (double)(w->height - 1) : py;
    int64_t at = (int64_t)py * w->width + (int64_t)px;
    out[0] = 2.0 * px - (double)w->fx[at];
    out[1] = 2.0 * py - (double)w->fy[at];
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct elastic *s = self;
    struct rn_warp w = rn_warp_begin(&s->scene, r->scratch);
    float *more = (float *)(void *)((uint8_t *)r->scratch + rn_warp_scratch(&s->scene));
    (void)e;
    rn_scene_log(&s->scene, r->row, "alpha", s->alpha[0]);
    displace(s, &r->draws, w.fx, (float)s->alpha[0], w.width, more);
    displace(s, &r->draws, w.fy, (float)s->alpha[1], w.height, more);
    rn_warp_elastic(&w);
    rn_warp_scene(&s->scene, r, &w, s->nearest, point, &w);
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(elastic, iface, "runner/elastic 1",
           RN_DOC("Move the pixels of an image by a smooth random field (Simard et al. 2003)")
           RN_SCENE_OF_OPTION
           RN_OPTION("alpha list(float) ; min 0 | strength; two numbers: along x, along y; "
                     "default: 50")
           RN_OPTION("sigma float = 5 ; min 0.1 ; max 1000 ; unit pixel | width of the Gaussian "
                     "that smooths the field")
           RN_WARP_INTERPOLATION_OPTION
           RN_SCENE_P_OPTION
           RN_IMAGE_FILL_OPTION("value of what is outside")
           RN_SCENE_NEAREST_OPTION
           RN_SCENE_BOXES_OPTION);
RN_PLUGIN(&elastic);
