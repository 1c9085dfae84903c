/* SPDX-License-Identifier: Apache-2.0 */
/* Text tables: rows of cells with a separator, as in RFC 4180 (quotes doubled inside
 * quotes, line ends inside quotes). Feature columns become one field `x`; the target
 * and other columns named in the options are fields of their own. Held in memory. */
#include <errno.h>
#include <stdlib.h>

#include "../fail.h"

#define BAD_MAX 10 /* bad cells told of */

struct cell {
    char *text;            /* NUL-ended, unquoted, in the file's bytes */
    uint32_t line, column; /* from 1 */
};

/* A column that is a field: its cells as i64, f32 or text. */
struct column {
    uint32_t at; /* column of the file */
    void *rows;
    uint64_t *ends; /* [count + 1] of cells of variable size: where in rows, or NULL */
};

struct csv {
    struct rn_host *host;
    const char *file; /* host, until destroy */
    char separator;
    char *bytes;
    struct cell *cells;   /* [rows + header, width]; gone after create */
    char (*numbered)[12]; /* names of columns where there is no header */
    const char **names;   /* [width] */
    uint64_t cell_count, cell_room;
    uint32_t width;
    uint64_t first, count; /* first row of data among the rows; rows of data */
    uint32_t features;     /* columns of x */
    float *x;              /* [count, features] */
    struct column *columns;
    struct rn_field *fields; /* x first, when there are features */
    char *layout;            /* names of the features, with commas */
    const char **layouts;    /* [field_count], layout and NULLs */
    uint32_t field_count, column_count;
    uint32_t missing_count;
    uint32_t bad;
    struct rn_error *e; /* of create: gets the first bad cell */
};

static void destroy(void *self) {
    struct csv *s = self;
    if (s) {
        for (uint32_t i = 0; s->columns && i < s->column_count; i++)
            free(s->columns[i].rows), free(s->columns[i].ends);
        free(s->bytes);
        free(s->cells);
        free(s->numbered);
        free(s->names);
        free(s->x);
        free(s->columns);
        free(s->fields);
        free(s->layout);
        free(s->layouts);
    }
    free(s);
}

static int32_t no_memory(const struct csv *s, struct rn_error *e) {
    return fail(e, RN_E_MEMORY, s->file, 0, 0, "no memory for the table");
}

/* ------------------------------------------------------------------ cells */

static int32_t load(struct csv *s, size_t *length, struct rn_error *e) {
    FILE *f = fopen(s->file, "rb");
    size_t room = 1u << 16, have = 0, got;
    if (!f)
        return fail(e, RN_E_DATA, s->file, 0, 0, "cannot be opened: %s",
                    strerror(errno));
    s->bytes = malloc(room);
    while (s->bytes && (got = fread(s->bytes + have, 1, room - have - 1, f)) > 0) {
        have += got;
        if (have + 1 == room) {
            char *more = realloc(s->bytes, room *= 2);
            if (!more) {
                fclose(f);
                return no_memory(s, e);
            }
            s->bytes = more;
        }
    }
    int broken = ferror(f) ? errno : 0;
    fclose(f);
    if (!s->bytes)
        return no_memory(s, e);
    if (broken)
        return fail(e, broken == EISDIR ? RN_E_DATA : RN_E_IO, s->file, 0, 0,
                    "cannot be read: %s", strerror(broken));
    s->bytes[have] = '\0';
    *length = have;
    return RN_OK;
}

static int32_t cell_add(struct csv *s, char *text, uint32_t line, uint32_t column,
                        struct rn_error *e) {
    if (s->cell_count == s->cell_room) {
        uint64_t room = s->cell_room ? s->cell_room * 2 : 4096;
        struct cell *more = realloc(s->cells, room * sizeof *more);
        if (!more)
            return no_memory(s, e);
        s->cells = more;
        s->cell_room = room;
    }
    s->cells[s->cell_count++] = (struct cell){text, line, column};
    return RN_OK;
}

