/* SPDX-License-Identifier: Apache-2.0 */
/* Let the time of a series run faster here and slower there (after Um et al. 2017): its
 * speed is drawn at a few places, from a normal distribution around 1 and at least 0.1,
 * and is linear between them; both ends stay where they are. */
#include <runner/sdk/series.h>

#define KNOTS_MAX 1024

struct time_warp {
    struct rn_series series; /* first */
    double sigma;
    uint64_t knots, steps;
    int time;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct time_warp *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->sigma = rn_get_float(h, "sigma");
    s->knots = (uint64_t)rn_get_int(h, "knots");
    s->time = strcmp(rn_get_string(h, "time"), "last") == 0;
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct time_warp *s = self;
    int32_t status = rn_series_plan(&s->series, p, s->time, 0, e);
    if (status == RN_OK)
        status = rn_series_steps(&s->series, &s->steps, e);
    s->series.scene.scratch = s->steps * sizeof(double) + rn_series_scratch(&s->series);
    return status;
}

/* from[t]: the integral of the speed, scaled to end at the last step. */
static void warp(const struct time_warp *s, const double *speed, double *from) {
    double sum = 0.0, last = (double)(s->steps - 1);
    for (uint64_t t = 0; t < s->steps; t++) {
        double at = last > 0.0 ? (double)t / last * (double)(s->knots + 1) : 0.0;
        uint64_t k = (uint64_t)at < s->knots ? (uint64_t)at : s->knots;
        double v = speed[k] + (at - (double)k) * (speed[k + 1] - speed[k]);
        from[t] = sum;
        sum += v;
    }
    double end = from[s->steps - 1];
    for (uint64_t t = 0; t < s->steps && end > 0.0; t++)
        from[t] *= last / end;
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct time_warp *s = self;
    double speed[KNOTS_MAX + 2], *from = r->scratch;
    (void)e;
    for (uint64_t k = 0; k < s->knots + 2; k++) {
        double v = 1.0 + s->sigma * (double)rn_draw_normal(&r->draws);
        speed[k] = v > 0.1 ? v : 0.1;
        rn_scene_log(self, r->row, "speed", speed[k]);
    }
    warp(s, speed, from);
    rn_series_move(&s->series, r, from, (float *)(void *)(from + s->steps));
    return RN_OK;
}

RN_SCENE_TABLE_OF(create, rn_series_destroy, plan, change);

RN_AUGMENT(time_warp, iface, "runner/time_warp 1",
           RN_DOC("Let the time of a series run faster here and slower there (after Um et al. "
                  "2017)")
           RN_SERIES_OF_OPTION("series of f32: [T], [T,F] or [F,T]; several of one length "
                               "move together")
           RN_OPTION("sigma float = 0.2 ; min 0 ; max 100 | standard deviation of the speed, "
                     "whose mean is 1")
           RN_OPTION("knots int = 4 ; min 0 ; max 1024 | places between the ends where a speed "
                     "is drawn")
           RN_SERIES_TIME_OPTION
           RN_SCENE_P_OPTION);
RN_PLUGIN(&time_warp);
