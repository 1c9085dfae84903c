/* SPDX-License-Identifier: Apache-2.0 */
/* A power that makes the training rows most alike a normal distribution, by maximum
 * likelihood: box_cox (Box and Cox 1964) of positive numbers, yeo_johnson (Yeo and
 * Johnson 2000) of any; then, unless standardise is false, mean 0 and variance 1, as
 * PowerTransformer of scikit-learn. */
#include <runner/sdk/columns.h>

struct power {
    struct rn_columns columns; /* first: the shared calls see only this */
    int box_cox, standardise;
};

static int box_cox(const struct rn_columns *s) {
    return ((const struct power *)s)->box_cox;
}

/* (e^(power log) - 1) / power, or its limit. */
static double powered(double power, double log) {
    return fabs(power) < 1e-300 ? log : expm1(power * log) / power;
}

static double transformed(int box, double lambda, double x) {
    return box        ? powered(lambda, log(x))
           : x >= 0.0 ? powered(lambda, log1p(x))
                      : -powered(2.0 - lambda, log1p(-x));
}

static void moments(int box, double lambda, const double *x, uint64_t n, double *mean,
                    double *variance) {
    double origin = transformed(box, lambda, x[0]), sum = 0.0, squares = 0.0;
    for (uint64_t i = 0; i < n; i++)
        sum += transformed(box, lambda, x[i]) - origin;
    sum /= (double)n;
    for (uint64_t i = 0; i < n; i++) {
        double d = transformed(box, lambda, x[i]) - origin - sum;
        squares += d * d;
    }
    *mean = origin + sum;
    *variance = squares / (double)n;
}

struct sample {
    int box;
    const double *x;
    uint64_t n;
    double logs; /* sum of log x, or of sign(x) log(1 + |x|) */
};

/* Minus the log-likelihood of lambda, less what does not depend on it; infinite where
 * it is out of range. */
static double cost(const struct sample *s, double lambda) {
    double mean, variance;
    moments(s->box, lambda, s->x, s->n, &mean, &variance);
    double c = (double)s->n / 2.0 * log(variance) - (lambda - 1.0) * s->logs;
    return isfinite(c) ? c : INFINITY;
}

/* Extend low..high until the least cost is inside: at *middle. */
static void bracket(const struct sample *s, double *low, double *middle, double *high) {
    const double limit = 64.0;
    double step = 1.0;
    *middle = 0.5 * (*low + *high);
    for (;;) {
        double at = cost(s, *middle);
        if (cost(s, *low) < at && *low > -limit) {
            *high = *middle, *middle = *low, *low -= step;
        } else if (cost(s, *high) < at && *high < limit) {
            *low = *middle, *middle = *high, *high += step;
        } else
            return;
        step *= 1.618033988749895;
    }
}

/* Brent 1973, chapter 5: parabolas through the three best points, golden sections where
 * they do not help. */
static double minimum(const struct sample *s, double low, double x, double high) {
    const double golden = 0.3819660112501051, relative = 1e-9;
    double w = x, v = x, fx = cost(s, x), fw = fx, fv = fx, step = 0.0, before = 0.0;
    for (int i = 0; i < 200; i++) {
        double mid = 0.5 * (low + high), tolerance = relative * fabs(x) + 1e-11;
        if (fabs(x - mid) <= 2.0 * tolerance - 0.5 * (high - low))
            break;
        double p = 0.0, q = 0.0, r = before;
        if (fabs(before) > tolerance) {
            double a = (x - w) * (fx - fv), b = (x - v) * (fx - fw);
            p = (x - v) * b - (x - w) * a;
            q = 2.0 * (b - a);
            p = q > 0.0 ? -p : p;
            q = fabs(q);
            before = step;
        }
        if (isfinite(p) && isfinite(q) && fabs(p) < fabs(0.5 * q * r) &&
            p > q * (low - x) && p < q * (high - x)) {
            step = p / q;
            if (x + step - low < 2.0 * tolerance || high - x - step < 2.0 * tolerance)
                step = x < mid ? tolerance : -tolerance;
        } else {
            before = (x < mid ? high : low) - x;
            step = golden * before;
        }
        double u = x + (fabs(step) >= tolerance ? step
                        : step > 0.0            ? tolerance
                                                : -tolerance);
        double fu = cost(s, u);
        if (fu <= fx) {
            *(u < x ? &high : &low) = x;
            v = w, fv = fw, w = x, fw = fx, x = u, fx = fu;
        } else {
            *(u < x ? &low : &high) = u;
            if (fu <= fw || w == x)
                v = w, fv = fw, w = u, fw = fu;
            else if (fu <= fv || v == x || v == w)
                v = u, fv = fu;
        }
    }
    return x;
}

