/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared data: the samples of every split after the transforms, in a file with the
 * recipe that made them. The rows of a split are in the order of their sample ids.
 *
 *   .h5      train/x ... and train/id; attributes recipe, ...; state: read by training
 *   .csv     columns split, id, then the fields; the recipe as comments at the top
 *   .sqlite  a table a split, and the table `recipe`
 *   .npz     train/x.npy ..., and recipe.npy */
#ifndef PREPARED_PREPARED_H
#define PREPARED_PREPARED_H

#include "data/data.h"

#define PREPARED_FORMAT "runner prepared data, version 1"

/* What the file states about itself; the values in the arena of whoever asks. */
struct prepared_fact {
    const char *name, *value;
};

struct prepared_options {
    const struct data *data; /* fitted */
    const char *path;
    const char *format; /* "h5", "csv", "sqlite", "npz"; NULL: by the path's end */
    /* Beside the hashes of content and split, which prepared_write adds: recipe (the
     * section `data:` as resolved), experiment, plugins, seed ... */
    uint32_t fact_count;
    const struct prepared_fact *facts;
};

/* "h5 csv sqlite npz": the formats of this build. */
const char *prepared_formats(void);
/* The file is whole or absent. RN_E_CONFIG: the format is not known, or the data do not
 * fit in it; RN_E_DATA, RN_E_IO. */
int prepared_write(const struct prepared_options *o, struct rn_error *e);

/* The part of a section `data:` that decides what the samples are: sources, split and
 * transforms, as YAML; paths in the folder of the experiment's file are relative to it.
 * seed: of the run, where the split has none. */
void prepared_recipe(const struct node *data, const char *folder, uint64_t seed,
                     struct text *out);

/* A file that prepared_write made, for data_open. */
struct prepared_file {
    struct data_prepared data; /* until prepared_close */
    const char *recipe;
    struct array_view *view;
};
/* RN_E_DATA: damaged, or not such a file. f: zeroed; closed by the caller also after an
 * error. */
int prepared_open(struct prepared_file *f, struct arena *a, const char *path,
                  struct rn_error *e);
void prepared_close(struct prepared_file *f);
/* RN_E_DATA, with the first line that differs: the file was made by another recipe. */
int prepared_same_recipe(const struct prepared_file *f, const char *recipe,
                         struct rn_error *e);

/* ---- inside the room ---- */

struct prepared_split {
    const char *name;
    enum data_split_kind kind;
    uint64_t rows;
};

struct prepared_job {
    struct arena *arena;
    const struct prepared_options *o;
    uint32_t split_count, fact_count;
    struct prepared_split splits[DATA_SPLITS];
    const struct prepared_fact *facts; /* all of them */
    uint32_t field_count;
    const struct data_field **fields;
};

/* A format. open: *writer is what the others get; after an error there is none. rows:
 * of split index `split` of the job, split by split, in order. */
struct prepared_format {
    const char *name;
    int (*open)(const struct prepared_job *j, void **writer, struct rn_error *e);
    int (*rows)(void *writer, uint32_t split, const struct batch *b,
                struct rn_error *e);
    int (*commit)(void *writer, struct rn_error *e); /* frees it in either case */
    void (*discard)(void *writer);
};

extern const struct prepared_format prepared_h5, prepared_csv, prepared_npz;
#ifdef HAVE_SQLITE
extern const struct prepared_format prepared_sqlite;
#endif

/* "x" of a field of one value, "x.3" of its fourth: names of columns. */
void prepared_column(const struct data_field *f, uint64_t i, struct text *out);
uint64_t prepared_values(const struct data_field *f); /* 1 of a text */

#endif
