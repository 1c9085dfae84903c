/* SPDX-License-Identifier: Apache-2.0 */
/* bench: throughput of one's own experiment. */
#include <stdio.h>

#include "base/json_writer.h"
#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/verbs.h"
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
    struct text line = {0};
    struct json_writer w;
    json_begin(&w, &line);
    json_object(&w, NULL);
    json_number(&w, "ms", 1e3 * r->median);
    json_number(&w, "ms_10", 1e3 * r->low);
    json_number(&w, "ms_90", 1e3 * r->high);
    json_uint(&w, "steps", r->steps);
    json_number(&w, "steps_per_second", (double)r->steps / r->seconds);
    json_number(&w, "samples_per_second", (double)r->rows / r->seconds);
    json_uint(&w, "batch", r->batch);
    json_number(&w, "data_wait", r->waited / r->seconds);
    json_uint(&w, "memory", r->memory);
    json_uint(&w, "parameters", r->parameters);
    json_uint(&w, "threads", r->threads);
    json_number(&w, "first_loss", r->first_loss);
    json_number(&w, "last_loss", r->last_loss);
    json_close(&w);
    json_end(&w);
    print_text(&line);
}

int verb_bench(const struct args *a) {
    int code = 0;
    double seconds = args_number(a, FLAG_SECONDS);
    struct bench_options o = {.file = a->arg[0],
                              .override_count = a->count - 1,
                              .overrides = a->arg + 1,
                              .warm_seconds = 0.2 * seconds,
                              .seconds = seconds};
    struct bench_result r;
    if (!(o.session = open_session()))
        return 4;
    struct diag *d = diag_create();
    int status = run_bench(&o, &r, d);
    if (status != RN_OK)
        code = fail_with(d, a);
    else if (args_json(a))
        print_json(&r);
    else
        print(&r);
    diag_destroy(d);
    session_destroy(o.session);
    return code;
}
