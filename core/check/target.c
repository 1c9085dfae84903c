/* SPDX-License-Identifier: Apache-2.0 */
/* Findings about the target: its classes, their sizes in the splits, its shape. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check/check.h"
#include "check/equal.h"

#define NAMED 8u /* classes listed in a reason */

static uint64_t class_rows(const struct profile *p, uint32_t k, int split) {
    return p->class_rows[k * DATA_SPLITS + (uint32_t)split];
}

static void fix_stratified(struct check *k, struct finding *f) {
    struct text keys = {0};
    text_addf(&keys, "kind: stratified, by: %s", fix_name(k, k->profile->roles.target));
    fix_split(k, f, text_get(&keys));
    text_finish(&keys);
}

static void look_at_split(struct check *k, int split) {
    struct profile *p = k->profile;
    const char *name = data_split_name((enum data_split_kind)split);
    const char *field = p->columns[p->target].name;
    struct text gone = {0};
    uint32_t present = 0, absent = 0;
    for (uint32_t i = 0; i < p->classes; i++) {
        if (class_rows(p, i, split)) {
            present++;
            continue;
        }
        if (absent++ < NAMED)
            text_addf(&gone, "%s%s", absent > 1 ? ", " : "", p->class_names[i]);
    }
    finding_looked(&k->findings, FINDING_SINGLE_CLASS);
    finding_looked(&k->findings, FINDING_CLASS_MISSING);
    if (present == 1) {
        struct finding *f =
            finding_add(&k->findings, FINDING_SINGLE_CLASS, field, 1, NAN);
        f->split = name;
        f->n = p->of[split];
        finding_reason(&k->findings, f, "all rows of %s have one class", name);
        fix_stratified(k, f);
    } else if (absent && present) {
        struct finding *f =
            finding_add(&k->findings, FINDING_CLASS_MISSING, field, absent, NAN);
        f->split = name;
        f->n = absent;
        f->severity = split == DATA_TRAIN ? SEVERITY_ERROR : SEVERITY_WARN;
        finding_reason(&k->findings, f, "%u of %u classes have no row in %s: %s%s",
                       absent, p->classes, name, text_get(&gone),
                       absent > NAMED ? ", ..." : "");
        fix_stratified(k, f);
    }
    text_finish(&gone);
}

/* Do rare classes count more already? */
static bool weighed(const struct check *k) {
    const struct node *loss = node_find(k->x->root, "loss");
    const char *name;
    if (node_at(k->x->root, "data.sampler"))
        return true;
    for (uint32_t i = 0; loss && i < node_components(loss); i++) {
        const struct node *n = node_component(loss, i, &name);
        const struct node *w =
            node_kind(n) == NODE_MAP ? node_find(n, "class_weights") : NULL;
        if (w && node_kind(w) != NODE_NULL)
            return true;
    }
    return false;
}

static void look_at_balance(struct check *k) {
    struct profile *p = k->profile;
    uint32_t most = 0, least = UINT32_MAX;
    for (uint32_t i = 0; i < p->classes; i++) {
        uint64_t n = class_rows(p, i, DATA_TRAIN);
        most = n > class_rows(p, most, DATA_TRAIN) ? i : most;
        if (n && (least == UINT32_MAX || n < class_rows(p, least, DATA_TRAIN)))
            least = i;
    }
    if (least == UINT32_MAX)
        return;
    double a = (double)class_rows(p, most, DATA_TRAIN);
    double b = (double)class_rows(p, least, DATA_TRAIN);
    const char *field = p->columns[p->target].name;
    struct finding *f = finding_add(&k->findings, FINDING_IMBALANCE, field, a / b, NAN);
    f->split = "train";
    f->n = (uint64_t)b;
    if (weighed(k))
        f->severity = SEVERITY_NOTE;
    finding_reason(&k->findings, f,
                   "class %s has %.0f training rows, class %s has %.0f (%.3g : 1)",
                   p->class_names[most], a, p->class_names[least], b, a / b);
    finding_fix(&k->findings, f, "data.sampler={type: balanced, of: %s}",
                fix_name(k, p->roles.target));
}

