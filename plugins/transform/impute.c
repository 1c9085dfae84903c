/* SPDX-License-Identifier: Apache-2.0 */
/* Missing numbers and texts: the mean, median or most frequent value of the training
 * rows, or a constant. A text is missing where it is empty. */
#include <runner/sdk/category_set.h>
#include <runner/sdk/columns.h>

enum with { MEAN, MEDIAN, MOST_FREQUENT, CONSTANT };

/* A field of text. */
struct words {
    char name[RN_FITTED_NAME], flag_name[RN_FITTED_NAME + 16];
    struct rn_set set; /* while fitting */
    char *fill;        /* NULL: not fitted */
    uint64_t from, to; /* bytes a sample, of the last plan */
};

struct impute {
    struct rn_columns columns; /* first: the shared calls see only this */
    struct rn_columns_kind kind;
    enum with with;
    double value;
    char text[4096];
    uint32_t count;
    struct words **words;   /* [count] */
    struct words **planned; /* [in_count] of the last plan, NULL: numbers */
};

/* The most frequent of sorted values, the smallest of several. */
static double mode(const double *x, uint64_t n) {
    uint64_t most = 0;
    double best = NAN;
    for (uint64_t i = 0, k; i < n; i = k) {
        for (k = i; k < n && x[k] == x[i];)
            k++;
        if (k - i > most) {
            most = k - i;
            best = x[i];
        }
    }
    return best;
}

static int32_t fit(const struct rn_columns *c, const struct rn_columns_fit *f,
                   double *fill, struct rn_error *e) {
    const struct impute *s = (const struct impute *)c;
    (void)e;
    if (f->x)
        rn_values_sort(f->x, f->n);
    *fill = s->with == CONSTANT ? s->value
            : s->with == MEAN   ? f->tally->origin + f->tally->mean
            : s->with == MEDIAN ? rn_values_quantile(f->x, f->n, 0.5)
                                : mode(f->x, f->n);
    return RN_OK;
}

static double map(const struct rn_columns *s, const double *fill,
                  const uint32_t *widths, double x, int *flag) {
    (void)s, (void)widths, (void)flag;
    return x != x ? *fill : x;
}

static const struct rn_columns_kind kind = {.part_count = 1,
                                            .parts = {"fill"},
                                            .fills = 1,
                                            .flag = "_missing",
                                            .fit = fit,
                                            .map = map};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct impute *s = calloc(1, sizeof *s);
    const char *with = rn_get_string(h, "with");
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->with = strcmp(with, "median") == 0          ? MEDIAN
              : strcmp(with, "most_frequent") == 0 ? MOST_FREQUENT
              : strcmp(with, "constant") == 0      ? CONSTANT
                                                   : MEAN;
    s->kind = kind;
    s->kind.values = s->with == MEDIAN || s->with == MOST_FREQUENT;
    s->kind.blind = s->with == CONSTANT;
    rn_columns_init(&s->columns, &s->kind, h, 1);
    s->columns.texts = s->columns.narrow = 1;
    s->columns.flagged = rn_get_bool(h, "flag");
    s->value = rn_get_float(h, "value");
    const char *text = rn_has(h, "text") ? rn_get_string(h, "text") : "";
    if (strlen(text) >= sizeof s->text)
        return rn_fail_option(e, RN_E_CONFIG, "text", "is longer than %zu bytes",
                              sizeof s->text - 1);
    strcpy(s->text, text);
    return RN_OK;
}

static void destroy(void *self) {
    struct impute *s = self;
    for (uint32_t i = 0; s && i < s->count; i++) {
        rn_set_free(&s->words[i]->set);
        free(s->words[i]->fill);
        free(s->words[i]);
    }
    if (s) {
        free(s->words);
        free(s->planned);
        rn_columns_finish(&s->columns);
    }
    free(s);
}

/* The record of a text field, made where there is none; NULL: no memory. */
static struct words *find(struct impute *s, const char *name) {
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->words[i]->name, name) == 0)
            return s->words[i];
    struct words *w = calloc(1, sizeof *w);
    struct words **more = realloc(s->words, (s->count + 1u) * sizeof *more);
    s->words = more ? more : s->words;
    if (!w || !more) {
        free(w);
        return NULL;
    }
    w->set.text = 1;
    snprintf(w->name, sizeof w->name, "%s", name);
    snprintf(w->flag_name, sizeof w->flag_name, "%s_missing", name);
    return s->words[s->count++] = w;
}

