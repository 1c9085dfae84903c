/* SPDX-License-Identifier: Apache-2.0 */
/* YAML to nodes through libyaml's events, within limits that hold against hostile text.
 */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "config/tree.h"

#define MOST_DEPTH      64u
#define MOST_EVENTS     100000u
#define MOST_ANCHORS    256u
#define MOST_NODES      50000u
#define MOST_SCALAR     65536u
#define MOST_DIRECTIVES 8u

struct anchor {
    const char *name;
    struct node *node;
};

struct parser {
    struct arena *a;
    const struct origin *from;
    struct limits *limits;
    struct diag *d;
    yaml_parser_t yaml;
    yaml_event_t event;
    bool event_held;
    unsigned shift; /* characters in front of the YAML in its first line */
    uint32_t events, depth;
    struct anchor anchors[MOST_ANCHORS];
    uint32_t anchor_count;
    bool failed;
};

struct node *tree_new(struct arena *a, enum node_kind kind, const struct origin *from) {
    struct node *n = arena_new(a, struct node);
    n->kind = kind;
    n->origin = from;
    n->path = "";
    return n;
}

void tree_append(struct arena *a, struct node *parent, struct node *child) {
    if (parent->count == parent->capacity) {
        uint32_t capacity = parent->capacity ? 2 * parent->capacity : 4;
        struct node **grown = arena_array(a, struct node *, capacity);
        if (parent->count)
            memcpy(grown, parent->items, parent->count * sizeof *grown);
        parent->items = grown;
        parent->capacity = capacity;
    }
    parent->items[parent->count++] = child;
}

void tree_remove(struct node *parent, const struct node *child) {
    uint32_t k = 0;
    for (uint32_t i = 0; i < parent->count; i++)
        if (parent->items[i] != child)
            parent->items[k++] = parent->items[i];
    parent->count = k;
}

struct node *tree_copy(struct arena *a, const struct node *n) {
    struct node *c = arena_new(a, struct node);
    *c = *n;
    c->items = NULL;
    c->count = c->capacity = 0;
    for (uint32_t i = 0; i < n->count; i++)
        tree_append(a, c, tree_copy(a, n->items[i]));
    return c;
}

struct node *tree_find(const struct node *n, const char *key) {
    if (!n || n->kind != NODE_MAP)
        return NULL;
    for (uint32_t i = 0; i < n->count; i++)
        if (strcmp(n->items[i]->key, key) == 0)
            return n->items[i];
    return NULL;
}

bool tree_null(const struct node *n) {
    return n->kind == NODE_NULL ||
           (n->kind == NODE_SCALAR && !n->quoted &&
            (!*n->raw || strcmp(n->raw, "~") == 0 || strcmp(n->raw, "null") == 0));
}

void tree_paths(struct arena *a, struct node *n, const char *path) {
    n->path = path;
    if (n->named)
        tree_paths(a, n->named, path);
    for (uint32_t i = 0; i < n->count; i++) {
        struct node *c = n->items[i];
        char index[16];
        snprintf(index, sizeof index, "%u", i);
        const char *key = n->kind == NODE_MAP ? c->key : index;
        tree_paths(a, c,
                   *path ? arena_format(a, "%s.%s", path, key) : arena_copy(a, key));
    }
}

/* ----------------------------------------------------------------- parsing */

static unsigned line_of(yaml_mark_t at) {
    return (unsigned)at.line + 1;
}

static unsigned column_of(const struct parser *p, yaml_mark_t at) {
    return (unsigned)at.column + 1 + (at.line ? 0 : p->shift);
}

static struct node *fail(struct parser *p, yaml_mark_t at, const char *text) {
    if (!p->failed)
        diag_at(p->d, p->from, line_of(at), column_of(p, at), "", RN_E_CONFIG, text);
    p->failed = true;
    return NULL;
}

/* The scanner's errors have a mark; those of the reader only an offset in bytes. What
 * is missed at the very end is shown where it was opened. */
static yaml_mark_t problem_mark(const struct parser *p) {
    yaml_mark_t at = p->yaml.problem_mark;
    if (p->yaml.error != YAML_READER_ERROR)
        return p->yaml.context && p->yaml.eof && p->yaml.unread <= 1
                   ? p->yaml.context_mark
                   : at;
    const char *text = p->from->text + p->from->skip;
    size_t length = p->from->length - p->from->skip;
    at.line = at.column = 0;
    for (size_t i = 0; i < p->yaml.problem_offset && i < length; i++) {
        if (text[i] == '\n') {
            at.line++;
            at.column = 0;
        } else {
            at.column += ((unsigned char)text[i] & 0xc0u) != 0x80u;
        }
    }
    return at;
}

