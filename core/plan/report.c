/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a plan: invariants, the table per layer, the largest tensors, text. */
#include <stdlib.h>
#include <string.h>

#include "plan/internal.h"

int plan_verify(const struct plan *p, struct rn_error *e) {
    const struct rn_program *r = &p->program;
    for (uint32_t i = 0; i < p->block_count; i++) {
        const struct plan_block *b = &p->blocks[i];
        if (b->offset % 64 || b->offset + b->bytes > r->arena_bytes)
            return error_set(e, RN_E_INTERNAL, "plan %s: block %u is outside the arena",
                             r->name, i);
        for (uint32_t j = 0; j < i; j++) {
            const struct plan_block *o = &p->blocks[j];
            bool time = o->first <= b->last && b->first <= o->last;
            bool place =
                o->offset < b->offset + b->bytes && b->offset < o->offset + o->bytes;
            if (time && place)
                return error_set(e, RN_E_INTERNAL, "plan %s: blocks %u and %u overlap",
                                 r->name, j, i);
        }
    }
    bool *made = memory_get(r->slot_count + 1u);
    int status = RN_OK;
    for (uint32_t i = 0; i < r->node_count && status == RN_OK; i++) {
        const struct rn_node *n = &r->nodes[i];
        for (uint32_t k = 0; k < n->in_count && status == RN_OK; k++) {
            const struct rn_slot *s = &r->slots[n->in[k]];
            if (s->base != RN_BASE_ARENA)
                continue;
            bool ready = made[n->in[k]];
            for (uint32_t j = 0; !ready && j < r->slot_count; j++) /* a view */
                ready = made[j] && r->slots[j].base == s->base &&
                        r->slots[j].offset == s->offset;
            if (!ready)
                status = error_set(e, RN_E_INTERNAL,
                                   "plan %s: node %u (%s) reads what is not made yet",
                                   r->name, i, n->label);
        }
        for (uint32_t k = 0; k < n->out_count; k++)
            made[n->out[k]] = true;
    }
    memory_release(made);
    return status;
}

static struct plan_layer *layer_of(struct plan_layer *all, uint32_t *count,
                                   const char *scope) {
    for (uint32_t i = 0; i < *count; i++)
        if (strcmp(all[i].scope, scope) == 0)
            return &all[i];
    all[*count].scope = scope;
    return &all[(*count)++];
}

static bool is_narrow(const struct graph *g, rn_value v) {
    return g->values[v].dtype == RN_BF16 || g->values[v].dtype == RN_F16;
}

/* Casts to and from 16 bits belong to what is beside them. */
static bool is_rounding(const struct graph *g, const struct gnode *n) {
    return strcmp(op_name(n->op), "cast") == 0 &&
           (is_narrow(g, n->in[0]) || is_narrow(g, n->out[0]));
}

/* Is v kept as it is? Not what is a view, widened, or only there to be rounded. */
static bool is_stored(const struct graph *g, const struct gnode *n, rn_value v) {
    bool read = false, rounded = true;
    if (is_view(n) || (is_rounding(g, n) && !is_narrow(g, v)))
        return false;
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].in_count; k++)
            if (g->nodes[i].in[k] == v) {
                read = true;
                rounded &= is_rounding(g, &g->nodes[i]) && !is_narrow(g, v);
            }
    return !read || !rounded;
}

uint32_t plan_layers(const struct plan *p, struct arena *a, struct plan_layer **out) {
    const struct graph *g = p->logical;
    struct plan_layer *all = arena_array(a, struct plan_layer, g->node_count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        if (is_source(n) || strncmp(n->scope, "model", 5) != 0 || !n->out_count)
            continue;
        struct plan_layer *l = layer_of(all, &count, n->scope);
        const struct gvalue *v = &g->values[n->out[0]];
        l->dtype = v->dtype;
        l->rank = v->rank;
        memcpy(l->shape, v->shape, sizeof l->shape);
        l->flops += is_rounding(g, n) ? 0 : gnode_flops(g, n);
        l->bytes += is_stored(g, n, n->out[0]) ? value_bytes(g, n->out[0]) : 0;
    }
    for (uint32_t i = 0; i < variables_count(g->variables); i++) {
        const struct variable *x = variables_at(g->variables, i);
        const char *dot = strrchr(x->name, '.');
        for (uint32_t k = 0; x->trainable && dot && k < count; k++)
            if (strlen(all[k].scope) == (size_t)(dot - x->name) &&
                strncmp(all[k].scope, x->name, (size_t)(dot - x->name)) == 0)
                all[k].parameters += x->count;
    }
    *out = all;
    return count;
}

