/* SPDX-License-Identifier: Apache-2.0 */
/* check: what is wrong with the data of an experiment. */
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "check/check.h"
#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/cli/signals.h"
#include "commands/verbs/check_labels.h"
#include "commands/verbs/train.h"
#include "commands/verbs/verbs.h"

#define FOUND 9 /* exit code */

static const struct signals_end stopped = {0, "Stopped\n", NULL};

static int explain(const char *code) {
    enum finding_id id = finding_find(code);
    struct text t = {0};
    if (id == FINDING_COUNT) {
        struct suggest all = {0};
        for (int i = 0; i < FINDING_COUNT; i++)
            suggest_add(&all, finding_kinds[i].code);
        fprintf(stderr, "runner check: error: there is no finding '%s'\n", code);
        print_suggestion(&all, code, "runner check --docs lists them");
        suggest_finish(&all);
        return 2;
    }
    finding_explain(id, &t);
    fputs(text_get(&t), stdout);
    text_finish(&t);
    return 0;
}

static int print_docs(void) {
    struct text t = {0};
    findings_docs(&t);
    fputs(text_get(&t), stdout);
    text_finish(&t);
    return 0;
}

static int stopping(void *context) {
    (void)context;
    return signals_stop();
}

/* Do the findings reach the level? */
static int code_of(const struct check *c, const char *level) {
    enum severity from = strcmp(level, "error") == 0  ? SEVERITY_ERROR
                         : strcmp(level, "warn") == 0 ? SEVERITY_WARN
                                                      : SEVERITY_NOTE;
    for (int s = from; s <= SEVERITY_ERROR; s++)
        if (findings_count(&c->findings, (enum severity)s))
            return FOUND;
    return 0;
}

/* check.on_train of an experiment; "off" also where it has errors, which the run will
 * report. */
static char on_train(const struct check_options *o) {
    struct diag *d = diag_create();
    struct config *x =
        experiment_read(o->session, o->file, o->override_count, o->overrides, NULL, d);
    const struct node *n =
        x && !diag_count(d) ? node_at(config_root(x), "check.on_train") : NULL;
    char mode = n && node_kind(n) == NODE_SCALAR ? *node_raw(n) : 'o';
    config_destroy(x);
    diag_destroy(d);
    return mode;
}

int check_before_training(const struct args *a, struct session *s) {
    struct check_options o = {.session = s,
                              .file = a->arg[0],
                              .override_count = a->count - 1,
                              .overrides = a->arg + 1,
                              .cancelled = stopping};
    char mode = on_train(&o);
    if (mode == 'o')
        return 0;
    struct diag *d = diag_create();
    struct check *c = check_run(&o, d);
    int code = 0;
    if (c) {
        struct text t = {0};
        check_report_findings(c, SEVERITY_WARN, &t);
        fputs(text_get(&t), stderr);
        text_finish(&t);
        code = mode == 'e' ? code_of(c, "error") : 0;
    } else if (diag_status(d) != RN_E_CANCELLED) {
        code = fail_with(d, a);
    }
    check_close(c);
    diag_destroy(d);
    return code;
}

/* All of --only, with commas between them. */
static const char *only(const struct args *a, struct text *out) {
    for (uint32_t i = 0; i < a->repeated_count[FLAG_ONLY]; i++)
        text_addf(out, "%s%s", i ? "," : "", a->repeated[FLAG_ONLY][i]);
    return out->length ? text_get(out) : NULL;
}

/* --labels: the predictions first. NULL: not asked for, or an error in d. */
static const struct check_predictions *predictions_of(const struct args *a,
                                                      struct session *s,
                                                      struct label_predictions *l,
                                                      struct diag *d) {
    if (!args_has(a, FLAG_LABELS))
        return NULL;
    return label_predictions_make(a, s, l, d) == RN_OK ? &l->q : NULL;
}

static int write_issues(const struct check *c, struct diag *d) {
    struct rn_error e = {0};
    const char *path;
    if (!c->labels)
        return RN_OK;
    if (label_issues_write(c, &path, &e) != RN_OK)
        diag_add(d, &e);
    else
        fprintf(stderr, "written: %s\n", path);
    return e.status;
}

static int check(const struct args *a) {
    if (args_has(a, FLAG_FROM) && !args_has(a, FLAG_LABELS)) {
        fprintf(stderr, "runner check: error: --from goes with --labels\n");
        return 2;
    }
    struct session *s = open_session();
    struct text t = {0}, codes = {0};
    if (!s)
        return 4;
    struct diag *d = diag_create();
    struct check_options o = {.session = s,
                              .file = a->arg[0],
                              .override_count = a->count - 1,
                              .overrides = a->arg + 1,
                              .only = only(a, &codes),
                              .cancelled = stopping};
    struct label_predictions labels = {.how = ""};
    signals_catch();
    if (!args_has(a, FLAG_LABELS)) /* whose scratch folder has to be removed */
        signals_may_leave(&stopped);
    o.predictions = predictions_of(a, s, &labels, d);
    o.only = o.predictions && !o.only ? "label-error" : o.only;
    struct check *c = diag_count(d) ? NULL : check_run(&o, d);
    int code = 0;
    if (!c || write_issues(c, d) != RN_OK) {
        code = fail_with(d, a);
    } else {
        if (args_has(a, FLAG_WRITE_CONTRACT))
            check_write_contract(c, &t);
        else if (args_json(a))
            check_json(c, &t);
        else
            check_report(c, args_has(a, FLAG_ALL), &t);
        if (args_json(a) && !args_has(a, FLAG_WRITE_CONTRACT))
            text_add(&t, "\n");
        fputs(text_get(&t), stdout);
        code = args_has(a, FLAG_WRITE_CONTRACT)
                   ? 0
                   : code_of(c, args_text(a, FLAG_FAIL_ON));
    }
    text_finish(&t);
    text_finish(&codes);
    label_predictions_finish(&labels);
    check_close(c);
    diag_destroy(d);
    session_destroy(s);
    return code;
}

int verb_check(const struct args *a) {
    int code = 0;
    for (uint32_t i = 0; i < a->repeated_count[FLAG_EXPLAIN]; i++) {
        int one = explain(a->repeated[FLAG_EXPLAIN][i]);
        code = one ? one : code;
    }
    if (args_has(a, FLAG_EXPLAIN))
        return code;
    if (args_has(a, FLAG_DOCS))
        return print_docs();
    if (a->count)
        return check(a);
    fprintf(stderr, "runner check: error: which experiment?\n  e.g. %s\n",
            verb_table[VERB_CHECK].example);
    return 2;
}
