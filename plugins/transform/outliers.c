/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers outside limits are moved to the limit, or become missing, or are only marked.
 * Limits are given, or come from the training rows: mean +- factor * standard deviation
 * (zscore), the quartiles -+ factor * their distance (iqr; Tukey 1977), or median +-
 * factor * MAD / 0.6745 (mad; Iglewicz and Hoaglin 1993). */
#include <runner/sdk/columns.h>

enum method { GIVEN, ZSCORE, IQR, MAD };
enum action { CLIP, EMPTY, KEEP };

struct outliers {
    struct rn_columns columns; /* first: the shared calls see only this */
    struct rn_columns_kind kind;
    enum method method;
    enum action action;
    double factor, low, high;
};

/* The median of |x - m|; its values replace those of x. */
static double deviation(double *x, uint64_t n, double m) {
    for (uint64_t i = 0; i < n; i++)
        x[i] = fabs(x[i] - m);
    rn_values_sort(x, n);
    return rn_values_quantile(x, n, 0.5);
}

/* More than half of the rows are the median: then their mean distance is the scale, as
 * Iglewicz and Hoaglin advise. 0: nothing varies. */
static double mad_scale(double *x, uint64_t n, double m) {
    double mad = deviation(x, n, m), sum = 0.0;
    for (uint64_t i = 0; i < n; i++)
        sum += x[i];
    return mad > 0.0 ? mad / 0.6744897501960817 : sum / (double)n * 1.2533141373155003;
}

static int32_t fit(const struct rn_columns *c, const struct rn_columns_fit *f,
                   double *out, struct rn_error *e) {
    const struct outliers *s = (const struct outliers *)c;
    double center = 0.0, wide = 0.0;
    (void)e;
    out[0] = s->low;
    out[1] = s->high;
    if (s->method == GIVEN)
        return RN_OK;
    if (f->x)
        rn_values_sort(f->x, f->n);
    if (s->method == IQR) {
        double low = rn_values_quantile(f->x, f->n, 0.25);
        double high = rn_values_quantile(f->x, f->n, 0.75);
        out[0] = low - s->factor * (high - low);
        out[1] = high + s->factor * (high - low);
        return RN_OK;
    }
    if (s->method == ZSCORE) {
        center = f->tally->origin + f->tally->mean;
        wide = sqrt(f->tally->m2 / f->tally->count);
    } else {
        center = rn_values_quantile(f->x, f->n, 0.5);
        wide = mad_scale(f->x, f->n, center);
    }
    out[0] = center - s->factor * wide;
    out[1] = center + s->factor * wide;
    return RN_OK;
}

static double map(const struct rn_columns *c, const double *limits, const uint32_t *w,
                  double x, int *flag) {
    const struct outliers *s = (const struct outliers *)c;
    (void)w;
    *flag = x < limits[0] || x > limits[1];
    if (!*flag || s->action == KEEP)
        return x;
    return s->action == EMPTY ? NAN : x < limits[0] ? limits[0] : limits[1];
}

static const struct rn_columns_kind kind = {.part_count = 2,
                                            .parts = {"low", "high"},
                                            .flag = "_outside",
                                            .fit = fit,
                                            .map = map};

static enum method method_of(const char *word) {
    return strcmp(word, "zscore") == 0 ? ZSCORE
           : strcmp(word, "iqr") == 0  ? IQR
           : strcmp(word, "mad") == 0  ? MAD
                                       : GIVEN;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    static const double factors[] = {0.0, 3.0, 1.5, 3.5};
    struct outliers *s = calloc(1, sizeof *s);
    const char *action = rn_get_string(h, "action");
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->method = method_of(rn_get_string(h, "method"));
    s->action = strcmp(action, "clip") == 0      ? CLIP
                : strcmp(action, "missing") == 0 ? EMPTY
                                                 : KEEP;
    s->kind = kind;
    s->kind.values = s->method == IQR || s->method == MAD;
    s->kind.blind = s->method == GIVEN;
    s->kind.empties = s->action == EMPTY;
    rn_columns_init(&s->columns, &s->kind, h, 1);
    s->columns.flagged = rn_get_bool(h, "flag");
    s->factor = rn_has(h, "factor") ? rn_get_float(h, "factor") : factors[s->method];
    s->low = rn_has(h, "low") ? rn_get_float(h, "low") : -INFINITY;
    s->high = rn_has(h, "high") ? rn_get_float(h, "high") : INFINITY;
    if (s->action == KEEP && !s->columns.flagged)
        return rn_fail(e, RN_E_CONFIG, "`keep` does nothing without `flag: true`", NULL,
                       "action");
    if (s->method == GIVEN && !rn_has(h, "low") && !rn_has(h, "high"))
        return rn_fail(e, RN_E_CONFIG, "needs `low` or `high`", NULL, "method");
    if (s->method != GIVEN && (rn_has(h, "low") || rn_has(h, "high")))
        return rn_fail(e, RN_E_CONFIG,
                       "finds the limits: `low` and `high` are for "
                       "method `given`",
                       NULL, "method");
    if (!(s->high >= s->low))
        return rn_fail(e, RN_E_CONFIG, "`high` must not be below `low`", NULL, "high");
    return RN_OK;
}

static const struct rn_transform iface = RN_COLUMNS_IFACE(RN_TRANSFORM_TOTAL, create);

RN_TRANSFORM(outliers, iface, "runner/outliers 1",
             RN_DOC("Clip, empty or mark numbers outside limits, as f64")
             RN_FITTED_OF_OPTION
             RN_FITTED_PER_OPTION
             RN_OPTION("method choice(zscore,iqr,mad,given) = iqr | mean and standard "
                       "deviation, quartiles, median and MAD of the training rows, or "
                       "`low` and `high`")
             RN_OPTION("factor float ; min 0 | how far the limits are; default: zscore "
                       "3, iqr 1.5, mad 3.5")
             RN_OPTION("low float | with `given`: the lowest that stays")
             RN_OPTION("high float | with `given`: the highest that stays")
             RN_OPTION("action choice(clip,missing,keep) = clip | what is outside "
                       "becomes the limit, or missing, or stays")
             RN_OPTION("flag bool = false | also a field NAME_outside, f32: 1 where it "
                       "was outside, else 0")
             RN_COLUMNS_MEMORY_OPTION);
RN_PLUGIN(&outliers);
