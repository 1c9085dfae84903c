/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of a field that have the highest scores over the training rows, in their
 * order: their variance, or how much they tell of a target: f_test (analysis of
 * variance, or the F of a linear regression), chi2, |correlation|, mutual_info by the
 * distances to the nearest neighbours (Kraskov et al. 2004 of a number, Ross 2014 of
 * classes), as SelectKBest and VarianceThreshold of scikit-learn. */
#include <float.h>

#include <runner/sdk/category_set.h>
#include <runner/sdk/columns.h>

enum method { VARIANCE, FISHER, CHI2, CORRELATION, MUTUAL_INFO };

struct moments {
    double count, mean, m2, with_target; /* the last: sum of products less the means */
    double least, most;
};

/* What is learnt of a field. */
struct selection {
    char name[RN_FITTED_NAME];
    uint64_t elements;
    struct moments *all;     /* [elements] while fitting */
    struct moments *classes; /* [room][elements] while fitting */
    uint32_t room;
    double *values; /* [value_room][elements] of mutual_info, while fitting */
    uint64_t value_room;
    int fitted;
    uint64_t count;
    int64_t *kept;  /* [count] elements, rising */
    double *scores; /* [elements] */
};

struct chooser {
    struct rn_columns columns; /* only: which fields are taken */
    struct rn_host *host;
    enum method method;
    const char *target; /* or NULL */
    int by_count, task_classes, task_number;
    uint64_t keep;
    double threshold;
    uint32_t neighbours;
    int classes; /* of the target, of the last plan */
    int target_nullable;
    uint32_t at; /* input that is the target, UINT32_MAX: not there */
    uint32_t count;
    struct selection **selections; /* [count] */
    struct selection **inputs;     /* [in_count] of the last plan, NULL: passed on */
    /* while fitting: */
    struct rn_set set; /* classes of the target */
    struct moments target_moments;
    uint64_t rows, target_room;
    double *targets; /* [target_room] of mutual_info */
};

static const struct rn_columns_kind kind = {.part_count = 0};

static void forget_rows(struct selection *x) {
    free(x->all);
    free(x->classes);
    free(x->values);
    x->all = x->classes = NULL;
    x->values = NULL;
    x->room = 0;
    x->value_room = 0;
}

static void forget(struct selection *x) {
    forget_rows(x);
    free(x->kept);
    free(x->scores);
    x->kept = NULL;
    x->scores = NULL;
    x->fitted = 0;
}

static void forget_target(struct chooser *s) {
    rn_set_free(&s->set);
    free(s->targets);
    s->targets = NULL;
    s->target_room = s->rows = 0;
    s->target_moments = (struct moments){0};
    s->columns.budget.left = s->columns.budget.limit;
}

static void destroy(void *self) {
    struct chooser *s = self;
    for (uint32_t i = 0; s && i < s->count; i++) {
        forget(s->selections[i]);
        free(s->selections[i]);
    }
    if (s) {
        forget_target(s);
        free(s->selections);
        free(s->inputs);
        rn_columns_finish(&s->columns);
    }
    free(s);
}

static enum method method_of(const char *word) {
    return strcmp(word, "f_test") == 0        ? FISHER
           : strcmp(word, "chi2") == 0        ? CHI2
           : strcmp(word, "correlation") == 0 ? CORRELATION
           : strcmp(word, "mutual_info") == 0 ? MUTUAL_INFO
                                              : VARIANCE;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct chooser *s = calloc(1, sizeof *s);
    const char *task = rn_get_string(h, "task");
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    rn_columns_init(&s->columns, &kind, h, 0);
    s->columns.budget = rn_budget_of(h);
    s->host = h;
    s->method = method_of(rn_get_string(h, "by"));
    s->target = rn_has(h, "target") ? rn_get_string(h, "target") : NULL;
    s->task_classes = strcmp(task, "classes") == 0;
    s->task_number = strcmp(task, "number") == 0;
    s->by_count = rn_has(h, "keep");
    s->keep = s->by_count ? (uint64_t)rn_get_int(h, "keep") : 0;
    s->threshold = rn_has(h, "threshold") ? rn_get_float(h, "threshold") : 0.0;
    s->neighbours = (uint32_t)rn_get_int(h, "neighbours");
    if (s->by_count && rn_has(h, "threshold"))
        return rn_fail_option(e, RN_E_CONFIG, "threshold",
                              "`keep` and `threshold` exclude each other");
    if (!s->by_count && !rn_has(h, "threshold") && s->method != VARIANCE)
        return rn_fail_option(e, RN_E_CONFIG, "by", "needs `keep` or `threshold`");
    if (!s->target != (s->method == VARIANCE))
        return rn_fail_option(e, RN_E_CONFIG, "by",
                              s->target ? "variance has no target" : "needs `target`");
    return RN_OK;
}

