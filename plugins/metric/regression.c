/* SPDX-License-Identifier: Apache-2.0 */
/* mse, mae and r2 over all elements; host form, in f64. r2 = 1 - SSE/SST with the
 * mean of the split (Welford's update, merged as Chan et al. 1979). */
#include <math.h>
#include <stdlib.h>

#include <runner/metric.h>

struct sums {
    double n, squares, absolute, mean, m2;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h;
    *self = calloc(1, sizeof(struct sums));
    return *self ? RN_OK
                 : rn_fail(e, RN_E_MEMORY, "no memory for a metric", NULL, NULL);
}

static int32_t reset(void *self, struct rn_error *e) {
    (void)e;
    *(struct sums *)self = (struct sums){0};
    return RN_OK;
}

static int32_t update(void *self, const struct rn_metric_batch *b, struct rn_error *e) {
    struct sums *s = self;
    const struct rn_tensor *p = &b->values[0], *t = &b->values[1];
    uint64_t each = 1, each_target = 1;
    for (uint32_t i = 1; i < p->rank; i++)
        each *= (uint64_t)p->shape[i];
    for (uint32_t i = 1; i < t->rank; i++)
        each_target *= (uint64_t)t->shape[i];
    if (each != each_target)
        return rn_fail(e, RN_E_CONFIG, "prediction and target differ in shape", NULL,
                       NULL);
    for (uint64_t i = 0; i < b->rows * each; i++) {
        double y = (double)((const float *)t->data)[i];
        double error = (double)((const float *)p->data)[i] - y, d = y - s->mean;
        s->n += 1.0;
        s->squares += error * error;
        s->absolute += fabs(error);
        s->mean += d / s->n;
        s->m2 += d * (y - s->mean);
    }
    return RN_OK;
}

static int32_t save(void *self, struct rn_stream *stream) {
    const uint32_t version = 1;
    int32_t status = stream->api->write(stream, &version, sizeof version);
    return status ? status : stream->api->write(stream, self, sizeof(struct sums));
}

static int32_t read_sums(struct rn_stream *stream, struct sums *o, struct rn_error *e) {
    uint32_t version = 0;
    int32_t status = stream->api->read(stream, &version, sizeof version);
    if (status == RN_OK && version != 1)
        return rn_fail(e, RN_E_CHECKPOINT, "state of a version not known here", NULL,
                       NULL);
    return status ? status : stream->api->read(stream, o, sizeof *o);
}

static int32_t load(void *self, struct rn_stream *stream, struct rn_error *e) {
    return read_sums(stream, self, e);
}

static int32_t merge(void *self, struct rn_stream *stream, struct rn_error *e) {
    struct sums *s = self, o;
    int32_t status = read_sums(stream, &o, e);
    if (status != RN_OK || o.n == 0.0)
        return status;
    double n = s->n + o.n, d = o.mean - s->mean;
    s->m2 += o.m2 + d * d * s->n * o.n / n;
    s->mean += d * o.n / n;
    s->squares += o.squares;
    s->absolute += o.absolute;
    s->n = n;
    return RN_OK;
}

static int32_t put(struct rn_metric_sink *sink, const char *name, double x) {
    struct rn_tensor t = {&x, NULL, NULL, RN_F64, 0};
    return sink->api->put(sink, name, &t);
}

static int32_t finish_mse(void *self, uint32_t count, const struct rn_tensor *states,
                          struct rn_metric_sink *sink, struct rn_error *e) {
    const struct sums *s = self;
    (void)count, (void)states, (void)e;
    return put(sink, "mse", s->n > 0.0 ? s->squares / s->n : 0.0);
}

static int32_t finish_mae(void *self, uint32_t count, const struct rn_tensor *states,
                          struct rn_metric_sink *sink, struct rn_error *e) {
    const struct sums *s = self;
    (void)count, (void)states, (void)e;
    return put(sink, "mae", s->n > 0.0 ? s->absolute / s->n : 0.0);
}

/* A constant target has no variance to explain: 1 if met exactly, else 0. */
static int32_t finish_r2(void *self, uint32_t count, const struct rn_tensor *states,
                         struct rn_metric_sink *sink, struct rn_error *e) {
    const struct sums *s = self;
    (void)count, (void)states, (void)e;
    double r2 = s->m2 > 0.0 ? 1.0 - s->squares / s->m2 : s->squares == 0.0 ? 1.0 : 0.0;
    return put(sink, "r2", r2);
}

#define IFACE(name)                                                                    \
    static const struct rn_metric name##_iface = {sizeof(struct rn_metric),            \
                                                  0,                                   \
                                                  create,                              \
                                                  free,                                \
                                                  NULL,                                \
                                                  reset,                               \
                                                  update,                              \
                                                  merge,                               \
                                                  save,                                \
                                                  load,                                \
                                                  finish_##name}
IFACE(mse);
IFACE(mae);
IFACE(r2);

#define PORTS                                                                          \
    RN_IN("prediction f32 [N,...] | the model's values")                               \
    RN_IN("target f32 [N,...] | what they should be")

RN_METRIC(mse, mse_iface, "runner/mse 1",
          RN_DOC("Mean squared error") PORTS RN_OUT("mse f64 [] ; better lower"));
RN_METRIC(mae, mae_iface, "runner/mae 1",
          RN_DOC("Mean absolute error") PORTS RN_OUT("mae f64 [] ; better lower"));
RN_METRIC(r2, r2_iface, "runner/r2 1",
          RN_DOC("Coefficient of determination: 1 - residual / total sum of squares")
              PORTS RN_OUT("r2 f64 [] ; better higher"));
RN_PLUGIN(&mse, &mae, &r2);
