/* SPDX-License-Identifier: Apache-2.0 */
/* A transform with state: u8 or f32 pixels minus their mean over the training split. */
#include <stdlib.h>

#include <runner/transform.h>

struct centre {
    struct rn_field field;
    uint64_t each;
    double sum, count;
    float mean;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h;
    *self = calloc(1, sizeof(struct centre));
    return *self ? RN_OK : rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
}

static int32_t plan(void *self, uint32_t in_count, const struct rn_field *in,
                    uint32_t *out_count, struct rn_field *out, struct rn_error *e) {
    struct centre *s = (struct centre *)self;
    if (in_count != 1 || (in[0].dtype != RN_U8 && in[0].dtype != RN_F32))
        return rn_fail(e, RN_E_CONFIG, "one field of u8 or f32 is wanted", NULL, NULL);
    s->field = in[0];
    s->each = 1;
    for (uint32_t i = 0; i < in[0].rank; i++)
        s->each *= (uint64_t)in[0].shape[i];
    out[0] = in[0]; /* a row of an array, which has no size of its own */
    out[0].dtype = RN_F32;
    *out_count = 1;
    return RN_OK;
}

static float number(const struct rn_tensor *t, uint64_t i) {
    return t->dtype == RN_U8 ? (float)((const uint8_t *)t->data)[i]
                             : ((const float *)t->data)[i];
}

static int32_t fit_begin(void *self, struct rn_error *e) {
    struct centre *s = (struct centre *)self;
    (void)e;
    s->sum = s->count = 0.0;
    return RN_OK;
}

static int32_t fit_rows(void *self, uint64_t n, const struct rn_tensor *in,
                        struct rn_error *e) {
    struct centre *s = (struct centre *)self;
    (void)e;
    for (uint64_t i = 0; i < n * s->each; i++)
        s->sum += (double)number(in, i);
    s->count += (double)(n * s->each);
    return RN_OK;
}

static int32_t fit_end(void *self, struct rn_error *e) {
    struct centre *s = (struct centre *)self;
    (void)e;
    s->mean = (float)(s->sum / s->count);
    return RN_OK;
}

static int32_t apply(void *self, uint64_t n, const struct rn_tensor *in,
                     const struct rn_tensor *out, struct rn_error *e) {
    struct centre *s = (struct centre *)self;
    (void)e;
    for (uint64_t i = 0; i < n * s->each; i++)
        ((float *)out->data)[i] = number(in, i) - s->mean;
    return RN_OK;
}

static int32_t save(void *self, struct rn_stream *stream) {
    const struct centre *s = (const struct centre *)self;
    uint32_t version = 1;
    int32_t status = stream->api->write(stream, &version, sizeof version);
    return status ? status : stream->api->write(stream, &s->mean, sizeof s->mean);
}

static int32_t load(void *self, struct rn_stream *stream, struct rn_error *e) {
    struct centre *s = (struct centre *)self;
    uint32_t version = 0;
    int32_t status = stream->api->read(stream, &version, sizeof version);
    if (status == RN_OK && version != 1)
        return rn_fail(e, RN_E_CHECKPOINT, "a state of another version", NULL, NULL);
    return status ? status : stream->api->read(stream, &s->mean, sizeof s->mean);
}

static const struct rn_transform iface = {
    sizeof(struct rn_transform), 0, create, free, plan, fit_begin, fit_rows, fit_end,
    apply, save, load, NULL};

RN_TRANSFORM(centre, iface, "acme.data/centre 1",
             RN_DOC("Minus the mean of the training split")
                 RN_OPTION("of string = image | the field"));
RN_PLUGIN(&centre);
