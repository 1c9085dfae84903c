/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalisation of blocked images, [N,C/b,H,W,b], f32 or bf16: the channels of a
 * pixel side by side make the vectors. Same operations and same sums as for [N,C,H,W]
 * (normalise.c), so the same bits. Pooling: blocked_pool.c. */
#include <stdlib.h>

#include "isa.h"

#define INLINE static inline __attribute__((always_inline))

/* Sixteen channels at a time (fewer at the end of a block), as chunks. */
struct norm {
    int64_t n, area, blocks, block;
    int64_t chunks;    /* of a block */
    int64_t parts;     /* that the 16 lanes of a sum are divided into: 1 or 4 */
    char what;         /* f: forward, g: gradient, i: with given statistics */
    bool low, low_out; /* x and what is read beside it are bf16; so is the result */
    bool relu;         /* behind it */
    int plus;          /* the input that is added to the result, or 0 */
    float eps, count;
};

struct chunk {
    int64_t offset;  /* of its first channel in an image */
    int64_t channel; /* its number */
    int64_t width;
};

INLINE struct chunk chunk_of(const struct norm *p, int64_t u) {
    int64_t block = u / p->chunks, first = u % p->chunks * 16;
    int64_t left = p->block - first;
    return (struct chunk){block * p->area * p->block + first, block * p->block + first,
                          left < 16 ? left : 16};
}

/* The workspace: sums by chunk and lane, two of them; then two numbers a channel. */
INLINE float *sums_of(const struct cpu_call *c, int64_t chunk, int which) {
    return (float *)(void *)c->workspace + (2 * chunk + which) * 256;
}

INLINE float *numbers_of(const struct cpu_call *c, const struct norm *p, int which) {
    int64_t channels = p->blocks * p->chunks * 16;
    return (float *)(void *)c->workspace + p->blocks * p->chunks * 512 +
           which * channels;
}

typedef struct {
    float v[16];
} __attribute__((aligned(64))) channels16;

/* What each channel is normalised with, side by side. */
struct numbers {
    channels16 mean, root, scale, shift;
    channels16 a, b, k; /* of the gradient: means of gy and gy * xhat, scale / root */
};

/* Element k of f32 or, low, of bf16; and where it is. */
INLINE float get(const void *p, bool low, int64_t k) {
    return low ? rn_f32_from_bf16(((const uint16_t *)p)[k]) : ((const float *)p)[k];
}

INLINE void put(void *p, bool low, int64_t k, float v) {
    if (low)
        ((uint16_t *)p)[k] = rn_bf16_from_f32(v);
    else
        ((float *)p)[k] = v;
}

INLINE const void *from(const void *p, bool low, int64_t k) {
    return (const char *)p + k * (low ? 2 : 4);
}

INLINE void *to(void *p, bool low, int64_t k) {
    return (char *)p + k * (low ? 2 : 4);
}

/* Sixteen channels of a pixel as one vector. */
typedef uint32_t words16 __attribute__((vector_size(64), may_alias));
typedef uint16_t halves16 __attribute__((vector_size(32), aligned(2), may_alias));

INLINE lanes16 get16(const void *p, bool low) {
    if (!low)
        return *(const lanes16 *)p;
    return (lanes16)(__builtin_convertvector(*(const halves16 *)p, words16) << 16);
}

/* As rn_bf16_from_f32 rounds. */
INLINE void put16(void *p, bool low, lanes16 v) {
    words16 u = (words16)v, is_nan = (words16)(v != v);
    words16 near = (u + 0x7fffu + (u >> 16 & 1u)) >> 16, quiet = u >> 16 | 0x40u;
    if (low)
        *(halves16 *)p =
            __builtin_convertvector((is_nan & quiet) | (~is_nan & near), halves16);
    else
        *(lanes16 *)p = v;
}

INLINE lanes16 of16(const channels16 *n) {
    return *(const lanes16 *)(const void *)n->v;
}

/* v where `take`, else 0. */
INLINE lanes16 where16(ints16 take, lanes16 v) {
    return (lanes16)(take & (ints16)v);
}

INLINE lanes16 passes16(lanes16 t, const struct numbers *n, lanes16 g) {
    return where16(t * of16(&n->scale) + of16(&n->shift) > 0.0f, g);
}

