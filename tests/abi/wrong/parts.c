/* SPDX-License-Identifier: Apache-2.0 */
/* Components of the other kinds that are wrong on purpose. */
#include <stdlib.h>

#include <runner/runner.h>

/* ---- optimizers ---- */
#define OPTIMIZER(name)                                                                \
    RN_OPTIMIZER(opt_##name, name, "acme.bad/" #name " 1",                             \
                 RN_DOC("Wrong on purpose") RN_IN("param float [...]")                 \
                     RN_IN("grad float [...]") RN_IN("step float []")                  \
                         RN_OUT("param float [...]")                                   \
                             RN_OPTION("lr float = 0.1 ; live | rate"))
static int32_t nothing(struct rn_build *b) {
    (void)b;
    return RN_OK;
}
static int32_t shrinks(struct rn_build *b) {
    rn_output(b, "param", rn_reduce_sum_all(b, rn_input(b, "param")));
    return RN_OK;
}
OPTIMIZER(nothing);
OPTIMIZER(shrinks);

/* ---- metrics ---- */
static int32_t update(void *self, const struct rn_metric_batch *batch, struct rn_error *e) {
    (void)self, (void)batch, (void)e;
    return RN_OK;
}
static int32_t update_fails(void *self, const struct rn_metric_batch *batch,
                            struct rn_error *e) {
    (void)self, (void)batch;
    return rn_fail(e, RN_E_DATA, "a label that nobody knows", NULL, NULL);
}
static int32_t puts_none(void *self, const struct rn_metric_result *r,
                         struct rn_error *e) {
    (void)self, (void)r, (void)e;
    return RN_OK;
}
static int32_t puts_as(const struct rn_metric_result *r, const char *name, rn_dtype t,
                       uint32_t rank) {
    double x[2] = {0.0, 0.0};
    int64_t n = 2;
    struct rn_tensor v;
    v.data = x, v.shape = &n, v.strides = NULL, v.dtype = t, v.rank = rank;
    return rn_metric_put(r, name, &v);
}
static int32_t puts_other(void *self, const struct rn_metric_result *r,
                          struct rn_error *e) {
    (void)self, (void)e;
    return puts_as(r, "other", RN_F64, 0);
}
static int32_t puts_vector(void *self, const struct rn_metric_result *r,
                           struct rn_error *e) {
    (void)self, (void)e;
    return puts_as(r, "score", RN_F64, 1);
}
static int32_t puts_u8(void *self, const struct rn_metric_result *r,
                       struct rn_error *e) {
    (void)self, (void)e;
    return puts_as(r, "score", RN_U8, 0);
}
#define METRIC(name, update, finish)                                                   \
    static const struct rn_metric name##_iface = {                                     \
        sizeof(struct rn_metric), 0, NULL, NULL, NULL, NULL, update, NULL, NULL, NULL, \
        finish};                                                                       \
    RN_METRIC(metric_##name, name##_iface, "acme.bad/" #name " 1",                     \
              RN_DOC("Wrong on purpose") RN_IN("label int [N]") RN_OUT("score f64 []"))
METRIC(none, update, puts_none);
METRIC(other, update, puts_other);
METRIC(vector, update, puts_vector);
METRIC(bytes, update, puts_u8);
METRIC(fails, update_fails, puts_none);
METRIC(no_update, NULL, puts_none);

