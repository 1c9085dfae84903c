/* SPDX-License-Identifier: Apache-2.0 */
/* The number of the bin that a number is in, 0..K-1, as KBinsDiscretizer of
 * scikit-learn (encode="ordinal"): bins of equal width, of equal counts, around the
 * centers of a k-means in one dimension, or between given edges. A number on an edge
 * belongs to the bin above; numbers beyond the first and last edge to the first and
 * last bin. */
#include <runner/sdk/columns.h>

enum strategy { UNIFORM, QUANTILE, KMEANS, GIVEN };

struct bins {
    struct rn_columns columns; /* first: the shared calls see only this */
    struct rn_columns_kind kind;
    enum strategy strategy;
    uint32_t count;
    double *edges; /* [count - 1] given */
};

static void widths(const struct rn_columns *c, uint64_t rows, uint32_t *w) {
    (void)rows;
    w[0] = ((const struct bins *)c)->count + 1;
}

/* The quantile that is a value, or the mean of two where q * n is whole (Hyndman and
 * Fan 1996, definition 2). */
static double averaged(const double *x, uint64_t n, double q) {
    double at = q * (double)n - 1.0, low = floor(at);
    uint64_t i = at < 0.0 ? 0 : low >= (double)(n - 1) ? n - 1 : (uint64_t)low;
    uint64_t k = at < 0.0 ? 0 : i + 1 < n ? i + 1 : n - 1;
    return at == low ? x[k] - (x[k] - x[i]) * 0.5 : x[k];
}

/* What one step of Lloyd's algorithm knows; values are less the mean of all. */
struct clusters {
    const double *x;
    uint64_t n;
    uint32_t count;
    double *centers, *sums, *weights; /* [count] */
    uint32_t *label;                  /* [n] */
};

static uint32_t nearest(const struct clusters *c, double x) {
    uint32_t best = 0;
    double least = INFINITY;
    for (uint32_t k = 0; k < c->count; k++) {
        double d = c->centers[k] * c->centers[k] - 2.0 * x * c->centers[k];
        if (d < least) {
            least = d;
            best = k;
        }
    }
    return best;
}

/* The value that is farthest from its center among those not taken (their label is
 * `count`), or n. */
static uint64_t farthest(const struct clusters *c, const uint8_t *taken) {
    uint64_t best = c->n;
    double most = 0.0;
    for (uint64_t i = 0; i < c->n; i++) {
        double d = fabs(c->x[i] - c->centers[c->label[i]]);
        if (!taken[i] && d > most) {
            most = d;
            best = i;
        }
    }
    return best;
}

/* An empty cluster gets the value that is farthest from its own center. */
static void refill(struct clusters *c, uint8_t *taken) {
    memset(taken, 0, c->n);
    for (uint32_t k = 0; k < c->count; k++) {
        if (c->weights[k] > 0.0)
            continue;
        uint64_t i = farthest(c, taken);
        if (i == c->n)
            return;
        taken[i] = 1;
        c->sums[c->label[i]] -= c->x[i];
        c->weights[c->label[i]] -= 1.0;
        c->sums[k] = c->x[i];
        c->weights[k] = 1.0;
    }
}

/* One step; 1: no label has changed. *shift: sum of squared moves of the centers. */
static int lloyd(struct clusters *c, uint8_t *taken, double *shift) {
    int same = 1;
    *shift = 0.0;
    memset(c->sums, 0, c->count * sizeof *c->sums);
    memset(c->weights, 0, c->count * sizeof *c->weights);
    for (uint64_t i = 0; i < c->n; i++) {
        uint32_t k = nearest(c, c->x[i]);
        same &= k == c->label[i];
        c->label[i] = k;
        c->sums[k] += c->x[i];
        c->weights[k] += 1.0;
    }
    refill(c, taken);
    for (uint32_t k = 0; k < c->count; k++) {
        double to = c->weights[k] > 0.0 ? c->sums[k] / c->weights[k] : c->centers[k];
        *shift += (to - c->centers[k]) * (to - c->centers[k]);
        c->centers[k] = to;
    }
    return same;
}

static void run_lloyd(struct clusters *c, uint8_t *taken, double tolerance) {
    double shift;
    for (uint64_t i = 0; i < c->n; i++)
        c->label[i] = UINT32_MAX;
    for (int step = 0; step < 300; step++)
        if (lloyd(c, taken, &shift) || shift <= tolerance)
            return;
}

/* Edges between the sorted centers, which begin in the middles of uniform bins. */
static int32_t kmeans(const struct rn_columns_fit *f, uint32_t count, double *edges,
                      struct rn_error *e) {
    double mean = f->tally->origin + f->tally->mean;
    struct clusters c = {f->x, f->n, count, NULL, NULL, NULL, NULL};
    uint8_t *taken = malloc(f->n);
    c.centers = malloc(rn_size_or_max(count, sizeof *c.centers));
    c.sums = malloc(rn_size_or_max(count, sizeof *c.sums));
    c.weights = malloc(rn_size_or_max(count, sizeof *c.weights));
    c.label = malloc(rn_size_or_max(f->n, sizeof *c.label));
    int good = taken && c.centers && c.sums && c.weights && c.label;
    for (uint64_t i = 0; good && i < f->n; i++)
        f->x[i] -= mean;
    for (uint32_t k = 0; good && k < count; k++)
        c.centers[k] = (edges[k] + edges[k + 1]) * 0.5 - mean;
    if (good) {
        run_lloyd(&c, taken, 1e-4 * f->tally->m2 / f->tally->count);
        rn_values_sort(c.centers, count);
    }
    for (uint32_t k = 1; good && k < count; k++)
        edges[k] = (c.centers[k - 1] + mean + (c.centers[k] + mean)) * 0.5;
    free(taken);
    free(c.centers);
    free(c.sums);
    free(c.weights);
    free(c.label);
    return good ? RN_OK
                : rn_fail(e, RN_E_MEMORY, "no memory to fit a transform", NULL, NULL);
}

