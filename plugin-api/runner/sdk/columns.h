/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms that map each number by itself with parameters fitted on the training
 * rows: robust, power, quantile, bins and others. A group of elements (each element,
 * each channel, or all) has `parts` of parameters, named arrays of f64. Statistics come
 * from a tally (count, mean, squares, least, most), and, for a transform that asks for
 * them, from all training values, kept as f64 within the option `memory`. Fields come
 * out as f64.
 *
 * The rn_columns_* functions are members of struct rn_transform. `self` is a struct
 * whose first member is a struct rn_columns, allocated with calloc by the plugin's
 * create, which calls rn_columns_init and sets `kind`; rn_columns_destroy frees it. NaN
 * and a missing i64 are missing: they are not fitted on, and stay missing (NaN) unless
 * the kind fills them. Header-only; C11 or C++ with GNU builtins. */
#ifndef RUNNER_SDK_COLUMNS_H
#define RUNNER_SDK_COLUMNS_H

#include <runner/sdk/arrays.h>
#include <runner/sdk/budget.h>
#include <runner/sdk/fitted.h>
#include <runner/sdk/layout.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_COLUMNS_PARTS 4u

struct rn_columns;

/* What a group is fitted on. */
struct rn_columns_fit {
    const char *field;
    uint64_t element; /* the group's first, from 1: for errors */
    const struct rn_tally *tally;
    double *x;     /* [n] the values that are not missing, to reorder freely; or NULL */
    uint64_t n;    /* of them */
    uint64_t rows; /* training rows, also those where the number is missing */
};

/* What a transform of this kind does; constant. */
struct rn_columns_kind {
    uint32_t part_count;
    const char *parts[RN_COLUMNS_PARTS]; /* names of the arrays of parameters */
    int values;                          /* 1: fit gets all values */
    int fills;                           /* missing numbers are mapped too */
    int blind;                           /* a group without a number is not an error */
    int empties;                         /* numbers may become missing (NaN) */
    const char *flag; /* name's end of a further field of 0 and 1, or NULL */
    /* Numbers of each part for a field of so many training rows; NULL: 1. */
    void (*widths)(const struct rn_columns *s, uint64_t rows,
                   uint32_t widths[RN_COLUMNS_PARTS]);
    /* Why a number cannot be taken, static ("is not above 0"), or NULL. NULL: all can.
     */
    const char *(*refuse)(const struct rn_columns *s, double x);
    /* Write the parameters, parts one after the other. NULL: nothing is fitted. */
    int32_t (*fit)(const struct rn_columns *s, const struct rn_columns_fit *f,
                   double *parameters, struct rn_error *e);
    /* *flag is preset to whether x is missing. widths: of the parts. */
    double (*map)(const struct rn_columns *s, const double *parameters,
                  const uint32_t *widths, double x, int *flag);
};

struct rn_columns_field {
    char name[RN_FITTED_NAME], flag_name[RN_FITTED_NAME + 16];
    uint64_t groups, elements; /* elements / groups values each, one after the other */
    int fitted;
    uint32_t widths[RN_COLUMNS_PARTS], width; /* numbers of a group, of all parts */
    double *parameters;                       /* [groups][width] */
    /* while fitting: */
    uint64_t seen, room;
    struct rn_tally *tally; /* [groups] */
    double *values;         /* [room][elements] */
};

struct rn_columns_input {
    struct rn_columns_field *of; /* NULL: passed on as it is */
    uint64_t bytes;
    int nullable, text, narrow;
};

struct rn_columns {
    const struct rn_columns_kind *kind;
    enum rn_fitted_per per;
    int selected; /* the fields were named: others than numbers are errors */
    int texts;    /* named text fields are passed on, as the plugin maps them */
    int flagged;  /* option flag */
    int narrow;   /* f32 for f32 and smaller integers, as rn_fitted gives */
    struct rn_budget budget;
    uint32_t count, in_count;
    struct rn_columns_field **fields; /* [count] */
    struct rn_columns_input *in;      /* [in_count] of the last plan */
};

/* In create, with the options `of` and, if_per, `per`. */
static inline void rn_columns_init(struct rn_columns *s,
                                   const struct rn_columns_kind *kind,
                                   struct rn_host *h, int has_per) {
    s->kind = kind;
    s->selected = rn_has(h, "of");
    s->per = has_per ? rn_fitted_per_option(h) : RN_PER_ELEMENT;
    if (kind->values)
        s->budget = rn_budget_of(h);
}