/* NULL: no memory. */
static struct selection *find(struct chooser *s, const char *name, uint64_t elements) {
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->selections[i]->name, name) == 0)
            return s->selections[i];
    struct selection *x = calloc(1, sizeof *x);
    struct selection **more = realloc(s->selections, (s->count + 1u) * sizeof *more);
    s->selections = more ? more : s->selections;
    if (!x || !more) {
        free(x);
        return NULL;
    }
    snprintf(x->name, sizeof x->name, "%s", name);
    x->elements = elements;
    return s->selections[s->count++] = x;
}

static int32_t plan_target(struct chooser *s, struct rn_transform_plan *plan,
                           uint32_t i, struct rn_error *e) {
    const struct rn_field *in = &plan->in[i];
    s->at = i;
    plan->out[i] = *in;
    plan->out[i].name = s->target;
    s->target_nullable = s->columns.in[i].nullable;
    s->classes =
        s->task_classes ||
        (!s->task_number && (rn_dtype_is_integer(in->dtype) || in->dtype == RN_BOOL));
    if (s->method == CHI2 && !s->classes)
        return rn_fail_option(e, RN_E_CONFIG, "by",
                              "chi2 needs a target of classes, and '%s' is a number",
                              in->name);
    return rn_field_elements(in) == 1
               ? RN_OK
               : rn_failf(e, RN_E_CONFIG, NULL, 0, 0,
                          "the target '%s' has more than one number a sample",
                          in->name);
}

static int32_t plan_field(struct chooser *s, struct rn_transform_plan *plan, uint32_t i,
                          struct rn_error *e) {
    const struct rn_columns_field *f = s->columns.in[i].of;
    struct rn_field *out = &plan->out[i];
    struct selection *x = find(s, f->name, f->elements);
    if (!x)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    if (x->elements != f->elements)
        return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                        "field '%s' has %llu numbers a sample; fitted were %llu",
                        f->name, (unsigned long long)f->elements,
                        (unsigned long long)x->elements);
    if (s->keep > x->elements)
        return rn_fail_option(e, RN_E_CONFIG, "keep", "field '%s' has %llu numbers",
                              f->name, (unsigned long long)x->elements);
    s->inputs[i] = x;
    *out = plan->in[i];
    out->name = x->name;
    out->rank = 1;
    out->shape[0] = x->fitted ? (int64_t)x->count : s->by_count ? (int64_t)s->keep : 1;
    rn_layout_forget(plan, i);
    for (uint64_t k = 0; x->fitted && k < x->count; k++) {
        size_t n;
        const char *name =
            rn_layout_at(rn_layout_in(plan, i), (uint64_t)x->kept[k], &n);
        if (name)
            rn_layout_add(plan, i, name, n);
    }
    return RN_OK;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct chooser *s = self;
    int32_t status = rn_columns_plan(&s->columns, plan, e);
    int fitted = s->count && s->selections[0]->fitted;
    s->at = UINT32_MAX;
    s->inputs = rn_planned(s->inputs, plan->in_count, sizeof *s->inputs, 0, 1, e);
    if (!s->inputs)
        return RN_E_MEMORY;
    for (uint32_t i = 0; i < plan->in_count && status == RN_OK; i++)
        if (s->target && strcmp(plan->in[i].name, s->target) == 0)
            status = plan_target(s, plan, i, e);
        else if (s->columns.in[i].of)
            status = plan_field(s, plan, i, e);
    if (status == RN_OK && s->target && s->at == UINT32_MAX && !fitted) {
        rn_fail_option(e, RN_E_CONFIG, "of", "must list the target '%s' too",
                       s->target);
        rn_hintf(e, "a transform reads only these fields; the target is passed on");
        return RN_E_CONFIG;
    }
    return status;
}

