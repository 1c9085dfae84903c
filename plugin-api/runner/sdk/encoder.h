/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms that map categories: texts, or the distinct numbers of each element of a
 * field. Sets of categories are found in the training rows and sorted; a plugin maps a
 * category's index. Integers beyond 2^53 are refused. Header-only; C11 or C++ with GNU
 * builtins. */
#ifndef RUNNER_SDK_ENCODER_H
#define RUNNER_SDK_ENCODER_H

#include <runner/sdk/category.h>
#include <runner/sdk/category_set.h>
#include <runner/sdk/layout.h>
#include <runner/sdk/transform.h>
#include <runner/transform.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_ENCODER_NAME    128u
#define RN_ENCODER_UNKNOWN UINT32_MAX
#define RN_ENCODER_MISSING (UINT32_MAX - 1u)
#define RN_ENCODER_REFUSED (UINT32_MAX - 2u) /* the error is filled */

struct rn_encoder_field {
    char name[RN_ENCODER_NAME];
    int text, fitted;
    uint64_t elements;   /* sets: 1 of a text */
    struct rn_set *sets; /* [elements] */
};

struct rn_encoder_input {
    struct rn_encoder_field *of; /* NULL: passed on as it is */
    uint64_t bytes;              /* a sample: of a text its longest */
    int nullable;
};

/* Zeros are a start. */
struct rn_encoder {
    int own_missing; /* what is missing is a category: the empty text, -infinity */
    uint32_t count, in_count;
    struct rn_encoder_field **fields; /* [count] */
    struct rn_encoder_input *in;      /* [in_count] of the last plan */
};

static inline void rn_encoder_clear(struct rn_encoder_field *f) {
    for (uint64_t k = 0; k < f->elements; k++) {
        rn_set_free(&f->sets[k]);
        f->sets[k].text = f->text;
    }
    f->fitted = 0;
}

static inline void rn_encoder_finish(struct rn_encoder *s) {
    for (uint32_t i = 0; i < s->count; i++) {
        rn_encoder_clear(s->fields[i]);
        free(s->fields[i]->sets);
        free(s->fields[i]);
    }
    free(s->fields);
    free(s->in);
}

static inline struct rn_encoder_field *rn_encoder_find(const struct rn_encoder *s,
                                                       const char *name) {
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->fields[i]->name, name) == 0)
            return s->fields[i];
    return NULL;
}

/* A new record of a field; NULL: no memory. */
static inline struct rn_encoder_field *
rn_encoder_add(struct rn_encoder *s, const char *name, int text, uint64_t elements) {
    struct rn_encoder_field *f = (struct rn_encoder_field *)calloc(1, sizeof *f);
    struct rn_encoder_field **more = (struct rn_encoder_field **)realloc(
        s->fields, (s->count + 1u) * sizeof(struct rn_encoder_field *));
    s->fields = more ? more : s->fields;
    if (f)
        f->sets = (struct rn_set *)calloc(elements, sizeof *f->sets);
    if (!f || !more || !f->sets) {
        if (f)
            free(f->sets);
        free(f);
        return NULL;
    }
    snprintf(f->name, sizeof f->name, "%s", name);
    f->text = text;
    f->elements = elements;
    rn_encoder_clear(f);
    return s->fields[s->count++] = f;
}

/* Room for the fields of a plan; the plugin then calls rn_encoder_take for each that it
 * maps, and the others are passed on. */
static inline int32_t rn_encoder_begin(struct rn_encoder *s,
                                       struct rn_transform_plan *plan,
                                       struct rn_error *e) {
    s->in_count = 0;
    s->in = (struct rn_encoder_input *)rn_planned(s->in, plan->in_count, sizeof *s->in,
                                                  plan->in_count, plan->out_room, e);
    if (!s->in)
        return e && e->status ? e->status : RN_E_MEMORY;
    s->in_count = plan->out_count = plan->in_count;
    for (uint32_t i = 0; i < plan->in_count; i++) {
        plan->out[i] = plan->in[i];
        rn_layout_keep(plan, i, i);
        s->in[i].bytes = rn_field_bytes(&plan->in[i]);
    }
    return RN_OK;
}

/* Input i is one to map: plan->out[i] becomes f64 with the shape of the numbers, or one
 * for a text, and keeps the flag of missing ones. */
