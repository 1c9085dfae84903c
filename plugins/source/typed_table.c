/* SPDX-License-Identifier: Apache-2.0 */
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>

#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/sdk/missing.h>

#include "typed_table.h"

static int32_t no_memory(const struct typed_table *t, struct rn_error *e) {
    return rn_failf(e, RN_E_MEMORY, t->file, 0, 0, "no memory for the rows");
}

int32_t typed_table_begin(struct typed_table *t, uint32_t width, struct rn_error *e) {
    t->width = width;
    t->columns = calloc(width, sizeof *t->columns);
    t->fields = calloc(width + 1u, sizeof *t->fields);
    t->own = calloc(width + 1u, sizeof *t->own);
    t->layouts = calloc(width + 1u, sizeof *t->layouts);
    return t->columns && t->fields && t->own && t->layouts ? RN_OK : no_memory(t, e);
}

void typed_table_finish(struct typed_table *t) {
    for (uint32_t i = 0; t->columns && i < t->width; i++)
        free(t->columns[i].rows);
    free(t->columns);
    free(t->x);
    free(t->fields);
    free(t->own);
    free(t->layout);
    free(t->layouts);
}

static void *reserve(struct typed_table *t, uint64_t n, uint64_t item,
                     struct rn_error *e) {
    uint64_t bytes;
    if (!rn_size_mul(n, item, &bytes) || !rn_budget_take(&t->budget, bytes)) {
        rn_budget_error(&t->budget, t->file, e);
        return NULL;
    }
    void *p = calloc(n ? n : 1, item ? item : 1);
    if (!p)
        no_memory(t, e);
    return p;
}

/* ------------------------------------------------------------------------ roles */

