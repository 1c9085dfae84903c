/* SPDX-License-Identifier: Apache-2.0 */
/* Everything about one column, from all of its values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check/profile.h"
#include "check/runs.h"
#include "data/drift.h"

#define BINS     64u /* of a rule on one input */
#define FAR      6.0
#define MAD_UNIT 0.6745 /* the MAD of a normal distribution, in its sd */

/* A column, and its distinct values. */
struct view {
    const struct profile *p;
    struct profile_column *c;
    const double *x;
    struct runs runs;
};

/* ----------------------------------------------------------------- counting */

static void count_split(struct view *v, int split, struct moments_sum *m) {
    const struct profile *p = v->p;
    struct summary *s = &v->c->of[split];
    memset(m, 0, sizeof *m);
    *s = (struct summary){.rows = p->of[split], .min = NAN, .max = NAN};
    for (uint64_t i = p->begin[split]; i < p->begin[split] + p->of[split]; i++) {
        double x = v->x[i];
        if (!isfinite(x)) {
            s->missing += isnan(x) != 0;
            s->infinite += isnan(x) == 0;
            if (!v->c->example[split])
                v->c->example[split] = i + 1;
        } else if (v->c->kind != COLUMN_TEXT) {
            moments_add(m, x);
        }
    }
    s->m = moments_total(m);
}

static void count_runs(struct view *v) {
    const struct runs *r = &v->runs;
    for (uint64_t i = 0; i < r->count; i++) {
        double x = r->value[i];
        bool whole = x == rint(x);
        for (int k = 0; k < DATA_SPLITS; k++) {
            struct summary *s = &v->c->of[k];
            uint64_t n = runs_rows(r, k, i);
            if (!n)
                continue;
            s->zeros += x == 0 ? n : 0;
            s->negative += x < 0 ? n : 0;
            s->whole += whole ? n : 0;
            s->min = isnan(s->min) ? x : s->min;
            s->max = x;
        }
    }
}

static void merge_splits(struct view *v) {
    struct summary *all = &v->c->of[PROFILE_ALL];
    *all = (struct summary){.min = NAN, .max = NAN};
    for (int s = 0; s < DATA_SPLITS; s++) {
        const struct summary *x = &v->c->of[s];
        all->rows += x->rows;
        all->missing += x->missing;
        all->infinite += x->infinite;
        all->zeros += x->zeros;
        all->negative += x->negative;
        all->whole += x->whole;
        moments_merge(&all->m, &x->m);
    }
    if (v->runs.count) {
        all->min = v->runs.value[0];
        all->max = v->runs.value[v->runs.count - 1];
    }
}

/* ------------------------------------------------------------------- values */

static void keep_top(struct profile_column *c, double value, uint64_t count) {
    uint32_t i = c->top_count;
    while (i && c->top[i - 1].count < count)
        i--;
    if (i == PROFILE_TOPS)
        return;
    uint32_t last = c->top_count < PROFILE_TOPS ? c->top_count++ : PROFILE_TOPS - 1;
    memmove(&c->top[i + 1], &c->top[i], (last - i) * sizeof c->top[0]);
    c->top[i] = (struct top_value){value, NULL, count};
}

static void count_values(struct view *v) {
    struct profile_column *c = v->c;
    const struct runs *r = &v->runs;
    double pairs = 0, gone = (double)(c->of[PROFILE_ALL].rows - r->total);
    for (uint64_t i = 0; i < r->count; i++) {
        uint64_t n = runs_rows(r, PROFILE_ALL, i);
        pairs += (double)n * (double)(n - 1);
        keep_top(c, r->value[i], n);
        if (!i)
            c->low_mass = n;
        if (i + 1 == r->count)
            c->high_mass = n;
    }
    c->distinct = r->count;
    if (r->count) {
        c->inner_low = r->count > 1 ? r->value[1] : c->inner_low;
        c->inner_high = r->value[r->count > 1 ? r->count - 2 : 0];
    }
    double rows = (double)c->of[PROFILE_ALL].rows;
    pairs += gone * (gone - 1);
    c->collision = rows > 1 ? pairs / (rows * (rows - 1)) : 0;
    for (uint32_t i = 0; i < c->top_count && c->kind == COLUMN_TEXT; i++)
        c->top[i].text = c->categories[(uint32_t)c->top[i].value].text;
}

