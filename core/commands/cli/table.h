/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the command line, from flags.def: verbs and flags. Static; any thread.
 */
#ifndef COMMANDS_CLI_TABLE_H
#define COMMANDS_CLI_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct args;

enum verb_id {
#define VERB(id, ...) VERB_##id,
#include "commands/cli/flags.def"
    VERB_COUNT
};

enum flag_id {
#define FLAG(id, ...) FLAG_##id,
#include "commands/cli/flags.def"
    FLAG_COUNT
};

struct verb {
    const char *name;
    /* After the name: words in capitals stand for something, [] is optional, "..." may
     * be repeated, " | " separates forms. How many there may be follows from it. */
    const char *arguments;
    const char *words;   /* that the first argument must be one of, or NULL */
    const char *summary; /* one line */
    const char *details; /* a paragraph, or NULL */
    void (*more)(struct text *out);   /* adds lines made from another table, or NULL */
    const char *example;              /* one command that works when it is pasted */
    int (*run)(const struct args *a); /* an exit code */
};

enum flag_kind {
    FLAG_IS_SWITCH,
    FLAG_IS_PATH,
    FLAG_IS_REPEATED, /* a word, any number of times */
    FLAG_IS_CHOICE,
    FLAG_IS_INTEGER,
    FLAG_IS_NUMBER
};

struct flag {
    uint64_t verbs; /* a bit for each verb_id that takes it */
    const char *name;
    enum flag_kind kind;
    const char *choices; /* of a choice, separated by spaces */
    double min, max;   /* of an integer, included; of a number: above min, up to max */
    const char *value; /* what its value is called in help; NULL: takes none */
    const char *initial; /* its value where it is not given, or NULL */
    const char *help;    /* without its choices and its default, which are added */
};

extern const struct verb verb_table[VERB_COUNT];
extern const struct flag flag_table[FLAG_COUNT];

/* The verb that is meant where only a file is named. */
#define VERB_DEFAULT VERB_TRAIN

/* VERB_COUNT if no verb has this name. */
enum verb_id verb_find(const char *name);
bool flag_of(enum flag_id f, enum verb_id v);
/* Sets of flags of which a verb takes one: bits of flag_id. i from 0; 0 after the last
 * set. */
uint64_t flag_set(enum verb_id v, unsigned i);
/* How many arguments the pattern allows. most: UINT32_MAX without a limit. */
void verb_bounds(enum verb_id v, uint32_t *min_count, uint32_t *max_count);
/* "RUN [key=value ...] [--json]": all that may follow the verb. */
void verb_usage(enum verb_id v, struct text *out);
/* "--split NAME". */
void flag_label(enum flag_id f, struct text *out);
/* Its help with its choices and its default. */
void flag_describe(enum flag_id f, struct text *out);
/* The next of the words that spaces (or |) separate: its length, 0 at the end. *at is
 * moved to its start; go on behind it. */
uint32_t word_next(const char **at);
/* "auto, bar or none" of "auto bar none". */
void words_listed(const char *words, struct text *out);

#endif
