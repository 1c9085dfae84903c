/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel was best for what: a table in memory, in
 * ${XDG_CACHE_HOME:-~/.cache}/runner/kernels/MACHINE.txt for runs to come, and as text
 * for the record, which resume hands back. One line a node: its text, the kernel's
 * letter, nanoseconds, and the walk through memory (company.h) that it was timed
 * beside,
 * "?" if it was disturbed; tabs between them. */
#ifndef CPU_CHOICES_H
#define CPU_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPU_KEY_MAX 512

struct cpu_choice {
    char *key;  /* shapes as they lie */
    char *what; /* the first part of it, up to '|': the same whatever the forms */
    char kernel;
    bool used;      /* by this run: it stays as it is */
    bool disturbed; /* timed in company */
    bool settled;   /* the record says so */
    uint64_t ns;
    uint64_t walk; /* ns; 0: not known */
};

struct cpu_choices;
/* machine: what times depend on. letters: of kernels that there are, borrowed; a line
 * that names another one, as an earlier version may have had, says nothing. NULL: no
 * memory. */
struct cpu_choices *cpu_choices_create(const char *machine, const char *letters);
void cpu_choices_destroy(struct cpu_choices *t);

/* Where they are kept between runs; NULL: nowhere. Owned. */
char *cpu_choices_place(const struct cpu_choices *t);
/* What that holds, in addition to what is known. False: there is no such place. */
bool cpu_choices_load(struct cpu_choices *t);
/* Lines of a record; known ones are not replaced. */
void cpu_choices_read(struct cpu_choices *t, const char *text);
/* The lines in use, borrowed until the next call; NULL: no memory. */
const char *cpu_choices_text(struct cpu_choices *t);

/* The entry of that key, or NULL; borrowed until something is added. */
struct cpu_choice *cpu_choices_find(const struct cpu_choices *t, const char *key);
/* The least time of that node whatever the forms; 0: not known. */
uint64_t cpu_choices_least(const struct cpu_choices *t, const char *key);
/* Keep c, whose key is not known or in doubt. Returns what counts from now on, which
 * may be another run's answer; NULL: no memory. */
struct cpu_choice *cpu_choices_keep(struct cpu_choices *t, const struct cpu_choice *c);

/* The shortest walk so far, of any run; 0: not known. */
uint64_t cpu_choices_walk(const struct cpu_choices *t);
/* Timed in company, as far as is known today. */
bool cpu_choice_in_doubt(const struct cpu_choices *t, const struct cpu_choice *c);
/* Nothing was added for a while, so that whoever runs now is not one of several runs
 * that expect to get the same bits. */
bool cpu_choices_are_old(const struct cpu_choices *t);

#endif
