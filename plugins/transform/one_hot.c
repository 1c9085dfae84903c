/* SPDX-License-Identifier: Apache-2.0 */
/* Categories as K numbers, one of them 1 and the others 0; all 0 where the category is
 * missing. Integers k of 0..K-1 have column k; texts are the sorted ones of the
 * training rows. Categories of fewer than `min_count` training rows share a column
 * behind the others, and `drop` leaves the first column out, as OneHotEncoder of
 * scikit-learn. */
#include <stdlib.h>

#include <runner/sdk/category.h>
#include <runner/sdk/category_set.h>
#include <runner/sdk/field.h>
#include <runner/sdk/layout.h>
#include <runner/sdk/transform.h>
#include <runner/transform.h>

#define CLASSES_MAX 65536
#define FIRST       1u /* version of a state that had only the number of classes */

enum drop { DROP_NONE, DROP_FIRST, DROP_IF_BINARY };
enum unknown { ERROR, ZEROS, INFREQUENT };

struct hot {
    char name[128];
    int text, fitted;
    int64_t classes;  /* 0: not known yet */
    uint64_t *counts; /* [room] training rows of each class; of texts in `set` */
    int64_t room;
    struct rn_set set;  /* of texts, sorted */
    int64_t *column;    /* [classes] -1: none */
    int64_t infrequent; /* the column of unknown ones, -1: none */
    int64_t width;      /* columns, at least 1 */
};

struct hot_input {
    struct hot *of;
    uint64_t elements, bytes;
    int nullable;
};

struct one_hot {
    int64_t given; /* option classes, or 0 */
    uint64_t min_count;
    enum drop drop;
    enum unknown unknown;
    uint32_t count;
    struct hot **hots;    /* [count] */
    uint32_t in_count;    /* of the last plan */
    struct hot_input *in; /* [in_count] */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct one_hot *s = calloc(1, sizeof *s);
    const char *drop = rn_get_string(h, "drop"), *unknown = rn_get_string(h, "unknown");
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->given = rn_has(h, "classes") ? rn_get_int(h, "classes") : 0;
    s->min_count = (uint64_t)rn_get_int(h, "min_count");
    s->drop = strcmp(drop, "first") == 0       ? DROP_FIRST
              : strcmp(drop, "if_binary") == 0 ? DROP_IF_BINARY
                                               : DROP_NONE;
    s->unknown = strcmp(unknown, "zeros") == 0        ? ZEROS
                 : strcmp(unknown, "infrequent") == 0 ? INFREQUENT
                                                      : ERROR;
    if (s->unknown == INFREQUENT && !s->min_count)
        return rn_fail_option(e, RN_E_CONFIG, "unknown",
                              "`infrequent` needs `min_count`");
    return RN_OK;
}

static void forget(struct hot *hot) {
    free(hot->counts);
    free(hot->column);
    rn_set_free(&hot->set);
    hot->counts = NULL;
    hot->column = NULL;
    hot->room = hot->classes = 0;
    hot->fitted = 0;
}

static void destroy(void *self) {
    struct one_hot *s = self;
    for (uint32_t i = 0; s && i < s->count; i++) {
        forget(s->hots[i]);
        free(s->hots[i]);
    }
    if (s) {
        free(s->hots);
        free(s->in);
    }
    free(s);
}

/* NULL: no memory. */
static struct hot *find(struct one_hot *s, const char *name) {
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->hots[i]->name, name) == 0)
            return s->hots[i];
    struct hot *hot = calloc(1, sizeof *hot);
    struct hot **more = realloc(s->hots, (s->count + 1u) * sizeof *more);
    s->hots = more ? more : s->hots;
    if (!hot || !more) {
        free(hot);
        return NULL;
    }
    snprintf(hot->name, sizeof hot->name, "%s", name);
    return s->hots[s->count++] = hot;
}