/* The median of |x - median|: outwards from the median. */
static double median_deviation(const struct runs *r, double p50) {
    uint64_t up = 0, n = r->total, done = 0;
    double at = 0.5 * (double)(n - 1), low = floor(at), two[2] = {0, 0};
    while (up < r->count && r->value[up] < p50)
        up++;
    uint64_t down = up, rank = (uint64_t)low;
    while (done <= rank + 1 && (down || up < r->count)) {
        bool left =
            down && (up == r->count || p50 - r->value[down - 1] <= r->value[up] - p50);
        uint64_t i = left ? --down : up++;
        double d = left ? p50 - r->value[i] : r->value[i] - p50;
        uint64_t before = done;
        done += runs_rows(r, PROFILE_ALL, i);
        if (before <= rank && rank < done)
            two[0] = two[1] = d;
        if (before <= rank + 1 && rank + 1 < done)
            two[1] = d;
    }
    return sorted_quantile(two, 2, at - low);
}

static void measure_spread(struct view *v) {
    struct profile_column *c = v->c;
    const struct runs *r = &v->runs;
    c->mad = median_deviation(r, c->p50);
    /* A column that is mostly one value: its quartiles, in the unit of a normal one. */
    double unit = c->mad > 0 ? c->mad / MAD_UNIT : (c->p75 - c->p25) / (2 * MAD_UNIT);
    for (uint64_t i = 0; i < r->count && unit > 0; i++)
        if (fabs(r->value[i] - c->p50) > FAR * unit)
            c->far += runs_rows(r, PROFILE_ALL, i);
}

static void draw_bars(struct view *v) {
    struct profile_column *c = v->c;
    const struct runs *r = &v->runs;
    double low = c->p01, high = c->p99;
    uint64_t count[PROFILE_BARS] = {0}, most = 0;
    if (!(high > low)) {
        low = r->value[0];
        high = r->value[r->count - 1];
    }
    for (uint64_t i = 0; i < r->count && high > low; i++) {
        double at = (r->value[i] - low) / (high - low) * PROFILE_BARS;
        if (at < 0 || at > PROFILE_BARS)
            continue;
        uint32_t k = (uint32_t)at;
        count[k < PROFILE_BARS ? k : PROFILE_BARS - 1] += runs_rows(r, PROFILE_ALL, i);
    }
    for (uint32_t k = 0; k < PROFILE_BARS; k++)
        most = count[k] > most ? count[k] : most;
    for (uint32_t k = 0; k < PROFILE_BARS && most; k++)
        c->bars[k] = (uint8_t)((count[k] * 8 + most - 1) / most);
}

static void take_quantiles(struct view *v) {
    struct profile_column *c = v->c;
    double *at[] = {&c->p01, &c->p05, &c->p25, &c->p50, &c->p75, &c->p95, &c->p99};
    static const double q[] = {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99};
    for (int i = 0; i < 7; i++)
        *at[i] = v->runs.total ? runs_quantile(&v->runs, PROFILE_ALL, q[i]) : NAN;
}

/* -------------------------------------------------------------- order of rows */

static void measure_order(struct view *v) {
    const struct profile *p = v->p;
    struct profile_column *c = v->c;
    uint64_t pairs = 0, up = 0, down = 0;
    double before = NAN, sum = 0;
    for (uint64_t i = 0; i < p->rows; i++) {
        double x = v->x[p->file_order[i]];
        if (!isfinite(x))
            continue;
        if (!isnan(before)) {
            pairs++;
            up += x >= before;
            down += x <= before;
            sum += (x - before) * (x - before);
        }
        before = x;
    }
    up = up > down ? up : down;
    c->rising = pairs ? (double)up / (double)pairs : NAN;
    double m2 = c->of[PROFILE_ALL].m.m2, n = (double)v->runs.total;
    c->neighbours = m2 > 0 ? sum / m2 : NAN;
    c->neighbours_z =
        n > 2 && m2 > 0 ? (2 - c->neighbours) / sqrt(4 * (n - 2) / (n * n - 1)) : NAN;
}

