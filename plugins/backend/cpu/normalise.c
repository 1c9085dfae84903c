/* SPDX-License-Identifier: Apache-2.0 */
/* Batch and layer normalisation with their gradients, f32: the decompositions of the
 * graph in one or two passes, same operations, same sums. */
#include <stdlib.h>

#include "isa.h"

/* -------------------------------------------------------------- batch norm */

struct plane {
    int64_t n, channels, area;
};

static struct plane plane_of(const struct kernel_tensor *x) {
    struct plane p = {x->shape[0], x->shape[1], 1};
    for (uint32_t i = 2; i < x->rank; i++)
        p.area *= x->shape[i];
    return p;
}

/* max(t, 0), NaN passes. */
static inline float positive(float t) {
    return t < 0.0f ? 0.0f : t;
}

struct channel {
    float mean, root, scale, shift;
};

/* y = (x - mean) / root * scale + shift, plus g where there is one. */
static inline void channel_apply(bool relu, struct channel c, const float *x,
                                 const float *g, float *y, int64_t n) {
    EACH(j, n) {
        float t = (x[j] - c.mean) / c.root * c.scale + c.shift;
        t = g ? t + g[j] : t;
        y[j] = relu ? positive(t) : t;
    }
}

/* The same with (x - mean) * scale. */
static inline void channel_infer(bool relu, struct channel c, const float *x,
                                 const float *g, float *y, int64_t n) {
    EACH(j, n) {
        float t = (x[j] - c.mean) * c.scale + c.shift;
        t = g ? t + g[j] : t;
        y[j] = relu ? positive(t) : t;
    }
}

/* gy where it passes through the ReLU behind, its product with the normalised x. */
static inline void channel_shares(bool relu, struct channel c, const float *x,
                                  const float *g, float *h, float *ht, int64_t n) {
    EACH(j, n) {
        float t = (x[j] - c.mean) / c.root;
        float v = !relu || t * c.scale + c.shift > 0.0f ? g[j] : 0.0f;
        h[j] = v;
        ht[j] = v * t;
    }
}

/* The gradient of x from the means a, b of those; y may be g. */
static inline void channel_grad(bool relu, struct channel c, float a, float b, float k,
                                const float *x, const float *g, float *y, int64_t n) {
    EACH(j, n) {
        float t = (x[j] - c.mean) / c.root;
        float v = !relu || t * c.scale + c.shift > 0.0f ? g[j] : 0.0f;
        y[j] = ((v - a) - t * b) * k;
    }
}

static void batch_norm_channels(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    struct plane p = plane_of(&c->k.in[0]);
    const float *x = c->k.in[0].data, *g = c->k.n_in > 3 ? c->k.in[3].data : NULL;
    float *y = c->k.out[0].data, part[CHUNK], count = (float)(p.n * p.area);
    float eps = (float)cpu_float(c->k.node, "eps", 1e-5);
    bool relu = cpu_int(c->k.node, "relu", 0) != 0;
    (void)thread;
    for (int64_t ch = begin; ch < end; ch++) {
        float scale = ((const float *)c->k.in[1].data)[ch];
        float shift = ((const float *)c->k.in[2].data)[ch];
        struct sum_lanes a = {{0}, 0}, b = {{0}, 0};
        for (int64_t i = 0; i < p.n; i++)
            sum_add(&a, x + (i * p.channels + ch) * p.area, p.area);
        float mean = sum_total(&a) / count;
        for (int64_t i = 0; i < p.n; i++) {
            const float *v = x + (i * p.channels + ch) * p.area;
            for (int64_t k = 0; k < p.area; k += CHUNK) {
                int64_t m = p.area - k < CHUNK ? p.area - k : CHUNK;
                EACH(j, m) {
                    float d = v[k + j] - mean;
                    part[j] = d * d;
                }
                sum_add(&b, part, m);
            }
        }
        float var = sum_total(&b) / count, root = sqrtf(var + eps);
        struct channel all = {mean, root, scale, shift};
        for (int64_t i = 0; y && i < p.n; i++) {
            int64_t at = (i * p.channels + ch) * p.area;
            if (g)
                channel_apply(relu, all, x + at, g + at, y + at, p.area);
            else if (relu)
                channel_apply(true, all, x + at, NULL, y + at, p.area);
            else
                channel_apply(false, all, x + at, NULL, y + at, p.area);
        }
        if (c->k.out[1].data)
            ((float *)c->k.out[1].data)[ch] = mean;
        if (c->k.out[2].data)
            ((float *)c->k.out[2].data)[ch] = var;
    }
}

