/* SPDX-License-Identifier: Apache-2.0 */
/* Cover the squares of a regular grid (GridMask, Chen et al. 2020): of each period of d
 * pixels along both axes, a square of d (1 - keep) on a side; d and the grid's place
 * are drawn. */
#include <runner/sdk/scene.h>

struct grid_mask {
    struct rn_scene scene; /* first */
    double period[2];      /* shares of the shorter side */
    double keep;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct grid_mask *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->period[0] = 0.25, s->period[1] = 0.5;
    s->keep = rn_get_float(h, "keep");
    return rn_scene_pair(h, "period", s->period, e);
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    return rn_scene_plan(self, p, RN_SCENE_FILLS, e);
}

struct grid {
    int64_t period, covered, top, left;
};

static void cover(const struct rn_image *m, uint8_t *p, const struct grid *g) {
    int64_t item = (int64_t)RN_DTYPE_BYTES(m->dtype), line = m->width * item;
    for (uint64_t c = 0; c < m->planes; c++)
        for (int64_t y = 0; y < m->height; y++, p += line) {
            if ((y + g->top) % g->period >= g->covered)
                continue;
            for (int64_t x = 0; x < m->width; x++)
                if ((x + g->left) % g->period < g->covered)
                    rn_image_fill_line(m, p, x, x + 1, m->fill);
        }
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct grid_mask *s = self;
    const struct rn_scene *a = &s->scene;
    double side = (double)(a->height < a->width ? a->height : a->width);
    int64_t d = (int64_t)rn_round_f64(side * rn_draw_between(&r->draws, s->period));
    struct grid g = {.period = d < 2 ? 2 : d};
    (void)e;
    g.covered = (int64_t)rn_round_f64((double)g.period * (1.0 - s->keep));
    g.top = (int64_t)rn_draw_below(&r->draws, (uint64_t)g.period);
    g.left = (int64_t)rn_draw_below(&r->draws, (uint64_t)g.period);
    rn_scene_log(a, r->row, "period", (double)g.period);
    rn_scene_log(a, r->row, "top", (double)g.top);
    rn_scene_log(a, r->row, "left", (double)g.left);
    for (uint32_t k = 0; k < a->images.count; k++)
        cover(&a->images.at[k], rn_scene_field(a, r, k), &g);
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(grid_mask, iface, "runner/grid_mask 1",
           RN_DOC("Cover the squares of a regular grid (GridMask, Chen et al. 2020)")
           RN_OPTION("of list(string) = image | the image, [C,H,W] or [H,W] of any type; "
                     "several change alike")
           RN_OPTION("period list(float) ; above 0 ; max 1 | distance of the squares, as a "
                     "share of the shorter side; two numbers: drawn between them; default: "
                     "[0.25, 0.5]")
           RN_OPTION("keep float = 0.6 ; min 0 ; max 1 | share of the period, along each axis, "
                     "that is not covered")
           RN_SCENE_P_OPTION
           RN_IMAGE_FILL_OPTION("value of the squares"));
RN_PLUGIN(&grid_mask);
