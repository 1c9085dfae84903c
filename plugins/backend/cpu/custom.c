/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin's own operator: its kernel for host memory, with this backend's threads. */
#include <stdlib.h>

#include <runner/sdk/operator.h>

#include "cpu.h"

#define MOST 16

/* Of a node: nodes may run at the same time. */
struct custom {
    struct rn_workspace work;
    int threads;
};

struct task {
    void (*run)(void *context, uint64_t begin, uint64_t end);
    void *context;
};

static void range(void *context, int64_t begin, int64_t end, int thread) {
    const struct task *t = context;
    (void)thread;
    t->run(t->context, (uint64_t)begin, (uint64_t)end);
}

static void parallel(void *context, uint64_t n, uint64_t grain,
                     void (*run)(void *context, uint64_t begin, uint64_t end),
                     void *run_context) {
    const struct custom *s = context;
    struct task t = {run, run_context};
    cpu_parallel(s->threads, (int64_t)n, (int64_t)grain, range, &t);
}

static int32_t run_custom(const struct cpu_call *c, struct rn_error *e) {
    struct custom *s = (void *)(uintptr_t)c->state;
    struct rn_tensor in[MOST], out[MOST];
    for (uint32_t i = 0; i < c->k.n_in; i++) {
        const struct kernel_tensor *t = &c->k.in[i];
        in[i] = (struct rn_tensor){t->data, t->shape, NULL, t->dtype, t->rank};
    }
    for (uint32_t i = 0; i < c->k.n_out; i++) {
        const struct kernel_tensor *t = &c->k.out[i];
        out[i] = (struct rn_tensor){t->data, t->shape, NULL, t->dtype, t->rank};
    }
    return rn_operator_run(c->k.node, in, out, &s->work, e);
}

static void finish(void *state) {
    struct custom *s = state;
    if (s)
        rn_workspace_finish(&s->work);
    free(s);
}

int32_t cpu_custom(struct cpu_setup *s, struct rn_error *e) {
    const struct rn_operator *op = s->node->custom;
    if (!op || !op->host || s->n_in > MOST || s->n_out > MOST)
        return 0;
    struct custom *state = calloc(1, sizeof *state);
    if (!state)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    state->threads = s->threads;
    state->work.parallel = parallel;
    state->work.context = state;
    state->work.guarded = rn_guard_wanted();
    s->state = state;
    s->finish = finish;
    s->run = run_custom;
    s->kernel = "plugin";
    return 1;
}
