/* SPDX-License-Identifier: Apache-2.0 */
/* Mean 0 and variance 1 over the training samples (the variance of the samples, not its
 * unbiased estimate). A number that never varies becomes 0. */
#include "fitted.h"

static struct map finish(const struct fitted *s, const struct tally *t) {
    double deviation = sqrt(t->m2 / t->count);
    (void)s;
    /* What rounding leaves of a constant is not a variance. */
    int varies = t->most > t->least && deviation > 0.0;
    return (struct map){t->origin, t->mean, varies ? 1.0 / deviation : 1.0};
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct fitted *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->per = fitted_per(h);
    s->selected = rn_has(h, "of");
    s->finish = finish;
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          RN_TRANSFORM_TOTAL,
                                          create,
                                          fitted_destroy,
                                          fitted_plan,
                                          fitted_begin,
                                          fitted_rows,
                                          fitted_end,
                                          fitted_apply,
                                          fitted_save,
                                          fitted_load,
                                          NULL};

RN_TRANSFORM(standardise, iface, "runner/standardise 1",
             RN_DOC("Mean 0 and variance 1, as f32")
             FITTED_OF
             FITTED_PER);
RN_PLUGIN(&standardise);
