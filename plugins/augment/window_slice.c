/* SPDX-License-Identifier: Apache-2.0 */
/* Stretch a random window of a series to its whole length (window slicing, Le Guennec
 * et al. 2016). */
#include <runner/sdk/series.h>

struct window_slice {
    struct rn_series series; /* first */
    double ratio[2];
    uint64_t steps;
    int time;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct window_slice *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->time = strcmp(rn_get_string(h, "time"), "last") == 0;
    return rn_scene_pair(h, "ratio", s->ratio, e);
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct window_slice *s = self;
    int32_t status = rn_series_plan(&s->series, p, s->time, 0, e);
    if (status == RN_OK)
        status = rn_series_steps(&s->series, &s->steps, e);
    s->series.scene.scratch = s->steps * sizeof(double) + rn_series_scratch(&s->series);
    return status;
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct window_slice *s = self;
    double *from = r->scratch, ratio = rn_draw_between(&r->draws, s->ratio);
    uint64_t length = (uint64_t)rn_round_f64(ratio * (double)s->steps);
    (void)e;
    length = length < 1 ? 1 : length > s->steps ? s->steps : length;
    uint64_t start = rn_draw_below(&r->draws, s->steps - length + 1);
    double by = s->steps > 1 ? (double)(length - 1) / (double)(s->steps - 1) : 0.0;
    rn_scene_log(self, r->row, "start", (double)start);
    rn_scene_log(self, r->row, "length", (double)length);
    for (uint64_t t = 0; t < s->steps; t++)
        from[t] = (double)start + (double)t * by;
    rn_series_move(&s->series, r, from, (float *)(void *)(from + s->steps));
    return RN_OK;
}

RN_SCENE_TABLE_OF(create, rn_series_destroy, plan, change);

RN_AUGMENT(window_slice, iface, "runner/window_slice 1",
           RN_DOC("Stretch a random window of a series to its whole length (Le Guennec et al. "
                  "2016)")
           RN_SERIES_OF_OPTION("series of f32: [T], [T,F] or [F,T]; several of one length "
                               "move together")
           RN_OPTION("ratio list(float) = 0.9 ; above 0 ; max 1 | length of the window, as a "
                     "share; two numbers: drawn between them")
           RN_SERIES_TIME_OPTION
           RN_SCENE_P_OPTION);
RN_PLUGIN(&window_slice);
