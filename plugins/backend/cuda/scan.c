/* SPDX-License-Identifier: Apache-2.0 */
/* Scan: the body's tasks follow the scan's in the list of the program, in its module
 * and its CUDA graph; the scan's task runs them once a step with other pointers. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"

struct loop {
    const struct rn_program *program;
    const struct rn_node *node;
    int64_t length;
    void *bases[]; /* of the body at a step */
};

static int32_t run_step(struct cuda_exe *x, struct cuda_task *first, uint32_t count,
                        CUstream stream, void *const *bases, struct rn_error *e) {
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < count && status == RN_OK; i += 1 + first[i].inside)
        status = first[i].run(x, &first[i], stream, bases, e);
    return status;
}

static int32_t run(struct cuda_exe *x, struct cuda_task *t, CUstream stream,
                   void *const *bases, struct rn_error *e) {
    struct loop *l = t->state;
    int32_t status = RN_OK;
    for (int64_t s = 0; s < l->length && status == RN_OK; s++) {
        rn_scan_bases(l->program, l->node, bases, s, l->bases);
        status = run_step(x, t + 1, t->inside, stream, l->bases, e);
    }
    return status;
}

static void finish(struct cuda_exe *x, void *state) {
    (void)x;
    free(state);
}

int32_t cuda_room_scan(struct cuda_setup *s, struct rn_error *e) {
    const struct rn_node *n = s->node;
    if (!rn_node_is_scan(n))
        return 0;
    s->kernel = "steps";
    if (!s->building)
        return 1;
    struct loop *l = calloc(1, sizeof *l + n->sub->base_count * sizeof l->bases[0]);
    if (!l)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    l->program = s->program;
    l->node = n;
    l->length = rn_scan_int(n, "length");
    s->workspace = n->workspace_bytes; /* sized by the host */
    uint32_t at = s->exe->task_count;
    struct cuda_task *t = cuda_task_add(s, run);
    t->state = l;
    t->finish = finish;
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < n->sub->node_count && status == RN_OK; i++)
        status = cuda_node_add(s->exe, n->sub, i, e);
    if (!s->exe->failed)
        s->exe->tasks[at].inside = s->exe->task_count - at - 1;
    return status == RN_OK ? 1 : status;
}
