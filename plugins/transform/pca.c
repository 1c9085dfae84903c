/* SPDX-License-Identifier: Apache-2.0 */
/* Principal components of a field over the training rows, as PCA(svd_solver="full") of
 * scikit-learn; with `whiten` each has variance 1. The sign of a component is such that
 * its largest loading is positive.
 *
 * Rows are not kept: the triangular factor R of [1 X] is, one block of rows after the
 * other (Householder). Behind its first row and column is the factor of X less its
 * mean, whose singular vectors come from one-sided Jacobi rotations (Hestenes 1958). */
#include <runner/sdk/columns.h>

struct component_set {
    char name[RN_FITTED_NAME];
    uint64_t elements, rows;
    double *origin; /* [elements] the first row, which is subtracted from each */
    double *block;  /* [elements + 1][height] column after column: R, then rows */
    uint64_t height, filled;
    int fitted;
    uint64_t count;     /* components */
    double *mean;       /* [elements] */
    double *components; /* [count][elements] */
    double *variance;   /* [count] */
};

struct pca {
    struct rn_columns columns; /* only: which fields are taken */
    uint64_t wanted;           /* components, 0: all */
    double share;              /* of the variance, 0: all */
    int whiten;
    uint32_t count;
    struct component_set **sets;   /* [count] */
    struct component_set **inputs; /* [in_count] of the last plan, NULL: passed on */
};

static const struct rn_columns_kind kind = {.part_count = 0};

static void forget_rows(struct component_set *c) {
    free(c->origin);
    free(c->block);
    c->origin = c->block = NULL;
    c->filled = c->rows = 0;
}

static void forget(struct component_set *c) {
    forget_rows(c);
    free(c->mean);
    free(c->components);
    free(c->variance);
    c->mean = c->components = c->variance = NULL;
    c->count = 0;
    c->fitted = 0;
}

static void destroy(void *self) {
    struct pca *s = self;
    for (uint32_t i = 0; s && i < s->count; i++) {
        forget(s->sets[i]);
        free(s->sets[i]);
    }
    if (s) {
        free(s->sets);
        free(s->inputs);
        rn_columns_finish(&s->columns);
    }
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct pca *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    rn_columns_init(&s->columns, &kind, h, 0);
    s->columns.budget = rn_budget_of(h);
    s->wanted = rn_has(h, "components") ? (uint64_t)rn_get_int(h, "components") : 0;
    s->share = rn_has(h, "share") ? rn_get_float(h, "share") : 0.0;
    s->whiten = rn_get_bool(h, "whiten");
    return s->wanted && s->share > 0.0
               ? rn_fail_option(e, RN_E_CONFIG, "share",
                                "`components` and `share` exclude each other")
               : RN_OK;
}

/* NULL: no memory. */
static struct component_set *find(struct pca *s, const char *name, uint64_t elements) {
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->sets[i]->name, name) == 0)
            return s->sets[i];
    struct component_set *c = calloc(1, sizeof *c);
    struct component_set **more = realloc(s->sets, (s->count + 1u) * sizeof *more);
    s->sets = more ? more : s->sets;
    if (!c || !more) {
        free(c);
        return NULL;
    }
    snprintf(c->name, sizeof c->name, "%s", name);
    c->elements = elements;
    return s->sets[s->count++] = c;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct pca *s = self;
    int32_t status = rn_columns_plan(&s->columns, plan, e);
    s->inputs = rn_planned(s->inputs, plan->in_count, sizeof *s->inputs, 0, 1, e);
    if (!s->inputs)
        return RN_E_MEMORY;
    for (uint32_t i = 0; i < plan->in_count && status == RN_OK; i++) {
        const struct rn_columns_field *f = s->columns.in[i].of;
        if (!f)
            continue;
        struct component_set *c = find(s, f->name, f->elements);
        if (!c)
            return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
        if (c->elements != f->elements)
            return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                            "field '%s' has %llu numbers a sample; fitted were %llu",
                            f->name, (unsigned long long)f->elements,
                            (unsigned long long)c->elements);
        if (s->wanted > c->elements)
            return rn_fail_option(e, RN_E_CONFIG, "components",
                                  "field '%s' has %llu numbers a sample", f->name,
                                  (unsigned long long)c->elements);
        s->inputs[i] = c;
        plan->out[i].rank = 1;
        plan->out[i].shape[0] = c->fitted ? (int64_t)c->count : 1;
        plan->out[i].flags = 0;
        rn_layout_forget(plan, i);
        for (uint64_t k = 0; c->fitted && k < c->count; k++) {
            char number[24];
            snprintf(number, sizeof number, "%llu", (unsigned long long)k);
            rn_layout_join(plan, i, "pca", 3, number, "", 0);
        }
    }
    return status;
}

