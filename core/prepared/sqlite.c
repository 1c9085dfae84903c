/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared data as an SQLite database: a table a split with the sample id as its key, a
 * column a value; of a field of more than COLUMNS_MAX values one column of its bytes,
 * little-endian. The table `recipe` has the facts, `fields` the types and shapes. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <runner/sdk/field.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/text.h"
#include "prepared/prepared.h"
#include "record/file.h"

#define COLUMNS_MAX 256u

struct sqlite_writer {
    const struct prepared_job *j;
    const char *path, *temp;
    sqlite3 *db;
    sqlite3_stmt *insert; /* of the split `split` */
    uint32_t split;
};

static int failed(struct sqlite_writer *w, struct rn_error *e) {
    return error_set(e, RN_E_IO, "cannot write %s: %s", w->path,
                     w->db ? sqlite3_errmsg(w->db) : "no memory");
}

static int run(struct sqlite_writer *w, const char *sql, struct rn_error *e) {
    return sqlite3_exec(w->db, sql, NULL, NULL, NULL) == SQLITE_OK ? RN_OK
                                                                   : failed(w, e);
}

static void discard_sqlite(void *writer) {
    struct sqlite_writer *w = writer;
    sqlite3_finalize(w->insert);
    sqlite3_close(w->db);
    file_discard(w->temp);
}

static bool in_bytes(const struct data_field *f) {
    return prepared_values(f) > COLUMNS_MAX;
}

static void add_name(struct text *t, const char *name) {
    text_add(t, "\"");
    for (; *name; name++)
        text_addf(t, *name == '"' ? "\"\"" : "%c", *name);
    text_add(t, "\"");
}

static const char *type_of(const struct data_field *f) {
    if (f->text)
        return "TEXT";
    if (in_bytes(f))
        return "BLOB";
    return f->dtype == RN_F32 || f->dtype == RN_F64 || f->dtype == RN_F16 ||
                   f->dtype == RN_BF16
               ? "REAL"
               : "INTEGER";
}

static int create_table(struct sqlite_writer *w, const char *split,
                        struct rn_error *e) {
    struct text sql = {0}, name = {0};
    text_add(&sql, "CREATE TABLE ");
    add_name(&sql, split);
    text_add(&sql, " (id INTEGER PRIMARY KEY");
    for (uint32_t k = 0; k < w->j->field_count; k++) {
        const struct data_field *f = w->j->fields[k];
        for (uint64_t i = 0; i < (in_bytes(f) ? 1 : prepared_values(f)); i++) {
            text_clear(&name);
            if (in_bytes(f))
                text_add(&name, f->name);
            else
                prepared_column(f, i, &name);
            text_add(&sql, ", ");
            add_name(&sql, text_get(&name));
            text_addf(&sql, " %s", type_of(f));
        }
    }
    text_add(&sql, ")");
    int status = run(w, text_get(&sql), e);
    text_finish(&sql);
    text_finish(&name);
    return status;
}

/* A row of two or three texts. */
static int insert_texts(struct sqlite_writer *w, const char *sql, uint32_t n,
                        const char *const *values, struct rn_error *e) {
    sqlite3_stmt *s = NULL;
    bool ok = sqlite3_prepare_v2(w->db, sql, -1, &s, NULL) == SQLITE_OK;
    for (uint32_t i = 0; i < n && ok; i++)
        ok = sqlite3_bind_text(s, (int)i + 1, values[i], -1, SQLITE_TRANSIENT) ==
             SQLITE_OK;
    ok = ok && sqlite3_step(s) == SQLITE_DONE;
    int status = ok ? RN_OK : failed(w, e);
    sqlite3_finalize(s);
    return status;
}

static int describe(struct sqlite_writer *w, struct rn_error *e) {
    const struct prepared_job *j = w->j;
    int status = run(w, "CREATE TABLE recipe (name TEXT PRIMARY KEY, value TEXT)", e);
    for (uint32_t i = 0; i < j->fact_count && !status; i++) {
        const char *const row[] = {j->facts[i].name, j->facts[i].value};
        status = insert_texts(w, "INSERT INTO recipe VALUES (?, ?)", 2, row, e);
    }
    if (!status)
        status = run(w,
                     "CREATE TABLE fields (name TEXT PRIMARY KEY, dtype TEXT, "
                     "shape TEXT)",
                     e);
    for (uint32_t k = 0; k < j->field_count && !status; k++) {
        const struct data_field *f = j->fields[k];
        struct text shape = {0};
        for (uint32_t i = 0; i < f->rank && !f->text; i++)
            text_addf(&shape, i ? ",%lld" : "%lld", (long long)f->shape[i]);
        const char *const row[] = {f->name, f->text ? "text" : dtype_name(f->dtype),
                                   text_get(&shape)};
        status = insert_texts(w, "INSERT INTO fields VALUES (?, ?, ?)", 3, row, e);
        text_finish(&shape);
    }
    return status;
}

