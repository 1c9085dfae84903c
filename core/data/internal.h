/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the data room: what open, split, pipeline and loader share. */
#ifndef DATA_INTERNAL_H
#define DATA_INTERNAL_H

#include <pthread.h>
#include <runner/collate.h>
#include <runner/sampler.h>

#include <runner/sdk/work.h>
#include <runner/source.h>
#include <runner/transform.h>

#include "base/memory.h"
#include "data/cells.h"
#include "data/data.h"
#include "plugin/guard.h"

#define DATA_CHUNK 512u /* rows at a time in passes over everything */

/* One source: a table of samples. Sample id = offset + row, or as `ids` has it. */
struct table {
    const char *path; /* config path: "data.source" */
    const struct component *component;
    struct instance *instance;
    const struct rn_source *iface;
    void *self;
    const char *name;         /* for errors: a file, or path */
    const char *const *files; /* [field_count], by field: name or another file */
    uint64_t count, offset;
    const int64_t *ids; /* of prepared data: [count], rising; borrowed. Else NULL */
    bool stream;        /* count: the samples of its first epoch */
    uint64_t total;     /* of a stream: all of its samples; 0: not known */
    uint32_t access;
    uint32_t field_count;
    struct rn_field *fields; /* as this source gives them */
    uint64_t *bytes;         /* per sample, by field; 0 of variable size */
    const char **layouts;    /* what the elements are, by field; "" = not known */
    uint8_t **stored;        /* whole columns of a sequential source, else NULL; those
                              * of prepared data are borrowed */
    struct cells **kept;     /* the same, of fields of variable size */
    uint8_t content[32];     /* SHA-256 of fields and rows */
    bool hashed;             /* by the host */
};

/* A column of the pipeline: raw fields come first, then what transforms make. */
struct column {
    struct rn_field field; /* name in the arena */
    uint64_t bytes;        /* per sample; 0 of variable size */
    uint32_t raw;       /* the raw column that it was made of, the first of several */
    const char *layout; /* what the elements are ("age,bmi,bp"); "": not known */
    uint32_t classes;
    const char *const *class_names;
    const struct rn_error *wrong; /* to predict: why its raw column is not there */
};

/* A transform in its place. */
struct transform_slot {
    const char *path; /* "data.transforms.0" */
    const struct node *node;
    const struct component *component;
    struct instance *instance;
    const struct rn_transform *iface;
    void *self;
    uint32_t in_count, out_count;
    uint32_t *in, *out; /* columns */
};

/* Column `to`, f32, is made of column `from` after the last transform: of a wider or
 * narrower float; or, of a label, 1 at its class and 0 elsewhere. */
struct derived {
    uint32_t from, to;
    bool one_hot;
};

/* What of a pipeline is asked for. */
struct demand {
    bool *columns;    /* [column_count] */
    bool *transforms; /* [transform_count] */
};

/* Decoded and transformed samples of one split, filled as they are first read. */
struct cache {
    uint8_t *rows;          /* [rows of the split][row_bytes] */
    uint8_t *state;         /* 0 empty, 1 being written, 2 there; atomic access */
    _Atomic uint64_t there; /* rows in state 2 */
};

/* The tables that the sources give: one, or one a split. */
struct data_sources {
    uint32_t count;
    int main, val, test; /* -1: none */
    struct table at[DATA_SPLITS];
};

/* Columns, and the transforms between them. */
struct data_pipeline {
    /* Columns 0 .. raw_count-1 come from the sources: first the fields of the tables;
     * then, to predict, those of the schema that the table does not have. */
    uint32_t raw_count;
    uint32_t sample_count;
    uint32_t *sample;             /* what the first transform gets: raw columns */
    struct rn_known_fields known; /* what the next source is opened with */
    uint32_t column_count, column_capacity;
    struct column *columns;
    uint32_t transform_count;
    struct transform_slot *transforms;
    uint32_t derived_count;
    struct derived *derived; /* fields of the sample, after the transforms */
    struct demand *demand;   /* of every loader; NULL: all */
};

struct data_augmenters {
    uint32_t count;
    struct data_augmenter *at;
};

/* The sampler of training rows; component NULL: there is none. */
struct data_sampler {
    const char *path; /* "data.sampler" */
    const struct node *node;
    const struct component *component;
    struct instance *instance;
    const struct rn_sampler *iface;
    void *self;
    uint64_t count; /* of an epoch */
    struct rn_field *fields;
    struct rn_tensor *values; /* [fields]: of all training rows; data owned */
    uint32_t field_count;
};

