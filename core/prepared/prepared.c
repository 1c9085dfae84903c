/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over each split, into a format. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "base/text.h"
#include "prepared/prepared.h"

#define CHUNK 512u

static const struct prepared_format *const formats[] = {&prepared_h5, &prepared_csv,
#ifdef HAVE_SQLITE
                                                        &prepared_sqlite,
#endif
                                                        &prepared_npz};
#define FORMATS (sizeof formats / sizeof *formats)

const char *prepared_formats(void) {
#ifdef HAVE_SQLITE
    return "h5, csv, sqlite, npz";
#else
    return "h5, csv, npz";
#endif
}

uint64_t prepared_values(const struct data_field *f) {
    return f->text ? 1 : f->bytes / RN_DTYPE_BYTES(f->dtype);
}

/* Name i of a layout, and its length; 0: there are fewer. */
static size_t name_at(const char *s, uint64_t i, const char **name) {
    for (; i && s; i--)
        s = (s = strchr(s, ',')) ? s + 1 : NULL;
    *name = s;
    return s ? strcspn(s, ",") : 0;
}

/* ".age"; false: the element has no name, or another one has the same. */
static bool add_element(const struct data_field *f, uint64_t i, struct text *out) {
    const char *name, *s = f->layout;
    size_t n = name_at(f->layout, i, &name);
    uint32_t same = 0;
    for (; n && *s; s += *s == ',') {
        size_t length = strcspn(s, ",");
        same += length == n && memcmp(s, name, n) == 0;
        s += length;
    }
    if (same != 1)
        return false;
    text_add(out, ".");
    text_add_n(out, name, n);
    return true;
}

void prepared_column(const struct data_field *f, uint64_t i, struct text *out) {
    text_add(out, f->name);
    if (prepared_values(f) < 2)
        return;
    if (!add_element(f, i, out))
        text_addf(out, ".%llu", (unsigned long long)i);
}

/* ----------------------------------------------------------------------- format */

static const char *ending_of(const char *path) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    return dot && (!slash || dot > slash) ? dot + 1 : "";
}

static const struct prepared_format *find_format(const struct prepared_options *o,
                                                 struct rn_error *e) {
    static const char *const same[][2] = {
        {"hdf5", "h5"}, {"sqlite3", "sqlite"}, {"db", "sqlite"}};
    const char *word = o->format ? o->format : ending_of(o->path);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (strcmp(word, same[i][0]) == 0)
            word = same[i][1];
    for (size_t i = 0; i < FORMATS; i++)
        if (strcmp(word, formats[i]->name) == 0)
            return formats[i];
    if (o->format || *word)
        error_set(e, RN_E_CONFIG, "'%s' is not a format of prepared data", word);
    else
        error_set(e, RN_E_CONFIG, "%s: the name says no format", o->path);
    error_hint(e, "this build writes %s; --format names one", prepared_formats());
    return NULL;
}

/* -------------------------------------------------------------------------- job */

static void list_splits(struct prepared_job *j) {
    for (int s = 0; s < DATA_SPLITS; s++)
        if (data_rows(j->o->data, (enum data_split_kind)s))
            j->splits[j->split_count++] = (struct prepared_split){
                data_split_name((enum data_split_kind)s), (enum data_split_kind)s,
                data_rows(j->o->data, (enum data_split_kind)s)};
}

static void list_facts(struct prepared_job *j) {
    uint32_t n = j->o->fact_count;
    struct prepared_fact *all = arena_array(j->arena, struct prepared_fact, n + 3);
    if (n)
        memcpy(all, j->o->facts, n * sizeof *all);
    all[n++] = (struct prepared_fact){"format", PREPARED_FORMAT};
    all[n++] = (struct prepared_fact){"content_sha256", data_content_hash(j->o->data)};
    all[n++] = (struct prepared_fact){"split_sha256", data_split_hash(j->o->data)};
    j->facts = all;
    j->fact_count = n;
}

static int make_job(struct prepared_job *j, struct rn_error *e) {
    j->field_count = data_field_count(j->o->data);
    j->fields = arena_array(j->arena, const struct data_field *, j->field_count + 1);
    for (uint32_t i = 0; i < j->field_count; i++) {
        j->fields[i] = data_field_at(j->o->data, i);
        if (strcmp(j->fields[i]->name, "id") == 0)
            return error_set(e, RN_E_CONFIG,
                             "a field is named id, as the sample ids are in prepared "
                             "data");
    }
    list_splits(j);
    list_facts(j);
    for (uint32_t i = 0; i < j->split_count; i++)
        if (data_is_stream(j->o->data, j->splits[i].kind))
            return error_set(e, RN_E_CONFIG,
                             "the %s split is a stream, which has no fixed rows to "
                             "write",
                             j->splits[i].name);
    return RN_OK;
}

static int write_split(const struct prepared_job *j, uint32_t split,
                       const struct prepared_format *f, void *writer,
                       struct rn_error *e) {
    struct loader_options lo = {.split = j->splits[split].kind,
                                .batch = CHUNK,
                                .workers = data_workers(j->o->data),
                                .once = true};
    struct loader *l = NULL;
    struct batch b;
    int status = loader_open(j->o->data, &lo, &l, e);
    for (uint64_t i = 0, n = status ? 0 : loader_batches(l); i < n && !status; i++) {
        status = loader_next(l, &b, e);
        if (!status)
            status = f->rows(writer, split, &b, e);
    }
    loader_close(l);
    return status;
}

int prepared_write(const struct prepared_options *o, struct rn_error *e) {
    struct prepared_job j = {.arena = arena_create(), .o = o};
    const struct prepared_format *f = find_format(o, e);
    void *writer = NULL;
    int status = f ? make_job(&j, e) : RN_E_CONFIG;
    if (!status)
        status = f->open(&j, &writer, e);
    for (uint32_t i = 0; i < j.split_count && !status; i++)
        status = write_split(&j, i, f, writer, e);
    if (writer && status)
        f->discard(writer);
    else if (writer)
        status = f->commit(writer, e);
    arena_destroy(j.arena);
    return status;
}
