/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into the runner by tests: lets the n-th call of a kind fail, or counts what
 * backends allocate.
 *   SHIM_FAIL=KIND:N:ERRNO[:FOLDER]  KIND write, sync, rename, open or alloc. The N-th
 *                                    call (from 1) fails, and all later ones but of
 *                                    alloc. FOLDER: only for files below it; of
 *                                    alloc: only for objects whose path has it
 *   SHIM_CALLS=FILE                  at exit: how many calls of that kind there were
 *   SHIM_TRACE=FILE                  a line for each call that changes or syncs a file,
 *                                    once it has succeeded, and for each line that is
 *                                    printed, before: "write PATH", "sync PATH",
 *                                    "rename FROM -> TO", "make PATH", "say LINE"
 *   SHIM_PEAK=FILE                   at exit: the most bytes that files in a folder
 *                                    backend/ held at once by aligned_alloc */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum kind { WRITE, SYNC, RENAME, OPEN, ALLOC, KINDS };
static const char *const names[KINDS] = {"write", "sync", "rename", "open", "alloc"};

static int kind = -1, error = ENOSPC, trace_fd = -1;
static long nth;
static char folder[4096];
static atomic_long calls;

__attribute__((constructor)) static void start(void) {
    const char *s = getenv("SHIM_FAIL");
    char word[16];
    int at = 0;
    if (!s || sscanf(s, "%15[a-z]:%ld:%d:%n", word, &nth, &error, &at) < 3)
        return;
    if (at)
        snprintf(folder, sizeof folder, "%s", s + at);
    for (int k = 0; k < KINDS; k++)
        if (strcmp(word, names[k]) == 0)
            kind = k;
}

/* Shall this call fail? errno is set. */
static int fails(enum kind k) {
    if ((int)k != kind)
        return 0;
    long n = atomic_fetch_add(&calls, 1) + 1;
    if (nth < 1 || n < nth || (k == ALLOC && n > nth))
        return 0;
    errno = error;
    return 1;
}

static int watched_path(const char *path) {
    return !folder[0] || strstr(path, folder) != NULL;
}

static int watched(int fd) {
    char link[64], path[4096];
    if (!folder[0])
        return 1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return watched_path(path);
}

/* dlsym may allocate: found when first needed, outside of the allocators. */
#define REAL(type, name, ...)                                                          \
    static type (*real)(__VA_ARGS__);                                                  \
    if (!real)                                                                         \
    real = (type(*)(__VA_ARGS__))(uintptr_t)dlsym(RTLD_NEXT, name)

static void add_line(const char *line, size_t n) {
    REAL(ssize_t, "write", int, const void *, size_t);
    int code = errno;
    (void)!real(trace_fd, line, n);
    errno = code;
}

/* One line of the trace; returns `result`, which is negative when the call failed. */
static ssize_t trace(ssize_t result, const char *what, const char *one,
                     const char *two) {
    char line[3 * 4096];
    if (trace_fd < 0 || result < 0)
        return result;
    int n = snprintf(line, sizeof line, "%s %s%s%s\n", what, one, two ? " -> " : "",
                     two ? two : "");
    add_line(line, (size_t)n);
    return result;
}

static ssize_t trace_file(ssize_t result, const char *what, int fd) {
    char link[64], path[4096];
    if (trace_fd < 0 || result < 0)
        return result;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return path[0] == '/' ? trace(result, what, path, NULL) : result;
}

EXPORT int puts(const char *line) {
    REAL(int, "puts", const char *);
    trace(0, "say", line, NULL);
    return real(line);
}

EXPORT int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    return (int)trace(real(path, mode), "make", path, NULL);
}

EXPORT int symlink(const char *to, const char *path) {
    REAL(int, "symlink", const char *, const char *);
    return (int)trace(real(to, path), "make", path, NULL);
}

EXPORT ssize_t write(int fd, const void *p, size_t n) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return kind == WRITE && watched(fd) && fails(WRITE)
               ? -1
               : trace_file(real(fd, p, n), "write", fd);
}

EXPORT ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return kind == WRITE && watched(fd) && fails(WRITE)
               ? -1
               : trace_file(real(fd, p, n, at), "write", fd);
}

EXPORT ssize_t pwrite64(int fd, const void *p, size_t n, off_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    return kind == WRITE && watched(fd) && fails(WRITE)
               ? -1
               : trace_file(real(fd, p, n, at), "write", fd);
}