/* Cut the bytes into cells, in place: what is unquoted is never longer. */
static int32_t cut(struct csv *s, size_t length, struct rn_error *e) {
    char *p = s->bytes, *end = p + length;
    uint32_t line = 1;
    if (length >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3;
    while (p < end) {
        char *row = p;
        uint32_t row_line = line, cells = 0;
        if (*p == '\n' || (*p == '\r' && p[1] == '\n')) { /* blank lines are nothing */
            p += *p == '\r' ? 2 : 1;
            line++;
            continue;
        }
        for (int more = 1; more; cells++) {
            uint32_t at_line = line;
            uint32_t at = line == row_line ? (uint32_t)(p - row) + 1 : 0;
            char *text, *to;
            while (p < end && *p == ' ' && s->separator != ' ')
                p++;
            text = to = p;
            if (*p == '"') {
                for (p++;; *to++ = *p++) {
                    if (p >= end)
                        return fail(e, RN_E_DATA, s->file, at_line, at,
                                    "a quote is opened and never closed");
                    if (*p == '"' && p[1] == '"')
                        p++;
                    else if (*p == '"')
                        break;
                    if (*p == '\n')
                        line++;
                }
                for (p++; p < end && *p == ' ' && s->separator != ' ';)
                    p++;
                if (p < end && *p != s->separator && *p != '\n' && *p != '\r')
                    return fail(e, RN_E_DATA, s->file, at_line, at,
                                "there is text after the closing quote");
            } else {
                for (; p < end && *p != s->separator && *p != '\n'; p++)
                    if (!*p)
                        return fail(e, RN_E_DATA, s->file, at_line, at,
                                    "holds a zero byte: is this a text file?");
                to = p;
                if (to > text && to[-1] == '\r' && (p == end || *p == '\n'))
                    to--;
                while (to > text && to[-1] == ' ' && s->separator != ' ')
                    to--;
            }
            if (p < end && *p == '\r')
                p++;
            more = p < end && *p == s->separator;
            if (!more && p < end && *p != '\n')
                return fail(e, RN_E_DATA, s->file, at_line, at,
                            "there is text after the closing quote");
            if (!more)
                line++;
            int32_t status = cell_add(s, text, at_line, at, e);
            if (status != RN_OK)
                return status;
            *to = '\0'; /* the separator's or line end's place at the latest */
            p++;
        }
        if (!s->width)
            s->width = cells;
        if (cells != s->width)
            return fail(e, RN_E_DATA, s->file, row_line, 0,
                        "this row has %u cells; the first has %u", cells, s->width);
    }
    if (!s->width)
        return fail(e, RN_E_DATA, s->file, 0, 0, "is empty");
    return RN_OK;
}

static int32_t name_columns(struct csv *s, int header, struct rn_error *e) {
    s->names = calloc(s->width, sizeof *s->names);
    s->numbered = calloc(s->width, sizeof *s->numbered);
    if (!s->names || !s->numbered)
        return no_memory(s, e);
    for (uint32_t i = 0; i < s->width; i++) {
        snprintf(s->numbered[i], sizeof s->numbered[i], "c%u", i + 1);
        s->names[i] = header ? s->cells[i].text : s->numbered[i];
        if (!s->names[i][0])
            return fail(e, RN_E_DATA, s->file, s->cells[i].line, s->cells[i].column,
                        "column %u has no name", i + 1);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(s->names[k], s->names[i]) == 0)
                return fail(e, RN_E_DATA, s->file, s->cells[i].line, s->cells[i].column,
                            "columns %u and %u are both called '%s'", k + 1, i + 1,
                            s->names[i]);
    }
    s->first = header ? 1 : 0;
    s->count = s->cell_count / s->width - s->first;
    if (!s->count)
        return fail(e, RN_E_DATA, s->file, 0, 0, "has no rows of data");
    return RN_OK;
}

static const struct cell *cell_at(const struct csv *s, uint64_t row, uint32_t column) {
    return &s->cells[(s->first + row) * s->width + column];
}

/* One bad cell: the first is the call's error; of several, the first ten are
 * reported. */