static inline void rn_columns_forget_values(struct rn_columns *s,
                                            struct rn_columns_field *f) {
    rn_budget_return(&s->budget, f->room * f->elements * sizeof(double));
    free(f->values);
    free(f->tally);
    f->values = NULL;
    f->tally = NULL;
    f->room = f->seen = 0;
}

/* What the plugin's destroy frees of the struct; NULL is fine. */
static inline void rn_columns_finish(struct rn_columns *s) {
    for (uint32_t i = 0; s && i < s->count; i++) {
        rn_columns_forget_values(s, s->fields[i]);
        free(s->fields[i]->parameters);
        free(s->fields[i]);
    }
    if (s) {
        free(s->fields);
        free(s->in);
    }
}

static inline void rn_columns_destroy(void *self) {
    rn_columns_finish((struct rn_columns *)self);
    free(self);
}

static inline struct rn_columns_field *rn_columns_find(const struct rn_columns *s,
                                                       const char *name) {
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->fields[i]->name, name) == 0)
            return s->fields[i];
    return NULL;
}

/* A new record of a field, owned by s; NULL: no memory. */
static inline struct rn_columns_field *rn_columns_add(struct rn_columns *s,
                                                      const char *name, uint64_t groups,
                                                      uint64_t elements) {
    struct rn_columns_field *f = (struct rn_columns_field *)calloc(1, sizeof *f);
    struct rn_columns_field **more = (struct rn_columns_field **)realloc(
        s->fields, (s->count + 1u) * sizeof(struct rn_columns_field *));
    s->fields = more ? more : s->fields;
    if (!f || !more) {
        free(f);
        return NULL;
    }
    snprintf(f->name, sizeof f->name, "%s", name);
    snprintf(f->flag_name, sizeof f->flag_name, "%s%s", name,
             s->kind->flag ? s->kind->flag : "");
    f->groups = groups;
    f->elements = elements;
    return s->fields[s->count++] = f;
}

/* The record of an input field, made where there is none. */
static inline int32_t rn_columns_take(struct rn_columns *s, const struct rn_field *in,
                                      struct rn_columns_field **out,
                                      struct rn_error *e) {
    uint64_t n = rn_field_elements(in), groups = n;
    if (s->per == RN_PER_ALL || (s->per == RN_PER_CHANNEL && in->rank == 0))
        groups = 1;
    else if (s->per == RN_PER_CHANNEL)
        groups = (uint64_t)in->shape[0];
    if (strlen(in->name) >= RN_FITTED_NAME)
        return rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "field '%s': the name is long",
                        in->name);
    struct rn_columns_field *f = rn_columns_find(s, in->name);
    for (uint32_t k = 0; !f && s->kind->fit && k < s->count; k++)
        if (s->fields[k]->fitted)
            return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                            "field '%s' was not there when this was fitted", in->name);
    if (!f)
        f = rn_columns_add(s, in->name, groups, n);
    if (!f)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    if (f->groups != groups || f->elements != n)
        return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                        "field '%s' has %llu numbers a sample; fitted were %llu",
                        in->name, (unsigned long long)n,
                        (unsigned long long)f->elements);
    *out = f;
    return RN_OK;
}

