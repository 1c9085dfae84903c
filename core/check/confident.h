/* SPDX-License-Identifier: Apache-2.0 */
/* Confident learning (Northcutt, Jiang & Chuang 2021): which labels are probably wrong,
 * from probabilities that a network gave to rows that it was not trained on. Counts and
 * choice are those of cleanlab 2.9 (compute_confident_joint, calibrated, and
 * find_label_issues by noise rate). Pure functions. */
#ifndef CHECK_CONFIDENT_H
#define CHECK_CONFIDENT_H

#include <stdbool.h>
#include <stdint.h>

#define CONFIDENT_ROWS_MIN 5u /* of a class; rows of smaller ones are not judged */

struct label_issue {
    uint64_t row;           /* of the matrix */
    uint32_t given, likely; /* likely: the largest probability of the others */
    double p_given, p_likely;
    double margin; /* p_given - p_likely */
};

/* p: [rows, classes]; given: [rows] below classes. t[j] is the mean of p[., j] over the
 * rows with label j; a row counts as j if p[., j] >= t[j] - 1e-6, of several such j as
 * the largest p. joint: [classes, classes], out, rows by given and likely label: these
 * counts, at least 1 on the diagonal, scaled so that each row sums to the rows of its
 * label. Flagged are, for each pair, as many rows as the joint has with the largest
 * p[likely] - p[given], unless the given label is also the prediction. spare_small:
 * none of classes below CONFIDENT_ROWS_MIN. The issues by margin, smallest first:
 * [*count], freed with memory_release. */
struct label_issue *confident_issues(const double *p, const uint32_t *given,
                                     uint64_t rows, uint32_t classes, bool spare_small,
                                     int64_t *joint, uint64_t *count);

#endif
