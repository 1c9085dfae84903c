/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling of f32 images, plane by plane, a row of outputs at a time: for each cell of
 * the window one pass over the row, so that the inner loop is long and vectorised. */
#include <stdlib.h>

#include "isa.h"

struct pool {
    int64_t kh, kw, sh, sw, top, left;
    int64_t height, width, rows, columns; /* image, output */
    int64_t planes;
    bool count_pad;
    char what; /* m: max, g: its gradient, t: its gather, a: average, b: its gradient */
};

/* Outputs j whose cell v lies inside the image. */
static void inside(const struct pool *p, int64_t v, int64_t *begin, int64_t *end) {
    int64_t first = p->left - v; /* j sw - left + v >= 0 */
    int64_t last = p->width - 1 + p->left - v;
    *begin = first <= 0 ? 0 : (first + p->sw - 1) / p->sw;
    *end = last < 0 ? 0 : last / p->sw + 1;
    if (*end > p->columns)
        *end = p->columns;
    if (*begin > *end)
        *begin = *end;
}

/* best[j] and its place at[j] in the plane (-1: none) for row i of outputs. */
static void max_row(const struct pool *p, const float *x, int64_t i, float *best,
                    int32_t *at) {
    int64_t n = p->columns;
    EACH(j, n) {
        best[j] = -INFINITY;
        at[j] = -1;
    }
    for (int64_t u = 0; u < p->kh; u++) {
        int64_t y = i * p->sh - p->top + u;
        if (y < 0 || y >= p->height)
            continue;
        for (int64_t v = 0; v < p->kw; v++) {
            int64_t begin, end, from = y * p->width - p->left + v;
            inside(p, v, &begin, &end);
#define BETTER(step)                                                                   \
    _Pragma("GCC ivdep") for (int64_t j = begin; j < end; j++) {                       \
        float c = x[from + j * (step)], b = best[j];                                   \
        int32_t k = at[j];                                                             \
        int take = (k < 0) | ((b == b) & ((c != c) | (c > b)));                        \
        best[j] = take ? c : b;                                                        \
        at[j] = take ? (int32_t)(from + j * (step)) : k;                               \
    }
            if (p->sw == 1) {
                BETTER(1)
            } else if (p->sw == 2) {
                BETTER(2)
            } else {
                BETTER(p->sw)
            }
        }
    }
}

static void max_planes(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct pool *p = c->state;
    size_t row = cpu_align((uint64_t)p->columns * 4);
    float *best = (float *)(void *)(c->workspace + 2 * row * (size_t)thread);
    int32_t *at = (int32_t *)(void *)((char *)best + row);
    int64_t area = p->height * p->width, outs = p->rows * p->columns;
    for (int64_t k = begin; k < end; k++) {
        const float *x = (const float *)c->k.in[0].data + k * area;
        float *y = c->k.out[0].data;
        const float *g = c->k.n_in > 1 ? c->k.in[1].data : NULL;
        if (p->what == 'g')
            memset(y + k * area, 0, (size_t)area * sizeof *y);
        for (int64_t i = 0; i < p->rows; i++) {
            int64_t to = k * outs + i * p->columns;
            if (p->what == 'm') {
                max_row(p, x, i, y + to, at);
                continue;
            }
            max_row(p, x, i, best, at);
            for (int64_t j = 0; j < p->columns; j++) {
                if (p->what == 't')
                    y[to + j] = at[j] < 0 ? 0.0f : g[k * area + at[j]];
                else if (at[j] >= 0)
                    y[k * area + at[j]] += g[to + j];
            }
        }
    }
}

