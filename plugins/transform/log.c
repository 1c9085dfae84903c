/* SPDX-License-Identifier: Apache-2.0 */
/* log(x + shift) and sqrt(x + shift). Nothing is fitted; what has no logarithm or root
 * is an error that names the row. */
#include <runner/sdk/columns.h>

struct shifted {
    struct rn_columns columns; /* first: the shared calls see only this */
    double shift;
    int base; /* of log: 0 is e */
};

static double shift_of(const struct rn_columns *c) {
    return ((const struct shifted *)c)->shift;
}

static const char *refuse_log(const struct rn_columns *s, double x) {
    return x + shift_of(s) > 0.0 ? NULL : "plus `shift` is not above 0";
}

static const char *refuse_sqrt(const struct rn_columns *s, double x) {
    return x + shift_of(s) >= 0.0 ? NULL : "plus `shift` is below 0";
}

/* log1p keeps the digits of small x. */
static double map_log(const struct rn_columns *c, const double *none,
                      const uint32_t *widths, double x, int *flag) {
    const struct shifted *s = (const struct shifted *)c;
    (void)none, (void)widths, (void)flag;
    return s->base == 2      ? log2(x + s->shift)
           : s->base == 10   ? log10(x + s->shift)
           : s->shift == 1.0 ? log1p(x)
                             : log(x + s->shift);
}

static double map_sqrt(const struct rn_columns *s, const double *none,
                       const uint32_t *widths, double x, int *flag) {
    (void)none, (void)widths, (void)flag;
    return sqrt(x + shift_of(s));
}

static const struct rn_columns_kind kind_log = {.refuse = refuse_log, .map = map_log};
static const struct rn_columns_kind kind_sqrt = {.refuse = refuse_sqrt,
                                                 .map = map_sqrt};

static int32_t create(struct rn_host *h, void **self,
                      const struct rn_columns_kind *kind, struct rn_error *e) {
    struct shifted *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    rn_columns_init(&s->columns, kind, h, 0);
    s->shift = rn_get_float(h, "shift");
    return RN_OK;
}

static int32_t create_log(struct rn_host *h, void **self, struct rn_error *e) {
    int32_t status = create(h, self, &kind_log, e);
    if (status == RN_OK)
        ((struct shifted *)*self)->base = atoi(rn_get_string(h, "base"));
    return status;
}

static int32_t create_sqrt(struct rn_host *h, void **self, struct rn_error *e) {
    return create(h, self, &kind_sqrt, e);
}

static const struct rn_transform log_iface = RN_COLUMNS_IFACE_UNFITTED(0, create_log);
static const struct rn_transform sqrt_iface = RN_COLUMNS_IFACE_UNFITTED(0, create_sqrt);

RN_TRANSFORM(logarithm, log_iface, "runner/log 1",
             RN_DOC("Logarithm of x + shift, as f64")
             RN_FITTED_OF_OPTION
             RN_OPTION("shift float = 0 | added before: 1 for counts from 0")
             RN_OPTION("base choice(e,2,10) = e | of the logarithm"));
RN_TRANSFORM(root, sqrt_iface, "runner/sqrt 1",
             RN_DOC("Square root of x + shift, as f64")
             RN_FITTED_OF_OPTION
             RN_OPTION("shift float = 0 | added before"));
RN_PLUGIN(&logarithm, &root);
