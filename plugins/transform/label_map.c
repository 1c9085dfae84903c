/* SPDX-License-Identifier: Apache-2.0 */
/* Text or integers as class indices 0..K-1, in sorted order (text by bytes, integers by
 * value) or in the order of `classes`. The names are kept. What is missing stays
 * missing. */
#include <stdlib.h>

#include <runner/sdk/arrays.h>
#include <runner/sdk/category.h>
#include <runner/sdk/error.h>
#include <runner/transform.h>

#define CLASSES_MAX 65536u
#define TEXT_MAX    4096u
#define VERSION     1u /* of a state before it was named arrays */

struct label_map {
    struct rn_host *host;
    char field[128];
    int text;
    uint64_t width; /* bytes of text a sample */
    int nullable;   /* samples may be missing */
    int given;      /* `classes` is set */
    int lenient;    /* what is none of the classes is missing */
    uint64_t seen;  /* training samples */
    uint32_t count, room;
    char **names;     /* [count], in the classes' order */
    int64_t *values;  /* [count], where integers */
    uint32_t *sorted; /* [count], indices by rising name or value; NULL: in order */
};

static void forget(struct label_map *s) {
    for (uint32_t i = 0; i < s->count; i++)
        free(s->names[i]);
    s->count = 0;
}

static void destroy(void *self) {
    struct label_map *s = self;
    if (s) {
        forget(s);
        free(s->names);
        free(s->values);
        free(s->sorted);
    }
    free(s);
}

static int compare(const struct label_map *s, uint32_t i, const char *name, size_t n,
                   int64_t value) {
    if (!s->text)
        return s->values[i] < value ? -1 : s->values[i] > value;
    size_t own = strlen(s->names[i]);
    int c = memcmp(s->names[i], name, own < n ? own : n);
    return c ? c : own < n ? -1 : own > n;
}

