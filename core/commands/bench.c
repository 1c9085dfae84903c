/* SPDX-License-Identifier: Apache-2.0 */
/* bench: throughput of one's own experiment. */
#include <stdlib.h>

#include "commands/commands.h"
#include "train/bench.h"

static void print(const struct bench_result *r) {
    printf("device       %s, %u threads\n", r->device, r->threads);
    printf("step         %.4g ms, median of %llu (80 %% of them %.4g to %.4g)\n",
           1e3 * r->median, (unsigned long long)r->steps, 1e3 * r->low, 1e3 * r->high);
    printf("steps/s      %.4g\n", (double)r->steps / r->seconds);
    printf("samples/s    %.6g in batches of %llu\n", (double)r->rows / r->seconds,
           (unsigned long long)r->batch);
    printf("data wait    %.2f %%\n", 100.0 * r->waited / r->seconds);
    printf("memory       %.1f MiB, %llu parameters\n", (double)r->memory / 1048576.0,
           (unsigned long long)r->parameters);
    printf("loss         %.4g, then %.4g\n", r->first_loss, r->last_loss);
}

static void print_json(const struct bench_result *r) {
    printf("{\"ms\": %.6g, \"ms_10\": %.6g, \"ms_90\": %.6g, \"steps\": %llu, "
           "\"steps_per_second\": %.6g, \"samples_per_second\": %.6g, \"batch\": %llu, "
           "\"data_wait\": %.6g, \"memory\": %llu, \"parameters\": %llu, "
           "\"threads\": %u, \"first_loss\": %.9g, \"last_loss\": %.9g}\n",
           1e3 * r->median, 1e3 * r->low, 1e3 * r->high, (unsigned long long)r->steps,
           (double)r->steps / r->seconds, (double)r->rows / r->seconds,
           (unsigned long long)r->batch, r->waited / r->seconds,
           (unsigned long long)r->memory, (unsigned long long)r->parameters, r->threads,
           r->first_loss, r->last_loss);
}

static int bench(int argc, char **argv) {
    struct flags f;
    int code = flags_parse(&command_bench, argc, argv, "json seconds=", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_bench);
    if (!f.positional) {
        fprintf(stderr, "runner bench: error: which experiment?\n  e.g. %s\n",
                command_bench.example);
        return 2;
    }
    char none[1] = "", *end = none;
    double seconds = f.seconds ? strtod(f.seconds, &end) : 5.0;
    if (*end || !(seconds > 0.0 && seconds <= 3600.0)) {
        fprintf(stderr,
                "runner bench: error: --seconds %s: a number above 0, at most 3600\n",
                f.seconds);
        return 2;
    }
    struct bench_options o = {.file = f.arg[0],
                              .override_count = f.positional - 1,
                              .overrides = f.arg + 1,
                              .warm_seconds = 0.2 * seconds,
                              .seconds = seconds};
    struct bench_result r;
    if (!(o.session = open_session()))
        return 4;
    struct diag *d = diag_create();
    int status = run_bench(&o, &r, d);
    if (status != RN_OK)
        code = fail_with(d, &f);
    else if (f.json)
        print_json(&r);
    else
        print(&r);
    diag_destroy(d);
    session_destroy(o.session);
    return code;
}

const struct command command_bench = {
    "bench",
    "bench EXPERIMENT.yaml [key=value ...] [--seconds S] [--json]",
    "how fast an experiment trains here; records nothing",
    "  --seconds S  how long to measure (5), after a fifth of it to warm up, or as\n"
    "               long again where samples are still being decoded\n"
    "  --json       for machines; times in ms, memory in bytes\n",
    "runner bench configs/quickstart.yaml data.batch=64",
    bench};
