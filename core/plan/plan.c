/* SPDX-License-Identifier: Apache-2.0 */
/* From a graph to a program: decompose, fuse, order, give every value a place. */
#include <string.h>

#include "plan/internal.h"

bool is_source(const struct gnode *n) {
    return op_traits(n->op) & OP_SOURCE;
}

bool is_view(const struct gnode *n) {
    return op_traits(n->op) & OP_VIEW;
}

uint64_t value_bytes(const struct graph *g, rn_value v) {
    return graph_elements(g, v) * RN_DTYPE_BYTES(g->values[v].dtype);
}

/* ------------------------------------------------------ asking the backend */

static struct rn_slot slot_of(const struct graph *g, rn_value v) {
    const struct gvalue *x = &g->values[v];
    struct rn_slot s = {.dtype = x->dtype, .rank = x->rank, .bytes = value_bytes(g, v)};
    memcpy(s.shape, x->shape, sizeof s.shape);
    return s;
}

static const char *label_of(const struct draft *d, const struct gnode *n) {
    const char *op = n->custom ? n->custom->name : op_name(n->op);
    return n->scope && *n->scope ? arena_format(d->a, "%s/%s", n->scope, op) : op;
}

static struct rn_node node_of(const struct gnode *n, struct arena *a) {
    return (struct rn_node){.op = n->custom
                                      ? arena_format(a, "custom:%s", n->custom->name)
                                      : op_name(n->op),
                            .in_count = n->in_count,
                            .out_count = n->out_count,
                            .attr_count = n->attr_count,
                            .attr_stride = sizeof(struct rn_attr),
                            .attrs = n->attrs,
                            .custom = n->custom};
}

const struct rn_program *draft_single_node_program(const struct graph *g,
                                                   const struct gnode *n,
                                                   struct arena *a) {
    struct rn_program *p = arena_new(a, struct rn_program);
    uint32_t count = n->in_count + n->out_count;
    struct rn_slot *slots = arena_array(a, struct rn_slot, count + 1);
    uint32_t *index = arena_array(a, uint32_t, count + 1);
    struct rn_node *node = arena_new(a, struct rn_node);
    for (uint32_t i = 0; i < count; i++) {
        slots[i] = slot_of(g, i < n->in_count ? n->in[i] : n->out[i - n->in_count]);
        index[i] = i;
    }
    *node = node_of(n, a);
    node->label = op_name(n->op);
    node->in = index;
    node->out = index + n->in_count;
    *p = (struct rn_program){.struct_size = sizeof *p,
                             .base_count = RN_BASE_FIRST,
                             .name = g->name,
                             .slot_count = count,
                             .slot_stride = sizeof *slots,
                             .slots = slots,
                             .node_count = 1,
                             .node_stride = sizeof *node,
                             .nodes = node};
    return p;
}

int draft_query_backend(const struct plan_options *o, const struct rn_program *p,
                        uint32_t i, struct rn_node_info *info, struct rn_error *e) {
    *info = (struct rn_node_info){.struct_size = sizeof *info, .supported = 1};
    if (!o->backend)
        return RN_OK;
    info->supported = 0;
    struct rn_backend_query call = {sizeof call, i, p, info, 0};
    return o->backend->query(o->backend_self, &call, e);
}

struct query_ctx {
    const struct plan_options *o;
    struct arena *a;
    struct rn_error e;
};

static bool keep(void *context, const struct graph *g, const struct gnode *n) {
    struct query_ctx *k = context;
    struct rn_node_info info;
    if (is_source(n) || is_view(n) || n->custom || n->body)
        return true;
    if (!k->o->backend)
        return op_traits(n->op) & OP_PRIMITIVE;
    int status = draft_query_backend(k->o, draft_single_node_program(g, n, k->a), 0,
                                     &info, &k->e);
    return status == RN_OK && info.supported;
}

