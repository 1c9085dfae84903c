/* SPDX-License-Identifier: Apache-2.0 */
/* Passes that make a new graph: simplify, decompose, to f64. Each walks the old nodes
 * that are needed, from the outputs in operand order, and appends to the new graph. */
#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "graph/internal.h"

struct copier {
    const struct graph *old;
    struct graph *g;
    rn_value *map;       /* old value -> new */
    uint8_t *state;      /* of old nodes: 0 unseen, 1 open, 2 done */
    uint32_t *table;     /* hash of new nodes + 1, for common subexpressions */
    uint32_t table_size; /* a power of two; 0: none */
    bool *read;          /* old values that a needed node or a result reads */
    graph_takes keep;
    void *context;
    const struct graph_edit *edit; /* or NULL */
    bool f64;
    struct rn_error *e;
};

static rn_dtype mapped(const struct copier *c, rn_dtype t) {
    return c->f64 && t == RN_F32 ? RN_F64 : t;
}

/* -------------------------------------------------- common subexpressions */

static uint64_t mix(uint64_t h, uint64_t x) {
    return (h ^ x) * 0x100000001b3u;
}

static uint64_t constant_bytes(const struct graph *g, const struct gnode *n) {
    const struct gvalue *v = &g->values[n->out[0]];
    return elements(v) * RN_DTYPE_BYTES(v->dtype);
}

static uint64_t node_hash(const struct graph *g, const struct gnode *n) {
    uint64_t h = fnv1a(n->op->name, strlen(n->op->name));
    h = mix(h, (uint64_t)(uintptr_t)n->custom);
    for (uint32_t i = 0; i < n->in_count; i++)
        h = mix(h, n->in[i]);
    for (uint32_t i = 0; i < n->attr_count; i++) {
        const struct rn_attr *a = &n->attrs[i];
        uint64_t f;
        memcpy(&f, &a->f, sizeof f);
        h = mix(mix(h, (uint64_t)a->i), f);
        if (a->type == RN_ATTR_INTS)
            h = mix(h, fnv1a(a->p, a->count * sizeof(int64_t)));
    }
    if (n->op->traits & OP_SOURCE) {
        h = mix(h, n->variable);
        h = n->name ? mix(h, fnv1a(n->name, strlen(n->name))) : h;
        h = n->data ? mix(h, fnv1a(n->data, constant_bytes(g, n))) : h;
    }
    return h;
}

static bool same_attrs(const struct gnode *a, const struct gnode *b) {
    if (a->attr_count != b->attr_count)
        return false;
    for (uint32_t i = 0; i < a->attr_count; i++) {
        const struct rn_attr *x = &a->attrs[i], *y = &b->attrs[i];
        if (strcmp(x->name, y->name) != 0 || x->type != y->type || x->i != y->i ||
            memcmp(&x->f, &y->f, sizeof x->f) != 0 || x->count != y->count)
            return false;
        if (x->type == RN_ATTR_INTS &&
            memcmp(x->p, y->p, x->count * sizeof(int64_t)) != 0)
            return false;
        if (x->type == RN_ATTR_STRING && memcmp(x->p, y->p, x->count) != 0)
            return false;
    }
    return true;
}

static bool same_node(const struct graph *g, const struct gnode *a,
                      const struct gnode *b) {
    if (a->op != b->op || a->custom != b->custom || a->in_count != b->in_count ||
        a->out_count != b->out_count || a->variable != b->variable ||
        !a->name != !b->name || (a->name && strcmp(a->name, b->name) != 0))
        return false;
    if (a->in_count && memcmp(a->in, b->in, a->in_count * sizeof *a->in) != 0)
        return false;
    for (uint32_t i = 0; i < a->out_count; i++)
        if (g->values[a->out[i]].dtype != g->values[b->out[i]].dtype ||
            !same_shape(&g->values[a->out[i]], &g->values[b->out[i]]))
            return false;
    if (a->data || b->data)
        return a->data && b->data && constant_bytes(g, a) == constant_bytes(g, b) &&
               memcmp(a->data, b->data, constant_bytes(g, a)) == 0;
    return same_attrs(a, b);
}

