/* SPDX-License-Identifier: Apache-2.0 */
#include <runner/sdk/error.h>

#include "csv_table.h"

static int32_t no_memory(const struct csv_table *t, struct rn_error *e) {
    return rn_failf(e, RN_E_MEMORY, t->file, 0, 0, "no memory for the table");
}

void csv_table_finish(struct csv_table *t) {
    text_file_finish(&t->source);
    free(t->cells);
    free(t->names);
    free(t->unnamed);
    free(t->numbered);
    free(t->twin);
    free(t->slots);
}

/* ------------------------------------------------------------------ cells */

static int32_t cell_add(struct csv_table *t, struct csv_cell cell, struct rn_error *e) {
    if (t->cell_count == t->cell_capacity) {
        uint64_t capacity = t->cell_capacity ? t->cell_capacity * 2 : 4096;
        if (!rn_budget_take(t->budget, (capacity - t->cell_capacity) * sizeof cell))
            return rn_budget_error(t->budget, t->file, e);
        struct csv_cell *more = realloc(t->cells, capacity * sizeof *more);
        if (!more)
            return no_memory(t, e);
        t->cells = more;
        t->cell_capacity = capacity;
    }
    t->cells[t->cell_count++] = cell;
    return RN_OK;
}

/* Where the scan stands. */
struct scan {
    char *p, *end; /* *end is NUL */
    char *row;     /* where the row begins */
    uint32_t line, row_line;
};

static int at_line_end(const struct scan *s) {
    return s->p >= s->end || *s->p == '\n' || *s->p == '\r';
}

/* LF, CRLF, or CR alone. */
static void skip_line_end(struct scan *s) {
    if (s->p < s->end)
        s->p += *s->p == '\r' && s->p[1] == '\n' ? 2 : 1;
    s->line++;
}

static void skip_blanks(const struct csv_table *t, struct scan *s) {
    while (s->p < s->end && *s->p == ' ' && t->separator != ' ')
        s->p++;
}

/* The inside of a quoted cell, moved to *to; p behind the closing quote. */
static const char *quoted(struct scan *s, char **to) {
    for (s->p++;; *(*to)++ = *s->p++) {
        if (s->p >= s->end)
            return "a quote is opened and never closed";
        if (*s->p == '"' && s->p[1] == '"')
            s->p++;
        else if (*s->p == '"')
            break;
        else if (!*s->p)
            return "holds a zero byte: is this a text file?";
        if (*s->p == '\n' || (*s->p == '\r' && s->p[1] != '\n'))
            s->line++;
    }
    s->p++;
    return NULL;
}

static const char *unquoted(const struct csv_table *t, struct scan *s, char *text,
                            char **to) {
    for (; !at_line_end(s) && *s->p != t->separator; s->p++)
        if (!*s->p)
            return "holds a zero byte: is this a text file?";
    *to = s->p;
    while (*to > text && (*to)[-1] == ' ' && t->separator != ' ')
        --*to;
    return NULL;
}

/* One cell; *more: a separator follows. What is unquoted is never longer than what it
 * was, so it is cut in place, and its NUL falls on the separator or line end at the
 * latest. */
static int32_t cut_cell(struct csv_table *t, struct scan *s, int *more,
                        struct rn_error *e) {
    struct csv_cell cell = {NULL, s->line,
                            s->line == s->row_line ? (uint32_t)(s->p - s->row) + 1 : 0};
    skip_blanks(t, s);
    char *to = cell.text = s->p;
    const char *wrong;
    if (*s->p == '"') {
        wrong = quoted(s, &to);
        skip_blanks(t, s);
        if (!wrong && !at_line_end(s) && *s->p != t->separator)
            wrong = "there is text after the closing quote";
    } else {
        wrong = unquoted(t, s, cell.text, &to);
    }
    if (wrong)
        return rn_failf(e, RN_E_DATA, t->file, cell.line, cell.column, "%s", wrong);
    *more = s->p < s->end && *s->p == t->separator;
    if (*more)
        s->p++;
    else
        skip_line_end(s);
    *to = '\0';
    return cell_add(t, cell, e);
}

