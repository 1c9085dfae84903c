/* SPDX-License-Identifier: Apache-2.0 */
/* Findings about images: dark, bright, blurred and flat ones, relative to the set, and
 * classes that the border alone gives away. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check/check.h"
#include "data/near.h"

#define SIDE     64u /* images are looked at in at most SIDE x SIDE */
#define ROWS_MIN 50u
#define FLAT     4.0 /* variance of grey, 0 .. 255 */
#define BORDER   12u
#define BLANK    (BORDER + 1) /* statistics and a constant */
#define LEARN    4000u        /* rows, evenly spread, that the border is learnt on */
#define STEPS    200
#define RATE     0.5
#define DECAY    1e-3
#define Z95      1.959963984540054

enum measure { DARK, BRIGHT, BLUR, VARIANCE, MEASURES };

struct pictures {
    const struct check *c;
    uint32_t raw;
    uint64_t bytes;
    struct near_image image;
    double *grey;             /* scratch */
    float *measure[MEASURES]; /* [rows] */
    float *border;            /* [rows, BORDER] */
};

/* ------------------------------------------------------------------- measuring */

/* The grey value that a share of them is at most, in whole steps. */
static double percentile(const double *x, uint32_t n, double share) {
    uint32_t bins[256] = {0}, seen = 0;
    for (uint32_t i = 0; i < n; i++)
        bins[(int)fmin(255, fmax(0, x[i]))]++;
    for (uint32_t v = 0; v < 256; v++)
        if ((seen += bins[v]) >= share * n)
            return v;
    return 255;
}

static double variance_of(const double *x, uint32_t n) {
    double mean = 0, square = 0;
    for (uint32_t i = 0; i < n; i++)
        mean += x[i];
    mean /= n;
    for (uint32_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean);
    return square / n;
}

/* Variance of 4 x - left - right - above - below. */
static double sharpness(const double *x, uint32_t h, uint32_t w) {
    double *edges = memory_get(memory_mul((size_t)h * w + 1, sizeof *edges));
    uint32_t n = 0;
    for (uint32_t i = 1; i + 1 < h; i++)
        for (uint32_t j = 1; j + 1 < w; j++) {
            const double *at = x + (size_t)i * w + j;
            edges[n++] = 4 * at[0] - at[-1] - at[1] - at[-(ptrdiff_t)w] - at[w];
        }
    double v = n ? variance_of(edges, n) : 0;
    memory_release(edges);
    return v;
}

static void mean_and_sd(const double *x, uint32_t n, uint32_t step, float *out) {
    double mean = 0, square = 0;
    for (uint32_t i = 0; i < n; i++)
        mean += x[(size_t)i * step];
    mean /= n;
    for (uint32_t i = 0; i < n; i++)
        square += (x[(size_t)i * step] - mean) * (x[(size_t)i * step] - mean);
    out[0] = (float)mean;
    out[1] = (float)sqrt(square / n);
}

/* Mean and standard deviation of the four sides, and the corners. */
static void measure_border(const double *x, uint32_t h, uint32_t w, float *out) {
    const double *last = x + (size_t)(h - 1) * w;
    mean_and_sd(x, w, 1, out);
    mean_and_sd(last, w, 1, out + 2);
    mean_and_sd(x, h, w, out + 4);
    mean_and_sd(x + w - 1, h, w, out + 6);
    out[8] = (float)x[0];
    out[9] = (float)x[w - 1];
    out[10] = (float)last[0];
    out[11] = (float)last[w - 1];
}

static int measure_chunk(void *context, const struct data_chunk *k,
                         struct rn_error *e) {
    struct pictures *p = context;
    uint64_t row = p->c->profile->begin[k->split] + k->first;
    (void)e;
    for (uint64_t r = 0; r < k->rows; r++) {
        uint32_t h, w;
        near_resize(&p->image, (const char *)k->fields[p->raw] + r * p->bytes, SIDE,
                    p->grey, &h, &w, NULL);
        uint32_t n = h * w;
        p->measure[DARK][row + r] = (float)log(1 + percentile(p->grey, n, 0.99));
        p->measure[BRIGHT][row + r] =
            (float)log(1 + 255 - percentile(p->grey, n, 0.05));
        double variance = variance_of(p->grey, n);
        p->measure[VARIANCE][row + r] = (float)variance;
        p->measure[BLUR][row + r] =
            (float)log(1e-4 + sharpness(p->grey, h, w) / fmax(variance, FLAT));
        measure_border(p->grey, h, w, p->border + (row + r) * BORDER);
    }
    return RN_OK;
}

/* ------------------------------------------------------------------- outliers */

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double median_of(float *x, uint64_t n) {
    qsort(x, n, sizeof *x, by_value);
    return n % 2 ? x[n / 2] : ((double)x[n / 2 - 1] + x[n / 2]) / 2;
}

static const char *const words[] = {"darker", "brighter", "more blurred"};
/* In logarithms: half of the usual, of a variance a quarter. */
static const double below[] = {0.6931471805599453, 0.6931471805599453,
                               1.3862943611198906};
static const enum finding_id ids[] = {FINDING_DARK, FINDING_BRIGHT, FINDING_BLUR};