/* R and as many rows again. */
static int32_t allocate(struct pca *s, struct component_set *c, struct rn_error *e) {
    uint64_t width = c->elements + 1, bytes;
    c->height = 2 * width + 256;
    if (!rn_size_mul(c->height * sizeof(double), width, &bytes) ||
        !rn_budget_take(&s->columns.budget, bytes)) {
        rn_failf(
            e, RN_E_DATA, NULL, 0, 0,
            "field '%s': components of %llu numbers need more than the %llu MiB of "
            "memory that fitting may use",
            c->name, (unsigned long long)c->elements,
            (unsigned long long)(s->columns.budget.limit >> 20));
        rn_hintf(e, "set `memory` (MiB) of the transform higher");
        return RN_E_DATA;
    }
    c->origin = calloc(c->elements, sizeof *c->origin);
    c->block = calloc(1, bytes);
    return c->origin && c->block
               ? RN_OK
               : rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
}

static int32_t fit_begin(void *self, struct rn_error *e) {
    struct pca *s = self;
    int32_t status = RN_OK;
    s->columns.budget.left = s->columns.budget.limit;
    for (uint32_t i = 0; i < s->count && status == RN_OK; i++) {
        forget(s->sets[i]);
        status = allocate(s, s->sets[i], e);
    }
    return status;
}

static double dot(const double *a, const double *b, uint64_t n) {
    double x = 0.0;
    for (uint64_t i = 0; i < n; i++)
        x += a[i] * b[i];
    return x;
}

/* The filled rows of the block become its triangular factor. */
static void reduce(struct component_set *c) {
    uint64_t width = c->elements + 1, n = c->filled;
    for (uint64_t k = 0; k < width && k + 1 < n; k++) {
        double *v = c->block + k * c->height + k, *rest = v + c->height;
        double norm = sqrt(dot(v, v, n - k)), head = v[0];
        if (norm == 0.0)
            continue;
        double to = head > 0.0 ? -norm : norm;
        v[0] = head - to;
        double scale = dot(v, v, n - k);
        for (uint64_t j = k + 1; j < width && scale > 0.0; j++, rest += c->height) {
            double f = 2.0 * dot(v, rest, n - k) / scale;
            for (uint64_t i = 0; i < n - k; i++)
                rest[i] -= f * v[i];
        }
        v[0] = to;
        memset(v + 1, 0, (n - k - 1) * sizeof *v);
    }
    c->filled = n < width ? n : width;
}

static int32_t missing(const char *name, struct rn_error *e) {
    rn_failf(e, RN_E_DATA, NULL, 0, 0,
             "field '%s': a number is missing, so there are no components", name);
    rn_hintf(e, "add {type: impute, of: %s} before it", name);
    return RN_E_DATA;
}

static int32_t take_row(struct component_set *c, const double *x, struct rn_error *e) {
    if (c->filled == c->height)
        reduce(c);
    if (!c->rows)
        memcpy(c->origin, x, c->elements * sizeof *x);
    c->block[c->filled] = 1.0;
    for (uint64_t k = 0; k < c->elements; k++) {
        if (x[k] != x[k])
            return missing(c->name, e);
        c->block[(k + 1) * c->height + c->filled] = x[k] - c->origin[k];
    }
    c->filled++;
    c->rows++;
    return RN_OK;
}

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    struct pca *s = self;
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < s->columns.in_count && status == RN_OK; i++) {
        struct component_set *c = s->inputs[i];
        double *x = c ? rn_scratch(call->work, c->elements * sizeof *x) : NULL;
        if (c && !x)
            return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
        for (uint64_t r = 0; c && r < call->rows && status == RN_OK; r++) {
            rn_columns_get(&s->columns, i, &call->in[i], r * c->elements, c->elements,
                           x);
            status = take_row(c, x, e);
        }
    }
    return status;
}

