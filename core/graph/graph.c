/* SPDX-License-Identifier: Apache-2.0 */
/* Values, nodes, variables; appending an operator with its attributes filled in. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/numerics.h>

#include "base/suggest.h"
#include "graph/internal.h"

/* ----------------------------------------------------------------- variables */

struct variables {
    struct arena *arena;
    struct variable **all;
    uint32_t count, capacity;
};

struct variables *variables_create(struct arena *a) {
    struct variables *t = arena_new(a, struct variables);
    t->arena = a;
    return t;
}

uint32_t variables_count(const struct variables *t) {
    return t->count;
}

const struct variable *variables_at(const struct variables *t, uint32_t id) {
    return t->all[id];
}

void variable_fans(const struct variable *v, int64_t *in, int64_t *out) {
    int64_t field = 1;
    for (uint32_t i = 2; i < v->rank; i++)
        field *= v->shape[i];
    *in = v->fan_in ? v->fan_in
                    : field * (v->rank > 1 ? v->shape[1]
                               : v->rank   ? v->shape[0]
                                           : 1);
    *out = v->fan_out ? v->fan_out : field * (v->rank ? v->shape[0] : 1);
}

const struct variable *variables_find(const struct variables *t, const char *name) {
    for (uint32_t i = 0; i < t->count; i++)
        if (strcmp(t->all[i]->name, name) == 0)
            return t->all[i];
    return NULL;
}

/* Above this a tensor fits into no memory, and sizes could overflow when multiplied. */
#define MOST_ELEMENTS ((int64_t)1 << 44)

static bool too_large(uint32_t rank, const int64_t *shape) {
    int64_t n = 1;
    for (uint32_t i = 0; i < rank; i++) {
        if (shape[i] > MOST_ELEMENTS / n)
            return true;
        n *= shape[i];
    }
    return false;
}

int variables_declare(struct variables *t, const struct variable *v, uint32_t *id,
                      struct rn_error *e) {
    const struct variable *have = variables_find(t, v->name);
    if (have) {
        if (have->dtype != v->dtype || have->rank != v->rank ||
            memcmp(have->shape, v->shape, sizeof v->shape[0] * v->rank) != 0)
            return error_set(e, RN_E_PLUGIN,
                             "variable '%s' is declared twice with different shapes",
                             v->name);
        *id = have->id;
        return RN_OK;
    }
    if (t->count == t->capacity) {
        uint32_t capacity = t->capacity ? 2 * t->capacity : 64;
        struct variable **grown = arena_array(t->arena, struct variable *, capacity);
        if (t->count)
            memcpy(grown, t->all, t->count * sizeof *grown);
        t->all = grown;
        t->capacity = capacity;
    }
    struct variable *n = arena_new(t->arena, struct variable);
    *n = *v;
    n->id = t->count;
    n->name = arena_copy(t->arena, v->name);
    n->role = arena_copy(t->arena, v->role ? v->role : "state");
    n->owner = arena_copy(t->arena, v->owner ? v->owner : "");
    n->init = v->init ? arena_copy(t->arena, v->init) : NULL;
    n->count = 1;
    for (uint32_t i = 0; i < v->rank; i++) {
        if (v->shape[i] < 1)
            return error_set(e, RN_E_PLUGIN, "variable '%s': dimension %u is %lld",
                             v->name, i, (long long)v->shape[i]);
        if (v->shape[i] > MOST_ELEMENTS / (int64_t)n->count)
            return error_set(e, RN_E_CONFIG,
                             "variable '%s' would have more than 2^44 elements",
                             v->name);
        n->count *= (uint64_t)v->shape[i];
    }
    t->all[t->count++] = n;
    *id = n->id;
    return RN_OK;
}

/* -------------------------------------------------------------------- values */

struct graph *graph_create(struct arena *a, struct variables *v, const char *name) {
    struct graph *g = arena_new(a, struct graph);
    g->arena = a;
    g->variables = v;
    g->name = arena_copy(a, name);
    g->scope = "";
    g->value_count = 1; /* 0 is none */
    g->value_capacity = 64;
    g->values = arena_array(a, struct gvalue, g->value_capacity);
    return g;
}

