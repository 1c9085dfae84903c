/* SPDX-License-Identifier: Apache-2.0 */
/* What a layout costs, and the cheapest one: each convolution in its forms as the
 * backend says, each change of form once however many read it. Classes are the things
 * that choose.h gives forms to; a value that several classes read is turned or not,
 * which is one more thing that follows them. */
#include <string.h>

#include "plan/choose.h"
#include "plan/layout.h"

#define NONE UINT32_MAX

struct reader {
    uint32_t thing;
    struct reader *next;
};

struct pricing {
    struct layout *l;
    uint32_t *thing; /* by root: what it is in the question, or NONE */
    /* by thing: */
    uint8_t *forms;
    enum form (*form)[FORMS];
    uint32_t *root;
    uint32_t count, own, capacity;
    struct choose_price *prices;
    uint32_t price_count, price_capacity;
    uint64_t *known; /* by node * FORMS * FORMS: ns, 0 = not asked yet */
    /* which classes use v in their form, by value; and whether anything uses it PLAIN
     */
    struct reader **readers;
    bool *plain;
};

/* -------------------------------------------------------------------- kernels */

/* The block of operand i when n reads images in bx and writes them in by; 0: none. */
static int64_t operand_block(const struct layout *l, const struct gnode *n, uint32_t i,
                             int64_t bx, int64_t by) {
    if (l->kind[layout_index(l, n)] == SAME)
        return layout_takes(l, n, i) ? bx : 0;
    if (layout_named(n, "conv2d_grad_weight"))
        return i == 0 ? bx : by;
    return i == (layout_named(n, "conv2d_grad_input") ? 1u : 0u) ? bx : 0;
}

/* Node n alone in a graph, with these forms; asked what it costs. */
static uint64_t ask(struct layout *l, const struct gnode *n, int64_t bx, int64_t by) {
    struct layout alone = {.g = l->g, .a = l->a, .o = l->o, .block = l->block};
    struct graph *g = graph_create(l->a, l->g->variables, "question");
    rn_value *in = arena_array(l->a, rn_value, n->in_count + 1);
    rn_value out[8] = {RN_NONE};
    struct rn_error e = {0};
    alone.e = &e;
    for (uint32_t i = 0; i < n->in_count; i++) {
        struct gvalue v = l->g->values[n->in[i]];
        if (!image_block(&v, operand_block(l, n, i, bx, by)))
            return CHOOSE_NEVER;
        in[i] = graph_node_append(g, op_find("input"), 0, NULL, 1, &v)->out[0];
    }
    if (layout_write_node(&alone, g, n, in, bx, by, out) != RN_OK)
        return CHOOSE_NEVER;
    const struct gnode *made = &g->nodes[g->node_count - 1];
    const struct rn_program *p = draft_single_node_program(g, made, l->a);
    struct rn_node_info info;
    if (draft_query_backend(l->o, p, 0, &info, &e) != RN_OK || !info.supported)
        return CHOOSE_NEVER;
    if (l->kind[layout_index(l, n)] == SAME)
        return 1;
    struct rn_backend_query call = {sizeof call, 0, p, NULL, 0};
    if (l->o->backend->measure(l->o->backend_self, &call, &e) != RN_OK)
        return CHOOSE_NEVER;
    return call.nanoseconds ? call.nanoseconds : 1;
}

/* May every node of class r have form f? */
static bool allowed(struct layout *l, uint32_t r, enum form f) {
    const struct graph *g = l->g;
    if (f == PLAIN)
        return true;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct gnode *n = &g->nodes[i];
        if ((l->kind[i] != SAME && l->kind[i] != CONV) || layout_root(l, i) != r)
            continue;
        int64_t channels = layout_channels(l, n->out[0]);
        int64_t b = layout_block(l, f, channels);
        if (channels < 2 || !b || channels % b || b > channels)
            return false;
        for (uint32_t k = 0; l->kind[i] == SAME && k < n->in_count; k++) {
            if (!layout_takes(l, n, k))
                continue;
            int64_t c = layout_channels(l, n->in[k]);
            if (c % layout_block(l, f, c))
                return false;
        }
        if ((layout_is_window(n) || layout_is_norm(n)) &&
            ask(l, n, b, b) >= CHOOSE_NEVER)
            return false;
    }
    return true;
}

static uint64_t kernel_price(struct pricing *p, uint32_t node, enum form fx,
                             enum form fy) {
    struct layout *l = p->l;
    uint64_t *known = &p->known[((uint64_t)node * FORMS + fx) * FORMS + fy];
    const struct gnode *n = &l->g->nodes[node];
    if (!*known) {
        rn_value x, y;
        layout_images(n, &x, &y);
        *known = ask(l, n, layout_block(l, fx, layout_channels(l, x)),
                     layout_block(l, fy, layout_channels(l, y)));
    }
    return *known;
}