EXPORT int fsync(int fd) {
    REAL(int, "fsync", int);
    return kind == SYNC && watched(fd) && fails(SYNC)
               ? -1
               : (int)trace_file(real(fd), "sync", fd);
}

EXPORT int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return kind == SYNC && watched(fd) && fails(SYNC)
               ? -1
               : (int)trace_file(real(fd), "sync", fd);
}

EXPORT int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return kind == RENAME && watched_path(to) && fails(RENAME)
               ? -1
               : (int)trace(real(from, to), "rename", from, to);
}

__attribute__((constructor)) static void start_trace(void) {
    const char *path = getenv("SHIM_TRACE");
    REAL(int, "open", const char *, int, ...);
    if (path)
        trace_fd = real(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

static int for_writing(int flags) {
    return (flags & O_ACCMODE) != O_RDONLY;
}

EXPORT int open(const char *path, int flags, ...) {
    REAL(int, "open", const char *, int, ...);
    va_list list;
    va_start(list, flags);
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0;
    va_end(list);
    if (kind == OPEN && for_writing(flags) && watched_path(path) && fails(OPEN))
        return -1;
    return real(path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...) {
    REAL(int, "open64", const char *, int, ...);
    va_list list;
    va_start(list, flags);
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0;
    va_end(list);
    if (kind == OPEN && for_writing(flags) && watched_path(path) && fails(OPEN))
        return -1;
    return real(path, flags, mode);
}

/* -------------------------------------------------------------- allocation */

/* glibc's own entries: no dlsym, which allocates. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);
extern void __libc_free(void *p);

static struct {
    void *p;
    size_t bytes;
} blocks[4096];
static size_t held, peak;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Is the object that calls from here watched? Call sites are few and dladdr is slow: an
 * entry is the site, shifted, and the answer. */
static int watched_site(void *caller) {
    static _Atomic uintptr_t known[4096];
    uintptr_t site = (uintptr_t)caller << 1;
    _Atomic uintptr_t *entry = &known[((uintptr_t)caller >> 2) % 4096];
    uintptr_t have = atomic_load_explicit(entry, memory_order_relaxed);
    Dl_info who;
    if ((have & ~(uintptr_t)1) != site) {
        have = site | (dladdr(caller, &who) && who.dli_fname &&
                       watched_path(who.dli_fname));
        atomic_store_explicit(entry, have, memory_order_relaxed);
    }
    return have & 1;
}

static int alloc_fails(void *caller) {
    if (kind != ALLOC || (folder[0] && !watched_site(caller)))
        return 0;
    return fails(ALLOC);
}

#define CALLER __builtin_return_address(0)

EXPORT void *malloc(size_t n) {
    return alloc_fails(CALLER) ? NULL : __libc_malloc(n);
}

EXPORT void *calloc(size_t n, size_t size) {
    return alloc_fails(CALLER) ? NULL : __libc_calloc(n, size);
}

EXPORT void *realloc(void *p, size_t n) {
    return n && alloc_fails(CALLER) ? NULL : __libc_realloc(p, n);
}

EXPORT void *aligned_alloc(size_t align, size_t n) {
    Dl_info who;
    void *p = alloc_fails(CALLER) ? NULL : __libc_memalign(align, n);
    if (!p || !getenv("SHIM_PEAK") || !dladdr(CALLER, &who) ||
        !strstr(who.dli_fname, "/backend/"))
        return p;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        if (!blocks[i].p) {
            blocks[i].p = p;
            blocks[i].bytes = n - 64; /* what backends add behind each block */
            held += n - 64;
            break;
        }
    peak = held > peak ? held : peak;
    pthread_mutex_unlock(&lock);
    return p;
}

EXPORT void free(void *p) {
    if (p && held) {
        pthread_mutex_lock(&lock);
        for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
            if (blocks[i].p == p) {
                held -= blocks[i].bytes;
                blocks[i].p = NULL;
                break;
            }
        pthread_mutex_unlock(&lock);
    }
    __libc_free(p);
}

static void tell(const char *variable, unsigned long long number) {
    const char *path = getenv(variable);
    FILE *f = path ? fopen(path, "w") : NULL;
    if (f) {
        fprintf(f, "%llu\n", number);
        fclose(f);
    }
}

__attribute__((destructor)) static void end(void) {
    unsigned long long most = peak, n = (unsigned long long)atomic_load(&calls);
    kind = -1;
    tell("SHIM_PEAK", most);
    tell("SHIM_CALLS", n);
}
