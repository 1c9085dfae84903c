/* SPDX-License-Identifier: Apache-2.0 */
/* cuDNN's engines for a graph: what it proposes within our rules, plans of that, and
 * running one; graphs of a convolution and of attention. */
#ifndef CUDA_ENGINES_H
#define CUDA_ENGINES_H

#include "products.h"
#include "tune.h"

/* How an image or a weight is laid out; dims are always N,C,H,W and O,I,h,w. */
struct dnn_image {
    int64_t dim[4], stride[4];
};

struct dnn_conv {
    enum conv_pass pass;
    cudnnDataType_t type; /* of all three */
    bool narrow;          /* what it reads has 16 bits, or had before it was widened */
    struct dnn_image x, w, y;
    int64_t stride[2], pad[4], dilation[2];
};

struct dnn_ways {
    uint32_t count;
    cudnnBackendDescriptor_t config[CUDA_WAYS]; /* owned */
};

/* ---- descriptors: a failed call makes the rest of a list of calls void ---- */
struct dnn_maker {
    const struct cudnn_table *t;
    bool good;
};
cudnnBackendDescriptor_t dnn_make(struct dnn_maker *m, cudnnBackendDescriptorType_t t);
void dnn_set(struct dnn_maker *m, cudnnBackendDescriptor_t d,
             cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
             int64_t n, const void *value);
void dnn_done(struct dnn_maker *m, cudnnBackendDescriptor_t d);
void dnn_drop(const struct cuda_device *d, cudnnBackendDescriptor_t x); /* or NULL */
/* Where a tensor is: in device memory, nowhere (between operations of a graph), or a
 * number on the host. */
enum dnn_place { DNN_MEMORY, DNN_BETWEEN, DNN_VALUE };
cudnnBackendDescriptor_t dnn_tensor(struct dnn_maker *m, const struct dnn_image *t,
                                    int64_t uid, cudnnDataType_t type,
                                    enum dnn_place place);

/* ---- engines ---- */
/* The first engines that it proposes and our rules allow; `fallback`: those that it
 * has for whatever its heuristics do not know. graph NULL: none. */
void dnn_propose(const struct cuda_device *d, cudnnBackendDescriptor_t graph,
                 bool narrow, bool fallback, struct dnn_ways *out);
void dnn_propose_conv(const struct cuda_device *d, const struct dnn_conv *c,
                      bool fallback, struct dnn_ways *out);
void dnn_ways_finish(const struct cuda_device *d, struct dnn_ways *w);
/* Owned, given back to dnn_plan_finish; NULL: it cannot be had, or takes too much. */
cudnnBackendDescriptor_t dnn_plan(const struct cuda_device *d,
                                  cudnnBackendDescriptor_t config, int64_t *workspace);
void dnn_plan_finish(const struct cuda_device *d, cudnnBackendDescriptor_t plan);
int32_t dnn_run(const struct cuda_device *d, cudnnBackendDescriptor_t plan,
                CUstream stream, int64_t n, const int64_t *uids, void *const *pointers,
                void *work, struct rn_error *e);
/* pointers: x, w, y. */
int32_t dnn_run_conv(const struct cuda_device *d, cudnnBackendDescriptor_t plan,
                     CUstream stream, void *const pointers[3], void *work,
                     struct rn_error *e);

/* ---- attention ---- */
struct dnn_attention { /* no padding: compared as bytes */
    int64_t batch, heads, rows, keys, depth, width;
    int64_t causal, sums; /* sums: logarithms are wanted */
    int64_t type;         /* cudnnDataType_t of q, k, v, y */
};
/* The ways to compute one, and their plans, which take long to make: kept with the
 * device, for every node of these sizes. */
struct dnn_attention_ways {
    struct dnn_attention_ways *next;
    struct dnn_attention of;
    struct dnn_ways ways;
    bool tried[CUDA_WAYS];
    cudnnBackendDescriptor_t plan[CUDA_WAYS];
    int64_t workspace[CUDA_WAYS];
};
/* Borrowed; NULL: cuDNN has none, or there is no memory. */
struct dnn_attention_ways *dnn_attention_ways(struct cuda_device *d,
                                              const struct dnn_attention *a);
/* Is there a plan of way i? It is in w->plan and w->workspace. */
bool dnn_attention_plan(const struct cuda_device *d, struct dnn_attention_ways *w,
                        uint32_t i);
void dnn_attention_finish(struct cuda_device *d);
/* pointers: q, k, v, y, sums (or NULL). */
int32_t dnn_run_attention(const struct cuda_device *d,
                          const struct dnn_attention_ways *w, uint32_t i,
                          CUstream stream, void *const pointers[5], float scale,
                          void *work, struct rn_error *e);

#endif
