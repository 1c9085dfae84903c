/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling of blocked images, [N,C/b,H,W,b]: the channels of a pixel side by side make
 * the vectors. Same operations and same sums as for [N,C,H,W] (window.c), so the same
 * bits. */
#include "pool.h"

#define INLINE static inline __attribute__((always_inline))

#define WIDEST 16 /* channels at a time */

/* The window of output (i, j) inside the image: rows [y0,y1), columns [x0,x1). */
struct cells {
    int64_t y0, y1, x0, x1;
};

INLINE struct cells cells_of(const struct pool *p, int64_t i, int64_t j) {
    struct cells c = {i * p->sh - p->top, 0, j * p->sw - p->left, 0};
    c.y1 = c.y0 + p->kh, c.x1 = c.x0 + p->kw;
    c.y0 = c.y0 < 0 ? 0 : c.y0, c.x0 = c.x0 < 0 ? 0 : c.x0;
    c.y1 = c.y1 > p->height ? p->height : c.y1;
    c.x1 = c.x1 > p->width ? p->width : c.x1;
    return c;
}

/* The first maximum of w channels from x on, and where it is (pixel, -1: nowhere). */
INLINE void best_of(const struct pool *p, struct cells c, const float *x, int64_t b,
                    int64_t w, float *best, int32_t *where) {
    EACH(k, w) best[k] = -INFINITY;
    EACH(k, w) where[k] = -1;
    for (int64_t y = c.y0; y < c.y1; y++)
        for (int64_t u = c.x0; u < c.x1; u++) {
            int32_t at = (int32_t)(y * p->width + u);
            const float *v = x + at * b;
            EACH(k, w) {
                int32_t take = (where[k] < 0) | TAKE(v[k], best[k]);
                best[k] = take ? v[k] : best[k];
                where[k] = take ? at : where[k];
            }
        }
}

/* The same for sixteen channels, in registers. */
struct best16 {
    lanes16 value;
    ints16 where;
};

INLINE lanes16 load16(const float *p) {
    return *(const lanes16 *)(const void *)p;
}

INLINE void store16(float *p, lanes16 v) {
    *(lanes16 *)(void *)p = v;
}

INLINE lanes16 pick16(ints16 take, lanes16 a, lanes16 b) {
    return (lanes16)((take & (ints16)a) | (~take & (ints16)b));
}

INLINE struct best16 best16_of(const struct pool *p, struct cells c, const float *x,
                               int64_t b) {
    struct best16 best = {(lanes16){0} - INFINITY, (ints16){0} - 1};
    bool first = true;
    for (int64_t y = c.y0; y < c.y1; y++)
        for (int64_t u = c.x0; u < c.x1; u++) {
            int32_t at = (int32_t)(y * p->width + u);
            lanes16 v = load16(x + at * b), t = best.value;
            ints16 take = (t == t) & ((v != v) | (v > t)), here = (ints16){0} + at;
            best.value = first ? v : pick16(take, v, t);
            best.where = first ? here : (ints16)((take & here) | (~take & best.where));
            first = false;
        }
    return best;
}

/* The usual window, 2x2 at stride 2 without padding, sixteen channels: the same
 * comparisons, two and two. */
struct quad {
    ints16 top, low, down; /* the second is larger; the lower row's is */
    lanes16 value;
};

INLINE ints16 larger16(lanes16 v, lanes16 than) {
    return (than == than) & ((v != v) | (v > than));
}

/* x: the upper left pixel; row: from one row to the next. */
INLINE struct quad quad_of(const float *x, int64_t b, int64_t row) {
    lanes16 p = load16(x), q = load16(x + b), r = load16(x + row);
    lanes16 s = load16(x + row + b);
    struct quad t = {larger16(q, p), larger16(s, r), {0}, {0}};
    lanes16 upper = pick16(t.top, q, p), lower = pick16(t.low, s, r);
    t.down = larger16(lower, upper);
    t.value = pick16(t.down, lower, upper);
    return t;
}

INLINE bool quarters(const struct pool *p) {
    return p->kh == 2 && p->kw == 2 && p->sh == 2 && p->sw == 2 && p->top == 0 &&
           p->left == 0 && 2 * p->columns <= p->width && 2 * p->rows <= p->height;
}

