/* SPDX-License-Identifier: Apache-2.0 */
#include <runner/sdk/error.h>

#include "csv_table.h"

static int32_t no_memory(const struct csv_table *t, struct rn_error *e) {
    return rn_failf(e, RN_E_MEMORY, t->parts ? t->parts[0].file : NULL, 0, 0,
                    "no memory for the table");
}

void csv_table_finish(struct csv_table *t) {
    for (uint32_t i = 0; t->parts && i < t->part_count; i++)
        text_file_finish(&t->parts[i].source);
    free(t->parts);
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
            return rn_budget_error(t->budget, t->parts[0].file, e);
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
    const char *file;
    char *p, *end; /* *end is NUL */
    char *row;     /* where the row begins */
    uint32_t line, row_line;
    uint32_t width;      /* cells of the file's first row, or 0 */
    uint64_t first_cell; /* of the file */
};

static int at_comment(const struct csv_table *t, const char *p) {
    return t->comment && *p == t->comment;
}

/* A comment goes on to the end of its line. */
static void skip_comment(const struct csv_table *t, struct scan *s) {
    if (at_comment(t, s->p))
        while (s->p < s->end && *s->p != '\n' && *s->p != '\r')
            s->p++;
}

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
    while (!t->stops[(uint8_t)*s->p])
        s->p++;
    if (!*s->p && s->p < s->end)
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
        if (!wrong && !at_line_end(s) && *s->p != t->separator && !at_comment(t, s->p))
            wrong = "there is text after the closing quote";
    } else {
        wrong = unquoted(t, s, cell.text, &to);
    }
    if (wrong)
        return rn_failf(e, RN_E_DATA, s->file, cell.line, cell.column, "%s", wrong);
    *more = s->p < s->end && *s->p == t->separator;
    if (*more) {
        s->p++;
    } else {
        skip_comment(t, s);
        skip_line_end(s);
    }
    *to = '\0';
    return cell_add(t, cell, e);
}

/* Every row is as wide as the first, but for a separator behind its last cell. */
static int32_t settle_width(struct csv_table *t, struct scan *s, uint32_t cells,
                            int header, struct rn_error *e) {
    static char nothing[] = "";
    if (!s->width)
        s->width = cells;
    if (cells == s->width + 1 && !*t->cells[t->cell_count - 1].text) {
        t->cell_count--;
        return RN_OK;
    }
    if (header && cells + 1 == s->width &&
        !*t->cells[s->first_cell + s->width - 1].text)
        return cell_add(t, (struct csv_cell){nothing, s->row_line, 0}, e);
    if (cells != s->width)
        return rn_failf(e, RN_E_DATA, s->file, s->row_line, 0,
                        "this row has %u cells; the first has %u", cells, s->width);
    return RN_OK;
}

