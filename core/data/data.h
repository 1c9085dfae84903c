/* SPDX-License-Identifier: Apache-2.0 */
/* Data: source -> split -> transforms -> sampler -> augment -> collate -> batches. A
 * sample is a record of named typed fields; which samples a split holds is a function
 * of seed and content; what a batch holds is a function of (seed, epoch, index) and
 * never of threads.
 *
 * Life: data_open -> data_fit (or data_load) -> data_field..., loader_open. One
 * `struct data` serves any number of loaders; it is const once fitted or loaded. */
#ifndef DATA_DATA_H
#define DATA_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include <runner/augment.h>
#include <runner/source.h>

#include "config/config.h"
#include "plugin/plugin.h"

enum data_split_kind { DATA_TRAIN, DATA_VAL, DATA_TEST, DATA_SPLITS };

enum data_mode {
    DATA_FOR_TRAINING,  /* splits as the file says */
    DATA_FOR_PREDICTION /* all rows of `source` (or `test`) are one split, DATA_TEST;
                         * labels may be missing; no split is made */
};

/* The raw fields of a source. */
struct data_schema {
    uint32_t count;
    const struct rn_field *fields; /* [count] */
    const char *const *layouts;    /* [count] what the elements are; "" = not known */
};

/* Samples that were transformed and stored before (the room prepared): taken in place
 * of sources, split and transforms. Everything is borrowed until data_close. */
struct data_prepared_field {
    struct rn_field field;
    const char *layout; /* as data_field's */
    uint32_t classes;
    const char *const *class_names;
};
struct data_prepared {
    const char *file; /* for errors */
    uint32_t field_count;
    const struct data_prepared_field *fields; /* of the finished sample */
    struct {
        uint64_t rows;
        const int64_t *ids;            /* [rows], rising */
        const uint8_t *const *columns; /* [field_count]: [rows, shape...], unaligned */
    } splits[DATA_SPLITS];
    uint64_t dropped_rows;
    const int64_t *dropped; /* [dropped_rows] ids, rising */
    const void *state;      /* what data_save gives */
    uint64_t state_bytes;
    const char *content_hash, *split_hash;
};

struct data_options {
    struct session *session; /* borrowed until data_close */
    struct config *config;   /* borrowed; for paths. May be NULL (paths as written) */
    const struct node *data; /* the section, checked; borrowed until data_close */
    const struct schema *sections; /* of the experiment: the defaults; as long */
    const struct node *collate;    /* the section `collate:`, or NULL */
    const struct node *augment;    /* the section `augment:`, or NULL */
    const struct instance_services *services; /* borrowed, or NULL */
    uint64_t seed; /* of the run: where split.seed is absent */
    enum data_mode mode;
    /* Rows that an epoch of training reads (train.steps_per_epoch), over as many passes
     * as it takes; 0: one pass. */
    uint64_t epoch_rows;
    /* To predict: the raw fields that the transforms were fitted on (data_schema_read);
     * borrowed until data_close. The transforms are planned on them, whatever the
     * source gives: a field that is not there as it was is an error once it is read. */
    const struct data_schema *schema;
    bool inspect; /* numbers that are not finite are let through: they are looked for */
    /* A stored split (what data_split_write gave) to use instead of making one, or
     * NULL. It must fit the content, else RN_E_DATA. */
    const char *stored_split;
    const struct data_prepared *prepared; /* or NULL; not to predict */
};

/* One field of a sample as loaders deliver it. */
struct data_field {
    const char *name; /* until data_close */
    rn_dtype dtype;
    uint32_t rank; /* per sample, without N */
    int64_t shape[RN_MAX_RANK];
    uint64_t bytes; /* per sample */
    bool text;      /* zero-filled UTF-8: kept on the host, not a model's input */
    bool target;    /* 1 at the class of a label: made for a collate */
    /* Number of classes: of a label map, or largest value + 1 of a scalar integer field
     * that is never negative; 0 = unknown. */
    uint32_t classes;
    const char *const *class_names; /* `classes` of them, or NULL */
    const char *layout; /* names of the elements ("age,bmi,bp"); "": not known */
};