/* Rotate columns of length n until each is orthogonal to the others. */
static void orthogonalise(double *a, uint64_t n, uint64_t columns) {
    for (int sweep = 0, turned = 1; turned && sweep < 60; sweep++) {
        turned = 0;
        for (uint64_t p = 0; p + 1 < columns; p++)
            for (uint64_t q = p + 1; q < columns; q++) {
                double *x = a + p * n, *y = a + q * n;
                double xx = dot(x, x, n), yy = dot(y, y, n), xy = dot(x, y, n);
                if (fabs(xy) <= 1e-15 * sqrt(xx * yy) || xy == 0.0)
                    continue;
                double z = (yy - xx) / (2.0 * xy);
                double t = (z < 0.0 ? -1.0 : 1.0) / (fabs(z) + sqrt(1.0 + z * z));
                double cosine = 1.0 / sqrt(1.0 + t * t), sine = cosine * t;
                for (uint64_t i = 0; i < n; i++) {
                    double u = x[i], v = y[i];
                    x[i] = cosine * u - sine * v;
                    y[i] = sine * u + cosine * v;
                }
                turned = 1;
            }
    }
}

struct singular {
    double value;
    const double *vector; /* times its value */
};

static int by_falling_value(const void *a, const void *b) {
    double x = ((const struct singular *)a)->value,
           y = ((const struct singular *)b)->value;
    return (x < y) - (x > y);
}

/* How many of the components to keep; what is within rounding of 0 is none. */
static uint64_t choose(const struct pca *s, const struct component_set *c,
                       const struct singular *v) {
    double total = 0.0, sum = 0.0;
    uint64_t rank = 0, larger = c->rows > c->elements ? c->rows : c->elements, n = 0;
    while (rank < c->elements &&
           v[rank].value > v[0].value * (double)larger * 2.220446049250313e-16)
        total += v[rank].value * v[rank].value, rank++;
    if (s->wanted)
        return s->wanted <= rank ? s->wanted : 0;
    if (s->share <= 0.0)
        return rank;
    while (n < rank && sum / total <= s->share)
        sum += v[n].value * v[n].value, n++;
    return n;
}

static void put_component(struct component_set *c, uint64_t k,
                          const struct singular *v) {
    double *to = c->components + k * c->elements;
    uint64_t largest = 0;
    for (uint64_t i = 0; i < c->elements; i++)
        if (fabs(v->vector[i]) > fabs(v->vector[largest]))
            largest = i;
    double unit = v->vector[largest] < 0.0 ? -v->value : v->value;
    for (uint64_t i = 0; i < c->elements; i++)
        to[i] = v->vector[i] / unit;
    c->variance[k] = v->value * v->value / (double)(c->rows - 1);
}

/* vectors: [elements][elements], singular: [elements], scratch. */
static int32_t finish(const struct pca *s, struct component_set *c, double *vectors,
                      struct singular *singular, struct rn_error *e) {
    uint64_t d = c->elements;
    reduce(c);
    for (uint64_t k = 0; k < d; k++)
        c->mean[k] = c->origin[k] + c->block[(k + 1) * c->height] / c->block[0];
    for (uint64_t row = 0; row < d; row++)
        for (uint64_t k = 0; k < d; k++)
            vectors[row * d + k] = k >= row && row + 1 < c->filled
                                       ? c->block[(k + 1) * c->height + row + 1]
                                       : 0.0;
    orthogonalise(vectors, d, d);
    for (uint64_t k = 0; k < d; k++)
        singular[k] = (struct singular){sqrt(dot(vectors + k * d, vectors + k * d, d)),
                                        vectors + k * d};
    qsort(singular, d, sizeof *singular, by_falling_value);
    c->count = choose(s, c, singular);
    if (!c->count)
        return rn_failf(
            e, RN_E_DATA, NULL, 0, 0,
            "field '%s': %llu training rows do not have that many components", c->name,
            (unsigned long long)c->rows);
    c->components = malloc(rn_size_or_max(c->count, d * sizeof(double)));
    c->variance = malloc(c->count * sizeof *c->variance);
    if (!c->components || !c->variance)
        return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
    for (uint64_t k = 0; k < c->count; k++)
        put_component(c, k, &singular[k]);
    c->fitted = 1;
    return RN_OK;
}