/* Outputs are the inputs in order, then the flag fields. */
static inline int32_t rn_columns_plan(void *self, struct rn_transform_plan *plan,
                                      struct rn_error *e) {
    struct rn_columns *s = (struct rn_columns *)self;
    uint32_t n = plan->in_count, flags = s->flagged ? n : 0;
    s->in_count = 0;
    s->in = (struct rn_columns_input *)rn_planned(s->in, n, sizeof *s->in, n + flags,
                                                  plan->out_room, e);
    if (!s->in)
        return e && e->status ? e->status : RN_E_MEMORY;
    s->in_count = plan->out_count = n;
    for (uint32_t i = 0; i < n; i++) {
        const struct rn_field *in = &plan->in[i];
        struct rn_columns_input *x = &s->in[i];
        struct rn_field *out = &plan->out[i];
        int takes = 0, text = s->texts && s->selected && (in->flags & RN_FIELD_TEXT);
        int32_t status = text ? RN_OK : rn_fitted_takes(in, s->selected, &takes, e);
        *out = *in;
        x->bytes = rn_field_bytes(in);
        x->text = text;
        rn_layout_keep(plan, i, i); /* rn_layout_forget where elements change */
        if (status == RN_OK && takes)
            status = rn_columns_take(s, in, &x->of, e);
        if (status != RN_OK)
            return status;
        if (!takes)
            continue;
        out->name = x->of->name;
        x->nullable = in->dtype == RN_I64 && in->flags & RN_FIELD_NULLABLE;
        x->narrow = s->narrow && in->dtype != RN_F64 && in->dtype != RN_I64 &&
                    in->dtype != RN_I32 && in->dtype != RN_U32;
        out->dtype = x->narrow ? RN_F32 : RN_F64;
        if (s->kind->fills)
            out->flags &= ~RN_FIELD_NULLABLE;
        if (s->kind->empties)
            out->flags |= RN_FIELD_NULLABLE;
    }
    for (uint32_t i = 0; s->flagged && i < n; i++)
        if (s->in[i].of) {
            struct rn_field *out = &plan->out[plan->out_count++];
            *out = plan->out[i];
            out->name = s->in[i].of->flag_name;
            out->dtype = RN_F32;
            out->flags = 0;
            rn_layout_keep(plan, i, plan->out_count - 1);
        }
    return RN_OK;
}

/* n numbers of input i of the last plan, missing ones NaN. */
static inline void rn_columns_get(const struct rn_columns *s, uint32_t i,
                                  const struct rn_tensor *in, uint64_t at, uint64_t n,
                                  double *x) {
    rn_numbers_get(in->data, in->dtype, at, n, x);
    for (uint64_t k = 0; s->in[i].nullable && k < n; k++)
        x[k] = ((const int64_t *)in->data)[at + k] == RN_MISSING_I64 ? NAN : x[k];
}

/* The error for a number that the kind refuses. */
static inline int32_t rn_columns_check(const struct rn_columns *s,
                                       const struct rn_columns_field *f,
                                       uint64_t element, double x, struct rn_error *e) {
    const char *why = s->kind->refuse && x == x ? s->kind->refuse(s, x) : NULL;
    return !why ? RN_OK
                : rn_failf(e, RN_E_DATA, NULL, 0, 0, "field '%s', element %llu: %g %s",
                           f->name, (unsigned long long)element + 1, x, why);
}

static inline int32_t rn_columns_begin(void *self, struct rn_error *e) {
    struct rn_columns *s = (struct rn_columns *)self;
    for (uint32_t i = 0; i < s->count; i++) {
        struct rn_columns_field *f = s->fields[i];
        rn_columns_forget_values(s, f);
        f->fitted = 0;
        f->tally = (struct rn_tally *)calloc(f->groups, sizeof *f->tally);
        if (!f->tally)
            return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
        for (uint64_t g = 0; g < f->groups; g++) {
            f->tally[g].least = INFINITY;
            f->tally[g].most = -INFINITY;
        }
    }
    return RN_OK;
}

/* Room for `rows` more rows of values. */
static inline int32_t rn_columns_room(struct rn_columns *s, struct rn_columns_field *f,
                                      uint64_t rows, struct rn_error *e) {
    uint64_t need = f->seen + rows, row = f->elements * sizeof(double);
    if (need <= f->room)
        return RN_OK;
    uint64_t room = need < 2 * f->room ? 2 * f->room : need;
    if ((room - f->room) > s->budget.left / row)
        room = need; /* the last rows may fit where twice as many do not */
    uint64_t bytes = rn_size_or_max(room, row);
    double *more = NULL;
    if ((room - f->room) <= s->budget.left / row &&
        rn_budget_take(&s->budget, (room - f->room) * row))
        more = (double *)realloc(f->values, bytes);
    else {
        rn_failf(e, RN_E_DATA, NULL, 0, 0,
                 "field '%s': %llu training rows need more than the %llu MiB of memory "
                 "that fitting may use",
                 f->name, (unsigned long long)need,
                 (unsigned long long)(s->budget.limit >> 20));
        rn_hintf(e, "set `memory` (MiB) of the transform higher");
        return RN_E_DATA;
    }
    if (!more)
        return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
    f->values = more;
    f->room = room;
    return RN_OK;
}

