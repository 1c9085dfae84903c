/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling of images, plane by plane: for each cell of the window one pass over a
 * row of outputs or more, so that the inner loop is long and vectorised. */
#include "pool.h"

/* Outputs j whose cell v is inside the image. */
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

/* Maxima in two passes that keep the first one: along each row of the image, then down.
 * Values and their places in the plane (-1: none); rows of `columns`, with SLACK cells
 * behind the last one, so that whole vectors may be written. */
#define SLACK 16

/* n outputs, every cell of the window inside the image; x[t sw + v], t from 0. */
static inline void along_flat(const float *x, int64_t n, int64_t kw, int64_t sw,
                              float *value, int32_t *place) {
    EACH(t, n) value[t] = x[t * sw];
    if (place) {
        EACH(t, n) place[t] = (int32_t)t * (int32_t)sw;
    }
    for (int64_t v = 1; v < kw; v++) {
        if (!place) {
            EACH(t, n) {
                float c = x[t * sw + v], b = value[t];
                value[t] = TAKE(c, b) ? c : b;
            }
            continue;
        }
        EACH(t, n) {
            float c = x[t * sw + v], b = value[t];
            int32_t at = (int32_t)t * (int32_t)sw + (int32_t)v, k = place[t];
            int32_t take = TAKE(c, b);
            value[t] = take ? c : b;
            place[t] = take ? at : k;
        }
    }
}

static void along(const struct pool *p, const float *x, float *value, int32_t *place) {
    int64_t n = p->columns;
    if (p->left == 0 && p->width == p->sw * n && p->kw <= p->sw) {
        if (p->sw == 2 && p->kw == 2) /* the usual one, with constants */
            along_flat(x, p->height * n, 2, 2, value, place);
        else
            along_flat(x, p->height * n, p->kw, p->sw, value, place);
        return;
    }
    for (int64_t y = 0; y < p->height; y++, value += n) {
        int32_t from = (int32_t)(y * p->width - p->left), sw = (int32_t)p->sw;
        EACH(j, n) value[j] = -INFINITY;
        if (place) {
            EACH(j, n) place[j] = -1;
        }
        for (int64_t v = 0; v < p->kw; v++) {
            int64_t begin, end;
            inside(p, v, &begin, &end);
            const float *row = x + from + v + begin * p->sw;
            float *best = value + begin;
            int32_t *where = place ? place + begin : NULL;
            int32_t first = from + (int32_t)v + (int32_t)begin * sw;
            if (!place) {
                EACH(j, end - begin) {
                    float c = row[j * p->sw], b = best[j];
                    best[j] = TAKE(c, b) ? c : b;
                }
                continue;
            }
            EACH(j, end - begin) {
                float c = row[j * p->sw], b = best[j];
                int32_t k = where[j], take = (k < 0) | TAKE(c, b);
                best[j] = take ? c : b;
                where[j] = take ? first + (int32_t)j * sw : k;
            }
        }
        if (place)
            place += n;
    }
}

/* n: columns, rounded up into the slack. */
static void down(const struct pool *p, const float *value, const int32_t *place,
                 float *best, int32_t *where) {
    int64_t n = (p->columns + SLACK - 1) / SLACK * SLACK;
    for (int64_t i = 0; i < p->rows; i++, best += p->columns) {
        int64_t y0 = i * p->sh - p->top, y1 = y0 + p->kh;
        y0 = y0 < 0 ? 0 : y0;
        y1 = y1 > p->height ? p->height : y1;
        if (y0 >= y1) {
            EACH(j, n) best[j] = -INFINITY;
            if (where) {
                EACH(j, n) where[j] = -1;
            }
        } else {
            memcpy(best, value + y0 * p->columns, (size_t)n * sizeof *best);
            if (where)
                memcpy(where, place + y0 * p->columns, (size_t)n * sizeof *where);
        }
        for (int64_t y = y0 + 1; y < y1; y++) {
            const float *row = value + y * p->columns;
            if (!where) {
                EACH(j, n) {
                    float c = row[j], b = best[j];
                    best[j] = TAKE(c, b) ? c : b;
                }
                continue;
            }
            const int32_t *at = place + y * p->columns;
            EACH(j, n) {
                float c = row[j], b = best[j];
                int32_t a = at[j], k = where[j];
                int32_t take = (a >= 0) & ((k < 0) | TAKE(c, b));
                best[j] = take ? c : b;
                where[j] = take ? a : k;
            }
        }
        if (where)
            where += p->columns;
    }
}

