/* SPDX-License-Identifier: Apache-2.0 */
/* A profile as Chrome's trace events: the loop, the device and each data worker are
 * tracks; a step, a batch and each node of a program are slices. */
#include "commands/verbs/trace.h"
#include "config/config.h"
#include "train/profile.h"

#define LOOP   1 /* tracks */
#define DEVICE 2
#define WORKER 10 /* and on */

struct trace {
    FILE *out;
    int64_t zero; /* ns; when the first step began */
    bool more;    /* an event was printed */
};

static void begin(struct trace *t, const char *name, const char *phase, int track) {
    struct text quoted = {0};
    json_quote(&quoted, name);
    fprintf(t->out, "%s\n{\"name\": %s, \"ph\": \"%s\", \"pid\": 1, \"tid\": %d",
            t->more ? "," : "", text_get(&quoted), phase, track);
    text_finish(&quoted);
    t->more = true;
}

static void name_track(struct trace *t, int track, const char *name) {
    struct text quoted = {0};
    json_quote(&quoted, name);
    begin(t, "thread_name", "M", track);
    fprintf(t->out, ", \"args\": {\"name\": %s}}", text_get(&quoted));
    begin(t, "thread_sort_index", "M", track);
    fprintf(t->out, ", \"args\": {\"sort_index\": %d}}", track);
    text_finish(&quoted);
}

/* Everything but the end of the object. Times are in microseconds. */
static void slice(struct trace *t, int track, const char *name, const char *category,
                  int64_t began, int64_t ended) {
    begin(t, name, "X", track);
    fprintf(t->out, ", \"cat\": \"%s\", \"ts\": %.3f, \"dur\": %.3f", category,
            1e-3 * (double)(began - t->zero), 1e-3 * (double)(ended - began));
}

static void print_run(struct trace *t, const struct profile_run *r) {
    static const char *const parts[] = {"forward", "backward", "update"};
    const struct rn_program *p = &r->plan->program;
    slice(t, LOOP, p->name, "program", r->began, r->ended);
    fputs("}", t->out);
    for (uint32_t i = 0; i < p->node_count; i++) {
        const struct rn_node *n = &p->nodes[i];
        const struct plan_work *w = &r->plan->work[i];
        struct text op = {0};
        json_quote(&op, n->op);
        slice(t, DEVICE, n->label, parts[w->part], r->times[2 * i],
              r->times[2 * i + 1]);
        fprintf(t->out,
                ", \"args\": {\"op\": %s, \"node\": %u, \"step\": %llu, "
                "\"flops\": %llu, \"bytes\": %llu}}",
                text_get(&op), i, (unsigned long long)r->step,
                (unsigned long long)w->flops, (unsigned long long)w->bytes);
        text_finish(&op);
    }
}

void trace_print(const struct profile_result *r, FILE *out) {
    struct trace t = {out, r->step_count ? r->steps[0].began : 0, false};
    char name[40];
    fputs("{\"displayTimeUnit\": \"ms\", \"traceEvents\": [", out);
    begin(&t, "process_name", "M", LOOP);
    struct text quoted = {0};
    json_quote(&quoted, r->s->x->name);
    fprintf(out, ", \"args\": {\"name\": %s}}", text_get(&quoted));
    text_finish(&quoted);
    name_track(&t, LOOP, "loop");
    name_track(&t, DEVICE, r->s->engine->info->name);
    for (uint32_t i = 0; i < r->worker_count && !r->in_loop; i++) {
        snprintf(name, sizeof name, "data worker %u", i);
        name_track(&t, WORKER + (int)i, name);
    }
    for (uint64_t i = 0; i < r->step_count; i++) {
        const struct profile_step *s = &r->steps[i];
        snprintf(name, sizeof name, "step %llu", (unsigned long long)i);
        slice(&t, LOOP, name, "step", s->began, s->ended);
        fputs("}", out);
        slice(&t, LOOP, "wait for data", "data", s->began, s->ready);
        fputs("}", out);
    }
    for (uint32_t i = 0; i < r->run_count; i++)
        print_run(&t, &r->runs[i]);
    for (uint32_t i = 0; i < r->worker_count; i++)
        for (uint32_t k = 0; k < r->workers[i].count; k++) {
            const struct profile_span *b = &r->workers[i].at[k];
            if (b->began < t.zero) /* while it warmed up */
                continue;
            slice(&t, r->in_loop ? LOOP : WORKER + (int)i, "batch", "data", b->began,
                  b->ended);
            fputs("}", out);
        }
    fputs("\n]}\n", out);
}
