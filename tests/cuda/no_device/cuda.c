/* SPDX-License-Identifier: Apache-2.0 */
/* libcuda.so.1 for the process of a test: there is no device, and every kernel can be
 * loaded. The real cuDNN compiles attention when it is planned, and loads what it
 * compiled; with this it makes such plans on a machine without a driver. */
#define NO_DEVICE 100 /* CUDA_ERROR_NO_DEVICE */
#define EXPORT    __attribute__((visibility("default")))

/* What cuDNN 9.19 looks up before it compiles. */
#define NAMES(F)                                                                       \
    F(cuCtxGetCurrent)                                                                 \
    F(cuCtxGetDevice)                                                                  \
    F(cuCtxGetLimit)                                                                   \
    F(cuCtxPopCurrent)                                                                 \
    F(cuCtxPushCurrent)                                                                \
    F(cuDeviceGet)                                                                     \
    F(cuDeviceGetAttribute)                                                            \
    F(cuDeviceGetCount)                                                                \
    F(cuDevicePrimaryCtxRelease)                                                       \
    F(cuDevicePrimaryCtxReset)                                                         \
    F(cuDevicePrimaryCtxRetain)                                                        \
    F(cuDriverGetVersion)                                                              \
    F(cuFuncGetAttribute)                                                              \
    F(cuFuncSetAttribute)                                                              \
    F(cuGetErrorName)                                                                  \
    F(cuGetErrorString)                                                                \
    F(cuInit)                                                                          \
    F(cuKernelGetAttribute)                                                            \
    F(cuKernelSetAttribute)                                                            \
    F(cuLaunchCooperativeKernel)                                                       \
    F(cuLaunchKernel)                                                                  \
    F(cuLaunchKernelEx)                                                                \
    F(cuLibraryLoadFromFile)                                                           \
    F(cuLinkAddData)                                                                   \
    F(cuLinkAddData_v2)                                                                \
    F(cuLinkAddFile_v2)                                                                \
    F(cuLinkComplete)                                                                  \
    F(cuLinkCreate)                                                                    \
    F(cuLinkCreate_v2)                                                                 \
    F(cuLinkDestroy)                                                                   \
    F(cuMemcpyDtoH_v2)                                                                 \
    F(cuModuleGetFunction)                                                             \
    F(cuModuleGetGlobal_v2)                                                            \
    F(cuModuleLoadData)                                                                \
    F(cuModuleLoadDataEx)                                                              \
    F(cuModuleLoadFatBinary)                                                           \
    F(cuModuleUnload)                                                                  \
    F(cuOccupancyMaxActiveBlocksPerMultiprocessor)                                     \
    F(cuOccupancyMaxPotentialClusterSize)                                              \
    F(cuStreamGetCtx)                                                                  \
    F(cuStreamSynchronize)                                                             \
    F(cuTensorMapEncodeTiled)

#define NONE(name)                                                                     \
    EXPORT int name(void);                                                             \
    int name(void) {                                                                   \
        return NO_DEVICE;                                                              \
    }
NAMES(NONE)

static char something[64]; /* a handle that nobody follows */

#define TAKES(name)                                                                    \
    EXPORT int name(void **out);                                                       \
    int name(void **out) {                                                             \
        *out = something;                                                              \
        return 0;                                                                      \
    }
TAKES(cuLibraryLoadData)
TAKES(cuLibraryGetKernel)

EXPORT int cuLibraryUnload(void *library);
int cuLibraryUnload(void *library) {
    return library == something ? 0 : NO_DEVICE;
}