INLINE void add16(float *to, lanes16 v) {
    *(lanes16 *)(void *)to += v;
}

/* What passes through ReLU. */
INLINE float passes(float t, const struct numbers *n, int64_t k, float g) {
    return t * n->scale.v[k] + n->shift.v[k] > 0.0f ? g : 0.0f;
}

/* One pixel's share of the sums a and b. pass: s sum of x, v of squares of x - mean,
 * g of gy and of gy times normalised x, r the same behind a ReLU. */
INLINE void pixel(char pass, bool low, const void *x, const void *g,
                  const struct numbers *n, int64_t w, float *a, float *b) {
    if (w == 16 && pass == 's') {
        add16(a, get16(x, low));
    } else if (w == 16 && pass == 'v') {
        lanes16 d = get16(x, low) - of16(&n->mean);
        add16(a, d * d);
    } else if (w == 16) {
        lanes16 t = (get16(x, low) - of16(&n->mean)) / of16(&n->root);
        lanes16 h = get16(g, low);
        h = pass == 'r' ? passes16(t, n, h) : h;
        add16(a, h);
        add16(b, h * t);
    } else if (pass == 's') {
        EACH(k, w) a[k] += get(x, low, k);
    } else if (pass == 'v') {
        EACH(k, w) {
            float d = get(x, low, k) - n->mean.v[k];
            a[k] += d * d;
        }
    } else {
        EACH(k, w) {
            float t = (get(x, low, k) - n->mean.v[k]) / n->root.v[k];
            float h = get(g, low, k);
            h = pass == 'r' ? passes(t, n, k, h) : h;
            a[k] += h;
            b[k] += h * t;
        }
    }
}

static void moments_of(const struct cpu_call *c, const struct norm *p, int64_t u,
                       struct chunk h, struct numbers *n) {
    const float *scale = (const float *)c->k.in[1].data + h.channel;
    const float *shift = c->k.in[p->what != 'g' ? 2 : p->relu ? 5 : 1].data;
    memset(n, 0, sizeof *n);
    memcpy(n->mean.v, numbers_of(c, p, 0) + u * 16, sizeof n->mean.v);
    memcpy(n->root.v, numbers_of(c, p, 1) + u * 16, sizeof n->root.v);
    memcpy(n->scale.v, scale, (size_t)h.width * sizeof *scale);
    memcpy(n->shift.v, shift + h.channel, (size_t)h.width * sizeof *shift);
}

/* Lanes [from,to) of the sums over all pixels: pixel i of n * area belongs to lane
 * i % 16, as in rn_sum_f32. */
INLINE void lanes_pass(const struct cpu_call *c, const struct norm *p, char pass,
                       bool low, int64_t u, struct chunk h, int64_t w, int64_t b,
                       int first, int end) {
    bool grad = pass == 'g' || pass == 'r';
    const void *x = from(c->k.in[0].data, low, h.offset);
    const void *g = grad ? from(c->k.in[4].data, low, h.offset) : x;
    int64_t image = p->blocks * p->area * b;
    channels16 sa[16], sb[16];
    struct numbers n;
    moments_of(c, p, u, h, &n);
    memset(sa, 0, sizeof sa);
    memset(sb, 0, sizeof sb);
    int phase = 0;
    for (int64_t i = 0; i < p->n; i++) {
        const void *xi = from(x, low, i * image), *gi = from(g, low, i * image);
        int64_t q = 0;
        for (; phase && q < p->area; q++, phase = (phase + 1) & 15)
            if (phase >= first && phase < end)
                pixel(pass, low, from(xi, low, q * b), from(gi, low, q * b), &n, w,
                      sa[phase].v, sb[phase].v);
        for (; q + 16 <= p->area; q += 16)
            for (int l = first; l < end; l++)
                pixel(pass, low, from(xi, low, (q + l) * b), from(gi, low, (q + l) * b),
                      &n, w, sa[l].v, sb[l].v);
        for (; q < p->area; q++, phase = (phase + 1) & 15)
            if (phase >= first && phase < end)
                pixel(pass, low, from(xi, low, q * b), from(gi, low, q * b), &n, w,
                      sa[phase].v, sb[phase].v);
    }
    for (int l = first; l < end; l++) {
        memcpy(sums_of(c, u, 0) + 16 * l, sa[l].v, sizeof sa[l].v);
        memcpy(sums_of(c, u, 1) + 16 * l, sb[l].v, sizeof sb[l].v);
    }
}

