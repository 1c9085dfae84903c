/* SPDX-License-Identifier: Apache-2.0 */
/* A border around images, so that a network made for 32x32 takes 28x28. */
#include <stdlib.h>

#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/sdk/transform.h>
#include <runner/transform.h>

struct padded {
    uint64_t bytes;         /* of a sample, as it comes */
    uint64_t planes;        /* 0: passed on as it is */
    uint64_t height, width; /* as it comes */
    uint64_t item;
    rn_dtype dtype;
};

struct pad {
    uint64_t border[4]; /* top, left, bottom, right */
    double fill;
    int selected;
    uint32_t count;
    struct padded *fields; /* [count] of the last plan */
};

static void destroy(void *self) {
    struct pad *s = self;
    if (s)
        free(s->fields);
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct pad *s = calloc(1, sizeof *s);
    uint32_t n = rn_get_count(h, "padding");
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    if (n != 1 && n != 2 && n != 4)
        return rn_fail_option(
            e, RN_E_CONFIG, "padding",
            "expects one number, [height, width], or [top, left, bottom, right]");
    for (uint32_t i = 0; i < 4; i++) {
        char path[32];
        rn_path(path, sizeof path, "padding", i % n);
        s->border[i] = (uint64_t)rn_get_int(h, path);
    }
    s->fill = rn_get_float(h, "fill");
    s->selected = rn_has(h, "of");
    return RN_OK;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    const struct rn_field *in = plan->in;
    struct rn_field *out = plan->out;
    uint32_t in_count = plan->in_count;
    struct pad *s = self;
    s->count = 0;
    s->fields =
        rn_planned(s->fields, in_count, sizeof *s->fields, in_count, plan->out_room, e);
    if (!s->fields)
        return e && e->status ? e->status : RN_E_MEMORY;
    s->count = plan->out_count = in_count;
    for (uint32_t i = 0; i < in_count; i++) {
        struct padded *p = &s->fields[i];
        uint32_t rank = in[i].rank;
        out[i] = in[i];
        *p = (struct padded){.bytes = rn_field_bytes(&in[i]), .dtype = in[i].dtype};
        if (rank < 2 || in[i].flags & RN_FIELD_TEXT) {
            if (s->selected)
                return rn_failf(e, RN_E_CONFIG, NULL, 0, 0,
                                "field '%s' holds no images", in[i].name);
            continue;
        }
        if (in[i].dtype == RN_F16 || in[i].dtype == RN_BF16)
            return rn_failf(e, RN_E_UNSUPPORTED, NULL, 0, 0,
                            "field '%s' holds %s; scale makes f32 of it", in[i].name,
                            rn_dtype_name(in[i].dtype));
        if (in[i].dtype == RN_U8 && !(s->fill >= 0.0 && s->fill <= 255.0))
            return rn_fail_option(e, RN_E_CONFIG, "fill", "must be 0 to 255 for u8");
        p->item = RN_DTYPE_BYTES(in[i].dtype);
        p->height = (uint64_t)in[i].shape[rank - 2];
        p->width = (uint64_t)in[i].shape[rank - 1];
        p->planes = rn_field_elements(&in[i]) / (p->height * p->width);
        out[i].shape[rank - 2] += (int64_t)(s->border[0] + s->border[2]);
        out[i].shape[rank - 1] += (int64_t)(s->border[1] + s->border[3]);
    }
    return RN_OK;
}

/* n times the number that fills the border. */
static void fill(const struct pad *s, rn_dtype dtype, uint8_t *to, uint64_t n) {
#define FILL_(dtype_, type)                                                            \
    case dtype_:                                                                       \
        for (uint64_t i = 0; i < n; i++)                                               \
            ((type *)(void *)to)[i] = (type)s->fill;                                   \
        return;
    switch (dtype) {
        FILL_(RN_F32, float)
        FILL_(RN_F64, double)
        FILL_(RN_I64, int64_t)
        FILL_(RN_I32, int32_t)
        FILL_(RN_U32, uint32_t)
        FILL_(RN_I8, int8_t)
        FILL_(RN_U8, uint8_t)
        FILL_(RN_BOOL, uint8_t)
    }
#undef FILL_
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    const struct rn_tensor *out = call->out;
    uint64_t n = call->rows;
    const struct pad *s = self;
    (void)e;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct padded *p = &s->fields[i];
        const uint8_t *from = in[i].data;
        uint8_t *to = out[i].data;
        uint64_t row = p->width + s->border[1] + s->border[3];
        if (!p->planes)
            memcpy(to, from, n * p->bytes);
        for (uint64_t k = 0; k < n * p->planes; k++) {
            fill(s, p->dtype, to, s->border[0] * row);
            to += s->border[0] * row * p->item;
            for (uint64_t y = 0; y < p->height; y++) {
                fill(s, p->dtype, to, s->border[1]);
                memcpy(to + s->border[1] * p->item, from, p->width * p->item);
                fill(s, p->dtype, to + (s->border[1] + p->width) * p->item,
                     s->border[3]);
                from += p->width * p->item;
                to += row * p->item;
            }
            fill(s, p->dtype, to, s->border[2] * row);
            to += s->border[2] * row * p->item;
        }
    }
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          RN_TRANSFORM_TOTAL,
                                          create,
                                          destroy,
                                          plan,
                                          NULL,
                                          NULL,
                                          NULL,
                                          apply,
                                          NULL,
                                          NULL,
                                          NULL};

RN_TRANSFORM(pad, iface, "runner/pad 1",
             RN_DOC("A border around images: the last two axes of a sample")
             RN_OPTION("of list(string) | fields; default: all of rank 2 and more")
             RN_OPTION("padding list(int) ; required ; min 0 ; max 4096 ; unit pixels | "
                       "one number, [height, width], or [top, left, bottom, right]")
             RN_OPTION("fill float = 0 | what the border holds"));
RN_PLUGIN(&pad);
