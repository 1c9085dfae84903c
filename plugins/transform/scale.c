/* SPDX-License-Identifier: Apache-2.0 */
/* x * factor + shift, as f32: pixels of bytes to [0,1]. Nothing is fitted. */
#include <runner/sdk/fitted.h>

struct scale {
    struct rn_fitted fields; /* only: which fields are taken */
    int given;               /* factor */
    double factor, shift;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct scale *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->fields.per = RN_PER_ALL;
    s->fields.selected = rn_has(h, "of");
    s->given = rn_has(h, "factor");
    s->factor = s->given ? rn_get_float(h, "factor") : 1.0;
    s->shift = rn_get_float(h, "shift");
    return RN_OK;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    const struct rn_tensor *out = call->out;
    uint64_t n = call->rows;
    const struct scale *s = self;
    double x[RN_FITTED_CHUNK];
    (void)e;
    for (uint32_t i = 0; i < s->fields.in_count; i++) {
        const struct rn_fitted_field *f = s->fields.in[i].of;
        if (!f) {
            memcpy(out[i].data, in[i].data, n * s->fields.in[i].bytes);
            continue;
        }
        double divisor = !s->given && in[i].dtype == RN_U8 ? 255.0 : 1.0;
        for (uint64_t at = 0, take; at < n * f->elements; at += take) {
            take = n * f->elements - at;
            take = take < RN_FITTED_CHUNK ? take : RN_FITTED_CHUNK;
            rn_fitted_get(&s->fields, i, &in[i], at, take, x);
            for (uint64_t k = 0; k < take; k++)
                rn_fitted_put(&s->fields, i, &out[i], at + k,
                              x[k] * s->factor / divisor + s->shift);
        }
    }
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          RN_TRANSFORM_TOTAL,
                                          create,
                                          rn_fitted_destroy,
                                          rn_fitted_plan,
                                          NULL,
                                          NULL,
                                          NULL,
                                          apply,
                                          NULL,
                                          NULL,
                                          NULL};

RN_TRANSFORM(scale, iface, "runner/scale 1",
             RN_DOC("x * factor + shift, as f32")
             RN_FITTED_OF_OPTION
             RN_OPTION("factor float | default: 1/255 for u8, else 1")
             RN_OPTION("shift float = 0 | added after"));
RN_PLUGIN(&scale);