/* Edges that rise by no more than 1e-8 are one; NaN after the last. */
static void merge(double *edges, uint32_t n) {
    uint32_t kept = 1;
    double last = edges[0];
    for (uint32_t i = 1; i < n; i++) {
        double x = edges[i];
        if (x - last > 1e-8)
            edges[kept++] = x;
        last = x;
    }
    for (; kept < n; kept++)
        edges[kept] = NAN;
}

static int32_t fit(const struct rn_columns *c, const struct rn_columns_fit *f,
                   double *edges, struct rn_error *e) {
    const struct bins *s = (const struct bins *)c;
    double low = f->tally->least, high = f->tally->most, share = 100.0 / s->count;
    int32_t status = RN_OK;
    if (s->strategy == GIVEN || !(high > low)) {
        uint32_t n = s->strategy == GIVEN ? s->count - 1 : 0;
        for (uint32_t i = 0; i <= s->count; i++)
            edges[i] = i == 0       ? -INFINITY
                       : i <= n     ? s->edges[i - 1]
                       : i == n + 1 ? INFINITY
                                    : NAN;
        return RN_OK;
    }
    if (s->strategy == QUANTILE)
        rn_values_sort(f->x, f->n);
    for (uint32_t i = 0; i <= s->count; i++)
        edges[i] =
            s->strategy == QUANTILE
                ? averaged(f->x, f->n, (i == s->count ? 100.0 : i * share) / 100.0)
            : i == s->count ? high
                            : i * ((high - low) / s->count) + low;
    if (s->strategy == KMEANS)
        status = kmeans(f, s->count, edges, e);
    if (s->strategy != UNIFORM)
        merge(edges, s->count + 1);
    return status;
}

/* How many edges but the first and the last are not above x. */
static double map(const struct rn_columns *c, const double *edges, const uint32_t *w,
                  double x, int *flag) {
    uint32_t low = 1, high = w[0] - 1;
    (void)c, (void)flag;
    while (high > 1 && edges[high] != edges[high])
        high--;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (edges[mid] > x)
            high = mid;
        else
            low = mid + 1;
    }
    return (double)(low - 1);
}

static const struct rn_columns_kind kind = {
    .part_count = 1, .parts = {"edges"}, .widths = widths, .fit = fit, .map = map};

static void destroy(void *self) {
    struct bins *s = self;
    if (s) {
        rn_columns_finish(&s->columns);
        free(s->edges);
    }
    free(s);
}

static int32_t take_edges(struct bins *s, struct rn_host *h, struct rn_error *e) {
    uint32_t n = rn_get_count(h, "edges");
    s->count = n + 1;
    s->edges = calloc(n + 1u, sizeof *s->edges);
    if (!s->edges)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    for (uint32_t i = 0; i < n; i++) {
        char path[32];
        s->edges[i] = rn_get_float(h, rn_path(path, sizeof path, "edges", i));
        if (i && !(s->edges[i] > s->edges[i - 1]))
            return rn_fail_option(e, RN_E_CONFIG, path, "edges must rise");
    }
    return RN_OK;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct bins *s = calloc(1, sizeof *s);
    const char *by = rn_get_string(h, "by");
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->strategy = strcmp(by, "uniform") == 0    ? UNIFORM
                  : strcmp(by, "quantile") == 0 ? QUANTILE
                  : strcmp(by, "kmeans") == 0   ? KMEANS
                                                : GIVEN;
    s->kind = kind;
    s->kind.values = s->strategy == QUANTILE || s->strategy == KMEANS;
    s->kind.blind = s->strategy == GIVEN;
    rn_columns_init(&s->columns, &s->kind, h, 1);
    s->count = (uint32_t)rn_get_int(h, "bins");
    if ((s->strategy == GIVEN) != (rn_get_count(h, "edges") > 0))
        return rn_fail(e, RN_E_CONFIG, "`edges` and `by: given` need each other", NULL,
                       "by");
    return s->strategy == GIVEN ? take_edges(s, h, e) : RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          RN_TRANSFORM_TOTAL,
                                          create,
                                          destroy,
                                          rn_columns_plan,
                                          rn_columns_begin,
                                          rn_columns_rows,
                                          rn_columns_end,
                                          rn_columns_apply,
                                          rn_columns_save,
                                          rn_columns_load,
                                          NULL};

RN_TRANSFORM(bins, iface, "runner/bins 1",
             RN_DOC("The number of the bin that a number is in, 0..K-1, as f64")
             RN_FITTED_OF_OPTION
             RN_FITTED_PER_OPTION
             RN_OPTION("by choice(quantile,uniform,kmeans,given) = quantile | bins of "
                       "equal counts, of equal width, around centers, or between `edges`")
             RN_OPTION("bins int = 5 ; min 2 ; max 4096 | K, unless edges coincide")
             RN_OPTION("edges list(float) | rising; K is one more")
             RN_COLUMNS_MEMORY_OPTION);
RN_PLUGIN(&bins);
