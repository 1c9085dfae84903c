/* SPDX-License-Identifier: Apache-2.0 */
/* Mean 0 and variance 1 over the training samples (the variance of the samples, not its
 * unbiased estimate). A number that never varies becomes 0. */
#include <runner/sdk/fitted.h>

static struct rn_fitted_map finish(const struct rn_fitted *s,
                                   const struct rn_tally *t) {
    double deviation = sqrt(t->m2 / t->count);
    (void)s;
    /* What rounding leaves of a constant is not a variance. */
    int varies = t->most > t->least && deviation > 0.0;
    return (struct rn_fitted_map){t->origin, t->mean, varies ? 1.0 / deviation : 1.0};
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct rn_fitted *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->per = rn_fitted_per_option(h);
    s->selected = rn_has(h, "of");
    s->finish = finish;
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

RN_TRANSFORM(standardise, iface, "runner/standardise 1",
             RN_DOC("Mean 0 and variance 1, as f32")
             RN_FITTED_OF_OPTION
             RN_FITTED_PER_OPTION);
RN_PLUGIN(&standardise);
