/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms that map each number by itself with an affine map fitted on the training
 * samples: y = (x - origin - shift) * factor + base; with `fills`, y = shift where x is
 * missing and x elsewhere. A map belongs to a group of elements: each element, each
 * channel (first axis) or all. Computed in f64 and rounded once: to f32, or to f64
 * where the field's dtype (f64, i64, i32, u32) may hold numbers that f32 cannot.
 *
 * The rn_fitted_* functions are members of struct rn_transform. `self` is a struct
 * whose first member is a struct rn_fitted, allocated with calloc by the plugin's
 * create, which sets per, base, fills, blind, selected and finish; rn_fitted_destroy
 * frees it with everything in it. What was fitted is kept by field name, so that a
 * later plan without the field does no harm. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_FITTED_H
#define RUNNER_SDK_FITTED_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/arrays.h>
#include <runner/sdk/field.h>
#include <runner/sdk/layout.h>
#include <runner/sdk/transform.h>
#include <runner/transform.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_FITTED_NAME  128u
#define RN_FITTED_CHUNK 256u

/* Statistics of a group while fitting. */
struct rn_tally {
    /* origin: the first value, which is subtracted from every one, so that differences
     * near one ulp are kept; mean: of what is left; m2: sum of squared distances from
     * the mean */
    double count, origin, mean, m2;
    double least, most;
};

struct rn_fitted_map {
    double origin, shift, factor;
};

struct rn_fitted_field {
    char name[RN_FITTED_NAME];
    uint64_t groups, elements; /* elements / groups values each, one after the other */
    uint64_t seen;             /* samples while fitting */
    struct rn_tally *tally;    /* [groups], while fitting */
    struct rn_fitted_map *map; /* [groups], NULL until fitted */
};

/* A field of the last plan. */
struct rn_fitted_input {
    struct rn_fitted_field *of; /* NULL: passed on as it is */
    uint64_t bytes;
    int wide;     /* what it gives is f64 */
    int nullable; /* i64 with missing numbers */
};

enum rn_fitted_per { RN_PER_ELEMENT, RN_PER_CHANNEL, RN_PER_ALL };

struct rn_fitted {
    enum rn_fitted_per per;
    double base;
    int fills;    /* missing numbers become those of `shift`; others stay as they are */
    int blind;    /* a group without a number is not an error */
    int selected; /* the fields were named: others than numbers are errors */
    uint32_t count;
    struct rn_fitted_field **fields; /* [count] */
    uint32_t in_count;               /* of the last plan */
    struct rn_fitted_input *in;      /* [in_count] */
    /* Turn a tally to a map. */
    struct rn_fitted_map (*finish)(const struct rn_fitted *s, const struct rn_tally *t);
};

/* What rn_fitted_destroy frees of the struct; NULL is fine. */
static inline void rn_fitted_finish(struct rn_fitted *s) {
    for (uint32_t i = 0; s && i < s->count; i++) {
        free(s->fields[i]->tally);
        free(s->fields[i]->map);
        free(s->fields[i]);
    }
    if (s) {
        free(s->fields);
        free(s->in);
    }
}

/* self may be NULL. */
static inline void rn_fitted_destroy(void *self) {
    rn_fitted_finish((struct rn_fitted *)self);
    free(self);
}

/* The option `per`. */
static inline enum rn_fitted_per rn_fitted_per_option(struct rn_host *h) {
    const char *per = rn_get_string(h, "per");
    return strcmp(per, "channel") == 0 ? RN_PER_CHANNEL
           : strcmp(per, "all") == 0   ? RN_PER_ALL
                                       : RN_PER_ELEMENT;
}

/* Is a field for numbers of a sample: not text, and, when the fields were not named,
 * neither a scalar (labels and targets are) nor truth values (0 and 1 when named). */
static inline int32_t rn_fitted_takes(const struct rn_field *f, int selected,
                                      int *takes, struct rn_error *e) {
    *takes = !(f->flags & RN_FIELD_TEXT) &&
             (selected || (f->rank > 0 && f->dtype != RN_BOOL));
    if (selected && !*takes)
        return rn_failf(e, RN_E_CONFIG, NULL, 0, 0,
                        "field '%s' holds text, not numbers", f->name);
    return RN_OK;
}

/* What was fitted for the field of this name, or NULL. Owned by s. */
static inline struct rn_fitted_field *rn_fitted_find(struct rn_fitted *s,
                                                     const char *name) {
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->fields[i]->name, name) == 0)
            return s->fields[i];
    return NULL;
}