static struct typed_column *find(struct typed_table *t, const char *name) {
    for (uint32_t i = 0; i < t->width; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return &t->columns[i];
    return NULL;
}

static int32_t no_column(struct typed_table *t, const char *option, const char *name,
                         struct rn_error *e) {
    char all[300] = "";
    for (uint32_t i = 0; i < t->width && strlen(all) + 80 < sizeof all; i++) {
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%.60s", i ? ", " : "", t->columns[i].name);
    }
    rn_fail_option(e, RN_E_CONFIG, option, "the %s gives no column '%.100s'", t->option,
                   name);
    rn_hintf(e, "it gives %s", all);
    return RN_E_CONFIG;
}

/* The columns that the pattern matches and that have no role get it; how many match. */
static uint32_t name_pattern(struct typed_table *t, const char *pattern, char role) {
    uint32_t n = 0;
    for (uint32_t i = 0; strpbrk(pattern, "*?") && i < t->width; i++) {
        struct typed_column *c = &t->columns[i];
        if (fnmatch(pattern, c->name, 0) != 0)
            continue;
        c->role = c->role ? c->role : role;
        n++;
    }
    return n;
}

/* The columns that the list option names get the role. */
static int32_t name_list(struct typed_table *t, const char *option, char role,
                         struct rn_error *e) {
    for (uint32_t i = 0; i < rn_get_count(t->host, option); i++) {
        char path[64];
        snprintf(path, sizeof path, "%s.%u", option, i);
        const char *name = rn_get_string(t->host, path);
        struct typed_column *c = find(t, name);
        if (!c && name_pattern(t, name, role))
            continue;
        if (!c && !(t->predict && role != 'x'))
            return no_column(t, option, name, e);
        if (c && c->role && c->role != role)
            return rn_fail_option(e, RN_E_CONFIG, path, "'%.100s' has two uses", name);
        if (c)
            c->role = role;
    }
    return RN_OK;
}

static int32_t check_names(struct typed_table *t, struct rn_error *e) {
    for (uint32_t i = 0; i < t->width; i++)
        if (find(t, t->columns[i].name) != &t->columns[i]) {
            rn_fail_option(e, RN_E_CONFIG, t->option, "two columns are named '%.100s'",
                           t->columns[i].name);
            return RN_E_CONFIG;
        }
    return RN_OK;
}

int32_t typed_table_roles(struct typed_table *t, struct rn_error *e) {
    int32_t status = check_names(t, e);
    if (status == RN_OK && rn_has(t->host, "target")) {
        struct typed_column *c = find(t, rn_get_string(t->host, "target"));
        if (!c && !t->predict)
            return no_column(t, "target", rn_get_string(t->host, "target"), e);
        if (c)
            c->role = 't';
    }
    if (status == RN_OK)
        status = name_list(t, "fields", 'o', e);
    if (status == RN_OK)
        status = name_list(t, "features", 'x', e);
    for (uint32_t i = 0; i < t->width && !rn_has(t->host, "features"); i++)
        if (!t->columns[i].role)
            t->columns[i].role = 'x';
    return status;
}

/* ------------------------------------------------------------------------ types */

void typed_see_null(struct typed_column *c) {
    c->nulls++;
}

void typed_see_number(struct typed_column *c, int whole) {
    *(whole ? &c->integers : &c->reals) = 1;
}

void typed_see_text(struct typed_column *c, uint64_t bytes, uint64_t row) {
    if (!c->texts)
        c->text_row = row + 1;
    c->texts = 1;
    c->longest = bytes > c->longest ? bytes : c->longest;
}

/* The type that a field of this name has been learnt with, or 0. */
static char known_type(const struct typed_table *t, const char *name) {
    const struct rn_known_fields *k = t->host->api->extension(t->host, RN_EXT_FIELDS);
    for (uint32_t i = 0; k && i < k->field_count; i++) {
        const struct rn_field *f =
            (const void *)((const char *)k->fields + (size_t)i * k->field_stride);
        if (strcmp(f->name, name) == 0)
            return f->dtype == RN_U8 ? 't' : f->dtype == RN_I64 ? 'i' : 'f';
    }
    return 0;
}

static int32_t choose_type(struct typed_table *t, struct typed_column *c,
                           struct rn_error *e) {
    int numbers = c->integers || c->reals;
    char known = known_type(t, c->name);
    const char *asked = c->role == 't' ? rn_get_string(t->host, "target_type") : "auto";
    if (c->other) {
        rn_failf(e, RN_E_DATA, t->file, 0, 0, "column '%.100s' holds %s", c->name,
                 c->other);
        rn_hintf(e, "list the columns to read in `features` and `fields`");
        return RN_E_DATA;
    }
    if (c->role == 'x' && c->texts) {
        rn_failf(e, RN_E_DATA, t->file, 0, 0,
                 "row %llu, column '%.100s' is text, which is no feature",
                 (unsigned long long)c->text_row, c->name);
        rn_hintf(e, "name it in `fields`, or leave it out of `features`");
        return RN_E_DATA;
    }
    if (numbers && c->texts)
        return rn_failf(e, RN_E_DATA, t->file, 0, 0,
                        "column '%.100s' holds numbers and, in row %llu, text", c->name,
                        (unsigned long long)c->text_row);
    if (c->role == 't' && c->nulls && !t->predict && !rn_may_miss(t->host, c->name)) {
        rn_failf(e, RN_E_DATA, t->file, 0, 0,
                 "the target '%.100s' is NULL in %llu rows", c->name,
                 (unsigned long long)c->nulls);
        rn_hintf(e, "data.drop_missing={of: %.100s} leaves such rows out", c->name);
        return RN_E_DATA;
    }
    c->type = c->texts ? 't' : c->reals || c->role == 'x' ? 'f' : 'i';
    if (!numbers && !c->texts)
        c->type = known ? known : c->role == 'x' ? 'f' : 't';
    if (c->type == 'i' && (known == 'f' || strcmp(asked, "float") == 0))
        c->type = 'f';
    return RN_OK;
}

static void field_add(struct typed_table *t, struct typed_column *c) {
    struct rn_field *f = &t->fields[t->field_count];
    t->own[t->field_count++] = c;
    *f = (struct rn_field){.name = c->name,
                           .dtype = c->type == 't'   ? RN_U8
                                    : c->type == 'i' ? RN_I64
                                                     : RN_F64,
                           .flags = c->nulls ? RN_FIELD_NULLABLE : 0};
    c->field = f;
    if (c->type != 't')
        return;
    f->rank = 1;
    f->shape[0] = (int64_t)(c->longest ? c->longest : 1);
    f->flags |= RN_FIELD_TEXT;
}

/* The first name of a layout ("a,b,c") in name, cut to its size, and what follows it, or
 * NULL. */
static const char *next_name(const char *layout, char *name, size_t size) {
    size_t n = strcspn(layout, ",");
    snprintf(name, size, "%.*s", (int)(n < size ? n : size), layout);
    return layout[n] ? layout + n + 1 : NULL;
}

/* The known names of the elements of x ("a,b,c"), or NULL. */
static const char *known_layout(const struct typed_table *t) {
    const struct rn_known_fields *k = t->host->api->extension(t->host, RN_EXT_FIELDS);
    if (!k || !RN_HAS(k, struct rn_known_fields, layouts) || !k->layouts)
        return NULL;
    for (uint32_t i = 0; i < k->field_count; i++) {
        const struct rn_field *f =
            (const void *)((const char *)k->fields + (size_t)i * k->field_stride);
        if (strcmp(f->name, "x") == 0)
            return k->layouts[i];
    }
    return NULL;
}

/* Are the features those of the layout, in whatever order? */
static int same_features(struct typed_table *t, const char *layout) {
    char name[256];
    uint32_t n = 0;
    for (const char *p = layout; p && n <= t->features; n++) {
        int whole = strcspn(p, ",") < sizeof name;
        p = next_name(p, name, sizeof name);
        const struct typed_column *c = find(t, name);
        if (!whole || !c || c->role != 'x')
            return 0;
    }
    return n == t->features; /* names of a layout are different */
}

/* Places of the features in x: as they were learnt, if they are the same ones. */
static int32_t order_features(struct typed_table *t, struct rn_error *e) {
    size_t names = 1;
    for (uint32_t i = 0; i < t->width; i++)
        if (t->columns[i].role == 'x') {
            names += strlen(t->columns[i].name) + 1;
            t->columns[i].at = t->features++;
        }
    t->layout = calloc(names, 1);
    if (!t->layout)
        return no_memory(t, e);
    const char *known = known_layout(t);
    char name[256];
    if (known && same_features(t, known)) {
        uint32_t at = 0;
        snprintf(t->layout, names, "%s", known);
        for (const char *p = known; p; at++) {
            p = next_name(p, name, sizeof name);
            find(t, name)->at = at;
        }
        return RN_OK;
    }
    for (uint32_t i = 0; i < t->width; i++)
        if (t->columns[i].role == 'x') {
            strcat(t->layout, *t->layout ? "," : "");
            strcat(t->layout, t->columns[i].name);
        }
    return RN_OK;
}

static void add_once(struct typed_table *t, struct typed_column *c) {
    if (c && c->role && c->role != 'x' && !c->field)
        field_add(t, c);
}

/* Known fields in the order that they were learnt in, then the others. */
static void order_fields(struct typed_table *t) {
    const struct rn_known_fields *k = t->host->api->extension(t->host, RN_EXT_FIELDS);
    for (uint32_t i = 0; k && i < k->field_count; i++) {
        const struct rn_field *f =
            (const void *)((const char *)k->fields + (size_t)i * k->field_stride);
        add_once(t, find(t, f->name));
    }
    for (uint32_t i = 0; i < t->width; i++)
        add_once(t, &t->columns[i]);
}

static int32_t make_fields(struct typed_table *t, struct rn_error *e) {
    const struct typed_column *x = find(t, "x");
    int nulls = 0;
    int32_t status = order_features(t, e);
    if (status != RN_OK)
        return status;
    for (uint32_t i = 0; i < t->width; i++)
        nulls |= t->columns[i].role == 'x' && t->columns[i].nulls != 0;
    if (t->features && x && x->role && x->role != 'x')
        return rn_fail_option(e, RN_E_CONFIG, t->option,
                              "a column 'x' and features, which are x; rename it");
    if (t->features) {
        t->fields[t->field_count++] = (struct rn_field){
            "x", RN_F64, 1, {t->features}, nulls ? RN_FIELD_NULLABLE : 0u, 0};
        t->layouts[0] = t->layout;
    }
    order_fields(t);
    return RN_OK;
}

int32_t typed_table_settle(struct typed_table *t, struct rn_error *e) {
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < t->width && status == RN_OK; i++)
        if (t->columns[i].role)
            status = choose_type(t, &t->columns[i], e);
    if (status == RN_OK)
        status = make_fields(t, e);
    if (status != RN_OK)
        return status;
    t->x = reserve(t, t->count, (uint64_t)t->features * sizeof *t->x, e);
    if (!t->x)
        return e && e->status ? e->status : RN_E_MEMORY;
    for (uint32_t k = t->features ? 1 : 0; k < t->field_count; k++) {
        t->own[k]->rows = reserve(t, t->count, rn_field_bytes(&t->fields[k]), e);
        if (!t->own[k]->rows)
            return e && e->status ? e->status : RN_E_MEMORY;
    }
    return RN_OK;
}