/* --------------------------------------------------------------------- shifts */

static void shift_numbers(const struct view *v, int split, struct shift *s) {
    const struct runs *r = &v->runs;
    uint64_t n = r->n[DATA_TRAIN], m = r->n[split], counts[2][10];
    double edges[10];
    uint32_t bins = 0;
    if (!n || !m)
        return;
    double h = (double)n * (double)m / (double)(n + m);
    s->ks = runs_distance(r, DATA_TRAIN, split);
    s->ks_p = kolmogorov_tail(s->ks * sqrt(h));
    for (int i = 1; i <= 10; i++) { /* the last edge is the largest number */
        double edge = i < 10 ? runs_quantile(r, DATA_TRAIN, i / 10.0) : INFINITY;
        if (!bins || edge > edges[bins - 1])
            edges[bins++] = edge;
    }
    uint64_t before[2] = {0, 0};
    for (uint32_t i = 0; i < bins; i++)
        for (int k = 0; k < 2; k++) {
            int at = k ? split : DATA_TRAIN;
            uint64_t to = runs_up_to(r, at, edges[i]);
            counts[k][i] = to - before[k];
            before[k] = to;
        }
    s->psi = stability_index(counts[0], counts[1], bins);
    s->psi_p = bins > 1 ? chi2_tail(s->psi * h, bins - 1) : 1;
}

/* Categories that are rare in both together are one. */
static void shift_texts(const struct view *v, int split, struct shift *s) {
    const struct profile_column *c = v->c;
    uint64_t n = v->runs.n[DATA_TRAIN], m = v->runs.n[split];
    uint64_t(*t)[2] = memory_get(memory_mul(c->category_count + 1, sizeof *t));
    uint64_t *flat = memory_get(memory_mul(c->category_count + 1, 2 * sizeof *flat));
    uint32_t bins = 1;
    for (uint32_t i = 0; i < c->category_count; i++) {
        const struct category *k = &c->categories[i];
        s->expected += k->rows[DATA_TRAIN] == 1 && n ? (double)m / (double)n : 0;
        if (!k->rows[DATA_TRAIN] && k->rows[split]) {
            if (!s->unseen) {
                s->unseen_row = k->first;
                s->unseen_text = k->text;
            }
            s->unseen += k->rows[split];
        }
        uint64_t both = k->rows[DATA_TRAIN] + k->rows[split];
        double least = (double)both * (double)(n < m ? n : m) / (double)(n + m);
        uint32_t at = least < 5 ? 0 : bins++;
        t[at][0] += k->rows[DATA_TRAIN];
        t[at][1] += k->rows[split];
    }
    for (uint32_t i = 0; i < bins; i++) {
        flat[i] = t[i][0];
        flat[bins + i] = t[i][1];
    }
    double freedom;
    if (n && m) {
        double chi2 = table_chi2(flat, 2, bins, &freedom, &s->v);
        s->v_p = freedom > 0 ? chi2_tail(chi2, freedom) : 1;
    }
    memory_release(t);
    memory_release(flat);
}

static void shift_missing(const struct view *v, int split, struct shift *s) {
    const struct summary *a = &v->c->of[DATA_TRAIN], *b = &v->c->of[split];
    double n = (double)a->rows, m = (double)b->rows;
    double p = (double)(a->missing + b->missing) / (n + m);
    double d = (double)a->missing / n - (double)b->missing / m;
    double sd = sqrt(p * (1 - p) * (1 / n + 1 / m));
    s->missing_p = sd > 0 ? 2 * normal_tail(fabs(d) / sd) : 1;
}

