/* SPDX-License-Identifier: Apache-2.0 */
/* The log file: its records, and a parsed copy of it.
 *
 * metrics.rlog is 16 bytes of LOG_HEAD, then records, little-endian, each a multiple of
 * 8 bytes:
 *    0 u32 magic         4 u32 length of the whole record
 *    8 u32 CRC32C over the record's offset in the file (u64), the length, bytes 12...
 *   12 u8 kind          13 u8 rank         14 u16 length of the name
 *   16 u64 how much of the file was durable when this record was made
 *   24 i64 step         32 f64 epoch
 *   40 u32 dtype        44 u32 length of the doc
 *   48 u64 bytes of data
 *   56 i64 shape[rank], data, name, doc, zeros to a multiple of 8
 * Kinds: a scalar row, a tensor row, a note (name: key; data: text), a rewind (data:
 * u64 rows; of the rows so far those after that many, and those with a greater step, no
 * longer count).
 *
 * An unreadable record with nothing durable after it is a torn tail: normal after a
 * crash. One that a later record knows to have been durable is damage: it is stepped
 * over. */
#ifndef RECORD_VIEW_H
#define RECORD_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <runner/abi.h>

#include "base/memory.h"
#include "base/text.h"

#define LOG_HEAD       "runner log 1\n\0\0"
#define LOG_HEAD_BYTES 16u
#define LOG_DATA_MAX   (1u << 20)
#define LOG_NAME_MAX   1000u

enum { LOG_SCALAR = 1, LOG_TENSOR = 2, LOG_NOTE = 3, LOG_REWIND = 4 };

struct log_entry {
    uint32_t kind;
    int64_t step;
    double epoch;
    const char *name;
    size_t name_length;
    const char *doc;
    size_t doc_length;
    rn_dtype dtype;
    uint32_t rank;
    int64_t shape[RN_MAX_RANK];
    const void *data;
    uint64_t bytes;
    uint64_t durable;
};

struct log_series {
    const char *name, *doc;
    uint64_t hash;
    bool scalar;
    rn_dtype dtype;
    uint32_t rank;
    int64_t shape[RN_MAX_RANK];
    uint64_t rows; /* that count */
};

struct log_row {
    uint32_t series;
    int64_t step;
    double epoch;
    const void *data; /* 8-aligned, in bytes[] */
};

struct log_note {
    const char *key, *value;
};

struct log_view {
    struct arena *arena;
    uint8_t *bytes;
    uint64_t size;       /* of bytes[] */
    uint64_t good;       /* end of the last readable record */
    uint64_t damaged_at; /* the first damage, 0: none */
    struct log_series *series;
    size_t series_count, series_capacity;
    struct log_row *rows; /* that count */
    size_t row_count, row_capacity;
    struct log_note *notes; /* one for each key */
    size_t note_count, note_capacity;
};

/* shape product times element size; false on overflow or negative sizes. */
bool log_bytes(rn_dtype dtype, uint32_t rank, const int64_t *shape, uint64_t *bytes);
/* Append the record that will stand at file offset `offset`. */
void log_encode(struct text *to, uint64_t offset, const struct log_entry *entry);
/* Read `size` bytes of fd, with `tail` appended as if written behind them. Zero-init is
 * not needed; finish also after failure. */
int log_view_init(struct log_view *v, int fd, uint64_t size, const struct text *tail,
                  const char *path, struct rn_error *e);
void log_view_finish(struct log_view *v);
/* The series of that name, type and shape, or SIZE_MAX. hint: look there first. */
size_t log_find(const struct log_series *series, size_t count, const char *name,
                size_t length, bool scalar, rn_dtype dtype, uint32_t rank,
                const int64_t *shape, size_t hint);

#endif