const struct gvalue *graph_value(const struct graph *g, rn_value v) {
    return v && v >= g->first_value && v < g->value_count ? &g->values[v] : NULL;
}

uint64_t elements(const struct gvalue *v) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < v->rank; i++)
        n *= (uint64_t)v->shape[i];
    return n;
}

uint64_t graph_elements(const struct graph *g, rn_value v) {
    const struct gvalue *x = graph_value(g, v);
    return x ? elements(x) : 0;
}

/* Grow an arena array; the old one stays until the arena goes. */
#define GROW(a, type, ptr, count, capacity, need)                                      \
    do {                                                                               \
        if ((count) + (need) > (capacity)) {                                           \
            uint32_t bigger_ = 2 * (capacity) + (uint32_t)(need) + 16;                 \
            type *grown_ = arena_array((a), type, bigger_);                            \
            if (count)                                                                 \
                memcpy(grown_, (ptr), (count) * sizeof(type));                         \
            (ptr) = grown_;                                                            \
            (capacity) = bigger_;                                                      \
        }                                                                              \
    } while (0)

struct gnode *graph_node_append(struct graph *g, const struct op *op, uint32_t n_in,
                                const rn_value *in, uint32_t n_out,
                                const struct gvalue *outs) {
    GROW(g->arena, struct gnode, g->nodes, g->node_count, g->node_capacity, 1);
    GROW(g->arena, struct gvalue, g->values, g->value_count, g->value_capacity, n_out);
    struct gnode *n = &g->nodes[g->node_count];
    memset(n, 0, sizeof *n);
    n->op = op;
    n->in_count = n_in;
    n->out_count = n_out;
    n->in = arena_array(g->arena, rn_value, n_in + n_out + 1);
    n->out = n->in + n_in;
    if (n_in)
        memcpy(n->in, in, n_in * sizeof *in);
    n->scope = g->scope;
    n->part = g->part;
    for (uint32_t i = 0; i < n_out; i++) {
        struct gvalue *v = &g->values[g->value_count];
        *v = outs[i];
        v->node = g->node_count;
        v->index = i;
        n->out[i] = g->value_count++;
    }
    g->node_count++;
    return n;
}

/* ------------------------------------------------------------------- sources */

static rn_value source(struct graph *g, const char *op, const char *name,
                       uint32_t variable, const struct gvalue *v) {
    const struct op *o = op_find(op);
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        if (n->op == o && (name ? strcmp(n->name, name) == 0 : n->variable == variable))
            return n->out[0];
    }
    const char *scope = g->scope;
    g->scope = "";
    struct gnode *n = graph_node_append(g, o, 0, NULL, 1, v);
    g->scope = scope;
    n->name = name ? arena_copy(g->arena, name) : NULL;
    n->variable = variable;
    return n->out[0];
}

rn_value graph_input(struct graph *g, const char *name, rn_dtype t, uint32_t rank,
                     const int64_t *shape) {
    struct gvalue v = {.dtype = t, .rank = rank};
    if (rank)
        memcpy(v.shape, shape, rank * sizeof *shape);
    return source(g, "input", name, 0, &v);
}

void graph_pad_rows(struct graph *g, rn_value x, rn_value mask) {
    g->nodes[g->values[x].node].padded_rows = true;
    g->nodes[g->values[mask].node].masks_rows = true;
}

rn_value graph_live(struct graph *g, const char *name, rn_dtype t) {
    struct gvalue v = {.dtype = t};
    return source(g, "live", name, 0, &v);
}

rn_value graph_variable(struct graph *g, uint32_t variable) {
    const struct variable *x = variables_at(g->variables, variable);
    struct gvalue v = {.dtype = x->dtype, .rank = x->rank};
    memcpy(v.shape, x->shape, sizeof v.shape);
    return source(g, "variable", NULL, variable, &v);
}