/* The cells of a file, behind those that are there; *width of its rows. */
static int32_t cut(struct csv_table *t, const struct csv_part *part, int header,
                   uint32_t *width, struct rn_error *e) {
    struct scan s = {.file = part->file,
                     .p = part->source.text,
                     .line = 1,
                     .first_cell = t->cell_count};
    s.end = s.p + part->source.size;
    while (s.p < s.end) {
        uint32_t cells = 0;
        if (at_comment(t, s.p + strspn(s.p, " ")))
            s.p += strspn(s.p, " ");
        skip_comment(t, &s);
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
    *width = s.width;
    if (!s.width)
        return rn_failf(e, RN_E_DATA, s.file, 0, 0, "is empty");
    return RN_OK;
}

/* ---------------------------------------------------------------- more files */

struct named {
    const char *name;
    uint32_t at;
};

static int by_name(const void *x, const void *y) {
    const struct named *a = x, *b = y;
    int c = strcmp(a->name, b->name);
    return c ? c : (a->at > b->at) - (a->at < b->at);
}

static void sort_names(const struct csv_cell *header, uint32_t width,
                       struct named *out) {
    for (uint32_t i = 0; i < width; i++)
        out[i] = (struct named){header[i].text, i};
    qsort(out, width, sizeof *out, by_name);
}

/* The first column that one of two sorted headers has and the other lacks. */
static int32_t other_columns(const struct csv_table *t, const struct csv_part *part,
                             const struct csv_cell *header, const struct named *here,
                             uint32_t n, const struct named *there,
                             struct rn_error *e) {
    uint32_t i = 0, k = 0;
    while (i < n && k < t->width && strcmp(here[i].name, there[k].name) == 0)
        i++, k++;
    int extra = k == t->width || (i < n && strcmp(here[i].name, there[k].name) < 0);
    uint32_t at = extra ? here[i].at : 0;
    rn_failf(e, RN_E_DATA, part->file, header[at].line, extra ? header[at].column : 0,
             "%s the column '%.100s'", extra ? "has" : "lacks",
             extra ? here[i].name : there[k].name);
    rn_hintf(e,
             "the first file, %.120s, %s it: the files of a table have the same "
             "columns",
             t->parts[0].file, extra ? "lacks" : "has");
    return RN_E_DATA;
}

/* from[k]: which column of the file, whose cells begin at `header`, is column k. */
static int32_t match_columns(const struct csv_table *t, const struct csv_part *part,
                             const struct csv_cell *header, uint32_t width,
                             uint32_t *from, struct rn_error *e) {
    struct named *names = calloc((size_t)width + t->width, sizeof *names);
    struct named *here = names, *there = names + width;
    int32_t status = RN_OK;
    if (!names)
        return no_memory(t, e);
    sort_names(header, width, here);
    sort_names(t->cells, t->width, there);
    int same = width == t->width;
    for (uint32_t i = 0; same && i < width; i++)
        same = strcmp(here[i].name, there[i].name) == 0;
    for (uint32_t i = 0; same && i < width; i++)
        from[there[i].at] = here[i].at;
    if (!same)
        status = other_columns(t, part, header, here, width, there, e);
    free(names);
    return status;
}

/* Take the header out of the file's cells, which begin at `first`, and put its columns
 * into the order of the first file's. */
static int32_t join_rows(struct csv_table *t, const struct csv_part *part,
                         uint64_t first, uint32_t width, struct rn_error *e) {
    struct csv_cell *row = calloc(width, sizeof *row), *cells = t->cells + first;
    uint32_t *from = calloc(t->width, sizeof *from);
    int32_t status =
        row && from ? match_columns(t, part, cells, width, from, e) : no_memory(t, e);
    uint64_t rows = (t->cell_count - first) / width;
    for (uint64_t r = 1; status == RN_OK && r < rows; r++) {
        memcpy(row, cells + r * width, width * sizeof *row);
        for (uint32_t k = 0; k < width; k++)
            cells[(r - 1) * width + k] = row[from[k]];
    }
    if (status == RN_OK)
        t->cell_count -= width;
    free(row);
    free(from);
    return status;
}

/* The cells of file i behind those of the files before it. */
static int32_t read_part(struct csv_table *t, uint32_t i, int header,
                         struct rn_error *e) {
    struct csv_part *part = &t->parts[i];
    uint64_t first = t->cell_count;
    uint32_t width = 0;
    int32_t status =
        csv_text_read(part->file, t->encoding, &part->source, t->budget, e);
    if (status == RN_OK)
        status = cut(t, part, header, &width, e);
    if (status != RN_OK)
        return status;
    if (!i)
        t->width = width;
    else if (header)
        status = join_rows(t, part, first, width, e);
    else if (width != t->width)
        status = rn_failf(e, RN_E_DATA, part->file, 1, 0,
                          "has rows of %u cells; those of %.300s have %u", width,
                          t->parts[0].file, t->width);
    if (status == RN_OK)
        part->rows_end = t->cell_count / t->width - (header ? 1 : 0);
    return status;
}

const char *csv_table_file(const struct csv_table *t, uint64_t row) {
    uint32_t i = 0;
    while (i + 1 < t->part_count && row >= t->parts[i].rows_end)
        i++;
    return t->parts[i].file;
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
        return rn_failf(e, RN_E_DATA, t->parts[0].file, 0, 0, "has no rows of data");
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

int32_t csv_table_read(struct csv_table *t, const char *const *files, uint32_t count,
                       int header, struct rn_error *e) {
    int32_t status = RN_OK;
    for (const char *p = "\n\r"; *p; p++)
        t->stops[(uint8_t)*p] = 1;
    t->stops[0] = t->stops[(uint8_t)t->separator] = t->stops[(uint8_t)t->comment] = 1;
    t->parts = calloc(count, sizeof *t->parts);
    if (!t->parts)
        return no_memory(t, e);
    t->part_count = count;
    for (uint32_t i = 0; i < count; i++)
        t->parts[i].file = files[i];
    for (uint32_t i = 0; i < count && status == RN_OK; i++)
        status = read_part(t, i, header, e);
    if (status == RN_OK)
        status = name_columns(t, header, e);
    return status;
}
