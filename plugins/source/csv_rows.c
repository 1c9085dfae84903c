/* SPDX-License-Identifier: Apache-2.0 */
#include "csv_rows.h"

int32_t csv_rows_open(struct csv_rows *r, const char *file, enum csv_encoding encoding,
                      const struct csv_dialect *d, struct rn_budget *b,
                      struct rn_error *e) {
    static char nothing[] = "";
    *r = (struct csv_rows){.dialect = d, .line = 1};
    int32_t status = csv_input_open(&r->in, file, encoding, b, e);
    if (!r->in.text)
        r->in.text = r->in.end = r->in.checked = nothing;
    r->p = r->row = r->in.text;
    return status;
}

void csv_rows_finish(struct csv_rows *r) {
    if (r->in.budget)
        rn_budget_return(r->in.budget, r->room + r->capacity * sizeof *r->cells);
    csv_input_finish(&r->in);
    free(r->texts);
    free(r->cells);
    r->texts = NULL;
    r->cells = NULL;
    r->room = r->capacity = 0;
}

static int32_t more_text(struct csv_rows *r, struct rn_error *e) {
    size_t at = (size_t)(r->p - r->row);
    int32_t status = csv_input_more(&r->in, r->row, e);
    r->row = r->in.text;
    r->p = r->row + at;
    return status;
}

/* n bytes from p on are in the window, or all that there are. */
static inline int32_t want(struct csv_rows *r, size_t n, struct rn_error *e) {
    int32_t status = RN_OK;
    while (status == RN_OK && (size_t)(r->in.end - r->p) < n && !r->in.all)
        status = more_text(r, e);
    return status;
}

/* ------------------------------------------------------------------ texts */

static int32_t no_memory(const struct csv_rows *r, struct rn_error *e) {
    return rn_failf(e, RN_E_MEMORY, r->in.file, 0, 0, "no memory for the table");
}

/* Room for n more bytes and a NUL. */
static int32_t reserve(struct csv_rows *r, size_t n, struct rn_error *e) {
    size_t room = r->room ? r->room : 1024;
    if (r->used + n < r->room)
        return RN_OK;
    while (room <= r->used + n)
        room *= 2;
    if (!rn_budget_take(r->in.budget, room - r->room))
        return rn_budget_error(r->in.budget, r->in.file, e);
    char *more = realloc(r->texts, room);
    if (!more)
        return no_memory(r, e);
    r->texts = more;
    r->room = room;
    return RN_OK;
}

static int32_t put(struct csv_rows *r, const char *from, size_t n, struct rn_error *e) {
    int32_t status = reserve(r, n, e);
    if (status == RN_OK)
        memcpy(r->texts + r->used, from, n);
    r->used += status == RN_OK ? n : 0;
    return status;
}

static int32_t end_text(struct csv_rows *r, struct csv_piece *cell,
                        struct rn_error *e) {
    int32_t status = reserve(r, 0, e);
    if (status != RN_OK)
        return status;
    cell->n = r->used - cell->at;
    r->texts[r->used++] = '\0';
    return RN_OK;
}

/* ------------------------------------------------------------------ cells */

static int at_comment(const struct csv_rows *r, const char *p) {
    return r->dialect->comment && *p == r->dialect->comment;
}

/* A comment goes on to the end of its line. */
static int32_t skip_comment(struct csv_rows *r, struct rn_error *e) {
    int32_t status = want(r, 1, e);
    if (!at_comment(r, r->p) || r->p >= r->in.end)
        return status;
    while (status == RN_OK && r->p < r->in.end && *r->p != '\n' && *r->p != '\r') {
        r->p++;
        status = want(r, 1, e);
    }
    return status;
}

static int at_line_end(const struct csv_rows *r) {
    return r->p >= r->in.end || *r->p == '\n' || *r->p == '\r';
}

/* LF, CRLF, or CR alone. */
static int32_t skip_line_end(struct csv_rows *r, struct rn_error *e) {
    int32_t status = want(r, 2, e);
    if (r->p < r->in.end)
        r->p += *r->p == '\r' && r->p[1] == '\n' ? 2 : 1;
    r->line++;
    return status;
}

static int32_t skip_blanks(struct csv_rows *r, struct rn_error *e) {
    int32_t status = want(r, 1, e);
    while (status == RN_OK && *r->p == ' ' && r->dialect->separator != ' ') {
        r->p++;
        status = want(r, 1, e);
    }
    return status;
}

static int32_t wrong(const struct csv_rows *r, const struct csv_piece *cell,
                     const char *what, struct rn_error *e) {
    return rn_failf(e, RN_E_DATA, r->in.file, cell->line, cell->column, "%s", what);
}

/* The inside of a quoted cell; p behind the closing quote. */
static int32_t quoted(struct csv_rows *r, const struct csv_piece *cell,
                      struct rn_error *e) {
    int32_t status = RN_OK;
    for (r->p++; status == RN_OK; r->p++) {
        status = want(r, 2, e);
        if (status != RN_OK)
            return status;
        if (r->p >= r->in.end)
            return wrong(r, cell, "a quote is opened and never closed", e);
        if (*r->p == '"' && r->p[1] == '"')
            r->p++;
        else if (*r->p == '"')
            break;
        else if (!*r->p)
            return wrong(r, cell, "holds a zero byte: is this a text file?", e);
        if (*r->p == '\n' || (*r->p == '\r' && r->p[1] != '\n'))
            r->line++;
        status = put(r, r->p, 1, e);
    }
    r->p++;
    return status;
}