static void batch_infer_channels(void *context, int64_t begin, int64_t end,
                                 int thread) {
    const struct cpu_call *c = context;
    struct plane p = plane_of(&c->k.in[0]);
    float eps = (float)cpu_float(c->k.node, "eps", 1e-5);
    bool relu = cpu_int(c->k.node, "relu", 0) != 0;
    (void)thread;
    for (int64_t u = begin; u < end; u++) { /* planes */
        int64_t ch = u % p.channels;
        const float *x = (const float *)c->k.in[0].data + u * p.area;
        const float *g = c->k.n_in > 5 ? c->k.in[5].data : NULL;
        float *y = (float *)c->k.out[0].data + u * p.area;
        struct channel all = {((const float *)c->k.in[3].data)[ch], 0.0f,
                              ((const float *)c->k.in[1].data)[ch] /
                                  sqrtf(((const float *)c->k.in[4].data)[ch] + eps),
                              ((const float *)c->k.in[2].data)[ch]};
        if (g)
            channel_infer(relu, all, x, g + u * p.area, y, p.area);
        else if (relu)
            channel_infer(true, all, x, NULL, y, p.area);
        else
            channel_infer(false, all, x, NULL, y, p.area);
    }
}

/* in: x scale mean var gy [shift]; out: gx gscale gshift */
static void batch_grad_channels(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    struct plane p = plane_of(&c->k.in[0]);
    const float *x = c->k.in[0].data, *gy = c->k.in[4].data;
    float *gx = c->k.out[0].data, part[CHUNK], with[CHUNK];
    float count = (float)(p.n * p.area);
    float eps = (float)cpu_float(c->k.node, "eps", 1e-5);
    bool relu = c->k.n_in > 5;
    (void)thread;
    for (int64_t ch = begin; ch < end; ch++) {
        struct channel all = {((const float *)c->k.in[2].data)[ch],
                              sqrtf(((const float *)c->k.in[3].data)[ch] + eps),
                              ((const float *)c->k.in[1].data)[ch],
                              relu ? ((const float *)c->k.in[5].data)[ch] : 0.0f};
        float k = all.scale / all.root;
        struct sum_lanes sa = {{0}, 0}, sb = {{0}, 0};
        for (int64_t i = 0; i < p.n; i++) {
            int64_t at = (i * p.channels + ch) * p.area;
            for (int64_t u = 0; u < p.area; u += CHUNK) {
                int64_t m = p.area - u < CHUNK ? p.area - u : CHUNK;
                if (relu)
                    channel_shares(true, all, x + at + u, gy + at + u, part, with, m);
                else
                    channel_shares(false, all, x + at + u, gy + at + u, part, with, m);
                sum_add(&sa, part, m);
                sum_add(&sb, with, m);
            }
        }
        float total_a = sum_total(&sa), total_b = sum_total(&sb);
        float a = total_a / count, b = total_b / count;
        for (int64_t i = 0; gx && i < p.n; i++) {
            int64_t at = (i * p.channels + ch) * p.area;
            if (relu)
                channel_grad(true, all, a, b, k, x + at, gy + at, gx + at, p.area);
            else
                channel_grad(false, all, a, b, k, x + at, gy + at, gx + at, p.area);
        }
        if (c->k.out[1].data)
            ((float *)c->k.out[1].data)[ch] = total_b;
        if (c->k.out[2].data)
            ((float *)c->k.out[2].data)[ch] = total_a;
    }
}

/* -------------------------------------------------------------- layer norm */

static int64_t row_length(const struct cpu_call *c) {
    int64_t n = 1;
    for (int64_t i = cpu_int(c->k.node, "axis", -1); i < (int64_t)c->k.in[0].rank; i++)
        n *= c->k.in[0].shape[i];
    return n;
}

static void row_moments(const float *x, int64_t n, float eps, float *mean,
                        float *root) {
    struct sum_lanes a = {{0}, 0}, b = {{0}, 0};
    float part[CHUNK];
    sum_add(&a, x, n);
    float m = sum_total(&a) / (float)n;
    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t k = n - i < CHUNK ? n - i : CHUNK;
        EACH(j, k) {
            float d = x[i + j] - m;
            part[j] = d * d;
        }
        sum_add(&b, part, k);
    }
    *mean = m;
    *root = sqrtf(sum_total(&b) / (float)n + eps);
}

static void layer_norm_rows(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    int64_t n = row_length(c);
    float eps = (float)cpu_float(c->k.node, "eps", 1e-5), mean, root;
    const float *scale = c->k.in[1].data, *shift = c->k.in[2].data;
    (void)thread;
    for (int64_t r = begin; r < end; r++) {
        const float *x = (const float *)c->k.in[0].data + r * n;
        float *y = (float *)c->k.out[0].data + r * n;
        row_moments(x, n, eps, &mean, &root);
        EACH(i, n) y[i] = (x[i] - mean) / root * scale[i] + shift[i];
    }
}

