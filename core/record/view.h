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
 * longer count), lost rows (data: u64 how many were here before a repair; rows after
 * them keep their numbers, which rewinds and checkpoints count by).
 *
 * An unreadable record with nothing durable after it is a torn tail: normal after a
 * crash. One that a later record knows to have been durable is damage: a single flipped
 * bit is put right, as only one flip can make the CRC32C match again; else the record
 * is stepped over. */
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

enum { LOG_SCALAR = 1, LOG_TENSOR = 2, LOG_NOTE = 3, LOG_REWIND = 4, LOG_LOST = 5 };

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

/* A place that is not as it was written. */
struct log_damage {
    uint64_t at, bytes; /* of the file */
    bool corrected;     /* one bit, put right in the view */
    uint64_t rows;      /* lost; at least so many unless exact */
    bool exact;
    int64_t after, before; /* steps of the rows around; INT64_MIN: none */
};

struct log_row {
    uint32_t series;
    uint64_t number; /* from 0, lost ones counted */
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
    uint64_t size; /* of bytes[] */
    uint64_t good; /* end of the last readable record */
    struct log_damage *damage;
    size_t damage_count, damage_capacity;
    uint64_t next; /* number of the next row */
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
/* The length of the intact record at `at` of the view, or 0. */
uint32_t log_record(const struct log_view *v, uint64_t at, struct log_entry *n);
/* The series of that name, type and shape, or SIZE_MAX. hint: look there first. */
size_t log_find(const struct log_series *series, size_t count, const char *name,
                size_t length, bool scalar, rn_dtype dtype, uint32_t rank,
                const int64_t *shape, size_t hint);

#endif