rn_value graph_constant(struct graph *g, rn_dtype t, uint32_t rank,
                        const int64_t *shape, const void *data) {
    struct gvalue v = {.dtype = t, .rank = rank};
    if (rank)
        memcpy(v.shape, shape, rank * sizeof *shape);
    size_t bytes = memory_mul(elements(&v), RN_DTYPE_BYTES(t));
    void *copy = arena_get(g->arena, bytes);
    memcpy(copy, data, bytes);
    struct gnode *n = graph_node_append(g, op_find("constant"), 0, NULL, 1, &v);
    n->data = copy;
    return n->out[0];
}

rn_value graph_scalar(struct graph *g, rn_dtype t, double x) {
    union {
        uint16_t h;
        float f;
        double d;
        int64_t l;
        int32_t i;
        uint32_t u;
        uint8_t b;
        int8_t c;
    } cell;
    memset(&cell, 0, sizeof cell);
    if (t == RN_F32)
        cell.f = (float)x;
    else if (t == RN_F64)
        cell.d = x;
    else if (t == RN_F16)
        cell.h = rn_f16_from_f32((float)x);
    else if (t == RN_BF16)
        cell.h = rn_bf16_from_f32((float)x);
    else if (t == RN_I64)
        cell.l = (int64_t)x;
    else if (t == RN_I32)
        cell.i = (int32_t)x;
    else if (t == RN_U32)
        cell.u = (uint32_t)x;
    else if (t == RN_I8)
        cell.c = (int8_t)x;
    else
        cell.b = (uint8_t)x;
    return graph_constant(g, t, 0, NULL, &cell);
}

/* ---------------------------------------------------------------- attributes */

const struct rn_attr *gnode_attr(const struct gnode *n, const char *name) {
    for (uint32_t i = 0; i < n->attr_count; i++)
        if (strcmp(n->attrs[i].name, name) == 0)
            return &n->attrs[i];
    return NULL;
}

int64_t attr_int(const struct gnode *n, const char *name) {
    const struct rn_attr *a = gnode_attr(n, name);
    return a ? a->i : 0;
}

double attr_float(const struct gnode *n, const char *name) {
    const struct rn_attr *a = gnode_attr(n, name);
    return a ? a->f : 0.0;
}

const int64_t *attr_ints(const struct gnode *n, const char *name, uint32_t *count) {
    const struct rn_attr *a = gnode_attr(n, name);
    if (count)
        *count = a ? a->count : 0;
    return a ? a->p : NULL;
}

static int attr_type(const char *word, size_t n) {
    if (n == 4 && strncmp(word, "ints", 4) == 0)
        return RN_ATTR_INTS;
    if (n == 5 && strncmp(word, "float", 5) == 0)
        return RN_ATTR_FLOAT;
    return RN_ATTR_INT;
}

