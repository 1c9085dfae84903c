/* SPDX-License-Identifier: Apache-2.0 */
/* Cut a random part out of an image and enlarge it to the image's size (Szegedy et al.
 * 2015, section 6: the part's area and its ratio of width to height are drawn; after
 * ten tries that do not fit, the largest part of an allowed ratio in the middle). */
#include <stdbool.h>

#include <runner/sdk/resize.h>
#include <runner/sdk/scene.h>

struct resized_crop {
    struct rn_scene scene; /* first */
    double scale[2], ratio[2];
    bool nearest;
};

struct part {
    int64_t top, left, height, width;
    double full_height, full_width; /* of the image */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct resized_crop *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->scale[0] = 0.08, s->scale[1] = 1.0;
    s->ratio[0] = 3.0 / 4.0, s->ratio[1] = 4.0 / 3.0;
    s->nearest = strcmp(rn_get_string(h, "interpolation"), "nearest") == 0;
    int32_t status = rn_scene_pair(h, "scale", s->scale, e);
    return status == RN_OK ? rn_scene_pair(h, "ratio", s->ratio, e) : status;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct resized_crop *s = self;
    int32_t status = rn_scene_plan(&s->scene, p, RN_SCENE_MOVES | RN_SCENE_MEANS, e);
    s->scene.scratch = 0;
    for (uint32_t k = 0; k < s->scene.images.count && status == RN_OK; k++) {
        uint64_t bytes = rn_resize_scratch(&s->scene.images.at[k]);
        if (bytes > s->scene.scratch)
            s->scene.scratch = bytes;
    }
    return status;
}

static int64_t rounded(double v) {
    return (int64_t)rn_round_f64(v);
}

/* The largest part of a ratio that is allowed. */
static void fit(const struct resized_crop *s, struct part *c) {
    double ratio = c->full_width / c->full_height;
    c->height = s->scene.height;
    c->width = s->scene.width;
    if (ratio < s->ratio[0])
        c->height = rounded((double)c->width / s->ratio[0]);
    else if (ratio > s->ratio[1])
        c->width = rounded((double)c->height * s->ratio[1]);
    c->top = (s->scene.height - c->height) / 2;
    c->left = (s->scene.width - c->width) / 2;
}

static struct part draw_part(const struct resized_crop *s, struct rn_draws *d) {
    struct part c = {.full_height = (double)s->scene.height,
                     .full_width = (double)s->scene.width};
    double logs[2] = {rn_log_f64(s->ratio[0]), rn_log_f64(s->ratio[1])};
    for (int try = 0; try < 10; try++) {
        double area = c.full_height * c.full_width * rn_draw_between(d, s->scale);
        double ratio = rn_exp_f64(rn_draw_between(d, logs));
        c.width = rounded(sqrt(area * ratio));
        c.height = rounded(sqrt(area / ratio));
        if (c.width < 1 || c.height < 1 || c.width > s->scene.width ||
            c.height > s->scene.height)
            continue;
        c.top = (int64_t)rn_draw_below(d, (uint64_t)(s->scene.height - c.height + 1));
        c.left = (int64_t)rn_draw_below(d, (uint64_t)(s->scene.width - c.width + 1));
        return c;
    }
    fit(s, &c);
    return c;
}

static void point(const void *context, double x, double y, double out[2]) {
    const struct part *c = context;
    out[0] = (x - (double)c->left) * c->full_width / (double)c->width;
    out[1] = (y - (double)c->top) * c->full_height / (double)c->height;
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct resized_crop *s = self;
    struct part c = draw_part(s, &r->draws);
    (void)e;
    rn_scene_log(&s->scene, r->row, "top", (double)c.top);
    rn_scene_log(&s->scene, r->row, "left", (double)c.left);
    rn_scene_log(&s->scene, r->row, "height", (double)c.height);
    rn_scene_log(&s->scene, r->row, "width", (double)c.width);
    for (uint32_t k = 0; k < s->scene.images.count; k++) {
        const struct rn_image *m = &s->scene.images.at[k];
        uint8_t *p = rn_scene_field(&s->scene, r, k);
        if (s->scene.role[k] == RN_SCENE_BOXES)
            rn_scene_move_boxes((float *)(void *)p, m->height, s->scene.height,
                                s->scene.width, point, &c);
        else if (s->nearest || s->scene.role[k] == RN_SCENE_NEAREST)
            rn_resize_nearest(m, p, c.top, c.left, c.height, c.width, r->scratch);
        else
            rn_resize_image(m, p, c.top, c.left, c.height, c.width, r->scratch);
    }
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(resized_crop, iface, "runner/resized_crop 1",
           RN_DOC("Enlarge a random part of an image to its size (Szegedy et al. 2015)")
           RN_SCENE_OF_OPTION
           RN_OPTION("scale list(float) ; above 0 ; max 1 | the part's share of the area, "
                     "from the lowest to the highest; default: [0.08, 1]")
           RN_OPTION("ratio list(float) ; min 0.001 ; max 1000 | of its width to its height; "
                     "default: [0.75, 1.333]")
           RN_OPTION("interpolation choice(bilinear,nearest) = bilinear | of pixels of u8 and "
                     "f32")
           RN_SCENE_P_OPTION
           RN_SCENE_NEAREST_OPTION
           RN_SCENE_BOXES_OPTION);
RN_PLUGIN(&resized_crop);