/* Views share the bytes of what they look at. */
static void find_roots(struct draft *d) {
    d->homes = arena_array(d->a, struct home, d->g->value_count + 1);
    for (uint32_t v = 1; v < d->g->value_count; v++) {
        const struct gnode *n = &d->g->nodes[d->g->values[v].node];
        d->homes[v] = (struct home){.root = is_view(n) ? d->homes[n->in[0]].root : v,
                                    .slot = RN_NO_SLOT,
                                    .base = RN_BASE_ARENA,
                                    .block = UINT32_MAX};
    }
}

/* ------------------------------------------------------------------- bases */

static void source_bases(struct draft *d) {
    const struct graph *g = d->g;
    struct plan_base *bases = arena_array(
        d->a, struct plan_base, g->node_count + g->output_count + g->assign_count + 1);
    struct plan_scalar *scalars =
        arena_array(d->a, struct plan_scalar, g->node_count + 1);
    struct plan *p = d->plan;
    p->bases = bases;
    p->scalars = scalars;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        if (!is_source(n))
            continue;
        struct home *h = &d->homes[n->out[0]];
        const struct gvalue *v = &g->values[n->out[0]];
        const char *op = op_name(n->op);
        uint64_t bytes = value_bytes(g, n->out[0]);
        if (strcmp(op, "constant") == 0) {
            h->base = RN_BASE_CONSTANTS;
            h->offset = d->constant_bytes;
            d->constant_bytes += round64(bytes);
            continue;
        }
        if (strcmp(op, "live") == 0) {
            h->base = RN_BASE_SCALARS;
            h->offset = 8u * (uint64_t)p->scalar_count;
            scalars[p->scalar_count++] =
                (struct plan_scalar){arena_copy(d->a, n->name), v->dtype};
            continue;
        }
        bool variable = strcmp(op, "variable") == 0;
        struct plan_base b = {
            .kind = variable ? BASE_VARIABLE : BASE_INPUT,
            .variable = n->variable,
            .name = variable ? variables_at(g->variables, n->variable)->name
                             : arena_copy(d->a, n->name),
            .dtype = v->dtype,
            .rank = v->rank,
            .bytes = bytes};
        memcpy(b.shape, v->shape, sizeof b.shape);
        h->base = RN_BASE_FIRST + p->base_count;
        bases[p->base_count++] = b;
    }
    /* Variables that are assigned but never read; then the outputs. */
    for (uint32_t i = 0; i < g->assign_count; i++) {
        uint32_t id = g->assigns[i].variable, k = 0;
        while (k < p->base_count &&
               !(bases[k].kind == BASE_VARIABLE && bases[k].variable == id))
            k++;
        if (k < p->base_count)
            continue;
        const struct variable *x = variables_at(g->variables, id);
        struct plan_base b = {.kind = BASE_VARIABLE,
                              .variable = id,
                              .name = x->name,
                              .dtype = x->dtype,
                              .rank = x->rank,
                              .bytes = x->count * RN_DTYPE_BYTES(x->dtype)};
        memcpy(b.shape, x->shape, sizeof b.shape);
        bases[p->base_count++] = b;
    }
    for (uint32_t i = 0; i < g->output_count; i++) {
        const struct gvalue *v = &g->values[g->outputs[i].value];
        struct plan_base b = {.kind = BASE_OUTPUT,
                              .name = arena_copy(d->a, g->outputs[i].name),
                              .dtype = v->dtype,
                              .rank = v->rank,
                              .bytes = value_bytes(g, g->outputs[i].value)};
        memcpy(b.shape, v->shape, sizeof b.shape);
        bases[p->base_count++] = b;
    }
}

static uint32_t base_of(const struct draft *d, enum base_kind kind, uint32_t variable,
                        const char *name) {
    for (uint32_t k = 0; k < d->plan->base_count; k++) {
        const struct plan_base *b = &d->plan->bases[k];
        if (b->kind == kind && (kind == BASE_VARIABLE ? b->variable == variable
                                                      : strcmp(b->name, name) == 0))
            return RN_BASE_FIRST + k;
    }
    return 0;
}