/* --------------------------------------------------------------------- things */

static void add_thing(struct pricing *p, uint32_t root, uint32_t n,
                      const enum form *form) {
    if (p->count == p->capacity) {
        uint32_t more = 2 * p->capacity + 64;
        struct arena *a = p->l->a;
        uint8_t *forms = arena_array(a, uint8_t, more);
        enum form(*list)[FORMS] = arena_get(a, memory_mul(sizeof *list, more));
        uint32_t *roots = arena_array(a, uint32_t, more);
        if (p->count) {
            memcpy(forms, p->forms, p->count * sizeof *forms);
            memcpy(list, p->form, p->count * sizeof *list);
            memcpy(roots, p->root, p->count * sizeof *roots);
        }
        p->forms = forms, p->form = list, p->root = roots, p->capacity = more;
    }
    p->forms[p->count] = (uint8_t)n;
    p->root[p->count] = root;
    for (uint32_t i = 0; form && i < n; i++)
        p->form[p->count][i] = form[i];
    p->count++;
}

static void find_things(struct pricing *p) {
    struct layout *l = p->l;
    for (uint32_t i = 0; i < l->g->node_count; i++) {
        enum form form[FORMS];
        uint32_t n = 0;
        p->thing[i] = NONE;
        if ((l->kind[i] != SAME && l->kind[i] != CONV) || layout_root(l, i) != i ||
            !l->seeded[i])
            continue;
        for (int f = 0; f < FORMS; f++)
            if ((l->may[i * FORMS + f] = allowed(l, i, (enum form)f)))
                form[n++] = (enum form)f;
        if (n < 2)
            continue;
        p->thing[i] = p->count;
        add_thing(p, i, n, form);
    }
    p->own = p->count;
}

/* What decides v's form; NONE: it is PLAIN. */
static uint32_t thing_of(struct pricing *p, rn_value v) {
    if (!layout_is_image(p->l, v))
        return NONE;
    return p->thing[layout_root(p->l, p->l->g->values[v].node)];
}

static uint32_t forms_of(const struct pricing *p, uint32_t thing) {
    return thing == NONE ? 1 : p->forms[thing];
}

static enum form form_at(const struct pricing *p, uint32_t thing, uint32_t i) {
    return thing == NONE ? PLAIN : p->form[thing][i];
}

/* --------------------------------------------------------------------- prices */

/* A price of up to three different things, NONE left out. Returns its table, which has
 * one entry for each of their forms, the last one's fastest. */
static uint64_t *add_price(struct pricing *p, uint32_t x, uint32_t y, uint32_t z) {
    struct arena *a = p->l->a;
    const uint32_t list[3] = {x, y, z};
    uint32_t *of = arena_array(a, uint32_t, 3), count = 0, size = 1;
    for (int i = 0; i < 3; i++)
        if (list[i] != NONE) {
            of[count++] = list[i];
            size *= p->forms[list[i]];
        }
    uint64_t *table = arena_array(a, uint64_t, size);
    if (p->price_count == p->price_capacity) {
        uint32_t more = 2 * p->price_capacity + 64;
        struct choose_price *grown = arena_array(a, struct choose_price, more);
        if (p->price_count)
            memcpy(grown, p->prices, p->price_count * sizeof *grown);
        p->prices = grown;
        p->price_capacity = more;
    }
    p->prices[p->price_count++] = (struct choose_price){count, of, table};
    return table;
}

static void add_reader(struct pricing *p, rn_value v, uint32_t thing) {
    for (const struct reader *r = p->readers[v]; r; r = r->next)
        if (r->thing == thing)
            return;
    struct reader *r = arena_new(p->l->a, struct reader);
    *r = (struct reader){thing, p->readers[v]};
    p->readers[v] = r;
}

static void price_kernel(struct pricing *p, uint32_t node) {
    struct layout *l = p->l;
    rn_value x, y;
    layout_images(&l->g->nodes[node], &x, &y);
    uint32_t tx = thing_of(p, x), ty = thing_of(p, y);
    bool one = tx == ty; /* they are laid out alike */
    uint64_t *table = add_price(p, one ? NONE : tx, ty, NONE);
    uint32_t nx = one ? 1 : forms_of(p, tx), ny = forms_of(p, ty);
    for (uint32_t at = nx * ny;
         at-- > 0;) { /* blocks first: a slower one is ruled out early */
        enum form fy = form_at(p, ty, at % ny), fx = one ? fy : form_at(p, tx, at / ny);
        if (layout_turns(l, x, y, fx, fy))
            fx = fy;
        table[at] = kernel_price(p, node, fx, fy);
    }
    if (!one && tx != NONE && ty != NONE)
        add_reader(p, x, ty);
}

