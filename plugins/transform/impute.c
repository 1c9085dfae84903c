/* SPDX-License-Identifier: Apache-2.0 */
/* Missing numbers: the mean of the training samples, or a constant. */
#include <runner/sdk/fitted.h>

struct impute {
    struct rn_fitted fitted; /* first: the shared calls see only this */
    int constant;
    double value;
};

static struct rn_fitted_map finish(const struct rn_fitted *s,
                                   const struct rn_tally *t) {
    const struct impute *m = (const struct impute *)s;
    return (struct rn_fitted_map){0.0, m->constant ? m->value : t->origin + t->mean,
                                  1.0};
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct impute *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->fitted.per = rn_fitted_per_option(h);
    s->fitted.selected = rn_has(h, "of");
    s->fitted.finish = finish;
    s->fitted.fills = 1;
    s->constant = strcmp(rn_get_string(h, "with"), "constant") == 0;
    s->fitted.blind = s->constant;
    s->value = rn_get_float(h, "value");
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

RN_TRANSFORM(impute, iface, "runner/impute 1",
             RN_DOC("Fill missing numbers, as f32")
             RN_FITTED_OF_OPTION
             RN_FITTED_PER_OPTION
             RN_OPTION("with choice(mean,constant) = mean | what takes their place: "
                       "the training samples' mean, or `value`")
             RN_OPTION("value float = 0 | the constant"));
RN_PLUGIN(&impute);
