/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared data as HDF5: a group a split, a dataset a field, and the sample ids. */
#include <string.h>

#include "base/error.h"
#include "base/stream.h"
#include "base/text.h"
#include "prepared/prepared.h"
#include "record/arrays.h"

struct h5_writer {
    const struct prepared_job *j;
    struct arrays *arrays; /* of a split: its fields, then its ids; last the state */
};

static const char *doc_of(const struct prepared_job *j, const struct data_field *f) {
    struct text t = {0};
    text_addf(&t, "%s, a row a sample", f->name);
    for (uint32_t i = 0; f->class_names && i < f->classes && t.length < 30000; i++)
        text_addf(&t, "%s%u = %s", i ? ", " : "; ", i, f->class_names[i]);
    const char *doc = arena_copy(j->arena, text_get(&t));
    text_finish(&t);
    return doc;
}

static struct array_spec field_spec(const struct prepared_job *j, uint32_t split,
                                    const struct data_field *f) {
    struct array_spec s = {
        .name = arena_format(j->arena, "%s/%s", j->splits[split].name, f->name),
        .doc = doc_of(j, f),
        .dtype = f->dtype,
        .rank = 1,
        .shape = {(int64_t)j->splits[split].rows}};
    if (f->text)
        s.text = (uint32_t)f->bytes;
    for (uint32_t i = 0; i < f->rank && !f->text; i++)
        s.shape[s.rank++] = f->shape[i];
    return s;
}

static struct array_spec *list_arrays(const struct prepared_job *j, uint64_t state,
                                      uint32_t *count) {
    uint32_t n = 0;
    struct array_spec *all = arena_array(j->arena, struct array_spec,
                                         j->split_count * (j->field_count + 1) + 1);
    for (uint32_t s = 0; s < j->split_count; s++) {
        for (uint32_t i = 0; i < j->field_count; i++)
            all[n++] = field_spec(j, s, j->fields[i]);
        all[n++] = (struct array_spec){
            .name = arena_format(j->arena, "%s/id", j->splits[s].name),
            .doc = "sample ids: rows of the sources, counted through",
            .dtype = RN_I64,
            .rank = 1,
            .shape = {(int64_t)j->splits[s].rows}};
    }
    all[n++] = (struct array_spec){
        .name = "state",
        .doc = "the fitted transforms and the fields that they were fitted on, as in a "
               "checkpoint",
        .dtype = RN_U8,
        .rank = 1,
        .shape = {(int64_t)state}};
    *count = n;
    return all;
}

static int write_state(struct h5_writer *w, uint32_t at,
                       const struct memory_stream *state, struct rn_error *e) {
    return arrays_append(w->arrays, at, state->data, state->bytes, e);
}

static int open_h5(const struct prepared_job *j, void **writer, struct rn_error *e) {
    struct h5_writer *w = arena_array(j->arena, struct h5_writer, 1);
    struct memory_stream *state = memory_stream_writer(j->arena);
    struct array_file f = {.doc = "samples after the transforms, a group a split",
                           .text_count = j->fact_count};
    struct array_text *texts = arena_array(j->arena, struct array_text, j->fact_count);
    for (uint32_t i = 0; i < j->fact_count; i++)
        texts[i] = (struct array_text){j->facts[i].name, j->facts[i].value};
    int status = data_save(j->o->data, &state->api);
    w->j = j;
    if (status == RN_OK) {
        f.texts = texts;
        f.arrays = list_arrays(j, state->bytes, &f.array_count);
        status = arrays_create(j->o->path, &f, &w->arrays, e);
    } else {
        error_set(e, status, "the state of the transforms cannot be saved");
    }
    if (status == RN_OK) {
        status = write_state(w, f.array_count - 1, state, e);
        *writer = w;
    }
    memory_release(state->data);
    return status;
}

static int rows_h5(void *writer, uint32_t split, const struct batch *b,
                   struct rn_error *e) {
    struct h5_writer *w = writer;
    uint32_t first = split * (w->j->field_count + 1);
    int status = RN_OK;
    for (uint32_t i = 0; i < w->j->field_count && !status; i++)
        status = arrays_append(w->arrays, first + i, b->fields[i],
                               b->rows * w->j->fields[i]->bytes, e);
    return status ? status
                  : arrays_append(w->arrays, first + w->j->field_count, b->ids,
                                  b->rows * sizeof *b->ids, e);
}

static int commit_h5(void *writer, struct rn_error *e) {
    return arrays_commit(((struct h5_writer *)writer)->arrays, e);
}

static void discard_h5(void *writer) {
    arrays_discard(((struct h5_writer *)writer)->arrays);
}

const struct prepared_format prepared_h5 = {"h5", open_h5, rows_h5, commit_h5,
                                            discard_h5};