/* Does thing t, in its form i, have v in blocks of b? */
static bool has_block(const struct pricing *p, uint32_t t, uint32_t i, rn_value v,
                      int64_t b) {
    return layout_block(p->l, form_at(p, t, i), layout_channels(p->l, v)) == b;
}

/* v for those that read it in blocks of b (0: PLAIN): a pass that reads and writes, at
 * a cautious 8 GB/s, unless it is stored so. */
static void price_turn(struct pricing *p, rn_value v, int64_t b) {
    uint64_t ns = value_bytes(p->l->g, v) / 4;
    uint32_t tv = thing_of(p, v), follower = NONE;
    const struct reader *first = p->readers[v];
    if (!b && p->plain[v]) {
        uint64_t *table = add_price(p, tv, NONE, NONE);
        for (uint32_t i = 0; i < forms_of(p, tv); i++)
            *table++ = has_block(p, tv, i, v, b) ? 0 : ns;
        return;
    }
    if (!first || (b && layout_channels(p->l, v) % b))
        return;
    if (first->next) { /* turned or not, for all */
        follower = p->count;
        add_thing(p, NONE, 2, NULL);
        add_price(p, follower, NONE, NONE)[1] = ns;
    }
    for (const struct reader *r = first; r; r = r->next) {
        uint64_t *table = add_price(p, tv, r->thing, follower);
        for (uint32_t i = 0; i < forms_of(p, tv); i++)
            for (uint32_t k = 0; k < p->forms[r->thing]; k++) {
                bool pays =
                    !has_block(p, tv, i, v, b) && has_block(p, r->thing, k, v, b);
                *table++ = !pays ? 0 : follower == NONE ? ns : CHOOSE_NEVER;
                if (follower != NONE)
                    *table++ = 0;
            }
    }
}

/* What nodes read in a form that is not their choice. */
static void find_readers(struct pricing *p, const struct gnode *n, enum kind kind) {
    const struct layout *l = p->l;
    for (uint32_t k = 0; k < n->in_count; k++) {
        rn_value v = n->in[k];
        if (l->g->values[v].rank != 4)
            continue;
        if (kind == SAME && layout_takes(l, n, k)) {
            uint32_t t = thing_of(p, n->out[0]);
            if (t != NONE && t != thing_of(p, v))
                add_reader(p, v, t);
            else if (t == NONE)
                p->plain[v] = true;
        } else if (kind == FREE || kind == SAME) {
            p->plain[v] = true;
        }
    }
}

static void find_prices(struct pricing *p) {
    const struct graph *g = p->l->g;
    bool *counts = arena_array(p->l->a, bool, g->node_count + 1);
    graph_counts(g, counts);
    for (uint32_t i = 0; i < g->assign_count; i++)
        p->plain[g->assigns[i].value] = true;
    for (uint32_t i = 0; !g->assign_count && i < g->output_count; i++)
        p->plain[g->outputs[i].value] = true;
    for (uint32_t i = 0; i < g->node_count; i++) {
        enum kind kind = p->l->kind[i];
        if (!counts[i])
            continue;
        if (kind == CONV || kind == WEIGHT)
            price_kernel(p, i);
        else
            find_readers(p, &g->nodes[i], kind);
    }
    for (rn_value v = 1; v < g->value_count; v++) {
        if (g->values[v].rank != 4)
            continue;
        int64_t last = -1;
        for (int f = 0; f < FORMS; f++) { /* blocks of all channels are one form */
            int64_t b = layout_block(p->l, (enum form)f, layout_channels(p->l, v));
            if (f != BLOCKED || (b && b != last))
                price_turn(p, v, b);
            last = b;
        }
    }
}

bool layout_choose(struct layout *l, struct plan_images *out) {
    const struct graph *g = l->g;
    struct pricing p = {.l = l};
    bool any = false;
    p.thing = arena_array(l->a, uint32_t, g->node_count + 1);
    p.known = arena_array(l->a, uint64_t, (size_t)g->node_count * FORMS * FORMS + 1);
    p.readers = arena_array(l->a, struct reader *, g->value_count + 1);
    p.plain = arena_array(l->a, bool, g->value_count + 1);
    find_things(&p);
    find_prices(&p);
    struct choose question = {.count = p.count,
                              .own = p.own,
                              .forms = p.forms,
                              .price_count = p.price_count,
                              .prices = p.prices};
    struct choose_answer answer = choose(&question, l->a);
    for (uint32_t t = 0; t < p.own; t++) {
        l->form[p.root[t]] = (uint8_t)p.form[t][answer.form[t]];
        any |= l->form[p.root[t]] != PLAIN;
    }
    *out = (struct plan_images){.classes = p.own,
                                .ns = answer.price,
                                .improved_ns = answer.improved,
                                .exact = answer.exact};
    return any;
}
