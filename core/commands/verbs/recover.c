/* SPDX-License-Identifier: Apache-2.0 */
/* recover: a damaged run verifies again. */
#include <stdio.h>

#include "commands/cli/report.h"
#include "commands/verbs/verbs.h"
#include "record/record.h"

struct findings {
    bool json;
    unsigned count;
};

static void say(void *context, const char *sentence) {
    struct findings *f = context;
    if (f->json) {
        struct text quoted = {0};
        json_quote(&quoted, sentence);
        printf("%s%s", f->count ? ", " : "{\"found\": [", text_get(&quoted));
        text_finish(&quoted);
    } else {
        puts(sentence);
    }
    f->count++;
}

int verb_recover(const struct args *a) {
    struct verify_result r;
    struct rn_error e = {0};
    bool json = args_json(a);
    struct findings found = {json, 0};
    int status = record_recover(a->arg[0], say, &found, &e);
    if (status == RN_OK)
        status = record_verify(a->arg[0], &r, &e);
    if (json && found.count)
        printf(status ? "]}\n" : "], ");
    if (status != RN_OK)
        return fail_error(&e, a);
    if (!json && !found.count)
        puts("nothing is damaged");
    printf(json ? "%s\"step\": %lld, \"rows\": %llu, \"sha256\": \"%s\"}\n"
                : "%sstep=%lld rows=%llu sha256=%s\n",
           !json         ? ""
           : found.count ? ""
                         : "{\"found\": [], ",
           (long long)r.step, (unsigned long long)r.rows, r.sha256);
    return 0;
}
