/* SPDX-License-Identifier: Apache-2.0 */
/* Add Gaussian noise to numbers, each its own. */
#include <runner/sdk/series.h>

#define PIECE 1024 /* numbers, an even count */

struct noise {
    struct rn_series series; /* first */
    double sigma[2];
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct noise *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    return rn_scene_pair(h, "sigma", s->sigma, e);
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    return rn_series_plan(self, p, RN_SERIES_FIRST, 0, e);
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct noise *s = self;
    float sigma = (float)rn_draw_between(&r->draws, s->sigma);
    (void)e;
    rn_scene_log(self, r->row, "sigma", (double)sigma);
    for (uint32_t k = 0; k < s->series.count; k++) {
        float *v = (float *)(void *)rn_series_row(&s->series, r, k);
        uint64_t n = rn_series_elements(&s->series.at[k]);
        for (uint64_t at = 0; at < n; at += PIECE) {
            float z[PIECE];
            uint64_t many = n - at < PIECE ? n - at : PIECE;
            rn_draw_normals(&r->draws, z, many);
            for (uint64_t i = 0; i < many; i++)
                v[at + i] += sigma * z[i];
        }
    }
    return RN_OK;
}

RN_SCENE_TABLE_OF(create, rn_series_destroy, plan, change);

RN_AUGMENT(noise, iface, "runner/noise 1",
           RN_DOC("Add Gaussian noise to numbers, each its own; of a series this is jitter")
           RN_SERIES_OF_OPTION("fields of f32, of any shape")
           RN_OPTION("sigma list(float) = 0.1 ; min 0 | its standard deviation, in units of the "
                     "field; two numbers: drawn between them")
           RN_SCENE_P_OPTION);
RN_PLUGIN(&noise);
