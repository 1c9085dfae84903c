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

#define STALE_S 86400 /* a scratch folder that a killed run left */

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
        char *path = cache_join(folder, f->d_name);
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
        path = cache_join(folder, "tmp-XXXXXX");
    } else {
        path = cache_join(tmp && tmp[0] == '/' ? tmp : "/tmp", "runner-XXXXXX");
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

char *cache_put(const char *folder, const struct cache_key *k, const char *file) {
    if (chmod(file, 0700) != 0 || !cache_seal(file, k))
        return NULL;
    char *place = folder ? cache_path(folder, k, "so") : strdup(file);
    if (place && folder && rename(file, place) != 0) {
        free(place);
        place = NULL;
    }
    return place;
}

void *cache_open(const char *path, const struct cache_key *k) {
    size_t bytes;
    void *data = cache_read(path, k, &bytes);
    if (!data)
        return NULL;
    free(data);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
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