static int32_t check_field(const struct one_hot *s, const struct rn_field *in,
                           struct rn_error *e) {
    int text = (in->flags & RN_FIELD_TEXT) != 0;
    if (!text && !rn_category_takes(in->dtype))
        return rn_failf(e, RN_E_CONFIG, NULL, 0, 0,
                        "field '%s' holds %s, not integers or texts", in->name,
                        rn_dtype_name(in->dtype));
    if (text && s->given)
        return rn_fail_option(e, RN_E_CONFIG, "classes",
                              "is for integers, and field '%s' is text", in->name);
    return in->rank > RN_MAX_RANK - 2
               ? rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "field '%s' has too many axes",
                          in->name)
               : RN_OK;
}

/* "city_Rome", of integers "kind_3"; the column of rare ones is "city_infrequent". */
static void add_names(const struct hot *hot, struct rn_transform_plan *plan,
                      uint32_t i) {
    for (int64_t column = 0; column < hot->width && hot->column; column++) {
        int64_t k = 0;
        while (k < hot->classes && hot->column[k] != column)
            k++;
        if (k == hot->classes)
            continue; /* of a single class: nothing has it */
        char digits[24];
        size_t n = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)k);
        const char *name = digits;
        if (hot->infrequent == column)
            name = "infrequent", n = strlen(name);
        else if (hot->text)
            name = rn_set_text(&hot->set, (uint32_t)k, &n);
        rn_layout_join(plan, i, hot->name, strlen(hot->name), "_", name, n);
    }
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    const struct rn_field *in = plan->in;
    struct rn_field *out = plan->out;
    uint32_t in_count = plan->in_count;
    struct one_hot *s = self;
    s->in_count = 0;
    s->in = rn_planned(s->in, in_count, sizeof *s->in, in_count, plan->out_room, e);
    if (!s->in)
        return e && e->status ? e->status : RN_E_MEMORY;
    s->in_count = plan->out_count = in_count;
    for (uint32_t i = 0; i < in_count; i++) {
        int32_t status = check_field(s, &in[i], e);
        if (status != RN_OK)
            return status;
        int text = (in[i].flags & RN_FIELD_TEXT) != 0;
        struct hot *hot = find(s, in[i].name);
        if (!hot)
            return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
        if (hot->fitted && hot->text != text)
            return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                            "field '%s' was %s when this was fitted", in[i].name,
                            hot->text ? "text" : "integers");
        hot->text = hot->set.text = text;
        s->in[i] = (struct hot_input){hot, text ? 1 : rn_field_elements(&in[i]),
                                      rn_field_bytes(&in[i]),
                                      (in[i].flags & RN_FIELD_NULLABLE) != 0};
        out[i] = in[i];
        out[i].name = hot->name;
        out[i].dtype = RN_F32;
        out[i].flags = 0;
        out[i].rank = text ? 0 : in[i].rank;
        out[i].shape[out[i].rank++] = hot->fitted    ? hot->width
                                      : s->given > 0 ? s->given
                                                     : 1;
        if (hot->fitted && s->in[i].elements == 1)
            add_names(hot, plan, i);
    }
    return RN_OK;
}

/* Counts for classes 0 .. classes-1. */
static int32_t reach(struct hot *hot, int64_t classes, struct rn_error *e) {
    int64_t room = classes > 2 * hot->room ? classes : 2 * hot->room;
    if (classes > hot->classes)
        hot->classes = classes;
    if (classes <= hot->room)
        return RN_OK;
    uint64_t *counts = realloc(hot->counts, (uint64_t)room * sizeof *counts);
    if (!counts)
        return rn_fail(e, RN_E_MEMORY, "no memory for the classes", NULL, NULL);
    memset(counts + hot->room, 0, (uint64_t)(room - hot->room) * sizeof *counts);
    hot->counts = counts;
    hot->room = room;
    return RN_OK;
}

