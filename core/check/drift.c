/* SPDX-License-Identifier: Apache-2.0 */
/* Differences between train and the other splits. */
#include <math.h>
#include <string.h>

#include "check/check.h"

static const char *split_name(int s) {
    return data_split_name((enum data_split_kind)s);
}

static void look_at_numbers(struct check *k, const struct profile_column *c, int s) {
    const struct shift *x = &c->shift[s];
    double d = k->findings.threshold[FINDING_DRIFT];
    struct finding *f;
    if (!c->of[DATA_TRAIN].m.n || !c->of[s].m.n)
        return;
    bool by_psi = x->ks < d && x->psi >= 2 * d;
    f = finding_add(&k->findings, FINDING_DRIFT, c->name, by_psi ? x->psi : x->ks,
                    by_psi ? x->psi_p : x->ks_p);
    f->split = split_name(s);
    f->n = c->of[s].m.n;
    finding_reason(&k->findings, f,
                   "D %.3f, PSI %.3f from train to %s; mean %.4g -> %.4g", x->ks,
                   x->psi, f->split, c->of[DATA_TRAIN].m.mean, c->of[s].m.mean);
}

static void look_at_texts(struct check *k, const struct profile_column *c, int s) {
    const struct shift *x = &c->shift[s];
    struct finding *f = finding_add(&k->findings, FINDING_DRIFT, c->name, x->v, x->v_p);
    f->split = split_name(s);
    f->n = c->of[s].rows;
    finding_reason(&k->findings, f,
                   "categories differ from train to %s: Cramer's V %.3f", f->split,
                   x->v);
    f = finding_add(&k->findings, FINDING_NEW_CATEGORY, c->name, (double)x->unseen,
                    NAN);
    f->split = split_name(s);
    f->n = x->unseen;
    if (!x->unseen)
        return;
    if (poisson_tail((double)x->unseen, x->expected) > 0.01)
        f->severity = SEVERITY_NOTE;
    finding_row(f, profile_file_row(k->profile, x->unseen_row));
    finding_reason(
        &k->findings, f,
        "%llu %s of %s %s a category that train does not have, such as \"%s\"",
        (unsigned long long)x->unseen, x->unseen == 1 ? "row" : "rows", f->split,
        x->unseen == 1 ? "has" : "have", x->unseen_text);
}

static void look_at_missing(struct check *k, const struct profile_column *c, int s) {
    const struct summary *a = &c->of[DATA_TRAIN], *b = &c->of[s];
    if (!a->rows || !b->rows || c->kind == COLUMN_TENSOR)
        return;
    double p = (double)a->missing / (double)a->rows;
    double q = (double)b->missing / (double)b->rows;
    struct finding *f = finding_add(&k->findings, FINDING_MISSING_SHIFT, c->name,
                                    fabs(p - q), c->shift[s].missing_p);
    f->split = split_name(s);
    f->n = b->missing;
    finding_reason(&k->findings, f, "%.3g %% are missing in train, %.3g %% in %s",
                   100 * p, 100 * q, f->split);
}

static void look_at_labels(struct check *k, int s) {
    const struct profile *p = k->profile;
    const struct profile_column *c = &p->columns[p->target];
    double effect = c->shift[s].ks, p_value = c->shift[s].ks_p;
    if (p->target_kind == TARGET_CLASSES) {
        uint64_t *t = memory_get(memory_mul(p->classes + 1, 2 * sizeof *t));
        double freedom;
        for (uint32_t i = 0; i < p->classes; i++) {
            t[i] = p->class_rows[i * DATA_SPLITS + DATA_TRAIN];
            t[p->classes + i] = p->class_rows[i * DATA_SPLITS + (uint32_t)s];
        }
        double chi2 = table_chi2(t, 2, p->classes, &freedom, &effect);
        p_value = freedom > 0 ? chi2_tail(chi2, freedom) : 1;
        memory_release(t);
    }
    struct finding *f =
        finding_add(&k->findings, FINDING_LABEL_DRIFT, c->name, effect, p_value);
    f->split = split_name(s);
    f->n = p->of[s];
    bool classes = p->target_kind == TARGET_CLASSES;
    finding_reason(&k->findings, f, "the target differs from train to %s: %s %.3f",
                   f->split, classes ? "Cramer's V" : "D", effect);
    if (classes) {
        struct text keys = {0};
        text_addf(&keys, "kind: stratified, by: %s", fix_name(k, p->roles.target));
        fix_split(k, f, text_get(&keys));
        text_finish(&keys);
    }
}

void check_drift(struct check *k) {
    const struct profile *p = k->profile;
    static const enum finding_id all[] = {FINDING_DRIFT, FINDING_LABEL_DRIFT,
                                          FINDING_MISSING_SHIFT, FINDING_NEW_CATEGORY};
    bool others = p->of[DATA_TRAIN] && p->of[DATA_VAL] + p->of[DATA_TEST];
    for (int s = DATA_VAL; s < DATA_SPLITS && others; s++) {
        if (!p->of[s])
            continue;
        for (uint32_t i = 0; i < p->count; i++) {
            const struct profile_column *c = &p->columns[i];
            if (!c->target)
                look_at_missing(k, c, s);
            if (!c->input || c->target)
                continue;
            if (c->kind == COLUMN_TEXT)
                look_at_texts(k, c, s);
            else if (c->kind != COLUMN_TENSOR)
                look_at_numbers(k, c, s);
        }
        if (p->target_kind != TARGET_NONE)
            look_at_labels(k, s);
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        finding_skip(&k->findings, all[i],
                     !others                          ? "one split only"
                     : all[i] == FINDING_LABEL_DRIFT  ? p->roles.why
                     : all[i] == FINDING_NEW_CATEGORY ? "no text among the inputs"
                                                      : "no input of single values");
}