/* Reading 16 bits as f32 costs nothing where the reader does it itself; one cast for
 * several readers would store what it gives. So such casts stay apart. */
static bool is_widening(const struct graph *g, const struct gnode *n) {
    return strcmp(n->op->name, "cast") == 0 && gnode_narrow(g, n) &&
           g->values[n->out[0]].dtype == RN_F32;
}

/* The last node of g, or the earlier one that is the same (the last is then dropped).
 */
static const struct gnode *unique(struct copier *c) {
    struct graph *g = c->g;
    const struct gnode *n = &g->nodes[g->node_count - 1];
    if (!c->table_size || is_widening(g, n))
        return n;
    uint64_t slot = node_hash(g, n);
    for (;; slot++) {
        uint32_t *at = &c->table[slot & (c->table_size - 1)];
        if (!*at) {
            *at = g->node_count;
            return n;
        }
        const struct gnode *have = &g->nodes[*at - 1];
        if (have != n && same_node(g, have, n)) {
            g->node_count--;
            g->value_count -= n->out_count;
            return have;
        }
    }
}

/* ------------------------------------------------------------------ copying */

/* A value that the node merely passes on, bit for bit; RN_NONE otherwise. */
static rn_value passes(const struct copier *c, const struct gnode *n,
                       const rn_value *in) {
    const char *name = n->op->name;
    if (n->op->traits & OP_SOURCE || !n->in_count || n->custom)
        return RN_NONE;
    const struct gvalue *x = graph_value(c->g, in[0]), *y = &c->old->values[n->out[0]];
    bool same = x->dtype == mapped(c, y->dtype) && same_shape(x, y);
    if (strcmp(name, "identity") == 0 || strcmp(name, "stop_gradient") == 0)
        return in[0];
    if (same && (strcmp(name, "reshape") == 0 || strcmp(name, "flatten") == 0 ||
                 strcmp(name, "broadcast_to") == 0 || strcmp(name, "reduce_to") == 0 ||
                 strcmp(name, "cast") == 0))
        return in[0];
    if (strcmp(name, "straight_through") == 0)
        return in[1];
    return RN_NONE;
}

static struct rn_attr *copy_attrs(struct graph *g, const struct gnode *n, bool f64) {
    struct rn_attr *list = arena_array(g->arena, struct rn_attr, n->attr_count + 1);
    for (uint32_t i = 0; i < n->attr_count; i++) {
        list[i] = n->attrs[i];
        list[i].name = arena_copy(g->arena, n->attrs[i].name);
        size_t bytes = list[i].type == RN_ATTR_INTS ? list[i].count * sizeof(int64_t)
                       : list[i].type == RN_ATTR_STRING ? list[i].count + 1u
                                                        : 0;
        if (bytes) {
            void *p = arena_get(g->arena, bytes);
            memcpy(p, n->attrs[i].p, bytes);
            list[i].p = p;
        }
        if (f64 && strcmp(list[i].name, "dtype") == 0 && list[i].i == (int64_t)RN_F32)
            list[i].i = (int64_t)RN_F64;
    }
    return list;
}

static rn_value widen(struct copier *c, rn_value v) {
    struct rn_attr a = rn_attr_int("dtype", (int64_t)RN_F64);
    rn_value out = RN_NONE;
    graph_op(c->g, "cast", 1, &v, 1, &a, 1, &out, c->e);
    return out;
}

