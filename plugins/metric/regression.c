/* SPDX-License-Identifier: Apache-2.0 */
/* mse, mae and r2; host form, in f64. mse and mae are means over all elements. r2 is
 * 1 - SSE/SST, the mean over the elements of a row of each one's own (weighted Welford
 * update, merged as Chan et al. 1979); as scikit-learn's r2_score, but not defined
 * where a target does not vary. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/metric.h>

struct column { /* one element of a row, over all rows */
    double squares, absolute, mean, m2;
};

struct sums {
    double n;      /* weight of the rows seen */
    uint64_t rows; /* that weigh something */
    uint64_t each; /* elements of a row; 0 until the first */
    struct column *columns;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h;
    *self = calloc(1, sizeof(struct sums));
    return *self ? RN_OK
                 : rn_fail(e, RN_E_MEMORY, "no memory for a metric", NULL, NULL);
}

static void destroy(void *self) {
    struct sums *s = self;
    if (s)
        free(s->columns);
    free(s);
}

static int32_t reset(void *self, struct rn_error *e) {
    struct sums *s = self;
    (void)e;
    s->n = 0.0;
    s->rows = 0;
    if (s->columns)
        memset(s->columns, 0, s->each * sizeof *s->columns);
    return RN_OK;
}

static int32_t size(struct sums *s, uint64_t each, struct rn_error *e) {
    if (s->each == each)
        return RN_OK;
    if (s->each || !each)
        return rn_fail(e, RN_E_DATA, "the size of a row changed between batches", NULL,
                       NULL);
    s->columns = calloc(each, sizeof *s->columns);
    if (!s->columns)
        return rn_fail(e, RN_E_MEMORY, "no memory for a metric", NULL, NULL);
    s->each = each;
    return RN_OK;
}

static uint64_t row_elements(const struct rn_tensor *t) {
    uint64_t n = 1;
    for (uint32_t i = 1; i < t->rank; i++)
        n *= (uint64_t)t->shape[i];
    return n;
}

/* n: weight of the rows before, with this one's w. */
static void add(struct column *c, double n, double w, double y, double prediction) {
    double error = prediction - y, d = y - c->mean;
    c->squares += w * error * error;
    c->absolute += w * fabs(error);
    c->mean = n == w ? y : c->mean + d * w / n; /* exact: a constant has no variance */
    c->m2 += w * d * (y - c->mean);
}

/* Shapes that are the same but for ones: [N] and [N,1]. */
static int32_t check(void *self, const struct rn_metric_batch *b, struct rn_error *e) {
    const struct rn_tensor *p = &b->values[0], *t = &b->values[1];
    uint32_t i = 1, k = 1;
    (void)self;
    for (;; i++, k++) {
        while (i < p->rank && p->shape[i] == 1)
            i++;
        while (k < t->rank && t->shape[k] == 1)
            k++;
        if (i >= p->rank || k >= t->rank || p->shape[i] != t->shape[k])
            break;
    }
    return i == p->rank && k == t->rank
               ? RN_OK
               : rn_fail(
                     e, RN_E_CONFIG, "prediction and target differ in shape",
                     "it needs one number per prediction: check the model's outputs",
                     NULL);
}

static const void *extension(const char *id) {
    static const struct rn_metric_check_api api = {sizeof(struct rn_metric_check_api),
                                                   0, check, NULL};
    return strcmp(id, RN_EXT_METRIC_CHECK) == 0 ? &api : NULL;
}

static int32_t update(void *self, const struct rn_metric_batch *b, struct rn_error *e) {
    struct sums *s = self;
    const float *p = b->values[0].data;
    const struct rn_tensor *t = &b->values[1];
    uint64_t each = row_elements(&b->values[0]);
    int32_t status = size(s, each, e);
    for (uint64_t i = 0; i < b->rows && status == RN_OK; i++) {
        double w = rn_weight_at(b, 2, i);
        if (w == 0.0)
            continue;
        s->n += w;
        s->rows++;
        for (uint64_t k = 0; k < each; k++)
            add(&s->columns[k], s->n, w, rn_number_at(t, i * each + k),
                (double)p[i * each + k]);
    }
    return status;
}

#define VERSION 3u

static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    (void)e;
    const struct sums *s = self;
    const uint32_t version = VERSION;
    int32_t status = to->api->write(to, &version, sizeof version);
    if (status == RN_OK)
        status = to->api->write(to, &s->n, sizeof s->n);
    if (status == RN_OK)
        status = to->api->write(to, &s->rows, sizeof s->rows);
    if (status == RN_OK)
        status = to->api->write(to, &s->each, sizeof s->each);
    return status || !s->each
               ? status
               : to->api->write(to, s->columns, s->each * sizeof *s->columns);
}