/* -------------------------------------------------------------------- rows */

static int32_t no_memory(struct rn_error *e) {
    return rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
}

static int32_t fit_begin(void *self, struct rn_error *e) {
    struct chooser *s = self;
    forget_target(s);
    for (uint32_t i = 0; i < s->count; i++) {
        struct selection *x = s->selections[i];
        forget(x);
        x->all = calloc(x->elements, sizeof *x->all);
        if (!x->all)
            return no_memory(e);
    }
    return RN_OK;
}

static void add(struct moments *m, double x, double target_distance) {
    double d = x - m->mean;
    if (m->count == 0.0) {
        m->least = m->most = x;
    }
    m->count += 1.0;
    m->mean += d / m->count;
    m->m2 += d * (x - m->mean);
    m->with_target += (x - m->mean) * target_distance;
    m->least = x < m->least ? x : m->least;
    m->most = x > m->most ? x : m->most;
}

/* Moments of class c, made where there are none; NULL: no memory. */
static struct moments *class_at(struct selection *x, uint32_t c) {
    if (c >= x->room) {
        uint32_t room = c < 8 ? 16 : 2 * c;
        struct moments *more = realloc(
            x->classes, rn_size_or_max((uint64_t)room * x->elements, sizeof *more));
        if (!more)
            return NULL;
        memset(more + (uint64_t)x->room * x->elements, 0,
               (uint64_t)(room - x->room) * x->elements * sizeof *more);
        x->classes = more;
        x->room = room;
    }
    return x->classes + (uint64_t)c * x->elements;
}

/* Room for one more row of `each` values; the budget is charged. */
static int32_t grow(struct chooser *s, double **values, uint64_t *room, uint64_t each,
                    struct rn_error *e) {
    uint64_t to = *room ? 2 * *room : 256,
             bytes = rn_size_or_max(to, each * sizeof(double));
    if (s->rows < *room)
        return RN_OK;
    if (!rn_budget_take(&s->columns.budget, bytes / 2)) {
        rn_failf(
            e, RN_E_DATA, NULL, 0, 0,
            "%llu training rows need more than the %llu MiB of memory that fitting "
            "may use",
            (unsigned long long)to,
            (unsigned long long)(s->columns.budget.limit >> 20));
        rn_hintf(e, "set `memory` (MiB) of the transform higher");
        return RN_E_DATA;
    }
    double *more = realloc(*values, bytes);
    if (!more)
        return no_memory(e);
    *values = more;
    *room = to;
    return RN_OK;
}

/* The target of row r: *class its class, where it has classes. */
static int32_t take_target(struct chooser *s, const struct rn_tensor *in, uint64_t r,
                           double *y, uint32_t *class, struct rn_error *e) {
    struct rn_set_key key = {NULL, 0, 0.0};
    rn_columns_get(&s->columns, s->at, in, r, 1, y);
    if (*y != *y)
        return rn_failf(e, RN_E_DATA, NULL, 0, 0, "the target '%s' is missing",
                        s->target);
    add(&s->target_moments, *y, 0.0);
    key.number = *y;
    *class = s->classes ? rn_set_add(&s->set, &key) : 0;
    if (*class == RN_SET_NONE)
        return no_memory(e);
    if (s->classes)
        s->set.counts[*class]++;
    int32_t status =
        s->method == MUTUAL_INFO ? grow(s, &s->targets, &s->target_room, 1, e) : RN_OK;
    if (status == RN_OK && s->method == MUTUAL_INFO)
        s->targets[s->rows] = *y;
    return status;
}

static int32_t check_number(const struct chooser *s, const struct selection *x,
                            uint64_t k, double value, struct rn_error *e) {
    if (value == value && (s->method != CHI2 || value >= 0.0))
        return RN_OK;
    if (value == value)
        return rn_failf(
            e, RN_E_DATA, NULL, 0, 0,
            "field '%s', element %llu: %g is below 0, which chi2 cannot take", x->name,
            (unsigned long long)k + 1, value);
    rn_failf(e, RN_E_DATA, NULL, 0, 0, "field '%s', element %llu is missing", x->name,
             (unsigned long long)k + 1);
    rn_hintf(e, "add {type: impute, of: %s} before it", x->name);
    return RN_E_DATA;
}

