/* SPDX-License-Identifier: Apache-2.0 */
/* Turn an image by a random number of quarter turns, counterclockwise. */
#include <stdbool.h>

#include <runner/sdk/scene.h>

struct rot90 {
    struct rn_scene scene; /* first */
    int64_t turns[2];      /* lowest, highest */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct rot90 *s = rn_scene_create(sizeof *s, h, self, e);
    double turns[2] = {0.0, 3.0};
    if (!s)
        return RN_E_MEMORY;
    int32_t status = rn_scene_pair(h, "turns", turns, e);
    for (int i = 0; i < 2; i++)
        s->turns[i] = (int64_t)turns[i];
    return status;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct rot90 *s = self;
    int32_t status = rn_scene_plan(&s->scene, p, RN_SCENE_MOVES, e);
    bool halves = s->turns[0] % 2 == 0 && s->turns[1] == s->turns[0];
    s->scene.scratch = rn_scene_plane(&s->scene);
    if (status == RN_OK && s->scene.height != s->scene.width && !halves) {
        rn_fail_option(e, RN_E_CONFIG, "of",
                       "an image of %lld x %lld cannot be turned by 90 degrees and "
                       "keep its size",
                       (long long)s->scene.height, (long long)s->scene.width);
        rn_hintf(e, "turns: 2 turns it by 180 degrees");
        return RN_E_CONFIG;
    }
    return status;
}

/* Where the pixel (y, x) of the turned image comes from. */
static int64_t source(const struct rn_image *m, int64_t turns, int64_t y, int64_t x) {
    int64_t h = m->height, w = m->width;
    switch (turns) {
    case 1:
        return x * w + (w - 1 - y);
    case 2:
        return (h - 1 - y) * w + (w - 1 - x);
    case 3:
        return (h - 1 - x) * w + y;
    default:
        return y * w + x;
    }
}

static void turn(const struct rn_image *m, uint8_t *p, int64_t turns, uint8_t *copy) {
    uint64_t item = RN_DTYPE_BYTES(m->dtype), plane = rn_image_plane(m);
    for (uint64_t c = 0; c < m->planes; c++, p += plane) {
        memcpy(copy, p, plane);
        for (int64_t y = 0; y < m->height; y++)
            for (int64_t x = 0; x < m->width; x++)
                memcpy(p + (uint64_t)(y * m->width + x) * item,
                       copy + (uint64_t)source(m, turns, y, x) * item, item);
    }
}

struct turned {
    int64_t turns;
    double height, width;
};

static void point(const void *context, double x, double y, double out[2]) {
    const struct turned *t = context;
    out[0] = t->turns == 0   ? x
             : t->turns == 1 ? y
             : t->turns == 2 ? t->width - x
                             : t->height - y;
    out[1] = t->turns == 0   ? y
             : t->turns == 1 ? t->width - x
             : t->turns == 2 ? t->height - y
                             : x;
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct rot90 *s = self;
    uint64_t choices = (uint64_t)(s->turns[1] - s->turns[0] + 1);
    int64_t turns = s->turns[0] + (int64_t)rn_draw_below(&r->draws, choices);
    struct turned t = {turns, (double)s->scene.height, (double)s->scene.width};
    (void)e;
    rn_scene_log(&s->scene, r->row, "turns", (double)turns);
    for (uint32_t k = 0; k < s->scene.images.count && turns; k++) {
        const struct rn_image *m = &s->scene.images.at[k];
        uint8_t *p = rn_scene_field(&s->scene, r, k);
        if (s->scene.role[k] == RN_SCENE_BOXES)
            rn_scene_move_boxes((float *)(void *)p, m->height, s->scene.height,
                                s->scene.width, point, &t);
        else
            turn(m, p, turns, r->scratch);
    }
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(rot90, iface, "runner/rot90 1",
           RN_DOC("Turn an image by a random number of quarter turns")
           RN_SCENE_OF_OPTION
           RN_OPTION("turns list(int) ; min 0 ; max 3 | quarter turns, counterclockwise: "
                     "one number, or drawn from the lowest to the highest; default: "
                     "[0, 3]")
           RN_SCENE_P_OPTION
           RN_SCENE_NEAREST_OPTION
           RN_SCENE_BOXES_OPTION);
RN_PLUGIN(&rot90);
