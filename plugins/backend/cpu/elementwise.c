/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise operators and regions. The space is walked in blocks of BLOCK elements;
 * every register is one block in cache, inputs that are dense are read where they are,
 * outputs that are dense are written where they belong. A single operator is a region
 * of one step. Once a region has a compiled function (compiled.c), that does all steps
 * at once and only what is broadcast in short rows goes through blocks. */
#include <stdlib.h>
#include <string.h>

#include "region.h"

#define ROW_LEAST 128   /* shorter rows are copied into blocks */
#define ROW_MOST  16384 /* longer rows are cut */

static void region_free(void *state) {
    struct region *r = state;
    free(r->regs);
    free(r->steps);
    free(r->stores);
    free(r);
}

/* ------------------------------------------------------------------ making */

/* Strides of a dense tensor broadcast over `space`; false if it does not fit. */
static bool broadcast_strides(uint32_t rank, const int64_t *shape, uint32_t space_rank,
                              const int64_t *space, int64_t *stride) {
    int64_t step = 1;
    if (rank > space_rank)
        return false;
    for (uint32_t i = 0; i < space_rank; i++)
        stride[i] = 0;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t n = shape[rank - 1 - i], m = space[space_rank - 1 - i];
        if (n != 1 && n != m)
            return false;
        stride[space_rank - 1 - i] = n == 1 ? 0 : step;
        step *= n;
    }
    return true;
}

/* Merge neighbouring dims that every tensor walks as one; drop dims of size 1. */
static void merge(struct region *r, uint32_t store_count) {
    uint32_t to = 0;
    for (uint32_t d = 0; d < r->rank; d++) {
        bool joins = to > 0;
        if (r->size[d] == 1)
            continue;
#define STRIDES(body)                                                                  \
    for (uint32_t i = 0; i < r->reg_count; i++) {                                      \
        int64_t *stride = r->regs[i].stride;                                           \
        body;                                                                          \
    }                                                                                  \
    for (uint32_t i = 0; i < store_count; i++) {                                       \
        int64_t *stride = r->stores[i].stride;                                         \
        body;                                                                          \
    }
        STRIDES(joins = joins && stride[to - 1] == stride[d] * r->size[d])
        if (joins) {
            r->size[to - 1] *= r->size[d];
            STRIDES(stride[to - 1] = stride[d])
        } else {
            r->size[to] = r->size[d];
            STRIDES(stride[to] = stride[d])
            to++;
        }
    }
    if (to == 0) {
        r->size[0] = 1;
        STRIDES(stride[0] = 0)
        to = 1;
    }
    r->rank = to;
}

static struct region *region_new(uint32_t regs, uint32_t steps, uint32_t stores) {
    struct region *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->regs = calloc(regs + 1u, sizeof *r->regs);
    r->steps = calloc(steps + 1u, sizeof *r->steps);
    r->stores = calloc(stores + 1u, sizeof *r->stores);
    if (!r->regs || !r->steps || !r->stores) {
        region_free(r);
        return NULL;
    }
    r->reg_count = regs;
    r->step_count = steps;
    r->wide = 1;
    for (uint32_t i = 0; i < regs; i++)
        r->regs[i].input = r->regs[i].output = r->regs[i].last = -1;
    return r;
}

static bool reg_shape(struct region *r, uint32_t i, rn_dtype t, uint32_t rank,
                      const int64_t *shape) {
    struct reg *g = &r->regs[i];
    uint64_t count = 1;
    g->dtype = t;
    g->size = RN_DTYPE_BYTES(t);
    g->dense = g->scalar = true;
    for (uint32_t k = 0; k < rank; k++)
        count *= (uint64_t)shape[k];
    g->scalar = count == 1;
    g->dense = count == (uint64_t)r->count;
    if (g->size > r->wide)
        r->wide = g->size;
    return broadcast_strides(rank, shape, r->rank, r->size, g->stride);
}

static bool step_make(const struct cpu_setup *s, struct region *r, uint32_t index,
                      const struct rn_node *n) {
    struct step *t = &r->steps[index];
    if (n->in_count < 1 || n->in_count > 3 || n->out_count != 1)
        return false;
    t->node = n;
    t->in_count = n->in_count;
    rn_dtype in = r->regs[t->in[0]].dtype, out = r->regs[t->out].dtype;
    t->expression = cpu_expression_find(n->op, in, out);
    t->block = t->expression < 0 ? NULL : cpu_isa(s->engine)->blocks[t->expression];
    t->plain = t->block ? NULL : kernel_elementwise(n->op, in, out);
    for (uint32_t i = 0; i < t->in_count; i++)
        r->regs[t->in[i]].last = (int32_t)index;
    return t->block || t->plain;
}