struct data;

/* Opens sources, makes the splits, creates and plans what can be planned. All errors go
 * to d (which then says where in the file); NULL if any. Errors in data files are
 * RN_E_DATA and name file, row and column. */
struct data *data_open(const struct data_options *o, struct diag *d);
void data_close(struct data *data); /* NULL is fine; loaders first */

/* Fit the transforms on the training rows, in rising order. */
int data_fit(struct data *data, struct rn_error *e);
/* State of the fitted transforms: what data_load takes instead of data_fit. */
int data_save(const struct data *data, struct rn_stream *s);
int data_load(struct data *data, struct rn_stream *s, struct rn_error *e);
/* An array of that state, to be looked at. */
struct data_array {
    const char *name; /* "0.standardise.x.origin": transform, field, what it is */
    rn_dtype dtype;
    uint32_t rank;
    int64_t shape[RN_MAX_RANK];
    const void *data;
};
/* The arrays of transforms that store named ones (runner/sdk/arrays.h), at most
 * DATA_ARRAYS_MAX with different names; in the arena. Returns how many. */
#define DATA_ARRAYS_MAX 1024u
uint32_t data_arrays(const struct data *data, struct arena *a, struct data_array **out);
/* Only the raw fields of such a state, in the arena. */
int data_schema_read(struct arena *a, struct rn_stream *s, struct data_schema *out,
                     struct rn_error *e);

/* After either: try each sample of every split on the transforms that refuse values
 * that they have not learnt, and warn of whole numbers that f32 does not hold, so that
 * no step meets them first. RN_E_DATA with file, row and field. */
int data_check(const struct data *data, struct rn_error *e);
/* To predict, before loaders: read and transform only what makes the fields with
 * wanted[i], data_field_count of them; the others are zeros. */
void data_restrict(struct data *data, const bool *wanted);

/* After data_fit or data_load: the fields in order. */
uint32_t data_field_count(const struct data *data);
const struct data_field *data_field_at(const struct data *data, uint32_t i);
const struct data_field *data_field_find(const struct data *data, const char *name);

/* Is the split a stream? Its rows are then those of its first epoch. */
bool data_is_stream(const struct data *data, enum data_split_kind split);
/* Rows of a split; 0 when there is none. Ids: sample ids in rising order, [rows]. */
uint64_t data_rows(const struct data *data, enum data_split_kind split);
const int64_t *data_ids(const struct data *data, enum data_split_kind split);
const char *data_split_name(enum data_split_kind split); /* "train" "val" "test" */
/* Samples that data.drop_missing left out: how many, and their ids in rising order. */
uint64_t data_dropped(const struct data *data, const int64_t **ids);
/* "9 of 500 rows before the split, 3 of 100 val rows"; nothing of a stored split. */
void data_describe_dropped(const struct data *data, struct text *out);
/* SHA-256 in hex: of the split (lists and content), of the content of all sources. */
const char *data_split_hash(const struct data *data);
const char *data_content_hash(const struct data *data);
/* The split as text, to store beside the run and to give back as stored_split. */
void data_split_write(const struct data *data, struct text *out);
/* One line for people: "1437 train, 180 val, 180 test; x f32 [1,8,8], label i64". */
void data_describe(const struct data *data, struct text *out);

/* Rows that an epoch of training reads: options.epoch_rows, else what a sampler says,
 * else those of the split. */
uint64_t data_epoch_rows(const struct data *data);
/* After data_fit or data_load: the sampler of training rows; NULL: there is none. */
const struct component *data_sampler(const struct data *data);

/* From the section: batch, eval_batch, workers. */
uint64_t data_batch(const struct data *data);
uint64_t data_eval_batch(const struct data *data);
uint32_t data_workers(const struct data *data);
/* What the kept samples of a split may take. */
uint64_t data_cache_bytes(const struct data *data);

