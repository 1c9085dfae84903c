/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise operators and regions as CUDA C: one thread an element, a local variable
 * for each register. The expressions are those of the cpu backend, printed as text, and
 * compiled without contraction, so the bits are the same (but for the payload of a
 * NaN).
 *
 * The text knows which inputs are broadcast and how many dims remain once neighbours
 * are merged, but no sizes: all parameters of an optimizer share a kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cpu/cpu.h"
#include "engine.h"

#define PORTS 64
#define STEPS 128

enum feed { FEED_DENSE, FEED_ONE, FEED_STRIDED };

struct step {
    int expression;
    uint32_t in_count, in[3], out;
};

struct region {
    uint32_t rank;
    int64_t size[RN_MAX_RANK];
    uint64_t count;
    uint32_t reg_count, step_count, input_count, output_count;
    rn_dtype *dtype;         /* by register */
    int *input;              /* by register: which input, -1 none */
    uint32_t outputs[PORTS]; /* registers */
    struct step steps[STEPS];
    enum feed feed[PORTS];                  /* of inputs; outputs fill the space */
    int64_t stride[2 * PORTS][RN_MAX_RANK]; /* inputs, then outputs */
};

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

static bool from_program(struct cuda_setup *s, struct region *r) {
    const struct rn_program *p = s->node->sub;
    if (p->input_count > PORTS || p->output_count > PORTS || p->node_count > STEPS ||
        p->input_count != s->n_in || p->output_count != s->n_out ||
        !set_space(r, p->space_rank, p->space))
        return false;
    r->input_count = p->input_count;
    r->output_count = p->output_count;
    r->step_count = p->node_count;
    for (uint32_t i = 0; i < p->slot_count; i++) {
        const struct rn_slot *q = rn_slot_at(p, i);
        r->dtype[i] = q->dtype;
        r->input[i] = -1;
    }
    for (uint32_t i = 0; i < p->input_count; i++)
        r->input[p->inputs[i]] = (int)i;
    for (uint32_t k = 0; k < p->node_count; k++) {
        const struct rn_node *n = rn_node_at(p, k);
        if (n->in_count > 3)
            return false;
        for (uint32_t i = 0; i < n->in_count; i++)
            r->steps[k].in[i] = n->in[i];
        r->steps[k].out = n->out[0];
        if (!make_step(r, n, &r->steps[k]))
            return false;
    }
    memcpy(r->outputs, p->outputs, p->output_count * sizeof *p->outputs);
    return true;
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

/* Where each port lies, in as few dims as it takes. */
static bool lay_out(struct cuda_setup *s, struct region *r) {
    uint32_t ports = r->input_count + r->output_count;
    for (uint32_t i = 0; i < ports; i++) {
        const struct tensor *t =
            i < r->input_count ? &s->in[i] : &s->out[i - r->input_count];
        if (t->at.base == RN_NO_SLOT || !broadcast(r, t->rank, t->shape, r->stride[i]))
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

/* Output 0 may lie where input i lies if i is dense and as wide: a thread reads all
 * that it reads of an element before it writes. */
static uint64_t in_place(const struct region *r) {
    uint64_t mask = 0;
    if (r->output_count < 1)
        return 0;
    uint32_t bytes = RN_DTYPE_BYTES(r->dtype[r->outputs[0]]);
    for (uint32_t g = 0; g < r->reg_count; g++)
        if (r->input[g] >= 0 && r->feed[r->input[g]] == FEED_DENSE &&
            RN_DTYPE_BYTES(r->dtype[g]) == bytes)
            mask |= (uint64_t)1 << r->input[g];
    return mask;
}

/* -------------------------------------------------------------------- printing */

static uint32_t strided_inputs(const struct region *r, uint32_t *list) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->input_count; i++)
        if (r->feed[i] == FEED_STRIDED)
            list[n++] = i;
    return n;
}

static void print_body(const struct region *r, const uint32_t *strided, uint32_t n,
                       struct source_text *t) {
    static const char names[] = "ABC";
    source_text_add(t, "    EACH_INDEX(i, a.count) {\n");
    if (n) {
        source_text_add(t, "        uint64_t left = i;\n");
        for (uint32_t k = 0; k < n; k++)
            source_text_add(t, "        int64_t o%u = 0;\n", strided[k]);
        for (uint32_t d = r->rank; d-- > 0;) {
            source_text_add(
                t,
                "        {\n            uint64_t next = left / a.size[%u];\n"
                "            int64_t c = (int64_t)(left - next * "
                "a.size[%u]);\n            left = next;\n",
                d, d);
            for (uint32_t k = 0; k < n; k++)
                source_text_add(t, "            o%u += c * a.stride[%u][%u];\n",
                                strided[k], k, d);
            source_text_add(t, "        }\n");
        }
    }
    for (uint32_t g = 0; g < r->reg_count; g++) {
        int in = r->input[g];
        const char *type = source_type(r->dtype[g]);
        if (in < 0)
            continue;
        source_text_add(t, "        const %s r%u = ((const %s *)a.in[%d])", type, g,
                        type, in);
        if (r->feed[in] == FEED_STRIDED)
            source_text_add(t, "[o%d];\n", in);
        else
            source_text_add(t, r->feed[in] == FEED_ONE ? "[0];\n" : "[i];\n");
    }
    for (uint32_t k = 0; k < r->step_count; k++) {
        const struct step *s = &r->steps[k];
        const char *type = source_type(r->dtype[s->out]);
        source_text_add(t, "        %s r%u;\n        {\n", type, s->out);
        for (uint32_t i = 0; i < s->in_count; i++)
            source_text_add(t, "            const %s %c = r%u;\n",
                            source_type(r->dtype[s->in[i]]), names[i], s->in[i]);
        source_text_add(t, "            r%u = (%s)(%s);\n        }\n", s->out, type,
                        cpu_expressions[s->expression].text);
    }
    for (uint32_t i = 0; i < r->output_count; i++)
        source_text_add(t, "        ((%s *)a.out[%u])[i] = r%u;\n",
                        source_type(r->dtype[r->outputs[i]]), i, r->outputs[i]);
    source_text_add(t, "    }\n");
}

static uint64_t hash(const char *p) {
    uint64_t h = 0xcbf29ce484222325u;
    for (; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    return h ^ h >> 32;
}

/* The kernel in the program's text, once; its name. */
static bool print_kernel(struct cuda_setup *s, const struct region *r,
                         const uint32_t *strided, uint32_t n, char name[32]) {
    struct source_text body = {0}, *all = &s->exe->generated;
    source_text_add(&body,
                    "_args {\n    const void *in[%u];\n    void *out[%u];\n"
                    "    uint64_t count;\n",
                    r->input_count, r->output_count);
    if (n)
        source_text_add(&body, "    uint64_t size[%u];\n    int64_t stride[%u][%u];\n",
                        r->rank, n, r->rank);
    source_text_add(&body, "};\n");
    size_t split = body.length;
    print_body(r, strided, n, &body);
    if (!body.failed) {
        snprintf(name, 32, "region_%016llx", (unsigned long long)hash(body.data));
        if (!all->data || !strstr(all->data, name)) {
            source_text_add(all, "struct %s%.*s", name, (int)split, body.data);
            source_text_add(all, "KERNEL(%s, %s_args) {\n%s}\n", name, name,
                            body.data + split);
        }
    }
    bool good = !body.failed && !all->failed;
    free(body.data);
    return good;
}

static void launch(struct cuda_setup *s, const struct region *r) {
    uint32_t strided[2 * PORTS], n = strided_inputs(r, strided);
    uint32_t pointers = r->input_count + r->output_count, at = 0;
    uint64_t args[2 * PORTS + 1 + RN_MAX_RANK + 2 * PORTS * RN_MAX_RANK] = {0};
    char name[32];
    if (!print_kernel(s, r, strided, n, name)) {
        s->exe->failed = true;
        return;
    }
    at = pointers;
    args[at++] = r->count;
    for (uint32_t d = 0; n && d < r->rank; d++)
        args[at++] = (uint64_t)r->size[d];
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t d = 0; d < r->rank; d++)
            args[at++] = (uint64_t)r->stride[strided[k]][d];
    struct cuda_task *t =
        cuda_launch(s, 0, r->count, false, args, at * sizeof *args, "%s", name);
    for (uint32_t i = 0; i < pointers; i++)
        cuda_pointer(s, t, i * sizeof *args,
                     i < r->input_count ? s->in[i].at : s->out[i - r->input_count].at);
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
        s->kernel = is_region ? "nvrtc region" : "nvrtc elementwise";
        s->in_place = in_place(r);
        if (r->count)
            launch(s, r);
    }
    if (r) {
        free(r->dtype);
        free(r->input);
    }
    free(r);
    return taken;
}
