/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of variable size, cut or filled up to one length. */
#include <stdlib.h>

#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/sdk/transform.h>
#include <runner/transform.h>

struct sequence {
    char length_name[160];
    uint64_t entry_bytes, entry_elements;
    rn_dtype dtype;
};

struct pad_sequence {
    uint64_t length;
    double value;
    int keep_last, lengths;
    uint32_t count;
    struct sequence *fields; /* [count] of the last plan */
};

static void destroy(void *self) {
    struct pad_sequence *s = self;
    if (s)
        free(s->fields);
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct pad_sequence *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->length = (uint64_t)rn_get_int(h, "length");
    s->value = rn_get_float(h, "value");
    s->keep_last = strcmp(rn_get_string(h, "keep"), "last") == 0;
    s->lengths = rn_get_bool(h, "lengths");
    return RN_OK;
}

/* The option `value` in each type. Returns 0: it is not a value of the type. */
static int store(rn_dtype dtype, double v, void *to, uint64_t n) {
#define STORE_(dtype_, type)                                                           \
    case dtype_:                                                                       \
        for (uint64_t i = 0; i < n; i++)                                               \
            ((type *)to)[i] = (type)v;                                                 \
        return (double)(type)v == v;
    switch (dtype) {
    case RN_F32:
        for (uint64_t i = 0; i < n; i++)
            ((float *)to)[i] = (float)v;
        return 1;
        STORE_(RN_F64, double)
        STORE_(RN_I64, int64_t)
        STORE_(RN_I32, int32_t)
        STORE_(RN_U32, uint32_t)
        STORE_(RN_I8, int8_t)
        STORE_(RN_U8, uint8_t)
    }
#undef STORE_
    return 0;
}

static int32_t plan_field(struct pad_sequence *s, uint32_t i, const struct rn_field *in,
                          struct rn_error *e) {
    struct sequence *q = &s->fields[i];
    static const struct {
        rn_dtype dtype;
        double low, high;
    } ranges[] = {{RN_I64, -9007199254740992.0, 9007199254740992.0},
                  {RN_I32, -2147483648.0, 2147483647.0},
                  {RN_U32, 0.0, 4294967295.0},
                  {RN_I8, -128.0, 127.0},
                  {RN_U8, 0.0, 255.0}};
    int whole = s->value == (double)(int64_t)s->value;
    if (!(in->flags & RN_FIELD_VARIABLE))
        return rn_fail_option(
            e, RN_E_CONFIG, "of",
            "field '%s' is of one size already: its cells are not of variable "
            "size",
            in->name);
    *q = (struct sequence){.dtype = in->dtype, .entry_elements = 1};
    for (uint32_t k = 1; k < in->rank; k++)
        q->entry_elements *= (uint64_t)in->shape[k];
    q->entry_bytes = q->entry_elements * RN_DTYPE_BYTES(in->dtype);
    snprintf(q->length_name, sizeof q->length_name, "%.140s_length", in->name);
    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++)
        if (ranges[k].dtype == in->dtype &&
            !(whole && s->value >= ranges[k].low && s->value <= ranges[k].high))
            return rn_fail_option(e, RN_E_CONFIG, "value",
                                  "%g is no %s, which '%s' holds", s->value,
                                  rn_dtype_name(in->dtype), in->name);
    double probe;
    if (!store(in->dtype, 0.0, &probe, 1))
        return rn_fail_option(e, RN_E_UNSUPPORTED, "of", "field '%s' holds %s",
                              in->name, rn_dtype_name(in->dtype));
    return RN_OK;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    const struct rn_field *in = plan->in;
    struct rn_field *out = plan->out;
    uint32_t in_count = plan->in_count;
    struct pad_sequence *s = self;
    uint32_t n = 0;
    s->count = 0;
    s->fields = rn_planned(s->fields, in_count, sizeof *s->fields,
                           s->lengths ? 2 * in_count : in_count, plan->out_room, e);
    if (!s->fields)
        return e && e->status ? e->status : RN_E_MEMORY;
    s->count = in_count;
    for (uint32_t i = 0; i < in_count; i++) {
        int32_t status = plan_field(s, i, &in[i], e);
        if (status != RN_OK)
            return status;
        out[n] = in[i];
        out[n].flags &= ~(RN_FIELD_VARIABLE | RN_FIELD_TEXT);
        out[n++].shape[0] = (int64_t)s->length;
        if (s->lengths)
            out[n++] =
                (struct rn_field){s->fields[i].length_name, RN_I64, 0, {0}, 0, 0};
    }
    plan->out_count = n;
    return RN_OK;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    const struct rn_tensor *out = call->out;
    uint64_t n = call->rows;
    const struct pad_sequence *s = self;
    (void)e;
    for (uint32_t f = 0; f < s->count; f++, out += s->lengths ? 2 : 1) {
        const struct sequence *q = &s->fields[f];
        uint8_t *to = out->data;
        for (uint64_t i = 0; i < n; i++, to += s->length * q->entry_bytes) {
            uint64_t count;
            const uint8_t *from = rn_cell(&in[f], i, &count);
            uint64_t kept = count < s->length ? count : s->length;
            if (s->keep_last)
                from += (count - kept) * q->entry_bytes;
            memcpy(to, from, kept * q->entry_bytes);
            store(q->dtype, s->value, to + kept * q->entry_bytes,
                  (s->length - kept) * q->entry_elements);
            if (s->lengths)
                ((int64_t *)out[1].data)[i] = (int64_t)kept;
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

RN_TRANSFORM(pad_sequence, iface, "runner/pad_sequence 1",
             RN_DOC("Cells of variable size, cut or filled up to one length along "
                    "their first axis: [L, rest...]")
             RN_IN("fields any [...] ; variable | sequences, each of its own length")
             RN_OPTION("of list(string) ; required | fields of variable size")
             RN_OPTION("length int ; required ; min 1 ; max 1048576 | L")
             RN_OPTION("value float = 0 | what stands after the end of a shorter one")
             RN_OPTION("keep choice(first,last) = first | which entries of a longer one "
                       "stay")
             RN_OPTION("lengths bool = false | also a field NAME_length, i64: how many "
                       "entries are not a filling"));
RN_PLUGIN(&pad_sequence);
