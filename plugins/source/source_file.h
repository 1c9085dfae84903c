/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a source: a path, or a member of an archive, written ARCHIVE!MEMBER
 * ("set.tar!train/x.npy"). */
#ifndef SOURCE_FILE_H
#define SOURCE_FILE_H

#include <runner/sdk/source.h>

struct source_file {
    int fd;            /* the caller's to close; -1 after an error */
    uint64_t at, size; /* the bytes of the file in fd */
    int member;        /* 1: of an archive */
};

/* A member whose bytes are stored as they are is read in the archive. Otherwise, and if
 * `alone` (at is then 0, and nothing follows the file), it is copied to memory: by
 * descriptor, and taken from the budget. A path that exists is no archive's, whatever
 * its name. */
int32_t source_file_open(struct source_file *f, const char *path, int alone,
                         struct rn_budget *b, struct rn_error *e);
/* Is it written as a member of an archive that exists? */
int source_file_in_archive(const char *path);

#endif
