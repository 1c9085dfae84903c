/* SPDX-License-Identifier: Apache-2.0 */
/* The seal: the first 512 bytes of the user block of an HDF5 file of runner. It is text
 * with the SHA-256 of the file, which is checked before HDF5 reads a byte.
 *
 * Format 1 (run.h5, and checkpoints of earlier versions): the hash covers the seal's
 * other lines and all bytes behind the seal. Format 2 (a checkpoint with large
 * tensors): a table of ranges follows the seal, and the hash leaves out the bytes of
 * those ranges, each of which has its own CRC32C in the hashed table. So the bulk is
 * read once, and at the speed of CRC32C.
 *
 * Format 2, at byte 512: per range u64 offset, u64 bytes, u32 CRC32C, u32 zero,
 * little-endian, in rising order of offset; zeros up to the end of the user block. */
#ifndef RECORD_SEAL_H
#define RECORD_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include <runner/abi.h>

#define SEAL_BYTES 512u

struct seal {
    int64_t step;
    uint64_t bytes;  /* of the whole file */
    uint64_t log;    /* of metrics.rlog that run.h5 was made from; checkpoints: 0 */
    uint64_t ranges; /* that the SHA-256 leaves out; 0: format 1 */
    char sha256[65];
};

struct seal_range {
    uint64_t offset, bytes;
    uint32_t crc, zero;
};

/* Bytes of the user block that holds a seal with so many ranges: a power of two. */
uint64_t seal_room(uint64_t ranges);
/* Hash fd and write the seal, and the table of the `count` ranges behind it (sorted
 * here by offset). `kind` is "checkpoint" or "run". */
int seal_write(int fd, const char *kind, int64_t step, uint64_t log,
               struct seal_range *ranges, uint64_t count, const char *path,
               struct seal *out, struct rn_error *e);
/* Check everything but the content of the ranges: their reader compares it with
 * their CRC32C. RN_E_CHECKPOINT says what is wrong. */
int seal_check(int fd, const char *kind, const char *path, struct seal *out,
               struct rn_error *e);
/* The first lines only, nothing verified. */
int seal_peek(const char *path, const char *kind, struct seal *out, struct rn_error *e);

#endif