/* How compiled code walks (without reductions): rows where they are if they are long
 * enough, else blocks that end with a row where that is possible. */
static void lay_out_compiled(struct region *r) {
    struct walk *w = &r->walk;
    bool broadcast = false;
    for (uint32_t i = 0; i < r->reg_count; i++)
        broadcast |= r->regs[i].input >= 0 && !r->regs[i].dense && !r->regs[i].scalar;
    w->rows = broadcast && !r->serial && !r->tail.count && r->rank > 1 &&
              r->inner >= ROW_LEAST;
    if (w->rows) {
        w->piece = r->inner <= ROW_MOST ? r->inner : ROW_MOST;
        w->per_row = (r->inner + w->piece - 1) / w->piece;
        w->units = r->count / r->inner * w->per_row;
        return;
    }
    w->piece = broadcast && r->inner <= BLOCK / 2 ? BLOCK / r->inner * r->inner : BLOCK;
    w->units = (r->count + w->piece - 1) / w->piece;
}

/* Where every register lives; the scratch of a thread; the walk. */
static void lay_out(struct region *r) {
    uint32_t free_list[256], free_count = 0;
    for (uint32_t i = 0; i < r->reg_count; i++) {
        struct reg *g = &r->regs[i];
        if (g->input >= 0 && (!g->dense || (g->scalar && r->count > 1))) {
            g->buffered = true;
            g->buffer = r->buffer_count++;
        }
    }
    for (uint32_t k = 0; k < r->step_count; k++) {
        struct reg *g = &r->regs[r->steps[k].out];
        if (g->output < 0) {
            g->buffered = true;
            g->buffer = free_count ? free_list[--free_count] : r->buffer_count++;
            for (uint32_t i = 0; i < r->store_count; i++)
                if (r->stores[i].reg == r->steps[k].out)
                    g->last = INT32_MAX;
        }
        for (uint32_t i = 0; i < r->steps[k].in_count; i++) {
            struct reg *x = &r->regs[r->steps[k].in[i]];
            if (x->buffered && x->input < 0 && x->last == (int32_t)k &&
                free_count < 256) {
                free_list[free_count++] = x->buffer;
                x->last = -2; /* once, though read twice here */
            }
        }
    }
    r->scratch = cpu_align((uint64_t)r->buffer_count * BLOCK * r->wide);
    r->inner = r->size[r->rank - 1];
    r->rows = r->rank > 1 && r->inner >= BLOCK / 2;
    r->per_row = (r->inner + BLOCK - 1) / BLOCK;
    r->units =
        r->rows ? r->count / r->inner * r->per_row : (r->count + BLOCK - 1) / BLOCK;
    lay_out_compiled(r);
}

/* Output 0 may be where input i is if i is dense, as wide, and not read after. */
static uint64_t in_place(const struct region *r, const int32_t *last) {
    uint64_t mask = 0;
    int32_t made = -1;
    const struct reg *out = NULL;
    for (uint32_t k = 0; k < r->step_count; k++)
        if (r->regs[r->steps[k].out].output == 0) {
            made = (int32_t)k;
            out = &r->regs[r->steps[k].out];
        }
    for (uint32_t i = 0; out && i < r->reg_count; i++) {
        const struct reg *g = &r->regs[i];
        if (g->input >= 0 && g->input < 64 && g->dense && !g->buffered &&
            g->size == out->size && last[i] <= made)
            mask |= (uint64_t)1 << g->input;
    }
    return mask;
}

static bool set_space(struct region *r, uint32_t rank, const int64_t *shape) {
    if (rank > RN_MAX_RANK)
        return false;
    r->rank = rank;
    r->count = 1;
    for (uint32_t i = 0; i < rank; i++) {
        r->size[i] = shape[i];
        r->count *= shape[i];
    }
    return true;
}

/* Is a register what a reduction at the end makes? */
static bool is_folded(const struct region *r, const struct rn_program *p,
                      uint32_t reg) {
    for (uint32_t i = 0; i < r->tail.count; i++)
        if (p->outputs[r->tail.folds[i].output] == reg)
            return true;
    return false;
}