/* Where the class stands among the sorted, or would; *found its index or UINT32_MAX. */
static uint32_t search(const struct label_map *s, const char *name, size_t n,
                       int64_t value, uint32_t *found) {
    uint32_t low = 0, high = s->count;
    *found = UINT32_MAX;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        uint32_t i = s->sorted[mid];
        int c = compare(s, i, name, n, value);
        if (!c) {
            *found = i;
            return mid;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* A new class at `place` of the sorted; its index is its place unless given. */
static int32_t add(struct label_map *s, uint32_t place, const char *name, size_t n,
                   int64_t value, struct rn_error *e) {
    if (s->count == CLASSES_MAX) {
        rn_failf(e, RN_E_DATA, NULL, 0, 0, "field '%s' has more than %u classes",
                 s->field, CLASSES_MAX);
        rn_hintf(e, "is this a number to predict rather than a class?");
        return RN_E_DATA;
    }
    if (s->count == s->room) {
        uint32_t room = s->room ? s->room * 2 : 64;
        char **names = realloc(s->names, room * sizeof *names);
        s->names = names ? names : s->names;
        int64_t *values = realloc(s->values, room * sizeof *values);
        s->values = values ? values : s->values;
        uint32_t *sorted = realloc(s->sorted, room * sizeof *sorted);
        s->sorted = sorted ? sorted : s->sorted;
        if (!names || !values || !sorted)
            return rn_fail(e, RN_E_MEMORY, "no memory for the classes", NULL, NULL);
        s->room = room;
    }
    char *copy = malloc(n + 1);
    if (!copy)
        return rn_fail(e, RN_E_MEMORY, "no memory for the classes", NULL, NULL);
    memcpy(copy, name, n);
    copy[n] = '\0';
    memmove(s->sorted + place + 1, s->sorted + place,
            (s->count - place) * sizeof *s->sorted);
    s->sorted[place] = s->count;
    s->names[s->count] = copy;
    s->values[s->count++] = value;
    return RN_OK;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct label_map *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->host = h;
    s->given = rn_get_count(h, "classes") > 0;
    s->lenient = strcmp(rn_get_string(h, "unknown"), "missing") == 0;
    return RN_OK;
}

/* The classes as the file names them. */
static int32_t take_given(struct label_map *s, struct rn_error *e) {
    uint32_t n = rn_get_count(s->host, "classes");
    forget(s);
    for (uint32_t i = 0; i < n; i++) {
        char path[32], *end = NULL;
        rn_path(path, sizeof path, "classes", i);
        const char *name = rn_get_string(s->host, path);
        int64_t value = s->text ? 0 : strtoll(name, &end, 10);
        uint32_t found;
        if (!s->text && (!*name || *end))
            return rn_fail_option(e, RN_E_CONFIG, path, "'%s' is not an integer", name);
        uint32_t place = search(s, name, strlen(name), value, &found);
        if (found != UINT32_MAX)
            return rn_fail_option(e, RN_E_CONFIG, path, "'%s' stands here twice", name);
        int32_t status = add(s, place, name, strlen(name), value, e);
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    const struct rn_field *in = plan->in;
    struct rn_field *out = plan->out;
    uint32_t in_count = plan->in_count;
    struct label_map *s = self;
    if (in_count != 1 || plan->out_room < 1) {
        rn_fail(e, RN_E_CONFIG, "maps one field", "use one label_map for each", "of");
        return RN_E_CONFIG;
    }
    int text = (in->flags & RN_FIELD_TEXT) != 0;
    if (!text && (!rn_category_takes(in->dtype) || in->rank != 0))
        return rn_failf(e, RN_E_CONFIG, NULL, 0, 0,
                        "field '%s' must be text or one integer a sample", in->name);
    if (s->count && text != s->text)
        return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                        "field '%s' was %s when this was fitted", in->name,
                        s->text ? "text" : "integers");
    s->text = text;
    s->nullable = (in->flags & RN_FIELD_NULLABLE) != 0;
    s->width = text ? (uint64_t)in->shape[0] : 0;
    snprintf(s->field, sizeof s->field, "%s", in->name);
    plan->out_count = 1;
    *out = *in;
    out->name = s->field;
    out->dtype = RN_I64;
    out->rank = 0;
    out->flags = s->lenient ? RN_FIELD_NULLABLE : in->flags & RN_FIELD_NULLABLE;
    return RN_OK;
}

static int32_t fit_begin(void *self, struct rn_error *e) {
    struct label_map *s = self;
    s->seen = 0;
    if (s->given)
        return take_given(s, e);
    forget(s);
    return RN_OK;
}

/* Sample i as text and value. */
struct key {
    const char *name; /* in the sample or in digits */
    size_t n;
    int64_t value;
    char digits[24];
};

static enum rn_category key_of(const struct label_map *s, const struct rn_tensor *in,
                               uint64_t i, struct key *k) {
    if (s->text) {
        k->name = (const char *)in->data + i * s->width;
        k->n = strnlen(k->name, s->width);
        k->value = 0;
        return s->nullable && !k->n ? RN_CATEGORY_MISSING : RN_CATEGORY_IS;
    }
    enum rn_category is = rn_category_get(in, s->nullable, i, &k->value);
    k->name = k->digits;
    k->n = (size_t)snprintf(k->digits, sizeof k->digits, "%lld",
                            is == RN_CATEGORY_IS ? (long long)k->value : 0);
    return is;
}

static int32_t unknown(const struct label_map *s, const struct key *k,
                       struct rn_error *e) {
    rn_failf(e, RN_E_DATA, NULL, 0, 0, "field '%s': '%.*s' is none of the %u classes",
             s->field, (int)(k->n < 80 ? k->n : 80), k->name, s->count);
    if (!s->given)
        rn_hintf(e,
                 "the classes are those of the training samples; `classes` names more, "
                 "and a stratified split keeps training samples of each");
    return RN_E_DATA;
}

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    uint64_t n = call->rows;
    struct label_map *s = self;
    for (uint64_t i = 0; i < n; i++) {
        struct key k;
        uint32_t found;
        enum rn_category is = key_of(s, in, i, &k);
        if (is == RN_CATEGORY_WRONG)
            return rn_category_wrong(s->field, in, i, e);
        if (is == RN_CATEGORY_MISSING)
            continue;
        uint32_t place = search(s, k.name, k.n, k.value, &found);
        int32_t status = RN_OK;
        if (found == UINT32_MAX && s->given && s->lenient)
            continue;
        if (found == UINT32_MAX)
            status = s->given || k.n > TEXT_MAX
                         ? unknown(s, &k, e)
                         : add(s, place, k.name, k.n, k.value, e);
        if (status != RN_OK)
            return status;
    }
    s->seen += n;
    return RN_OK;
}

/* Without `classes` the index is the place among the sorted. */
static int32_t fit_end(void *self, struct rn_error *e) {
    struct label_map *s = self;
    if (s->given || !s->count)
        return RN_OK;
    char **names = malloc(s->room * sizeof *names);
    int64_t *values = malloc(s->room * sizeof *values);
    if (!names || !values) {
        free(names);
        free(values);
        return rn_fail(e, RN_E_MEMORY, "no memory for the classes", NULL, NULL);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        names[i] = s->names[s->sorted[i]];
        values[i] = s->values[s->sorted[i]];
    }
    for (uint32_t i = 0; i < s->count; i++)
        s->sorted[i] = i;
    free(s->names);
    free(s->values);
    s->names = names;
    s->values = values;
    return RN_OK;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    const struct rn_tensor *out = call->out;
    uint64_t n = call->rows;
    const struct label_map *s = self;
    int64_t *y = out->data;
    for (uint64_t i = 0; i < n; i++) {
        struct key k;
        uint32_t found;
        enum rn_category is = key_of(s, in, i, &k);
        if (is == RN_CATEGORY_WRONG)
            return rn_category_wrong(s->field, in, i, e);
        if (is == RN_CATEGORY_MISSING) {
            y[i] = RN_MISSING_I64;
            continue;
        }
        search(s, k.name, k.n, k.value, &found);
        if (found == UINT32_MAX && !s->lenient)
            return unknown(s, &k, e);
        y[i] = found == UINT32_MAX ? RN_MISSING_I64 : (int64_t)found;
    }
    return RN_OK;
}

/* FIELD/classes, u8: their names in order, each ended by a zero byte; FIELD/values,
 * i64, where they are integers. */
static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    const struct label_map *s = self;
    int64_t bytes = 0, count = s->count;
    int32_t status = rn_arrays_begin(to);
    for (uint32_t i = 0; i < s->count; i++)
        bytes += (int64_t)strlen(s->names[i]) + 1;
    char *names = malloc((size_t)bytes + 1), *p = names;
    if (!names)
        return rn_fail(e, RN_E_MEMORY, "no memory for a state", NULL, NULL);
    for (uint32_t i = 0; i < s->count; i++)
        p = stpcpy(p, s->names[i]) + 1;
    if (status == RN_OK)
        status = rn_array_put(to, s->field, "classes", RN_U8, 1, &bytes, names);
    if (status == RN_OK && !s->text)
        status = rn_array_put(to, s->field, "values", RN_I64, 1, &count, s->values);
    free(names);
    return status;
}