/* ------------------------------------------------------------------------- rows */

void typed_put_null(struct typed_table *t, struct typed_column *c, uint64_t row) {
    if (c->role == 'x')
        t->x[row * t->features + c->at] = NAN;
    else if (c->type == 'i')
        ((int64_t *)c->rows)[row] = RN_MISSING_I64;
    else if (c->type == 'f')
        ((double *)c->rows)[row] = NAN;
}

void typed_put_integer(struct typed_table *t, struct typed_column *c, uint64_t row,
                       int64_t v) {
    if (c->role == 'x')
        t->x[row * t->features + c->at] = (double)v;
    else if (c->type == 'i')
        ((int64_t *)c->rows)[row] = v;
    else if (c->type == 'f')
        ((double *)c->rows)[row] = (double)v;
}

void typed_put_real(struct typed_table *t, struct typed_column *c, uint64_t row,
                    double v) {
    if (c->role == 'x')
        t->x[row * t->features + c->at] = v;
    else if (c->type == 'f')
        ((double *)c->rows)[row] = v;
}

void typed_put_text(struct typed_column *c, uint64_t row, const void *text,
                    uint64_t bytes) {
    uint64_t width = (uint64_t)c->field->shape[0];
    if (c->type == 't')
        memcpy((char *)c->rows + row * width, text, bytes < width ? bytes : width);
}

