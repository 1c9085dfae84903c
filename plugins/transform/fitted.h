/* SPDX-License-Identifier: Apache-2.0 */
/* What the transforms share that map a number by itself to f32, or to f64 where f32 may
 * not hold the number as it comes (rounded to f32 once, at the end): which fields they
 * take, what was fitted for each (by name, so that a field that is gone does no harm),
 * and how that is saved. What is fitted for a group of elements is (origin, shift,
 * factor): y = shift where x is missing and fills is set, else (x - origin - shift) *
 * factor + base. Computed in f64, rounded once. */
#ifndef PLUGINS_TRANSFORM_FITTED_H
#define PLUGINS_TRANSFORM_FITTED_H

#include <math.h>
#include <stdlib.h>

#include <runner/transform.h>

#include "planned.h"

#define FITTED_NAME  128u
#define FITTED_CHUNK 256u

/* Statistics of a group while fitting. */
struct tally {
    /* origin: the first value, which is subtracted from every one, so that differences
     * near one ulp are kept; mean: of what is left; m2: sum of squared distances from
     * the mean */
    double count, origin, mean, m2;
    double least, most;
};

struct map {
    double origin, shift, factor;
};

struct fitted_field {
    char name[FITTED_NAME];
    uint64_t groups, elements; /* elements / groups values each, one after the other */
    uint64_t seen;             /* samples while fitting */
    struct tally *tally;       /* [groups], while fitting */
    struct map *map;           /* [groups], NULL until fitted */
};

/* A field of the last plan. */
struct fitted_input {
    struct fitted_field *of; /* NULL: passed on as it is */
    uint64_t bytes;
    int wide;     /* what it gives is f64 */
    int nullable; /* i64 with missing numbers */
};

enum fitted_per { PER_ELEMENT, PER_CHANNEL, PER_ALL };

struct fitted {
    enum fitted_per per;
    double base;
    int fills;    /* missing numbers become those of `shift`; others stay as they are */
    int blind;    /* a group without a number is no error */
    int selected; /* the fields were named: others than numbers are errors */
    uint32_t count;
    struct fitted_field **fields; /* [count] */
    uint32_t in_count;            /* of the last plan */
    struct fitted_input *in;      /* [in_count] */
    /* Turn a tally to a map. */
    struct map (*finish)(const struct fitted *s, const struct tally *t);
};

static inline void fitted_destroy(void *self) {
    struct fitted *s = (struct fitted *)self;
    for (uint32_t i = 0; s && i < s->count; i++) {
        free(s->fields[i]->tally);
        free(s->fields[i]->map);
        free(s->fields[i]);
    }
    if (s) {
        free(s->fields);
        free(s->in);
    }
    free(s);
}

static inline enum fitted_per fitted_per(struct rn_host *h) {
    const char *per = rn_get_string(h, "per", "element");
    return strcmp(per, "channel") == 0 ? PER_CHANNEL
           : strcmp(per, "all") == 0   ? PER_ALL
                                       : PER_ELEMENT;
}

/* Is a field for numbers of a sample: not text, and, when the fields were not named,
 * neither a scalar (labels and targets are) nor truth values (0 and 1 when named). */
static inline int32_t fitted_takes(const struct rn_field *f, int selected, int *takes,
                                   struct rn_error *e) {
    *takes = !(f->flags & RN_FIELD_TEXT) &&
             (selected || (f->rank > 0 && f->dtype != RN_BOOL));
    if (selected && !*takes)
        return fail(e, RN_E_CONFIG, NULL, 0, 0, "field '%s' holds text, not numbers",
                    f->name);
    return RN_OK;
}

static inline struct fitted_field *fitted_find(struct fitted *s, const char *name) {
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->fields[i]->name, name) == 0)
            return s->fields[i];
    return NULL;
}