static struct region *from_program(struct cpu_setup *s, const struct rn_program *p,
                                   bool *ok) {
    struct region *r = region_new(p->slot_count, p->node_count, p->output_count);
    if (!r)
        return NULL;
    r->input_count = p->input_count;
    r->output_count = p->output_count;
    *ok = set_space(r, p->space_rank, p->space) && p->input_count == s->n_in &&
          p->output_count == s->n_out && reduction_tail(r, p);
    r->step_count -= r->tail.count;
    for (uint32_t i = 0; i < p->slot_count && *ok; i++) {
        const struct rn_slot *q = rn_slot_at(p, i);
        *ok = is_folded(r, p, i) || reg_shape(r, i, q->dtype, q->rank, q->shape);
    }
    for (uint32_t i = 0; i < p->input_count && *ok; i++)
        r->regs[p->inputs[i]].input = (int32_t)i;
    for (uint32_t k = 0; k < r->step_count && *ok; k++) {
        const struct rn_node *n = rn_node_at(p, k);
        if (n->in_count > 3 || n->out_count != 1) {
            *ok = false;
            break;
        }
        for (uint32_t i = 0; i < n->in_count; i++)
            r->steps[k].in[i] = n->in[i];
        r->steps[k].out = n->out[0];
        *ok = step_make(s, r, k, n);
    }
    for (uint32_t i = 0; i < p->output_count && *ok; i++) {
        struct reg *g = &r->regs[p->outputs[i]];
        if (is_folded(r, p, p->outputs[i]))
            continue;
        if (g->input < 0 && g->output < 0 && g->dense && s->out[i].count) {
            g->output = (int32_t)i;
            continue;
        }
        struct store *t = &r->stores[r->store_count++];
        t->reg = p->outputs[i];
        t->output = i;
        t->dense = g->dense;
        memcpy(t->stride, g->stride, sizeof t->stride);
        r->serial |= !g->dense;
    }
    /* What is reduced and not an output is kept in a block. */
    for (uint32_t i = 0; i < r->tail.count && *ok; i++) {
        const struct fold *f = &r->tail.folds[i];
        const struct reg *g = &r->regs[f->reg];
        *ok = g->dense && g->input < 0 && g->dtype == RN_F32 && !r->serial;
        if (g->output >= 0)
            continue;
        r->stores[r->store_count] = (struct store){f->reg, f->output, true, true, {0}};
        memcpy(r->stores[r->store_count++].stride, g->stride, sizeof g->stride);
    }
    return r;
}

static struct region *from_node(struct cpu_setup *s, bool *ok) {
    const struct rn_node *n = s->node;
    struct region *r = region_new(n->in_count + 1, 1, 0);
    if (!r)
        return NULL;
    r->single = true;
    r->input_count = n->in_count;
    r->output_count = 1;
    *ok = set_space(r, s->out[0].rank, s->out[0].shape);
    for (uint32_t i = 0; i < n->in_count && *ok; i++) {
        r->steps[0].in[i] = i;
        r->regs[i].input = (int32_t)i;
        *ok = reg_shape(r, i, s->in[i].dtype, s->in[i].rank, s->in[i].shape);
    }
    r->steps[0].out = n->in_count;
    *ok = *ok &&
          reg_shape(r, n->in_count, s->out[0].dtype, s->out[0].rank, s->out[0].shape);
    *ok = *ok && step_make(s, r, 0, n);
    r->regs[n->in_count].output = 0;
    return r;
}

/* ----------------------------------------------------------------- running */

static void fill(char *to, const char *value, uint32_t size, int64_t n) {
#define FILL(T)                                                                        \
    {                                                                                  \
        T v;                                                                           \
        memcpy(&v, value, sizeof v);                                                   \
        for (int64_t i = 0; i < n; i++)                                                \
            ((T *)(void *)to)[i] = v;                                                  \
    }
    if (size == 4)
        FILL(uint32_t)
    else if (size == 8)
        FILL(uint64_t)
    else if (size == 2)
        FILL(uint16_t)
    else
        memset(to, *value, (size_t)n);
}

