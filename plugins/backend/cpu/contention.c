/* SPDX-License-Identifier: Apache-2.0 */
/* Signs of contention. The thread had to wait (wall time beside processor time; of
 * several threads, how often one was made to wait); others wanted to run (the system
 * counts them); and a walk through memory takes longer than it can here, which also
 * shows what no system counts, such as a neighbour of a virtual machine. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../shared/tuning_table.h"
#include "contention.h"
#include "cpu.h"

#define STRETCH 1.1      /* measured: 1.01 when quiet, 2 beside one process */
#define OTHERS  0.25     /* of the processors */
#define WAY     50       /* times a second; measured: below 10 when quiet */
#define LINE    16       /* floats of a line of the caches: one of each is enough */
#define RECENT  20000000 /* ns: nothing that matters began since */
#define BYTES   ((uint64_t)64 << 20) /* past the caches that one thread has alone */

bool cpu_is_disturbed(const struct cpu_contention *c, uint64_t best) {
    return c->stretch > STRETCH || c->others > OTHERS || c->made_way > WAY ||
           probe_is_slow(c->memory_probe, best);
}

void cpu_watch_begin(struct cpu_watch *w, const struct cpu_clock *c, int threads) {
    *w = (struct cpu_watch){
        .clock = c, .threads = threads, .memory_probe = c->memory_probe(c->self, true)};
    w->switches = c->switches(c->self);
    w->wall = c->wall(c->self);
    w->processor = c->processor(c->self);
    cpu_watch_look(w);
}

void cpu_watch_look(struct cpu_watch *w) {
    w->others += w->clock->others(w->clock->self, w->threads);
    w->looks++;
}

struct cpu_contention cpu_watch_end(struct cpu_watch *w) {
    const struct cpu_clock *c = w->clock;
    cpu_watch_look(w);
    int64_t processor = c->processor(c->self) - w->processor;
    int64_t wall = c->wall(c->self) - w->wall;
    int64_t switches = c->switches(c->self) - w->switches;
    uint64_t after = c->memory_probe(c->self, false);
    return (struct cpu_contention){
        .stretch =
            processor > 0 && w->threads == 1 ? (double)wall / (double)processor : 1.0,
        .made_way =
            switches > 2 && wall > 0 ? 1e9 * (double)switches / (double)wall : 0.0,
        .others = w->others / w->looks,
        .memory_probe = after > w->memory_probe ? after : w->memory_probe};
}

/* ------------------------------------------------------------ this machine */

struct machine {
    float *memory;  /* BYTES, while kernels are timed */
    uint64_t probe; /* what the last walk took, and when it ended */
    int64_t probed;
};

static int64_t read_clock(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t processor(void *self) {
    (void)self;
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static int64_t wall(void *self) {
    (void)self;
    return read_clock(CLOCK_MONOTONIC);
}

static double others(void *self, int threads) {
    FILE *f = fopen("/proc/loadavg", "re");
    long running = 0, processors = sysconf(_SC_NPROCESSORS_ONLN);
    (void)self;
    if (f && fscanf(f, "%*s %*s %*s %ld/", &running) != 1)
        running = 0;
    if (f)
        fclose(f);
    return running > threads && processors > 0
               ? (double)(running - threads) / (double)processors
               : 0.0;
}

static int64_t switches(void *self) {
    struct rusage r;
    (void)self;
    return getrusage(RUSAGE_SELF, &r) == 0 ? r.ru_nivcsw : 0;
}

static uint64_t memory_probe(void *self, bool recent) {
    struct machine *m = self;
    int64_t n = (int64_t)(BYTES / sizeof(float) / 2), best = 0;
    if (recent && m->probe && wall(NULL) - m->probed < RECENT)
        return m->probe;
    if (!m->memory) {
        uint64_t left = cpu_memory_left();
        void *p = left && left < 8 * BYTES ? MAP_FAILED
                                           : mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
                                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            return 0;
        madvise(p, BYTES, MADV_HUGEPAGE);
        m->memory = p;
        for (int64_t i = 0; i < 2 * n; i++)
            m->memory[i] = 1.0f;
    }
    for (int k = 0; k < 2; k++) {
        const float *restrict x = m->memory + n;
        float *restrict y = m->memory;
        int64_t begin = read_clock(CLOCK_THREAD_CPUTIME_ID);
        for (int64_t i = 0; i < n; i += LINE)
            y[i] = y[i] * 0.5f + x[i];
        int64_t took = read_clock(CLOCK_THREAD_CPUTIME_ID) - begin;
        best = k == 0 || took < best ? took : best;
    }
    m->probe = best > 0 ? (uint64_t)best : 1;
    m->probed = wall(NULL);
    return m->probe;
}

static void rest(void *self) {
    struct machine *m = self;
    if (m->memory)
        munmap(m->memory, BYTES);
    m->memory = NULL;
}

static void destroy(void *self) {
    rest(self);
    free(self);
}

bool cpu_clock_init(struct cpu_clock *out) {
    struct machine *m = calloc(1, sizeof *m);
    *out = (struct cpu_clock){m,        processor,    wall, others,
                              switches, memory_probe, rest, destroy};
    return m != NULL;
}
