/* SPDX-License-Identifier: Apache-2.0 */
/* A prepared .h5 file as the data room takes it. */
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/json_reader.h"
#include "prepared/prepared.h"
#include "record/arrays.h"

#define FIELDS_MAX 4096u

static int not_prepared(struct rn_error *e, const char *path) {
    error_set(e, RN_E_DATA, "%s does not hold prepared data that this runner reads",
              path);
    return error_hint(e, "runner prepare EXPERIMENT.yaml --out FILE.h5 makes one");
}

/* ----------------------------------------------------------------------- fields */

static const char *const *names_of(struct arena *a, const struct json *list) {
    const char **names = arena_array(a, const char *, list->count + 1);
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i].kind != JSON_STRING)
            return NULL;
        names[i] = list->items[i].u.string;
    }
    return names;
}

/* *bytes: of a sample. */
static bool field_of(struct arena *a, const struct json *v,
                     struct data_prepared_field *f, uint64_t *bytes) {
    const struct json *name = json_find(v, "name"), *type = json_find(v, "dtype"),
                      *text = json_find(v, "text"), *shape = json_find(v, "shape"),
                      *classes = json_find(v, "classes"),
                      *names = json_find(v, "class_names"),
                      *layout = json_find(v, "layout"); /* since 0.9 */
    if (!name || name->kind != JSON_STRING || !type || type->kind != JSON_STRING ||
        !text || text->kind != JSON_BOOL || !shape || shape->kind != JSON_ARRAY ||
        shape->count > RN_MAX_RANK - 1 || !classes || classes->kind != JSON_INTEGER ||
        classes->u.integer < 0 || classes->u.integer > UINT32_MAX || !names ||
        names->kind != JSON_ARRAY)
        return false;
    const struct dtype_info *d = dtype_named(type->u.string, strlen(type->u.string));
    if (!d || (names->count && names->count != (uint64_t)classes->u.integer))
        return false;
    *f = (struct data_prepared_field){
        .field = {.name = name->u.string,
                  .dtype = d->dtype,
                  .rank = shape->count,
                  .flags = text->u.truth ? RN_FIELD_TEXT : 0},
        .layout = layout && layout->kind == JSON_STRING ? layout->u.string : "",
        .classes = (uint32_t)classes->u.integer,
        .class_names = names->count ? names_of(a, names) : NULL};
    *bytes = d->bytes;
    for (uint32_t i = 0; i < shape->count; i++) {
        int64_t n =
            shape->items[i].kind == JSON_INTEGER ? shape->items[i].u.integer : 0;
        if (n < 1 || (uint64_t)n > (UINT64_MAX >> 16) / *bytes)
            return false;
        f->field.shape[i] = n;
        *bytes *= (uint64_t)n;
    }
    return !names->count || f->class_names;
}

static int read_fields(struct prepared_file *f, struct arena *a, const char *path,
                       uint64_t **bytes, struct rn_error *e) {
    const void *text;
    uint64_t size;
    const struct json *list = NULL;
    int status = arrays_find(f->view, "fields", NULL, &text, &size, e);
    if (status == RN_OK)
        status = json_read(path, text, size, NULL, a, &list, e);
    if (status != RN_OK)
        return status;
    if (list->kind != JSON_ARRAY || !list->count || list->count > FIELDS_MAX)
        return not_prepared(e, path);
    struct data_prepared_field *fields =
        arena_array(a, struct data_prepared_field, list->count);
    *bytes = arena_array(a, uint64_t, list->count);
    for (uint32_t i = 0; i < list->count; i++)
        if (!field_of(a, &list->items[i], &fields[i], &(*bytes)[i]))
            return not_prepared(e, path);
    f->data.fields = fields;
    f->data.field_count = list->count;
    return RN_OK;
}

/* ----------------------------------------------------------------------- splits */

/* Ids, which rise; a copy, as the file aligns nothing. No such array: 0 rows. */
static int read_ids(struct prepared_file *f, struct arena *a, const char *name,
                    const char *path, uint64_t *count, const int64_t **out,
                    struct rn_error *e) {
    const void *data;
    uint64_t size;
    struct rn_error none = {0};
    if (arrays_find(f->view, name, NULL, &data, &size, &none) != RN_OK)
        return RN_OK;
    uint64_t rows = size / sizeof(int64_t);
    int64_t *ids = arena_array(a, int64_t, rows + 1);
    memcpy(ids, data, size);
    for (uint64_t i = 0; i < rows; i++)
        if (ids[i] < 0 || (i && ids[i] <= ids[i - 1]))
            return not_prepared(e, path);
    *count = rows;
    *out = ids;
    return RN_OK;
}

static int read_split(struct prepared_file *f, struct arena *a, enum data_split_kind s,
                      const uint64_t *bytes, const char *path, struct rn_error *e) {
    int status = read_ids(f, a, arena_format(a, "%s/id", data_split_name(s)), path,
                          &f->data.splits[s].rows, &f->data.splits[s].ids, e);
    uint64_t rows = f->data.splits[s].rows;
    const uint8_t **columns = arena_array(a, const uint8_t *, f->data.field_count + 1);
    for (uint32_t i = 0; i < f->data.field_count && status == RN_OK && rows; i++) {
        const void *data = NULL;
        if (rows > UINT64_MAX / bytes[i])
            return not_prepared(e, path);
        uint64_t want = rows * bytes[i];
        status = arrays_find(
            f->view,
            arena_format(a, "%s/%s", data_split_name(s), f->data.fields[i].field.name),
            &want, &data, NULL, e);
        columns[i] = data;
    }
    f->data.splits[s].columns = columns;
    return status;
}

int prepared_open(struct prepared_file *f, struct arena *a, const char *path,
                  struct rn_error *e) {
    uint64_t *bytes = NULL;
    int status = arrays_open(path, &f->view, e);
    if (status != RN_OK)
        return status;
    f->data.file = arena_copy(a, path);
    if (strcmp(arrays_text(f->view, a, "format"), PREPARED_FORMAT) != 0)
        return not_prepared(e, path);
    f->recipe = arrays_text(f->view, a, "recipe");
    f->data.content_hash = arrays_text(f->view, a, "content_sha256");
    f->data.split_hash = arrays_text(f->view, a, "split_sha256");
    status = read_fields(f, a, path, &bytes, e);
    for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++)
        status = read_split(f, a, (enum data_split_kind)s, bytes, path, e);
    if (status == RN_OK)
        status =
            read_ids(f, a, "dropped", path, &f->data.dropped_rows, &f->data.dropped, e);
    if (status == RN_OK)
        status = arrays_find(f->view, "state", NULL, &f->data.state,
                             &f->data.state_bytes, e);
    return status;
}

void prepared_close(struct prepared_file *f) {
    arrays_close(f->view);
    f->view = NULL;
}