static void measure_shifts(struct view *v) {
    for (int s = DATA_VAL; s < DATA_SPLITS; s++) {
        struct shift *x = &v->c->shift[s];
        *x = (struct shift){.ks_p = 1, .psi_p = 1, .v_p = 1, .missing_p = 1};
        if (!v->p->of[DATA_TRAIN] || !v->p->of[s])
            continue;
        shift_missing(v, s, x);
        if (v->c->kind == COLUMN_TEXT)
            shift_texts(v, s, x);
        else
            shift_numbers(v, s, x);
    }
}

/* ----------------------------------------------------------- against the target */

/* Which bin a value is in: numbers by edges, categories by their rank; the last one is
 * what is missing or infinite. */
struct binning {
    uint32_t bins;
    double edges[BINS];
    uint32_t *of_code; /* of text; owned */
};

struct frequent {
    uint64_t rows;
    uint32_t code;
};

static int by_rows(const void *a, const void *b) {
    const struct frequent *x = a, *y = b;
    if (x->rows != y->rows)
        return x->rows < y->rows ? 1 : -1;
    return (x->code > y->code) - (x->code < y->code);
}

static void bin_texts(const struct profile_column *c, struct binning *b) {
    struct frequent *f = memory_get(memory_mul(c->category_count + 1, sizeof *f));
    b->of_code = memory_get(memory_mul(c->category_count + 1, sizeof *b->of_code));
    for (uint32_t i = 0; i < c->category_count; i++)
        f[i] = (struct frequent){c->categories[i].rows[DATA_TRAIN], i};
    qsort(f, c->category_count, sizeof *f, by_rows);
    for (uint32_t i = 0; i < c->category_count; i++)
        b->of_code[f[i].code] = i < BINS - 1 ? i : BINS - 1;
    b->bins = c->category_count < BINS ? c->category_count : BINS;
    memory_release(f);
}

static void bin_numbers(const struct view *v, struct binning *b) {
    const struct runs *r = &v->runs;
    for (uint32_t i = 1; r->n[DATA_TRAIN] && i <= BINS; i++) {
        double edge =
            i < BINS ? runs_quantile(r, DATA_TRAIN, i / (double)BINS) : INFINITY;
        if (!b->bins || edge > b->edges[b->bins - 1])
            b->edges[b->bins++] = edge;
    }
    for (uint32_t i = b->bins; i < BINS; i++)
        b->edges[i] = INFINITY;
}

static uint32_t bin_of(const struct binning *b, double x) {
    if (!isfinite(x))
        return b->bins;
    if (b->of_code)
        return b->of_code[(uint32_t)x];
    uint32_t low = 0; /* edges behind the last are infinite */
    for (uint32_t half = BINS / 2; half; half /= 2)
        low += x > b->edges[low + half - 1] ? half : 0;
    return low;
}

/* The bins of the training rows. */
static uint8_t *bin_rows(const struct view *v, const struct binning *b) {
    const struct runs *r = &v->runs;
    uint64_t n = v->p->of[DATA_TRAIN];
    uint8_t *out = memory_get(n + 1);
    if (!r->code) {
        for (uint64_t i = 0; i < n; i++)
            out[i] = (uint8_t)bin_of(b, v->x[i]);
        return out;
    }
    uint8_t *of_run = memory_get(r->count + 1);
    uint8_t *of_code = memory_get((uint64_t)r->codes + 1);
    for (uint64_t i = 0; i < r->count; i++)
        of_run[i] = (uint8_t)bin_of(b, r->value[i]);
    for (uint32_t c = 0; c < r->codes; c++)
        of_code[c] = of_run[r->of_code[c]];
    for (uint64_t i = 0; i < n; i++)
        out[i] = r->code[i] == UINT32_MAX ? (uint8_t)b->bins : of_code[r->code[i]];
    memory_release(of_run);
    memory_release(of_code);
    return out;
}

