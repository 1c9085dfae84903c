/* SPDX-License-Identifier: Apache-2.0 */
/* plan: what a run will take, before it takes anything. */
#include <stdio.h>

#include "base/dtype.h"
#include "base/json_writer.h"
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

/* ---------------------------------------------------------------------- facts */

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

static bool is_fast(const struct setup *s) {
    return s->x->precision == RN_BF16 ? s->engine->info->fast_bf16
                                      : s->engine->info->fast_f16;
}

/* Of the passes of a step that only convert between f32 and a precision of 16 bits. */
struct conversions {
    uint64_t passes, bytes, all; /* all: operations of a step */
};

static struct conversions count_conversions(const struct setup *s) {
    struct conversions c = {0};
    for (uint32_t i = 0; i < s->engine->programs->objective_count; i++) {
        const struct plan *p = s->engine->objectives[i].step[0].plan;
        for (uint32_t k = 0; k < p->program.node_count; k++) {
            c.passes += p->work[k].converts;
            c.bytes += p->work[k].converts ? p->work[k].bytes : 0;
        }
        c.all += p->program.node_count;
    }
    return c;
}

/* ----------------------------------------------------------------------- text */

static void print_layers(const struct setup *s, const struct plan *p) {
    struct plan_layer *layers;
    uint32_t n = plan_layers(p, s->arena, &layers);
    uint64_t flops = 0;
    char par[32], fl[32], by[32], step[32];
    printf("%-28s %-20s %12s %16s %14s\n", "layer", "output", "parameters", "FLOPs",
           "bytes");
    for (uint32_t i = 0; i < n; i++) {
        char shape[96];
        shape_text(&layers[i], shape);
        number_text(layers[i].parameters, par);
        number_text(layers[i].flops, fl);
        number_text(layers[i].bytes, by);
        flops += layers[i].flops;
        printf("%-28s %-20s %12s %16s %14s\n", layers[i].scope, shape, par, fl, by);
    }
    number_text(engine_parameters(s->engine), par);
    number_text(flops, fl);
    number_text(step_flops(s), step);
    printf("%-28s %-20s %12s %16s\n", "all", "", par, fl);
    printf("\n%lld epochs of %lld steps, %lld in all; a step takes %s FLOPs\n",
           (long long)s->engine->length.epochs,
           (long long)s->engine->length.steps_per_epoch,
           (long long)s->engine->length.total_steps, step);
}

/* Of programs whose optimizer takes several gradients. */
static void print_phases(const struct setup *s) {
    const struct programs *p = s->engine->programs;
    for (uint32_t i = 0; i < p->objective_count; i++) {
        const struct objective *o = &p->objectives[i];
        uint32_t n = 0;
        while (phases_name(p, o, n))
            n++;
        if (!n)
            continue;
        printf("A step of %s takes %u gradients, one in each phase: ", o->name, n + 1);
        for (uint32_t k = 0; k < n; k++)
            printf("%s, ", phases_name(p, o, k));
        puts("update");
    }
}

static void print_bytes(const char *name, uint64_t bytes) {
    char text[32];
    number_text(bytes, text);
    printf("  %-12s %16s bytes\n", name, text);
}

/* What would, when it does not. */
static void print_fitting(const struct setup_options *o, const struct setup *s) {
    bool largest;
    int64_t batch = setup_fitting_batch(o, s, &largest);
    if (batch)
        printf("data.batch=%lld fits%s.\n", (long long)batch,
               largest ? ", the largest that does" : "");
    else
        puts("No data.batch fits with this data.eval_batch.");
}

static void print_memory(const struct setup_options *o, const struct setup *s) {
    struct exec_footprint f = engine_footprint(s->engine);
    uint64_t need = engine_need(s->engine), usable = s->engine->info->memory_bytes;
    char total[32], have[32];
    printf("\nMemory on %s, exact\n", s->engine->info->name);
    print_bytes("variables", f.variables);
    if (f.data)
        print_bytes("data", f.data);
    print_bytes("arena", f.arena);
    print_bytes("constants", f.constants);
    print_bytes("scalars", f.scalars);
    print_bytes("inputs", f.inputs);
    print_bytes("outputs", f.outputs);
    print_bytes("peak", f.total);
    if (f.pinned)
        print_bytes("pinned", f.pinned);
    if (f.arena_bound)
        printf("The arena is %.3f of what is alive at once.\n",
               (double)f.arena / (double)f.arena_bound);
    number_text(need, total);
    number_text(usable, have);
    if (!usable) {
        puts("The device does not report how much memory it has.");
    } else if (need <= usable) {
        printf("It fits: %s of %s bytes are usable now.\n", total, have);
    } else {
        printf("It does not fit: %s bytes are usable now.\n", have);
        print_fitting(o, s);
    }
}