/* A new, empty record of a field, owned by s; NULL: no memory. name is copied. */
static inline struct rn_fitted_field *rn_fitted_add(struct rn_fitted *s,
                                                    const char *name, uint64_t groups,
                                                    uint64_t elements) {
    struct rn_fitted_field *f = (struct rn_fitted_field *)calloc(1, sizeof *f);
    struct rn_fitted_field **more = (struct rn_fitted_field **)realloc(
        s->fields, (s->count + 1u) * sizeof(struct rn_fitted_field *));
    s->fields = more ? more : s->fields;
    if (!f || !more) {
        free(f);
        return NULL;
    }
    snprintf(f->name, sizeof f->name, "%s", name);
    f->groups = groups;
    f->elements = elements;
    return s->fields[s->count++] = f;
}

/* Which fields change, and how the maps fit them. RN_E_DATA: a field that has another
 * size than the one fitted, or was not there. */
static inline int32_t rn_fitted_plan(void *self, struct rn_transform_plan *plan,
                                     struct rn_error *e) {
    const struct rn_field *in = plan->in;
    struct rn_field *out = plan->out;
    uint32_t in_count = plan->in_count;
    struct rn_fitted *s = (struct rn_fitted *)self;
    s->in_count = 0;
    s->in = (struct rn_fitted_input *)rn_planned(s->in, in_count, sizeof *s->in,
                                                 in_count, plan->out_room, e);
    if (!s->in)
        return e && e->status ? e->status : RN_E_MEMORY;
    s->in_count = in_count;
    for (uint32_t i = 0; i < in_count; i++) {
        int takes = 0;
        uint64_t n = rn_field_elements(&in[i]), groups = n;
        int32_t status = rn_fitted_takes(&in[i], s->selected, &takes, e);
        if (status != RN_OK)
            return status;
        out[i] = in[i];
        rn_layout_keep(plan, i, i);
        struct rn_fitted_input *x = &s->in[i];
        x->bytes = rn_field_bytes(&in[i]);
        if (!takes)
            continue;
        if (s->per == RN_PER_ALL || (s->per == RN_PER_CHANNEL && in[i].rank == 0))
            groups = 1;
        else if (s->per == RN_PER_CHANNEL)
            groups = (uint64_t)in[i].shape[0];
        struct rn_fitted_field *f = rn_fitted_find(s, in[i].name);
        if (!f) {
            for (uint32_t k = 0; k < s->count; k++)
                if (s->fields[k]->map)
                    return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                                    "field '%s' was not there when this was fitted",
                                    in[i].name);
            if (strlen(in[i].name) >= RN_FITTED_NAME)
                return rn_failf(e, RN_E_CONFIG, NULL, 0, 0,
                                "field '%s': the name is long", in[i].name);
            f = rn_fitted_add(s, in[i].name, groups, n);
            if (!f)
                return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
        }
        if (f->groups != groups || f->elements != n)
            return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                            "field '%s' has %llu numbers a sample; fitted were %llu",
                            in[i].name, (unsigned long long)n,
                            (unsigned long long)f->elements);
        x->of = f;
        out[i].name = f->name;
        x->wide = in[i].dtype == RN_F64 || in[i].dtype == RN_I64 ||
                  in[i].dtype == RN_I32 || in[i].dtype == RN_U32;
        x->nullable = in[i].dtype == RN_I64 && in[i].flags & RN_FIELD_NULLABLE;
        out[i].dtype = x->wide ? RN_F64 : RN_F32;
        if (s->fills)
            out[i].flags &= ~RN_FIELD_NULLABLE;
    }
    plan->out_count = in_count;
    return RN_OK;
}

/* n numbers of field i of the last plan, missing ones NaN. */
static inline void rn_fitted_get(const struct rn_fitted *s, uint32_t i,
                                 const struct rn_tensor *in, uint64_t at, uint64_t n,
                                 double *x) {
    rn_numbers_get(in->data, in->dtype, at, n, x);
    for (uint64_t k = 0; s->in[i].nullable && k < n; k++)
        x[k] = ((const int64_t *)in->data)[at + k] == RN_MISSING_I64 ? NAN : x[k];
}

/* Store y as element `at` of output i, in that field's dtype. */
static inline void rn_fitted_put(const struct rn_fitted *s, uint32_t i,
                                 const struct rn_tensor *out, uint64_t at, double y) {
    if (s->in[i].wide)
        ((double *)out->data)[at] = y;
    else
        ((float *)out->data)[at] = (float)y;
}