static int32_t fit_begin(void *self, struct rn_error *e) {
    struct one_hot *s = self;
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < s->count && status == RN_OK; i++) {
        int text = s->hots[i]->text;
        forget(s->hots[i]);
        s->hots[i]->set.text = text;
        status = reach(s->hots[i], s->given, e);
    }
    return status;
}

/* Element k of field i as a class below `classes`, or -1 where it is missing, or -2
 * where it is another. */
static int32_t class_of(const struct one_hot *s, uint32_t i, const struct rn_tensor *in,
                        uint64_t k, int64_t classes, int64_t *out, struct rn_error *e) {
    const struct hot *hot = s->in[i].of;
    enum rn_category is = rn_category_get(in, s->in[i].nullable, k, out);
    if (is == RN_CATEGORY_WRONG)
        return rn_category_wrong(hot->name, in, k, e);
    if (is == RN_CATEGORY_MISSING)
        *out = -1;
    else if ((*out < 0 || *out >= classes) && (s->unknown == ERROR || !hot->fitted)) {
        rn_failf(e, RN_E_DATA, NULL, 0, 0, "field '%s': %lld is not in 0..%lld",
                 hot->name, (long long)*out, (long long)classes - 1);
        rn_hintf(e, "%s",
                 s->given
                     ? "`classes` is one more than the largest"
                     : "K is the largest integer of the training rows + 1; `classes` "
                       "sets it, and label_map before it takes any integers");
        return RN_E_DATA;
    } else if (*out < 0 || *out >= classes)
        *out = -2;
    return RN_OK;
}

static struct rn_set_key text_of(const struct one_hot *s, uint32_t i,
                                 const struct rn_tensor *in, uint64_t r) {
    const char *p = (const char *)in->data + r * s->in[i].bytes;
    return (struct rn_set_key){p, strnlen(p, s->in[i].bytes), 0.0};
}

static int32_t fit_text(struct one_hot *s, uint32_t i, const struct rn_tensor *in,
                        uint64_t rows, struct rn_error *e) {
    struct hot *hot = s->in[i].of;
    for (uint64_t r = 0; r < rows; r++) {
        struct rn_set_key key = text_of(s, i, in, r);
        if (s->in[i].nullable && !key.n)
            continue;
        uint32_t at = rn_set_add(&hot->set, &key);
        if (at == RN_SET_NONE || hot->set.count > CLASSES_MAX) {
            rn_failf(e, RN_E_DATA, NULL, 0, 0, "field '%s' has more than %d categories",
                     hot->name, CLASSES_MAX);
            rn_hintf(e, "hash or target_encode takes any number of them");
            return RN_E_DATA;
        }
        hot->set.counts[at]++;
    }
    return RN_OK;
}

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    uint64_t n = call->rows;
    struct one_hot *s = self;
    int64_t v;
    for (uint32_t i = 0; i < s->in_count; i++) {
        struct hot *hot = s->in[i].of;
        int32_t status = hot->text ? fit_text(s, i, &in[i], n, e) : RN_OK;
        for (uint64_t k = 0; !hot->text && status == RN_OK && k < n * s->in[i].elements;
             k++) {
            status =
                class_of(s, i, &in[i], k, s->given ? s->given : CLASSES_MAX, &v, e);
            if (status == RN_OK && v >= 0)
                status = reach(hot, v + 1, e);
            if (status == RN_OK && v >= 0)
                hot->counts[v]++;
        }
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

/* The columns of the classes, from their counts. */
static int32_t place(const struct one_hot *s, struct hot *hot, struct rn_error *e) {
    const uint64_t *counts = hot->text ? hot->set.counts : hot->counts;
    int64_t next = 0, dropped;
    hot->classes = hot->text ? hot->set.count : hot->classes;
    free(hot->column);
    hot->column = malloc(rn_size_or_max((uint64_t)hot->classes, sizeof *hot->column));
    if (!hot->column)
        return rn_fail(e, RN_E_MEMORY, "no memory for the classes", NULL, NULL);
    hot->infrequent = -1;
    for (int64_t k = 0; k < hot->classes; k++)
        hot->column[k] = counts && counts[k] < s->min_count ? -1 : next++;
    if (next < hot->classes)
        hot->infrequent = next++;
    dropped = s->drop == DROP_FIRST || (s->drop == DROP_IF_BINARY && next == 2);
    for (int64_t k = 0; k < hot->classes; k++)
        hot->column[k] =
            (hot->column[k] < 0 ? hot->infrequent : hot->column[k]) - dropped;
    hot->infrequent -= hot->infrequent >= 0 ? dropped : 0;
    hot->width = next - dropped;
    hot->fitted = 1;
    return hot->width > 0
               ? RN_OK
               : rn_failf(e, RN_E_DATA, NULL, 0, 0,
                          "field '%s' has one category, and `drop` leaves none of it",
                          hot->name);
}

static int32_t fit_end(void *self, struct rn_error *e) {
    const struct one_hot *s = self;
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < s->in_count && status == RN_OK; i++) {
        struct hot *hot = s->in[i].of;
        if (hot->text ? !hot->set.count : !hot->classes)
            return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                            "field '%s' is missing in every training sample",
                            hot->name);
        if (hot->text && !rn_set_sort(&hot->set))
            return rn_fail(e, RN_E_MEMORY, "no memory for the classes", NULL, NULL);
        status = place(s, hot, e);
    }
    return status;
}

