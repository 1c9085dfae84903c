/* SPDX-License-Identifier: Apache-2.0 */
/* Samplers, collates and a source that decide wrongly which rows a batch has. */
#include <stdlib.h>

#include <runner/runner.h>

/* ---- samplers ---- */
static int32_t keeps(void *self, struct rn_sampler_plan *p, struct rn_error *e) {
    (void)self, (void)p, (void)e;
    return RN_OK;
}
static int32_t counts_none(void *self, struct rn_sampler_plan *p, struct rn_error *e) {
    (void)self, (void)e;
    p->count = 0;
    return RN_OK;
}
static int32_t beyond(void *self, const struct rn_sampler_call *call,
                      struct rn_error *e) {
    (void)self, (void)e;
    for (uint64_t i = 0; i < call->count; i++)
        call->order[i] = i == 5 ? call->rows : 0;
    return RN_OK;
}
static int32_t gives_up(void *self, const struct rn_sampler_call *call,
                        struct rn_error *e) {
    (void)self, (void)call;
    return rn_fail(e, RN_E_DATA, "no row is good enough", NULL, NULL);
}
#define SAMPLER(name, plan, order)                                                     \
    static const struct rn_sampler sampler_##name##_iface = {                          \
        sizeof(struct rn_sampler), 0, NULL, NULL, plan, order};                        \
    RN_SAMPLER(sampler_##name, sampler_##name##_iface, "acme.bad/sampler_" #name " 1", \
               RN_DOC("Wrong on purpose"))
SAMPLER(empty, counts_none, beyond);
SAMPLER(beyond, keeps, beyond);
SAMPLER(fails, keeps, gives_up);
SAMPLER(half, keeps, NULL);

/* ---- collates ---- */
static int32_t wants_nothing(void *self, const struct rn_collate_plan *p,
                             struct rn_error *e) {
    (void)self, (void)p, (void)e;
    return RN_OK;
}
static int32_t target(const struct rn_collate_plan *p, const char *name,
                      uint32_t classes) {
    for (uint32_t i = 0; i < p->field_count; i++) {
        rn_collate_target_of(p, i)->name = name;
        rn_collate_target_of(p, i)->classes = classes;
    }
    return RN_OK;
}
static int32_t of_image(void *self, const struct rn_collate_plan *p,
                        struct rn_error *e) {
    (void)self, (void)e;
    return target(p, "image_soft", 10);
}
static int32_t of_none(void *self, const struct rn_collate_plan *p,
                       struct rn_error *e) {
    (void)self, (void)e;
    return target(p, "soft", 0);
}
static int32_t of_itself(void *self, const struct rn_collate_plan *p,
                         struct rn_error *e) {
    (void)self, (void)e;
    return target(p, "image", 10);
}
static int32_t refuses(void *self, const struct rn_collate_call *call,
                       struct rn_error *e) {
    (void)self, (void)call;
    return rn_fail(e, RN_E_DATA, "these do not mix", NULL, NULL);
}
#define COLLATE(name, plan, apply)                                                     \
    static const struct rn_collate collate_##name##_iface = {                          \
        sizeof(struct rn_collate), 0, NULL, NULL, plan, apply};                        \
    RN_COLLATE(collate_##name, collate_##name##_iface, "acme.bad/collate_" #name " 1", \
               RN_DOC("Wrong on purpose"))
COLLATE(image, of_image, refuses);
COLLATE(none, of_none, refuses);
COLLATE(itself, of_itself, refuses);
COLLATE(fails, wants_nothing, refuses);
COLLATE(half, NULL, refuses);

/* ---- a source that ends early, though it has said how many samples it has ---- */
static struct rn_field field;
static int32_t open_source(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h, (void)e;
    *self = &field;
    return RN_OK;
}
static void stay(void *self) {
    (void)self;
}
static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    (void)e, (void)self;
    field.name = "image", field.dtype = RN_F32, field.rank = 1, field.shape[0] = 4;
    out->count = 64, out->field_count = 1, out->field_stride = sizeof field;
    out->fields = &field;
    return RN_OK;
}
static int32_t ends(void *self, const struct rn_source_call *call, struct rn_error *e) {
    (void)self, (void)e;
    *call->rows_read = 3;
    return RN_OK;
}
static int32_t overflows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    (void)self, (void)e;
    *call->rows_read = call->rows + 1;
    return RN_OK;
}
#define SOURCE(name, read)                                                             \
    static const struct rn_source source_##name##_iface = {                            \
        sizeof(struct rn_source), 0, open_source, stay, info, NULL, NULL, read};       \
    RN_SOURCE(source_##name, source_##name##_iface, "acme.bad/source_" #name " 1",     \
              RN_DOC("Wrong on purpose"))
SOURCE(ends, ends);
SOURCE(overflows, overflows);

RN_PLUGIN(&sampler_empty, &sampler_beyond, &sampler_fails, &sampler_half,
          &collate_image, &collate_none, &collate_itself, &collate_fails, &collate_half,
          &source_ends, &source_overflows);
