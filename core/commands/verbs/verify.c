/* SPDX-License-Identifier: Apache-2.0 */
/* verify: is a run whole? */
#include <stdio.h>

#include "base/json_writer.h"
#include "commands/cli/report.h"
#include "commands/verbs/verbs.h"
#include "record/record.h"

int verb_verify(const struct args *a) {
    struct verify_result r;
    struct rn_error e = {0};
    if (record_verify(a->arg[0], &r, &e) != RN_OK) {
        fail_error(&e, a);
        return 8;
    }
    if (!args_json(a)) {
        printf("step=%lld rows=%llu sha256=%s\n", (long long)r.step,
               (unsigned long long)r.rows, r.sha256);
        return 0;
    }
    struct text line = {0};
    struct json_writer w;
    json_begin(&w, &line);
    json_object(&w, NULL);
    json_int(&w, "step", r.step);
    json_uint(&w, "rows", r.rows);
    json_string(&w, "sha256", r.sha256);
    json_close(&w);
    json_end(&w);
    print_text(&line);
    return 0;
}
