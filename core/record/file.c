/* SPDX-License-Identifier: Apache-2.0 */
/* Whole-or-absent files. */
#define _GNU_SOURCE /* fallocate, sync_file_range */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include <runner/sdk/file.h>

#include "base/error.h"
#include "base/memory.h"
#include "record/file.h"

int file_error(struct rn_error *e, const char *verb, const char *path) {
    int code = errno;
    if (code == ENOSPC || code == EDQUOT) {
        error_set(e, RN_E_IO, "the disk is full: cannot %s %s", verb, path);
        error_hint(e, "what was acknowledged before is still valid; free some space, "
                      "then resume");
        return RN_E_IO;
    }
    if (code == EFBIG) {
        error_set(e, RN_E_IO, "the limit on file sizes is reached: cannot %s %s", verb,
                  path);
        error_hint(e, "what was acknowledged before is still valid; raise `ulimit -f`, "
                      "then resume");
        return RN_E_IO;
    }
    return error_set(e, code == ENOMEM ? RN_E_MEMORY : RN_E_IO, "cannot %s %s: %s",
                     verb, path, code ? strerror(code) : "unknown error");
}

int file_open(const char *path, int flags, struct rn_error *e) {
    const char *why = NULL;
    int fd = -1;
    if (!(flags & O_CREAT))
        fd = rn_file_open(path, flags, NULL, &why);
    else if (!(why = rn_file_special(path)))
        fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0666);
    int code = errno, status = fd;
    if (fd < 0)
        status = why ? error_set(e, RN_E_CHECKPOINT, "%s %s", path, why)
                     : file_error(e, "open", path);
    errno = code;
    return status;
}

int file_write(int fd, const void *data, uint64_t bytes, uint64_t offset,
               const char *path, struct rn_error *e) {
    const char *p = data;
    while (bytes) {
        size_t part = bytes < (1u << 30) ? (size_t)bytes : 1u << 30;
        ssize_t n = pwrite(fd, p, part, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENOSPC;
        if (n <= 0)
            return file_error(e, "write", path);
        p += n, bytes -= (uint64_t)n, offset += (uint64_t)n;
    }
    return RN_OK;
}

int file_read(int fd, void *data, uint64_t bytes, uint64_t offset, const char *path,
              struct rn_error *e) {
    char *p = data;
    while (bytes) {
        size_t part = bytes < (1u << 30) ? (size_t)bytes : 1u << 30;
        ssize_t n = pread(fd, p, part, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_error(e, "read", path);
        if (n == 0)
            return error_set(e, RN_E_CHECKPOINT, "%s is cut short", path);
        p += n, bytes -= (uint64_t)n, offset += (uint64_t)n;
    }
    return RN_OK;
}

int file_temp(const char *path, struct rn_error *e) {
    if (unlink(path) && errno != ENOENT)
        return file_error(e, "replace", path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return fd < 0 ? file_error(e, "make", path) : fd;
}

int file_sync_folder(const char *folder, struct rn_error *e) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return file_error(e, "open", folder);
    int status = fsync(fd) ? file_error(e, "sync", folder) : RN_OK;
    close(fd);
    return status;
}

/* tmpfs reserves pages by clearing them, all of which are written again. */
static bool in_memory(int fd) {
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

int file_reserve(int fd, uint64_t bytes, const char *path, struct rn_error *e) {
    bool reserve = !in_memory(fd);
    if (!bytes || (reserve && fallocate(fd, 0, 0, (off_t)bytes) == 0))
        return RN_OK;
    if (reserve && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
        return file_error(e, "write", path);
    /* Not every file system can. The size alone saves a change of it with each write.
     */
    return ftruncate(fd, (off_t)bytes) ? file_error(e, "write", path) : RN_OK;
}

void file_begin_writeback(int fd, uint64_t offset, uint64_t bytes) {
    int code = errno;
    (void)sync_file_range(fd, (off_t)offset, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
    errno = code;
}

void file_discard(const char *path) {
    (void)!truncate(path, 0);
    unlink(path);
}

int file_commit(int fd, const char *temp, const char *path, struct rn_error *e) {
    int status = fsync(fd) ? file_error(e, "sync", temp) : RN_OK;
    if (close(fd) && !status)
        status = file_error(e, "close", temp);
    if (!status && rename(temp, path))
        status = file_error(e, "rename to", path);
    if (status) {
        file_discard(temp);
        return status;
    }
    const char *slash = strrchr(path, '/');
    if (!slash)
        return file_sync_folder(".", e);
    char *folder = memory_get((size_t)(slash - path) + 2);
    memcpy(folder, path, slash == path ? 1 : (size_t)(slash - path));
    status = file_sync_folder(folder, e);
    memory_release(folder);
    return status;
}

int file_replace(const char *path, const void *data, uint64_t bytes,
                 struct rn_error *e) {
    size_t n = strlen(path) + 8;
    char *temp = memory_get(n);
    snprintf(temp, n, "%s.tmp", path);
    int fd = file_temp(temp, e);
    int status = fd < 0 ? fd : file_write(fd, data, bytes, 0, path, e);
    if (fd >= 0 && status) {
        close(fd);
        file_discard(temp);
    } else if (fd >= 0) {
        status = file_commit(fd, temp, path, e);
    }
    memory_release(temp);
    return status;
}

int file_load(const char *path, uint64_t limit, char **out, uint64_t *bytes,
              struct rn_error *e) {
    *out = NULL;
    int fd = file_open(path, O_RDONLY, e);
    if (fd < 0)
        return fd;
    struct stat st;
    char *text = NULL;
    int status = RN_OK;
    if (fstat(fd, &st))
        status = file_error(e, "read", path);
    else if ((uint64_t)st.st_size > limit)
        status =
            error_set(e, RN_E_IO, "%s is larger than %" PRIu64 " bytes", path, limit);
    else if (!(text = memory_try((size_t)st.st_size + 1)))
        status = error_set(e, RN_E_MEMORY, "no memory for %s", path);
    else
        status = file_read(fd, text, (uint64_t)st.st_size, 0, path, e);
    close(fd);
    if (status) {
        memory_release(text);
        return status;
    }
    *out = text;
    if (bytes)
        *bytes = (uint64_t)st.st_size;
    return RN_OK;
}