/* Class of a text as class_of gives it. */
static int32_t class_of_text(const struct one_hot *s, uint32_t i,
                             const struct rn_tensor *in, uint64_t r, int64_t *out,
                             struct rn_error *e) {
    const struct hot *hot = s->in[i].of;
    struct rn_set_key key = text_of(s, i, in, r);
    uint32_t at = rn_set_find(&hot->set, &key);
    *out = at != RN_SET_NONE ? (int64_t)at : s->in[i].nullable && !key.n ? -1 : -2;
    if (*out != -2 || s->unknown != ERROR)
        return RN_OK;
    rn_failf(e, RN_E_DATA, NULL, 0, 0,
             "field '%s': '%.*s' is none of the %u categories", hot->name,
             (int)(key.n < 80 ? key.n : 80), key.text, hot->set.count);
    rn_hintf(e, "the categories are those of the training rows; `unknown` sets what "
                "becomes of others");
    return RN_E_DATA;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct one_hot *s = self;
    for (uint32_t i = 0; i < s->in_count; i++) {
        const struct rn_tensor *in = &call->in[i];
        const struct hot *hot = s->in[i].of;
        uint64_t n = call->rows * s->in[i].elements;
        float *y = call->out[i].data;
        memset(y, 0, n * (uint64_t)hot->width * sizeof *y);
        for (uint64_t k = 0; k < n; k++, y += hot->width) {
            int64_t v, at;
            int32_t status = hot->text ? class_of_text(s, i, in, k, &v, e)
                                       : class_of(s, i, in, k, hot->classes, &v, e);
            if (status != RN_OK)
                return status;
            at = v >= 0                                ? hot->column[v]
                 : v == -2 && s->unknown == INFREQUENT ? hot->infrequent
                                                       : -1;
            if (at >= 0)
                y[at] = 1.0f;
        }
    }
    return RN_OK;
}

/* Of integers FIELD/classes, i64, and FIELD/counts, i64 [K]; of texts FIELD/categories,
 * u8, and FIELD/counts. */
static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    (void)e;
    const struct one_hot *s = self;
    int32_t status = rn_arrays_begin(to);
    for (uint32_t i = 0; status == RN_OK && i < s->count; i++) {
        const struct hot *hot = s->hots[i];
        if (!hot->fitted)
            continue;
        status = rn_array_put(to, hot->name, "classes", RN_I64, 0, NULL, &hot->classes);
        if (status == RN_OK && hot->text)
            status = rn_set_put(&hot->set, to, hot->name);
        else if (status == RN_OK && hot->counts)
            status = rn_array_put(to, hot->name, "counts", RN_I64, 1, &hot->classes,
                                  hot->counts);
    }
    return status;
}

