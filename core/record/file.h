/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are whole or absent. */
#ifndef RECORD_FILE_H
#define RECORD_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <runner/abi.h>

/* A descriptor for a file of a run folder, close-on-exec; flags as of open(). What is
 * not a regular file (a FIFO, a device) is refused without being opened:
 * RN_E_CHECKPOINT. Negative status with errno kept. */
int file_open(const char *path, int flags, struct rn_error *e);
/* RN_E_IO from errno: "cannot <verb> <path>: ...", with a sentence for a full disk. */
int file_error(struct rn_error *e, const char *verb, const char *path);

/* All of it at `offset`, or RN_E_IO. */
int file_write(int fd, const void *data, uint64_t bytes, uint64_t offset,
               const char *path, struct rn_error *e);
/* Exactly `bytes` at `offset`, or RN_E_IO (RN_E_CHECKPOINT when the file is shorter).
 */
int file_read(int fd, void *data, uint64_t bytes, uint64_t offset, const char *path,
              struct rn_error *e);
/* A new empty file for writing; one left over is removed. The descriptor, or a status.
 */
int file_temp(const char *path, struct rn_error *e);
/* fsync fd, close it (always), rename temp to path, fsync the folder; on failure temp
 * is emptied and removed. */
int file_commit(int fd, const char *temp, const char *path, struct rn_error *e);
/* Empty and remove (an open descriptor elsewhere then holds no space). */
void file_discard(const char *path);
/* The whole text, by file_temp, file_write and file_commit. */
int file_replace(const char *path, const void *data, uint64_t bytes,
                 struct rn_error *e);
/* Room for `bytes` from the start, in one piece where the file system can: what is then
 * written needs no blocks. RN_E_IO when the disk is full. Nothing is reserved on tmpfs,
 * where that costs as much as writing. */
int file_reserve(int fd, uint64_t bytes, const char *path, struct rn_error *e);
/* Ask the kernel to begin writing these bytes to disk, so that the fsync that must
 * still follow finds less to do. A hint: no durability, no error. */
void file_begin_writeback(int fd, uint64_t offset, uint64_t bytes);
int file_sync_folder(const char *folder, struct rn_error *e);
/* At most `limit` bytes into memory, NUL-ended; release with memory_release. */
int file_load(const char *path, uint64_t limit, char **out, uint64_t *bytes,
              struct rn_error *e);

#endif
