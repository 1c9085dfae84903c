/* SPDX-License-Identifier: Apache-2.0 */
/* Categories as the mean of a target, shrunk towards the mean of all rows, as
 * TargetEncoder of scikit-learn (Micci-Barreca 2001). A training row gets the mean over
 * the training rows of the other folds, so that its own target is not in it; other rows
 * get the mean over all training rows. The fold of a row is a hash of its number.
 *
 * With `smooth: m` a category of n rows has (sum + m mean) / (n + m); without, m is the
 * variance within the category over the variance of the target (empirical Bayes). */
#include <runner/sdk/encoder.h>

#define FOLDS_MAX 100u

struct tally {
    double count, mean, m2;
};

/* What is learnt of an element of a field; a row of `mean` and `codes` a fold, and the
 * last of all rows. */
struct learnt {
    struct tally *tallies; /* [categories in order of appearance][folds], fitting */
    uint32_t room;         /* categories */
    double *codes;         /* [folds + 1][categories] */
};

struct target_encode {
    struct rn_encoder encoder;
    const char *target; /* host */
    uint32_t folds;
    int bayes;
    double smooth;
    uint32_t at; /* input that is the target, UINT32_MAX: not there */
    int target_nullable;
    struct tally rows[FOLDS_MAX]; /* the target in each fold */
    double means[FOLDS_MAX + 1];
    struct learnt **learnt; /* [encoder.count][elements] */
    uint32_t learnt_count;
};

static void forget(struct target_encode *s) {
    for (uint32_t i = 0; i < s->learnt_count; i++) {
        for (uint64_t k = 0; k < s->encoder.fields[i]->elements; k++) {
            free(s->learnt[i][k].tallies);
            free(s->learnt[i][k].codes);
        }
        free(s->learnt[i]);
    }
    free(s->learnt);
    s->learnt = NULL;
    s->learnt_count = 0;
    memset(s->rows, 0, sizeof s->rows);
}

static void destroy(void *self) {
    struct target_encode *s = self;
    if (s) {
        forget(s);
        rn_encoder_finish(&s->encoder);
    }
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct target_encode *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->target = rn_get_string(h, "target");
    s->folds = (uint32_t)rn_get_int(h, "folds");
    s->bayes = !rn_has(h, "smooth");
    s->smooth = s->bayes ? 0.0 : rn_get_float(h, "smooth");
    s->encoder.own_missing = 1;
    return RN_OK;
}

static int32_t plan_target(struct target_encode *s, const struct rn_field *in,
                           uint32_t i, struct rn_error *e) {
    s->at = i;
    s->target_nullable = in->dtype == RN_I64 && in->flags & RN_FIELD_NULLABLE;
    if (in->flags & RN_FIELD_TEXT) {
        rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "the target '%s' is text", in->name);
        rn_hintf(e, "a label_map before it makes numbers of two classes");
        return RN_E_CONFIG;
    }
    return rn_field_elements(in) == 1
               ? RN_OK
               : rn_failf(e, RN_E_CONFIG, NULL, 0, 0,
                          "the target '%s' has more than one number a sample",
                          in->name);
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct target_encode *s = self;
    int32_t status = rn_encoder_begin(&s->encoder, plan, e);
    s->at = UINT32_MAX;
    for (uint32_t i = 0; i < plan->in_count && status == RN_OK; i++) {
        if (strcmp(plan->in[i].name, s->target) == 0) {
            status = plan_target(s, &plan->in[i], i, e);
            continue;
        }
        status = rn_encoder_take(&s->encoder, i, plan, e);
        plan->out[i].flags = 0;
    }
    if (status == RN_OK && s->at == UINT32_MAX && !s->learnt) {
        rn_fail_option(e, RN_E_CONFIG, "of", "must list the target '%s' too",
                       s->target);
        rn_hintf(e, "a transform reads only these fields; the target is passed on");
        return RN_E_CONFIG;
    }
    return status;
}

