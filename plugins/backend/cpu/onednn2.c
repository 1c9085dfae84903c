/* SPDX-License-Identifier: Apache-2.0 */
/* oneDNN 2.x: tensors are structs, an operation is described first, and a primitive
 * descriptor is made of that. */
#include <stdint.h>
#include <stdlib.h>

#include "onednn.h"

static dnnl_status_t describe(dnnl_memory_desc_t *out, const struct onednn_tensor *t) {
    if (t->tag == dnnl_format_tag_undef)
        return dnnl_memory_desc_init_by_strides(out, t->rank, t->dims, t->type,
                                                t->strides);
    return dnnl_memory_desc_init_by_tag(out, t->rank, t->dims, t->type, t->tag);
}

dnnl_status_t onednn_layout_create(onednn_layout *out, const struct onednn_tensor *t) {
    dnnl_memory_desc_t *made = calloc(1, sizeof *made);
    dnnl_status_t status = made ? describe(made, t) : dnnl_out_of_memory;
    if (status != dnnl_success) {
        free(made);
        made = NULL;
    }
    *out = made;
    return status;
}

void onednn_layout_destroy(onednn_layout l) {
    free((void *)(uintptr_t)l);
}

/* n tensors; NULL for those that are absent. */
static dnnl_status_t describe_all(int n, const struct onednn_tensor *const *from,
                                  dnnl_memory_desc_t *room,
                                  const dnnl_memory_desc_t **out) {
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < n && status == dnnl_success; i++) {
        out[i] = from[i]->rank ? &room[i] : NULL;
        if (out[i])
            status = describe(&room[i], from[i]);
    }
    return status;
}

static dnnl_status_t create(dnnl_primitive_desc_t *out, dnnl_status_t described,
                            const_dnnl_op_desc_t d, const_dnnl_primitive_attr_t attr,
                            dnnl_engine_t engine, const_dnnl_primitive_desc_t forward) {
    dnnl_status_t status =
        described == dnnl_success
            ? dnnl_primitive_desc_create(out, d, attr, engine, forward)
            : described;
    if (status != dnnl_success)
        *out = NULL;
    return status;
}

dnnl_status_t onednn_convolution_create(dnnl_primitive_desc_t *out,
                                        const struct onednn_convolution *c,
                                        const_dnnl_primitive_desc_t forward,
                                        const_dnnl_primitive_attr_t attr,
                                        dnnl_engine_t engine) {
    dnnl_memory_desc_t room[4];
    const dnnl_memory_desc_t *t[4];
    const struct onednn_tensor *from[4] = {&c->x, &c->w, &c->y, &c->bias};
    dnnl_convolution_desc_t d;
    dnnl_status_t status = describe_all(4, from, room, t);
    if (status != dnnl_success)
        return create(out, status, NULL, attr, engine, NULL);
    if (c->pass == ONEDNN_FORWARD)
        status = dnnl_dilated_convolution_forward_desc_init(
            &d, dnnl_forward_training, c->algorithm, t[0], t[1], t[3], t[2], c->stride,
            c->dilation, c->low, c->high);
    else if (c->pass == ONEDNN_GRAD_INPUT)
        status = dnnl_dilated_convolution_backward_data_desc_init(
            &d, c->algorithm, t[0], t[1], t[2], c->stride, c->dilation, c->low,
            c->high);
    else
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &d, c->algorithm, t[0], t[1], NULL, t[2], c->stride, c->dilation, c->low,
            c->high);
    return create(out, status, &d, attr, engine, forward);
}

dnnl_status_t onednn_product_create(dnnl_primitive_desc_t *out,
                                    const struct onednn_product *p,
                                    const_dnnl_primitive_attr_t attr,
                                    dnnl_engine_t engine) {
    dnnl_memory_desc_t room[4];
    const dnnl_memory_desc_t *t[4];
    const struct onednn_tensor *from[4] = {&p->a, &p->b, &p->bias, &p->y};
    dnnl_matmul_desc_t d;
    dnnl_status_t status = describe_all(4, from, room, t);
    if (status == dnnl_success)
        status = dnnl_matmul_desc_init(&d, t[0], t[1], t[2], t[3]);
    return create(out, status, &d, attr, engine, NULL);
}
