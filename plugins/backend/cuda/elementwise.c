/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise operators and regions as CUDA C: one thread an element, a local variable
 * for each register. The expressions are those of the cpu backend, printed as text, and
 * compiled without contraction, so the bits are the same (but for the payload of a
 * NaN). Reductions at a region's end take what the threads make, in the order in which
 * they would take it from memory. */
#include <stdlib.h>
#include <string.h>

#include "region.h"

/* Strides of a broadcast operand in the space; false: it does not fit. */
static bool broadcast(const struct region *r, uint32_t rank, const int64_t *shape,
                      int64_t *stride) {
    int64_t step = 1;
    if (rank > r->rank)
        return false;
    memset(stride, 0, RN_MAX_RANK * sizeof *stride);
    for (uint32_t k = 0; k < rank; k++) {
        uint32_t at = r->rank - 1 - k;
        int64_t n = shape[rank - 1 - k];
        if (n != 1 && n != r->size[at])
            return false;
        stride[at] = n == 1 ? 0 : step;
        step *= n;
    }
    return true;
}

static bool set_space(struct region *r, uint32_t rank, const int64_t *shape) {
    if (rank > RN_MAX_RANK)
        return false;
    r->rank = rank;
    r->count = 1;
    for (uint32_t i = 0; i < rank; i++) {
        r->size[i] = shape[i];
        r->count *= (uint64_t)shape[i];
    }
    return true;
}

static bool make_step(struct region *r, const struct rn_node *n, struct step *s) {
    bool is_select = strcmp(n->op, "select") == 0;
    if (n->in_count > 3 || n->in_count < 1 || n->out_count != 1 || n->custom)
        return false;
    s->in_count = n->in_count;
    /* select's first operand is a bool, whatever it chooses from */
    s->expression = cpu_expression_find(n->op, r->dtype[s->in[0]], r->dtype[s->out]);
    return s->expression >= 0 &&
           cpu_expressions[s->expression].arity == (is_select ? 3 : n->in_count);
}

/* Nodes of p from `first` on as the reductions at its end. */
static bool make_ends(struct region *r, const struct rn_program *p, uint32_t first) {
    struct tail_table one;
    for (uint32_t k = first; k < p->node_count; k++) {
        const struct rn_node *n = rn_node_at(p, k);
        struct end *e = &r->ends[r->end_count];
        if (r->end_count == ENDS || !tail_is(n, &e->kind) || !tail_table_of(p, n, &one))
            return false;
        e->reg = n->in[0];
        e->output = 0;
        while (e->output < p->output_count && p->outputs[e->output] != n->out[0])
            e->output++;
        if (e->output == p->output_count ||
            (r->end_count &&
             (one.columns != r->table.columns || one.results != r->table.results)))
            return false;
        r->table = one;
        r->ended[e->output] = true;
        r->end_count++;
    }
    return true;
}

static bool from_program(struct cuda_setup *s, struct region *r) {
    const struct rn_program *p = s->node->sub;
    if (p->input_count > PORTS || p->output_count > PORTS || p->node_count > STEPS ||
        p->input_count != s->n_in || p->output_count != s->n_out ||
        !set_space(r, p->space_rank, p->space))
        return false;
    r->input_count = p->input_count;
    r->output_count = p->output_count;
    for (uint32_t i = 0; i < p->slot_count; i++) {
        const struct rn_slot *q = rn_slot_at(p, i);
        r->dtype[i] = q->dtype;
        r->input[i] = -1;
    }
    for (uint32_t i = 0; i < p->input_count; i++)
        r->input[p->inputs[i]] = (int)i;
    for (uint32_t k = 0; k < p->node_count; k++) {
        const struct rn_node *n = rn_node_at(p, k);
        enum tail_kind kind;
        if (tail_is(n, &kind))
            break;
        if (n->in_count > 3)
            return false;
        r->step_count++;
        for (uint32_t i = 0; i < n->in_count; i++)
            r->steps[k].in[i] = n->in[i];
        r->steps[k].out = n->out[0];
        if (!make_step(r, n, &r->steps[k]))
            return false;
    }
    memcpy(r->outputs, p->outputs, p->output_count * sizeof *p->outputs);
    return make_ends(r, p, r->step_count);
}

