/* SPDX-License-Identifier: Apache-2.0 */
/* Categories as numbers: their place among the sorted ones of the training rows
 * (ordinal, as OrdinalEncoder of scikit-learn), or the share of the training rows that
 * they have (frequency). */
#include <runner/sdk/encoder.h>

enum unknown { ERROR, MISSING, LAST, ZERO };

struct ordinal {
    struct rn_encoder encoder;
    int shares;
    enum unknown unknown;
};

static void destroy(void *self) {
    struct ordinal *s = self;
    if (s)
        rn_encoder_finish(&s->encoder);
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct ordinal *s = calloc(1, sizeof *s);
    const char *unknown = rn_get_string(h, "unknown");
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->unknown = strcmp(unknown, "missing") == 0 ? MISSING
                 : strcmp(unknown, "last") == 0  ? LAST
                 : strcmp(unknown, "zero") == 0  ? ZERO
                                                 : ERROR;
    return RN_OK;
}

static int32_t create_frequency(struct rn_host *h, void **self, struct rn_error *e) {
    int32_t status = create(h, self, e);
    if (status == RN_OK)
        ((struct ordinal *)*self)->shares = 1;
    return status;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct ordinal *s = self;
    int32_t status = rn_encoder_begin(&s->encoder, plan, e);
    for (uint32_t i = 0; i < plan->in_count && status == RN_OK; i++) {
        status = rn_encoder_take(&s->encoder, i, plan, e);
        if (s->unknown == MISSING)
            plan->out[i].flags |= RN_FIELD_NULLABLE;
    }
    return status;
}

static int32_t fit_begin(void *self, struct rn_error *e) {
    (void)e;
    rn_encoder_forget(&((struct ordinal *)self)->encoder);
    return RN_OK;
}

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    return rn_encoder_rows(&((struct ordinal *)self)->encoder, call, e);
}

static int32_t fit_end(void *self, struct rn_error *e) {
    return rn_encoder_end(&((struct ordinal *)self)->encoder, e);
}

/* The share of a category among the rows that have one. */
static double share(const struct rn_set *set, uint32_t index) {
    uint64_t rows = 0;
    for (uint32_t i = 0; i < set->count; i++)
        rows += set->counts[i];
    return (double)set->counts[index] / (double)rows;
}

static double value(const struct ordinal *s, const struct rn_set *set, uint32_t index) {
    if (index == RN_ENCODER_MISSING)
        return NAN;
    if (index == RN_ENCODER_UNKNOWN)
        return s->unknown == LAST ? (double)set->count : s->unknown == ZERO ? 0.0 : NAN;
    return s->shares ? share(set, index) : (double)index;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct ordinal *s = self;
    for (uint32_t i = 0; i < s->encoder.in_count; i++) {
        const struct rn_encoder_field *f = s->encoder.in[i].of;
        double *y = call->out[i].data;
        for (uint64_t r = 0; r < call->rows; r++)
            for (uint64_t k = 0; k < f->elements; k++) {
                uint32_t at = rn_encoder_index(&s->encoder, i, &call->in[i], r, k, e);
                if (at == RN_ENCODER_REFUSED)
                    return RN_E_DATA;
                if (at == RN_ENCODER_UNKNOWN && s->unknown == ERROR)
                    return rn_encoder_unknown(&s->encoder, i, &call->in[i], r, k, e);
                *y++ = value(s, &f->sets[k], at);
            }
    }
    return RN_OK;
}

static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    (void)e;
    int32_t status = rn_arrays_begin(to);
    return status == RN_OK ? rn_encoder_put(&((struct ordinal *)self)->encoder, to)
                           : status;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct ordinal *s = self;
    struct rn_arrays a;
    int32_t status = rn_arrays_read(from, 0, &a, e);
    if (status == RN_OK && (status = rn_encoder_load(&s->encoder, &a)) != RN_OK)
        rn_fail(e, status, "the stored state cannot be read", NULL, NULL);
    rn_arrays_free(&a);
    return status;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          0,
                                          create,
                                          destroy,
                                          plan,
                                          fit_begin,
                                          fit_rows,
                                          fit_end,
                                          apply,
                                          save,
                                          load,
                                          NULL};
static const struct rn_transform frequency_iface = {sizeof(struct rn_transform),
                                                    0,
                                                    create_frequency,
                                                    destroy,
                                                    plan,
                                                    fit_begin,
                                                    fit_rows,
                                                    fit_end,
                                                    apply,
                                                    save,
                                                    load,
                                                    NULL};

RN_TRANSFORM(ordinal, iface, "runner/ordinal 1",
             RN_DOC("Categories as their place 0..K-1 among the sorted ones of the "
                    "training rows, as f64; each element of a field by itself")
             RN_OPTION("of list(string) ; required | fields of texts or numbers")
             RN_OPTION("unknown choice(error,missing,last) = error | a category that the "
                       "training rows do not have: an error, missing, or K"));
RN_TRANSFORM(frequency, frequency_iface, "runner/frequency 1",
             RN_DOC("Categories as their share of the training rows, as f64; each "
                    "element of a field by itself")
             RN_OPTION("of list(string) ; required | fields of texts or numbers")
             RN_OPTION("unknown choice(zero,missing,error) = zero | a category that the "
                       "training rows do not have: 0, missing, or an error"));
RN_PLUGIN(&ordinal, &frequency);
