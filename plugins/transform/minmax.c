/* SPDX-License-Identifier: Apache-2.0 */
/* The training samples' least and greatest number become `low` and `high`; what never
 * varies becomes `low`. Other samples may fall outside. */
#include <runner/sdk/fitted.h>

struct minmax {
    struct rn_fitted fitted; /* first: the shared calls see only this */
    double height;
};

static struct rn_fitted_map finish(const struct rn_fitted *s,
                                   const struct rn_tally *t) {
    const struct minmax *m = (const struct minmax *)s;
    double range = t->most - t->least;
    return (struct rn_fitted_map){0.0, t->least,
                                  m->height / (range > 0.0 ? range : 1.0)};
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct minmax *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->fitted.per = rn_fitted_per_option(h);
    s->fitted.selected = rn_has(h, "of");
    s->fitted.finish = finish;
    s->fitted.base = rn_get_float(h, "low");
    s->height = rn_get_float(h, "high") - s->fitted.base;
    if (!(s->height > 0.0))
        return rn_fail(e, RN_E_CONFIG, "`high` must be above `low`", NULL, "high");
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          RN_TRANSFORM_TOTAL,
                                          create,
                                          rn_fitted_destroy,
                                          rn_fitted_plan,
                                          rn_fitted_begin,
                                          rn_fitted_rows,
                                          rn_fitted_end,
                                          rn_fitted_apply,
                                          rn_fitted_save,
                                          rn_fitted_load,
                                          NULL};

RN_TRANSFORM(minmax, iface, "runner/minmax 1",
             RN_DOC("The range of the training samples to [low, high], as f32")
             RN_FITTED_OF_OPTION
             RN_FITTED_PER_OPTION
             RN_OPTION("low float = 0 | what the least number becomes")
             RN_OPTION("high float = 1 | what the greatest becomes"));
RN_PLUGIN(&minmax);
