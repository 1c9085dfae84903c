/* SPDX-License-Identifier: Apache-2.0 */
/* Labels that predictions on unseen rows speak against. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/field.h>

#include "check/check.h"
#include "check/confident.h"

#define Z95 1.959963984540054

/* The labels as the network gets them: [rows] counted through the splits; -1: none. */
struct labelling {
    const struct check *c;
    uint32_t field;
    int64_t *of;
};

static int note_labels(void *context, const struct data_chunk *k, struct rn_error *e) {
    struct labelling *l = context;
    const struct data_field *f = data_field_at(l->c->data, l->field);
    uint64_t row = l->c->profile->begin[k->split] + k->first;
    (void)e;
    for (uint64_t r = 0; r < k->rows; r++) {
        double v;
        rn_numbers_get(k->fields[l->field], f->dtype, r, 1, &v);
        l->of[row + r] = v >= 0 && v < 4294967295.0 ? (int64_t)v : -1;
    }
    return RN_OK;
}

static int read_labels(struct labelling *l, struct rn_error *e) {
    uint32_t n = data_field_count(l->c->data);
    bool *wanted = memory_get(n + 1);
    int status = RN_OK;
    wanted[l->field] = true;
    for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++)
        status = data_scan_samples(l->c->data, (enum data_split_kind)s, wanted,
                                   note_labels, l, e);
    memory_release(wanted);
    return status;
}

static int by_id(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The row of a sample, counted through the splits; UINT64_MAX: there is none. */
static uint64_t row_of(const struct check *c, int64_t id) {
    for (int s = 0; s < DATA_SPLITS; s++) {
        uint64_t rows = c->profile->of[s];
        const int64_t *ids = data_ids(c->data, (enum data_split_kind)s);
        const int64_t *at = rows ? bsearch(&id, ids, rows, sizeof id, by_id) : NULL;
        if (at)
            return c->profile->begin[s] + (uint64_t)(at - ids);
    }
    return UINT64_MAX;
}

static const char *name_of(struct check *c, const struct data_field *f, uint32_t k) {
    return f->class_names && k < f->classes ? f->class_names[k]
                                            : arena_format(c->arena, "%u", k);
}

static void report(struct check *c, const struct check_labels *l) {
    struct finding *f =
        finding_add(&c->findings, FINDING_LABEL_ERROR, c->roles.target, l->low, NAN);
    f->n = l->count;
    for (uint64_t i = 0; i < l->count; i++)
        finding_row(f, l->at[i].row);
    finding_reason(
        &c->findings, f,
        "about %llu of %llu labels look wrong (%.2g %%, 95 %%: %.2g to %.2g), "
        "by predictions of %s on rows that it was not trained on",
        (unsigned long long)l->count, (unsigned long long)l->rows, 100 * l->share,
        100 * l->low, 100 * l->high, l->how);
    if (l->small)
        finding_reason(&c->findings, f, "%u %s of fewer than 5 rows left out", l->small,
                       l->small == 1 ? "class is" : "classes are");
}

/* Issues of the judged rows; place: [rows] where they are, counted through. */
static void keep_issues(struct check *c, const struct data_field *f,
                        const struct label_issue *all, uint64_t count,
                        const uint64_t *place) {
    struct check_labels *l = c->labels;
    const struct profile *p = c->profile;
    l->count = count;
    l->at = arena_array(c->arena, struct check_label, count + 1);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t row = place[all[i].row];
        l->at[i] = (struct check_label){profile_file_row(p, row),
                                        data_split_name(profile_split(p, row)),
                                        name_of(c, f, all[i].given),
                                        name_of(c, f, all[i].likely),
                                        all[i].p_given,
                                        all[i].p_likely,
                                        all[i].margin};
    }
    l->share = l->rows ? (double)count / (double)l->rows : 0;
    l->low = l->rows ? wilson_low(l->share, (double)l->rows, Z95) : 0;
    l->high = l->rows ? wilson_high(l->share, (double)l->rows, Z95) : 0;
}