INLINE void quarter_plane(const struct pool *p, const float *x, float *y, int64_t b) {
    int64_t row = p->width * b;
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->columns; j++)
            store16(y + (i * p->columns + j) * b,
                    quad_of(x + 2 * (i * row + j * b), b, row).value);
}

INLINE void clear16(float *y, int64_t n, int64_t b) {
    for (int64_t q = 0; q < n; q++)
        store16(y + q * b, (lanes16){0});
}

INLINE void quarter_grad_plane(const struct pool *p, const float *x, const float *g,
                               float *y, int64_t b) {
    int64_t row = p->width * b, used = 2 * p->columns;
    for (int64_t i = 0; i < p->rows; i++) {
        for (int64_t j = 0; j < p->columns; j++) {
            int64_t at = 2 * (i * row + j * b);
            struct quad t = quad_of(x + at, b, row);
            lanes16 none = {0}, v = none + load16(g + (i * p->columns + j) * b);
            lanes16 upper = pick16(t.down, none, v), lower = pick16(t.down, v, none);
            store16(y + at, pick16(t.top, none, upper));
            store16(y + at + b, pick16(t.top, upper, none));
            store16(y + at + row, pick16(t.low, none, lower));
            store16(y + at + row + b, pick16(t.low, lower, none));
        }
        clear16(y + 2 * i * row + used * b, p->width - used, b);
        clear16(y + (2 * i + 1) * row + used * b, p->width - used, b);
    }
    clear16(y + 2 * p->rows * row, (p->height - 2 * p->rows) * p->width, b);
}

/* w channels of one plane, from the pointers on. */
INLINE void max_plane(const struct pool *p, const float *x, float *y, int64_t b,
                      int64_t w) {
    float best[WIDEST];
    int32_t where[WIDEST];
    if (w == 16 && quarters(p)) {
        quarter_plane(p, x, y, b);
        return;
    }
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->columns; j++) {
            struct cells c = cells_of(p, i, j);
            float *to = y + (i * p->columns + j) * b;
            if (w == 16) {
                store16(to, best16_of(p, c, x, b).value);
                continue;
            }
            best_of(p, c, x, b, w, best, where);
            EACH(k, w) to[k] = best[k];
        }
}

/* No pixel is in two windows. */
INLINE bool apart(const struct pool *p) {
    return p->kh <= p->sh && p->kw <= p->sw;
}

INLINE void max_grad_plane(const struct pool *p, const float *x, const float *g,
                           float *gx, int64_t b, int64_t w) {
    float best[WIDEST];
    int32_t where[WIDEST];
    if (w == 16 && quarters(p)) {
        quarter_grad_plane(p, x, g, gx, b);
        return;
    }
    bool all = p->kh == p->sh && p->kw == p->sw && p->rows * p->sh == p->height &&
               p->columns * p->sw == p->width && !p->top && !p->left && w == 16;
    for (int64_t q = 0; !all && q < p->height * p->width; q++) {
        EACH(k, w) gx[q * b + k] = 0.0f;
    }
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->columns; j++) {
            struct cells c = cells_of(p, i, j);
            const float *from = g + (i * p->columns + j) * b;
            if (w == 16) {
                struct best16 t = best16_of(p, c, x, b);
                lanes16 zero = {0}, v = load16(from) + zero;
                for (int64_t y = c.y0; y < c.y1; y++)
                    for (int64_t u = c.x0; u < c.x1; u++) {
                        int32_t at = (int32_t)(y * p->width + u);
                        float *to = gx + at * b;
                        ints16 hit = t.where == (ints16){0} + at;
                        if (apart(p))
                            store16(to, pick16(hit, v, zero));
                        else
                            store16(to,
                                    pick16(hit, load16(to) + load16(from), load16(to)));
                    }
                continue;
            }
            best_of(p, c, x, b, w, best, where);
            for (int64_t y = c.y0; y < c.y1; y++)
                for (int64_t u = c.x0; u < c.x1; u++) {
                    int32_t at = (int32_t)(y * p->width + u);
                    float *to = gx + at * b;
                    EACH(k, w) {
                        float sum = to[k] + from[k];
                        to[k] = where[k] == at ? sum : to[k];
                    }
                }
        }
}

