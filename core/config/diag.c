/* SPDX-License-Identifier: Apache-2.0 */
/* Errors with their place, all of them at once. What is shown may come from a hostile
 * file: control characters and broken UTF-8 never reach a terminal or the JSON. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/suggest.h"
#include "config/tree.h"

#define MOST_KEPT 20u /* errors shown; further ones are counted */

struct entry {
    int status;
    unsigned line, column, caret;
    char *file, *path, *source, *message, *hint; /* source: the line, or NULL */
    const char *via;                             /* lines below the hint, or NULL */
};

struct diag {
    struct arena *a;
    struct entry *all;
    uint32_t kept, capacity;
    uint32_t count; /* with those not kept */
};

struct diag *diag_create(void) {
    struct diag *d = memory_get(sizeof *d);
    d->a = arena_create();
    return d;
}

void diag_destroy(struct diag *d) {
    if (!d)
        return;
    arena_destroy(d->a);
    memory_release(d->all);
    memory_release(d);
}

uint32_t diag_count(const struct diag *d) {
    return d->count;
}

int diag_status(const struct diag *d) {
    return d->kept ? d->all[0].status : RN_OK;
}

const char *diag_first(const struct diag *d, const char **hint) {
    *hint = d->kept ? d->all[0].hint : NULL;
    return d->kept ? d->all[0].message : NULL;
}

void diag_add(struct diag *d, const struct rn_error *e) {
    if (++d->count > MOST_KEPT)
        return;
    struct entry x = {.status = e->status ? e->status : RN_E_INTERNAL,
                      .line = e->line,
                      .column = e->column,
                      .file = arena_copy(d->a, e->where),
                      .path = arena_copy(d->a, ""),
                      .message = arena_copy(d->a, e->message),
                      .hint = arena_copy(d->a, e->hint)};
    vec_push(d->all, d->kept, d->capacity, x);
}

static bool inside_character(char c) {
    return ((unsigned char)c & 0xc0u) == 0x80u;
}

/* The line of an error, or the part of a long one around the column. */
static void take_source(struct arena *a, const struct origin *from, struct entry *x) {
    const char *p = from->text, *end = p + from->length;
    for (unsigned i = 1; i < x->line && p < end; i++) {
        const char *next = memchr(p, '\n', (size_t)(end - p));
        p = next ? next + 1 : end;
    }
    const char *stop = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    if (!stop)
        stop = end;
    while (stop > p && stop[-1] == '\r')
        stop--;
    const char *at = p, *begin = p;
    for (unsigned column = 1; at < stop && column < x->column; column++)
        for (at++; at < stop && inside_character(*at);)
            at++;
    if (at - p > 120) {
        for (begin = at - 60; begin > p && inside_character(*begin);)
            begin--;
        at = begin;
    }
    const char *last = stop;
    if (last - begin > 160)
        for (last = begin + 160; last > begin && inside_character(*last);)
            last--;
    x->caret = x->column;
    if (begin > p) {
        unsigned hidden = 0;
        for (const char *q = p; q < begin; q++)
            hidden += !inside_character(*q);
        x->caret = x->column - hidden + 3;
    }
    x->source = arena_format(a, "%s%.*s%s", begin > p ? "..." : "", (int)(last - begin),
                             begin, last < stop ? "..." : "");
}

int diag_at(struct diag *d, const struct origin *from, unsigned line, unsigned column,
            const char *path, int status, const char *message) {
    if (++d->count > MOST_KEPT)
        return status;
    struct entry x = {.status = status,
                      .line = line,
                      .column = column,
                      .file = arena_copy(d->a, from->name),
                      .path = arena_copy(d->a, path ? path : ""),
                      .message = arena_copy(d->a, message),
                      .hint = arena_copy(d->a, "")};
    if (line)
        take_source(d->a, from, &x);
    if (from->is_default || from->is_argument) /* shown, but without a line to name */
        x.line = x.column = 0;
    vec_push(d->all, d->kept, d->capacity, x);
    return status;
}

int node_error(struct diag *d, const struct node *n, bool at_key, int status,
               const char *format, ...) {
    char text[600];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    bool key = at_key && n->key_at.line && !n->origin->is_default;
    diag_at(d, n->origin, key ? n->key_at.line : n->at.line,
            key ? n->key_at.column : n->at.column, n->path, status, text);
    if (n->via && !key && d->count == d->kept)
        d->all[d->kept - 1].via = arena_copy(d->a, n->via);
    return status;
}

void diag_hint(struct diag *d, const char *format, ...) {
    va_list ap;
    if (!d->count || d->count > d->kept)
        return;
    va_start(ap, format);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (n < 0)
        return;
    char *text = arena_get(d->a, (size_t)n + 1);
    va_start(ap, format);
    vsnprintf(text, (size_t)n + 1, format, ap);
    va_end(ap);
    d->all[d->kept - 1].hint = text;
}

void diag_suggest(struct diag *d, const struct suggest *names, const char *word,
                  const char *head) {
    struct text hint = {0};
    suggest_text(names, word, head, &hint);
    if (hint.length)
        diag_hint(d, "%s", text_get(&hint));
    text_finish(&hint);
}

const char *node_origin(struct arena *a, const struct node *n) {
    const struct origin *o = n->origin;
    return o->is_default || o->is_argument
               ? o->name
               : arena_format(a, "%s:%u:%u", o->name, n->at.line, n->at.column);
}