static int open_sqlite(const struct prepared_job *j, void **writer,
                       struct rn_error *e) {
    struct sqlite_writer *w = arena_array(j->arena, struct sqlite_writer, 1);
    *w = (struct sqlite_writer){.j = j,
                                .path = j->o->path,
                                .temp = arena_format(j->arena, "%s.tmp", j->o->path),
                                .split = UINT32_MAX};
    if (unlink(w->temp) && errno != ENOENT)
        return file_error(e, "replace", w->temp);
    int status = sqlite3_open(w->temp, &w->db) == SQLITE_OK ? RN_OK : failed(w, e);
    if (!status)
        status =
            run(w, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN", e);
    if (!status)
        status = describe(w, e);
    for (uint32_t s = 0; s < j->split_count && !status; s++)
        status = create_table(w, j->splits[s].name, e);
    if (status)
        discard_sqlite(w);
    else
        *writer = w;
    return status;
}

/* ------------------------------------------------------------------------- rows */

static int begin_split(struct sqlite_writer *w, uint32_t split, struct rn_error *e) {
    struct text sql = {0};
    sqlite3_finalize(w->insert);
    w->insert = NULL;
    w->split = split;
    text_add(&sql, "INSERT INTO ");
    add_name(&sql, w->j->splits[split].name);
    text_add(&sql, " VALUES (?");
    for (uint32_t k = 0; k < w->j->field_count; k++)
        for (uint64_t i = 0;
             i < (in_bytes(w->j->fields[k]) ? 1 : prepared_values(w->j->fields[k]));
             i++)
            text_add(&sql, ", ?");
    text_add(&sql, ")");
    int status =
        sqlite3_prepare_v2(w->db, text_get(&sql), -1, &w->insert, NULL) == SQLITE_OK
            ? RN_OK
            : failed(w, e);
    text_finish(&sql);
    return status;
}

static int bind_number(sqlite3_stmt *s, int at, const struct data_field *f,
                       const void *values, uint64_t i) {
    double x;
    if (f->dtype == RN_I64)
        return sqlite3_bind_int64(s, at, ((const int64_t *)values)[i]);
    rn_numbers_get(values, f->dtype, i, 1, &x);
    if (isnan(x))
        return sqlite3_bind_null(s, at);
    return type_of(f)[0] == 'R' ? sqlite3_bind_double(s, at, x)
                                : sqlite3_bind_int64(s, at, (int64_t)x);
}

static int bind_field(sqlite3_stmt *s, int *at, const struct data_field *f,
                      const void *values, uint64_t row) {
    const char *bytes = (const char *)values + row * f->bytes;
    uint64_t n = prepared_values(f);
    int code = SQLITE_OK;
    if (f->text)
        return sqlite3_bind_text(s, (*at)++, bytes, (int)strnlen(bytes, f->bytes),
                                 SQLITE_STATIC);
    if (in_bytes(f))
        return sqlite3_bind_blob64(s, (*at)++, bytes, f->bytes, SQLITE_STATIC);
    for (uint64_t i = 0; i < n && code == SQLITE_OK; i++)
        code = bind_number(s, (*at)++, f, values, row * n + i);
    return code;
}

static int rows_sqlite(void *writer, uint32_t split, const struct batch *b,
                       struct rn_error *e) {
    struct sqlite_writer *w = writer;
    int status = w->split == split ? RN_OK : begin_split(w, split, e);
    for (uint64_t r = 0; r < b->rows && !status; r++) {
        int at = 2, code = sqlite3_bind_int64(w->insert, 1, b->ids[r]);
        for (uint32_t k = 0; k < w->j->field_count && code == SQLITE_OK; k++)
            code = bind_field(w->insert, &at, w->j->fields[k], b->fields[k], r);
        if (code != SQLITE_OK || sqlite3_step(w->insert) != SQLITE_DONE)
            status = failed(w, e);
        sqlite3_reset(w->insert);
    }
    return status;
}

static int commit_sqlite(void *writer, struct rn_error *e) {
    struct sqlite_writer *w = writer;
    int status = run(w, "COMMIT", e), fd = -1;
    sqlite3_finalize(w->insert);
    w->insert = NULL;
    if (sqlite3_close(w->db) != SQLITE_OK && !status)
        status = failed(w, e);
    w->db = NULL;
    if (!status && (fd = open(w->temp, O_RDWR | O_CLOEXEC)) < 0)
        status = file_error(e, "open", w->temp);
    if (!status)
        return file_commit(fd, w->temp, w->path, e);
    file_discard(w->temp);
    return status;
}

const struct prepared_format prepared_sqlite = {"sqlite", open_sqlite, rows_sqlite,
                                                commit_sqlite, discard_sqlite};
