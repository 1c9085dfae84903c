/* SPDX-License-Identifier: Apache-2.0 */
/* A check as one JSON object. */
#include <math.h>

#include "base/dtype.h"
#include "base/json_writer.h"
#include "check/check.h"

static void add_finding(struct json_writer *w, const struct finding *f) {
    json_object(w, NULL);
    json_string(w, "code", finding_kinds[f->id].code);
    json_string(w, "family", family_name(finding_kinds[f->id].family));
    json_string(w, "severity", severity_name(f->severity));
    json_string(w, "field", f->field);
    json_string(w, "split", f->split);
    json_uint(w, "n", f->n);
    json_number(w, "effect", f->effect);
    json_number(w, "threshold", f->threshold);
    json_number(w, "p", f->p);
    json_number(w, "q", f->q);
    json_array(w, "rows");
    for (uint32_t i = 0; i < f->row_count; i++)
        json_uint(w, NULL, f->rows[i]);
    json_close(w);
    json_string(w, "reason", f->reason);
    json_string(w, "fix", f->fix);
    json_close(w);
}

static void add_top(struct json_writer *w, const struct profile_column *c) {
    json_array(w, "top");
    for (uint32_t i = 0; i < c->top_count; i++) {
        json_object(w, NULL);
        if (c->top[i].text)
            json_string(w, "value", c->top[i].text);
        else
            json_number(w, "value", c->top[i].value);
        json_uint(w, "rows", c->top[i].count);
        json_close(w);
    }
    json_close(w);
}

static void add_numbers(struct json_writer *w, const struct profile_column *c) {
    const struct summary *s = &c->of[PROFILE_ALL];
    json_uint(w, "infinite", s->infinite);
    json_uint(w, "zeros", s->zeros);
    json_uint(w, "negative", s->negative);
    json_uint(w, "integers", s->whole);
    json_number(w, "mean", s->m.n ? s->m.mean : NAN);
    json_number(w, "std", moments_sd(&s->m));
    json_number(w, "skewness", moments_skewness(&s->m));
    json_number(w, "kurtosis", moments_kurtosis(&s->m));
    json_number(w, "min", s->min);
    json_number(w, "p01", c->p01);
    json_number(w, "p05", c->p05);
    json_number(w, "p25", c->p25);
    json_number(w, "p50", c->p50);
    json_number(w, "p75", c->p75);
    json_number(w, "p95", c->p95);
    json_number(w, "p99", c->p99);
    json_number(w, "max", s->max);
    json_number(w, "mad", c->mad);
    if (c->kind == COLUMN_TENSOR)
        return;
    json_number(w, "neighbours", c->neighbours);
    json_array(w, "shape");
    for (uint32_t i = 0; i < PROFILE_BARS; i++)
        json_uint(w, NULL, c->bars[i]);
    json_close(w);
}

static void add_shifts(struct json_writer *w, const struct profile *p,
                       const struct profile_column *c) {
    json_object(w, "shift");
    for (int s = DATA_VAL; s < DATA_SPLITS; s++) {
        const struct shift *x = &c->shift[s];
        if (!p->of[s] || !p->of[DATA_TRAIN])
            continue;
        json_object(w, data_split_name((enum data_split_kind)s));
        if (c->kind == COLUMN_TEXT) {
            json_number(w, "v", x->v);
            json_number(w, "p", x->v_p);
        } else {
            json_number(w, "ks", x->ks);
            json_number(w, "ks_p", x->ks_p);
            json_number(w, "psi", x->psi);
            json_number(w, "psi_p", x->psi_p);
        }
        json_number(w, "missing_p", x->missing_p);
        json_close(w);
    }
    json_close(w);
}

static void add_column(struct json_writer *w, const struct profile *p,
                       const struct profile_column *c) {
    static const char *const kinds[] = {"number", "text", "length", "tensor"};
    const struct summary *s = &c->of[PROFILE_ALL];
    json_object(w, NULL);
    json_string(w, "name", c->name);
    json_string(w, "field", c->field);
    json_string(w, "kind", kinds[c->kind]);
    json_string(w, "dtype", c->kind == COLUMN_TEXT ? "text" : dtype_name(c->dtype));
    json_string(w, "role", c->target ? "target" : c->input ? "input" : "other");
    json_uint(w, "rows", s->rows);
    json_uint(w, "missing", s->missing);
    if (c->kind != COLUMN_TEXT)
        add_numbers(w, c);
    if (c->kind != COLUMN_TENSOR) {
        json_uint(w, "distinct", c->distinct);
        add_top(w, c);
        add_shifts(w, p, c);
    }
    if (c->relation.known) {
        json_object(w, "alone");
        json_number(w, "score", c->relation.score);
        json_number(w, "low", c->relation.low);
        json_close(w);
    }
    json_close(w);
}