static inline int32_t rn_columns_rows(void *self, const struct rn_transform_call *call,
                                      struct rn_error *e) {
    struct rn_columns *s = (struct rn_columns *)self;
    double x[RN_FITTED_CHUNK];
    for (uint32_t i = 0; i < s->in_count; i++) {
        struct rn_columns_field *f = s->in[i].of;
        if (!f)
            continue;
        uint64_t each = f->elements / f->groups, n = call->rows * f->elements, take;
        int32_t status = s->kind->values ? rn_columns_room(s, f, call->rows, e) : RN_OK;
        for (uint64_t at = 0; status == RN_OK && at < n; at += take) {
            take = n - at < RN_FITTED_CHUNK ? n - at : RN_FITTED_CHUNK;
            rn_columns_get(s, i, &call->in[i], at, take, x);
            for (uint64_t k = 0; k < take && status == RN_OK; k++) {
                uint64_t element = (at + k) % f->elements;
                status = rn_columns_check(s, f, element, x[k], e);
                rn_tally_add(&f->tally[element / each], &x[k], 1);
            }
            if (f->values)
                memcpy(f->values + f->seen * f->elements + at, x, take * sizeof *x);
        }
        if (status != RN_OK)
            return status;
        f->seen += call->rows;
    }
    return RN_OK;
}

/* The values of a group that are not missing, into x; how many. */
static inline uint64_t rn_columns_gather(const struct rn_columns_field *f, uint64_t g,
                                         double *x) {
    uint64_t each = f->elements / f->groups, n = 0;
    for (uint64_t r = 0; f->values && r < f->seen; r++)
        for (uint64_t k = 0; k < each; k++) {
            double v = f->values[r * f->elements + g * each + k];
            if (v == v)
                x[n++] = v;
        }
    return n;
}

/* Parameters of widths[] numbers a part. */
static inline int32_t rn_columns_allocate(const struct rn_columns *s,
                                          struct rn_columns_field *f,
                                          struct rn_error *e) {
    f->width = 0;
    for (uint32_t p = 0; p < s->kind->part_count; p++)
        f->width += f->widths[p];
    free(f->parameters);
    f->parameters = (double *)calloc(
        rn_size_or_max(f->groups, f->width > 0 ? f->width : 1u), sizeof(double));
    return f->parameters
               ? RN_OK
               : rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
}

static inline int32_t rn_columns_fit_field(struct rn_columns *s,
                                           struct rn_columns_field *f,
                                           struct rn_error *e) {
    uint64_t each = f->elements / f->groups;
    double *x = NULL;
    for (uint32_t p = 0; p < s->kind->part_count; p++)
        f->widths[p] = 1;
    if (s->kind->widths)
        s->kind->widths(s, f->seen, f->widths);
    int32_t status = rn_columns_allocate(s, f, e);
    if (status == RN_OK && f->values) {
        x = (double *)malloc(rn_size_or_max(f->seen * each + 1, sizeof *x));
        if (!x)
            return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
    }
    for (uint64_t g = 0; status == RN_OK && g < f->groups; g++) {
        struct rn_columns_fit fit = {f->name, g * each + 1, &f->tally[g], x,
                                     0,       f->seen};
        fit.n = x ? rn_columns_gather(f, g, x) : (uint64_t)f->tally[g].count;
        if (!fit.n && !s->kind->blind)
            status =
                rn_failf(e, RN_E_DATA, NULL, 0, 0,
                         "field '%s': element %llu is missing in every training sample",
                         f->name, (unsigned long long)fit.element);
        else
            status = s->kind->fit(s, &fit, f->parameters + g * f->width, e);
    }
    free(x);
    rn_columns_forget_values(s, f);
    f->fitted = 1;
    return status;
}

static inline int32_t rn_columns_end(void *self, struct rn_error *e) {
    struct rn_columns *s = (struct rn_columns *)self;
    int32_t status = RN_OK;
    for (uint32_t i = 0; status == RN_OK && i < s->count; i++)
        status = rn_columns_fit_field(s, s->fields[i], e);
    return status;
}

