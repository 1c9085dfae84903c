/* SPDX-License-Identifier: Apache-2.0 */
/* Multiply each channel of a series by a random factor (Um et al. 2017, scaling). */
#include <stdbool.h>

#include <runner/sdk/series.h>

struct series_scale {
    struct rn_series series; /* first */
    double sigma;
    int time, together;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct series_scale *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->sigma = rn_get_float(h, "sigma");
    s->time = strcmp(rn_get_string(h, "time"), "last") == 0;
    s->together = rn_get_bool(h, "together");
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct series_scale *s = self;
    return rn_series_plan(&s->series, p, s->time, 0, e);
}

static void scale(const struct rn_series_field *f, float *v, uint64_t i, uint64_t k,
                  float by) {
    for (uint64_t t = 0; t < f->steps; t++)
        v[(i * f->steps + t) * f->inner + k] *= by;
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct series_scale *s = self;
    float by = 1.0f;
    (void)e;
    for (uint32_t f = 0; f < s->series.count; f++) {
        const struct rn_series_field *v = &s->series.at[f];
        float *p = (float *)(void *)rn_series_row(&s->series, r, f);
        for (uint64_t i = 0; i < v->outer; i++)
            for (uint64_t k = 0; k < v->inner; k++) {
                bool first = !f && !i && !k;
                if (!s->together || first)
                    by = 1.0f + (float)s->sigma * rn_draw_normal(&r->draws);
                if (first)
                    rn_scene_log(self, r->row, "factor", (double)by);
                scale(v, p, i, k, by);
            }
    }
    return RN_OK;
}

RN_SCENE_TABLE_OF(create, rn_series_destroy, plan, change);

RN_AUGMENT(series_scale, iface, "runner/series_scale 1",
           RN_DOC("Multiply each channel of a series by a random factor (Um et al. 2017)")
           RN_SERIES_OF_OPTION("series of f32: [T], [T,F] or [F,T]")
           RN_OPTION("sigma float = 0.1 ; min 0 | factors are normal, of mean 1 and this "
                     "standard deviation")
           RN_OPTION("together bool = false | one factor for all channels")
           RN_SERIES_TIME_OPTION
           RN_SCENE_P_OPTION);
RN_PLUGIN(&series_scale);
