/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel was best for what: a table in memory, in
 * ${XDG_CACHE_HOME:-~/.cache}/runner/kernels/MACHINE.txt for runs to come, and as text
 * for the record, which resume hands back. One line a node: its text, the kernel's
 * letter, nanoseconds, the walk through memory that it was timed beside ("-": none),
 * "?" if it was disturbed; tabs between them. The cpu and the cuda backend keep theirs
 * so, each with letters of its own. */
#ifndef SHARED_TUNING_TABLE_H
#define SHARED_TUNING_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHOICE_KEY_MAX 512

struct choice {
    char *key;  /* shapes as they are laid out */
    char *what; /* the first part of it, up to '|': the same whatever the forms */
    char kernel;
    bool used;      /* by this run: it stays as it is */
    bool disturbed; /* timed under contention */
    bool complete;   /* the record says so */
    uint64_t ns;
    uint64_t probe_ns; /* ns; 0: not known */
};

struct tuning_table;
/* machine: what times depend on. letters: of kernels that there are, borrowed; a line
 * that names another one, as an earlier version may have had, says nothing. NULL: no
 * memory. */
struct tuning_table *choices_create(const char *machine, const char *letters);
void tuning_destroy(struct tuning_table *t);

/* Where they are kept between runs; NULL: nowhere. Owned. */
char *tuning_place(const struct tuning_table *t);
/* What that holds, in addition to what is known. False: there is no such place. */
bool tuning_load(struct tuning_table *t);
/* Lines of a record; known ones are not replaced. */
void tuning_read(struct tuning_table *t, const char *text);
/* The lines in use, borrowed until the next call; NULL: no memory. */
const char *tuning_text(struct tuning_table *t);

/* The entry of that key, or NULL; borrowed until something is added. */
struct choice *tuning_find(const struct tuning_table *t, const char *key);
/* The least time of that node whatever the forms; 0: not known. */
uint64_t tuning_least(const struct tuning_table *t, const char *key);
/* Keep c, whose key is not known or in doubt. Returns what counts from now on, which
 * may be another run's answer; NULL: no memory. */
struct choice *tuning_keep(struct tuning_table *t, const struct choice *c);

/* The shortest walk so far, of any run; 0: not known. */
uint64_t tuning_walk(const struct tuning_table *t);
/* A walk through memory took so much longer than the best known one that others were
 * in it: up to 1.2 times as long when quiet, 1.7 beside another walk (measured). */
static inline bool probe_is_slow(uint64_t probe_ns, uint64_t best) {
    return probe_ns && best && (double)probe_ns > (double)best * 1.4;
}
/* Timed under contention, as far as is known today. */
bool choice_in_doubt(const struct tuning_table *t, const struct choice *c);
/* Nothing was added for a while, so that the present run is not one of several
 * that expect to get the same bits. */
bool choices_are_old(const struct tuning_table *t);

#endif
