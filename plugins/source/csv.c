/* SPDX-License-Identifier: Apache-2.0 */
/* Text tables: rows of cells with a separator, as in RFC 4180 (quotes doubled inside
 * quotes, line ends inside quotes). Feature columns become one field `x`; the target
 * and other columns named in the options are fields of their own. Held in memory.
 * Numbers are carried as f64 or i64, so that whole numbers above 2^24 reach the
 * transforms as they are written. */
#include <fnmatch.h>

#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/sdk/missing.h>

#include "csv_table.h"

#define BAD_MAX 10 /* bad cells reported */

/* A column that is a field: its cells as i64, f64 or text. */
struct column {
    uint32_t at; /* column of the file */
    void *rows;
    uint64_t *ends; /* [count + 1] of cells of variable size: where in rows, or NULL */
};

struct csv {
    struct rn_host *host;
    const char *file;                    /* host, until destroy */
    int predict;                         /* labels may be missing */
    const struct rn_known_fields *known; /* host, until create returns; or NULL */
    struct rn_budget budget;
    struct csv_table table; /* cells are gone after create */
    struct rn_missing missing;
    uint64_t count;
    uint32_t features; /* columns of x */
    double *x;         /* [count, features] */
    struct column *columns;
    struct rn_field *fields; /* x first, when there are features */
    char *layout;            /* names of the features, with commas */
    const char **layouts;    /* [field_count], layout and NULLs */
    uint32_t field_count, column_count;
    uint32_t bad;
    struct rn_error *e; /* of create: gets the first bad cell */
};

static void destroy(void *self) {
    struct csv *s = self;
    if (s) {
        for (uint32_t i = 0; s->columns && i < s->column_count; i++)
            free(s->columns[i].rows), free(s->columns[i].ends);
        csv_table_finish(&s->table);
        rn_missing_finish(&s->missing);
        free(s->x);
        free(s->columns);
        free(s->fields);
        free(s->layout);
        free(s->layouts);
    }
    free(s);
}

/* n zeroed items within the budget; NULL with an error. */
static void *reserve(struct csv *s, uint64_t n, uint64_t item, struct rn_error *e) {
    uint64_t bytes;
    if (!rn_size_mul(n, item, &bytes) || bytes > SIZE_MAX ||
        !rn_budget_take(&s->budget, bytes)) {
        rn_budget_error(&s->budget, s->file, e);
        return NULL;
    }
    void *p = calloc(n ? n : 1, item);
    if (!p)
        rn_failf(e, RN_E_MEMORY, s->file, 0, 0, "no memory for the table");
    return p;
}

static int32_t no_room(const struct rn_error *e) {
    return e && e->status ? e->status : RN_E_MEMORY;
}

static const char *text_at(const struct csv *s, uint64_t row, uint32_t column) {
    return csv_table_cell(&s->table, row, column)->text;
}

/* One bad cell: the first is the call's error; of several, the first ten are
 * reported. */
