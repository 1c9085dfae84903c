/* SPDX-License-Identifier: Apache-2.0 */
/* Cubins by NVRTC, kept in ${XDG_CACHE_HOME:-~/.cache}/runner/cuda/KEY.cubin: KEY is a
 * hash of the source, the options, the chip and NVRTC's version. A file is written
 * beside its place and moved there, and ends with a checksum; what does not fit it is
 * compiled again. Without such a folder nothing is kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/cache_file.h"
#include "engine.h"

static int32_t nvrtc_failed(const struct cuda_device *d, nvrtcProgram p, nvrtcResult r,
                            struct rn_error *e) {
    const struct nvrtc_table *rtc = &d->lib.nvrtc;
    char message[400];
    size_t n = 0;
    char *log = NULL;
    if (p && rtc->nvrtcGetProgramLogSize(p, &n) == NVRTC_SUCCESS && n)
        log = malloc(n + 1);
    if (log && rtc->nvrtcGetProgramLog(p, log) == NVRTC_SUCCESS) {
        const char *error = strstr(log, "error");
        snprintf(message, sizeof message, "cuda: NVRTC: %.300s", error ? error : log);
    } else {
        snprintf(message, sizeof message, "cuda: NVRTC: %s",
                 rtc->nvrtcGetErrorString(r));
    }
    free(log);
    return rn_fail(e, RN_E_INTERNAL, message, NULL, NULL);
}

static int32_t compile(const struct cuda_device *d, const char *source, int n,
                       const char *const *options, void **image, size_t *bytes,
                       struct rn_error *e) {
    const struct nvrtc_table *rtc = &d->lib.nvrtc;
    nvrtcProgram p = NULL;
    nvrtcResult r = rtc->nvrtcCreateProgram(&p, source, "runner.cu", 0, NULL, NULL);
    if (r == NVRTC_SUCCESS)
        r = rtc->nvrtcCompileProgram(p, n, options);
    if (r == NVRTC_SUCCESS)
        r = rtc->nvrtcGetCUBINSize(p, bytes);
    *image = r == NVRTC_SUCCESS ? malloc(*bytes + 1) : NULL;
    if (*image)
        r = rtc->nvrtcGetCUBIN(p, *image);
    int32_t status = r != NVRTC_SUCCESS ? nvrtc_failed(d, p, r, e)
                     : !*image
                         ? rn_fail(e, RN_E_MEMORY, "no memory for kernels", NULL, NULL)
                         : RN_OK;
    if (p)
        rtc->nvrtcDestroyProgram(&p);
    return status;
}

int32_t cuda_compile_source(const struct cuda_device *d, const char *source,
                            void **image, size_t *bytes, struct rn_error *e) {
    char chip[48], version[48];
    int major = 0, minor = 0;
    struct cache_key k = {{0, 0}};
    snprintf(chip, sizeof chip, "--gpu-architecture=sm_%d%d", d->major, d->minor);
    /* Numbers are defined: no contraction; IEEE division and roots are the default. */
    const char *const options[] = {chip, "--fmad=false",
                                   "--device-as-default-execution-space", "--std=c++17",
                                   "--disable-warnings"};
    const int n = (int)(sizeof options / sizeof options[0]);
    *image = NULL;
    d->lib.nvrtc.nvrtcVersion(&major, &minor);
    snprintf(version, sizeof version, "nvrtc %d.%d", major, minor);
    cache_key_add(&k, version);
    for (int i = 0; i < n; i++)
        cache_key_add(&k, options[i]);
    cache_key_add(&k, source);
    char *folder = cache_folder("cuda");
    char *path = folder ? cache_path(folder, &k, "cubin") : NULL;
    free(folder);
    int32_t status = RN_OK;
    if (path)
        *image = cache_read(path, &k, bytes);
    if (!*image) {
        status = compile(d, source, n, options, image, bytes, e);
        if (status == RN_OK && path)
            cache_write(path, &k, *image, *bytes);
    }
    free(path);
    return status;
}

#ifndef CUDA_EMULATED
int32_t cuda_image(const struct cuda_device *d, uint32_t themes, uint32_t types,
                   const char *generated, void **image, struct rn_error *e) {
    struct source_text t = {0};
    size_t bytes = 0;
    cuda_source(themes, types, generated, &t);
    int32_t status = t.failed
                         ? rn_fail(e, RN_E_MEMORY, "no memory for kernels", NULL, NULL)
                         : cuda_compile_source(d, t.data, image, &bytes, e);
    free(t.data);
    return status;
}
#endif
