/* SPDX-License-Identifier: Apache-2.0 */
/* A source: a table of samples, each a record of typed fields. */
#ifndef RUNNER_SOURCE_H
#define RUNNER_SOURCE_H

#include <runner/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A field of every sample. Numbers: dense, `shape` per sample. Text: dtype u8, rank 1,
 * shape [longest], zero-filled at the end (flag RN_FIELD_TEXT). Where values may be
 * missing (flag RN_FIELD_NULLABLE), a missing number is NaN in a float field and
 * RN_MISSING_I64 in an i64 field, and a missing text is empty. Sources give numbers in
 * the width in which they are stored: what is left as f64 after the last transform
 * becomes f32 in the sample. */
#define RN_FIELD_TEXT     1u
#define RN_FIELD_NULLABLE 2u
#define RN_MISSING_I64    INT64_MIN
/* Cells of variable size: shape[0] is -1, and each sample has as many entries along
 * that axis as it has, maybe none; the other axes are fixed. Text of this flag is
 * [-1] and has no zeros at its end. The data go through struct rn_cells. */
#define RN_FIELD_VARIABLE 4u

struct rn_field {
    const char *name; /* plugin, until destroy */
    rn_dtype dtype;
    uint32_t rank;
    int64_t shape[RN_MAX_RANK];
    uint32_t flags; /* RN_FIELD_* */
    uint32_t reserved;
};

/* The cells of such a field for n rows: rn_tensor.data points to one (and the tensor's
 * shape is [n, -1, rest...]). All are empty until something is reserved. */
struct rn_cells {
    const struct rn_cells_api *api; /* host, static */
};

struct rn_cells_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* Of what is written: room for `count` entries in the cell of `row` (0 .. n-1), in
     * place of what it had; content undefined. *data: host, until the call that was
     * given the cells returns; NULL with an error. [worker] */
    int32_t (*reserve)(struct rn_cells *c, uint64_t row, uint64_t count, void **data,
                       struct rn_error *e);
    /* Of what is read: the entries of the cell of `row`, and how many. Host, until the
     * call that was given the cells returns; never NULL. [worker] */
    const void *(*get)(const struct rn_cells *c, uint64_t row, uint64_t *count);
};

static inline int32_t rn_reserve(const struct rn_tensor *t, uint64_t row,
                                 uint64_t count, void **data, struct rn_error *e) {
    struct rn_cells *c = (struct rn_cells *)t->data;
    return c->api->reserve(c, row, count, data, e);
}

static inline const void *rn_cell(const struct rn_tensor *t, uint64_t row,
                                  uint64_t *count) {
    const struct rn_cells *c = (const struct rn_cells *)t->data;
    return c->api->get(c, row, count);
}

#define RN_ACCESS_RANDOM     0 /* any index, cheaply */
#define RN_ACCESS_SEQUENTIAL 1 /* in rising order only */

/* rn_source_info.count of a stream: how many samples there are is not known. A stream
 * is a source of training samples, whatever `access` says read in passes: indices rise
 * by one from 0, call after call, until one call has fewer rows than it was asked for
 * (rows_read); index 0 begins the next pass, which may also come earlier. A pass gives
 * the same rows as the one before. There is one pass at a time, with one worker state;
 * its calls come one after the other, but not always on one thread. */
#define RN_COUNT_UNKNOWN UINT64_MAX

/* Filled by the source. The fields are held against the description: where its text has
 * `out:` lines, each field must be one of them by name, type and shape (`out: *` stands
 * for any further ones), and those without `optional` must be there. */
struct rn_source_info {
    uint32_t struct_size; /* host: how much it can take */
    uint32_t access;      /* RN_ACCESS_* */
    uint64_t count;       /* samples, or RN_COUNT_UNKNOWN */
    uint32_t field_count;
    uint32_t field_stride;
    const struct rn_field *fields; /* plugin, until destroy */
    uint8_t
        content_hash[32]; /* SHA-256 over what is read, or zeros: host hashes rows */
    const char *name; /* plugin, until destroy: what errors call it, a file; or NULL */
    /* What the elements of each field are, in order ("age,bmi,bp"), [field_count],
     * entries or all NULL: not said. The host refuses data whose elements are others
     * than those it was fitted on. Plugin, until destroy. */
    const char *const *layouts;
    /* The file of each field, for errors, [field_count], entries or all NULL: `name`.
     * Plugin, until destroy. */
    const char *const *files;
};

/* Host extension (rn_host_api.extension): there, and not NULL, when rows are read to
 * predict: labels and targets may be missing, and their fields are then left out. */
#define RN_EXT_PREDICT "runner.predict/1"

/* Host extension: there, and not NULL, when rows with these fields are already known:
 * those of the experiment's first source, or those that a network was trained on. A
 * source that guesses the type of a field reads one of a known name as the known type,
 * as long as every value can be. */
#define RN_EXT_FIELDS "runner.fields/1"

struct rn_known_fields {
    uint32_t struct_size;
    uint32_t field_count;
    uint32_t field_stride;
    uint32_t reserved;
    const struct rn_field *fields; /* host, until create returns */
    /* What the elements of each field are, as rn_source_info.layouts, [field_count]:
     * a source of columns gives the same ones in this order. Since 0.9; entries "" or
     * NULL: not known. Host, until create returns. */
    const char *const *layouts;
};

/* Rows to read. The bits of a row are a function of its index: they depend neither on
 * the worker nor on phase or epoch, which say what the rows are for. */
struct rn_source_call {
    uint32_t struct_size;
    uint32_t phase;       /* RN_PHASE_* */
    struct rn_work *work; /* host, until the call returns */
    void *worker;         /* plugin: of worker_open, or NULL */
    uint64_t rows;
    const uint64_t
        *indices; /* borrowed; [rows], any order unless sequential; may repeat */
    const int64_t
        *sample_ids; /* borrowed; [rows]: as augmenters and metrics see them */
    uint32_t epoch;  /* 0 where there is none */
    uint32_t field_count;
    /* To fill, in order of info.fields, borrowed: each [rows, shape...], contiguous, or
     * the cells of a field of variable size; data NULL: that field is not wanted. */
    const struct rn_tensor *out;
    /* Of a stream that ends in this call, to write: how many of the rows there are, the
     * first ones; preset to `rows`. Host, until the call returns. */
    uint64_t *rows_read;
};

struct rn_source {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* Open, check, learn the schema; errors name file, row and column. *self: plugin,
     * until destroy. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    int32_t (*info)(void *self, struct rn_source_info *out,
                    struct rn_error *e); /* [setup] */
    /* A worker's own state (file handle, decoder); NULL both if none. *worker: plugin,
     * until worker_close. [worker] */
    int32_t (*worker_open)(void *self, void **worker, struct rn_error *e);
    void (*worker_close)(void *self, void *worker); /* [worker] */
    /* [worker] */
    int32_t (*read)(void *self, const struct rn_source_call *call, struct rn_error *e);
};

#define RN_SOURCE(id, iface, head, body) RN_COMPONENT(id, iface, "source " head, body)

#ifdef __cplusplus
}
#endif
#endif
