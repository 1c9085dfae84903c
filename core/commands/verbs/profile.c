/* SPDX-License-Identifier: Apache-2.0 */
/* profile: where the time of a step goes, by layer and by operator. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/trace.h"
#include "commands/verbs/verbs.h"
#include "train/profile.h"

static const char *const parts[] = {"forward", "backward", "update"};

/* A row of either table: times of a step. */
struct row {
    const char *name, *kernel;
    enum graph_part part;
    double calls, seconds, of_part[3];
    double flops, bytes;
    double ideal; /* seconds of the operations at the peak of their type */
};

struct table {
    struct row *at;
    uint32_t count, capacity;
};

static struct row *row_of(struct table *t, const char *name, const char *kernel,
                          int part) {
    for (uint32_t i = 0; i < t->count; i++)
        if (strcmp(t->at[i].name, name) == 0 && strcmp(t->at[i].kernel, kernel) == 0 &&
            (part < 0 || t->at[i].part == (enum graph_part)part))
            return &t->at[i];
    struct row r = {.name = name, .kernel = kernel, .part = part < 0 ? 0 : part};
    vec_push(t->at, t->count, t->capacity, r);
    return &t->at[t->count - 1];
}

static void add(struct row *r, const struct profile_node *n,
                const struct rn_device_peaks *p) {
    const struct plan_work *w = &n->plan->work[n->index];
    r->calls += n->calls;
    r->seconds += n->calls * n->seconds;
    r->of_part[w->part] += n->calls * n->seconds;
    r->flops += n->calls * (double)w->flops;
    r->bytes += n->calls * (double)w->bytes;
    double peak = w->narrow && p->bf16 > 0.0 ? p->bf16 : p->flops;
    if (peak > 0.0)
        r->ideal += n->calls * (double)w->flops / peak;
}

/* ------------------------------------------------------------------- names */

/* Layer of a node: its scope; of an update the layer whose parameter it is. */
static const char *layer_of(const struct profile_result *r, const struct plan_work *w) {
    const char *best = NULL;
    size_t length = 0;
    if (w->part != GRAPH_UPDATE)
        return *w->scope ? w->scope : "(rest)";
    for (uint32_t i = 0; i < r->node_count; i++) {
        const struct plan_work *o = &r->nodes[i].plan->work[r->nodes[i].index];
        size_t n = strlen(o->scope);
        const char *found = n ? strstr(w->scope, o->scope) : NULL;
        if (o->part != GRAPH_UPDATE && n > length && found && found > w->scope &&
            found[-1] == '.' && found[n] == '.') {
            best = o->scope;
            length = n;
        }
    }
    return best ? best : *w->scope ? "(optimizer)" : "(norm, checks)";
}

/* "conv2d", "scan"; of a region its operators, in order: "mul+add+mul". */
static const char *operator_of(struct arena *a, const struct rn_node *n) {
    struct text t = {0};
    if (rn_node_is_scan(n))
        return n->op;
    for (uint32_t i = 0; n->sub && i < n->sub->node_count; i++)
        text_addf(&t, "%s%s", i ? "+" : "", n->sub->nodes[i].op);
    const char *name = arena_copy(a, n->sub ? text_get(&t) : n->op);
    text_finish(&t);
    return name;
}

/* At most `most` characters, the middle left out. */
static const char *shortened(const char *s, size_t max_length, char *out) {
    size_t n = strlen(s);
    if (n <= max_length)
        return s;
    size_t head = (max_length - 2) * 2 / 3, tail = max_length - 2 - head;
    memcpy(out, s, head);
    memcpy(out + head, "..", 2);
    memcpy(out + head + 2, s + n - tail, tail + 1);
    return out;
}

/* ------------------------------------------------------------------- tables */