/* Mean one-vs-rest AUC: bins scored by the share of the class in the other half. */
static double score_classes(const uint64_t *fit, const uint64_t *test, uint32_t bins,
                            uint32_t classes) {
    struct scored s[BINS + 1];
    uint64_t rows[BINS + 1] = {0}, tested[BINS + 1] = {0}, all = 0;
    double sum = 0;
    uint32_t known = 0;
    for (uint32_t b = 0; b < bins; b++)
        for (uint32_t k = 0; k < classes; k++) {
            rows[b] += fit[b * classes + k];
            tested[b] += test[b * classes + k];
        }
    for (uint32_t b = 0; b < bins; b++)
        all += rows[b];
    for (uint32_t k = 0; k < classes && all; k++) {
        double of_class = 0;
        for (uint32_t b = 0; b < bins; b++)
            of_class += (double)fit[b * classes + k];
        for (uint32_t b = 0; b < bins; b++) {
            double share = ((double)fit[b * classes + k] + of_class / (double)all) /
                           ((double)rows[b] + 1);
            double yes = (double)test[b * classes + k];
            s[b] = (struct scored){share, yes, (double)tested[b] - yes};
        }
        double auc = auc_of(s, bins);
        if (!isnan(auc)) {
            sum += auc;
            known++;
        }
    }
    return known ? sum / known : NAN;
}

static void relate_classes(const struct view *v, const struct binning *b) {
    const struct profile *p = v->p;
    uint32_t k = p->classes, bins = b->bins + 1;
    struct relation *out = &v->c->relation;
    uint64_t *t = memory_get((size_t)2 * bins * k * sizeof *t), largest = 0, rows = 0;
    uint8_t *bin = bin_rows(v, b);
    for (uint64_t r = 0; r < p->of[DATA_TRAIN]; r++)
        if (p->class_of[r] >= 0)
            t[((r & 1) * bins + bin[r]) * k + (uint32_t)p->class_of[r]]++;
    memory_release(bin);
    double a = score_classes(t, t + bins * k, bins, k);
    double c = score_classes(t + bins * k, t, bins, k);
    out->score = isnan(a) ? c : isnan(c) ? a : (a + c) / 2;
    for (uint32_t i = 0; i < k; i++) {
        uint64_t n = p->class_rows[i * DATA_SPLITS + DATA_TRAIN];
        rows += n;
        largest = n > largest ? n : largest;
    }
    out->known = !isnan(out->score);
    out->low = out->known ? wilson_low(out->score, (double)(rows - largest), 1.96) : 0;
    memory_release(t);
}

struct bin_sum {
    double n, y, y2;
};

static double score_numbers(const struct bin_sum *fit, const struct bin_sum *test,
                            uint32_t bins) {
    double n = 0, y = 0, y2 = 0, wrong = 0, mean = 0, rows = 0;
    for (uint32_t b = 0; b < bins; b++) {
        rows += fit[b].n;
        mean += fit[b].y;
        n += test[b].n;
        y += test[b].y;
        y2 += test[b].y2;
    }
    mean = rows > 0 ? mean / rows : 0;
    for (uint32_t b = 0; b < bins; b++) {
        double m = fit[b].n > 0 ? fit[b].y / fit[b].n : mean;
        wrong += test[b].y2 - 2 * m * test[b].y + test[b].n * m * m;
    }
    double spread = n > 0 ? y2 - y * y / n : 0;
    return spread > 0 ? 1 - wrong / spread : NAN;
}

