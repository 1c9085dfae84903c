/* SPDX-License-Identifier: Apache-2.0 */
/* A profile as Chrome's trace events: the loop, the device and each data worker are
 * tracks; a step, a batch and each node of a program are slices. */
#include "commands/verbs/trace.h"
#include "base/json_writer.h"
#include "train/profile.h"

#define LOOP   1 /* tracks */
#define DEVICE 2
#define WORKER 10 /* and on */

struct trace {
    struct json_writer w;
    struct text text; /* what is not written yet */
    FILE *out;
    int64_t zero; /* ns; when the first step began */
};

static void flush(struct trace *t) {
    fputs(text_get(&t->text), t->out);
    text_clear(&t->text);
}

/* An event without its end; one that is closed is written to the file by the next. */
static void begin(struct trace *t, const char *name, const char *phase, int track) {
    flush(t);
    json_object(&t->w, NULL);
    json_string(&t->w, "name", name);
    json_string(&t->w, "ph", phase);
    json_int(&t->w, "pid", 1);
    json_int(&t->w, "tid", track);
}

static void name_process(struct trace *t, const char *name) {
    begin(t, "process_name", "M", LOOP);
    json_object(&t->w, "args");
    json_string(&t->w, "name", name);
    json_close(&t->w);
    json_close(&t->w);
}

static void name_track(struct trace *t, int track, const char *name) {
    begin(t, "thread_name", "M", track);
    json_object(&t->w, "args");
    json_string(&t->w, "name", name);
    json_close(&t->w);
    json_close(&t->w);
    begin(t, "thread_sort_index", "M", track);
    json_object(&t->w, "args");
    json_int(&t->w, "sort_index", track);
    json_close(&t->w);
    json_close(&t->w);
}

/* Everything but the end of the object. Times are in microseconds. */
static void open_slice(struct trace *t, int track, const char *name,
                       const char *category, int64_t began, int64_t ended) {
    begin(t, name, "X", track);
    json_string(&t->w, "cat", category);
    json_number(&t->w, "ts", (double)(began - t->zero) / 1e3);
    json_number(&t->w, "dur", (double)(ended - began) / 1e3);
}

static void add_slice(struct trace *t, int track, const char *name,
                      const char *category, int64_t began, int64_t ended) {
    open_slice(t, track, name, category, began, ended);
    json_close(&t->w);
}

static void add_run(struct trace *t, const struct profile_run *r) {
    static const char *const parts[] = {"forward", "backward", "update"};
    const struct rn_program *p = &r->plan->program;
    add_slice(t, LOOP, p->name, "program", r->began, r->ended);
    for (uint32_t i = 0; i < p->node_count; i++) {
        const struct rn_node *n = &p->nodes[i];
        const struct plan_work *w = &r->plan->work[i];
        open_slice(t, DEVICE, n->label, parts[w->part], r->times[2 * i],
                   r->times[2 * i + 1]);
        json_object(&t->w, "args");
        json_string(&t->w, "op", n->op);
        json_uint(&t->w, "node", i);
        json_uint(&t->w, "step", r->step);
        json_uint(&t->w, "flops", w->flops);
        json_uint(&t->w, "bytes", w->bytes);
        json_close(&t->w);
        json_close(&t->w);
    }
}

void trace_print(const struct profile_result *r, FILE *out) {
    struct trace t = {.out = out, .zero = r->step_count ? r->steps[0].began : 0};
    char name[40];
    json_begin(&t.w, &t.text);
    json_object(&t.w, NULL);
    json_string(&t.w, "displayTimeUnit", "ms");
    json_array_lines(&t.w, "traceEvents");
    name_process(&t, r->s->x->name);
    name_track(&t, LOOP, "loop");
    name_track(&t, DEVICE, r->s->engine->info->name);
    for (uint32_t i = 0; i < r->worker_count && !r->in_loop; i++) {
        snprintf(name, sizeof name, "data worker %u", i);
        name_track(&t, WORKER + (int)i, name);
    }
    for (uint64_t i = 0; i < r->step_count; i++) {
        const struct profile_step *s = &r->steps[i];
        snprintf(name, sizeof name, "step %llu", (unsigned long long)i);
        add_slice(&t, LOOP, name, "step", s->began, s->ended);
        add_slice(&t, LOOP, "wait for data", "data", s->began, s->ready);
    }
    for (uint32_t i = 0; i < r->run_count; i++)
        add_run(&t, &r->runs[i]);
    for (uint32_t i = 0; i < r->worker_count; i++)
        for (uint32_t k = 0; k < r->workers[i].count; k++) {
            const struct profile_span *b = &r->workers[i].at[k];
            if (b->began < t.zero) /* while it warmed up */
                continue;
            add_slice(&t, r->in_loop ? LOOP : WORKER + (int)i, "batch", "data",
                      b->began, b->ended);
        }
    json_close(&t.w);
    json_close(&t.w);
    json_end(&t.w);
    text_add(&t.text, "\n");
    flush(&t);
    text_finish(&t.text);
}
