/* SPDX-License-Identifier: Apache-2.0 */
/* Progress on a terminal, in a log and for programs. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "base/log.h"
#include "commands/cli/report.h"
#include "commands/verbs/progress.h"

void progress_clear(struct progress_printer *t) {
    if (t->line_open)
        fputs("\r\033[K", stderr);
    t->line_open = false;
}

void progress_log(struct progress_printer *t, int level, const char *line) {
    progress_clear(t);
    fprintf(stderr, "%s%s\n", level == RN_LOG_WARNING ? "warning: " : "", line);
}

void progress_ack(struct progress_printer *t, const char *line) {
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

void time_text(double seconds, char out[32]) {
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

static void show_line(struct progress_printer *t, const struct run_progress *p) {
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

static void show_evaluated(struct progress_printer *t, const struct run_progress *p) {
    struct text m = {0};
    progress_clear(t);
    metrics_text(p->metrics, &m);
    fprintf(stderr, "epoch %lld/%lld  step %lld%s  %.0f/s\n", (long long)p->epoch,
            (long long)p->epochs, (long long)p->step, text_get(&m), p->rate);
    text_finish(&m);
}

static void show_json(const struct run_progress *p) {
    static const char *const moments[] = {"begin", "step", "evaluated", "tested",
                                          "end"};
    struct text line = {0};
    struct json_writer w;
    json_begin(&w, &line);
    json_object(&w, NULL);
    json_string(&w, "moment", moments[p->moment]);
    json_int(&w, "step", p->step);
    json_int(&w, "epoch", p->epoch);
    json_number(&w, "loss", p->loss); /* null where none is known */
    json_number(&w, "rows_per_second", p->rate);
    if (!isnan(p->scale))
        json_number(&w, "train/loss_scale", p->scale);
    if (p->gauges) {
        json_number(&w, "device/memory_used", p->gauges->memory_used);
        json_number(&w, "device/utilisation", p->gauges->utilisation);
        json_number(&w, "device/temperature", p->gauges->temperature);
    }
    for (uint32_t i = 0; i < p->metrics->count; i++)
        json_number(&w, p->metrics->at[i].name, p->metrics->at[i].value);
    json_close(&w);
    json_end(&w);
    print_text(&line); /* in one call: acknowledgements come from another thread */
    fflush(stdout);
}

void progress_print(struct progress_printer *t, const struct run_progress *p) {
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
        progress_clear(t);
}

void progress_init(struct progress_printer *t, const struct args *a) {
    static const char *const names[] = {[PROGRESS_NONE] = "none",
                                        [PROGRESS_BAR] = "bar",
                                        [PROGRESS_PLAIN] = "plain",
                                        [PROGRESS_JSON] = "json"};
    *t = (struct progress_printer){.form = isatty(STDERR_FILENO) ? PROGRESS_BAR
                                                                 : PROGRESS_PLAIN};
    for (int i = PROGRESS_NONE; i <= PROGRESS_JSON; i++)
        if (strcmp(args_text(a, FLAG_PROGRESS), names[i]) == 0)
            t->form = (enum progress_form)i;
    t->acks = args_has(a, FLAG_ACK) || t->form == PROGRESS_JSON;
}