static int copy_plain(struct copier *c, const struct gnode *n, const rn_value *in) {
    struct graph *g = c->g;
    struct gvalue *outs = arena_array(g->arena, struct gvalue, n->out_count + 1);
    bool narrow = c->f64 && (n->op->traits & OP_RANDOM) && n->in_count == 3;
    bool live = c->f64 && strcmp(n->op->name, "live") == 0;
    for (uint32_t i = 0; i < n->out_count; i++) {
        outs[i] = c->old->values[n->out[i]];
        if (!narrow && !live)
            outs[i].dtype = mapped(c, outs[i].dtype);
    }
    struct gnode *made =
        graph_node_append(g, n->op, n->in_count, in, n->out_count, outs);
    made->custom = n->custom;
    made->attrs = copy_attrs(g, n, c->f64);
    made->attr_count = n->attr_count;
    made->scope = arena_copy(g->arena, n->scope);
    made->part = n->part;
    made->name = n->name ? arena_copy(g->arena, n->name) : NULL;
    made->variable = n->variable;
    made->padded_rows = n->padded_rows;
    made->masks_rows = n->masks_rows;
    if (n->data) {
        const struct gvalue *v = &c->old->values[n->out[0]];
        uint64_t count = elements(v);
        void *data =
            arena_get(g->arena, memory_mul(count, RN_DTYPE_BYTES(outs[0].dtype)));
        if (outs[0].dtype == v->dtype)
            memcpy(data, n->data, constant_bytes(c->old, n));
        else
            for (uint64_t i = 0; i < count; i++)
                ((double *)data)[i] = ((const float *)n->data)[i];
        made->data = data;
    }
    const struct gnode *kept = unique(c);
    for (uint32_t i = 0; i < n->out_count; i++)
        c->map[n->out[i]] = kept->out[i];
    if ((narrow || live) && outs[0].dtype == RN_F32)
        c->map[n->out[0]] = widen(c, kept->out[0]);
    return c->e && c->e->status ? c->e->status : RN_OK;
}

static int run(struct copier *c);

/* A body by the same pass; edits are of the graph around it alone. */
static struct graph *copy_body(struct copier *c, const struct graph *body) {
    struct copier inner = {.old = body,
                           .g = graph_create(c->g->arena, c->g->variables, body->name),
                           .keep = c->keep,
                           .context = c->context,
                           .f64 = c->f64,
                           .e = c->e};
    return run(&inner) == RN_OK ? inner.g : NULL;
}

/* Results that nobody reads go, and what only they needed. */
static int copy_scan(struct copier *c, const struct gnode *n, const rn_value *in) {
    struct graph *g = c->g;
    struct scan_pruned s;
    int status = scan_prune(c->old, n, c->read, g->arena, &s, c->e);
    if (status != RN_OK)
        return status;
    struct graph *body = copy_body(c, s.body ? s.body : n->body);
    if (!body)
        return c->e->status;
    uint32_t n_in = s.body ? s.in_count : n->in_count;
    rn_value *ins = arena_array(g->arena, rn_value, n_in + 1);
    for (uint32_t k = 0; k < n_in; k++)
        ins[k] = in[s.body ? s.in[k] : k];
    struct gnode *made =
        scan_append(g, n_in, ins, s.body ? s.states : scan_states(n),
                    s.body ? s.steps : scan_steps(n), attr_int(n, "length"),
                    attr_int(n, "reverse") != 0, body);
    made->scope = arena_copy(g->arena, n->scope);
    made->part = n->part;
    for (uint32_t k = 0; k < made->out_count; k++)
        c->map[n->out[s.body ? s.out[k] : k]] = made->out[k];
    return RN_OK;
}

static int copy_node(struct copier *c, uint32_t index);

/* Decompose into a scratch graph of one node's operands, then copy that, recursively.
 */
