/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a query of an SQLite database, held in memory. The database is opened for
 * reading, and the query may do nothing else. It must say ORDER BY, as a row's place is
 * its identity. Feature columns become one field `x`; the target and the columns of
 * `fields` are fields of their own. NULL is a missing value. */
#include <ctype.h>
#include <fnmatch.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>

#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/sdk/source.h>

#define COLUMNS_MAX 32767

struct column {
    const char *name; /* of the statement, until destroy */
    char role;        /* 'x', 't' target, 'o' a field of its own, 0 not read */
    uint8_t integers, reals, texts, blobs; /* 1: some row has one */
    uint64_t nulls, longest;
    uint64_t text_row; /* 1 + the first row with text */
    char type;         /* 'i', 'f', 't' */
    void *rows;        /* of a field of its own: [count] */
};

struct sqlite {
    struct rn_host *host;
    const char *file, *query; /* host, until destroy */
    int predict;
    struct rn_budget budget;
    sqlite3 *db;
    sqlite3_stmt *statement;
    uint32_t width, features, field_count;
    struct column *columns; /* [width] */
    uint64_t count;
    double *x; /* [count, features] */
    struct rn_field *fields;
    struct column **own; /* of each field; NULL: x */
    char *layout;
    const char **layouts;
};

static void destroy(void *self) {
    struct sqlite *s = self;
    if (s) {
        for (uint32_t i = 0; s->columns && i < s->width; i++)
            free(s->columns[i].rows);
        free(s->columns);
        free(s->x);
        free(s->fields);
        free(s->own);
        free(s->layout);
        free(s->layouts);
        sqlite3_finalize(s->statement);
        sqlite3_close(s->db);
    }
    free(s);
}

static int32_t no_memory(const struct sqlite *s, struct rn_error *e) {
    return rn_failf(e, RN_E_MEMORY, s->file, 0, 0, "no memory for the rows");
}

static void *reserve(struct sqlite *s, uint64_t n, uint64_t item, struct rn_error *e) {
    uint64_t bytes;
    if (!rn_size_mul(n, item, &bytes) || !rn_budget_take(&s->budget, bytes)) {
        rn_budget_error(&s->budget, s->file, e);
        return NULL;
    }
    void *p = calloc(n ? n : 1, item);
    if (!p)
        no_memory(s, e);
    return p;
}

/* ------------------------------------------------------------------------ query */

static int32_t library_error(const struct sqlite *s, int code, struct rn_error *e) {
    const char *why = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code);
    code &= 0xff;
    if (code == SQLITE_NOMEM)
        return no_memory(s, e);
    if (code == SQLITE_INTERRUPT)
        return rn_failf(e, RN_E_CANCELLED, s->file, 0, 0, "reading was stopped");
    if (code == SQLITE_NOTADB)
        return rn_failf(e, RN_E_DATA, s->file, 0, 0, "is not an SQLite database");
    return rn_failf(e,
                    code == SQLITE_IOERR || code == SQLITE_BUSY ? RN_E_IO : RN_E_DATA,
                    s->file, 0, 0, "%s", why);
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

static int stop(void *context) {
    return rn_cancelled(context) != 0;
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
    s->width = (uint32_t)n;
    return RN_OK;
}

static int32_t open_database(struct sqlite *s, struct rn_error *e) {
    int fd = -1;
    int32_t status = rn_source_open(s->file, &fd, NULL, e); /* a regular file */
    if (status != RN_OK)
        return status;
    close(fd);
    int code = sqlite3_open_v2(s->file, &s->db, SQLITE_OPEN_READONLY, NULL);
    if (code != SQLITE_OK)
        return library_error(s, code, e);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_progress_handler(s->db, 10000, stop, s->host);
    code = sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return library_error(s, code, e);
    sqlite3_set_authorizer(s->db, authorize, NULL);
    return prepare(s, e);
}

/* ------------------------------------------------------------------------ roles */

static struct column *find(struct sqlite *s, const char *name) {
    for (uint32_t i = 0; i < s->width; i++)
        if (strcmp(s->columns[i].name, name) == 0)
            return &s->columns[i];
    return NULL;
}

static int32_t no_column(struct sqlite *s, const char *option, const char *name,
                         struct rn_error *e) {
    char all[300] = "";
    for (uint32_t i = 0; i < s->width && strlen(all) + 80 < sizeof all; i++) {
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%.60s", i ? ", " : "", s->columns[i].name);
    }
    rn_fail_option(e, RN_E_CONFIG, option, "the query gives no column '%.100s'", name);
    rn_hintf(e, "it gives %s", all);
    return RN_E_CONFIG;
}

