/* SPDX-License-Identifier: Apache-2.0 */
/* train.folds and train.seeds: the runs one after the other, and a table at the end. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "commands/cli/report.h"
#include "commands/cli/signals.h"
#include "commands/verbs/train.h"
#include "study/study.h"

#define COLUMNS 10u /* values of folds in a row of the table */

static void announce(const struct study *s, uint32_t i) {
    const struct study_run *r = &s->runs[i];
    fprintf(stderr, "%srun %u of %u:", i ? "\n" : "", i + 1, s->count);
    if (s->folds)
        fprintf(stderr, " fold %u of %u,", r->fold + 1, s->folds);
    if (s->repeats > 1)
        fprintf(stderr, " repeat %u,", r->repeat + 1);
    fprintf(stderr, " seed %llu\n", (unsigned long long)r->seed);
}

static void add_value(struct text *out, double v) {
    char text[32] = "n/a";
    if (!isnan(v))
        snprintf(text, sizeof text, "%.4g", v);
    text_addf(out, " %8s", text);
}

static void add_row(const struct study_row *r, struct text *out) {
    text_addf(out, "%-18s", r->name);
    for (uint32_t i = 0; i < r->folds && r->folds <= COLUMNS; i++)
        add_value(out, r->values[i]);
    add_value(out, r->mean);
    if (isnan(r->low))
        text_addf(out, "  %18s", "");
    else
        text_addf(out, "  [%7.4g, %7.4g]", r->low, r->high);
    add_value(out, r->seed_sd);
    add_value(out, r->fold_sd);
    text_add(out, "\n");
}

static void print_table(struct study *s) {
    struct study_row *rows;
    struct text t = {0};
    uint32_t n = study_rows(s, &rows), folds = n ? rows[0].folds : 0;
    text_addf(&t, "%-18s", s->folds ? "fold" : "seed");
    for (uint32_t i = 0; i < folds && folds <= COLUMNS; i++)
        text_addf(&t, " %8llu",
                  s->folds ? (unsigned long long)(i % s->folds + 1)
                           : (unsigned long long)s->runs[i].seed);
    text_addf(&t, " %8s  %18s %8s %8s\n", "mean",
              s->folds ? "95 % (corrected)" : "95 % (seeds)", "seed sd", "fold sd");
    for (uint32_t i = 0; i < n; i++)
        add_row(&rows[i], &t);
    if (t.length)
        t.s[--t.length] = '\0';
    print_text(&t);
}

static void print_results(const struct args *a, struct study *s) {
    struct text t = {0}, folder = {0};
    struct json_writer w;
    typed_path(s->folder, &folder);
    if (args_json(a)) {
        json_begin(&w, &t);
        study_json(s, &w, NULL);
        json_end(&w);
        print_text(&t);
    } else if (s->done == s->count) {
        print_table(s);
    }
    if (!args_json(a))
        fprintf(stderr, "\n%u of %u runs are in %s, listed in study.json\n", s->done,
                s->count, text_get(&folder));
    text_finish(&folder);
}

int training_study(const struct args *a, struct session *session, struct study *s) {
    int code = check_before_training(a, session);
    signals_catch();
    for (uint32_t i = 0; i < s->count && !code; i++) {
        struct run_result r;
        struct rn_error e = {0};
        struct run_options o = {.session = session, .file = s->file};
        o.overrides = study_overrides(s, i, &o.override_count);
        announce(s, i);
        code = training_once(a, &o, &r);
        if (!code && study_add(s, i, &r, &e) != RN_OK)
            code = fail_error(&e, a);
        run_result_finish(&r);
    }
    print_results(a, s);
    return code;
}