/* in: x scale gy; the workspace keeps mean and root of each row */
static void layer_grad_rows(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    int64_t n = row_length(c);
    float eps = (float)cpu_float(c->k.node, "eps", 1e-5), part[CHUNK], with[CHUNK];
    const float *scale = c->k.in[1].data;
    float *moments = (float *)(void *)c->workspace;
    (void)thread;
    for (int64_t r = begin; r < end; r++) {
        const float *x = (const float *)c->k.in[0].data + r * n;
        const float *gy = (const float *)c->k.in[2].data + r * n;
        float *gx = c->k.out[0].data, mean, root;
        struct sum_lanes sa = {{0}, 0}, sb = {{0}, 0};
        row_moments(x, n, eps, &mean, &root);
        moments[2 * r] = mean;
        moments[2 * r + 1] = root;
        if (!gx)
            continue;
        gx += r * n;
        for (int64_t i = 0; i < n; i += CHUNK) {
            int64_t m = n - i < CHUNK ? n - i : CHUNK;
            EACH(j, m) {
                part[j] = gy[i + j] * scale[i + j];
                with[j] = part[j] * ((x[i + j] - mean) / root);
            }
            sum_add(&sa, part, m);
            sum_add(&sb, with, m);
        }
        float a = sum_total(&sa) / (float)n, b = sum_total(&sb) / (float)n;
        EACH(i, n)
        gx[i] = ((gy[i] * scale[i] - a) - (x[i] - mean) / root * b) / root;
    }
}

#define COLUMNS 64

static void layer_grad_columns(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    int64_t n = row_length(c), rows = (int64_t)c->k.in[0].count / n;
    const float *moments = (const float *)(const void *)c->workspace;
    (void)thread;
    for (int64_t u = begin; u < end; u++) {
        int64_t first = u * COLUMNS, m = n - first < COLUMNS ? n - first : COLUMNS;
        float a[16][COLUMNS], b[16][COLUMNS];
        memset(a, 0, sizeof a);
        memset(b, 0, sizeof b);
        for (int64_t r = 0; r < rows; r++) {
            const float *x = (const float *)c->k.in[0].data + r * n + first;
            const float *gy = (const float *)c->k.in[2].data + r * n + first;
            float mean = moments[2 * r], root = moments[2 * r + 1];
            float *p = a[r & 15], *q = b[r & 15];
            EACH(j, m) {
                p[j] += gy[j] * ((x[j] - mean) / root);
                q[j] += gy[j];
            }
        }
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

/* ------------------------------------------------------------------- room */

struct over { /* what to run, over what */
    cpu_range first, second;
    int64_t units, cost, second_units;
};

static int32_t run(const struct cpu_call *c, struct rn_error *e) {
    const struct over *o = c->state;
    struct cpu_call call = *c;
    (void)e;
    cpu_parallel(c->threads, o->units, 1 + 8192 / (o->cost + 1), o->first, &call);
    if (o->second)
        cpu_parallel(c->threads, o->second_units, 1, o->second, &call);
    return RN_OK;
}

int32_t CPU_NAME(cpu_normalise)(struct cpu_setup *s, struct rn_error *e) {
    static const struct {
        const char *op;
        cpu_range fn, second;
        char shape; /* c: channels, p: planes, l: layer */
    } table[] = {{"batch_norm", batch_norm_channels, NULL, 'c'},
                 {"batch_norm_grad", batch_grad_channels, NULL, 'c'},
                 {"batch_norm_infer", batch_infer_channels, NULL, 'p'},
                 {"layer_norm", layer_norm_rows, NULL, 'l'},
                 {"layer_norm_grad", layer_grad_rows, layer_grad_columns, 'l'}};
    size_t i = 0;
    while (i < sizeof table / sizeof table[0] && strcmp(table[i].op, s->node->op) != 0)
        i++;
    if (i == sizeof table / sizeof table[0] || s->in[0].dtype != RN_F32)
        return 0;
    const struct kernel_tensor *x = &s->in[0];
    struct over o = {table[i].fn, table[i].second, 0, 0, 0};
    int64_t axis = cpu_int(s->node, "axis", -1);
    uint64_t workspace = 0;
    switch (table[i].shape) {
    case 'c':
    case 'p': {
        struct plane p = plane_of(x);
        if (p.area < 8) /* strided columns: better as column sums and regions */
            return 0;
        o.units = table[i].shape == 'c' ? p.channels : p.n * p.channels;
        if (table[i].fn == batch_grad_channels)
            s->in_place = 1u << 4; /* gx over gy, read for the last time */
        o.cost = (int64_t)x->count / o.units;
        break;
    }
    default:
        if (axis < 0)
            return 0;
        o.cost = 1;
        for (int64_t k = axis; k < (int64_t)x->rank; k++)
            o.cost *= x->shape[k];
        o.units = (int64_t)x->count / o.cost;
        o.second_units = (o.cost + COLUMNS - 1) / COLUMNS;
        if (o.second)
            workspace = cpu_align((uint64_t)o.units * 2 * sizeof(float));
    }
    struct over *state = malloc(sizeof *state);
    if (!state)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    *state = o;
    s->state = state;
    s->workspace = workspace;
    s->run = run;
    s->kernel = "fused";
    return 1;
}