/* Fill `out` from the row's spec: given ones copied, absent ones defaulted. */
static int fill_attrs(struct graph *g, const struct op *op, uint32_t n,
                      const struct rn_attr *given, struct rn_attr **out,
                      uint32_t *count, struct rn_error *e) {
    const char *names[16];
    struct rn_attr *list = arena_array(g->arena, struct rn_attr, 16);
    uint32_t k = 0;
    for (const char *p = op->attrs ? op->attrs : ""; *p && k < 16;) {
        size_t word = strcspn(p, " "), name = strcspn(p, ":"), type, value;
        type = strcspn(p + name + 1, "=!") + name + 1;
        value = type + 1;
        struct rn_attr *a = &list[k];
        a->name = arena_copy_n(g->arena, p, name);
        a->type = attr_type(p + name + 1, type - name - 1);
        a->count = 1;
        names[k++] = a->name;
        const struct rn_attr *found = NULL;
        for (uint32_t i = 0; i < n; i++)
            if (strcmp(given[i].name, a->name) == 0)
                found = &given[i];
        if (found) {
            bool number = a->type != RN_ATTR_INTS && found->type != RN_ATTR_INTS;
            if (found->type != a->type && !(number && a->type == RN_ATTR_FLOAT))
                return error_set(e, RN_E_PLUGIN,
                                 "%s: attribute '%s' has the wrong type", op->name,
                                 a->name);
            a->i = found->i;
            a->f = found->type == RN_ATTR_INT ? (double)found->i : found->f;
            if (a->type == RN_ATTR_INTS) {
                a->count = found->count;
                int64_t *copy = arena_array(g->arena, int64_t, found->count + 1);
                if (found->count)
                    memcpy(copy, found->p, found->count * sizeof *copy);
                a->p = copy;
            }
        } else if (p[type] == '!') {
            return error_set(e, RN_E_PLUGIN, "%s: attribute '%s' is required", op->name,
                             a->name);
        } else if (a->type == RN_ATTR_INTS) {
            int64_t *ints = arena_array(g->arena, int64_t, RN_MAX_RANK + 1);
            a->count = 0;
            for (const char *q = p + value; q < p + word && a->count < RN_MAX_RANK;) {
                char *end;
                ints[a->count++] = strtoll(q, &end, 10);
                q = *end == ',' ? end + 1 : p + word;
            }
            a->p = ints;
        } else if (a->type == RN_ATTR_FLOAT) {
            a->f = strtod(p + value, NULL);
        } else {
            a->i = strtoll(p + value, NULL, 10);
        }
        p += word;
        p += strspn(p, " ");
    }
    for (uint32_t i = 0; i < n; i++) {
        bool known = false;
        for (uint32_t m = 0; m < k; m++)
            known |= strcmp(given[i].name, names[m]) == 0;
        if (known)
            continue;
        const struct suggest all = {names, k, k};
        error_set(e, RN_E_PLUGIN, "%s has no attribute '%s'", op->name, given[i].name);
        suggest_hint(&all, given[i].name, "it has", e);
        return RN_E_PLUGIN;
    }
    *out = list;
    *count = k;
    return RN_OK;
}

/* ----------------------------------------------------------------- operators */

/* A scalar f32 constant or live value takes the other operand's float type, so that
 * describe functions written with rn_const serve f64 too. */
static void adapt_scalars(struct graph *g, uint32_t n, rn_value *in) {
    rn_dtype want = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct gvalue *v = graph_value(g, in[i]);
        if (v && dtype_float(v->dtype) && v->dtype != RN_F32)
            want = v->dtype;
    }
    for (uint32_t i = 0; want && i < n; i++) {
        const struct gvalue *v = graph_value(g, in[i]);
        if (!v || v->dtype != RN_F32 || v->rank)
            continue;
        struct rn_attr a = rn_attr_int("dtype", (int64_t)want);
        graph_op(g, "cast", 1, &in[i], 1, &a, 1, &in[i], NULL);
    }
}

int graph_op(struct graph *g, const char *name, uint32_t n_in, const rn_value *in,
             uint32_t n_attr, const struct rn_attr *attrs, uint32_t n_out,
             rn_value *out, struct rn_error *e) {
    const struct op *op = op_find(name);
    rn_value *ins = arena_array(g->arena, rn_value, n_in + 1);
    if (n_in)
        memcpy(ins, in, n_in * sizeof *in);
    for (uint32_t i = 0; i < n_out; i++)
        out[i] = RN_NONE;
    if (!op || op->traits & OP_SOURCE) {
        struct suggest all = {0};
        for (uint32_t i = 0; i < op_count(); i++)
            suggest_add(&all, op_name(op_at(i)));
        error_set(e, RN_E_PLUGIN, "there is no operator '%s'", name);
        suggest_hint(&all, name, NULL, e);
        suggest_finish(&all);
        return RN_E_PLUGIN;
    }
    if ((int)n_in < op->min_in || (op->max_in >= 0 && (int)n_in > op->max_in))
        return error_set(e, RN_E_PLUGIN, "%s: %u inputs, it takes %d%s", name, n_in,
                         op->min_in, op->max_in != op->min_in ? " or more" : "");
    for (uint32_t i = 0; i < n_in; i++)
        if (!graph_value(g, ins[i]))
            return error_set(e, RN_E_PLUGIN, "%s: input %u is not a value", name, i);
    if (op->traits & OP_ELEMENTWISE)
        adapt_scalars(g, n_in, ins);
    struct shaper s = {.g = g,
                       .op = op,
                       .n_in = n_in,
                       .values = ins,
                       .e = e,
                       .n_out = (uint32_t)op->outs};
    int status = fill_attrs(g, op, n_attr, attrs, &s.attrs, &s.n_attr, e);
    if (status != RN_OK)
        return status;
    struct gvalue copies[64];
    for (uint32_t i = 0; i < n_in && i < 64; i++) {
        copies[i] = *graph_value(g, ins[i]);
        s.in[i] = &copies[i];
    }
    status = op->shape(&s);
    if (status != RN_OK)
        return status;
    for (uint32_t i = 0; i < s.n_out; i++)
        for (uint32_t k = 0; k < s.out[i].rank; k++)
            if (s.out[i].shape[k] < 1 || s.out[i].rank > RN_MAX_RANK)
                return shape_fail(&s, "a dimension would be %lld",
                                  (long long)s.out[i].shape[k]);
    for (uint32_t i = 0; i < s.n_out; i++)
        if (too_large(s.out[i].rank, s.out[i].shape))
            return shape_fail(&s, "the result would have more than 2^44 elements");
    struct gnode *n = graph_node_append(g, op, n_in, ins, s.n_out, s.out);
    n->attrs = s.attrs;
    n->attr_count = s.n_attr;
    for (uint32_t i = 0; i < n_out && i < s.n_out; i++)
        out[i] = n->out[i];
    return RN_OK;
}

