/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products and convolutions by the built-in gemm: for machines without oneDNN and for
 * `deterministic: threads`. Convolutions go through columns (im2col), image by image.
 */
#include <stdlib.h>
#include <string.h>

#include "cpu.h"

struct product {
    int64_t m, n, k, batches, parts;
    bool ta, tb;
    bool columns; /* the parts are columns, else rows */
};

struct conv {
    int64_t images, groups, channels, outs; /* channels, outs: of one group */
    int64_t height, width, rows, columns;
    int64_t kh, kw, sh, sw, top, left, dh, dw;
};

struct state {
    const struct cpu_isa *isa;
    struct product p;
    struct conv v;
    uint64_t scratch; /* bytes for one thread */
};

static char *scratch_of(const struct cpu_call *c, int thread) {
    return c->workspace + (size_t)thread * ((const struct state *)c->state)->scratch;
}

/* ------------------------------------------------------------------ matmul */

/* Start of matrix `batch` of an operand that broadcasts over o's leading dims. */
static int64_t batch_of(const struct kernel_tensor *x, const struct kernel_tensor *o,
                        int64_t batch) {
    int64_t at = 0, step = 1;
    for (uint32_t i = 2; i < o->rank; i++) {
        int64_t size = o->shape[o->rank - 1 - i], k = batch % size;
        batch /= size;
        if (i < x->rank) {
            at += x->shape[x->rank - 1 - i] == 1 ? 0 : k * step;
            step *= x->shape[x->rank - 1 - i];
        }
    }
    return at;
}

static void matmul_units(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct state *s = c->state;
    const struct product *p = &s->p;
    const struct kernel_tensor *o = &c->k.out[0];
    bool linear = strcmp(c->k.node->op, "linear") == 0;
    for (int64_t u = begin; u < end; u++) {
        int64_t batch = u / p->parts, part = u % p->parts;
        int64_t at = linear ? 0 : batch_of(&c->k.in[0], o, batch);
        int64_t bt = linear ? 0 : batch_of(&c->k.in[1], o, batch);
        int64_t m0 = 0, m1 = p->m, n0 = 0, n1 = p->n;
        if (p->columns) {
            n0 = p->n * part / p->parts;
            n1 = p->n * (part + 1) / p->parts;
        } else {
            m0 = p->m * part / p->parts;
            m1 = p->m * (part + 1) / p->parts;
        }
        struct cpu_gemm g = {.m = m1 - m0,
                             .n = n1 - n0,
                             .k = p->k,
                             .a_row = p->ta ? 1 : p->k,
                             .a_col = p->ta ? p->m : 1,
                             .b_row = p->tb ? 1 : p->n,
                             .b_col = p->tb ? p->k : 1,
                             .c_row = p->n};
        g.a = (const float *)c->k.in[0].data + at * p->m * p->k + m0 * g.a_row;
        g.b = (const float *)c->k.in[1].data + bt * p->k * p->n + n0 * g.b_col;
        g.c = (float *)o->data + (batch * p->m + m0) * p->n + n0;
        if (linear && c->k.n_in > 2) {
            const float *bias = c->k.in[2].data;
            for (int64_t i = 0; i < g.m; i++)
                memcpy(g.c + i * g.c_row, bias + n0, (size_t)g.n * sizeof *bias);
            g.add = true;
        }
        s->isa->gemm(&g, scratch_of(c, thread));
    }
}

static int32_t run_matmul(const struct cpu_call *c, struct rn_error *e) {
    const struct state *s = c->state;
    struct cpu_call call = *c;
    (void)e;
    cpu_parallel(c->threads, s->p.batches * s->p.parts,
                 1 + 200000 * s->p.parts / (s->p.m * s->p.n * s->p.k + 1), matmul_units,
                 &call);
    return RN_OK;
}

/* ------------------------------------------------------------- convolution */

/* Output columns j whose pixel x0 + j sw is inside the image. */
static void inside(const struct conv *v, int64_t x0, int64_t *begin, int64_t *end) {
    int64_t last = v->width - 1 - x0;
    *begin = x0 >= 0 ? 0 : (-x0 + v->sw - 1) / v->sw;
    *end = last < 0 ? 0 : last / v->sw + 1;
    *end = *end < v->columns ? *end : v->columns;
    *begin = *begin < *end ? *begin : *end;
}