__attribute__((format(printf, 4, 5))) static void
bad_cell(struct csv *s, uint64_t row, uint32_t column, const char *format, ...) {
    const struct csv_cell *c = csv_table_cell(&s->table, row, column);
    struct rn_error other;
    char text[256];
    va_list args;
    if (s->bad++ >= BAD_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rn_failf(s->bad == 1 ? s->e : &other, RN_E_DATA, s->file, c->line, c->column,
             "row %llu, column '%.100s': %s", (unsigned long long)row + 1,
             s->table.names[column], text);
    /* A host that got reports shows those and not the call's error. */
    if (s->bad == 2)
        s->host->api->report(s->host, s->e);
    if (s->bad > 1)
        s->host->api->report(s->host, &other);
}

/* ---------------------------------------------------------------- columns */

/* What a column without a type of its own holds. */
struct guess {
    char type;         /* 'i', 'f' or 't' */
    int nothing;       /* every cell is missing */
    uint64_t missing;  /* cells, as that type reads them */
    uint64_t words;    /* cells that are missing, whatever the type */
    uint64_t bad_text; /* text: 1 + the first empty cell that is not missing, or 0 */
};

static struct guess guess(const struct csv *s, uint32_t column) {
    struct guess g = {.type = 'i'};
    uint64_t empty = 0;
    for (uint64_t r = 0; r < s->count; r++) {
        const char *text = text_at(s, r, column);
        int64_t whole;
        double number;
        if (rn_missing_word(&s->missing, text)) {
            g.words++;
            continue;
        }
        if (!*text && !empty)
            empty = r + 1;
        if (g.type == 't')
            continue;
        if (!rn_cell_number(text, &number))
            g.type = 't';
        else if (rn_missing_number(&s->missing, number))
            g.missing++;
        else if (g.type == 'i' && !rn_cell_integer(text, &whole))
            g.type = 'f';
    }
    g.nothing = g.words + (g.type == 't' ? 0 : g.missing) == s->count;
    if (g.nothing)
        g.type = 't';
    g.missing = g.words + (g.type == 't' ? 0 : g.missing);
    g.bad_text = g.words ? empty : 0;
    return g;
}

/* Can every cell of a column be read as `type`? What is missing can. */
static int fits(const struct guess *g, char type) {
    return type == 't' || (type == 'f' && g->type == 'i') || type == g->type ||
           g->nothing;
}

/* The type of a column: that of the known field of its name, where every cell can be
 * read so, else what its cells are. */
static char type_of(const struct csv *s, uint32_t column, const struct guess *g) {
    const struct rn_known_fields *known = s->known;
    for (uint32_t i = 0; known && i < known->field_count; i++) {
        const struct rn_field *f = (const void *)((const char *)known->fields +
                                                  (size_t)i * known->field_stride);
        if (strcmp(f->name, s->table.names[column]) != 0)
            continue;
        char type = f->dtype == RN_U8 ? 't' : f->dtype == RN_I64 ? 'i' : 'f';
        if (fits(g, type))
            return type;
    }
    return g->type;
}

/* An empty text is how a missing one is stored. */
static void check_empty(struct csv *s, uint32_t column, struct guess g) {
    if (!g.bad_text)
        return;
    bad_cell(s, g.bad_text - 1, column,
             "is empty, which `missing` does not list, while other cells are missing");
    if (s->bad == 1)
        rn_hintf(s->e, "add \"\" to `missing`");
}

static int32_t text_read(struct csv *s, uint32_t column, struct rn_field *f,
                         struct column *c, struct rn_error *e) {
    size_t longest = 1;
    for (uint64_t r = 0; r < s->count; r++) {
        size_t n = strlen(text_at(s, r, column));
        longest = n > longest ? n : longest;
    }
    f->dtype = RN_U8;
    f->rank = 1;
    f->shape[0] = (int64_t)longest;
    f->flags |= RN_FIELD_TEXT;
    char *out = c->rows = reserve(s, s->count, longest, e);
    if (!out)
        return no_room(e);
    for (uint64_t r = 0; r < s->count; r++) {
        const char *text = text_at(s, r, column);
        if (!rn_missing_word(&s->missing, text))
            memcpy(out + r * longest, text, strlen(text));
    }
    return RN_OK;
}

/* Text of whatever length: the cells one after the other. */
static int32_t cells_read(struct csv *s, struct rn_error *e, uint32_t column) {
    struct rn_field *f = &s->fields[s->field_count++];
    struct column *c = &s->columns[s->column_count++];
    uint64_t bytes = 0;
    c->at = column;
    *f = (struct rn_field){
        s->table.names[column], RN_U8, 1, {-1}, RN_FIELD_TEXT | RN_FIELD_VARIABLE, 0};
    c->ends = reserve(s, s->count + 1, sizeof *c->ends, e);
    if (!c->ends)
        return no_room(e);
    for (uint64_t r = 0; r < s->count; r++) {
        const char *text = text_at(s, r, column);
        bytes += rn_missing_word(&s->missing, text) ? 0 : strlen(text);
        c->ends[r + 1] = bytes;
    }
    c->rows = reserve(s, bytes + 1, 1, e);
    if (!c->rows)
        return no_room(e);
    for (uint64_t r = 0; r < s->count; r++)
        memcpy((char *)c->rows + c->ends[r], text_at(s, r, column),
               c->ends[r + 1] - c->ends[r]);
    return RN_OK;
}

/* A cell as f64; NaN and the flag where it is missing. 0: it is not a number. */
static int number_read(const struct csv *s, const char *text, struct rn_field *f,
                       double *to) {
    if (!rn_missing_word(&s->missing, text)) {
        if (!rn_cell_number(text, to))
            return 0;
        if (!rn_missing_number(&s->missing, *to))
            return 1;
    }
    *to = NAN;
    f->flags |= RN_FIELD_NULLABLE;
    return 1;
}

static int integer_read(const struct csv *s, const char *text, struct rn_field *f,
                        int64_t *to) {
    double number;
    if (!rn_missing_word(&s->missing, text) &&
        !(rn_cell_number(text, &number) && rn_missing_number(&s->missing, number)))
        return rn_cell_integer(text, to);
    *to = RN_MISSING_I64;
    f->flags |= RN_FIELD_NULLABLE;
    return 1;
}

/* type: 'a' guess, 'i', 'f', 't'. required: a missing cell is bad. */
static int32_t column_read(struct csv *s, uint32_t column, char type, int required,
                           struct rn_error *e) {
    struct rn_field *f = &s->fields[s->field_count++];
    struct column *c = &s->columns[s->column_count++];
    struct guess g = guess(s, column);
    type = type == 'a' ? type_of(s, column, &g) : type;
    f->name = s->table.names[column];
    c->at = column;
    if (type == 't') {
        check_empty(s, column, g);
        for (uint64_t r = 0; required && r < s->count; r++)
            if (rn_missing_word(&s->missing, text_at(s, r, column)))
                bad_cell(s, r, column, "the target is missing");
        f->flags = g.words ? RN_FIELD_NULLABLE : 0;
        return text_read(s, column, f, c, e);
    }
    f->dtype = type == 'i' ? RN_I64 : RN_F64;
    c->rows = reserve(s, s->count, RN_DTYPE_BYTES(f->dtype), e);
    if (!c->rows)
        return no_room(e);
    uint64_t missing = 0;
    for (uint64_t r = 0; r < s->count; r++) {
        const char *text = text_at(s, r, column);
        f->flags = 0;
        int ok = type == 'f' ? number_read(s, text, f, (double *)c->rows + r)
                             : integer_read(s, text, f, (int64_t *)c->rows + r);
        if (!ok)
            bad_cell(s, r, column, "'%.60s' is not %s", text,
                     type == 'f' ? "a number" : "an integer");
        else if (f->flags && required)
            bad_cell(s, r, column, "the target is missing");
        missing += f->flags != 0;
    }
    f->flags = missing && !required ? RN_FIELD_NULLABLE : 0;
    return RN_OK;
}

/* The names of the features, with commas: what x holds. */
static int32_t layout_write(struct csv *s, const uint8_t *role, struct rn_error *e) {
    size_t length = 1;
    for (uint32_t k = 0; k < s->table.width; k++)
        length += role[k] == 'x' ? strlen(s->table.names[k]) + 1 : 0;
    char *to = s->layout = reserve(s, length, 1, e);
    s->layouts = to ? reserve(s, s->table.width + 1u, sizeof *s->layouts, e) : NULL;
    if (!s->layouts)
        return no_room(e);
    for (uint32_t k = 0; k < s->table.width; k++)
        if (role[k] == 'x')
            to += sprintf(to, "%s%s", to == s->layout ? "" : ",", s->table.names[k]);
    s->layouts[0] = s->layout;
    return RN_OK;
}

static int32_t features_read(struct csv *s, const uint8_t *role, struct rn_error *e) {
    struct rn_field *f = &s->fields[s->field_count];
    for (uint32_t k = 0; k < s->table.width; k++)
        s->features += role[k] == 'x';
    if (!s->features)
        return RN_OK;
    int32_t status = layout_write(s, role, e);
    if (status != RN_OK)
        return status;
    double *to = s->x = reserve(s, s->count, s->features * sizeof *s->x, e);
    if (!to)
        return no_room(e);
    *f = (struct rn_field){"x", RN_F64, 1, {(int64_t)s->features}, 0, 0};
    s->field_count++;
    for (uint64_t r = 0; r < s->count; r++)
        for (uint32_t k = 0; k < s->table.width; k++) {
            if (role[k] != 'x')
                continue;
            const char *text = text_at(s, r, k);
            if (!number_read(s, text, f, to++)) {
                bad_cell(s, r, k, "'%.60s' is not a number", text);
                if (s->bad == 1)
                    rn_hintf(s->e, "text is read by `fields` or as the target; "
                                   "`features` lists the columns of x");
            }
        }
    return RN_OK;
}

/* ------------------------------------------------------------------ roles */

static int32_t no_column(const struct csv *s, const char *option, const char *name,
                         struct rn_error *e) {
    const struct csv_table *t = &s->table;
    char list[200];
    size_t n = 0;
    list[0] = '\0';
    for (uint32_t i = 0; i < t->width && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "",
                              t->names[i]);
    if (n >= sizeof list)
        memcpy(list + sizeof list - 4, "...", 4);
    rn_fail_option(e, RN_E_CONFIG, option, "%s has no column '%s'", s->file, name);
    rn_hintf(e, "it has %s", list);
    return RN_E_CONFIG;
}

/* Can the column of a target be read as `type`, with none missing? */
static int readable(const struct csv *s, uint32_t column, char type) {
    struct guess g = guess(s, column);
    if (g.missing || g.bad_text)
        return 0;
    return type == 'a' || type == 't' || g.type == 'i' || g.type == type;
}

static int32_t target_role(struct csv *s, uint8_t *role, struct rn_error *e) {
    const char *name =
        rn_has(s->host, "target") ? rn_get_string(s->host, "target") : NULL;
    const char *type = rn_get_string(s->host, "target_type");
    int k = name ? csv_table_find(&s->table, name) : -1;
    if (name && k < 0 && !s->predict)
        return no_column(s, "target", name, e);
    if (k >= 0) /* '-': the field is left out */
        role[k] = s->predict && !readable(s, (uint32_t)k, type[0]) ? '-' : 't';
    return RN_OK;
}

/* The columns with a name that a pattern (`*`, `?`) matches and that have no role yet;
 * how many it matches. */
static uint32_t pattern_roles(const struct csv *s, const char *pattern, char letter,
                              uint8_t *role) {
    uint32_t n = 0;
    if (!strpbrk(pattern, "*?"))
        return 0;
    for (uint32_t k = 0; k < s->table.width; k++) {
        if (s->table.unnamed[k] || fnmatch(pattern, s->table.names[k], 0) != 0)
            continue;
        role[k] = role[k] ? role[k] : (uint8_t)letter;
        n++;
    }
    return n;
}

static int32_t list_roles(struct csv *s, const char *option, char letter, uint8_t *role,
                          struct rn_error *e) {
    uint32_t n = rn_get_count(s->host, option);
    char path[40];
    for (uint32_t i = 0; i < n; i++) {
        rn_path(path, sizeof path, option, i);
        const char *name = rn_get_string(s->host, path);
        int k = csv_table_find(&s->table, name);
        if (k < 0 && pattern_roles(s, name, letter, role))
            continue;
        if (k < 0 && s->predict)
            continue; /* the host refuses what the network reads and is not there */
        if (k < 0)
            return no_column(s, path, name, e);
        if (role[k])
            return rn_fail_option(e, RN_E_CONFIG, path, "column '%s' is used twice",
                                  name);
        role[k] = (uint8_t)letter;
    }
    return RN_OK;
}

/* A column that is read has a name of its own. */
static int32_t check_twins(const struct csv *s, const uint8_t *role,
                           struct rn_error *e) {
    const struct csv_table *t = &s->table;
    for (uint32_t k = 0; k < t->width; k++) {
        if (!role[k] || role[k] == '-' || !t->twin[k])
            continue;
        uint32_t other = t->twin[k] - 1;
        const struct csv_cell *c = &t->cells[k > other ? k : other];
        rn_failf(e, RN_E_DATA, s->file, c->line, c->column,
                 "columns %u and %u are both called '%s'", (k < other ? k : other) + 1,
                 (k > other ? k : other) + 1, t->names[k]);
        rn_hintf(e, "rename one, or list the columns to read in `features`");
        return RN_E_DATA;
    }
    return RN_OK;
}

/* The features are the field `x`, so that no other field is. */
static int32_t check_x(const struct csv *s, const uint8_t *role, struct rn_error *e) {
    int features = 0, other = 0;
    for (uint32_t k = 0; k < s->table.width; k++) {
        features |= role[k] == 'x';
        other |= role[k] && role[k] != 'x' && role[k] != '-' &&
                 strcmp(s->table.names[k], "x") == 0;
    }
    if (features && other)
        return rn_fail(e, RN_E_CONFIG, "a field 'x' is the features; rename the column",
                       NULL, NULL);
    return RN_OK;
}

/* Which columns are what: 'x' features, 't' target, 'o' others, 'v' text of variable
 * size, '-' or 0 nothing. */
static int32_t roles(struct csv *s, uint8_t *role, struct rn_error *e) {
    const struct csv_table *t = &s->table;
    uint32_t unnamed = 0;
    int32_t status = target_role(s, role, e);
    if (status == RN_OK)
        status = list_roles(s, "drop", '-', role, e);
    if (status == RN_OK)
        status = list_roles(s, "texts", 'v', role, e);
    if (status == RN_OK)
        status = list_roles(s, "fields", 'o', role, e);
    if (status == RN_OK)
        status = list_roles(s, "features", 'x', role, e);
    if (status != RN_OK)
        return status;
    if (!rn_has(s->host, "features"))
        for (uint32_t k = 0; k < t->width; k++) {
            unnamed += !role[k] && t->unnamed[k];
            role[k] = role[k] || t->unnamed[k] ? role[k] : 'x';
        }
    if (unnamed) {
        char text[300];
        snprintf(text, sizeof text,
                 "%.200s: %u column%s without a name %s left out of x", s->file,
                 unnamed, unnamed > 1 ? "s" : "", unnamed > 1 ? "are" : "is");
        s->host->api->log(s->host, RN_LOG_INFO, text);
    }
    status = check_twins(s, role, e);
    return status == RN_OK ? check_x(s, role, e) : status;
}

static int32_t fields_make(struct csv *s, uint8_t *role, struct rn_error *e) {
    const char *type = rn_get_string(s->host, "target_type");
    int32_t status = roles(s, role, e);
    if (status == RN_OK)
        status = features_read(s, role, e);
    for (uint32_t k = 0; status == RN_OK && k < s->table.width; k++)
        if (role[k] == 'o')
            status = column_read(s, k, 'a', 0, e);
        else if (role[k] == 'v')
            status = cells_read(s, e, k);
    for (uint32_t k = 0; status == RN_OK && k < s->table.width; k++)
        if (role[k] == 't')
            status = column_read(s, k, type[0], 1, e);
    if (status != RN_OK)
        return status;
    if (s->bad > 1 && e) {
        size_t n = strlen(e->message);
        snprintf(e->message + n, sizeof e->message - n, " (%u bad cells in all)",
                 s->bad);
    }
    return s->bad ? RN_E_DATA : RN_OK;
}

static int32_t read_separator(struct csv *s, struct rn_error *e) {
    const char *word = rn_get_string(s->host, "separator");
    s->table.separator = strcmp(word, "tab") == 0 ? '\t' : word[0];
    if ((word[1] && s->table.separator != '\t') || !word[0] ||
        strchr("\"\r\n", word[0]))
        return rn_fail(e, RN_E_CONFIG, "the separator must be one character",
                       "write tab for a tab", "separator");
    return RN_OK;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct csv *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->host = h;
    s->e = e;
    s->file = rn_get_string(h, "file");
    s->predict = h->api->extension(h, RN_EXT_PREDICT) != NULL;
    s->known = h->api->extension(h, RN_EXT_FIELDS);
    s->budget = rn_budget_of(h);
    s->table.file = s->file;
    s->table.budget = &s->budget;
    int32_t status = read_separator(s, e);
    if (status == RN_OK)
        status = rn_missing_read(&s->missing, h, e);
    if (status == RN_OK)
        status = csv_table_read(&s->table, rn_get_bool(h, "header"), e);
    if (status != RN_OK)
        return status;
    s->count = s->table.count;
    uint8_t *role = reserve(s, s->table.width, 1, e);
    s->columns = reserve(s, s->table.width, sizeof *s->columns, e);
    s->fields = reserve(s, s->table.width + 1u, sizeof *s->fields, e);
    status = role && s->columns && s->fields ? fields_make(s, role, e) : no_room(e);
    free(role);
    free(s->table.cells);
    s->table.cells = NULL;
    s->e = NULL;
    return status;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct csv *s = self;
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

static int32_t read_cells(const struct column *c, uint64_t n, const uint64_t *indices,
                          const struct rn_tensor *out, struct rn_error *e) {
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t *ends = c->ends + indices[i];
        void *to;
        int32_t status = rn_reserve(out, i, ends[1] - ends[0], &to, e);
        if (status != RN_OK)
            return status;
        memcpy(to, (const char *)c->rows + ends[0], ends[1] - ends[0]);
    }
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct rn_tensor *out = call->out;
    const uint64_t *indices = call->indices;
    uint64_t n = call->rows;
    const struct csv *s = self;
    for (uint64_t i = 0; i < n; i++)
        if (indices[i] >= s->count)
            return rn_failf(e, RN_E_INTERNAL, s->file, 0, 0, "row %llu is not there",
                            (unsigned long long)indices[i]);
    for (uint32_t f = 0; f < s->field_count; f++) {
        uint32_t own = f - (s->x ? 1u : 0u);
        if (!(s->x && f == 0) && s->columns[own].ends) {
            int32_t status = out[f].data
                                 ? read_cells(&s->columns[own], n, indices, &out[f], e)
                                 : RN_OK;
            if (status != RN_OK)
                return status;
            continue;
        }
        const char *from = s->x && f == 0 ? (const char *)s->x : s->columns[own].rows;
        uint64_t bytes = rn_field_bytes(&s->fields[f]);
        char *to = out[f].data;
        for (uint64_t i = 0; to && i < n; i++, to += bytes)
            memcpy(to, from + indices[i] * bytes, bytes);
    }
    return RN_OK;
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, destroy, info, NULL, NULL, read_rows};

RN_SOURCE(csv, iface, "runner/csv 1",
          RN_DOC("A table in a text file (CSV, TSV), plain or gzipped, held in memory")
          RN_OUT("x f64 [N,F] ; optional | the feature columns, in the file's order")
          RN_OUT("* any [N,...] | the target and each column of `fields` and `texts`, "
                 "by its name")
          RN_OPTION("file path ; required | the file")
          RN_OPTION("header bool = true | the first row names the columns; else they "
                    "are c1, c2, ...")
          RN_OPTION("separator string = \",\" | one character between cells, or tab")
          RN_OPTION("target string | the column to learn, a field of its own")
          RN_OPTION("target_type choice(auto,float,int,text) = auto | how the target "
                    "is read")
          RN_OPTION("features list(string) | the columns of x; default: all that have "
                    "a name and are not named elsewhere")
          RN_OPTION("fields list(string) | further columns, each a field of its own: "
                    "integers, numbers or text; a pattern (`*`, `?`) stands for all "
                    "that have a name and are not named elsewhere")
          RN_OPTION("drop list(string) | columns that are not read")
          RN_OPTION("texts list(string) | columns of text that is long or of very "
                    "different lengths: fields of cells of variable size")
          RN_OPTION("missing list(string) | cells that mean missing, a number in any "
                    "spelling; default: empty, NA, NaN, nan, null, ?")
          RN_BUDGET_OPTION);
RN_PLUGIN(&csv);