/* Changes of training batches. */
struct data_collate {
    const char *path; /* "collate.0" */
    const struct node *node;
    const struct component *component;
    struct instance *instance;
    const struct rn_collate *iface;
    void *self;
    uint32_t field_count; /* that it is given, at least one */
    uint32_t *fields;     /* of the sample */
};
struct data_collates {
    uint32_t count;
    struct data_collate *at;
};

/* Fields of the sample as a stored state has them. */
struct stored_fields {
    uint32_t count;
    struct stored_field {
        char name[256];
        uint32_t classes;
    } * at;
};

/* From the section `data:`. */
struct data_sizes {
    uint64_t batch, eval_batch, cache_bytes;
    uint32_t workers;
};

struct data {
    struct arena *arena;
    struct data_options options;
    struct instance_services services; /* of sources */
    struct data_sources sources;
    struct data_pipeline pipeline;
    struct data_augmenters augment;
    struct data_collates collate;
    struct data_sampler sampler;
    struct stored_fields stored; /* while a state is loaded */
    struct data_sizes sizes;
    struct { /* table < 0: no rows */
        int table;
        uint64_t rows;
        int64_t *ids;
    } splits[DATA_SPLITS];
    struct {            /* rows of the main source that are divided */
        uint64_t count; /* with rows */
        uint64_t *rows; /* rising, from 0; NULL: all */
    } pool;
    struct {                      /* samples that data.drop_missing left out */
        const char *const *names; /* of the option, NULL ends them; NULL: none */
        uint8_t *mark;            /* by sample id, while the split is made */
        uint64_t rows;
        int64_t *ids;             /* [rows], rising */
        uint64_t before;          /* of the main source, before it was divided */
        uint64_t of[DATA_SPLITS]; /* after that */
    } dropped;
    char split_hash[65], content_hash[65];
    bool ready; /* fitted or loaded */
    uint32_t field_count;
    struct data_field *fields;
    uint32_t *field_columns;
    uint64_t row_bytes; /* of a whole sample, fields one after the other */
    struct cache *caches[DATA_SPLITS]; /* made by the first loader */
};

/* A worker's buffers: one per column, `capacity` rows each, and its handle at a table.
 */
struct reader {
    const struct data *data;
    const struct table *table;
    const struct demand *demand; /* NULL: all */
    void *worker;
    bool opened;
    uint64_t capacity;
    void *block;
    uint8_t **columns;    /* [column_count] */
    struct cells **cells; /* [column_count], NULL where columns are of one size */
    struct rn_tensor *in, *out;
    int64_t (*shapes)[RN_MAX_RANK + 1]; /* [column_count] */
    uint64_t *indices;
    uint64_t read;   /* rows that the last reader_read gave */
    bool may_end;    /* of a stream: fewer rows than were asked for are no error */
    bool inspecting; /* any number is let through: core/check looks for them */
    bool learning;   /* NaN is let through, as content_read looks for it */
    uint32_t phase, epoch;    /* RN_PHASE_*: what the rows are for */
    const int64_t *ids;       /* of the rows that were read; borrowed */
    struct rn_workspace work; /* of its thread */
};

/* reader.c */
/* Was a stop asked for? By any thread. */
bool data_stopped(const struct data *data);
/* What calls of one thread may use; rn_workspace_finish frees it. */
struct rn_workspace data_workspace(const struct data *data);
/* RN_PHASE_* of the rows of a split that a loader reads. */
uint32_t data_phase(const struct data *data, enum data_split_kind split);
/* demand: borrowed until reader_close; NULL: all. */
int reader_open(const struct data *data, const struct table *t, uint64_t capacity,
                const struct demand *demand, struct reader *out, struct rn_error *e);
/* With the worker state of `other`, which must stay open longer. */
int reader_share(const struct reader *other, uint64_t capacity, struct reader *out,
                 struct rn_error *e);
void reader_close(struct reader *r);
/* Raw columns of n <= capacity rows given by sample id, read and checked.
 * RN_E_CANCELLED once a stop was asked for: every pass over data comes through here. */
