/* SPDX-License-Identifier: Apache-2.0 */
/* The rank of a number among the training rows, 0..1, or the normal quantile of that
 * rank, as QuantileTransformer of scikit-learn: `quantiles` reference values, linear
 * between them; equal ones have their middle rank. All training rows count. */
#include <runner/sdk/columns.h>

#define NEAR 1e-7 /* ranks nearer to 0 or 1 count as this far from it */

struct quantile {
    struct rn_columns columns; /* first: the shared calls see only this */
    uint32_t quantiles;
    int normal;
};

static void widths(const struct rn_columns *c, uint64_t rows, uint32_t *w) {
    const struct quantile *s = (const struct quantile *)c;
    w[0] = rows < s->quantiles ? (uint32_t)rows : s->quantiles;
    w[0] = w[0] ? w[0] : 1;
}

/* The rank of reference value i of n. */
static double reference(uint32_t i, uint32_t n) {
    return n < 2 ? 0.0 : i == n - 1 ? 1.0 : i * (1.0 / (n - 1));
}

static int32_t fit(const struct rn_columns *c, const struct rn_columns_fit *f,
                   double *out, struct rn_error *e) {
    uint32_t n;
    (void)e;
    widths(c, f->rows, &n);
    rn_values_sort(f->x, f->n);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = rn_values_quantile(f->x, f->n, reference(i, n) * 100.0 / 100.0);
        out[i] = i && out[i] < out[i - 1] ? out[i - 1] : out[i];
    }
    return RN_OK;
}

/* The first of n rising values that is above x, or (with `reach`) not below it. */
static uint32_t first_above(const double *v, uint32_t n, double x, int reach) {
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (v[mid] > x || (reach && v[mid] == x))
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* The rank between references i and i + 1. */
static double between(const double *v, uint32_t n, uint32_t i, double x) {
    double low = reference(i, n), high = reference(i + 1, n);
    return (high - low) / (v[i + 1] - v[i]) * (x - v[i]) + low;
}

/* The mean of the highest and the lowest rank of x. */
static double rank(const double *v, uint32_t n, double x) {
    uint32_t above = first_above(v, n, x, 0), at = first_above(v, n, x, 1);
    if (above == n && at == n)
        return reference(n - 1, n);
    if (above == 0)
        return reference(0, n);
    if (above == at)
        return between(v, n, above - 1, x);
    return 0.5 * (reference(above - 1, n) + reference(at, n));
}

/* x with P(X < x) = p of a normal X, 0 < p < 1: Halley's steps on erfc. */
static double normal_quantile(double p) {
    double q = p < 0.5 ? p : 1.0 - p, x = -sqrt(-2.0 * log(2.0 * q)), last = 0.0;
    const double root = 2.5066282746310002; /* of 2 pi */
    for (int i = 0; i < 60 && x != last; i++) {
        double miss = 0.5 * erfc(-x / sqrt(2.0)) - q;
        double u = miss * root * exp(0.5 * x * x);
        last = x;
        x -= u / (1.0 + 0.5 * x * u);
        if (fabs(x - last) <= 1e-16 * fabs(x))
            break;
    }
    return p < 0.5 ? x : -x;
}

static double normal(double p) {
    const double least = NEAR - 2.220446049250313e-16;
    return normal_quantile(p < least ? least : p > 1.0 - least ? 1.0 - least : p);
}

static double map(const struct rn_columns *c, const double *v, const uint32_t *w,
                  double x, int *flag) {
    const struct quantile *s = (const struct quantile *)c;
    double near = s->normal ? NEAR : 0.0;
    uint32_t n = w[0];
    (void)flag;
    double p = x == x ? rank(v, n, x) : NAN;
    if (s->normal ? x + near > v[n - 1] : x == v[n - 1])
        p = 1.0;
    if (s->normal ? x - near < v[0] : x == v[0])
        p = 0.0;
    return s->normal && p == p ? normal(p) : p;
}

static const struct rn_columns_kind kind = {.part_count = 1,
                                            .parts = {"quantiles"},
                                            .values = 1,
                                            .widths = widths,
                                            .fit = fit,
                                            .map = map};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct quantile *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    rn_columns_init(&s->columns, &kind, h, 1);
    s->quantiles = (uint32_t)rn_get_int(h, "quantiles");
    s->normal = strcmp(rn_get_string(h, "to"), "normal") == 0;
    return RN_OK;
}

static const struct rn_transform iface = RN_COLUMNS_IFACE(RN_TRANSFORM_TOTAL, create);

RN_TRANSFORM(quantile, iface, "runner/quantile 1",
             RN_DOC("The rank among the training rows, as f64")
             RN_FITTED_OF_OPTION
             RN_FITTED_PER_OPTION
             RN_OPTION("to choice(uniform,normal) = uniform | ranks 0..1, or normal "
                       "quantiles of them, within +-5.2")
             RN_OPTION("quantiles int = 1000 ; min 1 ; max 1000000 | reference values, "
                       "at most one a training row")
             RN_COLUMNS_MEMORY_OPTION);
RN_PLUGIN(&quantile);