/* Every row is as wide as the first, but for a separator behind its last cell. */
static int32_t settle_width(struct csv_table *t, const struct scan *s, uint32_t cells,
                            int header, struct rn_error *e) {
    static char nothing[] = "";
    if (!t->width)
        t->width = cells;
    if (cells == t->width + 1 && !*t->cells[t->cell_count - 1].text) {
        t->cell_count--;
        return RN_OK;
    }
    if (header && cells + 1 == t->width && !*t->cells[t->width - 1].text)
        return cell_add(t, (struct csv_cell){nothing, s->row_line, 0}, e);
    if (cells != t->width)
        return rn_failf(e, RN_E_DATA, t->file, s->row_line, 0,
                        "this row has %u cells; the first has %u", cells, t->width);
    return RN_OK;
}

static int32_t cut(struct csv_table *t, int header, struct rn_error *e) {
    struct scan s = {.p = t->source.text, .line = 1};
    s.end = s.p + t->source.size;
    while (s.p < s.end) {
        uint32_t cells = 0;
        if (at_line_end(&s)) { /* blank lines are nothing */
            skip_line_end(&s);
            continue;
        }
        s.row = s.p;
        s.row_line = s.line;
        int32_t status = RN_OK;
        for (int more = 1; more && status == RN_OK; cells++)
            status = cut_cell(t, &s, &more, e);
        if (status == RN_OK)
            status = settle_width(t, &s, cells, header, e);
        if (status != RN_OK)
            return status;
    }
    if (!t->width)
        return rn_failf(e, RN_E_DATA, t->file, 0, 0, "is empty");
    return RN_OK;
}

/* ------------------------------------------------------------------ names */

static uint32_t *slot_of(const struct csv_table *t, const char *name) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (const char *p = name; *p; p++)
        h = (h ^ (uint8_t)*p) * 0x100000001b3u;
    uint32_t i = (uint32_t)(h ^ h >> 32) & t->slot_mask;
    while (t->slots[i] && strcmp(t->names[t->slots[i] - 1], name) != 0)
        i = (i + 1) & t->slot_mask;
    return &t->slots[i];
}

int csv_table_find(const struct csv_table *t, const char *name) {
    return (int)*slot_of(t, name) - 1;
}

static int column_is_empty(const struct csv_table *t, uint32_t column) {
    for (uint64_t r = 0; r < t->count; r++)
        if (*csv_table_cell(t, r, column)->text)
            return 0;
    return 1;
}

static void index_names(struct csv_table *t, int unnamed) {
    for (uint32_t i = 0; i < t->width; i++) {
        if (t->unnamed[i] != unnamed)
            continue;
        uint32_t *slot = slot_of(t, t->names[i]);
        if (!*slot)
            *slot = i + 1;
        else if (!unnamed)
            t->twin[i] = *slot, t->twin[*slot - 1] = i + 1;
    }
}

static int32_t name_columns(struct csv_table *t, int header, struct rn_error *e) {
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)t->width)
        slots *= 2;
    t->slot_mask = (uint32_t)(slots - 1);
    t->names = calloc(t->width, sizeof *t->names);
    t->unnamed = calloc(t->width, 1);
    t->numbered = calloc(t->width, sizeof *t->numbered);
    t->twin = calloc(t->width, sizeof *t->twin);
    t->slots = calloc(slots, sizeof *t->slots);
    if (!t->names || !t->unnamed || !t->numbered || !t->twin || !t->slots)
        return no_memory(t, e);
    t->first = header ? 1 : 0;
    t->count = t->cell_count / t->width - t->first;
    if (!t->count)
        return rn_failf(e, RN_E_DATA, t->file, 0, 0, "has no rows of data");
    for (uint32_t i = 0; i < t->width; i++) {
        snprintf(t->numbered[i], sizeof t->numbered[i], "c%u", i + 1);
        t->unnamed[i] = header && !*t->cells[i].text;
        t->names[i] = header && !t->unnamed[i] ? t->cells[i].text : t->numbered[i];
    }
    if (!header && t->width > 1)
        t->unnamed[t->width - 1] = (uint8_t)column_is_empty(t, t->width - 1);
    index_names(t, 0);
    index_names(t, 1);
    return RN_OK;
}

int32_t csv_table_read(struct csv_table *t, int header, struct rn_error *e) {
    int32_t status = text_file_read(t->file, &t->source, t->budget, e);
    if (status == RN_OK)
        status = cut(t, header, e);
    if (status == RN_OK)
        status = name_columns(t, header, e);
    return status;
}