int graph_custom(struct graph *g, const struct rn_operator *op, uint32_t n_in,
                 const rn_value *in, uint32_t n_attr, const struct rn_attr *attrs,
                 rn_value *out, struct rn_error *e) {
    struct rn_tensor tensors[32];
    struct rn_operator_out made[8] = {0};
    struct gvalue outs[8];
    if (!RN_HAS(op, struct rn_operator, host) || n_in > 32 || op->out_count > 8 ||
        !op->out_count || !op->shape || !op->host || !op->name)
        return error_set(
            e, RN_E_PLUGIN,
            "a custom operator has at most 32 inputs, 1 to 8 outputs, a name, "
            "a shape rule and a kernel");
    for (uint32_t i = 0; i < n_in; i++) {
        const struct gvalue *v = graph_value(g, in[i]);
        if (!v)
            return error_set(e, RN_E_PLUGIN, "%s: input %u is not a value", op->name,
                             i);
        tensors[i] = (struct rn_tensor){NULL, v->shape, NULL, v->dtype, v->rank};
    }
    struct rn_operator_shape shape = {.struct_size = sizeof shape,
                                      .in_count = n_in,
                                      .in = tensors,
                                      .attr_count = n_attr,
                                      .attr_stride = sizeof *attrs,
                                      .attrs = attrs,
                                      .out_count = op->out_count,
                                      .out_stride = sizeof *made,
                                      .out = made};
    int status = error_of_call(e, op->shape(&shape, e), op->name, "shape");
    if (status != RN_OK)
        return error_context(e, "%s", op->name) ? status : status;
    for (uint32_t i = 0; i < op->out_count; i++) {
        const struct rn_operator_out *o = &made[i];
        if (o->rank > RN_MAX_RANK)
            return error_set(e, RN_E_PLUGIN, "%s: output rank %u", op->name, o->rank);
        if (strcmp(dtype_name(o->dtype), "?") == 0)
            return error_set(e, RN_E_PLUGIN, "%s: output %u has an unknown type",
                             op->name, i);
        outs[i] = (struct gvalue){.dtype = o->dtype, .rank = o->rank};
        memcpy(outs[i].shape, o->dims, sizeof o->dims);
        for (uint32_t k = 0; k < o->rank; k++)
            if (o->dims[k] < 1)
                return error_set(e, RN_E_PLUGIN, "%s: output dimension %lld", op->name,
                                 (long long)o->dims[k]);
        if (too_large(o->rank, o->dims))
            return error_set(e, RN_E_CONFIG,
                             "%s: the result would have more than 2^44 elements",
                             op->name);
    }
    struct gnode *n =
        graph_node_append(g, op_find("custom"), n_in, in, op->out_count, outs);
    n->custom = op;
    n->attr_count = n_attr;
    n->attrs = arena_array(g->arena, struct rn_attr, n_attr + 1);
    for (uint32_t i = 0; i < n_attr; i++) {
        n->attrs[i] = attrs[i];
        n->attrs[i].name = arena_copy(g->arena, attrs[i].name);
        size_t bytes = attrs[i].type == RN_ATTR_INTS ? attrs[i].count * sizeof(int64_t)
                       : attrs[i].type == RN_ATTR_STRING ? attrs[i].count + 1u
                                                         : 0;
        if (bytes) {
            void *copy = arena_get(g->arena, bytes);
            memcpy(copy, attrs[i].p, bytes);
            n->attrs[i].p = copy;
        }
    }
    memcpy(out, n->out, op->out_count * sizeof *out);
    return RN_OK;
}

