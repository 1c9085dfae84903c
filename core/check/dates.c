/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of dates, beside the splits and the target. */
#include <math.h>
#include <string.h>

#include "check/check.h"

struct dating {
    struct check *k;
    const struct profile_column *c;
    double first[DATA_SPLITS], last[DATA_SPLITS]; /* days; NAN without rows */
    double *days;                                 /* [rows] NAN where it is none */
};

static int date_chunk(void *context, const struct data_chunk *k, struct rn_error *e) {
    struct dating *d = context;
    const struct profile *p = d->k->profile;
    uint64_t width = data_raw_at(p->data, d->c->raw).elements;
    char text[64];
    (void)e;
    for (uint64_t r = 0; r < k->rows; r++) {
        const char *at = (const char *)k->fields[d->c->raw] + r * width;
        size_t n = strnlen(at, width < sizeof text - 1 ? width : sizeof text - 1);
        memcpy(text, at, n);
        text[n] = '\0';
        double day = date_of(text);
        d->days[p->begin[k->split] + k->first + r] = day;
        if (isnan(day))
            continue;
        d->first[k->split] = fmin(day, d->first[k->split]);
        d->last[k->split] = fmax(day, d->last[k->split]);
    }
    return RN_OK;
}

/* |r| of the day and y (of a class: 1 where it is it). */
static double related(const struct dating *d, int32_t class, uint64_t *n) {
    const struct profile *p = d->k->profile;
    double sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0, middle = NAN, centre = NAN;
    *n = 0;
    for (uint64_t r = 0; r < p->rows; r++) {
        double x = d->days[r], y = class < 0 ? p->y[r] : p->class_of[r] == class;
        if (isnan(x) || !isfinite(y) || p->class_of[r] < 0)
            continue;
        if (!(*n)++) { /* near the means, so that little is lost */
            middle = x;
            centre = y;
        }
        x -= middle;
        y -= centre;
        sx += x;
        sy += y;
        sxx += x * x;
        sxy += x * y;
        syy += y * y;
    }
    double m = (double)*n;
    double a = sxx - sx * sx / m, b = syy - sy * sy / m;
    return a > 0 && b > 0 ? fabs(sxy - sx * sy / m) / sqrt(a * b) : 0;
}

static void judge(const struct dating *d) {
    struct check *k = d->k;
    const struct profile *p = k->profile;
    bool classes = p->target_kind == TARGET_CLASSES;
    uint64_t n = 0;
    double most = 0, first = fmin(d->first[DATA_VAL], d->first[DATA_TEST]);
    uint32_t tries = classes && p->classes <= PROFILE_CLASSES ? p->classes : 1;
    for (uint32_t i = 0; i < tries; i++)
        most = fmax(most, related(d, classes ? (int32_t)i : -1, &n));
    double t = most * sqrt((double)n - 2) / sqrt(fmax(1 - most * most, 1e-300));
    bool mixed = d->last[DATA_TRAIN] > first;
    struct finding *f =
        finding_add(&k->findings, FINDING_TIME_CROSS, d->c->name, mixed ? most : 0,
                    n > 2 ? fmin(1, tries * student_tails(t, (double)n - 2)) : 1);
    f->n = n;
    finding_reason(
        &k->findings, f,
        "train has rows later than the first of the other splits, and the target "
        "changes in time (|r| %.2f)",
        most);
    struct text keys = {0};
    text_addf(&keys, "kind: time, by: %s", fix_name(k, d->c->field));
    fix_split(k, f, text_get(&keys));
    text_finish(&keys);
}

static bool has_dates(const struct profile_column *c) {
    uint64_t dates = 0, all = 0;
    for (uint32_t i = 0; i < c->category_count; i++) {
        const struct category *x = &c->categories[i];
        uint64_t n = x->rows[DATA_TRAIN] + x->rows[DATA_VAL] + x->rows[DATA_TEST];
        all += n;
        dates += isnan(date_of(x->text)) ? 0 : n;
    }
    return c->kind == COLUMN_TEXT && all && (double)dates >= 0.95 * (double)all;
}

int check_dates(struct check *k, struct rn_error *e) {
    const struct profile *p = k->profile;
    bool others = p->of[DATA_TRAIN] && p->of[DATA_VAL] + p->of[DATA_TEST];
    int status = RN_OK;
    for (uint32_t i = 0;
         i < p->count && others && p->y && p->class_of && status == RN_OK; i++) {
        const struct profile_column *c = &p->columns[i];
        if (c->target || !has_dates(c))
            continue;
        struct dating d = {.k = k, .c = c};
        bool *wanted = memory_get(data_raw_count(k->data) + 1);
        wanted[c->raw] = true;
        d.days = memory_get(memory_mul(p->rows + 1, sizeof *d.days));
        for (int s = 0; s < DATA_SPLITS; s++)
            d.first[s] = d.last[s] = NAN;
        for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++)
            status =
                data_scan(k->data, (enum data_split_kind)s, wanted, date_chunk, &d, e);
        if (status == RN_OK)
            judge(&d);
        memory_release(wanted);
        memory_release(d.days);
    }
    finding_skip(&k->findings, FINDING_TIME_CROSS,
                 !others                         ? "one split only"
                 : p->target_kind == TARGET_NONE ? p->roles.why
                                                 : "no column of dates");
    return status;
}
