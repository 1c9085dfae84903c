/* SPDX-License-Identifier: Apache-2.0 */
/* What the backend calls of the driver, NVRTC, cuBLASLt and cuDNN: one table of
 * functions for each library, with the types of its header (NVML, which comes with the
 * driver, has none in a toolkit: its types are here). libraries.c fills them from
 * the shared objects of the machine when a device is opened, so the plugin itself links
 * none of them; tests/cuda/emulated_*.c fill them with functions that run on a CPU. */
#ifndef CUDA_LIBRARIES_H
#define CUDA_LIBRARIES_H

#include <stdbool.h>

#include <cublasLt.h>
#include <cuda.h>
#include <cudnn.h>
#include <nvrtc.h>

#include <runner/backend.h>

/* The headers rename some functions to their newest version (cuMemAlloc_v2); member
 * names are renamed in the same way and hold the version that was compiled against. */
#define DRIVER_FUNCTIONS(F)                                                            \
    F(cuInit)                                                                          \
    F(cuDriverGetVersion)                                                              \
    F(cuGetErrorName)                                                                  \
    F(cuGetErrorString)                                                                \
    F(cuDeviceGetCount)                                                                \
    F(cuDeviceGet)                                                                     \
    F(cuDeviceGetName)                                                                 \
    F(cuDeviceGetAttribute)                                                            \
    F(cuDeviceGetPCIBusId)                                                             \
    F(cuDevicePrimaryCtxRetain)                                                        \
    F(cuDevicePrimaryCtxRelease)                                                       \
    F(cuCtxSetCurrent)                                                                 \
    F(cuMemGetInfo)                                                                    \
    F(cuMemAlloc)                                                                      \
    F(cuMemFree)                                                                       \
    F(cuMemHostAlloc)                                                                  \
    F(cuMemFreeHost)                                                                   \
    F(cuMemcpyHtoDAsync)                                                               \
    F(cuMemcpyDtoHAsync)                                                               \
    F(cuMemcpyDtoDAsync)                                                               \
    F(cuMemsetD8Async)                                                                 \
    F(cuStreamCreate)                                                                  \
    F(cuStreamDestroy)                                                                 \
    F(cuStreamSynchronize)                                                             \
    F(cuStreamWaitEvent)                                                               \
    F(cuStreamBeginCapture)                                                            \
    F(cuStreamEndCapture)                                                              \
    F(cuEventCreate)                                                                   \
    F(cuEventDestroy)                                                                  \
    F(cuEventRecord)                                                                   \
    F(cuEventSynchronize)                                                              \
    F(cuEventElapsedTime)                                                              \
    F(cuModuleLoadData)                                                                \
    F(cuModuleUnload)                                                                  \
    F(cuModuleGetFunction)                                                             \
    F(cuLaunchKernel)                                                                  \
    F(cuLaunchHostFunc)                                                                \
    F(cuGraphInstantiate)                                                              \
    F(cuGraphLaunch)                                                                   \
    F(cuGraphDestroy)                                                                  \
    F(cuGraphExecDestroy)

#define NVRTC_FUNCTIONS(F)                                                             \
    F(nvrtcVersion)                                                                    \
    F(nvrtcGetErrorString)                                                             \
    F(nvrtcCreateProgram)                                                              \
    F(nvrtcDestroyProgram)                                                             \
    F(nvrtcCompileProgram)                                                             \
    F(nvrtcGetProgramLogSize)                                                          \
    F(nvrtcGetProgramLog)                                                              \
    F(nvrtcGetCUBINSize)                                                               \
    F(nvrtcGetCUBIN)

#define CUBLASLT_FUNCTIONS(F)                                                          \
    F(cublasLtCreate)                                                                  \
    F(cublasLtDestroy)                                                                 \
    F(cublasLtGetVersion)                                                              \
    F(cublasLtMatmulDescCreate)                                                        \
    F(cublasLtMatmulDescDestroy)                                                       \
    F(cublasLtMatmulDescSetAttribute)                                                  \
    F(cublasLtMatrixLayoutCreate)                                                      \
    F(cublasLtMatrixLayoutDestroy)                                                     \
    F(cublasLtMatrixLayoutSetAttribute)                                                \
    F(cublasLtMatmulPreferenceCreate)                                                  \
    F(cublasLtMatmulPreferenceDestroy)                                                 \
    F(cublasLtMatmulPreferenceSetAttribute)                                            \
    F(cublasLtMatmulAlgoGetHeuristic)                                                  \
    F(cublasLtMatmul)

#define CUDNN_FUNCTIONS(F)                                                             \
    F(cudnnGetVersion)                                                                 \
    F(cudnnGetErrorString)                                                             \
    F(cudnnCreate)                                                                     \
    F(cudnnDestroy)                                                                    \
    F(cudnnSetStream)                                                                  \
    F(cudnnBackendCreateDescriptor)                                                    \
    F(cudnnBackendDestroyDescriptor)                                                   \
    F(cudnnBackendSetAttribute)                                                        \
    F(cudnnBackendGetAttribute)                                                        \
    F(cudnnBackendFinalize)                                                            \
    F(cudnnBackendExecute)

/* Of NVML, the management library (its documentation's types and values). */
typedef struct nvml_device *nvml_device;
struct nvml_memory {
    unsigned long long total, free, used;
};
struct nvml_utilisation {
    unsigned gpu, memory; /* per cent */
};
#define NVML_TEMPERATURE_GPU 0
typedef int nvmlInit_v2_fn(void); /* all give 0 for success */
typedef int nvmlDeviceGetHandleByPciBusId_v2_fn(const char *bus, nvml_device *out);
typedef int nvmlDeviceGetMemoryInfo_fn(nvml_device d, struct nvml_memory *out);
typedef int nvmlDeviceGetUtilizationRates_fn(nvml_device d, struct nvml_utilisation *out);
typedef int nvmlDeviceGetTemperature_fn(nvml_device d, int sensor, unsigned *out);

#define NVML_FUNCTIONS(F)                                                              \
    F(nvmlInit_v2)                                                                     \
    F(nvmlDeviceGetHandleByPciBusId_v2)                                                \
    F(nvmlDeviceGetMemoryInfo)                                                         \
    F(nvmlDeviceGetUtilizationRates)                                                   \
    F(nvmlDeviceGetTemperature)

#define LIBRARY_MEMBER(name) __typeof__(name) *name; /* the header's own type */
struct driver_table {
    DRIVER_FUNCTIONS(LIBRARY_MEMBER)
};
struct nvrtc_table {
    NVRTC_FUNCTIONS(LIBRARY_MEMBER)
};
struct cublaslt_table {
    CUBLASLT_FUNCTIONS(LIBRARY_MEMBER)
};
struct cudnn_table {
    CUDNN_FUNCTIONS(LIBRARY_MEMBER)
};

#define TYPE_MEMBER(name) name##_fn *name;
struct nvml_table {
    NVML_FUNCTIONS(TYPE_MEMBER)
};

struct cuda_libraries {
    struct driver_table driver;
    struct nvrtc_table nvrtc;
    struct cublaslt_table cublaslt;
    struct cudnn_table cudnn;
    struct nvml_table nvml;
    bool have_driver, have_nvrtc, have_cublaslt, have_cudnn, have_nvml;
    /* why one that is not there is not there */
    char no_driver[200], no_nvrtc[200], no_cublaslt[200], no_cudnn[200];
    void *handles[5];
};

/* Open what there is; what is missing says why. `driver` false: plans need none. They
 * keep threads and handlers of their own, so they are never closed. */
void cuda_libraries_open(struct cuda_libraries *l, bool driver);

#endif
