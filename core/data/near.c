/* SPDX-License-Identifier: Apache-2.0 */
/* Near-duplicates: thumbnails, all pairs, verification.
 *
 * All pairs are not multiplied out: a rotation (the two-dimensional cosine transform,
 * which is orthonormal) moves nearly all of an image to its first components. The
 * product of the first 31 plus the product of the norms of the rest is at least r
 * (Cauchy-Schwarz), so that only pairs whose bound reaches a threshold are multiplied
 * out: the same pairs, for an eighth of the work. */
#include "data/near.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/field.h>

#include "base/dots.h"
#include "base/hash.h"
#include "base/memory.h"

#define SMALL      16u
#define FINE       64u
#define DEPTH      32u /* components of a bound: 31 and the norm of the rest */
#define SAMPLES    1000u
#define FLAT       4.0
#define COLOUR     8.0
#define SMALL_R    0.9
#define SLACK      1e-4f /* of f32 sums */
#define TILE       1024u /* rows of a piece of work */
#define FINE_BYTES (UINT64_C(1) << 30)
#define MOST       4000000u /* pairs */

struct list {
    struct near_pair *at;
    uint32_t count, capacity;
};

struct near {
    struct near_options o;
    uint32_t size, components; /* elements of a thumbnail; of a bound */
    float *thumbs;             /* [rows, size] standardised */
    float *means;              /* [rows, channels] */
    struct hash128 *hashes;    /* [rows] */
    bool *flat;                /* [rows] */
    uint32_t *first;           /* [rows] the representative */
    uint32_t *parent;          /* [rows] of the clusters */
    uint32_t count, train;     /* different images that are not flat; of training */
    uint32_t *rows;            /* [count] rising */
    float *bounds;             /* [count rounded up to tiles, DEPTH] */
    float *panels;             /* the same, in blocks of DOTS_COLUMNS */
    uint32_t samples;
    uint32_t *sample, *neighbour; /* [samples] rows */
    double *sample_distance;
    double limit[2];        /* of distances: thumbnails, fine images */
    struct list candidates; /* then the pairs */
    struct near_pair nearest[NEAR_SHOWN];
    uint32_t nearest_count, fine_size;
    uint32_t *slot; /* [rows] of a fine image + 1; 0: not wanted */
    float *fine;    /* [slots, fine_size] */
};

/* -------------------------------------------------------------------- images */

static bool is_channels(int64_t n) {
    return n == 1 || n == 3 || n == 4;
}

bool near_image_of(rn_dtype dtype, uint32_t rank, const int64_t *shape,
                   struct near_image *out) {
    bool known = dtype == RN_U8 || dtype == RN_F32;
    *out = (struct near_image){.channels = 1, .dtype = dtype};
    out->high = dtype == RN_U8 ? 255 : 1;
    if (!known || rank < 2 || rank > 3)
        return false;
    out->channels_last = rank == 3 && !is_channels(shape[0]) && is_channels(shape[2]);
    if (rank == 3 && !out->channels_last && !is_channels(shape[0]))
        return false;
    int64_t h = shape[rank - 2], w = shape[rank - 1];
    if (rank == 3)
        out->channels = (uint32_t)shape[0];
    if (out->channels_last) {
        out->channels = (uint32_t)shape[2];
        h = shape[0];
        w = shape[1];
    }
    out->height = (uint32_t)h;
    out->width = (uint32_t)w;
    return h >= 4 && w >= 4 && h <= 65536 && w <= 65536;
}

static double value_at(const void *values, rn_dtype dtype, size_t i) {
    if (dtype == RN_U8)
        return ((const uint8_t *)values)[i];
    double x;
    rn_numbers_get(values, dtype, i, 1, &x);
    return x;
}