void diag_restate(struct diag *d, int status) {
    for (uint32_t i = 0; i < d->kept; i++)
        d->all[i].status = status;
}

void diag_asked_by(struct diag *d, const struct node *n) {
    if (!d->count || d->count > d->kept)
        return;
    struct entry *x = &d->all[d->kept - 1];
    if (n->via)
        x->via = arena_copy(d->a, n->via);
    if (n->origin->is_default) {
        x->hint = arena_format(d->a, "%s%sasked for by the %s", x->hint,
                               x->hint[0] ? "\n" : "", n->origin->name);
        return;
    }
    x->hint = arena_format(d->a, "%s%sasked for by %s in %s", x->hint,
                           x->hint[0] ? "\n" : "", n->path, node_origin(d->a, n));
}

int diag_place(struct diag *d, const struct node *root, const struct rn_error *e) {
    const struct node *n =
        e->where_kind == RN_WHERE_CONFIG ? node_at(root, e->where) : NULL;
    if (!n) {
        diag_add(d, e);
        return e->status;
    }
    node_error(d, n, false, e->status, "%s", e->message);
    if (e->hint[0])
        diag_hint(d, "%s", e->hint);
    return e->status;
}

/* ------------------------------------------------------------------ output */

/* Bytes of the character at s, 0 when it is not UTF-8 or may not be shown: C0 and C1
 * controls. */
static size_t character(const char *s) {
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x20 || u[0] == 0x7f || (u[0] == 0xc2 && u[1] < 0xa0))
        return 0;
    return text_character(s, 4);
}

static void add_clean(struct text *out, const char *s, size_t length) {
    for (const char *end = s + length; s < end;) {
        size_t n = character(s);
        if (n)
            text_add_n(out, s, n);
        else if (*s == '\t')
            text_add(out, "\t");
        else
            text_add(out, "?");
        s += n ? n : 1;
    }
}

static void print_source(const struct entry *x, struct text *out, const char *on,
                         const char *off) {
    if (!x->source)
        return;
    if (x->line)
        text_addf(out, "%5u | ", x->line);
    else
        text_add(out, "      | ");
    add_clean(out, x->source, strlen(x->source));
    text_add(out, "\n      | ");
    unsigned column = 1;
    for (const char *p = x->source; *p && column < x->caret; p++) {
        if (inside_character(*p))
            continue;
        text_add(out, *p == '\t' ? "\t" : " ");
        column++;
    }
    text_addf(out, "%s^%s\n", on, off);
}

/* Lines below an error, indented. */
static void print_lines(const char *p, struct text *out) {
    while (*p) {
        size_t n = strcspn(p, "\n");
        text_add(out, "  ");
        add_clean(out, p, n);
        text_add(out, "\n");
        p += n + (p[n] == '\n');
    }
}

/* Those of one text together, in the order of its lines; texts as they came up. */
static void in_order(const struct diag *d, const struct entry *out[MOST_KEPT]) {
    uint32_t text[MOST_KEPT], n = 0;
    for (uint32_t i = 0; i < d->kept; i++) {
        uint32_t first = 0, at = n;
        while (strcmp(d->all[first].file, d->all[i].file) != 0)
            first++;
        for (; at > 0; at--) {
            const struct entry *x = out[at - 1], *y = &d->all[i];
            if (text[at - 1] != first ? text[at - 1] < first
                : x->line != y->line  ? x->line < y->line
                                      : x->column <= y->column)
                break;
            out[at] = x;
            text[at] = text[at - 1];
        }
        out[at] = &d->all[i];
        text[at] = first;
        n++;
    }
}

void diag_print(const struct diag *d, struct text *out, bool colour) {
    const struct entry *sorted[MOST_KEPT];
    const char *red = colour ? "\033[1;31m" : "", *bold = colour ? "\033[1m" : "",
               *off = colour ? "\033[0m" : "";
    in_order(d, sorted);
    for (uint32_t i = 0; i < d->kept; i++) {
        const struct entry *x = sorted[i];
        text_add(out, bold);
        add_clean(out, x->file[0] ? x->file : "runner",
                  strlen(x->file[0] ? x->file : "runner"));
        if (x->file[0] && x->line)
            text_addf(out, ":%u:%u", x->line, x->column ? x->column : 1);
        text_addf(out, ":%s %serror:%s ", off, red, off);
        add_clean(out, x->message, strlen(x->message));
        text_add(out, "\n");
        print_source(x, out, red, off);
        print_lines(x->hint, out);
        print_lines(x->via ? x->via : "", out);
    }
    if (d->count > d->kept)
        text_addf(out, "and %u more errors\n", d->count - d->kept);
}

void diag_json(const struct diag *d, struct text *out) {
    const struct entry *sorted[MOST_KEPT];
    struct json_writer w;
    in_order(d, sorted);
    json_begin(&w, out);
    json_object(&w, NULL);
    json_array(&w, "errors");
    for (uint32_t i = 0; i < d->kept; i++) {
        const struct entry *x = sorted[i];
        json_object(&w, NULL);
        json_int(&w, "status", x->status);
        json_uint(&w, "line", x->line);
        json_uint(&w, "column", x->column);
        json_string(&w, "file", x->file);
        json_string(&w, "path", x->path);
        json_string(&w, "message", x->message);
        json_string(&w, "hint", x->hint);
        if (x->via)
            json_string(&w, "via", x->via);
        json_close(&w);
    }
    json_close(&w);
    json_uint(&w, "more", d->count - d->kept);
    json_close(&w);
    json_end(&w);
}
