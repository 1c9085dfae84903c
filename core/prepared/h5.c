/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared data as HDF5: a group a split, a dataset a field, and the sample ids. */
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/json_writer.h"
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

/* What read.c needs of the fields: a JSON array. */
static void describe_fields(const struct prepared_job *j, struct text *out) {
    struct json_writer w;
    json_begin(&w, out);
    json_array(&w, NULL);
    for (uint32_t i = 0; i < j->field_count; i++) {
        const struct data_field *f = j->fields[i];
        json_object(&w, NULL);
        json_string(&w, "name", f->name);
        json_string(&w, "dtype", dtype_name(f->dtype));
        json_bool(&w, "text", f->text);
        json_array(&w, "shape");
        for (uint32_t k = 0; k < f->rank; k++)
            json_int(&w, NULL, f->shape[k]);
        json_close(&w);
        json_string(&w, "layout", f->layout);
        json_uint(&w, "classes", f->classes);
        json_array(&w, "class_names");
        for (uint32_t k = 0; f->class_names && k < f->classes; k++)
            json_string(&w, NULL, f->class_names[k]);
        json_close(&w);
        json_close(&w);
    }
    json_close(&w);
    json_end(&w);
}

static struct array_spec bytes_spec(const char *name, const char *doc, uint64_t n) {
    return (struct array_spec){
        .name = name, .doc = doc, .dtype = RN_U8, .rank = 1, .shape = {(int64_t)n}};
}

static struct array_spec *list_arrays(const struct prepared_job *j, uint64_t state,
                                      uint64_t fields, uint32_t *count) {
    uint32_t n = 0;
    struct array_spec *all = arena_array(j->arena, struct array_spec,
                                         j->split_count * (j->field_count + 1) + 3);
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
    const int64_t *ids;
    uint64_t dropped = data_dropped(j->o->data, &ids);
    if (dropped)
        all[n++] = (struct array_spec){.name = "dropped",
                                       .doc = "sample ids that data.drop_missing left "
                                              "out",
                                       .dtype = RN_I64,
                                       .rank = 1,
                                       .shape = {(int64_t)dropped}};
    all[n++] =
        bytes_spec("fields", "names, types, shapes and classes, as JSON", fields);
    all[n++] = bytes_spec("state",
                          "the fitted transforms and the fields that they were fitted "
                          "on, as in a checkpoint",
                          state);
    *count = n;
    return all;
}

static int open_h5(const struct prepared_job *j, void **writer, struct rn_error *e) {
    struct h5_writer *w = arena_array(j->arena, struct h5_writer, 1);
    struct memory_stream *state = memory_stream_writer(j->arena);
    struct text fields = {0};
    struct array_file f = {.doc = "samples after the transforms, a group a split",
                           .text_count = j->fact_count};
    struct array_text *texts = arena_array(j->arena, struct array_text, j->fact_count);
    for (uint32_t i = 0; i < j->fact_count; i++)
        texts[i] = (struct array_text){j->facts[i].name, j->facts[i].value};
    describe_fields(j, &fields);
    int status = data_save(j->o->data, &state->api);
    w->j = j;
    if (status == RN_OK) {
        f.texts = texts;
        f.arrays = list_arrays(j, state->bytes, fields.length, &f.array_count);
        status = arrays_create(j->o->path, &f, &w->arrays, e);
    } else {
        error_set(e, status, "the state of the transforms cannot be saved");
    }
    if (status == RN_OK) {
        *writer = w;
        status =
            arrays_append(w->arrays, f.array_count - 2, fields.s, fields.length, e);
    }
    const int64_t *ids;
    uint64_t dropped = data_dropped(j->o->data, &ids);
    if (status == RN_OK && dropped)
        status =
            arrays_append(w->arrays, f.array_count - 3, ids, dropped * sizeof *ids, e);
    if (status == RN_OK)
        status =
            arrays_append(w->arrays, f.array_count - 1, state->data, state->bytes, e);
    memory_release(state->data);
    text_finish(&fields);
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
