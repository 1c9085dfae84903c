/* SPDX-License-Identifier: Apache-2.0 */
/* Scan: the body is a program of its own, run once a step with other pointers. */
#include <stdlib.h>

#include "cpu.h"

struct loop {
    struct cpu_exe *body;
    int64_t length;
    void *bases[]; /* of the body at a step */
};

static int32_t run(const struct cpu_call *c, struct rn_error *e) {
    struct loop *l = (struct loop *)(uintptr_t)c->state;
    int32_t status = RN_OK;
    for (int64_t s = 0; s < l->length && status == RN_OK; s++) {
        rn_scan_bases(c->program, c->k.node, c->bases, s, l->bases);
        status = cpu_run(l->body, l->bases, e);
    }
    return status;
}

static void loop_finish(void *state) {
    struct loop *l = state;
    cpu_exe_destroy(l->body);
    free(l);
}

int32_t cpu_scan(struct cpu_setup *s, struct rn_error *e) {
    const struct rn_node *n = s->node;
    if (!rn_node_is_scan(n))
        return 0;
    s->kernel = "steps";
    if (!s->building)
        return 1;
    struct loop *l = calloc(1, sizeof *l + n->sub->base_count * sizeof l->bases[0]);
    if (!l)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    l->length = rn_scan_int(n, "length");
    s->state = l;
    s->finish = loop_finish;
    s->run = run;
    int32_t status = cpu_compile(s->engine, n->sub, &l->body, e);
    return status == RN_OK ? 1 : status;
}