static size_t max_scratch(const struct pool *p) { /* of one thread */
    return cpu_align((uint64_t)(p->height * p->columns + SLACK) * 4) * 2 +
           cpu_align((uint64_t)(p->rows * p->columns + SLACK) * 4) * 2;
}

static void max_planes(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct pool *p = c->state;
    int64_t area = p->height * p->width, outs = p->rows * p->columns;
    size_t tall = cpu_align((uint64_t)(p->height * p->columns + SLACK) * 4);
    size_t small = cpu_align((uint64_t)(outs + SLACK) * 4);
    char *scratch = c->workspace + max_scratch(p) * (size_t)thread;
    bool values = p->what == 'm';
    float *row_value = (float *)(void *)scratch;
    int32_t *row_place = values ? NULL : (int32_t *)(void *)(scratch + tall);
    float *best = (float *)(void *)(scratch + 2 * tall);
    int32_t *at = values ? NULL : (int32_t *)(void *)(scratch + 2 * tall + small);
    memset(scratch, 0, tall * 2); /* the slack is read */
    for (int64_t k = begin; k < end; k++) {
        const float *x = (const float *)c->k.in[0].data + k * area;
        const float *g = c->k.n_in > 1 ? c->k.in[1].data : NULL;
        float *y = c->k.out[0].data;
        along(p, x, row_value, row_place);
        down(p, row_value, row_place, best, at);
        if (values)
            memcpy(y + k * outs, best, (size_t)outs * sizeof *y);
        if (p->what == 'g')
            memset(y + k * area, 0, (size_t)area * sizeof *y);
        for (int64_t j = 0; !values && j < outs; j++) {
            if (p->what == 't')
                y[k * outs + j] = at[j] < 0 ? 0.0f : g[k * area + at[j]];
            else if (at[j] >= 0)
                y[k * area + at[j]] += g[k * outs + j];
        }
    }
}

/* The usual window, 2x2 at stride 2 without padding, in one pass: the same comparisons
 * in the same order. Two rows of the image make one of outputs, LANES at a time. */
#define LANES 16

static bool halves(const struct pool *p) {
    return p->kh == 2 && p->kw == 2 && p->sh == 2 && p->sw == 2 && p->top == 0 &&
           p->left == 0 && 2 * p->columns <= p->width && 2 * p->rows <= p->height;
}

#define QUAD(a, b)                                                                     \
    float a0 = (a)[2 * j], a1 = (a)[2 * j + 1], b0 = (b)[2 * j], b1 = (b)[2 * j + 1];  \
    int32_t ta = TAKE(a1, a0), tb = TAKE(b1, b0);                                      \
    float va = ta ? a1 : a0, vb = tb ? b1 : b0;                                        \
    int32_t t = TAKE(vb, va)

static inline void halve(const float *a, const float *b, float *y) {
    EACH(j, LANES) {
        QUAD(a, b);
        y[j] = t ? vb : va;
    }
}

/* g to the place of each maximum, 0 to the others: ga, then gb. */
static inline void unhalve(const float *a, const float *b, const float *g, float *ga,
                           float *gb) {
    float low[2 * LANES];
    EACH(j, LANES) {
        QUAD(a, b);
        float v = 0.0f + g[j]; /* as it is added to 0 */
        float upper = t ? 0.0f : v, lower = t ? v : 0.0f;
        ga[2 * j] = ta ? 0.0f : upper;
        ga[2 * j + 1] = ta ? upper : 0.0f;
        low[2 * j] = tb ? 0.0f : lower;
        low[2 * j + 1] = tb ? lower : 0.0f;
    }
    memcpy(gb, low, sizeof low);
}