static inline int32_t rn_columns_apply(void *self, const struct rn_transform_call *call,
                                       struct rn_error *e) {
    const struct rn_columns *s = (const struct rn_columns *)self;
    uint32_t next = s->in_count;
    double x[RN_FITTED_CHUNK];
    for (uint32_t i = 0; i < s->in_count; i++) {
        const struct rn_columns_field *f = s->in[i].of;
        if (!f) {
            if (!s->in[i].text)
                memcpy(call->out[i].data, call->in[i].data,
                       call->rows * s->in[i].bytes);
            continue;
        }
        if (s->kind->fit && !f->fitted)
            return rn_fail(e, RN_E_INTERNAL, "applied before it was fitted", NULL,
                           NULL);
        uint64_t each = f->elements / f->groups, n = call->rows * f->elements, take;
        double *y = (double *)call->out[i].data;
        float *small = (float *)call->out[i].data;
        float *flags = s->flagged ? (float *)call->out[next++].data : NULL;
        for (uint64_t at = 0; at < n; at += take) {
            take = n - at < RN_FITTED_CHUNK ? n - at : RN_FITTED_CHUNK;
            rn_columns_get(s, i, &call->in[i], at, take, x);
            for (uint64_t k = 0; k < take; k++) {
                uint64_t element = (at + k) % f->elements;
                int missing = x[k] != x[k], flag = missing;
                int32_t status = rn_columns_check(s, f, element, x[k], e);
                if (status != RN_OK)
                    return status;
                double v = s->kind->map(s, f->parameters + element / each * f->width,
                                        f->widths, x[k], &flag);
                v = missing && !s->kind->fills ? NAN : v;
                if (s->in[i].narrow)
                    small[at + k] = (float)v;
                else
                    y[at + k] = v;
                if (flags)
                    flags[at + k] = (float)flag;
            }
        }
    }
    return RN_OK;
}

/* Arrays FIELD/PART, f64 [groups, width], and FIELD/elements, i64. */
static inline int32_t rn_columns_put(const struct rn_columns *s, struct rn_stream *to,
                                     struct rn_error *e) {
    int32_t status = RN_OK;
    for (uint32_t i = 0; status == RN_OK && i < s->count; i++) {
        const struct rn_columns_field *f = s->fields[i];
        int64_t elements = (int64_t)f->elements;
        uint32_t first = 0;
        if (!f->fitted)
            continue;
        status = rn_array_put(to, f->name, "elements", RN_I64, 0, NULL, &elements);
        for (uint32_t p = 0; status == RN_OK && p < s->kind->part_count; p++) {
            int64_t shape[2] = {(int64_t)f->groups, f->widths[p]};
            double *part = (double *)malloc(
                rn_size_or_max(f->groups * f->widths[p] + 1, sizeof *part));
            if (!part)
                return rn_fail(e, RN_E_MEMORY, "no memory for a state", NULL, NULL);
            for (uint64_t g = 0; g < f->groups; g++)
                memcpy(part + g * f->widths[p], f->parameters + g * f->width + first,
                       f->widths[p] * sizeof *part);
            status =
                rn_array_put(to, f->name, s->kind->parts[p], RN_F64, 2, shape, part);
            first += f->widths[p];
            free(part);
        }
    }
    return status;
}

static inline int32_t rn_columns_save(void *self, struct rn_stream *to,
                                      struct rn_error *e) {
    int32_t status = rn_arrays_begin(to);
    return status == RN_OK ? rn_columns_put((const struct rn_columns *)self, to, e)
                           : status;
}

