/* SPDX-License-Identifier: Apache-2.0 */
#include <runner/sdk/error.h>

#include "csv_table.h"

static int32_t no_memory(const struct csv_table *t, struct rn_error *e) {
    return rn_failf(e, RN_E_MEMORY, t->parts ? t->parts[0].file : NULL, 0, 0,
                    "no memory for the table");
}

static void cells_finish(struct csv_cell *cells, uint64_t n) {
    for (uint64_t i = 0; cells && i < n; i++)
        free(cells[i].text);
    free(cells);
}

void csv_table_finish(struct csv_table *t) {
    cells_finish(t->header, t->width);
    free(t->parts);
    free(t->to);
    free(t->names);
    free(t->unnamed);
    free(t->numbered);
    free(t->twin);
    free(t->slots);
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

static void sort_named(struct named *out, uint32_t width) {
    qsort(out, width, sizeof *out, by_name);
}

/* The first column that one of two sorted headers has and the other lacks. */
static int32_t other_columns(const struct csv_table *t, const struct csv_part *part,
                             const struct csv_rows *r, const struct named *here,
                             const struct named *there, struct rn_error *e) {
    uint32_t i = 0, k = 0, n = r->count;
    while (i < n && k < t->width && strcmp(here[i].name, there[k].name) == 0)
        i++, k++;
    int extra = k == t->width || (i < n && strcmp(here[i].name, there[k].name) < 0);
    uint32_t at = extra ? here[i].at : 0;
    rn_failf(e, RN_E_DATA, part->file, r->cells[at].line,
             extra ? r->cells[at].column : 0, "%s the column '%.100s'",
             extra ? "has" : "lacks", extra ? here[i].name : there[k].name);
    rn_hintf(e,
             "the first file, %.120s, %s it: the files of a table have the same "
             "columns",
             t->parts[0].file, extra ? "lacks" : "has");
    return RN_E_DATA;
}

/* to[i]: which column cell i of the file is, by the header in r. */
static int32_t match_columns(const struct csv_table *t, const struct csv_part *part,
                             const struct csv_rows *r, uint32_t *to,
                             struct rn_error *e) {
    uint32_t width = r->count;
    struct named *names = calloc((size_t)width + t->width, sizeof *names);
    struct named *here = names, *there = names + width;
    int32_t status = RN_OK;
    if (!names)
        return no_memory(t, e);
    for (uint32_t i = 0; i < width; i++)
        here[i] = (struct named){csv_rows_text(r, &r->cells[i]), i};
    for (uint32_t i = 0; i < t->width; i++)
        there[i] = (struct named){t->header[i].text, i};
    sort_named(here, width);
    sort_named(there, t->width);
    int same = width == t->width;
    for (uint32_t i = 0; same && i < width; i++)
        same = strcmp(here[i].name, there[i].name) == 0;
    for (uint32_t i = 0; same && i < width; i++)
        to[here[i].at] = there[i].at;
    if (!same)
        status = other_columns(t, part, r, here, there, e);
    free(names);
    return status;
}

/* ---------------------------------------------------------------- a walk */

/* The first file's first row: how wide the table is, and its header. */
static int32_t first_row(struct csv_table *t, const struct csv_rows *r,
                         struct rn_error *e) {
    uint64_t bytes = r->count * (sizeof *t->header + sizeof *t->to);
    if (!rn_budget_take(t->budget, bytes))
        return rn_budget_error(t->budget, t->parts[0].file, e);
    t->header = calloc(r->count, sizeof *t->header);
    t->to = calloc(r->count, sizeof *t->to);
    if (!t->header || !t->to)
        return no_memory(t, e);
    t->width = r->count;
    for (uint32_t i = 0; i < t->width; i++) {
        const struct csv_piece *c = &r->cells[i];
        t->to[i] = i;
        t->header[i] =
            (struct csv_cell){strdup(csv_rows_text(r, c)), c->line, c->column};
        if (!t->header[i].text)
            return no_memory(t, e);
    }
    return RN_OK;
}

/* The first row of file i: its header is matched, or it is left to be read again. */
static int32_t begin_part(struct csv_table *t, uint32_t i, struct csv_rows *r,
                          struct rn_error *e) {
    const struct csv_part *part = &t->parts[i];
    int32_t status = csv_rows_row(r, e);
    if (status == RN_OK && !t->header)
        status = first_row(t, r, e);
    if (status != RN_OK)
        return status;
    r->width = r->count;
    r->spare = t->has_header && !r->cells[r->count - 1].n;
    if (t->has_header)
        return match_columns(t, part, r, t->to, e);
    if (r->width != t->width)
        return rn_failf(e, RN_E_DATA, part->file, 1, 0,
                        "has rows of %u cells; those of %.300s have %u", r->width,
                        t->parts[0].file, t->width);
    r->p = r->row;
    r->line = r->row_line;
    r->used = 0;
    return RN_OK;
}

/* The rows of file i; *row counts those of data. */
static int32_t walk_part(struct csv_table *t, uint32_t i, struct csv_rows *r,
                         uint64_t *row, csv_row_fn *fn, void *context,
                         struct rn_error *e) {
    struct csv_part *part = &t->parts[i];
    int there, begun = 0;
    int32_t status =
        csv_rows_open(r, part->file, t->encoding, &t->dialect, t->budget, e);
    while (status == RN_OK) {
        status = csv_rows_begin(r, &there, e);
        if (status != RN_OK || !there)
            break;
        if (!begun++) {
            status = begin_part(t, i, r, e);
            if (status != RN_OK || t->has_header)
                continue;
        }
        status = fn(context, r, *row, e);
        ++*row;
    }
    if (status == RN_OK && !begun)
        status = rn_failf(e, RN_E_DATA, part->file, 0, 0, "is empty");
    part->rows_end = *row;
    return status;
}

int32_t csv_table_walk(struct csv_table *t, csv_row_fn *fn, void *context,
                       struct rn_error *e) {
    struct csv_rows r;
    uint64_t row = 0;
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < t->part_count && status == RN_OK; i++) {
        status = walk_part(t, i, &r, &row, fn, context, e);
        csv_rows_finish(&r);
    }
    if (status == RN_OK && t->count && row != t->count)
        status =
            rn_failf(e, RN_E_IO, t->parts[0].file, 0, 0, "changed while it was read");
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

int32_t csv_table_name(struct csv_table *t, int last_is_empty, struct rn_error *e) {
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
    t->count = t->parts[t->part_count - 1].rows_end;
    if (!t->count)
        return rn_failf(e, RN_E_DATA, t->parts[0].file, 0, 0, "has no rows of data");
    for (uint32_t i = 0; i < t->width; i++) {
        snprintf(t->numbered[i], sizeof t->numbered[i], "c%u", i + 1);
        t->unnamed[i] = t->has_header && !*t->header[i].text;
        t->names[i] =
            t->has_header && !t->unnamed[i] ? t->header[i].text : t->numbered[i];
    }
    if (!t->has_header && t->width > 1)
        t->unnamed[t->width - 1] = (uint8_t)last_is_empty;
    index_names(t, 0);
    index_names(t, 1);
    return RN_OK;
}

int32_t csv_table_open(struct csv_table *t, const char *const *files, uint32_t count,
                       struct rn_error *e) {
    struct csv_dialect *d = &t->dialect;
    for (const char *p = "\n\r"; *p; p++)
        d->stops[(uint8_t)*p] = 1;
    d->stops[0] = d->stops[(uint8_t)d->separator] = d->stops[(uint8_t)d->comment] = 1;
    t->parts = calloc(count, sizeof *t->parts);
    if (!t->parts)
        return no_memory(t, e);
    t->part_count = count;
    for (uint32_t i = 0; i < count; i++)
        t->parts[i].file = files[i];
    return RN_OK;
}

/* ----------------------------------------------------------------- all cells */

struct collector {
    struct csv_table *t;
    struct csv_cells *all;
    uint64_t capacity;
};

static int32_t collect(void *context, struct csv_rows *r, uint64_t row,
                       struct rn_error *e) {
    struct collector *c = context;
    struct csv_cells *all = c->all;
    uint32_t width = c->t->width;
    int32_t status = csv_rows_row(r, e);
    if (status != RN_OK)
        return status;
    if (row * width + width > c->capacity) {
        uint64_t capacity = 2 * c->capacity + 64 * (uint64_t)width;
        if (!rn_budget_take(c->t->budget, (capacity - c->capacity) * sizeof *all->at))
            return rn_budget_error(c->t->budget, r->in.file, e);
        struct csv_cell *more = realloc(all->at, capacity * sizeof *more);
        if (!more)
            return no_memory(c->t, e);
        all->at = more;
        c->capacity = capacity;
    }
    for (uint32_t i = 0; i < width; i++) {
        const struct csv_piece *p = &r->cells[i];
        if (!rn_budget_take(c->t->budget, p->n + 1))
            return rn_budget_error(c->t->budget, r->in.file, e);
        char *text = strdup(csv_rows_text(r, p));
        if (!text)
            return no_memory(c->t, e);
        all->at[row * width + c->t->to[i]] =
            (struct csv_cell){text, p->line, p->column};
        all->count++;
    }
    return RN_OK;
}

int32_t csv_cells_collect(struct csv_cells *all, struct csv_table *t, const char *file,
                          int header, struct rn_error *e) {
    struct collector c = {t, all, 0};
    t->has_header = header;
    int32_t status = csv_table_open(t, &file, 1, e);
    if (status == RN_OK)
        status = csv_table_walk(t, collect, &c, e);
    return status == RN_OK ? csv_table_name(t, 0, e) : status;
}

void csv_cells_finish(struct csv_cells *all) {
    cells_finish(all->at, all->count);
    all->at = NULL;
}
