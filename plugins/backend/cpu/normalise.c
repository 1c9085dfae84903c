/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalisation with its gradient, f32 or images of bf16: the decompositions of
 * the graph in one or two passes, same operations, same sums. Of rows: layer_norm.c. */
#include <stdlib.h>

#include "narrow.h"

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

/* What of a plane is done at once: all of it, or as much as there is room for. */
static int64_t piece(const struct cpu_call *c, int64_t area) {
    return (is_low(&c->k.in[0]) || is_low(&c->k.out[0])) && area > CHUNK ? CHUNK : area;
}

/* Sum over a channel of x, or of the squares of x - *mean. */
static float channel_sum(const struct cpu_call *c, const struct plane *p, int64_t ch,
                         const float *mean) {
    bool low = is_low(&c->k.in[0]);
    float part[CHUNK], room[CHUNK];
    struct sum_lanes sum = {{0}, 0};
    for (int64_t i = 0; i < p->n; i++)
        for (int64_t k = 0; k < p->area; k += CHUNK) {
            int64_t m = p->area - k < CHUNK ? p->area - k : CHUNK;
            const float *v = floats(c->k.in[0].data, low,
                                    (i * p->channels + ch) * p->area + k, m, room);
            if (!mean) {
                sum_add(&sum, v, m);
                continue;
            }
            EACH(j, m) {
                float d = v[j] - *mean;
                part[j] = d * d;
            }
            sum_add(&sum, part, m);
        }
    return sum_total(&sum);
}

typedef void (*channel_fn)(bool relu, struct channel c, const float *x, const float *g,
                           float *y, int64_t n);

/* One plane from element `at` on through fn, with what input `plus` adds. */
static inline __attribute__((always_inline)) void
plane_apply(channel_fn fn, const struct cpu_call *c, uint32_t plus, bool relu,
            struct channel by, int64_t at, int64_t area) {
    bool low = is_low(&c->k.in[0]), low_out = is_low(&c->k.out[0]);
    void *y = c->k.out[0].data;
    float rx[CHUNK], rg[CHUNK], ry[CHUNK];
    int64_t step = piece(c, area);
    for (int64_t u = 0; u < area; u += step) {
        int64_t m = area - u < step ? area - u : step;
        const float *x = floats(c->k.in[0].data, low, at + u, m, rx);
        float *to = writes(y, low_out, at + u, ry);
        if (c->k.n_in > plus)
            fn(relu, by, x, floats(c->k.in[plus].data, low, at + u, m, rg), to, m);
        else if (relu)
            fn(true, by, x, NULL, to, m);
        else
            fn(false, by, x, NULL, to, m);
        rounded(y, low_out, at + u, m, ry);
    }
}

static void batch_norm_channels(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    struct plane p = plane_of(&c->k.in[0]);
    float count = (float)(p.n * p.area), eps = (float)cpu_float(c->k.node, "eps", 1e-5);
    bool relu = cpu_int(c->k.node, "relu", 0) != 0;
    (void)thread;
    for (int64_t ch = begin; ch < end; ch++) {
        float mean = channel_sum(c, &p, ch, NULL) / count;
        float var = channel_sum(c, &p, ch, &mean) / count;
        struct channel by = {mean, sqrtf(var + eps),
                             ((const float *)c->k.in[1].data)[ch],
                             ((const float *)c->k.in[2].data)[ch]};
        for (int64_t i = 0; c->k.out[0].data && i < p.n; i++)
            plane_apply(channel_apply, c, 3, relu, by, (i * p.channels + ch) * p.area,
                        p.area);
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
        struct channel by = {((const float *)c->k.in[3].data)[ch], 0.0f,
                             ((const float *)c->k.in[1].data)[ch] /
                                 sqrtf(((const float *)c->k.in[4].data)[ch] + eps),
                             ((const float *)c->k.in[2].data)[ch]};
        plane_apply(channel_infer, c, 5, relu, by, u * p.area, p.area);
    }
}