static inline int32_t rn_encoder_take(struct rn_encoder *s, uint32_t i,
                                      struct rn_transform_plan *plan,
                                      struct rn_error *e) {
    const struct rn_field *in = &plan->in[i];
    struct rn_field *out = &plan->out[i];
    int text = (in->flags & RN_FIELD_TEXT) != 0;
    uint64_t elements = text ? 1 : rn_field_elements(in);
    struct rn_encoder_field *f = rn_encoder_find(s, in->name);
    if (strlen(in->name) >= RN_ENCODER_NAME)
        return rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "field '%s': the name is long",
                        in->name);
    for (uint32_t k = 0; !f && k < s->count; k++)
        if (s->fields[k]->fitted)
            return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                            "field '%s' was not there when this was fitted", in->name);
    if (f && (f->text != text || f->elements != elements))
        return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                        "field '%s' has another type or size than what was fitted",
                        in->name);
    if (!f)
        f = rn_encoder_add(s, in->name, text, elements);
    if (!f)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->in[i].of = f;
    s->in[i].nullable = (in->flags & RN_FIELD_NULLABLE) != 0;
    out->name = f->name;
    out->dtype = RN_F64;
    out->flags = in->flags & RN_FIELD_NULLABLE;
    if (text)
        out->rank = 0;
    return RN_OK;
}

/* Element k of row r of input i. RN_CATEGORY_WRONG: an integer beyond 2^53. */
static inline enum rn_category rn_encoder_key(const struct rn_encoder *s, uint32_t i,
                                              const struct rn_tensor *in, uint64_t r,
                                              uint64_t k, struct rn_set_key *key) {
    const struct rn_encoder_input *x = &s->in[i];
    uint64_t at = r * x->of->elements + k;
    int missing = 0;
    key->number = 0.0;
    key->text = NULL;
    key->n = 0;
    if (x->of->text) {
        key->text = (const char *)in->data + r * x->bytes;
        key->n = strnlen(key->text, x->bytes);
        missing = x->nullable && !key->n;
    } else {
        if (in->dtype == RN_I64 && ((const int64_t *)in->data)[at] == RN_MISSING_I64)
            missing = x->nullable;
        else
            rn_numbers_get(in->data, in->dtype, at, 1, &key->number);
        missing |= key->number != key->number;
        if (in->dtype == RN_I64 && !missing) {
            int64_t v = ((const int64_t *)in->data)[at];
            if (v > 9007199254740992 || v < -9007199254740992)
                return RN_CATEGORY_WRONG;
        }
        if (missing)
            key->number = -INFINITY;
    }
    return missing && !s->own_missing ? RN_CATEGORY_MISSING : RN_CATEGORY_IS;
}

static inline int32_t rn_encoder_large(const struct rn_encoder_field *f,
                                       struct rn_error *e) {
    return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                    "field '%s': an integer beyond 2^53 cannot be a category", f->name);
}

static inline void rn_encoder_forget(struct rn_encoder *s) {
    for (uint32_t i = 0; i < s->count; i++)
        rn_encoder_clear(s->fields[i]);
}

/* Of element k of row r while fitting: the category's index in the order of appearance,
 * counted; or MISSING, or REFUSED. */
static inline uint32_t rn_encoder_count(struct rn_encoder *s, uint32_t i,
                                        const struct rn_tensor *in, uint64_t r,
                                        uint64_t k, struct rn_error *e) {
    struct rn_encoder_field *f = s->in[i].of;
    struct rn_set_key key;
    enum rn_category is = rn_encoder_key(s, i, in, r, k, &key);
    if (is == RN_CATEGORY_MISSING)
        return RN_ENCODER_MISSING;
    uint32_t at = is == RN_CATEGORY_WRONG ? RN_SET_NONE : rn_set_add(&f->sets[k], &key);
    if (at != RN_SET_NONE) {
        f->sets[k].counts[at]++;
        return at;
    }
    if (is == RN_CATEGORY_WRONG)
        rn_encoder_large(f, e);
    else
        rn_failf(e, RN_E_DATA, NULL, 0, 0, "field '%s' has too many categories",
                 f->name);
    return RN_ENCODER_REFUSED;
}

/* Member fit_rows of encoders that only count. */
static inline int32_t rn_encoder_rows(struct rn_encoder *s,
                                      const struct rn_transform_call *call,
                                      struct rn_error *e) {
    for (uint32_t i = 0; i < s->in_count; i++)
        for (uint64_t r = 0; s->in[i].of && r < call->rows; r++)
            for (uint64_t k = 0; k < s->in[i].of->elements; k++)
                if (rn_encoder_count(s, i, &call->in[i], r, k, e) == RN_ENCODER_REFUSED)
                    return RN_E_DATA;
    return RN_OK;
}

/* Sort every set. RN_E_DATA: one is empty. */
static inline int32_t rn_encoder_end(struct rn_encoder *s, struct rn_error *e) {
    for (uint32_t i = 0; i < s->count; i++) {
        struct rn_encoder_field *f = s->fields[i];
        for (uint64_t k = 0; k < f->elements; k++) {
            if (!f->sets[k].count)
                return rn_failf(
                    e, RN_E_DATA, NULL, 0, 0,
                    "field '%s': element %llu is missing in every training sample",
                    f->name, (unsigned long long)k + 1);
            if (!rn_set_sort(&f->sets[k]))
                return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL,
                               NULL);
        }
        f->fitted = 1;
    }
    return RN_OK;
}