/* The line y of the image, summed over the channels with their weights. */
static void grey_line(const struct near_image *m, const void *values, uint32_t y,
                      double *out, double *means) {
    static const double colour[4] = {0.299, 0.587, 0.114, 0};
    double scale = m->high > m->low ? 255 / (m->high - m->low) : 0;
    size_t plane = (size_t)m->height * m->width,
           step = m->channels_last ? m->channels : 1;
    for (uint32_t x = 0; x < m->width; x++)
        out[x] = 0;
    for (uint32_t c = 0; c < m->channels; c++) {
        double weight = m->channels == 1 ? 1 : colour[c], sum = 0;
        size_t at = m->channels_last ? (size_t)y * m->width * step + c
                                     : c * plane + (size_t)y * m->width;
        for (uint32_t x = 0; x < m->width; x++) {
            double v = (value_at(values, m->dtype, at + x * step) - m->low) * scale;
            out[x] += weight * v;
            sum += v;
        }
        if (means)
            means[c] += sum / (double)plane;
    }
}

/* out[j] += share * the mean of line over [j, j + 1) of `n` equal parts. */
static void average_line(const double *line, uint32_t width, uint32_t n, double share,
                         double *out) {
    double part = (double)width / n;
    for (uint32_t j = 0; j < n; j++) {
        double from = j * part, to = (j + 1) * part, sum = 0;
        for (uint32_t x = (uint32_t)from; x < width && x < to; x++)
            sum += line[x] * (fmin(to, x + 1) - fmax(from, x));
        out[j] += share * sum / part;
    }
}

void near_resize(const struct near_image *m, const void *values, uint32_t most,
                 double *out, uint32_t *height, uint32_t *width, double *means) {
    uint32_t h = m->height < most ? m->height : most;
    uint32_t w = m->width < most ? m->width : most;
    double part = (double)m->height / h;
    double *line = memory_get((size_t)m->width * sizeof *line);
    *height = h;
    *width = w;
    memset(out, 0, (size_t)h * w * sizeof *out);
    for (uint32_t c = 0; means && c < 4; c++)
        means[c] = 0;
    for (uint32_t y = 0; y < m->height; y++) {
        grey_line(m, values, y, line, means);
        for (uint32_t i = (uint32_t)(y / part); i < h && i * part < y + 1; i++) {
            double share = fmin((i + 1) * part, y + 1) - fmax(i * part, y);
            if (share > 0)
                average_line(line, m->width, w, share / part, out + (size_t)i * w);
        }
    }
    memory_release(line);
}

/* Centred, of norm 1; the variance that it had. */
static double standardise(const double *x, uint32_t n, float *out) {
    double mean = 0, square = 0;
    for (uint32_t i = 0; i < n; i++)
        mean += x[i];
    mean /= n;
    for (uint32_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean);
    double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (uint32_t i = 0; i < n; i++)
        out[i] = (float)((x[i] - mean) * scale);
    return square / n;
}

