/* SPDX-License-Identifier: Apache-2.0 */
/* Data to predict against the raw fields that the transforms were fitted on. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "data/internal.h"

#define NAMES_MAX 8u /* of a list in a message */

void field_describe(struct text *out, const struct rn_field *f) {
    static const char *const kinds[] = {"i", "u", "f", "?", "bf", "?", "bool"};
    uint32_t kind = f->dtype & 0xffu;
    bool text = (f->flags & RN_FIELD_TEXT) != 0;
    text_add(out, text ? "text" : kind < 7 ? kinds[kind] : "?");
    if (!text && kind != 6)
        text_addf(out, "%u", f->dtype >> 8);
    text_add(out, " [");
    for (uint32_t i = 0; i < f->rank; i++)
        text_addf(out, "%s%lld", i ? "," : "", (long long)f->shape[i]);
    text_add(out, "]");
}

/* ------------------------------------------------------ elements by their names */

/* The names of a layout, "a,b,c", cut where they end. */
struct names {
    uint32_t count;
    const char **at;
};

static struct names split_names(struct arena *a, const char *layout) {
    struct names n = {0};
    char *s = arena_copy(a, layout);
    uint32_t capacity = 1;
    for (const char *p = s; *p; p++)
        capacity += *p == ',';
    n.at = arena_array(a, const char *, capacity);
    for (char *p = s; p;) {
        char *end = strchr(p, ',');
        n.at[n.count++] = p;
        if (end)
            *end++ = '\0';
        p = end;
    }
    return n;
}

