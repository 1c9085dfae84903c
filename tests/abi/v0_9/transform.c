/* SPDX-License-Identifier: Apache-2.0 */
/* A transform with state: u8 or f32 pixels minus their mean over the training split; and
 * one from cells of variable size to such cells: each of f32 pairs, twice. */
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

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    const struct rn_field *in = plan->in;
    struct rn_field *out = plan->out;
    uint32_t in_count = plan->in_count;
    struct centre *s = (struct centre *)self;
    if (in_count != 1 || (in[0].dtype != RN_U8 && in[0].dtype != RN_F32))
        return rn_fail(e, RN_E_CONFIG, "one field of u8 or f32 is wanted", NULL, NULL);
    s->field = in[0];
    s->each = 1;
    for (uint32_t i = 0; i < in[0].rank; i++)
        s->each *= (uint64_t)in[0].shape[i];
    out[0] = in[0]; /* a row of an array, which has no size of its own */
    out[0].dtype = RN_F32;
    plan->out_count = 1;
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

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    uint64_t n = call->rows;
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

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    const struct rn_tensor *out = call->out;
    uint64_t n = call->rows;
    struct centre *s = (struct centre *)self;
    (void)e;
    for (uint64_t i = 0; i < n * s->each; i++)
        ((float *)out->data)[i] = number(in, i) - s->mean;
    return RN_OK;
}

static int32_t save(void *self, struct rn_stream *stream, struct rn_error *e) {
    (void)e;
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

static int32_t doubled_create(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h, (void)e;
    *self = NULL;
    return RN_OK;
}

static int32_t doubled_plan(void *self, struct rn_transform_plan *plan,
                            struct rn_error *e) {
    const struct rn_field *in = plan->in;
    struct rn_field *out = plan->out;
    uint32_t in_count = plan->in_count;
    (void)self;
    if (in_count != 1 || !(in[0].flags & RN_FIELD_VARIABLE))
        return rn_fail(e, RN_E_CONFIG, "one field of variable size is wanted", NULL, NULL);
    out[0] = in[0];
    plan->out_count = 1;
    return RN_OK;
}

static int32_t doubled_apply(void *self, const struct rn_transform_call *call,
                             struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    const struct rn_tensor *out = call->out;
    uint64_t n = call->rows;
    (void)self;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t count;
        const float *from = (const float *)rn_cell(in, i, &count);
        void *data;
        int32_t status = rn_reserve(out, i, 2 * count, &data, e);
        if (status != RN_OK)
            return status;
        for (uint64_t k = 0; k < 4 * count; k++)
            ((float *)data)[k] = from[k / 4 * 2 + k % 2];
    }
    return RN_OK;
}

static void doubled_destroy(void *self) {
    (void)self;
}

static const struct rn_transform doubled_iface = {
    sizeof(struct rn_transform), 0, doubled_create, doubled_destroy, doubled_plan, NULL,
    NULL, NULL, doubled_apply, NULL, NULL, NULL};

RN_TRANSFORM(doubled, doubled_iface, "acme.data/doubled 1",
             RN_DOC("Every entry of a cell twice")
                 RN_IN("cells f32 [...] ; variable | of variable size")
                     RN_OPTION("of list(string) ; required | the field"));
RN_PLUGIN(&centre, &doubled);
