/* SPDX-License-Identifier: Apache-2.0 */
/* The libraries of a GPU, on a CPU: the tables of plugins/backend/cuda/libraries.h
 * filled with functions that do what NVIDIA's say they do, so that the whole cuda
 * backend runs without a GPU. Operations are late: nothing happens before somebody
 * waits. */
#ifndef TESTS_CUDA_EMULATED_H
#define TESTS_CUDA_EMULATED_H

#include <runner/numerics.h>

#include "libraries.h"

#define EMULATED_OPTIONS                                                               \
    RN_OPTION("order choice(forwards,backwards) = forwards | of blocks and threads")   \
    RN_OPTION("memory int = 0 ; min 0 | bytes of the device; 0: no limit")             \
    RN_OPTION("busy int = 0 ; min 0 | so often, at each third request, somebody else " \
              "has the memory")

void emulated_open(struct cuda_libraries *l, struct rn_host *h);

/* ---- between the parts ---- */
void emulated_fill_driver(struct driver_table *t);
void emulated_fill_cublaslt(struct cublaslt_table *t);
void emulated_fill_cudnn(struct cudnn_table *t);
/* A float of a tensor, f32 or of 16 bits (RN_BF16, RN_F16). */
static inline float emulated_load(const void *p, rn_dtype t, uint64_t i) {
    return t == RN_F32    ? ((const float *)p)[i]
           : t == RN_BF16 ? rn_f32_from_bf16(((const uint16_t *)p)[i])
                          : rn_f32_from_f16(((const uint16_t *)p)[i]);
}
static inline void emulated_store(void *p, rn_dtype t, uint64_t i, float x) {
    if (t == RN_F32)
        ((float *)p)[i] = x;
    else
        ((uint16_t *)p)[i] = t == RN_BF16 ? rn_bf16_from_f32(x) : rn_f16_from_f32(x);
}
/* What runs takes that much longer, for whoever asks events. */
void emulated_pass(double ms);
/* fn(context) when the stream comes to it; context is copied. */
CUresult emulated_push(CUstream stream, void (*fn)(void *context), const void *context,
                       size_t bytes);

#endif
