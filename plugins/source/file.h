/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and reading the files of a source, with the source's errors. */
#ifndef SOURCE_FILE_H
#define SOURCE_FILE_H

#include <runner/sdk/budget.h>
#include <runner/sdk/file.h>
#include <runner/sdk/size.h>

#include "../fail.h"

/* The error for a path that rn_file_open refused. */
static inline int32_t file_open_error(const char *file, const char *why,
                                      struct rn_error *e) {
    return why ? fail(e, RN_E_DATA, file, 0, 0, "%s", why)
               : fail(e, RN_E_DATA, file, 0, 0, "cannot be opened: %s",
                      strerror(errno));
}

/* *fd: a regular file, open for reading, the caller's; -1 with an error. st: its state,
 * or NULL. */
static inline int32_t file_open(const char *file, int *fd, struct stat *st,
                                struct rn_error *e) {
    const char *why = NULL;
    *fd = rn_file_open(file, O_RDONLY, st, &why);
    return *fd < 0 ? file_open_error(file, why, e) : RN_OK;
}

/* Exactly `bytes` from offset `at`. */
static inline int32_t file_read(int fd, const char *file, void *to, uint64_t bytes,
                                uint64_t at, struct rn_error *e) {
    int64_t got = rn_file_read(fd, to, bytes, at);
    if (got < 0)
        return fail(e, RN_E_IO, file, 0, 0, "cannot be read: %s", strerror(errno));
    if ((uint64_t)got < bytes)
        return fail(e, RN_E_DATA, file, 0, 0, "is cut short at byte %llu",
                    (unsigned long long)(at + (uint64_t)got));
    return RN_OK;
}

#endif