/* n elements from `start` on of a broadcast tensor, between memory and a block. */
static void transfer(const struct region *r, const int64_t *stride, uint32_t size,
                     int64_t start, int64_t n, char *memory, char *block, bool out) {
    int64_t at[RN_MAX_RANK], left = start, offset = 0;
    uint32_t last = r->rank - 1;
    for (uint32_t d = r->rank; d-- > 0;) {
        at[d] = left % r->size[d];
        left /= r->size[d];
        offset += at[d] * stride[d];
    }
    for (int64_t done = 0; done < n;) {
        int64_t run = r->size[last] - at[last];
        char *m = memory + offset * size, *b = block + done * size;
        if (run > n - done)
            run = n - done;
        if (out)
            memcpy(m, b, (size_t)(stride[last] ? run : 1) * size);
        else if (stride[last])
            memcpy(b, m, (size_t)run * size);
        else
            fill(b, m, size, run);
        done += run;
        at[last] += run;
        offset += run * stride[last];
        for (uint32_t d = last; d > 0 && at[d] == r->size[d]; d--) {
            at[d] = 0;
            offset += stride[d - 1] - r->size[d] * stride[d];
            at[d - 1]++;
        }
    }
}

char *region_value(const struct region *r, const struct cpu_call *c, uint32_t reg,
                   char *scratch, int64_t start) {
    const struct reg *g = &r->regs[reg];
    if (g->buffered)
        return scratch + (size_t)g->buffer * BLOCK * r->wide;
    char *base = g->input >= 0 ? c->k.in[g->input].data : c->k.out[g->output].data;
    return base + start * g->size;
}

static void plain_step(const struct region *r, const struct step *t, void *out,
                       const void *const *in, int64_t n) {
    struct kernel_tensor ins[3], o;
    struct kernel_call k = {t->node, t->in_count, 1, ins, &o};
    for (uint32_t i = 0; i < t->in_count; i++) {
        void *data;
        memcpy(&data, &in[i], sizeof data);
        ins[i] =
            (struct kernel_tensor){data, r->regs[t->in[i]].dtype, 1, &n, (uint64_t)n};
    }
    o = (struct kernel_tensor){out, r->regs[t->out].dtype, 1, &n, (uint64_t)n};
    t->plain(&k, NULL);
}

/* What all blocks have the same of. */
void region_begin(const struct region *r, const struct cpu_call *c, char *scratch) {
    for (uint32_t i = 0; i < r->reg_count; i++) {
        const struct reg *g = &r->regs[i];
        if (g->input >= 0 && g->buffered && g->scalar)
            fill(region_value(r, c, i, scratch, 0), c->k.in[g->input].data, g->size,
                 BLOCK);
    }
}

static void interpret(const struct region *r, const struct cpu_call *c, char *scratch,
                      int64_t start, int64_t n) {
    for (uint32_t i = 0; i < r->reg_count; i++) {
        const struct reg *g = &r->regs[i];
        if (g->input >= 0 && g->buffered && !g->scalar)
            transfer(r, g->stride, g->size, start, n, c->k.in[g->input].data,
                     region_value(r, c, i, scratch, start), false);
    }
    for (uint32_t k = 0; k < r->step_count; k++) {
        const struct step *t = &r->steps[k];
        const void *in[3] = {NULL, NULL, NULL};
        for (uint32_t i = 0; i < t->in_count; i++)
            in[i] = region_value(r, c, t->in[i], scratch, start);
        void *out = region_value(r, c, t->out, scratch, start);
        if (t->block)
            t->block(out, in, (size_t)n);
        else
            plain_step(r, t, out, in, n);
    }
    for (uint32_t i = 0; i < r->store_count; i++) {
        const struct store *t = &r->stores[i];
        const struct reg *g = &r->regs[t->reg];
        char *from = region_value(r, c, t->reg, scratch, start),
             *to = c->k.out[t->output].data;
        if (t->folded)
            continue;
        if (t->dense)
            memmove(to + start * g->size, from, (size_t)n * g->size);
        else
            transfer(r, t->stride, g->size, start, n, to, from, true);
    }
}

static void walk(const struct cpu_share *s, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = s->call;
    const struct region *r = c->state;
    char *scratch = c->workspace + (size_t)thread * c->scratch;
    end = r->serial ? r->units : end;
    region_begin(r, c, scratch);
    for (int64_t u = begin; u < end; u++) {
        int64_t start = u * BLOCK, n = r->count - start;
        if (r->rows) {
            int64_t column = u % r->per_row * BLOCK;
            start = u / r->per_row * r->inner + column;
            n = r->inner - column;
        }
        interpret(r, c, scratch, start, n < BLOCK ? n : BLOCK);
    }
}

