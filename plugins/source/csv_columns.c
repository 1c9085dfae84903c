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
void csv_bad_cell(struct csv *s, const struct csv_at *at, const char *format, ...) {
    struct rn_error other;
    char text[256];
    va_list args;
    if (s->bad++ >= BAD_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rn_failf(s->bad == 1 ? s->e : &other, RN_E_DATA, csv_table_file(&s->table, at->row),
             at->piece.line, at->piece.column, "row %llu, column '%.100s': %s",
             (unsigned long long)at->row + 1, s->table.names[at->column], text);
    /* A host that got reports shows those and not the call's error. */
    if (s->bad == 2)
        s->host->api->report(s->host, s->e);
    if (s->bad > 1)
        s->host->api->report(s->host, &other);
}

/* ---------------------------------------------------------------- columns */

struct csv_guess csv_guess(const struct csv *s, uint32_t column) {
    const struct csv_content *c = &s->pack.columns[column];
    struct csv_guess g = {.type = c->text       ? 't'
                                  : c->fraction ? 'f'
                                                : 'i',
                          .words = c->words};
    g.nothing = g.words + (c->text ? 0 : c->missing) == s->count;
    if (g.nothing)
        g.type = 't';
    g.missing = g.words + (g.type == 't' ? 0 : c->missing);
    g.bad_text = g.words ? c->empty : 0;
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
static int cell_read(const struct csv *s, const struct csv_column *c, const char *text,
                     uint64_t row, struct rn_field *f) {
    double *number = (double *)c->rows + row;
    int64_t *whole = (int64_t *)c->rows + row;
    return c->type == 'f'   ? csv_number_read(s, text, f, number)
           : c->type == 'd' ? date_read(s, text, f, number)
           : c->type == 'b' ? truth_read(s, text, f, whole)
                            : integer_read(s, text, f, whole);
}

static const char *type_words(char type) {
    return type == 'f'   ? "a number"
           : type == 'd' ? "a date (YYYY-MM-DD, then perhaps hh:mm:ss)"
           : type == 'b' ? "true or false"
                         : "an integer";
}

/* ------------------------------------------------------- the fields' room */

/* What is known of a column's numbers is enough: nothing is read again. */
static int32_t from_pack(struct csv *s, struct csv_column *c, struct rn_field *f) {
    const struct csv_content *k = &s->pack.columns[c->at];
    if (c->type == 'f')
        csv_pack_numbers(&s->pack, c->at, 0, s->count, c->rows);
    else
        csv_pack_integers(&s->pack, c->at, 0, s->count, c->rows);
    f->flags = k->words + k->missing ? RN_FIELD_NULLABLE : 0;
    return RN_OK;
}

static int in_pack(const struct csv *s, const struct csv_column *c) {
    const struct csv_content *k = &s->pack.columns[c->at];
    int missing = k->words + k->missing > 0;
    return !k->text && !(c->required && missing) &&
           (c->type == 'f' || (c->type == 'i' && !k->fraction && !k->inexact));
}

/* The next field: text of any length, the cells one after the other. */
int32_t csv_cells_read(struct csv *s, struct rn_error *e, uint32_t column) {
    struct rn_field *f = &s->fields[s->field_count++];
    struct csv_column *c = &s->columns[s->column_count++];
    *c = (struct csv_column){.at = column, .type = 'v', .again = 1};
    *f = (struct rn_field){
        s->table.names[column], RN_U8, 1, {-1}, RN_FIELD_TEXT | RN_FIELD_VARIABLE, 0};
    c->ends = csv_reserve(s, s->count + 1, sizeof *c->ends, e);
    return c->ends ? RN_OK : csv_no_room(e);
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
    *c = (struct csv_column){.at = column, .type = type, .required = required};
    if (type == 't') {
        uint64_t longest = s->pack.columns[column].longest;
        c->again = 1;
        c->empty = g.bad_text;
        f->dtype = RN_U8;
        f->rank = 1;
        f->shape[0] = longest ? (int64_t)longest : 1;
        f->flags = RN_FIELD_TEXT | (g.words ? RN_FIELD_NULLABLE : 0);
    } else {
        f->dtype = type == 'i' || type == 'b' ? RN_I64 : RN_F64;
    }
    c->rows = csv_reserve(s, s->count, rn_field_bytes(f), e);
    if (!c->rows)
        return csv_no_room(e);
    if (in_pack(s, c))
        return from_pack(s, c, f);
    c->again = 1;
    return RN_OK;
}

/* ---------------------------------------------------------------- once more */

/* Room for n bytes behind the cells of variable size. */
static int32_t cells_grow(struct csv *s, struct csv_column *c, uint64_t n,
                          struct rn_error *e) {
    uint64_t room = c->room ? c->room : 4096;
    while (room < n)
        room *= 2;
    if (room == c->room)
        return RN_OK;
    if (!rn_budget_take(&s->budget, room - c->room))
        return rn_budget_error(&s->budget, s->file, e);
    void *more = realloc(c->rows, room);
    if (!more)
        return rn_failf(e, RN_E_MEMORY, s->file, 0, 0, "no memory for the table");
    c->rows = more;
    c->room = room;
    return RN_OK;
}

/* A cell of field f, whose column is c. 1 in *bad: it is none. */
static int32_t take_cell(struct csv *s, struct csv_column *c, struct rn_field *f,
                         uint64_t row, const char *text, size_t n, int *bad,
                         struct rn_error *e) {
    int missing = rn_missing_word(&s->missing, text);
    if (c->type == 'v') {
        uint64_t from = c->ends[row];
        n = missing ? 0 : n;
        int32_t status = cells_grow(s, c, from + n + 1, e);
        if (status == RN_OK)
            memcpy((char *)c->rows + from, text, n);
        c->ends[row + 1] = from + n;
        return status;
    }
    if (c->type == 't') {
        size_t width = (size_t)f->shape[0];
        if (!missing)
            memcpy((char *)c->rows + row * width, text, n < width ? n : width);
        *bad = (missing && c->required) || c->empty == row + 1;
        return RN_OK;
    }
    uint32_t flags = f->flags;
    f->flags = 0;
    *bad = !cell_read(s, c, text, row, f) || (f->flags && c->required);
    f->flags = flags | (c->required ? 0 : f->flags);
    return RN_OK;
}

/* The columns that are read again. */
struct again {
    struct csv *s;
    const uint32_t *which; /* [width] 1 + index among the columns, or 0 */
};

static int32_t again_row(void *context, struct csv_rows *r, uint64_t row,
                         struct rn_error *e) {
    const struct again *a = context;
    struct csv *s = a->s;
    uint32_t first = s->features ? 1 : 0;
    int32_t status = csv_rows_row(r, e);
    if (row >= s->count)
        return RN_OK; /* csv_table_walk says so */
    for (uint32_t i = 0; i < s->table.width && status == RN_OK; i++) {
        uint32_t k = a->which[s->table.to[i]];
        int bad = 0;
        if (!k)
            continue;
        struct csv_column *c = &s->columns[k - 1];
        const struct csv_piece *piece = &r->cells[i];
        status = take_cell(s, c, &s->fields[first + k - 1], row,
                           csv_rows_text(r, piece), piece->n, &bad, e);
        c->bad += (uint64_t)bad;
    }
    return status;
}

/* One column whose bad cells are to be reported; or x, in the order of the file. */
struct report {
    struct csv *s;
    struct csv_column *c; /* NULL: x */
    int empty;            /* 1: only the empty text; 0: all others */
};

static void report_empty(struct csv *s, const struct csv_at *at) {
    csv_bad_cell(
        s, at,
        "is empty, which `missing` does not list, while other cells are missing");
    if (s->bad == 1)
        rn_hintf(s->e, "add \"\" to `missing`");
}

static void report_cell(struct csv *s, const struct csv_column *c,
                        const struct csv_at *at, const char *text) {
    struct rn_field f = {0};
    double room;
    struct csv_column one = *c;
    one.rows = &room;
    if (c->type != 't' && !cell_read(s, &one, text, 0, &f))
        csv_bad_cell(s, at, "'%.60s' is not %s", text, type_words(c->type));
    else if (c->required &&
             (c->type == 't' ? rn_missing_word(&s->missing, text) : f.flags != 0)) {
        csv_bad_cell(s, at, "the target is missing");
        if (s->bad == 1)
            rn_hintf(s->e, "data.drop_missing={of: %.100s} leaves such rows out",
                     s->table.names[c->at]);
    }
}

static void report_number(struct csv *s, const struct csv_at *at, const char *text) {
    double number;
    struct rn_field f = {0};
    if (csv_number_read(s, text, &f, &number))
        return;
    csv_bad_cell(s, at, "'%.60s' is not a number", text);
    if (s->bad == 1)
        rn_hintf(s->e, "text is read by `fields` or as the target; "
                       "`features` lists the columns of x");
}

static int32_t report_row(void *context, struct csv_rows *r, uint64_t row,
                          struct rn_error *e) {
    const struct report *p = context;
    struct csv *s = p->s;
    uint32_t n = p->c ? 1 : s->features;
    int32_t status = csv_rows_row(r, e);
    if (status != RN_OK || row >= s->count)
        return status;
    for (uint32_t i = 0; i < s->table.width; i++)
        s->from[s->table.to[i]] = i;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t column = p->c ? p->c->at : s->order[i];
        const struct csv_piece *piece = &r->cells[s->from[column]];
        struct csv_at at = {row, column, *piece};
        const char *text = csv_rows_text(r, piece);
        int empty = p->c && p->c->empty == row + 1;
        if (!p->c)
            report_number(s, &at, text);
        else if (empty && p->empty)
            report_empty(s, &at);
        else if (!empty && !p->empty)
            report_cell(s, p->c, &at, text);
    }
    return RN_OK;
}

int32_t csv_report_x(struct csv *s, struct rn_error *e) {
    struct report p = {.s = s};
    return csv_table_walk(&s->table, report_row, &p, e);
}

/* The first ten bad cells, column by column; all are counted. */
static int32_t report_bad(struct csv *s, struct rn_error *e) {
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < s->column_count && status == RN_OK; i++) {
        struct report p = {s, &s->columns[i], s->columns[i].empty != 0};
        if (p.c->bad && s->bad < BAD_MAX) {
            status = csv_table_walk(&s->table, report_row, &p, e);
            if (status == RN_OK && p.empty-- && p.c->bad > 1)
                status = csv_table_walk(&s->table, report_row, &p, e);
        } else {
            s->bad += (uint32_t)p.c->bad;
        }
    }
    return status;
}

int32_t csv_columns_fill(struct csv *s, struct rn_error *e) {
    int32_t status = RN_OK;
    uint32_t *which = csv_reserve(s, s->table.width, sizeof *which, e);
    struct again a = {s, which};
    int any = 0;
    if (!which)
        return csv_no_room(e);
    for (uint32_t i = 0; i < s->column_count; i++)
        if (s->columns[i].again) {
            which[s->columns[i].at] = i + 1;
            any = 1;
        }
    if (any)
        status = csv_table_walk(&s->table, again_row, &a, e);
    rn_budget_return(&s->budget, s->table.width * sizeof *which);
    free(which);
    return status == RN_OK ? report_bad(s, e) : status;
}
