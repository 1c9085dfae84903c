/* SPDX-License-Identifier: Apache-2.0 */
/* A matrix product or a convolution, read from its node: for our own kernels and for
 * the libraries alike. */
#ifndef CUDA_PRODUCTS_H
#define CUDA_PRODUCTS_H

#include "engine.h"

/* y [batches,m,n] = a [..,m,k] b [..,k,n] (+ bias [n]); strides of the batch's dims in
 * elements, 0: broadcast. With trans it is stored transposed. */
struct product {
    int64_t m, n, k, batches, rank;
    bool trans_a, trans_b;
    int64_t size[RN_MAX_RANK], a_stride[RN_MAX_RANK], b_stride[RN_MAX_RANK];
    const struct tensor *a, *b, *bias, *y; /* bias: NULL */
    bool relu;                             /* behind it */
    const struct tensor *rows;             /* [m]: sums of a's rows, or NULL */
};
bool cuda_product(const struct cuda_setup *s, struct product *p);

enum conv_pass { CONV_FORWARD, CONV_INPUT, CONV_WEIGHT };
struct conv {
    enum conv_pass pass;
    const struct tensor *x, *w, *y, *bias; /* one of x, w, y is what is written */
    int64_t stride[2], pad[4], dilation[2], groups;
};
bool cuda_conv(const struct cuda_setup *s, struct conv *c);

static inline bool cuda_narrow(rn_dtype t) {
    return t == RN_BF16 || t == RN_F16;
}
/* "f32", "f64", "bf16", "f16": of kernels that take 16 bits. */
const char *cuda_float_suffix(rn_dtype t);
/* Operands of one float type; the result is of it too, or f32 beside 16 bits. */
bool cuda_product_types(const struct cuda_setup *s);
/* Does cuBLASLt multiply this type here? A plan made for a chip says what it would. */
bool cuda_lt_multiplies(const struct cuda_device *d, rn_dtype t);

#endif