static int32_t unquoted(struct csv_rows *r, const struct csv_piece *cell,
                        struct rn_error *e) {
    size_t from = (size_t)(r->p - r->row);
    int32_t status = RN_OK;
    for (;;) {
        while (!r->dialect->stops[(uint8_t)*r->p])
            r->p++;
        if (r->p < r->in.end || r->in.all)
            break;
        status = more_text(r, e);
        if (status != RN_OK)
            return status;
    }
    if (!*r->p && r->p < r->in.end)
        return wrong(r, cell, "holds a zero byte: is this a text file?", e);
    const char *text = r->row + from, *to = r->p;
    while (to > text && to[-1] == ' ' && r->dialect->separator != ' ')
        to--;
    return put(r, text, (size_t)(to - text), e);
}

int32_t csv_rows_behind(struct csv_rows *r, int *more, struct rn_error *e) {
    *more = r->p < r->in.end && *r->p == r->dialect->separator;
    if (*more) {
        r->p++;
        return RN_OK;
    }
    int32_t status = skip_comment(r, e);
    return status == RN_OK ? skip_line_end(r, e) : status;
}

int32_t csv_rows_cell(struct csv_rows *r, struct csv_piece *cell, int *more,
                      struct rn_error *e) {
    uint32_t column = r->line == r->row_line ? (uint32_t)(r->p - r->row) + 1 : 0;
    *cell = (struct csv_piece){.at = r->used, .line = r->line, .column = column};
    int32_t status = skip_blanks(r, e);
    if (status != RN_OK)
        return status;
    if (r->p < r->in.end && *r->p == '"') {
        status = quoted(r, cell, e);
        if (status == RN_OK)
            status = skip_blanks(r, e);
        if (status == RN_OK && !at_line_end(r) && *r->p != r->dialect->separator &&
            !at_comment(r, r->p))
            status = wrong(r, cell, "there is text after the closing quote", e);
    } else {
        status = unquoted(r, cell, e);
    }
    if (status == RN_OK)
        status = end_text(r, cell, e);
    return status == RN_OK ? csv_rows_behind(r, more, e) : status;
}

/* ------------------------------------------------------------------- rows */

int32_t csv_rows_begin(struct csv_rows *r, int *there, struct rn_error *e) {
    for (;;) {
        r->row = r->p;
        r->used = 0;
        int32_t status = want(r, 1, e);
        size_t blanks = 0;
        while (status == RN_OK && r->dialect->comment && r->p[blanks] == ' ')
            status = want(r, ++blanks + 1, e);
        *there = r->p < r->in.end;
        if (status != RN_OK || !*there)
            return status;
        if (at_comment(r, r->p + blanks)) {
            r->p += blanks;
            for (; status == RN_OK && !at_line_end(r); r->p++) {
                r->row = r->p;
                status = want(r, 2, e);
            }
        } else if (!at_line_end(r)) {
            r->row_line = r->line;
            return RN_OK;
        }
        if (status == RN_OK)
            status = skip_line_end(r, e); /* blank lines are nothing */
        if (status != RN_OK)
            return status;
    }
}

/* Every row is as wide as the first, but for a separator behind its last cell. */
int32_t csv_rows_settle(struct csv_rows *r, uint32_t cells, int empty, int *short_by,
                        struct rn_error *e) {
    *short_by = r->spare && cells + 1 == r->width;
    if (cells == r->width || *short_by || (cells == r->width + 1 && empty))
        return RN_OK;
    return rn_failf(e, RN_E_DATA, r->in.file, r->row_line, 0,
                    "this row has %u cells; the first has %u", cells, r->width);
}

static int32_t cells_grow(struct csv_rows *r, struct rn_error *e) {
    uint32_t capacity = r->capacity ? 2 * r->capacity : 64;
    if (r->count < r->capacity)
        return RN_OK;
    if (!rn_budget_take(r->in.budget, (capacity - r->capacity) * sizeof *r->cells))
        return rn_budget_error(r->in.budget, r->in.file, e);
    struct csv_piece *more = realloc(r->cells, capacity * sizeof *more);
    if (!more)
        return no_memory(r, e);
    r->cells = more;
    r->capacity = capacity;
    return RN_OK;
}

int32_t csv_rows_row(struct csv_rows *r, struct rn_error *e) {
    int32_t status = RN_OK;
    r->count = 0;
    for (int more = 1; more && status == RN_OK; r->count++) {
        status = cells_grow(r, e);
        if (status == RN_OK)
            status = csv_rows_cell(r, &r->cells[r->count], &more, e);
    }
    int short_by = 0;
    if (status != RN_OK || !r->width)
        return status;
    status = csv_rows_settle(r, r->count, !r->cells[r->count - 1].n, &short_by, e);
    if (status != RN_OK || r->count == r->width)
        return status;
    if (short_by) {
        status = cells_grow(r, e);
        if (status != RN_OK)
            return status;
        r->cells[r->count] = (struct csv_piece){.at = r->used, .line = r->row_line};
        status = end_text(r, &r->cells[r->count], e);
    }
    r->count = r->width;
    return status;
}