INLINE void lanes_of(const struct cpu_call *c, int64_t begin, int64_t end, char pass,
                     bool low) {
    const struct norm *p = c->state;
    for (int64_t i = begin; i < end; i++) {
        int64_t u = i / p->parts;
        int first = p->parts == 1 ? 0 : (int)(i % p->parts) * 4;
        int last = p->parts == 1 ? 16 : first + 4;
        struct chunk h = chunk_of(p, u);
        bool usual = h.width == 16;
        if (usual && p->block == 16 && p->parts == 1)
            lanes_pass(c, p, pass, low, u, h, 16, 16, 0, 16);
        else if (usual && p->parts == 1)
            lanes_pass(c, p, pass, low, u, h, 16, p->block, 0, 16);
        else if (usual)
            lanes_pass(c, p, pass, low, u, h, 16, p->block, first, first + 4);
        else
            lanes_pass(c, p, pass, low, u, h, h.width, p->block, first, last);
    }
}

INLINE void lanes_range(void *context, int64_t begin, int64_t end, char pass) {
    const struct cpu_call *c = context;
    const struct norm *p = c->state;
    if (p->low)
        lanes_of(c, begin, end, pass, true);
    else
        lanes_of(c, begin, end, pass, false);
}

static void sum_range(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread;
    lanes_range(context, begin, end, 's');
}

static void square_range(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread;
    lanes_range(context, begin, end, 'v');
}

static void grad_range(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread;
    lanes_range(context, begin, end, 'g');
}

static void relu_grad_range(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread;
    lanes_range(context, begin, end, 'r');
}

/* The tree over the lanes. */
static void total(float *lane) {
    for (int w = 8; w; w /= 2)
        for (int k = 0; k < w; k++) {
            EACH(j, 16) lane[16 * k + j] += lane[16 * (k + w) + j];
        }
}

/* max(t, 0), NaN passes. */
INLINE float positive(float t) {
    return t < 0.0f ? 0.0f : t;
}

/* Of which types the images are: what is read, what is written. */
struct kind {
    bool low, low_out;
};

/* y = (x - mean) / root * scale + shift; or (x - mean) * scale + shift ('i'); plus g
 * and through ReLU where they are. One plane of one image. */
INLINE void apply_plane(char what, bool relu, struct kind t, const void *x,
                        const void *g, void *y, int64_t area, int64_t b, int64_t w,
                        const struct numbers *n) {
    for (int64_t q = 0; q < area; q++) {
        const void *xq = from(x, t.low, q * b);
        const void *gq = g ? from(g, t.low, q * b) : NULL;
        void *yq = to(y, t.low_out, q * b);
        if (w == 16) {
            lanes16 v = get16(xq, t.low) - of16(&n->mean);
            if (what != 'i')
                v = v / of16(&n->root);
            v = v * of16(&n->scale) + of16(&n->shift);
            if (g)
                v = v + get16(gq, t.low);
            put16(yq, t.low_out, relu ? where16(~(v < 0.0f), v) : v);
            continue;
        }
        EACH(k, w) {
            float v = get(xq, t.low, k) - n->mean.v[k];
            v = what == 'i' ? v : v / n->root.v[k];
            v = v * n->scale.v[k] + n->shift.v[k];
            v = g ? v + get(gq, t.low, k) : v;
            put(yq, t.low_out, k, relu ? positive(v) : v);
        }
    }
}

/* The gradient of x; y may be g. */
INLINE void grad_plane(bool relu, struct kind t, const void *x, const void *g, void *y,
                       int64_t area, int64_t b, int64_t w, const struct numbers *n) {
    for (int64_t q = 0; q < area; q++) {
        const void *xq = from(x, t.low, q * b), *gq = from(g, t.low, q * b);
        void *yq = to(y, t.low_out, q * b);
        if (w == 16) {
            lanes16 v = (get16(xq, t.low) - of16(&n->mean)) / of16(&n->root);
            lanes16 h = get16(gq, t.low);
            h = relu ? passes16(v, n, h) : h;
            put16(yq, t.low_out, ((h - of16(&n->a)) - v * of16(&n->b)) * of16(&n->k));
            continue;
        }
        EACH(k, w) {
            float v = (get(xq, t.low, k) - n->mean.v[k]) / n->root.v[k];
            float h = get(gq, t.low, k);
            h = relu ? passes(v, n, k, h) : h;
            put(yq, t.low_out, k, ((h - n->a.v[k]) - v * n->b.v[k]) * n->k.v[k]);
        }
    }
}

