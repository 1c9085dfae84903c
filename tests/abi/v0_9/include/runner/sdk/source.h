/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and reading the files of a source, with the errors that a source reports:
 * RN_E_IO where the system failed, RN_E_DATA where the file is at fault, both with the
 * file's name. Plain POSIX (compile with _XOPEN_SOURCE=700 or a GNU dialect); header-
 * only. */
#ifndef RUNNER_SDK_SOURCE_H
#define RUNNER_SDK_SOURCE_H

#include <string.h>

#include <runner/sdk/budget.h>
#include <runner/sdk/error.h>
#include <runner/sdk/file.h>
#include <runner/sdk/size.h>
#include <runner/source.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The error for a path that rn_file_open refused; `why` is its, errno as it left it. */
static inline int32_t rn_source_open_error(const char *file, const char *why,
                                           struct rn_error *e) {
    return why ? rn_failf(e, RN_E_DATA, file, 0, 0, "%s", why)
               : rn_failf(e, RN_E_DATA, file, 0, 0, "cannot be opened: %s",
                          strerror(errno));
}

/* *fd: a regular file, open for reading, the caller's; -1 with an error. st: its state,
 * or NULL. */
static inline int32_t rn_source_open(const char *file, int *fd, struct stat *st,
                                     struct rn_error *e) {
    const char *why = NULL;
    *fd = rn_file_open(file, O_RDONLY, st, &why);
    return *fd < 0 ? rn_source_open_error(file, why, e) : RN_OK;
}

/* Read exactly `bytes` from offset `at`. RN_E_DATA where the file is shorter. */
static inline int32_t rn_source_read(int fd, const char *file, void *to, uint64_t bytes,
                                     uint64_t at, struct rn_error *e) {
    int64_t got = rn_file_read(fd, to, bytes, at);
    if (got < 0)
        return rn_failf(e, RN_E_IO, file, 0, 0, "cannot be read: %s", strerror(errno));
    if ((uint64_t)got < bytes)
        return rn_failf(e, RN_E_DATA, file, 0, 0, "is cut short at byte %llu",
                        (unsigned long long)(at + (uint64_t)got));
    return RN_OK;
}

#ifdef __cplusplus
}
#endif
#endif
