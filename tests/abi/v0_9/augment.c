/* SPDX-License-Identifier: Apache-2.0 */
/* An augmenter whose effect is easy to see: every training sample becomes zeros. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <runner/augment.h>

struct blank {
    uint32_t fields;
    uint64_t bytes[4]; /* a row of each field */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h;
    *self = calloc(1, sizeof(struct blank));
    return *self ? RN_OK : rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct blank *s = (struct blank *)self;
    if (p->field_count > 4)
        return rn_fail(e, RN_E_CONFIG, "at most four fields are blanked", NULL, "of");
    s->fields = p->field_count;
    for (uint32_t k = 0; k < p->field_count; k++) {
        const struct rn_field *f = rn_augment_field(p, k);
        if (f->dtype != RN_F32)
            return rn_fail(e, RN_E_CONFIG, "only f32 can be blanked", NULL, "of");
        s->bytes[k] = RN_DTYPE_BYTES(f->dtype);
        for (uint32_t i = 0; i < f->rank; i++)
            s->bytes[k] *= (uint64_t)f->shape[i];
    }
    return RN_OK;
}

static int32_t apply(void *self, const struct rn_augment_call *call,
                     struct rn_error *e) {
    const struct blank *s = (const struct blank *)self;
    (void)e;
    for (uint32_t k = 0; k < call->field_count; k++)
        for (uint64_t i = 0; i < call->rows; i++)
            if (call->sample_ids[i] >= 0)
                memset((char *)call->fields[k].data + i * s->bytes[k], 0,
                       (size_t)s->bytes[k]);
    return RN_OK;
}

/* The same where the samples are: no number decides anything, but one is the least. */
static uint32_t numbers(void *self) {
    (void)self;
    return 1;
}

static int32_t decide(void *self, const struct rn_augment_call *call,
                      struct rn_error *e) {
    (void)self, (void)e;
    memset(call->numbers, 0, (size_t)call->rows * sizeof *call->numbers);
    return RN_OK;
}

static int32_t describe(struct rn_build *b, uint32_t field) {
    rn_value x = rn_input(b, "data");
    (void)field;
    rn_output(b, "data", rn_mul(b, x, rn_const(b, 0.0)));
    return RN_OK;
}

static const struct rn_augment iface = {
    sizeof(struct rn_augment), 0, create, free, plan, apply, numbers, decide, describe};
/* As binaries have it that were built before the last three were there. */
static const struct rn_augment iface_old = {
    offsetof(struct rn_augment, numbers), 0, create, free, plan, apply, 0, 0, 0};

RN_AUGMENT(blank, iface, "acme.data/blank 1",
           RN_DOC("Every sample becomes zeros") RN_OPTION("of string = image | the field"));
RN_AUGMENT(blank_old, iface_old, "acme.data/blank_old 1",
           RN_DOC("Every sample becomes zeros, on the host")
           RN_OPTION("of string = image | the field"));
RN_PLUGIN(&blank, &blank_old);
