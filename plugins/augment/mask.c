/* SPDX-License-Identifier: Apache-2.0 */
/* Replace random numbers of a sample by one value, as if they were not known. */
#include <runner/sdk/series.h>

struct mask {
    struct rn_series series; /* first */
    double share, value;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct mask *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->share = rn_get_float(h, "share");
    s->value = rn_get_float(h, "value");
    return RN_OK;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct mask *s = self;
    int32_t status = rn_series_plan(&s->series, p, RN_SERIES_FIRST, 1, e);
    for (uint32_t k = 0; k < s->series.count && status == RN_OK; k++)
        if (!rn_image_holds(s->series.at[k].dtype, s->value))
            status = rn_fail_option(e, RN_E_CONFIG, "value",
                                    "%g is not a value that %s can have", s->value,
                                    rn_dtype_name(s->series.at[k].dtype));
    return status;
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct mask *s = self;
    uint64_t hidden = 0;
    (void)e;
    for (uint32_t k = 0; k < s->series.count; k++) {
        const struct rn_series_field *f = &s->series.at[k];
        struct rn_image line = {1, 1, 1, f->dtype, s->value};
        uint8_t *v = rn_series_row(&s->series, r, k);
        for (uint64_t i = 0; i < rn_series_elements(f); i++)
            if (rn_draw_uniform(&r->draws) < s->share) {
                rn_image_fill_line(&line, v, (int64_t)i, (int64_t)i + 1, s->value);
                hidden++;
            }
    }
    rn_scene_log(self, r->row, "hidden", (double)hidden);
    return RN_OK;
}

RN_SCENE_TABLE_OF(create, rn_series_destroy, plan, change);

RN_AUGMENT(mask, iface, "runner/mask 1",
           RN_DOC("Replace random numbers of a sample by one value")
           RN_SERIES_OF_OPTION("fields of any type and shape")
           RN_OPTION("share float = 0.15 ; min 0 ; max 1 | probability of each number")
           RN_OPTION("value float = 0 | that takes its place: 0 is the mean of standardised "
                     "numbers")
           RN_SCENE_P_OPTION);
RN_PLUGIN(&mask);
