/* SPDX-License-Identifier: Apache-2.0 */
/* Going back from results that are not finite to the node that made the first one. */
#include <math.h>
#include <string.h>

#include <runner/numerics.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "engine/origin.h"

#define SOURCE UINT32_MAX /* no node made it */

struct finder {
    const struct program_variant *variant;
    const struct rn_program *p;
    void *bytes; /* of one slot */
    uint64_t capacity;
    uint32_t **makers; /* of each node's operands: a node, or SOURCE */
    bool *bad;         /* by node: an output is not finite, and not meant to be so */
    bool *meant;       /* by node: infinite on purpose */
    bool *rows;        /* by node: output 0 is by rows */
    bool *reached;     /* by node: on the way back */
};

/* ----------------------------------------------------------------- numbers */

static double number(const void *p, rn_dtype t, uint64_t i) {
    switch (t) {
    case RN_F32:
        return (double)((const float *)p)[i];
    case RN_F64:
        return ((const double *)p)[i];
    case RN_F16:
        return (double)rn_f32_from_f16(((const uint16_t *)p)[i]);
    default:
        return (double)rn_f32_from_bf16(((const uint16_t *)p)[i]);
    }
}

static const struct rn_slot *slot_at(const struct finder *f, uint32_t slot) {
    return rn_slot_at(f->p, slot);
}

/* Reads a slot into f->bytes. */
static int fetch(struct finder *f, uint32_t slot, struct rn_error *e) {
    const struct rn_slot *s = slot_at(f, slot);
    if (s->bytes > f->capacity) {
        memory_release(f->bytes);
        f->capacity = s->bytes;
        f->bytes = memory_try(s->bytes);
    }
    if (!f->bytes) {
        f->capacity = 0;
        return error_set(e, RN_E_MEMORY, "no memory for a value of %llu bytes",
                         (unsigned long long)s->bytes);
    }
    return program_slot_read(f->variant->program, slot, f->bytes, e);
}

/* Zeros of a value that is not of floats. */
static int measure(struct finder *f, uint32_t slot, struct origin_numbers *n,
                   struct rn_error *e) {
    const struct rn_slot *s = slot_at(f, slot);
    *n = (struct origin_numbers){
        .dtype = s->dtype, .rank = s->rank, .min = NAN, .max = NAN};
    memcpy(n->shape, s->shape, sizeof n->shape);
    if (!dtype_float(s->dtype) || !s->bytes)
        return RN_OK;
    int status = fetch(f, slot, e);
    n->count = s->bytes / RN_DTYPE_BYTES(s->dtype);
    for (uint64_t i = 0; i < n->count && status == RN_OK; i++) {
        double x = number(f->bytes, s->dtype, i);
        if (isfinite(x)) {
            n->min = x < n->min || isnan(n->min) ? x : n->min;
            n->max = x > n->max || isnan(n->max) ? x : n->max;
            continue;
        }
        n->first = n->nan + n->inf ? n->first : i;
        n->nan += isnan(x) != 0;
        n->inf += isinf(x) != 0;
    }
    return status;
}

/* ------------------------------------------------------------------- graph */

/* Who made the bytes of a slot, before node i: views have slots of their own. */
static uint32_t maker(const struct finder *f, uint32_t i, uint32_t slot) {
    const struct rn_slot *s = slot_at(f, slot);
    while (i-- > 0) {
        const struct rn_node *n = rn_node_at(f->p, i);
        for (uint32_t k = 0; k < n->out_count; k++) {
            const struct rn_slot *o =
                n->out[k] == RN_NO_SLOT ? NULL : slot_at(f, n->out[k]);
            if (o && o->base == s->base && o->offset == s->offset)
                return i;
        }
    }
    return SOURCE;
}

/* The first axis of a source is the batch's rows. */
static bool source_rows(const struct finder *f, uint32_t slot) {
    const struct rn_slot *s = slot_at(f, slot);
    return s->base >= RN_BASE_FIRST && s->rank && s->shape[0] == f->variant->rows &&
           f->variant->plan->bases[s->base - RN_BASE_FIRST].kind == BASE_INPUT;
}

/* Operators whose first axis is another one than that of their operands. */
static bool turns_rows(const struct rn_node *n) {
    const struct rn_attr *a = rn_node_attr(n, "trans_a");
    const struct rn_attr *axes = rn_node_attr(n, "axes");
    if (strstr(n->op, "grad_weight") || strcmp(n->op, "transpose") == 0)
        return true;
    if (strcmp(n->op, "matmul") == 0 && a && a->i)
        return true;
    for (uint32_t k = 0; axes && axes->type == RN_ATTR_INTS && k < axes->count; k++)
        if (((const int64_t *)axes->p)[k] == 0)
            return true;
    return false;
}