/* A class of a stored state. */
static int32_t take(struct label_map *s, const char *name, size_t n, int64_t value,
                    struct rn_error *e) {
    uint32_t found, place = search(s, name, n, value, &found);
    return found == UINT32_MAX && n <= TEXT_MAX && s->count < CLASSES_MAX
               ? add(s, place, name, n, value, e)
               : RN_E_CHECKPOINT;
}

/* A state of before the arrays, behind its version: u32 text, u32 classes; each: u32
 * bytes, name, i64 value. */
static int32_t load_first(struct label_map *s, struct rn_stream *from,
                          struct rn_error *e) {
    uint32_t head[2] = {0, 0};
    int32_t status = from->api->read(from, head, sizeof head);
    if (status == RN_OK && (head[0] > 1 || head[1] > CLASSES_MAX))
        status = RN_E_CHECKPOINT;
    s->text = (int)head[0];
    for (uint32_t i = 0; status == RN_OK && i < head[1]; i++) {
        char name[TEXT_MAX];
        uint32_t n = 0;
        int64_t value = 0;
        status = from->api->read(from, &n, sizeof n);
        if (status == RN_OK)
            status = n > TEXT_MAX ? RN_E_CHECKPOINT : from->api->read(from, name, n);
        if (status == RN_OK)
            status = from->api->read(from, &value, sizeof value);
        if (status == RN_OK)
            status = take(s, name, n, value, e);
    }
    return status;
}

static int32_t load_arrays(struct label_map *s, const struct rn_arrays *a,
                           struct rn_error *e) {
    char field[sizeof s->field];
    const struct rn_array *classes = NULL;
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < a->count; i++)
        if (rn_array_field(&a->at[i], "classes", field, sizeof field) &&
            a->at[i].dtype == RN_U8 && a->at[i].rank == 1)
            classes = &a->at[i];
    if (!classes)
        return RN_E_CHECKPOINT;
    rn_array_field(classes, "classes", field, sizeof field);
    const struct rn_array *values = rn_array_find(a, field, "values", RN_I64, 1);
    const char *p = classes->data, *end = p + classes->elements;
    s->text = !values;
    for (uint64_t i = 0; status == RN_OK && p < end; i++) {
        const char *zero = memchr(p, 0, (size_t)(end - p));
        if (!zero || (values && i >= values->elements))
            return RN_E_CHECKPOINT;
        status = take(s, p, (size_t)(zero - p),
                      values ? ((const int64_t *)values->data)[i] : 0, e);
        p = zero + 1;
    }
    return status == RN_OK && values && values->elements != s->count ? RN_E_CHECKPOINT
                                                                     : status;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct label_map *s = self;
    struct rn_arrays a = {0};
    uint32_t first = 0;
    int32_t status = from->api->read(from, &first, sizeof first);
    forget(s);
    if (status == RN_OK && first == VERSION)
        status = load_first(s, from, e);
    else if (status == RN_OK)
        status = rn_arrays_read(from, first, &a, e);
    if (status == RN_OK && first != VERSION)
        status = load_arrays(s, &a, e);
    rn_arrays_free(&a);
    if (status != RN_OK)
        return rn_fail(e, status, "the stored classes cannot be read", NULL, NULL);
    return RN_OK;
}

static int32_t class_names(void *self, struct rn_transform_names *names,
                           struct rn_error *e) {
    const struct label_map *s = self;
    (void)e;
    names->count = s->count;
    names->names = (const char *const *)s->names;
    return RN_OK;
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
                                          class_names};

RN_TRANSFORM(label_map, iface, "runner/label_map 1",
             RN_DOC("Text or integers as class indices 0..K-1; what is missing stays missing")
             RN_OPTION("of list(string) ; required | the field")
             RN_OPTION("classes list(string) | the classes in order; default: those "
                       "of the training samples, sorted")
             RN_OPTION("unknown choice(error,missing) = error | what becomes of a value "
                       "that is none of the classes: an error, or a missing one, which "
                       "one_hot makes all zeros"));
RN_PLUGIN(&label_map);