/* Start fitting: empty statistics for every field. */
static inline int32_t rn_fitted_begin(void *self, struct rn_error *e) {
    struct rn_fitted *s = (struct rn_fitted *)self;
    for (uint32_t i = 0; i < s->count; i++) {
        struct rn_fitted_field *f = s->fields[i];
        free(f->tally);
        f->tally = (struct rn_tally *)calloc(f->groups, sizeof *f->tally);
        f->seen = 0;
        if (!f->tally)
            return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
        for (uint64_t g = 0; g < f->groups; g++) {
            f->tally[g].least = INFINITY;
            f->tally[g].most = -INFINITY;
        }
    }
    return RN_OK;
}

/* Add n numbers to a group: their own mean and squares, then both merged (Chan, Golub,
 * LeVeque 1979). Missing ones do not count. */
static inline void rn_tally_add(struct rn_tally *t, const double *x, uint64_t n) {
    double count = 0, sum = 0, mean, m2 = 0, d;
    for (uint64_t i = 0; i < n; i++) {
        if (x[i] != x[i])
            continue;
        if (t->count + count == 0)
            t->origin = x[i];
        count++, sum += x[i] - t->origin;
        t->least = x[i] < t->least ? x[i] : t->least;
        t->most = x[i] > t->most ? x[i] : t->most;
    }
    if (count == 0)
        return;
    mean = sum / count;
    for (uint64_t i = 0; i < n; i++)
        if (x[i] == x[i]) {
            d = x[i] - t->origin - mean;
            m2 += d * d;
        }
    d = mean - t->mean;
    t->m2 += m2 + d * d * (t->count * count / (t->count + count));
    t->mean += d * (count / (t->count + count));
    t->count += count;
}

/* Add n training samples to the statistics. */
static inline int32_t rn_fitted_rows(void *self, const struct rn_transform_call *call,
                                     struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    uint64_t n = call->rows;
    struct rn_fitted *s = (struct rn_fitted *)self;
    double x[RN_FITTED_CHUNK];
    (void)e;
    for (uint32_t i = 0; i < s->in_count; i++) {
        struct rn_fitted_field *f = s->in[i].of;
        if (!f)
            continue;
        uint64_t each = f->elements / f->groups;
        for (uint64_t r = 0; r < n; r++)
            for (uint64_t at = 0; at < f->elements;) {
                uint64_t take = f->elements - at;
                uint64_t left = each - at % each;
                if (each > 1)
                    take = left;
                take = take < RN_FITTED_CHUNK ? take : RN_FITTED_CHUNK;
                rn_fitted_get(s, i, &in[i], r * f->elements + at, take, x);
                if (each > 1)
                    rn_tally_add(&f->tally[at / each], x, take);
                else
                    for (uint64_t k = 0; k < take; k++)
                        rn_tally_add(&f->tally[at + k], x + k, 1);
                at += take;
            }
        f->seen += n;
    }
    return RN_OK;
}

/* Turn the statistics to maps by `finish`. RN_E_DATA: an element that is missing in
 * every training sample, or a range too large for f64. */
static inline int32_t rn_fitted_end(void *self, struct rn_error *e) {
    struct rn_fitted *s = (struct rn_fitted *)self;
    for (uint32_t i = 0; i < s->count; i++) {
        struct rn_fitted_field *f = s->fields[i];
        free(f->map);
        f->map = (struct rn_fitted_map *)calloc(f->groups, sizeof *f->map);
        if (!f->map)
            return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
        for (uint64_t g = 0; g < f->groups; g++) {
            if (f->tally[g].count == 0 && !s->blind)
                return rn_failf(
                    e, RN_E_DATA, NULL, 0, 0,
                    "field '%s': element %llu is missing in every training "
                    "sample",
                    f->name, (unsigned long long)(g * (f->elements / f->groups)) + 1);
            f->map[g] = s->finish(s, &f->tally[g]);
            if (!isfinite(f->map[g].shift) || !(f->map[g].factor > 0.0))
                return rn_failf(
                    e, RN_E_DATA, NULL, 0, 0,
                    "field '%s': element %llu goes from %g to %g, which is too "
                    "far for f64",
                    f->name, (unsigned long long)(g * (f->elements / f->groups)) + 1,
                    f->tally[g].least, f->tally[g].most);
        }
        free(f->tally);
        f->tally = NULL;
    }
    return RN_OK;
}

