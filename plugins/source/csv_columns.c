/* SPDX-License-Identifier: Apache-2.0 */
#include "csv_columns.h"

#define BAD_MAX 10 /* bad cells reported */

/* n zeroed items within the budget; NULL with an error. */
void *csv_reserve(struct csv *s, uint64_t n, uint64_t item, struct rn_error *e) {
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

int32_t csv_no_room(const struct rn_error *e) {
    return e && e->status ? e->status : RN_E_MEMORY;
}

/* One bad cell: the first is the call's error; of several, the first ten are
 * reported. */
void csv_bad_cell(struct csv *s, uint64_t row, uint32_t column, const char *format,
                  ...) {
    const struct csv_cell *c = csv_table_cell(&s->table, row, column);
    struct rn_error other;
    char text[256];
    va_list args;
    if (s->bad++ >= BAD_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rn_failf(s->bad == 1 ? s->e : &other, RN_E_DATA, csv_table_file(&s->table, row),
             c->line, c->column, "row %llu, column '%.100s': %s",
             (unsigned long long)row + 1, s->table.names[column], text);
    /* A host that got reports shows those and not the call's error. */
    if (s->bad == 2)
        s->host->api->report(s->host, s->e);
    if (s->bad > 1)
        s->host->api->report(s->host, &other);
}

/* ---------------------------------------------------------------- columns */

struct csv_guess csv_guess(const struct csv *s, uint32_t column) {
    struct csv_guess g = {.type = 'i'};
    uint64_t empty = 0;
    for (uint64_t r = 0; r < s->count; r++) {
        const char *text = csv_text_at(s, r, column);
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
        if (!csv_number(&s->number, text, &number))
            g.type = 't';
        else if (rn_missing_number(&s->missing, number))
            g.missing++;
        else if (g.type == 'i' && !csv_integer(&s->number, text, &whole))
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
static int fits(const struct csv_guess *g, char type) {
    return type == 't' || (type == 'f' && g->type == 'i') || type == g->type ||
           g->nothing;
}

/* The type of a column: that of the known field of its name, where every cell can be
 * read so, else what its cells are. */
static char type_of(const struct csv *s, uint32_t column, const struct csv_guess *g) {
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
static void check_empty(struct csv *s, uint32_t column, struct csv_guess g) {
    if (!g.bad_text)
        return;
    csv_bad_cell(
        s, g.bad_text - 1, column,
        "is empty, which `missing` does not list, while other cells are missing");
    if (s->bad == 1)
        rn_hintf(s->e, "add \"\" to `missing`");
}

static int32_t text_read(struct csv *s, uint32_t column, struct rn_field *f,
                         struct csv_column *c, struct rn_error *e) {
    size_t longest = 1;
    for (uint64_t r = 0; r < s->count; r++) {
        size_t n = strlen(csv_text_at(s, r, column));
        longest = n > longest ? n : longest;
    }
    f->dtype = RN_U8;
    f->rank = 1;
    f->shape[0] = (int64_t)longest;
    f->flags |= RN_FIELD_TEXT;
    char *out = c->rows = csv_reserve(s, s->count, longest, e);
    if (!out)
        return csv_no_room(e);
    for (uint64_t r = 0; r < s->count; r++) {
        const char *text = csv_text_at(s, r, column);
        if (!rn_missing_word(&s->missing, text))
            memcpy(out + r * longest, text, strlen(text));
    }
    return RN_OK;
}

/* Text of whatever length: the cells one after the other. */
int32_t csv_cells_read(struct csv *s, struct rn_error *e, uint32_t column) {
    struct rn_field *f = &s->fields[s->field_count++];
    struct csv_column *c = &s->columns[s->column_count++];
    uint64_t bytes = 0;
    c->at = column;
    *f = (struct rn_field){
        s->table.names[column], RN_U8, 1, {-1}, RN_FIELD_TEXT | RN_FIELD_VARIABLE, 0};
    c->ends = csv_reserve(s, s->count + 1, sizeof *c->ends, e);
    if (!c->ends)
        return csv_no_room(e);
    for (uint64_t r = 0; r < s->count; r++) {
        const char *text = csv_text_at(s, r, column);
        bytes += rn_missing_word(&s->missing, text) ? 0 : strlen(text);
        c->ends[r + 1] = bytes;
    }
    c->rows = csv_reserve(s, bytes + 1, 1, e);
    if (!c->rows)
        return csv_no_room(e);
    for (uint64_t r = 0; r < s->count; r++)
        memcpy((char *)c->rows + c->ends[r], csv_text_at(s, r, column),
               c->ends[r + 1] - c->ends[r]);
    return RN_OK;
}

/* A cell as f64; NaN and the flag where it is missing. 0: it is not a number. */
int csv_number_read(const struct csv *s, const char *text, struct rn_field *f,
                    double *to) {
    if (!rn_missing_word(&s->missing, text)) {
        if (!csv_number(&s->number, text, to))
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
        !(csv_number(&s->number, text, &number) &&
          rn_missing_number(&s->missing, number)))
        return csv_integer(&s->number, text, to);
    *to = RN_MISSING_I64;
    f->flags |= RN_FIELD_NULLABLE;
    return 1;
}

static int truth_read(const struct csv *s, const char *text, struct rn_field *f,
                      int64_t *to) {
    if (!rn_missing_word(&s->missing, text))
        return csv_truth(text, to);
    *to = RN_MISSING_I64;
    f->flags |= RN_FIELD_NULLABLE;
    return 1;
}

static int date_read(const struct csv *s, const char *text, struct rn_field *f,
                     double *to) {
    if (!rn_missing_word(&s->missing, text))
        return csv_date(text, to);
    *to = NAN;
    f->flags |= RN_FIELD_NULLABLE;
    return 1;
}

/* Cell `row` of a column that is not text, into c->rows. 0: it is not of that type. */
static int cell_read(const struct csv *s, const struct csv_column *c, char type,
                     uint64_t row, struct rn_field *f) {
    const char *text = csv_text_at(s, row, c->at);
    double *number = (double *)c->rows + row;
    int64_t *whole = (int64_t *)c->rows + row;
    return type == 'f'   ? csv_number_read(s, text, f, number)
           : type == 'd' ? date_read(s, text, f, number)
           : type == 'b' ? truth_read(s, text, f, whole)
                         : integer_read(s, text, f, whole);
}

static const char *type_words(char type) {
    return type == 'f'   ? "a number"
           : type == 'd' ? "a date (YYYY-MM-DD, then perhaps hh:mm:ss)"
           : type == 'b' ? "true or false"
                         : "an integer";
}

/* type: 'a' guess, 'i', 'f', 't', 'd' days of a date, 'b' truth as 0 or 1. required: a
 * missing cell is bad. */
int32_t csv_column_read(struct csv *s, uint32_t column, char type, int required,
                        struct rn_error *e) {
    struct rn_field *f = &s->fields[s->field_count++];
    struct csv_column *c = &s->columns[s->column_count++];
    struct csv_guess g = csv_guess(s, column);
    type = type == 'a' ? type_of(s, column, &g) : type;
    f->name = s->table.names[column];
    c->at = column;
    if (type == 't') {
        check_empty(s, column, g);
        for (uint64_t r = 0; required && r < s->count; r++)
            if (rn_missing_word(&s->missing, csv_text_at(s, r, column)))
                csv_bad_cell(s, r, column, "the target is missing");
        f->flags = g.words ? RN_FIELD_NULLABLE : 0;
        return text_read(s, column, f, c, e);
    }
    f->dtype = type == 'i' || type == 'b' ? RN_I64 : RN_F64;
    c->rows = csv_reserve(s, s->count, RN_DTYPE_BYTES(f->dtype), e);
    if (!c->rows)
        return csv_no_room(e);
    uint64_t missing = 0;
    for (uint64_t r = 0; r < s->count; r++) {
        f->flags = 0;
        if (!cell_read(s, c, type, r, f))
            csv_bad_cell(s, r, column, "'%.60s' is not %s", csv_text_at(s, r, column),
                         type_words(type));
        else if (f->flags && required)
            csv_bad_cell(s, r, column, "the target is missing");
        missing += f->flags != 0;
    }
    f->flags = missing && !required ? RN_FIELD_NULLABLE : 0;
    return RN_OK;
}
