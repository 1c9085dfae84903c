/* SPDX-License-Identifier: Apache-2.0 */
/* train, resume: the loop with its progress, signals and last words. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "commands/commands.h"
#include "train/run.h"

/* ----------------------------------------------------------------- signals */

static const struct signals_end
    unsaved = {0, "Stopped before the first step: nothing was saved\n", NULL},
    unchanged = {75,
                 "Stopped before the next step: the run is as it was, resume goes on\n",
                 NULL},
    saved = {75, "Interrupted and saved\n", NULL};

static int wants(void *context) {
    (void)context;
    return signals_stop() ? RUN_STOP : signals_save() ? RUN_SAVE : RUN_GO_ON;
}

static bool stopping(void *context) {
    (void)context;
    return signals_stop();
}

/* ---------------------------------------------------------------- progress */

enum progress_form { PROGRESS_NONE, PROGRESS_BAR, PROGRESS_PLAIN, PROGRESS_JSON };

struct teller {
    enum progress_form form;
    bool acks;      /* on stdout */
    bool line_open; /* a line in place is showing */
    bool began;     /* the loop: what is done from now on is saved */
    bool colour;
};

static void clear_line(struct teller *t) {
    if (t->line_open)
        fputs("\r\033[K", stderr);
    t->line_open = false;
}

static void say(void *context, int level, const char *line) {
    struct teller *t = context;
    clear_line(t);
    fprintf(stderr, "%s%s\n", level == RN_LOG_WARNING ? "warning: " : "", line);
}

static void ack(void *context, const char *line) {
    struct teller *t = context;
    if (!t->acks)
        return;
    puts(line);
    fflush(stdout);
}

static void bytes_text(uint64_t bytes, char out[32]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    int k = 0;
    while (v >= 1024.0 && k < 4) {
        v /= 1024.0;
        k++;
    }
    snprintf(out, 32, k ? "%.1f %s" : "%.0f %s", v, units[k]);
}

static void time_text(double seconds, char out[32]) {
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, 32, "%ldh%02ldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, 32, "%ldm%02lds", s / 60, s % 60);
    else
        snprintf(out, 32, "%lds", s);
}

static void metrics_text(const struct metric_list *l, struct text *t) {
    for (uint32_t i = 0; i < l->count; i++) {
        text_addf(t, "  %s ", l->at[i].name);
        text_add_measure(t, l->at[i].value, 4);
    }
}

/* What the device's instruments show: "of 79.1 GiB 12.4 used  97%  61 C". */
static void show_gauges(const struct rn_device_gauges *g) {
    char used[32], all[32];
    if (g && !isnan(g->memory_used) && !isnan(g->memory)) {
        bytes_text((uint64_t)g->memory_used, used);
        bytes_text((uint64_t)g->memory, all);
        fprintf(stderr, " (%s of %s used)", used, all);
    }
    if (g && !isnan(g->utilisation))
        fprintf(stderr, "  device %.0f%%", 100.0 * g->utilisation);
    if (g && !isnan(g->temperature))
        fprintf(stderr, "  %.0f C", g->temperature);
}

static void show_line(struct teller *t, const struct run_progress *p) {
    char memory[32], left[32], bar[21];
    double share = p->total_steps ? (double)p->step / (double)p->total_steps : 1.0;
    for (int i = 0; i < 20; i++)
        bar[i] = share * 20.0 >= (double)(i + 1) ? '='
                 : share * 20.0 > (double)i      ? '>'
                                                 : ' ';
    bar[20] = '\0';
    bytes_text(p->memory, memory);
    time_text(p->seconds_left, left);
    fprintf(stderr, "\r\033[Kepoch %lld/%lld [%s] loss %.4g", (long long)p->epoch,
            (long long)p->epochs, bar, p->loss);
    if (p->live_name) {
        const char *dot = strrchr(p->live_name, '.');
        fprintf(stderr, "  %s %.3g", dot ? dot + 1 : p->live_name, p->live);
    }
    if (!isnan(p->scale))
        fprintf(stderr, "  scale %.4g", p->scale);
    fprintf(stderr, "  |g| %.3g  %.0f/s  data %.0f%%  %s", p->norm, p->rate,
            100.0 * p->waited, memory);
    show_gauges(p->gauges);
    fprintf(stderr, "  %s left", left);
    fflush(stderr);
    t->line_open = true;
}

