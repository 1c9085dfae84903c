/* SPDX-License-Identifier: Apache-2.0 */
/* Components that write where they must not, as their option `wrong` says: past the end
 * of a buffer, before its beginning, to an input, past their scratch memory. */
#include <stdlib.h>
#include <string.h>

#include <runner/operator.h>
#include <runner/runner.h>

#define ROWS 64
#define WRONG                                                                          \
    RN_OPTION("wrong choice(none,past,before,input,scratch,cell) = none | what it "    \
              "does")

static int is(const void *self, const char *what) {
    return strcmp((const char *)self, what) == 0;
}

/* *self: the word of `wrong`. */
static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    *self = calloc(1, 16);
    if (!*self)
        return rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
    strncpy((char *)*self, rn_get_string(h, "wrong"), 15);
    return RN_OK;
}

static void spoil(void *p, int64_t offset, uint64_t bytes) {
    uint64_t i;
    for (i = 0; i < bytes; i++)
        ((unsigned char *)p)[offset + (int64_t)i] ^= 0x5a;
}

/* What `wrong` says, to a buffer that may be written (or NULL) and to one that may not.
 */
static int32_t misbehave(const void *self, void *out, uint64_t bytes, const void *in,
                         struct rn_work *work, struct rn_error *e) {
    char *scratch = (char *)rn_scratch(work, 100);
    if (!scratch)
        return rn_fail(e, RN_E_MEMORY, "no scratch memory", NULL, NULL);
    memset(scratch, 1, 100);
    if (is(self, "past"))
        spoil(out, (int64_t)bytes, 4);
    if (is(self, "before"))
        spoil(out, -12, 4);
    if (is(self, "input"))
        spoil((void *)(uintptr_t)in, 5, 1);
    if (is(self, "scratch"))
        spoil(scratch, 100, 1);
    return RN_OK;
}

/* ---- source: x f32 [3], y i64, seq f32 of variable size ---- */
static const struct rn_field fields[3] = {
    {"x", RN_F32, 1, {3}, 0, 0},
    {"y", RN_I64, 0, {0}, 0, 0},
    {"seq", RN_F32, 1, {-1}, RN_FIELD_VARIABLE, 0}};

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    (void)self, (void)e;
    out->count = ROWS;
    out->field_count = 3;
    out->field_stride = sizeof fields[0];
    out->fields = fields;
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    uint64_t i;
    void *cell;
    for (i = 0; i < call->rows; i++) {
        float x = (float)(call->indices[i] % 7);
        float row[3] = {x, 1.0f - x, 0.5f};
        uint64_t n = call->indices[i] % 5;
        if (call->out[0].data)
            memcpy((float *)call->out[0].data + 3 * i, row, sizeof row);
        if (call->out[1].data)
            ((int64_t *)call->out[1].data)[i] = (int64_t)(call->indices[i] % 2);
        if (!call->out[2].data || rn_reserve(&call->out[2], i, n, &cell, e) != RN_OK)
            continue;
        memset(cell, 0, n * sizeof(float));
        if (is(self, "cell") && n == 3)
            spoil(cell, 3 * sizeof(float), 4);
    }
    return misbehave(self, call->out[0].data, call->rows * 12, call->indices,
                     call->work, e);
}

static const struct rn_source source_iface = {
    sizeof(struct rn_source), 0, create, free, info, NULL, NULL, read_rows};
RN_SOURCE(source, source_iface, "acme.bad/rows 1", RN_DOC("Wrong on purpose") WRONG);

/* ---- transform: halves ---- */
static int32_t plan(void *self, struct rn_transform_plan *p, struct rn_error *e) {
    (void)self, (void)e;
    p->out[0] = p->in[0];
    p->out_count = 1;
    return RN_OK;
}
static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    uint64_t i;
    for (i = 0; i < 3 * call->rows; i++)
        ((float *)call->out[0].data)[i] = 0.5f * ((const float *)call->in[0].data)[i];
    return misbehave(self, call->out[0].data, call->rows * 12, call->in[0].data,
                     call->work, e);
}
static const struct rn_transform transform_iface = {.struct_size =
                                                        sizeof(struct rn_transform),
                                                    .create = create,
                                                    .destroy = free,
                                                    .plan = plan,
                                                    .apply = apply};
