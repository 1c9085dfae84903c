/* SPDX-License-Identifier: Apache-2.0 */
/* Layer normalisation and its gradient, f32 or rows of bf16: the decompositions of the
 * graph in a few passes over a row, same operations, same sums. */
#include <stdlib.h>

#include "narrow.h"

struct layer {
    int64_t rows, n; /* of so many elements each */
    float eps;
    bool low, low_out; /* x and its gradient are bf16; so is the result */
    bool grad;
};

/* A row and what it is normalised with. */
struct row {
    float mean, root;
};

static int64_t at_most(int64_t n, int64_t most) {
    return n < most ? n : most;
}

/* A row as floats: where it is, or widened into room as a whole; NULL where it is too
 * long for that, so that each pass widens it again, in pieces. */
#define ROW 2048

static const float *row_of(const struct layer *p, const void *x, int64_t at,
                           float *room) {
    return p->low && p->n > ROW ? NULL : floats(x, p->low, at, p->n, room);
}

static const float *piece(const float *row, const void *x, int64_t at, int64_t i,
                          int64_t m, float *room) {
    return row ? row + i : floats(x, true, at + i, m, room);
}

/* The next n squares of x - mean of a sum; only the last piece of a row may be no
 * multiple of 16. */
static inline void add_squares(struct sum_lanes *s, const float *x, float mean,
                               int64_t n) {
    lanes16 acc = *(const lanes16 *)(const void *)s->lane;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        lanes16 d = *(const lanes16 *)(const void *)(x + i) - mean;
        acc += d * d;
    }
    *(lanes16 *)(void *)s->lane = acc;
    for (int k = 0; i < n; i++, k++)
        s->lane[k] += (x[i] - mean) * (x[i] - mean);
}

static struct row row_moments(const struct layer *p, const float *row, const void *x,
                              int64_t at) {
    struct sum_lanes a = {{0}, 0}, b = {{0}, 0};
    float room[CHUNK];
    for (int64_t i = 0; i < p->n; i += CHUNK) {
        int64_t m = at_most(p->n - i, CHUNK);
        sum_add(&a, piece(row, x, at, i, m, room), m);
    }
    float mean = sum_total(&a) / (float)p->n;
    for (int64_t i = 0; i < p->n; i += CHUNK) {
        int64_t m = at_most(p->n - i, CHUNK);
        add_squares(&b, piece(row, x, at, i, m, room), mean, m);
    }
    return (struct row){mean, sqrtf(sum_total(&b) / (float)p->n + p->eps)};
}

static void norm_rows(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct layer *p = c->state;
    const float *scale = c->k.in[1].data, *shift = c->k.in[2].data;
    const void *x = c->k.in[0].data;
    void *y = c->k.out[0].data;
    float wide[ROW], room[CHUNK], ry[CHUNK];
    (void)thread;
    for (int64_t r = begin; r < end; r++) {
        int64_t at = r * p->n;
        const float *row = row_of(p, x, at, wide);
        struct row by = row_moments(p, row, x, at);
        for (int64_t i = 0; i < p->n; i += CHUNK) {
            int64_t m = at_most(p->n - i, CHUNK);
            const float *v = piece(row, x, at, i, m, room);
            float *to = writes(y, p->low_out, at + i, ry);
            EACH(j, m)
            to[j] = (v[j] - by.mean) / by.root * scale[i + j] + shift[i + j];
            rounded(y, p->low_out, at + i, m, ry);
        }
    }
}

/* in: x scale gy. One piece of a row: gy * scale, the normalised x, and, to be summed,
 * the product of both. */
static inline void shares(const float *x, const float *g, const float *scale,
                          struct row by, int64_t m, float *gs, float *t, float *both) {
    EACH(j, m) {
        gs[j] = g[j] * scale[j];
        t[j] = (x[j] - by.mean) / by.root;
        both[j] = gs[j] * t[j];
    }
}

/* The gradient of x from the means a, b of gy * scale and of its product with the
 * normalised x. The workspace keeps mean and root of each row, for the columns. */
