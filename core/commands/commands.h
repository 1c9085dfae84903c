/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs. Only this room prints; each verb is one file. */
#ifndef COMMANDS_COMMANDS_H
#define COMMANDS_COMMANDS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/text.h"
#include "config/config.h"
#include "plugin/plugin.h"

struct command {
    const char *name;
    const char *usage;                 /* after "runner " */
    const char *summary;               /* one line */
    const char *options;               /* lines for --help, may be "" */
    const char *example;               /* one real command */
    int (*run)(int argc, char **argv); /* argv[0] is the verb; an exit code */
};

extern const struct command command_train, command_resume, command_eval,
    command_predict, command_plan, command_bench, command_profile, command_config,
    command_schema, command_verify, command_recover, command_plugin, command_doctor,
    command_completion, command_help;
const struct command *const *command_list(unsigned *count);
/* crash.c: from now on a crash says where it was, and exits with 70 (1 in our own
 * code); so does a library that calls exit. crash_over: the verb has ended, with this
 * code. */
void crash_catch(void);
int crash_over(int code);

/* signals.c, for verbs that run long. After signals_catch, the first SIGINT or SIGTERM
 * asks for a stop, the second one ends the process at once with 128 + its number, and
 * kills its children; SIGUSR1 asks for a checkpoint; SIGHUP is ignored. */
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

int command_print_help(const struct command *c);
/* Says that `word` is no verb, and the nearest one; 2. */
int unknown_verb(const char *word);

/* Flags that several verbs take, taken out of argv. */
struct flags {
    bool json, help;
    const char *progress; /* auto|bar|plain|json|none; json implies json */
    const char *out;      /* --out FILE */
    const char *checkpoint, *split, *data;
    const char *seconds; /* --seconds S */
    const char *steps;   /* --steps N */
    const char *trace;   /* --trace FILE */
    bool ack;            /* --ack: lines about what is durable, on stdout */
    bool dot, resolved, blame, kernels, man, docs;
    unsigned positional; /* count */
    const char *arg[64]; /* the positional ones, in order */
    /* Paths given with `~`. */
    char out_path[4096], trace_path[4096], checkpoint_path[4096];
};
/* 0, or 2 after saying what is wrong. `accepted`: names of the flags that the verb
 * takes, separated by spaces, "=" behind those with a value. */
int flags_parse(const struct command *c, int argc, char **argv, const char *accepted,
                struct flags *out);

/* Exit code of a status. */
int exit_code(int status);
/* Print what d holds on stderr; the exit code. */
int fail_with(const struct diag *d, const struct flags *f);
int fail_error(const struct rn_error *e, const struct flags *f);
bool stderr_colour(void);
/* "name": value of a JSON object on stdout; what is no finite number is null. */
void json_value(const char *name, double value);
/* "NAME VALUE" as a line of stdout; n/a: not defined. */
void print_measure(const char *name, double value);
/* What was typed to get here ("runner", "./dev runner"): for what to type next. */
const char *program_name(void);
void program_name_set(const char *argv0);
/* `path` as one would type it: from the current folder when it lies below, quoted for a
 * shell when it must be. */
void typed_path(const char *path, struct text *out);

struct profile_result;
/* trace.c: what a profile saw, as JSON that Perfetto and Chrome's tracing open. */
void trace_print(const struct profile_result *r, FILE *out);

/* What a component says of itself, for `plugin show`. */
void component_print(const struct component *c);
/* docs/components.md: every component that comes with the runner; an exit code. */
int plugin_docs(const struct session *s);
/* For qsort of pointers to components: by kind, then name. */
int component_order(const void *a, const void *b);

/* The session with all plugin folders. NULL after saying why. */
struct session *open_session(void);
/* Where this runner's own plugins are; static. */
const char *plugin_folder(void);

#endif
