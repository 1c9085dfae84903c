/* SPDX-License-Identifier: Apache-2.0 */
/* The values of a column of a Parquet file, page by page. */
#ifndef SOURCE_PARQUET_PAGES_H
#define SOURCE_PARQUET_PAGES_H

#include "parquet_file.h"

/* As it is stored: an integer (also of a boolean), a real, or bytes. */
struct parquet_value {
    int64_t whole;
    double real;
    const uint8_t *bytes;
    uint32_t count;
};

/* v: NULL where the value is missing; valid during the call. */
typedef void (*parquet_visit)(void *context, uint64_t row,
                              const struct parquet_value *v);

/* All values of a column of a row group whose first row is `first`. Errors name column
 * and byte. */
int32_t parquet_chunk_visit(const struct parquet_file *f, uint32_t group,
                            uint32_t column, uint64_t first, struct rn_budget *b,
                            parquet_visit visit, void *context, struct rn_error *e);

/* Snappy's format, raw (google/snappy, format_description.txt): exactly n bytes. 0: it
 * is damaged. */
int parquet_unsnap(const uint8_t *from, uint64_t bytes, uint8_t *to, uint64_t n);
/* The same for zstd, where it was found (RUNNER_ZSTD). */
int parquet_unzstd(const uint8_t *from, uint64_t bytes, uint8_t *to, uint64_t n);

#endif