static int by_name(const void *x, const void *y) {
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* "'a', 'b' and 3 more": those of x that y does not have; how many. */
static uint32_t list_others(struct arena *a, const struct names *x,
                            const struct names *y, struct text *out) {
    const char **sorted = arena_array(a, const char *, y->count + 1);
    uint32_t others = 0;
    memcpy(sorted, y->at, y->count * sizeof *sorted);
    qsort(sorted, y->count, sizeof *sorted, by_name);
    for (uint32_t i = 0; i < x->count; i++)
        if (!bsearch(&x->at[i], sorted, y->count, sizeof *sorted, by_name) &&
            others++ < NAMES_MAX)
            text_addf(out, "%s'%.60s'", others > 1 ? ", " : "", x->at[i]);
    if (others > NAMES_MAX)
        text_addf(out, " and %u more", others - NAMES_MAX);
    return others;
}

/* Names that are columns: as many as the field has elements. */
static bool is_columns(const struct names *n, const struct rn_field *f) {
    return f->rank == 1 && f->shape[0] == (int64_t)n->count;
}

/* The elements of a field are others than those learnt, or in another order. */
static void other_elements(const struct table *t, uint32_t field,
                           const struct rn_field *learnt, const char *then,
                           struct rn_error *e) {
    const struct rn_field *f = &t->fields[field];
    const char *now = t->layouts[field];
    struct arena *a = arena_create();
    struct names has = split_names(a, now), had = split_names(a, then);
    struct text gone = {0}, extra = {0};
    uint32_t lacks = list_others(a, &had, &has, &gone);
    uint32_t more = list_others(a, &has, &had, &extra);
    if (!is_columns(&has, f) || !is_columns(&had, learnt)) {
        error_set(e, RN_E_DATA,
                  "%s: the elements of '%s' are not those of the training data",
                  t->name, f->name);
        error_hint(e, "here %.100s; in training %.100s", now, then);
    } else if (!lacks && !more) {
        error_set(e, RN_E_DATA,
                  "%s: the columns of '%s' are not in the order of the training data",
                  t->name, f->name);
        error_hint(e, "here %.100s; in training %.100s", now, then);
    } else {
        error_set(e, RN_E_DATA, "%s: field '%s'%s%s%s%s%s", t->name, f->name,
                  lacks ? lacks > 1 ? " lacks the columns " : " lacks the column " : "",
                  text_get(&gone), lacks && more ? " and" : "",
                  more ? more > 1 ? " has the extra columns " : " has the extra column "
                       : "",
                  text_get(&extra));
        error_hint(e, "the run was trained on %.200s", then);
    }
    text_finish(&gone);
    text_finish(&extra);
    arena_destroy(a);
}

/* ----------------------------------------------------------------- one field */

/* Where numbers were learnt, whole numbers are numbers too; and tables gave f32 where
 * they now give f64. */
static bool same_type(const struct rn_field *now, const struct rn_field *learnt) {
    bool was_float = learnt->dtype == RN_F32 || learnt->dtype == RN_F64;
    if ((now->flags ^ learnt->flags) & (RN_FIELD_TEXT | RN_FIELD_VARIABLE))
        return false;
    return now->dtype == learnt->dtype ||
           (now->dtype == RN_F64 && learnt->dtype == RN_F32) ||
           (now->dtype == RN_I64 && was_float);
}

static bool same_shape(const struct rn_field *now, const struct rn_field *learnt) {
    if (now->rank != learnt->rank)
        return false;
    return now->flags & RN_FIELD_TEXT ||
           !memcmp(now->shape, learnt->shape, now->rank * sizeof *now->shape);
}

static void other_shape(const struct table *t, const struct rn_field *now,
                        const struct rn_field *learnt, struct rn_error *e) {
    struct text here = {0}, then = {0};
    field_describe(&here, now);
    field_describe(&then, learnt);
    error_set(e, RN_E_DATA, "%s: field '%s' is %s; in the training data it is %s",
              t->name, now->name, text_get(&here), text_get(&then));
    text_finish(&here);
    text_finish(&then);
}

bool schema_same(const struct table *t, uint32_t field, const struct rn_field *learnt,
                 const char *layout, struct rn_error *wrong) {
    const struct rn_field *now = &t->fields[field];
    const char *here = t->layouts[field];
    error_clear(wrong);
    if (*here && *layout && strcmp(here, layout) != 0)
        other_elements(t, field, learnt, layout, wrong);
    else if (!same_type(now, learnt) || !same_shape(now, learnt))
        other_shape(t, now, learnt, wrong);
    return !wrong->status;
}

/* ----------------------------------------------------------------- all of them */

/* A learnt field that cannot be read; nothing else of its name is offered. */
static uint32_t absent(struct data *data, const struct rn_field *learnt,
                       const struct rn_error *why) {
    uint32_t c = column_add(data, learnt, data->pipeline.column_count);
    struct rn_error *kept = arena_new(data->arena, struct rn_error);
    *kept = *why;
    data->pipeline.columns[c].wrong = kept;
    return c;
}

void schema_columns(struct data *data) {
    const struct data_schema *s = data->options.schema;
    const struct table *t = &data->sources.at[data->sources.main];
    data->pipeline.sample = arena_array(data->arena, uint32_t, s->count + 1);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct rn_field *learnt = &s->fields[i];
        struct rn_error why = {0};
        uint32_t k = 0;
        while (k < t->field_count && strcmp(t->fields[k].name, learnt->name) != 0)
            k++;
        if (k == t->field_count) {
            error_set(&why, RN_E_DATA,
                      "%s: there is no field '%s', which the run was "
                      "trained with",
                      t->name, learnt->name);
            if (*s->layouts[i])
                error_hint(&why, "its columns: %.200s", s->layouts[i]);
            k = absent(data, learnt, &why);
        } else if (!schema_same(t, k, learnt, s->layouts[i], &why)) {
            k = absent(data, learnt, &why);
        } else if (t->fields[k].dtype == RN_I64 && learnt->dtype != RN_I64) {
            data->pipeline.columns[k].field.dtype = RN_F64;
        }
        data->pipeline.sample[data->pipeline.sample_count++] = k;
    }
    data->pipeline.raw_count = data->pipeline.column_count;
}