static int32_t allocate(struct target_encode *s, struct rn_error *e) {
    s->learnt = calloc(s->encoder.count + 1u, sizeof *s->learnt);
    for (uint32_t i = 0; s->learnt && i < s->encoder.count; i++) {
        s->learnt[i] = calloc(s->encoder.fields[i]->elements, sizeof **s->learnt);
        if (!s->learnt[i])
            break;
        s->learnt_count = i + 1;
    }
    return s->learnt && s->learnt_count == s->encoder.count
               ? RN_OK
               : rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
}

static int32_t fit_begin(void *self, struct rn_error *e) {
    struct target_encode *s = self;
    forget(s);
    rn_encoder_forget(&s->encoder);
    return allocate(s, e);
}

/* SplitMix64 of the row's number. */
static uint32_t fold_of(const struct target_encode *s, int64_t id) {
    uint64_t z = (uint64_t)id + 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) % s->folds);
}

static void add(struct tally *t, double y) {
    double d = y - t->mean;
    t->count += 1.0;
    t->mean += d / t->count;
    t->m2 += d * (y - t->mean);
}

/* Both (Chan, Golub, LeVeque 1979). */
static struct tally merged(struct tally a, struct tally b) {
    double n = a.count + b.count, d = b.mean - a.mean;
    if (n == 0.0)
        return a;
    return (struct tally){n, a.mean + d * (b.count / n),
                          a.m2 + b.m2 + d * d * (a.count * b.count / n)};
}

/* The tally of a category in a fold, made where there is none; NULL: no memory. */
static struct tally *tally_at(const struct target_encode *s, struct learnt *x,
                              uint32_t category, uint32_t fold) {
    if (category >= x->room) {
        uint32_t room = category < 32 ? 64 : 2 * category;
        struct tally *more = realloc(
            x->tallies, rn_size_or_max((uint64_t)room * s->folds, sizeof *more));
        if (!more)
            return NULL;
        memset(more + (uint64_t)x->room * s->folds, 0,
               (uint64_t)(room - x->room) * s->folds * sizeof *more);
        x->tallies = more;
        x->room = room;
    }
    return &x->tallies[(uint64_t)category * s->folds + fold];
}

static uint32_t index_of(const struct target_encode *s,
                         const struct rn_encoder_field *f) {
    uint32_t i = 0;
    while (s->encoder.fields[i] != f)
        i++;
    return i;
}

static int32_t fit_row(struct target_encode *s, const struct rn_transform_call *call,
                       uint64_t r, uint32_t fold, double y, struct rn_error *e) {
    for (uint32_t i = 0; i < s->encoder.in_count; i++) {
        struct rn_encoder_field *f = s->encoder.in[i].of;
        for (uint64_t k = 0; f && k < f->elements; k++) {
            uint32_t c = rn_encoder_count(&s->encoder, i, &call->in[i], r, k, e);
            if (c == RN_ENCODER_REFUSED)
                return RN_E_DATA;
            struct tally *t = tally_at(s, &s->learnt[index_of(s, f)][k], c, fold);
            if (!t)
                return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL,
                               NULL);
            add(t, y);
        }
    }
    return RN_OK;
}

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    struct target_encode *s = self;
    int32_t status = RN_OK;
    for (uint64_t r = 0; r < call->rows && status == RN_OK; r++) {
        const struct rn_tensor *in = &call->in[s->at];
        uint32_t fold = fold_of(s, call->sample_ids[r]);
        double y;
        rn_numbers_get(in->data, in->dtype, r, 1, &y);
        if (y != y ||
            (s->target_nullable && ((const int64_t *)in->data)[r] == RN_MISSING_I64))
            return rn_failf(e, RN_E_DATA, NULL, 0, 0, "the target '%s' is missing",
                            s->target);
        add(&s->rows[fold], y);
        status = fit_row(s, call, r, fold, y, e);
    }
    return status;
}

/* All folds but one; folds: all. */
static struct tally but(const struct target_encode *s, const struct tally *folds,
                        uint32_t fold) {
    struct tally t = {0};
    for (uint32_t i = 0; i < s->folds; i++)
        if (i != fold)
            t = merged(t, folds[i]);
    return t;
}

