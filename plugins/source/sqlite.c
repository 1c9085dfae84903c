/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a query of an SQLite database, held in memory. The database is opened for
 * reading, and the query may do nothing else. It must say ORDER BY, as a row's place is
 * its identity. Feature columns become one field `x`; the target and the columns of
 * `fields` are fields of their own. NULL is a missing value. */
#include <ctype.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <time.h>

#include <runner/sdk/error.h>

#include "typed_table.h"

#define COLUMNS_MAX 32767

struct sqlite {
    struct typed_table table;
    const char *query;            /* host, until destroy */
    int64_t timeout_ms, since_ms; /* since_ms: when the query gave its last row */
    int late;                     /* 1: it was stopped for that */
    sqlite3 *db;
    sqlite3_stmt *statement; /* has the names of the columns */
};

static void destroy(void *self) {
    struct sqlite *s = self;
    if (s) {
        typed_table_finish(&s->table);
        sqlite3_finalize(s->statement);
        sqlite3_close(s->db);
    }
    free(s);
}

/* ------------------------------------------------------------------------ query */

static int32_t library_error(const struct sqlite *s, int code, struct rn_error *e) {
    const char *why = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code);
    code &= 0xff;
    if (code == SQLITE_NOMEM || code == SQLITE_TOOBIG) /* as limit_memory set them */
        return rn_budget_error(&s->table.budget, s->table.file, e);
    if (code == SQLITE_INTERRUPT && s->late) {
        rn_failf(e, RN_E_DATA, s->table.file, 0, 0, "the query gave no row for %lld s",
                 (long long)(s->timeout_ms / 1000));
        rn_hintf(e, "an index on what ORDER BY names makes it faster; or raise the "
                    "source's `timeout`");
        return RN_E_DATA;
    }
    if (code == SQLITE_INTERRUPT)
        return rn_failf(e, RN_E_CANCELLED, s->table.file, 0, 0, "reading was stopped");
    if (code == SQLITE_NOTADB)
        return rn_failf(e, RN_E_DATA, s->table.file, 0, 0, "is not an SQLite database");
    return rn_failf(e,
                    code == SQLITE_IOERR || code == SQLITE_BUSY ? RN_E_IO : RN_E_DATA,
                    s->table.file, 0, 0, "%s", why);
}

/* Reading, and nothing else. */
static int authorize(void *context, int action, const char *a, const char *b,
                     const char *c, const char *d) {
    (void)context, (void)a, (void)b, (void)c, (void)d;
    return action == SQLITE_SELECT || action == SQLITE_READ ||
                   action == SQLITE_FUNCTION || action == SQLITE_RECURSIVE
               ? SQLITE_OK
               : SQLITE_DENY;
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int stop(void *context) {
    struct sqlite *s = context;
    s->late = now_ms() - s->since_ms > s->timeout_ms;
    return s->late || rn_cancelled(s->table.host) != 0;
}

/* Sorting writes to files when it needs more than a little, so the library gets a part
 * of the budget: for the process, until restored; the limit that was. */
static int64_t limit_memory(struct sqlite *s) {
    int64_t all = (int64_t)(s->table.budget.left / 8) + (32 << 20);
    sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH,
                  (int)(all / 4 < INT_MAX ? all / 4 : INT_MAX));
    return sqlite3_hard_heap_limit64(sqlite3_memory_used() + all);
}

/* ORDER BY outside of parentheses, quotes and comments. */
static int is_ordered(const char *q) {
    int depth = 0;
    for (const char *p = q; *p; p++) {
        if (*p == '\'' || *p == '"' || *p == '`') {
            const char *end = strchr(p + 1, *p);
            p = end ? end : p;
        } else if (p[0] == '-' && p[1] == '-') {
            p += strcspn(p, "\n");
            p -= !*p;
        } else if (*p == '(') {
            depth++;
        } else if (*p == ')') {
            depth--;
        } else if (depth == 0 && sqlite3_strnicmp(p, "order", 5) == 0 &&
                   (p == q || !(isalnum((unsigned char)p[-1]) || p[-1] == '_')) &&
                   isspace((unsigned char)p[5])) {
            const char *by = p + 5 + strspn(p + 5, " \t\r\n");
            if (sqlite3_strnicmp(by, "by", 2) == 0 && !isalnum((unsigned char)by[2]))
                return 1;
        }
    }
    return 0;
}

