/* SPDX-License-Identifier: Apache-2.0 */
/* Signals, for verbs that run long. After signals_catch, the first SIGINT or SIGTERM
 * asks for a stop, the second one ends the process at once with 128 + its number, and
 * kills its children; SIGUSR1 asks for a checkpoint; SIGHUP is ignored. */
#ifndef COMMANDS_CLI_SIGNALS_H
#define COMMANDS_CLI_SIGNALS_H

#include <stdbool.h>

void signals_catch(void);
bool signals_stop(void); /* was a stop asked for? from any thread */
bool signals_save(void); /* was a checkpoint asked for since the last call? */
/* How the process ends after a stop where nobody heeds it. */
struct signals_end {
    int code;         /* 0: 128 + the signal */
    const char *line; /* for stderr */
    const char *json; /* for stdout, or NULL */
};
/* From now on nothing is lost when the process ends: a third of a second after a stop
 * was asked for it does, wherever it is (in a plugin, in a library). end: static; NULL:
 * what goes on must not be cut off. */
void signals_may_leave(const struct signals_end *end);
int signals_code(const struct signals_end *end);

#endif