/* ---- schedules ---- */
static int32_t nan_value(void *self, struct rn_schedule_call *call,
                         struct rn_error *e) {
    (void)self, (void)e;
    call->value = (double)NAN;
    return RN_OK;
}
static int32_t reports_many(struct rn_host *h, void **self, struct rn_error *e) {
    struct rn_error one;
    (void)self, (void)e;
    rn_fail(&one, RN_E_CONFIG, "the first thing is wrong", "fix it", "a");
    h->api->report(h, &one);
    rn_fail(&one, RN_E_CONFIG, "the second thing is wrong", NULL, "b");
    h->api->report(h, &one);
    rn_fail(&one, RN_E_DATA, "the file is bad", NULL, NULL);
    rn_error_at(&one, RN_WHERE_FILE, "/data/rows.csv");
    one.line = 7, one.column = 3;
    h->api->report(h, &one);
    return RN_E_CONFIG;
}
static int32_t mute(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h, (void)self, (void)e;
    return RN_E_MEMORY;
}
static int32_t wrong_getters(struct rn_host *h, void **self, struct rn_error *e) {
    (void)self, (void)e;
    rn_get_string(h, "a");
    rn_get_bool(h, "b");
    rn_get_count(h, "a");
    rn_get_int(h, "c");
    return RN_OK;
}
static int32_t half_save(void *self, struct rn_stream *s, struct rn_error *e) {
    (void)self, (void)s, (void)e;
    return RN_OK;
}
static int32_t sees(void *self, const struct rn_schedule_call *call, struct rn_error *e) {
    (void)self, (void)call, (void)e;
    return RN_OK;
}
#define SCHEDULE(name, create, observe, save)                                          \
    static const struct rn_schedule name##_iface = {sizeof(struct rn_schedule),        \
                                                    0,                                 \
                                                    create,                            \
                                                    NULL,                              \
                                                    nan_value,                         \
                                                    observe,                           \
                                                    save,                              \
                                                    NULL,                              \
                                                    NULL};                             \
    RN_SCHEDULE(schedule_##name, name##_iface, "acme.bad/" #name " 1",                 \
                RN_DOC("Wrong on purpose") RN_OPTION("a int = 1 | one")                \
                    RN_OPTION("b float = 2 | two"))
SCHEDULE(nan, NULL, NULL, NULL);
SCHEDULE(many, reports_many, NULL, NULL);
SCHEDULE(mute, mute, NULL, NULL);
SCHEDULE(getters, wrong_getters, NULL, NULL);
SCHEDULE(half, NULL, NULL, half_save);
SCHEDULE(forgets, NULL, sees, NULL);

/* ---- hooks ---- */
static rn_value rewrite(struct rn_build *b, const struct rn_point *p) {
    return rn_reduce_sum_all(b, p->value);
}
static int32_t tap(struct rn_build *b, const struct rn_point *p) {
    rn_output(b, "x", rn_op(b, "no_such_operator", 1, &p->value, 0, NULL));
    return 1;
}
static int32_t tapped(void *self, const struct rn_tapped *t, struct rn_error *e) {
    (void)self, (void)t, (void)e;
    return RN_OK;
}
static int32_t event(void *self, const struct rn_event *ev, struct rn_error *e) {
    (void)self, (void)ev;
    return rn_fail(e, RN_E_PLUGIN, "the hook came off", NULL, NULL);
}
static const struct rn_hook rewrites_iface = {.struct_size = sizeof(struct rn_hook),
    .rewrite = rewrite};
static const struct rn_hook taps_iface = {.struct_size = sizeof(struct rn_hook),
    .tap = tap, .tapped = tapped};
static const struct rn_hook event_iface = {.struct_size = sizeof(struct rn_hook),
    .event = event};
static int32_t averaging(void *self, struct rn_averaging *a, struct rn_error *e) {
    (void)self, (void)a, (void)e;
    return RN_OK;
}
static int32_t never(void *self, struct rn_averaging *a, struct rn_error *e) {
    (void)self, (void)e;
    a->every = 0;
    return RN_OK;
}
static rn_value average(struct rn_build *b, const struct rn_average_call *a) {
    return rn_reduce_sum_all(b, a->value);
}
static const struct rn_hook average_iface = {.struct_size = sizeof(struct rn_hook),
    .averaging = averaging, .average = average};
static const struct rn_hook never_iface = {.struct_size = sizeof(struct rn_hook),
    .averaging = never, .average = average};
static const struct rn_hook half_average_iface = {.struct_size = sizeof(struct rn_hook),
    .average = average};