/* The columns that the pattern matches and that have no role get it; how many match. */
static uint32_t name_pattern(struct sqlite *s, const char *pattern, char role) {
    uint32_t n = 0;
    for (uint32_t i = 0; strpbrk(pattern, "*?") && i < s->width; i++) {
        struct column *c = &s->columns[i];
        if (fnmatch(pattern, c->name, 0) != 0)
            continue;
        c->role = c->role ? c->role : role;
        n++;
    }
    return n;
}

/* The columns that the list option names get the role. */
static int32_t name_list(struct sqlite *s, const char *option, char role,
                         struct rn_error *e) {
    for (uint32_t i = 0; i < rn_get_count(s->host, option); i++) {
        char path[64];
        snprintf(path, sizeof path, "%s.%u", option, i);
        const char *name = rn_get_string(s->host, path);
        struct column *c = find(s, name);
        if (!c && name_pattern(s, name, role))
            continue;
        if (!c && !(s->predict && role != 'x'))
            return no_column(s, option, name, e);
        if (c && c->role && c->role != role)
            return rn_fail_option(e, RN_E_CONFIG, path, "'%.100s' has two uses", name);
        if (c)
            c->role = role;
    }
    return RN_OK;
}

static int32_t choose_roles(struct sqlite *s, struct rn_error *e) {
    for (uint32_t i = 0; i < s->width; i++) {
        s->columns[i].name = sqlite3_column_name(s->statement, (int)i);
        if (!s->columns[i].name)
            return no_memory(s, e);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(s->columns[k].name, s->columns[i].name) == 0) {
                rn_fail_option(e, RN_E_CONFIG, "query",
                               "two columns are named '%.100s'", s->columns[i].name);
                rn_hintf(e, "AS gives one another name");
                return RN_E_CONFIG;
            }
    }
    if (rn_has(s->host, "target")) {
        struct column *c = find(s, rn_get_string(s->host, "target"));
        if (!c && !s->predict)
            return no_column(s, "target", rn_get_string(s->host, "target"), e);
        if (c)
            c->role = 't';
    }
    int32_t status = name_list(s, "fields", 'o', e);
    if (status == RN_OK)
        status = name_list(s, "features", 'x', e);
    for (uint32_t i = 0; i < s->width && !rn_has(s->host, "features"); i++)
        if (!s->columns[i].role)
            s->columns[i].role = 'x';
    return status;
}

/* ------------------------------------------------------------------------ types */

static void look(struct column *c, sqlite3_stmt *q, int i, uint64_t row) {
    switch (sqlite3_column_type(q, i)) {
    case SQLITE_INTEGER:
        c->integers = 1;
        break;
    case SQLITE_FLOAT:
        c->reals = 1;
        break;
    case SQLITE_TEXT: {
        uint64_t n = (uint64_t)sqlite3_column_bytes(q, i);
        if (!c->texts)
            c->text_row = row + 1;
        c->texts = 1;
        c->longest = n > c->longest ? n : c->longest;
        break;
    }
    case SQLITE_BLOB:
        c->blobs = 1;
        break;
    default:
        c->nulls++;
    }
}

static int32_t scan(struct sqlite *s, struct rn_error *e) {
    int code;
    while ((code = sqlite3_step(s->statement)) == SQLITE_ROW) {
        for (uint32_t i = 0; i < s->width; i++)
            if (s->columns[i].role)
                look(&s->columns[i], s->statement, (int)i, s->count);
        s->count++;
    }
    if (code != SQLITE_DONE)
        return library_error(s, code, e);
    sqlite3_reset(s->statement);
    return s->count ? RN_OK : rn_fail_option(e, RN_E_DATA, "query", "gives no rows");
}

/* The type that a field of this name has been learnt with, or 0. */
static char known_type(const struct sqlite *s, const char *name) {
    const struct rn_known_fields *k = s->host->api->extension(s->host, RN_EXT_FIELDS);
    for (uint32_t i = 0; k && i < k->field_count; i++) {
        const struct rn_field *f =
            (const void *)((const char *)k->fields + (size_t)i * k->field_stride);
        if (strcmp(f->name, name) == 0)
            return f->dtype == RN_U8 ? 't' : f->dtype == RN_I64 ? 'i' : 'f';
    }
    return 0;
}

