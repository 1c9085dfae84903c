/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels chosen by time: a table of what is known, filled by measuring. */
#ifndef CPU_TUNE_H
#define CPU_TUNE_H

#include "contention.h"
#include "cpu.h"

struct cpu_tuner;

/* h: borrowed, outlives the tuner. `machine`: processor, instruction set, threads,
 * library: what times depend on. rule: nothing is timed, a rule decides. clock: taken
 * over; NULL: this machine's. NULL: no memory. */
struct cpu_tuner *cpu_tuner_create(struct rn_host *h, bool rule, const char *machine,
                                   const struct cpu_clock *clock);
void cpu_tuner_destroy(struct cpu_tuner *t);
/* Says how long timing took, gives back what it took, until the next time. */
void cpu_tuner_rest(struct cpu_tuner *t);

typedef int32_t (*cpu_prepare)(struct cpu_setup *s, struct rn_error *e);
/* The least time of node s, prepared by each of the kernels that `choices` has a letter
 * for (cpu_setup.choice). Looked up where it is known. */
int32_t cpu_tuner_measure(struct cpu_tuner *t, const struct cpu_setup *s,
                          const char *choices, cpu_prepare prepare, uint64_t *ns,
                          struct rn_error *e);
/* The kernel that was best of `choices`; 0: it was not measured. */
char cpu_tuner_choice(const struct cpu_tuner *t, const struct cpu_setup *s,
                      const char *choices);
/* The lines that this run asked for, borrowed until the next call; and back: known
 * lines are not replaced. */
const char *cpu_tuner_text(struct cpu_tuner *t);
void cpu_tuner_read(struct cpu_tuner *t, const char *text);

#endif
