/* SPDX-License-Identifier: Apache-2.0 */
/* recover: a damaged run verifies again. */
#include <stdio.h>

#include "commands/commands.h"
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

static int recover(int argc, char **argv) {
    struct flags f;
    struct verify_result r;
    struct rn_error e = {0};
    int code = flags_parse(&command_recover, argc, argv, "json", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_recover);
    if (f.positional != 1) {
        fprintf(stderr, "runner recover: error: which run?\n  e.g. %s\n",
                command_recover.example);
        return 2;
    }
    struct findings found = {f.json, 0};
    int status = record_recover(f.arg[0], say, &found, &e);
    if (status == RN_OK)
        status = record_verify(f.arg[0], &r, &e);
    if (f.json && found.count)
        printf(status ? "]}\n" : "], ");
    if (status != RN_OK)
        return fail_error(&e, &f);
    if (!f.json && !found.count)
        puts("nothing is damaged");
    printf(f.json ? "%s\"step\": %lld, \"rows\": %llu, \"sha256\": \"%s\"}\n"
                  : "%sstep=%lld rows=%llu sha256=%s\n",
           !f.json       ? ""
           : found.count ? ""
                         : "{\"found\": [], ",
           (long long)r.step, (unsigned long long)r.rows, r.sha256);
    return 0;
}

const struct command command_recover = {
    "recover",
    "recover RUN [--json]",
    "repair a damaged run: what is intact is kept, what is lost is reported",
    "  --json  for machines\n",
    "runner recover runs/digits/latest",
    recover};