/* ------------------------------------------------------------------ nodes */

static uint32_t slot_get(struct draft *d, rn_value v) {
    struct home *h = &d->homes[v];
    if (h->slot != RN_NO_SLOT)
        return h->slot;
    if (d->slot_count == d->slot_capacity) {
        uint32_t capacity = 2 * d->slot_capacity + 64;
        struct rn_slot *grown = arena_array(d->a, struct rn_slot, capacity);
        if (d->slot_count)
            memcpy(grown, d->slots, d->slot_count * sizeof *grown);
        d->slots = grown;
        d->slot_capacity = capacity;
    }
    d->slots[d->slot_count] = slot_of(d->g, v);
    return h->slot = d->slot_count++;
}

/* Is v wanted outside unit u? */
static bool wanted_outside(const struct draft *d, uint32_t u, rn_value v) {
    const struct graph *g = d->g;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        if (is_source(n) ||
            (!is_view(n) && (d->unit_of[i] == u || d->unit_of[i] == NO_UNIT)))
            continue;
        for (uint32_t k = 0; k < n->in_count; k++)
            if (n->in[k] == v)
                return true;
    }
    for (uint32_t i = 0; i < g->output_count; i++)
        if (g->outputs[i].value == v)
            return true;
    for (uint32_t i = 0; i < g->assign_count; i++)
        if (g->assigns[i].value == v)
            return true;
    return false;
}

struct registers {
    rn_value *values;
    uint32_t count;
};

static uint32_t register_of(const struct registers *r, rn_value v) {
    for (uint32_t i = 0; i < r->count; i++)
        if (r->values[i] == v)
            return i;
    return RN_NO_SLOT;
}

static void build_region(struct draft *d, uint32_t index, const struct unit *u,
                         struct rn_node *out) {
    const struct graph *g = d->g;
    struct arena *a = d->a;
    uint32_t n = unit_inputs(d, u, NULL, 0), k = 0;
    rn_value *in = arena_array(a, rn_value, n + 1);
    n = unit_inputs(d, u, in, n);
    /* unit_inputs counts duplicates when it has no room: make them unique. */
    for (uint32_t i = 0; i < n; i++) {
        bool have = false;
        for (uint32_t j = 0; j < k; j++)
            have |= in[j] == in[i];
        if (!have)
            in[k++] = in[i];
    }
    n = k;
    struct registers r = {arena_array(a, rn_value, n + u->count + 1), 0};
    struct rn_program *sub = arena_new(a, struct rn_program);
    uint32_t *inputs = arena_array(a, uint32_t, n + 1);
    uint32_t *outputs = arena_array(a, uint32_t, u->count + 1);
    uint32_t *outs = arena_array(a, uint32_t, u->count + 1);
    uint32_t *ins = arena_array(a, uint32_t, n + 1);
    struct rn_node *nodes = arena_array(a, struct rn_node, u->count);
    for (uint32_t i = 0; i < n; i++) {
        inputs[i] = r.count;
        ins[i] = slot_get(d, in[i]);
        r.values[r.count++] = in[i];
    }
    uint32_t out_count = 0;
    for (uint32_t i = 0; i < u->count; i++) {
        const struct gnode *node = &g->nodes[u->nodes[i]];
        uint32_t *io = arena_array(a, uint32_t, node->in_count + 1);
        for (uint32_t m = 0; m < node->in_count; m++)
            io[m] = register_of(&r, region_operand(d, node->in[m]));
        io[node->in_count] = r.count;
        nodes[i] = node_of(node, a);
        nodes[i].label = label_of(d, node);
        nodes[i].in = io;
        nodes[i].out = io + node->in_count;
        if (wanted_outside(d, index, node->out[0])) {
            outputs[out_count] = r.count;
            outs[out_count++] = slot_get(d, node->out[0]);
        }
        r.values[r.count++] = node->out[0];
    }
    struct rn_slot *slots = arena_array(a, struct rn_slot, r.count);
    for (uint32_t i = 0; i < r.count; i++) {
        slots[i] = slot_of(g, r.values[i]);
        slots[i].base = RN_BASE_REGISTER;
    }
    const struct gvalue *space = &g->values[g->nodes[u->nodes[0]].out[0]];
    uint32_t last = u->count - 1; /* that is not a reduction */
    while (last > 0 && !(op_traits(g->nodes[u->nodes[last]].op) & OP_ELEMENTWISE))
        last--;
    *sub = (struct rn_program){.struct_size = sizeof *sub,
                               .name = "region",
                               .slot_count = r.count,
                               .slot_stride = sizeof *slots,
                               .slots = slots,
                               .node_count = u->count,
                               .node_stride = sizeof *nodes,
                               .nodes = nodes,
                               .input_count = n,
                               .output_count = out_count,
                               .inputs = inputs,
                               .outputs = outputs,
                               .space_rank = space->rank};
    memcpy(sub->space, space->shape, sizeof sub->space);
    *out = (struct rn_node){.op = "region",
                            .label = label_of(d, &g->nodes[u->nodes[last]]),
                            .in_count = n,
                            .out_count = out_count,
                            .in = ins,
                            .out = outs,
                            .attr_stride = sizeof(struct rn_attr),
                            .sub = sub};
}

