/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "reduction_tail.h"

bool tail_is(const struct rn_node *n, enum tail_kind *kind) {
    static const char *const names[] = {"reduce_sum", "reduce_mean", "reduce_max",
                                        "reduce_min"};
    for (int k = 0; k < 4; k++)
        if (strcmp(n->op, names[k]) == 0) {
            *kind = (enum tail_kind)k;
            return true;
        }
    return false;
}

bool tail_table_of(const struct rn_program *p, const struct rn_node *n,
                   struct tail_table *t) {
    const struct rn_attr *axes = rn_node_attr(n, "axes");
    bool gone[RN_MAX_RANK] = {false};
    int turns = 0, before = -1;
    if (!axes || n->in_count != 1)
        return false;
    const struct rn_slot *x = rn_slot_at(p, n->in[0]);
    if (rn_slot_at(p, n->out[0])->dtype != RN_F32 || x->rank != p->space_rank ||
        memcmp(x->shape, p->space, x->rank * sizeof x->shape[0]) != 0)
        return false;
    for (uint32_t i = 0; i < axes->count; i++)
        gone[((const int64_t *)axes->p)[i]] = true;
    t->results = t->each = 1;
    for (uint32_t i = 0; i < x->rank; i++) {
        if (x->shape[i] == 1)
            continue;
        turns += before >= 0 && before != gone[i];
        before = gone[i];
        *(gone[i] ? &t->each : &t->results) *= x->shape[i];
    }
    t->columns = before == 0;
    return turns <= 1 && t->results * t->each > 0;
}
