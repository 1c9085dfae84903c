/* SPDX-License-Identifier: Apache-2.0 */
/* Text tables: rows of cells with a separator, as in RFC 4180 (quotes doubled inside
 * quotes, line ends inside quotes). Feature columns become one field `x`; the target
 * and other columns named in the options are fields of their own. Held in memory.
 * Numbers are carried as f64 or i64, so that whole numbers above 2^24 reach the
 * transforms as they are written. */
#include <fnmatch.h>

#include <runner/sdk/error.h>

#include "csv_columns.h"

static void destroy(void *self) {
    struct csv *s = self;
    if (s) {
        for (uint32_t i = 0; s->columns && i < s->column_count; i++)
            free(s->columns[i].rows), free(s->columns[i].ends);
        csv_plan_finish(&s->plan);
        csv_pack_finish(&s->pack);
        csv_table_finish(&s->table);
        rn_missing_finish(&s->missing);
        globfree(&s->found);
        free(s->types);
        free(s->order);
        free(s->from);
        free(s->columns);
        free(s->fields);
        free(s->layout);
        free(s->layouts);
    }
    free(s);
}

/* The names of the features, with commas: what x holds. */
static int32_t layout_write(struct csv *s, struct rn_error *e) {
    size_t length = 1;
    for (uint32_t i = 0; i < s->features; i++)
        length += strlen(s->table.names[s->order[i]]) + 1;
    char *to = s->layout = csv_reserve(s, length, 1, e);
    s->layouts = to ? csv_reserve(s, s->table.width + 1u, sizeof *s->layouts, e) : NULL;
    if (!s->layouts)
        return csv_no_room(e);
    for (uint32_t i = 0; i < s->features; i++)
        to += sprintf(to, "%s%s", i ? "," : "", s->table.names[s->order[i]]);
    s->layouts[0] = s->layout;
    return RN_OK;
}

/* The known names of the elements of x ("a,b,c"), or NULL. */
static const char *known_layout(const struct csv *s) {
    const struct rn_known_fields *known = s->known;
    if (!known || !RN_HAS(known, struct rn_known_fields, layouts) || !known->layouts)
        return NULL;
    for (uint32_t i = 0; i < known->field_count; i++) {
        const struct rn_field *f = (const void *)((const char *)known->fields +
                                                  (size_t)i * known->field_stride);
        if (strcmp(f->name, "x") == 0)
            return known->layouts[i];
    }
    return NULL;
}

/* The features in the order of the known ones, if they are the same. */
static void order_as_known(struct csv *s, const uint8_t *role, uint32_t *order) {
    const char *p = known_layout(s);
    uint32_t n = 0;
    char name[256];
    while (p && n < s->features) {
        size_t length = strcspn(p, ",");
        if (length >= sizeof name)
            return;
        memcpy(name, p, length);
        name[length] = '\0';
        int k = csv_table_find(&s->table, name);
        if (k < 0 || role[k] != 'x')
            return;
        order[n++] = (uint32_t)k;
        p = p[length] ? p + length + 1 : NULL;
    }
    if (n == s->features && !p) /* names of a layout are different */
        memcpy(s->order, order, n * sizeof *order);
}

static int32_t order_features(struct csv *s, const uint8_t *role, struct rn_error *e) {
    for (uint32_t k = 0; k < s->table.width; k++)
        s->features += role[k] == 'x';
    uint32_t *known = csv_reserve(s, s->features, sizeof *known, e), n = 0;
    s->order = known ? csv_reserve(s, s->features, sizeof *s->order, e) : NULL;
    for (uint32_t k = 0; s->order && k < s->table.width; k++)
        if (role[k] == 'x')
            s->order[n++] = k;
    if (s->order)
        order_as_known(s, role, known);
    free(known);
    return s->order ? RN_OK : csv_no_room(e);
}

