/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers divided by the largest magnitude of the training rows, as MaxAbsScaler of
 * scikit-learn; what is always 0 stays so. */
#include <runner/sdk/columns.h>

static int32_t fit(const struct rn_columns *s, const struct rn_columns_fit *f,
                   double *scale, struct rn_error *e) {
    double low = fabs(f->tally->least), high = fabs(f->tally->most);
    (void)s, (void)e;
    *scale = low > high ? low : high;
    *scale = *scale > 0.0 ? *scale : 1.0;
    return RN_OK;
}

static double map(const struct rn_columns *s, const double *scale,
                  const uint32_t *widths, double x, int *flag) {
    (void)s, (void)widths, (void)flag;
    return x / *scale;
}

static const struct rn_columns_kind kind = {
    .part_count = 1, .parts = {"scale"}, .fit = fit, .map = map};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct rn_columns *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    rn_columns_init(s, &kind, h, 1);
    return RN_OK;
}

static const struct rn_transform iface = RN_COLUMNS_IFACE(RN_TRANSFORM_TOTAL, create);

RN_TRANSFORM(maxabs, iface, "runner/maxabs 1",
             RN_DOC("Divide by the largest magnitude of the training rows, as f64")
             RN_FITTED_OF_OPTION
             RN_FITTED_PER_OPTION);
RN_PLUGIN(&maxabs);
