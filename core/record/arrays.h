/* SPDX-License-Identifier: Apache-2.0 */
/* An HDF5 file of named arrays whose shapes are known before their data, which then
 * come piece by piece: HDF5 lays the file out, and the data go to their offsets by
 * pwrite. Each array has its CRC32C in the attribute `crc32c`. The file is whole or
 * absent. */
#ifndef RECORD_ARRAYS_H
#define RECORD_ARRAYS_H

#include <stdint.h>

#include <runner/abi.h>

#include "base/memory.h"

#define ARRAYS_RANK_MAX (RN_MAX_RANK + 1)

struct array_spec {
    const char *name; /* "train/x": a group, and a name in it; or a name */
    const char *doc;
    rn_dtype dtype; /* RN_U8 for bytes of text */
    uint32_t rank;
    int64_t shape[ARRAYS_RANK_MAX];
    uint32_t text; /* > 0: texts of so many bytes; shape is without them */
};

struct array_text {
    const char *name, *value;
};

struct array_file {
    const char *doc;
    uint32_t array_count, text_count;
    const struct array_spec *arrays; /* names of one group after the other */
    const struct array_text *texts;  /* attributes of the file; at most 60,000 bytes */
};

struct arrays;
/* path: replaced by arrays_commit only. RN_E_IO with the reason. */
int arrays_create(const char *path, const struct array_file *f, struct arrays **out,
                  struct rn_error *e);
/* The next `bytes` of array i. */
int arrays_append(struct arrays *w, uint32_t i, const void *data, uint64_t bytes,
                  struct rn_error *e);
/* All arrays are complete: sums, fsync, rename. Frees w in either case. */
int arrays_commit(struct arrays *w, struct rn_error *e);
void arrays_discard(struct arrays *w); /* NULL is fine */

struct array_view;
/* Every byte is checked. RN_E_DATA: damaged, or not such a file. */
int arrays_open(const char *path, struct array_view **out, struct rn_error *e);
void arrays_close(struct array_view *v); /* NULL is fine */
/* The array of that name and these many bytes, in memory that is shared with the file's
 * cache until arrays_close; RN_E_DATA: it is not there, or has another size. bytes
 * NULL: any; *size gets it. */
int arrays_find(struct array_view *v, const char *name, const uint64_t *bytes,
                const void **data, uint64_t *size, struct rn_error *e);
/* The attribute of that name in the arena, "" when there is none. */
const char *arrays_text(const struct array_view *v, struct arena *a, const char *name);

#endif
