/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions of f32, and means of bf16, over any axes, in the order of the reference:
 * element i of a reduction goes to lane i mod 16. Dims are merged into runs of kept and
 * reduced ones; either rows end in reduced elements (long sums) or in kept ones
 * (columns). */
#include <stdlib.h>

#include "narrow.h"

enum kind { SUM, MEAN, MAX, MIN, PROD };
#define COLUMNS 128
#define FAR     262144 /* elements, 1 MB */

struct dims {
    uint32_t n;
    int64_t size[RN_MAX_RANK], stride[RN_MAX_RANK], count;
};

struct reduction {
    enum kind kind;
    bool trailing; /* the last dim is reduced */
    bool low;      /* means of bf16, which is widened */
    bool low_out;  /* and give bf16 */
    struct dims kept, gone;
    int64_t last;            /* the last dim, dense, in neither of the above */
    int64_t each;            /* elements of one reduction */
    int64_t columns, blocks; /* leading: columns of a unit, units of a row */
};

/* Offset of the i-th cell of some dims. */
static int64_t offset_of(const struct dims *d, int64_t i) {
    int64_t at = 0;
    for (uint32_t k = d->n; k-- > 0;) {
        at += i % d->size[k] * d->stride[k];
        i /= d->size[k];
    }
    return at;
}

static inline float pick(enum kind kind, float best, float v) {
    if (kind == MAX)
        return (best == best) & ((v != v) | (v > best)) ? v : best;
    if (kind == MIN)
        return (best == best) & ((v != v) | (v < best)) ? v : best;
    return best * v;
}

static float identity_of(enum kind kind) {
    return kind == MAX    ? -INFINITY
           : kind == MIN  ? INFINITY
           : kind == PROD ? 1.0f
                          : 0.0f;
}

/* Adds n elements from `at` on to the lanes. */
static void add_long(const struct cpu_call *c, const struct reduction *r, int64_t at,
                     int64_t n, struct sum_lanes *s) {
    float room[CHUNK];
    if (!r->low) {
        sum_add(s, (const float *)c->k.in[0].data + at, n);
        return;
    }
    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t m = n - i < CHUNK ? n - i : CHUNK;
        sum_add(s, floats(c->k.in[0].data, true, at + i, m, room), m);
    }
}

static void trailing(const struct cpu_share *share, int64_t begin, int64_t end,
                     int thread) {
    const struct cpu_call *c = share->call;
    const struct reduction *r = c->state;
    const float *x = c->k.in[0].data;
    float *y = c->k.out[0].data;
    (void)thread;
    for (int64_t o = begin; o < end; o++) {
        int64_t at = offset_of(&r->kept, o);
        const float *base = x + (r->low ? 0 : at);
        if (r->kind == SUM || r->kind == MEAN) {
            struct sum_lanes s = {{0}, 0};
            for (int64_t g = 0; g < r->gone.count; g++)
                add_long(c, r, at + offset_of(&r->gone, g), r->last, &s);
            float v = sum_total(&s);
            v = r->kind == MEAN ? v / (float)r->each : v;
            if (r->low_out)
                ((uint16_t *)c->k.out[0].data)[o] = rn_bf16_from_f32(v);
            else
                y[o] = v;
        } else if (r->kind == PROD) {
            float p = 1.0f;
            for (int64_t g = 0; g < r->gone.count; g++) {
                const float *row = base + offset_of(&r->gone, g);
                for (int64_t i = 0; i < r->last; i++)
                    p = p * row[i];
            }
            y[o] = p;
        } else {
            float lane[16];
            for (int k = 0; k < 16; k++)
                lane[k] = identity_of(r->kind);
            for (int64_t g = 0; g < r->gone.count; g++) {
                const float *row = base + offset_of(&r->gone, g);
                extreme_add(lane, row, r->last, r->kind == MAX ? 1 : -1);
            }
            for (int k = 1; k < 16; k++)
                lane[0] = extreme_of(lane[0], lane[k], r->kind == MAX ? 1 : -1);
            y[o] = lane[0];
        }
    }
}

/* Row g, of n columns from element `at` on, to lane g mod 16. far: not in the cache;
 * pieces of rows are too short for the processor to see what comes next. */