static int32_t choose_type(struct sqlite *s, struct column *c, struct rn_error *e) {
    int numbers = c->integers || c->reals;
    char known = known_type(s, c->name);
    const char *asked = c->role == 't' ? rn_get_string(s->host, "target_type") : "auto";
    if (c->blobs)
        return rn_failf(e, RN_E_DATA, s->file, 0, 0,
                        "column '%.100s' holds bytes (BLOB)", c->name);
    if (c->role == 'x' && c->texts) {
        rn_failf(e, RN_E_DATA, s->file, 0, 0,
                 "row %llu, column '%.100s' is text, which is no feature",
                 (unsigned long long)c->text_row, c->name);
        rn_hintf(e, "name it in `fields`, or leave it out of the query");
        return RN_E_DATA;
    }
    if (numbers && c->texts)
        return rn_failf(e, RN_E_DATA, s->file, 0, 0,
                        "column '%.100s' holds numbers and, in row %llu, text", c->name,
                        (unsigned long long)c->text_row);
    if (c->role == 't' && c->nulls && !s->predict)
        return rn_failf(e, RN_E_DATA, s->file, 0, 0,
                        "the target '%.100s' is NULL in %llu rows", c->name,
                        (unsigned long long)c->nulls);
    c->type = c->texts ? 't' : c->reals || c->role == 'x' ? 'f' : 'i';
    if (!numbers && !c->texts)
        c->type = known ? known : c->role == 'x' ? 'f' : 't';
    if (c->type == 'i' && (known == 'f' || strcmp(asked, "float") == 0))
        c->type = 'f';
    return RN_OK;
}

/* ------------------------------------------------------------------------- rows */

static void field_add(struct sqlite *s, struct column *c) {
    struct rn_field *f = &s->fields[s->field_count];
    uint64_t width = c->longest ? c->longest : 1;
    s->own[s->field_count++] = c;
    *f = (struct rn_field){.name = c->name,
                           .dtype = c->type == 't'   ? RN_U8
                                    : c->type == 'i' ? RN_I64
                                                     : RN_F64,
                           .flags = c->nulls ? RN_FIELD_NULLABLE : 0};
    if (c->type != 't')
        return;
    f->rank = 1;
    f->shape[0] = (int64_t)width;
    f->flags |= RN_FIELD_TEXT;
}

static int32_t make_fields(struct sqlite *s, struct rn_error *e) {
    size_t names = 1;
    int nulls = 0;
    for (uint32_t i = 0; i < s->width; i++)
        if (s->columns[i].role == 'x') {
            names += strlen(s->columns[i].name) + 1;
            nulls |= s->columns[i].nulls != 0;
            s->features++;
        }
    s->layout = calloc(names, 1);
    if (!s->layout)
        return no_memory(s, e);
    if (s->features) {
        s->fields[s->field_count++] = (struct rn_field){
            "x", RN_F64, 1, {s->features}, nulls ? RN_FIELD_NULLABLE : 0u, 0};
        s->layouts[0] = s->layout;
    }
    for (uint32_t i = 0; i < s->width; i++) {
        struct column *c = &s->columns[i];
        if (c->role == 'x') {
            strcat(s->layout, *s->layout ? "," : "");
            strcat(s->layout, c->name);
        } else if (c->role && strcmp(c->name, "x") == 0 && s->features) {
            return rn_fail_option(
                e, RN_E_CONFIG, "query",
                "a column 'x' and features, which are x; AS renames it");
        } else if (c->role) {
            field_add(s, c);
        }
    }
    return RN_OK;
}

static void keep(const struct column *c, sqlite3_stmt *q, int i, uint64_t row,
                 const struct rn_field *f) {
    int null = sqlite3_column_type(q, i) == SQLITE_NULL;
    if (c->type == 'i') {
        ((int64_t *)c->rows)[row] = null ? RN_MISSING_I64 : sqlite3_column_int64(q, i);
    } else if (c->type == 'f') {
        ((double *)c->rows)[row] = null ? NAN : sqlite3_column_double(q, i);
    } else if (!null) {
        uint64_t width = (uint64_t)f->shape[0];
        const unsigned char *text = sqlite3_column_text(q, i);
        uint64_t n = (uint64_t)sqlite3_column_bytes(q, i);
        if (text)
            memcpy((char *)c->rows + row * width, text, n < width ? n : width);
    }
}

static int32_t changed(const struct sqlite *s, struct rn_error *e) {
    (void)s;
    return rn_fail(e, RN_E_DATA, "the query gives other rows when it runs again",
                   "random() and the like have no place in it", "query");
}