static int copy_decomposed(struct copier *c, const struct gnode *n,
                           const rn_value *in) {
    struct graph *scratch = graph_create(c->g->arena, c->g->variables, "scratch");
    rn_value out[OP_MAX_OUT] = {RN_NONE};
    rn_value *ins = arena_array(c->g->arena, rn_value, n->in_count + 1);
    scratch->scope = n->scope;
    scratch->part = n->part;
    for (uint32_t i = 0; i < n->in_count; i++) {
        const struct gvalue *v = graph_value(c->g, in[i]);
        struct gnode *made =
            graph_node_append(scratch, op_find("input"), 0, NULL, 1, v);
        ins[i] = made->out[0];
    }
    uint32_t inputs = scratch->node_count;
    int status = op_decompose(scratch, n, ins, out, c->keep, c->context, c->e);
    if (status != RN_OK)
        return status;
    struct copier inner = *c;
    inner.old = scratch;
    inner.f64 = false;
    inner.map = arena_array(c->g->arena, rn_value, scratch->value_count);
    inner.read = arena_array(c->g->arena, bool, scratch->value_count);
    memset(inner.read, true, scratch->value_count * sizeof *inner.read);
    inner.state = arena_array(c->g->arena, uint8_t, scratch->node_count + 1);
    for (uint32_t i = 0; i < n->in_count; i++)
        inner.map[ins[i]] = in[i];
    memset(inner.state, 2, inputs);
    for (uint32_t i = 0; i < n->out_count && status == RN_OK; i++) {
        if (out[i])
            status = copy_node(&inner, scratch->values[out[i]].node);
        c->map[n->out[i]] = out[i] ? inner.map[out[i]] : RN_NONE;
    }
    return status;
}

static int copy_one(struct copier *c, const struct gnode *n) {
    rn_value *in = arena_array(c->g->arena, rn_value, n->in_count + 1);
    for (uint32_t i = 0; i < n->in_count; i++)
        in[i] = c->map[n->in[i]];
    rn_value pass = passes(c, n, in);
    if (pass) {
        c->map[n->out[0]] = pass;
        return RN_OK;
    }
    if (c->edit) {
        /* A scan has as many results as it likes. */
        rn_value *out = arena_array(c->g->arena, rn_value, n->out_count + 1);
        int made = c->edit->node(c->edit->context, c->g, n, in, out, c->e);
        if (c->e->status)
            return c->e->status;
        for (uint32_t i = 0; made && i < n->out_count; i++)
            c->map[n->out[i]] = out[i];
        if (made)
            return RN_OK;
    }
    if (n->body)
        return copy_scan(c, n, in);
    bool splits = n->op->decompose && (!(n->op->traits & OP_BLOCKED) ||
                                       gnode_blocked(n) || gnode_narrow(c->old, n));
    if (c->keep && splits && !c->keep(c->context, c->old, n))
        return copy_decomposed(c, n, in);
    return copy_plain(c, n, in);
}

/* Operands first, in their order; an explicit stack, since networks are deep. */
static int copy_node(struct copier *c, uint32_t index) {
    uint32_t depth = 0, capacity = 64;
    uint32_t *stack = arena_array(c->g->arena, uint32_t, capacity);
    stack[depth++] = index;
    while (depth) {
        uint32_t at = stack[depth - 1];
        const struct gnode *n = &c->old->nodes[at];
        if (c->state[at] == 2) {
            depth--;
            continue;
        }
        if (c->state[at] == 1) {
            int status = copy_one(c, n);
            if (status != RN_OK)
                return status;
            c->state[at] = 2;
            depth--;
            continue;
        }
        c->state[at] = 1;
        if (depth + n->in_count >= capacity) {
            uint32_t bigger = 2 * capacity + n->in_count;
            uint32_t *grown = arena_array(c->g->arena, uint32_t, bigger);
            memcpy(grown, stack, depth * sizeof *grown);
            stack = grown;
            capacity = bigger;
        }
        for (uint32_t i = n->in_count; i-- > 0;) {
            uint32_t operand = c->old->values[n->in[i]].node;
            if (c->state[operand] == 0)
                stack[depth++] = operand;
        }
    }
    return RN_OK;
}

/* What stands where old value v was given out. */
static rn_value result(struct copier *c, rn_value v) {
    const struct graph_edit *edit = c->edit;
    return edit ? edit->result(edit->context, c->g, c->map[v], c->e) : c->map[v];
}

