/* SPDX-License-Identifier: Apache-2.0 */
/* What the results of several runs say together. */
#include <math.h>
#include <string.h>

#include "check/statistics.h"
#include "study/study.h"

#define OUTSIDE 0.05 /* of the interval */

/* t with P(|T| > t) = OUTSIDE. */
static double student_quantile(double freedom) {
    double low = 0, high = 2;
    while (student_tails(high, freedom) > OUTSIDE)
        high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-14 * high; i++) {
        double t = (low + high) / 2;
        *(student_tails(t, freedom) > OUTSIDE ? &low : &high) = t;
    }
    return (low + high) / 2;
}

/* sum (x - mean)^2; *mean. NaN if one of them is. */
static double squares(const double *x, uint32_t n, double *mean) {
    double sum = 0, all = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += x[i];
    *mean = n ? sum / n : NAN;
    for (uint32_t i = 0; i < n; i++)
        all += (x[i] - *mean) * (x[i] - *mean);
    return all;
}

static double value_of(const struct study_run *r, const char *name) {
    for (uint32_t i = 0; i < r->metrics.count; i++)
        if (strcmp(r->metrics.at[i].name, name) == 0)
            return r->metrics.at[i].value;
    return NAN;
}

/* The runs of one fold of one repeat, or without folds all of them, are next to each
 * other: their mean, and the squares within. */
static void summarise(struct study *s, struct study_row *row) {
    uint32_t groups = s->folds ? s->folds * s->repeats : s->seeds;
    uint32_t each = s->folds ? s->seeds : 1;
    double within = 0, *one = arena_array(s->arena, double, each + 1);
    row->folds = groups;
    row->values = arena_array(s->arena, double, groups + 1);
    for (uint32_t g = 0; g < groups; g++) {
        for (uint32_t i = 0; i < each; i++)
            one[i] = value_of(&s->runs[g * each + i], row->name);
        within += squares(one, each, &row->values[g]);
    }
    double between = squares(row->values, groups, &row->mean);
    double sd = groups > 1 ? sqrt(between / (groups - 1)) : NAN;
    row->fold_sd = s->folds ? sd : NAN;
    row->seed_sd = !s->folds  ? sd
                   : each > 1 ? sqrt(within / (groups * (each - 1.0)))
                              : NAN;
    double share = 1.0 / groups + (s->folds > 1 ? 1.0 / (s->folds - 1) : 0);
    double half = groups > 1 ? student_quantile(groups - 1.0) * sd * sqrt(share) : NAN;
    row->low = row->mean - half;
    row->high = row->mean + half;
}

uint32_t study_rows(struct study *s, struct study_row **out) {
    const struct study_run *first = &s->runs[0];
    uint32_t n = 0;
    struct study_row *rows =
        arena_array(s->arena, struct study_row, first->metrics.count + 1);
    for (uint32_t i = 0; i < first->metrics.count && s->done == s->count; i++) {
        rows[n].name = first->metrics.at[i].name;
        summarise(s, &rows[n++]);
    }
    *out = rows;
    return n;
}