static void average_planes(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct pool *p = c->state;
    int64_t area = p->height * p->width, outs = p->rows * p->columns;
    bool grad = p->what == 'b';
    size_t row = cpu_align((uint64_t)p->columns * 4);
    float *share = (float *)(void *)(c->workspace + 2 * row * (size_t)thread);
    for (int64_t k = begin; k < end; k++) {
        float *image = (float *)(grad ? c->k.out[0].data : c->k.in[0].data) + k * area;
        float *out = (float *)(grad ? c->k.in[0].data : c->k.out[0].data) + k * outs;
        if (grad)
            memset(image, 0, (size_t)area * sizeof *image);
        for (int64_t i = 0; i < p->rows; i++) {
            float *sum = out + i * p->columns;
            int64_t y0 = i * p->sh - p->top, y1 = y0 + p->kh;
            y0 = y0 < 0 ? 0 : y0;
            y1 = y1 > p->height ? p->height : y1;
            for (int64_t j = 0; j < p->columns; j++) {
                int64_t x0 = j * p->sw - p->left, x1 = x0 + p->kw;
                x0 = x0 < 0 ? 0 : x0;
                x1 = x1 > p->width ? p->width : x1;
                int64_t n = p->count_pad ? p->kh * p->kw : (y1 - y0) * (x1 - x0);
                share[j] = n > 0 ? (float)n : 0.0f;
            }
            if (grad) {
                EACH(j, p->columns)
                share[j] = share[j] > 0.0f ? sum[j] / share[j] : 0.0f;
                /* cells from the right, so that a pixel adds windows from the left */
                for (int64_t y = y0; y < y1; y++)
                    for (int64_t v = p->kw - 1; v >= 0; v--) {
                        int64_t j0, j1;
                        inside(p, v, &j0, &j1);
                        float *to = image + y * p->width - p->left + v;
                        EACH(j, j1 - j0) to[(j + j0) * p->sw] += share[j + j0];
                    }
                continue;
            }
            EACH(j, p->columns) sum[j] = 0.0f;
            for (int64_t y = y0; y < y1; y++)
                for (int64_t v = 0; v < p->kw; v++) {
                    int64_t j0, j1;
                    inside(p, v, &j0, &j1);
                    const float *from = image + y * p->width - p->left + v;
                    EACH(j, j1 - j0) sum[j + j0] += from[(j + j0) * p->sw];
                }
            EACH(j, p->columns) sum[j] = share[j] > 0.0f ? sum[j] / share[j] : 0.0f;
        }
    }
}

static int32_t run(const struct cpu_call *c, struct rn_error *e) {
    const struct pool *p = c->state;
    struct cpu_call call = *c;
    int64_t cost = p->rows * p->columns * p->kh * p->kw;
    (void)e;
    cpu_parallel(c->threads, p->planes, 1 + 16384 / (cost + 1),
                 p->what == 'a' || p->what == 'b' ? average_planes : max_planes, &call);
    return RN_OK;
}

int32_t CPU_NAME(cpu_window)(struct cpu_setup *s, struct rn_error *e) {
    static const char *const names[] = {"max_pool2d", "max_pool2d_grad",
                                        "max_pool2d_gather", "avg_pool2d",
                                        "avg_pool2d_grad"};
    size_t i = 0;
    while (i < 5 && strcmp(names[i], s->node->op) != 0)
        i++;
    if (i == 5 || s->in[0].dtype != RN_F32)
        return 0;
    const struct kernel_tensor *x = i == 4 ? &s->out[0] : &s->in[0];
    const struct kernel_tensor *y = i == 1   ? &s->in[1]
                                    : i == 4 ? &s->in[0]
                                             : &s->out[0];
    const struct rn_attr *k = cpu_attr(s->node, "kernel");
    const struct rn_attr *st = cpu_attr(s->node, "stride"),
                         *pad = cpu_attr(s->node, "pad");
    if (!k || !st || !pad || x->shape[2] * x->shape[3] > INT32_MAX)
        return 0;
    const int64_t *kernel = k->p, *stride = st->p, *pads = pad->p;
    struct pool *p = malloc(sizeof *p);
    if (!p)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    *p = (struct pool){kernel[0],
                       kernel[1],
                       stride[0],
                       stride[1],
                       pads[0],
                       pads[1],
                       x->shape[2],
                       x->shape[3],
                       y->shape[2],
                       y->shape[3],
                       x->shape[0] * x->shape[1],
                       cpu_int(s->node, "count_pad", 0) != 0,
                       "mgtab"[i]};
    s->state = p;
    s->workspace = 2 * cpu_align((uint64_t)p->columns * 4) * (uint64_t)s->threads;
    s->run = run;
    s->kernel = "planes";
    return 1;
}