static int by_bytes(const void *a, const void *b) {
    const struct plan_block *x = *(const struct plan_block *const *)a;
    const struct plan_block *y = *(const struct plan_block *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

void plan_largest(const struct plan *p, uint32_t n, struct text *out) {
    uint64_t largest = 0;
    uint32_t peak = 0;
    for (uint32_t t = 0; t < p->program.node_count; t++) {
        uint64_t now = 0;
        for (uint32_t i = 0; i < p->block_count; i++)
            if (p->blocks[i].first <= t && t <= p->blocks[i].last)
                now += p->blocks[i].bytes;
        if (now > largest) {
            largest = now;
            peak = t;
        }
    }
    const struct plan_block **alive =
        memory_get(memory_mul(p->block_count + 1u, sizeof *alive));
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->block_count; i++)
        if (p->blocks[i].first <= peak && peak <= p->blocks[i].last)
            alive[count++] = &p->blocks[i];
    qsort(alive, count, sizeof *alive, by_bytes);
    for (uint32_t i = 0; i < count && i < n; i++)
        text_addf(out, "  %12llu bytes  %s\n", (unsigned long long)alive[i]->bytes,
                  alive[i]->label);
    memory_release(alive);
}

/* "[128,2,28,28,16]", padded. */
static void shape_text(const struct rn_slot *s, struct text *out) {
    size_t begin = out->length;
    text_add(out, "[");
    for (uint32_t i = 0; s && i < s->rank; i++)
        text_addf(out, "%s%lld", i ? "," : "", (long long)s->shape[i]);
    text_add(out, "]");
    while (out->length < begin + 20)
        text_add(out, " ");
}

static void print_images(const struct plan_images *m, struct text *out) {
    if (!m->classes)
        return;
    text_addf(out,
              "images: %u classes, %.3f ms as timed, %s; one class after the other: "
              "%.3f ms\n",
              m->classes, (double)m->ns / 1e6,
              m->exact ? "the least there is" : "too many to say that nothing is less",
              (double)m->improved_ns / 1e6);
}

void plan_print(const struct plan *p, struct text *out) {
    const struct rn_program *r = &p->program;
    text_addf(out, "plan %s: %u nodes, %u regions, arena %llu bytes (bound %llu)\n",
              r->name, r->node_count, p->region_count,
              (unsigned long long)r->arena_bytes, (unsigned long long)p->live_bound);
    print_images(&p->images, out);
    for (uint32_t i = 0; i < r->node_count; i++) {
        const struct rn_node *n = &r->nodes[i];
        const char *kernel = p->work && p->work[i].kernel[0] ? p->work[i].kernel : "-";
        text_addf(out, "%4u %-20s %-34s ", i, n->op, kernel);
        shape_text(n->out_count ? &r->slots[n->out[0]] : NULL, out);
        for (uint32_t k = 0; k < n->in_count + n->out_count; k++) {
            uint32_t index = k < n->in_count ? n->in[k] : n->out[k - n->in_count];
            const struct rn_slot *s = &r->slots[index];
            text_addf(out, "%s %u@%u+%llu", k == n->in_count ? " ->" : "", index,
                      s->base, (unsigned long long)s->offset);
        }
        text_addf(out, "  %s", n->label);
        if (n->sub)
            for (uint32_t k = 0; k < n->sub->node_count; k++)
                text_addf(out, "%s%s", k ? "," : " {", n->sub->nodes[k].op);
        text_add(out, n->sub ? "}\n" : "\n");
    }
}