/* One row of outputs. A short one is one vector that runs over its end into what comes
 * later, which is written later; with `exact` it stays within. */
static inline void half_row(const float *a, const float *b, const float *g, float *y,
                            float *yb, int64_t n, bool exact) {
    int64_t j = 0, whole = exact || n > LANES ? n / LANES * LANES : n;
    float pad[5][2 * LANES];
    for (; j < whole; j += LANES)
        if (g)
            unhalve(a + 2 * j, b + 2 * j, g + j, y + 2 * j, yb + 2 * j);
        else
            halve(a + 2 * j, b + 2 * j, y + j);
    if (j >= n)
        return;
    size_t left = (size_t)(n - j) * sizeof *a;
    memcpy(pad[0], a + 2 * j, 2 * left);
    memcpy(pad[1], b + 2 * j, 2 * left);
    if (!g) {
        halve(pad[0], pad[1], pad[2]);
        memcpy(y + j, pad[2], left);
        return;
    }
    memcpy(pad[2], g + j, left);
    unhalve(pad[0], pad[1], pad[2], pad[3], pad[4]);
    memcpy(y + 2 * j, pad[3], 2 * left);
    memcpy(yb + 2 * j, pad[4], 2 * left);
}

static void half_planes(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct pool *p = c->state;
    int64_t w = p->width, n = p->columns, area = p->height * w, outs = p->rows * n;
    bool grad = p->what == 'g';
    /* Planes that a vector may run into from the one before. */
    int64_t reach = (2 * LANES + (grad ? area : outs)) / ((grad ? area : outs) + 1) + 1;
    (void)thread;
    for (int64_t k = begin; k < end; k++) {
        const float *x = (const float *)c->k.in[0].data + k * area;
        const float *g = grad ? (const float *)c->k.in[1].data + k * outs : NULL;
        float *y = (float *)c->k.out[0].data + k * (grad ? area : outs);
        bool exact = k + reach >= end;
        for (int64_t i = 0; i < p->rows; i++) {
            const float *a = x + 2 * i * w;
            if (!grad) {
                half_row(a, a + w, NULL, y + i * n, NULL, n, exact);
                continue;
            }
            float *ga = y + 2 * i * w, *gb = ga + w;
            half_row(a, a + w, g + i * n, ga, gb, n, exact);
            for (int64_t j = 2 * n; j < w; j++)
                ga[j] = gb[j] = 0.0f;
        }
        if (grad)
            memset(y + 2 * p->rows * w, 0,
                   (size_t)((p->height - 2 * p->rows) * w) * sizeof *y);
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
                 p->low ? pool_narrow : p->whole, &call);
    return RN_OK;
}

int32_t CPU_NAME(cpu_window)(struct cpu_setup *s, struct rn_error *e) {
    static const char *const names[] = {"max_pool2d", "max_pool2d_grad",
                                        "max_pool2d_gather", "avg_pool2d",
                                        "avg_pool2d_grad"};
    size_t i = 0;
    while (i < 5 && strcmp(names[i], s->node->op) != 0)
        i++;
    if (i == 5 || !pool_takes(s) || (i == 2 && s->in[0].dtype != RN_F32))
        return 0;
    bool big;
    struct pool *p = pool_new(s, "mgtab"[i], &big);
    if (!p)
        return big ? 0 : rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    s->state = p;
    p->whole = i > 2 ? average_planes : i < 2 && halves(p) ? half_planes : max_planes;
    p->room = (i < 3 ? max_scratch(p) : 2 * cpu_align((uint64_t)p->columns * 4)) *
              (uint64_t)s->threads;
    s->workspace = pool_workspace(p, s->threads);
    s->run = run;
    s->kernel = "planes";
    return 1;
}