static int32_t take_row(struct chooser *s, struct selection *x, const double *v,
                        double distance, uint32_t class, struct rn_error *e) {
    struct moments *of_class = s->classes && s->target ? class_at(x, class) : NULL;
    int32_t status = s->method == MUTUAL_INFO
                         ? grow(s, &x->values, &x->value_room, x->elements, e)
                         : RN_OK;
    if (s->classes && s->target && !of_class)
        return no_memory(e);
    for (uint64_t k = 0; k < x->elements && status == RN_OK; k++) {
        if (s->method != VARIANCE)
            status = check_number(s, x, k, v[k], e);
        if (status != RN_OK || v[k] != v[k])
            continue;
        add(&x->all[k], v[k], distance);
        if (of_class)
            add(&of_class[k], v[k], 0.0);
        if (x->values)
            x->values[s->rows * x->elements + k] = v[k];
    }
    return status;
}

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    struct chooser *s = self;
    for (uint64_t r = 0; r < call->rows; r++, s->rows++) {
        double y = 0.0, before = s->target_moments.mean;
        uint32_t class = 0;
        int32_t status =
            s->target ? take_target(s, &call->in[s->at], r, &y, &class, e) : RN_OK;
        for (uint32_t i = 0; i < s->columns.in_count && status == RN_OK; i++) {
            struct selection *x = s->inputs[i];
            double *v = x ? rn_scratch(call->work, x->elements * sizeof *v) : NULL;
            if (!x)
                continue;
            if (!v)
                return no_memory(e);
            rn_columns_get(&s->columns, i, &call->in[i], r * x->elements, x->elements,
                           v);
            status = take_row(s, x, v, y - before, class, e);
        }
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

/* ------------------------------------------------------------------ scores */

/* Between the classes over within them, by their degrees of freedom. */
static double anova(const struct chooser *s, const struct selection *x, uint64_t k) {
    double between = 0.0, within = 0.0, n = (double)s->rows, classes = s->set.count;
    for (uint32_t c = 0; c < s->set.count; c++) {
        const struct moments *m = &x->classes[(uint64_t)c * x->elements + k];
        double d = m->mean - x->all[k].mean;
        between += m->count * d * d;
        within += m->m2;
    }
    return between / (classes - 1.0) / (within / (n - classes));
}

static double correlation(const struct chooser *s, const struct moments *m) {
    double scale = sqrt(m->m2) * sqrt(s->target_moments.m2);
    return scale > 0.0 && m->most > m->least ? m->with_target / scale : 0.0;
}

static double regression(const struct chooser *s, const struct moments *m) {
    double r = correlation(s, m), rest = 1.0 - r * r;
    return rest > 0.0 ? r * r / rest * ((double)s->rows - 2.0) : DBL_MAX;
}

static double chi2(const struct chooser *s, const struct selection *x, uint64_t k) {
    double total = x->all[k].mean * x->all[k].count, sum = 0.0;
    for (uint32_t c = 0; c < s->set.count; c++) {
        const struct moments *m = &x->classes[(uint64_t)c * x->elements + k];
        double expected = total * m->count / (double)s->rows;
        double d = m->mean * m->count - expected;
        sum += d * d / expected;
    }
    return sum;
}

/* -(Euler's constant) + 1 + 1/2 + .. + 1/(n - 1). */
static double digamma(uint64_t n) {
    double x = (double)n, sum = 0.0;
    for (; x < 30.0; x += 1.0)
        sum -= 1.0 / x;
    double q = 1.0 / (x * x);
    return sum + log(x) - 0.5 / x -
           q * (1.0 / 12 - q * (1.0 / 120 - q * (1.0 / 252 - q * (1.0 / 240))));
}

/* A number of about 1e-10 times the scale, from the row: it parts equal values. */
static double jitter(uint64_t row, uint64_t stream) {
    uint64_t z = row + (stream + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return 2e-10 * ((double)((z ^ z >> 31) >> 11) * 0x1p-53 - 0.5);
}

/* Divided by the standard deviation, with jitter. */
static void scaled(double *x, uint64_t n, const struct moments *m, uint64_t stream) {
    double unit = m->m2 > 0.0 ? sqrt(m->m2 / m->count) : 1.0, size = 0.0;
    for (uint64_t i = 0; i < n; i++) {
        x[i] /= unit;
        size += fabs(x[i]) / (double)n;
    }
    for (uint64_t i = 0; i < n; i++)
        x[i] += jitter(i, stream) * (size > 1.0 ? size : 1.0);
}

/* How many of n rising values are within r of x. */
static uint64_t within(const double *v, uint64_t n, double x, double r) {
    uint64_t bound[2];
    for (int above = 0; above < 2; above++) {
        uint64_t low = 0, high = n;
        while (low < high) {
            uint64_t mid = low + (high - low) / 2;
            if (above ? v[mid] - x <= r : x - v[mid] > r)
                low = mid + 1;
            else
                high = mid;
        }
        bound[above] = low;
    }
    return bound[1] - bound[0];
}

/* The distance from v[i] to its k-th neighbour among n > k rising values. */
static double neighbour(const double *v, uint64_t n, uint64_t i, uint32_t k) {
    uint64_t left = i, right = i + 1;
    double d = 0.0;
    for (uint32_t taken = 0; taken < k; taken++) {
        double a = left > 0 ? v[i] - v[left - 1] : INFINITY;
        double b = right < n ? v[right] - v[i] : INFINITY;
        d = a < b ? a : b;
        left -= a < b, right += !(a < b);
    }
    return d;
}

/* Of classes: x sorted, and the same values class by class, each sorted. Classes of one
 * row do not count. */
static double ross(const struct chooser *s, const double *sorted, uint64_t n,
                   const double *by_class) {
    double sum = 0.0;
    for (uint32_t c = 0; c < s->set.count; c++) {
        uint64_t size = s->set.counts[c];
        uint32_t k = s->neighbours < size ? s->neighbours : (uint32_t)(size - 1);
        for (uint64_t i = 0; size > 1 && i < size; i++) {
            double r = nextafter(neighbour(by_class, size, i, k), 0.0);
            sum +=
                digamma(k) - digamma(size) - digamma(within(sorted, n, by_class[i], r));
        }
        by_class += size > 1 ? size : 0;
    }
    return digamma(n) + sum / (double)n;
}

/* Of a number: the k-th neighbour by the larger of both distances, in n^2 steps. */
static double kraskov(const struct chooser *s, const double *x, const double *y,
                      const double *sorted_x, const double *sorted_y, double *nearest) {
    uint64_t n = s->rows;
    uint32_t k = s->neighbours;
    double sum = 0.0;
    for (uint64_t i = 0; i < n && !rn_cancelled(s->host); i++) {
        for (uint32_t j = 0; j < k; j++)
            nearest[j] = INFINITY;
        for (uint64_t o = 0; o < n; o++) {
            double a = fabs(x[i] - x[o]), b = fabs(y[i] - y[o]), d = a > b ? a : b;
            if (o == i || d >= nearest[k - 1])
                continue;
            uint32_t j = k - 1;
            for (; j > 0 && nearest[j - 1] > d; j--)
                nearest[j] = nearest[j - 1];
            nearest[j] = d;
        }
        double r = nextafter(nearest[k - 1], 0.0);
        sum += digamma(within(sorted_x, n, x[i], r)) +
               digamma(within(sorted_y, n, y[i], r));
    }
    return digamma(n) + digamma(k) - sum / (double)n;
}

static uint32_t class_of(const struct chooser *s, uint64_t row) {
    struct rn_set_key key = {NULL, 0, s->targets[row]};
    return rn_set_find(&s->set, &key);
}

/* buffer: [4][rows] and more. */
static double information(struct chooser *s, const struct selection *x, uint64_t k,
                          double *buffer) {
    uint64_t n = s->rows, used = 0;
    double *v = buffer, *sorted = buffer + n, *other = buffer + 2 * n, mi;
    for (uint64_t i = 0; i < n; i++)
        v[i] = x->values[i * x->elements + k];
    scaled(v, n, &x->all[k], k + 1);
    if (s->classes) {
        for (uint32_t c = 0; c < s->set.count; c++) {
            uint64_t first = used;
            for (uint64_t i = 0; s->set.counts[c] > 1 && i < n; i++)
                if (class_of(s, i) == c)
                    other[used++] = v[i];
            rn_values_sort(other + first, used - first);
        }
        memcpy(sorted, other, used * sizeof *sorted);
        rn_values_sort(sorted, used);
        mi = used ? ross(s, sorted, used, other) : 0.0;
    } else {
        memcpy(sorted, v, n * sizeof *v);
        rn_values_sort(sorted, n);
        memcpy(other, s->targets, n * sizeof *other);
        rn_values_sort(other, n);
        mi = kraskov(s, v, s->targets, sorted, other, buffer + 3 * n);
    }
    return mi > 0.0 ? mi : 0.0;
}

/* What rounding leaves of a constant is not a variance. */
static double variance(const struct moments *m) {
    return m->count > 0.0 && m->most > m->least ? m->m2 / m->count : 0.0;
}

static double score(struct chooser *s, const struct selection *x, uint64_t k,
                    double *buffer) {
    switch (s->method) {
    case VARIANCE:
        return variance(&x->all[k]);
    case FISHER:
        return s->classes ? anova(s, x, k) : regression(s, &x->all[k]);
    case CHI2:
        return chi2(s, x, k);
    case CORRELATION:
        return fabs(correlation(s, &x->all[k]));
    default:
        return information(s, x, k, buffer);
    }
}

/* Is the score of element i above that of k, for the order of keeping? Undefined ones
 * come last, and of equal ones the later comes first. */
static int above(const double *scores, uint64_t i, uint64_t k) {
    double a = scores[i] == scores[i] ? scores[i] : -INFINITY;
    double b = scores[k] == scores[k] ? scores[k] : -INFINITY;
    return a > b || (a == b && i > k);
}

static int32_t keep(const struct chooser *s, struct selection *x, struct rn_error *e) {
    x->count = 0;
    for (uint64_t k = 0; k < x->elements; k++) {
        uint64_t better = 0;
        for (uint64_t i = 0; s->by_count && i < x->elements; i++)
            better += above(x->scores, i, k);
        if (s->by_count ? better < s->keep : x->scores[k] > s->threshold)
            x->kept[x->count++] = (int64_t)k;
    }
    x->fitted = 1;
    return x->count ? RN_OK
                    : rn_failf(e, RN_E_DATA, NULL, 0, 0,
                               "field '%s': no number has a score above %g", x->name,
                               s->threshold);
}

static int32_t fit_field(struct chooser *s, struct selection *x, double *buffer,
                         struct rn_error *e) {
    x->kept = malloc(rn_size_or_max(x->elements, sizeof *x->kept));
    x->scores = malloc(rn_size_or_max(x->elements, sizeof *x->scores));
    if (!x->kept || !x->scores)
        return no_memory(e);
    for (uint64_t k = 0; k < x->elements; k++)
        x->scores[k] = score(s, x, k, buffer);
    int32_t status = keep(s, x, e);
    forget_rows(x);
    return status;
}

static int32_t fit_end(void *self, struct rn_error *e) {
    struct chooser *s = self;
    int32_t status = RN_OK;
    double *buffer = NULL;
    if (s->classes && s->target && s->set.count < 2)
        return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                        "the target '%s' has one class in the training rows",
                        s->target);
    if (s->method == MUTUAL_INFO && s->rows <= s->neighbours)
        return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                        "%llu training rows do not have %u neighbours each",
                        (unsigned long long)s->rows, s->neighbours);
    if (s->method == MUTUAL_INFO) {
        buffer = malloc(rn_size_or_max(3 * s->rows + s->neighbours, sizeof *buffer));
        if (!buffer)
            return no_memory(e);
        if (!s->classes)
            scaled(s->targets, s->rows, &s->target_moments, 0);
    }
    for (uint32_t i = 0; i < s->count && status == RN_OK; i++)
        status = fit_field(s, s->selections[i], buffer, e);
    free(buffer);
    forget_target(s);
    return status;
}