/* in: x scale mean var gy [shift]; out: gx gscale gshift */
static void batch_grad_channels(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    struct plane p = plane_of(&c->k.in[0]);
    const void *x = c->k.in[0].data, *gy = c->k.in[4].data;
    void *gx = c->k.out[0].data;
    float part[CHUNK], with[CHUNK], rx[CHUNK], rg[CHUNK];
    float count = (float)(p.n * p.area), eps = (float)cpu_float(c->k.node, "eps", 1e-5);
    bool relu = c->k.n_in > 5, low = is_low(&c->k.in[0]),
         low_out = is_low(&c->k.out[0]);
    int64_t step = piece(c, p.area);
    (void)thread;
    for (int64_t ch = begin; ch < end; ch++) {
        struct channel by = {((const float *)c->k.in[2].data)[ch],
                             sqrtf(((const float *)c->k.in[3].data)[ch] + eps),
                             ((const float *)c->k.in[1].data)[ch],
                             relu ? ((const float *)c->k.in[5].data)[ch] : 0.0f};
        float k = by.scale / by.root;
        struct sum_lanes sa = {{0}, 0}, sb = {{0}, 0};
        for (int64_t i = 0; i < p.n; i++)
            for (int64_t u = 0; u < p.area; u += CHUNK) {
                int64_t m = p.area - u < CHUNK ? p.area - u : CHUNK;
                int64_t at = (i * p.channels + ch) * p.area + u;
                const float *v = floats(x, low, at, m, rx);
                const float *g = floats(gy, low, at, m, rg);
                if (relu)
                    channel_shares(true, by, v, g, part, with, m);
                else
                    channel_shares(false, by, v, g, part, with, m);
                sum_add(&sa, part, m);
                sum_add(&sb, with, m);
            }
        float total_a = sum_total(&sa), total_b = sum_total(&sb);
        float a = total_a / count, b = total_b / count;
        for (int64_t i = 0; gx && i < p.n; i++)
            for (int64_t u = 0; u < p.area; u += step) {
                int64_t m = p.area - u < step ? p.area - u : step;
                int64_t at = (i * p.channels + ch) * p.area + u;
                const float *v = floats(x, low, at, m, rx);
                const float *g = floats(gy, low, at, m, rg);
                float *to = writes(gx, low_out, at, part);
                if (relu)
                    channel_grad(true, by, a, b, k, v, g, to, m);
                else
                    channel_grad(false, by, a, b, k, v, g, to, m);
                rounded(gx, low_out, at, m, part);
            }
        if (c->k.out[1].data)
            ((float *)c->k.out[1].data)[ch] = total_b;
        if (c->k.out[2].data)
            ((float *)c->k.out[2].data)[ch] = total_a;
    }
}

/* ------------------------------------------------------------------- room */

struct over { /* what to run, over what */
    cpu_range fn;
    int64_t units, cost;
};

static int32_t run(const struct cpu_call *c, struct rn_error *e) {
    const struct over *o = c->state;
    struct cpu_call call = *c;
    (void)e;
    cpu_parallel(c->threads, o->units, 1 + 8192 / (o->cost + 1), o->fn, &call);
    return RN_OK;
}

int32_t CPU_NAME(cpu_normalise)(struct cpu_setup *s, struct rn_error *e) {
    static const struct {
        const char *op;
        cpu_range fn;
        bool planes; /* not channels */
    } table[] = {{"batch_norm", batch_norm_channels, false},
                 {"batch_norm_grad", batch_grad_channels, false},
                 {"batch_norm_infer", batch_infer_channels, true}};
    size_t i = 0;
    while (i < sizeof table / sizeof table[0] && strcmp(table[i].op, s->node->op) != 0)
        i++;
    if (i == sizeof table / sizeof table[0])
        return CPU_NAME(cpu_layer_norm)(s, e);
    struct plane p = plane_of(&s->in[0]);
    if ((s->in[0].dtype != RN_F32 && !is_low(&s->in[0])) ||
        p.area < 8) /* strided columns: better as column sums and regions */
        return 0;
    struct over *o = malloc(sizeof *o);
    if (!o)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    o->fn = table[i].fn;
    o->units = table[i].planes ? p.n * p.channels : p.channels;
    o->cost = (int64_t)s->in[0].count / o->units;
    if (table[i].fn == batch_grad_channels)
        s->in_place = 1u << 4; /* gx over gy, read for the last time */
    s->state = o;
    s->run = run;
    s->kernel = "fused";
    return 1;
}