/* Map n samples; fields that are not for this transform are copied. */
static inline int32_t rn_fitted_apply(void *self, const struct rn_transform_call *call,
                                      struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    const struct rn_tensor *out = call->out;
    uint64_t n = call->rows;
    const struct rn_fitted *s = (const struct rn_fitted *)self;
    double x[RN_FITTED_CHUNK];
    for (uint32_t i = 0; i < s->in_count; i++) {
        const struct rn_fitted_field *f = s->in[i].of;
        if (!f) {
            memcpy(out[i].data, in[i].data, n * s->in[i].bytes);
            continue;
        }
        if (!f->map)
            return rn_fail(e, RN_E_INTERNAL, "applied before it was fitted", NULL,
                           NULL);
        uint64_t each = f->elements / f->groups;
        for (uint64_t r = 0; r < n; r++)
            for (uint64_t at = 0; at < f->elements;) {
                uint64_t take = each > 1 ? each - at % each : f->elements - at;
                const struct rn_fitted_map *m = &f->map[at / each];
                take = take < RN_FITTED_CHUNK ? take : RN_FITTED_CHUNK;
                rn_fitted_get(s, i, &in[i], r * f->elements + at, take, x);
                for (uint64_t k = 0; k < take; k++, m += each == 1)
                    rn_fitted_put(
                        s, i, &out[i], r * f->elements + at + k,
                        !s->fills ? (x[k] - m->origin - m->shift) * m->factor + s->base
                        : x[k] != x[k] ? m->shift
                                       : x[k]);
                at += take;
            }
    }
    return RN_OK;
}

/* Versions of a state before it was named arrays. */
#define RN_FITTED_FIRST 1u /* without the origin */
#define RN_FITTED_MAPS  2u

/* Arrays FIELD/origin, FIELD/shift and FIELD/factor, f64 [groups], and FIELD/elements,
 * i64. */
static inline int32_t rn_fitted_save(void *self, struct rn_stream *to,
                                     struct rn_error *e) {
    static const char *const parts[] = {"origin", "shift", "factor"};
    const struct rn_fitted *s = (const struct rn_fitted *)self;
    int32_t status = rn_arrays_begin(to);
    for (uint32_t i = 0; status == RN_OK && i < s->count; i++) {
        const struct rn_fitted_field *f = s->fields[i];
        int64_t groups = (int64_t)f->groups, elements = (int64_t)f->elements;
        if (!f->map)
            return RN_E_INTERNAL;
        double *part = (double *)malloc(f->groups * sizeof *part);
        if (!part)
            return rn_fail(e, RN_E_MEMORY, "no memory for a state", NULL, NULL);
        status = rn_array_put(to, f->name, "elements", RN_I64, 0, NULL, &elements);
        for (uint32_t p = 0; status == RN_OK && p < 3; p++) {
            for (uint64_t g = 0; g < f->groups; g++)
                part[g] = p == 0   ? f->map[g].origin
                          : p == 1 ? f->map[g].shift
                                   : f->map[g].factor;
            status = rn_array_put(to, f->name, parts[p], RN_F64, 1, &groups, part);
        }
        free(part);
    }
    return status;
}

/* The record of a stored field with room for its maps, or NULL with an error. */
static inline struct rn_fitted_field *
rn_fitted_stored(struct rn_fitted *s, const char *name, uint64_t groups,
                 uint64_t elements, struct rn_error *e) {
    struct rn_fitted_field *f = rn_fitted_find(s, name);
    if (f && (f->groups != groups || f->elements != elements)) {
        rn_failf(e, RN_E_CHECKPOINT, NULL, 0, 0,
                 "the stored '%s' has another size than the field", name);
        return NULL;
    }
    if (!f)
        f = rn_fitted_add(s, name, groups, elements);
    if (f && !f->map)
        f->map = (struct rn_fitted_map *)calloc(groups, sizeof *f->map);
    if (!f || !f->map) {
        rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
        return NULL;
    }
    return f;
}

/* Of a stored map: its last members. */
static inline uint64_t rn_fitted_map_bytes(uint32_t version) {
    return version > RN_FITTED_FIRST ? sizeof(struct rn_fitted_map)
                                     : 2 * sizeof(double);
}

/* The fields of a state of version RN_FITTED_FIRST or RN_FITTED_MAPS, behind that
 * number: u32 fields; each: name[RN_FITTED_NAME], u64 groups, u64 elements, f64
 * map[groups][2 or 3]. RN_E_CHECKPOINT: damaged, or of fields of another size. */