/* What a precision of 16 bits costs where the device multiplies f32 only. */
static void print_precision(const struct setup *s) {
    char moved[32];
    if (s->x->precision == RN_F32 || is_fast(s))
        return;
    struct conversions c = count_conversions(s);
    const char *word = dtype_name(s->x->precision);
    number_text(c.bytes, moved);
    printf("\n%s has no hardware support on this device: products are computed in "
           "f32.\n%llu of the %llu operations of a step only convert between f32 and "
           "%s; they read and write %s bytes.\n",
           word, (unsigned long long)c.passes, (unsigned long long)c.all, word, moved);
}

/* ----------------------------------------------------------------------- JSON */

static void add_layers(struct json_writer *w, const struct setup *s,
                       const struct plan *p) {
    struct plan_layer *layers;
    uint32_t n = plan_layers(p, s->arena, &layers);
    uint64_t flops = 0;
    json_array(w, "layers");
    for (uint32_t i = 0; i < n; i++) {
        json_object(w, NULL);
        json_string(w, "layer", layers[i].scope);
        json_array(w, "output");
        for (uint32_t k = 0; k < layers[i].rank; k++)
            json_int(w, NULL, layers[i].shape[k]);
        json_close(w);
        json_uint(w, "parameters", layers[i].parameters);
        json_uint(w, "flops", layers[i].flops);
        json_uint(w, "bytes", layers[i].bytes);
        json_close(w);
        flops += layers[i].flops;
    }
    json_close(w);
    json_uint(w, "parameters", engine_parameters(s->engine));
    json_uint(w, "flops", flops);
    json_uint(w, "step_flops", step_flops(s));
    json_int(w, "epochs", s->engine->length.epochs);
    json_int(w, "steps_per_epoch", s->engine->length.steps_per_epoch);
    json_int(w, "steps", s->engine->length.total_steps);
}

static void add_phases(struct json_writer *w, const struct setup *s) {
    const struct programs *p = s->engine->programs;
    json_array(w, "programs");
    for (uint32_t i = 0; i < p->objective_count; i++) {
        json_object(w, NULL);
        json_string(w, "name", p->objectives[i].name);
        json_array(w, "phases");
        for (uint32_t k = 0; phases_name(p, &p->objectives[i], k); k++)
            json_string(w, NULL, phases_name(p, &p->objectives[i], k));
        json_string(w, NULL, "update");
        json_close(w);
        json_close(w);
    }
    json_close(w);
}

static void add_memory(struct json_writer *w, const struct setup_options *o,
                       const struct setup *s) {
    struct exec_footprint f = engine_footprint(s->engine);
    uint64_t need = engine_need(s->engine), usable = s->engine->info->memory_bytes;
    bool largest;
    json_object(w, "memory");
    json_uint(w, "variables", f.variables);
    json_uint(w, "data", f.data);
    json_uint(w, "arena", f.arena);
    json_uint(w, "constants", f.constants);
    json_uint(w, "scalars", f.scalars);
    json_uint(w, "inputs", f.inputs);
    json_uint(w, "outputs", f.outputs);
    json_uint(w, "peak", f.total);
    json_uint(w, "pinned", f.pinned);
    json_uint(w, "arena_bound", f.arena_bound);
    json_uint(w, "usable", usable);
    if (usable)
        json_bool(w, "fits", need <= usable);
    else
        json_null(w, "fits");
    if (usable && need > usable)
        json_int(w, "batch_that_fits", setup_fitting_batch(o, s, &largest));
    json_close(w);
}

static void add_precision(struct json_writer *w, const struct setup *s) {
    if (s->x->precision == RN_F32)
        return;
    struct conversions c = count_conversions(s);
    json_object(w, "precision");
    json_string(w, "type", dtype_name(s->x->precision));
    json_bool(w, "hardware", is_fast(s));
    json_uint(w, "conversions", c.passes);
    json_uint(w, "conversion_bytes", c.bytes);
    json_close(w);
}

static void print_json(const struct setup_options *o, const struct setup *s,
                       const struct plan *layers) {
    struct text line = {0};
    struct json_writer w;
    json_begin(&w, &line);
    json_object(&w, NULL);
    add_layers(&w, s, layers);
    add_phases(&w, s);
    add_memory(&w, o, s);
    add_precision(&w, s);
    json_close(&w);
    json_end(&w);
    print_text(&line);
}

int verb_plan(const struct args *a) {
    int code = 0;
    bool dot = args_has(a, FLAG_DOT);
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
    } else if (args_json(a)) {
        print_json(&o, s, layers);
    } else {
        print_layers(s, layers);
        print_phases(s);
        print_memory(&o, s);
        print_precision(s);
    }
    setup_close(s);
    diag_destroy(d);
    session_destroy(session);
    return code;
}