static void relate_numbers(const struct view *v, const struct binning *b) {
    const struct profile *p = v->p;
    struct relation *out = &v->c->relation;
    struct bin_sum t[2][BINS + 1];
    double centre = 0, n = 0;
    memset(t, 0, sizeof t);
    for (uint64_t r = 0; r < p->of[DATA_TRAIN]; r++)
        if (isfinite(p->y[r])) {
            centre += p->y[r];
            n++;
        }
    centre = n > 0 ? centre / n : 0;
    uint8_t *bin = bin_rows(v, b);
    for (uint64_t r = 0; r < p->of[DATA_TRAIN]; r++) {
        double y = p->y[r] - centre;
        if (!isfinite(y))
            continue;
        struct bin_sum *s = &t[r & 1][bin[r]];
        s->n++;
        s->y += y;
        s->y2 += y * y;
    }
    memory_release(bin);
    double a = score_numbers(t[0], t[1], b->bins + 1);
    double c = score_numbers(t[1], t[0], b->bins + 1);
    out->score = (a + c) / 2;
    out->known = !isnan(out->score) && n > 8;
    if (!out->known || out->score <= 0)
        return;
    double z = atanh(sqrt(fmin(out->score, 1 - 1e-15))) - 1.96 / sqrt(n - 3);
    out->low = z > 0 ? tanh(z) * tanh(z) : 0;
}

/* Is being empty related to the class? The best one-vs-rest AUC of it. */
static void relate_missing(const struct view *v) {
    const struct profile *p = v->p;
    uint64_t t[2 * PROFILE_CLASSES] = {0}, rows[2] = {0};
    struct relation *out = &v->c->relation;
    uint32_t k = p->classes;
    double freedom, cramer;
    for (uint64_t r = 0; r < p->of[DATA_TRAIN] && v->c->of[DATA_TRAIN].missing; r++)
        if (p->class_of[r] >= 0) {
            uint32_t gone = isnan(v->x[r]) != 0;
            t[gone * k + (uint32_t)p->class_of[r]]++;
            rows[gone]++;
        }
    out->missing_score = 0.5;
    out->missing_p = 1;
    if (!rows[0] || !rows[1])
        return;
    for (uint32_t i = 0; i < k; i++) {
        double in = (double)t[i] + (double)t[k + i];
        double other = (double)(rows[0] + rows[1]) - in;
        if (!(in > 0) || !(other > 0))
            continue;
        double d = (double)t[k + i] / in - ((double)rows[1] - (double)t[k + i]) / other;
        double auc = 0.5 + fabs(d) / 2;
        out->missing_score = auc > out->missing_score ? auc : out->missing_score;
    }
    double chi2 = table_chi2(t, 2, k, &freedom, &cramer);
    out->missing_p = freedom > 0 ? chi2_tail(chi2, freedom) : 1;
}

static void measure_relation(struct view *v) {
    const struct profile *p = v->p;
    struct binning b = {0};
    if (p->target_kind == TARGET_NONE || v->c->target || p->classes < 2 ||
        p->classes > PROFILE_CLASSES)
        return;
    relate_missing(v);
    if (v->c->kind == COLUMN_TEXT)
        bin_texts(v->c, &b);
    else
        bin_numbers(v, &b);
    if (b.bins && p->target_kind == TARGET_CLASSES)
        relate_classes(v, &b);
    else if (b.bins)
        relate_numbers(v, &b);
    memory_release(b.of_code);
}

void column_measure(const struct profile *p, struct profile_column *c,
                    const double *x) {
    struct view v = {.p = p, .c = c, .x = x};
    struct moments_sum *m = memory_get(sizeof *m);
    runs_make(&v.runs, p, x);
    for (int s = 0; s < DATA_SPLITS; s++)
        count_split(&v, s, m);
    count_runs(&v);
    merge_splits(&v);
    count_values(&v);
    measure_shifts(&v);
    measure_relation(&v);
    c->p01 = c->p05 = c->p25 = c->p50 = c->p75 = c->p95 = c->p99 = c->mad = NAN;
    if (c->kind != COLUMN_TEXT && v.runs.total) {
        take_quantiles(&v);
        draw_bars(&v);
        measure_spread(&v);
        measure_order(&v);
    }
    hash128_add(&c->content, x, p->rows * sizeof *x);
    runs_finish(&v.runs);
    memory_release(m);
}
