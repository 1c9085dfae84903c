/* SPDX-License-Identifier: Apache-2.0 */
/* What a split came out as: rows, shares of classes, groups, and how far the parts are
 * apart. */
#ifndef DATA_SPLIT_REPORT_H
#define DATA_SPLIT_REPORT_H

#include "base/memory.h"
#include "data/data.h"

/* A scalar field, an element of a field of one axis, or the mean of the elements of an
 * image or another field of many, compared with the training rows. */
struct split_field {
    const char *name;
    struct split_shift {
        uint32_t bins; /* 0: not compared, as there is nothing to compare */
        double psi;
        double noise; /* what psi exceeds in 5 % of splits without drift */
        bool above;   /* what the largest of all fields exceeds in 5 % of them */
    } shift[DATA_SPLITS];
};

struct split_report {
    const char *kind,
        *method;   /* "stratified", "stratified by label, groups by patient" */
    uint64_t seed; /* of kinds that have one */
    bool seeded;
    uint32_t folds, fold;   /* 0: none; fold from 1 */
    uint64_t all, left_out; /* rows of the main source; of them in no part */
    uint64_t dropped;       /* by data.drop_missing, of all sources */
    uint64_t rows[DATA_SPLITS];
    bool main[DATA_SPLITS]; /* of the source that is divided: its classes are counted */
    const char *class_field; /* NULL: no field of classes */
    uint32_t class_count;
    const char **classes;                /* [class_count] */
    uint64_t (*class_rows)[DATA_SPLITS]; /* [class_count] */
    uint64_t *class_all;                 /* [class_count] of all parts together */
    uint64_t group_count;                /* 0: no groups */
    uint64_t groups[DATA_SPLITS];
    uint32_t field_count;
    struct split_field *fields;
};

/* Of open data, not of a stream. Text and tables are in the arena. RN_E_*: reading. */
int split_report_make(struct data *data, struct arena *a, struct split_report *out,
                      struct rn_error *e);

/* The field of the largest psi in a part; NULL: none was compared. */
const struct split_field *split_report_largest(const struct split_report *r, int part);

/* The class whose share of a part is farthest from its share of all: how far. 0 without
 * classes. */
struct split_imbalance {
    double off;
    uint32_t of_class;
    int part;
};
struct split_imbalance split_report_imbalance(const struct split_report *r);

#endif