/* Is there a `${` in the line of the mark? Its braces are YAML's inside { } and [ ]. */
static bool holds_reference(const struct parser *p, yaml_mark_t at) {
    const char *s = p->from->text + p->from->skip,
               *end = p->from->text + p->from->length;
    for (size_t line = 0; line < at.line && s < end; line++) {
        const char *next_line = memchr(s, '\n', (size_t)(end - s));
        s = next_line ? next_line + 1 : end;
    }
    for (; s + 1 < end && *s != '\n'; s++)
        if (s[0] == '$' && s[1] == '{')
            return true;
    return false;
}

/* Is a tab what the mark stands on? */
static bool begins_with_tab(const struct parser *p, yaml_mark_t at) {
    size_t i = p->from->skip + at.index;
    return i < p->from->length && p->from->text[i] == '\t';
}

/* The next event; false after an error. */
static bool next(struct parser *p) {
    char text[300];
    if (p->event_held)
        yaml_event_delete(&p->event);
    p->event_held = false;
    if (p->failed)
        return false;
    if (!yaml_parser_parse(&p->yaml, &p->event)) {
        if (p->yaml.error == YAML_MEMORY_ERROR) {
            struct rn_error e = {0};
            error_set(&e, RN_E_MEMORY, "no memory to read the experiment");
            diag_add(p->d, &e);
            p->failed = true;
            return false;
        }
        const char *problem = p->yaml.problem ? p->yaml.problem : "it cannot be read";
        snprintf(text, sizeof text, "this is not valid YAML: %s%s%s", problem,
                 p->yaml.context ? " " : "", p->yaml.context ? p->yaml.context : "");
        yaml_mark_t at = problem_mark(p);
        fail(p, at, text);
        if (holds_reference(p, at))
            diag_hint(p->d, "inside { } and [ ] a reference needs quotes: \"${name}\"");
        else if (begins_with_tab(p, at))
            diag_hint(p->d, "indent lines with spaces, not with tabs");
        else if (strstr(problem, "mapping values are not allowed"))
            diag_hint(p->d,
                      "is this line indented as its neighbours are? Text with ': ' "
                      "in it needs quotes");
        else if (p->yaml.context && strstr(p->yaml.context, "quoted scalar"))
            diag_hint(p->d, "the quote that begins in line %u has no end",
                      line_of(p->yaml.context_mark));
        else if (p->yaml.context && p->yaml.context_mark.line < at.line)
            diag_hint(p->d, "it begins in line %u", line_of(p->yaml.context_mark));
        return false;
    }
    p->event_held = true;
    if (++p->events > MOST_EVENTS) {
        fail(p, p->event.start_mark, "more than 100000 parts: this is too long");
        return false;
    }
    return true;
}

static bool count_node(struct parser *p, yaml_mark_t at) {
    if (++p->limits->nodes <= MOST_NODES)
        return true;
    fail(p, at, "more than 50000 values, aliases counted in full: this is too long");
    return false;
}

static bool count_copy(struct parser *p, const struct node *n, yaml_mark_t at) {
    if (!count_node(p, at))
        return false;
    for (uint32_t i = 0; i < n->count; i++)
        if (!count_copy(p, n->items[i], at))
            return false;
    return true;
}

static bool remember(struct parser *p, const yaml_char_t *name, struct node *n) {
    if (!name)
        return true;
    if (p->anchor_count == MOST_ANCHORS) {
        fail(p, p->event.start_mark, "more than 256 anchors");
        return false;
    }
    p->anchors[p->anchor_count++] =
        (struct anchor){arena_copy(p->a, (const char *)name), n};
    return true;
}

static void place(const struct parser *p, struct node *n, yaml_mark_t at) {
    n->at.line = line_of(at);
    n->at.column = column_of(p, at);
}

/* `!` alone says "a string" and changes nothing; all else would be ignored, so say it.
 */
static bool no_tag(struct parser *p, const yaml_char_t *tag) {
    if (!tag || strcmp((const char *)tag, "!") == 0)
        return true;
    fail(p, p->event.start_mark,
         "a tag (!!...): the type of a value follows from its key");
    return false;
}