static int32_t plan_words(struct impute *s, struct rn_transform_plan *plan, uint32_t i,
                          struct rn_error *e) {
    const struct rn_field *in = &plan->in[i];
    if (s->with == MEAN || s->with == MEDIAN)
        return rn_fail_option(e, RN_E_CONFIG, "with",
                              "field '%s' holds text, which has no mean or median: use "
                              "most_frequent or constant",
                              in->name);
    if (s->with == CONSTANT && !s->text[0])
        return rn_fail_option(e, RN_E_CONFIG, "with",
                              "field '%s' holds text: `text` must state the constant",
                              in->name);
    if (strlen(in->name) >= RN_FITTED_NAME)
        return rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "field '%s': the name is long",
                        in->name);
    struct words *w = find(s, in->name);
    if (!w)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->planned[i] = w;
    const char *fill = w->fill ? w->fill : s->with == CONSTANT ? s->text : "";
    w->from = w->to = (uint64_t)in->shape[0];
    if (strlen(fill) > w->to)
        w->to = strlen(fill);
    plan->out[i].name = w->name;
    plan->out[i].shape[0] = (int64_t)w->to;
    plan->out[i].flags &= ~RN_FIELD_NULLABLE;
    return RN_OK;
}

static int32_t plan(void *self, struct rn_transform_plan *p, struct rn_error *e) {
    struct impute *s = self;
    int32_t status = rn_columns_plan(&s->columns, p, e);
    s->planned = rn_planned(s->planned, p->in_count, sizeof *s->planned, 0, 1, e);
    if (!s->planned)
        return RN_E_MEMORY;
    for (uint32_t i = 0; status == RN_OK && i < p->in_count; i++)
        if (s->columns.in[i].text)
            status = plan_words(s, p, i, e);
    for (uint32_t i = 0; status == RN_OK && s->columns.flagged && i < p->in_count;
         i++) {
        if (!s->planned[i])
            continue;
        if (p->out_count == p->out_room)
            return rn_fail(e, RN_E_UNSUPPORTED, "too many fields", NULL, NULL);
        p->out[p->out_count++] =
            (struct rn_field){s->planned[i]->flag_name, RN_F32, 0, {0}, 0, 0};
    }
    return status;
}

static int32_t fit_begin(void *self, struct rn_error *e) {
    struct impute *s = self;
    for (uint32_t i = 0; i < s->count; i++) {
        rn_set_free(&s->words[i]->set);
        free(s->words[i]->fill);
        s->words[i]->fill = NULL;
    }
    return rn_columns_begin(&s->columns, e);
}

static int32_t fit_words(struct words *w, const struct rn_tensor *in, uint64_t rows,
                         struct rn_error *e) {
    for (uint64_t r = 0; r < rows; r++) {
        const char *p = (const char *)in->data + r * w->from;
        struct rn_set_key k = {p, strnlen(p, w->from), 0.0};
        uint32_t at = k.n ? rn_set_add(&w->set, &k) : 0;
        if (at == RN_SET_NONE)
            return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                            "field '%s' has too many different texts", w->name);
        if (k.n)
            w->set.counts[at]++;
    }
    return RN_OK;
}

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    struct impute *s = self;
    int32_t status = rn_columns_rows(&s->columns, call, e);
    for (uint32_t i = 0; i < s->columns.in_count && status == RN_OK; i++)
        if (s->planned[i] && s->with == MOST_FREQUENT)
            status = fit_words(s->planned[i], &call->in[i], call->rows, e);
    return status;
}

static int32_t fit_end(void *self, struct rn_error *e) {
    struct impute *s = self;
    int32_t status = rn_columns_end(&s->columns, e);
    for (uint32_t i = 0; i < s->count && status == RN_OK; i++) {
        struct words *w = s->words[i];
        struct rn_set_key k = {s->text, strlen(s->text), 0.0};
        uint32_t at = rn_set_mode(&w->set);
        if (s->with == MOST_FREQUENT && at == RN_SET_NONE)
            return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                            "field '%s' is missing in every training sample", w->name);
        if (s->with == MOST_FREQUENT)
            k = rn_set_key_of(&w->set, at);
        w->fill = calloc(1, k.n + 1);
        if (!w->fill)
            return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
        memcpy(w->fill, k.text, k.n);
        rn_set_free(&w->set);
    }
    return status;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    struct impute *s = self;
    int32_t status = rn_columns_apply(&s->columns, call, e);
    uint32_t flag = call->out_count;
    for (uint32_t i = s->columns.in_count; i-- > 0 && status == RN_OK;) {
        const struct words *w = s->planned[i];
        if (!w)
            continue;
        float *flags = s->columns.flagged ? call->out[--flag].data : NULL;
        for (uint64_t r = 0; r < call->rows; r++) {
            const char *from = (const char *)call->in[i].data + r * w->from;
            char *to = (char *)call->out[i].data + r * w->to;
            int missing = !w->from || !*from;
            memset(to, 0, w->to);
            memcpy(to, missing ? w->fill : from, missing ? strlen(w->fill) : w->from);
            if (flags)
                flags[r] = (float)missing;
        }
    }
    return status;
}