void typed_table_info(const struct typed_table *t, struct rn_source_info *out) {
    out->access = RN_ACCESS_RANDOM;
    out->count = t->count;
    out->field_count = t->field_count;
    out->field_stride = sizeof t->fields[0];
    out->fields = t->fields;
    memset(out->content_hash, 0, sizeof out->content_hash);
    if (RN_HAS(out, struct rn_source_info, name))
        out->name = t->file;
    if (RN_HAS(out, struct rn_source_info, layouts))
        out->layouts = t->layouts;
}

int32_t typed_table_read(const struct typed_table *t, const struct rn_source_call *call,
                         struct rn_error *e) {
    for (uint64_t i = 0; i < call->rows; i++)
        if (call->indices[i] >= t->count)
            return rn_failf(e, RN_E_INTERNAL, t->file, 0, 0, "row %llu is not there",
                            (unsigned long long)call->indices[i]);
    for (uint32_t f = 0; f < t->field_count; f++) {
        const char *from = t->own[f] ? t->own[f]->rows : (const void *)t->x;
        uint64_t bytes = rn_field_bytes(&t->fields[f]);
        char *to = call->out[f].data;
        for (uint64_t i = 0; to && i < call->rows; i++, to += bytes)
            memcpy(to, from + call->indices[i] * bytes, bytes);
    }
    return RN_OK;
}