static int32_t prepare(struct sqlite *s, struct rn_error *e) {
    const char *rest = NULL;
    if (!is_ordered(s->query))
        return rn_fail(e, RN_E_CONFIG,
                       "the query has no ORDER BY, so its rows have no order",
                       "ORDER BY a key that no two rows share", "query");
    int code = sqlite3_prepare_v2(s->db, s->query, -1, &s->statement, &rest);
    if (code == SQLITE_AUTH)
        return rn_fail(e, RN_E_CONFIG, "the query does more than read this database",
                       "a SELECT is what a source runs", "query");
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_ERROR)
        return library_error(s, code, e);
    if (code != SQLITE_OK || !s->statement)
        return rn_fail_option(e, RN_E_CONFIG, "query", "%s",
                              code == SQLITE_OK ? "is empty" : sqlite3_errmsg(s->db));
    if (rest[strspn(rest, " \t\r\n;")])
        return rn_fail(e, RN_E_CONFIG, "there is more than one statement", NULL,
                       "query");
    int n = sqlite3_column_count(s->statement);
    if (n < 1 || n > COLUMNS_MAX)
        return rn_fail(e, RN_E_CONFIG, "the query gives no columns", NULL, "query");
    return typed_table_begin(&s->table, (uint32_t)n, e);
}

static int32_t open_database(struct sqlite *s, struct rn_error *e) {
    int fd = -1;
    int32_t status = rn_source_open(s->table.file, &fd, NULL, e); /* a regular file */
    if (status != RN_OK)
        return status;
    close(fd);
    int code = sqlite3_open_v2(s->table.file, &s->db, SQLITE_OPEN_READONLY, NULL);
    if (code != SQLITE_OK)
        return library_error(s, code, e);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_progress_handler(s->db, 10000, stop, s);
    code = sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return library_error(s, code, e);
    sqlite3_set_authorizer(s->db, authorize, NULL);
    return RN_OK;
}

/* ------------------------------------------------------------------------- rows */

static int32_t name_columns(struct sqlite *s, struct rn_error *e) {
    struct typed_table *t = &s->table;
    for (uint32_t i = 0; i < t->width; i++) {
        t->columns[i].name = sqlite3_column_name(s->statement, (int)i);
        if (!t->columns[i].name)
            return library_error(s, SQLITE_NOMEM, e);
    }
    return typed_table_roles(t, e);
}

static void look(struct typed_column *c, sqlite3_stmt *q, int i, uint64_t row) {
    switch (sqlite3_column_type(q, i)) {
    case SQLITE_INTEGER:
        typed_see_number(c, 1);
        break;
    case SQLITE_FLOAT:
        typed_see_number(c, 0);
        break;
    case SQLITE_TEXT:
        typed_see_text(c, (uint64_t)sqlite3_column_bytes(q, i), row);
        break;
    case SQLITE_BLOB:
        c->other = "bytes (BLOB)";
        break;
    default:
        typed_see_null(c);
    }
}

/* The next row, SQLITE_DONE, or a code of an error. */
static int step(struct sqlite *s) {
    s->since_ms = now_ms();
    return sqlite3_step(s->statement);
}

