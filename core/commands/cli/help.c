/* SPDX-License-Identifier: Apache-2.0 */
/* Help for a terminal. */
#include <stdio.h>
#include <string.h>

#include "commands/cli/help.h"
#include "experiment/resume_rules.h"

enum { width = 79 };

const struct help_exit help_exits[] = {
    {"0", "done"},
    {"1", "a bug of runner"},
    {"2", "usage or configuration"},
    {"3", "data"},
    {"4", "plugin or ABI"},
    {"5", "diverged: NaN, Inf"},
    {"6", "memory of the host or the device"},
    {"7", "disk or other I/O"},
    {"8", "checkpoint or run folder unusable"},
    {"9", "a check failed"},
    {"10", "run folder locked by another run"},
    {"70", "a plugin or a library crashed; it is named"},
    {"75", "interrupted or out of time, saved: resume continues it"},
    {"130, 143", "stopped before the first step, or by a second signal"},
    {NULL, NULL}};

void help_resume_keys(struct text *out) {
    static const char *const heads[] = {"Keys that must stay (a change is refused):",
                                        "Keys that may change:"};
    for (int applied = 1; applied >= 0; applied--) {
        text_addf(out, "%s%s\n", applied ? "" : "\n", heads[applied]);
        for (uint32_t i = 0; i < resume_rule_count(); i++) {
            const struct resume_rule *r = resume_rule_at(i);
            if (r->applied == (applied == 1))
                text_addf(out, "  %-27s %s\n", r->key, r->why);
        }
    }
}

/* Words in lines that begin at `column`, where the first one is now. */
static void print_wrapped(const char *words, int column) {
    uint32_t n;
    int at = column;
    for (const char *p = words; (n = word_next(&p)); p += n) {
        if (at > column && at + 1 + (int)n > width) {
            printf("\n%*s", column, "");
            at = column;
        }
        at += printf("%s%.*s", at > column ? " " : "", (int)n, p);
    }
    putchar('\n');
}

static void print_flags(enum verb_id v) {
    int column = 0;
    struct text label = {0}, help = {0};
    for (int printing = 0; printing < 2; printing++)
        for (unsigned f = 0; f < FLAG_COUNT; f++) {
            if (!flag_of((enum flag_id)f, v))
                continue;
            text_finish(&label);
            flag_label((enum flag_id)f, &label);
            if (!printing) {
                column = (int)label.length > column ? (int)label.length : column;
                continue;
            }
            text_finish(&help);
            flag_describe((enum flag_id)f, &help);
            printf("  %-*s  ", column, text_get(&label));
            print_wrapped(text_get(&help), column + 4);
        }
    text_finish(&label);
    text_finish(&help);
}

void help_verb(enum verb_id v) {
    const struct verb *verb = &verb_table[v];
    struct text usage = {0}, more = {0};
    verb_usage(v, &usage);
    printf(v == VERB_DEFAULT ? "runner [%s] " : "runner %s ", verb->name);
    print_wrapped(text_get(&usage), (int)strlen(verb->name) + 8);
    printf("\n%s\n\n", verb->summary);
    print_flags(v);
    if (verb->details) {
        putchar('\n');
        print_wrapped(verb->details, 0);
    }
    if (verb->more) {
        verb->more(&more);
        printf("\n%s", text_get(&more));
    }
    printf("\nExample:\n  %s\n", verb->example);
    text_finish(&usage);
    text_finish(&more);
}

void help_overview(void) {
    puts("runner " RUNNER_VERSION ": trains neural networks from one YAML file\n\n"
         "  runner EXPERIMENT.yaml [key=value ...]   train\n");
    for (unsigned i = 0; i < VERB_COUNT; i++)
        printf("  %-12s %s\n", verb_table[i].name, verb_table[i].summary);
    puts("\nrunner VERB --help shows the details of one. Exit codes:");
    for (const struct help_exit *e = help_exits; e->code; e++)
        printf("  %-9s %s\n", e->code, e->meaning);
}