static int build_node(struct draft *d, uint32_t index, struct rn_node *out) {
    const struct gnode *n = &d->g->nodes[index];
    uint32_t *io = arena_array(d->a, uint32_t, n->in_count + n->out_count + 1);
    for (uint32_t i = 0; i < n->in_count; i++)
        io[i] = slot_get(d, n->in[i]);
    for (uint32_t i = 0; i < n->out_count; i++)
        io[n->in_count + i] = slot_get(d, n->out[i]);
    *out = node_of(n, d->a);
    out->label = label_of(d, n);
    out->in = io;
    out->out = io + n->in_count;
    return n->body ? draft_scan(d, index, out) : RN_OK;
}

/* ------------------------------------------------------- lifetimes, places */

struct life {
    uint32_t first, last; /* by node of the program */
    bool used;
};

struct placer {
    struct draft *d;
    struct life *lives; /* by root value */
    rn_value *by_slot;  /* value of each slot */
    struct rn_node_info *infos;
    uint32_t copies; /* nodes to append */
    rn_value *copy_from;
    uint32_t *copy_to; /* base */
};

static void touch(struct placer *p, rn_value v, uint32_t at) {
    struct life *l = &p->lives[p->d->homes[v].root];
    if (!l->used) {
        l->used = true;
        l->first = at;
    }
    if (at > l->last)
        l->last = at;
}

static uint32_t block_add(struct draft *d, uint64_t bytes, uint32_t first,
                          uint32_t last, const char *label) {
    if (d->block_count == d->block_capacity) {
        uint32_t capacity = 2 * d->block_capacity + 64;
        struct plan_block *grown = arena_array(d->a, struct plan_block, capacity);
        if (d->block_count)
            memcpy(grown, d->blocks, d->block_count * sizeof *grown);
        d->blocks = grown;
        d->block_capacity = capacity;
    }
    d->blocks[d->block_count] = (struct plan_block){
        .bytes = round64(bytes), .first = first, .last = last, .label = label};
    return d->block_count++;
}

/* Index of the last node of a region that reads a register, of the one that makes it.
 */
static uint32_t last_reader(const struct rn_program *sub, uint32_t slot) {
    uint32_t last = 0;
    for (uint32_t i = 0; i < sub->node_count; i++)
        for (uint32_t k = 0; k < sub->nodes[i].in_count; k++)
            if (sub->nodes[i].in[k] == slot)
                last = i;
    return last;
}

