/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel was best for what: a table in memory, in
 * ${XDG_CACHE_HOME:-~/.cache}/runner/kernels/MACHINE.txt for runs to come, and as text
 * for the record, which resume hands back. One line a node: its text, the kernel's
 * letter, nanoseconds, the walk through memory that it was timed beside ("-": none),
 * "?" if it was disturbed; tabs between them. The cpu and the cuda backend keep theirs
 * so, each with letters of its own. */
#ifndef SHARED_CHOICES_H
#define SHARED_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHOICE_KEY_MAX 512

struct choice {
    char *key;  /* shapes as they lie */
    char *what; /* the first part of it, up to '|': the same whatever the forms */
    char kernel;
    bool used;      /* by this run: it stays as it is */
    bool disturbed; /* timed in company */
    bool settled;   /* the record says so */
    uint64_t ns;
    uint64_t walk; /* ns; 0: not known */
};

struct choices;
/* machine: what times depend on. letters: of kernels that there are, borrowed; a line
 * that names another one, as an earlier version may have had, says nothing. NULL: no
 * memory. */
struct choices *choices_create(const char *machine, const char *letters);
void choices_destroy(struct choices *t);

/* Where they are kept between runs; NULL: nowhere. Owned. */
char *choices_place(const struct choices *t);
/* What that holds, in addition to what is known. False: there is no such place. */
bool choices_load(struct choices *t);
/* Lines of a record; known ones are not replaced. */
void choices_read(struct choices *t, const char *text);
/* The lines in use, borrowed until the next call; NULL: no memory. */
const char *choices_text(struct choices *t);

/* The entry of that key, or NULL; borrowed until something is added. */
struct choice *choices_find(const struct choices *t, const char *key);
/* The least time of that node whatever the forms; 0: not known. */
uint64_t choices_least(const struct choices *t, const char *key);
/* Keep c, whose key is not known or in doubt. Returns what counts from now on, which
 * may be another run's answer; NULL: no memory. */
struct choice *choices_keep(struct choices *t, const struct choice *c);

/* The shortest walk so far, of any run; 0: not known. */
uint64_t choices_walk(const struct choices *t);
/* A walk through memory took so much longer than the best known one that others were
 * in it: up to 1.2 times as long when quiet, 1.7 beside another walk (measured). */
static inline bool choice_walk_is_slow(uint64_t walk, uint64_t best) {
    return walk && best && (double)walk > (double)best * 1.4;
}
/* Timed in company, as far as is known today. */
bool choice_in_doubt(const struct choices *t, const struct choice *c);
/* Nothing was added for a while, so that whoever runs now is not one of several runs
 * that expect to get the same bits. */
bool choices_are_old(const struct choices *t);

#endif