/* A random change of training samples, in the order of the section `augment:`. */
struct data_augmenter {
    const char *path; /* "augment.0" */
    const struct node *node;
    const struct component *component;
    struct instance *instance;
    const struct rn_augment *iface;
    void *self;
    uint32_t field_count; /* that it changes, at least one */
    uint32_t *fields;     /* of the sample */
    /* i32 that decide a row's change, where operators can make it; else 0 */
    uint32_t numbers;
};
/* After data_fit or data_load. */
uint32_t data_augmenter_count(const struct data *data);
const struct data_augmenter *data_augmenter_at(const struct data *data, uint32_t i);

/* The first change of training batches and its place in the file; NULL: there is none.
 */
const struct component *data_collate(const struct data *data, const char **path);

/* An integer of a field outside low..high: the first by split and row, file NULL: none.
 */
struct data_outside {
    const char *file;   /* until data_close */
    const char *source; /* config path: "data.source" */
    uint64_t row;       /* of the file, from 1 */
    int64_t value;
};
int data_find_outside(const struct data *data, uint32_t field, int64_t low,
                      int64_t high, struct data_outside *out, struct rn_error *e);

/* Rows of each split whose single integer is v, 0 <= v < n: rows[v * DATA_SPLITS +
 * split], added to. */
int data_count_values(const struct data *data, uint32_t field, uint64_t n,
                      uint64_t *rows, struct rn_error *e);

/* ---- scans: passes over a split, in rising order of its rows ---- */

/* A field as the source gives it, before any transform. */
struct data_raw {
    const char *name; /* until data_close */
    rn_dtype dtype;
    uint32_t rank;
    int64_t shape[RN_MAX_RANK];
    uint64_t elements; /* per sample; 0: of variable size */
    bool text;
    const char *layout; /* what the elements are ("age,bmi,bp"); "": not known */
};
uint32_t data_raw_count(const struct data *data);
struct data_raw data_raw_at(const struct data *data, uint32_t i);

struct data_chunk {
    enum data_split_kind split;
    uint64_t first, rows; /* rows first .. first + rows of the split */
    const int64_t *ids;   /* [rows] */
    /* Of raw fields or of the sample: [rows, shape...]; NULL: not wanted, or cells. */
    const void *const *fields;
    struct cells *const *cells; /* [fields] of variable size, else NULL */
};
/* RN_OK goes on; else the pass ends with it, and *e is filled. */
typedef int (*data_chunk_fn)(void *context, const struct data_chunk *c,
                             struct rn_error *e);
/* The raw fields, with numbers that are not finite where options.inspect. wanted: by
 * raw field, NULL: all. May be called before data_fit, and any number of times. */
int data_scan(const struct data *data, enum data_split_kind split, const bool *wanted,
              data_chunk_fn fn, void *context, struct rn_error *e);
/* The same of samples, as data_field_at has them: transformed, not augmented. After
 * data_fit or data_load. */
int data_scan_samples(const struct data *data, enum data_split_kind split,
                      const bool *wanted, data_chunk_fn fn, void *context,
                      struct rn_error *e);
/* The entries of a cell of such a chunk, and how many bytes they are. */
const void *data_chunk_cell(const struct data *data, const struct data_chunk *c,
                            uint32_t field, uint64_t row, uint64_t *bytes);
/* Of a sample: the row of its file, from 1. */
uint64_t data_file_row(const struct data *data, enum data_split_kind split, int64_t id);
/* The file of the source that a split is read from; NULL: the split has no rows. */
const char *data_file(const struct data *data, enum data_split_kind split);

/* A value of a raw field, and in how many training rows it is. */
struct data_value {
    const char *bytes; /* text, or the number as it is stored */
    size_t length;
    double number; /* 0 of text */
    uint64_t rows;
};

