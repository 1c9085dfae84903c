/* SPDX-License-Identifier: Apache-2.0 */
/* What the APIs of oneDNN 2.x and 3.x do not share, behind one interface: onednn2.c
 * and onednn3.c implement it, and the build takes the one that fits the installed
 * header. All other calls are the same in both and are made by onednn.c. */
#ifndef CPU_ONEDNN_H
#define CPU_ONEDNN_H

#include <dnnl.h>

/* A tensor by value, as long as the library has no object for it. */
struct onednn_tensor {
    int rank; /* 0: absent */
    dnnl_data_type_t type;
    dnnl_format_tag_t tag; /* any: the kernel chooses; undef: by strides */
    dnnl_dims_t dims, strides;
};

/* The library's description of a tensor. What a primitive answers is borrowed from it;
 * what onednn_layout_create makes is destroyed by the caller. */
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t onednn_layout;
#else
typedef const dnnl_memory_desc_t *onednn_layout;
#endif
/* *out is NULL on failure. */
dnnl_status_t onednn_layout_create(onednn_layout *out, const struct onednn_tensor *t);
void onednn_layout_destroy(onednn_layout l); /* takes NULL */

enum onednn_pass { ONEDNN_FORWARD, ONEDNN_GRAD_INPUT, ONEDNN_GRAD_WEIGHT };

struct onednn_convolution {
    enum onednn_pass pass;
    dnnl_alg_kind_t algorithm;
    /* Images, weights, images; of a gradient, that is where it is written. bias:
     * forward only, may be absent. */
    struct onednn_tensor x, w, y, bias;
    dnnl_dims_t stride, low, high; /* of rows, columns; padding before and after */
    dnnl_dims_t dilation;          /* 0: none */
};

/* forward: of the same convolution, for gradients; else NULL. The caller destroys *out,
 * which is NULL on failure. */
dnnl_status_t onednn_convolution_create(dnnl_primitive_desc_t *out,
                                        const struct onednn_convolution *c,
                                        const_dnnl_primitive_desc_t forward,
                                        const_dnnl_primitive_attr_t attr,
                                        dnnl_engine_t engine);

/* y = a b + bias, of equal ranks; bias->rank 0: none. *out as above. */
struct onednn_product {
    struct onednn_tensor a, b, bias, y;
};
dnnl_status_t onednn_product_create(dnnl_primitive_desc_t *out,
                                    const struct onednn_product *p,
                                    const_dnnl_primitive_attr_t attr,
                                    dnnl_engine_t engine);

#endif
