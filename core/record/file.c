/* SPDX-License-Identifier: Apache-2.0 */
/* Whole-or-absent files and seals. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
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
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return file_error(e, "open", path);
    struct stat st;
    char *text = NULL;
    int status = RN_OK;
    if (fstat(fd, &st))
        status = file_error(e, "read", path);
    else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > limit)
        status = error_set(e, RN_E_IO, "%s is no file of at most %" PRIu64 " bytes",
                           path, limit);
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

/* ---------------------------------------------------------------------- seals */

/* The lines that the hash covers, too. */
static int seal_lines(char *text, size_t size, const char *kind, const struct seal *s) {
    return snprintf(text, size,
                    "runner %s 1\nstep=%" PRId64 "\nbytes=%" PRIu64 "\nlog=%" PRIu64
                    "\n",
                    kind, s->step, s->bytes, s->log);
}

static int digest(int fd, const char *kind, const char *path, struct seal *s,
                  struct rn_error *e) {
    enum { part = 1 << 20 };
    char lines[256];
    int n = seal_lines(lines, sizeof lines, kind, s);
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, lines, (size_t)n);
    char *buffer = memory_get(part);
    int status = RN_OK;
    for (uint64_t at = SEAL_BYTES; !status && at < s->bytes;) {
        uint64_t left = s->bytes - at, take = left < part ? left : part;
        status = file_read(fd, buffer, take, at, path, e);
        if (!status)
            sha256_add(&h, buffer, (size_t)take);
        at += take;
    }
    memory_release(buffer);
    uint8_t raw[32];
    sha256_finish(&h, raw);
    sha256_hex(raw, s->sha256);
    return status;
}

static int size_of(int fd, const char *path, uint64_t *bytes, struct rn_error *e) {
    struct stat st;
    if (fstat(fd, &st))
        return file_error(e, "read", path);
    *bytes = (uint64_t)st.st_size;
    return RN_OK;
}

int seal_write(int fd, const char *kind, int64_t step, uint64_t log, const char *path,
               struct seal *out, struct rn_error *e) {
    struct seal s = {.step = step, .log = log};
    char text[SEAL_BYTES] = {0};
    int status = size_of(fd, path, &s.bytes, e);
    if (!status)
        status = digest(fd, kind, path, &s, e);
    if (status)
        return status;
    int n = seal_lines(text, sizeof text, kind, &s);
    snprintf(text + n, sizeof text - (size_t)n, "sha256=%s\n", s.sha256);
    status = file_write(fd, text, sizeof text, 0, path, e);
    if (out)
        *out = s;
    return status;
}

/* Only text that seal_write makes is accepted: it is made again and compared. */
static int parse(const char *text, const char *kind, const char *path, struct seal *s,
                 struct rn_error *e) {
    char again[SEAL_BYTES] = {0}, got[SEAL_BYTES + 1] = {0};
    memcpy(got, text, SEAL_BYTES);
    memset(s, 0, sizeof *s);
    char head[64];
    int n = snprintf(head, sizeof head, "runner %s ", kind);
    if (strncmp(got, head, (size_t)n) != 0)
        return error_set(e, RN_E_CHECKPOINT, "%s is no %s file of runner", path, kind);
    if (strncmp(got + n, "1\n", 2) != 0)
        return error_set(e, RN_E_CHECKPOINT, "%s has a format that is not known here",
                         path);
    const char *sha = strstr(got, "\nsha256=");
    if (sscanf(got + n, "1\nstep=%" SCNd64 "\nbytes=%" SCNu64 "\nlog=%" SCNu64 "\n",
               &s->step, &s->bytes, &s->log) != 3 ||
        !sha)
        return error_set(e, RN_E_CHECKPOINT, "the seal of %s is damaged", path);
    snprintf(s->sha256, sizeof s->sha256, "%.64s", sha + 8);
    n = seal_lines(again, sizeof again, kind, s);
    snprintf(again + n, sizeof again - (size_t)n, "sha256=%s\n", s->sha256);
    if (memcmp(again, text, SEAL_BYTES) != 0)
        return error_set(e, RN_E_CHECKPOINT, "the seal of %s is damaged", path);
    return RN_OK;
}

int seal_check(int fd, const char *kind, const char *path, struct seal *out,
               struct rn_error *e) {
    char text[SEAL_BYTES];
    struct seal s, now;
    uint64_t bytes = 0;
    int status = size_of(fd, path, &bytes, e);
    if (!status)
        status = file_read(fd, text, sizeof text, 0, path, e);
    if (!status)
        status = parse(text, kind, path, &s, e);
    if (status)
        return status;
    if (bytes != s.bytes)
        return error_set(e, RN_E_CHECKPOINT,
                         "%s is damaged: it has %" PRIu64
                         " bytes, its seal says %" PRIu64,
                         path, bytes, s.bytes);
    now = s;
    status = digest(fd, kind, path, &now, e);
    if (!status && strcmp(now.sha256, s.sha256) != 0)
        status = error_set(e, RN_E_CHECKPOINT,
                           "%s is damaged: its SHA-256 does not match its seal", path);
    if (!status && out)
        *out = s;
    return status;
}

int seal_peek(const char *path, const char *kind, struct seal *out,
              struct rn_error *e) {
    char text[SEAL_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return file_error(e, "open", path);
    int status = file_read(fd, text, sizeof text, 0, path, e);
    close(fd);
    return status ? status : parse(text, kind, path, out, e);
}
