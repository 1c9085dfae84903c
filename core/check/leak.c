/* SPDX-License-Identifier: Apache-2.0 */
/* Leaks: rows in two splits, inputs that give the target away, sorted files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/check.h"
#include "check/equal.h"

#define CHANCE 0.01 /* of a Poisson count */

/* ---------------------------------------------------------------- equal rows */

/* P(two rows have equal inputs), if columns were independent. A field of many elements
 * is equal by chance only if it is constant. */
static double chance_of_equal(const struct profile *p) {
    double all = 1;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct profile_column *c = &p->columns[i];
        if (!c->input)
            continue;
        if (c->kind == COLUMN_TENSOR)
            all *= c->of[PROFILE_ALL].min < c->of[PROFILE_ALL].max ? 0 : 1;
        else
            all *= c->collision;
    }
    return all;
}

struct pair {
    uint32_t row, of_train;
};

struct overlap {
    uint64_t in_train;              /* training rows that an earlier one is equal to */
    uint64_t crossing[DATA_SPLITS]; /* rows of val and test that train has */
    uint64_t other_label[DATA_SPLITS];
    struct pair shown[DATA_SPLITS][FINDING_ROWS];
    uint32_t shown_count[DATA_SPLITS];
};

static int by_row(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

/* Rows r[begin..end) are equal; those of train come first, as rows are counted. */
static void count_group(const struct profile *p, const struct keyed_row *r, uint64_t n,
                        struct overlap *out) {
    uint64_t train = 0;
    while (train < n && profile_split(p, r[train].row) == DATA_TRAIN)
        train++;
    out->in_train += train ? train - 1 : 0;
    for (uint64_t i = train; train && i < n; i++) {
        int s = profile_split(p, r[i].row);
        bool other = true;
        for (uint64_t j = 0; p->class_of && j < train; j++)
            other &= p->class_of[r[j].row] != p->class_of[r[i].row];
        out->crossing[s]++;
        out->other_label[s] += p->target_kind == TARGET_CLASSES && other;
        struct pair x = {r[i].row, r[0].row};
        uint32_t *k = &out->shown_count[s];
        if (*k < FINDING_ROWS) {
            out->shown[s][(*k)++] = x;
        } else { /* keep the first rows */
            uint32_t last = 0;
            for (uint32_t j = 1; j < FINDING_ROWS; j++)
                last = out->shown[s][j].row > out->shown[s][last].row ? j : last;
            if (x.row < out->shown[s][last].row)
                out->shown[s][last] = x;
        }
    }
}

static void report_crossing(struct check *k, int s, struct overlap *q, double chance) {
    struct profile *p = k->profile;
    const char *name = data_split_name((enum data_split_kind)s);
    double expected = chance * (double)p->of[DATA_TRAIN] * (double)p->of[s];
    uint64_t n = q->crossing[s];
    double chance_p = poisson_tail((double)n, expected);
    finding_looked(&k->findings, FINDING_DUPLICATE_SPLIT);
    if (!n || chance_p > CHANCE)
        return;
    struct finding *f =
        finding_add(&k->findings, FINDING_DUPLICATE_SPLIT, NULL, (double)n, NAN);
    f->p = chance_p;
    f->split = name;
    f->n = n;
    char labels[80] = "";
    if (q->other_label[s])
        snprintf(labels, sizeof labels, "; %llu with another target",
                 (unsigned long long)q->other_label[s]);
    finding_reason(&k->findings, f, "%llu %s of %s %s also in train (%.2g %%)%s",
                   (unsigned long long)n, n == 1 ? "row" : "rows", name,
                   n == 1 ? "is" : "are", 100 * (double)n / (double)p->of[s], labels);
    qsort(q->shown[s], q->shown_count[s], sizeof q->shown[s][0], by_row);
    struct text a = {0}, b = {0};
    for (uint32_t i = 0; i < q->shown_count[s]; i++) {
        uint64_t row = profile_file_row(p, q->shown[s][i].row);
        finding_row(f, row);
        if (i >= 3)
            continue;
        text_addf(&a, "%s%llu", i ? ", " : "", (unsigned long long)row);
        text_addf(&b, "%s%llu", i ? ", " : "",
                  (unsigned long long)profile_file_row(p, q->shown[s][i].of_train));
    }
    finding_reason(&k->findings, f, "%s %s %s%s = train %s %s%s", name,
                   n == 1 ? "row" : "rows", text_get(&a), n > 3 ? " ..." : "",
                   n == 1 ? "row" : "rows", text_get(&b), n > 3 ? " ..." : "");
    const struct node *kind = node_at(k->x->root, "data.split.kind");
    const char *split = kind && node_kind(kind) == NODE_SCALAR ? node_raw(kind) : "";
    if (strcmp(split, "random") == 0 || strcmp(split, "stratified") == 0)
        finding_fix(&k->findings, f, "data.split.group=rows");
    text_finish(&a);
    text_finish(&b);
}

static void look_for_duplicates(struct check *k) {
    struct profile *p = k->profile;
    double chance = chance_of_equal(p);
    if (!p->inputs || chance * (double)p->of[DATA_TRAIN] > 0.01) {
        const char *why = p->inputs
                              ? "the inputs take few values: rows are equal by chance"
                              : "no inputs";
        finding_skip(&k->findings, FINDING_DUPLICATE_SPLIT, why);
        finding_skip(&k->findings, FINDING_DUPLICATE, why);
        return;
    }
    uint64_t n;
    struct keyed_row *r = equal_rows(p, false, &n);
    if (!r) {
        finding_skip(&k->findings, FINDING_DUPLICATE_SPLIT, "no memory");
        finding_skip(&k->findings, FINDING_DUPLICATE, "no memory");
        return;
    }
    struct overlap *q = memory_get(sizeof *q);
    for (uint64_t i = 0, e; i < n; i = e) {
        for (e = i + 1; e < n && equal_row(&r[e], &r[i]); e++)
            ;
        if (e - i > 1)
            count_group(p, r + i, e - i, q);
    }
    for (int s = DATA_VAL; s < DATA_SPLITS; s++)
        if (p->of[s])
            report_crossing(k, s, q, chance);
    double train = (double)p->of[DATA_TRAIN];
    struct finding *f = finding_add(&k->findings, FINDING_DUPLICATE, NULL,
                                    train > 0 ? (double)q->in_train / train : 0, NAN);
    f->n = q->in_train;
    f->split = "train";
    f->p = poisson_tail((double)q->in_train, chance * train * train / 2);
    if (f->p > CHANCE)
        f->effect = 0;
    finding_reason(&k->findings, f, "%llu training rows are there already (%.3g %%)",
                   (unsigned long long)q->in_train, 100 * f->effect);
    memory_release(r);
    memory_release(q);
}

/* ------------------------------------------------------------ against the target */

static void look_at_target(struct check *k, const struct profile_column *c) {
    const struct profile *p = k->profile;
    const struct relation *r = &c->relation;
    if (!r->known)
        return;
    bool classes = p->target_kind == TARGET_CLASSES;
    struct finding *f =
        finding_add(&k->findings, FINDING_TARGET_LEAK, c->name, r->low, NAN);
    f->n = p->of[DATA_TRAIN];
    f->split = "train";
    finding_reason(
        &k->findings, f,
        "alone it tells the target: %s %.3f, at least %.3f, on rows that the "
        "rule was not fitted on",
        classes ? "AUC" : "R2", r->score, r->low);
    fix_drop(k, f, c);
    if (c->of[DATA_TRAIN].missing &&
        c->of[DATA_TRAIN].missing < c->of[DATA_TRAIN].rows) {
        f = finding_add(&k->findings, FINDING_MISSING_LEAK, c->name, r->missing_score,
                        r->missing_p);
        f->n = c->of[DATA_TRAIN].missing;
        f->split = "train";
        finding_reason(&k->findings, f, "being empty tells the target: AUC %.2f",
                       r->missing_score);
        fix_drop(k, f, c);
    }
}

/* AUC of the row number by classes: Mann-Whitney's U in the order of the file. */
static void look_at_order(struct check *k) {
    const struct profile *p = k->profile;
    double sum[PROFILE_CLASSES] = {0}, n[PROFILE_CLASSES] = {0}, all = 0, most = 0.5;
    double z = 0;
    uint32_t which = 0;
    for (uint64_t i = 0; i < p->rows; i++) {
        int32_t c = p->class_of[p->file_order[i]];
        if (c < 0)
            continue;
        sum[c] += ++all;
        n[c]++;
    }
    for (uint32_t c = 0; c < p->classes; c++) {
        double m = all - n[c];
        if (!(n[c] > 0) || !(m > 0))
            continue;
        double u = (sum[c] - n[c] * (n[c] + 1) / 2) / (n[c] * m);
        if (fmax(u, 1 - u) <= most)
            continue;
        most = fmax(u, 1 - u);
        z = (most - 0.5) / sqrt((all + 1) / (12 * n[c] * m));
        which = c;
    }
    struct finding *f =
        finding_add(&k->findings, FINDING_ORDER_LEAK, p->columns[p->target].name, most,
                    fmin(1, 2 * p->classes * normal_tail(z)));
    const struct node *kind = node_at(k->x->root, "data.split.kind");
    const char *split = kind && node_kind(kind) == NODE_SCALAR ? node_raw(kind) : "";
    bool position = strcmp(split, "position") == 0;
    f->n = p->rows;
    if (position)
        f->severity = SEVERITY_ERROR;
    finding_reason(&k->findings, f,
                   "the file is sorted by the target: AUC of the row number %.3f%s%s%s",
                   most, p->target_kind == TARGET_CLASSES ? " (class " : "",
                   p->target_kind == TARGET_CLASSES ? p->class_names[which] : "",
                   p->target_kind == TARGET_CLASSES ? ")" : "");
    if (position && p->target_kind == TARGET_CLASSES) {
        struct text keys = {0};
        text_addf(&keys, "kind: stratified, by: %s", fix_name(k, p->roles.target));
        fix_split(k, f, text_get(&keys));
        text_finish(&keys);
    } else if (position) {
        fix_split(k, f, "kind: random");
    }
}

static void look_at_neighbours(struct check *k) {
    const struct profile *p = k->profile;
    const struct node *kind = node_at(k->x->root, "data.split.kind");
    const char *split =
        kind && node_kind(kind) == NODE_SCALAR ? node_raw(kind) : "random";
    bool drawn = strcmp(split, "random") == 0 || strcmp(split, "stratified") == 0;
    if (!drawn || !(p->of[DATA_VAL] + p->of[DATA_TEST])) {
        finding_skip(&k->findings, FINDING_NEIGHBOUR_ORDER, "no split at random");
        return;
    }
    for (uint32_t i = 0; i < p->count; i++) {
        const struct profile_column *c = &p->columns[i];
        bool id = c->rising >= 0.999 && (double)c->distinct >= 0.99 * (double)p->rows;
        if (!c->input || c->kind != COLUMN_NUMBER || isnan(c->neighbours_z) || id)
            continue;
        struct finding *f =
            finding_add(&k->findings, FINDING_NEIGHBOUR_ORDER, c->name, c->neighbours,
                        c->neighbours_z > 6 ? 2 * normal_tail(c->neighbours_z) : 1);
        f->n = p->rows;
        finding_reason(&k->findings, f,
                       "rows next to each other are alike (von Neumann's ratio %.3f, z "
                       "%.0f), and val and test were drawn among them",
                       c->neighbours, c->neighbours_z);
        fix_split(k, f, "kind: position, gap: 10");
    }
    finding_skip(&k->findings, FINDING_NEIGHBOUR_ORDER, "no numeric input");
}

void check_leaks(struct check *k) {
    struct profile *p = k->profile;
    look_for_duplicates(k);
    look_at_neighbours(k);
    bool target = p->target_kind != TARGET_NONE && p->classes <= PROFILE_CLASSES &&
                  p->classes > 1;
    for (uint32_t i = 0; target && i < p->count; i++)
        if (p->columns[i].input)
            look_at_target(k, &p->columns[i]);
    if (target)
        look_at_order(k);
    const char *why = target                          ? "no input with missing values"
                      : p->target_kind == TARGET_NONE ? p->roles.why
                      : p->classes < 2                ? "one class"
                                                      : "more than 64 classes";
    finding_skip(&k->findings, FINDING_MISSING_LEAK, why);
    finding_skip(&k->findings, FINDING_ORDER_LEAK, why);
    finding_skip(&k->findings, FINDING_TARGET_LEAK,
                 target ? "no input of single values" : why);
}
