/* SPDX-License-Identifier: Apache-2.0 */
/* (x - median) / (quantile `high` - quantile `low`) of the training rows, as
 * RobustScaler of scikit-learn; a range of 0 counts as 1. */
#include <runner/sdk/columns.h>

struct robust {
    struct rn_columns columns; /* first: the shared calls see only this */
    double low, high;          /* 0 .. 1 */
    int center, scale;
};

static int32_t fit(const struct rn_columns *c, const struct rn_columns_fit *f,
                   double *out, struct rn_error *e) {
    const struct robust *s = (const struct robust *)c;
    (void)e;
    rn_values_sort(f->x, f->n);
    double range = rn_values_quantile(f->x, f->n, s->high) -
                   rn_values_quantile(f->x, f->n, s->low);
    out[0] = s->center ? rn_values_quantile(f->x, f->n, 0.5) : 0.0;
    out[1] = s->scale && range > 0.0 ? range : 1.0;
    return RN_OK;
}

static double map(const struct rn_columns *s, const double *fitted,
                  const uint32_t *widths, double x, int *flag) {
    (void)s, (void)widths, (void)flag;
    return (x - fitted[0]) / fitted[1];
}

static const struct rn_columns_kind kind = {
    .part_count = 2, .parts = {"center", "scale"}, .values = 1, .fit = fit, .map = map};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct robust *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    rn_columns_init(&s->columns, &kind, h, 1);
    s->low = rn_get_float(h, "low") / 100.0;
    s->high = rn_get_float(h, "high") / 100.0;
    s->center = rn_get_bool(h, "center");
    s->scale = rn_get_bool(h, "scale");
    if (!(s->high > s->low))
        return rn_fail(e, RN_E_CONFIG, "`high` must be above `low`", NULL, "high");
    return RN_OK;
}

static const struct rn_transform iface = RN_COLUMNS_IFACE(RN_TRANSFORM_TOTAL, create);

RN_TRANSFORM(robust, iface, "runner/robust 1",
             RN_DOC("(x - median) / range between two quantiles of the training rows, "
                    "as f64")
             RN_FITTED_OF_OPTION
             RN_FITTED_PER_OPTION
             RN_OPTION("low float = 25 ; min 0 ; max 100 ; unit % | the lower quantile")
             RN_OPTION("high float = 75 ; min 0 ; max 100 ; unit % | the upper one")
             RN_OPTION("center bool = true | subtract the median")
             RN_OPTION("scale bool = true | divide by the range")
             RN_COLUMNS_MEMORY_OPTION);
RN_PLUGIN(&robust);
