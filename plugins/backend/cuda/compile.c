/* SPDX-License-Identifier: Apache-2.0 */
/* Cubins by NVRTC, kept in ${XDG_CACHE_HOME:-~/.cache}/runner/cuda/KEY.cubin: KEY is a
 * hash of the source, the options, the chip and NVRTC's version. A file is written
 * beside its place and moved there, and ends with a checksum; what does not fit it is
 * compiled anew. Without such a folder nothing is kept. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include "engine.h"

#define LARGEST (256 << 20) /* bytes of a cubin */

struct key {
    uint64_t half[2];
};

struct seal { /* after the last byte of the cubin */
    char magic[8];
    uint64_t size;
    struct key key, sum;
};
static const char magic[8] = "rncubin";

/* Two lanes of 64 bits that walk apart; against accidents, the folder is the user's. */
static void key_add(struct key *k, const void *data, size_t n) {
    const unsigned char *p = data;
    uint64_t a = k->half[0] ^ 0xcbf29ce484222325u, b = k->half[1] + n;
    for (size_t i = 0; i < n; i++) {
        a = (a ^ p[i]) * 0x100000001b3u;
        b = (b ^ b >> 29 ^ p[i]) * 0x9e3779b97f4a7c15u;
    }
    k->half[0] = a ^ a >> 32;
    k->half[1] = b ^ b >> 32;
}

/* The folder, made if need be, ours alone; false: there is none. */
static bool cache_folder(char path[512]) {
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    struct stat s;
    if (base && base[0] == '/' && strlen(base) < 400)
        snprintf(path, 512, "%s", base);
    else if (home && home[0] == '/' && strlen(home) < 400)
        snprintf(path, 512, "%s/.cache", home);
    else
        return false;
    static const char *const below[] = {"", "/runner", "/cuda"};
    for (int i = 0; i < 3; i++) { /* a home that is not there is not made */
        strcat(path, below[i]);
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return false;
    }
    return lstat(path, &s) == 0 && S_ISDIR(s.st_mode) && s.st_uid == geteuid() &&
           (s.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static bool transfer(int f, void *data, size_t n, bool write_it) {
    for (size_t done = 0; done < n;) {
        ssize_t k = write_it ? write(f, (const char *)data + done, n - done)
                             : read(f, (char *)data + done, n - done);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        done += (size_t)k;
    }
    return true;
}

static void *cache_get(const char *path, const struct key *k, size_t *bytes) {
    struct stat s;
    struct seal seal;
    struct key sum = {{0, 0}};
    int f = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (f < 0)
        return NULL;
    char *data = NULL;
    if (fstat(f, &s) == 0 && S_ISREG(s.st_mode) && s.st_uid == geteuid() &&
        s.st_size > (off_t)sizeof seal && s.st_size < LARGEST)
        data = malloc((size_t)s.st_size);
    bool good = data && transfer(f, data, (size_t)s.st_size, false);
    close(f);
    if (good) {
        *bytes = (size_t)s.st_size - sizeof seal;
        memcpy(&seal, data + *bytes, sizeof seal);
        key_add(&sum, data, *bytes);
        good = memcmp(seal.magic, magic, sizeof magic) == 0 && seal.size == *bytes &&
               memcmp(&seal.key, k, sizeof *k) == 0 &&
               memcmp(&seal.sum, &sum, sizeof sum) == 0;
    }
    if (!good) {
        free(data);
        data = NULL;
        unlink(path);
    }
    return data;
}

static void cache_put(const char *path, const struct key *k, void *data, size_t bytes) {
    struct seal seal = {.size = bytes, .key = *k};
    char other[700];
    memcpy(seal.magic, magic, sizeof magic);
    key_add(&seal.sum, data, bytes);
    snprintf(other, sizeof other, "%s.%ld", path, (long)getpid());
    int f = open(other, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (f < 0)
        return;
    bool good = transfer(f, data, bytes, true) && transfer(f, &seal, sizeof seal, true);
    good = close(f) == 0 && good;
    if (!good || rename(other, path) != 0)
        unlink(other);
}

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
    char chip[48], version[48], folder[512], path[600];
    int major = 0, minor = 0;
    struct key k = {{0, 0}};
    snprintf(chip, sizeof chip, "--gpu-architecture=sm_%d%d", d->major, d->minor);
    /* Numbers are defined: no contraction; IEEE division and roots are the default. */
    const char *const options[] = {chip, "--fmad=false",
                                   "--device-as-default-execution-space", "--std=c++17",
                                   "--disable-warnings"};
    const int n = (int)(sizeof options / sizeof options[0]);
    *image = NULL;
    d->lib.nvrtc.nvrtcVersion(&major, &minor);
    snprintf(version, sizeof version, "nvrtc %d.%d", major, minor);
    key_add(&k, version, strlen(version) + 1);
    for (int i = 0; i < n; i++)
        key_add(&k, options[i], strlen(options[i]) + 1);
    key_add(&k, source, strlen(source) + 1);
    bool have = cache_folder(folder);
    snprintf(path, sizeof path, "%s/%016llx%016llx.cubin", have ? folder : "",
             (unsigned long long)k.half[0], (unsigned long long)k.half[1]);
    if (have)
        *image = cache_get(path, &k, bytes);
    if (*image)
        return RN_OK;
    int32_t status = compile(d, source, n, options, image, bytes, e);
    if (status == RN_OK && have)
        cache_put(path, &k, *image, *bytes);
    return status;
}

#ifndef CUDA_EMULATED
int32_t cuda_image(const struct cuda_device *d, uint32_t themes, uint32_t types,
                   const char *generated, void **image, struct rn_error *e) {
    struct cuda_text t = {0};
    size_t bytes = 0;
    cuda_source(themes, types, generated, &t);
    int32_t status = t.failed
                         ? rn_fail(e, RN_E_MEMORY, "no memory for kernels", NULL, NULL)
                         : cuda_compile_source(d, t.data, image, &bytes, e);
    free(t.data);
    return status;
}
#endif