/* All that is applied to a channel. */
static void numbers(const struct cpu_call *c, const struct norm *p, int64_t u,
                    struct chunk h, struct numbers *n) {
    moments_of(c, p, u, h, n);
    for (int64_t k = 0; k < h.width; k++) {
        if (p->what == 'i') {
            const float *mean = c->k.in[3].data, *var = c->k.in[4].data;
            n->mean.v[k] = mean[h.channel + k];
            n->scale.v[k] = n->scale.v[k] / sqrtf(var[h.channel + k] + p->eps);
        } else if (p->what == 'g') {
            n->a.v[k] = sums_of(c, u, 0)[k] / p->count;
            n->b.v[k] = sums_of(c, u, 1)[k] / p->count;
            n->k.v[k] = n->scale.v[k] / n->root.v[k];
        }
    }
}

/* t; b, w: of the usual block: as constants. */
INLINE void apply_chunk(const struct norm *p, struct kind t, const void *x,
                        const void *g, void *y, int64_t b, int64_t w,
                        const struct numbers *n) {
    if (p->what == 'g' && p->relu)
        grad_plane(true, t, x, g, y, p->area, b, w, n);
    else if (p->what == 'g')
        grad_plane(false, t, x, g, y, p->area, b, w, n);
    else if (p->what == 'i')
        apply_plane('i', p->relu, t, x, g, y, p->area, b, w, n);
    else if (g)
        apply_plane('f', p->relu, t, x, g, y, p->area, b, w, n);
    else if (p->relu)
        apply_plane('f', true, t, x, NULL, y, p->area, b, w, n);
    else
        apply_plane('f', false, t, x, NULL, y, p->area, b, w, n);
}

INLINE void apply_of(const struct cpu_call *c, int64_t begin, int64_t end,
                     struct kind t) {
    const struct norm *p = c->state;
    int64_t units = p->blocks * p->chunks;
    for (int64_t i = begin; i < end; i++) { /* chunks of images */
        int64_t u = i % units;
        struct chunk h = chunk_of(p, u);
        int64_t at = i / units * p->blocks * p->area * p->block + h.offset;
        struct numbers n;
        numbers(c, p, u, h, &n);
        const void *x = from(c->k.in[0].data, t.low, at);
        const void *g = p->plus ? from(c->k.in[p->plus].data, t.low, at) : NULL;
        void *y = to(c->k.out[0].data, t.low_out, at);
        if (p->block == 16)
            apply_chunk(p, t, x, g, y, 16, 16, &n);
        else if (h.width == 16)
            apply_chunk(p, t, x, g, y, p->block, 16, &n);
        else
            apply_chunk(p, t, x, g, y, p->block, h.width, &n);
    }
}

static void apply_range(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct norm *p = c->state;
    (void)thread;
    if (!p->low)
        apply_of(c, begin, end, (struct kind){false, false});
    else if (p->low_out)
        apply_of(c, begin, end, (struct kind){true, true});
    else
        apply_of(c, begin, end, (struct kind){true, false});
}

static void moments(const struct cpu_call *c, const struct norm *p, bool mean) {
    float *to = numbers_of(c, p, mean ? 0 : 1);
    float *out = c->k.out[mean ? 1 : 2].data;
    for (int64_t u = 0; u < p->blocks * p->chunks; u++) {
        struct chunk h = chunk_of(p, u);
        float *sum = sums_of(c, u, 0);
        total(sum);
        for (int64_t k = 0; k < h.width; k++) {
            float v = sum[k] / p->count;
            to[u * 16 + k] = mean ? v : sqrtf(v + p->eps);
            if (out)
                out[h.channel + k] = v;
        }
    }
}