static double code(const struct target_encode *s, struct tally category,
                   struct tally rows) {
    double variance = rows.m2 / rows.count;
    if (category.count == 0.0)
        return rows.mean;
    if (!s->bayes)
        return (category.mean * category.count + s->smooth * rows.mean) /
               (category.count + s->smooth);
    double between = variance * category.count;
    double share = between / (between + category.m2 / category.count);
    return share == share ? share * category.mean + (1.0 - share) * rows.mean
                          : rows.mean;
}

/* Codes in the order of the sorted categories. unsorted: as the tallies are. */
static int32_t make_codes(struct target_encode *s, struct learnt *x,
                          const struct rn_set *unsorted, const struct rn_set *sorted,
                          struct rn_error *e) {
    x->codes = malloc(
        rn_size_or_max((uint64_t)(s->folds + 1) * sorted->count, sizeof *x->codes));
    if (!x->codes)
        return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
    for (uint32_t c = 0; c < unsorted->count; c++) {
        struct rn_set_key key = rn_set_key_of(unsorted, c);
        uint32_t at = rn_set_find(sorted, &key);
        for (uint32_t fold = 0; fold <= s->folds; fold++)
            x->codes[(uint64_t)fold * sorted->count + at] =
                code(s, but(s, x->tallies + (uint64_t)c * s->folds, fold),
                     but(s, s->rows, fold));
    }
    free(x->tallies);
    x->tallies = NULL;
    x->room = 0;
    return RN_OK;
}

/* The set sorted, with the codes in its order. */
static int32_t finish_element(struct target_encode *s, struct learnt *x,
                              struct rn_set *set, struct rn_error *e) {
    struct rn_set sorted = {.text = set->text};
    int32_t status = RN_OK;
    for (uint32_t c = 0; c < set->count && status == RN_OK; c++) {
        struct rn_set_key key = rn_set_key_of(set, c);
        uint32_t at = rn_set_add(&sorted, &key);
        if (at == RN_SET_NONE)
            status =
                rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
        else
            sorted.counts[at] = set->counts[c];
    }
    if (status == RN_OK && !rn_set_sort(&sorted))
        status = rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
    if (status == RN_OK)
        status = make_codes(s, x, set, &sorted, e);
    if (status != RN_OK) {
        rn_set_free(&sorted);
        return status;
    }
    rn_set_free(set);
    *set = sorted;
    return RN_OK;
}

static int32_t fit_end(void *self, struct rn_error *e) {
    struct target_encode *s = self;
    int32_t status = RN_OK;
    for (uint32_t fold = 0; fold <= s->folds; fold++) {
        struct tally rows = but(s, s->rows, fold);
        if (rows.count == 0.0)
            return rn_fail(e, RN_E_DATA, "the training rows are all in one fold",
                           "there are too few of them to encode by a target", NULL);
        s->means[fold] = rows.mean;
    }
    for (uint32_t i = 0; i < s->encoder.count && status == RN_OK; i++) {
        struct rn_encoder_field *f = s->encoder.fields[i];
        for (uint64_t k = 0; k < f->elements && status == RN_OK; k++)
            status = finish_element(s, &s->learnt[i][k], &f->sets[k], e);
        f->fitted = 1;
    }
    return status;
}

static int32_t apply_field(const struct target_encode *s, uint32_t i,
                           const struct rn_transform_call *call, struct rn_error *e) {
    const struct rn_encoder_field *f = s->encoder.in[i].of;
    const struct learnt *x = s->learnt[index_of(s, f)];
    double *y = call->out[i].data;
    for (uint64_t r = 0; r < call->rows; r++) {
        uint32_t fold =
            call->phase == RN_PHASE_TRAIN ? fold_of(s, call->sample_ids[r]) : s->folds;
        for (uint64_t k = 0; k < f->elements; k++) {
            uint32_t at = rn_encoder_index(&s->encoder, i, &call->in[i], r, k, e);
            if (at == RN_ENCODER_REFUSED)
                return RN_E_DATA;
            *y++ = at == RN_ENCODER_UNKNOWN
                       ? s->means[fold]
                       : x[k].codes[(uint64_t)fold * f->sets[k].count + at];
        }
    }
    return RN_OK;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct target_encode *s = self;
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < s->encoder.in_count && status == RN_OK; i++)
        if (s->encoder.in[i].of)
            status = apply_field(s, i, call, e);
        else
            memcpy(call->out[i].data, call->in[i].data,
                   call->rows * s->encoder.in[i].bytes);
    return status;
}