/* What the training rows have in a raw field, before any transform. */
#define DATA_DISTINCT_TEXTS   1000u
#define DATA_DISTINCT_NUMBERS 64u
struct data_survey {
    const char *name; /* this and values: until data_close */
    rn_dtype dtype;
    bool text, nullable; /* nullable: a value may be missing in some split */
    bool variable;       /* cells of variable size: nothing of them is counted */
    bool row_number;     /* integers that rise by one from sample to sample */
    uint64_t rows, missing;
    uint64_t dates;    /* texts that are a date or a time of ISO 8601 */
    double mean, sd;   /* of numbers that are there; sd of the population */
    uint32_t distinct; /* different values that are not missing, up to DATA_DISTINCT */
    bool more;         /* there are more */
    struct data_value *values; /* [distinct], numbers by size, texts by bytes */
};
/* After data_open, before data_fit; not of a stream. */
int data_survey(struct data *data, uint32_t *count, struct data_survey **out,
                struct rn_error *e);

/* ---- loaders ---- */

/* Told of each batch when it is made: by worker (0 ..), which calls it on its own
 * thread; began and ended on CLOCK_MONOTONIC, ns. Without workers: worker 0 on the
 * caller's thread. */
struct loader_watch {
    void *context;
    void (*made)(void *context, uint32_t worker, int64_t began, int64_t ended);
};

struct loader_options {
    enum data_split_kind split;
    uint64_t batch;   /* rows; the last of an epoch has what is left, never 0 */
    bool shuffle;     /* a new order each epoch; of training: the sampler's, if any */
    bool augment;     /* apply the sections `augment:` and `collate:` */
    uint64_t seed;    /* of order and augmentation */
    uint32_t workers; /* threads; 0: the caller does the work */
    /* The caller's own threads take every processor: once a batch is nothing but copies
     * of kept samples, the caller makes it, as a worker would only be in the way. */
    bool oversubscribed;
    bool once; /* one pass: nothing is kept for a next epoch */
    /* Batches say which samples they are, and with `augment` what happens to each, and
     * hold none of them. */
    bool places;
    uint32_t keep; /* a batch stays valid until this many further loader_next calls;
                    * 0 counts as 1 */
    struct loader_watch watch; /* made NULL: nobody asks */
};

/* Where a loader stands: the next batch. All that a checkpoint holds of it. */
struct loader_position {
    uint64_t epoch, index;
};

struct batch {
    uint64_t rows;
    struct loader_position at; /* of this batch */
    bool last;                 /* of its epoch */
    uint32_t field_count;
    void *const
        *fields; /* field i: [rows, shape...], as data_field_at(i), 64-aligned */
    const uint64_t *places;  /* [rows] rows of the split, as data_ids counts */
    const uint32_t *repeats; /* [rows] how often the epoch had them before; NULL: 0 */
    int32_t *const *numbers; /* of augmenter i: [rows, numbers], with `places` only */
    const int64_t *ids; /* [rows] sample ids: rows of the sources, counted through */
};

struct loader;
/* Needs a fitted or loaded `data`; an empty split is RN_E_DATA. Starts at (0, 0). */
int loader_open(const struct data *data, const struct loader_options *o,
                struct loader **out, struct rn_error *e);
void loader_close(struct loader *l);
uint64_t loader_batches(const struct loader *l); /* per epoch */
/* Rows of batch `index` of any epoch. */
uint64_t loader_rows(const struct loader *l, uint64_t index);
/* Go to a position; index may equal loader_batches (= the next epoch's start). Batches
 * handed out before become invalid. */
int loader_seek(struct loader *l, struct loader_position at, struct rn_error *e);
/* The next batch's position. */
struct loader_position loader_tell(const struct loader *l);
/* The next batch, going on into the next epoch without end; the loader's until `keep`
 * further calls, seek or close. Allocates nothing. RN_E_CANCELLED: the host asked to
 * stop, and the batch is not there. */
int loader_next(struct loader *l, struct batch *out, struct rn_error *e);
/* Are all samples of the split decoded and kept, as far as they are to be? */
bool loader_cache_complete(const struct loader *l);
/* Seconds that callers have spent inside loader_next since it was opened. */
double loader_waited(const struct loader *l);

#endif
