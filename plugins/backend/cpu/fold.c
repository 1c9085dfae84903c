/* SPDX-License-Identifier: Apache-2.0 */
/* Regions that end with reductions: blocks of the region are made in the cache and go
 * into running sums there, in the order in which the reduction alone would take them
 * from memory. So what is reduced is never written, unless somebody else reads it. */
#include <string.h>

#include "../shared/reduction_tail.h"
#include "region.h"

#define COLUMNS 256    /* of a unit */
#define FAR     262144 /* elements: not in a core's cache */

_Static_assert(BLOCK % 16 == 0, "a block of a row begins at lane 0");

/* ------------------------------------------------------------------ making */

static const enum cpu_fold folds[] = {[ENDING_SUM] = CPU_SUM,
                                      [ENDING_MEAN] = CPU_MEAN,
                                      [ENDING_MAX] = CPU_MAX,
                                      [ENDING_MIN] = CPU_MIN};

bool reduction_tail(struct region *r, const struct rn_program *p) {
    struct tail *all = &r->tail;
    struct tail_table one;
    for (uint32_t i = 0; i < p->node_count; i++) {
        enum tail_kind kind;
        const struct rn_node *n = rn_node_at(p, i);
        bool reduction = tail_is(n, &kind);
        if (!reduction && all->count)
            return false; /* they come last */
        if (!reduction)
            continue;
        uint32_t output = 0;
        while (output < p->output_count && p->outputs[output] != n->out[0])
            output++;
        if (all->count == FOLDS_MOST || output == p->output_count ||
            !tail_table_of(p, n, &one) ||
            (all->count && (one.columns != all->columns ||
                            one.results != all->results || one.each != all->each)))
            return false;
        if (!all->count) {
            all->columns = one.columns;
            all->results = one.results;
            all->each = one.each;
        }
        all->folds[all->count++] = (struct fold){folds[kind], n->in[0], output};
    }
    return true;
}

void reduction_tail_lay_out(struct region *r, int threads) {
    struct tail *t = &r->tail;
    t->units = t->results;
    if (!t->columns)
        return;
    /* A unit keeps 16 running sums for each of its columns. */
    int64_t share = (t->results + threads - 1) / threads;
    share = (share + 15) / 16 * 16;
    t->width = share < COLUMNS ? share : COLUMNS;
    t->width = t->width < t->results ? t->width : t->results;
    t->units = (t->results + t->width - 1) / t->width;
    t->offset = r->scratch;
    t->bytes = cpu_align(16 * (uint64_t)t->width * sizeof(float));
    r->scratch += t->count * t->bytes;
}

/* ----------------------------------------------------------------- running */

static float *result(const struct cpu_call *c, const struct fold *f) {
    return c->k.out[f->output].data;
}

static const float *piece(const struct region *r, const struct cpu_call *c,
                          const struct fold *f, char *scratch, int64_t start) {
    return (const float *)(const void *)region_value(r, c, f->reg, scratch, start);
}

/* Rows shorter than a block: as many as it holds at a time. */
static void short_rows(const struct region *r, const struct cpu_call *c, region_fn fn,
                       char *scratch, int64_t begin, int64_t end) {
    const struct tail *t = &r->tail;
    int64_t most = BLOCK / t->each;
    for (int64_t o = begin, n; o < end; o += n) {
        int64_t start = o * t->each;
        n = end - o < most ? end - o : most;
        region_block(r, c, fn, scratch, start, n * t->each);
        for (uint32_t i = 0; i < t->count; i++) {
            const struct fold *f = &t->folds[i];
            const float *x = piece(r, c, f, scratch, start);
            for (int64_t k = 0; k < n; k++) {
                struct sum_lanes s;
                r->kernels->begin(f->kind, &s);
                r->kernels->add(f->kind, &s, x + k * t->each, t->each);
                result(c, f)[o + k] = r->kernels->end(f->kind, &s, t->each);
            }
        }
    }
}

static void long_rows(const struct region *r, const struct cpu_call *c, region_fn fn,
                      char *scratch, int64_t begin, int64_t end) {
    const struct tail *t = &r->tail;
    struct sum_lanes s[FOLDS_MOST];
    for (int64_t o = begin; o < end; o++) {
        for (uint32_t i = 0; i < t->count; i++)
            r->kernels->begin(t->folds[i].kind, &s[i]);
        for (int64_t at = 0; at < t->each; at += BLOCK) {
            int64_t start = o * t->each + at;
            int64_t n = t->each - at < BLOCK ? t->each - at : BLOCK;
            region_block(r, c, fn, scratch, start, n);
            for (uint32_t i = 0; i < t->count; i++)
                r->kernels->add(t->folds[i].kind, &s[i],
                                piece(r, c, &t->folds[i], scratch, start), n);
        }
        for (uint32_t i = 0; i < t->count; i++)
            result(c, &t->folds[i])[o] =
                r->kernels->end(t->folds[i].kind, &s[i], t->each);
    }
}

/* Pieces of rows are too short for the processor to see what comes next. */
static void fetch(const struct region *r, const struct cpu_call *c, int64_t start,
                  int64_t n) {
    for (uint32_t i = 0; i < r->reg_count; i++) {
        const struct reg *g = &r->regs[i];
        if (g->input < 0 || !g->dense)
            continue;
        const char *x = (const char *)c->k.in[g->input].data + start * g->size;
        for (int64_t b = 0; b < n * g->size; b += 64)
            __builtin_prefetch(x + b);
    }
}

static void columns(const struct region *r, const struct cpu_call *c, region_fn fn,
                    char *scratch, int64_t begin, int64_t end) {
    const struct tail *t = &r->tail;
    for (int64_t u = begin; u < end; u++) {
        int64_t first = u * t->width, n = t->results - first;
        n = n < t->width ? n : t->width;
        int64_t most = n == t->results ? BLOCK / n : 1; /* whole rows touch */
        bool far = n < t->results && r->count > FAR;
        for (uint32_t i = 0; i < t->count; i++)
            r->kernels->columns_begin(
                t->folds[i].kind, (float *)(void *)(scratch + t->offset + i * t->bytes),
                n);
        for (int64_t row = 0, rows; row < t->each; row += rows) {
            int64_t start = row * t->results + first;
            rows = t->each - row < most ? t->each - row : most;
            if (far && row + 4 < t->each)
                fetch(r, c, start + 4 * t->results, n);
            region_block(r, c, fn, scratch, start, rows * n);
            for (uint32_t i = 0; i < t->count; i++)
                r->kernels->columns_add(
                    t->folds[i].kind,
                    (float *)(void *)(scratch + t->offset + i * t->bytes), n, row, rows,
                    piece(r, c, &t->folds[i], scratch, start));
        }
        for (uint32_t i = 0; i < t->count; i++)
            r->kernels->columns_end(
                t->folds[i].kind, (float *)(void *)(scratch + t->offset + i * t->bytes),
                n, t->each, result(c, &t->folds[i]) + first);
    }
}

void reduction_tail_walk(const struct cpu_share *s, int64_t begin, int64_t end,
                         int thread) {
    const struct cpu_call *c = s->call;
    const struct region *r = c->state;
    region_fn fn = (region_fn)s->code;
    char *scratch = c->workspace + (size_t)thread * c->scratch;
    if (!fn)
        region_begin(r, c, scratch);
    if (r->tail.columns)
        columns(r, c, fn, scratch, begin, end);
    else if (r->tail.each <= BLOCK)
        short_rows(r, c, fn, scratch, begin, end);
    else
        long_rows(r, c, fn, scratch, begin, end);
}
