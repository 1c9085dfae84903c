/* SPDX-License-Identifier: Apache-2.0 */
/* plan: what a run will take, before it takes anything. */
#include <string.h>

#include "commands/commands.h"
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

static void print_memory(const struct stage *s, bool json) {
    struct exec_footprint f = stage_footprint(s);
    char total[32], have[32];
    if (json)
        printf("\"memory\": {");
    else
        printf("\nMemory on %s, exact\n", s->info->name);
    row("variables", f.variables, json, false);
    row("arena", f.arena, json, false);
    row("constants", f.constants, json, false);
    row("scalars", f.scalars, json, false);
    row("inputs", f.inputs, json, false);
    row("outputs", f.outputs, json, false);
    if (f.pinned)
        row("pinned", f.pinned, json, false);
    row("peak", f.total, json, true);
    if (json) {
        printf("}");
        return;
    }
    number_text(f.total, total);
    number_text(s->info->memory_bytes, have);
    if (!s->info->memory_bytes)
        puts("The device does not say how much memory it has.");
    else if (f.total <= s->info->memory_bytes)
        printf("It fits: %s of %s bytes are usable now.\n", total, have);
    else
        printf("It does not fit: %s bytes are usable now. A smaller data.batch takes less.\n",
               have);
}

static void print_layers(const struct stage *s, bool json) {
    const struct plan *p = s->trainers ? s->trainers[0].step[0].plan : s->evals[0].plan;
    if (s->eval_count)
        p = s->evals[0].plan;
    struct plan_layer *layers;
    uint32_t n = plan_layers(p, s->arena, &layers);
    uint64_t parameters = 0, flops = 0;
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
            printf("%s{\"layer\": \"%s\", \"output\": %s, \"parameters\": %llu, "
                   "\"flops\": %llu, \"bytes\": %llu}",
                   i ? ", " : "", layers[i].scope, shape,
                   (unsigned long long)layers[i].parameters,
                   (unsigned long long)layers[i].flops,
                   (unsigned long long)layers[i].bytes);
        else
            printf("%-28s %-20s %12s %16s %14s\n", layers[i].scope, shape, par, fl, by);
    }
    if (json) {
        printf("], ");
        return;
    }
    char par[32], fl[32], step[32];
    number_text(stage_parameters(s), par);
    number_text(flops, fl);
    printf("%-28s %-20s %12s %16s\n", "all", "", par, fl);
    if (s->trainers) {
        number_text(s->trainers[0].step[0].plan->flops, step);
        printf("\n%lld epochs of %lld steps, %lld in all; a step takes %s FLOPs\n",
               (long long)s->epochs, (long long)s->steps_per_epoch,
               (long long)s->total_steps, step);
    }
}

static int plan(int argc, char **argv) {
    struct flags f;
    int code = flags_parse(&command_plan, argc, argv, "json dot kernels", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_plan);
    if (!f.positional) {
        fprintf(stderr, "runner plan: error: which experiment?\n  e.g. %s\n",
                command_plan.example);
        return 2;
    }
    struct session *session = open_session();
    if (!session)
        return 4;
    struct diag *d = diag_create();
    struct stage_options o = {.session = session,
                              .file = f.arg[0],
                              .override_count = f.positional - 1,
                              .overrides = f.arg + 1,
                              .use = STAGE_TRAIN};
    struct stage *s = stage_open(&o, d);
    if (!s || run_check(s, d) != RN_OK) {
        code = fail_with(d, &f);
    } else if (f.dot || f.kernels) {
        struct text t = {0};
        const struct plan *p = s->trainers[0].step[0].plan;
        if (f.dot)
            graph_dot(p->graph, &t);
        else
            plan_print(p, &t);
        fputs(text_get(&t), stdout);
        text_finish(&t);
    } else {
        if (f.json)
            printf("{");
        print_layers(s, f.json);
        print_memory(s, f.json);
        if (f.json)
            puts("}");
    }
    stage_close(s);
    diag_destroy(d);
    session_destroy(session);
    return code;
}

const struct command command_plan = {
    "plan",
    "plan EXPERIMENT.yaml [key=value ...] [--dot | --kernels] [--json]",
    "layers, FLOPs and the exact peak of memory, before any step",
    "  --dot      the graph of a step for graphviz: | dot -Tsvg > graph.svg\n"
    "  --kernels  the steps of the plan, with regions and places in memory\n"
    "  --json     for machines\n",
    "runner plan configs/quickstart.yaml data.batch=256",
    plan};