/* ---------------------------------------------------------- running compiled */

/* The row that holds element `start`, and the offset of its first element. */
struct place {
    int64_t at[RN_MAX_RANK];
};

static void place_find(const struct region *r, int64_t row, struct place *p) {
    for (uint32_t d = r->rank - 1; d-- > 0;) {
        p->at[d] = row % r->size[d];
        row /= r->size[d];
    }
}

static void place_next(const struct region *r, struct place *p) {
    for (uint32_t d = r->rank - 1; d-- > 0;) {
        if (++p->at[d] < r->size[d])
            return;
        p->at[d] = 0;
    }
}

static void walk_rows(const struct region *r, const struct cpu_call *c, region_fn fn,
                      int64_t begin, int64_t end) {
    char *pointer[REGION_POINTERS];
    struct place place;
    place_find(r, begin / r->walk.per_row, &place);
    for (int64_t u = begin; u < end; u++) {
        int64_t part = u % r->walk.per_row, column = part * r->walk.piece;
        int64_t start = u / r->walk.per_row * r->inner + column;
        int64_t n = r->inner - column;
        for (uint32_t i = 0; i < r->reg_count; i++) {
            const struct reg *g = &r->regs[i];
            if (g->input < 0)
                continue;
            int64_t offset = g->scalar ? 0 : start;
            if (!g->scalar && !g->dense) {
                offset = column * g->stride[r->rank - 1];
                for (uint32_t d = 0; d + 1 < r->rank; d++)
                    offset += place.at[d] * g->stride[d];
            }
            pointer[g->input] = (char *)c->k.in[g->input].data + offset * g->size;
        }
        for (uint32_t i = 0; i < r->output_count; i++)
            pointer[r->input_count + i] =
                (char *)c->k.out[i].data +
                start * (int64_t)RN_DTYPE_BYTES(c->k.out[i].dtype);
        fn(pointer, n < r->walk.piece ? n : r->walk.piece, r->blocks);
        if (part + 1 == r->walk.per_row)
            place_next(r, &place);
    }
}

/* Does every block hold the same of this input? */
static bool repeats(const struct region *r, const struct reg *g) {
    bool same = r->walk.piece % r->inner == 0;
    for (uint32_t d = 0; d + 1 < r->rank; d++)
        same &= g->stride[d] == 0;
    return same;
}

/* n elements from `start` on; fresh: blocks hold nothing yet. */
static void compute(const struct region *r, const struct cpu_call *c, region_fn fn,
                    char *scratch, int64_t start, int64_t n, bool fresh) {
    char *pointer[REGION_POINTERS];
    for (uint32_t i = 0; i < r->reg_count; i++) {
        const struct reg *g = &r->regs[i];
        if (g->input < 0)
            continue;
        char *data = c->k.in[g->input].data;
        enum feed feed = region_feed(r, g);
        if (feed == FEED_BLOCK) {
            char *block = scratch + (size_t)g->buffer * BLOCK * r->wide;
            if (fresh || !repeats(r, g))
                transfer(r, g->stride, g->size, start, n, data, block, false);
            pointer[g->input] = block;
        } else {
            pointer[g->input] = feed == FEED_ONE ? data : data + start * g->size;
        }
    }
    for (uint32_t i = 0; i < r->output_count; i++)
        pointer[r->input_count + i] =
            (char *)c->k.out[i].data +
            start * (int64_t)RN_DTYPE_BYTES(c->k.out[i].dtype);
    for (uint32_t i = 0; i < r->store_count; i++) {
        const struct store *t = &r->stores[i];
        if (!t->dense || t->folded)
            pointer[r->input_count + t->output] =
                scratch + (size_t)r->regs[t->reg].buffer * BLOCK * r->wide;
    }
    fn(pointer, n, r->blocks);
    for (uint32_t i = 0; i < r->store_count; i++) {
        const struct store *t = &r->stores[i];
        const struct reg *g = &r->regs[t->reg];
        if (!t->dense)
            transfer(r, t->stride, g->size, start, n, c->k.out[t->output].data,
                     scratch + (size_t)g->buffer * BLOCK * r->wide, true);
    }
}