static int32_t fit_end(void *self, struct rn_error *e) {
    struct pca *s = self;
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < s->count && status == RN_OK; i++) {
        struct component_set *c = s->sets[i];
        double *vectors =
            malloc(rn_size_or_max(c->elements, c->elements * sizeof(double)));
        struct singular *singular = malloc(c->elements * sizeof *singular);
        c->mean = calloc(c->elements, sizeof *c->mean);
        status =
            vectors && singular && c->mean
                ? finish(s, c, vectors, singular, e)
                : rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
        free(vectors);
        free(singular);
        forget_rows(c);
    }
    return status;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct pca *s = self;
    for (uint32_t i = 0; i < s->columns.in_count; i++) {
        const struct component_set *c = s->inputs[i];
        double *y = call->out[i].data;
        if (!c) {
            memcpy(call->out[i].data, call->in[i].data,
                   call->rows * s->columns.in[i].bytes);
            continue;
        }
        double *x = rn_scratch(call->work, c->elements * sizeof *x);
        if (!x)
            return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
        for (uint64_t r = 0; r < call->rows; r++) {
            rn_columns_get(&s->columns, i, &call->in[i], r * c->elements, c->elements,
                           x);
            for (uint64_t k = 0; k < c->elements; k++) {
                if (x[k] != x[k])
                    return missing(c->name, e);
                x[k] -= c->mean[k];
            }
            for (uint64_t k = 0; k < c->count; k++)
                *y++ = dot(x, c->components + k * c->elements, c->elements) /
                       (s->whiten ? sqrt(c->variance[k]) : 1.0);
        }
    }
    return RN_OK;
}

static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    const struct pca *s = self;
    int32_t status = rn_arrays_begin(to);
    (void)e;
    for (uint32_t i = 0; status == RN_OK && i < s->count; i++) {
        const struct component_set *c = s->sets[i];
        int64_t shape[2] = {(int64_t)c->count, (int64_t)c->elements};
        if (!c->fitted)
            continue;
        status = rn_array_put(to, c->name, "mean", RN_F64, 1, shape + 1, c->mean);
        if (status == RN_OK)
            status = rn_array_put(to, c->name, "components", RN_F64, 2, shape,
                                  c->components);
        if (status == RN_OK)
            status =
                rn_array_put(to, c->name, "variance", RN_F64, 1, shape, c->variance);
    }
    return status;
}

static double *copied(const struct rn_array *a) {
    double *p = malloc(a->elements * sizeof *p);
    return p ? memcpy(p, a->data, a->elements * sizeof *p) : NULL;
}

static int32_t take(struct pca *s, const struct rn_arrays *a, const char *name) {
    const struct rn_array *mean = rn_array_find(a, name, "mean", RN_F64, 1);
    const struct rn_array *components = rn_array_find(a, name, "components", RN_F64, 2);
    const struct rn_array *variance = rn_array_find(a, name, "variance", RN_F64, 1);
    if (!mean || !components || !variance || !mean->elements || !variance->elements ||
        components->shape[0] != variance->shape[0] ||
        components->shape[1] != mean->shape[0])
        return RN_E_CHECKPOINT;
    struct component_set *c = find(s, name, mean->elements);
    if (!c)
        return RN_E_MEMORY;
    if (c->elements != mean->elements)
        return RN_E_CHECKPOINT;
    forget(c);
    c->count = variance->elements;
    c->mean = copied(mean);
    c->components = copied(components);
    c->variance = copied(variance);
    c->fitted = 1;
    return c->mean && c->components && c->variance ? RN_OK : RN_E_MEMORY;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct pca *s = self;
    struct rn_arrays a;
    char name[RN_FITTED_NAME];
    int32_t status = rn_arrays_read(from, 0, &a, e);
    for (uint32_t i = 0; status == RN_OK && i < a.count; i++)
        if (rn_array_field(&a.at[i], "components", name, sizeof name))
            status = take(s, &a, name);
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

RN_TRANSFORM(pca, iface, "runner/pca 1",
             RN_DOC("Principal components of the training rows, f64 [components]")
             RN_FITTED_OF_OPTION
             RN_OPTION("components int ; min 1 | how many; default: as many as there are")
             RN_OPTION("share float ; min 0 ; max 1 | as many as explain more than this "
                       "share of the variance")
             RN_OPTION("whiten bool = false | divide each by its standard deviation")
             RN_COLUMNS_MEMORY_OPTION);
RN_PLUGIN(&pca);