static int32_t fill(struct sqlite *s, struct rn_error *e) {
    uint64_t row = 0;
    int code;
    while ((code = sqlite3_step(s->statement)) == SQLITE_ROW) {
        uint64_t at = row * s->features;
        if (row == s->count)
            return changed(s, e);
        for (uint32_t i = 0; i < s->width; i++)
            if (s->columns[i].role == 'x')
                s->x[at++] = sqlite3_column_type(s->statement, (int)i) == SQLITE_NULL
                                 ? NAN
                                 : sqlite3_column_double(s->statement, (int)i);
        for (uint32_t k = s->features ? 1 : 0; k < s->field_count; k++)
            keep(s->own[k], s->statement, (int)(s->own[k] - s->columns), row,
                 &s->fields[k]);
        row++;
    }
    if (code != SQLITE_DONE)
        return library_error(s, code, e);
    return row == s->count ? RN_OK : changed(s, e);
}

static int32_t load(struct sqlite *s, struct rn_error *e) {
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < s->width && status == RN_OK; i++)
        if (s->columns[i].role)
            status = choose_type(s, &s->columns[i], e);
    if (status == RN_OK)
        status = make_fields(s, e);
    if (status != RN_OK)
        return status;
    s->x = reserve(s, s->count, (uint64_t)s->features * sizeof *s->x, e);
    if (!s->x)
        return e && e->status ? e->status : RN_E_MEMORY;
    for (uint32_t k = s->features ? 1 : 0; k < s->field_count; k++) {
        s->own[k]->rows = reserve(s, s->count, rn_field_bytes(&s->fields[k]), e);
        if (!s->own[k]->rows)
            return e && e->status ? e->status : RN_E_MEMORY;
    }
    return fill(s, e);
}

/* ------------------------------------------------------------------------- life */

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct sqlite *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->host = h;
    s->file = rn_get_string(h, "file");
    s->query = rn_get_string(h, "query");
    s->predict = h->api->extension(h, RN_EXT_PREDICT) != NULL;
    s->budget = rn_budget_of(h);
    int32_t status = open_database(s, e);
    if (status != RN_OK)
        return status;
    s->columns = calloc(s->width, sizeof *s->columns);
    s->fields = calloc(s->width + 1u, sizeof *s->fields);
    s->own = calloc(s->width + 1u, sizeof *s->own);
    s->layouts = calloc(s->width + 1u, sizeof *s->layouts);
    if (!s->columns || !s->fields || !s->own || !s->layouts)
        return no_memory(s, e);
    status = choose_roles(s, e);
    if (status == RN_OK)
        status = scan(s, e);
    if (status == RN_OK)
        status = load(s, e);
    sqlite3_reset(s->statement);
    return status;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct sqlite *s = self;
    (void)e;
    out->access = RN_ACCESS_RANDOM;
    out->count = s->count;
    out->field_count = s->field_count;
    out->field_stride = sizeof s->fields[0];
    out->fields = s->fields;
    memset(out->content_hash, 0, sizeof out->content_hash);
    if (RN_HAS(out, struct rn_source_info, name))
        out->name = s->file;
    if (RN_HAS(out, struct rn_source_info, layouts))
        out->layouts = s->layouts;
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct sqlite *s = self;
    for (uint64_t i = 0; i < call->rows; i++)
        if (call->indices[i] >= s->count)
            return rn_failf(e, RN_E_INTERNAL, s->file, 0, 0, "row %llu is not there",
                            (unsigned long long)call->indices[i]);
    for (uint32_t f = 0; f < s->field_count; f++) {
        const char *from = s->own[f] ? s->own[f]->rows : (const void *)s->x;
        uint64_t bytes = rn_field_bytes(&s->fields[f]);
        char *to = call->out[f].data;
        for (uint64_t i = 0; to && i < call->rows; i++, to += bytes)
            memcpy(to, from + call->indices[i] * bytes, bytes);
    }
    return RN_OK;
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, destroy, info, NULL, NULL, read_rows};

RN_SOURCE(sqlite, iface, "runner/sqlite 1",
          RN_DOC("The rows of a query of an SQLite database, held in memory")
          RN_OUT("x f64 [N,F] ; optional | the feature columns, in the query's order")
          RN_OUT("* any [N,...] | the target and each column of `fields`, by its name")
          RN_OPTION("file path ; required | the database, opened for reading")
          RN_OPTION("query string ; required | a SELECT with an ORDER BY: a row is "
                    "known by its place")
          RN_OPTION("target string | the column to learn, a field of its own")
          RN_OPTION("target_type choice(auto,float) = auto | float: a number even where "
                    "every target is an integer")
          RN_OPTION("features list(string) | the columns of x; default: all that are "
                    "not named elsewhere")
          RN_OPTION("fields list(string) | further columns, each a field of its own: "
                    "integers, numbers or text; a pattern (`*`, `?`) stands for all "
                    "that are not named elsewhere")
          RN_BUDGET_OPTION);
RN_PLUGIN(&sqlite);