static struct node *parse_value(struct parser *p);

static struct node *parse_alias(struct parser *p) {
    const char *name = (const char *)p->event.data.alias.anchor;
    yaml_mark_t at = p->event.start_mark;
    for (uint32_t i = p->anchor_count; i-- > 0;)
        if (strcmp(p->anchors[i].name, name) == 0) {
            if (!p->anchors[i].node)
                return fail(p, at, "this alias is inside what it stands for");
            if (!count_copy(p, p->anchors[i].node, at))
                return NULL;
            struct node *n = tree_copy(p->a, p->anchors[i].node);
            n->key = NULL;
            return n;
        }
    return fail(p, at, "there is no anchor of this name above");
}

static struct node *parse_scalar(struct parser *p) {
    yaml_mark_t at = p->event.start_mark;
    size_t n = p->event.data.scalar.length;
    const char *value = (const char *)p->event.data.scalar.value;
    if (n > MOST_SCALAR)
        return fail(p, at, "a value longer than 64 KiB");
    if (strlen(value) != n)
        return fail(p, at, "a value with a NUL character");
    if (!no_tag(p, p->event.data.scalar.tag))
        return NULL;
    struct node *x = tree_new(p->a, NODE_SCALAR, p->from);
    x->raw = arena_copy_n(p->a, value, n);
    x->quoted = p->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    place(p, x, at);
    return remember(p, p->event.data.scalar.anchor, x) ? x : NULL;
}

/* `<<`: keys of another map that are not there yet. */
static bool merge(struct parser *p, struct node *into, const struct node *from,
                  yaml_mark_t at) {
    if (from->kind == NODE_LIST) {
        for (uint32_t i = 0; i < from->count; i++)
            if (!merge(p, into, from->items[i], at))
                return false;
        return true;
    }
    if (from->kind != NODE_MAP) {
        fail(p, at, "<< expects a map or a list of maps");
        return false;
    }
    for (uint32_t i = 0; i < from->count; i++) {
        if (tree_find(into, from->items[i]->key))
            continue;
        if (into->count == MOST_KEYS) {
            fail(p, at, "a map with more than 1024 keys");
            return false;
        }
        tree_append(p->a, into, from->items[i]);
    }
    return true;
}

static struct node *parse_map(struct parser *p) {
    struct node *n = tree_new(p->a, NODE_MAP, p->from), *merged = NULL;
    place(p, n, p->event.start_mark);
    if (!no_tag(p, p->event.data.mapping_start.tag))
        return NULL;
    uint32_t slot = p->anchor_count;
    yaml_mark_t merge_at = p->event.start_mark;
    bool named = p->event.data.mapping_start.anchor != NULL;
    if (!remember(p, p->event.data.mapping_start.anchor, NULL))
        return NULL;
    while (next(p) && p->event.type != YAML_MAPPING_END_EVENT) {
        yaml_mark_t at = p->event.start_mark;
        if (p->event.type != YAML_SCALAR_EVENT)
            return fail(p, at, "a key must be a word");
        if (p->event.data.scalar.length > 256)
            return fail(p, at, "a key longer than 256 bytes");
        const char *key = arena_copy(p->a, (const char *)p->event.data.scalar.value);
        if (strlen(key) != p->event.data.scalar.length)
            return fail(p, at, "a key with a NUL character");
        bool merges = strcmp(key, "<<") == 0 &&
                      p->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        if (!no_tag(p, p->event.data.scalar.tag))
            return NULL;
        struct node *twin = merges ? merged : tree_find(n, key);
        if (!next(p))
            return NULL;
        struct node *v = parse_value(p);
        if (!v)
            return NULL;
        v->key = key;
        v->key_at.line = line_of(at);
        v->key_at.column = column_of(p, at);
        if (twin) {
            char text[400];
            snprintf(text, sizeof text,
                     "'%.200s' is given twice; the first is in line %u", key,
                     twin->key_at.line);
            diag_at(p->d, p->from, v->key_at.line, v->key_at.column, "", RN_E_CONFIG,
                    text);
            continue;
        }
        if (merges) {
            merged = v;
            merge_at = at;
            continue;
        }
        if (n->count == MOST_KEYS)
            return fail(p, at, "a map with more than 1024 keys");
        tree_append(p->a, n, v);
    }
    if (p->failed || (merged && !merge(p, n, merged, merge_at)))
        return NULL;
    if (named)
        p->anchors[slot].node = n;
    return n;
}