static uint32_t maker(const struct rn_program *sub, uint32_t slot) {
    uint32_t i = 0;
    while (i < sub->node_count && sub->nodes[i].out[0] != slot)
        i++;
    return i;
}

/* May output k of node i be written over input j's memory? */
static bool may_overwrite(const struct placer *p, uint32_t i, uint32_t k, uint32_t j) {
    const struct rn_node *n = &p->d->nodes[i];
    const struct rn_slot *in = &p->d->slots[n->in[j]], *out = &p->d->slots[n->out[k]];
    if (in->bytes != out->bytes || in->dtype != out->dtype || rn_node_is_scan(n))
        return false;
    if (n->sub) { /* not what a reduction at its end makes */
        uint32_t made = maker(n->sub, n->sub->outputs[k]);
        return op_traits(op_find(n->sub->nodes[made].op)) & OP_ELEMENTWISE &&
               last_reader(n->sub, n->sub->inputs[j]) <= made;
    }
    return k == 0 && j < 64 && p->infos[i].in_place_mask >> j & 1;
}

static bool from_source(const struct draft *d, rn_value v) {
    return d->unit_of[d->g->values[d->homes[v].root].node] == NO_UNIT;
}

/* Results that are a source as it stands are read by copies after the last node: so
 * that a variable among them is not overwritten before. */
static void hold_sources(struct placer *p) {
    const struct graph *g = p->d->g;
    for (uint32_t i = 0; i < g->assign_count + g->output_count; i++) {
        rn_value v = i < g->assign_count ? g->assigns[i].value
                                         : g->outputs[i - g->assign_count].value;
        if (from_source(p->d, v))
            touch(p, v, p->d->node_count);
    }
}

/* Copies of sources first: later ones may overwrite variables. */
static void order_copies(struct placer *p) {
    uint32_t k = 0;
    for (uint32_t i = 0; i < p->copies; i++) {
        rn_value v = p->copy_from[i];
        uint32_t base = p->copy_to[i];
        if (!from_source(p->d, v))
            continue;
        for (uint32_t j = i; j > k; j--) {
            p->copy_from[j] = p->copy_from[j - 1];
            p->copy_to[j] = p->copy_to[j - 1];
        }
        p->copy_from[k] = v;
        p->copy_to[k++] = base;
    }
}

/* An assigned value is written straight into its variable when nobody reads the old
 * one later; else it is copied at the end. The same for outputs. */
static void place_results(struct placer *p) {
    struct draft *d = p->d;
    const struct graph *g = d->g;
    for (uint32_t i = 0; i < g->assign_count + g->output_count; i++) {
        bool assign = i < g->assign_count;
        const struct goutput *out = assign ? NULL : &g->outputs[i - g->assign_count];
        rn_value v = assign ? g->assigns[i].value : out->value;
        struct home *h = &d->homes[v];
        uint32_t base = assign ? base_of(d, BASE_VARIABLE, g->assigns[i].variable, NULL)
                               : base_of(d, BASE_OUTPUT, 0, out->name);
        bool direct = h->root == v && h->base == RN_BASE_ARENA &&
                      d->unit_of[g->values[v].node] != NO_UNIT;
        uint32_t at = direct ? p->lives[v].first : 0;
        for (uint32_t k = 0; direct && assign && k < g->node_count; k++) {
            /* the old value's readers */
            const struct gnode *n = &g->nodes[k];
            if (!is_source(n) || n->name || n->data ||
                n->variable != g->assigns[i].variable)
                continue;
            const struct life *old = &p->lives[n->out[0]];
            if (!old->used || old->last < at)
                continue;
            direct = old->last == at;
            const struct rn_node *maker = &d->nodes[at];
            for (uint32_t o = 0; direct && o < maker->out_count; o++) {
                if (maker->out[o] != h->slot)
                    continue;
                for (uint32_t j = 0; direct && j < maker->in_count; j++)
                    if (d->homes[p->by_slot[maker->in[j]]].root == n->out[0])
                        direct = may_overwrite(p, at, o, j);
            }
        }
        if (direct) {
            h->base = base;
            h->offset = 0;
        } else {
            p->copy_from[p->copies] = v;
            p->copy_to[p->copies++] = base;
        }
    }
}

