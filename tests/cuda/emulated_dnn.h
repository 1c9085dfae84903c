/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the emulated cuDNN: descriptors, and the two kinds of graphs that it knows
 * (emulated_cudnn.c has convolutions). */
#ifndef TESTS_CUDA_EMULATED_DNN_H
#define TESTS_CUDA_EMULATED_DNN_H

#include "emulated.h"

#define DNN_ATTRIBUTES  16
#define DNN_WORK_BYTES  640
#define DNN_QUICK_BYTES 65536
#define DNN_QUICK       4 /* the engine that is fast, and adds in another order */

struct attribute {
    cudnnBackendAttributeName_t name;
    int64_t count;
    size_t bytes; /* of one; 0: they are descriptors */
    void *data;
};

struct descriptor {
    cudnnBackendDescriptorType_t type;
    int references, finished, engine;
    uint32_t count;
    struct attribute attributes[DNN_ATTRIBUTES];
    struct descriptor *graph; /* of an engine's or a configuration's; referenced */
};

_Noreturn void dnn_misuse(const char *what);
/* NULL: it was not set. */
const struct attribute *dnn_find(const struct descriptor *d,
                                 cudnnBackendAttributeName_t name);
/* What must be there. */
const void *dnn_data(const struct descriptor *d, cudnnBackendAttributeName_t name,
                     int64_t count);
struct descriptor *dnn_child(const struct descriptor *d,
                             cudnnBackendAttributeName_t name);
rn_dtype dnn_type(const struct descriptor *tensor); /* 0: none that kernels compute */
int64_t dnn_uid(const struct descriptor *tensor);

/* A graph of several operations is attention. Is it one that its engines take? */
bool dnn_attention_takes(const struct descriptor *graph);
void dnn_attention_execute(const struct descriptor *graph, int engine, CUstream stream,
                           const struct descriptor *pack, char *work);

#endif