static bool from_node(struct cuda_setup *s, struct region *r) {
    const struct rn_node *n = s->node;
    if (n->in_count > 3 || n->in_count < 1 || n->out_count != 1 ||
        !set_space(r, s->out[0].rank, s->out[0].shape))
        return false;
    r->input_count = n->in_count;
    r->output_count = 1;
    r->step_count = 1;
    for (uint32_t i = 0; i < n->in_count; i++) {
        r->dtype[i] = s->in[i].dtype;
        r->input[i] = (int)i;
        r->steps[0].in[i] = i;
    }
    r->dtype[n->in_count] = s->out[0].dtype;
    r->input[n->in_count] = -1;
    r->steps[0].out = r->outputs[0] = n->in_count;
    return make_step(r, n, &r->steps[0]);
}

static enum feed feed_of(const struct region *r, const int64_t *stride) {
    bool one = true, dense = true;
    int64_t step = 1;
    for (uint32_t d = r->rank; d-- > 0;) {
        one &= stride[d] == 0;
        dense &= stride[d] == step || r->size[d] == 1;
        step *= r->size[d];
    }
    return dense ? FEED_DENSE : one ? FEED_ONE : FEED_STRIDED;
}

/* Where each port is, in as few dims as it takes. */
static bool lay_out(struct cuda_setup *s, struct region *r) {
    uint32_t ports = r->input_count + r->output_count;
    for (uint32_t i = 0; i < ports; i++) {
        const struct tensor *t =
            i < r->input_count ? &s->in[i] : &s->out[i - r->input_count];
        bool ended = i >= r->input_count && r->ended[i - r->input_count];
        if (t->at.base == RN_NO_SLOT ||
            !broadcast(r, ended ? r->rank : t->rank, ended ? r->size : t->shape,
                       r->stride[i]))
            return false;
    }
    r->rank = cuda_merge(r->rank, r->size, ports, r->stride);
    for (uint32_t i = 0; i < ports; i++) {
        enum feed f = feed_of(r, r->stride[i]);
        if (i < r->input_count)
            r->feed[i] = f;
        else if (f != FEED_DENSE)
            return false;
    }
    return true;
}

/* Output 0 may be where input i is if i is dense and as wide: a thread reads all
 * that it reads of an element before it writes. */
static uint64_t in_place(const struct region *r) {
    uint64_t mask = 0;
    if (r->output_count < 1 || r->ended[0])
        return 0;
    uint32_t bytes = RN_DTYPE_BYTES(r->dtype[r->outputs[0]]);
    for (uint32_t g = 0; g < r->reg_count; g++)
        if (r->input[g] >= 0 && r->feed[r->input[g]] == FEED_DENSE &&
            RN_DTYPE_BYTES(r->dtype[g]) == bytes)
            mask |= (uint64_t)1 << r->input[g];
    return mask;
}

int32_t cuda_room_elementwise(struct cuda_setup *s, struct rn_error *e) {
    const struct rn_program *p = s->node->sub;
    bool is_region = p != NULL;
    struct region *r = calloc(1, sizeof *r);
    if (!is_region && strcmp(s->node->op, "region") == 0) {
        free(r);
        return 0;
    }
    uint32_t regs = is_region ? p->slot_count : s->n_in + 1;
    if (r) {
        r->reg_count = regs;
        r->dtype = calloc(regs + 1, sizeof *r->dtype);
        r->input = calloc(regs + 1, sizeof *r->input);
    }
    int32_t taken = 0;
    if (!r || !r->dtype || !r->input)
        taken = rn_fail(e, RN_E_MEMORY, "no memory for a region", NULL, NULL);
    else if ((is_region ? from_program(s, r) : from_node(s, r)) && lay_out(s, r)) {
        taken = 1;
        s->kernel = r->end_count ? "nvrtc region, reduced"
                    : is_region  ? "nvrtc region"
                                 : "nvrtc elementwise";
        s->in_place = in_place(r);
        if (r->count)
            region_launch(s, r);
    }
    if (r) {
        free(r->dtype);
        free(r->input);
    }
    free(r);
    return taken;
}
