/* SPDX-License-Identifier: Apache-2.0 */
/* A metric in host form: how many rows, the sum of the labels, the mean of the image,
 * the sum of sample ids. */
#include <stdlib.h>
#include <string.h>

#include <runner/metric.h>

struct totals {
    double rows, labels, pixels, pixel_count, ids;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h;
    *self = calloc(1, sizeof(struct totals));
    return *self ? RN_OK : rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
}

static int32_t reset(void *self, struct rn_error *e) {
    (void)e;
    memset(self, 0, sizeof(struct totals));
    return RN_OK;
}

static int32_t update(void *self, const struct rn_metric_batch *batch,
                      struct rn_error *e) {
    struct totals *s = (struct totals *)self;
    const struct rn_tensor *label = &batch->values[0], *image = &batch->values[1];
    uint64_t each = 1;
    (void)e;
    for (uint32_t i = 1; image->data && i < image->rank; i++)
        each *= (uint64_t)image->shape[i];
    for (uint64_t i = 0; i < batch->rows; i++) {
        s->rows += 1.0;
        s->labels += (double)((const int64_t *)label->data)[i];
        s->ids += (double)batch->sample_ids[i];
        for (uint64_t k = 0; image->data && k < each; k++) {
            s->pixels += (double)((const float *)image->data)[i * each + k];
            s->pixel_count += 1.0;
        }
    }
    return RN_OK;
}

static int32_t save(void *self, struct rn_stream *stream, struct rn_error *e) {
    (void)e;
    uint32_t version = 1;
    int32_t status = stream->api->write(stream, &version, sizeof version);
    return status ? status : stream->api->write(stream, self, sizeof(struct totals));
}

static int32_t get(struct rn_stream *stream, struct totals *out, struct rn_error *e) {
    uint32_t version = 0;
    int32_t status = stream->api->read(stream, &version, sizeof version);
    if (status == RN_OK && version != 1)
        return rn_fail(e, RN_E_CHECKPOINT, "a state of another version", NULL, NULL);
    return status ? status : stream->api->read(stream, out, sizeof *out);
}

static int32_t load(void *self, struct rn_stream *stream, struct rn_error *e) {
    return get(stream, (struct totals *)self, e);
}

static int32_t merge(void *self, struct rn_stream *stream, struct rn_error *e) {
    struct totals *s = (struct totals *)self, other;
    int32_t status = get(stream, &other, e);
    if (status != RN_OK)
        return status;
    s->rows += other.rows, s->labels += other.labels, s->pixels += other.pixels;
    s->pixel_count += other.pixel_count, s->ids += other.ids;
    return RN_OK;
}

static int32_t put(const struct rn_metric_result *r, const char *name, double x) {
    struct rn_tensor t = {&x, NULL, NULL, RN_F64, 0};
    return rn_metric_put(r, name, &t);
}

static int32_t finish(void *self, const struct rn_metric_result *r,
                      struct rn_error *e) {
    const struct totals *s = (const struct totals *)self;
    double mean = s->pixel_count > 0.0 ? s->pixels / s->pixel_count : 0.0;
    int32_t status = put(r, "rows", s->rows);
    (void)e;
    status = status ? status : put(r, "labels", s->labels);
    status = status ? status : put(r, "ids", s->ids);
    return status ? status : put(r, "mean", mean);
}

static const struct rn_metric iface = {sizeof(struct rn_metric),
                                       0,
                                       create,
                                       free,
                                       NULL,
                                       reset,
                                       update,
                                       merge,
                                       save,
                                       load,
                                       finish};

RN_METRIC(totals, iface, "acme.metrics/totals 1",
          RN_DOC("Rows, labels and pixels counted")
              RN_IN("label int [N] | class index")
                  RN_IN("image float [N,...] ; optional | looked at")
                      RN_OUT("rows f64 []") RN_OUT("labels f64 [] ; better higher")
                          RN_OUT("ids f64 []") RN_OUT("mean f64 [] ; better lower"));
RN_PLUGIN(&totals);