static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    struct impute *s = self;
    int32_t status = rn_columns_save(&s->columns, to, e);
    for (uint32_t i = 0; i < s->count && status == RN_OK; i++) {
        const struct words *w = s->words[i];
        int64_t n = w->fill ? (int64_t)strlen(w->fill) + 1 : 0;
        if (n)
            status = rn_array_put(to, w->name, "text", RN_U8, 1, &n, w->fill);
    }
    return status;
}

static int32_t take_words(struct impute *s, const struct rn_arrays *a,
                          struct rn_error *e) {
    char name[RN_FITTED_NAME];
    for (uint32_t i = 0; i < a->count; i++) {
        const struct rn_array *x = &a->at[i];
        if (!rn_array_field(x, "text", name, sizeof name))
            continue;
        struct words *w = find(s, name);
        if (x->dtype != RN_U8 || x->rank != 1 || x->elements < 2 ||
            strnlen(x->data, x->elements) != x->elements - 1)
            return rn_fail(e, RN_E_CHECKPOINT, "the stored state cannot be read", NULL,
                           NULL);
        char *fill = malloc(x->elements);
        if (!w || !fill) {
            free(fill);
            return rn_fail(e, RN_E_MEMORY, "no memory for a state", NULL, NULL);
        }
        free(w->fill);
        w->fill = memcpy(fill, x->data, x->elements);
    }
    return RN_OK;
}

/* A state of before the arrays: maps of an rn_fitted, whose shift is the fill. */
static int32_t load_maps(struct impute *s, struct rn_stream *from, uint32_t version,
                         struct rn_error *e) {
    struct rn_fitted old = {0};
    int32_t status = rn_fitted_load_fields(&old, from, version, e);
    for (uint32_t i = 0; status == RN_OK && i < old.count; i++) {
        struct rn_fitted_field *o = old.fields[i];
        struct rn_columns_field *f = rn_columns_find(&s->columns, o->name);
        if (f && (f->groups != o->groups || f->elements != o->elements))
            status =
                rn_failf(e, RN_E_CHECKPOINT, NULL, 0, 0,
                         "the stored '%s' has another size than the field", o->name);
        else if (!f &&
                 !(f = rn_columns_add(&s->columns, o->name, o->groups, o->elements)))
            status = rn_fail(e, RN_E_MEMORY, "no memory for a state", NULL, NULL);
        if (status != RN_OK)
            break;
        f->widths[0] = 1;
        status = rn_columns_allocate(&s->columns, f, e);
        for (uint64_t g = 0; status == RN_OK && g < f->groups; g++)
            f->parameters[g] = o->map[g].shift;
        f->fitted = 1;
    }
    rn_fitted_finish(&old);
    return status;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct impute *s = self;
    struct rn_arrays a = {0};
    uint32_t first = 0;
    if (from->api->read(from, &first, sizeof first) != RN_OK)
        return rn_fail(e, RN_E_CHECKPOINT, "the stored state cannot be read", NULL,
                       NULL);
    if (first == RN_FITTED_FIRST || first == RN_FITTED_MAPS)
        return load_maps(s, from, first, e);
    int32_t status = rn_arrays_read(from, first, &a, e);
    if (status == RN_OK)
        status = rn_columns_take_arrays(&s->columns, &a, e);
    if (status == RN_OK)
        status = take_words(s, &a, e);
    rn_arrays_free(&a);
    return status;
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

RN_TRANSFORM(impute, iface, "runner/impute 1",
             RN_DOC("Fill missing numbers and texts")
             RN_FITTED_OF_OPTION
             RN_FITTED_PER_OPTION
             RN_OPTION("with choice(mean,median,most_frequent,constant) = mean | what "
                       "takes their place: of the training rows the mean, the median or "
                       "the most frequent (of several the smallest), or a constant")
             RN_OPTION("value float = 0 | the constant of numbers")
             RN_OPTION("text string | the constant of texts")
             RN_OPTION("flag bool = false | also a field NAME_missing, f32: 1 where it "
                       "was missing, else 0")
             RN_COLUMNS_MEMORY_OPTION);
RN_PLUGIN(&impute);