static struct node *parse_list(struct parser *p) {
    struct node *n = tree_new(p->a, NODE_LIST, p->from);
    place(p, n, p->event.start_mark);
    if (!no_tag(p, p->event.data.sequence_start.tag))
        return NULL;
    uint32_t slot = p->anchor_count;
    bool named = p->event.data.sequence_start.anchor != NULL;
    if (!remember(p, p->event.data.sequence_start.anchor, NULL))
        return NULL;
    while (next(p) && p->event.type != YAML_SEQUENCE_END_EVENT) {
        struct node *v = parse_value(p);
        if (!v)
            return NULL;
        tree_append(p->a, n, v);
    }
    if (p->failed)
        return NULL;
    if (named)
        p->anchors[slot].node = n;
    return n;
}

/* The value that the current event begins. */
static struct node *parse_value(struct parser *p) {
    yaml_mark_t at = p->event.start_mark;
    struct node *n = NULL;
    if (!count_node(p, at))
        return NULL;
    if (++p->depth > MOST_DEPTH)
        return fail(p, at, "values nest deeper than 64");
    switch (p->event.type) {
    case YAML_SCALAR_EVENT:
        n = parse_scalar(p);
        break;
    case YAML_MAPPING_START_EVENT:
        n = parse_map(p);
        break;
    case YAML_SEQUENCE_START_EVENT:
        n = parse_list(p);
        break;
    case YAML_ALIAS_EVENT:
        n = parse_alias(p);
        break;
    default:
        n = fail(p, at, "a value is missing here");
        break;
    }
    p->depth--;
    return n;
}

static bool few_directives(struct parser *p) {
    uint32_t directives = 0;
    unsigned line = 1;
    for (size_t i = p->from->skip; i < p->from->length; i++) {
        if (p->from->text[i] == '\n')
            line++;
        if (p->from->text[i] != '%' || (i && p->from->text[i - 1] != '\n'))
            continue;
        if (++directives > MOST_DIRECTIVES) {
            diag_at(p->d, p->from, line, 1, "", RN_E_CONFIG, "more than 8 directives");
            return false;
        }
    }
    return true;
}

static struct node *parse_document(struct parser *p) {
    struct node *root = NULL;
    if (!next(p)) /* stream start */
        return NULL;
    if (!next(p))
        return NULL;
    if (p->event.type == YAML_STREAM_END_EVENT) {
        root = tree_new(p->a, NODE_NULL, p->from);
        root->at.line = root->at.column = 1;
        return root;
    }
    if (!next(p)) /* document start is behind */
        return NULL;
    root = parse_value(p);
    if (!root || !next(p)) /* document end */
        return NULL;
    if (!next(p))
        return NULL;
    if (p->event.type != YAML_STREAM_END_EVENT)
        return fail(p, p->event.start_mark,
                    "a second document: one file is one experiment");
    return root;
}

struct node *tree_parse(struct arena *a, const struct origin *from, struct limits *l,
                        struct diag *d) {
    struct node *root = NULL;
    if (from->length > MOST_BYTES) {
        diag_at(d, from, 0, 0, "", RN_E_CONFIG, "the file is longer than 256 KiB");
        return NULL;
    }
    struct parser *p = memory_get(sizeof *p);
    *p = (struct parser){.a = a, .from = from, .limits = l, .d = d};
    for (size_t i = 0; i < from->skip; i++)
        p->shift += ((unsigned char)from->text[i] & 0xc0u) != 0x80u;
    if (few_directives(p)) {
        if (!yaml_parser_initialize(&p->yaml)) {
            diag_at(d, from, 0, 0, "", RN_E_MEMORY, "no memory for the YAML parser");
        } else {
            yaml_parser_set_encoding(&p->yaml, YAML_UTF8_ENCODING);
            yaml_parser_set_input_string(&p->yaml,
                                         (const unsigned char *)from->text + from->skip,
                                         from->length - from->skip);
            root = parse_document(p);
            if (p->event_held)
                yaml_event_delete(&p->event);
            yaml_parser_delete(&p->yaml);
        }
    }
    bool failed = p->failed;
    memory_release(p);
    return failed ? NULL : root;
}
