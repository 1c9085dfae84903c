/* SPDX-License-Identifier: Apache-2.0 */
/* Help on stdout, from the tables: on a terminal and as a man page. */
#ifndef COMMANDS_CLI_HELP_H
#define COMMANDS_CLI_HELP_H

#include "commands/cli/table.h"

void help_verb(enum verb_id v);
/* The verbs and the exit codes. */
void help_overview(void);
void help_man(void);
/* Adds the keys that resume refuses or takes (config/resume.h). */
void help_resume_keys(struct text *out);

/* What a process ends with, by code; code NULL at the end. */
struct help_exit {
    const char *code, *meaning;
};
extern const struct help_exit help_exits[];

#endif