static void show_evaluated(struct teller *t, const struct run_progress *p) {
    struct text m = {0};
    clear_line(t);
    metrics_text(p->metrics, &m);
    fprintf(stderr, "epoch %lld/%lld  step %lld%s  %.0f/s\n", (long long)p->epoch,
            (long long)p->epochs, (long long)p->step, text_get(&m), p->rate);
    text_finish(&m);
}

static void show_json(const struct run_progress *p) {
    static const char *const moments[] = {"begin", "step", "evaluated", "tested",
                                          "end"};
    flockfile(stdout); /* acknowledgements come from another thread, too */
    printf("{\"moment\": \"%s\", \"step\": %lld, \"epoch\": %lld, ", moments[p->moment],
           (long long)p->step, (long long)p->epoch);
    json_value("loss", p->loss); /* null where none is known */
    printf(", \"rows_per_second\": %.1f", p->rate);
    if (!isnan(p->scale)) {
        fputs(", ", stdout);
        json_value("train/loss_scale", p->scale);
    }
    if (p->gauges) {
        fputs(", ", stdout);
        json_value("device/memory_used", p->gauges->memory_used);
        fputs(", ", stdout);
        json_value("device/utilisation", p->gauges->utilisation);
        fputs(", ", stdout);
        json_value("device/temperature", p->gauges->temperature);
    }
    for (uint32_t i = 0; i < p->metrics->count; i++) {
        fputs(", ", stdout);
        json_value(p->metrics->at[i].name, p->metrics->at[i].value);
    }
    puts("}");
    fflush(stdout);
    funlockfile(stdout);
}

static void progress(void *context, const struct run_progress *p) {
    struct teller *t = context;
    if (p->moment == RUN_BEGAN) {
        t->began = true;
        signals_may_leave(NULL);
    }
    if (p->moment == RUN_ENDED && p->interrupted)
        signals_may_leave(&saved);
    if (t->form == PROGRESS_NONE)
        return;
    if (t->form == PROGRESS_JSON) {
        show_json(p);
        return;
    }
    if (p->moment == RUN_STEPPED && t->form == PROGRESS_BAR)
        show_line(t, p);
    if (p->moment == RUN_STEPPED && t->form == PROGRESS_PLAIN && p->epoch_ended &&
        !p->evaluates)
        fprintf(stderr, "epoch %lld/%lld  step %lld  loss %.4g  %.0f/s\n",
                (long long)p->epoch, (long long)p->epochs, (long long)p->step, p->loss,
                p->rate);
    if (p->moment == RUN_EVALUATED)
        show_evaluated(t, p);
    if (p->moment == RUN_ENDED)
        clear_line(t);
}

