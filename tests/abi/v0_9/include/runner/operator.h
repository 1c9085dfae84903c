/* SPDX-License-Identifier: Apache-2.0 */
/* A custom operator: kernels written by hand, used from a describe function through
 * rn_custom. */
#ifndef RUNNER_OPERATOR_H
#define RUNNER_OPERATOR_H

#include <runner/build.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_OP_ELEMENTWISE 1u
#define RN_OP_MIXES_ROWS  2u /* an output row depends on other rows of the batch */

/* Attribute i of a call: of the structs below. */
#define RN_ATTR_AT(call, i)                                                            \
    ((const struct rn_attr *)(const void *)((const char *)(call)->attrs +              \
                                            (size_t)(i) * (call)->attr_stride))

/* Type and shape of an output, to fill. */
struct rn_operator_out {
    rn_dtype dtype;
    uint32_t rank;
    int64_t dims[RN_MAX_RANK];
};

/* What comes out, given what goes in. */
struct rn_operator_shape {
    uint32_t struct_size;
    uint32_t in_count;
    const struct rn_tensor *in; /* borrowed; shapes: data is NULL */
    uint32_t attr_count;
    uint32_t attr_stride;
    const struct rn_attr *attrs; /* borrowed: RN_ATTR_AT */
    uint32_t out_count;
    uint32_t out_stride;
    struct rn_operator_out *out; /* borrowed, to fill */
};

/* Output i has the type and shape of t. Returns RN_OK. */
static inline int32_t rn_operator_like(const struct rn_operator_shape *s, uint32_t i,
                                       const struct rn_tensor *t) {
    struct rn_operator_out *o =
        (struct rn_operator_out *)(void *)((char *)s->out + (size_t)i * s->out_stride);
    uint32_t k;
    o->dtype = t->dtype;
    o->rank = t->rank;
    for (k = 0; k < t->rank && k < RN_MAX_RANK; k++)
        o->dims[k] = t->shape[k];
    return RN_OK;
}

/* The gradient to describe. RN_NONE stands for zero. */
struct rn_operator_gradient {
    uint32_t struct_size;
    uint32_t in_count;
    const rn_value *in;       /* borrowed; [in_count] */
    const rn_value *out;      /* borrowed; [out_count] */
    const rn_value *grad_out; /* borrowed; [out_count] */
    rn_value *grad_in;        /* borrowed, to fill: [in_count] */
    uint32_t attr_count;
    uint32_t attr_stride;
    const struct rn_attr *attrs; /* borrowed: RN_ATTR_AT */
    uint32_t out_count;
    uint32_t reserved;
};

/* One run of a kernel; tensors dense. */
struct rn_operator_call {
    uint32_t struct_size;
    uint32_t in_count;
    const struct rn_tensor *in; /* borrowed */
    uint32_t attr_count;
    uint32_t attr_stride;
    const struct rn_attr *attrs; /* borrowed: RN_ATTR_AT */
    uint32_t out_count;
    uint32_t reserved;
    const struct rn_tensor *out; /* borrowed, to fill */
    struct rn_work *work; /* host: scratch memory, the backend's threads */
};

/* One operator; the table is static in the plugin. It has no self: options come as
 * attributes. */
struct rn_operator {
    uint32_t struct_size;
    uint32_t traits;  /* RN_OP_* */
    const char *name; /* plugin, static; "acme.losses/fused_focal" */
    uint32_t version; /* rises when equal inputs give other numbers */
    uint32_t out_count;
    /* Write s->out. [setup] */
    int32_t (*shape)(const struct rn_operator_shape *s, struct rn_error *e);
    /* Build g->grad_in with operators or further rn_custom; b->host and b->self are
     * NULL. NULL: not differentiable, which is an error only where a gradient is
     * needed. [setup] */
    int32_t (*gradient)(struct rn_build *b, const struct rn_operator_gradient *g);
    /* The kernel for host memory, f32 and, for gradient checks, f64. Threads:
     * rn_parallel_for(call->work, ...). [step] */
    int32_t (*host)(const struct rn_operator_call *call, struct rn_error *e);
    /* Plugin, static: the kernel as CUDA C, or NULL: the cuda backend then calls `host`
     * through host memory. It reads RUNNER_KERNEL { ... } and is run with 256 threads a
     * block, a thread for each element of output 0, at most 65536 blocks:
     *     RUNNER_KERNEL {
     *         EACH_INDEX(i, a.out_count[0]) {
     *             ((float *)a.out[0])[i] = 2.0f * ((const float *)a.in[0])[i];
     *         }
     *     }
     * a.in, a.out: dense device memory; a.in_count, a.out_count: elements; a.attr: int
     * and float attributes in order, as doubles; at most 16 of each. The functions of
     * numerics.h are there, and no header. f32 inputs only, else `host` is called. */
    const char *cuda;
};

/* Extension "runner.operator/1" of struct rn_build. */
struct rn_operator_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* Append the operator; the table is the plugin's, static. [setup] */
    int32_t (*custom)(struct rn_build *b, const struct rn_operator *op, uint32_t n_in,
                      const rn_value *in, uint32_t n_attr, const struct rn_attr *attrs,
                      uint32_t attr_stride, rn_value *out);
};

/* Writes op->out_count values, RN_NONE on error. */
static inline int32_t rn_custom(struct rn_build *b, const struct rn_operator *op,
                                uint32_t n_in, const rn_value *in, uint32_t n_attr,
                                const struct rn_attr *attrs, rn_value *out) {
    const struct rn_operator_api *api =
        (const struct rn_operator_api *)b->api->extension(b, "runner.operator/1");
    uint32_t i;
    for (i = 0; i < op->out_count; i++)
        out[i] = RN_NONE;
    if (!api) {
        b->api->fail(b, "this host has no custom operators (runner.operator/1)", NULL,
                     NULL);
        return RN_E_UNSUPPORTED;
    }
    return api->custom(b, op, n_in, in, n_attr, attrs, (uint32_t)sizeof(struct rn_attr),
                       out);
}

#ifdef __cplusplus
}
#endif
#endif