/* Columns of `count` channels: [channel, cell of the window, output pixel]. */
static void image_to_columns(const struct conv *v, const float *image, int64_t count,
                             float *to) {
    for (int64_t ch = 0; ch < count; ch++)
        for (int64_t a = 0; a < v->kh; a++)
            for (int64_t b = 0; b < v->kw; b++) {
                int64_t x0 = b * v->dw - v->left, begin, end;
                inside(v, x0, &begin, &end);
                for (int64_t i = 0; i < v->rows; i++, to += v->columns) {
                    int64_t y = i * v->sh - v->top + a * v->dh;
                    if (y < 0 || y >= v->height || begin == end) {
                        memset(to, 0, (size_t)v->columns * sizeof *to);
                        continue;
                    }
                    const float *row = image + (ch * v->height + y) * v->width + x0;
                    for (int64_t j = 0; j < begin; j++)
                        to[j] = 0.0f;
                    if (v->sw == 1)
                        memcpy(to + begin, row + begin,
                               (size_t)(end - begin) * sizeof *to);
                    else
                        for (int64_t j = begin; j < end; j++)
                            to[j] = row[j * v->sw];
                    for (int64_t j = end; j < v->columns; j++)
                        to[j] = 0.0f;
                }
            }
}

static void columns_to_image(const struct conv *v, const float *from, int64_t count,
                             float *image) {
    for (int64_t ch = 0; ch < count; ch++)
        for (int64_t a = 0; a < v->kh; a++)
            for (int64_t b = 0; b < v->kw; b++) {
                int64_t x0 = b * v->dw - v->left, begin, end;
                inside(v, x0, &begin, &end);
                for (int64_t i = 0; i < v->rows; i++, from += v->columns) {
                    int64_t y = i * v->sh - v->top + a * v->dh;
                    if (y < 0 || y >= v->height)
                        continue;
                    float *row = image + (ch * v->height + y) * v->width + x0;
                    if (v->sw == 1)
                        for (int64_t j = begin; j < end; j++)
                            row[j] += from[j];
                    else
                        for (int64_t j = begin; j < end; j++)
                            row[j * v->sw] += from[j];
                }
            }
}

/* Units: image and group. */
static void conv_units(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct state *s = c->state;
    const struct conv *v = &s->v;
    int64_t cells = v->kh * v->kw, area = v->height * v->width;
    int64_t outs = v->rows * v->columns;
    char *pack = scratch_of(c, thread);
    float *columns = (float *)(void *)(pack + s->isa->pack_bytes);
    bool forward = strcmp(c->k.node->op, "conv2d") == 0;
    const float *weight = c->k.in[forward ? 1 : 0].data;
    const float *bias = forward && c->k.n_in > 2 ? c->k.in[2].data : NULL;
    float *x = forward ? c->k.in[0].data : c->k.out[0].data;
    float *y = forward ? c->k.out[0].data : c->k.in[1].data;
    for (int64_t u = begin; u < end; u++) {
        int64_t group = u % v->groups;
        float *image = x + u * v->channels * area, *out = y + u * v->outs * outs;
        const float *w = weight + group * v->outs * v->channels * cells;
        if (forward) {
            image_to_columns(v, image, v->channels, columns);
            for (int64_t o = 0; bias && o < v->outs; o++)
                for (int64_t i = 0; i < outs; i++)
                    out[o * outs + i] = bias[group * v->outs + o];
            struct cpu_gemm g = {v->outs, outs,    v->channels * cells,
                                 w,       columns, v->channels * cells,
                                 1,       outs,    1,
                                 out,     outs,    bias != NULL};
            s->isa->gemm(&g, pack);
        } else {
            struct cpu_gemm g = {
                v->channels * cells, outs, v->outs, w,       out,  1,
                v->channels * cells, outs, 1,       columns, outs, false};
            s->isa->gemm(&g, pack);
            memset(image, 0, (size_t)(v->channels * area) * sizeof *image);
            columns_to_image(v, columns, v->channels, image);
        }
    }
}

/* Units: input channels. Each adds image after image to its columns of the weight. */
static void conv_weight_units(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct state *s = c->state;
    const struct conv *v = &s->v;
    int64_t cells = v->kh * v->kw, area = v->height * v->width;
    int64_t outs = v->rows * v->columns;
    char *pack = scratch_of(c, thread);
    float *columns = (float *)(void *)(pack + s->isa->pack_bytes);
    const float *x = c->k.in[0].data, *gy = c->k.in[1].data;
    float *gw = c->k.out[0].data;
    for (int64_t ch = begin; ch < end;) {
        int64_t group = ch / v->channels, stop = (group + 1) * v->channels;
        int64_t first = ch - group * v->channels;
        int64_t count = (stop < end ? stop : end) - ch;
        for (int64_t i = 0; i < v->images; i++) {
            int64_t plane = i * v->groups + group;
            image_to_columns(v, x + (plane * v->channels + first) * area, count,
                             columns);
            struct cpu_gemm g = {.m = v->outs,
                                 .n = count * cells,
                                 .k = outs,
                                 .a = gy + plane * v->outs * outs,
                                 .a_row = outs,
                                 .a_col = 1,
                                 .b = columns,
                                 .b_row = 1,
                                 .b_col = outs,
                                 .c = gw +
                                      (group * v->outs * v->channels + first) * cells,
                                 .c_row = v->channels * cells,
                                 .add = i > 0};
            s->isa->gemm(&g, pack);
        }
        ch += count;
    }
}

