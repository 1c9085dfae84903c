/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of functions, from the machine's shared objects. The driver's libcuda.so.1
 * comes with the driver; the others with a CUDA Toolkit, a package or a bundle beside
 * the plugin (its rpath). */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libraries.h"

#define EXPANDED(name) #name
#define SYMBOL(name)   EXPANDED(name) /* cuMemAlloc is "cuMemAlloc_v2" */

/* Handle of the first of `names` (NULL ends) that opens; else why the first did not. */
static void *open_one(const char *const *names, char why[200]) {
    static const char *const folders[] = {"",
#ifdef CUDA_LIBDIR
                                          CUDA_LIBDIR "/",
#endif
                                          "/usr/local/cuda/lib64/"};
    why[0] = '\0';
    for (const char *const *n = names; *n; n++)
        for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
            char path[512];
            snprintf(path, sizeof path, "%s%s", folders[i], *n);
            void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
            if (so)
                return so;
            if (!why[0])
                snprintf(why, 200, "%.190s", dlerror());
        }
    return NULL;
}

static bool find(void *so, const char *name, void *to, char why[200]) {
    void *symbol = dlsym(so, name);
    memcpy(to, &symbol, sizeof symbol);
    if (!symbol)
        snprintf(why, 200, "it has no %s: it is too old", name);
    return symbol != NULL;
}

#define FIND(name) good = good && find(so, SYMBOL(name), &t->name, why);

static bool fill_driver(void *so, struct driver_table *t, char why[200]) {
    bool good = so != NULL;
    DRIVER_FUNCTIONS(FIND)
    return good;
}

static bool fill_nvrtc(void *so, struct nvrtc_table *t, char why[200]) {
    bool good = so != NULL;
    NVRTC_FUNCTIONS(FIND)
    return good;
}

static bool fill_cublaslt(void *so, struct cublaslt_table *t, char why[200]) {
    bool good = so != NULL;
    CUBLASLT_FUNCTIONS(FIND)
    return good;
}

static bool fill_cudnn(void *so, struct cudnn_table *t, char why[200]) {
    bool good = so != NULL;
    CUDNN_FUNCTIONS(FIND)
    return good;
}

static bool fill_nvml(void *so, struct nvml_table *t) {
    char why[200];
    bool good = so != NULL;
    NVML_FUNCTIONS(FIND)
    return good;
}

void cuda_libraries_open(struct cuda_libraries *l, bool driver) {
    static const char *const driver_names[] = {"libcuda.so.1", NULL};
    static const char *const nvrtc_names[] = {"libnvrtc.so.13", "libnvrtc.so.12", NULL};
    static const char *const lt_names[] = {"libcublasLt.so.13", "libcublasLt.so.12",
                                           NULL};
    static const char *const cudnn_names[] = {"libcudnn.so.9", NULL};
    memset(l, 0, sizeof *l);
    if (driver) {
        l->handles[0] = open_one(driver_names, l->no_driver);
        l->have_driver = fill_driver(l->handles[0], &l->driver, l->no_driver);
        if (!l->have_driver)
            return; /* nothing else is of use */
        static const char *const nvml_names[] = {"libnvidia-ml.so.1", NULL};
        char why[200];
        l->handles[4] = open_one(nvml_names, why);
        l->have_nvml = fill_nvml(l->handles[4], &l->nvml);
    }
    l->handles[1] = open_one(nvrtc_names, l->no_nvrtc);
    l->have_nvrtc = fill_nvrtc(l->handles[1], &l->nvrtc, l->no_nvrtc);
    l->handles[2] = open_one(lt_names, l->no_cublaslt);
    l->have_cublaslt = fill_cublaslt(l->handles[2], &l->cublaslt, l->no_cublaslt);
    l->handles[3] = open_one(cudnn_names, l->no_cudnn);
    l->have_cudnn = fill_cudnn(l->handles[3], &l->cudnn, l->no_cudnn);
}