static void place_arena(struct placer *p) {
    struct draft *d = p->d;
    for (uint32_t i = 0; i < d->node_count; i++) {
        const struct rn_node *n = &d->nodes[i];
        for (uint32_t k = 0; k < n->out_count; k++) {
            rn_value v = p->by_slot[n->out[k]];
            struct home *h = &d->homes[v];
            if (h->base != RN_BASE_ARENA || h->block != UINT32_MAX)
                continue;
            uint32_t last = p->lives[v].last;
            if (d->o->keep && last + 1 < d->node_count)
                last = d->node_count - 1;
            for (uint32_t j = 0;
                 !d->o->keep && j < n->in_count && h->block == UINT32_MAX; j++) {
                rn_value r = d->homes[p->by_slot[n->in[j]]].root;
                struct home *from = &d->homes[r];
                if (from->base != RN_BASE_ARENA || from->block == UINT32_MAX ||
                    d->blocks[from->block].last != i || !may_overwrite(p, i, k, j))
                    continue;
                h->block = from->block;
                d->blocks[h->block].last = last;
            }
            if (h->block == UINT32_MAX)
                h->block = block_add(d, d->slots[n->out[k]].bytes, i, last, n->label);
        }
        if (p->infos[i].workspace_bytes) {
            uint32_t b = block_add(d, p->infos[i].workspace_bytes, i, i, n->label);
            d->nodes[i].workspace_bytes = p->infos[i].workspace_bytes;
            d->nodes[i].workspace_offset = b; /* turned into an offset below */
        }
    }
}

static void map_slots(struct draft *d, rn_value *by_slot) {
    for (rn_value v = 1; v < d->g->value_count; v++)
        if (d->homes[v].slot != RN_NO_SLOT)
            by_slot[d->homes[v].slot] = v;
}

/* One extra slot at a base, and a node that copies v there. */
static void append_copy(struct draft *d, rn_value v, uint32_t base) {
    struct rn_node *n = &d->nodes[d->node_count++];
    uint32_t *io = arena_array(d->a, uint32_t, 2);
    io[0] = slot_get(d, v);
    uint32_t slot = d->homes[v].slot;
    d->homes[v].slot = RN_NO_SLOT; /* a second slot of the same shape */
    io[1] = slot_get(d, v);
    d->homes[v].slot = slot;
    d->slots[io[1]].base = base;
    *n = (struct rn_node){.op = "identity",
                          .label = "copy",
                          .in_count = 1,
                          .out_count = 1,
                          .in = io,
                          .out = io + 1,
                          .attr_stride = sizeof(struct rn_attr)};
}

static struct rn_program *program_of(struct draft *d) {
    struct rn_program *p = &d->plan->program;
    *p = (struct rn_program){.struct_size = sizeof *p,
                             .base_count = RN_BASE_FIRST + d->plan->base_count,
                             .name = d->g->name,
                             .slot_count = d->slot_count,
                             .slot_stride = sizeof *d->slots,
                             .slots = d->slots,
                             .node_count = d->node_count,
                             .node_stride = sizeof *d->nodes,
                             .nodes = d->nodes};
    return p;
}

