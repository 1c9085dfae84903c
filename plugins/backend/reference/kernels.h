/* SPDX-License-Identifier: Apache-2.0 */
/* The plain kernels: every primitive of ops.h, and attention, over dense row-major host
 * memory, f32 and f64 where the operator is float, all types where it only moves.
 * Linked by the reference backend, which is the definition, and by others for what they
 * have no kernel of. */
#ifndef REFERENCE_KERNELS_H
#define REFERENCE_KERNELS_H

#include <runner/backend.h>
#include <runner/operator.h>

struct kernel_tensor {
    void *data;
    rn_dtype dtype;
    uint32_t rank;
    const int64_t *shape;
    uint64_t count;
};

struct kernel_call {
    const struct rn_node *node; /* attributes, operator */
    uint32_t n_in, n_out;
    const struct kernel_tensor *in; /* in order; data NULL = absent */
    const struct kernel_tensor *out;
};

/* 0 or a negative status. */
typedef int32_t (*kernel_fn)(const struct kernel_call *c, struct rn_error *e);

/* The kernel of a primitive operator for its operands' types, or NULL. */
kernel_fn kernel_find(const char *op, const struct kernel_tensor *in, uint32_t n_in,
                      const struct kernel_tensor *out);
int64_t kernel_int(const struct kernel_call *c, const char *attr);
double kernel_float(const struct kernel_call *c, const char *attr);
const int64_t *kernel_ints(const struct kernel_call *c, const char *attr);

kernel_fn kernel_elementwise(const char *op, rn_dtype in, rn_dtype out);
kernel_fn kernel_reduce(const char *op, rn_dtype t);
kernel_fn kernel_window(const char *op, rn_dtype t);
kernel_fn kernel_move(const char *op, rn_dtype t);
kernel_fn kernel_attention(const char *op, rn_dtype t);

static inline double kernel_load(const void *p, rn_dtype t, uint64_t i) {
    switch (t) {
    case RN_F32:
        return (double)((const float *)p)[i];
    case RN_F64:
        return ((const double *)p)[i];
    case RN_I64:
        return (double)((const int64_t *)p)[i];
    case RN_I32:
        return ((const int32_t *)p)[i];
    case RN_U32:
        return ((const uint32_t *)p)[i];
    case RN_I8:
        return ((const int8_t *)p)[i];
    default:
        return ((const uint8_t *)p)[i];
    }
}

/* An index operand of any integer type. */
static inline int64_t kernel_index(const void *p, rn_dtype t, uint64_t i) {
    return t == RN_I64 ? ((const int64_t *)p)[i] : (int64_t)kernel_load(p, t, i);
}

#endif