/* The index of element k of row r among the sorted categories; or MISSING, UNKNOWN, or
 * REFUSED. */
static inline uint32_t rn_encoder_index(const struct rn_encoder *s, uint32_t i,
                                        const struct rn_tensor *in, uint64_t r,
                                        uint64_t k, struct rn_error *e) {
    struct rn_set_key key;
    enum rn_category is = rn_encoder_key(s, i, in, r, k, &key);
    if (is == RN_CATEGORY_WRONG) {
        rn_encoder_large(s->in[i].of, e);
        return RN_ENCODER_REFUSED;
    }
    if (is == RN_CATEGORY_MISSING)
        return RN_ENCODER_MISSING;
    uint32_t at = rn_set_find(&s->in[i].of->sets[k], &key);
    return at == RN_SET_NONE ? RN_ENCODER_UNKNOWN : at;
}

/* The error for a category that is not known. Returns RN_E_DATA. */
static inline int32_t rn_encoder_unknown(const struct rn_encoder *s, uint32_t i,
                                         const struct rn_tensor *in, uint64_t r,
                                         uint64_t k, struct rn_error *e) {
    struct rn_set_key key;
    const struct rn_encoder_field *f = s->in[i].of;
    rn_encoder_key(s, i, in, r, k, &key);
    if (f->text)
        rn_failf(e, RN_E_DATA, NULL, 0, 0,
                 "field '%s': '%.*s' is not among the %u categories of the training "
                 "rows",
                 f->name, (int)(key.n < 80 ? key.n : 80), key.text, f->sets[k].count);
    else
        rn_failf(e, RN_E_DATA, NULL, 0, 0,
                 "field '%s': %g is not among the %u categories of the training rows",
                 f->name, key.number, f->sets[k].count);
    rn_hintf(e, "`unknown` sets what becomes of it");
    return RN_E_DATA;
}

/* The path of an element's arrays: FIELD, or FIELD/ELEMENT of several, from 0. */
static inline const char *rn_encoder_path(const struct rn_encoder_field *f, uint64_t k,
                                          char *path, size_t size) {
    if (f->elements == 1)
        snprintf(path, size, "%s", f->name);
    else
        snprintf(path, size, "%s/%llu", f->name, (unsigned long long)k);
    return path;
}

/* FIELD/elements i64, and the sets of each element. */
static inline int32_t rn_encoder_put(const struct rn_encoder *s, struct rn_stream *to) {
    char path[RN_ENCODER_NAME + 24];
    int32_t status = RN_OK;
    for (uint32_t i = 0; status == RN_OK && i < s->count; i++) {
        const struct rn_encoder_field *f = s->fields[i];
        int64_t elements = (int64_t)f->elements;
        status = rn_array_put(to, f->name, "elements", RN_I64, 0, NULL, &elements);
        for (uint64_t k = 0; status == RN_OK && k < f->elements; k++)
            status =
                rn_set_put(&f->sets[k], to, rn_encoder_path(f, k, path, sizeof path));
    }
    return status;
}

static inline int32_t rn_encoder_take_field(struct rn_encoder *s,
                                            const struct rn_arrays *a, const char *name,
                                            uint64_t elements) {
    char path[RN_ENCODER_NAME + 24];
    struct rn_encoder_field *f = rn_encoder_find(s, name);
    if (!elements || elements > 2u * (uint64_t)a->count)
        return RN_E_CHECKPOINT;
    if (f && f->elements != elements)
        return RN_E_CHECKPOINT;
    if (!f)
        f = rn_encoder_add(s, name, 0, elements);
    if (!f)
        return RN_E_MEMORY;
    for (uint64_t k = 0; k < elements; k++) {
        int32_t status =
            rn_set_take(&f->sets[k], a, rn_encoder_path(f, k, path, sizeof path));
        if (status != RN_OK || !f->sets[k].count || f->sets[k].text != f->sets[0].text)
            return RN_E_CHECKPOINT;
        for (uint32_t c = 1; c < f->sets[k].count; c++)
            if (rn_set_compare(&f->sets[k], c - 1, c) >= 0)
                return RN_E_CHECKPOINT;
    }
    f->text = f->sets[0].text;
    f->fitted = 1;
    return RN_OK;
}

/* What rn_encoder_put wrote. RN_E_CHECKPOINT without an error: damaged. */
static inline int32_t rn_encoder_load(struct rn_encoder *s, const struct rn_arrays *a) {
    char name[RN_ENCODER_NAME];
    int32_t status = RN_OK;
    for (uint32_t i = 0; status == RN_OK && i < a->count; i++)
        if (rn_array_field(&a->at[i], "elements", name, sizeof name) &&
            a->at[i].dtype == RN_I64 && a->at[i].rank == 0)
            status =
                rn_encoder_take_field(s, a, name, *(const uint64_t *)a->at[i].data);
    return status;
}

#ifdef __cplusplus
}
#endif
#endif
