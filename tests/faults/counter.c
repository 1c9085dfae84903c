/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into the runner by steps.py: counts what is allocated between two moments
 * that the hook `window` tells, by the object that asks.
 *   COUNTER_FILE=FILE  at exit: "COUNT all", then a line "BYTES OBJECT" for each call
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
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

static struct {
    void *from;
    size_t bytes;
} calls[MOST];
static atomic_size_t count;
static atomic_bool open_;

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
    }
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
    fprintf(f, "%zu all\n", n);
    for (size_t i = 0; i < n && i < MOST; i++)
        fprintf(f, "%zu %s\n", calls[i].bytes, object_of(calls[i].from));
    fclose(f);
}
