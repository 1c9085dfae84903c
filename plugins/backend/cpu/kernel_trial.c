/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels timed beside each other, on scratch from the system. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise */
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include <runner/numerics.h>

#include "kernel_trial.h"

#define ROUNDS 3    /* at least, */
#define MORE   20   /* at most, */
#define ENOUGH 3e6  /* ns in between */
#define MARGIN 0.97 /* of the time of the first kernel: another one must be faster */
#define LONG   2e6  /* ns of a call that is long enough to be timed once */
#define COLD   12   /* times the best known, in a short first call: it warms up */

/* A kernel goes on to another round while it takes at most so many times the best. */
static const double near_enough[] = {1.5, 1.25, 1.1};

/* Scratch straight from the system, which has it back before the run begins. */
static void *scratch(uint64_t bytes) {
    void *p = mmap(NULL, (size_t)bytes + 64, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, (size_t)bytes + 64, MADV_HUGEPAGE); /* a wish */
    return p;
}

static void give_back(void *p, uint64_t bytes) {
    if (p)
        munmap(p, (size_t)bytes + 64);
}

#define PATTERN 16381 /* numbers before they come again: no power of two */

/* Small numbers of both signs, none of them denormal. */
static void *operand(rn_dtype t, uint64_t count) {
    size_t each = RN_DTYPE_BYTES(t);
    char *p = scratch(count * each);
    uint32_t r = 12345;
    for (uint64_t i = 0; p && i < count && i < PATTERN; i++) {
        r = r * 1664525u + 1013904223u;
        float x = ((float)(r >> 8) / 16777216.0f - 0.5f) * 0.25f;
        if (t == RN_BF16)
            ((uint16_t *)(void *)p)[i] = rn_bf16_from_f32(x);
        else
            ((float *)(void *)p)[i] = x;
    }
    for (uint64_t i = PATTERN; p && i < count; i += PATTERN)
        memcpy(p + i * each, p,
               (size_t)(count - i < PATTERN ? count - i : PATTERN) * each);
    return p;
}

void kernel_trial_end(struct kernel_trial *c) {
    uint32_t n = c->setup.n_in + c->setup.n_out;
    for (uint32_t i = 0; i < c->count; i++)
        cpu_setup_finish(&c->kernel[i]);
    for (uint32_t i = 0; c->tensors && i < n; i++)
        give_back(c->tensors[i].data,
                  c->tensors[i].count * RN_DTYPE_BYTES(c->tensors[i].dtype));
    free(c->tensors);
    give_back(c->workspace, c->workspace_bytes);
}

bool kernel_trial_begin(struct kernel_trial *c, const struct cpu_setup *s,
                        const char *choices, cpu_prepare prepare, struct rn_error *e) {
    uint32_t n = s->n_in + s->n_out;
    *c = (struct kernel_trial){.setup = *s,
                               .tensors = calloc(n + 1u, sizeof *c->tensors)};
    for (const char *k = choices; *k && c->count < KERNEL_TRIAL_MAX; k++) {
        struct cpu_setup *one = &c->kernel[c->count];
        *one = *s;
        one->choice = *k;
        one->building = true;
        if (prepare(one, e) <= 0) {
            cpu_setup_finish(one);
            continue;
        }
        if (one->workspace > c->workspace_bytes)
            c->workspace_bytes = one->workspace;
        c->letter[c->count++] = *k;
    }
    c->workspace = scratch(c->workspace_bytes);
    if (c->workspace) /* no page is to be missing in the first call */
        memset(c->workspace, 0, (size_t)c->workspace_bytes);
    bool good = c->count && c->tensors && c->workspace;
    for (uint32_t i = 0; good && i < n; i++) {
        c->tensors[i] = i < s->n_in ? s->in[i] : s->out[i - s->n_in];
        c->tensors[i].data = operand(c->tensors[i].dtype, c->tensors[i].count);
        good = c->tensors[i].data != NULL;
    }
    return good;
}

uint64_t kernel_trial_best(const struct kernel_trial *c, char *letter) {
    uint64_t best = 0;
    double beat = 0.0;
    for (uint32_t i = 0; i < c->count; i++)
        if (c->ns[i] && (!best || (double)c->ns[i] < beat)) {
            beat = (double)c->ns[i] * (best ? 1.0 : MARGIN);
            best = c->ns[i];
            *letter = c->letter[i];
        }
    return best;
}

/* Of one thread its processor time; of several the time that all need. */
static int64_t now_of(const struct kernel_trial *c, const struct cpu_clock *clock) {
    return c->setup.threads == 1 ? clock->processor(clock->self)
                                 : clock->wall(clock->self);
}

/* One call of kernel i. */
static void trial_call(struct kernel_trial *c, uint32_t i,
                       const struct cpu_clock *clock, bool first) {
    struct cpu_setup *s = &c->kernel[i];
    struct kernel_tensor *t = c->tensors;
    struct cpu_call call = {.k = {s->node, s->n_in, s->n_out, t, t + s->n_in},
                            .state = s->state,
                            .workspace = c->workspace,
                            .threads = s->threads};
    struct rn_error e;
    int64_t begin = now_of(c, clock);
    c->out[i] = s->run(&call, &e) != RN_OK;
    int64_t ns = now_of(c, clock) - begin;
    uint64_t took = ns > 0 ? (uint64_t)ns : 1;
    if (c->out[i])
        return;
    if (first && (double)took < LONG)
        c->cold[i] = took;
    else if (!c->ns[i] || took < c->ns[i])
        c->ns[i] = took;
}

/* After a round: what is clearly beaten, here or by another form of the same node, is
 * not timed again. known: the least of those forms, 0: none. */
static void trial_narrow(struct kernel_trial *c, int round, uint64_t known) {
    char letter;
    int last = (int)(sizeof near_enough / sizeof near_enough[0]) - 1;
    double factor = near_enough[round < last ? round : last];
    uint64_t best = kernel_trial_best(c, &letter);
    best = best && (!known || best < known) ? best : known;
    for (uint32_t i = 0; i < c->count && best; i++) {
        if (!c->ns[i] && (double)c->cold[i] > (double)best * COLD)
            c->ns[i] = c->cold[i];
        c->out[i] |= c->ns[i] && (double)c->ns[i] > (double)best * factor;
    }
}

static bool trial_continues(const struct kernel_trial *c) {
    for (uint32_t i = 0; i < c->count; i++)
        if (!c->out[i])
            return true;
    return false;
}

struct cpu_contention kernel_trial_run(struct kernel_trial *c,
                                       const struct cpu_clock *clock, uint64_t known) {
    struct cpu_watch w;
    memset(c->out, 0, sizeof c->out);
    memset(c->cold, 0, sizeof c->cold);
    cpu_watch_begin(&w, clock, c->setup.threads);
    int64_t begin = clock->wall(clock->self);
    for (int round = 0; /* the first one warms up */
         trial_continues(c) &&
         (round < ROUNDS ||
          (round <= MORE && (double)(clock->wall(clock->self) - begin) < ENOUGH));
         round++) {
        for (uint32_t i = 0; i < c->count; i++)
            if (!c->out[i]) {
                trial_call(c, i, clock, round == 0);
                cpu_watch_look(&w);
            }
        trial_narrow(c, round, known);
    }
    return cpu_watch_end(&w);
}