static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    const struct target_encode *s = self;
    char path[RN_ENCODER_NAME + 24];
    int64_t folds = s->folds + 1;
    int32_t status = rn_arrays_begin(to);
    (void)e;
    if (status == RN_OK)
        status = rn_array_put(to, "target_means", NULL, RN_F64, 1, &folds, s->means);
    if (status == RN_OK)
        status = rn_encoder_put(&s->encoder, to);
    for (uint32_t i = 0; i < s->learnt_count; i++) {
        const struct rn_encoder_field *f = s->encoder.fields[i];
        for (uint64_t k = 0; k < f->elements && status == RN_OK; k++) {
            int64_t shape[2] = {folds, f->sets[k].count};
            status = rn_array_put(to, rn_encoder_path(f, k, path, sizeof path), "codes",
                                  RN_F64, 2, shape, s->learnt[i][k].codes);
        }
    }
    return status;
}

static int32_t take_codes(struct target_encode *s, const struct rn_arrays *a,
                          struct rn_error *e) {
    char path[RN_ENCODER_NAME + 24];
    int32_t status = allocate(s, e);
    for (uint32_t i = 0; i < s->learnt_count && status == RN_OK; i++) {
        const struct rn_encoder_field *f = s->encoder.fields[i];
        for (uint64_t k = 0; k < f->elements && f->fitted && status == RN_OK; k++) {
            const struct rn_array *x = rn_array_find(
                a, rn_encoder_path(f, k, path, sizeof path), "codes", RN_F64, 2);
            if (!x || x->shape[0] != s->folds + 1 || x->shape[1] != f->sets[k].count)
                return RN_E_CHECKPOINT;
            s->learnt[i][k].codes = malloc(rn_size_or_max(x->elements, sizeof(double)));
            if (!s->learnt[i][k].codes)
                return RN_E_MEMORY;
            memcpy(s->learnt[i][k].codes, x->data, x->elements * sizeof(double));
        }
        if (!f->fitted)
            status = RN_E_CHECKPOINT;
    }
    return status;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct target_encode *s = self;
    struct rn_arrays a;
    int32_t status = rn_arrays_read(from, 0, &a, e);
    const struct rn_array *means = NULL;
    forget(s);
    for (uint32_t i = 0; i < a.count; i++)
        if (strcmp(a.at[i].name, "target_means") == 0 && a.at[i].dtype == RN_F64 &&
            a.at[i].elements == s->folds + 1)
            means = &a.at[i];
    if (status == RN_OK)
        status = means ? rn_encoder_load(&s->encoder, &a) : RN_E_CHECKPOINT;
    if (status == RN_OK)
        status = take_codes(s, &a, e);
    if (status == RN_OK)
        memcpy(s->means, means->data, means->elements * sizeof *s->means);
    else if (e && !e->status)
        rn_fail(e, status, "the stored state cannot be read", NULL, NULL);
    rn_arrays_free(&a);
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

RN_TRANSFORM(target_encode, iface, "runner/target_encode 1",
             RN_DOC("Categories as the mean of a target over the training rows, for a "
                    "training row over those of the other folds, as f64")
             RN_OPTION("of list(string) ; required | fields of texts or numbers, and the "
                       "target, which is passed on")
             RN_OPTION("target string ; required | the field of one number a sample")
             RN_OPTION("folds int = 5 ; min 2 ; max 100 | parts of the training rows; "
                       "without them a row's code would contain its own target")
             RN_OPTION("smooth float ; min 0 | rows that the mean of all rows counts as "
                       "in a category; default: by the variances (empirical Bayes)"));
RN_PLUGIN(&target_encode);