/* ------------------------------------------------------------------- apply */

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct chooser *s = self;
    (void)e;
    for (uint32_t i = 0; i < s->columns.in_count; i++) {
        const struct selection *x = s->inputs[i];
        const uint8_t *from = call->in[i].data;
        uint8_t *to = call->out[i].data;
        uint64_t row = s->columns.in[i].bytes, each = x ? row / x->elements : 0;
        if (!x) {
            memcpy(to, from, call->rows * row);
            continue;
        }
        for (uint64_t r = 0; r < call->rows; r++, from += row)
            for (uint64_t k = 0; k < x->count; k++, to += each)
                memcpy(to, from + (uint64_t)x->kept[k] * each, each);
    }
    return RN_OK;
}

/* FIELD/kept, i64 [kept], and FIELD/scores, f64 [numbers]. */
static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    const struct chooser *s = self;
    int32_t status = rn_arrays_begin(to);
    (void)e;
    for (uint32_t i = 0; status == RN_OK && i < s->count; i++) {
        const struct selection *x = s->selections[i];
        int64_t elements = (int64_t)x->elements, count = (int64_t)x->count;
        if (!x->fitted)
            continue;
        status = rn_array_put(to, x->name, "scores", RN_F64, 1, &elements, x->scores);
        if (status == RN_OK)
            status = rn_array_put(to, x->name, "kept", RN_I64, 1, &count, x->kept);
    }
    return status;
}

