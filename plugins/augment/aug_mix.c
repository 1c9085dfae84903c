/* SPDX-License-Identifier: Apache-2.0 */
/* AugMix (Hendrycks et al. 2020): a weighted mean of an image and of a few copies, each
 * changed by a short chain of operations. The image's share is drawn from Beta(alpha,
 * alpha), the copies' shares from Dirichlet(alpha ...). */
#include <runner/sdk/mix.h>
#include <runner/sdk/policy.h>

#define BINS      10
#define WIDTH_MAX 16

/* Operations, from the geometric ones on; the last four with `all_ops` only. */
static const int choices[] = {RN_OP_SHEAR_X,     RN_OP_SHEAR_Y,      RN_OP_TRANSLATE_X,
                              RN_OP_TRANSLATE_Y, RN_OP_ROTATE,       RN_OP_POSTERIZE,
                              RN_OP_SOLARIZE,    RN_OP_AUTOCONTRAST, RN_OP_EQUALIZE,
                              RN_OP_BRIGHTNESS,  RN_OP_COLOR,        RN_OP_CONTRAST,
                              RN_OP_SHARPNESS};
#define FEW 9
#define ALL 13

struct aug_mix {
    struct rn_scene scene; /* first */
    int64_t severity, width, depth;
    double alpha;
    int all, nearest;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct aug_mix *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->scene.max = rn_get_float(h, "max");
    s->nearest = strcmp(rn_get_string(h, "interpolation"), "nearest") == 0;
    s->severity = rn_get_int(h, "severity");
    s->width = rn_get_int(h, "width");
    s->depth = rn_get_int(h, "depth");
    s->alpha = rn_get_float(h, "alpha");
    s->all = rn_get_bool(h, "all_ops");
    return RN_OK;
}

static uint64_t image_bytes(const struct rn_image *m) {
    return (m->planes * rn_image_plane(m) + 63) / 64 * 64;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct aug_mix *s = self;
    int32_t status = rn_scene_plan(&s->scene, p, RN_POLICY_ASKS, e);
    uint64_t most = 0;
    for (uint32_t k = 0; k < s->scene.images.count && status == RN_OK; k++) {
        const struct rn_image *m = &s->scene.images.at[k];
        uint64_t bytes = 2 * image_bytes(m) + rn_pixels_count(m) * sizeof(float);
        most = bytes > most ? bytes : most;
    }
    s->scene.scratch = rn_warp_scratch(&s->scene) + most + 64;
    return status;
}

/* Shares of n, Dirichlet(alpha ...). */
static void draw_shares(struct rn_draws *d, double alpha, int64_t n, float *out) {
    double logs[WIDTH_MAX], most = -HUGE_VAL, sum = 0.0;
    for (int64_t k = 0; k < n; k++) {
        logs[k] = rn_mix_log_gamma(d, alpha);
        most = logs[k] > most ? logs[k] : most;
    }
    for (int64_t k = 0; k < n; k++)
        sum += rn_exp_f64(logs[k] - most);
    for (int64_t k = 0; k < n; k++)
        out[k] = (float)(rn_exp_f64(logs[k] - most) / sum);
}

struct drawn {
    float own, share[WIDTH_MAX];
    int64_t depth[WIDTH_MAX];
    int op[WIDTH_MAX][3 + WIDTH_MAX];
    double magnitude[WIDTH_MAX][3 + WIDTH_MAX];
};

static void draw(const struct aug_mix *s, struct rn_draws *d, struct drawn *out) {
    float both[2];
    draw_shares(d, s->alpha, 2, both);
    draw_shares(d, s->alpha, s->width, out->share);
    out->own = both[0];
    for (int64_t k = 0; k < s->width; k++) {
        out->share[k] *= both[1];
        out->depth[k] = s->depth ? s->depth : 1 + (int64_t)rn_draw_below(d, 3);
        for (int64_t i = 0; i < out->depth[k]; i++) {
            int op = choices[rn_draw_below(d, s->all ? ALL : FEW)];
            int64_t bin = (int64_t)rn_draw_below(d, (uint64_t)s->severity);
            out->op[k][i] = op;
            out->magnitude[k][i] =
                rn_policy_draw(&s->scene, d, &rn_space_mix, op, bin, BINS);
        }
    }
}

/* sum += share * image */
static void add(const struct rn_image *m, const void *p, float share, float *sum) {
    uint64_t n = rn_pixels_count(m);
    for (uint64_t i = 0; i < n; i++)
        sum[i] += share * rn_pixels_get(m, p, i);
}

static void mix(const struct aug_mix *s, const struct rn_scene_row *r,
                const struct drawn *d, const struct rn_image *m, void *p) {
    struct rn_warp w = rn_warp_begin(&s->scene, r->scratch);
    void *copy = rn_warp_copy(&s->scene, r->scratch);
    uint8_t *one = (uint8_t *)r->scratch + rn_warp_scratch(&s->scene);
    one += (64 - (uintptr_t)one % 64) % 64;
    float *sum = (float *)(void *)(one + image_bytes(m));
    uint64_t n = rn_pixels_count(m);
    memset(sum, 0, n * sizeof *sum);
    add(m, p, d->own, sum);
    for (int64_t k = 0; k < s->width; k++) {
        memcpy(one, p, m->planes * rn_image_plane(m));
        for (int64_t i = 0; i < d->depth[k]; i++)
            rn_policy_apply(m, one, d->op[k][i], d->magnitude[k][i], s->nearest, &w,
                            copy);
        add(m, one, d->share[k], sum);
    }
    for (uint64_t i = 0; i < n; i++) /* shares sum to 1, nearly */
        rn_pixels_put(m, p, i, m->dtype == RN_U8 && sum[i] > 255.0f ? 255.0f : sum[i]);
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct aug_mix *s = self;
    struct drawn d;
    (void)e;
    draw(s, &r->draws, &d);
    rn_scene_log(&s->scene, r->row, "own", (double)d.own);
    for (int64_t k = 0; k < s->width; k++) {
        rn_scene_log(&s->scene, r->row, "share", (double)d.share[k]);
        for (int64_t i = 0; i < d.depth[k]; i++)
            rn_policy_log(&s->scene, r->row, d.op[k][i], d.magnitude[k][i]);
    }
    for (uint32_t k = 0; k < s->scene.images.count; k++) {
        const struct rn_image *m = &s->scene.images.at[k];
        void *p = rn_scene_field(&s->scene, r, k);
        rn_scene_unit(&s->scene, m, p, 1.0 / s->scene.max);
        mix(s, r, &d, m, p);
        rn_scene_unit(&s->scene, m, p, s->scene.max);
    }
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(aug_mix, iface, "runner/aug_mix 1",
           RN_DOC("A mean of an image and of changed copies of it (AugMix, Hendrycks et al. "
                  "2020)")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("severity int = 3 ; min 1 ; max 10 | of the changes: their bins are "
                     "below it, of 10")
           RN_OPTION("width int = 3 ; min 1 ; max 16 | how many changed copies")
           RN_OPTION("depth int = 0 ; min 0 ; max 16 | changes of a copy; 0: drawn from 1 to "
                     "3")
           RN_OPTION("alpha float = 1 ; above 0 ; max 1e6 | shares are drawn from "
                     "Beta(alpha, alpha) and Dirichlet(alpha ...)")
           RN_OPTION("all_ops bool = true | also brightness, color, contrast and sharpness")
           RN_OPTION("interpolation choice(nearest,bilinear) = bilinear | of what turns, "
                     "shears and shifts")
           RN_SCENE_P_OPTION
           RN_IMAGE_FILL_OPTION("value of what is outside")
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&aug_mix);