/* Images that are not flat, far below the median in robust standard deviations. */
static void find_far(struct check *c, const struct pictures *p, const char *field,
                     enum measure m) {
    uint64_t rows = c->profile->rows, n = 0;
    const float *x = p->measure[m], *variance = p->measure[VARIANCE];
    float *all = memory_get(memory_mul(rows + 1, sizeof *all));
    for (uint64_t i = 0; i < rows; i++)
        if (variance[i] >= FLAT)
            all[n++] = x[i];
    double middle = n ? median_of(all, n) : 0, most = 0;
    for (uint64_t i = 0; i < n; i++)
        all[i] = (float)fabs(all[i] - middle);
    double unit = n ? median_of(all, n) / 0.6745 : 0;
    memory_release(all);
    if (n < ROWS_MIN || !(unit > 0)) {
        finding_skip(&c->findings, ids[m], "images hardly differ in it");
        return;
    }
    struct finding *f = finding_add(&c->findings, ids[m], field, 0, NAN);
    for (uint64_t i = 0; i < rows; i++) {
        double z = (middle - x[i]) / unit;
        if (!(variance[i] >= FLAT) || z < f->threshold || middle - x[i] < below[m])
            continue;
        most = fmax(most, z);
        f->n++;
        finding_row(f, profile_file_row(c->profile, i));
    }
    f->effect = most;
    finding_reason(&c->findings, f,
                   "%llu %s far %s than the others, the farthest %.3g robust "
                   "standard deviations",
                   (unsigned long long)f->n, f->n == 1 ? "image is" : "images are",
                   words[m], most);
}

static void find_flat(struct check *c, const struct pictures *p, const char *field) {
    struct finding *f = finding_add(&c->findings, FINDING_FLAT, field, 0, NAN);
    for (uint64_t i = 0; i < c->profile->rows; i++)
        if (!(p->measure[VARIANCE][i] >= FLAT)) {
            f->n++;
            finding_row(f, profile_file_row(c->profile, i));
        }
    f->effect = (double)f->n;
    finding_reason(&c->findings, f, "%llu %s of one colour", (unsigned long long)f->n,
                   f->n == 1 ? "image is" : "images are");
}

/* ---------------------------------------------------------------------- border */

struct border_model {
    uint32_t classes;
    double mean[BORDER], scale[BORDER];
    double *w, *gradient; /* [classes, BLANK] */
    double *p;            /* [classes] scratch */
};

static void border_row(const struct border_model *m, const float *x, double *out) {
    for (uint32_t j = 0; j < BORDER; j++)
        out[j] = (x[j] - m->mean[j]) * m->scale[j];
    out[BORDER] = 1;
}

static uint32_t border_predict(const struct border_model *m, const double *x) {
    uint32_t best = 0;
    double most = -INFINITY, sum = 0;
    for (uint32_t k = 0; k < m->classes; k++) {
        m->p[k] = 0;
        for (uint32_t j = 0; j < BLANK; j++)
            m->p[k] += m->w[k * BLANK + j] * x[j];
        if (m->p[k] > most) {
            most = m->p[k];
            best = k;
        }
    }
    for (uint32_t k = 0; k < m->classes; k++)
        sum += m->p[k] = exp(m->p[k] - most);
    for (uint32_t k = 0; k < m->classes; k++)
        m->p[k] /= sum;
    return best;
}

static void border_scale(struct border_model *m, const float *x, uint64_t rows) {
    for (uint32_t j = 0; j < BORDER; j++) {
        double sum = 0, square = 0;
        for (uint64_t i = 0; i < rows; i++)
            sum += x[i * BORDER + j];
        m->mean[j] = sum / (double)rows;
        for (uint64_t i = 0; i < rows; i++)
            square +=
                (x[i * BORDER + j] - m->mean[j]) * (x[i * BORDER + j] - m->mean[j]);
        m->scale[j] = square > 0 ? 1 / sqrt(square / (double)rows) : 0;
    }
}

/* Gradient descent on the mean log loss of every `step`-th training row. */
static void border_learn(struct border_model *m, const float *x,
                         const int32_t *class_of, uint64_t rows) {
    uint64_t step = (rows + LEARN - 1) / LEARN;
    for (int s = 0; s < STEPS; s++) {
        double n = 0, at[BLANK];
        memset(m->gradient, 0, (size_t)m->classes * BLANK * sizeof *m->gradient);
        for (uint64_t i = 0; i < rows; i += step) {
            if (class_of[i] < 0)
                continue;
            n++;
            border_row(m, x + i * BORDER, at);
            border_predict(m, at);
            m->p[class_of[i]] -= 1;
            for (uint32_t k = 0; k < m->classes; k++)
                for (uint32_t j = 0; j < BLANK; j++)
                    m->gradient[k * BLANK + j] += m->p[k] * at[j];
        }
        for (uint32_t i = 0; i < m->classes * BLANK && n > 0; i++)
            m->w[i] -= RATE * (m->gradient[i] / n + DECAY * m->w[i]);
    }
}