/* The smallest class of a split that is scored. */
static void look_at_support(struct check *k, int split) {
    struct profile *p = k->profile;
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < p->classes; i++)
        if (class_rows(p, i, split) &&
            (least == UINT32_MAX ||
             class_rows(p, i, split) < class_rows(p, least, split)))
            least = i;
    if (least == UINT32_MAX)
        return;
    double n = (double)class_rows(p, least, split);
    struct finding *f =
        finding_add(&k->findings, FINDING_FEW_ROWS, p->columns[p->target].name, n, NAN);
    f->split = data_split_name((enum data_split_kind)split);
    f->n = (uint64_t)n;
    finding_reason(
        &k->findings, f,
        "class %s has %.0f %s in %s: a share of 0.9 there is known to %.2f - "
        "%.2f",
        p->class_names[least], n, n == 1 ? "row" : "rows", f->split,
        wilson_low(0.9, n, 1.96), wilson_high(0.9, n, 1.96));
}

static void look_at_classes(struct check *k) {
    struct profile *p = k->profile;
    uint32_t scored = 0;
    for (int s = 0; s < DATA_SPLITS; s++) {
        if (!p->of[s])
            continue;
        look_at_split(k, s);
        scored += s != DATA_TRAIN;
        if (s != DATA_TRAIN)
            look_at_support(k, s);
    }
    if (!scored)
        finding_skip(&k->findings, FINDING_FEW_ROWS, "neither val nor test has rows");
    look_at_balance(k);
    finding_skip(&k->findings, FINDING_TARGET_SHAPE, "the target has classes");
    finding_skip(&k->findings, FINDING_TARGET_SCALE, "the target has classes");
}

/* ------------------------------------------------------------------- numbers */

static void look_at_shape(struct check *k, const struct profile_column *c) {
    const struct summary *s = &c->of[PROFILE_ALL];
    double n = (double)s->m.n, g = moments_skewness(&s->m);
    finding_looked(&k->findings, FINDING_TARGET_SHAPE);
    uint64_t mass = c->low_mass > c->high_mass ? c->low_mass : c->high_mass;
    bool few = c->distinct < 20 && n >= 200;
    bool clipped = c->distinct >= 100 && (double)mass >= 0.01 * n && mass >= 10;
    bool skewed = n >= 100 && fabs(g) >= k->findings.threshold[FINDING_TARGET_SHAPE];
    if (!few && !clipped && !skewed)
        return;
    struct finding *f =
        finding_add(&k->findings, FINDING_TARGET_SHAPE, c->name, INFINITY, NAN);
    f->effect = skewed ? fabs(g) : f->threshold;
    f->n = s->m.n;
    if (skewed)
        finding_reason(&k->findings, f, "skewness %.3g", g);
    if (clipped)
        finding_reason(&k->findings, f, "%.3g %% of the rows are at its %s %.6g",
                       100 * (double)mass / n,
                       mass == c->low_mass ? "minimum" : "maximum",
                       mass == c->low_mass ? s->min : s->max);
    if (few)
        finding_reason(&k->findings, f, "%llu different values: are they classes?",
                       (unsigned long long)c->distinct);
    if (skewed)
        fix_transform(k, f, "log", c, s->min >= 0 ? ", shift: 1" : "");
}

struct scale {
    const struct check *k;
    uint32_t field;
    struct moments_sum *sum;
};

static int scale_chunk(void *context, const struct data_chunk *c, struct rn_error *e) {
    struct scale *s = context;
    const float *v = c->fields[s->field];
    (void)e;
    for (uint64_t i = 0; i < c->rows; i++)
        if (isfinite(v[i]))
            moments_add(s->sum, v[i]);
    return RN_OK;
}

