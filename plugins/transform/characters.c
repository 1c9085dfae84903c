/* SPDX-License-Identifier: Apache-2.0 */
/* Text as ids of its characters (Unicode code points of UTF-8), of one length. */
#include <stdlib.h>

#include <runner/sdk/arrays.h>
#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/transform.h>

#include "unicode.h"

#define VERSION 1u /* of a state before it was named arrays */
#define PADDING 0
#define UNKNOWN 1
#define FIRST   2u

struct characters {
    char field[160];
    uint64_t length, width; /* width: of text of one size; 0: variable */
    uint32_t vocabulary;    /* most ids */
    uint64_t *seen;         /* [UNICODE_POINTS], while fitting */
    uint32_t known;         /* characters with an id */
    uint32_t *points;       /* [known] code point of id FIRST + i */
    uint32_t *ids;          /* [UNICODE_POINTS], 0: none */
};

static void destroy(void *self) {
    struct characters *s = self;
    if (s) {
        free(s->seen);
        free(s->points);
        free(s->ids);
    }
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct characters *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->length = (uint64_t)rn_get_int(h, "length");
    s->vocabulary = (uint32_t)rn_get_int(h, "vocabulary");
    s->points = calloc(s->vocabulary, sizeof *s->points);
    s->ids = calloc(UNICODE_POINTS, sizeof *s->ids);
    if (!s->points || !s->ids)
        return rn_fail(e, RN_E_MEMORY, "no memory for a vocabulary", NULL, NULL);
    return RN_OK;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    const struct rn_field *in = plan->in;
    struct rn_field *out = plan->out;
    uint32_t in_count = plan->in_count;
    struct characters *s = self;
    if (in_count != 1 || plan->out_room < 1)
        return rn_fail(e, RN_E_CONFIG, "takes one field", "use one for each", "of");
    if (!(in->flags & RN_FIELD_TEXT))
        return rn_fail_option(e, RN_E_CONFIG, "of", "field '%s' holds %s, not text",
                              in->name, rn_dtype_name(in->dtype));
    s->width = in->flags & RN_FIELD_VARIABLE ? 0 : (uint64_t)in->shape[0];
    snprintf(s->field, sizeof s->field, "%s", in->name);
    plan->out_count = 1;
    out[0] = (struct rn_field){s->field, RN_I64, 1, {(int64_t)s->length}, 0, 0};
    return RN_OK;
}

static const uint8_t *text_of(const struct characters *s, const struct rn_tensor *in,
                              uint64_t row, uint64_t *n) {
    if (!s->width)
        return rn_cell(in, row, n);
    const uint8_t *p = (const uint8_t *)in->data + row * s->width;
    *n = strnlen((const char *)p, s->width);
    return p;
}

static int32_t fit_begin(void *self, struct rn_error *e) {
    struct characters *s = self;
    s->known = 0;
    memset(s->ids, 0, UNICODE_POINTS * sizeof *s->ids);
    free(s->seen);
    s->seen = calloc(UNICODE_POINTS, sizeof *s->seen);
    return s->seen ? RN_OK
                   : rn_fail(e, RN_E_MEMORY, "no memory for a vocabulary", NULL, NULL);
}

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    uint64_t n = call->rows;
    struct characters *s = self;
    (void)e;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t bytes, used;
        const uint8_t *p = text_of(s, in, i, &bytes);
        for (uint64_t at = 0; at < bytes; at += used) {
            uint32_t c = unicode_next(p + at, bytes - at, &used);
            if (c != UNICODE_BAD)
                s->seen[c]++;
        }
    }
    return RN_OK;
}

struct count {
    uint64_t seen;
    uint32_t point;
};

/* Most frequent first, at equal counts the lower code point. */
static int by_count(const void *a, const void *b) {
    const struct count *x = a, *y = b;
    return x->seen != y->seen ? (x->seen < y->seen) - (x->seen > y->seen)
                              : (x->point > y->point) - (x->point < y->point);
}