int reader_read(struct reader *r, uint64_t n, const int64_t *ids, struct rn_error *e);
/* Stages 0 .. count-1 on what was read; an error says which row. */
int reader_apply(struct reader *r, uint64_t n, uint32_t count, struct rn_error *e);
/* Fit stage g on what the stages before it made of these rows. */
int reader_fit(struct reader *r, uint64_t n, const struct transform_slot *g,
               struct rn_error *e);
/* Nothing yet; then a column with all that it is made from. */
struct demand *demand_create(const struct data *data);
void demand_destroy(struct demand *d); /* NULL is fine */
void demand_add(struct demand *d, const struct data *data, uint32_t column);
/* A component's own error: at the option that it names, else at the component. */
int component_error(struct rn_error *e, const struct node *node, const char *path,
                    const struct component *c);
bool field_variable(const struct rn_field *f);
/* Per sample, or per entry of a field of variable size; 0 = impossible. */
uint64_t field_bytes(const struct rn_field *f);

/* pipeline.c */
/* After the raw columns are known: the stages in order, fitted or as they were loaded,
 * and what is left as the sample. */
int pipeline_prepare(struct data *data, bool fit, struct rn_error *e);
/* The error for a missing number of the sample. */
int pipeline_missing(const struct data *data, uint32_t column,
                     const struct data_outside *at, struct rn_error *e);
/* raw: the raw column that it is made of, or its own index. */
uint32_t column_add(struct data *data, const struct rn_field *f, uint32_t raw);
/* The file that a column's numbers are in, for errors. */
const char *table_file(const struct table *t, const struct column *c);

/* Fields of the finished sample that the option `of` names, one or a list, in the
 * arena; no `of`: *count is 0. */
int pipeline_fields(struct data *data, const struct node *node, uint32_t *count,
                    uint32_t **fields, struct rn_error *e);

/* data.c: an instance of the component at a node of the section. */
int data_instance(struct data *data, const char *kind, const struct node *node,
                  const struct instance_services *services, const struct component **c,
                  struct instance **out, struct diag *d);

/* sampler.c */
int sampler_open(struct data *data, struct diag *d);
void sampler_close(struct data *data);
/* With the sample finished: the values that it samples by, and its count. */
int sampler_plan(struct data *data, struct rn_error *e);
/* The rows of an epoch, [count], checked. */
int sampler_order(const struct data *data, const uint32_t key[2], uint64_t epoch,
                  struct rn_workspace *work, uint64_t *order, struct rn_error *e);

/* collate.c */
int collate_open(struct data *data, struct diag *d);
void collate_close(struct data *data);
/* With the sample finished: which fields each changes, and the targets that they need
 * as further fields of the sample. */
int collate_plan(struct data *data, struct rn_error *e);
/* A training batch, all of them in order. fields: of the sample, [rows, shape...]. */
struct collate_batch {
    uint64_t rows, epoch, index;
    const int64_t *ids;
    void *const *fields;
    uint32_t (*keys)[2];                /* of each collate */
    struct rn_tensor *views;            /* [field_count]: scratch */
    int64_t (*shapes)[RN_MAX_RANK + 1]; /* [field_count]: scratch */
};
int collate_apply(const struct data *data, const struct collate_batch *b,
                  struct rn_workspace *work, struct rn_error *e);

/* order.c: the rows of an epoch, of a split. Two epochs are kept, so that the next one
 * can be begun while the present one is handed out. */
struct order {
    uint64_t epoch;
    bool made;
    uint64_t *rows;    /* [count] of the split */
    uint32_t *repeats; /* [count] how often the epoch had the row before; NULL: 0 */
};
struct orders {
    const struct data *data;
    uint64_t rows;  /* of the split */
    uint64_t pass;  /* of a pass: rows, or what the sampler says */
    uint64_t count; /* of an epoch: a pass, or a part of several */
    bool shuffle, sampled, repeating;
    uint32_t key[2];
    struct order at[2];
    uint64_t *pass_rows; /* [pass]: one pass; NULL where an epoch is a pass */
    uint64_t passes;     /* of pass_rows: which one, + 1; 0: none yet */
    uint32_t *seen;      /* [rows]: scratch of `repeats` */
    struct rn_workspace work;
};
int orders_open(struct orders *o, const struct data *data, enum data_split_kind split,
                bool shuffle, uint64_t seed, struct rn_error *e);
void orders_close(struct orders *o); /* of zeros is fine */
void orders_forget(struct orders *o);
/* By one thread at a time; valid until the epoch after the next is asked for. NULL: an
 * error of the sampler. */
