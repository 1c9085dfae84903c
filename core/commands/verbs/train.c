/* SPDX-License-Identifier: Apache-2.0 */
/* train: an experiment from its first step. */
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/cli/signals.h"
#include "commands/verbs/progress.h"
#include "commands/verbs/train.h"
#include "commands/verbs/verbs.h"
#include "study/study.h"

/* ----------------------------------------------------------------- signals */

static const struct signals_end
    unsaved = {0, "Stopped before the first step: nothing was saved\n", NULL},
    unchanged =
        {75,
         "Stopped before the next step: the run is as it was, resume continues it\n",
         NULL},
    saved = {75, "Interrupted and saved\n", NULL};

static int stop_or_save(void *context) {
    (void)context;
    return signals_stop() ? RUN_STOP : signals_save() ? RUN_SAVE : RUN_GO_ON;
}

static bool stopping(void *context) {
    (void)context;
    return signals_stop();
}

/* ---------------------------------------------------------------- the watch */

struct training {
    struct progress_printer printer;
    bool began; /* the loop: what is done from now on is saved */
};

static void progress(void *context, const struct run_progress *p) {
    struct training *t = context;
    if (p->moment == RUN_BEGAN) {
        t->began = true;
        signals_may_leave(NULL);
    }
    if (p->moment == RUN_ENDED && p->interrupted)
        signals_may_leave(&saved);
    progress_print(&t->printer, p);
}

static void say(void *context, int level, const char *line) {
    progress_log(&((struct training *)context)->printer, level, line);
}

static void ack(void *context, const char *line) {
    progress_ack(&((struct training *)context)->printer, line);
}

/* ------------------------------------------------------------------ results */

static void add_metrics(struct json_writer *w, const struct metric_list *l) {
    for (uint32_t i = 0; i < l->count; i++)
        json_number(w, l->at[i].name, l->at[i].value);
}

/* The last line of stdout: one object. */
static void print_json(const struct run_result *r) {
    static const char *const ends[] = {
        [RUN_DONE] = "done", [RUN_EARLY] = "early", [RUN_INTERRUPTED] = "interrupted"};
    struct text line = {0};
    struct json_writer w;
    json_begin(&w, &line);
    json_object(&w, NULL);
    json_string(&w, "end", ends[r->end]);
    json_int(&w, "step", r->step);
    json_string(&w, "run", r->folder);
    add_metrics(&w, &r->val.metrics);
    add_metrics(&w, &r->test);
    if (r->monitor) {
        json_object(&w, "best");
        json_string(&w, "monitor", r->monitor);
        json_int(&w, "step", r->best.step);
        add_metrics(&w, &r->best.metrics);
        json_close(&w);
    }
    json_close(&w);
    json_end(&w);
    print_text(&line);
}

/* Of a run that was stopped before there was one. */
static void print_json_stopped(void) {
    struct text line = {0};
    struct json_writer w;
    json_begin(&w, &line);
    json_object(&w, NULL);
    json_string(&w, "end", "interrupted");
    json_null(&w, "step");
    json_null(&w, "run");
    json_close(&w);
    json_end(&w);
    print_text(&line);
}

/* What stdout has at the end: the test, or where none was made, the validation split at
 * its best. */
static const struct metric_list *results(const struct run_result *r) {
    if (r->test.count || r->end == RUN_INTERRUPTED)
        return &r->test;
    return r->monitor ? &r->best.metrics : &r->val.metrics;
}

static void print_summary(const struct run_result *r, bool json) {
    char took[32];
    time_text(r->seconds, took);
    if (json)
        print_json(r);
    const struct metric_list *shown = results(r);
    for (uint32_t i = 0; i < shown->count && !json; i++)
        print_measure(shown->at[i].name, shown->at[i].value);
    fflush(stdout);
    if (json)
        return;
    fprintf(stderr, "\n%s after %lld steps in %s; %llu parameters\n",
            r->end == RUN_INTERRUPTED ? "Interrupted and saved"
            : r->end == RUN_EARLY     ? "Stopped early"
                                      : "Done",
            (long long)r->step, took, (unsigned long long)r->parameters);
    struct text folder = {0};
    typed_path(r->folder, &folder);
    const char *at = text_get(&folder), *me = program_name();
    fprintf(stderr, "The record is in %s (run.h5 opens with h5py)\n", at);
    if (r->end == RUN_INTERRUPTED)
        fprintf(stderr, "Resume with: %s resume %s\n", me, at);
    else
        fprintf(stderr, "Next:        %s eval %s\n             %s verify %s\n", me, at,
                me, at);
    text_finish(&folder);
}

int training_once(const struct args *a, struct run_options *o, struct run_result *r) {
    struct training t = {.began = false};
    const struct signals_end *before = o->resume ? &unchanged : &unsaved;
    progress_init(&t.printer, a);
    signals_may_leave(before);
    struct diag *d = diag_create();
    o->watch = (struct run_watch){&t, progress, say, ack, stop_or_save, stopping};
    int status = run_train(o, r, d), code = 0;
    signals_may_leave(NULL);
    progress_clear(&t.printer);
    if (status != RN_OK && signals_stop() && !t.began) {
        code = signals_code(before);
        fputs(before->line, stderr);
    } else if (status != RN_OK) {
        code = fail_with(d, a);
        struct text folder = {0};
        typed_path(r->folder, &folder);
        if (r->folder[0])
            fprintf(stderr, "What was recorded is in %s\n", text_get(&folder));
        text_finish(&folder);
    } else {
        code = r->end == RUN_INTERRUPTED ? 75 : 0;
    }
    diag_destroy(d);
    return code;
}

int training_run(const struct args *a, struct run_options *o) {
    struct run_result r;
    signals_catch();
    o->session = open_session();
    if (!o->session)
        return 4;
    int code = o->resume ? 0 : check_before_training(a, o->session);
    if (!code) {
        code = training_once(a, o, &r);
        if (r.arena && (code == 0 || code == 75))
            print_summary(&r, args_json(a));
        else if (signals_stop() &&
                 code == signals_code(o->resume ? &unchanged : &unsaved) &&
                 args_json(a))
            print_json_stopped();
        run_result_finish(&r);
    }
    session_destroy(o->session);
    return code;
}

/* Is it several runs? *code: of all of them, or of what went wrong. */
static bool several(const struct args *a, int *code) {
    struct session *s = open_session();
    struct study *study = NULL;
    struct diag *d = diag_create();
    *code = s ? 0 : 4;
    if (s && study_open(s, a->arg[0], a->count - 1, a->arg + 1, &study, d) != RN_OK)
        *code = fail_with(d, a);
    if (study)
        *code = training_study(a, s, study);
    bool any = study || *code;
    study_close(study);
    diag_destroy(d);
    session_destroy(s);
    return any;
}

int verb_train(const struct args *a) {
    struct run_options o = {
        .file = a->arg[0], .override_count = a->count - 1, .overrides = a->arg + 1};
    int code;
    return several(a, &code) ? code : training_run(a, &o);
}
