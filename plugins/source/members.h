/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a source, wherever they are: in a folder, or in archives (tar, also
 * compressed by gzip, zstd, xz or bzip2, and zip) that are read in place. An archive is
 * read once, in order; each member that is used is then read from its offset where its
 * bytes are stored as they are, and otherwise kept in memory, within the budget. */
#ifndef SOURCE_MEMBERS_H
#define SOURCE_MEMBERS_H

#include <runner/sdk/source.h>

struct member {
    char *name;     /* in its place, '/' between folders */
    char *link;     /* of a hard link until members_open has succeeded: its target */
    uint32_t place; /* index */
    uint64_t at, size;
    const uint8_t *held; /* its bytes; NULL: `size` bytes at `at` of the place */
};

struct member_place {
    const char *path; /* owned */
    int archive;      /* 1, or 0: a folder */
};

struct held_block {
    struct held_block *next;
    uint8_t bytes[];
};

struct members {
    struct rn_budget *budget; /* borrowed */
    /* Is the file of that name used? Others are counted and left alone. */
    int (*used)(void *context, const char *name);
    void *context;
    struct member_place *places;
    uint32_t place_count;
    struct member *at; /* [count], by place, then by the bytes of the name */
    uint64_t count, capacity;
    struct held_block *held; /* owned */
    uint64_t hidden, unused; /* files that were passed over */
    char unused_name[256];   /* the first of them */
};

/* What a reader keeps from one file to the next; zeroed before the first. */
struct member_buffer {
    uint8_t *bytes; /* owned */
    uint64_t capacity;
    int open, fd; /* an archive, of this place */
    uint32_t place;
};
void member_buffer_finish(struct member_buffer *b);

/* m: zeroed but for budget, used and context; the caller's to finish, also after an
 * error. paths: folders and archives. Special files, links to nothing or to a folder,
 * and two members of one name are errors. */
int32_t members_open(struct members *m, char *const *paths, uint32_t count,
                     struct rn_error *e);
void members_finish(struct members *m);
/* *bytes: until the next call with this buffer. Any thread, each with its buffer. */
int32_t members_read(const struct members *m, uint64_t i, struct member_buffer *b,
                     const uint8_t **bytes, uint64_t *size, struct rn_error *e);
/* "folder/a.png", "set.tar!a.png"; in `out`. */
void members_path(const struct members *m, const struct member *x, char *out,
                  size_t size);
/* The member of that name in that place, or NULL. */
const struct member *members_find(const struct members *m, uint32_t place,
                                  const char *name);

/* Used by what fills it. name: copied. NULL with an error. */
struct member *members_add(struct members *m, uint32_t place, const char *name,
                           struct rn_error *e);
/* Is the file used? Otherwise it is counted. name: its path in the place. */
int members_use(struct members *m, const char *name);
/* The members of an archive, open at its beginning: members_lazy.c opens the library
 * whose only function is members_scan_archive. */
typedef int32_t members_scan_fn(struct members *m, uint32_t place, int fd,
                                struct rn_error *e);
members_scan_fn members_scan, members_scan_archive;

#endif