static int32_t fit_end(void *self, struct rn_error *e) {
    struct characters *s = self;
    size_t n = 0;
    for (uint32_t c = 0; c < UNICODE_POINTS; c++)
        n += s->seen[c] > 0;
    struct count *all = calloc(n + 1, sizeof *all);
    if (!all)
        return rn_fail(e, RN_E_MEMORY, "no memory for a vocabulary", NULL, NULL);
    n = 0;
    for (uint32_t c = 0; c < UNICODE_POINTS; c++)
        if (s->seen[c])
            all[n++] = (struct count){s->seen[c], c};
    qsort(all, n, sizeof *all, by_count);
    for (s->known = 0; s->known < n && FIRST + s->known < s->vocabulary; s->known++) {
        s->points[s->known] = all[s->known].point;
        s->ids[all[s->known].point] = FIRST + s->known;
    }
    free(all);
    free(s->seen);
    s->seen = NULL;
    return RN_OK;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    const struct rn_tensor *out = call->out;
    uint64_t n = call->rows;
    const struct characters *s = self;
    int64_t *to = out->data;
    (void)e;
    for (uint64_t i = 0; i < n; i++, to += s->length) {
        uint64_t bytes, used, k = 0;
        const uint8_t *p = text_of(s, in, i, &bytes);
        for (uint64_t at = 0; at < bytes && k < s->length; at += used) {
            uint32_t c = unicode_next(p + at, bytes - at, &used);
            to[k++] = c != UNICODE_BAD && s->ids[c] ? s->ids[c] : UNKNOWN;
        }
        for (; k < s->length; k++)
            to[k] = PADDING;
    }
    return RN_OK;
}

/* FIELD/characters, u32: the code points of ids 2, 3, ... */
static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    (void)e;
    const struct characters *s = self;
    int64_t known = s->known;
    int32_t status = rn_arrays_begin(to);
    return status
               ? status
               : rn_array_put(to, s->field, "characters", RN_U32, 1, &known, s->points);
}

/* The code points of a state, their number in *known. first: its first number. */
static int32_t read_points(struct characters *s, struct rn_stream *from, uint32_t first,
                           uint32_t *known, struct rn_error *e) {
    struct rn_arrays a = {0};
    char field[sizeof s->field];
    int32_t status = RN_OK;
    if (first == VERSION) {
        status = from->api->read(from, known, sizeof *known);
        if (status == RN_OK && *known + (uint64_t)FIRST > s->vocabulary)
            status = RN_E_CHECKPOINT;
        return status ? status
                      : from->api->read(from, s->points, *known * sizeof *s->points);
    }
    status = rn_arrays_read(from, first, &a, e);
    if (status == RN_OK &&
        (a.count != 1 || a.at[0].dtype != RN_U32 || a.at[0].rank != 1 ||
         !rn_array_field(&a.at[0], "characters", field, sizeof field) ||
         a.at[0].elements + FIRST > s->vocabulary))
        status = RN_E_CHECKPOINT;
    if (status == RN_OK) {
        *known = (uint32_t)a.at[0].elements;
        memcpy(s->points, a.at[0].data, *known * sizeof *s->points);
    }
    rn_arrays_free(&a);
    return status;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct characters *s = self;
    uint32_t first = 0, known = 0;
    int32_t status = from->api->read(from, &first, sizeof first);
    if (status == RN_OK)
        status = read_points(s, from, first, &known, e);
    memset(s->ids, 0, UNICODE_POINTS * sizeof *s->ids);
    for (uint32_t i = 0; status == RN_OK && i < known; i++) {
        if (s->points[i] >= UNICODE_POINTS || s->ids[s->points[i]])
            status = RN_E_CHECKPOINT;
        else
            s->ids[s->points[i]] = FIRST + i;
    }
    if (status != RN_OK)
        return rn_fail(e, status, "the stored vocabulary cannot be read", NULL, NULL);
    s->known = known;
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          RN_TRANSFORM_TOTAL,
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

RN_TRANSFORM(characters, iface, "runner/characters 1",
             RN_DOC("Text as ids of its characters, i64 [L]: 0 after its end, 1 for "
                    "what has no id, then the characters of the training samples, the "
                    "most frequent first")
             RN_IN("field u8 [...] ; variable | text in UTF-8")
             RN_OPTION("of list(string) ; required | the field")
             RN_OPTION("length int ; required ; min 1 ; max 1048576 | L; longer text "
                       "is cut")
             RN_OPTION("vocabulary int = 256 ; min 3 ; max 65536 ; checkpoint | ids "
                       "are below it: the size of an embedding"));
RN_PLUGIN(&characters);
