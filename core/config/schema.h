/* SPDX-License-Identifier: Apache-2.0 */
/* Inside core/config: schemas as parsed from description text. */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "config/tree.h"

enum type_kind {
    TYPE_ANY,
    TYPE_BOOL,
    TYPE_INT,
    TYPE_FLOAT,
    TYPE_STRING,
    TYPE_DURATION,
    TYPE_PATH,
    TYPE_PATTERN,
    TYPE_REFERENCE, /* to a component, a live option or a series */
    TYPE_CHOICE,
    TYPE_COMPONENT,  /* one */
    TYPE_COMPONENTS, /* one, a list or a map of named ones */
    TYPE_LIST,
    TYPE_MAP,
    TYPE_EITHER, /* a list or a map: either(list(...),map(...)), or a record as the map
                  */
    TYPE_RECORD
};

struct type {
    enum type_kind kind;
    const char *text;     /* as written */
    const char **choices; /* TYPE_CHOICE */
    uint32_t choice_count;
    const char
        *name; /* component's kind, "live" or "series"; record's or union's name */
    const struct type *of;  /* TYPE_LIST, TYPE_MAP; the list of TYPE_EITHER */
    const struct type *map; /* TYPE_EITHER: a map or a record */
};

struct option {
    struct option_info info;
    struct type type;
    const char *plain; /* the default without its quotes, or NULL */
    bool has_min, has_max, has_above, has_below;
    double min, max, above, below;
};

struct record {
    const char *name, *doc;
    bool joined; /* in a union: `type` says which */
    struct option *options;
    uint32_t count, capacity;
};

struct join { /* union: NAME = RECORD RECORD */
    const char *name;
    const char **records; /* each is one of the schema's */
    uint32_t count;
};

struct schema {
    struct record top;
    bool component; /* of a component, not of an experiment */
    struct record *records;
    uint32_t record_count, record_capacity;
    struct join *joins;
    uint32_t join_count, join_capacity;
};

const struct record *schema_record(const struct schema *s, const char *name);
const struct join *schema_join(const struct schema *s, const char *name);
/* Fill in the value of a scalar by its type; false and a message when it does not fit.
 */
bool scalar_read(struct arena *a, const struct type *t, struct node *n,
                 char message[300]);
/* Is a number that was read within the option's bounds? false and a message when not.
 */
bool range_check(const struct option *o, const struct node *n, char message[300]);

/* A value that a scalar holds: a list of such may be written as one of them. */
bool type_single(const struct type *t);

/* Without the quotes around it, if there are any. */
const char *unquoted(struct arena *a, const char *s);

#endif
