/* SPDX-License-Identifier: Apache-2.0 */
/* Errors with their place, all of them at once. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/tree.h"

struct entry {
    int status;
    unsigned line, column;
    char *file, *path, *source, *message, *hint; /* source: the line, or NULL */
};

struct diag {
    struct arena *a;
    struct entry *all;
    uint32_t count, capacity;
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
    return d->count ? d->all[0].status : RN_OK;
}

void diag_add(struct diag *d, const struct rn_error *e) {
    struct entry x = {.status = e->status ? e->status : RN_E_INTERNAL,
                      .line = e->line,
                      .column = e->column,
                      .file = arena_copy(d->a, e->where),
                      .path = arena_copy(d->a, ""),
                      .message = arena_copy(d->a, e->message),
                      .hint = arena_copy(d->a, e->hint)};
    vec_push(d->all, d->count, d->capacity, x);
}

/* Line `n` of the text, without its end. */
static char *line_of(struct arena *a, const struct origin *from, unsigned n) {
    const char *p = from->text, *end = p + from->length;
    for (unsigned i = 1; i < n && p < end; i++) {
        const char *next = memchr(p, '\n', (size_t)(end - p));
        p = next ? next + 1 : end;
    }
    const char *stop = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    size_t length = (size_t)((stop ? stop : end) - p);
    if (length > 200)
        length = 200;
    while (length && p[length - 1] == '\r')
        length--;
    return arena_copy_n(a, p, length);
}

int diag_at(struct diag *d, const struct origin *from, unsigned line, unsigned column,
            const char *path, int status, const char *message) {
    struct entry x = {.status = status,
                      .line = line,
                      .column = column,
                      .file = arena_copy(d->a, from->name),
                      .path = arena_copy(d->a, path ? path : ""),
                      .source = line ? line_of(d->a, from, line) : NULL,
                      .message = arena_copy(d->a, message),
                      .hint = arena_copy(d->a, "")};
    vec_push(d->all, d->count, d->capacity, x);
    return status;
}

int node_error(struct diag *d, const struct node *n, bool at_key, int status,
               const char *format, ...) {
    char text[600];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    bool key = at_key && n->key_line;
    return diag_at(d, n->origin, key ? n->key_line : n->line,
                   key ? n->key_column : n->column, n->path, status, text);
}

void diag_hint(struct diag *d, const char *format, ...) {
    char text[1200];
    va_list ap;
    if (!d->count)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    d->all[d->count - 1].hint = arena_copy(d->a, text);
}

/* ------------------------------------------------------------------ output */

static void print_source(const struct entry *x, struct text *out, const char *on,
                         const char *off) {
    if (!x->source || !x->line)
        return;
    text_addf(out, "%5u | %s\n      | ", x->line, x->source);
    unsigned column = 1;
    for (const char *p = x->source; *p && column < x->column; p++) {
        if (((unsigned char)*p & 0xc0u) == 0x80u)
            continue; /* inside a character */
        text_add(out, *p == '\t' ? "\t" : " ");
        column++;
    }
    text_addf(out, "%s^%s\n", on, off);
}

void diag_print(const struct diag *d, struct text *out, bool colour) {
    const char *red = colour ? "\033[1;31m" : "", *bold = colour ? "\033[1m" : "",
               *off = colour ? "\033[0m" : "";
    for (uint32_t i = 0; i < d->count; i++) {
        const struct entry *x = &d->all[i];
        text_add(out, bold);
        if (x->file[0] && x->line)
            text_addf(out, "%s:%u:%u: ", x->file, x->line, x->column ? x->column : 1);
        else
            text_addf(out, "%s: ", x->file[0] ? x->file : "runner");
        text_addf(out, "%s%serror:%s %s\n", off, red, off, x->message);
        print_source(x, out, red, off);
        for (const char *p = x->hint; *p;) {
            size_t n = strcspn(p, "\n");
            text_addf(out, "  %.*s\n", (int)n, p);
            p += n + (p[n] == '\n');
        }
    }
}

static void json_string(struct text *out, const char *s) {
    text_add(out, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            text_addf(out, "\\%c", c);
        else if (c < 0x20)
            text_addf(out, "\\u%04x", c);
        else
            text_add_n(out, s, 1);
    }
    text_add(out, "\"");
}

void diag_json(const struct diag *d, struct text *out) {
    text_add(out, "{\"errors\": [");
    for (uint32_t i = 0; i < d->count; i++) {
        const struct entry *x = &d->all[i];
        text_addf(out, "%s{\"status\": %d, \"line\": %u, \"column\": %u, \"file\": ",
                  i ? ", " : "", x->status, x->line, x->column);
        json_string(out, x->file);
        text_add(out, ", \"path\": ");
        json_string(out, x->path);
        text_add(out, ", \"message\": ");
        json_string(out, x->message);
        text_add(out, ", \"hint\": ");
        json_string(out, x->hint);
        text_add(out, "}");
    }
    text_add(out, "]}");
}