void region_block(const struct region *r, const struct cpu_call *c, region_fn fn,
                  char *scratch, int64_t start, int64_t n) {
    if (fn)
        compute(r, c, fn, scratch, start, n, true);
    else
        interpret(r, c, scratch, start, n);
}

static void walk_compiled(const struct cpu_share *s, int64_t begin, int64_t end,
                          int thread) {
    const struct cpu_call *c = s->call;
    const struct region *r = c->state;
    region_fn fn = (region_fn)s->code;
    char *scratch = c->workspace + (size_t)thread * c->scratch;
    bool blocks = r->serial;
    end = r->serial ? r->walk.units : end;
    if (r->walk.rows) {
        walk_rows(r, c, fn, begin, end);
        return;
    }
    for (uint32_t i = 0; i < r->reg_count; i++) {
        const struct reg *g = &r->regs[i];
        if (g->input >= 0 && region_feed(r, g) == FEED_BLOCK)
            blocks = true;
    }
    int64_t step = blocks ? r->walk.piece : (end - begin) * r->walk.piece;
    int64_t first = begin * r->walk.piece, last = end * r->walk.piece;
    last = last < r->count ? last : r->count;
    for (int64_t start = first; start < last; start += step)
        compute(r, c, fn, scratch, start, last - start < step ? last - start : step,
                start == first);
}

/* An interpreted step takes about four times as long as a compiled one. */
static void split(const struct cpu_call *c, struct cpu_share *out) {
    const struct region *r = c->state;
    region_fn fn = atomic_load_explicit(&r->fn, memory_order_acquire);
    int64_t steps = 1 + (int64_t)r->step_count + 2 * (int64_t)r->tail.count;
    int64_t cost = r->count * steps;
    *out = (struct cpu_share){.fn = fn ? walk_compiled : walk,
                              .call = c,
                              .code = (void (*)(void))fn,
                              .units = r->serial ? 1
                                       : fn      ? r->walk.units
                                                 : r->units,
                              .cost = fn ? cost : 4 * cost};
    if (r->tail.count) {
        out->fn = reduction_tail_walk;
        out->units = r->tail.units;
    }
}

static int32_t run(const struct cpu_call *c, struct rn_error *e) {
    struct cpu_share s;
    (void)e;
    split(c, &s);
    cpu_shares_run(c->threads, 1, &s);
    return RN_OK;
}

struct region *cpu_region_of(cpu_fn fn, void *state) {
    struct region *r = fn == run ? state : NULL;
    return r && !r->single ? r : NULL;
}

int32_t cpu_elementwise(struct cpu_setup *s, struct rn_error *e) {
    const struct rn_node *n = s->node;
    struct region *r;
    bool ok = true, region = strcmp(n->op, "region") == 0;
    if (region ? !n->sub : n->in_count < 1 || n->in_count > 3 || n->out_count != 1)
        return 0;
    if (!region && cpu_expression_find(n->op, s->in[0].dtype, s->out[0].dtype) < 0 &&
        !kernel_elementwise(n->op, s->in[0].dtype, s->out[0].dtype))
        return 0;
    r = region ? from_program(s, n->sub, &ok) : from_node(s, &ok);
    if (!r)
        return rn_fail(e, RN_E_MEMORY, "no memory for a region", NULL, NULL);
    int32_t *last = calloc((size_t)r->reg_count + 1, sizeof *last);
    if (!last || !ok) {
        region_free(r);
        free(last);
        return ok ? rn_fail(e, RN_E_MEMORY, "no memory for a region", NULL, NULL) : 0;
    }
    for (uint32_t i = 0; i < r->reg_count; i++)
        last[i] = r->regs[i].last;
    for (uint32_t i = 0; i < r->store_count; i++)
        last[r->stores[i].reg] = INT32_MAX;
    merge(r, r->store_count);
    lay_out(r);
    if (r->tail.count)
        reduction_tail_lay_out(r, s->threads);
    s->in_place = in_place(r, last);
    free(last);
    r->blocks = cpu_isa(s->engine)->blocks;
    r->kernels = cpu_isa(s->engine)->folds;
    s->workspace = r->scratch * (uint64_t)s->threads;
    s->state = r;
    s->finish = region_free;
    s->run = run;
    s->split = split;
    s->scratch = r->scratch;
    s->kernel = r->tail.count ? "region, reduced" : region ? "region" : "blocks";
    return 1;
}
