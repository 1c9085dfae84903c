/* SPDX-License-Identifier: Apache-2.0 */
/* Training as train and resume do it: progress, signals, what is printed at the end. */
#ifndef COMMANDS_VERBS_TRAIN_H
#define COMMANDS_VERBS_TRAIN_H

#include "commands/cli/args.h"
#include "train/run.h"

/* o: everything but the session and the watch. An exit code. */
int training_run(const struct args *a, struct run_options *o);

struct study;
/* train_study.c: all runs of a study, and the table of what they came to. */
int training_study(const struct args *a, struct session *s, struct study *study);
/* One run: progress, and its result in *r, which the caller finishes. 75: interrupted
 * and saved; other codes were reported. */
int training_once(const struct args *a, struct run_options *o, struct run_result *r);

/* check.c: what check.on_train asks for, on stderr. Not 0: an exit code to end with. */
struct session;
int check_before_training(const struct args *a, struct session *s);

#endif