static inline struct fitted_field *fitted_add(struct fitted *s, const char *name,
                                              uint64_t groups, uint64_t elements) {
    struct fitted_field *f = (struct fitted_field *)calloc(1, sizeof *f);
    struct fitted_field **more = (struct fitted_field **)realloc(
        s->fields, (s->count + 1u) * sizeof(struct fitted_field *));
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

static inline int32_t fitted_plan(void *self, uint32_t in_count,
                                  const struct rn_field *in, uint32_t *out_count,
                                  struct rn_field *out, struct rn_error *e) {
    struct fitted *s = (struct fitted *)self;
    s->in_count = 0;
    s->in = (struct fitted_input *)planned(s->in, in_count, sizeof *s->in, in_count,
                                           *out_count, e);
    if (!s->in)
        return e && e->status ? e->status : RN_E_MEMORY;
    s->in_count = in_count;
    for (uint32_t i = 0; i < in_count; i++) {
        int takes = 0;
        uint64_t n = field_elements(&in[i]), groups = n;
        int32_t status = fitted_takes(&in[i], s->selected, &takes, e);
        if (status != RN_OK)
            return status;
        out[i] = in[i];
        struct fitted_input *x = &s->in[i];
        x->bytes = field_bytes(&in[i]);
        if (!takes)
            continue;
        if (s->per == PER_ALL || (s->per == PER_CHANNEL && in[i].rank == 0))
            groups = 1;
        else if (s->per == PER_CHANNEL)
            groups = (uint64_t)in[i].shape[0];
        struct fitted_field *f = fitted_find(s, in[i].name);
        if (!f) {
            for (uint32_t k = 0; k < s->count; k++)
                if (s->fields[k]->map)
                    return fail(e, RN_E_DATA, NULL, 0, 0,
                                "field '%s' was not there when this was fitted",
                                in[i].name);
            if (strlen(in[i].name) >= FITTED_NAME)
                return fail(e, RN_E_CONFIG, NULL, 0, 0, "field '%s': the name is long",
                            in[i].name);
            f = fitted_add(s, in[i].name, groups, n);
            if (!f)
                return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
        }
        if (f->groups != groups || f->elements != n)
            return fail(e, RN_E_DATA, NULL, 0, 0,
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
    *out_count = in_count;
    return RN_OK;
}

/* n numbers of field i of the last plan, missing ones NaN. */
static inline void fitted_get(const struct fitted *s, uint32_t i,
                              const struct rn_tensor *in, uint64_t at, uint64_t n,
                              double *x) {
    numbers_get(in->data, in->dtype, at, n, x);
    for (uint64_t k = 0; s->in[i].nullable && k < n; k++)
        x[k] = ((const int64_t *)in->data)[at + k] == RN_MISSING_I64 ? NAN : x[k];
}

static inline void fitted_put(const struct fitted *s, uint32_t i,
                              const struct rn_tensor *out, uint64_t at, double y) {
    if (s->in[i].wide)
        ((double *)out->data)[at] = y;
    else
        ((float *)out->data)[at] = (float)y;
}

static inline int32_t fitted_begin(void *self, struct rn_error *e) {
    struct fitted *s = (struct fitted *)self;
    for (uint32_t i = 0; i < s->count; i++) {
        struct fitted_field *f = s->fields[i];
        free(f->tally);
        f->tally = (struct tally *)calloc(f->groups, sizeof *f->tally);
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
static inline void tally_add(struct tally *t, const double *x, uint64_t n) {
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

static inline int32_t fitted_rows(void *self, uint64_t n, const struct rn_tensor *in,
                                  struct rn_error *e) {
    struct fitted *s = (struct fitted *)self;
    double x[FITTED_CHUNK];
    (void)e;
    for (uint32_t i = 0; i < s->in_count; i++) {
        struct fitted_field *f = s->in[i].of;
        if (!f)
            continue;
        uint64_t each = f->elements / f->groups;
        for (uint64_t r = 0; r < n; r++)
            for (uint64_t at = 0; at < f->elements;) {
                uint64_t take = f->elements - at;
                uint64_t left = each - at % each;
                if (each > 1)
                    take = left;
                take = take < FITTED_CHUNK ? take : FITTED_CHUNK;
                fitted_get(s, i, &in[i], r * f->elements + at, take, x);
                if (each > 1)
                    tally_add(&f->tally[at / each], x, take);
                else
                    for (uint64_t k = 0; k < take; k++)
                        tally_add(&f->tally[at + k], x + k, 1);
                at += take;
            }
        f->seen += n;
    }
    return RN_OK;
}

static inline int32_t fitted_end(void *self, struct rn_error *e) {
    struct fitted *s = (struct fitted *)self;
    for (uint32_t i = 0; i < s->count; i++) {
        struct fitted_field *f = s->fields[i];
        free(f->map);
        f->map = (struct map *)calloc(f->groups, sizeof *f->map);
        if (!f->map)
            return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
        for (uint64_t g = 0; g < f->groups; g++) {
            if (f->tally[g].count == 0 && !s->blind)
                return fail(e, RN_E_DATA, NULL, 0, 0,
                            "field '%s': element %llu is missing in every training "
                            "sample",
                            f->name,
                            (unsigned long long)(g * (f->elements / f->groups)) + 1);
            f->map[g] = s->finish(s, &f->tally[g]);
            if (!isfinite(f->map[g].shift) || !(f->map[g].factor > 0.0))
                return fail(e, RN_E_DATA, NULL, 0, 0,
                            "field '%s': element %llu goes from %g to %g, which is too "
                            "far for f64",
                            f->name,
                            (unsigned long long)(g * (f->elements / f->groups)) + 1,
                            f->tally[g].least, f->tally[g].most);
        }
        free(f->tally);
        f->tally = NULL;
    }
    return RN_OK;
}

static inline int32_t fitted_apply(void *self, uint64_t n, const struct rn_tensor *in,
                                   const struct rn_tensor *out, struct rn_error *e) {
    const struct fitted *s = (const struct fitted *)self;
    double x[FITTED_CHUNK];
    for (uint32_t i = 0; i < s->in_count; i++) {
        const struct fitted_field *f = s->in[i].of;
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
                const struct map *m = &f->map[at / each];
                take = take < FITTED_CHUNK ? take : FITTED_CHUNK;
                fitted_get(s, i, &in[i], r * f->elements + at, take, x);
                for (uint64_t k = 0; k < take; k++, m += each == 1)
                    fitted_put(s, i, &out[i], r * f->elements + at + k,
                               !s->fills
                                   ? (x[k] - m->origin - m->shift) * m->factor + s->base
                               : x[k] != x[k] ? m->shift
                                              : x[k]);
                at += take;
            }
    }
    return RN_OK;
}

#define FITTED_VERSION 2u
#define FITTED_FIRST   1u /* without the origin */

static inline int32_t fitted_save(void *self, struct rn_stream *to) {
    const struct fitted *s = (const struct fitted *)self;
    uint32_t head[2] = {FITTED_VERSION, s->count};
    int32_t status = to->api->write(to, head, sizeof head);
    for (uint32_t i = 0; status == RN_OK && i < s->count; i++) {
        const struct fitted_field *f = s->fields[i];
        uint64_t size[2] = {f->groups, f->elements};
        if (!f->map)
            return RN_E_INTERNAL;
        status = to->api->write(to, f->name, sizeof f->name);
        if (status == RN_OK)
            status = to->api->write(to, size, sizeof size);
        if (status == RN_OK)
            status = to->api->write(to, f->map, f->groups * sizeof *f->map);
    }
    return status;
}

/* Of a stored map: its last members. */
static inline uint64_t map_bytes(uint32_t version) {
    return version > FITTED_FIRST ? sizeof(struct map) : 2 * sizeof(double);
}

static inline int32_t fitted_load(void *self, struct rn_stream *from,
                                  struct rn_error *e) {
    struct fitted *s = (struct fitted *)self;
    uint32_t head[2] = {0, 0};
    int32_t status = from->api->read(from, head, sizeof head);
    if (status == RN_OK && (head[0] < FITTED_FIRST || head[0] > FITTED_VERSION ||
                            head[1] > from->api->left(from) / FITTED_NAME))
        status = RN_E_CHECKPOINT;
    for (uint32_t i = 0; status == RN_OK && i < head[1]; i++) {
        char name[FITTED_NAME];
        uint64_t size[2] = {0, 0};
        status = from->api->read(from, name, sizeof name);
        if (status == RN_OK)
            status = from->api->read(from, size, sizeof size);
        if (status != RN_OK || name[FITTED_NAME - 1] || !size[0] || size[1] % size[0] ||
            size[0] > from->api->left(from) / map_bytes(head[0])) {
            status = RN_E_CHECKPOINT;
            break;
        }
        struct fitted_field *f = fitted_find(s, name);
        if (f && (f->groups != size[0] || f->elements != size[1]))
            return fail(e, RN_E_CHECKPOINT, NULL, 0, 0,
                        "the stored '%s' has another size than the field", name);
        if (!f)
            f = fitted_add(s, name, size[0], size[1]);
        if (f && !f->map)
            f->map = (struct map *)calloc(size[0], sizeof *f->map);
        if (!f || !f->map)
            return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
        for (uint64_t g = 0; status == RN_OK && g < size[0]; g++) {
            uint64_t n = map_bytes(head[0]);
            f->map[g].origin = 0.0;
            status = from->api->read(from, (char *)(f->map + g + 1) - n, n);
        }
    }
    if (status != RN_OK)
        return rn_fail(e, status, "the stored state cannot be read", NULL, NULL);
    return RN_OK;
}

#define FITTED_PER                                                                     \
    RN_OPTION("per choice(element,channel,all) = element | what is fitted: each "      \
              "number of a sample by itself, each channel (first axis), or all as "    \
              "one")
#define FITTED_OF                                                                      \
    RN_OPTION("of list(string) | fields; default: all that are not text, truth "       \
              "values or single numbers")

#endif
