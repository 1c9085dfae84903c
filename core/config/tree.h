/* SPDX-License-Identifier: Apache-2.0 */
/* Inside core/config: nodes with where they came from. */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include "config/config.h"

/* A text that nodes came from: a file, an argument, a default. */
struct origin {
    /* "configs/a.yaml", "command line, argument 2", "default of `device`" */
    const char *name;
    const char *folder; /* relative paths start here */
    const char *text;
    size_t length;
    size_t skip;      /* bytes in front that are no YAML: the key of an override */
    bool is_default;  /* nobody wrote it: it has a name, but no line */
    bool is_argument; /* one line of the command line: its name is place enough */
};

enum value_type {
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_PATH
};

/* In the file, from 1. */
struct place {
    unsigned line, column;
};

struct node {
    enum node_kind kind;
    const struct origin *origin;
    struct place at;     /* of the value */
    struct place key_at; /* of its key */
    const char *key;     /* in a map */
    const char *path;
    const char *raw; /* scalar */
    const char *via; /* lines that say where its ${} came from; NULL: there are none */
    bool quoted;
    struct node **items;
    uint32_t count, capacity;
    enum value_type type;
    bool b;
    int64_t i;
    double f;
    const char *s;
    uint8_t mark; /* interpolation: 1 being done, 2 done, 3 done and wrong */
    /* Of a map with `type` that was extended by a map without, which may as well be
     * named components in its place: the map if they are that, and the one whose keys
     * tell. */
    struct node *named;
    const struct node *names;
};

struct config {
    struct arena *arena;
    struct node *root;
    const char *source;
    const struct node **series; /* values of options that refer to a series */
    uint32_t series_count, series_capacity;
};

struct limits { /* of one load, over all files */
    uint32_t nodes;
    uint32_t files;
};

#define MOST_BYTES (256u * 1024u) /* a file */
#define MOST_KEYS  1024u          /* a map; bounds what is searched one by one */

/* yaml.c: parse one text. NULL when it is not YAML or beyond the limits; a tree without
 * the second of two equal keys after an error about that. */
struct node *tree_parse(struct arena *a, const struct origin *from, struct limits *l,
                        struct diag *d);
struct node *tree_new(struct arena *a, enum node_kind kind, const struct origin *from);
void tree_append(struct arena *a, struct node *parent, struct node *child);
void tree_remove(struct node *parent, const struct node *child);
struct node *tree_copy(struct arena *a, const struct node *n);
struct node *tree_find(const struct node *n, const char *key);
/* Paths of all nodes below n. */
void tree_paths(struct arena *a, struct node *n, const char *path);
bool tree_null(const struct node *n); /* nothing, ~ or null */
/* An error at a place that has no node. */
int diag_at(struct diag *d, const struct origin *from, unsigned line, unsigned column,
            const char *path, int status, const char *message);

/* Where a node was written: "a.yaml:3:5", "command line, argument 2"; in the arena. */
const char *node_origin(struct arena *a, const struct node *n);

#endif