static void print_rates(const struct profile_result *r, const struct row *w) {
    double flops = w->seconds > 0.0 ? w->flops / w->seconds : 0.0;
    double bytes = w->seconds > 0.0 ? w->bytes / w->seconds : 0.0;
    printf(" %6.1f%% %9.1f", r->step > 0.0 ? 100.0 * w->seconds / r->step : 0.0,
           1e-9 * flops);
    if (r->peaks.flops > 0.0)
        printf(" %5.1f%%", w->seconds > 0.0 ? 100.0 * w->ideal / w->seconds : 0.0);
    else
        printf(" %6s", "-");
    printf(" %7.1f", 1e-9 * bytes);
    if (r->peaks.bytes > 0.0)
        printf(" %5.0f%%\n", 100.0 * bytes / r->peaks.bytes);
    else
        printf(" %6s\n", "-");
}

static void print_layers(const struct profile_result *r, const struct table *t) {
    char name[40];
    struct row all = {.name = "all nodes", .kernel = ""};
    printf("\n%-28s %9s %9s %9s %7s %9s %6s %7s %6s\n", "layer, ms a step", "forward",
           "backward", "update", "share", "GFLOP/s", "peak", "GB/s", "peak");
    for (uint32_t i = 0; i <= t->count; i++) {
        const struct row *w = i < t->count ? &t->at[i] : &all;
        printf("%-28s %9.4f %9.4f %9.4f", shortened(w->name, 28, name),
               1e3 * w->of_part[0], 1e3 * w->of_part[1], 1e3 * w->of_part[2]);
        print_rates(r, w);
        all.seconds += w->seconds;
        all.flops += w->flops;
        all.bytes += w->bytes;
        all.ideal += w->ideal;
        for (int k = 0; k < 3; k++)
            all.of_part[k] += w->of_part[k];
    }
}

static int slowest_first(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    if (x->seconds != y->seconds)
        return x->seconds < y->seconds ? 1 : -1;
    return strcmp(x->name, y->name);
}

static void print_operators(const struct profile_result *r, struct table *t) {
    char name[40], kernel[40];
    qsort(t->at, t->count, sizeof *t->at, slowest_first);
    printf("\n%-28s %-8s %-20s %7s %9s %7s %9s %6s %7s %6s\n", "operator", "part",
           "kernel", "calls", "ms a step", "share", "GFLOP/s", "peak", "GB/s", "peak");
    for (uint32_t i = 0; i < t->count; i++) {
        const struct row *w = &t->at[i];
        printf("%-28s %-8s %-20s %7.4g %9.4f", shortened(w->name, 28, name),
               parts[w->part], shortened(w->kernel, 20, kernel), w->calls,
               1e3 * w->seconds);
        print_rates(r, w);
    }
}

static double node_seconds(const struct profile_result *r) {
    double all = 0.0;
    for (uint32_t i = 0; i < r->node_count; i++)
        all += r->nodes[i].calls * r->nodes[i].seconds;
    return all;
}

static void print(const struct profile_result *r) {
    struct arena *a = arena_create();
    struct table layers = {0}, operators = {0};
    double all = node_seconds(r);
    printf("device       %s, %u threads\n", r->s->engine->info->name,
           r->s->engine->info->threads);
    if (r->peaks.flops > 0.0 || r->peaks.bytes > 0.0)
        printf("peak         %.1f GFLOP/s, %.1f GB/s, measured just now\n",
               1e-9 * r->peaks.flops, 1e-9 * r->peaks.bytes);
    if (r->peaks.bf16 > 0.0)
        printf("bf16         %.1f GFLOP/s, the peak of its products\n",
               1e-9 * r->peaks.bf16);
    printf("step         %.4g ms, the faster half of %llu; %.4g ms when nodes are not "
           "timed\n",
           1e3 * r->step, (unsigned long long)r->step_count, 1e3 * r->plain);
    printf("nodes        %.4g ms, %.1f %% of the step\n", 1e3 * all,
           r->step > 0.0 ? 100.0 * all / r->step : 0.0);
    printf("data wait    %.2f %%\n", 100.0 * r->waited);
    for (uint32_t i = 0; i < r->node_count; i++) {
        const struct profile_node *n = &r->nodes[i];
        const struct plan_work *w = &n->plan->work[n->index];
        add(row_of(&layers, layer_of(r, w), "", -1), n, &r->peaks);
        add(row_of(&operators, operator_of(a, &n->plan->program.nodes[n->index]),
                   w->kernel, (int)w->part),
            n, &r->peaks);
    }
    print_layers(r, &layers);
    print_operators(r, &operators);
    memory_release(layers.at);
    memory_release(operators.at);
    arena_destroy(a);
}