static inline int32_t rn_fitted_load_fields(struct rn_fitted *s, struct rn_stream *from,
                                            uint32_t version, struct rn_error *e) {
    uint32_t fields = 0;
    uint64_t n = rn_fitted_map_bytes(version);
    int32_t status = from->api->read(from, &fields, sizeof fields);
    if (status == RN_OK && fields > from->api->left(from) / RN_FITTED_NAME)
        status = RN_E_CHECKPOINT;
    for (uint32_t i = 0; status == RN_OK && i < fields; i++) {
        char name[RN_FITTED_NAME];
        uint64_t size[2] = {0, 0};
        status = from->api->read(from, name, sizeof name);
        if (status == RN_OK)
            status = from->api->read(from, size, sizeof size);
        if (status != RN_OK || name[RN_FITTED_NAME - 1] || !size[0] ||
            size[1] % size[0] || size[0] > from->api->left(from) / n) {
            status = RN_E_CHECKPOINT;
            break;
        }
        struct rn_fitted_field *f = rn_fitted_stored(s, name, size[0], size[1], e);
        if (!f)
            return e && e->status ? e->status : RN_E_CHECKPOINT;
        for (uint64_t g = 0; status == RN_OK && g < size[0]; g++) {
            f->map[g].origin = 0.0;
            status = from->api->read(from, (char *)(f->map + g + 1) - n, n);
        }
    }
    return status == RN_OK
               ? RN_OK
               : rn_fail(e, status, "the stored state cannot be read", NULL, NULL);
}

/* The fields of named arrays. */
static inline int32_t rn_fitted_take_arrays(struct rn_fitted *s,
                                            const struct rn_arrays *a,
                                            struct rn_error *e) {
    char name[RN_FITTED_NAME];
    for (uint32_t i = 0; i < a->count; i++) {
        const struct rn_array *n = &a->at[i];
        if (!rn_array_field(n, "elements", name, sizeof name))
            continue;
        const struct rn_array *origin = rn_array_find(a, name, "origin", RN_F64, 1);
        const struct rn_array *shift = rn_array_find(a, name, "shift", RN_F64, 1);
        const struct rn_array *factor = rn_array_find(a, name, "factor", RN_F64, 1);
        uint64_t elements =
            n->dtype == RN_I64 && n->rank == 0 ? *(const uint64_t *)n->data : 0;
        if (!origin || !shift || !factor || !origin->elements || !elements ||
            shift->elements != origin->elements ||
            factor->elements != origin->elements || elements % origin->elements)
            return rn_fail(e, RN_E_CHECKPOINT, "the stored state cannot be read", NULL,
                           NULL);
        struct rn_fitted_field *f =
            rn_fitted_stored(s, name, origin->elements, elements, e);
        if (!f)
            return e && e->status ? e->status : RN_E_CHECKPOINT;
        for (uint64_t g = 0; g < f->groups; g++) {
            f->map[g].origin = ((const double *)origin->data)[g];
            f->map[g].shift = ((const double *)shift->data)[g];
            f->map[g].factor = ((const double *)factor->data)[g];
        }
    }
    return RN_OK;
}

/* Reads every version. RN_E_CHECKPOINT: damaged, or of fields of another size. */
static inline int32_t rn_fitted_load(void *self, struct rn_stream *from,
                                     struct rn_error *e) {
    struct rn_fitted *s = (struct rn_fitted *)self;
    struct rn_arrays a;
    uint32_t first = 0;
    if (from->api->read(from, &first, sizeof first) != RN_OK)
        return rn_fail(e, RN_E_CHECKPOINT, "the stored state cannot be read", NULL,
                       NULL);
    if (first == RN_FITTED_FIRST || first == RN_FITTED_MAPS)
        return rn_fitted_load_fields(s, from, first, e);
    int32_t status = rn_arrays_read(from, first, &a, e);
    if (status == RN_OK)
        status = rn_fitted_take_arrays(s, &a, e);
    rn_arrays_free(&a);
    return status;
}

/* Lines for the description. */
#define RN_FITTED_PER_OPTION                                                           \
    RN_OPTION("per choice(element,channel,all) = element | what is fitted: each "      \
              "number of a sample by itself, each channel (first axis), or all as "    \
              "one")
#define RN_FITTED_OF_OPTION                                                            \
    RN_OPTION("of list(string) | fields; default: all that are not text, truth "       \
              "values or single numbers")

#ifdef __cplusplus
}
#endif
#endif