static void score_border(struct check *c, const struct border_model *m, const float *x,
                         const char *field, enum data_split_kind s) {
    const struct profile *p = c->profile;
    double right = 0, n = 0, majority = 0, at[BLANK];
    double *of = memory_get(memory_mul(m->classes + 1, sizeof *of));
    for (uint64_t i = p->begin[s]; i < p->begin[s] + p->of[s]; i++) {
        if (p->class_of[i] < 0)
            continue;
        border_row(m, x + i * BORDER, at);
        right += border_predict(m, at) == (uint32_t)p->class_of[i];
        majority = fmax(majority, ++of[p->class_of[i]]);
        n++;
    }
    memory_release(of);
    if (!(n > 0))
        return;
    double low = wilson_low(right / n, n, Z95);
    struct finding *f = finding_add(&c->findings, FINDING_BACKGROUND_LEAK, field,
                                    low - majority / n, NAN);
    f->n = (uint64_t)n;
    f->split = data_split_name(s);
    finding_reason(&c->findings, f,
                   "the border of the image alone tells the class of %.3g %% of %s (at "
                   "least %.3g %%); the most frequent class has %.3g %%",
                   100 * right / n, f->split, 100 * low, 100 * majority / n);
}

static void look_at_border(struct check *c, const struct pictures *p,
                           const char *field) {
    const struct profile *f = c->profile;
    enum data_split_kind s = f->of[DATA_VAL] ? DATA_VAL : DATA_TEST;
    if (f->target_kind != TARGET_CLASSES || f->classes < 2 ||
        f->classes > PROFILE_CLASSES || f->of[DATA_TRAIN] < ROWS_MIN ||
        f->of[s] < ROWS_MIN)
        return;
    struct border_model m = {.classes = f->classes};
    m.w = memory_get((size_t)m.classes * BLANK * sizeof *m.w);
    m.gradient = memory_get((size_t)m.classes * BLANK * sizeof *m.w);
    m.p = memory_get(m.classes * sizeof *m.p);
    border_scale(&m, p->border, f->of[DATA_TRAIN]);
    border_learn(&m, p->border, f->class_of, f->of[DATA_TRAIN]);
    score_border(c, &m, p->border, field, s);
    memory_release(m.w);
    memory_release(m.gradient);
    memory_release(m.p);
}

/* -------------------------------------------------------------------- all of it */

static int measure_all(struct pictures *p, struct rn_error *e) {
    const struct check *c = p->c;
    bool *wanted = memory_get(data_raw_count(c->data) + 1);
    int status = RN_OK;
    wanted[p->raw] = true;
    for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++)
        status =
            data_scan(c->data, (enum data_split_kind)s, wanted, measure_chunk, p, e);
    memory_release(wanted);
    return status;
}

static int look_at_field(struct check *c, struct pictures *p, struct rn_error *e) {
    struct data_raw f = data_raw_at(c->data, p->raw);
    size_t rows = (size_t)c->profile->rows + 1;
    bool enough = true;
    int status = RN_OK;
    p->bytes = f.elements * RN_DTYPE_BYTES(f.dtype);
    p->grey = memory_get(SIDE * SIDE * sizeof *p->grey);
    for (int m = 0; m < MEASURES; m++)
        enough &= (p->measure[m] = memory_try(memory_mul(rows, sizeof(float)))) != NULL;
    p->border = memory_try(memory_mul(rows, BORDER * sizeof *p->border));
    if (!enough || !p->border)
        status = error_set(e, RN_E_MEMORY, "no memory for the measures of %llu images",
                           (unsigned long long)c->profile->rows);
    else
        status = measure_all(p, e);
    if (status == RN_OK) {
        find_flat(c, p, f.name);
        for (int m = DARK; m <= BLUR; m++)
            find_far(c, p, f.name, (enum measure)m);
        look_at_border(c, p, f.name);
    }
    for (int m = 0; m < MEASURES; m++)
        memory_release(p->measure[m]);
    memory_release(p->border);
    memory_release(p->grey);
    return status;
}

static bool any_asked(const struct findings *f) {
    return f->asked[FINDING_DARK] || f->asked[FINDING_BRIGHT] ||
           f->asked[FINDING_BLUR] || f->asked[FINDING_FLAT] ||
           f->asked[FINDING_BACKGROUND_LEAK];
}

int check_pictures(struct check *c, struct rn_error *e) {
    int status = RN_OK;
    for (uint32_t i = 0; i < data_raw_count(c->data) && status == RN_OK; i++) {
        struct pictures p = {.c = c, .raw = i};
        if (any_asked(&c->findings) && c->profile->rows >= ROWS_MIN &&
            check_is_image(c, i, &p.image))
            status = look_at_field(c, &p, e);
    }
    const char *why = c->profile->rows < ROWS_MIN ? "fewer than 50 rows"
                                                  : "no images among the inputs";
    for (int m = DARK; m <= BLUR; m++)
        finding_skip(&c->findings, ids[m], why);
    finding_skip(&c->findings, FINDING_FLAT, why);
    finding_skip(
        &c->findings, FINDING_BACKGROUND_LEAK,
        "no images of 2 to 64 classes with 50 rows in train and in val or test");
    return status;
}
