/* SPDX-License-Identifier: Apache-2.0 */
/* A pooling operator's numbers, for images [N,C,H,W] (window.c) and blocked ones
 * (blocked.c). */
#ifndef CPU_POOL_H
#define CPU_POOL_H

#include <stdlib.h>

#include "isa.h"

struct pool {
    int64_t kh, kw, sh, sw, top, left;
    int64_t height, width, rows, columns; /* image, output */
    int64_t planes;
    int64_t block; /* channels of a pixel side by side; 0: [N,C,H,W] */
    bool count_pad;
    bool low;        /* images of bf16: each plane is widened, and its result rounded */
    uint64_t room;   /* of the workspace, that `whole` takes for itself */
    cpu_range whole; /* planes of f32 */
    char what; /* m: max, g: its gradient, t: its gather, a: average, b: its gradient */
};

/* Is c taken in place of the maximum b? The first one stays; NaN passes. */
#define TAKE(c, b) (((b) == (b)) & (((c) != (c)) | ((c) > (b))))

/* Of the node s, which is pooling of kind `what`; owned. NULL: no memory, or *big: an
 * image that its places in 32 bits cannot hold. */
static inline struct pool *pool_new(const struct cpu_setup *s, char what, bool *big) {
    const struct kernel_tensor *x = what == 'b' ? &s->out[0] : &s->in[0];
    const struct kernel_tensor *y = what == 'g'   ? &s->in[1]
                                    : what == 'b' ? &s->in[0]
                                                  : &s->out[0];
    const int64_t *kernel = rn_node_attr(s->node, "kernel")->p;
    const int64_t *stride = rn_node_attr(s->node, "stride")->p;
    const int64_t *pad = rn_node_attr(s->node, "pad")->p;
    *big = x->shape[2] * x->shape[3] > INT32_MAX;
    struct pool *p = *big ? NULL : malloc(sizeof *p);
    if (p)
        *p = (struct pool){.kh = kernel[0],
                           .kw = kernel[1],
                           .sh = stride[0],
                           .sw = stride[1],
                           .top = pad[0],
                           .left = pad[1],
                           .height = x->shape[2],
                           .width = x->shape[3],
                           .rows = y->shape[2],
                           .columns = y->shape[3],
                           .planes = x->shape[0] * x->shape[1],
                           .block = x->rank == 5 ? x->shape[4] : 0,
                           .count_pad = cpu_int(s->node, "count_pad", 0) != 0,
                           .low = s->in[0].dtype == RN_BF16,
                           .what = what};
    return p;
}

/* Are the images of s all f32, or all bf16? */
static inline bool pool_takes(const struct cpu_setup *s) {
    rn_dtype t = s->in[0].dtype;
    bool same = (t == RN_F32 || t == RN_BF16) && s->out[0].dtype == t;
    return same && (s->n_in < 2 || s->in[1].dtype == t);
}

/* Elements of a plane: its image (what the gradient gives), its result. */
static inline int64_t pool_image(const struct pool *p) {
    return p->height * p->width * (p->block ? p->block : 1);
}

static inline int64_t pool_result(const struct pool *p) {
    return p->rows * p->columns * (p->block ? p->block : 1);
}

/* The workspace for `threads`: what `whole` takes, then three planes of each thread. */
static inline uint64_t pool_workspace(const struct pool *p, int threads) {
    uint64_t planes = 2 * cpu_align((uint64_t)pool_image(p) * sizeof(float)) +
                      cpu_align((uint64_t)pool_result(p) * sizeof(float));
    return p->room + (p->low ? planes * (uint64_t)threads : 0);
}

static inline void pool_widen(const void *from, int64_t at, int64_t n, float *to) {
    const uint16_t *x = (const uint16_t *)from + at;
    EACH(i, n) to[i] = rn_f32_from_bf16(x[i]);
}

/* Planes of bf16, one after the other through the workspace. */
static void pool_narrow(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct pool *p = c->state;
    struct kernel_tensor in[2] = {c->k.in[0], c->k.in[c->k.n_in > 1]},
                         out = c->k.out[0];
    struct pool one = *p;
    struct cpu_call call = *c;
    int64_t image = pool_image(p), result = pool_result(p);
    int64_t n_in = p->what == 'b' ? result : image;
    int64_t n_out = p->what == 'm' || p->what == 'a' ? result : image;
    uint64_t tall = cpu_align((uint64_t)image * sizeof(float));
    char *scratch =
        c->workspace + p->room + (pool_workspace(p, 1) - p->room) * (uint64_t)thread;
    one.low = false;
    in[0].data = scratch;
    out.data = scratch + tall;
    in[1].data = scratch + 2 * tall;
    call.state = &one;
    call.k.in = in;
    call.k.out = &out;
    for (int64_t k = begin; k < end; k++) {
        uint16_t *y = (uint16_t *)c->k.out[0].data + k * n_out;
        const float *from = out.data;
        pool_widen(c->k.in[0].data, k * n_in, n_in, in[0].data);
        if (c->k.n_in > 1)
            pool_widen(c->k.in[1].data, k * result, result, in[1].data);
        p->whole(&call, 0, 1, thread);
        EACH(i, n_out) y[i] = rn_bf16_from_f32(from[i]);
    }
}

#endif