static void judge(struct check *c, const struct check_predictions *q,
                  const struct data_field *f, const int64_t *labels) {
    struct check_labels *l = c->labels;
    uint64_t count;
    double *p = memory_get(memory_mul(q->rows * q->classes + 1, sizeof *p));
    uint32_t *given = memory_get(memory_mul(q->rows + 1, sizeof *given));
    uint64_t *place = memory_get(memory_mul(q->rows + 1, sizeof *place));
    uint64_t *of = memory_get(memory_mul(q->classes + 1, sizeof *of));
    int64_t *joint =
        memory_get(memory_mul((size_t)q->classes * q->classes, sizeof *joint));
    for (uint64_t i = 0; i < q->rows; i++) {
        uint64_t row = row_of(c, q->ids[i]);
        if (labels[row] < 0 || labels[row] >= q->classes)
            continue;
        memcpy(p + l->rows * q->classes, q->p + i * q->classes, q->classes * sizeof *p);
        given[l->rows] = (uint32_t)labels[row];
        of[given[l->rows]]++;
        place[l->rows++] = row;
    }
    for (uint32_t k = 0; k < q->classes; k++)
        l->small += of[k] && of[k] < CONFIDENT_ROWS_MIN;
    struct label_issue *all =
        confident_issues(p, given, l->rows, q->classes, true, joint, &count);
    keep_issues(c, f, all, count, place);
    memory_release(all);
    memory_release(p);
    memory_release(given);
    memory_release(place);
    memory_release(of);
    memory_release(joint);
}

/* The field of the sample that is the label; UINT32_MAX with *why. */
static uint32_t label_field(const struct check *c, const char **why) {
    *why = !c->ready             ? "the transforms cannot be fitted"
           : !c->roles.target    ? c->roles.why
           : c->roles.regression ? "the target is not a class"
                                 : NULL;
    for (uint32_t i = 0; !*why && i < data_field_count(c->data); i++) {
        const struct data_field *f = data_field_at(c->data, i);
        bool number = !f->text && f->bytes == RN_DTYPE_BYTES(f->dtype);
        if (strcmp(f->name, c->roles.target) == 0 && number)
            return i;
    }
    *why = *why ? *why : "the target is not one number of the sample";
    return UINT32_MAX;
}

int check_label_errors(struct check *c, struct rn_error *e) {
    const struct check_predictions *q = c->o.predictions;
    const char *why = "--labels looks for them";
    uint32_t field = q ? label_field(c, &why) : UINT32_MAX;
    if (field == UINT32_MAX && !q)
        finding_skip(&c->findings, FINDING_LABEL_ERROR, why);
    if (field == UINT32_MAX)
        return q ? error_set(e, RN_E_CONFIG, "--labels: %s", why) : RN_OK;
    if (strcmp(q->content, data_content_hash(c->data)) != 0)
        return error_set(e, RN_E_DATA, "--from: that run was trained on other data");
    for (uint64_t i = 0; i < q->rows; i++)
        if (row_of(c, q->ids[i]) == UINT64_MAX)
            return error_set(e, RN_E_DATA,
                             "--labels: sample %lld of the predictions is in no split",
                             (long long)q->ids[i]);
    struct labelling l = {c, field,
                          memory_try(memory_mul(c->profile->rows + 1, sizeof *l.of))};
    if (!l.of)
        return error_set(e, RN_E_MEMORY, "no memory for the labels");
    c->labels = arena_new(c->arena, struct check_labels);
    c->labels->how = q->how;
    int status = read_labels(&l, e);
    if (status == RN_OK) {
        judge(c, q, data_field_at(c->data, field), l.of);
        report(c, c->labels);
    }
    memory_release(l.of);
    return status;
}

static void add_cell(struct text *out, const char *s) {
    if (!strpbrk(s, ",\"\r\n")) {
        text_add(out, s);
        return;
    }
    text_add(out, "\"");
    for (; *s; s++)
        text_addf(out, *s == '"' ? "\"\"" : "%c", *s);
    text_add(out, "\"");
}

void check_labels_csv(const struct check *c, struct text *out) {
    text_add(out, "row,given,likely,p_given,p_likely,margin,split\n");
    for (uint64_t i = 0; c->labels && i < c->labels->count; i++) {
        const struct check_label *l = &c->labels->at[i];
        text_addf(out, "%llu,", (unsigned long long)l->row);
        add_cell(out, l->given);
        text_add(out, ",");
        add_cell(out, l->likely);
        text_addf(out, ",%.6g,%.6g,%.6g,%s\n", l->p_given, l->p_likely, l->margin,
                  l->split);
    }
}
