/* SPDX-License-Identifier: Apache-2.0 */
/* The checked tree as canonical YAML, with where each value came from if asked. */
#include <stdio.h>
#include <string.h>

#include "config/tree.h"

/* Can it stand without quotes and be read back the same? */
static bool plain(const char *s, bool key) {
    static const char *const words[] = {"null", "~",  "true", "false",
                                        "yes",  "no", "on",   "off"};
    if (!*s || (*s >= '0' && *s <= '9' && key))
        return *s != '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(s, words[i]) == 0)
            return false;
    return s[strspn(s,
                    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./"
                    "+-%")] == '\0' &&
           !strchr("-%", *s);
}

static void print_text(const char *s, bool key, struct text *out) {
    if (plain(s, key)) {
        text_add(out, s);
        return;
    }
    text_add(out, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            text_addf(out, "\\%c", c);
        else if (c == '\n')
            text_add(out, "\\n");
        else if (c == '\t')
            text_add(out, "\\t");
        else if (c < 0x20 || c == 0x7f)
            text_addf(out, "\\x%02x", c);
        else if (c == 0xc2 && (unsigned char)s[1] < 0xa0) /* U+0080 to U+009F */
            text_addf(out, "\\x%02x", (unsigned char)*++s);
        else if (c == '$' && s[1] == '{' && !key)
            text_add(out, "$$");
        else
            text_add_n(out, s, 1);
    }
    text_add(out, "\"");
}

static void print_scalar(const struct node *n, struct text *out) {
    switch (n->type) {
    case VALUE_BOOL:
        text_add(out, n->b ? "true" : "false");
        break;
    case VALUE_INT:
    case VALUE_FLOAT:
        text_add(out, n->raw);
        break;
    case VALUE_PATH:
        print_text(n->s, false, out);
        break;
    default:
        if (!n->quoted && n->raw[strspn(n->raw, "0123456789.eE+-")] == '\0' && *n->raw)
            text_add(out, n->raw); /* a number of a host key */
        else
            print_text(n->raw, false, out);
        break;
    }
}

static void blame_text(const struct node *n, bool blame, struct text *out) {
    if (blame && n->origin && n->origin->is_default)
        text_add(out, "  # default");
    else if (blame && n->origin) {
        struct arena *a = arena_create();
        text_addf(out, "  # %s", node_origin(a, n));
        arena_destroy(a);
    }
    text_add(out, "\n");
}

static void print_node(const struct node *n, int indent, bool blame, bool first,
                       struct text *out) {
    for (uint32_t i = 0; i < n->count; i++) {
        const struct node *c = n->items[i];
        if (!(first && i == 0))
            text_addf(out, "%*s", indent, "");
        if (n->kind == NODE_MAP) {
            print_text(c->key, true, out);
            text_add(out, ":");
        } else {
            text_add(out, "-");
        }
        if (c->kind == NODE_SCALAR) {
            text_add(out, " ");
            print_scalar(c, out);
            blame_text(c, blame, out);
        } else if (c->count == 0) {
            text_add(out, c->kind == NODE_LIST  ? " []"
                          : c->kind == NODE_MAP ? " {}"
                                                : " null");
            blame_text(c, blame, out);
        } else if (n->kind == NODE_LIST) {
            text_add(out, " ");
            print_node(c, indent + 2, blame, true, out);
        } else {
            text_add(out, "\n");
            print_node(c, indent + 2, blame, false, out);
        }
    }
}

void config_print_node(const struct node *n, struct text *out) {
    if (n && n->kind == NODE_SCALAR)
        print_scalar(n, out);
    else if (n)
        print_node(n, 0, false, false, out);
}

void config_print(const struct config *c, bool blame, struct text *out) {
    print_node(c->root, 0, blame, false, out);
}

static const char *quote(struct arena *a, const char *s, bool dollars) {
    char *out = arena_get(a, 3 * strlen(s) + 3), *p = out;
    *p++ = '\'';
    for (; *s; s++) {
        if (*s == '\'' || (dollars && *s == '$' && s[1] == '{'))
            *p++ = *s;
        *p++ = *s;
    }
    *p++ = '\'';
    *p = '\0';
    return out;
}

const char *config_quoted(struct arena *a, const char *s) {
    return quote(a, s, true);
}

const char *config_quoted_key(struct arena *a, const char *s) {
    return quote(a, s, false);
}