static int32_t take(struct chooser *s, const struct rn_arrays *a, const char *name) {
    const struct rn_array *scores = rn_array_find(a, name, "scores", RN_F64, 1);
    const struct rn_array *kept = rn_array_find(a, name, "kept", RN_I64, 1);
    if (!scores || !kept || !kept->elements || kept->elements > scores->elements)
        return RN_E_CHECKPOINT;
    struct selection *x = find(s, name, scores->elements);
    if (!x)
        return RN_E_MEMORY;
    if (x->elements != scores->elements)
        return RN_E_CHECKPOINT;
    forget(x);
    x->count = kept->elements;
    x->kept = malloc(x->count * sizeof *x->kept);
    x->scores = malloc(x->elements * sizeof *x->scores);
    if (!x->kept || !x->scores)
        return RN_E_MEMORY;
    memcpy(x->kept, kept->data, x->count * sizeof *x->kept);
    memcpy(x->scores, scores->data, x->elements * sizeof *x->scores);
    for (uint64_t k = 0; k < x->count; k++)
        if (x->kept[k] < 0 || (uint64_t)x->kept[k] >= x->elements ||
            (k && x->kept[k] <= x->kept[k - 1]))
            return RN_E_CHECKPOINT;
    x->fitted = 1;
    return RN_OK;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct chooser *s = self;
    struct rn_arrays a;
    char name[RN_FITTED_NAME];
    int32_t status = rn_arrays_read(from, 0, &a, e);
    for (uint32_t i = 0; status == RN_OK && i < a.count; i++)
        if (rn_array_field(&a.at[i], "kept", name, sizeof name))
            status = take(s, &a, name);
    rn_arrays_free(&a);
    if (status != RN_OK && e && !e->status)
        rn_fail(e, status, "the stored state cannot be read", NULL, NULL);
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

RN_TRANSFORM(chosen, iface, "runner/select 1",
             RN_DOC("The numbers of a field with the highest scores over the training "
                    "rows, in their order and type")
             RN_OPTION("of list(string) ; required | fields, and the target, which is "
                       "passed on")
             RN_OPTION("by choice(variance,f_test,chi2,correlation,mutual_info) = variance "
                       "| the score")
             RN_OPTION("target string | the field of one number a sample that scores are "
                       "about; not of variance")
             RN_OPTION("task choice(auto,classes,number) = auto | what the target is: "
                       "auto takes integers and truth values as classes")
             RN_OPTION("keep int ; min 1 | how many")
             RN_OPTION("threshold float | or those whose score is above this; default of "
                       "variance: 0")
             RN_OPTION("neighbours int = 3 ; min 1 ; max 100 | of mutual_info")
             RN_COLUMNS_MEMORY_OPTION);
RN_PLUGIN(&chosen);
