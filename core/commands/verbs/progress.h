/* SPDX-License-Identifier: Apache-2.0 */
/* The progress of a run: a line in place, a line an epoch, or an object a line. */
#ifndef COMMANDS_VERBS_PROGRESS_H
#define COMMANDS_VERBS_PROGRESS_H

#include "commands/cli/args.h"
#include "train/run.h"

enum progress_form { PROGRESS_NONE, PROGRESS_BAR, PROGRESS_PLAIN, PROGRESS_JSON };

struct progress_printer {
    enum progress_form form;
    bool acks;      /* on stdout */
    bool line_open; /* a line in place is showing */
};

/* By --progress and --ack. */
void progress_init(struct progress_printer *t, const struct args *a);
void progress_print(struct progress_printer *t, const struct run_progress *p);
/* A line of the log on stderr. */
void progress_log(struct progress_printer *t, int level, const char *line);
/* What is durable: a line on stdout. */
void progress_ack(struct progress_printer *t, const char *line);
/* Takes the line in place away. */
void progress_clear(struct progress_printer *t);
/* "1h02m", "2m03s" or "4s". */
void time_text(double seconds, char out[32]);

#endif