static int32_t merge(void *self, struct rn_stream *from, struct rn_error *e) {
    struct sums *s = self;
    uint32_t version = 0;
    uint64_t each = 0, rows = 0;
    double other = 0.0;
    int32_t status = from->api->read(from, &version, sizeof version);
    if (status == RN_OK && version != VERSION)
        return rn_fail(e, RN_E_CHECKPOINT, "state of a version not known here", NULL,
                       NULL);
    if (status == RN_OK)
        status = from->api->read(from, &other, sizeof other);
    if (status == RN_OK)
        status = from->api->read(from, &rows, sizeof rows);
    if (status == RN_OK)
        status = from->api->read(from, &each, sizeof each);
    if (status == RN_OK && each > from->api->left(from) / sizeof(struct column))
        return rn_fail(e, RN_E_CHECKPOINT, "the state is cut short", NULL, NULL);
    if (status == RN_OK && each)
        status = size(s, each, e);
    double n = s->n + other;
    for (uint64_t k = 0; k < each && status == RN_OK; k++) {
        struct column *c = &s->columns[k], o;
        status = from->api->read(from, &o, sizeof o);
        if (status != RN_OK || other == 0.0)
            continue;
        double d = o.mean - c->mean;
        c->m2 += o.m2 + d * d * s->n * other / n;
        c->mean += d * other / n;
        c->squares += o.squares;
        c->absolute += o.absolute;
    }
    s->n = n;
    s->rows += rows;
    return status;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    reset(self, e);
    return merge(self, from, e);
}

/* ------------------------------------------------------------------ results */

static double mse_of(const struct sums *s, const struct column *c) {
    return c->squares / s->n;
}

static double mae_of(const struct sums *s, const struct column *c) {
    return c->absolute / s->n;
}

/* A constant target, that of a single row too, has no variance to explain. */
static double r2_of(const struct sums *s, const struct column *c) {
    (void)s;
    return c->m2 > 0.0 ? 1.0 - c->squares / c->m2 : NAN;
}

static int32_t finish(const struct sums *s, const char *name,
                      double (*of)(const struct sums *, const struct column *),
                      const struct rn_metric_result *result) {
    double sum = s->rows ? 0.0 : NAN; /* of no row there is no mean */
    for (uint64_t k = 0; s->rows && k < s->each; k++)
        sum += of(s, &s->columns[k]) / (double)s->each;
    struct rn_tensor t = {&sum, NULL, NULL, RN_F64, 0};
    return rn_metric_put(result, name, &t);
}

#define METRIC_(name)                                                                  \
    static int32_t finish_##name(void *self, const struct rn_metric_result *result,    \
                                 struct rn_error *e) {                                 \
        (void)e;                                                                       \
        return finish(self, #name, name##_of, result);                                 \
    }                                                                                  \
    static const struct rn_metric name##_iface = {sizeof(struct rn_metric),            \
                                                  0,                                   \
                                                  create,                              \
                                                  destroy,                             \
                                                  NULL,                                \
                                                  reset,                               \
                                                  update,                              \
                                                  merge,                               \
                                                  save,                                \
                                                  load,                                \
                                                  finish_##name}
METRIC_(mse);
METRIC_(mae);
METRIC_(r2);

#define PORTS                                                                          \
    RN_IN("prediction f32 [N,...] | the model's values")                               \
    RN_IN("target " RN_METRIC_NUMBER " [N,...] | what they should be")                 \
    RN_METRIC_WEIGHT_PORT

RN_EXTENDED(mse, mse_iface, extension, "metric runner/mse 1",
            RN_DOC("Mean squared error over all elements")
                PORTS RN_OUT("mse f64 [] ; better lower"));
RN_EXTENDED(mae, mae_iface, extension, "metric runner/mae 1",
            RN_DOC("Mean absolute error over all elements")
                PORTS RN_OUT("mae f64 [] ; better lower"));
RN_EXTENDED(r2, r2_iface, extension, "metric runner/r2 1",
            RN_DOC("Coefficient of determination: 1 - residual / total sum of squares, "
                   "the mean over the elements of a row; n/a where the target does not "
                   "vary") PORTS RN_OUT("r2 f64 [] ; better higher"));
RN_PLUGIN(&mse, &mae, &r2);
