/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a kernel; attributes. */
#include <string.h>

#include "kernels.h"

int64_t kernel_int(const struct kernel_call *c, const char *name) {
    const struct rn_attr *a = rn_node_attr(c->node, name);
    return a ? a->i : 0;
}

double kernel_float(const struct kernel_call *c, const char *name) {
    const struct rn_attr *a = rn_node_attr(c->node, name);
    return a ? a->f : 0.0;
}

const int64_t *kernel_ints(const struct kernel_call *c, const char *name) {
    const struct rn_attr *a = rn_node_attr(c->node, name);
    return a ? a->p : NULL;
}

kernel_fn kernel_find(const char *op, const struct kernel_tensor *in, uint32_t n_in,
                      const struct kernel_tensor *out) {
    rn_dtype t = n_in ? in[0].dtype : out[0].dtype;
    kernel_fn fn = kernel_elementwise(op, t, out[0].dtype);
    if (!fn)
        fn = kernel_reduce(op, t);
    if (!fn)
        fn = kernel_window(op, t);
    if (!fn)
        fn = kernel_attention(op, t);
    return fn ? fn : kernel_move(op, t);
}