static int place(struct draft *d, struct rn_node_info *infos) {
    const struct graph *g = d->g;
    uint32_t results = g->assign_count + g->output_count;
    /* Every value that a copy reads needs a slot before the slots are counted. */
    struct placer p = {.d = d,
                       .lives = arena_array(d->a, struct life, g->value_count + 1),
                       .infos = infos,
                       .copy_from = arena_array(d->a, rn_value, results + 1),
                       .copy_to = arena_array(d->a, uint32_t, results + 1)};
    for (uint32_t i = 0; i < results; i++)
        slot_get(d, i < g->assign_count ? g->assigns[i].value
                                        : g->outputs[i - g->assign_count].value);
    p.by_slot = arena_array(d->a, rn_value, d->slot_count + 1);
    map_slots(d, p.by_slot);
    for (uint32_t i = 0; i < d->node_count; i++) {
        for (uint32_t k = 0; k < d->nodes[i].in_count; k++)
            touch(&p, p.by_slot[d->nodes[i].in[k]], i);
        for (uint32_t k = 0; k < d->nodes[i].out_count; k++)
            touch(&p, p.by_slot[d->nodes[i].out[k]], i);
    }
    hold_sources(&p);
    place_results(&p);
    order_copies(&p);
    for (uint32_t i = 0; i < p.copies; i++)
        touch(&p, p.copy_from[i], d->node_count + i);
    place_arena(&p);
    d->plan->program.arena_bytes = draft_layout(d);
    for (uint32_t i = 0; i < d->node_count; i++)
        if (d->nodes[i].workspace_bytes)
            d->nodes[i].workspace_offset =
                d->blocks[d->nodes[i].workspace_offset].offset;
    uint64_t arena_bytes = d->plan->program.arena_bytes;
    for (rn_value v = 1; v < g->value_count; v++) {
        const struct home *h = &d->homes[v], *r = &d->homes[h->root];
        if (h->slot == RN_NO_SLOT)
            continue;
        d->slots[h->slot].base = r->base;
        d->slots[h->slot].offset =
            r->block != UINT32_MAX ? d->blocks[r->block].offset : r->offset;
    }
    for (uint32_t i = 0; i < p.copies; i++)
        append_copy(d, p.copy_from[i], p.copy_to[i]);
    /* A copy's source keeps its place; only its own new slot is at the base. */
    program_of(d)->arena_bytes = arena_bytes;
    return RN_OK;
}

/* ------------------------------------------------------------------- make */

/* Where there is a choice of kernels it is made here, before the node is asked what it
 * needs; where there is none the backend says so, and nothing is lost. */
static void measure_node(const struct draft *d, const struct rn_program *p,
                         uint32_t i) {
    const struct rn_backend *b = d->o->backend;
    struct rn_error e = {0};
    struct rn_backend_query call = {sizeof call, i, p, NULL, 0};
    if (b && d->o->layouts && !d->nodes[i].sub &&
        RN_HAS(b, struct rn_backend, measure) && b->measure)
        b->measure(d->o->backend_self, &call, &e);
}

static int ask_all(struct draft *d, struct rn_node_info **infos,
                   bool *regions_refused) {
    struct rn_program *p = program_of(d);
    *infos = arena_array(d->a, struct rn_node_info, d->node_count + 1);
    for (uint32_t i = 0; i < d->node_count; i++) {
        struct rn_node_info *info = &(*infos)[i];
        measure_node(d, p, i);
        int status = draft_query_backend(d->o, p, i, info, d->e);
        if (status != RN_OK)
            return status;
        if (rn_node_is_scan(&d->nodes[i]))
            info->workspace_bytes = rn_scan_workspace(p, &d->nodes[i]);
        if (info->supported)
            continue;
        if (d->nodes[i].sub && !rn_node_is_scan(&d->nodes[i])) {
            *regions_refused = true;
            return RN_OK;
        }
        return error_set(d->e, RN_E_UNSUPPORTED,
                         "%s: the backend has no kernel for %s%s%s", d->nodes[i].label,
                         d->nodes[i].op, info->why[0] ? ": " : "", info->why);
    }
    return RN_OK;
}