static bool by_rows(const struct finder *f, uint32_t i) {
    const struct rn_node *n = rn_node_at(f->p, i);
    const struct rn_slot *out = slot_at(f, n->out[0]);
    if (!out->rank || out->shape[0] != f->variant->rows || turns_rows(n))
        return false;
    for (uint32_t k = 0; k < n->in_count; k++)
        if (n->in[k] != RN_NO_SLOT &&
            (f->makers[i][k] == SOURCE ? source_rows(f, n->in[k])
                                       : f->rows[f->makers[i][k]]))
            return true;
    return false;
}

/* Is operand k of node i infinite on purpose? */
static int operand_meant(struct finder *f, uint32_t i, uint32_t k, bool *out,
                         struct rn_error *e) {
    const struct rn_node *n = rn_node_at(f->p, i);
    uint32_t from = f->makers[i][k];
    struct origin_numbers numbers;
    *out = from != SOURCE && f->meant[from];
    if (from != SOURCE || slot_at(f, n->in[k])->base != RN_BASE_CONSTANTS)
        return RN_OK;
    int status = measure(f, n->in[k], &numbers, e);
    *out = numbers.inf > 0;
    return status;
}

/* Output k of node i is not finite. */
static int judge(struct finder *f, uint32_t i, bool nan, struct rn_error *e) {
    const struct rn_node *n = rn_node_at(f->p, i);
    int status = RN_OK;
    bool meant = false, bad = false;
    for (uint32_t k = 0; k < n->in_count && status == RN_OK; k++) {
        bool this_one = false;
        if (n->in[k] == RN_NO_SLOT)
            continue;
        status = operand_meant(f, i, k, &this_one, e);
        meant |= this_one;
        bad |= f->makers[i][k] != SOURCE && f->bad[f->makers[i][k]];
    }
    f->meant[i] = meant && !bad && !nan;
    f->bad[i] = !f->meant[i];
    return status;
}

static int look_at_nodes(struct finder *f, struct rn_error *e) {
    int status = RN_OK;
    for (uint32_t i = 0; i < f->p->node_count && status == RN_OK; i++) {
        const struct rn_node *n = rn_node_at(f->p, i);
        bool finite = true, nan = false;
        f->makers[i] = memory_get(memory_mul(n->in_count + 1, sizeof **f->makers));
        for (uint32_t k = 0; k < n->in_count; k++)
            f->makers[i][k] = n->in[k] == RN_NO_SLOT ? SOURCE : maker(f, i, n->in[k]);
        for (uint32_t k = 0; k < n->out_count && status == RN_OK; k++) {
            struct origin_numbers numbers = {0};
            if (n->out[k] != RN_NO_SLOT)
                status = measure(f, n->out[k], &numbers, e);
            finite &= numbers.nan + numbers.inf == 0;
            nan |= numbers.nan > 0;
        }
        f->rows[i] = n->out_count && n->out[0] != RN_NO_SLOT && by_rows(f, i);
        if (status == RN_OK && !finite)
            status = judge(f, i, nan, e);
    }
    return status;
}

/* A source that is not finite, and no constant. */
static int bad_source(struct finder *f, uint32_t slot, bool *bad, struct rn_error *e) {
    struct origin_numbers n = {0};
    *bad = false;
    if (slot_at(f, slot)->base == RN_BASE_CONSTANTS)
        return RN_OK;
    int status = measure(f, slot, &n, e);
    *bad = n.nan + n.inf > 0;
    return status;
}

/* ------------------------------------------------------------------ search */

/* What a step looks at: operands of is_finite, and what it gives. */
static void reach_results(struct finder *f) {
    for (uint32_t i = 0; i < f->p->node_count; i++) {
        const struct rn_node *n = rn_node_at(f->p, i);
        uint32_t from =
            n->in_count && strcmp(n->op, "is_finite") == 0 ? f->makers[i][0] : SOURCE;
        if (from != SOURCE && f->bad[from])
            f->reached[from] = true;
        for (uint32_t k = 0; k < n->out_count && f->bad[i]; k++) {
            uint32_t base = n->out[k] == RN_NO_SLOT ? 0 : slot_at(f, n->out[k])->base;
            if (base >= RN_BASE_FIRST &&
                f->variant->plan->bases[base - RN_BASE_FIRST].kind == BASE_OUTPUT)
                f->reached[i] = true;
        }
    }
}

