/* SPDX-License-Identifier: Apache-2.0 */
/* Two hooks. diary: a line in RUN/diary.txt for each event, with what it carries and
 * what the run answers; fails where it is told to. halfway: an average that goes half
 * of the way at each step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/hook.h>
#include <runner/run.h>

/* ----------------------------------------------------------------------- diary */

struct diary {
    struct rn_host *host;
    const struct rn_run_api *run; /* host, static; NULL: nothing trains */
    const char *name, *series;    /* host, until destroy */
    int64_t fail_event, fail_step, stop_step;
    int64_t count; /* of events, in checkpoints */
};

static const char *const names[] = {"",          "run_begin", "epoch_begin",
                                    "step_end",  "epoch_end", "evaluate_begin",
                                    "evaluated", "run_end"};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct diary *s = (struct diary *)calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a hook", NULL, NULL);
    s->host = h;
    s->run = (const struct rn_run_api *)h->api->extension(h, RN_EXT_RUN);
    s->name = rn_get_string(h, "as");
    s->series = rn_has(h, "series") ? rn_get_string(h, "series") : "";
    s->fail_event = rn_get_int(h, "fail_event");
    s->fail_step = rn_get_int(h, "fail_step");
    s->stop_step = rn_get_int(h, "stop_step");
    return RN_OK;
}

/* The sum of the first parameter, and of its average where there is one. */
static void write_parameter(const struct diary *s, FILE *out) {
    struct rn_run_variable v;
    static const char *const words[] = {"sum", "average"};
    memset(&v, 0, sizeof v);
    v.struct_size = sizeof v;
    if (s->run->variable_count(s->host) == 0 ||
        s->run->variable(s->host, 0, &v) != RN_OK || v.dtype != RN_F32)
        return;
    uint64_t bytes = v.elements * sizeof(float);
    float *data = (float *)malloc(bytes);
    for (uint32_t what = 0; data && what <= v.averaged; what++) {
        double sum = 0.0;
        if (s->run->read(s->host, 0, what, data, bytes) != RN_OK)
            break;
        for (uint64_t i = 0; i < v.elements; i++)
            sum += (double)data[i];
        fprintf(out, " %s=%.9g", words[what], sum);
    }
    free(data);
}

static void write_line(const struct diary *s, const struct rn_event *ev, FILE *out,
                       const struct rn_run_info *info) {
    double live = 0.0, value = 0.0;
    fprintf(out, "%s %s step=%lld epoch=%lld resumed=%u end=%d count=%lld", s->name,
            names[ev->what], (long long)ev->step, (long long)ev->epoch, ev->flags,
            (int)ev->end, (long long)s->count);
    fprintf(out, " total=%lld epochs=%lld per_epoch=%lld seed=%llu samples=%lld",
            (long long)info->total_steps, (long long)info->epochs,
            (long long)info->steps_per_epoch, (unsigned long long)info->seed,
            (long long)info->samples_per_step);
    if (s->run->live(s->host, "optimizer.lr", &live) == RN_OK)
        fprintf(out, " lr=%.9g", live);
    if (*s->series && s->run->series(s->host, s->series, &value) == RN_OK)
        fprintf(out, " %s=%.17g", s->series, value);
    if (ev->best)
        fprintf(out, " best=%s,%lld,%.17g", ev->best, (long long)ev->best_step,
                ev->best_value);
    write_parameter(s, out);
    fputs(" metrics=", out);
    for (uint32_t i = 0; i < ev->metric_count; i++) {
        const struct rn_event_metric *m =
            (const struct rn_event_metric *)((const char *)ev->metrics +
                                             (size_t)i * ev->metric_stride);
        fprintf(out, "%s%s:%.17g", i ? "," : "", m->name, m->value);
    }
    fputc('\n', out);
}

static int32_t event(void *self, const struct rn_event *ev, struct rn_error *e) {
    struct diary *s = (struct diary *)self;
    struct rn_run_info info;
    char path[4200];
    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    if (!s->run || s->run->info(s->host, &info) != RN_OK || info.folder[0] != '/')
        return rn_fail(e, RN_E_INTERNAL, "the run has no folder", NULL, NULL);
    if (ev->step == s->fail_step && ev->what == s->fail_event)
        return rn_fail(e, RN_E_PLUGIN, "the diary is full", "a thicker one", NULL);
    s->count++;
    snprintf(path, sizeof path, "%s/diary.txt", info.folder);
    FILE *out = fopen(path, "a");
    if (!out)
        return rn_fail(e, RN_E_IO, "the diary cannot be opened", NULL, NULL);
    write_line(s, ev, out, &info);
    fclose(out);
    if (ev->what == RN_EVENT_STEP_END && ev->step == s->stop_step)
        ev->actions->api->stop(ev->actions, "the day is over");
    return RN_OK;
}

static int32_t save(void *self, struct rn_stream *stream, struct rn_error *e) {
    const struct diary *s = (const struct diary *)self;
    (void)e;
    return stream->api->write(stream, &s->count, sizeof s->count);
}

static int32_t load(void *self, struct rn_stream *stream, struct rn_error *e) {
    struct diary *s = (struct diary *)self;
    (void)e;
    return stream->api->read(stream, &s->count, sizeof s->count);
}

static const struct rn_hook diary_iface = {sizeof(struct rn_hook),
                                           0,
                                           create,
                                           free,
                                           NULL,
                                           NULL,
                                           NULL,
                                           event,
                                           save,
                                           load,
                                           NULL,
                                           NULL};

RN_HOOK(diary, diary_iface, "acme.events/diary 1",
        RN_DOC("A line for each event") RN_OPTION("as string = a | first word of a line")
            RN_OPTION("series reference(series) | whose latest value is written")
                RN_OPTION("fail_event int = 0 | which event fails")
                    RN_OPTION("fail_step int = -1 | and at which step")
                        RN_OPTION("stop_step int = -1 | the run ends after it"));

/* --------------------------------------------------------------------- halfway */

static int32_t halfway_averaging(void *self, struct rn_averaging *a,
                                 struct rn_error *e) {
    (void)self;
    if (a->start != 1 || a->every != 1 || a->statistics != RN_STATISTICS_CURRENT)
        return rn_fail(e, RN_E_INTERNAL, "other defaults than documented", NULL, NULL);
    a->start = 2;
    return RN_OK;
}

static rn_value halfway_average(struct rn_build *b, const struct rn_average_call *a) {
    if (a->kind != RN_POINT_WEIGHT || strncmp(a->path, "model", 5) != 0)
        b->api->fail(b, "not a parameter", NULL, NULL);
    return rn_mul(b, rn_const(b, 0.5), rn_add(b, a->average, a->value));
}

static const struct rn_hook halfway_iface = {sizeof(struct rn_hook),
                                             0,
                                             NULL,
                                             NULL,
                                             NULL,
                                             NULL,
                                             NULL,
                                             NULL,
                                             NULL,
                                             NULL,
                                             halfway_averaging,
                                             halfway_average};

RN_HOOK(halfway, halfway_iface, "acme.events/halfway 1",
        RN_DOC("An average that goes half of the way at each step"));

RN_PLUGIN(&diary, &halfway);