__attribute__((format(printf, 4, 5))) static void
bad_cell(struct csv *s, uint64_t row, uint32_t column, const char *format, ...) {
    const struct cell *c = cell_at(s, row, column);
    struct rn_error other;
    char text[256];
    va_list args;
    if (s->bad++ >= BAD_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fail(s->bad == 1 ? s->e : &other, RN_E_DATA, s->file, c->line, c->column,
         "row %llu, column '%.100s': %s", (unsigned long long)row + 1, s->names[column],
         text);
    /* A host that got reports shows those and not the call's error. */
    if (s->bad == 2)
        s->host->api->report(s->host, s->e);
    if (s->bad > 1)
        s->host->api->report(s->host, &other);
}

/* ---------------------------------------------------------------- numbers */

static int is_missing(const struct csv *s, const char *text) {
    static const char *const usual[] = {"", "NA", "NaN", "nan", "null", "?"};
    char path[32];
    if (!s->missing_count) {
        for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
            if (strcmp(text, usual[i]) == 0)
                return 1;
        return 0;
    }
    for (uint32_t i = 0; i < s->missing_count; i++)
        if (strcmp(text, rn_get_string(s->host,
                                       rn_path(path, sizeof path, "missing", i), "")) ==
            0)
            return 1;
    return 0;
}

static int is_integer(const char *text, int64_t *out) {
    char *end = NULL;
    const char *p = text + (*text == '-' || *text == '+');
    if (*p < '0' || *p > '9')
        return 0;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return !*end && !errno;
}

/* Decimal and finite as f32. */
static int is_number(const char *text, float *out) {
    char *end = NULL;
    double v;
    if (!*text || text[strspn(text, "0123456789+-.eE")])
        return 0;
    v = strtod(text, &end);
    *out = (float)v;
    return !*end && *out - *out == 0.0f;
}

/* ---------------------------------------------------------------- columns */

static int find(const struct csv *s, const char *name) {
    for (uint32_t i = 0; i < s->width; i++)
        if (strcmp(s->names[i], name) == 0)
            return (int)i;
    return -1;
}

static int32_t no_column(const struct csv *s, const char *option, const char *name,
                         struct rn_error *e) {
    char list[200];
    size_t n = 0;
    list[0] = '\0';
    for (uint32_t i = 0; i < s->width && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "",
                              s->names[i]);
    if (n >= sizeof list)
        memcpy(list + sizeof list - 4, "...", 4);
    fail(e, RN_E_CONFIG, option, 0, 0, "%s has no column '%s'", s->file, name);
    hint(e, "it has %s", list);
    return RN_E_CONFIG;
}

/* The type of a column whose cells decide: int, float, text. missing: cells without. */
static char guess(const struct csv *s, uint32_t column, uint64_t *missing) {
    char type = 'i';
    uint64_t without = 0;
    for (uint64_t r = 0; r < s->count; r++) {
        const char *text = cell_at(s, r, column)->text;
        int64_t whole;
        float number;
        if (is_missing(s, text)) {
            without++;
            continue;
        }
        if (type == 'i' && !is_integer(text, &whole))
            type = 'f';
        if (type == 'f' && !is_number(text, &number))
            type = 't';
    }
    *missing = without;
    return without == s->count ? 't' : type;
}

static int32_t text_read(struct csv *s, uint32_t column, struct rn_field *f,
                         uint8_t **out, struct rn_error *e) {
    size_t longest = 1;
    for (uint64_t r = 0; r < s->count; r++) {
        size_t n = strlen(cell_at(s, r, column)->text);
        longest = n > longest ? n : longest;
    }
    f->dtype = RN_U8;
    f->rank = 1;
    f->shape[0] = (int64_t)longest;
    f->flags |= RN_FIELD_TEXT;
    *out = calloc(s->count, longest);
    if (!*out)
        return no_memory(s, e);
    for (uint64_t r = 0; r < s->count; r++) {
        const char *text = cell_at(s, r, column)->text;
        if (!is_missing(s, text))
            memcpy(*out + r * longest, text, strlen(text));
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
        s->names[column], RN_U8, 1, {-1}, RN_FIELD_TEXT | RN_FIELD_VARIABLE, 0};
    c->ends = calloc(s->count + 1, sizeof *c->ends);
    if (!c->ends)
        return no_memory(s, e);
    for (uint64_t r = 0; r < s->count; r++) {
        const char *text = cell_at(s, r, column)->text;
        bytes += is_missing(s, text) ? 0 : strlen(text);
        c->ends[r + 1] = bytes;
    }
    c->rows = malloc(bytes + 1);
    if (!c->rows)
        return no_memory(s, e);
    for (uint64_t r = 0; r < s->count; r++)
        memcpy((char *)c->rows + c->ends[r], cell_at(s, r, column)->text,
               c->ends[r + 1] - c->ends[r]);
    return RN_OK;
}

/* type: 'a' guess, 'i', 'f', 't'. required: a missing cell is bad. */
static int32_t column_read(struct csv *s, uint32_t column, char type, int required,
                           struct rn_error *e) {
    struct rn_field *f = &s->fields[s->field_count];
    struct column *c = &s->columns[s->column_count];
    uint64_t missing = 0;
    char guessed = guess(s, column, &missing);
    if (type == 'a')
        type = guessed == 'i' && missing && !required ? 'f' : guessed;
    f->name = s->names[column];
    c->at = column;
    s->field_count++;
    s->column_count++;
    if (missing && required)
        for (uint64_t r = 0; r < s->count; r++)
            if (is_missing(s, cell_at(s, r, column)->text))
                bad_cell(s, r, column, "the target is missing");
    if (type == 't') {
        uint8_t *text = NULL;
        int32_t status = text_read(s, column, f, &text, e);
        c->rows = text;
        return status;
    }
    f->dtype = type == 'i' ? RN_I64 : RN_F32;
    c->rows = calloc(s->count, RN_DTYPE_BYTES(f->dtype));
    if (!c->rows)
        return no_memory(s, e);
    for (uint64_t r = 0; r < s->count; r++) {
        const char *text = cell_at(s, r, column)->text;
        int gone = is_missing(s, text);
        if (type == 'f') {
            float *to = (float *)c->rows + r;
            if (gone)
                *to = NAN, f->flags |= RN_FIELD_NULLABLE;
            else if (!is_number(text, to))
                bad_cell(s, r, column, "'%.60s' is not a number", text);
        } else if (gone ? !required : !is_integer(text, (int64_t *)c->rows + r)) {
            bad_cell(s, r, column, "'%.60s' is not an integer", text);
        }
    }
    return RN_OK;
}

static int32_t features_read(struct csv *s, const uint8_t *wanted, struct rn_error *e) {
    struct rn_field *f = &s->fields[s->field_count];
    for (uint32_t k = 0; k < s->width; k++)
        s->features += wanted[k];
    if (!s->features)
        return RN_OK;
    size_t length = 1;
    for (uint32_t k = 0; k < s->width; k++)
        length += wanted[k] ? strlen(s->names[k]) + 1 : 0;
    s->x = calloc(s->count, s->features * sizeof *s->x);
    s->layout = calloc(length, 1);
    s->layouts = calloc(s->width + 1u, sizeof *s->layouts);
    if (!s->x || !s->layout || !s->layouts)
        return no_memory(s, e);
    for (uint32_t k = 0; k < s->width; k++)
        if (wanted[k])
            sprintf(s->layout + strlen(s->layout), "%s%s", *s->layout ? "," : "",
                    s->names[k]);
    s->layouts[0] = s->layout;
    *f = (struct rn_field){"x", RN_F32, 1, {(int64_t)s->features}, 0, 0};
    s->field_count++;
    float *to = s->x;
    for (uint64_t r = 0; r < s->count; r++)
        for (uint32_t k = 0; k < s->width; k++) {
            if (!wanted[k])
                continue;
            const char *text = cell_at(s, r, k)->text;
            if (!is_number(text, to)) {
                if (is_missing(s, text)) {
                    *to = NAN;
                    f->flags |= RN_FIELD_NULLABLE;
                } else {
                    bad_cell(s, r, k, "'%.60s' is not a number", text);
                    if (s->bad == 1)
                        hint(s->e, "text is read by `fields` or as the target; "
                                   "`features` lists the columns of x");
                }
            }
            to++;
        }
    return RN_OK;
}

/* Which columns are what: 'x' features, 't' target, 'o' others, 'v' text of variable
 * size, 0 nothing. */
static int32_t roles(struct csv *s, uint8_t *role, struct rn_error *e) {
    static const char *const options[3] = {"fields", "features", "texts"};
    struct rn_host *h = s->host;
    char path[40];
    int predict = h->api->extension(h, RN_EXT_PREDICT) != NULL;
    if (rn_has(h, "target")) {
        const char *name = rn_get_string(h, "target", "");
        int k = find(s, name);
        if (k < 0 && !predict)
            return no_column(s, "target", name, e);
        if (k >= 0)
            role[k] = 't';
        for (uint64_t r = 0; k >= 0 && predict && r < s->count; r++)
            if (is_missing(s, cell_at(s, r, (uint32_t)k)->text))
                role[k] = '-'; /* the field is left out */
    }
    for (int o = 0; o < 3; o++)
        for (uint32_t i = 0; i < rn_get_count(h, options[o]); i++) {
            rn_path(path, sizeof path, options[o], i);
            const char *name = rn_get_string(h, path, "");
            int k = find(s, name);
            if (k < 0)
                return no_column(s, path, name, e);
            if (role[k])
                return fail(e, RN_E_CONFIG, path, 0, 0, "column '%s' is used twice",
                            name);
            if (o != 1 && strcmp(name, "x") == 0)
                return fail(e, RN_E_CONFIG, path, 0, 0,
                            "a field 'x' is the features; rename the column");
            role[k] = (uint8_t) "oxv"[o];
        }
    if (!rn_get_count(h, "features"))
        for (uint32_t k = 0; k < s->width; k++)
            role[k] = role[k] ? role[k] : 'x';
    return RN_OK;
}

static int32_t fields_make(struct csv *s, uint8_t *role, struct rn_error *e) {
    const char *type = rn_get_string(s->host, "target_type", "auto");
    uint8_t *wanted = role + s->width;
    int32_t status = roles(s, role, e);
    if (status != RN_OK)
        return status;
    for (uint32_t k = 0; k < s->width; k++)
        wanted[k] = role[k] == 'x';
    status = features_read(s, wanted, e);
    for (uint32_t k = 0; status == RN_OK && k < s->width; k++)
        if (role[k] == 'o')
            status = column_read(s, k, 'a', 0, e);
        else if (role[k] == 'v')
            status = cells_read(s, e, k);
    for (uint32_t k = 0; status == RN_OK && k < s->width; k++)
        if (role[k] == 't')
            status = column_read(s, k, type[0], 1, e);
    if (status != RN_OK)
        return status;
    for (uint32_t i = 0; s->x && i < s->column_count; i++)
        if (strcmp(s->names[s->columns[i].at], "x") == 0)
            return fail(e, RN_E_CONFIG, "target", 0, 0,
                        "a field 'x' is the features; rename the column");
    if (s->bad > 1 && e) {
        size_t n = strlen(e->message);
        snprintf(e->message + n, sizeof e->message - n, " (%u bad cells in all)",
                 s->bad);
    }
    return s->bad ? RN_E_DATA : RN_OK;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct csv *s = calloc(1, sizeof *s);
    size_t length = 0;
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->host = h;
    s->e = e;
    s->file = rn_get_string(h, "file", "");
    s->missing_count = rn_get_count(h, "missing");
    const char *separator = rn_get_string(h, "separator", ",");
    s->separator = strcmp(separator, "tab") == 0 ? '\t' : separator[0];
    if ((separator[1] && s->separator != '\t') || !s->separator ||
        strchr("\"\r\n", s->separator))
        return rn_fail(e, RN_E_CONFIG, "the separator must be one character",
                       "write tab for a tab", "separator");
    int32_t status = load(s, &length, e);
    if (status == RN_OK)
        status = cut(s, length, e);
    if (status == RN_OK)
        status = name_columns(s, rn_get_bool(h, "header", 1), e);
    if (status != RN_OK)
        return status;
    uint8_t *role = calloc(s->width, 2);
    s->columns = calloc(s->width, sizeof *s->columns);
    s->fields = calloc(s->width + 1u, sizeof *s->fields);
    status =
        role && s->columns && s->fields ? fields_make(s, role, e) : no_memory(s, e);
    free(role);
    free(s->cells);
    s->cells = NULL;
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

static int32_t read_rows(void *self, void *worker, uint64_t n, const uint64_t *indices,
                         const struct rn_tensor *out, struct rn_error *e) {
    const struct csv *s = self;
    (void)worker;
    for (uint64_t i = 0; i < n; i++)
        if (indices[i] >= s->count)
            return fail(e, RN_E_INTERNAL, s->file, 0, 0, "row %llu is not there",
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
        uint64_t bytes = field_bytes(&s->fields[f]);
        char *to = out[f].data;
        for (uint64_t i = 0; to && i < n; i++, to += bytes)
            memcpy(to, from + indices[i] * bytes, bytes);
    }
    return RN_OK;
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, destroy, info, NULL, NULL, read_rows};

RN_SOURCE(csv, iface, "runner/csv 1",
          RN_DOC("A table in a text file (CSV, TSV), held in memory")
          RN_OUT("x f32 [N,F] | the feature columns, in the file's order")
          RN_OUT("* any [N,...] | the target and each column of `fields` and `texts`, "
                 "by its name")
          RN_OPTION("file path ; required | the file")
          RN_OPTION("header bool = true | the first row names the columns; else they "
                    "are c1, c2, ...")
          RN_OPTION("separator string = \",\" | one character between cells, or tab")
          RN_OPTION("target string | the column to learn, a field of its own")
          RN_OPTION("target_type choice(auto,float,int,text) = auto | how the target "
                    "is read")
          RN_OPTION("features list(string) | the columns of x; default: all that are "
                    "not named elsewhere")
          RN_OPTION("fields list(string) | further columns, each a field of its own: "
                    "integers, numbers or text")
          RN_OPTION("texts list(string) | columns of text that is long or of very "
                    "different lengths: fields of cells of variable size")
          RN_OPTION("missing list(string) | cells that mean missing; default: empty, "
                    "NA, NaN, nan, null, ?"));
RN_PLUGIN(&csv);
