/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled regions on disk: ${XDG_CACHE_HOME:-~/.cache}/runner/regions/KEY.so, each
 * sealed with its length and a checksum, so that a torn file is never opened. The one
 * place of a plugin that opens shared objects: those that it had made (layering.py). */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/stat.h>
#include <unistd.h>

#include "compiled.h"

#define STALE_S 86400      /* a scratch folder that a killed run left */
#define LARGEST (64 << 20) /* bytes of a shared object */

struct seal { /* after the last byte of the shared object */
    char magic[8];
    uint64_t size; /* of the shared object alone */
    struct cache_key key, sum;
};
static const char magic[8] = "rnregion";

/* ---------------------------------------------------------------- hashing */

/* Two lanes of 64 bits that walk apart. The folder is the user's own: this guards
 * against accidents. */
static void add(struct cache_key *k, const void *data, size_t n) {
    const unsigned char *p = data;
    uint64_t a = k->half[0] ^ 0xcbf29ce484222325u, b = k->half[1] + n;
    for (size_t i = 0; i < n; i++) {
        a = (a ^ p[i]) * 0x100000001b3u;
        b = (b ^ b >> 29 ^ p[i]) * 0x9e3779b97f4a7c15u;
    }
    k->half[0] = a ^ a >> 32;
    k->half[1] = b ^ b >> 32;
}

void cache_key_add(struct cache_key *k, const char *text) {
    add(k, text, strlen(text) + 1);
}

/* ---------------------------------------------------------------- folders */

static char *joined(const char *folder, const char *name) {
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", folder, name);
    return path;
}

/* Ours, and nobody else may write to it. */
static bool ours(const struct stat *s) {
    return s->st_uid == geteuid() && (s->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

char *cache_folder(const char *name) {
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    struct stat s;
    if (base && base[0] == '/')
        path = joined(base, "");
    else if (home && home[0] == '/')
        path = joined(home, ".cache");
    const char *const below[] = {"runner", name};
    for (int i = 0; path && i <= 2; i++) { /* a home that is not there is not made */
        bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
        char *next = made && i < 2 ? joined(path, below[i]) : NULL;
        if (i < 2 || !made) {
            free(path);
            path = next;
        }
    }
    if (path && (lstat(path, &s) != 0 || !S_ISDIR(s.st_mode) || !ours(&s) ||
                 access(path, W_OK | X_OK) != 0)) {
        free(path);
        path = NULL;
    }
    return path;
}

static void remove_folder(const char *path) {
    for (int again = 0; again < 3; again++) { /* a killed compiler may be dying yet */
        DIR *d = opendir(path);
        struct dirent *f;
        while (d && (f = readdir(d)))
            if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0)
                unlinkat(dirfd(d), f->d_name, 0);
        if (d)
            closedir(d);
        if (rmdir(path) == 0 || errno == ENOENT)
            return;
    }
}

static void remove_stale(const char *folder) {
    DIR *d = opendir(folder);
    struct dirent *f;
    struct stat s;
    while (d && (f = readdir(d))) {
        if (strncmp(f->d_name, "tmp-", 4) != 0 ||
            fstatat(dirfd(d), f->d_name, &s, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISDIR(s.st_mode) || s.st_mtime + STALE_S > time(NULL))
            continue;
        char *path = joined(folder, f->d_name);
        if (path)
            remove_folder(path);
        free(path);
    }
    if (d)
        closedir(d);
}

char *cache_scratch(const char *folder) {
    const char *tmp = getenv("TMPDIR");
    char *path;
    if (folder) {
        remove_stale(folder);
        path = joined(folder, "tmp-XXXXXX");
    } else {
        path = joined(tmp && tmp[0] == '/' ? tmp : "/tmp", "runner-XXXXXX");
    }
    if (path && !mkdtemp(path)) { /* 0700 */
        free(path);
        path = NULL;
    }
    return path;
}

void cache_scratch_remove(char *path) {
    if (path)
        remove_folder(path);
    free(path);
}

/* ------------------------------------------------------------------ files */

char *cache_path(const char *folder, const struct cache_key *k) {
    char name[48];
    snprintf(name, sizeof name, "%016llx%016llx.so", (unsigned long long)k->half[0],
             (unsigned long long)k->half[1]);
    return joined(folder, name);
}

/* All bytes of a file that is ours alone, NULL if it is not. */
static unsigned char *read_ours(const char *path, size_t *size) {
    struct stat s;
    unsigned char *data = NULL;
    int f = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (f < 0)
        return NULL;
    if (fstat(f, &s) == 0 && S_ISREG(s.st_mode) && ours(&s) && s.st_size > 0 &&
        s.st_size <= LARGEST)
        data = malloc((size_t)s.st_size);
    *size = 0;
    while (data && *size < (size_t)s.st_size) {
        ssize_t n = read(f, data + *size, (size_t)s.st_size - *size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        *size += (size_t)n;
    }
    close(f);
    return data;
}

static bool write_all(int f, const void *data, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t k = write(f, (const char *)data + done, n - done);
        if (k < 0 && errno != EINTR)
            return false;
        done += k > 0 ? (size_t)k : 0;
    }
    return true;
}

char *cache_put(const char *folder, const struct cache_key *k, const char *file) {
    struct seal seal = {.key = *k};
    size_t size;
    if (chmod(file, 0700) != 0)
        return NULL;
    unsigned char *data = read_ours(file, &size);
    if (!data)
        return NULL;
    memcpy(seal.magic, magic, sizeof magic);
    seal.size = size;
    add(&seal.sum, data, size);
    free(data);
    int f = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
    bool good = f >= 0 && write_all(f, &seal, sizeof seal);
    if (f >= 0)
        good = close(f) == 0 && good;
    char *place = good ? (folder ? cache_path(folder, k) : strdup(file)) : NULL;
    if (place && folder && rename(file, place) != 0) {
        free(place);
        place = NULL;
    }
    return place;
}

void *cache_open(const char *path, const struct cache_key *k) {
    struct seal seal;
    struct cache_key sum = {{0, 0}};
    size_t size;
    if (access(path, F_OK) != 0)
        return NULL;
    unsigned char *data = read_ours(path, &size);
    bool good = data && size > sizeof seal;
    if (good) {
        size -= sizeof seal;
        memcpy(&seal, data + size, sizeof seal);
        add(&sum, data, size);
        good = memcmp(seal.magic, magic, sizeof magic) == 0 && seal.size == size &&
               memcmp(&seal.key, k, sizeof *k) == 0 &&
               memcmp(&seal.sum, &sum, sizeof sum) == 0;
    }
    free(data);
    void *so = good ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!so)
        unlink(path);
    return so;
}

region_fn cache_function(void *so, const char *name) {
    region_fn fn;
    void *symbol = dlsym(so, name);
    memcpy(&fn, &symbol, sizeof fn);
    return fn;
}

void cache_close(void *so) {
    dlclose(so);
}