static void add_rows(const struct cpu_call *c, const struct reduction *r, int64_t at,
                     int64_t n, bool far, float acc[16][COLUMNS]) {
    const struct dims *d = &r->gone;
    int64_t run = d->n ? d->size[d->n - 1] : 1, step = d->n ? d->stride[d->n - 1] : 0;
    const float *x = (const float *)c->k.in[0].data + (r->low ? 0 : at);
    for (int64_t g = 0; r->low && g < r->each; g++) {
        float room[COLUMNS], *a = acc[g & 15];
        const float *v = floats(c->k.in[0].data, true, at + offset_of(d, g), n, room);
        EACH(j, n) a[j] += v[j];
    }
    for (int64_t g = 0; !r->low && g < r->each;) {
        const float *v = x + offset_of(d, g);
        for (int64_t end = g + run; g < end; g++, v += step) {
            float *a = acc[g & 15];
            for (int64_t j = 0; far && g + 4 < end && j < n; j += 16)
                __builtin_prefetch(v + 4 * step + j);
            EACH(j, n) a[j] += v[j];
        }
    }
}

static void leading(const struct cpu_share *share, int64_t begin, int64_t end,
                    int thread) {
    const struct cpu_call *c = share->call;
    const struct reduction *r = c->state;
    (void)thread;
    for (int64_t u = begin; u < end; u++) {
        int64_t row = u / r->blocks, first = u % r->blocks * r->columns;
        int64_t n = r->last - first < r->columns ? r->last - first : r->columns;
        int64_t at = offset_of(&r->kept, row) + first;
        const float *x = (const float *)c->k.in[0].data + (r->low ? 0 : at);
        float acc[16][COLUMNS];
        if (r->kind == SUM || r->kind == MEAN) {
            memset(acc, 0, sizeof acc);
            add_rows(c, r, at, n, c->k.in[0].count > FAR, acc);
            for (int w = 8; w; w /= 2)
                for (int k = 0; k < w; k++) {
                    EACH(j, n) acc[k][j] += acc[k + w][j];
                }
            if (r->kind == MEAN) {
                EACH(j, n) acc[0][j] = acc[0][j] / (float)r->each;
            }
        } else {
            float *a = acc[0];
            EACH(j, n) a[j] = identity_of(r->kind);
            for (int64_t g = 0; g < r->each; g++) {
                const float *v = x + offset_of(&r->gone, g);
                if (r->kind == MAX) {
                    EACH(j, n) a[j] = pick(MAX, a[j], v[j]);
                } else if (r->kind == MIN) {
                    EACH(j, n) a[j] = pick(MIN, a[j], v[j]);
                } else {
                    EACH(j, n) a[j] = a[j] * v[j];
                }
            }
        }
        at = row * r->last + first; /* of the result */
        if (r->low_out)
            rounded(c->k.out[0].data, true, at, n, acc[0]);
        else
            memcpy((float *)c->k.out[0].data + at, acc[0], (size_t)n * sizeof(float));
    }
}

/* ------------------------------------------------------------------ in pieces */

/* For regions that end with reductions (fold.c): the arithmetic of `trailing` and
 * `leading` above, a piece at a time. */
static int sign_of(enum cpu_fold f) {
    return f == CPU_MAX ? 1 : -1;
}

static float first_of(enum cpu_fold f) {
    return f == CPU_MAX ? -INFINITY : f == CPU_MIN ? INFINITY : 0.0f;
}

static void fold_begin(enum cpu_fold f, struct sum_lanes *s) {
    for (int k = 0; k < 16; k++)
        s->lane[k] = first_of(f);
    s->phase = 0;
}

static void fold_add(enum cpu_fold f, struct sum_lanes *s, const float *x, int64_t n) {
    if (f == CPU_SUM || f == CPU_MEAN)
        sum_add(s, x, n);
    else
        extreme_add(s->lane, x, n, sign_of(f));
}

static float fold_end(enum cpu_fold f, const struct sum_lanes *s, int64_t each) {
    if (f == CPU_SUM || f == CPU_MEAN)
        return f == CPU_SUM ? sum_total(s) : sum_total(s) / (float)each;
    float best = s->lane[0];
    for (int k = 1; k < 16; k++)
        best = extreme_of(best, s->lane[k], sign_of(f));
    return best;
}

static void fold_columns_begin(enum cpu_fold f, float *acc, int64_t columns) {
    EACH(i, 16 * columns) acc[i] = first_of(f);
}

static void fold_columns_add(enum cpu_fold f, float *acc, int64_t columns,
                             int64_t first, int64_t rows, const float *x) {
    for (int64_t g = first; g < first + rows; g++, x += columns) {
        float *a = acc + (f == CPU_SUM || f == CPU_MEAN ? (g & 15) * columns : 0);
        if (f == CPU_MAX) {
            EACH(j, columns) a[j] = pick(MAX, a[j], x[j]);
        } else if (f == CPU_MIN) {
            EACH(j, columns) a[j] = pick(MIN, a[j], x[j]);
        } else {
            EACH(j, columns) a[j] += x[j];
        }
    }
}