static double product(const float *a, const float *b, uint32_t n) {
    double sum[4] = {0};
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (uint32_t k = 0; k < 4; k++)
            sum[k] += (double)a[i + k] * b[i + k];
    for (; i < n; i++)
        sum[0] += (double)a[i] * b[i];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

/* Of the differences: 2 - 2r has few digits where images are near. */
static double distance_of(const float *a, const float *b, uint32_t n) {
    double sum[4] = {0};
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (uint32_t k = 0; k < 4; k++)
            sum[k] += ((double)a[i + k] - b[i + k]) * ((double)a[i + k] - b[i + k]);
    for (; i < n; i++)
        sum[0] += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sqrt(sum[0] + sum[1] + (sum[2] + sum[3]));
}

static double r_of(double distance) {
    return 1 - distance * distance / 2;
}

static const float *thumb(const struct near *n, uint32_t row) {
    return n->thumbs + (size_t)row * n->size;
}

/* ------------------------------------------------------------------- lifetime */

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

struct near *near_create(const struct near_options *o) {
    struct near *n = memory_get(sizeof *n);
    size_t rows = (size_t)o->rows + 1;
    n->o = *o;
    n->size = least(o->image.height, SMALL) * least(o->image.width, SMALL);
    n->fine_size = least(o->image.height, FINE) * least(o->image.width, FINE);
    n->thumbs = memory_try(memory_mul(rows, n->size * sizeof *n->thumbs));
    n->means = memory_try(memory_mul(rows, o->image.channels * sizeof *n->means));
    n->hashes = memory_try(memory_mul(rows, sizeof *n->hashes));
    n->flat = memory_try(rows);
    n->first = memory_try(memory_mul(rows, sizeof *n->first));
    n->parent = memory_try(memory_mul(rows, sizeof *n->parent));
    n->rows = memory_try(memory_mul(rows, sizeof *n->rows));
    n->slot = memory_try(memory_mul(rows, sizeof *n->slot));
    if (n->thumbs && n->means && n->hashes && n->flat && n->first && n->parent &&
        n->rows && n->slot && o->rows <= NEAR_ROWS_MAX)
        return n;
    near_destroy(n);
    return NULL;
}

void near_destroy(struct near *n) {
    if (!n)
        return;
    memory_release(n->thumbs);
    memory_release(n->means);
    memory_release(n->hashes);
    memory_release(n->flat);
    memory_release(n->first);
    memory_release(n->parent);
    memory_release(n->rows);
    memory_release(n->bounds);
    memory_release(n->panels);
    memory_release(n->sample);
    memory_release(n->neighbour);
    memory_release(n->sample_distance);
    memory_release(n->candidates.at);
    memory_release(n->slot);
    memory_release(n->fine);
    memory_release(n);
}

void near_add(struct near *n, uint64_t row, const void *values) {
    const struct near_image *m = &n->o.image;
    double small[SMALL * SMALL], means[4];
    uint32_t h, w;
    size_t elements = (size_t)m->channels * m->height * m->width;
    near_resize(m, values, SMALL, small, &h, &w, means);
    n->flat[row] = !(standardise(small, n->size, n->thumbs + row * n->size) >= FLAT);
    for (uint32_t c = 0; c < m->channels; c++)
        n->means[row * m->channels + c] = (float)means[c];
    hash128_add(&n->hashes[row], values, elements * RN_DTYPE_BYTES(m->dtype));
}

/* ------------------------------------------------------------ representatives */

struct keyed {
    struct hash128 h;
    uint32_t row;
};

static int by_hash(const void *a, const void *b) {
    const struct keyed *x = a, *y = b;
    if (x->h.a != y->h.a)
        return x->h.a < y->h.a ? -1 : 1;
    if (x->h.b != y->h.b)
        return x->h.b < y->h.b ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int find_equal(struct near *n, struct rn_error *e) {
    struct keyed *all = memory_try(memory_mul(n->o.rows + 1, sizeof *all));
    if (!all)
        return error_set(e, RN_E_MEMORY, "no memory for the hashes of %llu images",
                         (unsigned long long)n->o.rows);
    for (uint32_t i = 0; i < n->o.rows; i++)
        all[i] = (struct keyed){n->hashes[i], i};
    qsort(all, n->o.rows, sizeof *all, by_hash);
    for (uint64_t i = 0; i < n->o.rows; i++) {
        bool same = i && all[i].h.a == all[i - 1].h.a && all[i].h.b == all[i - 1].h.b;
        n->first[all[i].row] = same ? n->first[all[i - 1].row] : all[i].row;
    }
    memory_release(all);
    for (uint32_t i = 0; i < n->o.rows; i++) {
        n->parent[i] = n->first[i];
        if (n->first[i] != i || n->flat[i])
            continue;
        n->rows[n->count++] = i;
        n->train += i < n->o.train;
    }
    return RN_OK;
}

/* --------------------------------------------------------------------- bounds */

struct component {
    double frequency;
    uint32_t u, v;
};

static int by_frequency(const void *a, const void *b) {
    const struct component *x = a, *y = b;
    if (x->frequency != y->frequency)
        return x->frequency < y->frequency ? -1 : 1;
    return x->u != y->u ? (x->u < y->u ? -1 : 1) : (x->v > y->v) - (x->v < y->v);
}

/* basis: [DEPTH - 1, size] the products of cosines of the lowest frequencies. */
static uint32_t cosines(uint32_t h, uint32_t w, float *basis) {
    struct component all[SMALL * SMALL];
    const double pi = 3.14159265358979323846;
    uint32_t n = 0;
    for (uint32_t u = 0; u < h; u++)
        for (uint32_t v = 0; v < w; v++)
            if (u || v) /* the mean is 0 */
                all[n++] = (struct component){
                    (double)u * u / h / h + (double)v * v / w / w, u, v};
    qsort(all, n, sizeof *all, by_frequency);
    n = least(n, DEPTH - 1);
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t y = 0; y < h; y++)
            for (uint32_t x = 0; x < w; x++)
                basis[(size_t)k * h * w + y * w + x] =
                    (float)(sqrt((all[k].u ? 2.0 : 1.0) / h) *
                            cos(pi * all[k].u * (y + 0.5) / h) *
                            sqrt((all[k].v ? 2.0 : 1.0) / w) *
                            cos(pi * all[k].v * (x + 0.5) / w));
    return n;
}

/* Of each image: its lowest components and the norm of the others. Rows behind the last
 * are zeros. */
static int make_bounds(struct near *n, struct rn_error *e) {
    uint32_t padded = (n->count + TILE - 1) / TILE * TILE;
    float basis[(DEPTH - 1) * SMALL * SMALL];
    uint32_t k =
        cosines(least(n->o.image.height, SMALL), least(n->o.image.width, SMALL), basis);
    n->bounds = memory_try(memory_mul(padded + 1, DEPTH * sizeof *n->bounds));
    n->panels = memory_try(memory_mul(padded + 1, DEPTH * sizeof *n->panels) + 64);
    if (!n->bounds || !n->panels)
        return error_set(e, RN_E_MEMORY, "no memory for %u images", n->count);
    for (uint32_t i = 0; i < n->count; i++) {
        float *out = n->bounds + (size_t)i * DEPTH;
        double left = 1;
        for (uint32_t j = 0; j < k; j++) {
            double x =
                product(basis + (size_t)j * n->size, thumb(n, n->rows[i]), n->size);
            out[j] = (float)x;
            left -= x * x;
        }
        out[DEPTH - 1] = (float)sqrt(fmax(0, left));
    }
    return RN_OK;
}

static float *panels_of(const struct near *n) {
    return (float *)(((uintptr_t)n->panels + 63) & ~(uintptr_t)63);
}

static void make_panels(struct near *n) {
    uint32_t padded = (n->count + TILE - 1) / TILE * TILE;
    float *out = panels_of(n);
    for (uint32_t i = 0; i < padded; i++)
        for (uint32_t k = 0; k < DEPTH; k++)
            out[((size_t)(i / DOTS_COLUMNS) * DEPTH + k) * DOTS_COLUMNS +
                i % DOTS_COLUMNS] = n->bounds[(size_t)i * DEPTH + k];
}

/* ---------------------------------------------------------------------- threads */

struct crew {
    struct near *n;
    dots_fn dots;
    _Atomic uint32_t next;
    uint32_t tiles;
    _Atomic bool full;
    pthread_mutex_t lock; /* of what follows, and of the results */
};

static void run_crew(struct crew *c, void *(*work)(void *)) {
    pthread_t other[64];
    uint32_t made = 0;
    atomic_store(&c->next, 0);
    while (made < 64 && made + 1 < c->n->o.threads &&
           pthread_create(&other[made], NULL, work, c) == 0)
        made++;
    work(c);
    for (uint32_t i = 0; i < made; i++)
        pthread_join(other[i], NULL);
}

/* ------------------------------------------------------------ the usual distance */

/* The nearest training images of DOTS_ROWS samples from `begin`. */
static void nearest_of(const struct crew *c, uint32_t begin) {
    struct near *n = c->n;
    _Alignas(64) float a[DOTS_ROWS * DEPTH], out[DOTS_ROWS * DOTS_COLUMNS];
    double best[DOTS_ROWS];
    uint32_t rows = least(DOTS_ROWS, n->samples - begin);
    memset(a, 0, sizeof a);
    for (uint32_t i = 0; i < rows; i++) {
        memcpy(a + (size_t)i * DEPTH, n->bounds + (size_t)n->sample[begin + i] * DEPTH,
               DEPTH * sizeof *a);
        best[i] = -2;
        n->sample_distance[begin + i] = INFINITY;
    }
    for (uint32_t j = 0; j < n->train; j += DOTS_COLUMNS) {
        float low = 2;
        for (uint32_t i = 0; i < rows; i++)
            low = best[i] < low ? (float)best[i] : low;
        if (!c->dots(a, panels_of(n) + (size_t)j * DEPTH, DEPTH, low - SLACK, out))
            continue;
        for (uint32_t i = 0; i < rows; i++)
            for (uint32_t k = 0; k < DOTS_COLUMNS && j + k < n->train; k++) {
                uint32_t self = n->sample[begin + i];
                if (j + k == self || out[i * DOTS_COLUMNS + k] < (float)best[i] - SLACK)
                    continue;
                double d = distance_of(thumb(n, n->rows[self]),
                                       thumb(n, n->rows[j + k]), n->size);
                if (d >= n->sample_distance[begin + i])
                    continue;
                n->sample_distance[begin + i] = d;
                best[i] = r_of(d);
                n->neighbour[begin + i] = j + k;
            }
    }
}

static void *measure_samples(void *context) {
    struct crew *c = context;
    for (uint32_t i; (i = atomic_fetch_add(&c->next, DOTS_ROWS)) < c->n->samples;)
        nearest_of(c, i);
    return NULL;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(const double *x, uint32_t n) {
    double *sorted = memory_get(memory_mul(n + 1, sizeof *sorted));
    memcpy(sorted, x, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_size);
    double m = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    memory_release(sorted);
    return m;
}

/* Samples are places in n->rows until verification. */
static void choose_samples(struct near *n) {
    n->samples = n->train < 2 ? 0 : least(n->train, SAMPLES);
    n->sample = memory_get(memory_mul(n->samples + 1, sizeof *n->sample));
    n->neighbour = memory_get(memory_mul(n->samples + 1, sizeof *n->neighbour));
    n->sample_distance = memory_get(memory_mul(n->samples + 1, sizeof(double)));
    for (uint32_t i = 0; i < n->samples; i++)
        n->sample[i] = (uint32_t)((uint64_t)i * n->train / n->samples);
}

/* -------------------------------------------------------------------- all pairs */

static bool before(const struct near_pair *a, const struct near_pair *b) {
    if (a->distance != b->distance)
        return a->distance < b->distance;
    return a->a != b->a ? a->a < b->a : a->b < b->b;
}

/* Keep the nearest ones, sorted. */
static void keep_nearest(struct near_pair *all, uint32_t *count, struct near_pair x) {
    uint32_t i = *count;
    if (i == NEAR_SHOWN && !before(&x, &all[i - 1]))
        return;
    i = i == NEAR_SHOWN ? i - 1 : i;
    *count = i + 1;
    for (; i && before(&x, &all[i - 1]); i--)
        all[i] = all[i - 1];
    all[i] = x;
}

struct piece {
    struct crew *c;
    struct list found;
    struct near_pair nearest[NEAR_SHOWN];
    uint32_t nearest_count;
    bool shown; /* nearest pairs may be of any rows */
    float near; /* r of the limit */
};

static float worst_shown(const struct piece *p) {
    double d = p->nearest_count < NEAR_SHOWN ? 2 : p->nearest[NEAR_SHOWN - 1].distance;
    return (float)r_of(d);
}

static void look_at_pair(struct piece *p, uint32_t i, uint32_t j, float bound,
                         bool crosses) {
    struct near *n = p->c->n;
    bool show = p->shown || crosses;
    if (bound < p->near - SLACK && !(show && bound >= worst_shown(p) - SLACK))
        return;
    uint32_t a = n->rows[i], b = n->rows[j];
    struct near_pair x = {a, b, distance_of(thumb(n, a), thumb(n, b), n->size)};
    if (show)
        keep_nearest(p->nearest, &p->nearest_count, x);
    if (r_of(x.distance) >= SMALL_R && x.distance < n->limit[0])
        vec_push(p->found.at, p->found.count, p->found.capacity, x);
}

/* Rows of DOTS_ROWS from i against DOTS_COLUMNS from j, j + k > i. */
static void look_at_block(struct piece *p, uint32_t i, uint32_t j, bool mixed) {
    _Alignas(64) float out[DOTS_ROWS * DOTS_COLUMNS];
    struct near *n = p->c->n;
    float from = p->near;
    if ((p->shown || mixed) && worst_shown(p) < from)
        from = worst_shown(p);
    if (!p->c->dots(n->bounds + (size_t)i * DEPTH, panels_of(n) + (size_t)j * DEPTH,
                    DEPTH, from - SLACK, out))
        return;
    for (uint32_t y = i; y < i + DOTS_ROWS && y < n->count; y++)
        for (uint32_t x = j; x < j + DOTS_COLUMNS && x < n->count; x++)
            if (x > y)
                look_at_pair(p, y, x, out[(y - i) * DOTS_COLUMNS + x - j],
                             y < n->train && x >= n->train);
}

static void look_at_tile(struct piece *p, uint32_t ti, uint32_t tj) {
    uint32_t i0 = ti * TILE, j0 = tj * TILE, train = p->c->n->train;
    bool mixed = i0 < train && j0 + TILE > train;
    for (uint32_t i = i0; i < i0 + TILE && i < p->c->n->count; i += DOTS_ROWS)
        for (uint32_t j = j0; j < j0 + TILE && j < p->c->n->count; j += DOTS_COLUMNS)
            if (j + DOTS_COLUMNS > i)
                look_at_block(p, i, j, mixed);
}

static void *search_pairs(void *context) {
    struct crew *c = context;
    struct near *n = c->n;
    struct piece p = {.c = c,
                      .shown = !n->train || n->train == n->count,
                      .near = (float)fmax(SMALL_R, 1 - n->limit[0] * n->limit[0] / 2)};
    /* Tiles of the upper triangle, row by row. */
    for (uint32_t t;
         (t = atomic_fetch_add(&c->next, 1)) < c->tiles * (c->tiles + 1) / 2;) {
        uint32_t i = 0, left = t;
        for (; left >= c->tiles - i; i++)
            left -= c->tiles - i;
        if (!atomic_load(&c->full))
            look_at_tile(&p, i, i + left);
        if (p.found.count > MOST)
            atomic_store(&c->full, true);
    }
    pthread_mutex_lock(&c->lock);
    for (uint32_t i = 0; i < p.found.count && n->candidates.count <= MOST; i++)
        vec_push(n->candidates.at, n->candidates.count, n->candidates.capacity,
                 p.found.at[i]);
    if (n->candidates.count > MOST)
        atomic_store(&c->full, true);
    for (uint32_t i = 0; i < p.nearest_count; i++)
        keep_nearest(n->nearest, &n->nearest_count, p.nearest[i]);
    pthread_mutex_unlock(&c->lock);
    memory_release(p.found.at);
    return NULL;
}

static int by_rows(const void *a, const void *b) {
    const struct near_pair *x = a, *y = b;
    if (x->a != y->a)
        return x->a < y->a ? -1 : 1;
    return (x->b > y->b) - (x->b < y->b);
}

/* Fine images of the candidates, and of the samples with their neighbours. */
static int want_fine(struct near *n, struct rn_error *e) {
    uint32_t slots = 0;
    if (n->fine_size == n->size)
        return RN_OK;
    for (uint32_t i = 0; i < n->candidates.count; i++)
        n->slot[n->candidates.at[i].a] = n->slot[n->candidates.at[i].b] = 1;
    for (uint32_t i = 0; i < n->samples; i++)
        n->slot[n->sample[i]] = n->slot[n->neighbour[i]] = 1;
    for (uint64_t r = 0; r < n->o.rows; r++)
        if (n->slot[r])
            n->slot[r] = ++slots;
    if (slots > FINE_BYTES / (n->fine_size * sizeof *n->fine))
        return error_set(e, RN_E_UNSUPPORTED,
                         "%u images may be near another, more than can be verified",
                         slots);
    n->fine = memory_try(memory_mul(slots + 1, n->fine_size * sizeof *n->fine));
    return n->fine ? RN_OK
                   : error_set(e, RN_E_MEMORY, "no memory for %u fine images", slots);
}

static int search_all(struct crew *c, struct rn_error *e) {
    struct near *n = c->n;
    make_panels(n);
    choose_samples(n);
    if (n->samples) {
        run_crew(c, measure_samples);
        n->limit[0] = NEAR_SHARE * median_of(n->sample_distance, n->samples);
    }
    c->tiles = (n->count + TILE - 1) / TILE;
    run_crew(c, search_pairs);
    if (atomic_load(&c->full))
        return error_set(e, RN_E_UNSUPPORTED,
                         "more than %u pairs of images are near each other", MOST);
    if (n->candidates.count)
        qsort(n->candidates.at, n->candidates.count, sizeof *n->candidates.at, by_rows);
    for (uint32_t i = 0; i < n->samples; i++) {
        n->sample[i] = n->rows[n->sample[i]];
        n->neighbour[i] = n->rows[n->neighbour[i]];
    }
    return want_fine(n, e);
}

int near_search(struct near *n, struct rn_error *e) {
    struct crew c = {.n = n, .dots = dots_find()};
    int status = find_equal(n, e);
    if (status == RN_OK)
        status = make_bounds(n, e);
    if (status != RN_OK)
        return status;
    pthread_mutex_init(&c.lock, NULL);
    status = search_all(&c, e);
    pthread_mutex_destroy(&c.lock);
    return status;
}

/* ----------------------------------------------------------------- verification */

bool near_wanted(const struct near *n, uint64_t row) {
    return n->slot[row];
}

void near_look(struct near *n, uint64_t row, const void *values) {
    double *x = memory_get(FINE * FINE * sizeof *x);
    uint32_t h, w;
    near_resize(&n->o.image, values, FINE, x, &h, &w, NULL);
    standardise(x, n->fine_size, n->fine + (size_t)(n->slot[row] - 1) * n->fine_size);
    memory_release(x);
}

static const float *fine(const struct near *n, uint32_t row) {
    return n->fine ? n->fine + (size_t)(n->slot[row] - 1) * n->fine_size
                   : thumb(n, row);
}

static bool same_colour(const struct near *n, uint32_t a, uint32_t b) {
    uint32_t k = n->o.image.channels;
    for (uint32_t c = 0; c < k; c++)
        if (fabs((double)n->means[(size_t)a * k + c] - n->means[(size_t)b * k + c]) >
            COLOUR)
            return false;
    return true;
}

static uint32_t root(struct near *n, uint32_t row) {
    while (n->parent[row] != row)
        row = n->parent[row] = n->parent[n->parent[row]];
    return row;
}

static void join(struct near *n, uint32_t a, uint32_t b) {
    a = root(n, a);
    b = root(n, b);
    if (a < b)
        n->parent[b] = a;
    else
        n->parent[a] = b;
}

void near_verify(struct near *n) {
    uint32_t size = n->fine ? n->fine_size : n->size, kept = 0;
    for (uint32_t i = 0; i < n->samples; i++)
        n->sample_distance[i] =
            distance_of(fine(n, n->sample[i]), fine(n, n->neighbour[i]), size);
    n->limit[1] =
        n->samples ? NEAR_SHARE * median_of(n->sample_distance, n->samples) : 0;
    for (uint32_t i = 0; i < n->candidates.count; i++) {
        struct near_pair x = n->candidates.at[i];
        x.distance = distance_of(fine(n, x.a), fine(n, x.b), size);
        if (r_of(x.distance) < NEAR_R || x.distance >= n->limit[1] ||
            !same_colour(n, x.a, x.b))
            continue;
        join(n, x.a, x.b);
        n->candidates.at[kept++] = x;
    }
    n->candidates.count = kept;
    for (uint32_t r = 0; r < n->o.rows; r++)
        n->parent[r] = root(n, r);
}

/* ---------------------------------------------------------------------- results */

struct near_result near_result(const struct near *n) {
    return (struct near_result){n->candidates.at, n->candidates.count, n->first,
                                n->parent};
}

const struct near_pair *near_nearest(const struct near *n, uint32_t *count) {
    *count = n->nearest_count;
    return n->nearest;
}

double near_threshold(const struct near *n, bool of_fine) {
    return n->limit[of_fine];
}

uint64_t near_flat(const struct near *n) {
    uint64_t flat = 0;
    for (uint64_t i = 0; i < n->o.rows; i++)
        flat += n->flat[i];
    return flat;
}