static int build_nodes(struct draft *d) {
    int status = RN_OK;
    d->slots = NULL;
    d->slot_count = d->slot_capacity = 0;
    d->node_count = 0;
    d->constant_bytes = 0;
    d->order_count = 0;
    d->plan->base_count = d->plan->scalar_count = d->plan->region_count = 0;
    find_roots(d);
    draft_order(d);
    source_bases(d);
    /* Room for the copies at the end. */
    d->nodes =
        arena_array(d->a, struct rn_node,
                    d->order_count + d->g->output_count + d->g->assign_count + 1);
    for (uint32_t i = 0; i < d->order_count && status == RN_OK; i++) {
        uint32_t index = d->order[i];
        const struct unit *u = &d->units[index];
        if (u->region)
            build_region(d, index, u, &d->nodes[d->node_count++]);
        else
            status = build_node(d, u->nodes[0], &d->nodes[d->node_count++]);
        d->plan->region_count += u->region;
    }
    return status;
}

static void copy_constants(struct draft *d) {
    char *bytes = arena_get(d->a, d->constant_bytes + 64);
    for (uint32_t i = 0; i < d->g->node_count; i++) {
        const struct gnode *n = &d->g->nodes[i];
        if (n->data)
            memcpy(bytes + d->homes[n->out[0]].offset, n->data,
                   value_bytes(d->g, n->out[0]));
    }
    draft_scan_constants(d, bytes);
    d->plan->constants = bytes;
    d->plan->constant_bytes = d->constant_bytes;
}

int plan_make(const struct graph *g, struct arena *a, const struct plan_options *o,
              const struct plan **out, struct rn_error *e) {
    struct query_ctx k = {.o = o, .a = a};
    struct rn_error local = {0};
    struct graph *simple, *plain = NULL;
    e = e ? e : &local;
    simple = graph_simplify(g, a, e); /* passes verify what they made */
    int status = simple ? RN_OK : e->status;
    if (status == RN_OK)
        status = graph_decompose(simple, a, keep, &k, &plain, e);
    if (status == RN_OK && k.e.status) {
        *e = k.e;
        status = k.e.status;
    }
    if (status == RN_OK) {
        plain = graph_simplify(plain, a, e);
        if (plain && o->fuse && o->backend)
            plain = graph_epilogues(plain, a, keep, &k, e);
        if (plain && o->fuse)
            plain = graph_share_widened(plain, a, e);
        status = plain ? k.e.status : e->status;
        if (k.e.status)
            *e = k.e;
    }
    if (status != RN_OK)
        return error_context(e, "program %s", g->name) ? status : status;
    const struct graph *laid = NULL;
    struct plan_images images = {0};
    status = draft_images(plain, a, o, &images, &laid, e);
    if (status == RN_OK && o->fuse && o->reduces)
        status = draft_recompute(laid, a, &laid, e);
    if (status != RN_OK)
        return error_context(e, "program %s", g->name) ? status : status;
    struct plan *p = arena_new(a, struct plan);
    struct draft d = {.g = laid, .a = a, .plan = p, .o = o, .e = e};
    struct rn_node_info *infos = NULL;
    bool refused = false;
    p->kept = o->keep;
    p->graph = laid;
    p->logical = plain;
    p->images = images;
    /* What the backend takes of these: regions that end with reductions, plain ones, or
     * every node alone. */
    for (int form = !o->fuse ? 2 : !o->reduces; form < 3; form++) {
        refused = false;
        if (form < 2)
            draft_fuse(&d, form == 0);
        else
            draft_singles(&d);
        status = build_nodes(&d);
        if (status == RN_OK)
            status = ask_all(&d, &infos, &refused);
        if (status != RN_OK || !refused)
            break;
    }
    if (status == RN_OK)
        status = place(&d, infos);
    if (status != RN_OK)
        return error_context(e, "program %s", g->name) ? status : status;
    copy_constants(&d);
    p->blocks = d.blocks;
    p->block_count = d.block_count;
    p->live_bound = draft_bound(&d);
    p->work = draft_work(&d, infos);
    for (uint32_t i = 0; i < plain->node_count; i++)
        p->flops += gnode_flops(plain, &plain->nodes[i]);
    *out = p;
    return plan_verify(p, e);
}
