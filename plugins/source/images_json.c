/* SPDX-License-Identifier: Apache-2.0 */
/* One value of a small JSON object (RFC 8259), for the labels of WebDataset. */
#include "images_list.h"

#define NESTED_MAX 32

struct cursor {
    const char *p, *end;
};

static void blanks(struct cursor *c) {
    while (c->p < c->end && strchr(" \t\r\n", *c->p) && *c->p)
        c->p++;
}

/* 1: that character is next, and passed. */
static int take(struct cursor *c, char what) {
    blanks(c);
    return c->p < c->end && *c->p == what ? (c->p++, 1) : 0;
}

/* A string that begins here; *from and *n are what is between the quotes. */
static int string(struct cursor *c, const char **from, uint32_t *n, int *escapes) {
    *escapes = 0;
    if (!take(c, '"'))
        return 0;
    *from = c->p;
    for (; c->p < c->end && *c->p != '"'; c->p++)
        if (*c->p == '\\') {
            *escapes = 1;
            c->p++;
        }
    if (c->p >= c->end)
        return 0;
    *n = (uint32_t)(c->p++ - *from);
    return 1;
}

/* Past any value; 0: it is not one. */
static int skip(struct cursor *c, int depth) {
    const char *from;
    uint32_t n;
    int escapes;
    blanks(c);
    if (c->p >= c->end || depth > NESTED_MAX)
        return 0;
    if (*c->p == '"')
        return string(c, &from, &n, &escapes);
    char open = *c->p, close = open == '{' ? '}' : ']';
    if (open != '{' && open != '[') {
        for (from = c->p; c->p < c->end && !strchr(",]} \t\r\n", *c->p); c->p++)
            ;
        return c->p > from;
    }
    c->p++;
    if (take(c, close))
        return 1;
    do {
        if (open == '{' && !(string(c, &from, &n, &escapes) && take(c, ':')))
            return 0;
        if (!skip(c, depth + 1))
            return 0;
    } while (take(c, ','));
    return take(c, close);
}

const char *image_json_find(const char *text, uint64_t size, const char *key,
                            const char **value, uint32_t *length) {
    struct cursor c = {text, text + size};
    const char *name;
    uint32_t n;
    int escapes, found;
    if (size > UINT32_MAX || !take(&c, '{'))
        return "is not a JSON object";
    do {
        if (!string(&c, &name, &n, &escapes) || !take(&c, ':'))
            return "is not an intact JSON object";
        found = n == strlen(key) && memcmp(name, key, n) == 0;
        blanks(&c);
        *value = c.p;
        int text_value = c.p < c.end && *c.p == '"';
        int nested = c.p < c.end && (*c.p == '{' || *c.p == '[');
        if (found && text_value) {
            if (!string(&c, value, length, &escapes))
                return "is not an intact JSON object";
            return escapes ? "has a label with escaped characters" : NULL;
        }
        if (!skip(&c, 0))
            return "is not an intact JSON object";
        *length = (uint32_t)(c.p - *value);
        if (found)
            return nested ? "has a label that is not a number or text" : NULL;
    } while (take(&c, ','));
    return take(&c, '}') ? "does not have the label's key"
                         : "is not an intact JSON object";
}
