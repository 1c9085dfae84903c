/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into the runner by steps.py: counts what is allocated between two moments
 * that the hook `window` gives, by the object that asks and whether a call of oneDNN's
 * dnnl_primitive_execute is running then.
 *   COUNTER_FILE=FILE  at exit: "COUNT all, KEPT kept by calls", then a line
 *                      "BYTES during|between OBJECT" for each; KEPT: blocks that were
 *                      taken during calls and not given back in them
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define MOST   65536

/* glibc's own entries: no dlsym, which allocates. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);
extern void __libc_free(void *p);

static struct {
    void *from;
    size_t bytes;
    bool during;
} calls[MOST];
static atomic_size_t count;
static atomic_bool open_;
static atomic_int executing; /* calls of the library, of all threads */
static atomic_long kept;

EXPORT void counter_window(int open);
EXPORT void *memalign(size_t align, size_t n);

/* From here on, or no more. Counting itself must touch no new page. */
EXPORT void counter_window(int open) {
    if (open)
        memset(calls, 1, sizeof calls);
    atomic_store(&open_, open != 0);
}

static void note(void *from, size_t bytes) {
    if (!atomic_load(&open_))
        return;
    size_t i = atomic_fetch_add(&count, 1);
    if (i < MOST) {
        calls[i].from = from;
        calls[i].bytes = bytes;
        calls[i].during = atomic_load(&executing) > 0;
        atomic_fetch_add(&kept, calls[i].during);
    }
}

EXPORT void free(void *p) {
    if (p && atomic_load(&open_) && atomic_load(&executing) > 0)
        atomic_fetch_sub(&kept, 1);
    __libc_free(p);
}

typedef int (*execute_fn)(const void *primitive, void *stream, int n, const void *args);

static int find_library(struct dl_phdr_info *info, size_t size, void *out) {
    (void)size;
    if (!strstr(info->dlpi_name, "libdnnl.so"))
        return 0;
    *(void **)out = dlopen(info->dlpi_name, RTLD_LAZY | RTLD_NOLOAD);
    return 1;
}

EXPORT int dnnl_primitive_execute(const void *primitive, void *stream, int n,
                                  const void *args);
/* The plugin's call comes here first, as everything that is preloaded is found first.
 */
EXPORT int dnnl_primitive_execute(const void *primitive, void *stream, int n,
                                  const void *args) {
    static _Atomic(execute_fn) library;
    execute_fn fn = atomic_load(&library);
    if (!fn) {
        void *so = NULL, *symbol = NULL;
        dl_iterate_phdr(find_library, &so);
        symbol = so ? dlsym(so, "dnnl_primitive_execute") : NULL;
        if (!symbol)
            abort();
        memcpy(&fn, &symbol, sizeof fn);
        atomic_store(&library, fn);
    }
    atomic_fetch_add(&executing, 1);
    int status = fn(primitive, stream, n, args);
    atomic_fetch_sub(&executing, 1);
    return status;
}

EXPORT void *malloc(size_t n) {
    note(__builtin_return_address(0), n);
    return __libc_malloc(n);
}

EXPORT void *calloc(size_t n, size_t size) {
    note(__builtin_return_address(0), n * size);
    return __libc_calloc(n, size);
}

EXPORT void *realloc(void *p, size_t n) {
    note(__builtin_return_address(0), n);
    return __libc_realloc(p, n);
}

EXPORT void *aligned_alloc(size_t align, size_t n) {
    note(__builtin_return_address(0), n);
    return __libc_memalign(align, n);
}

EXPORT void *memalign(size_t align, size_t n) {
    note(__builtin_return_address(0), n);
    return __libc_memalign(align, n);
}

EXPORT int posix_memalign(void **out, size_t align, size_t n) {
    note(__builtin_return_address(0), n);
    *out = __libc_memalign(align, n);
    return *out ? 0 : 12;
}

static const char *object_of(void *from) {
    Dl_info who;
    if (!dladdr(from, &who) || !who.dli_fname)
        return "unknown";
    const char *slash = strrchr(who.dli_fname, '/');
    return slash ? slash + 1 : who.dli_fname;
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("COUNTER_FILE");
    FILE *f = path ? fopen(path, "w") : NULL;
    size_t n = atomic_load(&count);
    if (!f)
        return;
    fprintf(f, "%zu all, %ld kept by calls\n", n, atomic_load(&kept));
    for (size_t i = 0; i < n && i < MOST; i++)
        fprintf(f, "%zu %s %s\n", calls[i].bytes,
                calls[i].during ? "during" : "between", object_of(calls[i].from));
    fclose(f);
}
