/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel is given: one struct by value, the same on the host, on the device and
 * in the emulation. Pointers are device pointers; counts and strides are elements. */
#ifndef CUDA_KERNELS_ARGS_H
#define CUDA_KERNELS_ARGS_H

#include <stdint.h>

#define THREADS  256 /* of every block */
#define MOST_DIM 8   /* RN_MAX_RANK */

/* KERNEL_TYPES says for which types and widths the kernels of a file are wanted. */
#define KERNELS_F32  1
#define KERNELS_F64  2
#define KERNELS_I64  4
#define KERNELS_I32  8
#define KERNELS_8    16
#define KERNELS_16   32
#define KERNELS_32   64
#define KERNELS_64   128
#define KERNELS_BF16 256
#define KERNELS_F16  512
#define KERNELS_ALL  1023

/* Loop over a space in row-major order; dims that are contiguous are merged. */
struct space {
    int64_t rank;
    int64_t size[MOST_DIM];
    int64_t stride[MOST_DIM];
};

struct reduce_args {
    const void *x;
    void *y;
    uint64_t outputs, count; /* count: elements of one reduction */
    int64_t by_column;       /* neighbouring outputs are adjacent in x */
    struct space kept, gone;
};

/* Lines along an axis: outer x n x inner. */
struct line_args {
    const void *x;
    void *y, *y2;     /* y2: i64 indices, or NULL */
    const void *from; /* i32 [lines, n]: order so far */
    void *to;         /* i32 [lines, n] */
    uint64_t count;   /* threads that have something to do */
    int64_t outer, n, inner, k, width;
    int64_t down, exclusive, reverse; /* down: largest first, also arg_max */
    int64_t type;                     /* of integer keys */
};

struct move_args {
    const void *x;
    void *y;
    uint64_t count;
    int64_t start;     /* of the first element in x */
    struct space from; /* sizes: the output's; strides: in x */
};

struct pad_args {
    const void *x;
    void *y;
    uint64_t count; /* of y */
    uint64_t value; /* bits */
    int64_t rank;
    int64_t size[MOST_DIM];                       /* of y */
    int64_t x_size[MOST_DIM], x_stride[MOST_DIM]; /* of x */
    int64_t low[MOST_DIM], step[MOST_DIM];        /* step: interior + 1 */
};

struct concat_args {
    const void *x;
    void *y;
    uint64_t count;            /* of x */
    int64_t part, total, done; /* elements of a row of x, of y, before x in y */
};

struct fill_args {
    void *y;
    uint64_t count, value; /* bits */
};

struct iota_args {
    void *y;
    uint64_t count;
    int64_t n, inner, type;
};

struct random_args {
    void *y;
    const void *seed, *step, *row; /* u32 each */
    uint64_t count, each;
    int64_t by_row, normal;
    uint64_t stream;
};

struct index_args { /* gather, scatter_add */
    const void *x, *index, *updates, *order;
    void *y;
    uint64_t count;         /* of y */
    uint64_t value;         /* bits of what an index outside gives */
    int64_t n, keys, inner; /* size of the axis, number of indices */
    int64_t type;           /* of the indices */
};

struct along_args { /* take_along, put_along_add */
    const void *x, *index, *updates;
    void *y;
    uint64_t count, value;
    int64_t type, axis, rank;
    int64_t x_size[MOST_DIM], index_size[MOST_DIM];
};

struct window_args {
    const void *x, *g; /* g: a gradient, of y's or of x's shape */
    void *y;
    uint64_t count;       /* of what is written */
    int64_t h, w, oh, ow; /* the image, the output */
    int64_t kh, kw, sh, sw, top, left;
    int64_t count_pad, bilinear;
    int64_t block; /* channels that are contiguous; 1: none */
    int64_t wide;  /* 0: 16 bits are rounded */
};

struct norm_args {
    const void *x, *scale, *shift, *mean, *var, *gy;
    const void *added;                /* to y, or NULL */
    void *y, *first, *second;         /* mean and var, or gradients; NULL: not wanted */
    uint64_t count;                   /* of x */
    int64_t n, channels, area, block; /* [n, channels/block, area, block] */
    int64_t relu;                     /* behind it */
    int64_t wide;                     /* y is f32 beside images of 16 bits */
    float eps, unused;
};

struct row_args {                       /* rows that are contiguous: [rows, length] */
    const void *x, *scale, *shift, *gy; /* shift: NULL where there is none */
    void *y, *first, *second;           /* or gradients; NULL: not wanted */
    void *moments;                      /* f32: mean and root of each row */
    int64_t rows, length;
    /* [rows / groups, channels, area], and `per` channels of a row */
    int64_t groups, channels, per, area;
    int64_t count;   /* of a channel */
    int64_t centred; /* rows have means; else by their squares alone */
    int64_t wide;    /* y is f32 beside x of 16 bits */
    float eps, unused;
};

struct softmax_args { /* along an axis: outer x n x inner */
    const void *x, *g, *label;
    void *y;
    int64_t lines, n, inner;
    int64_t by_column; /* neighbouring lines are adjacent */
    int64_t exp;       /* softmax, not its logarithm */
    int64_t type;      /* of labels */
    float hot, cold;   /* targets of the label and of the others */
};

struct matmul_args {
    const void *a, *b, *bias; /* bias: [n] or NULL */
    void *y;
    int64_t wide, wide_bias; /* beside operands of 16 bits: f32 */
    int64_t m, n, k, trans_a, trans_b, batches;
    int64_t rank; /* of the batch; strides in whole matrices' elements, 0: broadcast */
    int64_t size[MOST_DIM], a_stride[MOST_DIM], b_stride[MOST_DIM];
};

struct attention_args { /* q [batch,rows,heads*depth], v [batch,keys,heads*width] */
    const void *q, *k, *v, *yy, *gy, *gsums; /* yy: y, read; gsums: or NULL */
    void *y, *gq, *gk, *gv;                  /* NULL: not wanted */
    void *sums, *less;                       /* [batch,rows,heads]; less: by grad */
    int64_t batch, rows, keys, heads, depth, width;
    int64_t causal, wide; /* wide: results are f32 beside operands of 16 bits */
    uint64_t units;       /* batch, head, block, cut */
    int64_t blocks, cuts; /* of queries or of keys; of a result's columns */
    double scale;
};

struct conv_args {
    const void *x, *w, *y, *bias; /* what is read; the one that is written is `out` */
    void *out;
    uint64_t count;          /* of out */
    int64_t wide, wide_bias; /* beside operands of 16 bits: f32 */
    int64_t batch, c, h, wd; /* image */
    int64_t o, cg, kh, kw;   /* weight [o, cg, kh, kw] */
    int64_t oh, ow;          /* output */
    int64_t sh, sw, top, left, dh, dw, groups;
};

#define CUSTOM_MOST 16

struct custom_args { /* of a plugin's own kernel: runner/operator.h */
    const void *in[CUSTOM_MOST];
    void *out[CUSTOM_MOST];
    uint64_t in_count[CUSTOM_MOST], out_count[CUSTOM_MOST];
    double attr[CUSTOM_MOST];
};

struct widen_args { /* 16 bits to f32 */
    const void *x;
    void *y;
    uint64_t count;
    struct space from;
};

struct bias_args { /* y[n, channel, area] += bias[channel] */
    const void *bias;
    void *y;
    uint64_t count;
    int64_t channels, area;
};

#endif
