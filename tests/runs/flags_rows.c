/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the rows of flags.def, apart from the tables that the runner makes of them:
 * "verb TRAIN train", "flag SPLIT split choice test|val|train" and "in SPLIT EVAL". */
#include <stdint.h>
#include <stdio.h>

enum {
#define VERB(id, ...) VERB_##id,
#include "commands/cli/flags.def"
    VERB_COUNT
};

#define IN(id)               (UINT64_C(1) << VERB_##id)
#define EVERY_VERB           (UINT64_MAX >> (64 - VERB_COUNT))
#define SWITCH               "switch", "-"
#define PATH                 "path", "-"
#define REPEATED             "repeated", "x"
#define CHOICE(words)        "choice", words
#define INTEGER(min, max)    "integer", #min
#define NUMBER_ABOVE(m, max) "number", #max

static const char *const verbs[] = {
#define VERB(id, ...) #id,
#include "commands/cli/flags.def"
};

static void print_flag(const char *id, uint64_t in, const char *name, const char *kind,
                       const char *values) {
    printf("flag\t%s\t%s\t%s\t%s\n", id, name, kind, values);
    for (int v = 0; v < VERB_COUNT; v++)
        if (in >> v & 1)
            printf("in\t%s\t%s\n", id, verbs[v]);
}

int main(void) {
#define VERB(id, name, ...) printf("verb\t%s\t%s\n", #id, name);
#include "commands/cli/flags.def"
#define FLAG(id, in, name, kind, value, initial, help) print_flag(#id, in, name, kind);
#include "commands/cli/flags.def"
    return 0;
}