INLINE float share_of(const struct pool *p, struct cells c) {
    int64_t n = p->count_pad ? p->kh * p->kw : (c.y1 - c.y0) * (c.x1 - c.x0);
    return c.y1 > c.y0 && c.x1 > c.x0 ? (float)n : 0.0f;
}

INLINE void average_plane(const struct pool *p, const float *x, float *y, int64_t b,
                          int64_t w) {
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->columns; j++) {
            struct cells c = cells_of(p, i, j);
            float sum[WIDEST], n = share_of(p, c);
            float *to = y + (i * p->columns + j) * b;
            EACH(k, w) sum[k] = 0.0f;
            for (int64_t r = c.y0; r < c.y1; r++)
                for (int64_t u = c.x0; u < c.x1; u++) {
                    const float *v = x + (r * p->width + u) * b;
                    EACH(k, w) sum[k] += v[k];
                }
            EACH(k, w) to[k] = n > 0.0f ? sum[k] / n : 0.0f;
        }
}

INLINE void average_grad_plane(const struct pool *p, const float *g, float *gx,
                               int64_t b, int64_t w) {
    for (int64_t q = 0; q < p->height * p->width; q++) {
        EACH(k, w) gx[q * b + k] = 0.0f;
    }
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->columns; j++) {
            struct cells c = cells_of(p, i, j);
            float share[WIDEST], n = share_of(p, c);
            const float *from = g + (i * p->columns + j) * b;
            EACH(k, w) share[k] = n > 0.0f ? from[k] / n : 0.0f;
            for (int64_t r = c.y0; r < c.y1; r++)
                for (int64_t u = c.x0; u < c.x1; u++) {
                    float *to = gx + (r * p->width + u) * b;
                    EACH(k, w) to[k] += share[k];
                }
        }
}

INLINE void pool_plane(const struct cpu_call *c, const struct pool *p, int64_t plane,
                       int64_t b, int64_t first, int64_t w) {
    int64_t image = plane * p->height * p->width * b + first;
    int64_t out = plane * p->rows * p->columns * b + first;
    const float *a = c->k.in[0].data;
    float *o = c->k.out[0].data;
    switch (p->what) {
    case 'm':
        max_plane(p, a + image, o + out, b, w);
        break;
    case 'g':
        max_grad_plane(p, a + image, (const float *)c->k.in[1].data + out, o + image, b,
                       w);
        break;
    case 'a':
        average_plane(p, a + image, o + out, b, w);
        break;
    default:
        average_grad_plane(p, a + out, o + image, b, w);
    }
}

static void pool_planes(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct pool *p = c->state;
    (void)thread;
    for (int64_t k = begin; k < end; k++) {
        if (p->block == 16) { /* the usual one, with constants */
            pool_plane(c, p, k, 16, 0, 16);
            continue;
        }
        int64_t first = 0;
        for (; first + 16 <= p->block; first += 16)
            pool_plane(c, p, k, p->block, first, 16);
        if (first < p->block)
            pool_plane(c, p, k, p->block, first, p->block - first);
    }
}

static int32_t run_pool(const struct cpu_call *c, struct rn_error *e) {
    const struct pool *p = c->state;
    struct cpu_call call = *c;
    int64_t cost = p->rows * p->columns * p->kh * p->kw * p->block;
    (void)e;
    cpu_parallel(c->threads, p->planes, 1 + 65536 / (cost + 1),
                 p->low ? pool_narrow : pool_planes, &call);
    return RN_OK;
}

int32_t CPU_NAME(cpu_blocked_pool)(struct cpu_setup *s, struct rn_error *e) {
    static const struct {
        const char *op;
        char what;
    } table[] = {{"max_pool2d", 'm'},
                 {"max_pool2d_grad", 'g'},
                 {"avg_pool2d", 'a'},
                 {"avg_pool2d_grad", 'b'}};
    size_t i = 0;
    bool big = true;
    while (i < 4 && strcmp(table[i].op, s->node->op) != 0)
        i++;
    if (i == 4)
        return 0;
    struct pool *p = pool_takes(s) ? pool_new(s, table[i].what, &big) : NULL;
    if (!p)
        return big ? 0 : rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    p->room = 0;
    p->whole = pool_planes;
    s->workspace = pool_workspace(p, s->threads);
    s->state = p;
    s->run = run_pool;
    s->kernel = "blocked";
    return 1;
}