RN_HOOK(hook_average, average_iface, "acme.bad/average 1", RN_DOC("Wrong on purpose"));
RN_HOOK(hook_never, never_iface, "acme.bad/never 1", RN_DOC("Wrong on purpose"));
RN_HOOK(hook_half, half_average_iface, "acme.bad/half_average 1", RN_DOC("Wrong on purpose"));
RN_HOOK(hook_rewrites, rewrites_iface, "acme.bad/rewrites 1", RN_DOC("Wrong on purpose"));
RN_HOOK(hook_taps, taps_iface, "acme.bad/taps 1",
        RN_DOC("Wrong on purpose") RN_OPTION("every duration = 1st | how often"));
RN_HOOK(hook_event, event_iface, "acme.bad/event 1", RN_DOC("Wrong on purpose"));

/* ---- models ---- */
static int32_t model_shape(struct rn_build *b) {
    rn_output(b, "out", rn_reduce_sum_all(b, rn_input(b, "x")));
    return RN_OK;
}
static int32_t model_nothing(struct rn_build *b) {
    rn_input(b, "x");
    return RN_OK;
}
RN_MODEL(model_s, model_shape, "acme.bad/model_shape 1",
         RN_DOC("Wrong on purpose") RN_IN("x float [N,...]") RN_OUT("out float [N,C]"));
RN_MODEL(model_n, model_nothing, "acme.bad/model_nothing 1",
         RN_DOC("Wrong on purpose") RN_IN("x float [N,...]") RN_OUT("out float [N,C]"));

/* ---- sources ---- */
static int32_t open_source(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h, (void)e;
    *self = calloc(1, sizeof(struct rn_field));
    return *self ? RN_OK : RN_E_MEMORY;
}
static int32_t give(void *self, struct rn_source_info *out, int64_t size) {
    struct rn_field *f = (struct rn_field *)self;
    f->name = "image", f->dtype = RN_F32, f->rank = 1, f->shape[0] = size;
    out->count = 64, out->field_count = 1, out->field_stride = sizeof *f, out->fields = f;
    return RN_OK;
}
static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    (void)e;
    return give(self, out, 4);
}
static int32_t info_impossible(void *self, struct rn_source_info *out, struct rn_error *e) {
    (void)e;
    return give(self, out, -1);
}
static int32_t info_fails(void *self, struct rn_source_info *out, struct rn_error *e) {
    (void)self, (void)out;
    rn_fail(e, RN_E_DATA, "a cell is no number", "a number", NULL);
    rn_error_at(e, RN_WHERE_FILE, "/data/rows.csv");
    if (e)
        e->line = 12, e->column = 4;
    return RN_E_DATA;
}
static int32_t read_fails(void *self, const struct rn_source_call *call,
                          struct rn_error *e) {
    (void)self, (void)call, (void)e;
    return RN_E_IO;
}
static int32_t info_stream(void *self, struct rn_source_info *out, struct rn_error *e) {
    int32_t status = info(self, out, e);
    out->count = RN_COUNT_UNKNOWN;
    return status;
}
#define SOURCE(name, create, info, read) SOURCE_OF(name, create, info, read, "")
#define SOURCE_OF(name, create, info, read, outs)                                      \
    static const struct rn_source source_##name##_iface = {                            \
        sizeof(struct rn_source), 0, create, free, info, NULL, NULL, read};            \
    RN_SOURCE(source_##name, source_##name##_iface, "acme.bad/source_" #name " 1",     \
              RN_DOC("Wrong on purpose") outs)
SOURCE(no_create, NULL, info, read_fails);
SOURCE(impossible, open_source, info_impossible, read_fails);
SOURCE(cell, open_source, info_fails, read_fails);
SOURCE(unread, open_source, info, read_fails);
SOURCE(stream, open_source, info_stream, read_fails);
SOURCE_OF(undeclared, open_source, info, read_fails, RN_OUT("picture f32 [N,4]"));
SOURCE_OF(misfit, open_source, info, read_fails, RN_OUT("image f32 [N,5]"));
SOURCE_OF(absent, open_source, info, read_fails,
          RN_OUT("image f32 [N,4]") RN_OUT("label int [N]"));