RN_TRANSFORM(transform, transform_iface, "acme.bad/halves 1",
             RN_DOC("Wrong on purpose") WRONG RN_OPTION("of string = x"));

/* ---- augment: negates ---- */
static int32_t takes_all(void *self, const struct rn_augment_plan *p,
                         struct rn_error *e) {
    (void)self, (void)p, (void)e;
    return RN_OK;
}
static int32_t negate(void *self, const struct rn_augment_call *call,
                      struct rn_error *e) {
    float *x = (float *)call->fields[0].data;
    uint64_t i;
    for (i = 0; i < 3 * call->rows; i++)
        x[i] = -x[i];
    return misbehave(self, x, call->rows * 12, call->sample_ids, call->work, e);
}
static const struct rn_augment augment_iface = {.struct_size =
                                                    sizeof(struct rn_augment),
                                                .create = create,
                                                .destroy = free,
                                                .plan = takes_all,
                                                .apply = negate};
RN_AUGMENT(augment, augment_iface, "acme.bad/negates 1",
           RN_DOC("Wrong on purpose") WRONG RN_OPTION("of string = x"));

/* ---- collate: doubles ---- */
static int32_t take_all(void *self, const struct rn_collate_plan *p,
                        struct rn_error *e) {
    (void)self, (void)p, (void)e;
    return RN_OK;
}
static int32_t twice(void *self, const struct rn_collate_call *call,
                     struct rn_error *e) {
    float *x = (float *)call->fields[0].data;
    uint64_t i;
    for (i = 0; i < 3 * call->rows; i++)
        x[i] *= 2.0f;
    return misbehave(self, x, call->rows * 12, call->sample_ids, call->work, e);
}
static const struct rn_collate collate_iface = {.struct_size =
                                                    sizeof(struct rn_collate),
                                                .create = create,
                                                .destroy = free,
                                                .plan = take_all,
                                                .apply = twice};
RN_COLLATE(collate, collate_iface, "acme.bad/doubles 1",
           RN_DOC("Wrong on purpose") WRONG);

/* ---- sampler: in order ---- */
static int32_t keep_count(void *self, struct rn_sampler_plan *p, struct rn_error *e) {
    (void)self, (void)p, (void)e;
    return RN_OK;
}
static int32_t in_order(void *self, const struct rn_sampler_call *call,
                        struct rn_error *e) {
    uint64_t i;
    for (i = 0; i < call->count; i++)
        call->order[i] = i;
    return misbehave(self, call->order, call->count * 8, call->order, call->work, e);
}
static const struct rn_sampler sampler_iface = {.struct_size =
                                                    sizeof(struct rn_sampler),
                                                .create = create,
                                                .destroy = free,
                                                .plan = keep_count,
                                                .order = in_order};
RN_SAMPLER(sampler, sampler_iface, "acme.bad/rising 1",
           RN_DOC("Wrong on purpose") WRONG);

/* ---- init: a ramp; `input`: it writes to the training samples ---- */
struct slope {
    char wrong[16]; /* first */
    struct rn_host *host;
};

static int32_t create_slope(struct rn_host *h, void **self, struct rn_error *e) {
    struct slope *s = (struct slope *)calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
    strncpy(s->wrong, rn_get_string(h, "wrong"), 15);
    s->host = h;
    return RN_OK;
}

static int32_t fill(void *self, const struct rn_init_call *call, struct rn_error *e) {
    struct rn_host *h = ((struct slope *)self)->host;
    const struct rn_samples_api *samples =
        (const struct rn_samples_api *)h->api->extension(h, RN_EXT_SAMPLES);
    struct rn_tensor x;
    uint64_t i;
    if (!samples || samples->first(h, "x", 8, &x, e) != RN_OK)
        return rn_fail(e, RN_E_PLUGIN, "no samples", NULL, NULL);
    for (i = 0; i < call->count; i++)
        call->out[i] = 0.01f * (float)i;
    return misbehave(self, call->out, call->count * 4, x.data, call->work, e);
}
RN_INIT(init, create_slope, free, fill, "acme.bad/slope 1", RN_DOC("Wrong on purpose") WRONG);