static double likeliest(const struct sample *s) {
    double low = -2.0, middle, high = 2.0;
    bracket(s, &low, &middle, &high);
    return minimum(s, low, middle, high);
}

/* Of box_cox the likeliest lambda does not depend on the unit of x: without it powers
 * stay in range. */
static double fit_lambda(int box, double *x, uint64_t n) {
    struct sample s = {box, x, n, 0.0};
    double unit = 0.0;
    for (uint64_t i = 0; box && i < n; i++)
        unit += log(x[i]) / (double)n;
    for (uint64_t i = 0; box && i < n; i++)
        x[i] = exp(log(x[i]) - unit);
    for (uint64_t i = 0; i < n; i++)
        s.logs += box ? log(x[i]) : x[i] < 0.0 ? -log1p(-x[i]) : log1p(x[i]);
    double lambda = likeliest(&s);
    for (uint64_t i = 0; box && i < n; i++)
        x[i] = exp(log(x[i]) + unit);
    return lambda;
}

static int32_t fit(const struct rn_columns *c, const struct rn_columns_fit *f,
                   double *out, struct rn_error *e) {
    const struct power *s = (const struct power *)c;
    int constant = !(f->tally->most > f->tally->least);
    double variance;
    if (constant && s->box_cox)
        return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                        "field '%s': element %llu is %g in every training sample; "
                        "box_cox has no power for it",
                        f->field, (unsigned long long)f->element, f->tally->least);
    out[0] = constant ? 1.0 : fit_lambda(s->box_cox, f->x, f->n);
    out[1] = 0.0;
    out[2] = 1.0;
    if (!s->standardise)
        return RN_OK;
    moments(s->box_cox, out[0], f->x, f->n, &out[1], &variance);
    if (!isfinite(out[1]) || !isfinite(variance))
        return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                        "field '%s': element %llu goes from %g to %g, which is too "
                        "far for its power %g",
                        f->field, (unsigned long long)f->element, f->tally->least,
                        f->tally->most, out[0]);
    out[2] = variance > 0.0 && !constant ? sqrt(variance) : 1.0;
    return RN_OK;
}

static const char *refuse(const struct rn_columns *s, double x) {
    return !box_cox(s) || x > 0.0 ? NULL : "is not above 0, which box_cox needs";
}

static double map(const struct rn_columns *s, const double *fitted,
                  const uint32_t *widths, double x, int *flag) {
    (void)widths, (void)flag;
    return (transformed(box_cox(s), fitted[0], x) - fitted[1]) / fitted[2];
}

static const struct rn_columns_kind kind = {.part_count = 3,
                                            .parts = {"lambda", "mean", "scale"},
                                            .values = 1,
                                            .refuse = refuse,
                                            .fit = fit,
                                            .map = map};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct power *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    rn_columns_init(&s->columns, &kind, h, 1);
    s->box_cox = strcmp(rn_get_string(h, "method"), "box_cox") == 0;
    s->standardise = rn_get_bool(h, "standardise");
    return RN_OK;
}

static const struct rn_transform iface = RN_COLUMNS_IFACE(0, create);

RN_TRANSFORM(power, iface, "runner/power 1",
             RN_DOC("The power that makes the training rows most alike a normal "
                    "distribution, then mean 0 and variance 1, as f64")
             RN_FITTED_OF_OPTION
             RN_FITTED_PER_OPTION
             RN_OPTION("method choice(yeo_johnson,box_cox) = yeo_johnson | of any "
                       "numbers, or of positive ones")
             RN_OPTION("standardise bool = true | mean 0 and variance 1 after it")
             RN_COLUMNS_MEMORY_OPTION);
RN_PLUGIN(&power);