static int32_t run_conv(const struct cpu_call *c, struct rn_error *e) {
    const struct state *s = c->state;
    struct cpu_call call = *c;
    bool weight = strcmp(c->k.node->op, "conv2d_grad_weight") == 0;
    (void)e;
    cpu_parallel(c->threads,
                 weight ? s->v.groups * s->v.channels : s->v.images * s->v.groups, 1,
                 weight ? conv_weight_units : conv_units, &call);
    return RN_OK;
}

/* -------------------------------------------------------------------- room */

static bool conv_of(const struct cpu_setup *s, const struct kernel_tensor *x,
                    const struct kernel_tensor *w, const struct kernel_tensor *y,
                    struct conv *v) {
    const struct rn_attr *stride = rn_node_attr(s->node, "stride");
    const struct rn_attr *pad = rn_node_attr(s->node, "pad");
    const struct rn_attr *dilation = rn_node_attr(s->node, "dilation");
    if (!stride || !pad || !dilation)
        return false;
    const int64_t *st = stride->p, *p = pad->p, *d = dilation->p;
    int64_t groups = cpu_int(s->node, "groups", 1);
    *v = (struct conv){x->shape[0], groups,      w->shape[1], w->shape[0] / groups,
                       x->shape[2], x->shape[3], y->shape[2], y->shape[3],
                       w->shape[2], w->shape[3], st[0],       st[1],
                       p[0],        p[1],        d[0],        d[1]};
    return true;
}

static struct product product_of(const struct cpu_setup *s) {
    const struct kernel_tensor *a = &s->in[0], *o = &s->out[0];
    bool linear = strcmp(s->node->op, "linear") == 0;
    struct product p = {.ta = !linear && cpu_int(s->node, "trans_a", 0),
                        .tb = linear || cpu_int(s->node, "trans_b", 0),
                        .n = o->shape[o->rank - 1]};
    p.m = linear ? (int64_t)o->count / p.n : o->shape[o->rank - 2];
    p.k = a->shape[a->rank - (p.ta ? 2 : 1)];
    p.batches = (int64_t)o->count / (p.m * p.n);
    p.parts = p.batches >= s->threads ? 1 : s->threads;
    p.columns = p.n >= p.m;
    return p;
}

static int32_t keep(struct cpu_setup *s, const struct state *st, struct rn_error *e) {
    struct state *state = malloc(sizeof *state);
    if (!state)
        return rn_fail(e, RN_E_MEMORY, "no memory for a product", NULL, NULL);
    *state = *st;
    s->state = state;
    s->workspace = st->scratch * (uint64_t)s->threads;
    return 1;
}

int32_t cpu_products(struct cpu_setup *s, struct rn_error *e) {
    static const char *const names[] = {"matmul", "linear", "conv2d",
                                        "conv2d_grad_input", "conv2d_grad_weight"};
    size_t which = 0;
    struct state st = {.isa = cpu_isa(s->engine)};
    while (which < 5 && strcmp(names[which], s->node->op) != 0)
        which++;
    if (which == 5 || s->out[0].dtype != RN_F32 || s->in[0].dtype != RN_F32)
        return 0;
    st.scratch = cpu_align(st.isa->pack_bytes);
    const struct kernel_tensor *a = &s->in[0], *b = &s->in[1], *o = &s->out[0];
    if (which < 2) {
        st.p = product_of(s);
    } else {
        bool fits = which == 2   ? conv_of(s, a, b, o, &st.v)
                    : which == 3 ? conv_of(s, o, a, b, &st.v)
                                 : conv_of(s, a, o, b, &st.v);
        if (!fits)
            return 0;
        st.scratch += cpu_align(
            (uint64_t)(st.v.channels * st.v.kh * st.v.kw * st.v.rows * st.v.columns) *
            sizeof(float));
    }
    s->run = which < 2 ? run_matmul : run_conv;
    s->kernel = which < 2 ? "gemm" : "columns+gemm";
    return keep(s, &st, e);
}
