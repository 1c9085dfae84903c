/* SPDX-License-Identifier: Apache-2.0 */
/* Opening what must be a regular file. A FIFO would block until somebody writes to it,
 * a device may never end, and opening one can have effects: none of them is opened.
 * Plain POSIX (compile with _XOPEN_SOURCE=700 or a GNU dialect); header-only. */
#ifndef RUNNER_SDK_FILE_H
#define RUNNER_SDK_FILE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NULL for a regular file, else what it is: "is a directory, not a regular file".
 * Static. */
static inline const char *rn_file_kind(const struct stat *st) {
    return S_ISREG(st->st_mode)    ? NULL
           : S_ISDIR(st->st_mode)  ? "is a directory, not a regular file"
           : S_ISFIFO(st->st_mode) ? "is a FIFO (a pipe), not a regular file"
           : S_ISSOCK(st->st_mode) ? "is a socket, not a regular file"
           : S_ISCHR(st->st_mode)  ? "is a character device, not a regular file"
           : S_ISBLK(st->st_mode)  ? "is a block device, not a regular file"
                                   : "is not a regular file";
}

/* NULL for a path that is a regular file or does not exist or cannot be looked at (open
 * reports those); else what it is, as rn_file_kind. For code that opens by path itself,
 * as libraries do. */
static inline const char *rn_file_special(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? rn_file_kind(&st) : NULL;
}

/* A descriptor for the regular file at `path`, close-on-exec; never blocks. flags: as
 * of open(), O_RDONLY or O_RDWR (no O_CREAT). -1 when it cannot be opened: *why says
 * what the path is if it is not a regular file (static), or is NULL and errno says why.
 * *st (may be NULL) gets the file's state. */
static inline int rn_file_open(const char *path, int flags, struct stat *st,
                               const char **why) {
    struct stat own;
    int fd;
    st = st ? st : &own;
    *why = NULL;
    if (stat(path, st) != 0)
        return -1;
    if ((*why = rn_file_kind(st)) != NULL)
        return errno = S_ISDIR(st->st_mode) ? EISDIR : EINVAL, -1;
    fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -1;
    if (fstat(fd, st) != 0 || (*why = rn_file_kind(st)) != NULL) {
        int code = *why ? EINVAL : errno;
        close(fd);
        return errno = code, -1;
    }
    return fd;
}

/* Like a loop of pread: the bytes read (fewer than asked only at the end of the file),
 * or -1 with errno. */
static inline int64_t rn_file_read(int fd, void *to, uint64_t bytes, uint64_t at) {
    uint64_t have = 0;
    while (have < bytes) {
        uint64_t left = bytes - have;
        size_t part = left < (1u << 30) ? (size_t)left : (size_t)1 << 30;
        ssize_t got = pread(fd, (char *)to + have, part, (off_t)(at + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (uint64_t)got;
    }
    return (int64_t)have;
}

#ifdef __cplusplus
}
#endif
#endif