static void fold_columns_end(enum cpu_fold f, float *acc, int64_t columns, int64_t each,
                             float *y) {
    for (int64_t w = 8; w && (f == CPU_SUM || f == CPU_MEAN); w /= 2) {
        EACH(i, w * columns) acc[i] += acc[i + w * columns];
    }
    if (f == CPU_MEAN) {
        EACH(j, columns) acc[j] = acc[j] / (float)each;
    }
    memcpy(y, acc, (size_t)columns * sizeof *y);
}

const struct cpu_folds CPU_NAME(cpu_folds) = {fold_begin,       fold_add,
                                              fold_end,         fold_columns_begin,
                                              fold_columns_add, fold_columns_end};

/* --------------------------------------------------------------------- a node */

/* A thread is worth its start from 16,384 elements on. */
static void split(const struct cpu_call *c, struct cpu_share *out) {
    const struct reduction *r = c->state;
    *out = (struct cpu_share){.fn = r->trailing ? trailing : leading,
                              .call = c,
                              .units = r->trailing ? r->kept.count
                                                   : r->kept.count * r->blocks,
                              .cost = 16 * (int64_t)c->k.in[0].count};
}

static int32_t run(const struct cpu_call *c, struct rn_error *e) {
    struct cpu_share s;
    (void)e;
    split(c, &s);
    cpu_shares_run(c->threads, 1, &s);
    return RN_OK;
}

static void push(struct dims *d, int64_t size, int64_t stride) {
    d->size[d->n] = size;
    d->stride[d->n++] = stride;
}

int32_t CPU_NAME(cpu_reduce)(struct cpu_setup *s, struct rn_error *e) {
    static const char *const names[] = {"reduce_sum",  "reduce_mean",
                                        "reduce_max",  "reduce_min",
                                        "reduce_prod", "global_avg_pool2d"};
    static const enum kind kinds[] = {SUM, MEAN, MAX, MIN, PROD, MEAN};
    const struct rn_attr *axes = rn_node_attr(s->node, "axes");
    size_t which = 0;
    while (which < 6 && strcmp(names[which], s->node->op) != 0)
        which++;
    bool low = which < 6 && kinds[which] == MEAN && is_low(&s->in[0]);
    if (which == 6 || (s->in[0].dtype != RN_F32 && !low) || (which < 5 && !axes))
        return 0;
    struct reduction *r = calloc(1, sizeof *r);
    if (!r)
        return rn_fail(e, RN_E_MEMORY, "no memory for a reduction", NULL, NULL);
    const struct kernel_tensor *x = &s->in[0];
    int64_t size[RN_MAX_RANK], step = 1;
    bool gone[RN_MAX_RANK];
    uint32_t n = 0;
    r->kind = kinds[which];
    r->low = low;
    r->low_out = is_low(&s->out[0]);
    r->each = 1;
    for (uint32_t i = 0; i < x->rank; i++) {
        bool g = which == 5 && i > 1;
        for (uint32_t k = 0; which < 5 && k < axes->count; k++)
            g |= ((const int64_t *)axes->p)[k] == (int64_t)i;
        /* no axes: all of them; the graph fills them in, a hand-made node may not */
        g |= which < 5 && axes->count == 0;
        if (g)
            r->each *= x->shape[i];
        if (x->shape[i] == 1)
            continue;
        if (n && gone[n - 1] == g) {
            size[n - 1] *= x->shape[i];
        } else {
            size[n] = x->shape[i];
            gone[n++] = g;
        }
    }
    if (n == 0) {
        size[0] = 1;
        gone[n++] = false;
    }
    r->trailing = gone[n - 1];
    r->last = size[n - 1];
    r->kept.count = r->gone.count = 1;
    int64_t stride[RN_MAX_RANK];
    for (uint32_t i = n; i-- > 0;) {
        stride[i] = step;
        step *= size[i];
    }
    for (uint32_t i = 0; i + 1 < n; i++) {
        struct dims *d = gone[i] ? &r->gone : &r->kept;
        push(d, size[i], stride[i]);
        d->count *= size[i];
    }
    if (!r->trailing) {
        int64_t share = (r->last + s->threads - 1) / s->threads;
        share = (share + 15) / 16 * 16;
        r->columns = r->kept.count >= s->threads || share > COLUMNS ? COLUMNS : share;
        r->blocks = (r->last + r->columns - 1) / r->columns;
    }
    s->state = r;
    s->run = run;
    s->split = split;
    s->kernel = r->trailing ? "rows" : "columns";
    return 1;
}