/* ---- augmenters ---- */
static int32_t blind(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h, (void)e;
    *self = NULL;
    return RN_OK;
}
static int32_t takes_all(void *self, const struct rn_augment_plan *p,
                         struct rn_error *e) {
    (void)self, (void)p, (void)e;
    return RN_OK;
}
static int32_t does_nothing(void *self, const struct rn_augment_call *call,
                            struct rn_error *e) {
    (void)self, (void)call, (void)e;
    return RN_OK;
}
static uint32_t one(void *self) {
    (void)self;
    return 1;
}
static int32_t decides(void *self, const struct rn_augment_call *call,
                       struct rn_error *e) {
    (void)self, (void)call, (void)e;
    return RN_OK;
}
static int32_t describes_none(struct rn_build *b, uint32_t field) {
    (void)b, (void)field;
    return RN_OK;
}
static int32_t describes_less(struct rn_build *b, uint32_t field) {
    (void)field;
    rn_output(b, "data", rn_reduce_sum_all(b, rn_input(b, "data")));
    return RN_OK;
}
#define AUGMENT(name, ...)                                                             \
    static const struct rn_augment augment_##name##_iface = {                          \
        sizeof(struct rn_augment), 0,          blind, free, takes_all, does_nothing,   \
        __VA_ARGS__};                                                                  \
    RN_AUGMENT(augment_##name, augment_##name##_iface, "acme.bad/augment_" #name " 1", \
               RN_DOC("Wrong on purpose") RN_OPTION("of string = image | the field"))
AUGMENT(half, one, NULL, describes_none);
AUGMENT(none, one, decides, describes_none);
AUGMENT(less, one, decides, describes_less);

/* ---- regularizers ---- */
static int32_t says_nothing(struct rn_build *b) {
    (void)b;
    return RN_OK;
}
static int32_t penalises_each(struct rn_build *b) {
    rn_output(b, "penalty", rn_square(b, rn_input(b, "param")));
    return RN_OK;
}
static int32_t counts(struct rn_build *b) {
    rn_value sum = rn_reduce_sum_all(b, rn_input(b, "param"));
    struct rn_attr to = rn_attr_int("dtype", RN_I64);
    rn_output(b, "penalty", rn_op(b, "cast", 1, &sum, 1, &to));
    return RN_OK;
}
static int32_t learns(struct rn_build *b) {
    rn_value scale = rn_param(b, "scale", "scale", 0, NULL, "ones");
    rn_value sum = rn_reduce_sum_all(b, rn_square(b, rn_input(b, "param")));
    rn_output(b, "penalty", rn_mul(b, scale, sum));
    return RN_OK;
}
static int32_t projects_sum(struct rn_build *b) {
    rn_output(b, "param", rn_reduce_sum_all(b, rn_input(b, "param")));
    return RN_OK;
}
#define REGULARIZER(name, describe, project)                                           \
    RN_REGULARIZER(regularizer_##name, describe, project,                              \
                   "acme.bad/regularizer_" #name " 1",                                 \
                   RN_DOC("Wrong on purpose") RN_IN("param float [...]")               \
                       RN_OUT("penalty any [...] ; optional")                          \
                           RN_OUT("param any [...] ; optional"))
REGULARIZER(neither, NULL, NULL);
REGULARIZER(mute, says_nothing, NULL);
REGULARIZER(vector, penalises_each, NULL);
REGULARIZER(integer, counts, NULL);
REGULARIZER(learns, learns, NULL);
REGULARIZER(still, NULL, says_nothing);
REGULARIZER(shape, NULL, projects_sum);

RN_PLUGIN(&augment_half, &augment_none, &augment_less, &opt_nothing, &opt_shrinks,
          &metric_none, &metric_other, &metric_vector, &metric_bytes, &metric_fails,
          &metric_no_update, &schedule_nan, &schedule_many, &schedule_mute,
          &schedule_getters, &schedule_half, &schedule_forgets, &hook_rewrites, &hook_taps, &hook_event,
          &hook_average, &hook_never, &hook_half,
          &model_s, &model_n, &source_no_create, &source_impossible, &source_cell,
          &source_unread, &source_stream, &source_undeclared, &source_misfit,
          &source_absent, &regularizer_neither, &regularizer_mute, &regularizer_vector,
          &regularizer_integer, &regularizer_learns, &regularizer_still,
          &regularizer_shape);
