/* SPDX-License-Identifier: Apache-2.0 */
/* Contention: what else the machine does while kernels are timed. Processor time alone
 * does not show it: others take the caches and the memory, and slow one kernel more
 * than another. */
#ifndef CPU_CONTENTION_H
#define CPU_CONTENTION_H

#include <stdbool.h>
#include <stdint.h>

/* Where times and signs of others come from; times in ns. */
struct cpu_clock {
    void *self;
    int64_t (*processor)(void *self); /* of this thread */
    int64_t (*wall)(void *self);
    /* Runnable threads less `threads` of this process, by processor. */
    double (*others)(void *self, int threads);
    /* Times that this process had to make way for others. */
    int64_t (*switches)(void *self);
    /* Of a walk through memory; 0: not known. recent: the last one will do if it has
     * just ended, as the one after the trial before. */
    uint64_t (*memory_probe)(void *self, bool recent);
    void (*rest)(void *self);     /* give back what a walk took */
    void (*destroy)(void *self);
};

/* This machine's; false: no memory. */
bool cpu_clock_init(struct cpu_clock *out);

/* During one timing. */
struct cpu_contention {
    double stretch;  /* wall time over processor time, of one thread */
    double others;   /* runnable threads of others by processor, a mean */
    double made_way; /* times a second */
    uint64_t memory_probe;   /* the longer one of before and after; 0: not known */
};
/* best: the shortest walk known here. */
bool cpu_is_disturbed(const struct cpu_contention *c, uint64_t best);

struct cpu_watch {
    const struct cpu_clock *clock;     /* borrowed */
    int threads;                       /* that run what is timed */
    int64_t processor, wall, switches; /* at begin */
    double others;                     /* a sum */
    int looks;
    uint64_t memory_probe;
};
void cpu_watch_begin(struct cpu_watch *w, const struct cpu_clock *c, int threads);
void cpu_watch_look(struct cpu_watch *w); /* now and then */
struct cpu_contention cpu_watch_end(struct cpu_watch *w);

#endif