static void add_classes(struct json_writer *w, const struct profile *p) {
    json_array(w, "classes");
    for (uint32_t k = 0; p->target_kind == TARGET_CLASSES && k < p->classes; k++) {
        json_object(w, NULL);
        json_string(w, "name", p->class_names[k]);
        for (int s = 0; s < DATA_SPLITS; s++)
            json_uint(w, data_split_name((enum data_split_kind)s),
                      p->class_rows[k * DATA_SPLITS + (uint32_t)s]);
        json_close(w);
    }
    json_close(w);
}

static void add_checks(struct json_writer *w, const struct findings *f) {
    json_array_lines(w, "checks");
    for (int i = 0; i < FINDING_COUNT; i++) {
        if (!f->asked[i])
            continue;
        bool looked = f->state[i] == FINDING_LOOKED;
        json_object(w, NULL);
        json_string(w, "code", finding_kinds[i].code);
        json_bool(w, "applicable", looked);
        json_string(w, "why", looked ? NULL : f->why[i]);
        json_close(w);
    }
    json_close(w);
}

static void add_labels(struct json_writer *w, const struct check_labels *l) {
    json_object(w, "labels");
    json_string(w, "how", l->how);
    json_uint(w, "rows", l->rows);
    json_uint(w, "wrong", l->count);
    json_number(w, "share", l->share);
    json_number(w, "low", l->low);
    json_number(w, "high", l->high);
    json_uint(w, "small_classes", l->small);
    json_close(w);
}

static void add_near(struct json_writer *w, const struct near_field *f) {
    json_object(w, NULL);
    json_string(w, "field", f->field);
    json_number(w, "threshold", f->threshold);
    json_number(w, "threshold_fine", f->threshold_fine);
    json_uint(w, "flat", f->flat);
    json_uint(w, "pairs", f->pairs);
    json_uint(w, "clusters", f->clusters);
    json_uint(w, "largest", f->largest);
    json_array(w, "nearest");
    for (uint32_t i = 0; i < f->count; i++) {
        json_object(w, NULL);
        json_number(w, "distance", f->distance[i]);
        json_array(w, "rows");
        json_uint(w, NULL, f->rows[i][0]);
        json_uint(w, NULL, f->rows[i][1]);
        json_close(w);
        json_close(w);
    }
    json_close(w);
    json_close(w);
}

void check_json(const struct check *c, struct text *out) {
    struct json_writer w;
    const struct profile *p = c->profile;
    json_begin(&w, out);
    json_object_lines(&w, NULL);
    json_uint(&w, "version", 1);
    json_object(&w, "rows");
    for (int s = 0; s < DATA_SPLITS; s++)
        json_uint(&w, data_split_name((enum data_split_kind)s), p ? p->of[s] : 0);
    json_close(&w);
    json_string(&w, "split", c->data ? data_split_hash(c->data) : NULL);
    json_string(&w, "target", c->roles.target);
    json_array_lines(&w, "columns");
    for (uint32_t i = 0; p && i < p->count; i++)
        add_column(&w, p, &p->columns[i]);
    json_close(&w);
    if (p)
        add_classes(&w, p);
    json_array_lines(&w, "near");
    for (uint32_t i = 0; i < c->near_count; i++)
        add_near(&w, &c->near[i]);
    json_close(&w);
    if (c->labels)
        add_labels(&w, c->labels);
    json_array_lines(&w, "findings");
    for (uint32_t i = 0; i < c->findings.count; i++)
        add_finding(&w, &c->findings.at[i]);
    json_close(&w);
    add_checks(&w, &c->findings);
    json_uint(&w, "allowed", c->findings.allowed);
    json_close(&w);
    json_end(&w);
}
