/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of the verbs, as the table names them. Each takes what was typed behind
 * the verb, prints its results on stdout and returns an exit code. */
#ifndef COMMANDS_VERBS_VERBS_H
#define COMMANDS_VERBS_VERBS_H

#include "commands/cli/args.h"

#define VERB(id, name, arguments, words, summary, details, more, example, run)         \
    int run(const struct args *a);
#include "commands/cli/flags.def"

#endif