int graph_output(struct graph *g, const char *name, rn_value v, struct rn_error *e) {
    if (!graph_value(g, v))
        return error_set(e, RN_E_PLUGIN, "output '%s' is not a value", name);
    for (uint32_t i = 0; i < g->output_count; i++)
        if (strcmp(g->outputs[i].name, name) == 0)
            return error_set(e, RN_E_PLUGIN, "output '%s' is given twice", name);
    GROW(g->arena, struct goutput, g->outputs, g->output_count, g->output_capacity, 1);
    g->outputs[g->output_count++] = (struct goutput){arena_copy(g->arena, name), v};
    return RN_OK;
}

int graph_assign(struct graph *g, uint32_t variable, rn_value v, struct rn_error *e) {
    const struct variable *x = variables_at(g->variables, variable);
    const struct gvalue *value = graph_value(g, v);
    if (!value)
        return error_set(e, RN_E_PLUGIN, "what '%s' is assigned is not a value",
                         x->name);
    if (value->dtype != x->dtype || value->rank != x->rank ||
        memcmp(value->shape, x->shape, x->rank * sizeof x->shape[0]) != 0)
        return error_set(e, RN_E_PLUGIN, "'%s' is assigned a value of another shape",
                         x->name);
    for (uint32_t i = 0; i < g->assign_count; i++)
        if (g->assigns[i].variable == variable)
            return error_set(e, RN_E_PLUGIN, "'%s' is assigned twice in one program",
                             x->name);
    GROW(g->arena, struct gassign, g->assigns, g->assign_count, g->assign_capacity, 1);
    g->assigns[g->assign_count++] = (struct gassign){variable, v};
    return RN_OK;
}

/* --------------------------------------------------------------- shape rules */

int shape_fail(struct shaper *s, const char *format, ...) {
    char text[300];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    return error_set(s->e, RN_E_CONFIG, "%s: %s", s->op->name, text);
}

struct rn_attr *shaper_attr(struct shaper *s, const char *name) {
    for (uint32_t i = 0; i < s->n_attr; i++)
        if (strcmp(s->attrs[i].name, name) == 0)
            return &s->attrs[i];
    return NULL;
}

int64_t shaper_axis(struct shaper *s, const char *name, uint32_t rank) {
    struct rn_attr *a = shaper_attr(s, name);
    int64_t axis = a->i < 0 ? a->i + rank : a->i;
    if (axis < 0 || axis >= rank) {
        shape_fail(s, "axis %lld is outside a tensor of rank %u", (long long)a->i,
                   rank);
        return -1;
    }
    a->i = axis;
    return axis;
}

bool same_shape(const struct gvalue *a, const struct gvalue *b) {
    return a->rank == b->rank &&
           memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]) == 0;
}

bool broadcast_shapes(struct gvalue *a, const struct gvalue *b) {
    struct gvalue out = {.dtype = a->dtype,
                         .rank = a->rank > b->rank ? a->rank : b->rank};
    for (uint32_t i = 0; i < out.rank; i++) {
        int64_t x = i < out.rank - a->rank ? 1 : a->shape[i - (out.rank - a->rank)];
        int64_t y = i < out.rank - b->rank ? 1 : b->shape[i - (out.rank - b->rank)];
        if (x != y && x != 1 && y != 1)
            return false;
        out.shape[i] = x == 1 ? y : x;
    }
    *a = out;
    return true;
}
