/* SPDX-License-Identifier: Apache-2.0 */
/* Confident counts, their calibration, and the rows that they flag. */
#include "check/confident.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define NEARLY 1e-6

/* -------------------------------------------------------------------- counts */

static void find_thresholds(const double *p, const uint32_t *given, uint64_t rows,
                            uint32_t classes, const uint64_t *of, double *t) {
    for (uint64_t i = 0; i < rows; i++)
        t[given[i]] += p[i * classes + given[i]];
    for (uint32_t k = 0; k < classes; k++)
        t[k] = of[k] ? fmax(t[k] / (double)of[k], 2 * NEARLY) : 2;
}

static uint32_t largest(const double *p, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t k = 1; k < n; k++)
        best = p[k] > p[best] ? k : best;
    return best;
}

/* The class that a row counts as; `classes`: none. */
static uint32_t counts_as(const double *p, const double *t, uint32_t classes) {
    uint32_t first = classes, found = 0;
    for (uint32_t k = 0; k < classes; k++) {
        if (!(p[k] >= t[k] - NEARLY))
            continue;
        first = found++ ? first : k;
    }
    return found > 1 ? largest(p, classes) : first;
}

struct rounded {
    double rest;
    uint32_t at;
};

static int by_rest(const void *a, const void *b) {
    const struct rounded *x = a, *y = b;
    if (x->rest != y->rest)
        return x->rest < y->rest ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Whole numbers of the same sum: those that rounding changed the most change once more.
 */
static void round_sum(const double *x, uint32_t n, int64_t *out, struct rounded *r) {
    double sum = 0, have = 0;
    for (uint32_t k = 0; k < n; k++) {
        out[k] = (int64_t)rint(x[k]);
        sum += x[k];
        have += (double)out[k];
        r[k] = (struct rounded){x[k] - rint(x[k]), k};
    }
    int64_t left = (int64_t)(rint(sum) - have);
    qsort(r, n, sizeof *r, by_rest);
    for (uint32_t k = 0; k < n && left; k++) {
        out[left > 0 ? r[n - 1 - k].at : r[k].at] += left > 0 ? 1 : -1;
        left += left > 0 ? -1 : 1;
    }
}

/* Rows sum to the rows of their label. */
static void calibrate(double *counts, const uint64_t *of, uint64_t rows,
                      uint32_t classes, int64_t *joint) {
    struct rounded *r = memory_get(memory_mul(classes + 1, sizeof *r));
    double all = 0;
    for (uint32_t s = 0; s < classes; s++) {
        double sum = 0, *row = counts + (size_t)s * classes;
        for (uint32_t k = 0; k < classes; k++)
            sum += row[k];
        for (uint32_t k = 0; k < classes; k++)
            all += row[k] = row[k] / fmax(sum, 1e-100) * (double)of[s];
    }
    for (size_t i = 0; i < (size_t)classes * classes; i++)
        counts[i] = counts[i] / fmax(all, 1e-100) * (double)rows;
    for (uint32_t s = 0; s < classes; s++)
        round_sum(counts + (size_t)s * classes, classes, joint + (size_t)s * classes,
                  r);
    memory_release(r);
}

static void count_joint(const double *p, const uint32_t *given, uint64_t rows,
                        uint32_t classes, const uint64_t *of, int64_t *joint) {
    double *t = memory_get(memory_mul(classes + 1, sizeof *t));
    double *counts = memory_get(memory_mul((size_t)classes * classes, sizeof *counts));
    find_thresholds(p, given, rows, classes, of, t);
    for (uint64_t i = 0; i < rows; i++) {
        uint32_t k = counts_as(p + i * classes, t, classes);
        if (k < classes)
            counts[(size_t)given[i] * classes + k]++;
    }
    for (uint32_t k = 0; k < classes; k++)
        counts[(size_t)k * classes + k] = fmax(counts[(size_t)k * classes + k], 1);
    calibrate(counts, of, rows, classes, joint);
    memory_release(t);
    memory_release(counts);
}

/* How many rows of label s to flag as each class: what the joint has, less what keeps
 * one row of the label. */
static void count_flags(const int64_t *joint, uint32_t classes, uint32_t s,
                        uint64_t *out) {
    const int64_t *row = joint + (size_t)s * classes;
    double others = 0, missing = fmax(0, 1 - (double)row[s]);
    for (uint32_t k = 0; k < classes; k++)
        others += row[k] != 0;
    others = fmax(others - 1, 1);
    for (uint32_t k = 0; k < classes; k++)
        out[k] = k == s ? 0 : (uint64_t)fmax(0, (double)row[k] - missing / others);
}

/* -------------------------------------------------------------------- flagging */

struct candidate {
    double margin;
    uint64_t row;
};

static int by_margin(const void *a, const void *b) { /* the largest first */
    const struct candidate *x = a, *y = b;
    if (x->margin != y->margin)
        return x->margin > y->margin ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void flag_pair(const double *p, uint32_t classes, uint32_t s, uint32_t k,
                      uint64_t n, struct candidate *of, uint64_t rows, bool *flag) {
    for (uint64_t i = 0; i < rows; i++) {
        const double *x = p + of[i].row * classes;
        of[i].margin = x[k] - x[s];
    }
    qsort(of, rows, sizeof *of, by_margin);
    for (uint64_t i = 0; i < n && i < rows; i++)
        flag[of[i].row] = true;
}

static void flag_class(const double *p, const uint32_t *given, uint64_t rows,
                       uint32_t classes, uint32_t s, const int64_t *joint, bool *flag) {
    struct candidate *of = memory_get(memory_mul(rows + 1, sizeof *of));
    uint64_t *flags = memory_get(memory_mul(classes + 1, sizeof *flags)), n = 0;
    for (uint64_t i = 0; i < rows; i++)
        if (given[i] == s)
            of[n++].row = i;
    count_flags(joint, classes, s, flags);
    for (uint32_t k = 0; k < classes && n > 1; k++)
        if (flags[k])
            flag_pair(p, classes, s, k, flags[k], of, n, flag);
    memory_release(of);
    memory_release(flags);
}

static struct label_issue issue_of(const double *p, uint32_t classes, uint32_t given,
                                   uint64_t row) {
    struct label_issue x = {.row = row, .given = given, .likely = given ? 0 : 1};
    const double *at = p + row * classes;
    for (uint32_t k = 0; k < classes; k++)
        if (k != given && at[k] > at[x.likely])
            x.likely = k;
    x.p_given = at[given];
    x.p_likely = at[x.likely];
    x.margin = x.p_given - x.p_likely;
    return x;
}

static int by_issue(const void *a, const void *b) {
    const struct label_issue *x = a, *y = b;
    if (x->margin != y->margin)
        return x->margin < y->margin ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

struct label_issue *confident_issues(const double *p, const uint32_t *given,
                                     uint64_t rows, uint32_t classes, bool spare_small,
                                     int64_t *joint, uint64_t *count) {
    uint64_t *of = memory_get(memory_mul(classes + 1, sizeof *of));
    bool *flag = memory_get(rows + 1);
    struct label_issue *out = NULL;
    uint64_t room = 0;
    *count = 0;
    for (uint64_t i = 0; i < rows; i++)
        of[given[i]]++;
    count_joint(p, given, rows, classes, of, joint);
    for (uint32_t s = 0; s < classes; s++)
        if (!spare_small || of[s] >= CONFIDENT_ROWS_MIN)
            flag_class(p, given, rows, classes, s, joint, flag);
    for (uint64_t i = 0; i < rows; i++) {
        if (!flag[i])
            continue;
        struct label_issue x = issue_of(p, classes, given[i], i);
        /* The given label is the prediction, or as good as it: that is no error. */
        bool predicted = x.likely < x.given ? x.p_given + NEARLY > x.p_likely
                                            : x.p_given + NEARLY >= x.p_likely;
        if (!predicted)
            vec_push(out, *count, room, x);
    }
    if (*count) /* of none there is no memory */
        qsort(out, *count, sizeof *out, by_issue);
    memory_release(of);
    memory_release(flag);
    return out;
}