static void grad_rows(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct layer *p = c->state;
    const float *scale = c->k.in[1].data;
    const void *x = c->k.in[0].data, *gy = c->k.in[2].data;
    struct row *moments = (struct row *)(void *)c->workspace;
    void *gx = c->k.out[0].data;
    float wide[ROW], gs[ROW], t[ROW], rx[CHUNK], rg[CHUNK], both[CHUNK];
    bool whole = p->n <= ROW; /* then gs and t are kept from the first pass */
    (void)thread;
    for (int64_t r = begin; r < end; r++) {
        int64_t at = r * p->n;
        const float *row = row_of(p, x, at, wide);
        struct row by = row_moments(p, row, x, at);
        moments[r] = by;
        if (!gx)
            continue;
        struct sum_lanes sa = {{0}, 0}, sb = {{0}, 0};
        for (int64_t i = 0; i < p->n; i += CHUNK) {
            int64_t m = at_most(p->n - i, CHUNK), k = whole ? i : 0;
            shares(piece(row, x, at, i, m, rx), floats(gy, p->low, at + i, m, rg),
                   scale + i, by, m, gs + k, t + k, both);
            sum_add(&sa, gs + k, m);
            sum_add(&sb, both, m);
        }
        float a = sum_total(&sa) / (float)p->n, b = sum_total(&sb) / (float)p->n;
        for (int64_t i = 0; i < p->n; i += CHUNK) {
            int64_t m = at_most(p->n - i, CHUNK), k = whole ? i : 0;
            if (!whole)
                shares(piece(row, x, at, i, m, rx), floats(gy, p->low, at + i, m, rg),
                       scale + i, by, m, gs, t, both);
            float *to = writes(gx, p->low_out, at + i, both);
            EACH(j, m) to[j] = ((gs[k + j] - a) - t[k + j] * b) / by.root;
            rounded(gx, p->low_out, at + i, m, both);
        }
    }
}

#define COLUMNS 64

static void add_row(const struct cpu_call *c, const struct layer *p, int64_t at,
                    int64_t m, struct row by, float *a, float *b) {
    float rx[COLUMNS], rg[COLUMNS];
    const float *x = floats(c->k.in[0].data, p->low, at, m, rx);
    const float *g = floats(c->k.in[2].data, p->low, at, m, rg);
    EACH(j, m) {
        a[j] += g[j] * ((x[j] - by.mean) / by.root);
        b[j] += g[j];
    }
}

static void grad_columns(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct layer *p = c->state;
    const struct row *moments = (const struct row *)(const void *)c->workspace;
    (void)thread;
    for (int64_t u = begin; u < end; u++) {
        int64_t first = u * COLUMNS, m = at_most(p->n - first, COLUMNS);
        float a[16][COLUMNS], b[16][COLUMNS];
        memset(a, 0, sizeof a);
        memset(b, 0, sizeof b);
        for (int64_t r = 0; r < p->rows; r++)
            add_row(c, p, r * p->n + first, m, moments[r], a[r & 15], b[r & 15]);
        for (int w = 8; w; w /= 2)
            for (int k = 0; k < w; k++) {
                EACH(j, m) {
                    a[k][j] += a[k + w][j];
                    b[k][j] += b[k + w][j];
                }
            }
        if (c->k.out[1].data)
            memcpy((float *)c->k.out[1].data + first, a[0], (size_t)m * sizeof(float));
        if (c->k.out[2].data)
            memcpy((float *)c->k.out[2].data + first, b[0], (size_t)m * sizeof(float));
    }
}

static int32_t run(const struct cpu_call *c, struct rn_error *e) {
    const struct layer *p = c->state;
    struct cpu_call call = *c;
    int64_t grain = 1 + 8192 / (p->n + 1);
    (void)e;
    cpu_parallel(c->threads, p->rows, grain, p->grad ? grad_rows : norm_rows, &call);
    if (p->grad)
        cpu_parallel(c->threads, (p->n + COLUMNS - 1) / COLUMNS, 1, grad_columns,
                     &call);
    return RN_OK;
}

int32_t CPU_NAME(cpu_layer_norm)(struct cpu_setup *s, struct rn_error *e) {
    const struct kernel_tensor *x = &s->in[0];
    bool grad = strcmp(s->node->op, "layer_norm_grad") == 0;
    int64_t axis = cpu_int(s->node, "axis", -1);
    if ((!grad && strcmp(s->node->op, "layer_norm") != 0) || axis < 0 ||
        (x->dtype != RN_F32 && !is_low(x)))
        return 0;
    struct layer *p = malloc(sizeof *p);
    if (!p)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    *p = (struct layer){.n = 1,
                        .eps = (float)cpu_float(s->node, "eps", 1e-5),
                        .low = is_low(x),
                        .low_out = is_low(&s->out[0]),
                        .grad = grad};
    for (int64_t k = axis; k < (int64_t)x->rank; k++)
        p->n *= x->shape[k];
    p->rows = (int64_t)x->count / p->n;
    if (grad)
        s->workspace = cpu_align((uint64_t)p->rows * sizeof(struct row));
    s->state = p;
    s->run = run;
    s->kernel = "fused";
    return 1;
}
