/* SPDX-License-Identifier: Apache-2.0 */
/* Commas, quotes, escapes and numbers of JSON (RFC 8259). */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"

static void quote(struct text *out, const char *s) {
    text_add(out, "\"");
    while (*s) {
        unsigned char c = (unsigned char)*s;
        size_t n = text_character(s, 4); /* a NUL ends it sooner */
        if (c == '"' || c == '\\')
            text_addf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            text_addf(out, "\\u%04x", c);
        else if (n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0) /* C1 controls */
            text_addf(out, "\\u%04x", (unsigned char)s[1]);
        else if (n)
            text_add_n(out, s, n);
        else
            text_add(out, "\\ufffd");
        s += n ? n : 1;
    }
    text_add(out, "\"");
}

enum { OBJECT = 1, LINES = 2 /* its elements begin on lines of their own */ };

static bool innermost(const struct json_writer *w, unsigned kind) {
    return w->open && (w->kinds[w->open - 1] & kind);
}

/* What stands before a value: comma, line, key. */
static void start(struct json_writer *w, const char *key) {
    assert((key != NULL) == innermost(w, OBJECT));
    assert(w->open || !w->any); /* one value at the top */
    if (innermost(w, LINES))
        text_add(w->out, w->any ? ",\n  " : "\n  ");
    else if (w->any)
        text_add(w->out, ", ");
    w->any = true;
    if (key) {
        quote(w->out, key);
        text_add(w->out, ": ");
    }
}

static void open(struct json_writer *w, const char *key, unsigned kind) {
    assert(w->open < JSON_MAX_OPEN);
    start(w, key);
    w->kinds[w->open++] = (uint8_t)kind;
    w->any = false;
    text_add(w->out, kind & OBJECT ? "{" : "[");
}

void json_begin(struct json_writer *w, struct text *out) {
    w->out = out;
    w->open = 0;
    w->any = false;
}

void json_end(const struct json_writer *w) {
    assert(!w->open && w->any);
    (void)w;
}

void json_object(struct json_writer *w, const char *key) {
    open(w, key, OBJECT);
}

void json_array(struct json_writer *w, const char *key) {
    open(w, key, 0);
}

void json_object_lines(struct json_writer *w, const char *key) {
    open(w, key, OBJECT | LINES);
}

void json_array_lines(struct json_writer *w, const char *key) {
    open(w, key, LINES);
}

void json_close(struct json_writer *w) {
    assert(w->open);
    bool object = innermost(w, OBJECT);
    if (innermost(w, LINES) && w->any)
        text_add(w->out, "\n");
    text_add(w->out, object ? "}" : "]");
    w->open--;
    w->any = true;
}

void json_string(struct json_writer *w, const char *key, const char *s) {
    start(w, key);
    if (s)
        quote(w->out, s);
    else
        text_add(w->out, "null");
}

void json_bool(struct json_writer *w, const char *key, bool value) {
    json_raw(w, key, value ? "true" : "false");
}

void json_int(struct json_writer *w, const char *key, int64_t value) {
    start(w, key);
    text_addf(w->out, "%lld", (long long)value);
}

void json_uint(struct json_writer *w, const char *key, uint64_t value) {
    start(w, key);
    text_addf(w->out, "%llu", (unsigned long long)value);
}

void json_number(struct json_writer *w, const char *key, double value) {
    char s[40] = "null";
    for (int digits = 15; isfinite(value) && digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, value);
        if (strtod(s, NULL) == value)
            break;
    }
    json_raw(w, key, s);
}

void json_null(struct json_writer *w, const char *key) {
    json_raw(w, key, "null");
}

void json_raw(struct json_writer *w, const char *key, const char *json) {
    start(w, key);
    text_add(w->out, json);
}
