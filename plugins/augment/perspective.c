/* SPDX-License-Identifier: Apache-2.0 */
/* See an image from a random side: its corners move inwards, each by its own draw. */
#include <runner/sdk/warp.h>

struct perspective {
    struct rn_scene scene; /* first */
    double distortion;
    int nearest;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct perspective *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->distortion = rn_get_float(h, "distortion");
    s->nearest = strcmp(rn_get_string(h, "interpolation"), "nearest") == 0;
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct perspective *s = self;
    int32_t status = rn_scene_plan(&s->scene, p, RN_WARP_ASKS, e);
    s->scene.scratch = rn_warp_scratch(&s->scene);
    return status;
}

/* Corners of an image: from the upper left one, clockwise. */
static const int at_right[4] = {0, 1, 1, 0}, at_bottom[4] = {0, 0, 1, 1};

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct perspective *s = self;
    struct rn_warp w = rn_warp_begin(&s->scene, r->scratch);
    double start[4][2], end[4][2], map[8], forward[8];
    uint64_t places[2] = {(uint64_t)(s->distortion * (double)(w.width / 2)) + 1,
                          (uint64_t)(s->distortion * (double)(w.height / 2)) + 1};
    (void)e;
    for (int k = 0; k < 4; k++) {
        double in[2], size[2] = {(double)w.width, (double)w.height};
        int far[2] = {at_right[k], at_bottom[k]};
        for (int a = 0; a < 2; a++) {
            in[a] = (double)rn_draw_below(&r->draws, places[a]);
            start[k][a] = far[a] ? size[a] - 1.0 : 0.0;
            end[k][a] = far[a] ? size[a] - (double)places[a] + in[a] : in[a];
        }
        char name[4] = {'x', (char)('0' + k), '\0', '\0'};
        rn_scene_log(&s->scene, r->row, name, end[k][0]);
        name[0] = 'y';
        rn_scene_log(&s->scene, r->row, name, end[k][1]);
    }
    if (!rn_perspective_solve(start, end, map) ||
        !rn_perspective_solve(end, start, forward))
        return RN_OK; /* an image of one line or column */
    rn_warp_perspective(&w, map);
    rn_warp_scene(&s->scene, r, &w, s->nearest, rn_perspective_point, forward);
    return RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(perspective, iface, "runner/perspective 1",
           RN_DOC("See an image from a random side")
           RN_SCENE_OF_OPTION
           RN_OPTION("distortion float = 0.5 ; min 0 ; max 1 | each corner moves inwards by up "
                     "to this share of half the width and height")
           RN_WARP_INTERPOLATION_OPTION
           RN_OPTION("p float = 0.5 ; min 0 ; max 1 | share of samples changed")
           RN_IMAGE_FILL_OPTION("value of what is outside")
           RN_SCENE_NEAREST_OPTION
           RN_SCENE_BOXES_OPTION);
RN_PLUGIN(&perspective);
