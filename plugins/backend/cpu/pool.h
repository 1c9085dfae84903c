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
                           .what = what};
    return p;
}

#endif
