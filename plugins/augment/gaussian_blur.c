/* SPDX-License-Identifier: Apache-2.0 */
/* Blur an image by a Gaussian of random width. */
#include <runner/sdk/pixels.h>
#include <runner/sdk/scene.h>

struct blur {
    struct rn_scene scene; /* first */
    double sigma[2];
    int64_t kernel;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct blur *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->scene.max = rn_get_float(h, "max");
    s->kernel = rn_get_int(h, "kernel");
    if (s->kernel % 2 == 0)
        return rn_fail_option(e, RN_E_CONFIG, "kernel", "must be odd");
    s->sigma[0] = 0.1;
    s->sigma[1] = 2.0;
    return rn_scene_pair(h, "sigma", s->sigma, e);
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct blur *s = self;
    int32_t status = rn_scene_plan(self, p, RN_SCENE_MEANS | RN_SCENE_ANY, e);
    for (uint32_t k = 0; k < s->scene.images.count && status == RN_OK; k++) {
        const struct rn_image *m = &s->scene.images.at[k];
        if (s->kernel / 2 >= m->height || s->kernel / 2 >= m->width)
            status = rn_fail_option(e, RN_E_CONFIG, "kernel",
                                    "half of it must be smaller than the image, "
                                    "%lld x %lld",
                                    (long long)m->height, (long long)m->width);
    }
    s->scene.scratch =
        (2 * rn_scene_area(&s->scene) + (uint64_t)s->kernel) * sizeof(float);
    return status;
}

struct blurring {
    int64_t size;
    float *weights, *planes;
};

static void blur_one(const struct rn_image *m, void *p, void *context) {
    const struct blurring *c = context;
    rn_pixels_blur(m, p, c->weights, c->size, c->planes);
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct blur *s = self;
    double sigma = rn_draw_between(&r->draws, s->sigma);
    float *planes = r->scratch;
    struct blurring c = {s->kernel, planes + 2 * rn_scene_area(&s->scene), planes};
    (void)e;
    rn_scene_log(&s->scene, r->row, "sigma", sigma);
    rn_pixels_gaussian(c.size, sigma, c.weights);
    rn_scene_pixels(&s->scene, r, blur_one, &c);
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(gaussian_blur, iface, "runner/gaussian_blur 1",
           RN_DOC("Blur an image by a Gaussian of random width")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("kernel int = 5 ; min 1 ; max 999 ; unit pixel | size of the kernel, "
                     "odd; the image is mirrored at its edges")
           RN_OPTION("sigma list(float) ; min 0.001 ; max 1000 ; unit pixel | the width; two "
                     "numbers: drawn between them; default: [0.1, 2]")
           RN_OPTION("p float = 0.5 ; min 0 ; max 1 | share of samples changed")
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&gaussian_blur);