static void name_source(const struct finder *f, uint32_t slot, struct origin *out) {
    const struct rn_slot *s = slot_at(f, slot);
    const struct plan *plan = f->variant->plan;
    out->scope = "";
    if (s->base == RN_BASE_SCALARS) {
        out->what = ORIGIN_SCALAR;
        out->name = plan->scalars[s->offset / 8].name;
        return;
    }
    const struct plan_base *b = &plan->bases[s->base - RN_BASE_FIRST];
    out->what = b->kind == BASE_INPUT ? ORIGIN_INPUT : ORIGIN_VARIABLE;
    out->name = b->kind == BASE_INPUT
                    ? b->name
                    : variables_at(plan->graph->variables, b->variable)->name;
}

/* The rows of the value in f->bytes that are not finite. */
static void count_rows(const struct finder *f, struct origin *out) {
    uint64_t rows = (uint64_t)out->value.shape[0];
    uint64_t each = rows ? out->value.count / rows : 0;
    for (uint64_t r = 0; r < rows; r++) {
        bool finite = true;
        for (uint64_t i = 0; i < each && finite; i++)
            finite = isfinite(number(f->bytes, out->value.dtype, r * each + i));
        if (finite)
            continue;
        if (out->row_count < ORIGIN_ROWS)
            out->rows[out->row_count] = (int64_t)r;
        out->row_count++;
    }
}

static int describe(struct finder *f, uint32_t slot, bool rows, struct origin *out,
                    struct rn_error *e) {
    int status = measure(f, slot, &out->value, e);
    out->by_rows = rows;
    if (status == RN_OK && rows)
        count_rows(f, out);
    return status;
}

static int describe_node(struct finder *f, uint32_t i, struct origin *out,
                         struct rn_error *e) {
    const struct rn_node *n = rn_node_at(f->p, i);
    const struct plan_work *w = &f->variant->plan->work[i];
    int status = RN_OK;
    out->what = ORIGIN_OPERATOR;
    out->name = strncmp(n->op, "custom:", 7) == 0 ? n->op + 7 : n->op;
    out->scope = w->scope;
    out->part = w->part;
    for (uint32_t k = 0; k < n->in_count && status == RN_OK; k++) {
        if (n->in[k] == RN_NO_SLOT || !dtype_float(slot_at(f, n->in[k])->dtype))
            continue;
        if (out->operand_count < 3)
            status = measure(f, n->in[k], &out->operand[out->operand_count], e);
        out->operand_count++;
    }
    for (uint32_t k = 0; k < n->out_count && status == RN_OK; k++) {
        if (n->out[k] == RN_NO_SLOT)
            continue;
        status = describe(f, n->out[k], f->rows[i] && k == 0, out, e);
        if (out->value.nan + out->value.inf)
            break;
    }
    return status;
}

/* Back from the last node: the first one reached whose operands are finite, or the
 * source that made it so. */
static int search(struct finder *f, struct origin *out, struct rn_error *e) {
    uint32_t found = SOURCE, source = RN_NO_SLOT;
    int status = RN_OK;
    reach_results(f);
    for (uint32_t i = f->p->node_count; i-- > 0 && status == RN_OK;) {
        const struct rn_node *n = rn_node_at(f->p, i);
        bool caused = false;
        uint32_t from_source = RN_NO_SLOT;
        for (uint32_t k = 0; k < n->in_count && f->reached[i] && status == RN_OK; k++) {
            bool bad = false;
            if (n->in[k] == RN_NO_SLOT)
                continue;
            if (f->makers[i][k] == SOURCE) {
                status = bad_source(f, n->in[k], &bad, e);
                from_source = bad ? n->in[k] : from_source;
            } else if (f->bad[f->makers[i][k]]) {
                f->reached[f->makers[i][k]] = true;
                caused = true;
            }
        }
        if (f->reached[i] && !caused) {
            found = i;
            source = from_source;
        }
    }
    if (status != RN_OK || found == SOURCE)
        return status;
    if (source == RN_NO_SLOT)
        return describe_node(f, found, out, e);
    name_source(f, source, out);
    return describe(f, source, source_rows(f, source), out, e);
}

int origin_find(const struct program_variant *p, struct origin *out,
                struct rn_error *e) {
    struct finder f = {.variant = p, .p = &p->plan->program};
    size_t n = f.p->node_count + 1u;
    f.makers = memory_get(memory_mul(n, sizeof *f.makers));
    f.bad = memory_get(n);
    f.meant = memory_get(n);
    f.rows = memory_get(n);
    f.reached = memory_get(n);
    *out = (struct origin){.name = "", .scope = ""};
    int status = look_at_nodes(&f, e);
    if (status == RN_OK)
        status = search(&f, out, e);
    for (uint32_t i = 0; i < f.p->node_count; i++)
        memory_release(f.makers[i]);
    memory_release(f.makers);
    memory_release(f.bad);
    memory_release(f.meant);
    memory_release(f.rows);
    memory_release(f.reached);
    memory_release(f.bytes);
    return status;
}