/* The parameters of a field out of its arrays. RN_E_CHECKPOINT: they do not fit. */
static inline int32_t rn_columns_load_field(struct rn_columns *s,
                                            const struct rn_arrays *a, const char *name,
                                            uint64_t elements, struct rn_error *e) {
    const struct rn_array *parts[RN_COLUMNS_PARTS] = {NULL};
    uint64_t groups = 0;
    for (uint32_t p = 0; p < s->kind->part_count; p++) {
        parts[p] = rn_array_find(a, name, s->kind->parts[p], RN_F64, 2);
        if (!parts[p] || parts[p]->shape[1] > UINT32_MAX ||
            (p && (uint64_t)parts[p]->shape[0] != groups))
            return RN_E_CHECKPOINT;
        groups = (uint64_t)parts[p]->shape[0];
    }
    struct rn_columns_field *f = rn_columns_find(s, name);
    if (!groups || !elements || elements % groups || strlen(name) >= sizeof f->name)
        return RN_E_CHECKPOINT;
    if (f && (f->groups != groups || f->elements != elements))
        return rn_failf(e, RN_E_CHECKPOINT, NULL, 0, 0,
                        "the stored '%s' has another size than the field", name);
    if (!f)
        f = rn_columns_add(s, name, groups, elements);
    if (!f)
        return RN_E_MEMORY;
    for (uint32_t p = 0; p < s->kind->part_count; p++)
        f->widths[p] = (uint32_t)parts[p]->shape[1];
    uint32_t expected[RN_COLUMNS_PARTS] = {1, 1, 1, 1}, first = 0;
    for (uint32_t p = 0; !s->kind->widths && p < s->kind->part_count; p++)
        if (f->widths[p] != expected[p])
            return RN_E_CHECKPOINT;
    int32_t status = rn_columns_allocate(s, f, e);
    for (uint32_t p = 0; status == RN_OK && p < s->kind->part_count; p++) {
        for (uint64_t g = 0; g < groups; g++)
            memcpy(f->parameters + g * f->width + first,
                   (const double *)parts[p]->data + g * f->widths[p],
                   f->widths[p] * sizeof(double));
        first += f->widths[p];
    }
    f->fitted = 1;
    return status;
}

static inline int32_t rn_columns_take_arrays(struct rn_columns *s,
                                             const struct rn_arrays *a,
                                             struct rn_error *e) {
    char name[RN_FITTED_NAME];
    int32_t status = RN_OK;
    for (uint32_t i = 0; status == RN_OK && i < a->count; i++)
        if (rn_array_field(&a->at[i], "elements", name, sizeof name) &&
            a->at[i].dtype == RN_I64 && a->at[i].rank == 0)
            status = rn_columns_load_field(s, a, name, *(uint64_t *)a->at[i].data, e);
    if (status != RN_OK && e && !e->status)
        rn_fail(e, status, "the stored state cannot be read", NULL, NULL);
    return status;
}

static inline int32_t rn_columns_load(void *self, struct rn_stream *from,
                                      struct rn_error *e) {
    struct rn_arrays a;
    int32_t status = rn_arrays_read(from, 0, &a, e);
    if (status == RN_OK)
        status = rn_columns_take_arrays((struct rn_columns *)self, &a, e);
    rn_arrays_free(&a);
    return status;
}

/* ------------------------------------------------------- of sorted values */

static inline int rn_by_value_(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline void rn_values_sort(double *x, uint64_t n) {
    qsort(x, n, sizeof *x, rn_by_value_);
}

/* The quantile q of 0..1 of n > 0 sorted values, linear between the two nearest
 * (Hyndman and Fan 1996, definition 7), rounded as numpy.percentile does. */
static inline double rn_values_quantile(const double *x, uint64_t n, double q) {
    double at = q * (double)(n - 1), low = floor(at), t = at - low;
    uint64_t i = (uint64_t)low, k = i + 1 < n ? i + 1 : n - 1;
    double d = x[k] - x[i];
    return x[i] == x[k] ? x[i] : t >= 0.5 ? x[k] - d * (1.0 - t) : x[i] + d * t;
}

#define RN_COLUMNS_MEMORY_OPTION                                                       \
    RN_OPTION(                                                                         \
        "memory int ; min 0 ; max 16777216 ; unit MiB | memory for the training "      \
        "values while fitting; default: 4096, or half of the machine's if that "       \
        "is less")

/* A struct rn_transform of these functions; flags: RN_TRANSFORM_*. */
#define RN_COLUMNS_IFACE(flags, create)                                                \
    {                                                                                  \
        sizeof(struct rn_transform), flags, create, rn_columns_destroy,                \
            rn_columns_plan, rn_columns_begin, rn_columns_rows, rn_columns_end,        \
            rn_columns_apply, rn_columns_save, rn_columns_load, NULL                   \
    }
/* The same of a kind without fit. */
#define RN_COLUMNS_IFACE_UNFITTED(flags, create)                                       \
    {                                                                                  \
        sizeof(struct rn_transform), flags, create, rn_columns_destroy,                \
            rn_columns_plan, NULL, NULL, NULL, rn_columns_apply, NULL, NULL, NULL      \
    }

#ifdef __cplusplus
}
#endif
#endif