/* After the transforms, where it is still one number. */
static void look_at_scale(struct check *k, const struct profile_column *c) {
    struct scale s = {.k = k};
    const struct data_field *f = k->ready ? data_field_find(k->data, c->field) : NULL;
    if (!f || f->dtype != RN_F32 || f->bytes != 4) {
        finding_skip(&k->findings, FINDING_TARGET_SCALE,
                     "the target after the transforms is not one number");
        return;
    }
    bool *wanted = memory_get(data_field_count(k->data) + 1);
    while (data_field_at(k->data, s.field) != f)
        s.field++;
    wanted[s.field] = true;
    s.sum = memory_get(sizeof *s.sum);
    struct rn_error e;
    if (data_scan_samples(k->data, DATA_TRAIN, wanted, scale_chunk, &s, &e) == RN_OK) {
        struct moments m = moments_total(s.sum);
        double sd = moments_sd(&m);
        struct finding *x = finding_add(&k->findings, FINDING_TARGET_SCALE, c->name,
                                        isnan(sd) ? 0 : sd, NAN);
        x->n = m.n;
        finding_reason(&k->findings, x,
                       "mean %.4g, standard deviation %.4g after the transforms",
                       m.mean, sd);
        fix_transform(k, x, "standardise", c, "");
    }
    memory_release(wanted);
    memory_release(s.sum);
}

/* ----------------------------------------------------------------- conflicts */

/* Groups of rows with equal inputs and different classes. */
static void look_for_conflicts(struct check *k) {
    struct profile *p = k->profile;
    uint64_t n;
    struct keyed_row *r = equal_rows(p, true, &n);
    uint64_t *of = memory_get(memory_mul(p->classes + 1, sizeof *of));
    uint64_t rows = 0, best = 0, groups = 0, same = 0;
    uint64_t shown[FINDING_ROWS];
    uint32_t shown_count = 0;
    for (uint64_t i = 0, e; r && i < n; i = e) {
        uint64_t most = 0, size;
        for (e = i; e < n && equal_row(&r[e], &r[i]); e++) {
            uint64_t c = ++of[p->class_of[r[e].row]];
            most = c > most ? c : most;
        }
        size = e - i;
        for (uint64_t j = i; j < e; j++)
            of[p->class_of[r[j].row]] = 0;
        best += most;
        same += size - 1;
        if (most == size)
            continue;
        rows += size;
        groups++;
        for (uint64_t j = i; j < e && shown_count < FINDING_ROWS; j++)
            shown[shown_count++] = r[j].row;
    }
    finding_looked(&k->findings, FINDING_LABEL_CONFLICT);
    if (groups) {
        struct finding *f = finding_add(&k->findings, FINDING_LABEL_CONFLICT,
                                        p->columns[p->target].name, (double)rows, NAN);
        f->n = rows;
        if ((double)same > 0.5 * (double)n)
            f->severity = SEVERITY_NOTE;
        for (uint32_t i = 0; i < shown_count; i++)
            finding_row(f, profile_file_row(p, shown[i]));
        finding_reason(&k->findings, f,
                       "%llu rows in %llu %s have equal inputs and different targets",
                       (unsigned long long)rows, (unsigned long long)groups,
                       groups == 1 ? "group" : "groups");
        finding_reason(&k->findings, f,
                       "ceiling: no model is right on more than %.2f %%",
                       100 * (double)best / (double)n);
    }
    memory_release(r);
    memory_release(of);
}

void check_target(struct check *k) {
    struct profile *p = k->profile;
    static const enum finding_id all[] = {
        FINDING_SINGLE_CLASS, FINDING_CLASS_MISSING, FINDING_IMBALANCE,
        FINDING_FEW_ROWS,     FINDING_TARGET_SHAPE,  FINDING_TARGET_SCALE,
    };
    if (p->target_kind == TARGET_CLASSES && p->classes) {
        look_at_classes(k);
        if (p->inputs)
            look_for_conflicts(k);
    } else if (p->target_kind == TARGET_NUMBER) {
        look_at_shape(k, &p->columns[p->target]);
        look_at_scale(k, &p->columns[p->target]);
    }
    const char *why =
        p->target_kind == TARGET_NUMBER ? "the target is a number" : p->roles.why;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        finding_skip(&k->findings, all[i], why);
    finding_skip(&k->findings, FINDING_LABEL_CONFLICT, why);
}
