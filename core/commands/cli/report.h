/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs report alike: exit codes, errors, measured values, paths to type. */
#ifndef COMMANDS_CLI_REPORT_H
#define COMMANDS_CLI_REPORT_H

#include "commands/cli/args.h"
#include "config/config.h"

/* Exit code of a status. */
int exit_code(int status);
/* Print what d holds, on stderr or as JSON on stdout; the exit code. a may be NULL. */
int fail_with(const struct diag *d, const struct args *a);
int fail_error(const struct rn_error *e, const struct args *a);
/* "  did you mean 'NEAR'?" on stderr, or where nothing is near, `otherwise`; NULL: no
 * line. */
struct suggest;
void print_suggestion(const struct suggest *names, const char *word,
                      const char *fallback);
/* Says that `word` is not a verb, and the nearest one; 2. */
int verb_unknown(const char *word);
/* A text and a newline on stdout, in one call; t is finished. */
void print_text(struct text *t);
/* "NAME VALUE" as a line of stdout; n/a: not defined. */
void print_measure(const char *name, double value);
/* What was typed to get here ("runner", "./dev runner"): for what to type next. */
const char *program_name(void);
void program_name_set(const char *argv0);
/* `path` as one would type it: from the current folder when it is inside it, quoted for
 * a shell when it must be. */
void typed_path(const char *path, struct text *out);

#endif