/* By old value, from the results. */
static void find_read(struct copier *c) {
    const struct graph *old = c->old;
    for (uint32_t i = 0; i < old->output_count; i++)
        c->read[old->outputs[i].value] = true;
    for (uint32_t i = 0; i < old->assign_count; i++)
        c->read[old->assigns[i].value] = true;
    for (uint32_t i = old->node_count; i-- > 0;) {
        const struct gnode *n = &old->nodes[i];
        bool needed = false;
        for (uint32_t k = 0; k < n->out_count; k++)
            needed |= c->read[n->out[k]];
        for (uint32_t k = 0; needed && k < n->in_count; k++)
            c->read[n->in[k]] = true;
    }
}

static int run(struct copier *c) {
    const struct graph *old = c->old;
    struct rn_error none = {0};
    if (!c->e)
        c->e = &none;
    c->e->status = 0;
    c->map = arena_array(c->g->arena, rn_value, old->value_count + 1);
    c->state = arena_array(c->g->arena, uint8_t, old->node_count + 1);
    c->read = arena_array(c->g->arena, bool, old->value_count + 1);
    find_read(c);
    c->table_size = 1024;
    while (c->table_size < 8 * old->node_count)
        c->table_size *= 2;
    c->table = arena_array(c->g->arena, uint32_t, c->table_size);
    int status = RN_OK;
    for (uint32_t i = 0; i < old->output_count && status == RN_OK; i++) {
        status = copy_node(c, old->values[old->outputs[i].value].node);
        if (status == RN_OK)
            status = graph_output(c->g, old->outputs[i].name,
                                  result(c, old->outputs[i].value), c->e);
    }
    for (uint32_t i = 0; i < old->assign_count && status == RN_OK; i++) {
        status = copy_node(c, old->values[old->assigns[i].value].node);
        if (status == RN_OK)
            status = graph_assign(c->g, old->assigns[i].variable,
                                  result(c, old->assigns[i].value), c->e);
    }
    return status ? status : graph_verify(c->g, c->e);
}

void graph_counts(const struct graph *g, bool *counts) {
    for (uint32_t i = 0; i < g->assign_count; i++)
        counts[g->values[g->assigns[i].value].node] = true;
    for (uint32_t i = g->node_count; i-- > 0;) {
        counts[i] |= g->assign_count == 0;
        for (uint32_t k = 0; counts[i] && k < g->nodes[i].in_count; k++)
            counts[g->values[g->nodes[i].in[k]].node] = true;
    }
}

struct graph *graph_simplify(const struct graph *g, struct arena *a,
                             struct rn_error *e) {
    struct copier c = {.old = g, .g = graph_create(a, g->variables, g->name), .e = e};
    return run(&c) == RN_OK ? c.g : NULL;
}

int graph_decompose(const struct graph *g, struct arena *a,
                    bool (*keep)(void *context, const struct graph *g,
                                 const struct gnode *n),
                    void *context, struct graph **out, struct rn_error *e) {
    struct copier c = {.old = g,
                       .g = graph_create(a, g->variables, g->name),
                       .keep = keep,
                       .context = context,
                       .e = e};
    *out = c.g;
    return run(&c);
}

int graph_rewrite(const struct graph *g, struct arena *a, const struct graph_edit *edit,
                  struct graph **out, struct rn_error *e) {
    struct copier c = {
        .old = g, .g = graph_create(a, g->variables, g->name), .edit = edit, .e = e};
    *out = c.g;
    return run(&c);
}

struct graph *graph_to_f64(const struct graph *g, struct arena *a,
                           struct variables *f64_variables, struct rn_error *e) {
    for (uint32_t i = 0; i < variables_count(g->variables); i++) {
        struct variable v = *variables_at(g->variables, i);
        uint32_t id;
        v.dtype = v.dtype == RN_F32 ? RN_F64 : v.dtype;
        if (variables_declare(f64_variables, &v, &id, e) != RN_OK)
            return NULL;
        assert(id == i); /* the table was empty */
    }
    struct copier c = {
        .old = g, .g = graph_create(a, f64_variables, g->name), .f64 = true, .e = e};
    return run(&c) == RN_OK ? c.g : NULL;
}