/* A state of the first version, behind that number. */
static int32_t load_first(struct one_hot *s, struct rn_stream *from,
                          struct rn_error *e) {
    uint32_t count = 0;
    int32_t status = from->api->read(from, &count, sizeof count);
    if (status == RN_OK && count > from->api->left(from))
        status = RN_E_CHECKPOINT;
    for (uint32_t i = 0; status == RN_OK && i < count; i++) {
        char name[sizeof((struct hot *)0)->name];
        int64_t classes = 0;
        status = from->api->read(from, name, sizeof name);
        if (status == RN_OK)
            status = from->api->read(from, &classes, sizeof classes);
        struct hot *hot =
            status == RN_OK && !name[sizeof name - 1] ? find(s, name) : NULL;
        if (!hot || classes < 1 || classes > CLASSES_MAX)
            return RN_E_CHECKPOINT;
        hot->classes = classes;
        status = place(s, hot, e);
    }
    return status;
}

static int32_t take(struct one_hot *s, const struct rn_arrays *a, const char *name,
                    int64_t classes, struct rn_error *e) {
    const struct rn_array *counts = rn_array_find(a, name, "counts", RN_I64, 1);
    struct hot *hot = find(s, name);
    int32_t status = RN_OK;
    if (!hot || classes < 1 || classes > CLASSES_MAX ||
        (counts && counts->shape[0] != classes))
        return RN_E_CHECKPOINT;
    forget(hot);
    hot->text = rn_array_find(a, name, "categories", RN_U8, 1) != NULL;
    if (hot->text)
        status = rn_set_take(&hot->set, a, name);
    else
        status = reach(hot, classes, e);
    if (status == RN_OK && !hot->text && counts)
        memcpy(hot->counts, counts->data, (uint64_t)classes * sizeof *hot->counts);
    if (status == RN_OK && !hot->text && !counts) {
        free(hot->counts);
        hot->counts = NULL;
        hot->room = 0;
    }
    return status == RN_OK ? place(s, hot, e) : status;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct one_hot *s = self;
    struct rn_arrays a = {0};
    char name[sizeof((struct hot *)0)->name];
    uint32_t first = 0;
    int32_t status = from->api->read(from, &first, sizeof first);
    if (status == RN_OK && first == FIRST)
        status = load_first(s, from, e);
    else if (status == RN_OK)
        status = rn_arrays_read(from, first, &a, e);
    for (uint32_t i = 0; status == RN_OK && i < a.count; i++)
        if (rn_array_field(&a.at[i], "classes", name, sizeof name) &&
            a.at[i].dtype == RN_I64 && a.at[i].rank == 0)
            status = take(s, &a, name, *(const int64_t *)a.at[i].data, e);
    rn_arrays_free(&a);
    if (status != RN_OK && e && !e->status)
        rn_fail(e, status, "the stored state cannot be read", NULL, NULL);
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

RN_TRANSFORM(one_hot, iface, "runner/one_hot 1",
             RN_DOC("Integers 0..K-1, or texts, as K numbers of f32, one of them 1; none "
                    "where the category is missing")
             RN_OPTION("of list(string) ; required | fields of integers or texts")
             RN_OPTION("classes int ; min 1 ; max 65536 | K of integers; default: the "
                       "largest in the training samples + 1")
             RN_OPTION("drop choice(none,first,if_binary) = none | leave the first "
                       "column out, or only where there are two")
             RN_OPTION("min_count int = 0 ; min 0 | categories of fewer training rows "
                       "share one column, the last")
             RN_OPTION("unknown choice(error,zeros,infrequent) = error | a category that "
                       "has no column: an error, all 0, or the column that `min_count` "
                       "makes, if it made one"));
RN_PLUGIN(&one_hot);
