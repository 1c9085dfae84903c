/* SPDX-License-Identifier: Apache-2.0 */
/* The footer of a Parquet file (parquet-format 2.x): flat columns, and where their
 * values are. */
#ifndef SOURCE_PARQUET_FILE_H
#define SOURCE_PARQUET_FILE_H

#include <runner/sdk/source.h>

/* Types as they are stored. */
enum {
    PARQUET_BOOLEAN,
    PARQUET_INT32,
    PARQUET_INT64,
    PARQUET_INT96,
    PARQUET_FLOAT,
    PARQUET_DOUBLE,
    PARQUET_BYTES,
    PARQUET_FIXED
};

/* What the values mean. */
enum parquet_meaning {
    PARQUET_NUMBER,
    PARQUET_UNSIGNED,
    PARQUET_TEXT,
    PARQUET_DECIMAL,
    PARQUET_DAYS,
    PARQUET_TIMES, /* `unit` of them a day */
    PARQUET_HALF,
    PARQUET_OTHER
};

struct parquet_column {
    char *name; /* owned */
    int type;
    uint32_t length; /* of FIXED */
    int optional;
    enum parquet_meaning meaning;
    int scale;         /* of DECIMAL */
    double unit;       /* of TIMES */
    const char *other; /* what cannot be read about it, or NULL */
};

/* The values of a column in a row group. */
struct parquet_chunk {
    int codec;
    uint64_t values, at, bytes;
};

struct parquet_file {
    const char *name; /* borrowed */
    int fd;
    uint64_t size, rows;
    uint32_t width, group_count;
    struct parquet_column *columns; /* [width] */
    uint64_t *group_rows;           /* [group_count] */
    struct parquet_chunk *chunks;   /* [group_count, width] */
};

/* *f: zeroed but for name, fd and size; the caller's to finish, also after an error. */
int32_t parquet_file_read(struct parquet_file *f, struct rn_budget *b,
                          struct rn_error *e);
void parquet_file_finish(struct parquet_file *f);

#endif
