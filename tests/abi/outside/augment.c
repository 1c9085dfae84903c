/* SPDX-License-Identifier: Apache-2.0 */
/* An augmenter whose effect is easy to see: every training sample becomes zeros. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <runner/augment.h>

struct blank {
    uint64_t bytes; /* a row */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h;
    *self = calloc(1, sizeof(struct blank));
    return *self ? RN_OK : rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
}

static int32_t plan(void *self, const struct rn_field *field, struct rn_error *e) {
    struct blank *s = (struct blank *)self;
    if (field->dtype != RN_F32)
        return rn_fail(e, RN_E_CONFIG, "only f32 can be blanked", NULL, "of");
    s->bytes = RN_DTYPE_BYTES(field->dtype);
    for (uint32_t i = 0; i < field->rank; i++)
        s->bytes *= (uint64_t)field->shape[i];
    return RN_OK;
}

static int32_t apply(void *self, uint64_t n, const struct rn_augment_at *at,
                     const struct rn_tensor *data, struct rn_error *e) {
    const struct blank *s = (const struct blank *)self;
    (void)e;
    for (uint64_t i = 0; i < n; i++)
        if (at->sample_ids[i] >= 0)
            memset((char *)data->data + i * s->bytes, 0, (size_t)s->bytes);
    return RN_OK;
}

/* The same where the samples lie: no number decides anything, but one is the least. */
static uint32_t numbers(void *self) {
    (void)self;
    return 1;
}

static int32_t decide(void *self, uint64_t n, const struct rn_augment_at *at,
                      int32_t *out, struct rn_error *e) {
    (void)self, (void)at, (void)e;
    memset(out, 0, (size_t)n * sizeof *out);
    return RN_OK;
}

static int32_t describe(void *self, struct rn_build *b) {
    rn_value x = rn_input(b, "data");
    (void)self;
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
