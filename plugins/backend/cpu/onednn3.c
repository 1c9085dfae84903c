/* SPDX-License-Identifier: Apache-2.0 */
/* oneDNN 3.x: descriptions of tensors are opaque objects, and a primitive descriptor is
 * made of them at once. */
#include <stdint.h>

#include "onednn.h"

static dnnl_status_t describe(dnnl_memory_desc_t *out, const struct onednn_tensor *t) {
    *out = NULL;
    if (t->tag == dnnl_format_tag_undef)
        return dnnl_memory_desc_create_with_strides(out, t->rank, t->dims, t->type,
                                                    t->strides);
    return dnnl_memory_desc_create_with_tag(out, t->rank, t->dims, t->type, t->tag);
}

dnnl_status_t onednn_layout_create(onednn_layout *out, const struct onednn_tensor *t) {
    dnnl_memory_desc_t made;
    dnnl_status_t status = describe(&made, t);
    *out = status == dnnl_success ? made : NULL;
    return status;
}

void onednn_layout_destroy(onednn_layout l) {
    if (l)
        dnnl_memory_desc_destroy((dnnl_memory_desc_t)(uintptr_t)l);
}

/* n tensors; NULL for those that are absent, and after a failure. */
static dnnl_status_t describe_all(int n, const struct onednn_tensor *const *from,
                                  dnnl_memory_desc_t *out) {
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < n; i++) {
        out[i] = NULL;
        if (from[i]->rank && status == dnnl_success)
            status = describe(&out[i], from[i]);
    }
    return status;
}

static dnnl_status_t finish(dnnl_status_t status, dnnl_primitive_desc_t *out, int n,
                            dnnl_memory_desc_t *described) {
    for (int i = 0; i < n; i++)
        onednn_layout_destroy(described[i]);
    if (status != dnnl_success)
        *out = NULL;
    return status;
}

dnnl_status_t onednn_convolution_create(dnnl_primitive_desc_t *out,
                                        const struct onednn_convolution *c,
                                        const_dnnl_primitive_desc_t forward,
                                        const_dnnl_primitive_attr_t attr,
                                        dnnl_engine_t engine) {
    dnnl_memory_desc_t t[4];
    const struct onednn_tensor *from[4] = {&c->x, &c->w, &c->y, &c->bias};
    dnnl_status_t status = describe_all(4, from, t);
    if (status != dnnl_success)
        return finish(status, out, 4, t);
    if (c->pass == ONEDNN_FORWARD)
        status = dnnl_convolution_forward_primitive_desc_create(
            out, engine, dnnl_forward_training, c->algorithm, t[0], t[1], t[3], t[2],
            c->stride, c->dilation, c->low, c->high, attr);
    else if (c->pass == ONEDNN_GRAD_INPUT)
        status = dnnl_convolution_backward_data_primitive_desc_create(
            out, engine, c->algorithm, t[0], t[1], t[2], c->stride, c->dilation, c->low,
            c->high, forward, attr);
    else
        status = dnnl_convolution_backward_weights_primitive_desc_create(
            out, engine, c->algorithm, t[0], t[1], NULL, t[2], c->stride, c->dilation,
            c->low, c->high, forward, attr);
    return finish(status, out, 4, t);
}

dnnl_status_t onednn_product_create(dnnl_primitive_desc_t *out,
                                    const struct onednn_product *p,
                                    const_dnnl_primitive_attr_t attr,
                                    dnnl_engine_t engine) {
    dnnl_memory_desc_t t[4];
    const struct onednn_tensor *from[4] = {&p->a, &p->b, &p->bias, &p->y};
    dnnl_status_t status = describe_all(4, from, t);
    if (status == dnnl_success)
        status = dnnl_matmul_primitive_desc_create(out, engine, t[0], t[1], t[2], t[3],
                                                   attr);
    return finish(status, out, 4, t);
}