static int32_t features_read(struct csv *s, const uint8_t *role, struct rn_error *e) {
    struct rn_field *f = &s->fields[s->field_count];
    int32_t status = order_features(s, role, e);
    if (status != RN_OK || !s->features)
        return status;
    status = layout_write(s, e);
    if (status != RN_OK)
        return status;
    *f = (struct rn_field){"x", RN_F64, 1, {(int64_t)s->features}, 0, 0};
    s->field_count++;
    int bad = 0;
    for (uint32_t i = 0; i < s->features; i++) {
        const struct csv_content *c = &s->pack.columns[s->order[i]];
        f->flags |= c->words + c->missing ? RN_FIELD_NULLABLE : 0;
        bad |= c->text;
    }
    return bad ? csv_report_x(s, e)
               : csv_plan_make(&s->plan, &s->pack, s->order, s->features, e);
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
    struct csv_guess g = csv_guess(s, column);
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
static uint32_t pattern_roles(struct csv *s, const char *pattern, char letter,
                              char type, uint8_t *role) {
    uint32_t n = 0;
    if (!strpbrk(pattern, "*?"))
        return 0;
    for (uint32_t k = 0; k < s->table.width; k++) {
        if (s->table.unnamed[k] || fnmatch(pattern, s->table.names[k], 0) != 0)
            continue;
        n++;
        if (role[k])
            continue;
        role[k] = (uint8_t)letter;
        s->types[k] = (uint8_t)type;
    }
    return n;
}

/* The column, or those of the pattern, that the option at `path` names, as `letter`;
 * type: as `fields` declares it, or 0. */
static int32_t assign(struct csv *s, const char *path, const char *name, char letter,
                      char type, uint8_t *role, struct rn_error *e) {
    int k = csv_table_find(&s->table, name);
    if (k < 0 && pattern_roles(s, name, letter, type, role))
        return RN_OK;
    if (k < 0 && s->predict)
        return RN_OK; /* the host refuses what the network reads and is not there */
    if (k < 0)
        return no_column(s, path, name, e);
    if (role[k])
        return rn_fail_option(e, RN_E_CONFIG, path, "column '%s' is used twice", name);
    role[k] = (uint8_t)letter;
    s->types[k] = (uint8_t)type;
    return RN_OK;
}

static int32_t list_roles(struct csv *s, const char *option, char letter, uint8_t *role,
                          struct rn_error *e) {
    uint32_t n = rn_get_count(s->host, option);
    int32_t status = RN_OK;
    char path[40];
    for (uint32_t i = 0; i < n && status == RN_OK; i++) {
        rn_path(path, sizeof path, option, i);
        status = assign(s, path, rn_get_string(s->host, path), letter, 0, role, e);
    }
    return status;
}

/* The letter of column_read for a word of `fields`, 0: as the cells are; 'v': text of
 * variable size. */
static char declared_type(const char *word) {
    return strcmp(word, "auto") == 0       ? 0
           : strcmp(word, "number") == 0   ? 'f'
           : strcmp(word, "integer") == 0  ? 'i'
           : strcmp(word, "category") == 0 ? 't'
           : strcmp(word, "text") == 0     ? 'v'
           : strcmp(word, "date") == 0     ? 'd'
                                           : 'b';
}

/* `fields`: a list of columns, or columns with their types. Names come before patterns,
 * which take what is left. */
static int32_t field_roles(struct csv *s, uint8_t *role, struct rn_error *e) {
    uint32_t n = rn_get_count(s->host, "fields");
    int32_t status = RN_OK;
    char path[300];
    for (int patterns = 0; patterns < 2; patterns++)
        for (uint32_t i = 0; i < n && status == RN_OK; i++) {
            const char *name = NULL;
            char type = 0;
            status = s->host->api->get_key(s->host, "fields", i, &name);
            if (status != RN_OK)
                return rn_fail_option(e, status, "fields", "cannot be read");
            if (name) {
                int length = snprintf(path, sizeof path, "fields.%s", name);
                if (length < 0 || (size_t)length >= sizeof path)
                    return rn_fail_option(e, RN_E_CONFIG, "fields",
                                          "a name has at most %zu bytes",
                                          sizeof path - 8);
                type = declared_type(rn_get_string(s->host, path));
            } else {
                rn_path(path, sizeof path, "fields", i);
                name = rn_get_string(s->host, path);
            }
            int pattern =
                csv_table_find(&s->table, name) < 0 && strpbrk(name, "*?") != NULL;
            if (pattern == patterns)
                status = assign(s, path, name, type == 'v' ? 'v' : 'o', type, role, e);
        }
    return status;
}

/* A column that is read has a name of its own. */
static int32_t check_twins(const struct csv *s, const uint8_t *role,
                           struct rn_error *e) {
    const struct csv_table *t = &s->table;
    for (uint32_t k = 0; k < t->width; k++) {
        if (!role[k] || role[k] == '-' || !t->twin[k])
            continue;
        uint32_t other = t->twin[k] - 1;
        const struct csv_cell *c = &t->header[k > other ? k : other];
        rn_failf(e, RN_E_DATA, s->table.parts[0].file, c->line, c->column,
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
        status = field_roles(s, role, e);
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

static int32_t field_read(struct csv *s, uint8_t *role, uint32_t k,
                          struct rn_error *e) {
    const char *target = rn_get_string(s->host, "target_type");
    uint8_t what = role[k];
    role[k] = '-'; /* once */
    if (what == 'v')
        return csv_cells_read(s, e, k);
    int required = what == 't' && !rn_may_miss(s->host, s->table.names[k]);
    return what == 't'
               ? csv_column_read(s, k, target[0], required, e)
               : csv_column_read(s, k, s->types[k] ? (char)s->types[k] : 'a', 0, e);
}

/* The fields in the order of the known ones; then the others in the file's order, the
 * target last. */
static int32_t fields_read(struct csv *s, uint8_t *role, struct rn_error *e) {
    const struct rn_known_fields *known = s->known;
    int32_t status = RN_OK;
    for (uint32_t i = 0; known && i < known->field_count && status == RN_OK; i++) {
        const struct rn_field *f = (const void *)((const char *)known->fields +
                                                  (size_t)i * known->field_stride);
        int k = csv_table_find(&s->table, f->name);
        if (k >= 0 && role[k] && strchr("ovt", role[k]))
            status = field_read(s, role, (uint32_t)k, e);
    }
    for (int target = 0; target < 2; target++)
        for (uint32_t k = 0; k < s->table.width && status == RN_OK; k++)
            if (role[k] && strchr(target ? "t" : "ov", role[k]))
                status = field_read(s, role, k, e);
    return status;
}

static int32_t fields_make(struct csv *s, uint8_t *role, struct rn_error *e) {
    int32_t status = roles(s, role, e);
    if (status == RN_OK)
        status = features_read(s, role, e);
    if (status == RN_OK)
        status = fields_read(s, role, e);
    if (status == RN_OK)
        status = csv_columns_fill(s, e);
    if (status != RN_OK)
        return status;
    if (s->bad > 1 && e) {
        size_t n = strlen(e->message);
        snprintf(e->message + n, sizeof e->message - n, " (%u bad cells in all)",
                 s->bad);
    }
    return s->bad ? RN_E_DATA : RN_OK;
}

/* ----------------------------------------------------------------- options */

static int32_t read_separator(struct csv *s, struct rn_error *e) {
    const char *word = rn_get_string(s->host, "separator");
    s->table.dialect.separator = strcmp(word, "tab") == 0 ? '\t' : word[0];
    if ((word[1] && s->table.dialect.separator != '\t') || !word[0] ||
        strchr("\"\r\n", word[0]))
        return rn_fail(e, RN_E_CONFIG, "the separator must be one character",
                       "write tab for a tab", "separator");
    return RN_OK;
}

/* The marks within numbers, which are none of the others. */
static int32_t read_marks(struct csv *s, struct rn_error *e) {
    const char *decimal = rn_get_string(s->host, "decimal");
    const char *thousands = rn_get_string(s->host, "thousands");
    const char *comment =
        rn_has(s->host, "comment") ? rn_get_string(s->host, "comment") : NULL;
    if (!decimal[0] || decimal[1] || strchr("0123456789+-eE\" \r\n", decimal[0]))
        return rn_fail_option(e, RN_E_CONFIG, "decimal",
                              "the decimal mark must be one character, such as \",\"");
    s->number.decimal = decimal[0];
    s->number.thousands = *thousands ? thousands : NULL;
    if (strlen(thousands) > 4 || strpbrk(thousands, "0123456789+-eE\"\r\n"))
        return rn_fail_option(e, RN_E_CONFIG, "thousands",
                              "the mark between thousands must be one character");
    if (strcmp(thousands, decimal) == 0)
        return rn_fail_option(e, RN_E_CONFIG, "thousands",
                              "'%s' is the decimal mark too", thousands);
    if (s->number.decimal == s->table.dialect.separator)
        return rn_fail_option(e, RN_E_CONFIG, "decimal",
                              "'%s' is the separator too: with a decimal comma, cells "
                              "are usually separated by \";\"",
                              decimal);
    if (comment && (!comment[0] || comment[1] || strchr("\"\r\n", comment[0]) ||
                    comment[0] == s->table.dialect.separator))
        return rn_fail_option(e, RN_E_CONFIG, "comment",
                              "must be one character that is not the separator");
    s->table.dialect.comment = comment ? comment[0] : 0;
    return RN_OK;
}

/* The files, sorted by the bytes of their names. */
static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int32_t find_files(struct csv *s, struct rn_error *e) {
    int literal = !strpbrk(s->file, "*?[") || access(s->file, F_OK) == 0;
    int status = literal ? GLOB_NOMATCH : glob(s->file, GLOB_NOSORT, NULL, &s->found);
    if (literal)
        return RN_OK;
    if (status == GLOB_NOMATCH)
        return rn_failf(e, RN_E_DATA, s->file, 0, 0, "matches no file");
    if (status != 0)
        return rn_failf(e, status == GLOB_NOSPACE ? RN_E_MEMORY : RN_E_IO, s->file, 0,
                        0, "the files cannot be listed");
    qsort(s->found.gl_pathv, s->found.gl_pathc, sizeof *s->found.gl_pathv, by_bytes);
    return RN_OK;
}

static int32_t table_read(struct csv *s, struct rn_error *e) {
    int32_t status = find_files(s, e);
    s->table.has_header = rn_get_bool(s->host, "header");
    s->pack = (struct csv_pack){.table = &s->table,
                                .number = &s->number,
                                .missing = &s->missing,
                                .budget = &s->budget};
    if (status == RN_OK)
        status = s->found.gl_pathc
                     ? csv_table_open(&s->table, (const char *const *)s->found.gl_pathv,
                                      (uint32_t)s->found.gl_pathc, e)
                     : csv_table_open(&s->table, &s->file, 1, e);
    return status == RN_OK ? csv_pack_read(&s->pack, e) : status;
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
    s->table.budget = &s->budget;
    s->table.encoding = csv_encoding_of(rn_get_string(h, "encoding"));
    int32_t status = read_separator(s, e);
    if (status == RN_OK)
        status = read_marks(s, e);
    if (status == RN_OK)
        status = rn_missing_read(&s->missing, h, e);
    if (status == RN_OK)
        status = table_read(s, e);
    if (status != RN_OK)
        return status;
    s->count = s->table.count;
    uint8_t *role = csv_reserve(s, s->table.width, 1, e);
    s->types = csv_reserve(s, s->table.width, 1, e);
    s->columns = csv_reserve(s, s->table.width, sizeof *s->columns, e);
    s->fields = csv_reserve(s, s->table.width + 1u, sizeof *s->fields, e);
    s->from = csv_reserve(s, s->table.width, sizeof *s->from, e);
    status = role && s->types && s->columns && s->fields && s->from
                 ? fields_make(s, role, e)
                 : csv_no_room(e);
    free(role);
    free(s->types);
    free(s->from);
    s->types = NULL;
    s->from = NULL;
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

static int32_t read_cells(const struct csv_column *c, uint64_t n,
                          const uint64_t *indices, const struct rn_tensor *out,
                          struct rn_error *e) {
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
    uint32_t first = s->features ? 1 : 0;
    double *x = first ? out[0].data : NULL;
    for (uint64_t i = 0; x && i < n; i++, x += s->features)
        csv_plan_row(&s->plan, &s->pack, indices[i], x);
    for (uint32_t f = first; f < s->field_count; f++) {
        const struct csv_column *c = &s->columns[f - first];
        if (c->ends) {
            int32_t status =
                out[f].data ? read_cells(c, n, indices, &out[f], e) : RN_OK;
            if (status != RN_OK)
                return status;
            continue;
        }
        const char *from = c->rows;
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
          RN_DOC("A table in text files (CSV, TSV), plain, gzipped or compressed by "
                 "zstd, held in memory")
          RN_OUT("x f64 [N,F] ; optional | the feature columns, in the file's order")
          RN_OUT("* any [N,...] | the target and each column of `fields` and `texts`, "
                 "by its name")
          RN_OPTION("file path ; required | the file, or a pattern (`part-*.csv`): all "
                    "files that it matches, in the order of their names, with the same "
                    "columns, in any order if there is a header")
          RN_OPTION("header bool = true | the first row names the columns; else they "
                    "are c1, c2, ...")
          RN_OPTION("separator string = \",\" | one character between cells, or tab")
          RN_OPTION("encoding choice(" CSV_ENCODINGS ") = auto | of the text; auto: "
                    "UTF-8, or UTF-16 with a byte order mark")
          RN_OPTION("decimal string = \".\" | the decimal mark, one character")
          RN_OPTION("thousands string = \"\" | the mark between groups of digits, or "
                    "empty for none")
          RN_OPTION("comment string | one character from which the rest of a line is "
                    "not read, outside quotes")
          RN_OPTION("target string | the column to learn, a field of its own")
          RN_OPTION("target_type choice(auto,float,int,text) = auto | how the target "
                    "is read")
          RN_OPTION("features list(string) | the columns of x; default: all that have "
                    "a name and are not named elsewhere")
          RN_OPTION("fields either(list(string),map(choice(auto,number,integer,category,"
                    "text,date,bool))) | further columns, each a field of its own: in a "
                    "list, integers, numbers or text as the cells are; in a map, by "
                    "the type given: `text` is of variable size, `date` the days since "
                    "1970-01-01, `bool` 0 or 1; a pattern (`*`, `?`) stands for all that "
                    "have a name and are not named elsewhere")
          RN_OPTION("drop list(string) | columns that are not read")
          RN_OPTION("texts list(string) | columns of text that is long or of very "
                    "different lengths: fields of cells of variable size, as `text` in "
                    "`fields`")
          RN_OPTION("missing list(string) | cells that mean missing, a number in any "
                    "spelling; default: empty, NA, NaN, nan, null, ?")
          RN_BUDGET_OPTION);
RN_PLUGIN(&csv);
