/* SPDX-License-Identifier: Apache-2.0 */
/* plan: what a run will take, before it takes anything. */
#include <stdio.h>

#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/verbs.h"
#include "train/run.h"

static void shape_text(const struct plan_layer *l, char out[96]) {
    int k = snprintf(out, 96, "[");
    for (uint32_t i = 0; i < l->rank && k < 80; i++)
        k += snprintf(out + k, 96 - (size_t)k, "%s%lld", i ? "," : "",
                      (long long)l->shape[i]);
    snprintf(out + k, 96 - (size_t)k, "]");
}

static void number_text(uint64_t n, char out[32]) {
    char digits[32];
    int k = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
    for (int i = 0; i < k; i++) {
        if (i && (k - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

static void row(const char *name, uint64_t bytes, bool json, bool last) {
    char text[32];
    number_text(bytes, text);
    if (json)
        printf("\"%s\": %llu%s", name, (unsigned long long)bytes, last ? "" : ", ");
    else
        printf("  %-12s %16s bytes\n", name, text);
}

/* What would, when it does not. */
static void print_fitting(const struct setup_options *o, const struct setup *s,
                          bool json) {
    bool largest;
    int64_t batch = setup_fitting_batch(o, s, &largest);
    if (json)
        printf(", \"batch_that_fits\": %lld", (long long)batch);
    else if (batch)
        printf("data.batch=%lld fits%s.\n", (long long)batch,
               largest ? ", the largest that does" : "");
    else
        puts("No data.batch fits with this data.eval_batch.");
}

static void print_memory(const struct setup_options *o, const struct setup *s,
                         bool json) {
    struct exec_footprint f = engine_footprint(s->engine);
    uint64_t need = engine_need(s->engine);
    uint64_t usable = s->engine->info->memory_bytes;
    char total[32], have[32];
    if (json)
        printf("\"memory\": {");
    else
        printf("\nMemory on %s, exact\n", s->engine->info->name);
    row("variables", f.variables, json, false);
    if (json || f.data)
        row("data", f.data, json, false);
    row("arena", f.arena, json, false);
    row("constants", f.constants, json, false);
    row("scalars", f.scalars, json, false);
    row("inputs", f.inputs, json, false);
    row("outputs", f.outputs, json, false);
    row("peak", f.total, json, false);
    if (json || f.pinned)
        row("pinned", f.pinned, json, false);
    if (json) {
        row("arena_bound", f.arena_bound, json, false);
        row("usable", usable, json, false);
        printf("\"fits\": %s", !usable ? "null" : need <= usable ? "true" : "false");
        if (usable && need > usable)
            print_fitting(o, s, json);
        printf("}");
        return;
    }
    if (f.arena_bound)
        printf("The arena is %.3f of what is alive at once.\n",
               (double)f.arena / (double)f.arena_bound);
    number_text(need, total);
    number_text(usable, have);
    if (!usable) {
        puts("The device does not say how much memory it has.");
    } else if (need <= usable) {
        printf("It fits: %s of %s bytes are usable now.\n", total, have);
    } else {
        printf("It does not fit: %s bytes are usable now.\n", have);
        print_fitting(o, s, json);
    }
}

/* The forward pass of one batch, planned for its own sake. */
static const struct plan *forward(struct setup *s, struct diag *d) {
    struct graph *g;
    const struct plan *p = NULL;
    const struct bound_component *b = &s->x->backend;
    struct plan_options o = {.backend = b->component->iface,
                             .backend_self = instance_self(b->instance),
                             .fuse = true};
    struct rn_error e = {0};
    bool made =
        programs_predict(s->engine->programs, s->engine->length.batch, &g, d) == RN_OK;
    if (made && s->x->precision != RN_F32)
        g = graph_precision(g, s->arena, s->x->precision, &e);
    if (made && (!g || plan_make(g, s->arena, &o, &p, &e) != RN_OK))
        diag_add(d, &e);
    return p;
}

/* Of a whole step: all micro-batches of all programs, and their updates. */
static uint64_t step_flops(const struct setup *s) {
    uint64_t all = 0;
    for (uint32_t i = 0; i < s->engine->programs->objective_count; i++) {
        const struct objective_programs *t = &s->engine->objectives[i];
        all += (uint64_t)s->engine->length.accumulate * t->step[0].plan->flops;
        all += t->apply.plan ? t->apply.plan->flops : 0;
    }
    return all;
}

static const char *quoted(struct text *t, const char *s) {
    text_finish(t);
    json_quote(t, s);
    return text_get(t);
}

static void print_layers(const struct setup *s, const struct plan *p, bool json) {
    struct plan_layer *layers;
    uint32_t n = plan_layers(p, s->arena, &layers);
    uint64_t parameters = 0, flops = 0;
    struct text name = {0};
    if (json)
        printf("\"layers\": [");
    else
        printf("%-28s %-20s %12s %16s %14s\n", "layer", "output", "parameters", "FLOPs",
               "bytes");
    for (uint32_t i = 0; i < n; i++) {
        char shape[96], par[32], fl[32], by[32];
        shape_text(&layers[i], shape);
        number_text(layers[i].parameters, par);
        number_text(layers[i].flops, fl);
        number_text(layers[i].bytes, by);
        parameters += layers[i].parameters;
        flops += layers[i].flops;
        if (json)
            printf("%s{\"layer\": %s, \"output\": %s, \"parameters\": %llu, "
                   "\"flops\": %llu, \"bytes\": %llu}",
                   i ? ", " : "", quoted(&name, layers[i].scope), shape,
                   (unsigned long long)layers[i].parameters,
                   (unsigned long long)layers[i].flops,
                   (unsigned long long)layers[i].bytes);
        else
            printf("%-28s %-20s %12s %16s %14s\n", layers[i].scope, shape, par, fl, by);
    }
    text_finish(&name);
    if (json) {
        printf("], \"parameters\": %llu, \"flops\": %llu, \"step_flops\": %llu, "
               "\"epochs\": %lld, \"steps_per_epoch\": %lld, \"steps\": %lld, ",
               (unsigned long long)engine_parameters(s->engine),
               (unsigned long long)flops, (unsigned long long)step_flops(s),
               (long long)s->engine->length.epochs,
               (long long)s->engine->length.steps_per_epoch,
               (long long)s->engine->length.total_steps);
        return;
    }
    char par[32], fl[32], step[32];
    number_text(engine_parameters(s->engine), par);
    number_text(flops, fl);
    number_text(step_flops(s), step);
    printf("%-28s %-20s %12s %16s\n", "all", "", par, fl);
    printf("\n%lld epochs of %lld steps, %lld in all; a step takes %s FLOPs\n",
           (long long)s->engine->length.epochs,
           (long long)s->engine->length.steps_per_epoch,
           (long long)s->engine->length.total_steps, step);
}

static bool is_fast(const struct setup *s) {
    return s->x->precision == RN_BF16 ? s->engine->info->fast_bf16
                                      : s->engine->info->fast_f16;
}

/* What a precision of 16 bits costs where the device multiplies f32 only. */
static void print_precision(const struct setup *s, bool json) {
    const char *word = s->x->precision == RN_BF16 ? "bf16" : "f16";
    uint64_t bytes = 0, passes = 0, all = 0;
    for (uint32_t i = 0; i < s->engine->programs->objective_count; i++) {
        const struct plan *p = s->engine->objectives[i].step[0].plan;
        for (uint32_t k = 0; k < p->program.node_count; k++) {
            passes += p->work[k].converts;
            bytes += p->work[k].converts ? p->work[k].bytes : 0;
        }
        all += p->program.node_count;
    }
    if (s->x->precision == RN_F32)
        return;
    if (json) {
        printf(", \"precision\": {\"type\": \"%s\", \"hardware\": %s, "
               "\"conversions\": %llu, \"conversion_bytes\": %llu}",
               word, is_fast(s) ? "true" : "false", (unsigned long long)passes,
               (unsigned long long)bytes);
    } else if (!is_fast(s)) {
        char moved[32];
        number_text(bytes, moved);
        printf(
            "\n%s has no hardware support on this device: products are computed in "
            "f32.\n%llu of the %llu operations of a step only convert between f32 and "
            "%s; they read and write %s bytes.\n",
            word, (unsigned long long)passes, (unsigned long long)all, word, moved);
    }
}

int verb_plan(const struct args *a) {
    int code = 0;
    bool json = args_json(a), dot = args_has(a, FLAG_DOT);
    struct session *session = open_session();
    if (!session)
        return 4;
    struct diag *d = diag_create();
    struct setup_options o = {.session = session,
                              .file = a->arg[0],
                              .override_count = a->count - 1,
                              .overrides = a->arg + 1,
                              .use = ENGINE_TRAIN};
    struct setup *s = setup_open(&o, d);
    const struct plan *layers = s && run_check(s, d) == RN_OK ? forward(s, d) : NULL;
    if (!layers) {
        code = fail_with(d, a);
    } else if (dot || args_has(a, FLAG_KERNELS)) {
        struct text t = {0};
        const struct plan *p = s->engine->objectives[0].step[0].plan;
        if (dot)
            graph_dot(p->graph, &t);
        else
            plan_print(p, &t);
        fputs(text_get(&t), stdout);
        text_finish(&t);
    } else {
        if (json)
            printf("{");
        print_layers(s, layers, json);
        print_memory(&o, s, json);
        print_precision(s, json);
        if (json)
            puts("}");
    }
    setup_close(s);
    diag_destroy(d);
    session_destroy(session);
    return code;
}
