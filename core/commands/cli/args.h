/* SPDX-License-Identifier: Apache-2.0 */
/* What was typed behind a verb, checked against the tables. */
#ifndef COMMANDS_CLI_ARGS_H
#define COMMANDS_CLI_ARGS_H

#include "commands/cli/table.h"

struct args {
    enum verb_id verb;
    uint64_t given;                /* a bit for each flag_id */
    const char *value[FLAG_COUNT]; /* checked; as in the table where not given */
    char *path[FLAG_COUNT];        /* owned: paths whose `~` was replaced */
    const char **repeated[FLAG_COUNT]; /* owned: the values of one that may be repeated */
    uint32_t repeated_count[FLAG_COUNT];
    uint32_t count;                /* arguments that are no flags */
    const char **arg;              /* owned; in order, then NULL */
};

/* argv[0] is the verb. 0, or 2 after saying what is wrong on stderr. After --help no
 * argument is missed. Finish in either case. */
int args_parse(enum verb_id v, int argc, char **argv, struct args *out);
void args_finish(struct args *a);

bool args_has(const struct args *a, enum flag_id f);
/* A value in the form that its kind has; args_text may be NULL. */
const char *args_text(const struct args *a, enum flag_id f);
double args_number(const struct args *a, enum flag_id f);
uint64_t args_integer(const struct args *a, enum flag_id f);
/* Are results and errors JSON? Also with --progress json. */
bool args_json(const struct args *a);

#endif
