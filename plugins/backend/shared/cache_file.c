/* SPDX-License-Identifier: Apache-2.0 */
/* The cache folder, keys, sealed files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include "cache_file.h"

#define LARGEST (256 << 20) /* bytes of a file */

struct seal { /* after the last byte of the content */
    char magic[8];
    uint64_t size; /* of the content */
    struct cache_key key, sum;
};
static const char magic[8] = "rnsealed";

/* Two lanes of 64 bits that walk apart. */
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

/* ----------------------------------------------------------------- folders */

char *cache_join(const char *folder, const char *name) {
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
    const char *const below[] = {"runner", name};
    char *path = NULL;
    struct stat s;
    if (base && base[0] == '/')
        path = strdup(base);
    else if (home && home[0] == '/')
        path = cache_join(home, ".cache");
    for (int i = 0; path && i <= 2; i++) { /* a home that is not there is not made */
        bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
        char *next = made && i < 2 ? cache_join(path, below[i]) : NULL;
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

char *cache_path(const char *folder, const struct cache_key *k, const char *tail) {
    char name[64];
    snprintf(name, sizeof name, "%016llx%016llx.%.16s", (unsigned long long)k->half[0],
             (unsigned long long)k->half[1], tail);
    return cache_join(folder, name);
}

/* ------------------------------------------------------------------- files */

/* All bytes of a file that is ours alone, NULL if it is not. */
static unsigned char *read_ours(const char *path, size_t *size) {
    struct stat s;
    unsigned char *data = NULL;
    int f = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    *size = 0;
    if (f < 0)
        return NULL;
    if (fstat(f, &s) == 0 && S_ISREG(s.st_mode) && ours(&s) && s.st_size > 0 &&
        s.st_size <= LARGEST)
        data = malloc((size_t)s.st_size);
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

static struct seal seal_of(const struct cache_key *k, const void *data, size_t bytes) {
    struct seal seal = {.size = bytes, .key = *k};
    memcpy(seal.magic, magic, sizeof magic);
    add(&seal.sum, data, bytes);
    return seal;
}

void *cache_read(const char *path, const struct cache_key *k, size_t *bytes) {
    size_t size;
    if (access(path, F_OK) != 0)
        return NULL;
    unsigned char *data = read_ours(path, &size);
    bool good = data && size > sizeof(struct seal);
    if (good) {
        *bytes = size - sizeof(struct seal);
        struct seal want = seal_of(k, data, *bytes);
        good = memcmp(data + *bytes, &want, sizeof want) == 0;
    }
    if (!good) {
        free(data);
        data = NULL;
        unlink(path);
    }
    return data;
}

static bool append(const char *file, int flags, const void *data, size_t bytes,
                   const struct seal *seal) {
    int f = open(file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    if (f < 0)
        return false;
    bool good = write_all(f, data, bytes) && write_all(f, seal, sizeof *seal);
    return close(f) == 0 && good;
}

bool cache_seal(const char *file, const struct cache_key *k) {
    size_t size;
    unsigned char *data = read_ours(file, &size);
    if (!data)
        return false;
    struct seal seal = seal_of(k, data, size);
    free(data);
    return append(file, O_APPEND, "", 0, &seal);
}

bool cache_write(const char *path, const struct cache_key *k, const void *data,
                 size_t bytes) {
    struct seal seal = seal_of(k, data, bytes);
    size_t n = strlen(path) + 24;
    char *temp = malloc(n);
    if (!temp)
        return false;
    snprintf(temp, n, "%s.%ld", path, (long)getpid());
    bool good =
        append(temp, O_CREAT | O_EXCL, data, bytes, &seal) && rename(temp, path) == 0;
    if (!good)
        unlink(temp);
    free(temp);
    return good;
}