static int32_t scan(struct sqlite *s, struct rn_error *e) {
    struct typed_table *t = &s->table;
    uint64_t most = t->budget.left / sizeof(double); /* a row is a number or more */
    int code;
    while ((code = step(s)) == SQLITE_ROW) {
        if (t->count == most)
            return rn_budget_error(&t->budget, t->file, e);
        for (uint32_t i = 0; i < t->width; i++)
            if (t->columns[i].role)
                look(&t->columns[i], s->statement, (int)i, t->count);
        t->count++;
    }
    if (code != SQLITE_DONE)
        return library_error(s, code, e);
    sqlite3_reset(s->statement);
    return t->count ? RN_OK : rn_fail_option(e, RN_E_DATA, "query", "gives no rows");
}

static void keep(struct typed_table *t, struct typed_column *c, sqlite3_stmt *q, int i,
                 uint64_t row) {
    switch (sqlite3_column_type(q, i)) {
    case SQLITE_INTEGER:
        typed_put_integer(t, c, row, sqlite3_column_int64(q, i));
        break;
    case SQLITE_FLOAT:
        typed_put_real(t, c, row, sqlite3_column_double(q, i));
        break;
    case SQLITE_TEXT: {
        const void *text = sqlite3_column_text(q, i);
        if (text)
            typed_put_text(c, row, text, (uint64_t)sqlite3_column_bytes(q, i));
        break;
    }
    default:
        typed_put_null(t, c, row);
    }
}

static int32_t changed(struct rn_error *e) {
    return rn_fail(e, RN_E_DATA, "the query gives other rows when it runs again",
                   "random() and the like have no place in it", "query");
}

static int32_t fill(struct sqlite *s, struct rn_error *e) {
    struct typed_table *t = &s->table;
    uint64_t row = 0;
    int code;
    while ((code = step(s)) == SQLITE_ROW) {
        if (row == t->count)
            return changed(e);
        for (uint32_t i = 0; i < t->width; i++)
            if (t->columns[i].role)
                keep(t, &t->columns[i], s->statement, (int)i, row);
        row++;
    }
    if (code != SQLITE_DONE)
        return library_error(s, code, e);
    return row == t->count ? RN_OK : changed(e);
}

/* ------------------------------------------------------------------------- life */

static int32_t read_query(struct sqlite *s, struct rn_error *e) {
    int32_t status = prepare(s, e);
    if (status == RN_OK)
        status = name_columns(s, e);
    if (status == RN_OK)
        status = scan(s, e);
    if (status == RN_OK)
        status = typed_table_settle(&s->table, e);
    if (status == RN_OK)
        status = fill(s, e);
    if (s->statement)
        sqlite3_reset(s->statement);
    return status;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct sqlite *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->table =
        (struct typed_table){.host = h,
                             .file = rn_get_string(h, "file"),
                             .option = "query",
                             .predict = h->api->extension(h, RN_EXT_PREDICT) != NULL,
                             .budget = rn_budget_of(h)};
    s->query = rn_get_string(h, "query");
    s->timeout_ms = rn_get_int(h, "timeout") * 1000;
    int32_t status = open_database(s, e);
    if (status != RN_OK)
        return status;
    int64_t before = limit_memory(s);
    status = read_query(s, e);
    sqlite3_hard_heap_limit64(before);
    return status;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    (void)e;
    typed_table_info(&((struct sqlite *)self)->table, out);
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    return typed_table_read(&((struct sqlite *)self)->table, call, e);
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, destroy, info, NULL, NULL, read_rows};

RN_SOURCE(sqlite, iface, "runner/sqlite 1",
          RN_DOC("The rows of a query of an SQLite database, held in memory")
          TYPED_TABLE_OUT
          RN_OPTION("file path ; required | the database, opened for reading")
          RN_OPTION("query string ; required | a SELECT with an ORDER BY: a row is "
                    "known by its place")
          TYPED_TABLE_OPTIONS
          RN_OPTION("timeout int = 60 ; min 1 ; max 86400 ; unit s | most time until the "
                    "query gives its first row, or its next one")
          RN_BUDGET_OPTION);
RN_PLUGIN(&sqlite);