const struct order *orders_get(struct orders *o, uint64_t epoch, struct rn_error *e);

/* stream.c: the samples of a stream, one after the other without end: after the last
 * comes the first. Whoever makes a batch waits for its turn, reads, and passes it on.
 */
struct stream {
    const struct data *data;
    const struct table *table;
    pthread_mutex_t lock;
    pthread_cond_t passed;
    uint64_t turn;  /* the batch that is read next, counted through all epochs */
    uint64_t at;    /* index of the sample that the source gives next */
    uint64_t total; /* 0: not known */
    struct demand *nothing;
};
void stream_open(struct stream *s, const struct data *data, const struct table *t);
void stream_close(struct stream *s); /* of zeros is fine */
void stream_seek(struct stream *s, uint64_t turn);
void stream_await(struct stream *s, uint64_t turn);
void stream_pass(struct stream *s);
/* r->read > 0 samples, at most n, from place `place` of the endless sequence; fewer
 * where a pass ends. ids: [r->capacity], filled. In one's turn. */
int stream_read(struct stream *s, struct reader *r, uint64_t place, uint64_t n,
                int64_t *ids, struct rn_error *e);
/* Passes that are over before a place, of those that have been read. */
uint64_t stream_repeats(const struct stream *s, uint64_t place);
/* It ended after `total` samples; before: when it was read before, 0: never so far. */
int stream_ended(const struct data *data, const struct table *t, uint64_t before,
                 uint64_t total, struct rn_error *e);

/* content.c */
/* Sequential sources are kept; data->content_hash of all sources. */
int content_read(struct data *data, struct rn_error *e);
/* *same: is `content` the hash of these sources? first: or the one that the first
 * version of stored splits has, when tables gave numbers as f32. */
int content_compare(struct data *data, const char *content, bool first, bool *same,
                    struct rn_error *e);

/* range.c: the first missing number of a column, `value` counting elements from 1. */
int range_missing(const struct data *data, uint32_t column, struct data_outside *out,
                  struct rn_error *e);

/* The same in `rows` rows of the column; false: none. */
bool range_missing_in(const struct column *c, const struct table *t, const void *values,
                      const int64_t *ids, uint64_t rows, struct data_outside *out);

/* Largest value of a column of one integer a sample + 1, over all splits; 0: one is
 * negative, or above what fits. */
int range_classes(const struct data *data, uint32_t column, uint32_t *out,
                  struct rn_error *e);

/* schema.c */
/* "f32 [3,4]", "text [12]". */
void field_describe(struct text *out, const struct rn_field *f);
/* The raw columns of what is read to predict, against options.schema: those that are
 * there as they were learnt, and the others with the error that reading them is. */
void schema_columns(struct data *data);
/* Does a source give the field as it was learnt? *wrong: why not. */
bool schema_same(const struct table *t, uint32_t field, const struct rn_field *learnt,
                 const char *layout, struct rn_error *wrong);

/* declared.c: are the fields of a source those of its description? To predict, any may
 * be missing. */
int declared_check(const struct table *t, bool predict, struct rn_error *e);

/* prepared.c: prepared data as tables, one a split, each with its rows. */
int prepared_tables(struct data *data, struct rn_error *e);
/* After the raw columns are known. */
int prepared_splits(struct data *data, struct rn_error *e);
/* Is the state of a run or checkpoint that of the file? */
int prepared_same_state(const struct data *data, struct rn_stream *s,
                        struct rn_error *e);
/* The row of a sample in its table. */
uint64_t table_row(const struct table *t, int64_t id);

/* split.c */
int split_make(struct data *data, struct rn_error *e);
/* data->split_hash, of the lists and the content's hash. */
void split_hash(struct data *data);

/* Philox key of a purpose: seed and name to 64 bits. */
void data_key(uint64_t seed, const char *purpose, uint32_t key[2]);
/* Order 0 .. n-1 at random: Fisher-Yates, swap i drawn at counter (i, a, b). */
void data_shuffle(uint64_t *v, uint64_t n, const uint32_t key[2], uint32_t a,
                  uint32_t b);

/* options.c */
/* Options of the section, by path ("split.kind"), after schema_check. Neither a value
 * nor a default: 0, NULL. */
double data_number(const struct data_options *o, const char *path);
const char *data_word(const struct data_options *o, const char *path);

#endif