static bool read_form(const struct flags *f, struct teller *t) {
    static const char *const names[] = {"none", "bar", "plain", "json"};
    const char *want = f->progress ? f->progress : "auto";
    t->acks = f->ack;
    if (strcmp(want, "auto") == 0) {
        t->form = isatty(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_PLAIN;
        return true;
    }
    for (int i = 0; i < 4; i++)
        if (strcmp(want, names[i]) == 0) {
            t->form = (enum progress_form)i;
            t->acks |= i == PROGRESS_JSON;
            return true;
        }
    fprintf(stderr,
            "runner train: error: --progress '%s': it is auto, bar, plain, json or "
            "none\n",
            want);
    return false;
}

/* ------------------------------------------------------------- last words */

static void json_metrics(const struct metric_list *l) {
    for (uint32_t i = 0; i < l->count; i++) {
        fputs(", ", stdout);
        json_value(l->at[i].name, l->at[i].value);
    }
}

/* The last line of stdout: one object. */
static void json_result(const struct run_result *r) {
    static const char *const ends[] = {
        [RUN_DONE] = "done", [RUN_EARLY] = "early", [RUN_INTERRUPTED] = "interrupted"};
    struct text folder = {0};
    json_quote(&folder, r->folder);
    printf("{\"end\": \"%s\", \"step\": %lld, \"run\": %s", ends[r->end],
           (long long)r->step, text_get(&folder));
    json_metrics(&r->val.metrics);
    json_metrics(&r->test);
    if (r->monitor) {
        struct text monitor = {0};
        json_quote(&monitor, r->monitor);
        printf(", \"best\": {\"monitor\": %s, \"step\": %lld", text_get(&monitor),
               (long long)r->best.step);
        json_metrics(&r->best.metrics);
        putchar('}');
        text_finish(&monitor);
    }
    puts("}");
    text_finish(&folder);
}

/* What stdout has at the end: the test, or where none was made, the validation split at
 * its best. */
static const struct metric_list *results(const struct run_result *r) {
    if (r->test.count || r->end == RUN_INTERRUPTED)
        return &r->test;
    return r->monitor ? &r->best.metrics : &r->val.metrics;
}

static void last_words(const struct run_result *r, const struct flags *f) {
    char took[32];
    time_text(r->seconds, took);
    if (f->json)
        json_result(r);
    const struct metric_list *shown = results(r);
    for (uint32_t i = 0; i < shown->count && !f->json; i++)
        print_measure(shown->at[i].name, shown->at[i].value);
    fflush(stdout);
    if (f->json)
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
        fprintf(stderr, "Go on with:  %s resume %s\n", me, at);
    else
        fprintf(stderr, "Next:        %s eval %s\n             %s verify %s\n", me, at,
                me, at);
    text_finish(&folder);
}

static int start(const struct command *c, const struct flags *f,
                 struct run_options *o) {
    struct teller t = {0};
    struct run_result r;
    const struct signals_end *before = o->resume ? &unchanged : &unsaved;
    if (!read_form(f, &t))
        return 2;
    (void)c;
    signals_catch();
    signals_may_leave(before);
    o->session = open_session();
    if (!o->session)
        return 4;
    struct diag *d = diag_create();
    o->watch = (struct run_watch){&t, progress, say, ack, wants, stopping};
    int status = run_train(o, &r, d), code = 0;
    signals_may_leave(NULL);
    clear_line(&t);
    if (status != RN_OK && signals_stop() && !t.began) {
        code = signals_code(before);
        fputs(before->line, stderr);
        if (f->json)
            printf("{\"end\": \"interrupted\", \"step\": null, \"run\": null}\n");
    } else if (status != RN_OK) {
        code = fail_with(d, f);
        struct text folder = {0};
        typed_path(r.folder, &folder);
        if (r.folder[0])
            fprintf(stderr, "What was recorded is in %s\n", text_get(&folder));
        text_finish(&folder);
    } else {
        last_words(&r, f);
        code = r.end == RUN_INTERRUPTED ? 75 : 0;
    }
    run_result_finish(&r);
    diag_destroy(d);
    session_destroy(o->session);
    return code;
}

static int train(int argc, char **argv) {
    struct flags f;
    int code = flags_parse(&command_train, argc, argv, "json ack progress=", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_train);
    if (!f.positional) {
        fprintf(stderr, "runner train: error: which experiment?\n  e.g. %s\n",
                command_train.example);
        return 2;
    }
    struct run_options o = {
        .file = f.arg[0], .override_count = f.positional - 1, .overrides = f.arg + 1};
    return start(&command_train, &f, &o);
}

#define PROGRESS_HELP                                                                  \
    "  --progress FORM  auto, bar (a line in place), plain (a line an epoch), none,\n" \
    "                   or json (an object a line on stdout, with ACK lines)\n"        \
    "  --json           the last line of stdout is a JSON object: the last values "    \
    "of\n"                                                                             \
    "                   val/..., test/..., and best: the evaluation that the "         \
    "monitor\n"                                                                        \
    "                   of checkpoint.best (or train.early_stop) chose; or errors\n"   \
    "  --ack            a line on stdout for everything that is safe on disk:\n"       \
    "                   ACK ckpt step=N, ACK metrics row=N\n"

const struct command command_train = {
    "train",
    "[train] EXPERIMENT.yaml [key=value ...] [--progress FORM] [--json] [--ack]",
    "train a network",
    PROGRESS_HELP,
    "runner configs/quickstart.yaml optimizer.lr=0.01",
    train};

static int resume(int argc, char **argv) {
    struct flags f;
    int code = flags_parse(&command_resume, argc, argv, "json ack progress=", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_resume);
    if (!f.positional) {
        fprintf(stderr, "runner resume: error: which run?\n  e.g. %s\n",
                command_resume.example);
        return 2;
    }
    struct run_options o = {
        .resume = f.arg[0], .override_count = f.positional - 1, .overrides = f.arg + 1};
    return start(&command_resume, &f, &o);
}

const struct command command_resume = {
    "resume",
    "resume RUN [key=value ...] [--progress FORM] [--json] [--ack]",
    "go on with a run that was interrupted, equal to the bit",
    "  key=value        changes the experiment from here on, and stays with the run\n"
    PROGRESS_HELP,
    "runner resume runs/digits/latest",
    resume};