static void print_json(const struct profile_result *r) {
    struct arena *a = arena_create();
    struct text all = {0};
    struct json_writer w;
    json_begin(&w, &all);
    json_object(&w, NULL);
    json_string(&w, "device", r->s->engine->info->name);
    json_uint(&w, "threads", r->s->engine->info->threads);
    json_uint(&w, "steps", r->step_count);
    json_number(&w, "ms", 1e3 * r->step);
    json_number(&w, "ms_untimed", 1e3 * r->plain);
    json_number(&w, "data_wait", r->waited);
    json_number(&w, "peak_flops", r->peaks.flops);
    json_number(&w, "peak_bytes", r->peaks.bytes);
    json_number(&w, "peak_bf16", r->peaks.bf16);
    json_array_lines(&w, "nodes");
    for (uint32_t i = 0; i < r->node_count; i++) {
        const struct profile_node *n = &r->nodes[i];
        const struct rn_node *node = &n->plan->program.nodes[n->index];
        const struct plan_work *work = &n->plan->work[n->index];
        json_object(&w, NULL);
        json_string(&w, "program", n->plan->program.name);
        json_uint(&w, "node", n->index);
        json_string(&w, "label", node->label);
        json_string(&w, "op", operator_of(a, node));
        json_string(&w, "kernel", work->kernel);
        json_string(&w, "layer", layer_of(r, work));
        json_string(&w, "part", parts[work->part]);
        json_number(&w, "calls", n->calls);
        json_number(&w, "ms", 1e3 * n->seconds);
        json_uint(&w, "flops", work->flops);
        json_uint(&w, "bytes", work->bytes);
        json_close(&w);
    }
    json_close(&w);
    json_close(&w);
    json_end(&w);
    print_text(&all);
    arena_destroy(a);
}

/* ------------------------------------------------------------------- the verb */

static int cannot_write(const char *path) {
    fprintf(stderr, "runner profile: error: --trace %s: %s\n", path, strerror(errno));
    return 7;
}

/* Opened before the steps, so that a wrong name costs no time; what it held is kept
 * until there is something to write. */
static int write_trace(const struct profile_result *r, FILE *f, const char *path) {
    if (ftruncate(fileno(f), 0) != 0)
        return cannot_write(path);
    trace_print(r, f);
    return fflush(f) != 0 || ferror(f) ? cannot_write(path) : 0;
}

int verb_profile(const struct args *a) {
    struct profile_options o = {.warm_seconds = 1.0,
                                .steps = args_integer(a, FLAG_STEPS)};
    struct profile_result r;
    int code = 0;
    const char *path = args_text(a, FLAG_TRACE);
    bool fresh = path && access(path, F_OK) != 0;
    FILE *trace = path ? fopen(path, "a") : NULL;
    if (path && !trace)
        return cannot_write(path);
    o.file = a->arg[0];
    o.override_count = a->count - 1;
    o.overrides = a->arg + 1;
    struct diag *d = diag_create();
    if (!(o.session = open_session())) {
        code = 4;
    } else if (run_profile(&o, &r, d) != RN_OK) {
        code = fail_with(d, a);
        profile_finish(&r);
    } else {
        if (args_json(a))
            print_json(&r);
        else
            print(&r);
        if (trace)
            code = write_trace(&r, trace, path);
        profile_finish(&r);
    }
    if (trace && fclose(trace) != 0 && !code)
        code = cannot_write(path);
    if (fresh && code)
        unlink(path);
    diag_destroy(d);
    session_destroy(o.session);
    return code;
}