/* ---- metric, host form ---- */
static int32_t reset(void *self, struct rn_error *e) {
    (void)self, (void)e;
    return RN_OK;
}
static int32_t update(void *self, const struct rn_metric_batch *batch,
                      struct rn_error *e) {
    const struct rn_tensor *scores = &batch->values[0];
    uint64_t bytes = (uint64_t)scores->shape[0] * (uint64_t)scores->shape[1] * 4;
    return misbehave(self, scores->data, bytes, scores->data, batch->work, e);
}
static int32_t finish(void *self, const struct rn_metric_result *r,
                      struct rn_error *e) {
    double one = 1.0;
    struct rn_tensor value;
    (void)self, (void)e;
    memset(&value, 0, sizeof value);
    value.data = &one;
    value.dtype = RN_F64;
    return rn_metric_put(r, "one", &value);
}
static const struct rn_metric metric_iface = {.struct_size = sizeof(struct rn_metric),
                                              .create = create,
                                              .destroy = free,
                                              .reset = reset,
                                              .update = update,
                                              .finish = finish};
RN_METRIC(metric, metric_iface, "acme.bad/counts 1",
          RN_DOC("Wrong on purpose") WRONG RN_IN("scores float [N,C]")
              RN_OUT("one f64 []"));

/* ---- loss with an operator: the option is its attribute ---- */
static const char *const words[] = {"none", "past", "before", "input", "scratch"};

static int32_t like(const struct rn_operator_shape *s, struct rn_error *e) {
    (void)e;
    return rn_operator_like(s, 0, &s->in[0]);
}
static int32_t pass(struct rn_build *b, const struct rn_operator_gradient *g) {
    (void)b;
    g->grad_in[0] = g->grad_out[0];
    return RN_OK;
}
static int32_t kernel(const struct rn_operator_call *call, struct rn_error *e) {
    uint64_t bytes = (uint64_t)call->in[0].shape[0] * 4;
    memcpy(call->out[0].data, call->in[0].data, bytes);
    return misbehave(words[RN_ATTR_AT(call, 0)->i], call->out[0].data, bytes,
                     call->in[0].data, call->work, e);
}
static const struct rn_operator passes = {.struct_size = sizeof(struct rn_operator),
                                          .name = "acme.bad/passes",
                                          .version = 1,
                                          .out_count = 1,
                                          .shape = like,
                                          .gradient = pass,
                                          .host = kernel};
static int32_t describe(struct rn_build *b) {
    rn_value x = rn_cross_entropy(b, rn_input(b, "logits"), rn_input(b, "label"), 0.0);
    rn_value y = RN_NONE;
    struct rn_attr how = rn_attr_int("how", 0);
    while (how.i < 4 && strcmp(words[how.i], rn_get_string(b->host, "wrong")) != 0)
        how.i++;
    rn_custom(b, &passes, 1, &x, 1, &how, &y);
    rn_output(b, "loss", y);
    return RN_OK;
}
RN_LOSS(loss, describe, "acme.bad/scored 1",
        RN_DOC("Wrong on purpose") WRONG RN_IN("logits float [N,C]")
            RN_IN("label int [N]") RN_OUT("loss float [N] ; scope sample"));

/* ---- hook ---- */
static int32_t tap(struct rn_build *b, const struct rn_point *p) {
    if (p->kind != RN_POINT_WEIGHT)
        return 0;
    rn_output(b, "weights", p->value);
    return 1;
}
static int32_t tapped(void *self, const struct rn_tapped *t, struct rn_error *e) {
    uint64_t bytes = (uint64_t)t->values[0].shape[0] * 4;
    if (t->values[0].rank == 2)
        bytes *= (uint64_t)t->values[0].shape[1];
    if (is(self, "scratch")) /* of event */
        return RN_OK;
    return misbehave(self, t->values[0].data, bytes, t->values[0].data, t->work, e);
}
static int32_t event(void *self, const struct rn_event *ev, struct rn_error *e) {
    return is(self, "scratch") ? misbehave(self, NULL, 0, NULL, ev->work, e) : RN_OK;
}
static const struct rn_hook hook_iface = {.struct_size = sizeof(struct rn_hook),
                                          .create = create,
                                          .destroy = free,
                                          .tap = tap,
                                          .tapped = tapped,
                                          .event = event};
RN_HOOK(hook, hook_iface, "acme.bad/reads 1",
        RN_DOC("Wrong on purpose") WRONG RN_OPTION("every duration = 1st"));

RN_PLUGIN(&source, &transform, &augment, &collate, &sampler, &init, &metric, &loss,
          &hook);