static void given(const struct cpu_call *c, const struct norm *p) {
    const float *mean = c->k.in[2].data, *var = c->k.in[3].data;
    for (int64_t u = 0; u < p->blocks * p->chunks; u++) {
        struct chunk h = chunk_of(p, u);
        for (int64_t k = 0; k < 16; k++) {
            bool is = k < h.width;
            numbers_of(c, p, 0)[u * 16 + k] = is ? mean[h.channel + k] : 0.0f;
            numbers_of(c, p, 1)[u * 16 + k] =
                is ? sqrtf(var[h.channel + k] + p->eps) : 1.0f;
        }
    }
}

static void gradients(const struct cpu_call *c, const struct norm *p) {
    for (int64_t u = 0; u < p->blocks * p->chunks; u++) {
        struct chunk h = chunk_of(p, u);
        float *a = sums_of(c, u, 0), *b = sums_of(c, u, 1);
        total(a);
        total(b);
        for (int64_t k = 0; k < h.width; k++) {
            if (c->k.out[1].data)
                ((float *)c->k.out[1].data)[h.channel + k] = b[k];
            if (c->k.out[2].data)
                ((float *)c->k.out[2].data)[h.channel + k] = a[k];
        }
    }
}

static int32_t run_norm(const struct cpu_call *c, struct rn_error *e) {
    const struct norm *p = c->state;
    struct cpu_call call = *c;
    int64_t units = p->blocks * p->chunks, lanes = units * p->parts;
    (void)e;
    if (p->what == 'f') {
        memset(numbers_of(c, p, 0), 0, (size_t)units * 16 * sizeof(float));
        cpu_parallel(c->threads, lanes, 1, sum_range, &call);
        moments(c, p, true);
        cpu_parallel(c->threads, lanes, 1, square_range, &call);
        moments(c, p, false);
    } else if (p->what == 'g') {
        given(c, p);
        cpu_parallel(c->threads, lanes, 1, p->relu ? relu_grad_range : grad_range,
                     &call);
        gradients(c, p);
    }
    if (c->k.out[0].data)
        cpu_parallel(c->threads, p->n * units, 1 + 4096 / (p->area + 1), apply_range,
                     &call);
    return RN_OK;
}

/* The image that is read beside x in the last pass. */
static int plus_of(char what, uint32_t inputs) {
    int at = what == 'f' ? 3 : what == 'i' ? 5 : 4;
    return (uint32_t)at < inputs ? at : 0;
}

static int32_t room_norm(struct cpu_setup *s, char what, struct rn_error *e) {
    const struct kernel_tensor *x = &s->in[0];
    struct norm *p = malloc(sizeof *p);
    bool low = x->dtype == RN_BF16;
    if (!p)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    *p = (struct norm){.n = x->shape[0],
                       .area = x->shape[2] * x->shape[3],
                       .blocks = x->shape[1],
                       .block = x->shape[4],
                       .chunks = (x->shape[4] + 15) / 16,
                       .what = what,
                       .low = low,
                       .low_out = s->out[0].dtype == RN_BF16,
                       .relu = cpu_int(s->node, "relu", 0) != 0,
                       .plus = plus_of(what, s->n_in),
                       .eps = (float)cpu_float(s->node, "eps", 1e-5)};
    p->count = (float)(p->n * p->area);
    p->parts = p->blocks * p->chunks < s->threads ? 4 : 1;
    s->workspace =
        cpu_align((uint64_t)(p->blocks * p->chunks) * (512 + 32) * sizeof(float));
    s->in_place = what == 'g' ? 1u << 4 : 0; /* gx over gy, read for the last time */
    s->state = p;
    s->run = run_norm;
    s->kernel = "blocked";
    return 1;
}

int32_t CPU_NAME(cpu_blocked)(struct cpu_setup *s, struct rn_error *e) {
    static const struct {
        const char *op;
        char what;
    } table[] = {
        {"batch_norm", 'f'}, {"batch_norm_grad", 'g'}, {"batch_norm_infer", 'i'}};
    bool takes = s->in[0].dtype == RN_F32 || s->in[0].dtype == RN_BF16;
    if (!takes || !cpu_int(s->node, "block", 0))
        return 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].op, s->node->op) == 0)
            return room_norm(s, table[i].what, e);
    return CPU_NAME(cpu_blocked_pool)(s, e);
}
