/* SPDX-License-Identifier: Apache-2.0 */
/* recover: a damaged run verifies again. */
#include <stdio.h>

#include "base/json_writer.h"
#include "commands/cli/report.h"
#include "commands/verbs/verbs.h"
#include "record/record.h"

struct findings {
    struct json_writer *json; /* NULL: lines of text */
    unsigned count;
};

static void say(void *context, const char *sentence) {
    struct findings *f = context;
    if (f->json)
        json_string(f->json, NULL, sentence);
    else
        puts(sentence);
    f->count++;
}

int verb_recover(const struct args *a) {
    struct verify_result r = {0};
    struct rn_error e = {0};
    struct text line = {0};
    struct json_writer w;
    bool json = args_json(a);
    struct findings found = {json ? &w : NULL, 0};
    json_begin(&w, &line);
    json_object(&w, NULL);
    json_array(&w, "found");
    int status = record_recover(a->arg[0], say, &found, &e);
    if (status == RN_OK)
        status = record_verify(a->arg[0], &r, &e);
    json_close(&w);
    if (status == RN_OK) {
        json_int(&w, "step", r.step);
        json_uint(&w, "rows", r.rows);
        json_string(&w, "sha256", r.sha256);
    }
    json_close(&w);
    if (json && (found.count || status == RN_OK))
        print_text(&line);
    text_finish(&line);
    if (status != RN_OK)
        return fail_error(&e, a);
    if (!json && !found.count)
        puts("nothing is damaged");
    if (!json)
        printf("step=%lld rows=%llu sha256=%s\n", (long long)r.step,
               (unsigned long long)r.rows, r.sha256);
    return 0;
}
